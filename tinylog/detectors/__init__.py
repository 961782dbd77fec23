"""Windows -> scores, a file each. A new detector is one new file in this folder and nothing else.

A module has
    Config      frozen dataclass, JSON values, a default for every field
    TINY        the smallest Config, for the tests
    NEEDS       columns of Windows that training must have, beside events; with "labels" the detector learns from both
                classes, without it from normal windows alone
    WINDOW      how its paper cuts a log, where that is not by session or every 50 lines: {"window": 100} lines, {"seconds": 300}
    AFTER       detectors that must be fitted before it, by name
    Detector    with the members below
NEEDS, WINDOW and AFTER may be absent: nothing is needed.

and a Detector has
    NEEDS                      columns that its score reads: a tuple out of "rules", FROM_LINES (records.py), and the tables
                               "vectors", "words", "templates"
    create(config, sizes, rng) a new one, with starting values
    Detector(config, params)   one from a model file
    config, params             all that it is: JSON values, and a flat dict of arrays
    fit(windows, minimise, fitted, rng) -> losses
                               learns. `minimise(loss_and_grads, params, n, **wishes)` is handed in, so that no detector
                               imports training: it changes `params` and gives the loss of each epoch; wishes: epochs,
                               batch, lr, weight_decay, clip, lengths, evaluate, patience. `fitted`: the detectors
                               that the model has already, by name
    score(windows)             (B,) float32, larger is more anomalous; changes nothing, does not depend on the batch. Log-odds
                               where it learns from labels, else a unit of its own, which `threshold` or training calibrates
    threshold                  a score above it is an alert. None: training chooses one, so that the wanted share of normal
                               windows, judged as if they had not been trained on, is above it
    explain(windows, i)        Reason of window i's score, data and not text. In its detail "after", "came", "event" and "nearest"
                               are event ids (0 is the beginning after "after", else the end), and so are the first halves of
                               the pairs of "unseen" and "invariant"
    learn(windows, old, minimise, rng)
                               optional: these windows were false alarms, `old` ones are replayed; a few small steps, see
                               training/feedback.py
    grown(n_events)            with it: a detector like this one that has rows for more events
    counted(windows, room)     optional, see streaming/adapt.py: one that has seen these windows of an hour too, each THING (a pair of
                               events, a template) at most once however often they have it; and how many things that it did not
                               know were left out, as there was no `room`
    known, KNOWS               with it: how many things it knows, and what they are called
    forgotten(events)          with it: one that never counted these event ids, which stand for other templates from now on
Windows that are not cut from lines (event ids) have no column of FROM_LINES; of the others, distinct windows are scored
once where a detector reads no such column, and are weighted by how often they occur while it is fitted.
"""
from __future__ import annotations

import pkgutil
from importlib import import_module
from types import ModuleType
from typing import NamedTuple

from ..errors import ConfigError


class Sizes(NamedTuple):
    """What a detector must know of the log before it can be created."""

    n_events: int  # event ids below this one occurred in training, PAD and UNKNOWN included
    n_inputs: int = 0  # D of tables["vectors"]
    whole: bool = True  # windows are whole sessions, with a beginning and an end; False: cut from a stream
    prior: float = 0.02  # share of anomalous windows in what will be scored


def names() -> list[str]:
    """The detectors there are: the files of this folder."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def load(name: str) -> ModuleType:
    """The module of a detector. ConfigError lists those there are; nothing else is ever imported by name."""
    if name not in names():
        raise ConfigError(f"no detector named {name!r}; there are: {', '.join(names())}")
    return import_module(f".{name}", __name__)
