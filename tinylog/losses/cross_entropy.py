"""Softmax cross-entropy: how surprised the network is by the truth, in nats.

    L = - sum over classes of q log p      p = softmax(y)      dL/dy = p - q

q is the truth, one class or a share of each.
"""
from __future__ import annotations

import numpy as np

from ..layers.activations import log_softmax


def loss(y: np.ndarray, target: np.ndarray, weights: np.ndarray | None = None) -> tuple[float, np.ndarray]:
    """Logits y (B, K) and targets, (B,) class numbers or (B, K) shares that sum to 1, to the mean and dy (B, K).

    `weights` (B,): how much each window counts. Class weights w are weights=w[target].
    """
    q, log_p, share = shares(target, y), log_softmax(y), normalised(weights, y)
    mean = -(share * (q * log_p).sum(1)).sum()
    return float(mean), share[:, None] * (np.exp(log_p) - q)


def shares(target: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(B, K) of y's dtype: rows of one 1 for class numbers, and shares as they are."""
    if target.ndim == 2:
        return target.astype(y.dtype, copy=False)
    return np.eye(y.shape[1], dtype=y.dtype)[target]


def normalised(weights: np.ndarray | None, y: np.ndarray) -> np.ndarray:
    """(B,) of y's dtype that sum to 1: what each window contributes to a mean, all the same if weights is None."""
    if weights is None:
        return np.full(len(y), 1 / len(y), y.dtype)
    return (weights / weights.sum()).astype(y.dtype)
