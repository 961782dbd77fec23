"""What PyTorch computes, once, for tests/golden/autoencoder.npz: an autoencoder's output, activity and gradients.

    python train_ref/reference_numbers_autoencoder.py            (needs the extra `bench`; the tests need only the file)

All in float64. The loss is what AutoLog makes small: the mean squared error and, of the last case, a share of the activity.
"""
from pathlib import Path

import numpy as np
import torch
from torch import nn

SEED = 20240712
OUTPUT = Path(__file__).parents[1] / "tests" / "golden" / "autoencoder.npz"
UNITS = (5, 4, 3, 4, 5)
ACTIVATIONS = ("relu", "tanh", "relu", "linear")
SHARE = 0.1  # of the activity in the loss
MODULES = {"relu": nn.ReLU, "tanh": nn.Tanh, "linear": nn.Identity}


def main() -> None:
    cases = {"plain": case(0.0), "quiet": case(SHARE)}
    arrays = {f"{name}.{key}": np.asarray(array) for name, results in cases.items() for key, array in results.items()}
    np.savez_compressed(OUTPUT, **arrays)
    print(f"{OUTPUT.name}: {len(arrays)} arrays, {OUTPUT.stat().st_size} bytes, PyTorch {torch.__version__}")


def case(share: float) -> dict[str, np.ndarray]:
    """7 windows; the loss is mean (y - x)^2 + share * mean activity, of x that also is the target."""
    rng = np.random.default_rng(SEED)
    x = torch.tensor(rng.standard_normal((7, UNITS[0])), requires_grad=True)
    layers = [nn.Linear(*pair, dtype=torch.float64) for pair in zip(UNITS, UNITS[1:])]
    params = {f"{k}.{name}": p for k, layer in enumerate(layers) for name, p in (("W", layer.weight), ("b", layer.bias))}
    with torch.no_grad():
        for p in params.values():
            p.copy_(torch.tensor(rng.standard_normal(p.shape)))
    a, activity = x, torch.zeros(len(x), dtype=torch.float64)
    for layer, name in zip(layers, ACTIVATIONS):
        a = MODULES[name]()(layer(a))
        activity = activity + a.abs().sum(1)
    loss = nn.functional.mse_loss(a, x.detach()) + share * activity.mean()
    loss.backward()
    return ({"x": x.detach(), "y": a.detach(), "activity": activity.detach(), "loss": loss.detach(), "dx": x.grad, "share": share}
            | {f"params.{name}": p.detach() for name, p in params.items()} | {f"grads.{name}": p.grad for name, p in params.items()})


if __name__ == "__main__":
    main()
