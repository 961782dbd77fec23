"""The score of a session after every event, the same that `Model.score` gives for its window so far.

    step: (what is known of the events so far, event) -> what is known of them with it, and the score

What is known is the network's state, running sums of its attention, and sums of hashes for the rules: a step costs as much as one
event does. Sessions begin alike: what came of (state, event) is remembered, and nearly all steps are one look-up. A window that is
full forgets its first event; as a network's state does not, it is computed from its beginning then.

Models with other detectors, or larger networks, are asked for the whole window's score; that is remembered in the same way.
"""
from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Hashable, Sequence
from math import inf, nan
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from ..records import FROM_LINES, PAD, Windows
from .facts import Facts
from .network import Network

if TYPE_CHECKING:
    from ..model import Model
    from ..windowing import WindowSpec

MAX_STATES = 100_000  # remembered at once
MAX_OPEN = 100_000  # sessions
EVENT_BITS = 32  # an event id has no more


class _State:
    """What is known of some first events of a session. `number` and an event id above 0 make a number of their own."""

    __slots__ = ("number", "score", "memory")

    def __init__(self, number: int, score: float, memory: tuple) -> None:
        self.number, self.score, self.memory = number << EVENT_BITS, score, memory


class _Session:
    __slots__ = ("state", "events", "time")

    def __init__(self, state: _State, time: float) -> None:
        self.state, self.events, self.time = state, [], time


class Stepper:
    """Sessions, cut as `spec` says, and their scores. Event ids are the model's (`Model.numbered`).

    `computed`: steps that were not remembered. `counters`: states_forgotten and sessions_forgotten, for want of room. InputError where a
    detector reads more of lines than their events, or windows are of time.
    """

    def __init__(self, model: Model, spec: WindowSpec, max_states: int = MAX_STATES, max_open: int = MAX_OPEN) -> None:
        reading = [name for name in model.thresholds if FROM_LINES & set(model.detectors[name].NEEDS)]
        if reading or spec.kind == "time":
            what = f"{reading[0]} reads more of a line than its event" if reading else "windows of time are not cut by lines"
            raise InputError(f"no score after every line: {what}; take alerts instead")
        self.size, self.timeout, self.max_states, self.max_open = spec.size, spec.timeout, max_states, max_open
        self.counters: Counter[str] = Counter()
        self.computed = 0
        self._by_lines = spec.kind == "lines"  # a full window ends
        self._scorer = (_Incremental if _Incremental.knows(model) else _Whole)(model, spec.size)
        self._start = _State(0, 0.0, self._scorer.start)
        self._after: dict[int | tuple[int, ...], _State] = {}  # by a state and an event; by a window that is full
        self._open: OrderedDict[Hashable, _Session] = OrderedDict()  # the one with the latest event stands last

    def step(self, session_key: Hashable, event_id: int, time: float = nan) -> float:
        """The score of a session whose last event is this one: log-odds, three decimals. time: seconds, to know when a session is over."""
        session = self._open.get(session_key)
        if session is None or time - session.time > self.timeout or self._by_lines and len(session.events) == self.size:
            session = self._begin(session_key, time)
        else:
            self._open.move_to_end(session_key)
            session.time = time
        events = session.events
        if len(events) == self.size:
            state = self._slid(events, event_id)
        else:
            key = session.state.number + event_id
            state = self._after.get(key) or self._remember(key, self._scorer.after(session.state.memory, events, [event_id]), [*events, event_id])
            events.append(event_id)
        session.state = state
        return state.score

    def score(self, events: Sequence[int]) -> float:
        """Of one window alone, nothing remembered."""
        events = list(events[-self.size:])
        return self._scorer.score(self._scorer.after(self._start.memory, [], events), events)

    def _begin(self, session_key: Hashable, time: float) -> _Session:
        self._open.pop(session_key, None)
        if len(self._open) >= self.max_open:
            _, oldest = self._open.popitem(last=False)
            self.counters["sessions_forgotten"] += not time - oldest.time > self.timeout  # else it was over
        session = self._open[session_key] = _Session(self._start, time)
        return session

    def _slid(self, events: list[int], event_id: int) -> _State:
        """The window without its first event, and with one more at its end."""
        del events[0]
        events.append(event_id)
        key = tuple(events)
        return self._after.get(key) or self._remember(key, self._scorer.after(self._start.memory, [], events), events)

    def _remember(self, key: int | tuple[int, ...], memory: tuple, events: list[int]) -> _State:
        if len(self._after) >= self.max_states:
            self.counters["states_forgotten"] += len(self._after)
            self._after.clear()
        self.computed += 1
        state = self._after[key] = _State(self.computed, self._scorer.score(memory, events), memory)
        return state


class _Whole:
    """Any model: the window as a whole, again with each event."""

    start = ()

    def __init__(self, model: Model, size: int) -> None:
        self.model, self.size = model, size

    def after(self, memory: tuple, before: Sequence[int], events: Sequence[int]) -> tuple:
        return ()

    def score(self, memory: tuple, events: Sequence[int]) -> float:
        window = np.full((1, self.size), PAD, np.int32)
        window[0, :len(events)] = events
        return float(self.model.score(Windows(window))[0])


class _Incremental:
    """A model of rules and small students alone. Its memory: that of the rules, and that of the student."""

    def __init__(self, model: Model, size: int) -> None:
        self.size, self.threshold = size, model.threshold
        self.by_rules, self.by_network = map(model.thresholds.get, ("rules", "distillog"))
        self.network = None if self.by_network is None else Network(model)
        told = self.by_rules is not None or self.network is not None and self.network.config.rules
        self.facts = Facts(model.detectors["rules"]) if told else None
        self.start = tuple(part and part.start for part in (self.facts, self.network))

    @staticmethod
    def knows(model: Model) -> bool:
        return all(name == "rules" or name == "distillog" and Network.knows(model.detectors[name]) for name in model.thresholds)

    def after(self, memory: tuple, before: Sequence[int], events: Sequence[int]) -> tuple:
        """What is known when `events` follow those that were `before`."""
        facts, state = memory
        return self.facts and self.facts.after(facts, before, events), self.network and self.network.after(state, before, events)

    def score(self, memory: tuple, events: Sequence[int]) -> float:
        """Of a window of these events, which `memory` is about."""
        facts, state = memory
        evidence = () if facts is None else self.facts.evidence(facts)
        margin = -inf if self.by_rules is None else self.facts.score(evidence) - self.by_rules
        if state is not None:
            margin = max(margin, self.network.score(state, evidence, self.size - len(events)) - self.by_network)
        return round(margin + self.threshold, 3) + 0.0
