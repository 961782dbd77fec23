"""The times of a log's lines, block after block: where a layout has no year, each is in the year that is nearest to the line before.

So a log that runs over New Year goes on in the next year, and one of last December does not fall behind its own November.
"""
from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone

import numpy as np

from .formats import Format

YEARLESS = frozenset(("rfc3164", "month day", "dotted"))
_HALF_YEAR = 183 * 86400.0


class Clock:
    """Log time of one log. Its state is the last time that it gave."""

    def __init__(self, form: Format, last: float = math.nan) -> None:
        self.form, self.last = form, last
        self._yearless = form.time is not None and not YEARLESS.isdisjoint(form.time.split("|"))

    def times(self, lines: Sequence[bytes]) -> np.ndarray | None:
        """(N,) float64 seconds since 1970, NaN where a line has no time; None where the format has none."""
        times = self.form.times(lines)
        if times is None or not self._yearless:
            return times
        known = times[~np.isnan(times)]
        if not len(known):
            return times
        if (np.abs(np.diff(known, prepend=self.last if self.last == self.last else known[0])) > _HALF_YEAR).any():
            times = self._continued(times, lines)
            known = times[~np.isnan(times)]
        self.last = float(known[-1])
        return times

    def to_json(self) -> float | None:
        """The state, a JSON value."""
        return None if math.isnan(self.last) else self.last

    @classmethod
    def from_json(cls, state: float | None, form: Format) -> Clock:
        """The clock that `to_json` described."""
        return cls(form, math.nan if state is None else float(state))

    def _continued(self, times: np.ndarray, lines: Sequence[bytes]) -> np.ndarray:
        moved, last = times.copy(), self.last
        for i in np.flatnonzero(~np.isnan(times)).tolist():
            if last == last and not self._has_year(lines[i]):
                moved[i] = _nearest_year(times[i], last)
            last = moved[i]
        return moved

    def _has_year(self, line: bytes) -> bool:
        return b"-" in self.form.lead.match(line)["time"]


def _nearest_year(time: float, last: float) -> float:
    """The same day and hour in the year in which it is nearest to `last`."""
    when = datetime.fromtimestamp(math.floor(time), timezone.utc)
    year = datetime.fromtimestamp(last, timezone.utc).year
    days = [_in_year(when, each) for each in (year - 1, year, year + 1) if 1 <= each <= 9999]
    return min(days, key=lambda day: abs(day - last)) + time - math.floor(time)


def _in_year(when: datetime, year: int) -> float:
    try:
        return when.replace(year=year).timestamp()
    except ValueError:  # the 29th of February
        return (when.replace(year=year, day=28) + timedelta(days=1)).timestamp()
