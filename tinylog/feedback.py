"""python -m tinylog.feedback -m MODEL (--alerts F | --normal SESSION... [FILE...] | --undo)

False alarms that the model learns from: alerts as `detect --json` wrote them, or the named sessions of a log. The model file is
replaced only where old windows are judged no worse than before; what it was stays beside it, and --undo brings it back.
"""
from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Sequence
from itertools import chain
from typing import Any

from .console import arguments, given_format, note, run  # isort: skip, it sets the thread variables before NumPy is imported

import numpy as np

from .errors import ConfigError, InputError, ModelFileError
from .model import Model
from .pipeline import read, recognise
from .reading.blocks import open_log
from .records import UNKNOWN, Template, Windows
from .training.feedback import learn
from .windowing.arrays import to_windows


def main(argv: Sequence[str] | None = None) -> int:
    """0, or 1 where nothing was learned."""
    options = arguments("feedback", "Tells a model which of its alerts were false.")
    options.add_argument("--alerts", metavar="F", help="alerts that were false, a JSON object a line as `detect --json` wrote them")
    options.add_argument("--normal", nargs="+", metavar="SESSION", help="sessions of the log that are normal")
    options.add_argument("--undo", action="store_true", help="bring back what the model was before the last feedback")
    options.add_argument("--seed", type=int, default=0)
    args = options.parse_args(argv)
    if args.model is None or sum((args.alerts is not None, args.normal is not None, args.undo)) != 1:
        raise ConfigError("feedback needs -m MODEL, and one of --alerts F, --normal SESSION... and --undo")
    previous = args.model + ".previous"
    if args.undo:
        return _undone(args.model, previous)
    model = Model.load(args.model)
    if args.alerts is not None:
        windows = _of_alerts(model, args.alerts)
    else:
        model, windows = _of_sessions(model, args)
    outcome = learn(model, windows, np.random.default_rng(args.seed))
    if outcome.model is not model:
        Model.load(args.model).save(previous)
        outcome.model.save(args.model)
    note(f"tinylog: {outcome.learned} of {outcome.asked} kinds of window are normal now, {outcome.new_events} new events"
         + (f"; {outcome.refused}" if outcome.refused else "") + ("" if outcome.model is model else f"; before: {previous}"))
    return 1 if outcome.model is model else 0


def _undone(path: str, previous: str) -> int:
    Model.load(previous)  # refuses what is none
    try:
        os.replace(previous, path)
    except OSError as error:
        raise ModelFileError(f"{path} cannot be brought back from {previous}: {error.strerror}") from error
    note(f"tinylog: {path} is what it was before the last feedback")
    return 0


def _of_alerts(model: Model, path: str) -> Windows:
    """The windows of alerts. InputError, naming the line, for what is no alert of this model."""
    sessions = []
    with open_log(path) as file:
        for line_no, line in enumerate(file, 1):
            try:
                alert = json.loads(line)
                names, made_by = [str(name) for name in alert["events"]], alert["model"]
            except (ValueError, TypeError, KeyError):
                raise InputError(f"{path}:{line_no} is no alert as `detect --json` writes them: {line[:60]!r}") from None
            if made_by != model.name or not names:
                raise InputError(f"{path}:{line_no} is an alert of the model {made_by!r} with {len(names)} events, not one of {model.name!r} "
                                 "to learn from; nothing was changed")
            sessions.append(_events(model, alert, names, f"{path}:{line_no}"))
    if not sessions:
        raise InputError(f"{path} holds no alert")
    longest = max(map(len, sessions))
    return Windows(model.numbered(to_windows(sessions, longest if model.spec.kind == "time" else max(longest, model.spec.size))))


def _events(model: Model, alert: dict[str, Any], names: list[str], where: str) -> list[int]:
    """The parser's event ids of an alert. What it has not met is learned from the line, or is a name alone in a log of event ids."""
    known = {template.name: i for i, template in enumerate(model.parser.templates)}
    for name in dict.fromkeys(names):
        if name in known:
            continue
        if model.log_format == "ids":
            known[name] = model.parser.introduce(Template(name, ""))
        elif name == alert.get("event_id") and alert.get("line"):
            known[name] = int(model.parser.learn(alert["line"].encode() + b"\n")[0])
        else:
            raise InputError(f"{where}: event {name!r} is unknown to the model, and the alert has no line of it; "
                             "give the log with --normal SESSION; nothing was changed")
    return [known[name] for name in names]


def _of_sessions(model: Model, args: Any) -> tuple[Model, Windows]:
    """The model as it reads the log, and the windows of the named sessions."""
    dropped: Counter[str] = Counter()
    form = given_format(args)
    form, log = recognise(read(args.files, dropped), form, model.log_format if form is None else None, dropped)
    model = model.reading(form, named=args.format is not None)
    pipeline = model.pipeline(form, session=args.session, window=args.window)
    wanted = {name.encode() for name in args.normal}
    closed = [session for session in chain.from_iterable(step.closed for step in pipeline.run(log)) if session.key in wanted]
    missing = sorted(wanted - {session.key for session in closed})
    if missing:
        raise InputError(f"the log has no session {missing[0].decode(errors='replace')!r} ({len(missing)} of {len(wanted)} are missing); nothing was changed")
    windows = pipeline.windows(closed)
    return model, model.renumbered(Windows(np.where(windows.events < len(model.parser.templates), windows.events, UNKNOWN)))


if __name__ == "__main__":
    run(main)
