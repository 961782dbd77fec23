"""The mean of a window's states, over its real steps or, without a mask, over all of them, as DistilLog was published.

    y = sum over steps of h / n      dh = dy / n      n: how many steps are real
"""
from __future__ import annotations

from typing import Any

import numpy as np

from .layout import feature_major


def forward(h: np.ndarray, mask: np.ndarray | None = None) -> tuple[np.ndarray, Any]:
    """h (B, T, H) to y (B, H); 0 for a window without any event."""
    return infer(h, mask), _share(h, mask)


def backward(dy: np.ndarray, cache: Any) -> np.ndarray:
    """dy (B, H) to dh (B, T, H)."""
    return dy[:, None] * cache[:, :, None]


def infer(h: np.ndarray, mask: np.ndarray | None = None) -> np.ndarray:
    """y (B, H)"""
    h = feature_major(h)  # (T, H, B)
    real = h if mask is None else h * mask.T[:, None]
    n = len(h) if mask is None else np.maximum(mask.sum(1), 1)
    # In float64: with T roundings in float32, nine times as many of DistilLog's logits were off by more than 1e-5.
    return (real.sum(0, dtype=np.float64) / n).astype(h.dtype).T


def _share(h: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
    """(B, T): 1 / n at real steps, else 0."""
    real = np.ones(h.shape[:2], bool) if mask is None else mask
    return (real / np.maximum(real.sum(1, keepdims=True), 1)).astype(h.dtype)
