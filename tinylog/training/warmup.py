"""No model given: a stream's own normal, learned from its beginning, as the model that judges the rest of it.

    blocks --first_part--> warm-up | rest                        so many lines, or seconds of log time
    warm-up --Parser, Pipeline--> windows --build--> model       no label, no configuration, NumPy alone

How much is enough: 10,000 lines or, while new templates keep coming, twice as many, and twice again, up to 100,000; half of a log
that has fewer than twice as many. Waiting longer judges less and lets more anomalies into what is taken for normal, and a device may
write a line a minute. A pipe is not read ahead, its end is unknown: there the half counts only where it ends within the warm-up. Only
the lines count, never when they arrive.

The warm-up is not free of anomalies. What a single window had counts as never seen (backoff, newcomer), and thresholds are continued
from windows that are surely normal (thresholds.of_nearly_normals).
"""
from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import Any, NamedTuple

import numpy as np

from ..detectors import Sizes, backoff, deeplog_value, newcomer
from ..errors import ConfigError, InputError
from ..model import Model
from ..parsing import Parser
from ..pipeline import Pipeline, spec_for
from ..reading.formats import Format
from ..records import Block, Events, Windows
from ..streaming.rates import Rates
from ..streaming.scorer import Scorer
from ..windowing import WindowSpec
from ..windowing.sessions import Session
from .build import Options, build
from .dataset import Dataset
from .minimise import cosine, minimise

