"""Negative sampling (Mikolov 2013), the loss of word2vec: tell what was there from k things drawn at random.

    L = - log s(a) - sum over k of log s(-b_k)      dL/da = s(a) - 1      dL/db_k = s(b_k)

a: score of the pair that occurred; b: scores of pairs that did not. s is the sigmoid.
"""
from __future__ import annotations

import numpy as np

from ..layers.activations import sigmoid
from .cross_entropy import normalised


def loss(positive: np.ndarray, negative: np.ndarray,
         weights: np.ndarray | None = None) -> tuple[float, tuple[np.ndarray, np.ndarray]]:
    """Scores (B,) and (B, k) to the mean and (dpositive (B,), dnegative (B, k)); a negative of -inf is none at all.

    `weights` (B,): how much each row counts.
    """
    share = normalised(weights, positive)  # (B,)
    nats = np.logaddexp(0, -positive) + np.logaddexp(0, negative).sum(1)  # log s(x) = - log(1 + exp(-x))
    return float((share * nats).sum()), (share * (sigmoid(positive) - 1), share[:, None] * sigmoid(negative))
