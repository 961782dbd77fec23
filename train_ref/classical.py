"""Detectors without a network, on the same windows: four that learn from normal windows alone, two from labels, the rules.

    python -m train_ref.classical [hdfs|bgl|openstack ...] [--seeds 5] [--quick]

A table per log on standard output. Normal windows: on HDFS the 4,855 sessions of DeepLog's training file, elsewhere the
normal ones of training. "rule (normal)" knows those alone, "rule (labels)" all of training. Only `words` and the division of
OpenStack depend on the seed: what does not is done once. "distinct": one window of each kind and label; "unseen": those that training never
had. `numbers` are all that a model file holds, what only explains included.

    paper   PCA and invariant mining on HDFS as the DeepLog paper compares itself with them (Du 2017): fitted on another part of
            the log, and judged on all of its blocks
"""
from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from time import perf_counter
from types import ModuleType
from typing import Any

from tinylog.console import note, run  # before numpy: it sets the number of threads

import numpy as np

from tinylog import detectors
from tinylog.detectors import Sizes, rules
from tinylog.embedding.words import UNKNOWN_TEXT, bucket_ids
from tinylog.errors import ConfigError
from tinylog.metrics.classification import figures
from tinylog.records import UNKNOWN, Windows, concatenated
from tinylog.training.build import kinds, merged
from tinylog.training.dataset import Dataset
from tinylog.training.minimise import cosine, minimise

from . import datasets
from .tables import Row, table

LOGS = ("hdfs", "bgl", "openstack")
PRIOR = 0.02  # of logs whose training files are balanced by hand
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "unseen_event": ("unseen_event", {}), "length": ("length", {}), "length, seen ones alone": ("length", {"between": False}),
    "pca": ("pca", {}), "pca, plain counts": ("pca", {"tfidf": False}), "invariants": ("invariants", {}),
    "counts": ("counts", {}), "words": ("words", {})}
DRAWN = ("words",)  # what depends on the seed
PAPER = {"hdfs": {"pca": .79, "invariants": .91}}
TENTH = slice(None, None, 10)


def main(argv: Sequence[str] | None = None) -> int:
    """0"""
    parser = argparse.ArgumentParser(prog="python -m train_ref.classical", description="Detectors without a network.")
    parser.add_argument("logs", nargs="*", metavar="LOG", help=f"of {', '.join(LOGS)} (default: all)")
    parser.add_argument("--seeds", type=int, default=5, help="how many, from 0")
    parser.add_argument("--quick", action="store_true", help="a tenth of each log, one seed")
    args = parser.parse_args(argv)
    for name in set(args.logs) - set(LOGS):
        raise ConfigError(f"there is no recipe for {name!r}; there are: {', '.join(LOGS)}")
    for name in args.logs or LOGS:
        whole, test = datasets.read(name)
        rows: list[Row] = []
        for seed in range(1 if args.quick else args.seeds):
            data, tested = datasets.split(name, whole, test, seed)
            if args.quick:
                data, tested = replace(data, train=data.train.take(TENTH)), tested.take(TENTH)
            for row in _rows(name, merged(data), tested, seed):
                rows.append(row)
                note(f"{name} seed {seed}: {row.name}, F1 {row.f1[0]:.4f}, trained {row.training:.1f} s")
        sys.stdout.write(table(name, rows, {f"paper: {what}": f1 for what, f1 in PAPER.get(name, {}).items()}, rules=("rule (normal)", "rule (labels)")) + "\n")
        sys.stdout.flush()
    return 0


def _rows(name: str, data: Dataset, test: Windows, seed: int) -> Iterator[Row]:
    order, n_events = data.order()
    number = np.argsort(order)
    texts = [data.parser.templates[i].text for i in order]
    texts[UNKNOWN] = UNKNOWN_TEXT

    def prepared(windows: Windows) -> Windows:
        return replace(windows, events=number[windows.events].astype(np.int32))

    labelled, test = prepared(data.train), prepared(test)
    normal = labelled.take(labelled.labels == 0) if data.unlabelled is None else prepared(data.unlabelled)
    normal = kinds(replace(normal, labels=np.zeros(len(normal), np.int8), weights=np.ones(len(normal), np.float32)))[0]
    material = {"labels": kinds(replace(labelled, weights=np.ones(len(labelled), np.float32)))[0], "normal": replace(normal, labels=None)}
    cuts, again = _cuts([labelled, normal], test), seed > 0 and name != "openstack"
    if not again:
        yield from _rules(material, test, n_events, cuts)
    sizes = Sizes(n_events, whole=not data.timed, prior=float(labelled.labels.mean()) if data.timed else PRIOR)
    for variant, (kind, wishes) in VARIANTS.items():
        if not again or kind in DRAWN:
            yield _row(variant, detectors.load(kind), wishes, material, test, texts, sizes, cuts, np.random.default_rng(seed))


def _rules(material: dict[str, Windows], test: Windows, n_events: int, cuts: list[np.ndarray]) -> Iterator[Row]:
    for what in ("normal", "labels"):
        facts = rules.Detector.create(rules.Config(), Sizes(n_events))
        facts.fit(material[what])
        for rule, column in zip(rules.NAMES, (facts.states(test) != 0).T):
            if what == "labels" or rule in rules.NAMES[:3]:
                yield Row(f"rule ({what}): {rule}", _f1(column.astype(float), test.labels, 0.5, cuts))


def _row(variant: str, module: ModuleType, wishes: dict[str, Any], material: dict[str, Windows], test: Windows, texts: list[str],
         sizes: Sizes, cuts: list[np.ndarray], rng: np.random.Generator) -> Row:
    config, tables, needs = module.Config(**wishes), {}, getattr(module, "NEEDS", ())
    if "words" in needs:
        tables = {"words": bucket_ids(texts, config.buckets), "templates": np.array(texts, object)}
    detector, started = module.Detector.create(config, sizes, rng), perf_counter()
    windows = replace(material["labels" if "labels" in needs else "normal"], tables=tables)
    detector.fit(windows, partial(minimise, rng=rng, schedule=cosine), {}, rng)
    trained = perf_counter()
    first, kind = test.distinct()
    scores = detector.score(replace(test.take(first), tables=tables))[kind]
    detection, params = perf_counter() - trained, detector.params.values()
    numbers, size = sum(p.size for p in params), sum(p.nbytes for p in params)
    return Row(variant, _f1(scores, test.labels, detector.threshold, cuts), numbers, size, trained - started, detection)


def _cuts(seen: list[Windows], test: Windows) -> list[np.ndarray]:
    """Rows of the test: all, one of each kind and label, those that training never had."""
    both = concatenated([Windows(windows.events) for windows in (*seen, test)])
    kind = both.distinct()[1]
    known, kind = kind[:-len(test)], kind[-len(test):]
    _, first = np.unique(kind * 2 + test.labels, return_index=True)
    return [np.arange(len(test)), first, np.flatnonzero(~np.isin(kind, known))]


def _f1(scores: np.ndarray, labels: np.ndarray, threshold: float, cuts: list[np.ndarray]) -> tuple[float, float, float]:
    return tuple(figures(scores[rows], labels[rows], threshold)["f1"] for rows in cuts)


if __name__ == "__main__":
    run(main)
