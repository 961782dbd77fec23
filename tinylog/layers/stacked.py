"""Recurrent layers one above the other: what gru.py and lstm.py share.

The states of one layer are the inputs of the next; layer i has "i.W" (G, D), "i.U" (G, H), "i.b" and "i.c" (G), of G rows for all its
gates. A layer is a function of x (steps, D, B), its parameters and `pad`, (steps, B): 1 at padded steps, else 0; None: there are none.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import dropout
from .layout import batch_major, feature_major
from .params import Params, named, part
from .start import uniform

Layer = Callable[[np.ndarray, Params, "np.ndarray | None"], Any]


def init(rng: np.random.Generator, gates: int, D: int, H: int, depth: int, dtype: type) -> Params:
    """D inputs, H hidden units in each of `depth` layers, whose G is `gates` times H."""
    shapes = {"W": (gates * H, D), "U": (gates * H, H), "b": (gates * H,), "c": (gates * H,)}
    params: Params = {}
    for i in range(depth):
        params |= named(str(i), {name: uniform(rng, shape, H ** -0.5, dtype) for name, shape in shapes.items()})
        shapes["W"] = (gates * H, H)
    return params


def forward(x: np.ndarray, params: Params, layer: Layer, mask: np.ndarray | None, rate: float,
            rng: np.random.Generator | None) -> tuple[np.ndarray, Any]:
    """x (B, T, D) to all states h (B, T, H), by `layer` -> (h (steps, H, B), cache whose first is x).

    Steps at which no window has an event any more are not computed.
    """
    h, pad = real_steps(x, mask)
    caches: list[Any] = []
    drop = None
    for i in range(depth_of(params)):
        if i and rate:
            h, drop = dropout.forward(h, rate, rng)
        h, cache = layer(h, part(params, str(i)), pad)
        caches.append((cache, drop))
    return all_steps(h, x.shape[1]), caches


def backward(dh: np.ndarray, cache: Any, layer: Callable[[np.ndarray, Any], tuple[np.ndarray, Params]]) -> tuple[np.ndarray, Params]:
    """dh (B, T, H) to dx (B, T, D), by `layer` -> (dx, grads) of dy (steps, H, B) and a cache."""
    T, steps = dh.shape[1], len(cache[0][0][0])
    d = feature_major(dh)  # (T, H, B)
    if steps < T:  # forward: the states behind the longest window are all its last one
        d = np.concatenate([d[:steps - 1], d[steps - 1:].sum(0, keepdims=True)])
    grads: Params = {}
    for i, (kept, drop) in reversed(list(enumerate(cache))):
        d, g = layer(d, kept)
        grads |= named(str(i), g)
        if drop is not None:
            d = dropout.backward(d, drop)
    nothing = np.zeros((T - steps, *d.shape[1:]), d.dtype)
    return batch_major(np.concatenate([d, nothing])), grads


def infer(x: np.ndarray, params: Params, layer: Layer, mask: np.ndarray | None) -> np.ndarray:
    """All states h (B, T, H), by `layer` -> h (steps, H, B)."""
    h, pad = real_steps(x, mask)
    for i in range(depth_of(params)):
        h = layer(h, part(params, str(i)), pad)
    return all_steps(h, x.shape[1])


def depth_of(params: Params) -> int:
    """How many layers these are the parameters of."""
    return sum(name.endswith(".U") for name in params)


def real_steps(x: np.ndarray, mask: np.ndarray | None) -> tuple[np.ndarray, np.ndarray | None]:
    """x (B, T, D) as (steps, D, B) up to the end of the longest window; and `pad`."""
    steps = n_steps(x.shape[1], mask)
    return feature_major(x[:, :steps]), padding(mask, steps, x.dtype)


def n_steps(T: int, mask: np.ndarray | None) -> int:
    """How many steps the longest window has."""
    return T if mask is None else max(1, int(mask.sum(1).max(initial=0)))


def padding(mask: np.ndarray | None, steps: int, dtype: np.dtype) -> np.ndarray | None:
    """`pad` of the first steps."""
    return None if mask is None else (~mask[:, :steps].T).astype(dtype)


def all_steps(h: np.ndarray, T: int) -> np.ndarray:
    """h (steps, H, B) as (B, T, H), the last state repeated."""
    return batch_major(np.concatenate([h, np.repeat(h[-1:], T - len(h), axis=0)]) if len(h) < T else h)
