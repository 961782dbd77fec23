"""What PyTorch computes, once, for tests/golden/layers.npz: outputs and gradients of layers and losses, steps of Adam.

    python train_ref/reference_numbers.py            (needs the extra `bench`; the tests need only the file)

All in float64, so that a test may ask for agreement to ten digits. Names: "<case>.x", "<case>.params.<name>",
"<case>.y", "<case>.dy" (what comes from above), "<case>.dx", "<case>.grads.<name>".
"""
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

SEED = 20240708
OUTPUT = Path(__file__).parents[1] / "tests" / "golden" / "layers.npz"
GRU_NAMES = {"weight_ih": "W", "weight_hh": "U", "bias_ih": "b", "bias_hh": "c"}
LENGTHS = [7, 1, 4, 6]  # of windows of 8 events: no window fills them


def main() -> None:
    rng = np.random.default_rng(SEED)
    cases = {"dense": dense(rng), "lookup": lookup(rng), "gru": gru(rng, depth=1), "gru_padded": gru(rng, 2, LENGTHS),
             "attention": attention(rng), "attention_padded": attention(rng, LENGTHS),
             "cross_entropy": cross_entropy(rng), "distillation": distillation(rng), "adam": adam(rng)}
    arrays = {f"{case}.{name}": np.asarray(array)
              for case, results in cases.items() for name, array in results.items()}
    np.savez_compressed(OUTPUT, **arrays)
    print(f"{OUTPUT.name}: {len(arrays)} arrays, {OUTPUT.stat().st_size} bytes, PyTorch {torch.__version__}")


def tensor(rng: np.random.Generator, *shape: int) -> torch.Tensor:
    return torch.tensor(rng.standard_normal(shape), requires_grad=True)


def both_ways(rng: np.random.Generator, y: torch.Tensor, params: dict, x: torch.Tensor) -> dict[str, np.ndarray]:
    """Output, and the gradients of a random projection of it."""
    dy = rng.standard_normal(y.shape)
    y.backward(torch.tensor(dy))
    result = {"x": x.detach(), "y": y.detach(), "dy": dy}
    if x.grad is not None:
        result["dx"] = x.grad
    return (result | {f"params.{name}": p.detach() for name, p in params.items()}
            | {f"grads.{name}": p.grad for name, p in params.items()})


def mask_of(lengths: list[int], T: int) -> torch.Tensor:
    return torch.arange(T) < torch.tensor(lengths)[:, None]


def dense(rng: np.random.Generator) -> dict[str, np.ndarray]:
    x, params = tensor(rng, 4, 5, 3), {"W": tensor(rng, 6, 3), "b": tensor(rng, 6)}
    return both_ways(rng, F.linear(x, params["W"], params["b"]), params, x)


def lookup(rng: np.random.Generator) -> dict[str, np.ndarray]:
    ids, params = torch.tensor(rng.integers(0, 6, (4, 8))), {"E": tensor(rng, 9, 5)}
    return both_ways(rng, F.embedding(ids, params["E"]), params, ids)


def gru(rng: np.random.Generator, depth: int, lengths: list[int] | None = None) -> dict[str, np.ndarray]:
    """With lengths: packed windows, and behind their ends the last state, as tinylog leaves it."""
    B, T, D, H = 4, 8, 3, 5
    x, model = tensor(rng, B, T, D), nn.GRU(D, H, depth, batch_first=True, dtype=torch.float64)
    params = {f"{name[-1]}.{GRU_NAMES[name[:-3]]}": p for name, p in model.named_parameters()}
    with torch.no_grad():
        for p in params.values():
            p.copy_(tensor(rng, *p.shape))
    if lengths is None:
        return both_ways(rng, model(x)[0], params, x)
    packed = nn.utils.rnn.pack_padded_sequence(x, torch.tensor(lengths), batch_first=True, enforce_sorted=False)
    states, last = model(packed)
    states, _ = nn.utils.rnn.pad_packed_sequence(states, batch_first=True, total_length=T)
    mask = mask_of(lengths, T)
    y = torch.where(mask[:, :, None], states, last[-1][:, None])
    return both_ways(rng, y, params, x) | {"mask": mask}


def attention(rng: np.random.Generator, lengths: list[int] | None = None) -> dict[str, np.ndarray]:
    """Not a module of PyTorch: its functions and its gradients."""
    B, T, H, A = 4, 8, 5, 3
    x, params = tensor(rng, B, T, H), {"W": tensor(rng, A, H), "b": tensor(rng, A), "u": tensor(rng, A)}
    energy = torch.tanh(F.linear(x, params["W"], params["b"])) @ params["u"]
    mask = mask_of(lengths or [T] * B, T)
    shares = F.softmax(energy.masked_fill(~mask, -torch.inf), dim=1)
    return both_ways(rng, (shares[:, None] @ x)[:, 0], params, x) | {"mask": mask, "shares": shares.detach()}


def gradient(loss: torch.Tensor, y: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    return loss.detach().numpy(), torch.autograd.grad(loss, y, retain_graph=True)[0].numpy()


def cross_entropy(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Class numbers, the same with class weights, and shares."""
    y, target, class_weights = tensor(rng, 6, 4), torch.tensor(rng.integers(0, 4, 6)), torch.tensor(rng.random(4))
    shares = torch.tensor(rng.dirichlet(np.ones(4), 6))
    result = {"y": y.detach(), "target": target, "shares": shares, "class_weights": class_weights}
    for name, loss in {"plain": F.cross_entropy(y, target), "soft": F.cross_entropy(y, shares),
                       "weighted": F.cross_entropy(y, target, class_weights)}.items():
        result[f"{name}.loss"], result[f"{name}.dy"] = gradient(loss, y)
    return result


def distillation(rng: np.random.Generator, alpha: float = 0.3, T: float = 7.0) -> dict[str, np.ndarray]:
    """The loss as intended, and as DistilLog's code has it (SPECS 1.4): the student's p where its logarithm belongs."""
    y, teacher = tensor(rng, 6, 2), torch.tensor(5 * rng.standard_normal((6, 2)))
    target = torch.tensor([0, 1, 1, 0, 1, 0])
    hard, q, scaled = F.cross_entropy(y, target), F.softmax(teacher / T, 1), y / T
    intended = T * T * F.kl_div(F.log_softmax(scaled, 1), q, reduction="batchmean")
    published = F.kl_div(F.softmax(scaled, 1), q, reduction="batchmean")
    result = {"y": y.detach(), "teacher": teacher, "target": target}
    for name, soft in {"intended": intended, "published": published}.items():
        result[f"{name}.loss"], result[f"{name}.dy"] = gradient(alpha * hard + (1 - alpha) * soft, y)
    return result


def adam(rng: np.random.Generator, steps: int = 5) -> dict[str, np.ndarray]:
    """Given gradients, with the weight decay of DistilLog's teacher times a hundred, clipped to length 2."""
    p = tensor(rng, 3, 4)
    result = {"start": p.detach().clone(), "grads": rng.standard_normal((steps, 3, 4))}
    optimiser, path = torch.optim.Adam([p], lr=0.03, weight_decay=0.01), []
    for g in result["grads"]:
        p.grad = torch.tensor(g)
        nn.utils.clip_grad_norm_([p], 2.0)
        optimiser.step()
        path.append(p.detach().clone())
    return result | {"path": torch.stack(path)}


if __name__ == "__main__":
    main()
