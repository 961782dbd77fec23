"""What comes next, by counting: an interpolated n-gram model of events, learned in a second and from one pass.

    c(h, e)    windows in which event e came after the history h, of `order` events, one less, ... none
    p(e | h) = max(c(h, e) - 1, 0) / c(h) + kinds(h) / c(h) * p(e | h without its first event)       c(h) = sum of c(h, e)
    score    = the largest -log p(e | h) of the window, in nats

Absolute discounting (Ney, Essen, Kneser 1994) with a discount of one whole window: what a single window had is as good as never
seen, however often that window repeats it. So an anomaly among the training windows teaches nothing, and what is stored are the
pairs that two windows had. A whole session has START and END, as in deeplog_key; a window that may have been cut has neither,
its first `order` events are only read. Events that training had not are passed over, as if their lines were not there.
"""
from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from ..records import PAD, UNKNOWN, Reason, Windows
from . import Sizes

NEEDS = ()
EXPECTED = 5  # events that an explanation names
CHUNK = 4096  # windows at once: bounds memory


@dataclass(frozen=True)
class Config:
    order: int = 3  # events of history, at most
    whole: bool = True  # windows are whole sessions; `create` takes it from Sizes


TINY = Config(order=2)


class Detector:
    NEEDS = NEEDS
    KNOWS = "pairs of events"
    threshold = None

    def __init__(self, config: Config, params: dict[str, np.ndarray]):
        self.config, self.params = config, params

    @classmethod
    def create(cls, config: Config, sizes: Sizes, rng: np.random.Generator | None = None) -> Detector:
        """One that has seen nothing."""
        params = {"pair.key": np.zeros(0, np.uint64), "history.key": np.zeros(0, np.uint64)}
        params |= {name: np.zeros(0, np.uint32) for name in ("pair.count", "history.count", "history.kinds")}
        return cls(replace(config, whole=sizes.whole), params | {"n_events": np.array([sizes.n_events], np.uint32)})

    def fit(self, windows: Windows, minimise: Callable | None = None, fitted: Mapping[str, Any] | None = None,
            rng: np.random.Generator | None = None) -> list[float]:
        """Counts in how many windows, by their weights, each event came after each history."""
        weights = np.ones(len(windows)) if windows.weights is None else windows.weights.astype(np.float64)
        places = self._places(windows)
        pairs, owners = [], []
        for keys, pair in zip(places.histories.T, places.pairs.T):
            once = _distinct(places.window, pair)
            pairs.append(np.stack([keys[once], pair[once]], 1))
            owners.append(places.window[once])
        both, owner = np.concatenate(pairs), np.concatenate(owners)
        pair, first, which = np.unique(both[:, 1], return_index=True, return_inverse=True)
        counts = np.rint(np.bincount(which.ravel(), weights[owner], len(pair))).astype(np.uint32)
        history, of = np.unique(both[first, 0], return_inverse=True)
        total = np.rint(np.bincount(of.ravel(), counts, len(history))).astype(np.uint32)
        kinds = np.bincount(of.ravel(), minlength=len(history)).astype(np.uint32)
        often, known = counts > 1, total > 1
        self.params |= {"pair.key": pair[often], "pair.count": counts[often], "history.key": history[known],
                        "history.count": total[known], "history.kinds": kinds[known]}
        return []

    def counted(self, windows: Windows, room: int) -> tuple[Detector, int]:
        """One that has seen these windows too, each pair once; of pairs that it had not, as many as there is room for, and how many were
        left out. As training keeps no pair that one window had, such a one is counted among the kinds again.
        """
        params, places = self.params, self._places(windows)
        pair, first = np.unique(places.pairs, return_index=True)
        history, new = places.histories.ravel()[first], ~np.isin(pair, params["pair.key"])
        left_out = np.flatnonzero(new)[room:]
        pair, history, new = (np.delete(column, left_out) for column in (pair, history, new))
        keys = np.union1d(params["history.key"], history)
        own = {"pair.key": np.union1d(params["pair.key"], pair), "history.key": keys}
        for name, more in (("pair.count", pair), ("history.count", history), ("history.kinds", history[new])):
            kind = name.partition(".")[0] + ".key"
            own[name] = np.zeros(len(own[kind]), np.uint32)
            own[name][np.searchsorted(own[kind], params[kind])] = params[name]
            np.add.at(own[name], np.searchsorted(own[kind], more), 1)
        return Detector(self.config, params | own), len(left_out)

    def forgotten(self, events: Collection[int]) -> Detector:
        """It knows events of training alone."""
        return self

    @property
    def known(self) -> int:
        """How many pairs it has."""
        return len(self.params["pair.key"])

    def score(self, windows: Windows) -> np.ndarray:
        """(B,) float32: nats of the greatest surprise; 0 where nothing is judged."""
        score = np.zeros(len(windows), np.float32)
        for i in range(0, len(windows), CHUNK):
            places = self._places(windows.take(slice(i, i + CHUNK)))
            np.maximum.at(score, i + places.window, self._surprise(places.histories, places.pairs))
        return score

    def explain(self, windows: Windows, i: int) -> Reason:
        """The most surprising event of window i, what came before it, and which ones were expected there.

        detail: "after" and "came" are event ids, 0 for the start and the end; "p" is the probability of what came.
        """
        window, row = windows.take(slice(i, i + 1)), windows.events[i]
        places, n = self._places(window), int((row != PAD).sum())
        share = np.zeros(len(row) + 1, np.float32)
        share[places.position] = surprise = self._surprise(places.histories, places.pairs)
        share[max(n - 1, 0)] += share[n]  # the end counts for the last event
        share = share[:-1] * (row != PAD) if share[:n].any() else (row != PAD).astype(np.float32)
        share /= max(share.sum(), 1e-9)
        if not len(surprise):
            return Reason("sequence", 0, share)
        worst = int(surprise.argmax())
        at, before = int(places.position[worst]), int(places.before[worst])
        detail = {"after": before, "came": int(row[at]) if at < n else 0, "p": float(np.exp(-surprise[worst].astype(np.float64)))}
        expected = self._expected(places.histories[worst])
        return Reason("truncated" if at == n else "sequence", min(at, max(n - 1, 0)), share, expected, detail)

    def _expected(self, histories: np.ndarray) -> tuple[tuple[int, float], ...]:
        """The likeliest events after a history, with their probabilities; PAD for the end."""
        events = np.arange(int(self.params["n_events"][0]))
        keys = np.broadcast_to(histories, (len(events), len(histories)))
        p = np.exp(-self._surprise(keys, _pairs(keys, events)).astype(np.float64))
        likely = np.argsort(-p, kind="stable")[:EXPECTED]
        return tuple((int(e), float(p[e])) for e in likely if p[e] >= 0.001 and e != UNKNOWN)

    def _surprise(self, histories: np.ndarray, pairs: np.ndarray) -> np.ndarray:
        """(N,) float32 nats of pairs, whose histories (N, order + 1) are the shortest first."""
        params = self.params
        p = np.full(len(pairs), 1 / max(int(params["n_events"][0]), 1))
        for history, pair in zip(histories.T, pairs.T):
            total, kinds = _looked_up(history, params["history.key"], params["history.count"], params["history.kinds"])
            count, = _looked_up(pair, params["pair.key"], params["pair.count"])
            p = (count - 1.0) / total + kinds / total * p
        return -np.log(p).astype(np.float32)

    def _places(self, windows: Windows) -> Places:
        """Every event of the windows that is judged, and the end of whole sessions."""
        order, (B, T) = self.config.order, windows.events.shape
        known = windows.mask & (windows.events < self.params["n_events"][0]) & (windows.events != UNKNOWN)
        cut = (windows.lengths == T) | (not self.config.whole)
        position = np.argsort(~known, axis=1, kind="stable")  # known events first, in their order
        events = np.take_along_axis(np.where(known, windows.events, PAD), position, 1)
        n = known.sum(1)
        # PAD in front is START, PAD behind the last event END
        row = np.concatenate([np.full((B, order), PAD), events, np.full((B, 1), PAD)], 1).astype(np.uint64)
        place = np.arange(T + 1)
        judged = (place < n[:, None] + (~cut & (n > 0) & self.config.whole)[:, None]) & (place >= np.where(cut, order, 0)[:, None])
        window, at = np.nonzero(judged)
        keys = [np.full(len(window), 1, np.uint64)]
        for back in range(1, order + 1):
            keys.append(_mixed(keys[-1] + row[window, at + order - back]))
        histories = np.stack(keys, 1)  # (N, order + 1)
        where = np.where(at < n[window], position[window, np.minimum(at, T - 1)], windows.lengths[window])
        came, before = row[window, at + order], row[window, at + order - 1]
        return Places(window, where, before.astype(np.int64), histories, _pairs(histories, came))


