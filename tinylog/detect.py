"""python -m tinylog.detect [-m MODEL] [FILE...] < log > alerts

One line an alert on standard output, or one JSON object (--json), everything else on standard error. A session alerts once.
With --output-format csv there is a row for every window, whether it alerts or not: its number, its session, 0 or 1. With --every-line
there is one for every line as it comes: its number, its session, the session's score with it.
--metrics keeps a file of figures for Prometheus up to date.
"""
from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from .console import arguments, check_folder, log_and_model, note, positive, recognised, run, window  # isort: skip, it sets the thread variables before NumPy is imported
from .model import bundled, bundled_names
from .output import FORMATS, writer
from .output.escape import plain
from .streaming.scorer import Scorer

if TYPE_CHECKING:
    from .model import Model
    from .pipeline import Pipeline
    from .reading.formats import Format
    from .records import Alert, Block
    from .streaming.budget import Budget


def main(argv: Sequence[str] | None = None) -> int:
    """0, or 3 where there were alerts and --exit-code asks for that."""
    options = arguments("detect", "Finds anomalies in a log.")
    options.add_argument("--output-format", choices=(*FORMATS, "csv"), default="text",
                         help="how alerts are written, one a line; csv: window,session,prediction of every window")
    options.add_argument("--json", dest="output_format", action="store_const", const="json", help="short for --output-format json")
    options.add_argument("--color", choices=("auto", "always", "never"), default="auto",
                         help="of text; auto: on a terminal, and as NO_COLOR says")
    options.add_argument("--metrics", metavar="FILE",
                         help="figures for Prometheus (node_exporter's textfile), every ten seconds and at the end")
    options.add_argument("--threshold", type=float, metavar="X", help="alert above this score (log-odds) instead of the model's")
    options.add_argument("--budget", metavar="N/SPAN", help="so many alerts on a normal log: 5/day, 1/hour, 5/10k (lines); instead of a threshold")
    options.add_argument("--session-timeout", type=float, metavar="SECONDS", help="a session is over when the log went on for so long without it")
    options.add_argument("--every-line", action="store_true", help="line_no,session,score of every line as CSV, instead of alerts")
    options.add_argument("-j", "--jobs", type=positive, default=1, metavar="N", help="processes that parse files ahead; the alerts are the same")
    options.add_argument("--exit-code", action="store_true", help="leave with 3 if there were alerts")
    options.add_argument("--fresh", action="store_true", help="learn from the log's own beginning, also where there is a bundled model")
    options.add_argument("--warmup", type=window, metavar="N", help="how much to learn from: lines, or log time (3600s); default: 10000 lines, "
                         "up to 100000 while new templates keep coming, half of a short log")
    options.add_argument("--save", metavar="M", help="keep the model that was learned")
    args = options.parse_args(argv)
    dropped: Counter[str] = Counter()
    form, log, model, warm = _log_and_model(options, args, dropped)
    pipeline = model.pipeline(form, timeout=args.session_timeout, session=args.session, window=args.window)
    if args.every_line:
        return _every_line(model, pipeline, log, dropped)
    if args.jobs > 1 and form.name != "ids":
        from .streaming.ahead import ahead
        log = ahead(log, pipeline, args.jobs)
    budget = _budget(args.budget, model, form) if args.budget else None
    scorer = Scorer(model, pipeline, args.threshold, budget)
    scorer.skip(warm)
    # A terminal that cannot show a character gets an escape in its place. What programs read is UTF-8 by definition.
    sys.stdout.reconfigure(encoding=None if args.output_format == "text" else "utf-8", errors="backslashreplace")
    metrics = None
    if args.metrics:
        from .output.prometheus import Textfile
        metrics = Textfile(args.metrics, scorer, dropped, note)
        log = metrics.watched(log)
    try:
        if args.output_format == "csv":
            _predictions(scorer, log)
        else:
            _alerts(scorer.run(log), args)
    finally:
        if metrics is not None:
            metrics.write()
    note(_summary(scorer, dropped))
    if budget:
        note(f"tinylog: {budget.used(scorer.counters['alerts'], pipeline.lines)}")
    return 3 if args.exit_code and scorer.counters["alerts"] else 0


