"""Magnitude pruning (Han 2015): the smallest weights become 0 and stay 0 while the others are trained once more.

    masks = pruning.masks(params, keep)
    params = pruning.apply(params, masks)
    minimise(pruning.held(loss_and_grads, masks), params, ...)
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Params = dict[str, np.ndarray]


def masks(params: Params, keep: int, *, per_array: bool = False) -> Params:
    """Which weights stay, true at exactly `keep` of them: the largest of all, or of each array the same share.

    ValueError if there are fewer than `keep`.
    """
    sizes = np.array([p.size for p in params.values()])
    total = int(sizes.sum())
    if not 0 <= keep <= total:
        raise ValueError(f"cannot keep {keep} of {total} weights")
    ends = np.cumsum(sizes)
    if per_array:
        shares = np.diff(ends * keep // total, prepend=0)  # these sum to `keep`
        stay = np.concatenate([_largest(p.ravel(), n) for p, n in zip(params.values(), shares)])
    else:
        stay = _largest(np.concatenate([p.ravel() for p in params.values()]), keep)
    parts = np.split(stay, ends[:-1])
    return {name: part.reshape(p.shape) for (name, p), part in zip(params.items(), parts)}


def apply(params: Params, masks: Params) -> Params:
    """New parameters, 0 where the mask is false; an array without a mask stays as it is."""
    return {name: p * masks[name] if name in masks else p for name, p in params.items()}


def held(loss_and_grads: Callable[..., tuple[float, Params]], masks: Params) -> Callable[..., tuple[float, Params]]:
    """The same loss with no gradient where the mask is false. A 0 without a gradient stays 0, decay or not."""
    def masked(*args: Any) -> tuple[float, Params]:
        loss, grads = loss_and_grads(*args)
        return loss, apply(grads, masks)
    return masked


def _largest(x: np.ndarray, n: int) -> np.ndarray:
    """True at the n numbers of largest magnitude; of equal ones the first."""
    stay = np.zeros(len(x), bool)
    stay[np.argsort(-np.abs(x), kind="stable")[:n]] = True
    return stay
