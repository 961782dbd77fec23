"""python -m tinylog.detect [-m MODEL] [FILE...] < log > alerts

One line an alert on standard output, or one JSON object (--json), everything else on standard error. A session alerts once.
With --output-format csv there is a row for every window, whether it alerts or not: its number, its session, 0 or 1.

    python -m tinylog.detect -m MODEL --follow --state DIR --output alerts.log /var/log/app.log

reads on for months: the file may be renamed or cut back, the process be killed at any moment.
"""
from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from .console import arguments, log_and_model, note, positive, run  # isort: skip, it sets the thread variables before NumPy is imported
from .errors import ConfigError
from .streaming.alerts import plain, to_json, to_text
from .streaming.watch import Watch, needs_lines
from .streaming.scorer import Scorer

if TYPE_CHECKING:
    from .records import Block


def main(argv: Sequence[str] | None = None) -> int:
    """0, or 3 where there were alerts and --exit-code asks for that."""
    options = arguments("detect", "Finds anomalies in a log.")
    options.add_argument("--output-format", choices=("text", "json", "csv"), default="text",
                         help="alerts as text or JSON lines; csv: window,session,prediction of every window")
    options.add_argument("--json", dest="output_format", action="store_const", const="json", help="short for --output-format json")
    options.add_argument("--threshold", type=float, metavar="X", help="alert above this score (log-odds) instead of the model's")
    options.add_argument("--session-timeout", type=float, metavar="SECONDS", help="a session is over when the log went on for so long without it")
    options.add_argument("--max-sessions", type=positive, metavar="N", help="most sessions that stay open; beyond, the quietest is judged")
    options.add_argument("--max-templates", type=positive, metavar="N", help="know at most so many templates beside the model's own (1000)")
    options.add_argument("--follow", action="store_true", help="wait for more, also where files are renamed or cut back")
    options.add_argument("--state", metavar="DIR", help="go on where the last run with this directory ended or was killed")
    options.add_argument("--state-every", type=float, metavar="SECONDS", help="a snapshot of what came by a pipe so often (600)")
    options.add_argument("--output", metavar="FILE", help="append alerts to a file instead of standard output (SIGHUP: open it again)")
    options.add_argument("--exit-code", action="store_true", help="leave with 3 if there were alerts")
    args = options.parse_args(argv)
    dropped: Counter[str] = Counter()
    if args.output_format == "csv" and (args.state or args.output):
        raise ConfigError("--output-format csv has a row for every window, on standard output; --state and --output are for alerts")
    watch = Watch(args.files, dropped, lambda text: note(f"tinylog: {text}"), args.follow, args.state, args.state_every, args.output)
    scorer = None
    with watch:
        form, log, model = log_and_model(args, dropped, watch.log, watch.log_format)
        if args.follow or args.state:
            needs_lines(form)
        pipeline = model.pipeline(form, timeout=args.session_timeout, session=args.session, window=args.window)
        if args.max_sessions:
            pipeline.windower.max_open = args.max_sessions
        if args.max_templates:
            model.parser.bounds = replace(model.parser.bounds, max_newcomers=args.max_templates)
        scorer = Scorer(model, pipeline, args.threshold)
        if args.output_format == "csv":
            _predictions(scorer, log)
        else:
            watch.run(scorer, log, to_json if args.output_format == "json" else to_text)
    if scorer is not None:
        note(_summary(scorer, dropped) + watch.summary(scorer))
    alerts = watch.state.told if watch.state else scorer.counters["alerts"] if scorer else 0
    return watch.code or (3 if args.exit_code and alerts else 0)


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
    lost = dropped + Counter(pipeline.windower.counters) + Counter({key: n for key, n in pipeline.parser.counters.items() if key.endswith(("full", "forgotten"))})
    del lost["timed_out"]  # those have had their verdict
    text = (f"tinylog: {pipeline.lines} lines ({pipeline.form.name}), {counters['sessions']} {'sessions' if pipeline.spec.kind == 'session' else 'windows'}, "
            f"{counters['alerts']} alerts above {scorer.threshold:.3f} (model {scorer.model.name})")
    return text + "".join(f"; {n} {what.replace('_', ' ')}" for what, n in sorted(lost.items()) if n)


if __name__ == "__main__":
    run(main)
