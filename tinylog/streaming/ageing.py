"""Templates that were met live have so much room. When it is full, those that have not been seen for long make way.

Time is log time (lines, where the log has no times). A template that an open window holds stays. After `forget` what the log says
depends on when that was, so a state takes a snapshot right behind it.
"""
from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..parsing.newcomers import Newcomers
from ..records import Events
from ..windowing import DAY, Windower

LINES = 1_000_000  # where the log has no times, as long as DAY
LOOKS = 16  # in the time after which a template is forgotten


class Ageing:
    """When each newcomer was last seen. Counted as `templates_forgotten` of the parser. `on_forget` is called with event ids that stand
    for other templates from now on.
    """

    def __init__(self, newcomers: Newcomers, windower: Windower, keep: float = DAY) -> None:
        """keep: seconds of log time without a line, after which a newcomer may be forgotten."""
        self.newcomers, self.windower, self.keep = newcomers, windower, keep
        self._seen: dict[int, list[float]] = {}  # time and line
        self._now = [math.nan, 0.0]
        self._looked = [-math.inf, -math.inf]
        self.on_forget: Callable[[Sequence[int]], None] | None = None

    def see(self, events: Events) -> None:
        """The lines of a block."""
        if not len(events.event_ids):
            return
        times = None if events.times is None else events.times[~np.isnan(events.times)]
        self._now = [float(times[-1]) if times is not None and len(times) else self._now[0], self._now[1] + len(events.event_ids)]
        for event in set(events.event_ids[events.event_ids >= self.newcomers.parser.n_known].tolist()):
            self._seen[event] = self._now

    @property
    def due(self) -> bool:
        """Whether there is no room, and some time has passed since it was last looked for."""
        return self.newcomers.full and bool(self._old(self._looked, LOOKS))

    def forget(self) -> int:
        """Drop what was not seen for long; how many that were."""
        self._looked = self._now
        held = np.unique(np.concatenate([np.zeros(0, int), *(np.asarray(session.events) for session in self.windower.open)]))
        free = np.setdiff1d(self.newcomers.present(), held).tolist()
        old = [event for event in free if self._old(self._seen.get(event, self._looked))]
        if old:
            self.newcomers.forget(old)
            if self.on_forget is not None:
                self.on_forget(old)
            self.newcomers.parser.counters["templates_forgotten"] += len(old)
            self._seen = {event: when for event, when in self._seen.items() if event not in set(old)}
        return len(old)

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {"seen": [[event, *when] for event, when in self._seen.items()], "now": self._now, "looked": self._looked}

    def from_json(self, values: dict[str, Any]) -> None:
        """Go on where `to_json` was asked."""
        self._seen = {event: [time, line] for event, time, line in values["seen"]}
        self._now, self._looked = list(values["now"]), list(values["looked"])

    def _old(self, when: list[float], parts: int = 1) -> bool:
        """Whether that is longer ago than a template is kept, or than so many parts of that."""
        if math.isnan(self._now[0]):
            return self._now[1] - when[1] > LINES / parts
        return not self._now[0] - when[0] <= self.keep / parts  # what has no time yet is as old as the log
