"""LogAnomaly (Meng 2019) again: the published figures and ours, on the same windows, against rules that learn nothing.

    python -m train_ref.loganomaly [hdfs|bgl|hadoop ...] [--seeds 5] [--quick]

A table per log on standard output, progress on standard error.

    hdfs    trained on DeepLog's 4,855 normal sessions, tested on dev_test
    bgl     trained on the normal windows of both training files, tested on the stretch behind them
    hadoop  trained on the containers of 6 of the 11 normal applications, drawn by the seed; tested on the other 5 and the 44
            abnormal ones. An application is as anomalous as its worst container: 612 of the 811 abnormal containers have a
            sequence that a normal one has too, so nothing that judges containers finds more than a fourth of them
    published decision      the rule of the public implementations on our network, and its faults: an event outside of the
            nine likeliest after ten others is anomalous, and so is every session too short for that
    published protocol      of the notebook for Hadoop: trained on 6 sessions, tested on 5 normal and 43 abnormal ones, each
            event must be the likeliest one. P .896 R 1 F1 .945 is what **flagging everything** gives, 43 / 48
"""
from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from time import perf_counter
from typing import NamedTuple
from unittest.mock import patch

from tinylog.console import note, run  # before numpy: it sets the number of threads

import numpy as np

from tinylog.detectors import Sizes, loganomaly, rules
from tinylog.errors import ConfigError
from tinylog.evaluate import evaluated
from tinylog.metrics.classification import figures
from tinylog.model import Model
from tinylog.reading.blocks import read_whole
from tinylog.reading.labels import read_templates
from tinylog.records import FIRST_EVENT, Windows
from tinylog.training import thresholds
from tinylog.training.build import Options, build
from tinylog.training.dataset import Dataset
from tinylog.training.minimise import cosine, minimise
from tinylog.windowing.arrays import to_windows

from . import datasets
from .tables import CUTS, Row, table

LOGS = ("hdfs", "bgl", "hadoop")
PAPER = {"hdfs": .95, "bgl": .96, "hadoop": .945}
FALSE_ALARMS = (.003, .001)  # wanted shares of normal windows
CANDIDATES = {"hdfs": 9, "bgl": 9, "hadoop": 1}
COLUMNS = {"hadoop": ("applications", "normal ones flagged", "AUC of applications", "containers")}  # others: all, distinct, unseen
HADOOP = loganomaly.Config(steps=200, batch=16)
HADOOP_TRAIN = 6  # applications
NOTEBOOK = {"trained": 6, "normal": 5, "abnormal": 43}  # sessions
TENTH = slice(None, None, 10)
HADOOP_EVENTS = 128  # of a container, the last ones: 9 in 10 have no more


def main(argv: Sequence[str] | None = None) -> int:
    """0"""
    parser = argparse.ArgumentParser(prog="python -m train_ref.loganomaly", description="LogAnomaly: the published figures and ours.")
    parser.add_argument("logs", nargs="*", metavar="LOG", help=f"of {', '.join(LOGS)} (default: all)")
    parser.add_argument("--seeds", type=int, default=5, help="how many, from 0")
    parser.add_argument("--quick", action="store_true", help="everything once, hardly trained")
    args = parser.parse_args(argv)
    for name in set(args.logs) - set(LOGS):
        raise ConfigError(f"there is no recipe for {name!r}; there are: {', '.join(LOGS)}")
    for name in args.logs or LOGS:
        made = _hadoop() if name == "hadoop" else _split(name, args.quick)
        rows: list[Row] = []
        for seed in range(1 if args.quick else args.seeds):
            for row in (_applications if name == "hadoop" else partial(_rows, name))(*made, seed, args.quick):
                rows.append(row)
                note(f"{name} seed {seed}: {row.name}, F1 {row.f1[0]:.4f}, trained {row.training:.0f} s")
        sys.stdout.write(table(name, rows, {"paper": PAPER[name]}, COLUMNS.get(name, CUTS)) + "\n")
        sys.stdout.flush()
    return 0


def _split(name: str, quick: bool) -> tuple[Dataset, Windows]:
    """Training, with labels where there are any, and the test."""
    whole, test = datasets.read(name)
    train = whole.unlabelled if name == "hdfs" else whole.train
    if quick:
        train, test = train.take(TENTH), test.take(TENTH)
    return replace(whole, train=train, valid=None, unlabelled=None), test


