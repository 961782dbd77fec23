"""Two stacks of LSTM (lstm.py), one reads a window forwards, one its real events backwards: the states of both, side by side.

    y_t = [state after events 1..t, state after events n..t]          n: the last real event

"forward.*" and "backward.*" are the parameters of the two. Behind the last event each half is its state after all events.
`ends` reads what each half knows when it has read the whole window; at the last step, where the Morpheus model reads both
(SPECS 6.4), the second half knows one event.
"""
from __future__ import annotations

from typing import Any

import numpy as np

from . import lstm
from .params import Params, named, part

WAYS = "forward", "backward"


def init(rng: np.random.Generator, D: int, H: int, depth: int = 1, dtype: type = np.float32) -> Params:
    """D inputs, H hidden units in each of `depth` layers and each way."""
    forwards, backwards = (named(way, lstm.init(rng, D, H, depth, dtype)) for way in WAYS)
    return forwards | backwards


def forward(x: np.ndarray, params: Params, mask: np.ndarray | None = None, rate: float = 0.0,
            rng: np.random.Generator | None = None) -> tuple[np.ndarray, Any]:
    """x (B, T, D) to all states y (B, T, 2H). Dropout of `rate` between the layers of a stack needs an rng."""
    forwards, first = lstm.forward(x, part(params, WAYS[0]), mask, rate, rng)
    backwards, second = lstm.forward(_reversed(x, mask), part(params, WAYS[1]), mask, rate, rng)
    return np.concatenate([forwards, _reversed(backwards, mask)], 2), (first, second, mask)


def backward(dy: np.ndarray, cache: Any) -> tuple[np.ndarray, Params]:
    """dy (B, T, 2H) to dx (B, T, D)."""
    first, second, mask = cache
    forwards, backwards = np.split(dy, 2, axis=2)
    dx, grads = lstm.backward(forwards, first)
    dx_reversed, other = lstm.backward(_reversed(backwards, mask), second)
    return dx + _reversed(dx_reversed, mask), named(WAYS[0], grads) | named(WAYS[1], other)


def infer(x: np.ndarray, params: Params, mask: np.ndarray | None = None) -> np.ndarray:
    """All states y (B, T, 2H)."""
    backwards = lstm.infer(_reversed(x, mask), part(params, WAYS[1]), mask)
    return np.concatenate([lstm.infer(x, part(params, WAYS[0]), mask), _reversed(backwards, mask)], 2)


def ends(y: np.ndarray) -> np.ndarray:
    """Of y (B, T, 2H) the states after the whole window, (B, 2H): forwards at the last step, backwards at the first."""
    H = y.shape[2] // 2
    return np.concatenate([y[:, -1, :H], y[:, 0, H:]], 1)


def ends_backward(d: np.ndarray, T: int) -> np.ndarray:
    """d (B, 2H), of `ends`, to dy (B, T, 2H)."""
    B, H = len(d), d.shape[1] // 2
    dy = np.zeros((B, T, 2 * H), d.dtype)
    dy[:, -1, :H], dy[:, 0, H:] = d[:, :H], d[:, H:]
    return dy


def _reversed(x: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
    """x (B, T, .) with the real steps of each window in reverse order, the padded ones where they are. Undoes itself."""
    if mask is None:
        return x[:, ::-1]
    n, t = mask.sum(1)[:, None], np.arange(x.shape[1])
    return np.take_along_axis(x, np.where(t < n, n - 1 - t, t)[:, :, None], 1)
