"""What PyTorch and transformers compute, once, for tests/golden/encoder.npz: layer normalisation, attention of several
heads, a block of an encoder, the losses of CLDTLog, and a BERT with random weights.

    python train_ref/reference_numbers_encoder.py            (needs the extra `bench`; the tests need only the file)

As reference_numbers.py has it: float64, but for the BERT, which is float32 as its files are. "bert.arrays.<name>" is what
its safetensors file would hold, "bert.hidden" (B, T, D) the last hidden states.
"""
from pathlib import Path

import numpy as np
import torch
from reference_numbers import both_ways, gradient, mask_of, tensor
from torch import nn
from torch.nn import functional as F
from transformers import BertConfig, BertModel

SEED = 20240709
OUTPUT = Path(__file__).parents[1] / "tests" / "golden" / "encoder.npz"
LENGTHS = [7, 1, 4, 6]  # of windows of 8 steps
HEADS = 3
BLOCK_NAMES = {"attention.in.W": "self_attn.in_proj_weight", "attention.in.b": "self_attn.in_proj_bias",
               "attention.out.W": "self_attn.out_proj.weight", "attention.out.b": "self_attn.out_proj.bias",
               "up.W": "linear1.weight", "up.b": "linear1.bias", "down.W": "linear2.weight", "down.b": "linear2.bias",
               "norm1.g": "norm1.weight", "norm1.b": "norm1.bias", "norm2.g": "norm2.weight", "norm2.b": "norm2.bias"}
BERT = dict(vocab_size=23, hidden_size=12, num_hidden_layers=2, num_attention_heads=HEADS, intermediate_size=20,
            max_position_embeddings=10, attn_implementation="eager")


def main() -> None:
    rng = np.random.default_rng(SEED)
    torch.manual_seed(SEED)
    cases = {"layernorm": layernorm(rng), "multihead": multihead(rng), "block": block(rng), "focal": focal(rng), "triplet": triplet(rng),
             "bert": bert(rng)}
    arrays = {f"{case}.{name}": np.asarray(array) for case, results in cases.items() for name, array in results.items()}
    np.savez_compressed(OUTPUT, **arrays)
    print(f"{OUTPUT.name}: {len(arrays)} arrays, {OUTPUT.stat().st_size} bytes, PyTorch {torch.__version__}")


def layernorm(rng: np.random.Generator) -> dict[str, np.ndarray]:
    x, params = tensor(rng, 4, 5, 7), {"g": tensor(rng, 7), "b": tensor(rng, 7)}
    return both_ways(rng, F.layer_norm(x, (7,), params["g"], params["b"], 1e-12), params, x)


def multihead(rng: np.random.Generator) -> dict[str, np.ndarray]:
    x, model = tensor(rng, 4, 8, 6), nn.MultiheadAttention(6, HEADS, batch_first=True, dtype=torch.float64)
    names = {"in.W": "in_proj_weight", "in.b": "in_proj_bias", "out.W": "out_proj.weight", "out.b": "out_proj.bias"}
    params, mask = _random(rng, model, names), mask_of(LENGTHS, 8)
    return both_ways(rng, model(x, x, x, key_padding_mask=~mask)[0], params, x) | {"mask": mask}


def block(rng: np.random.Generator) -> dict[str, np.ndarray]:
    x, model = tensor(rng, 4, 8, 6), nn.TransformerEncoderLayer(6, HEADS, 10, 0.0, "gelu", 1e-12, True, dtype=torch.float64)
    params, mask = _random(rng, model, BLOCK_NAMES), mask_of(LENGTHS, 8)
    return both_ways(rng, model(x, src_key_padding_mask=~mask), params, x) | {"mask": mask}


def focal(rng: np.random.Generator, gamma: float = 3.5) -> dict[str, np.ndarray]:
    y, target = 3 * tensor(rng, 9).detach(), torch.tensor([0, 1, 1, 0, 0, 1, 0, 1, 0])
    y.requires_grad_()
    log_p = F.logsigmoid(torch.where(target == 1, y, -y))
    loss, dy = gradient((-(1 - log_p.exp()) ** gamma * log_p).mean(), y)
    return {"y": y.detach(), "target": target, "loss": loss, "dy": dy}


def triplet(rng: np.random.Generator, margin: float = 2.0) -> dict[str, np.ndarray]:
    """Mined by loops, one pair after the other."""
    x, target = tensor(rng, 14, 5), torch.tensor([0, 1, 0, 2, 0, 1, 1, 0, 2, 0, 0, 3, 1, 0])
    d, terms = torch.cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist"), []
    for a in range(14):
        for p in (p for p in range(14) if p != a and target[p] == target[a]):
            farther = [d[a, n] for n in range(14) if target[n] != target[a] and d[a, p] < d[a, n] < d[a, p] + margin]
            if farther:
                terms.append(d[a, p] - min(farther) + margin)
    loss, dx = gradient(torch.stack(terms).mean(), x)
    return {"x": x.detach(), "target": target, "loss": loss, "dx": dx, "triplets": len(terms)}


def bert(rng: np.random.Generator) -> dict[str, np.ndarray]:
    model = BertModel(BertConfig(**BERT)).eval()
    with torch.no_grad():
        for p in model.parameters():  # larger than BERT's own start, so that nothing is nearly linear
            p.copy_(torch.tensor(0.5 * rng.standard_normal(p.shape), dtype=torch.float32))
        ids, mask = torch.tensor(rng.integers(0, 23, (4, 8))), mask_of(LENGTHS, 8)
        hidden = model(input_ids=ids, attention_mask=mask.long()).last_hidden_state
    return {f"arrays.{name}": p for name, p in model.state_dict().items()} | {"ids": ids, "mask": mask, "hidden": hidden}


def _random(rng: np.random.Generator, model: nn.Module, names: dict[str, str]) -> dict[str, torch.Tensor]:
    """The model's parameters under our names, with random values."""
    theirs = dict(model.named_parameters())
    params = {ours: theirs[name] for ours, name in names.items()}
    with torch.no_grad():
        for p in params.values():
            p.copy_(tensor(rng, *p.shape))
    return params


if __name__ == "__main__":
    main()
