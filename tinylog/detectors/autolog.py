"""AutoLog (Catillo 2022): how much each entity has to say in a window of time, and an autoencoder that knows what is usual.

A chunk is all text of one entity (a rack, a host, a component) in one window, M chunks of an entity in training, f_tj how
often term t is in chunk j. Silence is a window like others: its scores are 0.

    p_tj = f_tj / sum over j of f_tj      g_t = 1 + sum over j of p_tj log2 p_tj / log2 M      from 0, even in all, to 1, in one
    S_j = sqrt(sum over t of (g_t log2(1 + f_tj))^2)      x = (S - low) / (high - low), low and high of each entity in training
    score = log(mean over entities of (x - autoencoder(x))^2)

A term in a single chunk has g = 1, so has one never seen: neither is stored. M = 1 gives g = 1 too: nothing is usual yet.
Entities never seen in training share a last column, outside the network, of which 0 is expected. The threshold is a percentile
of the scores of the last normal windows that hold lines, to which nothing else is fitted. The paper has RMSprop and batches
of 2048; here it is Adam, and small batches, for a log seldom has thousands of windows.
"""
from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np

from ..layers import autoencoder
from ..layers.params import Params, named, part
from ..losses import squared_error
from ..losses.cross_entropy import normalised
from ..records import Reason, Windows
from . import Sizes

NEEDS = ("texts", "entities")
WINDOW = {"seconds": 300}
ACTIVATIONS = ("relu", "tanh", "relu", "relu")
HELD_OUT = 0.1  # share of the training windows with lines, the last ones, that the threshold is chosen on
CHUNK = 1024  # windows read at once: bounds memory
LEAST = 1e-9  # is added to an error before its logarithm
TERM = re.compile(rb"[\w\x80-\xff]+")


@dataclass(frozen=True)
class Config:
    outer: int = 128  # units
    inner: int = 64
    dropout: float = 0.6
    activity: float = 1e-4  # weight in the loss of how much all units say
    percentile: float = 90.0  # of the held-out scores: the threshold
    epochs: int = 50
    batch: int = 32
    lr: float = 1e-3


TINY = Config(outer=8, inner=4, dropout=0.0, lr=0.01)


