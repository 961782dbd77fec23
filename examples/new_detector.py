"""A new detector is one new file. This is one: copied into tinylog/detectors, its name is what `--detector` knows it by.

    cp examples/new_detector.py tinylog/detectors/triples.py
    python -m tinylog.train --detector triples -o my.tinylog normal.log
    python -m tinylog.detect -m my.tinylog < today.log

It remembers all triples of neighbouring events of normal windows; the score of a window is how many of its triples are new.
tests/test_detectors.py finds it in the folder and says whether it does all that a detector must.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinylog.detectors import Sizes
from tinylog.records import PAD, Reason, Windows


@dataclass(frozen=True)
class Config:
    tolerated: int = 0  # new triples that are no alert yet


TINY = Config()


class Detector:
    NEEDS = ()  # of a window it reads the events alone

    def __init__(self, config: Config, params: dict[str, np.ndarray]):
        self.config, self.params = config, params

    @classmethod
    def create(cls, config: Config, sizes: Sizes, rng: np.random.Generator) -> Detector:
        """One that has seen nothing."""
        return cls(config, {"triples": np.zeros(0, np.int64)})

    def fit(self, windows: Windows, minimise: Callable, fitted: Mapping[str, Any], rng: np.random.Generator) -> list[float]:
        """There is nothing to minimise: it only remembers."""
        self.params["triples"] = np.unique(_triples(windows)[windows.mask])
        return []

    def score(self, windows: Windows) -> np.ndarray:
        """(B,) float32: how many triples are new."""
        return self._new(windows).sum(1).astype(np.float32)

    @property
    def threshold(self) -> float:
        """A score above it is an alert."""
        return self.config.tolerated + 0.5

    def explain(self, windows: Windows, i: int) -> Reason:
        """The last event of the first new triple, and what follows the two before it in normal windows."""
        window = windows.take(slice(i, i + 1))
        new = self._new(window)[0]
        position = int(new.argmax())
        before = _triples(window)[0, position] >> 20
        known = self.params["triples"][self.params["triples"] >> 20 == before] & 0xFFFFF
        share = (new if new.any() else window.mask[0]).astype(np.float32)
        return Reason("sequence", position, share / max(share.sum(), 1), tuple((int(event), 1 / len(known)) for event in known if event != PAD))

    def _new(self, windows: Windows) -> np.ndarray:
        """(B, T) bool: which events end a triple that no normal window had."""
        return ~np.isin(_triples(windows), self.params["triples"]) & windows.mask


def _triples(windows: Windows) -> np.ndarray:
    """(B, T) int64: each event and the two before it as one number; 0 before the first."""
    padded = np.pad(np.minimum(windows.events, 0xFFFFF).astype(np.int64), ((0, 0), (2, 0)))
    return padded[:, :-2] << 40 | padded[:, 1:-1] << 20 | padded[:, 2:]
