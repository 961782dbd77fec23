"""The data that flows, as columns: Block -> Events -> Windows, and one Alert at the end.

Shapes: N lines of a block, B windows, T events of a window, n event ids of the model.
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

PAD = 0  # fills a window behind its last event
UNKNOWN = 1  # an event that no template names
FIRST_EVENT = 2  # templates are numbered from here

VALUES = 8  # V: variable parts of a template that detectors see, the first ones
FROM_LINES = frozenset({"times", "values", "tokens", "texts", "entities"})  # columns that event ids alone do not have


class Block(NamedTuple):
    """Whole lines as they were read. `data` ends in a newline, unless it is empty."""

    data: bytes
    first_line_no: int  # counted from 1 in its file
    file: str | None  # None is standard input
    line_nos: np.ndarray | None = None  # (N,) int64 where they do not simply count on: records that were several lines, or half a line
    parsed: tuple[np.ndarray, list[tuple[bytes, ...]] | None] | None = None  # event ids of known templates and session keys, see ahead.py

    def numbers(self, n: int) -> np.ndarray:
        """(n,) int64: the number of each of its n lines."""
        return np.arange(self.first_line_no, self.first_line_no + n) if self.line_nos is None else self.line_nos


class Template(NamedTuple):
    """The constant text of an event. `name` is how its log or its template file calls it ("5", "E5")."""

    name: str
    text: str  # words and "<*>" for what varies; "" where only a name is known


class Events(NamedTuple):
    """The lines of one block, a column for each thing known of them, all of length N."""

    event_ids: np.ndarray  # (N,) int32
    line_no: np.ndarray  # (N,) int64
    lines: list[bytes]  # raw, without newline
    sessions: list[tuple[bytes, ...]] | None  # keys that the line belongs to; None: the stream is one
    times: np.ndarray | None  # (N,) float64 seconds since 1970, NaN where a line has none
    labels: np.ndarray | None  # (N,) int8, 1 is anomalous; None: the log does not say
    file: str | None
    rarity: np.ndarray | None = None  # (N,) float32, see Model.rarity: the lower, the stranger; None: nobody asks


@dataclass(frozen=True)
class Windows:
    """B windows: the last T events of each session, or the events of a stretch of time. Columns that are None are not known (labels) or
    not asked for (a detector's NEEDS).
    """

    events: np.ndarray  # (B, T) int32, in order of time, PAD behind the last
    labels: np.ndarray | None = None  # (B,) int8
    weights: np.ndarray | None = None  # (B,) float32, how often the window occurs
    rules: np.ndarray | None = None  # (B, R) float32, log-odds of each rule, in the order of rules.NAMES
    times: np.ndarray | None = None  # (B, T) float64 seconds since 1970, NaN where a line has none and behind the last
    values: np.ndarray | None = None  # (B, T, V) float32, what stands where the template has "<*>", NaN where that is no number
    tokens: np.ndarray | None = None  # (B, T, V) uint32, a hash of the same as text, 0 where there is none
    texts: np.ndarray | None = None  # (B,) of lists of bytes: the content of each line, headers off
    entities: np.ndarray | None = None  # (B,) of lists of bytes: who wrote each line (a host, a rack), b"" where unknown
    tables: dict[str, np.ndarray] = field(default_factory=dict)  # one row an event id: "vectors" (n, D), "words" (n, W), "templates" (n,) of str

    def __len__(self) -> int:
        return len(self.events)

    @property
    def lengths(self) -> np.ndarray:
        """(B,) int64: how many events each window has."""
        return self.mask.sum(1)

    @property
    def mask(self) -> np.ndarray:
        """(B, T) bool: where there is an event."""
        return self.events != PAD

    def take(self, index: np.ndarray) -> Windows:
        """The windows at `index` (ints, bools or a slice), with all their columns."""
        return replace(self, **{name: column[index] for name, column in self._columns().items()})

    def distinct(self) -> tuple[np.ndarray, np.ndarray]:
        """Index of the first window of each kind, in order of appearance (K,), and for every window its kind (B,): intp.

        Two windows are the same when their events are: where a score depends on nothing else, one of each kind is enough.
        """
        first, inverse = _kinds(self.events)
        order = np.argsort(first)
        rank = np.empty(len(order), np.intp)
        rank[order] = np.arange(len(order))
        return first[order], rank[inverse]

    def _columns(self) -> dict[str, np.ndarray]:
        """What has a row for each window."""
        columns = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "tables"}
        return {name: column for name, column in columns.items() if column is not None}


def _kinds(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Index of the first row (B, T) of each kind (K,), in any order, and the kind of each (B,). A sum tells nearly all kinds apart."""
    powers = np.cumprod(np.full(rows.shape[1], 0x1E3779B97F4A7C15))  # odd, modulo 2**64
    _, first, kind = np.unique(rows @ powers, return_index=True, return_inverse=True)
    if (rows[first][kind] != rows).any():  # two kinds had the same sum
        _, first, kind = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    return first, kind.ravel()


def concatenated(parts: Sequence[Windows]) -> Windows:
    """All windows of the parts, which have the same columns and tables; the narrower ones are padded."""
    T = max(part.events.shape[1] for part in parts)
    columns = {name: np.concatenate([_padded(name, part._columns()[name], T) for part in parts]) for name in parts[0]._columns()}
    return replace(parts[0], **columns)


def silent(events: np.ndarray) -> Windows:
    """Windows with all columns that come from lines, and nothing in them."""
    B, T = events.shape
    lists = np.empty(B, object)
    lists[:] = [[b""] * int(n) for n in (events != PAD).sum(1)]
    return Windows(events, times=np.full((B, T), np.nan), values=np.full((B, T, VALUES), np.nan, np.float32),
                   tokens=np.zeros((B, T, VALUES), np.uint32), texts=lists, entities=lists)


_FILLING = {"events": PAD, "times": np.nan, "values": np.nan, "tokens": 0}


def _padded(name: str, column: np.ndarray, T: int) -> np.ndarray:
    if name not in _FILLING or column.shape[1] == T:
        return column
    shape = (len(column), T - column.shape[1], *column.shape[2:])
    return np.concatenate([column, np.full(shape, _FILLING[name], column.dtype)], 1)


class Reason(NamedTuple):
    """Why a detector gave its score: data, not text."""

    code: str  # "new_template", "sequence", "count", "value", "entity", "only_abnormal", "event_set", "drift", "rate", "silence"
    position: int  # which event of the window mattered most; the last one where something should have followed
    contrib: np.ndarray  # (T,) float32, share of each event
    expected: tuple[tuple[int, float], ...] = ()  # event ids and how likely each was, PAD for the end of the session
    detail: Mapping[str, Any] = MappingProxyType({})  # JSON values by name: which entity, which parameter, what range; "after": an event id


# What is odd about a session, in a few words that stay, whatever detector comes: each Reason.code is of one of them.
KINDS: Mapping[str, str] = MappingProxyType({
    **dict.fromkeys(("new_template", "unseen_event", "drift"), "new_template"),  # events that training never saw
    **dict.fromkeys(("sequence", "truncated", "bigram", "workflow"), "sequence"),  # the order in which events came, or did not
    **dict.fromkeys(("count", "count_vector", "event_set", "length"), "count"),  # which events there were, and how often
    "value": "value",  # a number, a word or a time between lines
    **dict.fromkeys(("rate", "entity"), "rate"),  # how much is written in a stretch of time, of what or by whom
    "silence": "silence",  # what should have been written, and was not
    **dict.fromkeys(("only_abnormal", "abnormal_share", "text", "words"), "content"),  # training knows it from anomalous sessions
})


class Contribution(NamedTuple):
    """One of the lines that mattered in an alert."""

    line_no: int | None
    event_id: str
    share: float  # of the score
    template: str | None
    line: bytes | None  # None where its text was not kept


@dataclass(frozen=True)
class Alert:
    """tinylog's decision on one session, ready to be printed."""

    time: float | None  # seconds since 1970 in log time
    session: str | None
    line_no: int | None
    file: str | None
    line: bytes  # the line that mattered most
    score: float  # log-odds of being anomalous, rounded to three decimals
    threshold: float
    reason: str  # a code, see Reason
    why: str  # the same for people
    event_id: str | None  # of `line`, as its log or template file calls it
    template: str | None
    nearest: tuple[str, float] | None  # the known template nearest to a never-seen one, and their cosine
    detector: str  # the one whose score is furthest above its threshold
    detail: Mapping[str, Any]  # what it says of the reason, JSON values
    expected: tuple[tuple[str, str, float], ...]  # event, template and probability of what would have been normal
    contrib: tuple[Contribution, ...]  # the first three
    events: tuple[str, ...]  # the whole window
    model: str

    @property
    def kind(self) -> str:
        """One of the values of KINDS; of a code that stands not there, "sequence"."""
        return KINDS.get(self.reason, "sequence")

    @property
    def severity(self) -> str:
        """ "error" where training knows such lines from anomalous sessions, "warning" where they are only unusual."""
        return "error" if self.kind == "content" else "warning"
