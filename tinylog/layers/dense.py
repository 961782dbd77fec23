"""y = W x + b, over the last axis of x.

    dx = W^T dy      dW = sum dy x^T      db = sum dy
"""
from __future__ import annotations

from typing import Any

import numpy as np

from .params import Params
from .start import uniform


def init(rng: np.random.Generator, D: int, K: int, dtype: type = np.float32) -> Params:
    """D inputs, K outputs."""
    return {"W": uniform(rng, (K, D), D ** -0.5, dtype), "b": uniform(rng, (K,), D ** -0.5, dtype)}


def forward(x: np.ndarray, params: Params) -> tuple[np.ndarray, Any]:
    """x (..., D) to y (..., K)."""
    return infer(x, params), (x, params)


def backward(dy: np.ndarray, cache: Any) -> tuple[np.ndarray, Params]:
    """dy (..., K) to dx (..., D)."""
    x, params = cache
    dy_rows = dy.reshape(-1, dy.shape[-1])  # (N, K), N the product of the leading axes
    # forward: y = x @ W.T + b
    dW = dy_rows.T @ x.reshape(-1, x.shape[-1])  # (K, D)
    return dy @ params["W"], {"W": dW, "b": dy_rows.sum(0)}


def infer(x: np.ndarray, params: Params) -> np.ndarray:
    """y (..., K)"""
    return x @ params["W"].T + params["b"]
