"""One cause, one alert: what was told is counted when it comes again, and what comes in a burst is told by its first and its worst.

A log that nobody watches every minute must not say the same twice. The cause of an alert is what its reason is about: a never-seen
template, an event where it was not expected, one parameter of one template. Alerts that follow one another within BURST seconds of log
time in the same stream are one incident: after the first, only one with a higher score is told.
"""
from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from ..records import Alert

MOST = 10_000  # causes remembered; the one that was not seen for longest is forgotten
BURST = 300.0  # seconds


class Causes:
    """What was told so far."""

    def __init__(self) -> None:
        self._told: OrderedDict[str, int] = OrderedDict()  # cause -> how often it came
        self._bursts: OrderedDict[str, tuple[float, float]] = OrderedDict()  # stream -> when its incident was told, and the highest score of it

    def admits(self, alert: Alert, stream: str = "") -> bool:
        """Whether this alert is to be told: the first of its cause, and the first or the worst of its incident. Remembers it if so."""
        cause = cause_of(alert)
        if cause in self._told:
            self._told[cause] += 1
            self._told.move_to_end(cause)
            return False
        began, worst = self._bursts.get(stream, (float("-inf"), float("-inf")))
        if alert.time is not None and 0 <= alert.time - began <= BURST:
            if alert.score <= worst:
                return False
        elif alert.time is not None:
            began = alert.time
        self._bursts[stream] = began, alert.score
        self._told[cause] = 1
        for memory in (self._told, self._bursts):
            while len(memory) > MOST:
                memory.popitem(last=False)
        return True

    def to_json(self) -> dict[str, Any]:
        """All that it remembers, as JSON values."""
        return {"told": list(self._told.items()), "bursts": [[stream, *burst] for stream, burst in self._bursts.items()]}

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> Causes:
        """What `to_json` described."""
        causes = cls()
        causes._told.update((cause, n) for cause, n in state["told"])
        causes._bursts.update((stream, (began, worst)) for stream, began, worst in state["bursts"])
        return causes


def cause_of(alert: Alert) -> str:
    """What an alert is about, whatever session or line it came with."""
    if alert.reason in ("sequence", "workflow"):
        about = alert.detail.get("came", alert.event_id)
    elif alert.reason == "value":
        about = f"{alert.event_id} {alert.detail.get('parameter')}"
    elif alert.reason in ("event_set", "count_vector"):
        about = " ".join(sorted(set(alert.events)))
    else:
        about = alert.event_id
    return f"{alert.reason} {about}"
