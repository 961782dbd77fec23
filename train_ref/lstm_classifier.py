"""Log sequence classifier (Morpheus) again: how its .97 comes about, and ours, beside rules that know normal windows alone.

    python -m train_ref.lstm_classifier [raw|bgl|hdfs ...] [--seeds 5] [--quick]

A table per log on standard output, progress on standard error. --quick shows that it runs, its figures mean nothing.

    raw     the first 100,000 lines of BGL in windows of 100, one every 20 lines; ours is trained on the first 60 % of the lines,
            the templates are learned from all of them
    bgl     windows of 100 lines, two of 50 each, in order of time: the test is the stretch behind training
    hdfs    sessions; ours is trained on all that are normal or have no label
    published protocol    28 % of the normal windows, drawn, though most of each window is in four others; 20 spoilt ones
                          of each, in which any event may follow any other; the backward half read where it has seen one event
      its figure          of both classes, averaged by how many windows they have, without the anomalous windows in which
                          more than a tenth of the lines are alerts and without most of the normal windows
      its anomalies       F1 of the anomalous ones of these windows, and then of all windows that it was not trained on
"""
from __future__ import annotations

import argparse
import gzip
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from time import perf_counter
from typing import Any

from tinylog.console import note, run  # before numpy: it sets the number of threads

import numpy as np

from tinylog.detectors import Sizes, lstm_classifier
from tinylog.errors import ConfigError
from tinylog.evaluate import evaluated
from tinylog.metrics.classification import figures
from tinylog.records import UNKNOWN, Windows
from tinylog.training.build import Options, build, merged
from tinylog.training.dataset import Dataset, load
from tinylog.training.minimise import minimise

from . import datasets
from .tables import Row, table

LOGS = ("raw", "bgl", "hdfs")
PAPER = {"raw": {"as published": .967, "its anomalies": .951}}
RAW = "bgl/BGL_first100k.log.gz"
LINES, STEP = 100, 20  # of a window; between two
TRAINED = 10_000 / 36_631  # of the normal windows, as published
FEW_ALERTS = 10  # of the lines of a window, as published
TIMES = 20  # spoilt windows of each normal one
PUBLISHED = lstm_classifier.Config(hidden=128, bidirectional=True, spoilt=TIMES, steps=300, batch=2, lr=0.001)
TRAINING = 0.6  # of the raw lines
BGL_STRETCH = 28_732  # windows of the first training file, which follow each other
FALSE_ALARMS = .01  # wanted: its scores of normal windows are further apart than DeepLog's, a tenth of that finds little
VARIANTS = {"ours": lstm_classifier.Config(bidirectional=True), "ours, one way": lstm_classifier.Config(bidirectional=False)}
TENTH = slice(None, None, 10)


class AsPublished(lstm_classifier.Detector):
    """With the faults of the published code."""

    def lesson(self, ids, mask, seen, rng):
        """Positions are drawn with replacement, of them the first and those behind another; the events are any."""
        made = np.repeat(ids, TIMES, 0)
        T, n = ids.shape[1], len(self.params["table.E"])
        at = rng.integers(0, T - 1, made.shape)
        chosen = np.zeros(made.shape, bool)
        rows, places = np.nonzero(np.arange(T) < rng.integers(1, T + 1, len(made))[:, None])
        chosen[rows, np.where(at == 0, 0, at + 1)[rows, places]] = True
        made = np.where(chosen, rng.integers(UNKNOWN, n, made.shape), made)
        both = np.concatenate([ids, made])
        return both, np.ones(both.shape, bool), np.repeat([0, 1], [len(ids), len(made)]), np.ones(len(both), np.float32)

    def _end(self, h):
        return h[:, -1]

    def _end_backward(self, dend, T):
        dh = np.zeros((len(dend), T, dend.shape[1]), dend.dtype)
        dh[:, -1] = dend
        return dh


def main(argv: Sequence[str] | None = None) -> int:
    """0"""
    parser = argparse.ArgumentParser(prog="python -m train_ref.lstm_classifier", description="The published figures and ours.")
    parser.add_argument("logs", nargs="*", metavar="LOG", help=f"of {', '.join(LOGS)} (default: all)")
    parser.add_argument("--seeds", type=int, default=5, help="how many, from 0")
    parser.add_argument("--quick", action="store_true", help="a tenth of each log, hardly trained")
    args = parser.parse_args(argv)
    for name in set(args.logs) - set(LOGS):
        raise ConfigError(f"there is no recipe for {name!r}; there are: {', '.join(LOGS)}")
    for name in args.logs or LOGS:
        lines = _lines() if name == "raw" else None
        data, test = _stretches(*lines) if lines else _split(name)
        if args.quick:
            data, test = replace(data, train=data.train.take(TENTH)), test.take(TENTH)
        rows: list[Row] = []
        for seed in range(1 if args.quick else args.seeds):
            made = _published(*lines, seed, args.quick) if lines and not seed else []
            for row in (*made, *_rows(name, data, test, seed, args.quick)):
                rows.append(row)
                note(f"{name} seed {seed}: {row.name}, F1 {row.f1[0]:.4f}, trained {row.training:.0f} s")
        sys.stdout.write(table(name, rows, PAPER.get(name, {}), cost="142,578") + "\n")
        sys.stdout.flush()
    return 0


