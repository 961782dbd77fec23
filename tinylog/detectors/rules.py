"""Rules without learning: five facts of a window, each with the log-odds that training gives it. All is counted.

    event_set       the set of its events is, in training, 0 oftener normal, 1 never seen, 2 oftener anomalous
    count_vector    how often it has each event: likewise
    bigram          1: two neighbours (the last event and the end are two as well) that no normal window has
    only_abnormal   1: an event that anomalous windows have and normal ones never
    abnormal_share  1: an event that at least nine in ten of its windows are anomalous

    evidence of a state = log p(state | anomalous, before) - log p(state | normal, before)
    score = sum of the evidence + log-odds of the prior

`before`: nothing for the event set, its state for the count vector, both states for the other three. The five often
say the same; so a set that anomalous windows have counts for little where the count vector is one that normal windows
have.

The states are counted over the training windows, **each as if it had not been among them**: a window that knew itself
would never be new, and what is new is the point. A window without a label counts as normal, as nearly all of real
traffic is; without any label, the states of anomalous windows are taken for equally likely. Sets, vectors and pairs
are kept as 32-bit hashes: any event id has one, those never seen in training too. Event sets: F1 .98 on HDFS without
a label; share: .88 on BGL.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..records import PAD, Reason, Windows
from . import Sizes

NAMES = ("event_set", "count_vector", "bigram", "only_abnormal", "abnormal_share")
STATES = (3, 3, 2, 2, 2)
NEEDS = ()
SHARE = 0.9
SMOOTHING = 0.5  # of how often a state was counted at all: Jeffreys' prior
BACKING = 1.0  # windows' worth of that, added to how often it was counted after the states before


@dataclass(frozen=True)
class Config:
    prior: float = 0.02  # share of anomalous windows in what will be scored


TINY = Config()


class Detector:
    NEEDS = NEEDS
    threshold = 0.0

    def __init__(self, config: Config, params: dict[str, np.ndarray]):
        """ValueError where a pair of events has no count."""
        if len(params["bigram.count"]) != len(params["bigram.normal"]):
            raise ValueError("the rules have not one count for each pair of events")
        self.config, self.params = config, params

    @classmethod
    def create(cls, config: Config, sizes: Sizes, rng: np.random.Generator | None = None) -> Detector:
        """One that has seen nothing: every fact is without evidence."""
        params = {"bigram.normal": np.zeros(0, np.uint32), "bigram.count": np.zeros(0, np.uint32), "events": np.zeros((sizes.n_events, 2), bool)}
        for name in NAMES[:2]:
            params |= {f"{name}.normal": np.zeros(0, np.uint32), f"{name}.abnormal": np.zeros(0, np.uint32)}
        return cls(config, params | {"evidence": np.zeros((len(NAMES), 9, 3), np.float32)})

    def fit(self, windows: Windows, minimise: Callable | None = None,
            fitted: Mapping[str, Any] | None = None, rng: np.random.Generator | None = None) -> list[float]:
        """Counts the windows, by their weights; label 1 is anomalous, any other (or None) counts as normal."""
        counted = _Counted.of(windows, len(self.params["events"]))
        self.params |= counted.memory()
        self.params["evidence"] = _evidence(counted.states_left_out(), counted.anomalous, counted.weights)
        return []

    def grown(self, n_events: int) -> Detector:
        """One for event ids below `n_events`: nothing is known of the new ones."""
        events = self.params["events"]
        return Detector(self.config, self.params | {"events": np.concatenate([events, np.zeros((n_events - len(events), 2), bool)])})

    def learn(self, windows: Windows, old: Windows, minimise: Callable, rng: np.random.Generator) -> list[float]:
        """The windows were normal: so are their sets, vectors, pairs and events from now on."""
        p, facts = self.params, _Facts.of(windows.events, len(self.params["events"]))
        for name, keys in zip(NAMES, (facts.sets, facts.vectors)):
            p[f"{name}.normal"] = np.union1d(p[f"{name}.normal"], keys)
            p[f"{name}.abnormal"] = np.setdiff1d(p[f"{name}.abnormal"], keys)
        known, counts = p["bigram.normal"], p["bigram.count"]
        p["bigram.normal"] = np.union1d(known, facts.pairs[facts.has_pair])
        p["bigram.count"] = np.ones(len(p["bigram.normal"]), np.uint32)
        p["bigram.count"][np.searchsorted(p["bigram.normal"], known)] = counts
        p["events"] = p["events"].copy()
        p["events"][np.unique(facts.events)] = False
        return []

    def states(self, windows: Windows) -> np.ndarray:
        """(B, R) int8: the state of each rule; it fires where the state is not 0."""
        p, facts = self.params, _Facts.of(windows.events, len(self.params["events"]))
        columns = [np.where(_within(keys, p[f"{name}.normal"]), 0, 1 + _within(keys, p[f"{name}.abnormal"]))
                   for name, keys in zip(NAMES, (facts.sets, facts.vectors))]
        columns.append((facts.has_pair & ~_within(facts.pairs, p["bigram.normal"])).any(1))
        return np.stack(columns + list(p["events"][facts.events].any(1).T), 1).astype(np.int8)

    def evidence(self, windows: Windows) -> np.ndarray:
        """(B, R) float32: log-odds that each rule gives, in the order of NAMES. What `Windows.rules` holds."""
        return self._evidence_of(self.states(windows))

    def evidence_left_out(self, windows: Windows) -> np.ndarray:
        """(B, R) float32 of the very windows that `fit` was given, each as if it had not been: what to train on."""
        return self._evidence_of(_Counted.of(windows, len(self.params["events"])).states_left_out())

    @property
    def certain(self) -> np.ndarray:
        """Event ids that only anomalous windows of training had."""
        return np.flatnonzero(self.params["events"][:, 0])

    def score(self, windows: Windows) -> np.ndarray:
        """(B,) float32 log-odds: the evidence as if the rules were independent of each other."""
        prior = np.log(self.config.prior / (1 - self.config.prior))
        return self.evidence(windows).sum(1) + np.float32(prior)

    def explain(self, windows: Windows, i: int) -> Reason:
        """The rule that spoke loudest for an anomaly, and the events that it means."""
        window = windows.take(slice(i, i + 1))
        rule = int(self.evidence(window)[0].argmax())
        facts = _Facts.of(window.events, len(self.params["events"]))
        if rule == 2:
            concerned = facts.has_pair & ~_within(facts.pairs, self.params["bigram.normal"])
        elif rule > 2:
            concerned = self.params["events"][facts.events][:, :, rule - 3]
        else:
            concerned = window.mask
        if not concerned.any():  # nothing spoke for an anomaly
            concerned = window.mask
        share = concerned[0].astype(np.float32) / max(concerned.sum(), 1)
        position = int(share.argmax())
        before = position if rule == 2 else position - 1
        expected = self.expected(int(window.events[0, before])) if before >= 0 and concerned[0, position] else ()
        return Reason(NAMES[rule], position, share, expected)

    def expected(self, event: int) -> tuple[tuple[int, float], ...]:
        """What follows an event in normal windows, PAD for their end, and in which share of those that have it; likeliest first."""
        following = np.arange(len(self.params["events"]), dtype=np.uint64)
        pairs = mixed(np.uint64(event) << np.uint64(32) | following).astype(np.uint32)
        known = np.flatnonzero(_within(pairs, self.params["bigram.normal"]))
        counts = self.params["bigram.count"][np.searchsorted(self.params["bigram.normal"], pairs[known])]
        order = np.argsort(-counts.astype(np.int64), kind="stable")
        return tuple((int(known[i]), float(counts[i] / max(counts.sum(), 1))) for i in order)

    def _evidence_of(self, states: np.ndarray) -> np.ndarray:
        return self.params["evidence"][np.arange(len(NAMES)), _before(states), states]


class _Facts(NamedTuple):
    """What the rules look at, B windows."""

    sets: np.ndarray  # (B,) uint32
    vectors: np.ndarray  # (B,) uint32
    pairs: np.ndarray  # (B, T) uint32, the pair that begins at each event
    has_pair: np.ndarray  # (B, T) bool
    events: np.ndarray  # (B, T) intp, PAD also for events that have no row

    @classmethod
    def of(cls, events: np.ndarray, n_events: int) -> _Facts:
        ordered, ids = np.sort(events, 1), events.astype(np.uint64)
        first = np.diff(ordered, axis=1, prepend=PAD) != 0  # of each kind; PAD, the smallest, is none
        hashes = mixed(ordered.astype(np.uint64))
        following = np.concatenate([ids[:, 1:], np.full((len(ids), 1), PAD, np.uint64)], 1)
        return cls((hashes * first).sum(1, dtype=np.uint64).astype(np.uint32),
                   (hashes * (ordered != PAD)).sum(1, dtype=np.uint64).astype(np.uint32),
                   mixed(ids << np.uint64(32) | following).astype(np.uint32), events != PAD,
                   np.where(events < n_events, events, PAD).astype(np.intp))


class _Counted(NamedTuple):
    """Training windows and how often each of their facts is that of a normal and of an anomalous window."""

    anomalous: np.ndarray  # (B,) bool
    weights: np.ndarray  # (B,) float64
    keys: list[tuple[np.ndarray, np.ndarray, np.ndarray]]  # (K,) kinds, (B,) which, (K, 2) counts
    pairs: tuple[np.ndarray, np.ndarray, np.ndarray]  # likewise: (K,), (B, T), (K, 2)
    has_pair: np.ndarray  # (B, T) bool
    events: np.ndarray  # (B, T)
    event_counts: np.ndarray  # (n_events, 2)

    @classmethod
    def of(cls, windows: Windows, n_events: int) -> _Counted:
        facts = _Facts.of(windows.events, n_events)
        B = len(windows)
        anomalous = np.zeros(B, bool) if windows.labels is None else windows.labels == 1
        weights = np.ones(B) if windows.weights is None else windows.weights.astype(np.float64)

        def counts(kinds: np.ndarray, real: np.ndarray, n: int) -> np.ndarray:
            """(n, 2): weight of the normal and of the anomalous windows that have each kind; kinds (B, T)."""
            ordered = np.sort(np.where(real, kinds, -1), 1)
            once = (ordered >= 0) & (np.diff(ordered, axis=1, prepend=-1) != 0)
            rows, places = np.nonzero(once)
            cells = ordered[rows, places] * 2 + anomalous[rows]
            return np.bincount(cells, weights[rows], 2 * n).reshape(n, 2)

        def counted(hashes: np.ndarray, real: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            kinds, inverse = np.unique(hashes, return_inverse=True)
            inverse = inverse.reshape(hashes.shape)
            return kinds, inverse, counts(inverse.reshape(B, -1), real, len(kinds))

        one = np.ones((B, 1), bool)
        return cls(anomalous, weights, [counted(facts.sets, one), counted(facts.vectors, one)],
                   counted(facts.pairs, facts.has_pair), facts.has_pair, facts.events,
                   counts(facts.events, facts.has_pair, n_events))

    def memory(self) -> dict[str, np.ndarray]:
        """The parameters that remember, sorted."""
        params = {}
        for name, (kinds, _, counts) in zip(NAMES, self.keys):
            state = self._oftener(counts)
            params |= {f"{name}.normal": kinds[state == 0], f"{name}.abnormal": kinds[state == 2]}
        kinds, _, counts = self.pairs
        known = counts[:, 0] > 0
        return params | {"bigram.normal": kinds[known], "bigram.count": np.ceil(counts[known, 0]).astype(np.uint32),
                         "events": _event_rules(self.event_counts)}

    def states_left_out(self) -> np.ndarray:
        """(B, R): states of each window, had it been counted once less."""
        own = np.stack([~self.anomalous, self.anomalous], 1)  # (B, 2)
        columns = [self._oftener(counts[inverse] - own) for _, inverse, counts in self.keys]
        _, inverse, counts = self.pairs
        columns.append((self.has_pair & (counts[inverse, 0] - own[:, :1] <= 0)).any(1))
        others = self.event_counts[self.events] - own[:, None]  # (B, T, 2)
        return np.stack(columns + list((_event_rules(others) & self.has_pair[:, :, None]).any(1).T), 1).astype(np.int8)

    def _oftener(self, counts: np.ndarray) -> np.ndarray:
        """State 0, 1 or 2 of counts (..., 2): compared as shares of all normal and of all anomalous windows."""
        all_normal, all_anomalous = self.weights[~self.anomalous].sum(), self.weights[self.anomalous].sum()
        normal, anomalous = counts[..., 0] * max(all_anomalous, 1), counts[..., 1] * max(all_normal, 1)
        return np.where(counts.sum(-1) <= 0, 1, np.where(normal >= anomalous, 0, 2))


def _event_rules(counts: np.ndarray) -> np.ndarray:
    """(..., 2) bool, only_abnormal and abnormal_share, of counts (..., 2)."""
    normal, anomalous = counts[..., 0], counts[..., 1]
    some = anomalous > 0
    return np.stack([some & (normal <= 0), some & (anomalous >= SHARE * (normal + anomalous))], -1)


def _before(states: np.ndarray) -> np.ndarray:
    """(B, R): what each rule's evidence is conditional on, as one number below 9."""
    sets, vectors = states[:, 0], states[:, 1]
    return np.stack([0 * sets, sets] + [3 * sets + vectors] * 3, 1)


