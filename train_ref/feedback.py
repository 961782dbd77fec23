"""DeepLog's online update (Du 2017, section 3.4): the false alarms of one half of HDFS's dev_test told to a key model, the other half judged.

    python -m train_ref.feedback [--seeds 1] [--quick]

The model has DeepLog's 4,855 normal sessions; every second session of dev_test is one half. A table on standard output: F1 before and after,
the false alarms stand in the names of the rows.
"""
from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from time import perf_counter

from tinylog.console import note, run  # before numpy: it sets the number of threads

import numpy as np

from tinylog.evaluate import evaluated
from tinylog.model import Model
from tinylog.records import Windows
from tinylog.training.build import Options, build
from tinylog.training.feedback import learn

from . import datasets
from .tables import Row, table


def main(argv: Sequence[str] | None = None) -> int:
    """0"""
    parser = argparse.ArgumentParser(prog="python -m train_ref.feedback", description="F1 before and after feedback.")
    parser.add_argument("--seeds", type=int, default=1, help="how many, from 0")
    parser.add_argument("--quick", action="store_true", help="a tenth of the sessions, hardly trained")
    args = parser.parse_args(argv)
    rows: list[Row] = []
    for seed in range(1 if args.quick else args.seeds):
        for row in _rows(seed, args.quick):
            rows.append(row)
            note(f"seed {seed}: {row.name}, F1 {row.f1[0]:.4f}")
    sys.stdout.write(table("hdfs, every second session", rows, {}, rules=()) + "\n")
    return 0


def _rows(seed: int, quick: bool) -> Iterator[Row]:
    whole, test = datasets.read("hdfs")
    some = slice(None, None, 10 if quick else 1)
    data, test = replace(whole, train=whole.unlabelled.take(some), valid=None, unlabelled=None), test.take(some)
    started = perf_counter()
    model = build(data, "hdfs", Options(("deeplog_key",), seed, 1 if quick else None, explained=False))
    test = model.renumbered(test)
    told, judged = test.take(slice(0, None, 2)), test.take(slice(1, None, 2))
    false = told.take((model.score(told) > model.threshold) & (told.labels == 0))
    yield _judged("before", model, judged, perf_counter() - started)
    started = perf_counter()
    outcome = learn(model, Windows(false.events), np.random.default_rng(seed))
    yield _judged(f"after {len(false)} false alarms of {outcome.asked} kinds, {outcome.new_events} new events", outcome.model,
                  replace(judged, events=_moved(model, outcome.model, judged.events)), perf_counter() - started)


def _judged(name: str, model: Model, windows: Windows, seconds: float) -> Row:
    report = evaluated(model, windows, model.seen)
    params = model.detectors["deeplog_key"].params.values()
    return Row(f"{name}: {report['all']['fp']} false alarms, {report['all']['fn']} missed", tuple(report[cut]["f1"] for cut in ("all", "distinct", "unseen")),
               sum(p.size for p in params), sum(p.nbytes for p in params), seconds, report["seconds"]["score"])


def _moved(old: Model, new: Model, events: np.ndarray) -> np.ndarray:
    """Event ids of the old model as those of the new one, which has more rows."""
    return new.numbered(np.concatenate([old.order, np.arange(len(old.order), events.max(initial=0) + 1)])[events])


if __name__ == "__main__":
    run(main)
