"""python -m tinylog.doctor [FILE...] < log: what tinylog sees in a log, and what detect would do with it.

One pass, in bounded memory; nothing is written but the report, as text or, with --json, as one JSON object.
"""
from __future__ import annotations

import json
import shlex
import sys
from collections import Counter
from collections.abc import Sequence
from typing import Any

from .console import arguments, given_format, run  # isort: skip, it sets the thread variables before NumPy is imported

import numpy as np

from .errors import ConfigError, InputError
from .model import bundled
from .parsing import Parser
from .parsing.unmasked import unmasked
from .pipeline import read, recognise_all, spec_for
from .reading.clock import Clock
from .reading.decode import EXCEPTION
from .reading.front import Front
from .reading.keys import Key, candidates
from .records import FIRST_EVENT, UNKNOWN, Block
from .output.escape import plain, utc

SAMPLE, SAMPLE_BYTES = 20_000, 2_000  # lines, the first ones, and bytes of each in which session keys are looked for
SHOWN = 5  # examples of anything
WIDTH = 160  # characters of an example
COVERED = 0.9  # share of the lines that a model must know
FLAT, FEW = 0.1, 2  # share, or number, of the templates that may come in the second half of a log that is known


class Survey:
    """What is seen of a log, block by block."""

    def __init__(self, front: Front) -> None:
        self.form, self.parser, self.clock = front.form, Parser(front.form.content_of), Clock(front.form)
        self.lines, self.odd, self.backwards, self.most_back = 0, 0, 0, 0.0
        self.first = self.last = self.earliest = self.latest = None
        self.longest_gap = 0.0
        self.examples: list[tuple[int, bytes]] = []
        self.counts: Counter[int] = Counter()
        self.first_seen: dict[int, int] = {}  # event id: lines before it
        self.sample: list[bytes] = []
        self.sample_ids: list[int] = []

    def add(self, block: Block) -> None:
        """The records of a block."""
        lines = block.data.split(b"\n")
        lines.pop()
        if not lines:
            return
        ids = self.parser.learn(block.data)
        kinds, first, counts = np.unique(ids, return_index=True, return_counts=True)
        for event, at, n in zip(kinds.tolist(), first.tolist(), counts.tolist()):
            self.counts[event] += n
            self.first_seen.setdefault(event, self.lines + at)
        times = self.clock.times(lines)
        if times is not None:
            self._time(times[~np.isnan(times)])
            self._odd(lines, np.flatnonzero(np.isnan(times)).tolist(), block)
        room = SAMPLE - len(self.sample)
        self.sample += [line[:SAMPLE_BYTES] for line in lines[:room]]
        self.sample_ids += ids[:room].tolist()
        self.lines += len(lines)

    def _time(self, times: np.ndarray) -> None:
        if not len(times):
            return
        steps = np.diff(times, prepend=times[0] if self.last is None else self.last)
        self.backwards += int((steps < 0).sum())
        self.most_back = max(self.most_back, float(-steps.min()))
        self.longest_gap = max(self.longest_gap, float(steps.max()))
        self.first = float(times[0]) if self.first is None else self.first
        self.earliest = min([float(times.min()), *([] if self.earliest is None else [self.earliest])])
        self.latest = max([float(times.max()), *([] if self.latest is None else [self.latest])])
        self.last = float(times[-1])

    def _odd(self, lines: Sequence[bytes], untimed: Sequence[int], block: Block) -> None:
        """Lines that the format does not understand: no header, or one whose time is none."""
        if self.form.name == "plain":
            return
        for i in untimed:
            match = self.form.header.match(lines[i])
            if lines[i].strip() and (match is None or match["time"] != b"-") and not EXCEPTION.match(lines[i]):
                self.odd += 1
                if len(self.examples) < SHOWN:
                    self.examples.append((int(block.numbers(len(lines))[i]), lines[i]))


def main(argv: Sequence[str] | None = None) -> int:
    """0"""
    options = arguments("doctor", "Says what tinylog sees in a log.", model=False)
    options.add_argument("--json", action="store_true", help="one JSON object instead of text")
    args = options.parse_args(argv)
    dropped: Counter[str] = Counter()
    front, log = recognise_all(read(args.files, dropped), given_format(args), counters=dropped)
    if front.form.name == "ids":
        raise InputError("a log of event ids has nothing to diagnose: its events are what its ids say")
    survey = Survey(front)
    for block in log:
        survey.add(block)
    report = diagnosis(front, survey, dropped, args)
    sys.stdout.write(json.dumps(report) + "\n" if args.json else _text(report))
    return 0


