"""What PyTorch computes, once, for tests/golden/lstm.npz: outputs and gradients of LSTMs, see reference_numbers.py.

    python train_ref/reference_numbers_lstm.py       (needs the extra `bench`; the tests need only the file)
"""
from pathlib import Path

import numpy as np
import torch
from reference_numbers import LENGTHS, SEED, both_ways, mask_of, tensor
from torch import nn

OUTPUT = Path(__file__).parents[1] / "tests" / "golden" / "lstm.npz"
NAMES = {"weight_ih": "W", "weight_hh": "U", "bias_ih": "b", "bias_hh": "c"}
B, T, D, H = 4, 8, 3, 5


def main() -> None:
    rng = np.random.default_rng(SEED)
    cases = {"lstm": lstm(rng, 1), "lstm_padded": lstm(rng, 2, LENGTHS), "bidirectional": lstm(rng, 1, None, True),
             "bidirectional_padded": lstm(rng, 1, LENGTHS, True)}
    arrays = {f"{case}.{name}": np.asarray(array) for case, results in cases.items() for name, array in results.items()}
    np.savez_compressed(OUTPUT, **arrays)
    print(f"{OUTPUT.name}: {len(arrays)} arrays, {OUTPUT.stat().st_size} bytes, PyTorch {torch.__version__}")


def lstm(rng: np.random.Generator, depth: int, lengths: list[int] | None = None, both: bool = False) -> dict[str, np.ndarray]:
    """With lengths: packed windows, and behind their ends the state after all events, as tinylog leaves it."""
    x, model = tensor(rng, B, T, D), nn.LSTM(D, H, depth, batch_first=True, bidirectional=both, dtype=torch.float64)
    params = {ours(name, both): p for name, p in model.named_parameters()}
    with torch.no_grad():
        for p in params.values():
            p.copy_(tensor(rng, *p.shape))
    if lengths is None:
        return both_ways(rng, model(x)[0], params, x)
    packed = nn.utils.rnn.pack_padded_sequence(x, torch.tensor(lengths), batch_first=True, enforce_sorted=False)
    states, (last, _) = model(packed)
    states, _ = nn.utils.rnn.pad_packed_sequence(states, batch_first=True, total_length=T)
    last = torch.cat([last[-2], last[-1]], 1) if both else last[-1]
    mask = mask_of(lengths, T)
    y = torch.where(mask[:, :, None], states, last[:, None])
    return both_ways(rng, y, params, x) | {"mask": mask}


def ours(name: str, both: bool) -> str:
    """"weight_ih_l0" is "0.W"; of two ways, "forward.0.W", and "weight_ih_l0_reverse" "backward.0.W"."""
    kind, _, layer = name.removesuffix("_reverse").rpartition("_l")
    way = ("backward." if name.endswith("_reverse") else "forward.") if both else ""
    return f"{way}{layer}.{NAMES[kind]}"


if __name__ == "__main__":
    main()
