"""python -m tinylog.detect [-m MODEL] [FILE...] < log > alerts

One line an alert on standard output, or one JSON object (--json), everything else on standard error. A session alerts once.

Without -m the bundled model of the log's format is taken; where there is none, and with --fresh, the log's own beginning is learned
from (--warmup says how much of it, --save keeps the model), and the rest is judged in the same pass.

    python -m tinylog.detect --follow --state DIR --output alerts.log /var/log/app.log

reads on for months: the file may be renamed or cut back, the process be killed at any moment. SIGUSR1 asks how things stand.
"""
from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain, islice
from typing import TYPE_CHECKING

from .console import arguments, check_folder, given_format, note, number, positive, run, window  # isort: skip, it sets the thread variables before NumPy is imported
from .errors import ConfigError, ModelFileError
from .model import bundled, bundled_names, load
from .output import FORMATS, writer
from .output.escape import plain
from .pipeline import recognise_all
from .streaming.scorer import Scorer
from .streaming.watch import Watch, needs_lines

if TYPE_CHECKING:
    from .model import Model
    from .pipeline import Pipeline
    from .reading.formats import Format
    from .reading.front import Front
    from .records import Block
    from .streaming.adapt import Adaptation
    from .streaming.budget import Budget


def main(argv: Sequence[str] | None = None) -> int:
    """0, or 3 where there were alerts and --exit-code asks for that."""
    args = _options(argv)
    dropped: Counter[str] = Counter()
    scorer, here = None, Watch(args.files, dropped, lambda text: note(f"tinylog: {text}"), args.follow, args.state, args.state_every, args.output)
    with here:
        front, log, model, skip = _log_and_model(args, dropped, here)
        pipeline = model.pipeline(front.form, timeout=args.session_timeout, session=args.session, window=args.window)
        if args.max_sessions:
            pipeline.windower.max_open = args.max_sessions
        if args.max_templates:
            model.parser.bounds = replace(model.parser.bounds, max_newcomers=args.max_templates)
        if args.jobs > 1 and front.form.name != "ids":
            from .streaming.ahead import ahead
            log = ahead(log, pipeline, args.jobs)
        # A terminal that cannot show a character gets an escape in its place. What programs read is UTF-8 by definition.
        sys.stdout.reconfigure(encoding=None if args.output_format == "text" else "utf-8", errors="backslashreplace")
        if args.every_line:
            return _every_line(model, pipeline, log, dropped)
        scorer = Scorer(model, pipeline, args.threshold, _budget(args.budget, model, front.form), skip, _adaptation(args.adapt, model, front.form))
        here.signals.on_asked = lambda: _say(scorer, dropped, here)
        _judged(args, here, scorer, front, log, dropped)
    if scorer is not None:
        _say(scorer, dropped, here)
    alerts = here.state.told if here.state else scorer.counters["alerts"] if scorer else 0
    return here.code or (3 if args.exit_code and alerts else 0)


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    options = arguments("detect", "Finds anomalies in a log.")
    what = options.add_argument_group("what is an alert")
    what.add_argument("--threshold", type=number, metavar="X", help="a score above this (log-odds) instead of the model's")
    what.add_argument("--budget", metavar="N/SPAN", help="so many on a normal log: 5/day, 1/hour, 5/10k (lines); instead of a threshold")
    what.add_argument("--session-timeout", type=number, metavar="SECONDS", help="a session is over when the log went on for so long without it")
    fresh = options.add_argument_group("without a model")
    fresh.add_argument("--fresh", action="store_true", help="learn from the log's own beginning, also where there is a bundled model")
    fresh.add_argument("--warmup", type=window, metavar="N", help="how much to learn from: lines, or log time (3600s); default: 10000 lines, "
                       "up to 100000 while new templates keep coming, half of a short log")
    fresh.add_argument("--save", metavar="M", help="keep the model that was learned")
    out = options.add_argument_group("how alerts are written")
    out.add_argument("--output-format", choices=(*FORMATS, "csv"), default="text", help="one alert a line; csv: window,session,prediction of every window")
    out.add_argument("--json", dest="output_format", action="store_const", const="json", help="short for --output-format json")
    out.add_argument("--every-line", action="store_true", help="instead of alerts, line_no,session,score of every line as CSV")
    out.add_argument("--color", choices=("auto", "always", "never"), default="auto", help="of text; auto: on a terminal, and as NO_COLOR says")
    out.add_argument("--output", metavar="FILE", help="append alerts to a file instead of standard output (SIGHUP: open it again)")
    out.add_argument("--metrics", metavar="FILE", help="figures for Prometheus (node_exporter's textfile), every ten seconds and at the end")
    out.add_argument("--exit-code", action="store_true", help="leave with 3 if there were alerts")
    long = options.add_argument_group("left on for long")
    long.add_argument("--follow", action="store_true", help="wait for more lines, also in files that are renamed or cut back (SIGHUP: look now)")
    long.add_argument("--state", metavar="DIR", help="go on where the last run with this directory was stopped or killed; the log's end is a pause")
    long.add_argument("--state-every", type=number, metavar="SECONDS", help="a snapshot of what came by a pipe so often (600)")
    long.add_argument("--max-sessions", type=positive, metavar="N", help="keep at most so many sessions open; beyond, the quietest is judged")
    long.add_argument("--max-templates", type=positive, metavar="N", help="know at most so many templates beside the model's own (1000)")
    long.add_argument("--adapt", action="store_true", help="learn slowly from what was not flagged; only ever to forgive, and never by more than a bound")
    long.add_argument("-j", "--jobs", type=positive, default=1, metavar="N", help="processes that parse ahead; the alerts are the same")
    args = options.parse_args(argv)
    if args.model and (args.fresh or args.warmup or args.save):
        options.error("--fresh, --warmup and --save learn a model, and -m names one that is there")
    if (args.output_format == "csv" or args.every_line) and (args.state or args.output):
        raise ConfigError("--output-format csv and --every-line have a row for all there is, on standard output; --state and --output are for alerts")
    if args.every_line and args.adapt:
        raise ConfigError("--every-line gives scores of the model as it is, and --adapt changes them; leave one of them out")
    if args.jobs > 1 and (args.follow or args.state):
        raise ConfigError("-j reads ahead, which --follow and --state must not; leave one of them out")
    if args.save:
        check_folder(args.save)
    return args


