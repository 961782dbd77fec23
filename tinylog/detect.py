"""python -m tinylog.detect [-m MODEL] [FILE...] < log > alerts

One line an alert on standard output, or one JSON object (--json), everything else on standard error. A session alerts once.
With --output-format csv there is a row for every window, whether it alerts or not: its number, its session, 0 or 1.

Without -m the bundled model of the log's format is taken; where there is none, and with --fresh, the log's own beginning is learned
from (--warmup says how much of it, --save keeps the model), and the rest is judged in the same pass.
"""
from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from .console import arguments, check_folder, log_and_model, note, recognised, run, window  # isort: skip, it sets the thread variables before NumPy is imported
from .model import bundled, bundled_names
from .streaming.alerts import plain, to_json, to_text
from .streaming.scorer import Scorer

if TYPE_CHECKING:
    from .model import Model
    from .reading.formats import Format
    from .records import Block


def main(argv: Sequence[str] | None = None) -> int:
    """0, or 3 where there were alerts and --exit-code asks for that."""
    options = arguments("detect", "Finds anomalies in a log.")
    options.add_argument("--output-format", choices=("text", "json", "csv"), default="text",
                         help="alerts as text or JSON lines; csv: window,session,prediction of every window")
    options.add_argument("--json", dest="output_format", action="store_const", const="json", help="short for --output-format json")
    options.add_argument("--threshold", type=float, metavar="X", help="alert above this score (log-odds) instead of the model's")
    options.add_argument("--session-timeout", type=float, metavar="SECONDS", help="a session is over when the log went on for so long without it")
    options.add_argument("--exit-code", action="store_true", help="leave with 3 if there were alerts")
    options.add_argument("--fresh", action="store_true", help="learn from the log's own beginning, also where there is a bundled model")
    options.add_argument("--warmup", type=window, metavar="N", help="how much to learn from: lines, or log time (3600s); default: 10000 lines, "
                         "up to 100000 while new templates keep coming, half of a short log")
    options.add_argument("--save", metavar="M", help="keep the model that was learned")
    args = options.parse_args(argv)
    dropped: Counter[str] = Counter()
    form, log, model, warm = _log_and_model(options, args, dropped)
    pipeline = model.pipeline(form, timeout=args.session_timeout, session=args.session, window=args.window)
    scorer = Scorer(model, pipeline, args.threshold)
    scorer.skip(warm)
    if args.output_format == "csv":
        _predictions(scorer, log)
    else:
        write = to_json if args.output_format == "json" else to_text
        for alert in scorer.run(log):
            sys.stdout.write(write(alert) + "\n")
            sys.stdout.flush()
    note(_summary(scorer, dropped))
    return 3 if args.exit_code and scorer.counters["alerts"] else 0


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
    warm, rest = first_part.first_part(_announced(log, form) if live else log, form, args.warmup, live)
    cut = {"session": args.session, "window": args.window, "timeout": args.session_timeout}
    model = warmup.warmed_up(warm, form, **cut)
    note(warmup.summary(model, warmup.rehearsed(warm, form, **cut)))
    if args.save:
        model.save(args.save)
    return form, rest, model, warm


def _announced(log: Iterator[Block], form: Format) -> Iterator[Block]:
    """The log; that nothing will be told for a while is said where it does not come at once."""
    yield from islice(log, 1)
    for block in islice(log, 1):
        note(f"tinylog: no model for this log ({form.name}): learning from its first lines, alerts come after that")
        yield block
    yield from log


def _predictions(scorer: Scorer, log: Iterator[Block]) -> None:
    """A CSV row for every window, in the order in which they close."""
    import csv  # not for every start
    rows = csv.writer(sys.stdout, lineterminator="\n")
    rows.writerow(("window", "session", "prediction"))
    for i, (session, score) in enumerate(scorer.verdicts(log)):
        rows.writerow((i, plain(session.key), int(score > scorer.threshold)))
    sys.stdout.flush()


def _summary(scorer: Scorer, dropped: Counter[str]) -> str:
    """What was read, and whatever of it was dropped."""
    pipeline, counters = scorer.pipeline, scorer.counters
    lost = dropped + Counter(pipeline.windower.counters) + Counter({key: n for key, n in pipeline.parser.counters.items() if key.endswith("full")})
    del lost["timed_out"]  # those have had their verdict
    text = (f"tinylog: {pipeline.lines} lines ({pipeline.form.name}), {counters['sessions']} {'sessions' if pipeline.spec.kind == 'session' else 'windows'}, "
            f"{counters['alerts']} alerts above {scorer.threshold:.3f} (model {scorer.model.name})")
    for verdict, what in (("repeated", "repeated"), ("burst", "in bursts"), ("common", "common by now")):
        lost[f"{what}, not told"] = counters[verdict]
    return text + "".join(f"; {n} {what.replace('_', ' ')}" for what, n in sorted(lost.items()) if n)


if __name__ == "__main__":
    run(main)