class Detector:
    NEEDS = NEEDS

    def __init__(self, config: Config, params: Params):
        self.config, self.params = config, params

    @classmethod
    def create(cls, config: Config, sizes: Sizes, rng: np.random.Generator) -> Detector:
        """One that knows no entity: which there are, and so how wide the network is, comes with the windows of `fit`."""
        params = {"entities": _joined([b""]), "terms": np.zeros(0, np.uint32), "weights": np.zeros(0, np.float32),
                  "usual": np.zeros((2, 2), np.float32), "threshold": np.zeros(1, np.float32)}
        return cls(config, params | _network(config, 1, rng))

    def fit(self, windows: Windows, minimise: Callable, fitted: Mapping[str, Any] | None, rng: np.random.Generator) -> list[float]:
        """Learns from windows in order of time, all taken for normal; `rng` is for starting values and dropout."""
        spoken = np.flatnonzero(windows.lengths)
        held = int(HELD_OUT * len(spoken))
        known, rest = (windows.take(slice(0, spoken[-held])), windows.take(spoken[-held:])) if held else (windows, windows)
        self.learn_terms(known)
        losses = self.learn_usual(known, minimise, rng)
        # Scores are compared when rounded: a threshold among equal ones is not to fall below them.
        self.params["threshold"] = np.percentile(self.score(rest), [self.config.percentile]).round(3).astype(np.float32)
        return losses

    def learn_terms(self, windows: Windows) -> None:
        """The first half of `fit`: which entities and terms there are, and how evenly each is spread."""
        entities = sorted({b""}.union(*windows.entities))
        self.params["entities"] = _joined(entities)
        self.params["terms"], self.params["weights"] = _weighted(list(self._chunks(windows)), entities)

    def learn_usual(self, windows: Windows, minimise: Callable, rng: np.random.Generator) -> list[float]:
        """The second half: the range of each entity's scores, and the network."""
        config, S = self.config, self.chunk_scores(windows)
        self.params["usual"] = np.stack([S.min(0), S.max(0)], 1)
        self.params |= _network(config, S.shape[1] - 1, rng)
        x, weights = self._scaled(S)[:, :-1], np.ones(len(S)) if windows.weights is None else windows.weights
        return minimise(lambda network, index: _loss_and_grads(network, x[index], weights[index], config, rng),
                        part(self.params, "network"), len(x), epochs=config.epochs, batch=config.batch, lr=config.lr)

    @property
    def threshold(self) -> float:
        """That percentile of the scores of normal windows that nothing was fitted to."""
        return round(float(self.params["threshold"][0]), 3)

    @property
    def entities(self) -> list[bytes]:
        """Those of training, in the order of their columns; b"" stands for lines that name none."""
        return self.params["entities"].tobytes().split(b"\n")[:-1]

    def score(self, windows: Windows) -> np.ndarray:
        """(B,) float32: logarithm of the mean squared error."""
        return np.log(self.errors(self.chunk_scores(windows)).mean(1) + np.float32(LEAST))

    def chunk_scores(self, windows: Windows) -> np.ndarray:
        """(B, n_entities + 1) float32: S of each entity of training and, last, of all others together."""
        entities = self.entities
        scores = [chunks.scores(_known_weights(chunks.pairs(entities), self.params)) for chunks in self._chunks(windows)]
        return np.concatenate([np.zeros((0, len(entities) + 1), np.float32), *scores])

    def errors(self, S: np.ndarray) -> np.ndarray:
        """(B, n_entities + 1) float32: squared error of each column of `chunk_scores`."""
        x, expected = self._scaled(S), np.zeros_like(S)
        expected[:, :-1] = autoencoder.infer(x[:, :-1], part(self.params, "network"), ACTIVATIONS)
        return np.square(x - expected)

    def explain(self, windows: Windows, i: int) -> Reason:
        """The entity that is off most: by what it said, up to its last line, or by its silence, up to the last line of all."""
        window = windows.take(slice(i, i + 1))
        S, entities, owners, mask = self.chunk_scores(window), self.entities, window.entities[0], window.mask[0]
        worst = int(self.errors(S)[0].argmax())
        name = entities[worst] if worst < len(entities) else next((o for o in reversed(owners) if o not in entities), b"")
        own = np.zeros(len(mask), bool)
        own[:len(owners)] = [owner == name for owner in owners]
        concerned = own if own.any() else mask
        share = concerned.astype(np.float32) / max(int(concerned.sum()), 1)
        return Reason("entity", int(np.flatnonzero(concerned)[-1]) if mask.any() else 0, share, detail={
            "entity": name.decode("utf-8", "backslashreplace"), "score": float(S[0, worst]), "usual": self.params["usual"][worst].tolist()})

    def _chunks(self, windows: Windows) -> Iterator[_Chunks]:
        columns = {name: i for i, name in enumerate(self.entities)}
        for i in range(0, len(windows), CHUNK):
            yield _Chunks.of(windows.take(slice(i, i + CHUNK)), columns)

    def _scaled(self, S: np.ndarray) -> np.ndarray:
        """x, not clipped. A column that is constant in training is measured by what is the range of others."""
        low, high = self.params["usual"].T
        width = high - low
        other = np.median(width[width > 0]) if (width > 0).any() else 1
        return (S - low) / np.where(width > 0, width, other).astype(S.dtype)


