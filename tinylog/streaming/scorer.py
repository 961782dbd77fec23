"""A log through a model: sessions as they close to alerts, each session at most once.

A session has one verdict, its score when it closes: a running score is never an alert, for nearly every normal session
looks anomalous at some moment. Only what is already certain is told at once: an event that training knows from anomalous
sessions alone, in a session that already scores above the threshold.
"""
from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..pipeline import Pipeline, Step, recognise
from ..reading.blocks import blocks
from ..reading.formats import Format
from ..records import Alert, Block, Events, Windows
from ..windowing.sessions import Session
from .causes import Bursts, Causes
from .explain import explained, unusual_rate
from .rates import Rates

if TYPE_CHECKING:
    from ..model import Model
    from .adapt import Adaptation
    from .ageing import Ageing
    from .budget import Budget

DRIFT_SHARE = 0.1  # of never-seen events, above which a model is out of date
DRIFT_EVENTS = 1000  # events that are judged together
DRIFT_LEAST = 100  # events at the end of a log that are enough to judge
TOGETHER = 1024  # sessions that are judged at once: many close at the end of a log, and their windows take more memory than they do


class Candidate(NamedTuple):
    """An alert that may be told."""

    when: tuple[float, bool]  # the line that decided it; what is closed comes behind what is certain
    alert: Alert
    session: Session | None
    closed: bool


