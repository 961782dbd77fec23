"""A bag of signed rows an item: y_k = c + sum over its words of sign E[:, bucket]. Buckets as embedding/words.py has them.

    ids[k] = +-(bucket + 1), 0 behind the last word
    dE[:, bucket] = sum of sign dy_k over the items that have it      dc = sum of dy_k

Everything starts at 0, and a bucket that no item of training uses stays there: a word never seen says nothing.
"""
from __future__ import annotations

from typing import Any

import numpy as np

from .params import Params


def init(rng: np.random.Generator, n_buckets: int, D: int, dtype: type = np.float32) -> Params:
    """Rows of D numbers; E lies as (D, n_buckets), so that each of the D has a scale of its own in int8."""
    return {"E": np.zeros((D, n_buckets), dtype), "c": np.zeros(D, dtype)}


def forward(ids: np.ndarray, params: Params) -> tuple[np.ndarray, Any]:
    """ids (n, W) of any integer type to y (n, D)."""
    return infer(ids, params), (ids, params)


def backward(dy: np.ndarray, cache: Any) -> tuple[None, Params]:
    """Ids have no gradient: (None, grads)."""
    ids, params = cache
    items, buckets, signs = _words(ids)
    d = dy[items] * signs[:, None]  # (words, D)
    n_buckets = params["E"].shape[1]
    dE = np.stack([np.bincount(buckets, column, n_buckets) for column in d.T])
    return None, {"E": dE.astype(dy.dtype), "c": dy.sum(0)}


def infer(ids: np.ndarray, params: Params) -> np.ndarray:
    """y (n, D)"""
    items, buckets, signs = _words(ids)
    rows = params["E"][:, buckets] * signs.astype(params["E"].dtype)  # (D, words)
    sums = np.stack([np.bincount(items, row, len(ids)) for row in rows], 1)
    return (sums + params["c"]).astype(params["E"].dtype)


def _words(ids: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Item, bucket and sign of every word."""
    items, places = np.nonzero(ids)
    found = ids[items, places]
    return items, np.abs(found) - 1, np.sign(found)
