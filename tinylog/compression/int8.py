"""Eight bits a number: x ~ q * scale, q a whole number in -127 .. 127, one scale for each group of numbers.

    scale = max |x| / 127      q = round(x / scale)      |x - q scale| <= scale / 2

Symmetric, so 0 stays 0. Groups are runs of equal length in the flattened array: groups = 1 is one scale for all, groups
= rows one for each row. Weights are stored this way, not computed with: what is loaded is float32 again.
"""
from __future__ import annotations

import numpy as np

MIN_ROW = 16  # numbers in a row from which a scale of its own is worth its four bytes


def quantise(x: np.ndarray, groups: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """x of any shape to q, int8 of that shape, and scale (groups,) float32.

    ValueError if x does not divide into `groups`, or has a number that is not finite.
    """
    if groups < 1 or x.size % groups:
        raise ValueError(f"{x.size} numbers do not divide into {groups} groups")
    if not np.isfinite(x).all():
        raise ValueError("only finite numbers can be quantised")
    rows = x.reshape(groups, -1).astype(np.float32, copy=False)
    scale = np.abs(rows).max(1, initial=0) / np.float32(127)
    divisor = np.where(scale > 0, scale, 1)  # a group of zeros
    q = np.clip(np.rint(rows / divisor[:, None]), -127, 127)
    return q.astype(np.int8).reshape(x.shape), scale


def dequantise(q: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """float32 of q's shape; the number of groups is the length of scale."""
    return (q.reshape(len(scale), -1) * scale[:, None]).reshape(q.shape)


def largest_error(x: np.ndarray, q: np.ndarray, scale: np.ndarray) -> float:
    """How far the worst number is from what it was."""
    return float(np.abs(dequantise(q, scale) - x).max(initial=0))


def packed(params: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """How a model file holds parameters in eight bits: `name.q` and `name.scale`, a scale for each row of a table."""
    arrays = {}
    for name, x in params.items():
        q, scale = quantise(x, len(x) if x.ndim > 1 and x.shape[1] >= MIN_ROW else 1)
        arrays |= {f"{name}.q": q, f"{name}.scale": scale}
    return arrays


def unpacked(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The parameters that `packed` made such arrays of, float32, as near as eight bits are."""
    return {name.removesuffix(".q"): dequantise(q, arrays[name.removesuffix(".q") + ".scale"])
            for name, q in arrays.items() if name.endswith(".q")}
