"""Dense layers that narrow and widen again, D - 128 - 64 - 128 - D say: y is x as far as it went through the narrow middle.

    a_0 = x      a_k = act_k(W_k drop(a_k-1) + b_k)      y = a_K      activity = sum over k and units of |a_k|

What is like the training data comes out as it went in. Dropout is on what lies between layers, while training; the activity of a
window, where a loss wants it small, makes units keep silent (Keras calls that an activity regulariser).
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from . import dense, dropout
from .activations import relu, relu_backward, tanh_backward
from .params import Params, named, part

ACTIVATIONS = {"relu": (relu, relu_backward), "tanh": (np.tanh, tanh_backward), "linear": (lambda x: x, lambda dy, y: dy)}


def init(rng: np.random.Generator, D: int, hidden: Sequence[int], dtype: type = np.float32) -> Params:
    """`hidden`: units of each layer from the outside to the middle; the way back has the same."""
    units = (D, *hidden, *hidden[-2::-1], D)
    layers = (named(str(k), dense.init(rng, *pair, dtype=dtype)) for k, pair in enumerate(zip(units, units[1:])))
    return {name: array for layer in layers for name, array in layer.items()}


def forward(x: np.ndarray, params: Params, activations: Sequence[str], rate: float = 0.0,
            rng: np.random.Generator | None = None) -> tuple[np.ndarray, Any]:
    """x (..., D) to y (..., D). activations: one of ACTIVATIONS for each of the 2 len(hidden) layers; rate: of dropout, needs `rng`."""
    steps, a = [], x
    for k, name in enumerate(activations):
        a, drop_cache = dropout.forward(a, rate, rng) if k and rate else (a, None)
        z, dense_cache = dense.forward(a, part(params, str(k)))
        a = ACTIVATIONS[name][0](z)
        steps.append((name, a, dense_cache, drop_cache))
    return a, steps


def activity(cache: Any) -> np.ndarray:
    """(...) how much all units of all layers together had to say."""
    return sum(np.abs(a).sum(-1) for _, a, _, _ in cache)


def backward(dy: np.ndarray, cache: Any, dactivity: np.ndarray | None = None) -> tuple[np.ndarray, Params]:
    """dy (..., D) to dx (..., D); dactivity (...) where the loss has the activity in it."""
    da, grads = dy, {}
    for k, (name, a, dense_cache, drop_cache) in reversed(list(enumerate(cache))):
        if dactivity is not None:
            da = da + dactivity[..., None] * np.sign(a)
        # forward: a = act(W drop(a before) + b)
        da, g = dense.backward(ACTIVATIONS[name][1](da, a), dense_cache)
        grads |= named(str(k), g)
        if drop_cache is not None:
            da = dropout.backward(da, drop_cache)
    return da, grads


def infer(x: np.ndarray, params: Params, activations: Sequence[str]) -> np.ndarray:
    """y (..., D)"""
    for k, name in enumerate(activations):
        x = ACTIVATIONS[name][0](dense.infer(x, part(params, str(k))))
    return x
