"""Windows by session key: a session is the lines that carry its key, until the log ends or it was silent for too long.

Time is log time. A line whose session has been silent for longer than the timeout begins a new session of that key, and
a silent session is closed by the first line, of whatever session, that comes later than its timeout. Both depend on the
lines alone, so a stream that is read in other blocks, or from a file, gives the same sessions in the same order.

Memory is bounded: the last events of each session, and so many open sessions; beyond them the one that was silent for
the most lines is closed.
"""
from __future__ import annotations

import math
from array import array
from collections import Counter, OrderedDict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from itertools import repeat
from typing import Any

import numpy as np

from ..records import Events


KEPT = 8192  # bytes of a line that a session keeps
LONGEST_KEY = 256  # bytes; longer keys that begin alike are one


@dataclass(slots=True)
class Session:
    """The last events of a session, or of a window of lines (its key is then that of its stream, or empty)."""

    key: bytes
    order: int  # grows with the line that it began with
    file: str | None  # of its last line
    first_line_no: int = 0
    first_time: float = math.nan  # seconds since 1970, NaN where the log has none
    last_time: float = math.nan
    label: int | None = None  # 1 where any of its lines is labelled so; None: the log does not say
    events: array = field(default_factory=lambda: array("i"))
    line_nos: array = field(default_factory=lambda: array("q"))  # 0 where the line is of an earlier file
    times: array = field(default_factory=lambda: array("d"))  # of each event; as the lines, only where the windower keeps them
    lines: list[bytes] = field(default_factory=list)
    forgotten: int = 0  # events before those
    rarity: float = math.inf  # of its strangest line so far, the first of equals: all that is kept of the lines' text
    event: int = 0
    line_no: int = 0
    line: bytes = b""
    ended: int = 0  # number of the line that showed that it is over; 0: it is not, or the log was

    @property
    def n_events(self) -> int:
        """All of its events, also those it no longer keeps."""
        return self.forgotten + len(self.events)

    def keep(self, size: int) -> None:
        """Forgets all but the last `size` events."""
        if len(self.events) > size:
            self.forgotten += len(self.events) - size
            del self.events[:-size], self.line_nos[:-size], self.times[:-size], self.lines[:-size]

    def mark(self, rarity: float, event: int, line_no: int, line: bytes) -> None:
        """Its strangest line is this one."""
        self.rarity, self.event, self.line_no, self.line = rarity, event, line_no, line[:KEPT]

    def so_far(self, size: int) -> Session:
        """A copy that later lines do not change."""
        twin = replace(self, events=self.events[:], line_nos=self.line_nos[:], times=self.times[:], lines=self.lines[:])
        twin.keep(size)
        return twin

    def continue_in(self, file: str | None) -> None:
        """The next line is of another file, where the line numbers so far mean nothing."""
        self.line_nos = array("q", [0]) * len(self.line_nos)
        self.line_no = 0
        self.file = file

    def to_json(self) -> list[Any]:
        """As JSON values, in the order of its fields."""
        return [_to_json(getattr(self, name)) for name in self.__slots__]

    @classmethod
    def from_json(cls, values: list[Any]) -> Session:
        """The session that `to_json` described. KeyError, TypeError or ValueError for what it did not write."""
        named = dict(zip(cls.__slots__, values, strict=True))
        for name, code in (("events", "i"), ("line_nos", "q"), ("times", "d")):
            named[name] = array(code, named[name])
        named |= {"key": _bytes(named["key"]), "line": _bytes(named["line"]), "lines": [_bytes(line) for line in named["lines"]]}
        return cls(**named)


def _to_json(value: Any) -> Any:
    """A session's field: bytes as text with a character for each, arrays as lists."""
    if isinstance(value, bytes):
        return value.decode("latin-1")
    return [_to_json(item) for item in value] if isinstance(value, (array, list)) else value


def _bytes(text: str) -> bytes:
    return text.encode("latin-1")


def begin_anew(sessions: Iterable[Session], events: Events) -> None:
    """Where a block begins a file, the line numbers of open sessions in a file of that name are of one that was there before."""
    if len(events.line_no) and events.line_no[0] == 1:
        for session in sessions:
            if session.file == events.file:
                session.continue_in(session.file)


