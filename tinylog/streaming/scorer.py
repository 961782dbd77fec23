"""A log through a model: sessions as they close to alerts, each session at most once.

A session has one verdict, its score when it closes: a running score is never an alert, for nearly every normal session
looks anomalous at some moment. Only what is already certain is told at once: an event that training knows from anomalous
sessions alone, in a session that already scores above the threshold.
"""
from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from ..pipeline import Pipeline, recognise
from ..reading.blocks import blocks
from ..reading.formats import Format
from ..records import Alert, Block, Windows
from ..windowing.sessions import Session
from .explain import explained

if TYPE_CHECKING:
    from ..model import Model
    from .ageing import Ageing

DRIFT_SHARE = 0.1  # of never-seen events, above which a model is out of date
DRIFT_EVENTS = 1000  # events that are judged together
DRIFT_LEAST = 100  # events at the end of a log that are enough to judge


class Scorer:
    """One log and one model. `counters` says what happened: lines, sessions, alerts, and what was dropped on the way."""

    def __init__(self, model: Model, pipeline: Pipeline, threshold: float | None = None) -> None:
        self.model, self.pipeline = model, pipeline
        self.threshold = model.threshold if threshold is None else threshold
        self.counters: Counter[str] = Counter()
        self._told: set[int] = set()  # numbers of open sessions that have alerted
        self._new = np.zeros(0, bool)  # of events not yet judged for drift, whether training never saw them
        self._drifted = False
        self.ageing: Ageing | None = None  # of templates that come live, where the log goes on for long

    @classmethod
    def over_lines(cls, model: Model, lines: Iterable[bytes], form: Format | None = None) -> Iterator[Alert]:
        """Alerts of an open binary file, or of lines one by one."""
        form, log = recognise(blocks(lines) if hasattr(lines, "read1") else _blocks_of(lines), form)
        model = model.reading(form)
        return cls(model, model.pipeline(form)).run(log)

    def run(self, log: Iterable[Block]) -> Iterator[Alert]:
        """Alerts, as soon as they are known."""
        for step in self.pipeline.run(log):
            if self.ageing is not None and step.events is not None:
                self.ageing.see(step.events)
            yield from self._judge(step.certain, closed=False)
            yield from self._judge(step.closed, closed=True)
            if step.events is not None:
                yield from self._drift(step.events.rarity == 0)
            elif self.pipeline.form.name == "ids":
                parsed = np.fromiter(chain.from_iterable(session.events for session in step.closed), np.int32)
                yield from self._drift(self.model.rarity(parsed) == 0)
        yield from self._drift(np.zeros(0, bool), least=DRIFT_LEAST)

    def verdicts(self, log: Iterable[Block]) -> Iterator[tuple[Session, float]]:
        """Every session and its score, as they close."""
        for step in self.pipeline.run(log):
            if step.closed:
                _, scores, _ = self._scored(step.closed)
                self.counters["sessions"] += len(scores)
                self.counters["alerts"] += int((scores > self.threshold).sum())
                yield from zip(step.closed, scores.tolist())

    def to_json(self) -> dict[str, Any]:
        """What it remembers across lines, as JSON values; the windower and the parser have their own."""
        return {"told": sorted(self._told), "new": self._new.astype(int).tolist(), "drifted": self._drifted, "lines": self.pipeline.lines,
                "counters": dict(self.counters)}

    def from_json(self, values: dict[str, Any]) -> None:
        """Go on where `to_json` was asked. KeyError, TypeError or ValueError for what it did not write."""
        self._told, self._new, self._drifted = set(values["told"]), np.array(values["new"], bool), values["drifted"]
        self.pipeline.lines, self.counters = values["lines"], Counter(values["counters"])

    def _scored(self, sessions: Sequence[Session]) -> tuple[Windows, np.ndarray, list[str]]:
        """Sessions as windows, their scores, and the detector of each."""
        windows = self.model.renumbered(self.pipeline.windows(sessions))
        return windows, *self.model.scores(windows)

    def _judge(self, sessions: Sequence[Session], closed: bool) -> Iterator[Alert]:
        if not sessions:
            return
        windows, scores, names = self._scored(sessions)
        self.counters["sessions"] += closed * len(sessions)
        for i in np.flatnonzero(scores > self.threshold).tolist():
            session = sessions[i]
            if session.order not in self._told:
                window = self.model.prepared(windows.take(slice(i, i + 1)))
                self.counters["alerts"] += 1
                yield explained(self.model, session, window, 0, float(scores[i]), self.threshold, names[i])
            if not closed:
                self._told.add(session.order)
        if closed:
            self._told.difference_update(session.order for session in sessions)

    def _drift(self, new: np.ndarray, least: int = DRIFT_EVENTS) -> Iterator[Alert]:
        """One alert for the whole log when too much of it is new."""
        self._new = np.concatenate([self._new, new])
        while not self._drifted and len(self._new) >= least:
            share = float(self._new[:DRIFT_EVENTS].mean())
            self._new = self._new[DRIFT_EVENTS:]
            if share > DRIFT_SHARE:
                self._drifted = True
                self.counters["alerts"] += 1
                yield Alert(None, None, None, None, b"", round(share, 3), DRIFT_SHARE, "drift",
                            f"{100 * share:.0f} % of {DRIFT_EVENTS} events are of templates that training never saw: the model is out "
                            "of date, train it again", None, None, None, "drift", {}, (), (), (), self.model.name)


def _blocks_of(lines: Iterable[bytes]) -> Iterator[Block]:
    """A list at once; anything else line by line, as it may be live."""
    if isinstance(lines, (list, tuple)):
        if lines:
            yield Block(b"\n".join(line.rstrip(b"\r\n") for line in lines) + b"\n", 1, None)
        return
    for line_no, line in enumerate(lines, 1):
        yield Block(line.rstrip(b"\r\n") + b"\n", line_no, None)
