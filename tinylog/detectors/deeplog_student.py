"""DeepLog's key model in at most 2,000 numbers: a small GRU that learns from the large network what to expect.

    score, explanation, symbols: those of deeplog_key.py
    L = T^2 KL(q || p)      q = softmax(teacher / T), at every place of normal and of altered windows

Distillation (Hinton 2015) with the whole of the teacher's distribution: T = 4 makes what it holds for impossible visible, and that
is what surprise is made of. In an altered window a few events are others than they were: the student, too, must expect something
after what it never saw. Alone it is unstable (SPECS section 10: F1 .48).
"""
from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..errors import ConfigError
from ..layers import gru
from ..layers.params import size
from ..losses import distillation
from ..records import FIRST_EVENT, Windows, concatenated
from . import Sizes, deeplog_key

NEEDS = ("rules",)
AFTER = ("deeplog_key",)
BUDGET = 2000  # numbers
TEMPERATURE = 4.0
TIMES = 2  # altered windows for each one that is as it was
CHANGED = 0.1  # chance of an event to be another


@dataclass(frozen=True)
class Config:
    inputs: str = "table"
    width: int = 6  # at most, and so is
    hidden: int = 18  # `create` takes fewer where there are many kinds of event
    layers: int = 1
    history: int = 10
    top: int = 0
    rules: bool = True
    factor: float = 4.0
    whole: bool = True
    steps: int = 2400
    batch: int = 64
    lr: float = 0.01


TINY = Config(width=2, hidden=6, history=2, steps=100, batch=32, lr=0.02)


class Detector(deeplog_key.Detector):
    CELL = gru

    @classmethod
    def create(cls, config: Config, sizes: Sizes, rng: np.random.Generator) -> Detector:
        """Starting values: the widest network within BUDGET, or one unit where there are too many kinds of event even for that."""
        for hidden in range(config.hidden, 0, -1):
            width = min(config.width, max(2, hidden // 3))
            student = super().create(replace(config, hidden=hidden, width=width), sizes, rng)
            if size(student.params) <= BUDGET:
                break
        return student

    def fit(self, windows: Windows, minimise: Callable, fitted: Mapping[str, Any] | None = None,
            rng: np.random.Generator | None = None) -> list[float]:
        """Learns from fitted["deeplog_key"]. Gives the loss of each epoch. ConfigError where that is absent."""
        teacher = (fitted or {}).get("deeplog_key")
        if teacher is None:
            raise ConfigError("deeplog_student learns from deeplog_key, which was not fitted; fit it before")
        rng = rng or np.random.default_rng(0)
        self._count(windows)
        lesson = Windows(windows.events, weights=np.ones(len(windows), np.float32))
        lesson = concatenated([lesson] + [_altered(lesson, len(self.params["counts"]), rng) for _ in range(TIMES)])

        def loss_and_grads(params: dict[str, np.ndarray], index: np.ndarray) -> tuple[float, dict[str, np.ndarray]]:
            windows = lesson.take(index)
            steps = self._steps(windows)
            y, caches = self._forward(params, steps)
            opinion = teacher.log_p(windows)[steps.judged]  # of all windows at once it would be large
            loss, dy = distillation.loss(y, steps.targets[steps.judged], opinion, alpha=0, temperature=TEMPERATURE)
            return loss, self._backward(dy, caches)

        return minimise(loss_and_grads, self.params, len(lesson), **self._wishes(lesson))


def _altered(windows: Windows, n_events: int, rng: np.random.Generator) -> Windows:
    """The same windows, in each of which some events are any others."""
    changed = windows.mask & (rng.random(windows.events.shape) < CHANGED)
    others = rng.integers(FIRST_EVENT, max(n_events, FIRST_EVENT + 1), windows.events.shape)
    return replace(windows, events=np.where(changed, others, windows.events).astype(np.int32))
