"""Raw lines to scores, each as it comes: what `detect --every-line` writes.

    line -parser-> event id  }
    line -pattern-> keys     } -stepper-> the score of its session so far
    line -format-> log time  }

Lines that differ in their digits alone are the same event, and key and time stand at the same places. So nearly every line is one
look-up (of what it is with all digits 0), two slices and a step.
"""
from __future__ import annotations

from math import nan
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from ..parsing.canonical import zeroed
from ..pipeline import Pipeline
from ..reading.formats import digits_alike, session_keys
from ..reading.minutes import Stamp
from ..records import UNKNOWN
from .stepper import Stepper

if TYPE_CHECKING:
    from ..model import Model

MAX_SHAPES = 16_384  # remembered at once
MAX_LENGTH = 1024  # bytes of a line whose shape is remembered
# The event; where the time stands; where the only key does; where all do, None where only the pattern can tell
_Shape = tuple[int, Stamp | None, slice | None, list[slice] | None]


class Live:
    """One log and one model, the pipeline's, line by line. `stepper.counters` says what was forgotten for want of room.

    InputError where there are no lines, or the model or the windows do not allow a score after each.
    """

    def __init__(self, model: Model, pipeline: Pipeline) -> None:
        if pipeline.form.name == "ids":
            raise InputError("no score after every line: event ids are whole sessions; give the raw lines")
        self.form, self.parser, spec = pipeline.form, pipeline.parser, pipeline.spec
        self.stepper = Stepper(model, spec)
        self._step = self.stepper.step
        self._key, self._streams = pipeline.key, bool(spec.stream)
        self._placed = self._key is not None and digits_alike(self._key)
        self._numbers = model.numbered(np.arange(len(model.order))).tolist()
        self._shapes: dict[bytes, _Shape] = {}
        self._text, self._time = b"", nan

    def scores(self, line: bytes) -> list[tuple[bytes, float]]:
        """The key of each session that a line (without its end) belongs to, and the session's score with it."""
        zeros = zeroed(line)
        event, stamp, only, places = self._shapes.get(zeros) or self._shape(zeros, line)
        if stamp is not None:
            text = line[stamp.place]
            if text != self._text:
                self._text, time = text, stamp.read(text)
                if time == time:  # else it has none: that of the line before
                    self._time = time
        step, time = self._step, self._time
        if only is not None:
            key = line[only]
            return [(key, step(key, event, time))]
        keys = self._keys(line) if places is None else dict.fromkeys([line[place] for place in places])
        return [(key, step(key, event, time)) for key in keys]

    def _shape(self, zeros: bytes, line: bytes) -> _Shape:
        """What is alike in all lines that differ in their digits alone; remembered."""
        event, places = self.parser.event_id(line), None
        if self._placed:
            places = [slice(*match.span(self._key.groups)) for match in self._key.finditer(line)]
        only = places[0] if places is not None and len(places) == 1 else None
        shape = self._numbers[event] if event < len(self._numbers) else event, self.form.stamp(line), only, places
        if event != UNKNOWN and len(line) <= MAX_LENGTH:
            if len(self._shapes) >= MAX_SHAPES:
                self._shapes.clear()
            self._shapes[zeros] = shape
        return shape

    def _keys(self, line: bytes) -> tuple[bytes, ...]:
        if self._key is not None:
            return session_keys((line,), self._key)[0]
        return self.form.streams([line])[0] if self._streams else (b"",)
