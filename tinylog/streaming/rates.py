"""How often each template comes: bursts of what is known, and heartbeats that stop. Log time alone counts (clock.py).

    burst    a template comes oftener within one bin of time than any plausible count: with a mean m a bin, and d times the variance of
             a Poisson process, n is too many where (n log(n/m) - n + m) / d > SURE      (Chernoff's bound, quasi-Poisson)
             and n > TIMES * the most that a bin of the warm-up had
    silence  a template with regular gaps stays away for TIMES its longest gap; likewise the whole log

Each is told once, a burst as it crosses the bound, a silence with the first line that shows it, and then the bound is twice what was
met: the same again is no news. Anomalies of the warm-up: the largest counts and gaps, one in a hundred of them, are left out of all this.
The result depends on the lines alone, not on how they are cut into blocks.
"""
from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..records import FIRST_EVENT, Events
from .clock import NEVER, Clock

WIDTHS = 1_000, 10_000, 60_000, 600_000, 3_600_000  # ms of a bin: the shortest in which there are LINES lines on average
LINES = 20
LEAST_BINS, LEAST_COUNT, LEAST_GAPS = 20, 10, 20  # of the warm-up; that a burst has; that make a heartbeat
SURE = 20.0  # nats
TIMES = 3
OUTLIERS = 0.01  # share of counts and of gaps, the largest, that may be anomalous
REGULAR = 0.9  # share of a heartbeat's gaps between half and twice their median
BUNCH = 0.1  # of a long gap: shorter ones are within one beat
MONTH = 30 * 86_400_000  # ms: the log was not silent for longer, its clock was set
LOG = 0  # in the place of an event: all lines together


class Finding(NamedTuple):
    """What is unusual, at a line of the block."""

    code: str  # "rate" or "silence"
    event: int  # the parser's event id, LOG for the whole log
    at: int
    score: float  # how many times the bound's base: counts or gaps
    detail: dict[str, Any]


