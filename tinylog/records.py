"""The data that flows, as columns: Block -> Events -> Windows, and one Alert at the end.

Shapes: N lines of a block, B windows, T events of a window, n event ids of the model.
"""
from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

PAD = 0  # fills a window behind its last event
UNKNOWN = 1  # an event that no template names
FIRST_EVENT = 2  # templates are numbered from here


class Block(NamedTuple):
    """Whole lines as they were read. `data` ends in a newline, unless it is empty."""

    data: bytes
    first_line_no: int  # counted from 1 in its file
    file: str | None  # None is standard input


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
    """B windows: the last T events of each session. Columns that are None are not known (labels) or not asked for (a detector's NEEDS)."""

    events: np.ndarray  # (B, T) int32, in order of time, PAD behind the last
    labels: np.ndarray | None = None  # (B,) int8
    weights: np.ndarray | None = None  # (B,) float32, how often the window occurs
    rules: np.ndarray | None = None  # (B, R) float32, log-odds of each rule, in the order of rules.NAMES
    tables: dict[str, np.ndarray] = field(default_factory=dict)  # one row an event id: "vectors" (n, D), "words" (n, W)

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
        columns = {name: None if column is None else column[index]
                   for name, column in (("labels", self.labels), ("weights", self.weights), ("rules", self.rules))}
        return replace(self, events=self.events[index], **columns)

    def distinct(self) -> tuple[np.ndarray, np.ndarray]:
        """Index of the first window of each kind, in order of appearance (K,), and for every window its kind (B,): intp.

        Two windows are the same when their events are: scores depend on nothing else.
        """
        rows = np.ascontiguousarray(self.events)
        whole = rows.view(np.dtype((np.void, rows.dtype.itemsize * rows.shape[1]))).ravel()
        _, first, inverse = np.unique(whole, return_index=True, return_inverse=True)
        order = np.argsort(first)
        rank = np.empty(len(order), np.intp)
        rank[order] = np.arange(len(order))
        return first[order], rank[inverse.ravel()]


class Reason(NamedTuple):
    """Why a detector gave its score: data, not text."""

    code: str  # "new_template", "sequence", "count", "only_abnormal", "event_set", "drift"
    position: int  # which event of the window mattered most
    contrib: np.ndarray  # (T,) float32, share of each event
    expected: tuple[tuple[int, float], ...] = ()  # event ids and how likely each was


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
    expected: tuple[tuple[str, str, float], ...]  # event, template and probability of what would have been normal
    contrib: tuple[tuple[int | None, str, float], ...]  # line number, event, share in the score
    events: tuple[str, ...]  # the whole window
    model: str
