"""Templates that training never saw, by what they say: the less they resemble what is known, the more they are worth an alert.

    novelty of a template = 1 - cosine with the likest known one, by words (embedding/overlap.py)
                          + ALARMING where a word of it says that something went wrong, and no known template is just like it
    score of a window     = NATS * the largest novelty among its events that training never saw

"Never" is in at most a share `rare` of the training windows, of what says that something went wrong four times as many: an anomaly
among these is not known by having been there, and is compared with all others. A template without words says nothing either way. Unlike unseen_event, which counts events, this one
can be quiet on a log that brings new variants of old lines every day (BGL: most of its new templates are normal). One that goes on
learning knows a template that HOURS different hours had, or OFTENER times as many where it says that something went wrong.
"""
from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from ..embedding.overlap import Overlap
from ..embedding.words import alarming, words
from ..records import FIRST_EVENT, PAD, Reason, Windows
from . import Sizes
from .unseen_event import event_shares

NEEDS = ("templates",)
NATS = 20.0  # of surprise that a template like nothing known is: p = 2e-9, much as deeplog_key has it
ALARMING = 0.5
OFTENER = 4  # times as many windows of training may have had an alarming template
SAME = 0.9  # cosine from which a template is a known one in other words
NO_WORDS = 0.3  # novelty of a template without words
HOURS = 24


@dataclass(frozen=True)
class Config:
    rare: float = 0.005  # share of the training windows that an event may be in and still count as never seen; one window always


TINY = Config()


class Detector:
    NEEDS = NEEDS
    KNOWS = "templates"
    threshold = None

    def __init__(self, config: Config, params: dict[str, np.ndarray]):
        self.config, self.params = config, params

    @classmethod
    def create(cls, config: Config, sizes: Sizes, rng: np.random.Generator | None = None) -> Detector:
        """One that has seen nothing."""
        return cls(config, {"windows": np.zeros(sizes.n_events, np.float32), "bound": np.ones(sizes.n_events, np.float32)})

    def fit(self, windows: Windows, minimise: Callable | None = None, fitted: Mapping[str, Any] | None = None,
            rng: np.random.Generator | None = None) -> list[float]:
        """Counts the windows that have each event."""
        total = len(windows) if windows.weights is None else float(windows.weights.sum())
        self.params["windows"] = event_shares(windows, len(self.params["windows"])) * np.float32(total)
        factor = np.array([OFTENER if alarming(str(text)) else 1 for text in windows.tables["templates"][:len(self.params["windows"])]])
        self.params["bound"] = np.maximum(1, self.config.rare * total * factor).astype(np.float32)
        return []

    def counted(self, windows: Windows, room: int) -> tuple[Detector, int]:
        """One for which an hour had these windows; there is room for every template."""
        events = np.unique(windows.events)
        hours, before = np.zeros(len(windows.tables["templates"]), np.float32), self._hours
        hours[:len(before)] = before
        hours[events] += [1 / OFTENER if alarming(str(text)) else 1 for text in windows.tables["templates"][events]]
        return Detector(self.config, self.params | {"hours": hours}), 0

    def forgotten(self, events: Collection[int]) -> Detector:
        """One that counts the hours of these event ids from none."""
        hours = self._hours.copy()
        hours[[event for event in events if event < len(hours)]] = 0
        return Detector(self.config, self.params | {"hours": hours})

    @property
    def known(self) -> int:
        """How many templates it knows well."""
        return len(self._familiar())

    def score(self, windows: Windows) -> np.ndarray:
        """(B,) float32: nats."""
        new = self._new(windows.events)
        table = np.zeros(int(windows.events.max(initial=0)) + 1, np.float32)
        for event in np.unique(windows.events[new]).tolist():
            table[event] = self.novelty(windows.tables["templates"], event)
        return (NATS * np.where(new, table[windows.events], 0).max(1, initial=0)).astype(np.float32)

    def novelty(self, templates: np.ndarray, event: int) -> float:
        """Of one event, by the texts of all."""
        text = str(templates[event])
        said = words(text)
        if not said:
            return NO_WORDS
        found = self.nearest(templates, event)
        alike = 0.0 if found is None else found[1]
        return 1 - alike + ALARMING * (alike < SAME and alarming(text))

    def nearest(self, templates: np.ndarray, event: int) -> tuple[int, float] | None:
        """The well known event that is likest to this one, and their cosine; None where no word is shared."""
        familiar = self._familiar()
        found = _known(tuple(templates[familiar])).nearest(str(templates[event]))
        return found and (int(familiar[found[0]]), found[1])

    def explain(self, windows: Windows, i: int) -> Reason:
        """The newest of the events. detail "seen": in how many windows of training it was."""
        row, templates = windows.events[i], windows.tables["templates"]
        new = self._new(row)
        novelty = np.array([self.novelty(templates, int(event)) if is_new else 0.0 for event, is_new in zip(row, new)])
        share = novelty if novelty.any() else row != PAD
        at = int(novelty.argmax()) if novelty.any() else int((row != PAD).argmax())
        event, counted = int(row[at]), self.params["windows"]
        seen = int(counted[event]) if event < len(counted) else 0
        return Reason("new_template", at, (share / max(share.sum(), 1e-9)).astype(np.float32), detail={"seen": seen})

    @property
    def rare(self) -> np.ndarray:
        """Event ids of training that count as never seen."""
        events = np.arange(len(self.params["windows"]))
        return events[self._new(events)]

    def _new(self, events: np.ndarray) -> np.ndarray:
        """Which events are as good as never seen: bool of the same shape."""
        counted, hours = self.params["windows"], self._hours
        rare = counted <= self.params["bound"]
        new = (events >= FIRST_EVENT) & ((events >= len(counted)) | rare[np.minimum(events, len(counted) - 1)])
        return new & ((events >= len(hours)) | (hours < HOURS)[np.minimum(events, len(hours) - 1)]) if len(hours) else new

    @property
    def _hours(self) -> np.ndarray:
        """(n,) float32: in how many hours each event was, those that say that something went wrong divided by OFTENER."""
        return self.params.get("hours", np.zeros(0, np.float32))

    def _familiar(self) -> np.ndarray:
        """Event ids that are known well."""
        events = np.arange(max(len(self.params["windows"]), len(self._hours)))
        return events[(events >= FIRST_EVENT) & ~self._new(events)]


@lru_cache(maxsize=8)
def _known(texts: tuple[str, ...]) -> Overlap:
    return Overlap(texts)
