"""Events that training never saw: as plain as it gets, and on several logs of the literature as good as a network.

    score = how many events of the window no normal window of training had      more than 0 is an alert

UNKNOWN counts as seen where training had lines that no template names. (Landauer et al., "Deep learning or classical
machine learning? An empirical study on log-based anomaly detection", ICSE 2024, on how far such rules go.)
"""
from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..records import PAD, Reason, Windows
from . import Sizes
from .counts import CHUNK, EXPECTED, count_vectors


@dataclass(frozen=True)
class Config:
    pass


TINY = Config()


class Detector:
    NEEDS = ()
    threshold = 0.5

    def __init__(self, config: Config, params: dict[str, np.ndarray]):
        self.config, self.params = config, params

    @classmethod
    def create(cls, config: Config, sizes: Sizes, rng: np.random.Generator | None = None) -> Detector:
        """One that has seen nothing."""
        return cls(config, {"share": np.zeros(sizes.n_events, np.float32)})

    def fit(self, windows: Windows, minimise: Callable | None = None, fitted: Mapping[str, Any] | None = None,
            rng: np.random.Generator | None = None) -> list[float]:
        """Keeps the share of windows that have each event."""
        self.params["share"] = event_shares(windows, len(self.params["share"]))
        return []

    def score(self, windows: Windows) -> np.ndarray:
        """(B,) float32: a number of events."""
        return (self._unseen(windows.events) & windows.mask).sum(1).astype(np.float32)

    def explain(self, windows: Windows, i: int) -> Reason:
        """The first of the unseen events, and the commonest events of training that the window lacks."""
        row, share = windows.events[i], self.params["share"]
        unseen = self._unseen(row) & (row != PAD)
        found = unseen if unseen.any() else row != PAD
        contrib = (found / max(found.sum(), 1)).astype(np.float32)
        lacking = share * ~np.isin(np.arange(len(share)), row)
        commonest = np.argsort(-lacking, kind="stable")[:EXPECTED]
        events, counts = np.unique(row[unseen], return_counts=True)
        detail = {"unseen": [[int(event), int(n)] for event, n in zip(events, counts)]}
        return Reason("unseen_event", int(found.argmax()), contrib,
                      tuple((int(event), float(lacking[event])) for event in commonest if lacking[event] > 0), detail)

    def _unseen(self, events: np.ndarray) -> np.ndarray:
        """Which ids training never saw: bool of the same shape; PAD may be either."""
        share = self.params["share"]
        return (events >= len(share)) | (share[np.minimum(events, len(share) - 1)] <= 0)


def event_shares(windows: Windows, n_events: int) -> np.ndarray:
    """(n_events,) float32: the share of windows, by their weights, that have each event."""
    weights = np.ones(len(windows)) if windows.weights is None else windows.weights.astype(np.float64)
    found = np.zeros(n_events)
    for i in range(0, len(windows), CHUNK):
        rows = slice(i, i + CHUNK)
        found += weights[rows] @ (count_vectors(windows.events[rows], n_events) > 0)
    return (found / max(weights.sum(), 1e-9)).astype(np.float32)