MOST_LINES, MOST_BYTES = 100_000, 64 << 20  # of a warm-up, which is held in memory
FIRST_LINES = 10_000  # with which it may be enough
STEP = 1000  # lines: the growth of the templates is counted in such steps
STEADY = 1.0  # new templates a step, in the last half of the lines, with which there is little left to learn
FALSE_ALARMS = 2e-4  # wanted share of windows that alert, for each detector
UNLIKE = 0.5 * newcomer.NATS, 1.0 * newcomer.NATS  # novelty above which a template is worth an alert, at least and at most
CONFIGS = {"backoff": backoff.Config(order=1)}  # longer histories of what runs side by side are never seen twice
VALUE_LINES = 20_000  # that the value model learns from
EARLY, UNSTEADY = 0.67, 0.001  # share of its windows that it learns from first; of a column's later entries that may be beyond its bounds
FAR = 1.9  # times its bound, above which a value is worth an alert
LONG = 0.1  # of the warm-up: what it takes to know how long a delay may be
OPEN = 0.02  # share of the lines, the last ones: a session that has one of them may go on

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
            return _parted(warm, enough or -(-lines // 2), log)
        if enough and (live or wanted is not None or lines >= 2 * enough):
            return _parted(warm, enough, log)
    if lines < 2 or wanted is not None:
        raise InputError(f"the log ended within the warm-up, with line {lines}: nothing is left to judge; --warmup N takes fewer lines")
    return _parted(warm, lines // 2, log)


def may_go_on(files: Sequence[str]) -> bool:
    """Whether a log may be still being written: standard input that is no file."""
    try:
        return "-" in files and not stat.S_ISREG(os.fstat(0).st_mode)
    except OSError:
        return True


def warmed_up(warm: Sequence[Block], form: Format, session: str | None = None, window: int | float | None = None,
              timeout: float | None = None) -> Model:
    """A model of these lines, which are nearly all normal. InputError where there is nothing in them."""
    growth = Growth(Parser(form.content_of))
    for block in warm:
        growth.take(block)
    growth.finish()
    parser = growth.parser
    parser.consolidate()
    spec = spec_for(form, session=session, window=window, timeout=timeout)
    sessions, pipeline, events = _cut(warm, form, parser, spec)
    if not sessions and spec.kind == "session":  # no line has the key that such logs have
        sessions, pipeline, events = _cut(warm, form, parser, replace(spec_for(form, window=spec.size), timeout=spec.timeout))
    windows, valued = Pipeline(form, parser, pipeline.spec).windows(sessions), _valued(pipeline, sessions)
    parser.freeze()
    data = Dataset(form, parser, pipeline.spec, windows, None, None, pipeline.lines, Counter())
    names = "backoff", "newcomer"
    model = build(data, "warm-up", Options(names, false_alarms=FALSE_ALARMS, explained=False, contaminated=True, configs=CONFIGS))
    model.thresholds["newcomer"] = float(np.clip(model.thresholds["newcomer"], *UNLIKE))
    span = _span(warm, form)
    _judge_values(model, valued, span)
    rates = Rates.learned(events, parser.n_known)
    model.rates = None if rates is None else rates.to_json()
    model.card["warm_up"] = {"lines": pipeline.lines, "seconds": span, "windows": len(windows),
                             "templates": len(parser.templates) - 2, "growth": growth.last}
    return model


def rehearsed(warm: Sequence[Block], form: Format, **cut: Any) -> tuple[int, int] | None:
    """How many alerts the last third of the warm-up would have had after the other two, and its lines; None where it is too short.

    cut: session, window and timeout of `warmed_up`.
    """
    lines = sum(block.data.count(b"\n") for block in warm)
    if lines < STEP:
        return None
    first, rest = _parted(list(warm), lines - lines // 3, iter(()))
    model = warmed_up(first, form, **cut)
    scorer = Scorer(model, model.pipeline(form, timeout=cut.get("timeout")))
    scorer.skip(first)
    return sum(1 for _ in scorer.run(rest)), lines // 3


def summary(model: Model, rehearsal: tuple[int, int] | None = None) -> str:
    """What was learned and how sure that is, for people."""
    card, kind = model.card["warm_up"], "sessions" if model.spec.kind == "session" else "windows"
    span = "" if card["seconds"] is None else f" ({_duration(card['seconds'])})"
    still = f"still learning: {card['growth']} new templates in the last {STEP} lines" if card["growth"] else f"no new template in the last {STEP} lines"
    told = "" if rehearsal is None else f"; its last {rehearsal[1]} lines would have had {rehearsal[0]} alerts after the others"
    return (f"tinylog: learned from the first {card['lines']} lines{span}: {card['templates']} templates, {card['windows']} {kind}, "
            f"{', '.join(f'{name} above {threshold:.3f}' for name, threshold in model.thresholds.items())}"
            f"{', rates' if model.rates is not None else ''}; {still}{told}")


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


def _parted(blocks: list[Block], lines: int, rest: Iterator[Block]) -> Part:
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


def _valued(pipeline: Pipeline, sessions: Sequence[Session]) -> Windows:
    """Some of the sessions, in order, with what the value model reads: that takes longer than all else."""
    lines = sum(len(session.events) for session in sessions)
    return pipeline.windows(sessions[::-(-lines // VALUE_LINES) or 1])


def _judge_values(model: Model, windows: Windows, span: float | None) -> None:
    """Adds the value model to a model, where anything is steady enough to be judged: what the first windows say, the later ones confirm.
    span: seconds of the warm-up.
    """
    config = deeplog_value.Config(interval=1 - FALSE_ALARMS, least=200, kinds=5, epochs=2, most=VALUE_LINES)
    windows, rng = model.renumbered(windows), np.random.default_rng(0)
    detector = deeplog_value.Detector.create(config, Sizes(model.n_events), rng)
    early = round(EARLY * len(windows))
    detector.fit(windows.take(slice(early)), partial(minimise, rng=rng, schedule=cosine), rng=rng)
    detector.keep_steady(windows.take(slice(early, None)), UNSTEADY)
    detector.judge_delays_within(LONG * (span or 0))
    if detector.judges:
        model.detectors["deeplog_value"], model.thresholds["deeplog_value"] = detector, FAR * detector.threshold


def _cut(warm: Sequence[Block], form: Format, parser: Parser, spec: WindowSpec) -> tuple[list[Session], Pipeline, list[Events]]:
    """The sessions of the warm-up that are over as far as one can tell, or its windows, the pipeline that made them, and the lines."""
    pipeline = Pipeline(form, parser, spec, needs={"deeplog_value": deeplog_value.NEEDS})
    steps = list(pipeline.run(warm))
    sessions = [session for step in steps for session in step.closed]
    events = [step.events for step in steps if step.events is not None]
    if spec.kind != "session":
        return sessions, pipeline, events
    behind = (1 - OPEN) * pipeline.lines
    over = [session for session in sessions if session.line_nos[-1] <= behind]
    return over or sessions, pipeline, events


def _span(warm: Sequence[Block], form: Format) -> float | None:
    """Seconds of log time, None where the lines have none or go back."""
    if form.time is None:
        return None
    ends = [form.times(lines) for lines in (warm[0].data.split(b"\n")[:-1], warm[-1].data.split(b"\n")[:-1])]
    known = [times[~np.isnan(times)] for times in ends]
    return float(known[1][-1] - known[0][0]) if all(map(len, known)) and known[1][-1] >= known[0][0] else None


def _duration(seconds: float) -> str:
    for unit, name in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if abs(seconds) >= 2 * unit:
            return f"{seconds / unit:.1f} {name}"
    return f"{seconds:.0f} seconds"
