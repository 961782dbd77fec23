"""Windows -> scores, a file each. A new detector is one new file in this folder and nothing else.

A module has
    Config      frozen dataclass, JSON values, a default for every field
    TINY        the smallest Config, for the tests
    Detector    with the members below

and a Detector has
    NEEDS                      columns of Windows beside events: a tuple out of "labels", "rules", "vectors", "words"
    create(config, sizes, rng) a new one, with starting values
    Detector(config, params)   one from a model file
    config, params             all that it is: JSON values, and a flat dict of arrays
    score(windows)             (B,) float32 log-odds, larger is more anomalous; changes nothing, does not depend on the batch
    fit(windows, minimise, fitted) -> losses
                               learns; `minimise` is handed in, so that no detector imports training; `fitted`: the
                               detectors that the model has already, by name
    explain(windows, i)        Reason of window i's score, data and not text
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


def names() -> list[str]:
    """The detectors there are: the files of this folder."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def load(name: str) -> ModuleType:
    """The module of a detector. ConfigError lists those there are; nothing else is ever imported by name."""
    if name not in names():
        raise ConfigError(f"no detector named {name!r}; there are: {', '.join(names())}")
    return import_module(f".{name}", __name__)
