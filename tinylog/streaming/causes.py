"""One cause, one alert: what was told is counted when it comes again, and what comes in a burst is told by its first and its worst.

A log that nobody watches every minute must not say the same twice. The cause of an alert is what its reason is about: a never-seen
template, an event where it was not expected, one parameter of one template. Alerts that follow one another within BURST seconds of log
time in the same stream are one incident: after the first, only one that is further above its threshold is told. A never-seen template that is like one
that was told is the same cause. What comes in more than COMMON of the windows is no anomaly any more but how this log is now, unless
it says that something went wrong.

Where a model was chosen and a budget is spent (`Bursts`), nothing is silenced for long: a cause that goes on is told again when it was
not there for BURST seconds.
"""
from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from ..embedding.overlap import Overlap
from ..embedding.words import alarming
from ..records import Alert

MOST = 10_000  # causes remembered; the one that was not seen for longest is forgotten
BURST = 900.0  # seconds
COMMON, OFTEN = 0.05, 10  # share of the windows since a cause was first told, and how often it must have come
ALIKE = 0.5  # cosine of two templates that are one cause


class Causes:
    """What was told so far."""

    def __init__(self) -> None:
        self._told: OrderedDict[str, tuple[int, int]] = OrderedDict()  # cause -> how often it came, since which window
        self._new: dict[str, str] = {}  # never-seen template that was told -> its cause
        self._overlap = Overlap(())
        self._latest = 0  # window
        self._bursts: OrderedDict[str, tuple[float, float]] = OrderedDict()  # stream -> when its incident was told, and how far above the threshold the worst of it is

    def judge(self, alert: Alert, window: int, count: bool = True, stream: str = "") -> str:
        """What is to be done with the alert of the window of this number: "told", or why it is not: "repeated", "burst", "common".

        count: the window was not counted before, while it was open.
        """
        self._latest = max(self._latest, window)
        cause = self._cause(alert)
        if cause in self._told:
            n, since = self._told[cause]
            self._told[cause] = n + count, since
            self._told.move_to_end(cause)
            common = n >= OFTEN and n > COMMON * (self._latest - since) and not alarming(alert.template or "")
            return "common" if common else "repeated"
        severity = alert.score - alert.threshold
        began, worst = self._bursts.get(stream, (float("-inf"), float("-inf")))
        if alert.time is not None and 0 <= alert.time - began <= BURST:
            if severity <= worst:
                return "burst"
        elif alert.time is not None:
            began = alert.time
        self._bursts[stream] = began, severity
        self._told[cause] = 1, self._latest
        if alert.reason == "new_template" and alert.template:
            self._new[alert.template] = cause
            self._overlap = Overlap(list(self._new))
        for memory in (self._told, self._bursts):
            while len(memory) > MOST:
                memory.popitem(last=False)
        return "told"

    def _cause(self, alert: Alert) -> str:
        """The cause of an alert; of a never-seen template, that of the template like it that was told."""
        cause = cause_of(alert)
        if alert.reason != "new_template" or cause in self._told or not alert.template:
            return cause
        found = self._overlap.nearest(alert.template)
        return list(self._new.values())[found[0]] if found is not None and found[1] >= ALIKE else cause

    def to_json(self) -> dict[str, Any]:
        """All that it remembers, as JSON values."""
        return {"told": [[cause, *times] for cause, times in self._told.items()], "new": self._new, "latest": self._latest,
                "bursts": [[stream, *burst] for stream, burst in self._bursts.items()]}

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> Causes:
        """What `to_json` described."""
        causes = cls()
        causes._told.update((cause, (n, since)) for cause, n, since in state["told"])
        causes._new.update(state["new"])
        causes._latest = state["latest"]
        causes._overlap = Overlap(list(causes._new))
        causes._bursts.update((stream, (began, worst)) for stream, began, worst in state["bursts"])
        return causes


class Bursts:
    """When each cause came last, in each stream: what goes on within BURST seconds of that, before or behind it, counts once."""

    def __init__(self) -> None:
        self._last: OrderedDict[str, float] = OrderedDict()

    def judge(self, alert: Alert, window: int, count: bool = True, stream: str = "") -> str:
        """As `Causes.judge`: "told" or "burst". An alert without a time is always told."""
        if alert.time is None:
            return "told"
        cause = f"{stream} {cause_of(alert)}"
        before = self._last.pop(cause, float("-inf"))
        self._last[cause] = alert.time
        if len(self._last) > MOST:
            self._last.popitem(last=False)
        return "burst" if abs(alert.time - before) <= BURST else "told"

    def to_json(self) -> list[list[Any]]:
        """All that it remembers, as JSON values."""
        return [list(each) for each in self._last.items()]

    @classmethod
    def from_json(cls, state: list[list[Any]]) -> Bursts:
        """What `to_json` described."""
        bursts = cls()
        bursts._last.update((cause, time) for cause, time in state)
        return bursts


def cause_of(alert: Alert) -> str:
    """What an alert is about, whatever session or line it came with."""
    if alert.reason in ("sequence", "workflow", "new_template"):
        return f"event {alert.detail.get('came', alert.event_id)}"
    if alert.reason == "value":
        about = f"{alert.event_id} {alert.detail.get('parameter')}"
    elif alert.reason in ("event_set", "count_vector"):
        about = " ".join(sorted(set(alert.events)))
    elif alert.reason in ("rate", "silence"):
        about = f"{alert.event_id} {alert.detail.get('usual')}"  # their bounds grow: the same again is no news, much more is
    else:
        about = alert.event_id
    return f"{alert.reason} {about}"
