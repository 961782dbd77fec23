"""Convolution over time with dilation, as many steps out as in ('same'), in PyTorch's convention.

    y_t = b + sum over j of W_j x_(t + (j - c) d)      j = 0 .. k - 1, k odd, c = (k - 1) / 2, d the dilation

What lies outside of the window is 0. **So is a padded step, before and after**: a window's numbers are the same however
far it is padded. "W" is (K, D, k), "b" (K,).

    dx_t = sum over j of W_j^T dy_(t - (j - c) d)      dW_j = sum dy_t x_(t + (j - c) d)^T      db = sum dy
"""
from __future__ import annotations

from typing import Any

import numpy as np

from .layout import batch_major, feature_major
from .params import Params
from .start import uniform


def init(rng: np.random.Generator, D: int, K: int, width: int = 3, dtype: type = np.float32) -> Params:
    """D inputs, K outputs, each of `width` steps (an odd number)."""
    limit = (D * width) ** -0.5
    return {"W": uniform(rng, (K, D, width), limit, dtype), "b": uniform(rng, (K,), limit, dtype)}


def forward(x: np.ndarray, params: Params, dilation: int = 1, mask: np.ndarray | None = None) -> tuple[np.ndarray, Any]:
    """x (B, T, D) to y (B, T, K)."""
    W, real = params["W"], _real(mask)
    seen = _gathered(_kept(feature_major(x), real), W.shape[2], dilation)  # (T, k D, B)
    y = _kept(np.matmul(_flat(W), seen) + params["b"][:, None], real)
    return batch_major(y), (seen, W, dilation, real)


def backward(dy: np.ndarray, cache: Any) -> tuple[np.ndarray, Params]:
    """dy (B, T, K) to dx (B, T, D)."""
    seen, W, dilation, real = cache
    K, D, width = W.shape
    d = _kept(feature_major(dy), real)  # (T, K, B)
    # forward: y = W seen + b
    dW = np.matmul(d, seen.transpose(0, 2, 1)).sum(0).reshape(K, width, D).transpose(0, 2, 1)
    dx = _scattered(np.matmul(_flat(W).T, d), width, dilation)
    return batch_major(_kept(dx, real)), {"W": np.ascontiguousarray(dW), "b": d.sum((0, 2))}


def infer(x: np.ndarray, params: Params, dilation: int = 1, mask: np.ndarray | None = None) -> np.ndarray:
    """y (B, T, K)"""
    return forward(x, params, dilation, mask)[0]


def _gathered(x: np.ndarray, width: int, dilation: int) -> np.ndarray:
    """x (T, D, B) to (T, width D, B): all the steps that each output sees, one below the other."""
    T, D, B = x.shape
    seen = np.zeros((T, width, D, B), x.dtype)
    for j, here, there in _shifts(T, width, dilation):
        seen[here, j] = x[there]
    return seen.reshape(T, width * D, B)


def _scattered(dseen: np.ndarray, width: int, dilation: int) -> np.ndarray:
    """The reverse of `_gathered`: (T, width D, B) to (T, D, B), summed."""
    T, _, B = dseen.shape
    dseen = dseen.reshape(T, width, -1, B)
    dx = np.zeros((T, dseen.shape[2], B), dseen.dtype)
    for j, here, there in _shifts(T, width, dilation):
        dx[there] += dseen[here, j]
    return dx


def _shifts(T: int, width: int, dilation: int) -> list[tuple[int, slice, slice]]:
    """For each j: the steps t whose t + shift is inside of the window, and those t + shift."""
    offsets = [(j, (j - width // 2) * dilation) for j in range(width)]
    return [(j, slice(max(0, -by), T - max(0, by)), slice(max(0, by), T - max(0, -by)))
            for j, by in offsets if abs(by) < T]


def _flat(W: np.ndarray) -> np.ndarray:
    """(K, D, width) as (K, width D), in the order of `_gathered`."""
    return W.transpose(0, 2, 1).reshape(len(W), -1)


def _real(mask: np.ndarray | None) -> np.ndarray | None:
    """(T, 1, B)"""
    return None if mask is None else mask.T[:, None]


def _kept(x: np.ndarray, real: np.ndarray | None) -> np.ndarray:
    """x (T, D, B), 0 at padded steps whatever stood there."""
    return x if real is None else np.where(real, x, x.dtype.type(0))
