"""Gated recurrent units (Cho 2014) in PyTorch's convention: gates in the order r, z, n, two biases, a first state of 0.

    r = s(W_r x + b_r + U_r h + c_r)            h: the state before this event
    z = s(W_z x + b_z + U_z h + c_z)
    n = tanh(W_n x + b_n + r m)                 m = U_n h + c_n
    h' = (1 - z) n + z h

Layers are stacked, the states of one being the inputs of the next; layer i has "i.W" (3H, D), "i.U" (3H, H), "i.b" and
"i.c" (3H). **A padded step has z = 1.** So it keeps the state, and h[:, -1] is the state after the last real event; and
as all that a step learns is multiplied by 1 - z, the backward pass needs no mask at all.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from . import stacked
from .params import Params, part


def init(rng: np.random.Generator, D: int, H: int, depth: int = 1, dtype: type = np.float32) -> Params:
    """D inputs, H hidden units in each of `depth` layers."""
    return stacked.init(rng, 3, D, H, depth, dtype)


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
    return stacked.infer(x, params, lambda h, p, pad: _infer(_sums(h, p, pad), p, len(h), h.shape[2]), mask)


def infer_rows(ids: np.ndarray, E: np.ndarray, params: Params, mask: np.ndarray | None = None) -> np.ndarray:
    """What `infer` gives for x = E[ids], ids (B, T) and E (n, D): W x + b is computed once a row, not once a step.

    IndexError for an id that has no row.
    """
    B, T = ids.shape
    if ids.max(initial=0) >= len(E):
        raise IndexError(f"there is no row {ids.max()} in a table of {len(E)}")
    steps = stacked.n_steps(T, mask)
    first = part(params, "0")
    folded, padded = np.ascontiguousarray(table(E, first).T), len(E)  # what one row adds lies side by side
    rows = ids[:, :steps] if mask is None else np.where(mask[:, :steps], ids[:, :steps], padded)
    rows = np.ascontiguousarray(rows.T, dtype=np.intp)  # (steps, B)
    taken = np.empty((B, folded.shape[1]), folded.dtype)
    h = _infer(lambda t, out: np.copyto(out, folded.take(rows[t], 0, taken, "clip").T), first, steps, B)
    pad = stacked.padding(mask, steps, h.dtype)
    for i in range(1, stacked.depth_of(params)):
        h = _infer(_sums(h, part(params, str(i)), pad), part(params, str(i)), steps, B)
    return stacked.all_steps(h, T)


def table(E: np.ndarray, params: Params) -> np.ndarray:
    """(3H, n + 1): what each row of E (n, D), and behind them padding, adds to the arguments of one layer's r, z, n.

    W x + b, with the other bias of r and z; those two halved, as s(a) = (1 + tanh(a / 2)) / 2. Of padding, z is 1.
    Summed in float64: an error here would come back in each step.
    """
    W, b = (array.astype(np.float64) for array in _folded(params))
    H = len(W) // 3
    return np.concatenate([W @ E.T + b, np.repeat([0, np.inf, 0], H)[:, None]], 1, dtype=params["W"].dtype)


def _forward(x: np.ndarray, params: Params, pad: np.ndarray | None) -> tuple[np.ndarray, Any]:
    """One layer: x (T, D, B) to h (T, H, B)."""
    (T, _, B), H = x.shape, params["U"].shape[1]
    gates = np.empty((T, 3 * H, B), x.dtype)
    m = np.empty((T, H, B), x.dtype)
    h = _run(_sums(x, params, pad), params, gates, m)
    return h[1:], (x, gates, m, h, params)


def _infer(sums: Callable[[int, np.ndarray], Any], params: Params, T: int, B: int) -> np.ndarray:
    """One layer to h (T, H, B), every step in the memory of the one before."""
    H, dtype = params["U"].shape[1], params["U"].dtype
    return _run(sums, params, [np.empty((3 * H, B), dtype)] * T, [np.empty((H, B), dtype)] * T)[1:]


def _run(sums: Callable[[int, np.ndarray], Any], params: Params, gates: Sequence[np.ndarray], m: Sequence[np.ndarray]) -> np.ndarray:
    """The time loop: fills gates[t] (3H, B) with r, z, n, and m[t] (H, B); all states (T + 1, H, B), the first is 0.

    sums(t, out): what the inputs of step t add to the three arguments, as `table` has them.
    """
    U, T = params["U"], len(gates)
    (H, B), dtype = m[0].shape, m[0].dtype
    U, c_n = U * _halves(H, dtype), params["c"][2 * H:, None]
    h = np.zeros((T + 1, H, B), dtype)
    u, v = np.empty((3 * H, B), dtype), np.empty((H, B), dtype)
    for t in range(T):
        a = gates[t]
        rz, r, z, n = a[:2 * H], a[:H], a[H:2 * H], a[2 * H:]
        sums(t, a)
        np.matmul(U, h[t], out=u)
        rz += u[:2 * H]
        np.tanh(rz, out=rz)
        rz += 1
        rz *= 0.5
        np.add(u[2 * H:], c_n, out=m[t])
        n += np.multiply(r, m[t], out=v)
        np.tanh(n, out=n)
        # (1 - z) n + z h rather than n + z (h - n): where z = 1, h stays the same to the last bit
        np.multiply(z, h[t], out=h[t + 1])
        np.subtract(1, z, out=v)
        h[t + 1] += np.multiply(v, n, out=v)
    return h


def _sums(x: np.ndarray, params: Params, pad: np.ndarray | None) -> Callable[[int, np.ndarray], Any]:
    """For `_run`, of inputs x (T, D, B)."""
    W, b = _folded(params)
    far = None if pad is None else np.where(pad, np.inf, 0).astype(x.dtype)

    def sums(t: int, out: np.ndarray) -> None:
        np.matmul(W, x[t], out=out)
        out += b
        if far is not None:
            z = out[len(out) // 3:2 * (len(out) // 3)]
            z += far[t]
    return sums


def _folded(params: Params) -> tuple[np.ndarray, np.ndarray]:
    """W (3H, D) and b (3H, 1) for `table`."""
    W, U, b, c = (params[name] for name in "WUbc")
    H = U.shape[1]
    half = _halves(H, W.dtype)
    return W * half, (b + np.append(c[:2 * H], np.zeros_like(c[2 * H:])))[:, None] * half


def _halves(H: int, dtype: np.dtype) -> np.ndarray:
    """(3H, 1): 1/2 for r and z, 1 for n."""
    return np.repeat([0.5, 1], [2 * H, H]).astype(dtype)[:, None]


def _backward(dy: np.ndarray, cache: Any) -> tuple[np.ndarray, Params]:
    """One layer: dy (T, H, B), what comes from above, to dx (T, D, B)."""
    x, gates, m, h, params = cache
    W, U = params["W"], params["U"]
    T, H, B = dy.shape
    # Rows in the order n, r, z, m: the first 3H are what W x + b gets, the last 3H what U h + c gets.
    d = np.empty((T, 4 * H, B), dy.dtype)
    da, du = d[:, :3 * H], d[:, H:]
    dh = np.zeros((H, B), dy.dtype)  # of the state after step t
    s, v = np.empty((2 * H, B), dy.dtype), np.empty((H, B), dy.dtype)
    for t in reversed(range(T)):
        rz, r, z, n = gates[t, :2 * H], gates[t, :H], gates[t, H:2 * H], gates[t, 2 * H:]
        dn, dr, dz, dm = d[t].reshape(4, H, B)
        dh += dy[t]
        # forward: h' = (1 - z) n + z h
        np.subtract(1, rz, out=s)
        np.multiply(dh, s[H:], out=dn)
        np.subtract(h[t], n, out=dz)
        dz *= dh
        dh *= z
        # forward: n = tanh(W_n x + b_n + r m)
        np.multiply(n, n, out=v)
        dn *= np.subtract(1, v, out=v)
        np.multiply(dn, m[t], out=dr)
        np.multiply(dn, r, out=dm)
        # forward: r, z = s(W x + b + U h + c), and s' = s (1 - s)
        s *= rz
        d[t, H:3 * H] *= s
        # forward: r, z and m = .. + U h + c
        dh += np.matmul(U.T, du[t], out=v)
    # forward: r, z and n = .. + W x + b, here in the order n, r, z
    dx = np.matmul(np.roll(W, H, axis=0).T, da)  # (T, D, B)
    dW, db = np.matmul(da, x.transpose(0, 2, 1)).sum(0), da.sum((0, 2))
    dU, dc = np.matmul(du, h[:T].transpose(0, 2, 1)).sum(0), du.sum((0, 2))
    return dx, {"W": np.roll(dW, -H, axis=0), "U": dU, "b": np.roll(db, -H), "c": dc}