def _rows(name: str, data: Dataset, parsed: Windows, seed: int, quick: bool) -> Iterator[Row]:
    normal = data if data.train.labels is None else replace(data, train=replace(data.train.take(data.train.labels == 0), labels=None))
    variants = [("ours", normal, loganomaly.Config()), ("network alone", normal, loganomaly.Config(rules=False))]
    if normal is not data:
        variants.insert(0, ("ours, the rules know the labels", data, loganomaly.Config()))
    for variant, train, config in variants:
        started = perf_counter()
        with patch.object(thresholds, "quantile", wraps=thresholds.quantile) as quantile:
            options = Options(("loganomaly",), seed, 1 if quick else None, explained=False, configs={"loganomaly": config})
            model = build(train, name, options)
        seconds, test = perf_counter() - started, replace(parsed, events=model.numbered(parsed.events))
        params = model.detectors["loganomaly"].params.values()
        for rate in FALSE_ALARMS:
            report = evaluated(model, test, model.seen, thresholds.quantile(*quantile.call_args.args[:2], rate))
            yield Row(f"{variant}, {rate:.1%} false alarms", _f1(report), sum(p.size for p in params), sum(p.nbytes for p in params),
                      seconds, report["seconds"]["score"])
        if train is not normal:
            yield from (Row(f"rule (labels): {rule}", f1) for rule, f1 in _by_rule(report))
    yield from (Row(f"rule: {rule}", f1) for rule, f1 in _by_rule(report)[:3])
    first, kind = test.distinct()
    windows = model.with_tables(model.prepared(test.take(first)), "loganomaly")
    for what, alerts in (("rule: unseen event", (test.events >= model.n_events).any(1)),
                         ("published decision", _published(model.detectors["loganomaly"], windows, CANDIDATES[name])[kind])):
        yield Row(what, _f1(evaluated(_Given(model, alerts), test, model.seen)))


class _Given:
    """A model whose alerts are given."""

    threshold, detectors = 0.5, {}

    def __init__(self, model: Model, alerts: np.ndarray):
        self.hashes, self.alerts = model.hashes, alerts.astype(float)

    def score(self, windows: Windows) -> np.ndarray:
        return self.alerts


def _by_rule(report: dict) -> list[tuple[str, tuple[float, ...]]]:
    return [(rule, _f1(cuts)) for rule, cuts in report["rules"].items()]


def _f1(report: dict) -> tuple[float, ...]:
    return tuple(report[cut]["f1"] for cut in ("all", "distinct", "unseen"))


def _published(detector: loganomaly.Detector, windows: Windows, candidates: int) -> np.ndarray:
    """(B,) bool: the public implementations' rule, on the probabilities of `detector`."""
    history, rows, strange = detector.config.history, *detector._rows(windows)
    alerts = (windows.lengths <= history) | strange.any(1)
    for i in range(0, len(windows), loganomaly.CHUNK):
        part = slice(i, i + loganomaly.CHUNK)
        steps = detector._steps(windows.take(part), rows[part])
        log_p = detector._log_p(steps)[:, history:-1]
        own = np.take_along_axis(log_p, steps.targets[:, history:-1, None], 2)
        missed = (log_p > own).sum(2) >= candidates
        alerts[part] |= (missed & windows.mask[part][:, history:]).any(1)
    return alerts


class Containers(NamedTuple):
    """All containers of Hadoop, each with its application."""

    windows: Windows
    applications: np.ndarray  # (B,) int64
    trained: np.ndarray  # (B,) bool: of the training file


def _hadoop() -> tuple[Containers]:
    """The test file of all abnormal containers holds those of the files for each kind of fault."""
    files = {"hadoop_train": 0, "hadoop_test_normal": 0, "hadoop_test_abnormal.gz": 1}
    keys, events, labels, trained = [], [], [], []
    for file, label in files.items():
        for line in read_whole(datasets.find(f"hadoop/{file}")).decode().split("\n"):
            if line.strip():
                key, _, sequence = line.partition(",")
                keys.append(key.split("/")[0])
                events.append([FIRST_EVENT - 1 + int(event) for event in sequence.split()])
                labels.append(label)
                trained.append(file == "hadoop_train")
    texts = ["", "", *(template.text for template in read_templates(datasets.find("hadoop/templates.csv")))]
    windows = Windows(to_windows(events, HADOOP_EVENTS), np.array(labels, np.int8), tables={"templates": np.array(texts, object)})
    return (Containers(windows, np.unique(keys, return_inverse=True)[1], np.array(trained)),)


