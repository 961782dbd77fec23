"""A log through a model: sessions as they close to alerts, each session at most once.

A session has one verdict, its score when it closes: a running score is never an alert, for nearly every normal session
looks anomalous at some moment. Only what is already certain is told at once: an event that training knows from anomalous
sessions alone, in a session that already scores above the threshold.
"""
from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from ..pipeline import Pipeline, Step, recognise
from ..reading.blocks import blocks
from ..reading.formats import Format
from ..records import Alert, Block, Windows
from ..windowing.sessions import Session
from .explain import explained

if TYPE_CHECKING:
    from ..model import Model
    from .budget import Budget

DRIFT_SHARE = 0.1  # of never-seen events, above which a model is out of date
DRIFT_EVENTS = 1000  # events that are judged together
DRIFT_LEAST = 100  # events at the end of a log that are enough to judge


class Scorer:
    """One log and one model. `counters` says what happened: sessions, alerts, never-seen events (unseen); `kinds`: alerts by their kind.

    `latest`: seconds since 1970, the time of the latest line so far, NaN where none had one.
    """

    def __init__(self, model: Model, pipeline: Pipeline, threshold: float | None = None, budget: Budget | None = None) -> None:
        self.model, self.pipeline, self.budget = model, pipeline, budget
        self.threshold = model.threshold if threshold is None else threshold
        self.counters: Counter[str] = Counter()
        self.kinds: Counter[str] = Counter()
        self.latest = math.nan
        self._told: set[int] = set()  # numbers of open sessions that have alerted
        self._new = np.zeros(0, bool)  # of events not yet judged for drift, whether training never saw them
        self._drifted = False

    @classmethod
    def over_lines(cls, model: Model, lines: Iterable[bytes], form: Format | None = None) -> Iterator[Alert]:
        """Alerts of an open binary file, or of lines one by one."""
        form, log = recognise(blocks(lines) if hasattr(lines, "read1") else _blocks_of(lines), form)
        model = model.reading(form)
        return cls(model, model.pipeline(form)).run(log)

    def run(self, log: Iterable[Block]) -> Iterator[Alert]:
        """Alerts, as soon as they are known."""
        for step in self.pipeline.run(log):
            yield from self.judged(step)
        yield from self._drift(np.zeros(0, bool), least=DRIFT_LEAST)

    def judged(self, step: Step) -> Iterator[Alert]:
        """Alerts of one block behind the pipeline."""
        yield from self._judge(step.certain, closed=False)
        yield from self._judge(step.closed, closed=True)
        yield from self._drift(self._new_events(step))

    def verdicts(self, log: Iterable[Block]) -> Iterator[tuple[Session, float]]:
        """Every session and its score, as they close."""
        for step in self.pipeline.run(log):
            self._new_events(step)
            if step.closed:
                _, scores, _ = self._scored(step.closed)
                self.counters["sessions"] += len(scores)
                self.counters["alerts"] += int((scores > self.threshold).sum())
                yield from zip(step.closed, scores.tolist())

    def _scored(self, sessions: Sequence[Session]) -> tuple[Windows, np.ndarray, list[str]]:
        """Sessions as windows, their scores, and the detector of each."""
        windows = self.model.renumbered(self.pipeline.windows(sessions))
        return windows, *self.model.scores(windows)

    def _judge(self, sessions: Sequence[Session], closed: bool) -> Iterator[Alert]:
        if not sessions:
            return
        windows, scores, names = self._scored(sessions)
        self.counters["sessions"] += closed * len(sessions)
        for i in self._alerting(sessions, scores, closed).tolist():
            session = sessions[i]
            if session.order not in self._told:
                window = self.model.prepared(windows.take(slice(i, i + 1)))
                yield self._counted(explained(self.model, session, window, 0, float(scores[i]), self.threshold, names[i]))
            if not closed:
                self._told.add(session.order)
        if closed:
            self._told.difference_update(session.order for session in sessions)

    def _alerting(self, sessions: Sequence[Session], scores: np.ndarray, closed: bool) -> np.ndarray:
        """Which sessions are alerts, in order: those above the threshold or, with a budget, those that are rare enough for it."""
        if self.budget is None:
            return np.flatnonzero(scores > self.threshold)
        p, most = self.budget.p_values(scores, np.array([session.last_time for session in sessions]), closed)
        return np.flatnonzero(p <= most)

    def _drift(self, new: np.ndarray, least: int = DRIFT_EVENTS) -> Iterator[Alert]:
        """One alert for the whole log when too much of it is new."""
        if self._drifted:
            return
        self._new = np.concatenate([self._new, new])
        while not self._drifted and len(self._new) >= least:
            share = float(self._new[:DRIFT_EVENTS].mean())
            self._new = self._new[DRIFT_EVENTS:]
            if share > DRIFT_SHARE:
                self._drifted = True
                yield self._counted(Alert(
                    None, None, None, None, b"", round(share, 3), DRIFT_SHARE, "drift",
                    f"{100 * share:.0f} % of {DRIFT_EVENTS} events are of templates that training never saw: the model is out "
                    "of date, train it again", None, None, None, "drift", {}, (), (), (), self.model.name))

    def _counted(self, alert: Alert) -> Alert:
        self.counters["alerts"] += 1
        self.kinds[alert.kind] += 1
        return alert

    def _new_events(self, step: Step) -> np.ndarray:
        """(N,) bool: which events of a block training never saw. They are counted, and the latest time is kept."""
        if step.events is None:
            ids = self.pipeline.form.name == "ids"  # otherwise their lines came in blocks before
            rarity = self.model.rarity(np.fromiter(chain.from_iterable(s.events for s in step.closed if ids), np.int32))
        else:
            rarity = step.events.rarity
            if step.events.times is not None:
                self.latest = float(np.fmax.reduce(step.events.times, initial=self.latest))  # NaN only where all are
        new = rarity == 0
        self.counters["unseen"] += int(new.sum())
        return new


def _blocks_of(lines: Iterable[bytes]) -> Iterator[Block]:
    """A list at once; anything else line by line, as it may be live."""
    if isinstance(lines, (list, tuple)):
        if lines:
            yield Block(b"\n".join(line.rstrip(b"\r\n") for line in lines) + b"\n", 1, None)
        return
    for line_no, line in enumerate(lines, 1):
        yield Block(line.rstrip(b"\r\n") + b"\n", line_no, None)
