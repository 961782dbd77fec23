"""Raw lines to scores, each as it comes: what `detect --every-line` writes.

    line -parser-> event id  }
    line -pattern-> keys     } -stepper-> the score of its session so far
    line -format-> log time  }
"""
from __future__ import annotations

from math import nan
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from ..pipeline import Pipeline
from ..reading.formats import session_keys
from .stepper import Stepper

if TYPE_CHECKING:
    from ..model import Model


class Live:
    """One log and one model, the pipeline's, line by line. `stepper.counters` says what was forgotten for want of room.

    InputError where there are no lines, or the model or the windows do not allow a score after each.
    """

    def __init__(self, model: Model, pipeline: Pipeline) -> None:
        if pipeline.form.name == "ids":
            raise InputError("no score after every line: event ids are whole sessions; give the raw lines")
        self.form, self.parser, spec = pipeline.form, pipeline.parser, pipeline.spec
        self.stepper = Stepper(model, spec)
        self._key, self._streams = pipeline.key, bool(spec.stream)
        self._numbers = model.numbered(np.arange(len(model.order))).tolist()
        self._time = nan

    def scores(self, line: bytes) -> list[tuple[bytes, float]]:
        """The key of each session that a line (without its end) belongs to, and the session's score with it."""
        event = self.parser.event_id(line)
        if event < len(self._numbers):
            event = self._numbers[event]
        time = self.form.time_of(line)
        if time == time:  # else it has none: that of the line before
            self._time = time
        step, time = self.stepper.step, self._time
        return [(key, step(key, event, time)) for key in self._keys(line)]

    def _keys(self, line: bytes) -> tuple[bytes, ...]:
        if self._key is not None:
            return session_keys((line,), self._key)[0]
        return self.form.streams([line])[0] if self._streams else (b"",)
