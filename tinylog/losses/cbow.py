"""CBOW with negative sampling (Mikolov 2013): the mean of its neighbours' vectors tells an event from others drawn at random.

    c_t = mean of E[id] over the neighbours of step t
    L = the loss of negative_sampling.py of the scores c_t . O[id of t] and c_t . O[those drawn]

E is what is learned for; O is thrown away. A place without neighbours has c = 0.
"""
from __future__ import annotations

import numpy as np

from ..layers import lookup
from ..layers.params import Params
from . import negative_sampling


def loss(params: Params, ids: np.ndarray, mask: np.ndarray, reach: int, noise: np.ndarray) -> tuple[float, Params]:
    """The mean over all places and the gradients of "E" and "O" (n, D). ids, mask (B, T); noise (B, T, k) ids drawn at random, of
    which those that are the true one do not count. Neighbours are at most `reach` steps away.
    """
    real = mask[:, :, None].astype(params["E"].dtype)
    x, x_cache = lookup.forward(ids, {"E": params["E"]})
    share = real / np.maximum(_around(real, reach), 1)
    c = (_around(x * real, reach) * share)[mask]  # (N, D)
    rows = np.concatenate([ids[:, :, None], noise], 2)[mask]  # (N, 1 + k)
    o, o_cache = lookup.forward(rows, {"E": params["O"]})
    scores = np.einsum("nd,nkd->nk", c, o)
    scores[:, 1:][rows[:, 1:] == rows[:, :1]] = -np.inf
    mean, (da, db) = negative_sampling.loss(scores[:, 0], scores[:, 1:])
    d = np.column_stack([da, db])
    dx = np.zeros_like(x)
    dx[mask] = np.einsum("nk,nkd->nd", d, o)
    return mean, {"E": lookup.backward(_around(dx * share, reach) * real, x_cache)[1]["E"],
                  "O": lookup.backward(d[:, :, None] * c[:, None], o_cache)[1]["E"]}


def _around(x: np.ndarray, reach: int) -> np.ndarray:
    """Of x (B, T, D), at each step the sum of the others at most `reach` steps away. It is its own transpose."""
    T = x.shape[1]
    total = np.zeros_like(x)
    for by in range(1, min(reach, T - 1) + 1):
        total[:, by:] += x[:, :-by]
        total[:, :-by] += x[:, by:]
    return total
