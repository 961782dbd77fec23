"""DeepLog (Du 2017) again: the key model and its student on DeepLog's 4,855 normal sessions of HDFS, tested on dev_test.

    python -m train_ref.deeplog [--seeds 5] [--quick]

Two tables on standard output, progress on standard error: F1 of each variant beside the rules that learn nothing, and what it
saves to predict distinct windows once. --quick shows that everything runs, its figures mean nothing.

    published protocol   an event outside of the nine likeliest after ten others is anomalous, and so is every session that is too
                         short for that, whatever it holds, as the public implementations have it; one-hot as in the paper, where
                         they feed the number of the event (SPECS 4.1), fewer passes
    ours                 state carried from START to END, the greatest surprise and the evidence of the rules; the threshold from
                         normal sessions, each judged as if it had been logged once less
    network alone        without the evidence; without END as well
    student              2,000 numbers at most, distilled

The bound of all variants with evidence: 69 normal sessions of the test have events or sets that the 4,855 have not. No threshold
on their scores gives more than F1 .982.
"""
from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from time import perf_counter
from unittest.mock import patch

from tinylog.console import note, run  # before numpy: it sets the number of threads

import numpy as np

from tinylog.detectors import Sizes, deeplog_key, deeplog_student
from tinylog.evaluate import evaluated
from tinylog.model import Model
from tinylog.records import PAD, Windows
from tinylog.training.build import Options, build
from tinylog.training.dataset import Dataset
from tinylog.training.minimise import cosine, minimise

from . import datasets
from .tables import Row, table

PAPER = {"paper, 553,366 + 16,838 sessions": .96}
HISTORY, TOP = 10, 9
PUBLISHED = deeplog_key.Config(inputs="one-hot", history=HISTORY, top=TOP, steps=2000)
ALONE, STUDENT_ALONE = deeplog_key.Config(rules=False), deeplog_student.Config(rules=False)
VARIANTS = {  # detector and its config
    "ours": ("deeplog_key", deeplog_key.Config()), "student": ("deeplog_student", deeplog_student.Config()),
    "network alone": ("deeplog_key", ALONE), "network alone, without END": ("deeplog_key", ALONE),
    "network alone, among the 9 likeliest": ("deeplog_key", replace(ALONE, top=TOP)), "student alone": ("deeplog_student", STUDENT_ALONE)}
COSTLY_SEEDS = 1  # of all but the first two
TENTH = slice(None, None, 10)
ONE_BY_ONE = 200  # windows of which the time is taken


def main(argv: Sequence[str] | None = None) -> int:
    """0"""
    parser = argparse.ArgumentParser(prog="python -m train_ref.deeplog", description="DeepLog's key model: the published figures and ours.")
    parser.add_argument("--seeds", type=int, default=5, help="how many, from 0")
    parser.add_argument("--quick", action="store_true", help="everything once, hardly trained")
    args = parser.parse_args(argv)
    whole, test = datasets.read("hdfs")
    train = whole.unlabelled
    if args.quick:
        train, test = train.take(TENTH), test.take(TENTH)
    data, rows = replace(whole, train=train, valid=None, unlabelled=None), []
    for seed in range(1 if args.quick else args.seeds):
        for row in _rows(data, test, seed, args.quick):
            rows.append(row)
            note(f"seed {seed}: {row.name}, F1 {row.f1[0]:.4f}, trained {row.training:.0f} s")
    sys.stdout.write(table("hdfs", rows, PAPER, cost="59,164") + "\n" + _gain(data, test) + "\n")
    return 0


def _rows(data: Dataset, parsed: Windows, seed: int, quick: bool) -> Iterator[Row]:
    for name, (detector, config) in list(VARIANTS.items())[:len(VARIANTS) if seed < COSTLY_SEEDS else 2]:
        started = perf_counter()
        with patch.object(deeplog_key.Detector, "_steps", _endless) if "END" in name else nullcontext():
            options = Options((detector,), seed, 1 if quick else None, explained=False, configs={detector: config})
            model = build(data, "hdfs", options)
            seconds, windows = perf_counter() - started, replace(parsed, events=model.numbered(parsed.events))
            report = evaluated(model, windows, model.seen)
        if name == "ours" and seed == 0:
            yield from (Row(f"rule: {rule}", _f1(cuts)) for rule, cuts in report["rules"].items() if cuts["all"]["f1"])
        params = model.detectors[detector].params.values()
        yield Row(name, _f1(report), sum(p.size for p in params), sum(p.nbytes for p in params), seconds, report["seconds"]["score"])
    if seed < COSTLY_SEEDS:
        yield _published(model, data.train, windows, seed, quick)


