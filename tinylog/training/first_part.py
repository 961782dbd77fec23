"""How much of a log is a warm-up, where no model is given, and the log cut in two there.

    10,000 lines or, while new templates keep coming, twice as many, and twice again, up to 100,000
    half of a log that has fewer than twice as many

Waiting longer judges less and lets more anomalies into what is taken for normal, and a device may write a line a minute. A pipe is not
read ahead, its end is unknown: there the half counts only where it ends within the warm-up. Only the lines count, never when they arrive.
"""
from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np

from ..errors import ConfigError, InputError
from ..parsing import Parser
from ..reading.formats import Format
from ..records import Block

MOST_LINES, MOST_BYTES = 100_000, 64 << 20  # of a warm-up, which is held in memory
FIRST_LINES = 10_000  # with which it may be enough
STEP = 1000  # lines: the growth of the templates is counted in such steps
STEADY = 1.0  # new templates a step, in the last half of the lines, with which there is little left to learn

Stop = Callable[[Block], "int | None"]  # how many of all lines are the warm-up, once that is known


class Part(NamedTuple):
    """A log in two."""

    warm: list[Block]
    rest: Iterator[Block]


def first_part(log: Iterator[Block], form: Format, wanted: int | float | None = None, live: bool = False) -> Part:
    """The warm-up is `wanted` lines (int), or seconds of log time (float), else as many as are enough; live: do not read ahead.

    ConfigError for seconds where the format has no times; InputError where nothing is left to judge.
    """
    if isinstance(wanted, float) and form.time is None:
        raise ConfigError(f"a warm-up of {wanted:g} seconds needs lines with a time, and a log of {form.name} has none; give a number of lines")
    stop = _by_growth(form) if wanted is None else _by_time(form, wanted) if isinstance(wanted, float) else _by_lines(wanted)
    warm, lines, size, enough = [], 0, 0, None
    for block in log:
        warm.append(block)
        lines, size = lines + block.data.count(b"\n"), size + len(block.data)
        enough = enough or stop(block)
        if size > MOST_BYTES:
            return parted(warm, enough or -(-lines // 2), log)
        if enough and (live or wanted is not None or lines >= 2 * enough):
            return parted(warm, enough, log)
    if lines < 2 or wanted is not None:
        raise InputError(f"the log ended within the warm-up, with line {lines}: nothing is left to judge; --warmup N takes fewer lines")
    return parted(warm, lines // 2, log)


def may_go_on(files: Sequence[str]) -> bool:
    """Whether a log may be still being written: standard input that is no file."""
    try:
        return "-" in files and not stat.S_ISREG(os.fstat(0).st_mode)
    except OSError:
        return True


def parted(blocks: list[Block], lines: int, rest: Iterator[Block]) -> Part:
    """The first `lines` lines of the blocks, and what comes behind them."""
    warm, left = [], lines
    for i, block in enumerate(blocks):
        n = block.data.count(b"\n")
        if n > left:
            parts = block.data.split(b"\n", left)
            begun = [block._replace(data=b"\n".join(parts[:left]) + b"\n")] if left else []
            behind = Block(parts[left], block.first_line_no + left, block.file)
            return Part(warm + begun, chain([behind], blocks[i + 1:], rest))
        warm.append(block)
        left -= n
    return Part(warm, rest)


class Growth:
    """A parser that learns blocks, and how many templates it had after every STEP lines, however the blocks are cut."""

    def __init__(self, parser: Parser) -> None:
        self.parser = parser
        self.counts = [len(parser.templates)]
        self._pending: list[bytes] = []

    @property
    def last(self) -> int:
        """New templates in the last STEP lines, or in fewer where there are no more."""
        return self.counts[-1] - self.counts[max(len(self.counts) - 2, 0)]

    def take(self, block: Block) -> None:
        """Learns the lines; those that are no whole step wait."""
        self._pending += block.data.split(b"\n")[:-1]
        while len(self._pending) >= STEP:
            self._learn(self._pending[:STEP])
            del self._pending[:STEP]

    def finish(self) -> None:
        """Learns what waits."""
        if self._pending:
            self._learn(self._pending)
            self._pending = []

    def _learn(self, lines: list[bytes]) -> None:
        self.parser.learn(b"\n".join(lines) + b"\n")
        self.counts.append(len(self.parser.templates))


def _by_lines(wanted: int) -> Stop:
    seen = 0

    def stop(block: Block) -> int | None:
        nonlocal seen
        seen += block.data.count(b"\n")
        return wanted if seen > wanted else None
    return stop


def _by_time(form: Format, seconds: float) -> Stop:
    seen, start = 0, np.nan

    def stop(block: Block) -> int | None:
        nonlocal seen, start
        times = form.times(block.data.split(b"\n")[:-1])
        if np.isnan(start) and not np.isnan(times).all():
            start = times[~np.isnan(times)][0]
        later = np.flatnonzero(times > start + seconds)
        seen += len(times)
        return seen - len(times) + int(later[0]) if len(later) else MOST_LINES if seen > MOST_LINES else None
    return stop


def _by_growth(form: Format) -> Stop:
    growth, steps = Growth(Parser(form.content_of)), FIRST_LINES // STEP

    def stop(block: Block) -> int | None:
        nonlocal steps
        growth.take(block)
        while len(growth.counts) > steps:
            new = growth.counts[steps] - growth.counts[steps // 2]
            if new <= STEADY * (steps - steps // 2) or steps * STEP >= MOST_LINES:
                return steps * STEP
            steps = min(2 * steps, MOST_LINES // STEP)
        return None
    return stop