def _log_and_model(args: argparse.Namespace, dropped: Counter[str], here: Watch) -> tuple[Front, Iterator[Block], Model, int]:
    """What stands in front of the parser, the log, its model ready for this one log, and how many lines of it were learned from."""
    kept = os.path.join(args.state, "model.tinylog") if args.state else ""  # what was learned belongs to the state
    path = args.model or (kept if os.path.exists(kept) else None)
    model = load(path) if path else None
    front, log = here.resumed(dropped)
    if front is None:
        form = given_format(args)
        front, log = recognise_all(log, form, model.log_format if model is not None and form is None else None, dropped, ends=not args.state)
    if args.follow or args.state:
        needs_lines(front.form)
    if model is None and (front.form.name == "ids" or front.form.name in bundled_names() and not (args.fresh or args.warmup or args.save)):
        model = bundled(front.form)  # event ids say nothing by themselves
    if model is not None:
        learned_from = model.card["warm_up"]["lines"] if path == kept else 0
        return front, log, model.reading(front.form, named=args.format is not None or path == kept), learned_from
    return front, *_learned(args, front.form, log, kept)


def _learned(args: argparse.Namespace, form: Format, log: Iterator[Block], kept: str) -> tuple[Iterator[Block], Model, int]:
    """The log, a model of its beginning, and how many lines that was."""
    from .training import first_part, warmup  # much to import, and most runs have a model
    live = first_part.may_go_on(args.files) or args.follow
    log = _announced(log, form) if live else log
    read: list[Block] = []
    warm, _ = first_part.first_part((read.append(block) or block for block in log), form, args.warmup, live)
    cut = {"session": args.session, "window": args.window, "timeout": args.session_timeout}
    model = warmup.warmed_up(warm, form, **cut)
    rehearsal = warmup.rehearsed(warm, form, **cut)
    model.card["calibration"] = rehearsal and rehearsal.calibration and rehearsal.calibration.to_json()
    note(warmup.summary(model, rehearsal))
    for path in filter(None, (args.save, kept)):
        model.save(path)
    return chain(read, log), model, model.card["warm_up"]["lines"]


def _announced(log: Iterator[Block], form: Format) -> Iterator[Block]:
    """The log; that nothing will be told for a while is said where it does not come at once."""
    yield from islice(log, 1)
    for block in islice(log, 1):
        note(f"tinylog: no model for this log ({form.name}): learning from its first lines, alerts come after that")
        yield block
    yield from log


