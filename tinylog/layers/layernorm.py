"""Layer normalisation (Ba 2016): each vector to mean 0 and variance 1, then a scale and a shift that are learned.

    n = (x - mean) / s      s = sqrt(variance + EPS)      y = g n + b      mean and variance over the last axis

    dn = dy g      dx = (dn - mean(dn) - n mean(dn n)) / s
"""
from __future__ import annotations

from typing import Any

import numpy as np

from .params import Params

EPS = 1e-12  # BERT's


def init(D: int, dtype: type = np.float32) -> Params:
    """Vectors of D numbers. Nothing is random: it starts as the mere normalisation."""
    return {"g": np.ones(D, dtype), "b": np.zeros(D, dtype)}


def forward(x: np.ndarray, params: Params) -> tuple[np.ndarray, Any]:
    """x (..., D) to y of its shape."""
    x = x - x.mean(-1, keepdims=True)
    s = np.sqrt(np.einsum("...d,...d->...", x, x)[..., None] / x.shape[-1] + EPS).astype(x.dtype, copy=False)
    n = x / s
    return n * params["g"] + params["b"], (n, s, params)


def backward(dy: np.ndarray, cache: Any) -> tuple[np.ndarray, Params]:
    """dy (..., D) to dx (..., D)."""
    n, s, params = cache
    leading = tuple(range(dy.ndim - 1))
    # forward: y = n g + b
    dn = dy * params["g"]
    # forward: n = (x - mean) / s, where mean and s move with every x of the vector
    along = np.einsum("...d,...d->...", dn, n)[..., None] / dy.shape[-1]
    dx = (dn - dn.mean(-1, keepdims=True) - n * along) / s
    return dx, {"g": (dy * n).sum(leading), "b": dy.sum(leading)}


def infer(x: np.ndarray, params: Params) -> np.ndarray:
    """y (..., D)"""
    return forward(x, params)[0]
