"""Windows by number: every N lines of a stream make one, and so do the last ones, however few.

A log can be several streams (one for each host): their lines are counted apart. Memory is bounded: streams beyond the
first so many share one.
"""
from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from typing import Any

import numpy as np

from ..records import Events
from .sessions import KEPT, LONGEST_KEY, Session, begin_anew

ONE_STREAM = b""


class Sliding:
    """Cuts a stream of lines into windows of `size` lines, apart for each key in `events.sessions` where there are any.

    `counters`: lines_of_shared_streams.
    """

    def __init__(self, size: int, keep: bool = False, max_open: int = 100_000) -> None:
        """keep: windows hold the lines of their events, and the times of those, too."""
        self.size, self.keep, self.max_open = size, keep, max_open
        self.counters: dict[str, int] = Counter()
        self._open: dict[bytes, Session] = {}
        self._certain: list[Session] = []
        self._streams: set[bytes] = set()
        self._seen = 0  # lines so far

    def add(self, events: Events) -> list[Session]:
        """Takes the lines of a block; gives the windows that they filled, in the order in which they were filled."""
        full: list[tuple[int, Session]] = []
        begin_anew(self._open.values(), events)
        for key, at in self._positions(events):
            start, sure = 0, () if events.rarity is None else np.flatnonzero(events.rarity[at] < 0)
            while start < len(at):
                window = self._open.pop(key, None) or Session(key, self._seen + int(at[start]), events.file)
                stop = start + self.size - window.n_events
                found = np.searchsorted(sure, start)
                certain = window.rarity >= 0 and found < len(sure) and sure[found] < stop
                if certain:
                    stop = int(sure[found]) + 1
                extend(window, events, at[start:stop], self.keep)
                if certain:
                    self._certain.append(window.so_far(self.size))
                if window.n_events == self.size:
                    full.append((int(at[stop - 1]), window))
                else:
                    self._open[key] = window
                start = stop
        self._seen += len(events.event_ids)
        return [window for _, window in sorted(full, key=lambda pair: (pair[0], pair[1].order, pair[1].key))]

    def close(self) -> list[Session]:
        """Ends the stream: the unfinished windows, in the order in which they began."""
        rest = sorted(self._open.values(), key=lambda window: (window.order, window.key))
        self._open.clear()
        return rest

    def certain(self) -> list[Session]:
        """As `Sessions.certain`."""
        certain, self._certain = self._certain, []
        return certain

    @property
    def open(self) -> Collection[Session]:
        """As `Sessions.open`."""
        return self._open.values()

    def to_json(self) -> dict[str, Any]:
        """As `Sessions.to_json`."""
        return {"open": [window.to_json() for window in self._open.values()],
                "streams": [key.decode("latin-1") for key in sorted(self._streams)],
                "seen": self._seen, "counters": dict(self.counters)}

    def from_json(self, values: dict[str, Any]) -> None:
        """As `Sessions.from_json`."""
        windows = map(Session.from_json, values["open"])
        self._open = {window.key: window for window in windows}
        self._streams = {key.encode("latin-1") for key in values["streams"]}
        self._seen, self.counters = values["seen"], Counter(values["counters"])

    def _positions(self, events: Events) -> Iterable[tuple[bytes, np.ndarray]]:
        """Each stream of a block and the positions of its lines."""
        if events.sessions is None:
            return [(ONE_STREAM, np.arange(len(events.event_ids)))]
        positions: dict[bytes, list[int]] = {}
        for i, keys in enumerate(events.sessions):
            for key in keys or (ONE_STREAM,):
                if key not in self._streams:
                    key = self._admitted(key)
                positions.setdefault(key, []).append(i)
        return [(key, np.array(at)) for key, at in positions.items()]

    def _admitted(self, key: bytes) -> bytes:
        """A new stream's own key while there is room for it; otherwise the key that all others share."""
        key = key[:LONGEST_KEY]
        if key in self._streams:
            return key
        if len(self._streams) < self.max_open:
            self._streams.add(key)
            return key
        self.counters["lines_of_shared_streams"] += 1
        return ONE_STREAM


def extend(window: Session, events: Events, at: np.ndarray, keep: bool) -> None:
    """Lines of one stream, none of which the window lacks room for, go into it."""
    if not window.n_events:
        window.first_line_no = int(events.line_no[at[0]])
        window.first_time = window.last_time if events.times is None else float(events.times[at[0]])
    if window.file != events.file:
        window.continue_in(events.file)
    window.events.frombytes(events.event_ids[at].astype(np.int32).tobytes())
    window.line_nos.frombytes(events.line_no[at].astype(np.int64).tobytes())
    if events.times is not None:
        window.last_time = float(events.times[at[-1]])
    if keep:
        window.times.extend(np.full(len(at), np.nan) if events.times is None else events.times[at])
        window.lines += [events.lines[i][:KEPT] for i in at.tolist()]
    if events.rarity is not None:
        i = at[events.rarity[at].argmin()]
        if events.rarity[i] < window.rarity:
            window.mark(float(events.rarity[i]), int(events.event_ids[i]), int(events.line_no[i]), events.lines[i])
    if events.labels is not None:
        window.label = int(events.labels[at].max()) | (window.label or 0)
