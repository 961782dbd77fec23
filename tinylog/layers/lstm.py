"""Long short-term memory (Hochreiter 1997, Gers 2000) in PyTorch's convention: gates in the order i, f, g, o, two biases,
first states of 0.

    i, f, o = s(W x + b + U h + c)              h: the state before this event
    g = tanh(W x + b + U h + c)
    m' = f m + i g                              m: the memory before this event
    h' = o tanh(m')

Layers are stacked, the states of one being the inputs of the next; layer i has "i.W" (4H, D), "i.U" (4H, H), "i.b" and
"i.c" (4H). **A padded step has i = 0, f = 1, o = 0, and h is added to its h'.** So it keeps memory and state, and h[:, -1]
is the state after the last real event; and as a gate that is 0 or 1 has no slope, nothing is learned from it.
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from . import stacked
from .params import Params


def init(rng: np.random.Generator, D: int, H: int, depth: int = 1, dtype: type = np.float32) -> Params:
    """D inputs, H hidden units in each of `depth` layers."""
    return stacked.init(rng, 4, D, H, depth, dtype)


def forward(x: np.ndarray, params: Params, mask: np.ndarray | None = None, rate: float = 0.0,
            rng: np.random.Generator | None = None) -> tuple[np.ndarray, Any]:
    """x (B, T, D) to all states h (B, T, H). Dropout of `rate` between layers needs an rng.

    Steps at which no window has an event any more are not computed.
    """
    return stacked.forward(x, params, _forward, mask, rate, rng)


def backward(dh: np.ndarray, cache: Any) -> tuple[np.ndarray, Params]:
    """dh (B, T, H) to dx (B, T, D)."""
    return stacked.backward(dh, cache, _backward)


def infer(x: np.ndarray, params: Params, mask: np.ndarray | None = None) -> np.ndarray:
    """All states h (B, T, H)."""
    return stacked.infer(x, params, _infer, mask)


def _forward(x: np.ndarray, params: Params, pad: np.ndarray | None) -> tuple[np.ndarray, Any]:
    """One layer: x (T, D, B) to h (T, H, B)."""
    (T, _, B), H = x.shape, params["U"].shape[1]
    gates = np.empty((T, 4 * H, B), x.dtype)
    m, q = np.zeros((T + 1, H, B), x.dtype), np.empty((T, H, B), x.dtype)
    h = _run(x, params, pad, gates, m, q)
    return h[1:], (x, gates, m, q, h, pad, params)


def _infer(x: np.ndarray, params: Params, pad: np.ndarray | None) -> np.ndarray:
    """One layer, every step in the memory of the one before."""
    (T, _, B), H = x.shape, params["U"].shape[1]
    gates = [np.empty((4 * H, B), x.dtype)] * T
    m, q = [np.zeros((H, B), x.dtype)] * (T + 1), [np.empty((H, B), x.dtype)] * T
    return _run(x, params, pad, gates, m, q)[1:]


def _run(x: np.ndarray, params: Params, pad: np.ndarray | None, gates: Sequence[np.ndarray],
         m: Sequence[np.ndarray], q: Sequence[np.ndarray]) -> np.ndarray:
    """The time loop: all states (T + 1, H, B), the first is 0. m[0] is 0, too.

    Fills gates[t] (4H, B) with i, f, o, g, so that those with s lie together; m[t + 1] (H, B), and q[t], its tanh.
    """
    (T, D, B), H = x.shape, params["U"].shape[1]
    # s(a) = (1 + tanh(a / 2)) / 2: the halves of a are taken here, once, and one tanh does for all gates
    half = np.repeat([0.5, 1], [3 * H, H]).astype(x.dtype)[:, None]
    W, U, b = (_exchanged(params[name]) for name in "WUb")
    V = np.concatenate([W, U, (b + _exchanged(params["c"]))[:, None]], 1) * half
    joined = np.empty((T + 1, D + H + 1, B), x.dtype)  # x, h and 1: one product does for V = [W U b]
    joined[:T, :D], joined[0, D:-1], joined[:, -1] = x, 0, 1
    h, u = joined[:, D:-1], np.empty((H, B), x.dtype)
    for t in range(T):
        a = gates[t]
        ifo, i, f, o, g = a[:3 * H], *a.reshape(4, H, B)
        np.matmul(V, joined[t], out=a)
        if pad is not None:
            far = np.where(pad[t], np.inf, 0).astype(x.dtype)
            i -= far
            f += far
            o -= far
        np.tanh(a, out=a)
        ifo += 1
        ifo *= 0.5
        np.multiply(f, m[t], out=m[t + 1])
        m[t + 1][...] += np.multiply(i, g, out=u)
        np.tanh(m[t + 1], out=q[t])
        np.multiply(o, q[t], out=h[t + 1])
        if pad is not None:
            h[t + 1] += np.multiply(pad[t], h[t], out=u)
    return h


def _backward(dy: np.ndarray, cache: Any) -> tuple[np.ndarray, Params]:
    """One layer: dy (T, H, B), what comes from above, to dx (T, D, B)."""
    x, gates, m, q, h, pad, params = cache
    W, U = _exchanged(params["W"]), _exchanged(params["U"])
    T, H, B = dy.shape
    d = np.empty((T, 4 * H, B), dy.dtype)  # rows in the order i, f, o, g: of what W x + U h + b + c gives
    dh, dm = np.zeros((H, B), dy.dtype), np.zeros((H, B), dy.dtype)  # of state and memory after step t
    s, v = np.empty((3 * H, B), dy.dtype), np.empty((H, B), dy.dtype)
    for t in reversed(range(T)):
        ifo, i, f, o, g = gates[t, :3 * H], *gates[t].reshape(4, H, B)
        di, df, do, dg = d[t].reshape(4, H, B)
        dh += dy[t]
        # forward: h' = o q
        np.multiply(dh, q[t], out=do)
        # forward: q = tanh(m')
        np.multiply(q[t], q[t], out=v)
        np.subtract(1, v, out=v)
        v *= o
        dm += np.multiply(v, dh, out=v)
        # forward: m' = f m + i g
        np.multiply(dm, g, out=di)
        np.multiply(dm, m[t], out=df)
        np.multiply(dm, i, out=dg)
        dm *= f
        # forward: i, f, o = s(..), and s' = s (1 - s); g = tanh(..)
        np.subtract(1, ifo, out=s)
        s *= ifo
        d[t, :3 * H] *= s
        np.multiply(g, g, out=v)
        dg *= np.subtract(1, v, out=v)
        # forward: .. + U h, and at a padded step h' = .. + h
        np.matmul(U.T, d[t], out=v)
        dh = v + pad[t] * dh if pad is not None else v.copy()
    dx = np.matmul(W.T, d)  # (T, D, B)
    dW, db = np.matmul(d, x.transpose(0, 2, 1)).sum(0), _exchanged(d.sum((0, 2)))
    dU = np.matmul(d, h[:T].transpose(0, 2, 1)).sum(0)
    return dx, {"W": _exchanged(dW), "U": _exchanged(dU), "b": db, "c": db.copy()}


def _exchanged(rows: np.ndarray) -> np.ndarray:
    """Blocks i, f, g, o along the first axis as i, f, o, g; and the other way round."""
    i, f, third, last = np.split(rows, 4)
    return np.concatenate([i, f, last, third])
