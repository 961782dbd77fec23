"""python -m tinylog.evaluate [-m MODEL] --labels F [FILE...]

Figures of a model on a labelled log, three ways: all windows; distinct ones (one row a window and label); and those that training
never saw (their last events occur in no file used for training, validation or --unlabelled). Beside them the rules without learning.
"""
from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from time import perf_counter
from typing import Any

from .console import arguments, log_and_model, note, number, run  # isort: skip, it sets the thread variables before NumPy is imported

import numpy as np

from .detectors.rules import NAMES
from .errors import InputError
from .metrics.classification import figures
from .model import Model
from .pipeline import labelled, read, recognise
from .reading.labels import read_labels, read_templates
from .records import PAD, Windows, concatenated


def main(argv: Sequence[str] | None = None) -> int:
    """0"""
    options = arguments("evaluate", "Compares a model's alerts with the truth.")
    options.add_argument("--labels", metavar="F", help="session,label rows (0, 1, Normal, Anomaly), where the log does not hold them")
    options.add_argument("--templates", metavar="F", help="texts of event ids that the model does not know")
    options.add_argument("--threshold", type=number, metavar="X", help="instead of the model's")
    options.add_argument("--seen", action="append", default=[], metavar="F", help="another log whose windows do not count as unseen")
    options.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    args = options.parse_args(argv)
    dropped: Counter[str] = Counter()
    form, log, model = log_and_model(args, dropped)
    pipeline = model.pipeline(form, read_templates(args.templates) if args.templates else (), session=args.session, window=args.window)
    windows = _collected(model, pipeline, log, args.labels)
    seen = model.seen
    for file in args.seen:
        other = model.pipeline(form, pipeline.names.texts, session=args.session, window=args.window)
        seen = np.union1d(seen, model.hashes(_collected(model, other, recognise(read([file], dropped), form, dropped=dropped)[1], None, truth=False)))
    report = evaluated(model, windows, seen, args.threshold)
    report["seconds"] = {part: round(pipeline.seconds[part], 3) for part in ("read", "parse", "window")} | report["seconds"]
    report["model"] = model_sizes(model, args.model)
    sys.stdout.write(json.dumps(report) + "\n" if args.json else _table(report))
    for what, n in sorted(dropped.items()):
        note(f"tinylog: {n} {what.replace('_', ' ')}")
    return 0


def _collected(model: Model, pipeline, log, labels: str | None, truth: bool = True) -> Windows:
    """All windows of a log, with their labels."""
    parts, known = [], read_labels(labels) if labels else None
    for step in pipeline.run(log):
        if step.closed:
            labels = labelled(step.closed, known) if truth else None
            parts.append(model.renumbered(pipeline.windows(step.closed, labels)))
    if not parts:
        raise InputError("the log has no session: no line holds a session key; --session REGEX or --window N cuts it another way")
    return concatenated(parts)


def evaluated(model: Model, windows: Windows, seen: np.ndarray, threshold: float | None = None) -> dict[str, Any]:
    """Figures of labelled windows: all, distinct, unseen, and the same of each rule."""
    threshold = model.threshold if threshold is None else threshold
    started = perf_counter()
    scores = model.score(windows)
    seconds = perf_counter() - started
    cuts = _cuts(windows, model.hashes(windows), seen)
    report: dict[str, Any] = {name: figures(scores[rows], windows.labels[rows], threshold) for name, rows in cuts.items()}
    rules, by_rule = model.detectors.get("rules"), {}
    if rules is not None:
        first, kind = windows.distinct()
        fired = rules.states(windows.take(first))[kind] != 0
        for name, column in zip(NAMES, fired.T):
            by_rule[name] = {cut: figures(column[rows].astype(float), windows.labels[rows], 0.5) for cut, rows in cuts.items()}
    return report | {"threshold": threshold, "rules": by_rule, "seconds": {"score": round(seconds, 3)}}


def _cuts(windows: Windows, hashes: np.ndarray, seen: np.ndarray) -> dict[str, np.ndarray]:
    """The rows of each of the three ways."""
    with_label = replace(windows, events=np.column_stack([windows.events, windows.labels + PAD + 1]))
    return {"all": np.arange(len(windows)), "distinct": np.sort(with_label.distinct()[0]),
            "unseen": np.flatnonzero(~np.isin(hashes, seen))}


def model_sizes(model: Model, path: str | None) -> dict[str, Any]:
    """How many numbers were learned, and what each part of the model takes in its file, in bytes."""
    alerting = [model.detectors[name] for name in model.thresholds]
    parts = model.parts()
    return {"name": model.name, "made_by": model.card, "learned_numbers": sum(array.size for detector in alerting for array in detector.params.values()),
            "learned_bytes": sum(parts[name] for name in model.thresholds), "file_bytes": sum(parts.values()), "parts": parts}


def _table(report: dict[str, Any]) -> str:
    columns = ("n", "tp", "fp", "fn", "precision", "recall", "f1", "false_positive_rate", "average_precision")
    rows = [["", *columns]]
    for name in ("all", "distinct", "unseen"):
        rows.append([name, *(_short(report[name][column]) for column in columns)])
    for rule, cuts in report["rules"].items():
        rows += [[f"{rule} ({name})", *(_short(cut[column]) for column in columns)] for name, cut in cuts.items() if name != "distinct"]
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = ["  ".join(cell.ljust(width) if i == 0 else cell.rjust(width) for i, (cell, width) in enumerate(zip(row, widths))) for row in rows]
    model = report["model"]
    lines.append(f"threshold {report['threshold']:.3f}; {model['learned_numbers']} learned numbers in {model['learned_bytes']} bytes, model file "
                 f"{model['file_bytes']} bytes; seconds " + ", ".join(f"{part} {spent:.2f}" for part, spent in report["seconds"].items()))
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _short(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.4f}"


if __name__ == "__main__":
    run(main)
