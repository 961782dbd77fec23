"""AutoLog (Catillo 2022) again, on raw BGL lines in order of time. A demonstration: 112 windows hold a line, 26 an alert.

    python -m train_ref.autolog [--seeds 5] [--quick] [--figures DIR]

A table per window length on standard output, progress on standard error.

    paper                   two industrial systems, BG/L and Hadoop; all of BG/L, tested on 2 % of normals and all anomalous windows
    wab-3                   all of BG/L, with the threshold that its code has: the mean error, not the percentile
    published protocol      theirs on our lines: windows without a line left out, vocabulary and its weights from the **whole** log,
                            normals drawn at random (72 % training, 8 % for the threshold, 20 % test), all anomalous windows in the
                            test, batches of 2048; threshold: the 90th percentile, or the mean
    ours                    the whole grid, silence too; the first 60 % of time for training, a window left out, the rest is the test
    rules                   on the windows of ours; they know the labels of training. "any line" flags what is not silent; "lines"
                            is more lines than a threshold of best F1 on training

--figures DIR writes the data of the four figures of the study that compared AutoLog with CLDTLog, as CSV: autolog_scores (of ours,
300 s), losses, metrics and throughput of both. CLDTLog learns from labels and judges five lines at a time, on the same two
stretches of the log. Times are those of judging alone, on one thread; reading is the same for both.
"""
from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

from tinylog.console import note, run  # before numpy: it sets the number of threads

import numpy as np

from tinylog.detectors import Sizes, autolog, cldtlog
from tinylog.evaluate import evaluated
from tinylog.metrics.classification import best_threshold, figures
from tinylog.model import Model
from tinylog.records import Windows
from tinylog.training.build import Options, build
from tinylog.training.dataset import Dataset, load
from tinylog.training.minimise import minimise

from . import datasets

LOG = "bgl/BGL_first100k.log.gz"
SECONDS = (300, 60)
NEEDS = {"autolog": autolog.NEEDS, "cldtlog": cldtlog.NEEDS[:1]}
TRAIN = 0.6  # of the time
PUBLISHED = autolog.Config(batch=2048, epochs=100)
PARTS = (0.72, 0.80)  # of the normals: training up to here, validation up to there
PAPER = {"paper (P .93-.98, R .96-.99)": .955, "wab-3 (P .55, R .58)": .57}
CUTS = ("all", "distinct", "unseen")


class Row(NamedTuple):
    """One variant, one seed."""

    name: str
    figures: tuple[dict[str, float], ...]  # all, distinct, unseen
    numbers: int = 0
    size: int = 0  # bytes
    training: float = 0.0  # seconds
    detection: float = 0.0


def main(argv: Sequence[str] | None = None) -> int:
    """0"""
    parser = argparse.ArgumentParser(prog="python -m train_ref.autolog", description="AutoLog: the published figures and ours.")
    parser.add_argument("--seeds", type=int, default=5, help="how many, from 0")
    parser.add_argument("--quick", action="store_true", help="everything once, hardly trained")
    parser.add_argument("--figures", metavar="DIR", help="write the data of the study's figures here")
    args = parser.parse_args(argv)
    for seconds in SECONDS:
        data = load([datasets.find(LOG)], window=float(seconds), needs=NEEDS)
        rows: list[Row] = []
        for seed in range(1 if args.quick else args.seeds):
            rows += _rows(data, seed, args.quick)
            note(f"{seconds} s, seed {seed}: F1 {rows[-1].figures[0]['f1']:.4f}, trained {rows[-1].training:.1f} s")
        sys.stdout.write(_table(f"windows of {seconds} s", rows) + "\n")
        sys.stdout.flush()
    if args.figures:
        _write(Path(args.figures), args.quick)
    return 0


def _rows(data: Dataset, seed: int, quick: bool) -> Iterator[Row]:
    train, test = _split(data.train)
    model, losses, seconds = _built("autolog", replace(data, train=train), seed, autolog.Config(epochs=2 if quick else 50))
    report = evaluated(model, replace(test, events=model.numbered(test.events)), model.seen)
    if seed == 0:
        yield from (Row(f"rule: {rule}", tuple(cuts[cut] for cut in CUTS)) for rule, cuts in report["rules"].items())
        lines = best_threshold(train.lengths, train.labels)
        for what, least in (("any line", 0), ("lines", lines)):
            yield Row(f"rule: {what}", (figures(test.lengths, test.labels, least),))
    yield from _published(data.train, seed, quick)
    params = model.detectors["autolog"].params
    yield _row("ours", tuple(report[cut] for cut in CUTS), params, seconds, report["seconds"]["score"])


def _split(windows: Windows) -> tuple[Windows, Windows]:
    """In order of time, with a gap of one window."""
    cut = int(TRAIN * len(windows))
    return windows.take(slice(0, cut - 1)), windows.take(slice(cut, None))


def _built(kind: str, data: Dataset, seed: int, config: Any) -> tuple[Model, list[float], float]:
    """A model with one detector, the loss of each epoch (of what is minimised last), and the seconds it took."""
    losses: list[float] = []

    def told(epoch: int, epochs: int, loss: float) -> None:
        losses[epoch - 1:] = [loss]

    started = perf_counter()
    model = build(data, "bgl", Options((kind,), seed, explained=False, configs={kind: config}), lambda what: told)
    return model, losses, perf_counter() - started


