"""Logistic regression on how often each event occurs and whether it does: two numbers an event, one for all windows.

    x = [log(1 + count of each event), 1 where it occurs]      one column for UNKNOWN and all that training never saw
    L = sum of - log s(+-(w x + b)) + RIDGE / 2 |w|^2          Newton's method: 5 to 15 steps (Bishop 2006, section 4.3.3)
    score = w x + b + log-odds of the prior - log-odds of the training share

With 30 kinds of event it is about 60 numbers and as good as any network on HDFS, where training is half anomalous and traffic
is not: hence the two log-odds at the end. The ridge is small because the sum of losses is large; cross-validated on HDFS and
OpenStack, whatever lies between .003 and .1 is as good. What else is stored (`usual`) only explains.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from math import expm1, log
from typing import Any

import numpy as np

from ..layers.activations import sigmoid
from ..records import PAD, UNKNOWN, Reason, Windows
from . import Sizes

NEEDS = ("labels",)
CHUNK = 1024  # windows at once: bounds memory
STEPS, CLOSE = 30, 1e-6  # of Newton's method: at most, and until the loss falls by less than this share
EXPECTED = 5  # events that an explanation names


@dataclass(frozen=True)
class Config:
    ridge: float = 0.01
    prior: float = 0.02  # share of anomalous windows in what will be scored; `create` has it from Sizes
    trained_prior: float = 0.5  # that share in what it was trained on; fit sets it


TINY = Config()


class Detector:
    NEEDS = ()
    threshold = 0.0  # even odds

    def __init__(self, config: Config, params: dict[str, np.ndarray]):
        self.config, self.params = config, params

    @classmethod
    def create(cls, config: Config, sizes: Sizes, rng: np.random.Generator | None = None) -> Detector:
        """All weights 0."""
        n = 2 * (sizes.n_events - 1)
        params = {"w": np.zeros(n, np.float32), "b": np.zeros(1, np.float32), "usual": np.zeros(n, np.float32)}
        return cls(replace(config, prior=sizes.prior), params)

    def fit(self, windows: Windows, minimise: Callable | None = None, fitted: Mapping[str, Any] | None = None,
            rng: np.random.Generator | None = None) -> list[float]:
        """The mean loss before each of Newton's steps and behind the last. Nothing is drawn, `minimise` is not needed."""
        weights = np.ones(len(windows)) if windows.weights is None else windows.weights.astype(np.float64)
        normal, anomalous = (float(weights[windows.labels == label].sum()) for label in (0, 1))
        self.config = replace(self.config, trained_prior=(anomalous + 0.5) / (normal + anomalous + 1))
        n_features = len(self.params["w"])
        beta, losses = newton(lambda: self._batches(windows, weights), n_features, self.config.ridge)
        usual = sum((x * (w * (y == 0))[:, None]).sum(0) for x, y, w in self._batches(windows, weights)) / max(normal, 1e-9)
        self.params |= {"w": beta[:-1].astype(np.float32), "b": beta[-1:].astype(np.float32), "usual": usual.astype(np.float32)}
        return losses

    def score(self, windows: Windows) -> np.ndarray:
        """(B,) float32 log-odds that a window is anomalous, where `prior` of them are."""
        config, p = self.config, self.params
        shift = log(config.prior / (1 - config.prior)) - log(config.trained_prior / (1 - config.trained_prior))
        parts = [self.features(windows.events[i:i + CHUNK]) @ p["w"] + p["b"] for i in range(0, len(windows), CHUNK)]
        return np.concatenate([np.zeros(0), *parts]).astype(np.float32) + np.float32(shift)

    def explain(self, windows: Windows, i: int) -> Reason:
        """The event whose count, compared with what normal windows have, speaks most for an anomaly."""
        row, p = windows.events[i], self.params
        x = self.features(row[None])[0]
        parts = (p["w"] * (x - p["usual"])).reshape(2, -1).sum(0)  # by event: those that are too few count as well
        present, usual = p["usual"].reshape(2, -1)[::-1]
        by_event = np.maximum(np.append(0, parts), 0)  # PAD first
        n = len(by_event)
        worst, counts = int(by_event.argmax()), count_vectors(row[None], n)[0]
        missing = np.flatnonzero((by_event > 0) & (counts == 0))
        missing = missing[np.argsort(-by_event[missing], kind="stable")][:EXPECTED]
        share = shares(row, by_event, counts)
        detail = {"event": worst, "count": int(counts[worst]), "usual": round(expm1(usual[worst - 1]), 2)}
        return Reason("count", position(share), share, tuple((int(e), float(present[e - 1])) for e in missing), detail)

    def features(self, events: np.ndarray) -> np.ndarray:
        """(B, 2 (n_events - 1)) float64: x."""
        counts = count_vectors(events, len(self.params["w"]) // 2 + 1)[:, 1:]
        return np.concatenate([np.log1p(counts), counts > 0], 1)

    def _batches(self, windows: Windows, weights: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Features, labels and weights of some windows at a time."""
        for i in range(0, len(windows), CHUNK):
            rows = slice(i, i + CHUNK)
            yield self.features(windows.events[rows]), windows.labels[rows], weights[rows]


def newton(batches: Callable[[], Iterator], n: int, ridge: float) -> tuple[np.ndarray, list[float]]:
    """The n weights and the intercept, which the ridge leaves alone: (n + 1,) float64; and the mean losses.

    A step that makes the loss larger is halved until it does not.
    """
    decay = np.append(np.full(n, ridge), 1e-9)
    beta, losses, step, total = np.zeros(n + 1), [], np.zeros(n + 1), 0.0
    for _ in range(STEPS):
        value, gradient, hessian, total = _derivatives(batches, beta + step, decay)
        while losses and value > losses[-1] * total and np.abs(step).max() > 1e-12:
            step *= 0.5
            value, gradient, hessian, total = _derivatives(batches, beta + step, decay)
        beta = beta + step
        losses.append(float(value / total))
        if len(losses) > 1 and losses[-2] - losses[-1] <= CLOSE * losses[-2]:
            break
        step = -np.linalg.solve(hessian, gradient)
    return beta, losses


def _derivatives(batches: Callable[[], Iterator], beta: np.ndarray, decay: np.ndarray) -> tuple[float, np.ndarray, np.ndarray, float]:
    """The loss, its gradient, its second derivatives, and the sum of the weights."""
    value, gradient, hessian, total = 0.5 * float(decay @ beta ** 2), decay * beta, np.diag(decay), 1e-9
    for x, labels, weights in batches():
        x = np.concatenate([x, np.ones((len(x), 1))], 1)
        z = x @ beta
        p = sigmoid(z)
        value += float(weights @ (np.logaddexp(0, z) - labels * z))
        gradient = gradient + x.T @ (weights * (p - labels))
        hessian = hessian + x.T @ (x * (weights * p * (1 - p))[:, None])
        total += float(weights.sum())
    return value, gradient, hessian, total


def count_vectors(events: np.ndarray, n_events: int) -> np.ndarray:
    """(B, n_events) float64: how often each event occurs in windows (B, T); ids from n_events on count as UNKNOWN, PAD is 0."""
    ids = np.where(events < n_events, events, UNKNOWN)
    cells = np.arange(len(ids))[:, None] * n_events + ids
    return np.bincount(cells[events != PAD], minlength=len(ids) * n_events).reshape(len(ids), n_events).astype(np.float64)


def shares(row: np.ndarray, by_event: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """(T,) float32, sum 1: what each event (n_events,) has, divided among its places in the window; all alike where none has any."""
    ids = np.where(row < len(by_event), row, UNKNOWN)
    found = np.where(row != PAD, by_event[ids] / np.maximum(counts[ids], 1), 0.0)
    if found.sum() <= 0:
        found = (row != PAD).astype(np.float64)
    return (found / max(found.sum(), 1e-300)).astype(np.float32)


def position(share: np.ndarray) -> int:
    """The place with the largest share; of equals the last, behind which something may be missing."""
    return len(share) - 1 - int(share[::-1].argmax())