def _budget(text: str, model: Model, form: Format) -> Budget:
    from .streaming.budget import Budget, Calibration
    stored = model.card.get("calibration")
    return Budget(text, stored and Calibration.from_json(stored), form.time is not None)


def _alerts(alerts: Iterable[Alert], args: argparse.Namespace) -> None:
    """Each alert in the chosen format, as soon as it is known."""
    write = writer(args.output_format, sys.stdout, os.environ, args.color)
    for alert in alerts:
        sys.stdout.write(write(alert) + "\n")
        sys.stdout.flush()


def _log_and_model(options: argparse.ArgumentParser, args: argparse.Namespace, dropped: Counter[str]
                   ) -> tuple[Format, Iterator[Block], Model, list[Block]]:
    """The log's format, the log, its model, and the lines that this one was learned from: none where there was one before."""
    if args.model and (args.fresh or args.warmup or args.save):
        options.error("--fresh, --warmup and --save learn a model, and -m names one that is there")
    if args.model:
        return *log_and_model(args, dropped), []
    form, log = recognised(args, dropped)
    if form.name == "ids" or form.name in bundled_names() and not (args.fresh or args.warmup or args.save):  # ids say nothing by themselves
        return form, log, bundled(form).reading(form), []
    from .training import first_part, warmup  # much to import, and most runs have a model
    if args.save:
        check_folder(args.save)
    live = first_part.may_go_on(args.files)
    if live:
        note(f"tinylog: no model for this log ({form.name}): learning from its first lines, alerts come after that")
    warm, rest = first_part.first_part(log, form, args.warmup, live)
    cut = {"session": args.session, "window": args.window, "timeout": args.session_timeout}
    model = warmup.warmed_up(warm, form, **cut)
    note(warmup.summary(model, warmup.rehearsed(warm, form, **cut)))
    if args.save:
        model.save(args.save)
    return form, rest, model, warm


def _predictions(scorer: Scorer, log: Iterator[Block]) -> None:
    """A CSV row for every window, in the order in which they close."""
    import csv  # not for every start
    rows = csv.writer(sys.stdout, lineterminator="\n")
    rows.writerow(("window", "session", "prediction"))
    for i, (session, score) in enumerate(scorer.verdicts(log)):
        rows.writerow((i, plain(session.key), int(score > scorer.threshold)))
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
        rows.writerows((line_no, plain(key), score) for line_no, line in enumerate(lines, block.first_line_no)
                       for key, score in live.scores(line) or [(b"", "")])
        sys.stdout.flush()
    note("tinylog: every line scored" + _lost(dropped + live.stepper.counters))
    return 0


def _summary(scorer: Scorer, dropped: Counter[str]) -> str:
    """What was read, and whatever of it was dropped."""
    pipeline, counters = scorer.pipeline, scorer.counters
    lost = dropped + Counter(pipeline.windower.counters) + Counter({key: n for key, n in pipeline.parser.counters.items() if key.endswith("full")})
    del lost["timed_out"]  # those have had their verdict
    text = (f"tinylog: {pipeline.lines} lines ({pipeline.form.name}), {counters['sessions']} {'sessions' if pipeline.spec.kind == 'session' else 'windows'}, "
            f"{counters['alerts']} alerts above {scorer.threshold:.3f} (model {scorer.model.name})")
    for verdict, what in (("repeated", "repeated"), ("burst", "in bursts"), ("common", "common by now")):
        lost[f"{what}, not told"] = counters[verdict]
    return text + _lost(lost)


def _lost(counters: Counter[str]) -> str:
    return "".join(f"; {n} {what.replace('_', ' ')}" for what, n in sorted(counters.items()) if n)


if __name__ == "__main__":
    run(main)
