"""python -m tinylog.parse [-m MODEL] [FILE...] < log > rows

One row a line of the log, blank and broken ones too: line number, event id, template. Event 1 is a line without a template. With
-m the model's parser as it is, otherwise one that learns. Of files the rows are written when all is learned, from event ids that were
kept, four bytes a line; a pipe gets its rows as it comes.
"""
from __future__ import annotations

import csv
import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from io import StringIO

from .console import arguments, given_format, log_and_model, note, run  # isort: skip, it sets the thread variables before NumPy is imported
import numpy as np

from .parsing import Parser
from .parsing.parser import KINDS
from .pipeline import read, recognise
from .reading.formats import Format
from .reading.labels import read_templates
from .records import UNKNOWN, Block, Template

Parsed = tuple[Block, list[int]]  # without its lines where they are not needed, and the event id of each

_LAST = [f"{i:03}" for i in range(1000)]  # digits of a number


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
        _write(_parsed(log, model.parser.match), form, model.parser, args)
        return _done(dropped, model.parser)
    form, log = recognise(read(args.files, dropped), given_format(args), dropped=dropped, joined=False)
    parser = Parser(form.content_of, read_templates(args.templates) if args.templates else (), args.parser)
    if "-" in args.files:
        _write(_parsed(log, parser.learn), form, parser, args)
        return _done(dropped, parser)
    learned = [(block._replace(data=b""), parser.learn(block.data)) for block in log]
    new = np.array(list(parser.consolidate().values()))  # its keys count from 0
    if args.values or parser.counters["templates_full"]:  # the lines are needed, or may match now what they did not then
        _write(_parsed(recognise(read(args.files, Counter()), form, joined=False)[1], parser.match), form, parser, args)
    else:
        _write(((block, new[ids].tolist()) for block, ids in learned), form, parser, args)
    return _done(dropped, parser)


def _parsed(log: Iterable[Block], event_ids) -> Iterator[Parsed]:
    return ((block, event_ids(block.data).tolist()) for block in log)


def _write(parsed: Iterable[Parsed], form: Format, parser: Parser, args) -> None:
    """The rows of a log, a block at a time: whoever reads them live sees each as soon as it is known."""
    if not args.json:
        sys.stdout.write("line_no,event_id,template" + ",values" * args.values + "\n")
    begin, known = '{"line_no": ' * args.json, {}
    for block, ids in parsed:
        if args.values:
            ends = [_end(_template(parser, event_id), parser.values(form.content(line), event_id), args.json)
                    for event_id, line in zip(ids, block.data.split(b"\n"))]
        else:
            templates = {event_id: _template(parser, event_id) for event_id in set(ids)}  # learning may change a text
            known.update((template, _end(template, None, args.json)) for template in set(templates.values()) - known.keys())
            ends = list(map({event_id: known[template] for event_id, template in templates.items()}.__getitem__, ids))
        if block.line_nos is None:
            sys.stdout.write(_joined(begin, block.first_line_no, ends))
        else:
            sys.stdout.writelines(f"{begin}{line_no}{end}" for line_no, end in zip(block.line_nos.tolist(), ends))
        sys.stdout.flush()


def _joined(begin: str, first: int, ends: list[str]) -> str:
    """Rows of these ends, numbered from `first`. The numbers of a thousand share their beginning: writing each anew takes twice the time."""
    parts: list[str] = [begin] * (3 * len(ends))
    at, stop = first, first + len(ends)
    while at < stop:
        thousand, behind = divmod(at, 1000)
        n = min(1000 - behind, stop - at)
        if thousand:
            parts[3 * (at - first):3 * (at - first + n):3] = [f"{begin}{thousand}"] * n
        parts[3 * (at - first) + 1:3 * (at - first + n):3] = _LAST[behind:behind + n] if thousand else map(str, range(behind, behind + n))
        at += n
    parts[2::3] = ends
    return "".join(parts)


def _template(parser: Parser, event_id: int) -> Template:
    return Template("1", "") if event_id == UNKNOWN else parser.templates[event_id]


def _end(template: Template, values: list[bytes] | None, as_json: bool) -> str:
    """What follows the line number in a row."""
    name, text = template
    columns = {"event_id": name, "template": text}
    if values is not None:
        columns["values"] = [value.decode("utf-8", "backslashreplace") for value in values]
    if as_json:
        return ", " + json.dumps(columns)[1:] + "\n"
    row = StringIO()
    csv.writer(row, lineterminator="\n").writerow(["", name, text, *map(json.dumps, list(columns.values())[2:])])
    return row.getvalue()


def _done(dropped: Counter[str], parser: Parser) -> int:
    """A line about what was cut off, and about bounds that were reached: how often a cache began anew, how many keys it let pass."""
    said = dropped + Counter({what: n for what, n in parser.counters.items() if what.endswith(("_full", "_aside"))})
    if said:
        note("tinylog: " + "; ".join(f"{n} {what.replace('_', ' ')}" for what, n in sorted(said.items())))
    return 0


if __name__ == "__main__":
    run(main)