_steps = deeplog_key.Detector._steps


def _endless(self: deeplog_key.Detector, windows: Windows) -> deeplog_key.Steps:
    steps = _steps(self, windows)
    return steps._replace(judged=steps.judged & (steps.targets != PAD))


def _published(model: Model, train: Windows, test: Windows, seed: int, quick: bool) -> Row:
    """Histories of ten and the event behind each; distinct ones are predicted once."""
    started, rng = perf_counter(), np.random.default_rng(seed)
    lesson, _ = _histories(replace(train, events=model.numbered(train.events)))
    detector = deeplog_key.Detector.create(PUBLISHED, Sizes(model.n_events, whole=False), rng)
    detector.fit(lesson, partial(minimise, rng=rng, schedule=cosine) if not quick else _once(rng), {}, rng)
    trained = perf_counter()
    first, kind = test.distinct()
    few = test.take(first)
    asked, (rows, which) = _histories(few)
    alerts = few.lengths <= HISTORY
    alerts[rows[(detector.score(asked) > TOP)[which]]] = True
    seconds = perf_counter() - trained
    given = _Given(model, alerts[kind])
    params = detector.params.values()
    return Row("published protocol", _f1(evaluated(given, test, model.seen)), sum(p.size for p in params), sum(p.nbytes for p in params),
               trained - started, seconds)


def _once(rng: np.random.Generator):
    return lambda f, params, n, **wishes: minimise(f, params, n, rng=rng, **wishes | {"epochs": 1})


def _histories(windows: Windows) -> tuple[Windows, tuple[np.ndarray, np.ndarray]]:
    """The distinct stretches of eleven events, weighted; and of each place where one begins, its row and which stretch it is."""
    cut = np.lib.stride_tricks.sliding_window_view(windows.events, HISTORY + 1, axis=1)
    rows, places = np.nonzero(cut[:, :, -1] != PAD)
    every = Windows(np.ascontiguousarray(cut[rows, places]))
    first, kind = every.distinct()
    return replace(every.take(first), weights=np.bincount(kind).astype(np.float32)), (rows, kind)


class _Given:
    """A model whose alerts are given."""

    threshold, detectors = 0.5, {}

    def __init__(self, model: Model, alerts: np.ndarray):
        self.hashes, self.alerts = model.hashes, alerts.astype(float)

    def score(self, windows: Windows) -> np.ndarray:
        return self.alerts


def _gain(data: Dataset, parsed: Windows) -> str:
    """The whole test predicted in three ways, by a network that has learned nothing: the time is the same."""
    model = build(data, "hdfs", Options(("deeplog_key",), 0, 1, explained=False))
    windows = replace(parsed, events=model.numbered(parsed.events))
    detector, few = deeplog_key.Detector(ALONE, model.detectors["deeplog_key"].params), windows.take(windows.distinct()[0])

    def seconds(parts: list[Windows]) -> float:
        started = perf_counter()
        for part in parts:
            detector.score(part)
        return perf_counter() - started

    one = seconds([windows.take(slice(i, i + 1)) for i in range(ONE_BY_ONE)]) * len(windows) / ONE_BY_ONE
    times = {"one window at a time (extrapolated)": (len(windows), one), "all windows, 256 at once": (len(windows), seconds([windows])),
             "distinct windows, 256 at once": (len(few), seconds([few]))}
    lines = ["| prediction of the test | windows predicted | seconds | windows of the test a second | gain |", "|---|--:|--:|--:|--:|"]
    lines += [f"| {name} | {n} | {spent:.2f} | {len(windows) / spent:.0f} | {one / spent:.0f} |" for name, (n, spent) in times.items()]
    return "\n".join(lines) + "\n"


def _f1(report: dict) -> tuple[float, ...]:
    return tuple(report[cut]["f1"] for cut in ("all", "distinct", "unseen"))


if __name__ == "__main__":
    run(main)
