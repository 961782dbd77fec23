"""What PyTorch computes for convolutions over time, once, for tests/golden/conv.npz: see reference_numbers.py.

    python train_ref/reference_numbers_conv.py            (needs the extra `bench`; the tests need only the file)
"""
from pathlib import Path

import numpy as np
import torch
from reference_numbers import LENGTHS, both_ways, mask_of, tensor
from torch.nn import functional as F

SEED = 20240711
OUTPUT = Path(__file__).parents[1] / "tests" / "golden" / "conv.npz"
CASES = {"plain": (3, 1, None), "dilated": (3, 2, None), "wide": (5, 3, None), "farther_than_the_window": (3, 8, None),
         "padded": (3, 2, LENGTHS)}  # width, dilation, lengths


def main() -> None:
    rng = np.random.default_rng(SEED)
    arrays = {f"{case}.{name}": np.asarray(array)
              for case, sizes in CASES.items() for name, array in conv(rng, *sizes).items()}
    np.savez_compressed(OUTPUT, **arrays)
    print(f"{OUTPUT.name}: {len(arrays)} arrays, {OUTPUT.stat().st_size} bytes, PyTorch {torch.__version__}")


def conv(rng: np.random.Generator, width: int, dilation: int, lengths: list[int] | None) -> dict[str, np.ndarray]:
    B, T, D, K = 4, 8, 3, 5
    x, params = tensor(rng, B, T, D), {"W": tensor(rng, K, D, width), "b": tensor(rng, K)}
    mask = mask_of(lengths or [T] * B, T)
    seen = (x * mask[:, :, None]).transpose(1, 2)
    y = F.conv1d(seen, params["W"], params["b"], padding="same", dilation=dilation).transpose(1, 2) * mask[:, :, None]
    return both_ways(rng, y, params, x) | {"dilation": dilation} | ({"mask": mask} if lengths else {})


if __name__ == "__main__":
    main()
