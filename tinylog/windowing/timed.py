"""Windows by time: a regular grid of so many seconds of log time from the first line on. Silence is a window too.

A line without a time belongs to the window of the line before it, and a line whose own window is over to the present
one: what was closed stays closed. A window without any line has no events; of a silence of years only the first
MAX_SILENT windows are given. Memory is bounded: a window keeps its last lines.
"""
from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterator
from typing import Any

import numpy as np

from ..records import Events
from .sessions import Session, begin_anew
from .sliding import ONE_STREAM, extend

MAX_SILENT = 10_000  # windows without a line, one after the other
FURTHEST = 1e15  # seconds from 1970; a line that says more has a broken time, that is, none


class Timed:
    """Cuts one stream of lines into windows of `seconds`, each with its last `size` lines.

    A Session's first_time is where its window begins, its last_time that of its last line with a time; of a silent window,
    where it ends, and its line number is that of the line before the silence. `counters`: late_lines (of a window that was over),
    forgotten_lines (more than `size`), silent_windows, silent_windows_skipped.
    """

    def __init__(self, seconds: float, size: int, keep: bool = False) -> None:
        """keep: windows hold the lines of their events, and the times of those, too."""
        self.seconds, self.size, self.keep = seconds, size, keep
        self.counters: Counter[str] = Counter()
        self._origin = math.nan  # when the first window began
        self._slot = 0  # number of the present window on the grid
        self._open: Session | None = None
        self._certain: list[Session] = []
        self._begun = 0

    def add(self, events: Events) -> list[Session]:
        """Takes the lines of a block; gives the windows that are over, in order of time."""
        closed: list[Session] = []
        begin_anew(self.open, events)
        events = events._replace(times=_times(events))
        for start, stop, slot in self._runs(events):
            if self._open is not None and slot > self._slot:
                closed += self._silence(self._finished(), slot)
            self._slot = slot
            self._put(events, start, stop)
        return closed

    def close(self) -> list[Session]:
        """Ends the stream: the present window."""
        return [] if self._open is None else [self._finished()]

    def n_open(self) -> int:
        """Whether a window is begun: 1 or 0."""
        return int(self._open is not None)

    def certain(self) -> list[Session]:
        """As `Sessions.certain`."""
        certain, self._certain = self._certain, []
        return certain

    @property
    def open(self) -> Collection[Session]:
        """As `Sessions.open`."""
        return [] if self._open is None else [self._open]

    def to_json(self) -> dict[str, Any]:
        """As `Sessions.to_json`."""
        return {"open": [window.to_json() for window in self.open], "origin": self._origin, "slot": self._slot, "begun": self._begun,
                "counters": dict(self.counters)}

    def from_json(self, values: dict[str, Any]) -> None:
        """As `Sessions.from_json`."""
        self._open = next(map(Session.from_json, values["open"]), None)
        self._origin, self._slot, self._begun = values["origin"], values["slot"], values["begun"]
        self.counters = Counter(values["counters"])

    def _runs(self, events: Events) -> Iterator[tuple[int, int, int]]:
        """First line, line behind the last, and window of every stretch of lines that are in the same one."""
        times, timed, start = events.times, ~np.isnan(events.times), 0
        if math.isnan(self._origin) and timed.any():
            start = int(timed.argmax())  # the lines before it do not know when the grid began
            if start:
                yield 0, start, self._slot
            self._origin = float(times[start])
        own = np.where(timed[start:], np.floor((times[start:] - self._origin) / self.seconds), -np.inf)
        slots = np.maximum.accumulate(np.append(self._slot, own))[1:]
        self.counters += Counter(late_lines=int((timed[start:] & (own < slots)).sum()))
        ends = np.append(np.flatnonzero(np.diff(slots)) + 1, len(times) - start)
        for first, end in zip(np.append(0, ends), ends):
            if first < end:
                yield start + int(first), start + int(end), int(slots[first])

    def _put(self, events: Events, start: int, stop: int) -> None:
        """These lines go into the present window; a copy of it is made where it becomes certain."""
        window = self._open
        if window is None:
            window = self._open = self._begin(events.file)
        sure = () if events.rarity is None or window.rarity < 0 else np.flatnonzero(events.rarity[start:stop] < 0)
        if len(sure):
            self._extend(window, events, start, start + int(sure[0]) + 1)
            self._certain.append(window.so_far(self.size))
            start += int(sure[0]) + 1
        if start < stop:
            self._extend(window, events, start, stop)

    def _extend(self, window: Session, events: Events, start: int, stop: int) -> None:
        before = window.last_time
        extend(window, events, np.arange(start, stop), self.keep)
        window.first_time = self._origin + self._slot * self.seconds
        times = events.times[start:stop]
        known = times[~np.isnan(times)]
        window.last_time = float(known[-1]) if len(known) else before
        if len(window.events) >= 2 * self.size:
            window.keep(self.size)

    def _begin(self, file: str | None) -> Session:
        self._begun += 1
        return Session(ONE_STREAM, self._begun - 1, file)

    def _finished(self) -> Session:
        window, self._open = self._open, None
        window.keep(self.size)
        self.counters += Counter(forgotten_lines=window.forgotten)
        return window

    def _silence(self, window: Session, slot: int) -> list[Session]:
        """The present window, which is over, and the silent ones between it and the one that a line began."""
        silent = slot - self._slot - 1
        given = min(silent, MAX_SILENT)
        self.counters += Counter(silent_windows=given, silent_windows_skipped=silent - given)
        windows = [window]
        for number in range(self._slot + 1, self._slot + 1 + given):
            empty = self._begin(window.file)
            empty.first_time, empty.last_time = (self._origin + border * self.seconds for border in (number, number + 1))
            empty.first_line_no = empty.line_no = window.line_nos[-1]
            empty.label = None if window.label is None else 0
            windows.append(empty)
        return windows


def _times(events: Events) -> np.ndarray:
    """(N,) NaN where a line has no time."""
    if events.times is None:
        return np.full(len(events.event_ids), np.nan)
    return np.where(np.abs(events.times) < FURTHEST, events.times, np.nan)
