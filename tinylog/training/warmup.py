"""No model given: a stream's own normal, learned from its beginning, as the model that judges the rest of it.

    blocks --first_part--> warm-up | rest                        how much is enough: first_part.py
    warm-up --Parser, Pipeline--> windows --build--> model       no label, no configuration, NumPy alone

The warm-up is not free of anomalies. What a single window had counts as never seen (backoff, newcomer), and thresholds are continued
from windows that are surely normal (thresholds.of_nearly_normals).
"""
from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import Any, NamedTuple

import numpy as np

from ..detectors import Sizes, backoff, deeplog_value, newcomer
from ..model import Model
from ..parsing import Parser
from ..pipeline import Pipeline, spec_for
from ..reading.formats import Format
from ..records import Block, Events, Windows
from ..streaming.budget import Calibration
from ..streaming.explain import duration
from ..streaming.rates import Rates
from ..streaming.scorer import Scorer
from ..windowing import WindowSpec
from ..windowing.sessions import Session
from .build import Options, build
from .calibration import calibration
from .dataset import Dataset
from .first_part import STEP, Growth, parted
from .minimise import cosine, minimise

FALSE_ALARMS = 2e-4  # wanted share of windows that alert, for each detector
UNLIKE = 0.5 * newcomer.NATS, 1.0 * newcomer.NATS  # novelty above which a template is worth an alert, at least and at most
OPEN_ENDED, MORE_UNLIKE = 0.02, 1.25 * newcomer.NATS  # at most where so many of the last lines were new templates: news is nothing new there
CONFIGS = {"backoff": backoff.Config(order=1)}  # longer histories of what runs side by side are never seen twice
VALUE_LINES = 20_000  # that the value model learns from
EARLY, UNSTEADY = 0.67, 0.001  # share of its windows that it learns from first; of a column's later entries that may be beyond its bounds
FAR = 1.9  # times its bound, above which a value is worth an alert
LONG = 0.1  # of the warm-up: what it takes to know how long a delay may be
KEYLESS = 0.2  # share of the lines that may have no session key where sessions are judged
OPEN = 0.02  # share of the lines, the last ones: a session that has one of them may go on

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
    keyless = pipeline.windower.counters["lines_without_session"]
    if spec.kind == "session" and session is None and keyless > KEYLESS * pipeline.lines:  # too much would not be judged
        sessions, pipeline, events = _cut(warm, form, parser, replace(spec_for(form, window=spec.size), timeout=spec.timeout))
    windows, valued = Pipeline(form, parser, pipeline.spec).windows(sessions), _valued(pipeline, sessions)
    parser.freeze()
    span = _span(warm, form)
    data = Dataset(form, parser, pipeline.spec, windows, None, None, pipeline.lines, span or 0.0, Counter())
    names = "backoff", "newcomer"
    model = build(data, "warm-up", Options(names, false_alarms=FALSE_ALARMS, explained=False, contaminated=True, configs=CONFIGS))
    most = MORE_UNLIKE if growth.last > OPEN_ENDED * STEP else UNLIKE[1]
    model.thresholds["newcomer"] = float(np.clip(model.thresholds["newcomer"], UNLIKE[0], most))
    _judge_values(model, valued, span)
    rates = Rates.learned(events, parser.n_known)
    model.rates = None if rates is None else rates.to_json()
    model.card["warm_up"] = {"lines": pipeline.lines, "seconds": span, "windows": len(windows),
                             "templates": len(parser.templates) - 2, "growth": growth.last}
    return model


class Rehearsal(NamedTuple):
    """The last third of a warm-up, judged by what the other two teach."""

    alerts: int
    lines: int
    calibration: Calibration | None  # by its windows' scores


def rehearsed(warm: Sequence[Block], form: Format, **cut: Any) -> Rehearsal | None:
    """None where the warm-up is too short. cut: session, window and timeout of `warmed_up`."""
    lines = sum(block.data.count(b"\n") for block in warm)
    if lines < STEP:
        return None
    first, rest = parted(list(warm), lines - lines // 3, iter(()))
    rest, model = list(rest), warmed_up(first, form, **cut)
    alerts = sum(1 for _ in Scorer(model, model.pipeline(form, timeout=cut.get("timeout")), skip=lines - lines // 3).run(chain(first, rest)))
    pipeline = model.pipeline(form, timeout=cut.get("timeout"))
    sessions = [session for step in pipeline.run(rest) for session in step.closed]
    windows = model.renumbered(pipeline.windows(sessions)) if sessions else None
    span = _span(rest, form) or 0.0
    return Rehearsal(alerts, lines // 3, windows and calibration(model, windows, span, lines // 3, with_tail=False))


def summary(model: Model, rehearsal: Rehearsal | None = None) -> str:
    """What was learned and how sure that is, for people."""
    card, kind = model.card["warm_up"], "sessions" if model.spec.kind == "session" else "windows"
    span = "" if card["seconds"] is None else f" ({duration(card['seconds'])})"
    still = f"still learning: {card['growth']} new templates in the last {STEP} lines" if card["growth"] else f"no new template in the last {STEP} lines"
    told = "" if rehearsal is None else f"; its last {rehearsal.lines} lines would have had {rehearsal.alerts} alerts after the others"
    return (f"tinylog: learned from the first {card['lines']} lines{span}: {card['templates']} templates, {card['windows']} {kind}, "
            f"{', '.join(f'{name} above {threshold:.3f}' for name, threshold in model.thresholds.items())}"
            f"{', rates' if model.rates is not None else ''}; {still}{told}")


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
