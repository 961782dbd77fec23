"""Log time as it passed: seconds of the lines to milliseconds that only go forward, whatever the clock that wrote them did.

A step back of no more than `tolerance` is lines out of order, and time stands still. A larger one, or a step forward of more than
`longest`, is no time that passed: the clock was set, a file ended, the log was silent. Time goes on from there.
"""
from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

TOLERANCE = 5000  # ms, where nobody says otherwise
FURTHEST = 1e12  # seconds from 1970; a line that says more has a broken time
NEVER = 1 << 62


class Jump(NamedTuple):
    """A step that is no time that passed."""

    at: int  # line of the block
    ms: int  # backward below 0
    new: bool  # to a time later than any before


class Clock:
    """`elapsed` is how much time passed so far, in ms."""

    def __init__(self, longest: int = NEVER, tolerance: int = TOLERANCE) -> None:
        self.longest, self.tolerance, self.elapsed = longest, tolerance, 0
        self._now: int | None = None  # what the latest line said
        self._latest = -NEVER  # what any line said

    def add(self, times: np.ndarray | None, n: int) -> tuple[np.ndarray, list[Jump]]:
        """(n,) int64: what had elapsed at each of n lines, whose times (n,) are in seconds, NaN where a line has none; and the jumps."""
        if times is None:
            return np.full(n, self.elapsed), []
        known = np.abs(times) < FURTHEST
        if not known.any():
            return np.full(n, self.elapsed), []
        said = np.rint(times[known] * 1000).astype(np.int64)
        if self._now is None:
            self._now = self._latest = int(said[0])
        passed, jumps = self._smooth(said) or self._stepwise(said, np.flatnonzero(known))
        elapsed = np.append(self.elapsed, passed)[np.cumsum(known)]  # a line without a time has that of the line before it
        self.elapsed = int(elapsed[-1])
        return elapsed, jumps

    def _smooth(self, said: np.ndarray) -> tuple[np.ndarray, list[Jump]] | None:
        """What had elapsed where there is no jump; None where there is one."""
        top = np.maximum.accumulate(np.append(self._now, said))
        if (said < top[:-1] - self.tolerance).any() or (np.diff(top) > self.longest).any():
            return None
        passed = self.elapsed + top[1:] - self._now
        self._now, self._latest = int(top[-1]), max(self._latest, int(top[-1]))
        return passed, []

    def _stepwise(self, said: np.ndarray, lines: np.ndarray) -> tuple[np.ndarray, list[Jump]]:
        passed, elapsed, jumps = [], self.elapsed, []
        for at, time in zip(lines.tolist(), said.tolist()):
            step = time - self._now
            if step > self.longest or step < -self.tolerance:
                jumps.append(Jump(at, step, time > self._latest))
                self._now = time
            elif step > 0:
                elapsed += step
                self._now = time
            self._latest = max(self._latest, time)
            passed.append(elapsed)
        return np.array(passed), jumps

    def to_json(self) -> dict[str, Any]:
        """All of it, as JSON values."""
        return {"longest": self.longest, "tolerance": self.tolerance, "elapsed": self.elapsed, "now": self._now, "latest": self._latest}

    @classmethod
    def from_json(cls, state: dict[str, Any]) -> Clock:
        """What `to_json` described."""
        clock = cls(state["longest"], state["tolerance"])
        clock.elapsed, clock._now, clock._latest = state["elapsed"], state["now"], state["latest"]
        return clock