class Rates:
    """What the templates' rates were in a warm-up, and where the log is now."""

    def __init__(self, width: int, most: np.ndarray, gaps: np.ndarray, usual: np.ndarray, clock: Clock) -> None:
        """width: ms of a bin. most (n,): count that a bin may have of each event; gaps (n,): ms that an event may stay away, of LOG the
        log; usual (n, 2): what each was before, for people: the most in a bin, the longest gap.
        """
        self.width, self.clock = width, clock
        self.most, self.gaps, self.usual = most, gaps, usual
        self._bin = 0
        self._counts = np.zeros(len(most), np.int64)  # in the present bin
        self._last = np.zeros(len(most), np.int64)  # when each came last
        self._told = np.zeros(len(most), bool)  # silent ones

    @classmethod
    def learned(cls, blocks: Iterable[Events], n_events: int) -> Rates | None:
        """From the lines of a warm-up, by templates with ids below n_events; None where they have no times."""
        parts = [(events.times, events.event_ids) for events in blocks]
        if not parts or any(times is None for times, _ in parts):
            return None
        times, ids = (np.concatenate(column) for column in zip(*parts))
        steps = np.sort(np.diff(Clock().add(times, len(times))[0]))
        clock = Clock(TIMES * int(steps[-2]) + 1000 if len(steps) > 1 else NEVER)  # the longest silence may be the clock's
        elapsed, _ = clock.add(times, len(times))
        if not len(elapsed):
            return None
        span = int(elapsed[-1]) + 1
        width = next((each for each in WIDTHS if len(ids) * each >= LINES * span), WIDTHS[-1])
        ids = np.where(ids < n_events, ids, LOG)
        most, gaps = np.full(n_events, NEVER), np.full(n_events, NEVER)
        usual = np.zeros((n_events, 2), np.int64)
        for event, at in _by_event(ids, elapsed):
            if event >= FIRST_EVENT:
                usual[event, 0], most[event] = _burst(np.unique(at // width, return_counts=True)[1], -(-span // width))
                usual[event, 1], gaps[event] = _beat(at, span)
        bins = np.unique(elapsed // width)
        if len(bins) > REGULAR * span / width:
            usual[LOG, 1], gaps[LOG] = int(steps[-2]) if len(steps) > 1 else 0, max(clock.longest, TIMES * width)
        return cls(width, most, gaps, usual, Clock(clock.longest))

    def add(self, events: Events) -> list[Finding]:
        """Takes the lines of a block; gives what is unusual in them, in order."""
        elapsed, jumps = self.clock.add(events.times, len(events.event_ids))
        if not len(elapsed):
            return []
        ids = np.where(events.event_ids < len(self.most), events.event_ids, LOG)
        found = [*self._silent_log(jumps), *self._silences(ids, elapsed), *self._bursts(ids, elapsed)]
        return sorted(found, key=lambda finding: (finding.at, finding.code, finding.event))

    def skip(self, events: Events) -> None:
        """Takes lines that are not judged: what is unusual in them stays so."""
        bounds = self.most.copy(), self.gaps.copy(), self.usual.copy()
        self.add(events)
        self.most, self.gaps, self.usual = bounds

    def _bursts(self, ids: np.ndarray, elapsed: np.ndarray) -> list[Finding]:
        found, bins = [], elapsed // self.width
        starts = np.flatnonzero(np.diff(bins, prepend=self._bin))
        for start, stop in zip([0, *starts], [*starts, len(ids)]):
            if start == stop:
                continue
            if bins[start] != self._bin:
                self._next_bin(int(bins[start]))
            part = ids[start:stop]
            counts = np.bincount(part, minlength=len(self._counts))
            for event in np.flatnonzero((self._counts <= self.most) & (self._counts + counts > self.most)).tolist():
                at = int(start + np.flatnonzero(part == event)[self.most[event] - self._counts[event]])
                detail = {"count": int(self.most[event]) + 1, "seconds": self.width / 1000, "usual": int(self.usual[event, 0])}
                found.append(Finding("rate", event, at, detail["count"] / max(detail["usual"], 1), detail))
            self._counts += counts
        return found

    def _next_bin(self, number: int) -> None:
        """What was told of the bin that is over is usual from now on."""
        over = np.flatnonzero(self._counts > self.most)
        self.usual[over, 0], self.most[over] = self._counts[over], 2 * self._counts[over]
        self._counts[:] = 0
        self._bin = number

    def _silences(self, ids: np.ndarray, elapsed: np.ndarray) -> list[Finding]:
        found, now = [], int(elapsed[-1])
        late = np.flatnonzero(self._told | (now - self._last > self.gaps))
        late = late[late >= FIRST_EVENT]
        for event in late.tolist():
            for at in [*np.flatnonzero(ids == event).tolist(), None]:
                until = now if at is None else int(elapsed[at])
                gap = until - int(self._last[event])
                if gap > self.gaps[event] and not self._told[event]:
                    first = int(np.searchsorted(elapsed, self._last[event] + self.gaps[event], "right"))
                    found.append(self._silence(event, first, int(elapsed[first] - self._last[event])))
                    self._told[event] = True
                if at is not None:
                    if self._told[event]:
                        self.usual[event, 1], self.gaps[event] = gap, max(2 * gap, int(self.gaps[event]))
                    self._told[event], self._last[event] = False, until
        self._last[ids] = elapsed  # of equal ids the last one stays
        return found

    def _silent_log(self, jumps: Sequence[Any]) -> list[Finding]:
        found = []
        for jump in jumps:
            if jump.new and self.gaps[LOG] < jump.ms < MONTH:
                found.append(self._silence(LOG, jump.at, jump.ms))
                self.usual[LOG, 1], self.gaps[LOG] = jump.ms, 2 * jump.ms
        return found

    def _silence(self, event: int, at: int, ms: int) -> Finding:
        usual = int(self.usual[event, 1])
        return Finding("silence", event, at, ms / max(usual, 1), {"seconds": ms / 1000, "usual": usual / 1000})

    def to_json(self) -> dict[str, Any]:
        """All that it knows, as JSON values; small where few templates have bounds."""
        def sparse(values: np.ndarray, nothing: int) -> list[list[int]]:
            there = np.flatnonzero(values != nothing)
            return [there.tolist(), values[there].tolist()]
        return {"n": len(self.most), "width": self.width, "clock": self.clock.to_json(), "bin": self._bin, "most": sparse(self.most, NEVER),
                "gaps": sparse(self.gaps, NEVER), "usual": [sparse(column, 0) for column in self.usual.T],
                "counts": sparse(self._counts, 0), "last": sparse(self._last, 0), "told": np.flatnonzero(self._told).tolist()}

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> Rates:
        """What `to_json` described. Raises KeyError, TypeError, IndexError or ValueError for what it did not write."""
        def dense(values: list[list[int]], nothing: int) -> np.ndarray:
            full = np.full(state["n"], nothing, np.int64)
            full[np.array(values[0], np.int64)] = values[1]
            return full
        usual = np.stack([dense(column, 0) for column in state["usual"]], 1)
        rates = cls(state["width"], dense(state["most"], NEVER), dense(state["gaps"], NEVER), usual, Clock.from_json(state["clock"]))
        rates._bin, rates._counts, rates._last = state["bin"], dense(state["counts"], 0), dense(state["last"], 0)
        rates._told[np.array(state["told"], np.int64)] = True
        return rates


def _by_event(ids: np.ndarray, elapsed: np.ndarray) -> Iterable[tuple[int, np.ndarray]]:
    """Each event and when it came."""
    order = np.argsort(ids, kind="stable")
    for part in np.split(order, np.flatnonzero(np.diff(ids[order])) + 1):
        yield int(ids[part[0]]), elapsed[part]


def _burst(counts: np.ndarray, n_bins: int) -> tuple[int, int]:
    """The most that a bin had of an event, and may have, by its counts in the bins that have any; of too few bins nothing is known."""
    if n_bins < LEAST_BINS:
        return int(counts.max()), NEVER
    kept = np.sort(counts)[:len(counts) - int(OUTLIERS * len(counts))].astype(np.float64)
    mean = kept.sum() / n_bins
    dispersion = max(1.0, ((kept ** 2).sum() / n_bins - mean ** 2) / mean)
    low, high = mean, 2.0 * mean + 10
    while _nats(high, mean) <= SURE * dispersion:
        low, high = high, 2 * high
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if _nats(middle, mean) <= SURE * dispersion else (low, middle)
    return int(kept[-1]), max(LEAST_COUNT, TIMES * int(kept[-1]), int(np.ceil(high)))


def _nats(n: float, mean: float) -> float:
    return n * np.log(n / mean) - n + mean


def _beat(at: np.ndarray, span: int) -> tuple[int, int]:
    """The longest gap, in ms, of an event that came at these times, and how long it may stay away; of one that does not come regularly
    nothing is known.
    """
    gaps = np.diff(at)
    gaps = np.sort(gaps[gaps > BUNCH * np.quantile(gaps, REGULAR)]) if len(gaps) else gaps
    if len(gaps) < LEAST_GAPS:
        return 0, NEVER
    median = np.median(gaps)
    regular = (gaps >= median / 2) & (gaps <= 2 * median)
    longest = int(gaps[len(gaps) - 1 - int(OUTLIERS * len(gaps))])
    bound = TIMES * longest + 1000
    alive = span - int(at[-1]) <= bound and len(gaps) * median > span / 2
    return longest, bound if regular.mean() >= REGULAR and alive else NEVER