def _published(windows: Windows, seed: int, quick: bool) -> Iterator[Row]:
    """Its thresholds are those of one network."""
    windows, rng = windows.take(windows.lengths > 0), np.random.default_rng(seed)
    normal = rng.permutation(np.flatnonzero(windows.labels == 0))
    known, valid, rest = np.split(normal, [int(share * len(normal)) for share in PARTS])
    test = windows.take(np.append(rest, np.flatnonzero(windows.labels == 1)))
    started = perf_counter()
    detector = autolog.Detector.create(replace(PUBLISHED, epochs=2) if quick else PUBLISHED, Sizes(0), rng)
    detector.learn_terms(windows)
    detector.learn_usual(windows.take(known), partial(minimise, rng=rng), rng)
    seconds, held, started = perf_counter() - started, detector.score(windows.take(valid)), perf_counter()
    scores = detector.score(test)
    detection = perf_counter() - started
    for what, threshold in (("percentile", np.percentile(held, 90)), ("mean", np.log(np.exp(held).mean()))):
        yield _row(f"published protocol, {what}", (figures(scores, test.labels, threshold),), detector.params, seconds, detection)


def _row(name: str, found: tuple[dict[str, float], ...], params: dict[str, np.ndarray], training: float, detection: float) -> Row:
    """The numbers are the network's; the bytes are all, the weights of terms among them."""
    network = sum(array.size for key, array in params.items() if key.startswith("network"))
    return Row(name, found, network, sum(array.nbytes for array in params.values()), training, detection)


def _table(title: str, rows: list[Row]) -> str:
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.name, []).append(row)
    ours = groups["ours"][0].figures[0]
    lines = [f"BGL, first 100,000 lines, {title}: {ours['n']} in the test of ours, {ours['tp'] + ours['fn']} of them anomalous; F1", "",
             "| variant | seeds | all | distinct | unseen | average precision | flagged | numbers | bytes | training s | detection s |",
             "|---|" + "--:|" * 10]
    lines += [f"| {name} | | {f1:.3f} |" + " |" * 8 for name, f1 in PAPER.items()]
    for name, group in groups.items():
        cells = [_spread([row.figures[i]["f1"] for row in group]) if i < len(group[0].figures) else "" for i in range(3)]
        cells += [_spread([row.figures[0]["average_precision"] for row in group]),
                  f"{np.mean([row.figures[0]['tp'] + row.figures[0]['fp'] for row in group]):.0f} of {group[0].figures[0]['n']}"]
        numbers, size, training, detection = np.mean([row[2:] for row in group], 0)
        cells += [f"{numbers:.0f}", f"{size:.0f}", f"{training:.1f}", f"{detection:.2f}"]
        lines.append("| " + " | ".join([name, str(len(group)), *cells]) + " |")
    return "\n".join(lines) + "\n"


def _spread(values: list[float]) -> str:
    return f"{np.mean(values):.4f}" + (f" +- {np.std(values, ddof=1):.4f}" if len(values) > 1 else "")


def _write(folder: Path, quick: bool) -> None:
    """Both detectors once, seed 0; CLDTLog's windows are split at the line where AutoLog's test begins."""
    folder.mkdir(parents=True, exist_ok=True)
    data, short = (load([datasets.find(LOG)], window=window, needs=NEEDS) for window in (float(SECONDS[0]), 5))
    train, test = _split(data.train)
    before = int(data.train.lengths[:int(TRAIN * len(data.train))].sum())
    cut = -(-before // 5)
    parts = {"autolog": (replace(data, train=train), test),
             "cldtlog": (replace(short, train=short.train.take(slice(0, cut - 1))), short.train.take(slice(cut, None)))}
    configs = {"autolog": autolog.Config(epochs=2 if quick else 50), "cldtlog": cldtlog.TINY if quick else cldtlog.Config()}
    losses, metrics, throughput = [], [], []
    for kind, (known, unknown) in parts.items():
        model, curve, seconds = _built(kind, known, 0, configs[kind])
        unknown = replace(unknown, events=model.numbered(unknown.events))
        started = perf_counter()
        scores = model.score(unknown)
        spent, n, lines = perf_counter() - started, len(unknown), int(unknown.lengths.sum())
        found = figures(scores, unknown.labels, model.threshold)
        losses += [{"system": kind, "epoch": epoch, "loss": loss} for epoch, loss in enumerate(curve, 1)]
        metrics.append({"system": kind, "training_s": seconds} | found)
        throughput.append({"system": kind, "windows": n, "lines": lines, "seconds": spent, "ms_per_window": 1000 * spent / n,
                           "lines_per_s": lines / spent})
        if kind == "autolog":
            rows = zip(scores.tolist(), unknown.labels.tolist(), unknown.lengths.tolist())
            _csv(folder / "autolog_scores.csv", ({"score": score, "anomalous": label, "lines": lines, "threshold": model.threshold}
                                                 for score, label, lines in rows))
        note(f"{kind}: F1 {found['f1']:.4f}, {1000 * spent / n:.2f} ms a window")
    for name, rows in (("losses", losses), ("metrics", metrics), ("throughput", throughput)):
        _csv(folder / f"{name}.csv", rows)


def _csv(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    rows = list(rows)
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    run(main)
