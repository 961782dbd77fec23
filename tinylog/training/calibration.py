"""What scores normal windows have that training held back: what streaming/budget.py spends alerts by.

The tail is a generalised Pareto distribution fitted by maximum likelihood to the highest scores, less the lowest of them: what
exceeds a high bound is nearly so distributed whatever the scores are (Pickands 1975; Siffer 2017 for alerts). Needs SciPy; without
it no tail is stored.
"""
from __future__ import annotations

import math

import numpy as np

from ..model import Model
from ..records import Windows
from ..streaming.budget import Calibration

KEPT = 200  # scores that a model keeps
TAIL = 0.1  # share of the windows that may be its tail
FEW = 30  # scores, fewer of which fit no tail


def calibration(twin: Model, held_back: Windows, seconds: float, lines: int, with_tail: bool = True) -> Calibration | None:
    """held_back: windows that `twin` did not learn from, numbered as its own; those labelled 1 are left out. seconds, lines: of the log
    that they are. with_tail: fit one, where SciPy is there. None where no window is left.
    """
    windows = held_back if held_back.labels is None else held_back.take(held_back.labels != 1)
    if not len(windows):
        return None
    scores = np.sort(twin.score(windows))[::-1]
    highest = scores[:max(min(KEPT, math.ceil(TAIL * len(scores))), 1)]
    share = len(windows) / len(held_back)
    shape, scale = tail(highest) if with_tail else (0.0, 0.0)
    return Calibration(tuple(highest.tolist()), len(scores), round(seconds * share, 3), round(lines * share), shape, scale)


def tail(highest: np.ndarray) -> tuple[float, float]:
    """Shape and scale of what exceeds the lowest of some scores (K,), falling; (0, 0) where they are too few or too alike, or without SciPy."""
    exceeding = highest[highest > highest[-1]] - highest[-1]
    if len(np.unique(exceeding)) < FEW:
        return 0.0, 0.0
    try:
        from scipy.stats import genpareto
    except ImportError:
        return 0.0, 0.0
    shape, _, scale = genpareto.fit(exceeding, floc=0)
    return float(shape), float(scale)
