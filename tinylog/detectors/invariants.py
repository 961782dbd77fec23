"""Invariants among the counts of events (Lou, Fu, Yang, Xu, Li, USENIX ATC 2010): a file is closed as often as it is opened.

    a x = 0      small integers a over two or three events, x their counts in a window
    kept if it holds in `share` of the training windows that have x_i, for each of its events, and does not follow from
    those before it
    score = how many invariants a window violates; that the count of what training never saw is 0 is one of them

The paper looks for the null space of the count vectors and then for sparse integer vectors in it. Here these are tried: all
pairs a x_i = b x_j and triples a x_i = b x_j + c x_k of the `events` commonest events, on the `windows` commonest count
vectors, one vector after the other: nearly all that is tried fails on the first few.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import product
from math import gcd
from typing import Any

import numpy as np

from ..records import FIRST_EVENT, PAD, Reason, Windows
from . import Sizes
from .counts import CHUNK, count_vectors, position
from .unseen_event import event_shares

Terms = np.ndarray  # (C, 3): columns of count vectors, or their coefficients, 0 where there are two


@dataclass(frozen=True)
class Config:
    share: float = 0.98
    largest: int = 3  # coefficient
    events: int = 40
    windows: int = 4096
    least: float = 5.0  # windows that have each of the events: fewer show nothing


TINY = Config()


class Detector:
    NEEDS = ()
    threshold = 0.5

    def __init__(self, config: Config, params: dict[str, np.ndarray]):
        self.config, self.params = config, params

    @classmethod
    def create(cls, config: Config, sizes: Sizes, rng: np.random.Generator | None = None) -> Detector:
        """One without invariants that has seen no event."""
        return cls(config, {"events": np.zeros((0, 3), np.int32), "coefficients": np.zeros((0, 3), np.int32),
                            "holds": np.zeros(0, np.float32), "known": np.zeros(sizes.n_events, bool)})

    def fit(self, windows: Windows, minimise: Callable | None = None, fitted: Mapping[str, Any] | None = None,
            rng: np.random.Generator | None = None) -> list[float]:
        """Tries what there is to try."""
        weights = np.ones(len(windows)) if windows.weights is None else windows.weights.astype(np.float64)
        self.params["known"] = event_shares(windows, len(self.params["known"])) > 0
        vectors, weights = _commonest(windows.events, weights, len(self.params["known"]), self.config.windows)
        events, coefficients, holds = mined(vectors, weights, self.config)
        self.params |= {"events": events.astype(np.int32), "coefficients": coefficients.astype(np.int32), "holds": holds.astype(np.float32)}
        return []

    def score(self, windows: Windows) -> np.ndarray:
        """(B,) float32: a number of invariants."""
        parts = [(self._values(windows.events[i:i + CHUNK]) != 0).sum(1) for i in range(0, len(windows), CHUNK)]
        return np.concatenate([np.zeros(0), *parts]).astype(np.float32)

    def explain(self, windows: Windows, i: int) -> Reason:
        """The violated invariant that is furthest from 0, and the events that there are too few of."""
        row, p = windows.events[i], self.params
        values = self._values(row[None])[0]
        worst = int(np.abs(values).argmax())
        if worst < len(p["events"]):
            terms = [(int(e), int(c)) for e, c in zip(p["events"][worst], p["coefficients"][worst]) if c]
        else:
            terms = [(int(e), 1) for e in np.unique(row[self._strange(row)])]
        fewer = tuple((e, float(p["holds"][worst])) for e, c in terms if c * values[worst] < 0)
        concerned = np.isin(row, [e for e, _ in terms]) & (row != PAD)
        concerned = concerned if concerned.any() else row != PAD
        share = (concerned / max(concerned.sum(), 1)).astype(np.float32)
        return Reason("count", position(share), share, fewer, {"invariant": [list(term) for term in terms], "value": int(values[worst])})

    def _values(self, events: np.ndarray) -> np.ndarray:
        """(B, I + 1) int64: a x of each invariant, and how many events training never saw."""
        p = self.params
        counts = count_vectors(events, len(p["known"])).astype(np.int64)
        values = (counts[:, p["events"]] * p["coefficients"]).sum(2)
        return np.concatenate([values, self._strange(events).sum(1, keepdims=True)], 1)

    def _strange(self, events: np.ndarray) -> np.ndarray:
        """Which events training never saw."""
        known = self.params["known"]
        return (events != PAD) & ((events >= len(known)) | ~known[np.minimum(events, len(known) - 1)])


def mined(vectors: np.ndarray, weights: np.ndarray, config: Config) -> tuple[Terms, Terms, np.ndarray]:
    """Of count vectors (K, n), commonest first, and their weights: the events of each invariant, their coefficients, and in what
    share of the windows that have any of its events it holds (I,).
    """
    support = weights @ (vectors > 0)
    support[:FIRST_EVENT] = 0
    columns = np.argsort(-support, kind="stable")[:config.events]
    columns = columns[support[columns] >= config.least]
    terms, coefficients = _candidates(len(columns), config.largest)
    x, found, basis = vectors[:, columns].astype(np.int32), [], np.zeros((0, len(columns)))
    for i in _survivors(x, weights, terms, coefficients, config.share):
        line = np.bincount(terms[i], coefficients[i], len(columns))
        rest = line - line @ basis.T @ basis
        if np.linalg.norm(rest) < 1e-6:
            continue
        own, violated = terms[i][coefficients[i] != 0], x @ line != 0
        have = x[:, own] > 0  # (K, 2 or 3)
        if ((weights * violated) @ have <= (1 - config.share) * (weights @ have)).all():
            basis = np.concatenate([basis, rest[None] / np.linalg.norm(rest)])
            found.append((i, 1 - weights @ violated / (weights @ have.any(1))))
    kept = np.array([i for i, _ in found], np.intp)
    return columns[terms[kept]], coefficients[kept], np.array([holds for _, holds in found])


def _candidates(n: int, largest: int) -> tuple[Terms, Terms]:
    """All pairs and triples of n columns with all coefficients, the simplest first."""
    some = range(1, largest + 1)
    pairs = [(i, j, 0) for i in range(n) for j in range(i + 1, n)]
    triples = [(i, j, k) for i in range(n) for j in range(n) for k in range(j + 1, n) if i not in (j, k)]
    rows = [(pairs, (a, -b, 0)) for a, b in product(some, some) if gcd(a, b) == 1]
    rows += [(triples, (a, -b, -c)) for a, b, c in product(some, some, some) if gcd(a, b, c) == 1]
    rows = sorted((row for row in rows if row[0]), key=lambda row: (row[1][2] != 0, sum(map(abs, row[1]))))
    terms = [np.array(groups, np.intp) for groups, _ in rows]
    coefficients = [np.full((len(groups), 3), signed, np.int32) for groups, signed in rows]
    none = np.zeros((0, 3), np.int32)
    return np.concatenate([none.astype(np.intp), *terms]), np.concatenate([none, *coefficients])


def _survivors(x: np.ndarray, weights: np.ndarray, terms: Terms, coefficients: Terms, share: float) -> np.ndarray:
    """Indices of the candidates that may hold: those that more windows violate than all their events' allow are dropped at once."""
    support = weights @ (x > 0)
    allowed = (1 - share) * (support[terms] * (coefficients != 0)).sum(1)
    left, violated = np.arange(len(terms)), np.zeros(len(terms))
    for row, weight in zip(x, weights):
        violated += weight * ((row[terms] * coefficients).sum(1) != 0)
        kept = violated <= allowed
        if not kept.all():
            left, terms, coefficients, violated, allowed = (each[kept] for each in (left, terms, coefficients, violated, allowed))
    return left


def _commonest(events: np.ndarray, weights: np.ndarray, n: int, at_most: int) -> tuple[np.ndarray, np.ndarray]:
    """Distinct count vectors (K, n), the heaviest first, and their weights."""
    ordered = np.sort(events, 1)
    kinds, first, inverse = np.unique(ordered, axis=0, return_index=True, return_inverse=True)
    total = np.bincount(inverse.ravel(), weights, len(kinds))
    heaviest = np.argsort(-total, kind="stable")[:at_most]
    return count_vectors(events[first[heaviest]], n), total[heaviest]
