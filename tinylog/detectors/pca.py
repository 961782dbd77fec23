"""Principal components of count vectors (Xu, Huang, Fox, Patterson, Jordan, SOSP 2009, sections 4 and 5).

    y = idf * counts - mean                     idf_j = log(windows / windows that have event j)
    P = the first k principal components        k as small as they hold `variance` of it
    score = Q = |y - P P' y|^2                  squared prediction error: what normal windows do not do
    threshold = Q_alpha                         Jackson & Mudholkar 1979: a normal window is above it with probability alpha
              = phi_1 (c sqrt(2 phi_2 h^2) / phi_1 + 1 + phi_2 h (h - 1) / phi_1^2)^(1/h)
      phi_i = sum of the other components' variances to the power i      h = 1 - 2 phi_1 phi_3 / (3 phi_2^2)
      c     = the normal quantile of 1 - alpha, with the sign of h

An event that training never saw counts like one that a single window had. Weights of events that all windows have are 0
by idf, which is the paper's choice where it looks at counts of event types; `tfidf` False takes the counts as they are.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

from ..records import Reason, Windows
from . import Sizes
from .counts import CHUNK, EXPECTED, count_vectors, position, shares
from .unseen_event import event_shares

NONE = 1e-9  # a variance that is only rounding


@dataclass(frozen=True)
class Config:
    tfidf: bool = True
    variance: float = 0.95
    alpha: float = 0.001


TINY = Config()


class Detector:
    NEEDS = ()

    def __init__(self, config: Config, params: dict[str, np.ndarray]):
        self.config, self.params = config, params

    @property
    def threshold(self) -> float:
        """Q_alpha"""
        return float(self.params["threshold"][0])

    @classmethod
    def create(cls, config: Config, sizes: Sizes, rng: np.random.Generator | None = None) -> Detector:
        """One without components."""
        n = sizes.n_events
        return cls(config, {"mean": np.zeros(n, np.float32), "idf": np.ones(n, np.float32), "axes": np.zeros((0, n), np.float32),
                            "share": np.zeros(n, np.float32), "threshold": np.zeros(1, np.float32)})

    def fit(self, windows: Windows, minimise: Callable | None = None, fitted: Mapping[str, Any] | None = None,
            rng: np.random.Generator | None = None) -> list[float]:
        """Mean and covariance of all windows, by their weights; the rest follows."""
        n = len(self.params["mean"])
        weights = np.ones(len(windows)) if windows.weights is None else windows.weights.astype(np.float64)
        total, share = max(weights.sum(), 1.0), event_shares(windows, n)
        idf = -np.log(np.maximum(share, 1 / total)) if self.config.tfidf else np.ones(n)
        mean, square = np.zeros(n), np.zeros((n, n))
        for i in range(0, len(windows), CHUNK):
            y, w = count_vectors(windows.events[i:i + CHUNK], n) * idf, weights[i:i + CHUNK]
            mean += w @ y / total
            square += (y * w[:, None]).T @ y / total
        variances, axes = np.linalg.eigh(square - np.outer(mean, mean))
        variances, axes = np.maximum(variances[::-1], 0), axes.T[::-1]  # largest first
        k = int(np.searchsorted(np.cumsum(variances), self.config.variance * variances.sum())) + 1 if variances.sum() > NONE else 0
        self.params |= {"mean": mean.astype(np.float32), "idf": idf.astype(np.float32), "axes": axes[:k].astype(np.float32),
                        "share": share, "threshold": np.array([q_alpha(variances[k:], self.config.alpha)], np.float32)}
        return []

    def score(self, windows: Windows) -> np.ndarray:
        """(B,) float32: Q."""
        parts = [(self._residuals(windows.events[i:i + CHUNK]) ** 2).sum(1) for i in range(0, len(windows), CHUNK)]
        return np.concatenate([np.zeros(0), *parts]).astype(np.float32)

    def explain(self, windows: Windows, i: int) -> Reason:
        """The event whose count is furthest from what the components say, and those of which there are too few."""
        row, idf = windows.events[i], self.params["idf"]
        residual, counts = self._residuals(row[None])[0], count_vectors(row[None], len(idf))[0]
        expected = counts - residual / np.maximum(idf, NONE) * (idf > NONE)
        worst = int(np.abs(residual).argmax())
        fewer = np.flatnonzero((expected > counts + 0.5) & (idf > NONE))
        fewer = fewer[np.argsort(residual[fewer], kind="stable")][:EXPECTED]
        share = shares(row, residual ** 2, counts)
        detail = {"event": worst, "count": int(counts[worst]), "usual": round(max(float(expected[worst]), 0.0), 2)}
        return Reason("count", position(share), share, tuple((int(e), float(self.params["share"][e])) for e in fewer), detail)

    def _residuals(self, events: np.ndarray) -> np.ndarray:
        """(B, n_events) float64: y - P P' y."""
        p = {name: array.astype(np.float64) for name, array in self.params.items()}
        y = count_vectors(events, len(p["mean"])) * p["idf"] - p["mean"]
        return y - y @ p["axes"].T @ p["axes"]


def q_alpha(variances: np.ndarray, alpha: float) -> float:
    """The threshold, given the variances of the components that are left out; NONE where these are 0: any error is too much."""
    phi = [float((variances ** i).sum()) for i in (1, 2, 3)]
    if phi[0] <= NONE:
        return NONE
    h = 1 - 2 * phi[0] * phi[2] / (3 * phi[1] ** 2)
    c = NormalDist().inv_cdf(1 - alpha)
    h = h if abs(h) > 1e-3 else 1e-3  # their formula has a limit there, but no value
    base = np.copysign(c, h) * np.sqrt(2 * phi[1] * h * h) / phi[0] + 1 + phi[1] * h * (h - 1) / phi[0] ** 2
    return float(phi[0] * base ** (1 / h)) if base > 0 else phi[0] + c * float(np.sqrt(2 * phi[1]))  # else: as if Q were normal
