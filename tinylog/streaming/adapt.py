"""`--adapt`: learning from what was not flagged, slowly, only ever to forgive, and never by more than a bound.

    score = clip(learned, trained - bound, trained)        of each detector that counts; bound = SHARE of its threshold

`trained` stays as it is, `learned` counts on. So what training scored above threshold + bound is flagged for ever, whatever is written
and for however long: such a window is never learned from either. Within the bound learning is slow: what the windows of an hour had
counts once when the hour is over, be it repeated a million times. An hour is one of log time (clock.py) and has at least LEAST lines, as
times may be forged: who forges them has an hour every LEAST lines, or keeps it from learning, and still the bound. A silence of years
is one hour.

What an open session is told for at once does not wait for an hour: it is what stays flagged whatever is learned. So what is told
depends on the lines alone, not on how they were cut into blocks.
"""
from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from copy import copy
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ConfigError
from ..records import PAD, UNKNOWN, Reason, Windows
from ..windowing.sessions import Session
from .ageing import LINES
from .clock import Clock

if TYPE_CHECKING:
    from ..model import Model

SHARE = 1 / 3  # of a threshold: what may be forgiven
HOUR, DAY = 3_600_000, 86_400_000  # ms; sessions that are over come in the order of their times but for a day
LEAST = 1000  # lines of an hour
MOST = 10_000  # things that a detector learns beside what training had
CELLS = 1 << 18  # events of the windows of an hour, the longest times their number


