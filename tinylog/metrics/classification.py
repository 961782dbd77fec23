"""Alerts and truth to figures. Alert: score above the threshold, the score rounded to three decimals first.

    precision = tp / (tp + fp)      recall = tp / (tp + fn)      F1 = 2 tp / (2 tp + fp + fn)

A figure whose denominator is 0 is 0.0: nothing was shown, and every figure stays a number.
"""
from __future__ import annotations

import numpy as np

from .ranking import average_precision, checked, cumulated


def rounded(scores: np.ndarray) -> np.ndarray:
    """float64 with three decimals: what is printed and compared, the same on ARM and x86."""
    return np.rint(np.asarray(scores, np.float64) * 1000) / 1000 + 0.0  # never "-0.0"


def figures(scores: np.ndarray, labels: np.ndarray, threshold: float,
            weights: np.ndarray | None = None) -> dict[str, float]:
    """scores (B,), labels (B,) with 1 anomalous, weights (B,) how often each row occurs: the figures of `evaluate`.

    Counts are ints unless weights are floats. ValueError as `ranking.cumulated`.
    """
    scores, labels, weights = checked(rounded(scores), labels, weights)
    alert, anomalous = scores > threshold, labels == 1

    def total(rows: np.ndarray) -> float:
        return weights[rows].sum().item()

    tp, fp = total(alert & anomalous), total(alert & ~anomalous)
    fn, tn = total(~alert & anomalous), total(~alert & ~anomalous)
    n = tp + fp + fn + tn
    return {
        "n": n, "tp": tp, "fp": fp, "fn": fn, "tn": tn,
        "precision": _ratio(tp, tp + fp),
        "recall": _ratio(tp, tp + fn),
        "f1": _ratio(2 * tp, 2 * tp + fp + fn),
        "false_positive_rate": _ratio(fp, fp + tn),
        "average_precision": average_precision(scores, labels, weights),
        "prevalence": _ratio(tp + fn, n),
    }


def best_threshold(scores: np.ndarray, labels: np.ndarray, weights: np.ndarray | None = None) -> float:
    """The threshold of highest F1, with three decimals, in the middle of the gap between two scores.

    Equal F1: the widest gap, then the higher one. Nothing anomalous: the highest score, so that nothing alerts. Nothing
    given: 0.0, even odds.
    """
    levels, tp, fp = cumulated(rounded(scores), labels, weights)
    if len(levels) == 0 or tp[-1] == 0:
        return float(levels[0]) if len(levels) else 0.0
    f1 = 2 * tp / (tp + fp + tp[-1])  # (K,) of alerting at each level and above
    lower = np.append(levels[1:], levels[-1] - 0.001)  # (K,) a threshold from here up to the level does the same
    gap = rounded(levels - lower)
    best = np.flatnonzero(f1 >= f1.max() - 1e-12)
    chosen = best[gap[best].argmax()]
    middle = np.floor((levels[chosen] + lower[chosen]) / 2 * 1000) / 1000
    return float(rounded(max(middle, lower[chosen])))


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole > 0 else 0.0
