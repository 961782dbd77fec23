"""Templates by their words: which of them make a window anomalous is learned from the labels of windows alone.

    a_e = c + sum over the words of event e of +-w[bucket]      log-odds that the event makes its window anomalous
    P   = 1 - product over the distinct events of (1 - s(a_e))  noisy-or, layers/noisy_or.py
    L   = mean of - log P(label) + decay |w|^2
    score = log P / (1 - P) + log-odds of the prior - log-odds of the training share

One number a bucket (embedding/words.py) and c: 401, a byte each in int8, whatever the number of events. A template that
training never saw is scored by its words, which no detector that knows event ids can do. Training looks at each set of
events once, weighted by how often it occurs. The decay holds back words that were certain in training and are not later: on
BGL in time order, a tenth of it leaves F1 to the seed, between .51 and .88. (Noisy-or over instances: Zhang, Platt, Viola 2005.)
"""
from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import log
from typing import Any

import numpy as np

from ..embedding.words import bucket_ids, words
from ..layers import bag, noisy_or
from ..layers.activations import sigmoid
from ..layers.params import Params, named, part
from ..records import PAD, UNKNOWN, Reason, Windows
from . import Sizes

NEEDS = ("labels", "words", "templates")
CHUNK = 1024  # windows scored at once: bounds memory
CERTAIN = 600.0  # log-odds whose exponential is still a number
START = -4.0  # of c: most templates are harmless


@dataclass(frozen=True)
class Config:
    buckets: int = 400
    decay: float = 1e-4
    epochs: int = 200
    batch: int = 256
    lr: float = 0.05
    prior: float = 0.02  # share of anomalous windows in what will be scored; `create` has it from Sizes
    trained_prior: float = 0.5  # that share in what it was trained on; fit sets it


TINY = Config(buckets=64, epochs=40, batch=32)


class Detector:
    NEEDS = ("words", "templates")
    threshold = 0.0  # even odds

    def __init__(self, config: Config, params: Params):
        self.config, self.params = config, params

    @classmethod
    def create(cls, config: Config, sizes: Sizes, rng: np.random.Generator) -> Detector:
        """Words say nothing yet."""
        params = bag.init(rng, config.buckets, 1)
        params["c"][:] = START
        return cls(replace(config, prior=sizes.prior), named("words", params))

    def fit(self, windows: Windows, minimise: Callable, fitted: Mapping[str, Any] | None = None,
            rng: np.random.Generator | None = None) -> list[float]:
        """Learns from labels of windows; `windows.weights` are repetitions."""
        config, sets = self.config, sets_of(windows)
        anomalous = float(sets.weights[sets.labels == 1].sum())
        self.config = replace(config, trained_prior=(anomalous + 0.5) / (float(sets.weights.sum()) + 1))
        sets = replace(sets, weights=sets.weights / sets.weights.mean())  # batches are drawn from sets, not from windows
        return minimise(lambda params, index: self.loss_and_grads(params, sets.take(index)), self.params, len(sets),
                        epochs=config.epochs, batch=config.batch, lr=config.lr)

    def score(self, windows: Windows) -> np.ndarray:
        """(B,) float32 log-odds that a window is anomalous, where `prior` of them are."""
        config, a = self.config, self.templates(windows.tables["words"])
        shift = log(config.prior / (1 - config.prior)) - log(config.trained_prior / (1 - config.trained_prior))
        parts = [noisy_or.log_odds(a, _rows(windows.events[i:i + CHUNK], len(a)), windows.events[i:i + CHUNK] != PAD)
                 for i in range(0, len(windows), CHUNK)]
        return np.concatenate([np.zeros(0), *parts]).astype(np.float32) + np.float32(shift)

    def templates(self, table: np.ndarray) -> np.ndarray:
        """(n,) float64: a_e of each event, given tables["words"]."""
        return bag.infer(table, part(self.params, "words"))[:, 0].astype(np.float64)

    def explain(self, windows: Windows, i: int) -> Reason:
        """The event that is likeliest to have made the window anomalous, and the words of it that say so."""
        row, a = windows.events[i], self.templates(windows.tables["words"])
        rows = _rows(row, len(a))
        p = sigmoid(a)[rows] * noisy_or.distinct(row[None], (row != PAD)[None])[0]
        p = p if p.any() else (row != PAD).astype(np.float64)
        worst = int(p.argmax())
        detail: dict[str, Any] = {"event": int(row[worst]), "p": round(float(p[worst]), 4)}
        if "templates" in windows.tables:
            weights = self._weights(windows.tables["templates"][rows[worst]])
            loudest = sorted(weights, key=weights.__getitem__, reverse=True)
            detail["words"] = [[word, round(weights[word], 2)] for word in loudest if weights[word] > 0]
        return Reason("words", worst, (p / max(p.sum(), 1e-300)).astype(np.float32), (), detail)

    def loss_and_grads(self, params: Params, windows: Windows) -> tuple[float, Params]:
        """The loss of these windows and its gradient."""
        table, mask, weights = windows.tables["words"], windows.mask, windows.weights.astype(np.float64)
        a, bag_cache = bag.forward(table, part(params, "words"))
        y, or_cache = noisy_or.forward(a[:, 0].astype(np.float64), windows.events, mask)
        z = np.clip(noisy_or.log_odds(a[:, 0].astype(np.float64), windows.events, mask), -CERTAIN, CERTAIN)
        loss = weights @ (np.logaddexp(0, z) - windows.labels * z) / weights.sum()
        # dL/dz = P - label, and y = 2 P - 1 has dy/dz = 2 P (1 - P): what is left are -1 / 2P and 1 / 2(1 - P)
        dy = weights / weights.sum() * 0.5 * np.where(windows.labels == 1, -1 - np.exp(-z), 1 + np.exp(z))
        da = noisy_or.backward(dy, or_cache).astype(a.dtype)
        grads = bag.backward(da[:, None], bag_cache)[1]
        E = params["words.E"]
        grads["E"] = grads["E"] + 2 * self.config.decay * E
        return float(loss + self.config.decay * (E ** 2).sum()), named("words", grads)

    def _weights(self, text: str) -> dict[str, float]:
        """What each word of a text adds."""
        found = list(dict.fromkeys(words(text)))
        ids = bucket_ids(found, self.config.buckets)[:, 0]
        return {word: float(np.sign(k) * self.params["words.E"][0, abs(k) - 1]) for word, k in zip(found, ids)}


def sets_of(windows: Windows) -> Windows:
    """One window for each set of events and label, its distinct events in order, weighted by how often it occurs."""
    kept = np.where(noisy_or.distinct(windows.events, windows.mask), windows.events, PAD)
    events = -np.sort(-kept, 1)  # PAD, the smallest, goes behind
    events = events[:, :max(1, int((events != PAD).sum(1).max(initial=0)))]
    first, kind = Windows(np.column_stack([events, windows.labels.astype(events.dtype)])).distinct()
    weights = np.bincount(kind, windows.weights, len(first))
    return Windows(events[first], windows.labels[first], weights.astype(np.float32), tables=windows.tables)


def _rows(events: np.ndarray, n: int) -> np.ndarray:
    """Rows of a table of n; an event that has none is UNKNOWN."""
    return np.where(events < n, events, UNKNOWN)