def _evidence(states: np.ndarray, anomalous: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(R, 9, 3) float32: the evidence of each rule, what was before, state."""
    evidence, before = np.zeros((len(NAMES), 9, 3), np.float32), _before(states)
    for rule, n in enumerate(STATES):
        if rule > 2 and not anomalous.any():
            continue  # these two need labels
        cells = (before[:, rule] * n + states[:, rule]) * 2 + anomalous
        seen = np.bincount(cells, weights, 9 * n * 2).reshape(9, n, 2)
        p = seen.sum(0) + SMOOTHING  # (n, 2)
        p /= p.sum(0)
        if rule:
            p = (seen + BACKING * p) / (seen.sum(1, keepdims=True) + BACKING)  # (9, n, 2)
        evidence[rule, :, :n] = np.log(p[..., 1] / p[..., 0])
    return evidence


def _within(keys: np.ndarray, memory: np.ndarray) -> np.ndarray:
    """Which keys are in the sorted memory: bool of keys' shape."""
    if len(memory) == 0:
        return np.zeros(keys.shape, bool)
    return memory[np.minimum(np.searchsorted(memory, keys), len(memory) - 1)] == keys


def mixed(x: np.ndarray) -> np.ndarray:
    """uint64 with all bits stirred (the finaliser of SplitMix64, Steele 2014), so that sums of them tell sets apart."""
    x = (x + np.uint64(0x9E3779B97F4A7C15))
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