class Places(NamedTuple):
    """N events that are judged."""

    window: np.ndarray  # (N,)
    position: np.ndarray  # (N,) in the window; its length for the end
    before: np.ndarray  # (N,) the event before it, 0 for the start
    histories: np.ndarray  # (N, order + 1) uint64: what came before, the shortest history first
    pairs: np.ndarray  # (N, order + 1) uint64: the same with the event itself


def _pairs(histories: np.ndarray, events: np.ndarray) -> np.ndarray:
    return _mixed(_mixed(histories + np.uint64(1 << 40)) + events.astype(np.uint64)[:, None])


def _distinct(window: np.ndarray, pair: np.ndarray) -> np.ndarray:
    """Index of the first of each pair in each window."""
    order = np.lexsort((pair, window))
    first = np.ones(len(order), bool)
    first[1:] = (np.diff(window[order]) != 0) | (pair[order][1:] != pair[order][:-1])
    return order[first]


def _looked_up(wanted: np.ndarray, keys: np.ndarray, *columns: np.ndarray) -> list[np.ndarray]:
    """What stands in each column for the wanted keys (N,), of the sorted ones; 1 for a key that is not there."""
    if not len(keys):
        return [np.ones(len(wanted))] * len(columns)
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    known = keys[at] == wanted
    return [np.where(known, column[at], 1.0) for column in columns]


def _mixed(x: np.ndarray) -> np.ndarray:
    """uint64 with all bits stirred (the finaliser of SplitMix64, Steele 2014)."""
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