class Scorer:
    """One log and one model. `counters` says what happened: sessions, alerts, never-seen events (unseen); `kinds`: alerts by their kind.

    `latest`: seconds since 1970, the time of the latest line so far, NaN where none had one.
    """

    def __init__(self, model: Model, pipeline: Pipeline, threshold: float | None = None, budget: Budget | None = None, skip: int = 0,
                 adaptation: Adaptation | None = None) -> None:
        """skip: lines that are not judged, because the model was learned from them; what is open behind them goes on. adaptation: of
        this model.
        """
        self.model, self.pipeline, self.budget, self.skip, self.adaptation = model, pipeline, budget, skip, adaptation
        self.threshold = model.threshold if threshold is None else threshold
        self.counters: Counter[str] = Counter()
        self.kinds: Counter[str] = Counter()
        self.latest = math.nan
        self._told: set[int] = set()  # numbers of open sessions that have alerted
        self._silenced: set[int] = set()  # those of which a cause was counted instead
        self._new = np.zeros(0, bool)  # of events not yet judged for drift, whether training never saw them
        self._drifted = False
        # Nobody chose what a model of a warm-up says: it says it once. A budget is not spent on the same again and again.
        self.causes = Causes() if "warm_up" in model.card else Bursts() if budget is not None else None
        self.rates = None if model.rates is None else Rates.from_json(model.rates)
        self.ageing: Ageing | None = None  # of templates that come live, where the log goes on for long

    @classmethod
    def over_lines(cls, model: Model, lines: Iterable[bytes], form: Format | None = None) -> Iterator[Alert]:
        """Alerts of an open binary file, or of lines one by one."""
        form, log = recognise(blocks(lines) if hasattr(lines, "read1") else _blocks_of(lines), form)
        model = model.reading(form)
        return cls(model, model.pipeline(form)).run(log)

    def run(self, log: Iterable[Block]) -> Iterator[Alert]:
        """Alerts, as soon as they are known."""
        for step in self.pipeline.run(self._behind_skipped(log)):
            if self.ageing is not None and step.events is not None:
                self.ageing.see(step.events)
            yield from self.judged(step)
        yield from self._drift(np.zeros(0, bool), least=DRIFT_LEAST)

    def take(self, block: Block) -> None:
        """Lines that are not judged; what is open behind them goes on in those that are."""
        events = self.pipeline.events(block)
        self.pipeline.windower.add(events)
        self.pipeline.windower.certain()
        if self.rates is not None:
            self.rates.skip(events)

    def judged(self, step: Step) -> Iterator[Alert]:
        """Alerts of one block behind the pipeline."""
        yield from self._in_order(step)
        yield from self._drift(self._new_events(step))

    def verdicts(self, log: Iterable[Block]) -> Iterator[tuple[Session, float, bool]]:
        """Every session, its score, and whether it is anomalous, as they close."""
        for step in self.pipeline.run(self._behind_skipped(log)):
            self._new_events(step)
            for part in self._few_at_a_time(step.closed):
                _, scores, _, found = self._scored(part, closed=True)
                self.counters["sessions"] += len(scores)
                anomalous = np.zeros(len(scores), bool)
                anomalous[found] = True
                self.counters["alerts"] += int(anomalous.sum())
                yield from zip(part, scores.tolist(), anomalous.tolist())

    def to_json(self) -> dict[str, Any]:
        """What it remembers across lines, as JSON values; the windower and the parser have their own."""
        return {"told": sorted(self._told), "silenced": sorted(self._silenced), "new": self._new.astype(int).tolist(),
                "drifted": self._drifted, "lines": self.pipeline.lines, "skip": self.skip, "counters": dict(self.counters),
                "kinds": dict(self.kinds), "latest": None if math.isnan(self.latest) else self.latest,
                "clock": self.pipeline.clock.to_json(), **{name: part and part.to_json() for name, part in self._memories().items()}}

    def from_json(self, values: dict[str, Any]) -> None:
        """Go on where `to_json` was asked. KeyError, TypeError or ValueError for what it did not write."""
        self._told, self._silenced, self._new = set(values["told"]), set(values["silenced"]), np.array(values["new"], bool)
        self._drifted, self.skip, self.pipeline.lines = values["drifted"], values["skip"], values["lines"]
        self.counters, self.kinds = Counter(values["counters"]), Counter(values["kinds"])
        self.latest = math.nan if values["latest"] is None else values["latest"]
        self.pipeline.clock = type(self.pipeline.clock).from_json(values["clock"], self.pipeline.form)
        if self.causes is not None and values["causes"] is not None:
            self.causes = type(self.causes).from_json(values["causes"])
        if self.rates is not None:
            self.rates = Rates.from_json(values["rates"])
        for part, state in (self.budget, values["budget"]), (self.adaptation, values["adaptation"]):
            if part is not None and state is not None:
                part.restore(state)

    def _memories(self) -> dict[str, Any]:
        return {"causes": self.causes, "rates": self.rates, "budget": self.budget, "adaptation": self.adaptation}

    def _behind_skipped(self, log: Iterable[Block]) -> Iterator[Block]:
        """The lines that are judged. Those before them are taken by all that remembers lines."""
        for block in log:
            if self.skip > 0:
                lines = block.data.split(b"\n", self.skip)
                n = len(lines) - 1
                self.take(_some_lines(block, b"\n".join(lines[:n]) + b"\n", slice(n)))
                self.skip -= n
                block = _some_lines(block, lines[n], slice(n, None))._replace(first_line_no=block.first_line_no + n)
            if block.data:
                yield block

    def _few_at_a_time(self, sessions: Sequence[Session]) -> Iterator[Sequence[Session]]:
        """Closed ones, a few at a time, as at the end of a log there are many; what is learned of one part is known for the next."""
        for i in range(0, len(sessions), TOGETHER):
            part = sessions[i:i + TOGETHER]
            yield from (part,) if self.adaptation is None else self.adaptation.hours(part)

    def _scored(self, sessions: Sequence[Session], closed: bool) -> tuple[Windows, np.ndarray, list[str], np.ndarray]:
        """Sessions as windows, their scores, the detector of each, and which of them alert."""
        windows = self.model.renumbered(self.pipeline.windows(sessions))
        scores, names = self._model(closed).scores(windows)
        if self.adaptation is None:
            return windows, scores, names, self._alerting(sessions, scores)
        if not closed:
            found = np.flatnonzero(self.adaptation.surely.scores(windows)[0] > self.threshold)
            self.adaptation.flagged.update(sessions[i].order for i in found.tolist())
            return windows, scores, names, found
        found = self._alerting(sessions, scores)
        flagged = scores > self.threshold
        flagged[found] = True
        self.adaptation.gather(sessions, windows, flagged)
        return windows, scores, names, found

    def _model(self, closed: bool) -> Model:
        """What judges closed or open ones; what is told of an open one is certain, whatever was learned."""
        return self.adaptation.model if closed and self.adaptation is not None else self.model

    def _in_order(self, step: Step) -> Iterator[Alert]:
        """The alerts of a block in the order of the lines that decided them, so that what is told does not depend on how blocks are cut."""
        waiting = sorted([*self._rates(step.events), *self._judge(step.certain, closed=False)], key=_when)
        for part in self._few_at_a_time(step.closed):
            found = list(self._judge(part, closed=True))
            until = bisect_right(waiting, (self._decided(part[-1], True), True), key=_when)
            yield from self._told_of([*waiting[:until], *found])
            waiting = waiting[until:]
        yield from self._told_of(waiting)
        over = [session.order for session in step.closed]
        self._told.difference_update(over)
        self._silenced.difference_update(over)

    def _told_of(self, found: Iterable[Candidate]) -> Iterator[Alert]:
        for _, alert, session, closed in sorted(found, key=_when):
            if session is not None and session.order in self._told:
                continue
            if self._is_told(alert, session):
                yield self._counted(alert)
                if not closed:
                    self._told.add(session.order)

    def _judge(self, sessions: Sequence[Session], closed: bool) -> Iterator[Candidate]:
        """The anomalous ones of the sessions, which are all closed or all certain."""
        if not sessions or self.budget is not None and not closed:  # p-values are those of windows in the order in which they close
            return
        windows, scores, names, found = self._scored(sessions, closed)
        self.counters["sessions"] += closed * len(sessions)
        for i in found.tolist():
            session = sessions[i]
            if session.order not in self._told:
                window = self.model.prepared(windows.take(slice(i, i + 1)))
                alert = explained(self._model(closed), session, window, 0, float(scores[i]), self.threshold, names[i])
                yield Candidate((self._decided(session, closed), closed), alert, session, closed)

    def _decided(self, session: Session, closed: bool) -> float:
        """The number of the line that decided on a session, or on a window; of what only the log's end closed, behind all."""
        if closed and self.pipeline.spec.kind == "session":
            return session.ended or math.inf
        return session.line_nos[-1] if session.line_nos else math.inf

    def _rates(self, events: Events | None) -> Iterator[Candidate]:
        """What comes too often, or no longer."""
        for finding in self.rates.add(events) if self.rates is not None and events is not None else ():
            keys = events.sessions[finding.at] if self.pipeline.spec.kind == "lines" and events.sessions is not None else ()
            alert = unusual_rate(self.model, events, finding, keys[0].decode("utf-8", "backslashreplace") if keys else None)
            yield Candidate((alert.line_no, False), alert, None, True)

    def _is_told(self, alert: Alert, session: Session | None) -> bool:
        """Whether to tell an alert; where causes are told once, why not is counted, once a session."""
        if self.causes is None:
            return True
        by_lines = self.pipeline.spec.kind == "lines"  # a window's number is then that of its first line, and a host's incidents are its own
        number = 0 if session is None else session.order // self.pipeline.spec.size if by_lines else session.order
        first = session is None or session.order not in self._silenced
        verdict = self.causes.judge(alert, number, first, (alert.session or "") if by_lines else "")
        if verdict != "told" and first:
            self.counters[verdict] += 1
            self._silenced.update(() if session is None else (session.order,))
        return verdict == "told"

    def _alerting(self, sessions: Sequence[Session], scores: np.ndarray) -> np.ndarray:
        """Which sessions are alerts, in order: those above the threshold or, with a budget, those that are rare enough for it."""
        if self.budget is None:
            return np.flatnonzero(scores > self.threshold)
        p, most = self.budget.p_values(scores, np.array([session.last_time for session in sessions]))
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
                advice = "the model is out of date, train it again" if "warm_up" not in self.model.card else "the log has changed, learn again from here"
                yield self._counted(Alert(
                    None, None, None, None, b"", round(share, 3), DRIFT_SHARE, "drift",
                    f"{100 * share:.0f} % of {DRIFT_EVENTS} events are of templates that training never saw: {advice}", None, None, None,
                    "drift", {}, (), (), (), self.model.name))

    def _counted(self, alert: Alert) -> Alert:
        self.counters["alerts"] += 1
        self.kinds[alert.kind] += 1
        return alert

    def _new_events(self, step: Step) -> np.ndarray:
        """(N,) bool: which events of a block training never saw. They are counted, and the latest time is kept."""
        if step.events is None:
            ids = self.pipeline.form.name == "ids"  # otherwise their lines came in blocks before
            event_ids = np.fromiter(chain.from_iterable(s.events for s in step.closed if ids), np.int32)
        else:
            event_ids = step.events.event_ids
            if step.events.times is not None:
                self.latest = float(np.fmax.reduce(step.events.times, initial=self.latest))  # NaN only where all are
        new = self.model.unseen(event_ids)
        self.counters["unseen"] += int(new.sum())
        return new


def _when(candidate: Candidate) -> tuple[float, bool]:
    return candidate.when


def _some_lines(block: Block, data: bytes, lines: slice) -> Block:
    """Some of its lines, which are `data`, with all that is known of each."""
    parsed = block.parsed and tuple(column if column is None else column[lines] for column in block.parsed)
    return block._replace(data=data, line_nos=None if block.line_nos is None else block.line_nos[lines], parsed=parsed)


def _blocks_of(lines: Iterable[bytes]) -> Iterator[Block]:
    """A list at once; anything else line by line, as it may be live."""
    if isinstance(lines, (list, tuple)):
        if lines:
            yield Block(b"\n".join(line.rstrip(b"\r\n") for line in lines) + b"\n", 1, None)
        return
    for line_no, line in enumerate(lines, 1):
        yield Block(line.rstrip(b"\r\n") + b"\n", line_no, None)
