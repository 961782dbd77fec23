"""How many events a session has: shorter or longer than any normal one is an anomaly.

    usual = the lengths from the quantile q to the quantile 1 - q of training      q = 0: the shortest to the longest
    score = by how many events the nearest usual length is missed                   more than 0 is an alert

With `between` every length in this range is usual, without it only those that training had. Windows hold the last T events,
so that all longer sessions have the same length; windows of a fixed number of lines have no other.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import ConfigError
from ..records import PAD, Reason, Windows
from . import Sizes


@dataclass(frozen=True)
class Config:
    quantile: float = 0.0  # share of the training windows that are unusual, at each end
    between: bool = True


TINY = Config()


class Detector:
    NEEDS = ()
    threshold = 0.5

    def __init__(self, config: Config, params: dict[str, np.ndarray]):
        self.config, self.params = config, params

    @classmethod
    def create(cls, config: Config, sizes: Sizes, rng: np.random.Generator | None = None) -> Detector:
        """One that has seen nothing. ConfigError where the quantiles leave no length."""
        if not 0 <= config.quantile < 0.5:
            raise ConfigError(f"quantile {config.quantile} of length: it must be at least 0 and less than .5")
        return cls(config, {"usual": np.zeros(1, np.uint32), "share": np.zeros(1, np.float32)})

    def fit(self, windows: Windows, minimise: Callable | None = None, fitted: Mapping[str, Any] | None = None,
            rng: np.random.Generator | None = None) -> list[float]:
        """Counts the windows by length; those without any event are none."""
        weights = np.ones(len(windows)) if windows.weights is None else windows.weights
        counts = np.bincount(windows.lengths, weights, windows.events.shape[1] + 1)
        counts[0] = 0
        if counts.any():
            share, q = counts / counts.sum(), self.config.quantile
            until = np.cumsum(share)
            within = np.flatnonzero((share > 0) & (until > q) & (until - share < 1 - q))
            usual = np.arange(within[0], within[-1] + 1) if self.config.between else within
            self.params |= {"usual": usual.astype(np.uint32), "share": share[usual].astype(np.float32)}
        return []

    def score(self, windows: Windows) -> np.ndarray:
        """(B,) float32: a number of events; 0 for a window without any."""
        lengths = windows.lengths
        return np.where(lengths > 0, np.abs(lengths - self._nearest(lengths)), 0).astype(np.float32)

    def explain(self, windows: Windows, i: int) -> Reason:
        """What was usual. The events behind the nearest usual length are too many; of a short window the last one was too soon."""
        row, usual = windows.events[i], self.params["usual"].astype(np.int64)
        places = np.flatnonzero(row != PAD)
        nearest = int(self._nearest(np.array([len(places)]))[0])
        too_many = places[nearest:] if len(places) > nearest else places[-1:]
        contrib = np.zeros(len(row), np.float32)
        contrib[too_many] = 1 / max(len(too_many), 1)
        commonest = int(usual[self.params["share"].argmax()])
        detail = {"length": len(places), "usual": [int(usual[0]), int(usual[-1])], "nearest_usual": nearest, "commonest": commonest}
        expected = ((PAD, 1.0),) if len(places) > nearest else ()
        return Reason("length", int(too_many[0]) if len(too_many) else 0, contrib, expected, detail)

    def _nearest(self, lengths: np.ndarray) -> np.ndarray:
        """The usual length that is nearest to each, of two the shorter."""
        usual = self.params["usual"].astype(np.int64)
        after = np.minimum(np.searchsorted(usual, lengths), len(usual) - 1)
        before = np.maximum(after - 1, 0)
        return np.where(np.abs(lengths - usual[before]) <= np.abs(lengths - usual[after]), usual[before], usual[after])
