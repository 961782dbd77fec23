"""Log sequence classifier (Morpheus; InterpretableSAD, Han 2021): normal windows against windows that were spoilt.

    x_t = E[event t]          word2vec (Mikolov 2013), CBOW with negative sampling, learned first and then held
    h = LSTM(x)               one layer, one way or both; each way is read where it has read the whole window
    logits = W h + b
    score = logits[1] - logits[0] + log-odds of the prior

It learns without labels: in every epoch new windows are made of each normal one (`spoilt`). Some events, few oftener than
many, are replaced by such as never followed the event before them in a normal window, so that no spoilt window is a normal
one. Sessions have an end, which is an event too: others are cut short where no normal session ends. Normal and spoilt
windows weigh the same, and so does each kind of normal window: weighted by how often they occur, the commonest are most of
what is learned from, and nothing is learned of the rare ones. Events are now and then taken for UNKNOWN, the rarer the
oftener: its vector is learned as well.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import log
from typing import Any, NamedTuple

import numpy as np

from ..layers import bidirectional, dense, lookup, lstm
from ..layers.params import Params, named, part
from ..losses import cbow, cross_entropy
from ..records import PAD, UNKNOWN, Reason, Windows
from . import Sizes

WINDOW = {"window": 100}
CHUNK = 1024  # windows scored at once: bounds memory
TRIES = 16  # draws of an event that never followed: nearly all pairs of events are such
NAMED = 5  # expected events that an explanation names at most


@dataclass(frozen=True)
class Config:
    width: int = 8  # of the vectors of events
    hidden: int = 32
    bidirectional: bool = True  # HDFS: average precision .985, one way .814
    spoilt: int = 1  # windows made of each normal one in each epoch
    context: int = 5  # events on each side that CBOW reads
    noise: int = 5  # events that it tells the true one from
    vector_steps: int = 500
    vector_lr: float = 0.01
    steps: int = 2000
    batch: int = 64
    lr: float = 0.005
    ends: bool = True  # windows are sessions, which have an end; Sizes knows
    prior: float = 0.02  # share of anomalous windows in what will be scored; Sizes knows


TINY = Config(width=4, hidden=12, bidirectional=False, vector_steps=60, steps=400, batch=16, lr=0.03)


class Detector:
    NEEDS = ()
    threshold = None

    def __init__(self, config: Config, params: Params):
        self.config, self.params = config, params

    @classmethod
    def create(cls, config: Config, sizes: Sizes, rng: np.random.Generator) -> Detector:
        """Starting values. The table has a row an event id, that of PAD is the end of a session."""
        config = replace(config, ends=sizes.whole, prior=sizes.prior)
        layer, ways = (bidirectional, 2) if config.bidirectional else (lstm, 1)
        params = named("table", lookup.init(rng, sizes.n_events, config.width))
        params |= named("lstm", layer.init(rng, config.width, config.hidden))
        params |= named("head", dense.init(rng, ways * config.hidden, 2))
        return cls(config, params | {"pairs": np.zeros(0, np.uint32), "counts": np.zeros(0, np.uint32)})

    def fit(self, windows: Windows, minimise: Callable, fitted: Mapping[str, Any] | None,
            rng: np.random.Generator) -> list[float]:
        """Learns from normal windows; `rng` spoils them. The losses of telling them from spoilt ones."""
        config, n = self.config, len(self.params["table.E"])
        normal = Normal.of(*self.ids(windows.events), windows.weights, n)
        self.params |= {"pairs": normal.pairs.astype(np.uint32), "counts": np.ceil(normal.counts).astype(np.uint32)}
        vectors = {"E": self.params["table.E"], "O": np.zeros((n, config.width), np.float32)}
        noise = normal.occurs ** 0.75 / (normal.occurs ** 0.75).sum()

        def vector_step(params: Params, index: np.ndarray) -> tuple[float, Params]:
            ids, mask = normal.some(index, rng)
            return cbow.loss(params, ids, mask, config.context, rng.choice(n, (*ids.shape, config.noise), p=noise))

        minimise(vector_step, vectors, len(windows), epochs=self._epochs(config.vector_steps, len(windows)), batch=config.batch,
                 lr=config.vector_lr)
        seen = normal.seen(n)

        def step(params: Params, index: np.ndarray) -> tuple[float, Params]:
            return self.loss_and_grads(params, *self.lesson(*normal.some(index, rng), seen, rng))

        learned = {name: p for name, p in self.params.items() if name.startswith(("lstm.", "head."))}
        return minimise(step, learned, len(windows), epochs=self._epochs(config.steps, len(windows)), batch=config.batch, lr=config.lr,
                        lengths=normal.mask.sum(1))

    def lesson(self, ids: np.ndarray, mask: np.ndarray, seen: np.ndarray,
               rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Normal windows and what is made of them: ids, mask, classes and weights of all."""
        made = [spoilt(ids, mask, seen, self.config.ends, rng) for _ in range(self.config.spoilt)]
        events = np.concatenate([ids, *(each[0] for each in made)])
        real = np.concatenate([mask, *(each[1] for each in made)])
        weights = (events != np.tile(ids, (1 + self.config.spoilt, 1))).any(1) / np.float32(self.config.spoilt)
        weights[:len(ids)] = 1
        return events, real, np.repeat([0, 1], [len(ids), len(events) - len(ids)]), weights

    def score(self, windows: Windows) -> np.ndarray:
        """(B,) float32 log-odds that a window is a spoilt one, where `prior` of them are."""
        parts = [self._logits(*self.ids(windows.events[i:i + CHUNK])) for i in range(0, len(windows), CHUNK)]
        logits = np.concatenate([np.zeros((0, 2), np.float32), *parts])
        return logits[:, 1] - logits[:, 0] + np.float32(log(self.config.prior / (1 - self.config.prior)))

    def explain(self, windows: Windows, i: int) -> Reason:
        """The event that is the rarest after the one before it, and what follows that one in normal windows."""
        events, last = windows.events[i], max(int(windows.lengths[i]) - 1, 0)
        ids = self.ids(events[None])[0][0]
        surprise = [self._surprise(*pair) for pair in zip([PAD, *ids], ids)]
        at = int(np.argmax(surprise))
        share = windows.mask[i] * np.bincount(np.minimum(np.arange(len(ids)), last), surprise, len(events))
        follows, counts = self._following(ids[at - 1] if at else PAD)
        likeliest = np.argsort(-counts.astype(np.int64), kind="stable")[:NAMED]
        return Reason("truncated" if at > last else "sequence", min(at, last), (share / max(share.sum(), 1e-9)).astype(np.float32),
                      tuple((int(follows[k]), float(counts[k] / counts.sum())) for k in likeliest),
                      {"after": int(events[at - 1])} if at else {})

    def loss_and_grads(self, params: Params, ids: np.ndarray, mask: np.ndarray, target: np.ndarray,
                       weights: np.ndarray) -> tuple[float, Params]:
        """The loss of telling the classes (B,) of windows apart and its gradient; the vectors are held. ids, mask (B, T)."""
        x, layer = self.params["table.E"][ids].astype(params["head.b"].dtype, copy=False), part(params, "lstm")
        way = bidirectional if self.config.bidirectional else lstm
        h, cache = way.forward(x, layer, mask)
        y, y_cache = dense.forward(self._end(h), part(params, "head"))
        loss, dy = cross_entropy.loss(y, target, weights)
        dend, head = dense.backward(dy, y_cache)
        _, grads = way.backward(self._end_backward(dend, ids.shape[1]), cache)
        return loss, named("head", head) | named("lstm", grads)

    def ids(self, events: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rows of the table and where they are real, up to the longest window; the end of a session is one of them."""
        ends = int(self.config.ends)
        events = np.where(events < len(self.params["table.E"]), events, UNKNOWN)
        lengths = (events != PAD).sum(1) + ends
        steps = max(1, int(lengths.max(initial=0)))
        return np.pad(events, ((0, 0), (0, ends)))[:, :steps], np.arange(steps) < lengths[:, None]

    def _logits(self, ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """(B, 2) of windows that are few enough to be computed at once."""
        way = bidirectional if self.config.bidirectional else lstm
        h = way.infer(self.params["table.E"][ids], part(self.params, "lstm"), mask)
        return dense.infer(self._end(h), part(self.params, "head"))

    def _end(self, h: np.ndarray) -> np.ndarray:
        """What each way knows when it has read the whole window."""
        return bidirectional.ends(h) if self.config.bidirectional else h[:, -1]

    def _end_backward(self, dend: np.ndarray, T: int) -> np.ndarray:
        if self.config.bidirectional:
            return bidirectional.ends_backward(dend, T)
        dh = np.zeros((len(dend), T, dend.shape[1]), dend.dtype)
        dh[:, -1] = dend
        return dh

    def _epochs(self, steps: int, n: int) -> int:
        return max(1, round(steps * self.config.batch / max(n, 1)))

    def _following(self, event: int) -> tuple[np.ndarray, np.ndarray]:
        """Which events follow this one in normal windows, and how often each; PAD is before the first and after the last."""
        pairs, n = self.params["pairs"].astype(np.int64), len(self.params["table.E"])
        first = int(event) * n
        here = slice(*np.searchsorted(pairs, [first, first + n]))
        return pairs[here] - first, self.params["counts"][here]

    def _surprise(self, before: int, event: int) -> float:
        """- log of how likely the event is after the one before; one that never followed is given half an occurrence."""
        follows, counts = self._following(before)
        return log((counts.sum() + 1) / (counts[follows == event].sum() + 0.5))


class Normal(NamedTuple):
    """The normal windows of training, and what was counted in them, as often as it occurs."""

    ids: np.ndarray  # (B, T), see Detector.ids
    mask: np.ndarray  # (B, T)
    occurs: np.ndarray  # (n,) each event
    pairs: np.ndarray  # (K,) event * n + the one that follows, sorted
    counts: np.ndarray  # (K,)

    @classmethod
    def of(cls, ids: np.ndarray, mask: np.ndarray, weights: np.ndarray | None, n: int) -> Normal:
        weights = np.ones(len(ids), np.float32) if weights is None else weights
        before = np.pad(ids, ((0, 0), (1, 0)))[:, :-1].astype(np.int64)
        each = np.repeat(weights, mask.sum(1))
        pairs, which = np.unique((before * n + ids)[mask], return_inverse=True)
        return cls(ids, mask, np.bincount(ids[mask], each, n), pairs, np.bincount(which, each))

    def seen(self, n: int) -> np.ndarray:
        """(n, n) bool: does the second event ever follow the first?"""
        seen = np.zeros((n, n), bool)
        seen.flat[self.pairs] = True
        return seen

    def some(self, index: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """ids and mask of the windows at `index`; of each event, about one occurrence in all windows is UNKNOWN."""
        ids = self.ids[index]
        forgotten = (ids != PAD) & (rng.random(ids.shape) * (1 + self.occurs[ids]) < 1)
        return np.where(forgotten, UNKNOWN, ids), self.mask[index]


def spoilt(ids: np.ndarray, mask: np.ndarray, seen: np.ndarray, ends: bool,
           rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """ids and mask (B, T) of windows with neighbours that no normal window has; one that cannot be spoilt stays as it is.

    With `ends`, half of the windows that can be cut short are.
    """
    new = _replaced(ids, mask.sum(1) - ends, seen, rng)
    if not ends:
        return new, mask
    t = np.arange(ids.shape[1])
    possible = (t > 0) & (t < mask.sum(1)[:, None] - 1) & ~seen[np.roll(ids, 1, 1), PAD]
    at = np.where(possible, rng.random(ids.shape), -1).argmax(1)[:, None]
    cut = possible.any(1) & (rng.random(len(ids)) < 0.5)
    return (np.where(cut[:, None], np.where(t < at, ids, PAD), new), mask & (~cut[:, None] | (t <= at)))


def _replaced(ids: np.ndarray, lengths: np.ndarray, seen: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """1 to all of a window's events, log-uniformly many, become others that never followed the one before them."""
    B, T = ids.shape
    new, before = ids.copy(), np.full(B, PAD, ids.dtype)
    keys = np.where(np.arange(T) < lengths[:, None], rng.random((B, T)), 2)
    wanted = np.minimum(np.floor((lengths + 1) ** rng.random(B)), lengths)
    chosen = keys.argsort(1).argsort(1) < wanted[:, None]
    for t in range(T):
        rows = np.flatnonzero(chosen[:, t])
        drawn = rng.integers(UNKNOWN, len(seen), (len(rows), TRIES))
        fits = ~seen[before[rows][:, None], drawn]
        first = np.take_along_axis(drawn, fits.argmax(1)[:, None], 1)[:, 0]
        new[rows, t] = np.where(fits.any(1), first, new[rows, t])
        before = new[:, t]
    return new