def _split(name: str) -> tuple[Dataset, Windows]:
    """Normal and unlabelled windows of training, and the test."""
    whole, test = datasets.read(name)
    data = merged(datasets.split(name, whole, test, 0)[0])
    if name == "bgl":
        data, test = replace(data, train=_in_pairs(data.train.take(slice(BGL_STRETCH)))), _in_pairs(test.take(slice(len(test) // 2 * 2)))
    return replace(data, train=_normal(data.train)), test


def _in_pairs(windows: Windows) -> Windows:
    return Windows(windows.events.reshape(-1, LINES), windows.labels.reshape(-1, 2).max(1))


def _normal(windows: Windows) -> Windows:
    return replace(windows.take(windows.labels == 0), labels=None)


def _lines() -> tuple[Dataset, np.ndarray, np.ndarray]:
    """The raw log, and of all windows the events (B, LINES) and which lines are alerts (B, LINES)."""
    data = load([datasets.find(RAW)], window=LINES)
    with gzip.open(datasets.find(RAW)) as log:
        alert = np.array([not line.startswith(b"-") for line in log])
    each = np.arange(0, len(alert) - LINES + 1, STEP)[:, None] + np.arange(LINES)
    return data, data.train.events.ravel()[each], alert[each]


def _stretches(data: Dataset, events: np.ndarray, alerts: np.ndarray) -> tuple[Dataset, Windows]:
    """Training and test in order of time, with a gap of one window."""
    windows = Windows(events, alerts.any(1).astype(np.int8))
    cut = int(TRAINING * len(windows))
    return replace(data, train=_normal(windows.take(slice(cut)))), windows.take(slice(cut + LINES // STEP, None))


def _rows(name: str, data: Dataset, parsed: Windows, seed: int, quick: bool) -> Iterator[Row]:
    for variant, config in VARIANTS.items():
        started = perf_counter()
        options = Options(("lstm_classifier",), seed, 1 if quick else None, false_alarms=FALSE_ALARMS, explained=False,
                          configs={"lstm_classifier": config})
        model = build(data, name, options)
        seconds = perf_counter() - started
        report = evaluated(model, Windows(model.numbered(parsed.events), parsed.labels), model.seen)
        if variant == "ours":
            yield from (Row(f"rule: {rule}", _f1(cuts)) for rule, cuts in report["rules"].items() if any(_f1(cuts)))
        params = model.detectors["lstm_classifier"].params.values()
        yield Row(variant, _f1(report), sum(p.size for p in params), sum(p.nbytes for p in params), seconds, report["seconds"]["score"])


def _published(data: Dataset, events: np.ndarray, alerts: np.ndarray, seed: int, quick: bool) -> Iterator[Row]:
    """The published protocol, its figure, and what it is of the anomalous windows."""
    rng, labels, started = np.random.default_rng(seed), alerts.any(1).astype(np.int8), perf_counter()
    normal = rng.permutation(np.flatnonzero(labels == 0))
    trained, rest = np.split(normal, [int(TRAINED * len(normal))])
    kinds = np.unique(events[trained])  # events of training; the others are UNKNOWN
    ids = np.where(np.isin(events, kinds), 2 + np.searchsorted(kinds, events), UNKNOWN).astype(np.int32)
    config = replace(PUBLISHED, steps=5, vector_steps=5) if quick else PUBLISHED
    network = AsPublished.create(config, Sizes(2 + len(kinds), whole=False, prior=0.5), rng)
    network.fit(Windows(ids[trained[:10] if quick else trained]), partial(minimise, rng=rng), {}, rng)
    seconds, params = perf_counter() - started, network.params.values()
    sizes = sum(p.size for p in params), sum(p.nbytes for p in params), seconds
    abnormal = np.flatnonzero(labels)
    few = abnormal[alerts[abnormal].sum(1) <= FEW_ALERTS]
    chosen = np.concatenate([few, rest[:int(len(rest) * len(few) / len(abnormal))]])
    everything = np.concatenate([abnormal, rest])
    started = perf_counter()
    found = np.zeros(len(ids), np.float32)
    found[everything] = network.score(Windows(ids[everything])) > 0
    judged = figures(found[chosen], labels[chosen], 0.5)
    normal_f1 = figures(1 - found[chosen], 1 - labels[chosen], 0.5)["f1"]
    both = (judged["prevalence"] * judged["f1"] + (1 - judged["prevalence"]) * normal_f1)
    for name, f1 in {"published protocol": both, "its anomalies": judged["f1"],
                     "its anomalies, all windows": figures(found[everything], labels[everything], 0.5)["f1"]}.items():
        yield Row(name, (f1, np.nan, np.nan), *sizes, perf_counter() - started)


def _f1(report: dict[str, Any]) -> tuple[float, ...]:
    return tuple(report[cut]["f1"] for cut in ("all", "distinct", "unseen"))


if __name__ == "__main__":
    run(main)