def _applications(all_: Containers, seed: int, quick: bool) -> Iterator[Row]:
    """Figures of applications, and of the containers of the test applications beside them."""
    windows, applications = all_.windows, all_.applications
    config = replace(HADOOP, steps=2) if quick else HADOOP
    normal = np.unique(applications[windows.labels == 0])
    drawn = np.random.default_rng(seed).permutation(normal)[:HADOOP_TRAIN]
    train, test = np.isin(applications, drawn), ~np.isin(applications, drawn)
    started = perf_counter()
    left_out = []
    for each in drawn:  # each as if it had not been logged
        twin = _fitted(config, windows.take(train & (applications != each)), seed)
        left_out.append([scores.max() for scores in _scores(*twin, windows.take(applications == each))])
    detector, facts = _fitted(config, windows.take(train), seed)
    trained = perf_counter()
    both = _scores(detector, facts, windows.take(test))
    spent, params = perf_counter() - trained, detector.params.values()

    def row(name: str, values: np.ndarray, threshold: float, *costs: float) -> Row:
        own, labels = applications[test], windows.labels[test]
        kinds, first = np.unique(own, return_index=True)
        worst, truth = np.array([values[own == kind].max() for kind in kinds]), labels[first]
        of, containers = figures(worst, truth, threshold), figures(values, labels, threshold)
        more = worst[truth == 1][:, None] - worst[truth == 0]
        return Row(name, (of["f1"], of["false_positive_rate"], ((more > 0) + (more == 0) / 2).mean(), containers["f1"]), *costs)

    for what, scores, least in zip(("ours", "network alone"), both, np.max(left_out, 0)):
        yield row(what, scores, least, sum(p.size for p in params), sum(p.nbytes for p in params), trained - started, spent)
    yield row("flag everything", np.ones(test.sum()), 0)
    yield row("rule: unseen event", (~np.isin(windows.events[test], windows.events[train])).any(1).astype(float), 0.5)
    for rule, fired in zip(rules.NAMES[:3], (facts.states(windows.take(test)) != 0).T):
        yield row(f"rule: {rule}", fired.astype(float), 0.5)
    yield _notebook(all_, config, seed)


def _notebook(all_: Containers, config: loganomaly.Config, seed: int) -> Row:
    """Its sessions drawn as it says, and each event must be the likeliest."""
    rng, labels = np.random.default_rng(seed), all_.windows.labels
    normal, abnormal = rng.permutation(np.flatnonzero(all_.trained)), rng.permutation(np.flatnonzero(labels == 1))
    cut = NOTEBOOK["trained"]
    tested = np.concatenate([normal[cut:cut + NOTEBOOK["normal"]], abnormal[:NOTEBOOK["abnormal"]]])
    detector, _ = _fitted(config, all_.windows.take(normal[:cut]), seed)
    alerts = _published(detector, all_.windows.take(tested), CANDIDATES["hadoop"])
    of = figures(alerts.astype(float), labels[tested], 0.5)
    return Row("published protocol, sessions", (np.nan, of["false_positive_rate"], np.nan, of["f1"]))


def _fitted(config: loganomaly.Config, windows: Windows, seed: int) -> tuple[loganomaly.Detector, rules.Detector]:
    """A detector and the rules, of normal windows, as `build` fits them."""
    sizes, rng = Sizes(len(windows.tables["templates"])), np.random.default_rng(seed)
    first, kind = windows.distinct()
    known = replace(windows.take(first), labels=None, weights=np.bincount(kind).astype(np.float32))
    facts = rules.Detector.create(rules.Config(), sizes)
    facts.fit(known)
    detector = loganomaly.Detector.create(config, sizes, rng)
    detector.fit(known, partial(minimise, rng=rng, schedule=cosine), {}, rng)
    return detector, facts


def _scores(detector: loganomaly.Detector, facts: rules.Detector, windows: Windows) -> tuple[np.ndarray, np.ndarray]:
    """With the evidence of the rules, and without."""
    alone = loganomaly.Detector(replace(detector.config, rules=False), detector.params).score(windows)
    return alone + detector.config.factor * facts.evidence(windows).sum(1), alone


if __name__ == "__main__":
    run(main)