def _judged(args: argparse.Namespace, here: Watch, scorer: Scorer, front: Front, log: Iterator[Block], dropped: Counter[str]) -> None:
    metrics = None
    if args.metrics:
        from .output.prometheus import Textfile
        metrics = Textfile(args.metrics, scorer, dropped, note)
        log = metrics.watched(log)
    try:
        if args.output_format == "csv":
            _predictions(scorer, log)
        else:
            write = writer(args.output_format, None if args.output else sys.stdout, os.environ, args.color)
            here.run(scorer, log, write, "utf-8" if args.output or args.output_format != "text" else sys.stdout.encoding, front)
    finally:
        if metrics is not None:
            metrics.write()


def _budget(text: str | None, model: Model, form: Format) -> Budget | None:
    if text is None:
        return None
    from .streaming.budget import Budget, Calibration
    stored = model.card.get("calibration")
    try:
        known = stored and Calibration.from_json(stored)
    except (KeyError, TypeError, ValueError) as error:
        raise ModelFileError(f"the scores of held-back windows in the model {model.name!r} are damaged ({type(error).__name__}: {error})") from None
    return Budget(text, known, form.time is not None)


def _adaptation(wanted: bool, model: Model, form: Format) -> Adaptation | None:
    if not wanted:
        return None
    from .streaming.adapt import Adaptation
    return Adaptation(model, form.time is not None)


def _predictions(scorer: Scorer, log: Iterator[Block]) -> None:
    """A CSV row for every window, in the order in which they close."""
    import csv  # not for every start
    rows = csv.writer(sys.stdout, lineterminator="\n")
    rows.writerow(("window", "session", "prediction"))
    for i, (session, _, anomalous) in enumerate(scorer.verdicts(log)):
        rows.writerow((i, plain(session.key), int(anomalous)))
    sys.stdout.flush()


def _every_line(model: Model, pipeline: Pipeline, log: Iterator[Block], dropped: Counter[str]) -> int:
    """A CSV row for each line and session that it belongs to; a line without one has no score."""
    import csv

    from .live.lines import Live
    live, rows = Live(model, pipeline), csv.writer(sys.stdout, lineterminator="\n")
    rows.writerow(("line_no", "session", "score"))
    for block in log:
        lines = block.data.split(b"\n")
        lines.pop()  # behind the last newline
        rows.writerows((line_no, plain(key), score) for line_no, line in zip(block.numbers(len(lines)).tolist(), lines)
                       for key, score in live.scores(line) or [(b"", "")])
        sys.stdout.flush()
    note("tinylog: every line scored" + _lost(dropped + live.stepper.counters))
    return 0


def _say(scorer: Scorer, dropped: Counter[str], here: Watch) -> None:
    """How things stand: at the end, and when SIGUSR1 asks for it."""
    note(_summary(scorer, dropped) + here.summary(scorer))
    if scorer.budget is not None:
        note(f"tinylog: {scorer.budget.used(scorer.counters['alerts'], scorer.pipeline.lines)}")


def _summary(scorer: Scorer, dropped: Counter[str]) -> str:
    """What was read, and whatever of it was dropped."""
    pipeline, counters = scorer.pipeline, scorer.counters
    lost = dropped + Counter(pipeline.windower.counters) + Counter({key: n for key, n in pipeline.parser.counters.items() if key.endswith(("full", "forgotten"))})
    del lost["timed_out"]  # those have had their verdict
    text = (f"tinylog: {pipeline.lines} lines ({pipeline.form.name}), {counters['sessions']} {'sessions' if pipeline.spec.kind == 'session' else 'windows'}, "
            f"{counters['alerts']} alerts{f' above {scorer.threshold:.3f}' if scorer.budget is None else ''} (model {scorer.model.name})")
    for verdict, what in (("repeated", "repeated"), ("burst", "in bursts"), ("common", "common by now")):
        lost[f"{what}, not told"] = counters[verdict]
    return text + ("" if scorer.adaptation is None else scorer.adaptation.summary()) + _lost(lost)


def _lost(counters: Counter[str]) -> str:
    return "".join(f"; {n} {what.replace('_', ' ')}" for what, n in sorted(counters.items()) if n)


if __name__ == "__main__":
    run(main)
