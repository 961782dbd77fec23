"""Focal loss (Lin 2017): cross-entropy of one logit, in which what is already sure counts little.

    L = - (1 - p)^gamma log p      p = sigmoid(u), what the truth was given      u = y for label 1, -y for label 0

    dL/du = - (1 - p)^gamma (gamma p (-log p) + 1 - p)

Of the logit, not of a probability that is clipped: the gradient of a sure mistake does not vanish. The p that result
are not calibrated: they lean towards one half.
"""
from __future__ import annotations

import numpy as np

from ..layers.activations import sigmoid
from .cross_entropy import normalised


def loss(y: np.ndarray, target: np.ndarray, weights: np.ndarray | None = None, *, gamma: float = 3.5) -> tuple[float, np.ndarray]:
    """Logits y (B,) and labels (B,) of 0 and 1 to the mean and dy (B,). gamma 0 is cross-entropy."""
    share = normalised(weights, y)
    sign = np.where(target == 1, 1, -1).astype(y.dtype)
    p, other = sigmoid(sign * y), sigmoid(-sign * y)  # other = 1 - p, exact where p is nearly 1
    surprise = np.logaddexp(0, -sign * y)  # -log p
    modest = share * other ** gamma
    return float((modest * surprise).sum()), -sign * modest * (gamma * p * surprise + other)
