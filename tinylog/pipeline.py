"""Bytes to windows: the main path, the same for detecting and for training, so that a model is trained on what it will see.

    files --read--> blocks --front--> blocks of records --parser--> event ids --windower--> sessions     raw lines
                    blocks --read_ids--> names --Names--> sessions                                       event ids, prepared elsewhere

A record is a line; where it was wrapped (JSON, CRI) or several lines (a stack trace), `front` makes it one. A block travels as
columns. `Step` is what comes out for each block: its lines' events, and the sessions it closed.
"""
from __future__ import annotations

import re
from array import array
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from time import perf_counter
from typing import NamedTuple

import numpy as np

from .errors import ConfigError, InputError
from .parsing import Parser
from .reading.blocks import blocks, open_log
from .reading.clock import Clock
from .reading.formats import Format, session_keys, session_pattern
from .reading.front import Front, front_for
from .reading.ids import IdRows, read_ids
from .records import FIRST_EVENT, FROM_LINES, UNKNOWN, Block, Events, Template, Windows
from .windowing import MOST, WindowSpec, windower
from .windowing.arrays import to_windows
from .windowing.columns import columns
from .windowing.sessions import Session

MAX_LINE = 1 << 20  # bytes; what stands behind them is dropped and counted
SNIFFED = 200  # lines that decide on the format


class Step(NamedTuple):
    """One block behind the pipeline."""

    events: Events | None  # None where the log is event ids: whole sessions at once
    closed: list[Session]
    certain: list[Session] = []  # open ones as they were when they got an event that only anomalous sessions have


def read(files: Sequence[str], dropped: Counter[str]) -> Iterator[Block]:
    """The blocks of several logs, one after the other; "-" is standard input. InputError where one cannot be read."""
    for file in files:
        with open_log(file) as stream:
            yield from blocks(stream, None if file == "-" else file, max_line=MAX_LINE, dropped=dropped)


def recognise(log: Iterator[Block], form: Format | None = None, expected: str | None = None,
              dropped: Counter[str] | None = None, joined: bool = True) -> tuple[Format, Iterator[Block]]:
    """The format of a log and its records from the beginning. The format is the given one, else the `expected` one where the first
    lines are in it, else what they look like. joined: lines that belong to the one before, as in a stack trace, are left out.
    InputError where the log is empty.
    """
    front, log = recognise_all(log, form, expected, dropped, joined)
    return front.form, log


def recognise_all(log: Iterator[Block], form: Format | None = None, expected: str | None = None, counters: Counter[str] | None = None,
                  joined: bool = True, ends: bool = True) -> tuple[Front, Iterator[Block]]:
    """As `recognise`, with all that stands between the blocks and the records: for whoever asks what a log is wrapped in. ends: as of
    Front.run.
    """
    first, lines, front = [], [], None
    while front is None:  # one block is enough but where a record is longer than it
        block = next(log, None)
        if block is not None:
            first.append(block)
            lines += block.data.split(b"\n", SNIFFED)[:-1]
        if not first:
            raise InputError("the log is empty: there is no line to read")
        front = front_for(lines[:SNIFFED], form, expected, counters, joined, enough=block is None or len(lines) >= SNIFFED)
    return front, front.run(chain(first, log), ends)


def spec_for(form: Format, size: int = 50, session: str | None = None, window: int | float | None = None,
             timeout: float | None = None) -> WindowSpec:
    """How a log of this format is cut: by `session` or the format's own key, unless a `window` is asked for, of so many lines (int) or
    seconds (float). ConfigError for seconds where there is no time.
    """
    if isinstance(window, float):
        if form.time is None:
            raise ConfigError(f"windows of {window:g} seconds need lines with a time, and a log of {form.name} has none")
        return WindowSpec("time", MOST, seconds=window)  # the last lines; what came before them is dropped and counted
    key = session or (form.session.pattern.decode() if form.session is not None and window is None else None)
    if session is not None:
        session_pattern(session)  # refuses what is no pattern before a line is read
    kind = "session" if key is not None or (form.name == "ids" and window is None) else "lines"
    more = {} if timeout is None else {"timeout": timeout}
    return WindowSpec(kind=kind, size=window or size, session=key, stream=form.stream if kind == "lines" else (), **more)


def labelled(sessions: Sequence[Session], known: Mapping[bytes, int] | None) -> np.ndarray:
    """(B,) int8: the truth of each session, from a label file where there is one, else from the log. InputError where one has none."""
    if known is None:
        labels = [session.label for session in sessions]
        missing = labels.count(None)
        hint = "give a file with --labels F"
    else:
        labels = [known.get(session.key) for session in sessions]
        missing = labels.count(None)
        hint = f"the label file has {len(known)} others"
    if missing:
        first = sessions[labels.index(None)]
        name = repr(first.key.decode(errors="replace")) if first.key else f"line {first.first_line_no}"
        raise InputError(f"{missing} of {len(labels)} sessions have no label, the first is {name}; {hint}")
    return np.array(labels, np.int8)


