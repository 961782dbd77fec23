"""A threshold for detectors that know normal windows alone: the wanted share of them is above it.

Windows that were trained on score too low. Each is therefore **judged as if it had been logged once less**: a kind that occurs
more than once stays what it was; the kinds that occur once are judged by twins that were fitted without them.
"""
from __future__ import annotations

from collections.abc import Callable
from math import log
from typing import Any

import numpy as np

from ..records import Windows

FOLDS = 3  # twins; each is fitted without a stretch of the windows that occur once
CONTAMINATED = 0.05  # share of windows that may be anomalous although they are taken for normal


def of_normals(detector: Any, fit: Callable[[Windows], Any], windows: Windows, rate: float) -> float:
    """The lowest score that at most `rate` of the windows are above, by weight. fit(windows) -> a detector like `detector`."""
    return quantile(*held_back(detector, fit, windows), rate)


def of_nearly_normals(detector: Any, fit: Callable[[Windows], Any], windows: Windows, rate: float) -> float:
    """The same, of surprises in nats, where up to CONTAMINATED of the windows are anomalous: what lies beyond that quantile is not looked
    at. A surprise of s nats has a chance of exp(-s), so the tail goes on from there with one nat an e-fold, but not beyond the largest.
    """
    scores, weights = held_back(detector, fit, windows)
    return min(quantile(scores, weights, CONTAMINATED) + max(log(CONTAMINATED / rate), 0.0), float(scores.max()))


def held_back(detector: Any, fit: Callable[[Windows], Any], windows: Windows) -> tuple[np.ndarray, np.ndarray]:
    """(B,) the score of each window as if it had been logged once less, and its weight."""
    weights = np.ones(len(windows)) if windows.weights is None else windows.weights.astype(np.float64)
    once = np.flatnonzero(weights <= 1)
    scores = np.empty(len(windows), np.float32)
    often = np.flatnonzero(weights > 1)
    scores[often] = detector.score(windows.take(often))
    folds = [fold for fold in np.array_split(once, FOLDS) if len(fold)] if len(windows) > 1 else []
    for fold in folds:
        kept = np.ones(len(windows), bool)
        kept[fold] = False
        scores[fold] = fit(windows.take(kept)).score(windows.take(fold)) if kept.any() else detector.score(windows.take(fold))
    if not folds:
        scores[once] = detector.score(windows.take(once))
    return scores, weights


def quantile(scores: np.ndarray, weights: np.ndarray, rate: float) -> float:
    """The lowest of the scores that at most `rate` of the weight lies above."""
    order = np.argsort(scores, kind="stable")
    ordered, above = scores[order], weights.sum() - np.cumsum(weights[order])
    return float(ordered[np.searchsorted(-above, -rate * weights.sum() * (1 + 1e-9))])