class Sessions:
    """Cuts a stream of lines by session key. `counters`: lines_without_session, timed_out, evicted."""

    def __init__(self, size: int, timeout: float = math.inf, keep: bool = False, max_open: int = 1_000_000) -> None:
        """keep: sessions hold the lines of their events, and the times of those, too."""
        self.size, self.timeout, self.max_open, self.keep = size, timeout, max_open, keep
        self.counters: dict[str, int] = Counter()
        self._open: OrderedDict[bytes, Session] = OrderedDict()  # the one with the latest line stands last
        self._certain: list[Session] = []
        self._begun = 0
        self._now = math.nan  # the last time that a line had
        self._next_expiry = -math.inf  # until then no session is over

    def add(self, events: Events) -> list[Session]:
        """Takes the lines of a block; gives the sessions that they closed, in the order in which they were closed."""
        closed: list[Session] = []
        begin_anew(self._open.values(), events)
        find, touch = self._open.get, self._open.move_to_end
        file, timeout, enough = events.file, self.timeout, 2 * self.size
        for event, keys, line_no, time, label, rarity, line in self._lines(events):
            if time > self._next_expiry:
                self._expire(time, line_no, closed)
            if not keys:
                self.counters["lines_without_session"] += 1
            for key in keys:
                session = find(key)
                if session is None and len(key) > LONGEST_KEY:
                    key = key[:LONGEST_KEY]
                    session = find(key)
                if session is None or time - session.last_time > timeout:
                    session = self._begin(key, line_no, time, file, closed)
                    session.label = label
                else:
                    touch(key)
                    session.last_time = time
                    if session.file != file:
                        session.continue_in(file)
                    if label:
                        session.label = label
                session.events.append(event)
                session.line_nos.append(line_no)
                if self.keep:
                    session.times.append(time)
                    session.lines.append(line[:KEPT])
                if rarity < session.rarity:
                    session.mark(rarity, event, line_no, line)
                    if rarity < 0:
                        self._certain.append(session.so_far(self.size))
                if len(session.events) >= enough:
                    session.keep(self.size)
        return self._finished(closed)

    def close(self) -> list[Session]:
        """Ends the stream: all open sessions, in the order in which they began."""
        rest = sorted(self._open.values(), key=lambda session: session.order)
        self._open.clear()
        return self._finished(rest)

    def n_open(self) -> int:
        """How many sessions are open."""
        return len(self._open)

    def certain(self) -> list[Session]:
        """What became certain since it was last asked: copies of open sessions, each as a line of rarity below 0, and below all before it, left it."""
        certain, self._certain = self._certain, []
        return certain

    @property
    def open(self) -> Collection[Session]:
        """What is not closed."""
        return self._open.values()

    def to_json(self) -> dict[str, Any]:
        """All that it needs to go on, as JSON values."""
        return {"open": [session.to_json() for session in self._open.values()], "begun": self._begun, "now": self._now,
                "next_expiry": self._next_expiry, "counters": dict(self.counters)}

    def from_json(self, values: dict[str, Any]) -> None:
        """Go on where `to_json` was asked. KeyError, TypeError or ValueError for what it did not write."""
        sessions = map(Session.from_json, values["open"])
        self._open = OrderedDict((session.key, session) for session in sessions)
        self._begun, self._now, self._next_expiry = values["begun"], values["now"], values["next_expiry"]
        self.counters = Counter(values["counters"])

    def _lines(self, events: Events) -> Iterable[tuple[int, tuple[bytes, ...], int, float, int | None, float, bytes]]:
        """Event, session keys, number, time, label, rarity and text of each line."""
        labels = repeat(None) if events.labels is None else events.labels.tolist()
        keys = repeat(()) if events.sessions is None else events.sessions
        rarity = repeat(math.inf) if events.rarity is None else events.rarity.tolist()
        return zip(events.event_ids.tolist(), keys, events.line_no.tolist(), self._filled(events.times), labels, rarity, events.lines)

    def _begin(self, key: bytes, line_no: int, time: float, file: str | None, closed: list[Session]) -> Session:
        old = self._open.pop(key, None)
        if old is not None:
            self.counters["timed_out"] += 1
            self._end(old, line_no, closed)
        elif len(self._open) >= self.max_open:
            self.counters["evicted"] += 1
            self._end(self._open.popitem(last=False)[1], line_no, closed)
        session = self._open[key] = Session(key, self._begun, file, line_no, time, time)
        self._begun += 1
        return session

    def _expire(self, now: float, line_no: int, closed: list[Session]) -> None:
        """Closes sessions, beginning with the one silent for the most lines, up to the first that is not over."""
        self._next_expiry = now + self.timeout
        while self._open:
            key, session = next(iter(self._open.items()))
            if math.isnan(session.last_time):  # its lines had no time: its silence begins now
                session.last_time = now
            if now - session.last_time <= self.timeout:
                self._next_expiry = session.last_time + self.timeout
                break
            del self._open[key]
            self.counters["timed_out"] += 1
            self._end(session, line_no, closed)

    @staticmethod
    def _end(session: Session, line_no: int, closed: list[Session]) -> None:
        session.ended = line_no
        closed.append(session)

    def _filled(self, times: np.ndarray | None) -> Iterable[float]:
        """The time of each line; a line without one has that of the line before it."""
        if times is None:
            return repeat(self._now)
        if not len(times):
            return ()
        known = np.concatenate([[self._now], times])
        latest = np.maximum.accumulate(np.where(np.isnan(known), 0, np.arange(len(known))))
        filled = known[latest][1:].tolist()
        self._now = filled[-1]
        return filled

    def _finished(self, sessions: list[Session]) -> list[Session]:
        for session in sessions:
            session.keep(self.size)
        return sessions