class Adaptation:
    """One log and one model. `model` judges what is closed, `surely` what is open. `flagged`: numbers of open sessions that were
    candidates for an alert. `counters`: hours, and what there was no room for.

    ConfigError where no detector of the model counts.
    """

    def __init__(self, model: Model, timed: bool) -> None:
        """timed: the lines of the log have times."""
        counting = [name for name in model.thresholds if hasattr(model.detectors[name], "counted")]
        bounds = {name: SHARE * max(model.thresholds[name], 0.0) for name in counting}
        if not bounds:
            there = ", ".join(model.thresholds)
            raise ConfigError(f"--adapt counts what comes, and no detector of the model {model.name!r} does ({there}); "
                              "learn one from the log itself (--fresh), or train with --detector backoff")
        self._learning = {name: Forgiving(model.detectors[name], bound) for name, bound in bounds.items()}
        self.model = _with(model, self._learning)
        self.surely = _with(model, {name: Floor(model.detectors[name], bound) for name, bound in bounds.items()})
        self.flagged: set[int] = set()
        self.counters: Counter[str] = Counter()
        self._timed, self._clock = timed, Clock(tolerance=DAY)
        self._begun, self._lines = 0, 0  # when the hour began, ms; its lines so far
        self._gathered: dict[bytes, None] = {}  # events of its windows, in order
        self._width = 1  # of the widest

    def hours(self, sessions: Sequence[Session]) -> Iterator[Sequence[Session]]:
        """The sessions, which closed in this order, cut where an hour ends. What was gathered is learned before the next part."""
        elapsed, _ = self._clock.add(np.array([session.last_time for session in sessions]), len(sessions))
        start = 0
        for i, (session, now) in enumerate(zip(sessions, elapsed.tolist()), 1):
            self._lines += session.n_events
            if now - self._begun >= HOUR and self._lines >= LEAST or not self._timed and self._lines >= LINES // 24:
                yield sessions[start:i]
                self._learn()
                start, self._begun, self._lines = i, now, 0
        if start < len(sessions):
            yield sessions[start:]

    def gather(self, sessions: Sequence[Session], windows: Windows, flagged: np.ndarray) -> None:
        """Closed sessions, as windows of the model, and which of them (B,) bool were above the threshold, or alerts."""
        self._width = max(self._width, windows.events.shape[1])
        for session, row, out in zip(sessions, windows.events, flagged.tolist()):
            if out or session.order in self.flagged:
                self.flagged.discard(session.order)
                continue
            events = row[row != PAD].astype(np.int32).tobytes()
            if events not in self._gathered:
                if (len(self._gathered) + 1) * self._width > CELLS:
                    self.counters["windows"] += 1
                else:
                    self._gathered[events] = None

    def forget(self, events: Collection[int]) -> None:
        """These event ids stand for other templates from now on."""
        for each in self._learning.values():
            each.learned = each.learned.forgotten(events)
        gone = np.array(sorted(events), np.int32)
        rows = (np.frombuffer(key, np.int32) for key in self._gathered)
        self._gathered = {np.where(np.isin(row, gone), np.int32(UNKNOWN), row).tobytes(): None for row in rows}

    def summary(self) -> str:
        """What was learned and what there was no room for, for people."""
        more = [f"{each.learned.known - each.trained.known} more {each.trained.KNOWS}" for each in self._learning.values()]
        lost = [f"; no room for {self.counters[what]} {what}" for what in ("windows", "things") if self.counters[what]]
        return f"; {self.counters['hours']} hours learned: {', '.join(more)}{''.join(lost)}"

    def to_json(self) -> dict[str, Any]:
        """All that it remembers, as JSON values: of the detectors, what is not as it was trained."""
        learned = {name: {key: values.tolist() for key, values in each.learned.params.items() if values is not each.trained.params.get(key)}
                   for name, each in self._learning.items()}
        return {"learned": learned, "counters": dict(self.counters), "flagged": sorted(self.flagged), "clock": self._clock.to_json(),
                "begun": self._begun, "lines": self._lines, "width": self._width,
                "gathered": [np.frombuffer(key, np.int32).tolist() for key in self._gathered]}

    def restore(self, values: Mapping[str, Any]) -> None:
        """Go on where `to_json` was asked. KeyError, TypeError or ValueError for what it did not write."""
        for name, each in self._learning.items():
            own, more = each.trained.params, values["learned"].get(name, {})  # the model may have a detector more now
            params = {key: np.array(column, own[key].dtype if key in own else np.float32) for key, column in more.items()}
            each.learned = type(each.trained)(each.trained.config, own | params)
        self.counters, self.flagged = Counter(values["counters"]), set(values["flagged"])
        self._clock = Clock.from_json(values["clock"])
        self._begun, self._lines, self._width = values["begun"], values["lines"], values["width"]
        self._gathered = {np.array(row, np.int32).tobytes(): None for row in values["gathered"]}

    def _learn(self) -> None:
        """The hour is over."""
        if not self._gathered:
            return
        events = np.full((len(self._gathered), self._width), PAD, np.int32)
        for row, key in zip(events, self._gathered):
            row[:len(key) // 4] = np.frombuffer(key, np.int32)
        for name, each in self._learning.items():
            room = MOST - (each.learned.known - each.trained.known)
            each.learned, refused = each.learned.counted(self.model.with_tables(Windows(events), name), max(room, 0))
            self.counters["things"] += refused
        self.counters["hours"] += 1
        self._gathered = {}


class Floor:
    """A detector whose scores are as low as learning can make them."""

    def __init__(self, trained: Any, bound: float) -> None:
        self.trained, self.bound = trained, np.float32(bound)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.trained, name)

    def score(self, windows: Windows) -> np.ndarray:
        """(B,) float32."""
        return self.trained.score(windows) - self.bound


class Forgiving(Floor):
    """A detector that was trained, and one that has learned since: the second counts between the first's score and that less the bound."""

    def __init__(self, trained: Any, bound: float) -> None:
        super().__init__(trained, bound)
        self.learned = trained

    def score(self, windows: Windows) -> np.ndarray:
        """(B,) float32."""
        score = self.trained.score(windows)
        return score if self.learned is self.trained else np.clip(self.learned.score(windows), score - self.bound, score)

    def explain(self, windows: Windows, i: int) -> Reason:
        """Of the detector whose score it is."""
        one = windows.take(slice(i, i + 1))
        trained, learned = self.trained.score(one)[0], self.learned.score(one)[0]
        return (self.learned if trained - self.bound <= learned < trained else self.trained).explain(windows, i)


def _with(model: Model, detectors: Mapping[str, Any]) -> Model:
    """The model with some of its detectors replaced."""
    twin = copy(model)
    twin.detectors = {**model.detectors, **detectors}
    return twin
