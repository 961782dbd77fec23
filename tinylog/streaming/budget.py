"""So many alerts a day instead of a threshold: what a score is worth is read off normal windows, those that training held back and
all that the log has brought so far.

    p(s) = (1 + how many of those n windows score >= s) / (n + 1)         conformal (Vovk 2005), online
    alert where  p(s) <= budget / windows in that time

If what comes is like what came, that share of the windows alerts, whatever the scores are. If the log changes, its own windows soon
make the new scores common: the budget holds, and what stands out of the new normal is told. Where fewer windows were held back than
the budget is rare, nothing could alert: then the 1 is less, by the tail that training fitted (Pickands 1975), of what was held back:

    beyond its begin u:  p(s) = p(u) (1 + shape (s - u) / scale) ^ (-1 / shape)         generalised Pareto

How many windows come in a day is counted in log time as the log goes on, beginning from what training saw.
"""
from __future__ import annotations

import math
from bisect import bisect_right, insort
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..errors import ConfigError

SPANS = {"minute": 60.0, "hour": 3600.0, "day": 86400.0, "week": 604800.0}
LINES = {"1k": 1_000, "10k": 10_000, "100k": 100_000, "1M": 1_000_000}
TRUST, LITTLE = 3600.0, 60.0  # seconds of the log that the rate of training is worth; without one, a window in those is taken for it
JUMP = 604800.0  # seconds between two windows that are none of the log's
MOST = 10_000  # scores of the log that are kept, the highest


@dataclass(frozen=True)
class Calibration:
    """Scores of normal windows that training did not see."""

    highest: tuple[float, ...]  # of them, falling
    windows: int  # n
    seconds: float  # of log time that they are from, 0 where it has none
    lines: int
    shape: float = 0.0  # of the tail beyond the lowest of `highest`
    scale: float = 0.0  # 0: no tail was fitted

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Calibration:
        """KeyError, TypeError or ValueError for what `to_json` did not write."""
        known = cls(**{**values, "highest": tuple(map(float, values["highest"]))})
        if not known.highest or known.windows < len(known.highest) or list(known.highest) != sorted(known.highest, reverse=True):
            raise ValueError(f"{len(known.highest)} scores of {known.windows} windows are not the highest, falling")
        return known

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"highest": list(self.highest)}

    @cached_property
    def _rising(self) -> list[float]:
        return [-score for score in self.highest]

    def above(self, score: float) -> float:
        """How many of them, of such a kind, score at least so much: less than 1 only by the tail."""
        found = 1 + bisect_right(self._rising, -score)
        begin = self.highest[-1]
        if self.scale <= 0 or score <= begin:
            return found
        rest = 1 + self.shape * (score - begin) / self.scale
        if rest <= 0:
            return 0.0  # behind the end of a tail that has one
        beyond = math.exp(-(score - begin) / self.scale) if abs(self.shape) < 1e-9 else rest ** (-1 / self.shape)
        return (1 + len(self.highest)) * beyond


class Budget:
    """`amount` alerts in `seconds` of log time, or in `lines`. Windows are judged one after the other.

    ConfigError where the model has no calibration, or the budget is of time and the log has none.
    """

    def __init__(self, text: str, calibration: Calibration | None, has_time: bool) -> None:
        self.text, self.amount, self.seconds, self.lines = text, *_parsed(text)
        if calibration is None:
            raise ConfigError("the model has no scores of held-back normal windows to spend a budget by; train it again, or give --threshold")
        if self.seconds and not has_time:
            raise ConfigError(f"a budget of {text} is of time, and this log has none; say for example 5/10k, alerts in ten thousand lines")
        if self.lines and not calibration.lines:
            raise ConfigError(f"a budget of {text} is of lines, and the model was not trained on lines; say for example 5/day")
        self.calibration = calibration
        self.windows, self.expected = 0, 0.0  # so far: windows, and alerts that were to be expected of a normal log
        self._first, self._last = math.nan, math.nan
        self._highest: list[float] = []  # of this log, negative, rising

    def p_values(self, scores: np.ndarray, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(B,) p-values of windows that close at these times (B,), seconds, in this order, and (B,) what each must not exceed to be an
        alert.
        """
        p, most = np.empty(len(scores)), np.empty(len(scores))
        for i, (score, time) in enumerate(zip(scores.tolist(), times.tolist())):
            p[i] = min((self.calibration.above(score) + bisect_right(self._highest, -score)) / (self.calibration.windows + self.windows + 1), 1.0)
            self._count(score, time)
            most[i] = self._share()
            self.expected += most[i]
        return p, most

    def used(self, alerts: int, lines: int) -> str:
        """What was promised, and what the log took of it."""
        spans, span = lines / self.lines if self.lines else self.elapsed / self.seconds, self.text.partition("/")[2]
        rate = f", {alerts / spans:.3g}/{span}" if spans > 0 else ""
        low, high = self.interval()
        return (f"budget {self.text}: {self.expected:.3g} alerts to be expected of a normal log of {spans:.3g} {span}, {low} to {high} with 95 %; "
                f"{alerts} used{rate}")

    def to_json(self) -> list[Any]:
        """What it has counted, as JSON values."""
        times = [None if math.isnan(time) else time for time in (self._first, self._last)]
        return [self.windows, self.expected, *times, self._highest]

    def restore(self, values: Sequence[Any]) -> None:
        """Go on where `to_json` was asked."""
        self.windows, self.expected, first, last, self._highest = values
        self._first, self._last = (math.nan if time is None else time for time in (first, last))

    def interval(self) -> tuple[int, int]:
        """Between how many alerts a normal log so far has, with 95 %."""
        return _poisson(self.expected, 0.025), _poisson(self.expected, 0.975)

    @property
    def elapsed(self) -> float:
        """Seconds of log time so far."""
        return 0.0 if math.isnan(self._first) else self._last - self._first

    def _count(self, score: float, time: float) -> None:
        self.windows += 1
        insort(self._highest, -score)
        del self._highest[MOST:]
        if time == time:
            step = 0.0 if math.isnan(self._last) else time - self._last
            if math.isnan(self._last) or abs(step) > JUMP:  # no time that passed: a clock was set, or says nonsense
                self._first, self._last = time - self.elapsed, time
            else:
                self._last += max(step, 0.0)

    def _share(self) -> float:
        """Of windows, that may alert: the budget by how many windows its span has, of training's rate at first, of this log's more and more."""
        known = self.calibration
        if self.lines:
            return min(self.amount / (known.windows / known.lines * self.lines), 1.0)
        trust, rate = (TRUST, known.windows / known.seconds) if known.seconds else (LITTLE, 1 / LITTLE)
        in_span = (self.windows + rate * trust) / (self.elapsed + trust) * self.seconds
        return min(self.amount / in_span, 1.0)


def _parsed(text: str) -> tuple[float, float, int]:
    amount, _, span = text.partition("/")
    try:
        number = float(amount)
    except ValueError:
        number = 0.0
    if not 0 < number < math.inf or span not in SPANS and span not in LINES:
        raise ConfigError(f"budget {text!r} is not understood; say for example 5/day, 1/hour or 5/10k (alerts in ten thousand lines)")
    return number, SPANS.get(span, 0.0), LINES.get(span, 0)


def _poisson(mean: float, share: float) -> int:
    """Quantile of a Poisson distribution."""
    n, term = 0, math.exp(-mean)
    total = term
    if mean > 500:  # where exp may be 0, and a normal distribution is as good
        return max(round(mean + (1.96 if share > 0.5 else -1.96) * math.sqrt(mean)), 0)
    while total < share:
        n += 1
        term *= mean / n
        total += term
    return n
