"""Self-attention of several heads (Vaswani 2017): each step of a window looks at all real steps, in N ways at once.

    q, k, v = parts of W x + b                            "in.W" (3D, D): a head has D / N rows of each of the three
    a = softmax over steps of q . k / sqrt(D / N)         padded steps have no share
    y = V [sum over steps of a v, heads side by side] + c      "out.W" (D, D)

The states of padded steps are computed like others but nobody looks at them. A window without any real step has a = 0.
"""
from __future__ import annotations

from typing import Any

import numpy as np

from . import dense
from .activations import softmax, softmax_backward
from .params import Params, named, part


def init(rng: np.random.Generator, D: int, dtype: type = np.float32) -> Params:
    """States of D numbers; whatever the number of heads, there are 4 D (D + 1) numbers."""
    return named("in", dense.init(rng, D, 3 * D, dtype)) | named("out", dense.init(rng, D, D, dtype))


def forward(x: np.ndarray, params: Params, heads: int, mask: np.ndarray | None = None) -> tuple[np.ndarray, Any]:
    """x (B, T, D) to y (B, T, D); `heads` divides D."""
    mixed, in_cache = dense.forward(x, part(params, "in"))
    q, k, v = _split(mixed, heads)  # (B, N, T, D / N)
    scale = np.array(q.shape[-1] ** -0.5, x.dtype)
    a = softmax(scale * (q @ k.swapaxes(2, 3)), mask=None if mask is None else mask[:, None, None])  # (B, N, T, T)
    y, out_cache = dense.forward(_joined(a @ v), part(params, "out"))
    return y, (in_cache, q, k, v, scale, a, out_cache)


def backward(dy: np.ndarray, cache: Any) -> tuple[np.ndarray, Params]:
    """dy (B, T, D) to dx (B, T, D)."""
    in_cache, q, k, v, scale, a, out_cache = cache
    djoined, out = dense.backward(dy, out_cache)
    # forward: joined = a v
    dsum = djoined.reshape(*djoined.shape[:2], q.shape[1], -1).swapaxes(1, 2)  # (B, N, T, D / N)
    dv = a.swapaxes(2, 3) @ dsum
    # forward: a = softmax(scale q k^T)
    de = scale * softmax_backward(dsum @ v.swapaxes(2, 3), a)
    dq, dk = de @ k, de.swapaxes(2, 3) @ q
    # forward: q, k, v = parts of W x + b
    dx, into = dense.backward(np.concatenate([_joined(dq), _joined(dk), _joined(dv)], 2), in_cache)
    return dx, named("in", into) | named("out", out)


def infer(x: np.ndarray, params: Params, heads: int, mask: np.ndarray | None = None) -> np.ndarray:
    """y (B, T, D)"""
    return forward(x, params, heads, mask)[0]


def _split(mixed: np.ndarray, heads: int) -> np.ndarray:
    """(B, T, 3D) to q, k, v, each (B, N, T, D / N)."""
    B, T, D3 = mixed.shape
    return mixed.reshape(B, T, 3, heads, D3 // (3 * heads)).transpose(2, 0, 3, 1, 4)


def _joined(x: np.ndarray) -> np.ndarray:
    """(B, N, T, D / N) to (B, T, D), heads side by side."""
    B, N, T, d = x.shape
    return x.swapaxes(1, 2).reshape(B, T, N * d)