class _Chunks(NamedTuple):
    """The terms of B windows with E columns: each term of each chunk once (K,)."""

    shape: tuple[int, int]
    cells: np.ndarray  # (K,) intp: window * E + column
    terms: np.ndarray  # (K,) uint32
    counts: np.ndarray  # (K,) float64

    @classmethod
    def of(cls, windows: Windows, columns: Mapping[bytes, int]) -> _Chunks:
        E, terms_of = len(columns) + 1, {}
        cells, repeats, terms = [], [], [np.zeros(0, np.uint32)]
        for i, (owners, texts) in enumerate(zip(windows.entities, windows.texts)):
            for (owner, text), times in Counter(zip(owners, texts)).items():  # logs repeat: each line is read once
                if text not in terms_of:
                    terms_of[text] = _hashed(text)
                terms.append(terms_of[text])
                cells.append(i * E + columns.get(owner, E - 1))
                repeats.append(times)
        lengths = [len(some) for some in terms[1:]]
        keys = np.repeat(np.array(cells, np.uint64), lengths) << np.uint64(32) | np.concatenate(terms)
        kinds, inverse = np.unique(keys, return_inverse=True)
        counts = np.bincount(inverse.ravel(), np.repeat(np.array(repeats, np.float64), lengths), len(kinds))
        return cls((len(windows), E), (kinds >> np.uint64(32)).astype(np.intp), kinds.astype(np.uint32), counts)

    def pairs(self, entities: Sequence[bytes]) -> np.ndarray:
        """(K,) uint32: a hash of entity and term; another one for entities never seen, which no weight is known of."""
        owners = np.array([crc32(b"\n" + name) for name in (*entities, b"\n")], np.uint32)
        return self.terms * np.uint32(0x9E3779B1) + owners[self.columns]

    @property
    def columns(self) -> np.ndarray:
        """(K,) intp"""
        return self.cells % self.shape[1]

    def scores(self, weights: np.ndarray) -> np.ndarray:
        """(B, E) float32: S, given the weight of each term of each chunk (K,)."""
        B, E = self.shape
        squares = np.square(weights * np.log2(1 + self.counts))
        return np.sqrt(np.bincount(self.cells, squares, B * E)).astype(np.float32).reshape(B, E)


def _hashed(text: bytes) -> np.ndarray:
    """(W,) uint32: the terms of a line."""
    return np.array([crc32(term) for term in TERM.findall(text.lower())], np.uint32)


def _weighted(parts: Sequence[_Chunks], entities: Sequence[bytes]) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of entity and term, sorted (P,) uint32, and their weights g (P,) float32, where g is below 1."""
    E = len(entities) + 1
    M = sum((np.bincount(np.unique(each.cells) % E, minlength=E) for each in parts), np.zeros(E))
    columns, f, pairs = (np.concatenate(arrays) for arrays in zip(*((each.columns, each.counts, each.pairs(entities)) for each in parts)))
    pairs, first, inverse = np.unique(pairs, return_index=True, return_inverse=True)
    inverse = inverse.ravel()
    total, entropy = np.bincount(inverse, f, len(pairs)), np.bincount(inverse, f * np.log2(f), len(pairs))
    # sum of p log2 p, with p = f / total, is entropy / total - log2 total
    g = 1 + (entropy / total - np.log2(total)) / np.log2(np.maximum(M[columns[first]], 2))
    spread = np.bincount(inverse, minlength=len(pairs)) > 1
    return pairs[spread], g[spread].clip(0, 1).astype(np.float32)


def _known_weights(pairs: np.ndarray, params: Params) -> np.ndarray:
    """(K,) g of each pair, 1 where training says nothing else."""
    if len(params["terms"]) == 0:
        return np.ones(len(pairs), np.float32)
    at = np.minimum(np.searchsorted(params["terms"], pairs), len(params["terms"]) - 1)
    return np.where(params["terms"][at] == pairs, params["weights"][at], np.float32(1))


def _network(config: Config, n: int, rng: np.random.Generator) -> Params:
    return named("network", autoencoder.init(rng, n, (config.outer, config.inner)))


def _loss_and_grads(params: Params, x: np.ndarray, weights: np.ndarray, config: Config, rng: np.random.Generator) -> tuple[float, Params]:
    """Squared error, and a little of how much all units say."""
    y, cache = autoencoder.forward(x, params, ACTIVATIONS, config.dropout, rng)
    error, dy = squared_error.loss(y, x, weights)
    share = config.activity * normalised(weights, y)
    return error + float((share * autoencoder.activity(cache)).sum()), autoencoder.backward(dy, cache, share)[1]


def _joined(names: Sequence[bytes]) -> np.ndarray:
    return np.frombuffer(b"".join(name + b"\n" for name in names), np.uint8).copy()
