"""How well scores rank the anomalous above the normal, without a threshold. Weights say how often a row occurs.

    average precision = sum over the distinct scores, from high to low, of (R_k - R_k-1) P_k
    ROC AUC           = P(anomalous scores higher than normal) + P(they score the same) / 2

Rows with equal scores enter together: no order among them is better than another. Where one of the two kinds is missing
nothing can be ranked, and the figure is what chance would give: 0 (the prevalence) and 0.5.
"""
from __future__ import annotations

import numpy as np


def average_precision(scores: np.ndarray, labels: np.ndarray, weights: np.ndarray | None = None) -> float:
    """scores, labels, weights (B,). Not interpolated; 0.0 where nothing is anomalous."""
    _, tp, fp = cumulated(scores, labels, weights)
    if len(tp) == 0 or tp[-1] == 0:
        return 0.0
    found = np.diff(tp, prepend=0)
    hit = found > 0
    precision = tp[hit] / (tp[hit] + fp[hit])
    return float((found[hit] * precision).sum() / tp[-1])


def roc_auc(scores: np.ndarray, labels: np.ndarray, weights: np.ndarray | None = None) -> float:
    """scores, labels, weights (B,). Area under the true positive rate over the false positive rate."""
    _, tp, fp = cumulated(scores, labels, weights)
    if len(tp) == 0 or tp[-1] == 0 or fp[-1] == 0:
        return 0.5
    height = tp - np.diff(tp, prepend=0) / 2  # of the trapezium over each step to the right
    return float((np.diff(fp, prepend=0) * height).sum() / (tp[-1] * fp[-1]))


def cumulated(scores: np.ndarray, labels: np.ndarray,
              weights: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The K distinct scores from high to low, and the weight of the anomalous and of the normal rows at or above each.

    ValueError: lengths that differ, scores that are not finite, labels other than 0 and 1, weights below 0.
    """
    scores, labels, weights = checked(scores, labels, weights)
    levels, index = np.unique(-scores, return_inverse=True)
    tp = np.bincount(index, weights * labels, len(levels)).cumsum()  # (K,)
    fp = np.bincount(index, weights * (1 - labels), len(levels)).cumsum()  # (K,)
    return -levels, tp, fp


def checked(scores: np.ndarray, labels: np.ndarray,
            weights: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """scores float64, labels int64, weights as they are or ones; ValueError as `cumulated` says."""
    scores, labels = np.asarray(scores, np.float64), np.asarray(labels, np.int64)
    weights = np.ones(len(scores), np.int64) if weights is None else np.asarray(weights)
    if not scores.shape == labels.shape == weights.shape == (len(scores),):
        raise ValueError(f"scores {scores.shape}, labels {labels.shape} and weights {weights.shape} differ in length")
    if not np.isfinite(scores).all() or not np.isin(labels, (0, 1)).all() or (weights < 0).any():
        raise ValueError("scores must be finite, labels 0 or 1, weights not below 0")
    return scores, labels, weights
