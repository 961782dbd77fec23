"""Squared error: the square of the difference, averaged over the numbers of a window, then over windows.

    L = mean over numbers of (y - target)^2      dL/dy = 2 (y - target) / how many numbers
"""
from __future__ import annotations

import numpy as np

from .cross_entropy import normalised


def loss(y: np.ndarray, target: np.ndarray, weights: np.ndarray | None = None) -> tuple[float, np.ndarray]:
    """y and target, both (B,) or (B, ...) with the same axes behind, to the mean and dy of y's shape.

    `weights` (B,): how much each window counts.
    """
    each = y.size // max(len(y), 1) or 1  # numbers of a window
    share = normalised(weights, y).reshape(-1, *[1] * (y.ndim - 1)) / y.dtype.type(each)
    difference = y - target.astype(y.dtype, copy=False)
    return float((share * difference * difference).sum()), 2 * share * difference