class Names:
    """Event ids as a file of sequences calls them -> our own. A name that is new becomes an event, with its text where one is given.

    "0" is a line that no template matched, where there are templates and none of them is called so.
    """

    def __init__(self, parser: Parser, texts: Iterable[Template] = ()) -> None:
        self.parser, self.texts = parser, list(texts)
        self._text = {template.name: template.text for template in self.texts}
        self._ids = {template.name.encode(): i for i, template in enumerate(parser.templates) if i >= FIRST_EVENT}
        if b"0" not in self._ids and "0" not in self._text and any(t.text for t in parser.templates):
            self._ids[b"0"] = UNKNOWN

    def events(self, sequence: bytes) -> list[int]:
        """The event ids of one sequence."""
        names = sequence.split()
        try:
            return [self._ids[name] for name in names]
        except KeyError:
            return [self._ids[name] if name in self._ids else self._meet(name) for name in names]

    def _meet(self, name: bytes) -> int:
        text = name.decode()
        event_id = self._ids[name] = self.parser.introduce(Template(text, self._text.get(text, "")))
        return event_id


class Pipeline:
    """One log on its way to windows. `seconds` (read, parse, window) says where the time went, `counters` what was dropped.

    `rarity(event_ids) -> (N,)` says how common an event was in training, so that each session keeps its strangest line.
    `needs`: columns of Windows that each detector reads, by its name. InputError where this log cannot have one.
    `valued`: the event ids whose variable parts any of them reads; None: all.
    """

    def __init__(self, form: Format, parser: Parser, spec: WindowSpec, names: Names | None = None,
                 rarity: Callable[[np.ndarray], np.ndarray] | None = None, needs: Mapping[str, Collection[str]] | None = None,
                 valued: Collection[int] | None = None) -> None:
        self.form, self.parser, self.spec, self.rarity = form, parser, spec, rarity
        self.names = names or Names(parser)
        self.clock = Clock(form)
        self._needs, self._valued = _from_lines(form, needs or {}), valued
        self.windower = windower(spec, keep=bool(self._needs))
        self.seconds: Counter[str] = Counter()
        self.lines = 0
        self.key = re.compile(spec.session.encode()) if spec.session else None

    def run(self, log: Iterable[Block]) -> Iterator[Step]:
        """Each block's step, and a last one that closes what is open."""
        if self.form.name == "ids":
            for rows in self._timed("read", read_ids(log)):
                started = perf_counter()
                self.lines += len(rows.sequences)
                step = Step(None, self._sessions(rows))
                self.seconds["parse"] += perf_counter() - started
                yield step
            return
        for block in self._timed("read", log):
            events = self.events(block)
            started = perf_counter()
            closed = self.windower.add(events)
            self.seconds["window"] += perf_counter() - started
            yield Step(events, closed, self.windower.certain())
        yield Step(None, self.windower.close())

    def windows(self, sessions: Sequence[Session], labels: np.ndarray | None = None) -> Windows:
        """Sessions as Windows, with the columns that are needed; event ids are the parser's."""
        started = perf_counter()
        T = self.spec.size
        if self.spec.kind == "time":
            T = max([1, *(len(session.events) for session in sessions)])
        found = columns(sessions, T, self._needs, self.form.content, self.parser.values, self.form.entities, self._valued)
        windows = Windows(to_windows([session.events for session in sessions], T), labels, **found)
        self.seconds["window"] += perf_counter() - started
        return windows

    def events(self, block: Block) -> Events:
        """The lines of a block as columns."""
        started = perf_counter()
        lines = block.data.split(b"\n")
        lines.pop()  # behind the last newline
        self.lines += len(lines)
        event_ids, keys = block.parsed or (None, None)
        event_ids = self.parser.learn(block.data) if event_ids is None else self._learned(event_ids, lines)
        if keys is None and self.key is not None:
            keys = session_keys(lines, self.key)
        events = Events(
            event_ids=event_ids,
            line_no=block.numbers(len(lines)),
            lines=lines,
            sessions=self.form.streams(lines) if keys is None and self.spec.stream else keys,
            times=self.clock.times(lines),
            labels=self.form.labels(lines),
            file=block.file,
            rarity=None if self.rarity is None else self.rarity(event_ids),
        )
        self.seconds["parse"] += perf_counter() - started
        return events

    def _learned(self, event_ids: np.ndarray, lines: Sequence[bytes]) -> np.ndarray:
        """With those of lines that match no known template."""
        unknown = np.flatnonzero(event_ids == UNKNOWN)
        if len(unknown):
            event_ids = event_ids.copy()
            event_ids[unknown] = self.parser.learn(b"".join([lines[i] + b"\n" for i in unknown.tolist()]))
        return event_ids

    def _sessions(self, rows: IdRows) -> list[Session]:
        """Sequences are sessions that are over."""
        size, closed = self.spec.size, []
        keys = rows.keys or [b""] * len(rows.sequences)
        labels = [None] * len(keys) if rows.labels is None else rows.labels.tolist()
        for sequence, key, label, line_no in zip(rows.sequences, keys, labels, rows.line_no.tolist()):
            events = array("i", self.names.events(sequence)[-size:])
            closed.append(Session(key, line_no, rows.file, line_no, label=label, events=events, line_no=line_no))
        return closed

    def _timed(self, what: str, items: Iterable) -> Iterator:
        iterator, started = iter(items), perf_counter()
        for item in iterator:
            self.seconds[what] += perf_counter() - started
            yield item
            started = perf_counter()
        self.seconds[what] += perf_counter() - started


def _from_lines(form: Format, needs: Mapping[str, Collection[str]]) -> frozenset[str]:
    """The columns of FROM_LINES that any detector reads. InputError, naming it, where the log has them not."""
    for name, wanted in needs.items():
        from_lines = sorted(FROM_LINES & set(wanted))
        if from_lines and form.name == "ids":
            raise InputError(f"{name} reads {' and '.join(from_lines)} of log lines, and event ids alone have none; give the raw lines")
    return FROM_LINES & {column for wanted in needs.values() for column in wanted}
