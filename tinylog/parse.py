"""python -m tinylog.parse [-m MODEL] [FILE...] < log > rows

One row a line of the log, blank and broken ones too: line number, event id, template. Event 1 is a line without a template. With
-m the model's parser as it is, otherwise one that learns: files are read twice (learn, then match), a pipe once.
"""
from __future__ import annotations

import csv
import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from .console import arguments, given_format, log_and_model, note, run  # isort: skip, it sets the thread variables before NumPy is imported
from .parsing import Parser
from .parsing.parser import KINDS
from .pipeline import read, recognise
from .reading.formats import Format
from .reading.labels import read_templates
from .records import UNKNOWN, Block


def main(argv: Sequence[str] | None = None) -> int:
    """0"""
    options = arguments("parse", "Gives each line of a log its event id and template.", cut=False)
    options.add_argument("--json", action="store_true", help="one JSON object a line instead of CSV")
    options.add_argument("--values", action="store_true", help="the variable parts of each line too")
    options.add_argument("--templates", metavar="F", help="templates to begin with: id,template rows, or one a line")
    options.add_argument("--parser", choices=KINDS, default=KINDS[0], help="how templates are found (default: %(default)s)")
    args = options.parse_args(argv)
    dropped: Counter[str] = Counter()
    if args.model:
        form, log, model = log_and_model(args, dropped, joined=False)
        _write(log, form, model.parser, model.parser.match, args)
        return _done(dropped)
    form, log = recognise(read(args.files, dropped), given_format(args), dropped=dropped, joined=False)
    parser = Parser(form.content_of, read_templates(args.templates) if args.templates else (), args.parser)
    if "-" in args.files:
        _write(log, form, parser, parser.learn, args)
        return _done(dropped)
    for block in log:
        parser.learn(block.data)
    parser.consolidate()
    _write(recognise(read(args.files, Counter()), form, joined=False)[1], form, parser, parser.match, args)
    return _done(dropped)


def _write(log: Iterable[Block], form: Format, parser: Parser, event_ids, args) -> None:
    """The rows of a log, a block at a time: whoever reads them live sees each as soon as it is known."""
    columns = ["line_no", "event_id", "template"] + ["values"] * args.values
    writer = csv.writer(sys.stdout, lineterminator="\n")
    if not args.json:
        writer.writerow(columns)
    for block in log:
        rows = _rows(block, form, parser, event_ids(block.data).tolist(), args.values)
        if args.json:
            sys.stdout.writelines(json.dumps(dict(zip(columns, row))) + "\n" for row in rows)
        else:
            writer.writerows([*row[:3], *map(json.dumps, row[3:])] for row in rows)
        sys.stdout.flush()


def _rows(block: Block, form: Format, parser: Parser, event_ids: list[int], values: bool) -> Iterator[list]:
    lines = block.data.split(b"\n")
    for i, (event_id, line_no) in enumerate(zip(event_ids, block.numbers(len(event_ids)))):
        name, text = parser.templates[event_id] if event_id != UNKNOWN else ("1", "")
        row = [int(line_no), name, text]
        if values:
            found = parser.values(form.content(lines[i]), event_id)
            row.append([value.decode("utf-8", "backslashreplace") for value in found])
        yield row


def _done(dropped: Counter[str]) -> int:
    if dropped:
        note("tinylog: " + "; ".join(f"{n} {what.replace('_', ' ')}" for what, n in sorted(dropped.items())))
    return 0


if __name__ == "__main__":
    run(main)
