"""DeepLog's workflow (Du 2017, section 4): the steps of normal sessions as a graph, and where a session leaves it.

    method "model"       built from the next-event probabilities of deeplog_key (workflows/from_model.py)
    method "clustering"  built from how densely events follow one another (workflows/clustering.py)

    score = events that could not follow + 1 if a whole session ends where none ends; above 0 is an alert

After an event that could not follow, the session goes on where that event stands in the workflow; an event that stands
nowhere is skipped. A window that may have been cut begins anywhere, one of a stream ends anywhere too.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ..errors import ConfigError
from ..records import FIRST_EVENT, PAD, Reason, Windows
from ..workflows.clustering import clustered
from ..workflows.following import Course, Follower
from ..workflows.from_model import NextProbabilities, from_model
from ..workflows.graph import Workflow, empty
from . import Sizes

AFTER = ("deeplog_key",)
EXPECTED = 5  # events that an explanation names


@dataclass(frozen=True)
class Config:
    method: str = "model"  # or "clustering"
    epsilon: float = 0.05  # an event that is likelier than this may follow
    rare: float = 0.0005  # a step that is rarer than this is noise
    density: float = 0.9  # tau of the clustering
    history: int = 10  # events that the key model sees of a window cut from a stream; all of a session's
    longest: int = 6  # items of history that tell contexts apart
    windows: int = 2000  # distinct ones that it is built from, the most frequent
    whole: bool = True  # windows are whole sessions; `create` takes it from Sizes


TINY = Config(windows=200)


class Detector:
    NEEDS = ()
    threshold = 0.5

    def __init__(self, config: Config, params: dict[str, np.ndarray]):
        self.config, self.params = config, params

    @classmethod
    def create(cls, config: Config, sizes: Sizes, rng: np.random.Generator | None = None) -> Detector:
        """One without any step. ConfigError for an unknown method."""
        if config.method not in ("model", "clustering"):
            raise ConfigError(f"deeplog_workflow has no method {config.method!r}; there are: clustering, model")
        return cls(replace(config, whole=sizes.whole), empty().arrays())

    def fit(self, windows: Windows, minimise: Callable | None = None, fitted: Mapping[str, Any] | None = None,
            rng: np.random.Generator | None = None) -> list[float]:
        """Builds the workflow of normal windows. ConfigError where the key model is missing that it is built from."""
        config = self.config
        weights = np.ones(len(windows)) if windows.weights is None else windows.weights.astype(np.float64)
        first = np.argsort(-weights, kind="stable")[:config.windows]
        sequences = [tuple(row[row >= FIRST_EVENT].tolist()) for row in windows.events[first]]
        if config.method == "clustering":
            n_events = int(windows.events.max(initial=FIRST_EVENT)) + 1
            workflow = clustered(sequences, weights[first], n_events, density=config.density, rare=config.rare)
        else:
            key = (fitted or {}).get("deeplog_key")
            if key is None:
                raise ConfigError("deeplog_workflow is built from deeplog_key, which was not fitted; fit it before, "
                                  "or set method to 'clustering'")
            history = windows.events.shape[1] if config.whole else config.history
            workflow = from_model(sequences, weights[first], probabilities_of(key), epsilon=config.epsilon, rare=config.rare,
                                  history=history, longest=config.longest, whole=config.whole)
        self.params = workflow.arrays()
        self.__dict__.pop("_follower", None)
        return []

    @property
    def workflow(self) -> Workflow:
        """What was built."""
        return Workflow(**self.params)

    def score(self, windows: Windows) -> np.ndarray:
        """(B,) float32: how many steps left the workflow."""
        return np.array([self._left(self._course(row), row) for row in windows.events], np.float32)

    def explain(self, windows: Windows, i: int) -> Reason:
        """The first event that could not follow, after which step, and what was expected there."""
        row = windows.events[i]
        course, mask, n = self._course(row), row != PAD, int((row != PAD).sum())
        steps = course.departures + [n - 1] * (self._left(course, row) > len(course.departures))
        share = np.bincount(steps, minlength=len(row)) if steps else mask
        expected = self._follower.expected(course.left)[:EXPECTED]
        detail = {"after": int(row[course.last]) if course.last >= 0 else 0, "came": int(row[steps[0]]) if course.departures else 0}
        return Reason("workflow" if course.departures or not steps else "truncated", steps[0] if steps else max(n - 1, 0),
                      (share / max(share.sum(), 1)).astype(np.float32), tuple(expected), detail)

    @cached_property
    def _follower(self) -> Follower:
        return Follower(self.workflow)

    def _course(self, row: np.ndarray) -> Course:
        """What happened to the events (T,) of a window."""
        return self._follower.course(row[row != PAD].tolist(), cut=not self.config.whole or bool((row != PAD).all()))

    def _left(self, course: Course, row: np.ndarray) -> int:
        return len(course.departures) + (self.config.whole and not course.ended and bool((row != PAD).any()))


def probabilities_of(key: Any) -> NextProbabilities:
    """What a fitted deeplog_key expects after each of N histories: (N, n_events), PAD for the end."""
    def next_probabilities(histories: list[tuple[int, ...]]) -> np.ndarray:
        lengths = np.array([len(history) for history in histories], np.intp)
        events = np.full((len(histories), lengths.max(initial=0) + 1), PAD, np.int32)  # one wider: none is taken for a cut window
        events[np.arange(events.shape[1]) < lengths[:, None]] = [event for history in histories for event in history]
        return np.exp(key.log_p(Windows(events))[np.arange(len(histories)), lengths])
    return next_probabilities
