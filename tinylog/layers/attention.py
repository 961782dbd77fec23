"""Additive attention over the events of a window (Bahdanau 2015): how much each state counts, learned.

    t = tanh(W h + b)      e = u . t      a = softmax of e over the real steps      y = sum over steps of a h

A window without any event has no shares, and y = 0.
"""
from __future__ import annotations

from typing import Any

import numpy as np

from .activations import softmax, softmax_backward, tanh_backward
from .layout import batch_major, feature_major
from .params import Params
from .start import uniform


def init(rng: np.random.Generator, H: int, A: int, dtype: type = np.float32) -> Params:
    """States of H numbers, A attention units: A (H + 2) numbers are learned."""
    return {"W": uniform(rng, (A, H), H ** -0.5, dtype), "b": uniform(rng, (A,), H ** -0.5, dtype),
            "u": uniform(rng, (A,), A ** -0.5, dtype)}


def forward(h: np.ndarray, params: Params, mask: np.ndarray | None = None) -> tuple[np.ndarray, Any]:
    """States h (B, T, H) to their weighted mean y (B, H)."""
    h = feature_major(h)  # (T, H, B)
    t, a = _shares(h, params, mask)
    return _mean(h, a), (h, t, a, params)


def backward(dy: np.ndarray, cache: Any) -> tuple[np.ndarray, Params]:
    """dy (B, H) to dh (B, T, H)."""
    h, t, a, params = cache
    dy = dy.T  # (H, B)
    # forward: y = sum over steps of a h
    da = np.einsum("thb,hb->tb", h, dy)
    dh = a[:, None] * dy  # (T, H, B)
    # forward: a = softmax(e)
    de = softmax_backward(da, a, axis=0)  # (T, B)
    # forward: e = u . t
    du = np.einsum("tab,tb->a", t, de)
    dt = tanh_backward(params["u"][:, None] * de[:, None], t)  # (T, A, B), already behind tanh
    # forward: t = tanh(W h + b)
    dh += params["W"].T @ dt
    dW = np.matmul(dt, h.transpose(0, 2, 1)).sum(0)
    return batch_major(dh), {"W": dW, "b": dt.sum((0, 2)), "u": du}


def infer(h: np.ndarray, params: Params, mask: np.ndarray | None = None) -> np.ndarray:
    """y (B, H)"""
    h = feature_major(h)
    return _mean(h, _shares(h, params, mask)[1])


def shares(h: np.ndarray, params: Params, mask: np.ndarray | None = None) -> np.ndarray:
    """a (B, T): how much each event counted; sums to 1, and is 0 where padded."""
    return _shares(feature_major(h), params, mask)[1].T


def _shares(h: np.ndarray, params: Params, mask: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """t (T, A, B) and a (T, B) for h (T, H, B)."""
    t = np.tanh(params["W"] @ h + params["b"][:, None])
    e = params["u"] @ t  # (T, B)
    return t, softmax(e, axis=0, mask=None if mask is None else mask.T)


def _mean(h: np.ndarray, a: np.ndarray) -> np.ndarray:
    """(B, H), summed in float64 as pooling does it, and for its reason."""
    return (h * a[:, None]).sum(0, dtype=np.float64).astype(h.dtype).T