def diagnosis(front: Front, survey: Survey, dropped: Counter[str], args: Any) -> dict[str, Any]:
    """The report, as JSON values."""
    keys = candidates(survey.sample, survey.sample_ids, front.form)
    n = max(survey.lines, 1)
    return {
        "format": front.form.name,
        "wrapped_in": list(front.envelopes),
        "lines": survey.lines,
        "understood": None if front.form.name == "plain" else round(1 - survey.odd / n, 4),
        "not_understood": [{"line_no": number, "line": plain(line, WIDTH)} for number, line in survey.examples],
        "dropped": {what: count for what, count in sorted(dropped.items()) if count},
        "time": _time(survey),
        "templates": _templates(survey),
        "masks": [{"template": plain(place.template, WIDTH), "words": [plain(word, 40) for word in place.words[:SHOWN]],
                   "templates": len(place.words)} for place in unmasked([template.text for template in survey.parser.templates])[:SHOWN]],
        "session_keys": [_key(key) for key in keys[:SHOWN]],
        "detect": _detect(front, survey, keys, args),
    }


def _time(survey: Survey) -> dict[str, Any] | None:
    if survey.first is None:
        return None
    span = survey.latest - survey.earliest
    return {"first": utc(survey.earliest), "last": utc(survey.latest), "seconds": round(span, 3), "jumps_back": survey.backwards,
            "largest_jump_back": round(survey.most_back, 3), "longest_gap": round(survey.longest_gap, 3),
            "lines_per_second": round(survey.lines / span, 3) if span else None,
            "lines_per_day": round(86400 * survey.lines / span) if span else None}


def _templates(survey: Survey) -> dict[str, Any]:
    seen = sorted(at for event, at in survey.first_seen.items() if event >= FIRST_EVENT)
    tenths = [int(np.searchsorted(seen, survey.lines * tenth / 10)) for tenth in range(1, 11)]
    late, texts = len(seen) - tenths[4], survey.parser.templates
    return {
        "count": len(seen),
        "after_each_tenth": tenths,
        "in_second_half": late,
        "flattens": late <= max(FLAT * len(seen), FEW),
        "once": sum(count == 1 for event, count in survey.counts.items() if event >= FIRST_EVENT),
        "without_template": survey.counts[UNKNOWN],
        "most_frequent": [{"template": plain(texts[event].text, WIDTH), "lines": count} for event, count in survey.counts.most_common(SHOWN)
                          if event >= FIRST_EVENT],
    }


def _key(key: Key) -> dict[str, Any]:
    return {"what": key.what, "regex": key.pattern, "share_of_lines": round(key.share, 4), "sessions": key.sessions,
            "median_lines": key.median, "most_lines": key.longest, "begin_alike": round(key.alike, 4), "recommended": key.good}


def _detect(front: Front, survey: Survey, keys: Sequence[Key], args: Any) -> dict[str, Any]:
    """Which model, which windows, and what to type."""
    form = front.form
    best = next((key.pattern for key in keys if key.good), None)
    session = args.session or (best if form.session is None and args.window is None else None)
    spec = spec_for(form, session=session, window=args.window)
    model, covered = None, None
    try:
        model = bundled(form)
        ids = model.reading(form).parser.match(b"\n".join([*survey.sample, b""]))
        covered = round(float((ids != UNKNOWN).mean()), 4)
    except ConfigError:
        pass
    words = ["--format", args.format] * bool(args.format) + ["--session", session] * bool(session)
    words += ["--window", f"{args.window:g}s" if isinstance(args.window, float) else str(args.window)] * bool(args.window)
    files = [] if args.files == ["-"] else args.files
    fits = covered is not None and covered >= COVERED
    return {
        "model": model.name if fits else None,
        "model_knows": covered,
        "cut_by": spec.kind,
        "session": spec.session,
        "window": spec.size if spec.kind == "lines" else spec.seconds if spec.kind == "time" else None,
        "streams_by": list(spec.stream),
        "command": shlex.join(["python", "-m", "tinylog.detect", *words, *files]) + " < log" * (not files),
        "train": shlex.join(["python", "-m", "tinylog.train", *words, "-o", "my.tinylog", *files]) + " < log" * (not files),
    }


