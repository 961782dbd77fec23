"""How anomalous a template is by its words, learned from labels of windows alone: the teacher of a words network.

    a_k = c + sum over the template's words of w[word]       log-odds that it makes a window anomalous
    P   = noisy-or over the window's templates (layers/noisy_or.py)
    L   = mean over windows of - log P(label) + decay sum of w^2

A template that was anomalous in one stretch of the log only, and harmless in others, has fooled every threshold: so the fit
is repeated with each stretch left out, and a template has the **least** score that a fit which saw it gives. The words decide
for templates never seen. (Noisy-or over instances: Zhang, Platt, Viola 2005.)
"""
from __future__ import annotations

from typing import NamedTuple, Sequence

import numpy as np

from ..embedding.words import bucket_ids
from ..layers.activations import sigmoid
from ..layers.noisy_or import LEAST
from ..records import Windows
from .adam import Adam

STRETCHES = 6
DECAY = 1e-5
STEPS = 300
LR = 0.05
START = -4.0  # of c: most templates are harmless
BUCKETS = 1 << 20  # so many that words have one of their own


class WordScores(NamedTuple):
    """Scores of the templates of training, and the weights of words for any other."""

    templates: np.ndarray  # (n,) float64 log-odds
    columns: np.ndarray  # (V,) the known words: sorted signed buckets
    weights: np.ndarray  # (V + 1,) float64, the last one is c

    def of(self, texts: Sequence[str]) -> np.ndarray:
        """(n,) scores of texts by their words."""
        return _scores(_Bag.of(bucket_ids(texts, BUCKETS), self.columns), self.weights)


class _Bag(NamedTuple):
    """Which of n items has which of V words."""

    n: int
    items: np.ndarray
    words: np.ndarray

    @classmethod
    def of(cls, ids: np.ndarray, columns: np.ndarray) -> _Bag:
        items, places = np.nonzero(np.isin(ids, columns) & (ids != 0))
        return cls(len(ids), items, np.searchsorted(columns, ids[items, places]))


class _Sets(NamedTuple):
    """The distinct sets of events: members of each, and the weight of normal and of anomalous windows that have it."""

    rows: np.ndarray
    events: np.ndarray
    normal: np.ndarray
    anomalous: np.ndarray


def fit(windows: Windows, texts: Sequence[str]) -> WordScores:
    """Windows in order of time, with labels; texts of all event ids. Every window counts, as often as it occurs."""
    present = np.zeros((len(windows), len(texts)), bool)
    rows, places = np.nonzero(windows.mask)
    present[rows, windows.events[rows, places]] = True
    seen = np.flatnonzero(present.any(0))
    ids = bucket_ids(texts, BUCKETS)
    columns = np.unique(ids[seen])
    bag = _Bag.of(ids, columns[columns != 0])
    columns = columns[columns != 0]
    stretch = np.arange(len(windows)) * STRETCHES // len(windows)
    every, least = None, np.full(len(texts), np.inf)
    for left_out in (None, *range(STRETCHES)):
        kept = slice(None) if left_out is None else stretch != left_out
        sets = _sets(present[kept], windows.labels[kept], None if windows.weights is None else windows.weights[kept])
        weights = _fit(bag, sets, len(columns))
        every = weights if every is None else every
        saw = np.unique(sets.events)
        least[saw] = np.minimum(least[saw], _scores(bag, weights)[saw])
    by_words = _scores(bag, every)
    return WordScores(np.where(np.isinf(least), by_words, least), columns, every)


def _sets(present: np.ndarray, labels: np.ndarray, weights: np.ndarray | None) -> _Sets:
    kinds, kind = np.unique(np.packbits(present, axis=1), axis=0, return_inverse=True)
    weights, kind = np.ones(len(labels)) if weights is None else weights, kind.ravel()
    rows, events = np.nonzero(np.unpackbits(kinds, axis=1, count=present.shape[1]))
    return _Sets(rows, events, np.bincount(kind, weights * (labels == 0), len(kinds)), np.bincount(kind, weights * (labels == 1), len(kinds)))


def _fit(bag: _Bag, sets: _Sets, n_words: int) -> np.ndarray:
    """Full-batch Adam, the pace falling to 0. (V + 1,) weights."""
    params = {"w": np.append(np.zeros(n_words), START)}
    adam, total = Adam(params), (sets.normal + sets.anomalous).sum()
    for step in range(STEPS):
        a = _scores(bag, params["w"])
        none = np.minimum(np.bincount(sets.rows, -np.logaddexp(0, a)[sets.events], len(sets.normal)), LEAST)
        # d(- log P)/da = - (1 - P) / P p_e for an anomalous window, d(- log(1 - P))/da = p_e for a normal one
        d = sets.normal - sets.anomalous * np.exp(none) / -np.expm1(none)
        da = np.bincount(sets.events, d[sets.rows], bag.n) * sigmoid(a) / total
        g = np.append(np.bincount(bag.words, da[bag.items], n_words) + 2 * DECAY * params["w"][:-1], da.sum())
        adam.step(params, {"w": g}, LR * (1 - step / STEPS))
    return params["w"]


def _scores(bag: _Bag, weights: np.ndarray) -> np.ndarray:
    return weights[-1] + np.bincount(bag.items, weights[bag.words], bag.n)
