"""The rules of detectors/rules.py, event by event: hashes of sets and of counts are sums, so one event more is one summand more.

    memory' = after(memory, events before, events)      evidence(memory)
"""
from __future__ import annotations

from collections.abc import Sequence
from math import log

import numpy as np

from ..detectors import rules
from ..records import PAD

MAX_HASHES = 100_000  # remembered at once
START = (0, 0, PAD, False, False, False)


class Facts:
    """rules.Detector, event by event. A memory is the sum of the hashes of its kinds, that of all events, the last event, and whether
    each of the last three rules has fired; START is that of no event.
    """

    start = START

    def __init__(self, detector: rules.Detector) -> None:
        p = detector.params
        self._memory = [(frozenset(p[f"{name}.normal"].tolist()), frozenset(p[f"{name}.abnormal"].tolist())) for name in rules.NAMES[:2]]
        self._pairs = frozenset(p["bigram.normal"].tolist())
        self._events, self._weights = p["events"].tolist(), p["evidence"].tolist()
        self._prior = log(detector.config.prior / (1 - detector.config.prior))
        self._hash = _Hashes()

    def after(self, memory: tuple, before: Sequence[int], events: Sequence[int]) -> tuple:
        """The memory when `events` follow those that were `before`."""
        kinds, counts, last, pair, only, share = memory
        seen = set(before)
        for event in events:
            hashed = self._hash[event]
            counts = counts + hashed & 0xFFFFFFFF
            if event not in seen:
                seen.add(event)
                kinds = kinds + hashed & 0xFFFFFFFF
                row = self._events[event if event < len(self._events) else PAD]
                only, share = only or row[0], share or row[1]
            if last != PAD and self._hash[last << 32 | event] not in self._pairs:
                pair = True
            last = event
        return kinds, counts, last, pair, only, share

    def evidence(self, memory: tuple) -> list[float]:
        """Log-odds of each rule, were this the end."""
        kinds, counts, last, pair, only, share = memory
        a, b = (0 if key in normal else 2 if key in abnormal else 1 for key, (normal, abnormal) in zip((kinds, counts), self._memory))
        ends, before, weights = pair or last != PAD and self._hash[last << 32 | PAD] not in self._pairs, 3 * a + b, self._weights
        return [weights[0][0][a], weights[1][a][b], weights[2][before][ends], weights[3][before][only], weights[4][before][share]]

    def score(self, evidence: Sequence[float]) -> float:
        """That of rules.Detector."""
        return sum(evidence) + self._prior


class _Hashes(dict):
    """The 32-bit hash of each number that was asked for."""

    def __missing__(self, number: int) -> int:
        if len(self) >= MAX_HASHES:
            self.clear()
        self[number] = found = int(rules.mixed(np.array([number], np.uint64))[0]) & 0xFFFFFFFF
        return found
