"""False alarms that a model learns from (DeepLog, Du 2017, section 3.4), with what a device that nobody watches needs beside it.

    grow      events that training had not get a row in every detector that learns
    learn     a few small steps on the false alarms, mixed with old windows that the model kept (model.replay)
    check     on the old windows that were not replayed, on anomalous ones and on altered ones: more false alarms among
              the normal ones, or fewer alerts among the others, and the step is taken back

A detector takes part if it has `learn(windows, old, minimise, rng)`, and `grown(n_events)`.
"""
from __future__ import annotations

from copy import copy
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ..errors import InputError
from ..model import Model
from ..records import Windows
from .alter import altered
from .minimise import minimise

ROUNDS = 8  # of learning; each is a few steps
ALTERED = 300  # windows that must go on to alert
TOLERANCE = 0.02  # share of them that may not


class Outcome(NamedTuple):
    """What came of it. The model is the old one where nothing could be learned."""

    model: Model
    learned: int  # false alarms that are none any more
    asked: int
    new_events: int
    refused: str  # why no more was learned; "" where all was


def learn(model: Model, windows: Windows, rng: np.random.Generator) -> Outcome:
    """The model after it was told that `windows` (its own event ids, newcomers of its parser too) are normal; it stays as it was itself.

    InputError where the model has no detector that learns.
    """
    learners = [name for name, detector in model.detectors.items() if hasattr(detector, "learn")]
    if model.replay is None or not any(name in model.thresholds for name in learners):
        raise InputError(f"{' and '.join(model.thresholds)} of the model {model.name!r} cannot learn from feedback; train it again with such "
                         "sessions in the log, or use a detector that can: deeplog_key")
    twin, windows, new = _grown(model, windows, learners)
    first, kind = windows.distinct()
    asked = Windows(windows.events[first], weights=np.bincount(kind).astype(np.float32))
    replayed, check = _halves(twin, rng)
    best, known, refused = None, int((_score(twin, asked) <= twin.threshold).sum()), ""
    alarms, alerts = _alerting(_as_judged(twin, learners), check)
    for _ in range(ROUNDS):
        twin = _learned(twin, learners, asked, replayed, rng)
        alarms_now, alerts_now = _alerting(_as_judged(twin, learners), check)
        if alarms_now > alarms or alerts_now < alerts - TOLERANCE:
            refused = (f"on old windows the model would be worse: false alarms {alarms:.4f} -> {alarms_now:.4f}, "
                       f"found among altered ones {alerts:.3f} -> {alerts_now:.3f}")
            break
        normal = int((_score(_as_judged(twin, learners), asked) <= twin.threshold).sum())
        if best is None or normal > known:
            best, known = twin, normal
        if normal == len(asked):
            break
    if best is None:
        return Outcome(model, 0, len(asked), 0, refused)
    best.seen = np.union1d(best.seen, best.hashes(windows))
    return Outcome(best, known, len(asked), new, refused)


def _grown(model: Model, windows: Windows, learners: list[str]) -> tuple[Model, Windows, int]:
    """A copy in which the events of the windows are of those that training had, the windows in its event ids, and how many are new."""
    twin, n = copy(model), model.n_events
    twin.parser.freeze()
    new = np.unique(windows.events[windows.events >= n])
    order = np.concatenate([model.order, np.arange(len(model.order), twin.parser.n_known, dtype=np.int32)])
    kept = np.setdiff1d(np.arange(n, len(order)), new)
    moved = np.concatenate([np.arange(n), new, kept])  # the old id of each new one
    number = np.argsort(moved).astype(np.int32)
    frequency = np.append(model.frequency, np.full(len(new), model.frequency[model.frequency > 0].min(initial=1)))
    twin.renumber(order[moved].astype(np.int32), frequency.astype(np.float32))
    twin.detectors = {name: detector.grown(n + len(new)) if name in learners else detector for name, detector in model.detectors.items()}
    return twin, Windows(number[windows.events]), len(new)


def _learned(model: Model, learners: list[str], windows: Windows, old: Windows, rng: np.random.Generator) -> Model:
    """A copy that has learned a little."""
    twin = copy(model)
    twin.detectors = dict(model.detectors)
    for name in learners:
        detector: Any = model.detectors[name]
        twin.detectors[name] = detector = type(detector)(detector.config, {key: array.copy() for key, array in detector.params.items()})
        detector.learn(windows, old, partial(minimise, rng=rng), rng)
    return twin


def _halves(model: Model, rng: np.random.Generator) -> tuple[Windows, Windows]:
    """Old normal windows to replay; and to check: the other normal ones (label 0), anomalous and altered ones (1)."""
    normal, anomalous = (model.replay.take(model.replay.labels == label) for label in (0, 1))
    replayed, kept = normal.take(slice(0, None, 2)), normal.take(slice(1, None, 2))
    other = altered(kept, ALTERED, model.n_events, rng) if len(kept) else kept
    parts = [part for part in (kept, anomalous, other) if len(part)]
    labels = np.repeat(np.array([0, 1, 1], np.int8), [len(kept), len(anomalous), len(other)])
    return (Windows(replayed.events, weights=replayed.weights),
            Windows(np.concatenate([part.events for part in parts]), labels, np.concatenate([part.weights for part in parts])))


def _as_judged(model: Model, learners: list[str]) -> Model:
    """With those alone that learn: others may read lines, which nobody kept."""
    twin = copy(model)
    twin.thresholds = {name: threshold for name, threshold in model.thresholds.items() if name in learners}
    return twin


def _score(model: Model, windows: Windows) -> np.ndarray:
    return model.score(Windows(windows.events))


def _alerting(model: Model, check: Windows) -> tuple[float, float]:
    """Share of the normal windows that alert, by weight, and of the others."""
    alerts, normal = _score(model, check) > model.threshold, check.labels == 0
    return (float(np.average(alerts[normal], weights=check.weights[normal])) if normal.any() else 0.0,
            float(alerts[~normal].mean()) if (~normal).any() else 1.0)
