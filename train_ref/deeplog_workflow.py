"""DeepLog's workflow (Du 2017, section 4) of HDFS: the steps of normal sessions as a graph, printed, and as a detector beside rules.

    python -m train_ref.deeplog_workflow [--seeds 5] [--quick] [--dot FILE]

Built from DeepLog's 4,855 normal sessions and tested on dev_test. The table, the workflow of seed 0 as text, and its most
frequent alerts go to standard output: after which step, what was expected, what came. The paper has no figure of the workflow
as a detector: it uses it for diagnosis, as `detect` does with a model of `--detector deeplog_key --detector deeplog_workflow`.

    model       from the key model's probabilities; the seed is that of the key model
    clustering  from how densely events follow one another, without any network: always the same
"""
from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from time import perf_counter
from typing import NamedTuple

from tinylog.console import note, run  # before numpy: it sets the number of threads

import numpy as np

from tinylog.detectors import deeplog_workflow
from tinylog.evaluate import evaluated
from tinylog.model import Model
from tinylog.records import PAD, Windows
from tinylog.training.build import Options, build
from tinylog.training.dataset import Dataset
from tinylog.workflows import printing

from . import datasets

NAME = "deeplog_workflow"
CUTS = ("all", "distinct", "unseen")
SHOWN = 6  # kinds of alerts, of anomalous and of normal sessions
TENTH = slice(None, None, 10)


class Row(NamedTuple):
    """One variant, one seed."""

    name: str
    f1: tuple[float, ...]  # of the CUTS
    nodes: int = 0
    edges: int = 0
    size: int = 0  # bytes
    training: float = 0.0  # seconds
    detection: float = 0.0


def main(argv: Sequence[str] | None = None) -> int:
    """0"""
    parser = argparse.ArgumentParser(prog="python -m train_ref.deeplog_workflow", description="DeepLog's workflow of HDFS.")
    parser.add_argument("--seeds", type=int, default=5, help="how many, from 0")
    parser.add_argument("--quick", action="store_true", help="everything once, hardly trained")
    parser.add_argument("--dot", metavar="FILE", help="write the workflow of seed 0 as Graphviz source")
    args = parser.parse_args(argv)
    whole, test = datasets.read("hdfs")
    train = whole.unlabelled.take(TENTH) if args.quick else whole.unlabelled
    data = replace(whole, train=train, valid=None, unlabelled=None)
    rows, shown = [], None
    for seed in range(1 if args.quick else args.seeds):
        for method in ("model", "clustering")[:1 if seed else 2]:
            model, windows, row, rules = _judged(data, test, method, seed, 1 if args.quick else None)
            rows += [row] if seed else [row, *rules * (method == "clustering")]
            shown = shown or (model, windows)
            note(f"seed {seed}: {row.name}, F1 {row.f1[0]:.4f}, {row.nodes} nodes, {row.edges} edges, trained {row.training:.0f} s")
    named = _named(shown[0])
    sys.stdout.write(f"{_table(rows)}\n{printing.text(shown[0].detectors[NAME].workflow, named)}\n{_alerts(*shown, named)}")
    if args.dot:
        with open(args.dot, "w", encoding="utf-8") as file:
            file.write(printing.dot(shown[0].detectors[NAME].workflow, named))
    return 0


def _judged(data: Dataset, parsed: Windows, method: str, seed: int, epochs: int | None) -> tuple[Model, Windows, Row, list[Row]]:
    """A model of one method, the test in its event ids, its figures and those of the rules."""
    started = perf_counter()
    configs = {NAME: deeplog_workflow.Config(method=method)}
    model = build(data, "hdfs", Options((NAME,), seed, epochs, explained=False, configs=configs))
    seconds = perf_counter() - started
    windows = replace(parsed, events=model.numbered(parsed.events))
    report, detector = evaluated(model, windows, model.seen), model.detectors[NAME]
    row = Row(method, _f1(report), len(detector.workflow.events), len(detector.workflow.edges),
              sum(array.nbytes for array in detector.params.values()), seconds, report["seconds"]["score"])
    return model, windows, row, [Row(f"rule: {rule}", _f1(cuts)) for rule, cuts in report["rules"].items()]


def _f1(report: dict) -> tuple[float, ...]:
    return tuple(report[cut]["f1"] for cut in CUTS)


def _named(model: Model):
    """What an event is called: its number and its text."""
    return lambda event_id: " ".join(model.template(event_id)) if event_id != PAD else "END"


def _alerts(model: Model, windows: Windows, named) -> str:
    """The most frequent ways in which anomalous and normal sessions left the workflow."""
    first, kind = windows.distinct()
    some, detector, lines = windows.take(first), model.detectors[NAME], []
    alert = detector.score(some) > detector.threshold
    times = np.stack([np.bincount(kind, windows.labels == label, len(first)) for label in (0, 1)])
    for label, what in ((1, "anomalous"), (0, "normal")):
        ways: Counter[tuple] = Counter()
        for i in np.flatnonzero(alert & (times[label] > 0)).tolist():
            reason = detector.explain(some, i)
            ways[reason.detail["after"], reason.detail["came"], reason.expected[:3]] += int(times[label, i])
        lines.append(f"{sum(ways.values())} of {int(times[label].sum())} {what} sessions left the workflow, most often:")
        for (after, came, expected), n in ways.most_common(SHOWN):
            due = ", ".join(f"{named(event)} ({100 * p:.0f}%)" for event, p in expected)
            lines.append(f"{n:6d} x after {named(after) if after else 'START'}\n         expected {due}\n         came {named(came)}")
    return "\n".join(lines) + "\n"


def _table(rows: Sequence[Row]) -> str:
    return "\n".join(["| HDFS | seeds | F1 all | F1 distinct | F1 unseen | nodes | edges | bytes | training s | detection s |",
                      "|---|---|---|---|---|---|---|---|---|---|", *_lines(rows)]) + "\n"


def _lines(rows: Sequence[Row]) -> Iterator[str]:
    for name in dict.fromkeys(row.name for row in rows):
        own = [row for row in rows if row.name == name]
        f1 = [f"{np.mean(values):.4f} ± {np.std(values):.4f}" for values in zip(*(row.f1 for row in own))]
        costs = np.mean([row[2:] for row in own], 0)
        cells = [f"{cost:.0f}" for cost in costs[:3]] + [f"{cost:.1f}" for cost in costs[3:]] if costs.any() else [""] * 5
        yield f"| {' | '.join([name, str(len(own)), *f1, *cells])} |"


if __name__ == "__main__":
    run(main)