def _text(report: dict[str, Any]) -> str:
    rows = [*_about_format(report), *_about_time(report["time"]), *_about_templates(report), *_about_sessions(report["session_keys"]),
            *_about_detect(report["detect"])]
    return "".join(f"{name:<15}{text}".rstrip() + "\n" for name, text in rows)


def _about_format(report: dict[str, Any]) -> list[tuple[str, str]]:
    wrapped = "".join(f" in {name}" for name in reversed(report["wrapped_in"]) if name != report["format"])
    sure = "any line is" if report["understood"] is None else f"{100 * report['understood']:.1f} % of {report['lines']:,} lines understood"
    rows = [("format", f"{report['format']}{wrapped}: {sure}")]
    rows += [("", f"not understood, line {each['line_no']}: {each['line']}") for each in report["not_understood"]]
    why = {"joined_lines": ": they belong to the line before, as in a stack trace"}
    rows += [("", f"{count:,} {what.replace('_', ' ')}{why.get(what, '')}") for what, count in report["dropped"].items()]
    return rows


def _about_time(time: dict[str, Any] | None) -> list[tuple[str, str]]:
    if time is None:
        return [("time", "no line has one that is known: no timeouts, no windows of time, no rates")]
    rate = f", {time['lines_per_second']:,.3g} lines a second, {time['lines_per_day']:,} a day" if time["lines_per_second"] else ""
    order = f"{time['jumps_back']:,} jumps back, the largest by {_span(time['largest_jump_back'])}" if time["jumps_back"] else "in order"
    return [("time", f"{time['first']} to {time['last']}, {_span(time['seconds'])}{rate}"),
            ("", f"{order}; longest gap {_span(time['longest_gap'])}")]


def _about_templates(report: dict[str, Any]) -> list[tuple[str, str]]:
    found = report["templates"]
    growth = " ".join(f"{count:,}" for count in found["after_each_tenth"])
    late = found["in_second_half"]
    verdict = "it flattens" if found["flattens"] else f"it still grows, {late:,} came in the second half: learn from more lines"
    rows = [("templates", f"{found['count']:,}, {found['once']:,} of them of one line; after each tenth of the log {growth}: {verdict}")]
    if found["without_template"]:
        rows.append(("", f"{found['without_template']:,} lines have none (blank, or no room for more)"))
    rows += [("", f"{each['lines']:>9,}  {each['template']}") for each in found["most_frequent"]]
    rows += [("mask", f"{each['templates']} templates differ in one word ({', '.join(each['words'])}, ...); if it does not matter which, "
              f"give train --templates F with the line: {each['template']}") for each in report["masks"]]
    return rows


def _about_sessions(keys: Sequence[dict[str, Any]]) -> list[tuple[str, str]]:
    rows = []
    for key in keys:
        name = f"{'*' if key['recommended'] else ' '} {plain(key['regex'])}  ({plain(key['what'])})"
        size = f"{key['median_lines']:g} lines (median) to {key['most_lines']:,}"
        rows.append(("", f"{name} in {100 * key['share_of_lines']:.1f} % of the lines: {key['sessions']:,} sessions, {size}, "
                     f"{100 * key['begin_alike']:.0f} % begin alike"))
    rows = rows or [("", "no identifier found that several lines share")]
    return [("session keys", rows[0][1]), *rows[1:]]


def _about_detect(found: dict[str, Any]) -> list[tuple[str, str]]:
    if found["model"]:
        model = f"the bundled model {found['model']}, which knows {100 * found['model_knows']:.1f} % of the lines"
    else:
        known = f" (the bundled one knows {100 * found['model_knows']:.1f} % of the lines)" if found["model_knows"] is not None else ""
        model = f"no bundled model fits{known}: it learns what is normal from the beginning of the log, or from a training log of yours"
    cut = f"sessions by {plain(found['session'])}" if found["cut_by"] == "session" else (
        f"windows of {found['window']:g} seconds" if found["cut_by"] == "time" else f"windows of {found['window']} lines"
        + (f" for each {' and '.join(found['streams_by'])}" if found["streams_by"] else ""))
    return [("detect", model), ("", cut), ("", plain(found["command"])), ("", plain(found["train"]))]


def _span(seconds: float) -> str:
    for unit, name in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.1f} {name}"
    return f"{seconds:.3g} seconds"


if __name__ == "__main__":
    run(main)
