"""DistilLog (Nguyen 2024) again: the published table and ours, on the same windows, against rules that learn nothing.

    python -m train_ref.distillog [hdfs|bgl|spirit|openstack ...] [--seeds 5] [--quick] [--save FILE]

A table per log on standard output, progress on standard error. "DistilLog" is the model of `python -m tinylog.train`;
--save writes that of HDFS and seed 0, ready to be tinylog/models/hdfs.tinylog. --quick shows on HDFS that everything runs, its
figures mean nothing.

    paper                 its figures: HDFS on 500,000 sessions, BGL on random windows or, in time order, its last fifth
    published weights     theirs, as they are, on our test windows
    published protocol    their vectors (PCA fitted on all templates), mean over all 50 states, padding too, their loss,
                          their fixed threshold sigmoid(z_0) < 0.2; fewer steps (theirs: 72,000 and 24,000 on HDFS)
"""
from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, replace
from math import log
from time import perf_counter
from typing import NamedTuple
from unittest.mock import patch

from tinylog.console import note, run  # before numpy: it sets the number of threads

import numpy as np

from tinylog.compression import int8, pruning
from tinylog.detectors import Sizes, distillog
from tinylog.errors import ConfigError
from tinylog.evaluate import evaluated
from tinylog.layers.params import Params, part
from tinylog.losses import cross_entropy, distillation
from tinylog.model import Model
from tinylog.parsing import Parser
from tinylog.pipeline import spec_for
from tinylog.reading.formats import FORMATS
from tinylog.records import Windows
from tinylog.training import distil, words
from tinylog.training.build import Options, build, held_out, merged
from tinylog.training.calibration import calibration
from tinylog.training.dataset import Dataset
from tinylog.training.minimise import minimise

from . import datasets

PAPER = {  # variant: F1, numbers, bytes
    "hdfs": {"teacher": (.966, 160_770, 630_000), "DistilLog": (.964, 442, 4_000), "no teacher": (.894, 442, 4_000),
             "pruned": (.966, 476, 630_000), "int8": (.966, 160_770, 166_000)},
    "bgl": {"teacher": (.971, 160_770, 630_000), "DistilLog": (.961, 442, 4_000), "no teacher": (.905, 442, 4_000),
            "pruned": (.947, 476, 630_000), "int8": (.971, 160_770, 166_000),
            "teacher, in time order": (.886, 160_770, 630_000), "DistilLog, in time order": (.892, 442, 4_000)}}
PUBLISHED_THRESHOLD = log(.8 / .2)  # of - z_0
PUBLISHED = {"teacher": dict(steps=1000, lr=1e-3), "student": dict(steps=4000, lr=1e-2)}  # batch 50, as published
NON_ZEROS = 476  # of the pruned teacher, as published
PRUNING_ROUNDS = 8
COSTLY_SEEDS = 1  # of pruning, and of the published protocol from its teacher on: longer than all the rest
QUICK, TENTH = Options(epochs=1), slice(None, None, 10)
GRU_NAMES = {"weight_ih": "W", "weight_hh": "U", "bias_ih": "b", "bias_hh": "c"}


class Lesson(NamedTuple):
    """One call of distil.train: a network, and what it was taught with."""

    network: distillog.Detector
    windows: Windows
    plan: distil.Plan
    opinion: np.ndarray | None
    seconds: float


@dataclass
class FixedRule:
    """A network as published: on published vectors, and judged by its normal logit alone."""

    network: distillog.Detector
    vectors: np.ndarray  # a row an event id
    NEEDS = ()

    @property
    def config(self) -> distillog.Config:
        return self.network.config

    @property
    def params(self) -> Params:
        return self.network.params

    def score(self, windows: Windows) -> np.ndarray:
        return -self.network.logits(replace(windows, tables={"vectors": self.vectors}))[:, 0]


class Row(NamedTuple):
    """One variant, one seed."""

    name: str
    f1: tuple[float, float, float]  # all, distinct, unseen
    numbers: int = 0
    size: int = 0  # bytes
    training: float = 0.0  # seconds
    detection: float = 0.0


def main(argv: Sequence[str] | None = None) -> int:
    """0"""
    args = _arguments().parse_args(argv)
    for name in set(args.logs) - set(datasets.LOGS):
        raise ConfigError(f"there is no recipe for {name!r}; there are: {', '.join(datasets.LOGS)}")
    if args.save:
        _save(args.save, args.quick)
    for name in args.logs or ([] if args.save else ["hdfs"] if args.quick else list(datasets.LOGS)):
        whole, test = datasets.read(name)
        rows: list[Row] = []
        for seed in range(args.seeds if not args.quick else 1):
            data, tested = datasets.split(name, whole, test, seed)
            if args.quick:
                data, tested = replace(data, train=data.train.take(TENTH)), tested.take(TENTH)
            for row in _rows(name, data, tested, seed, args.quick):
                rows.append(row)
                note(f"{name} seed {seed}: {row.name}, F1 {row.f1[0]:.4f}, trained {row.training:.0f} s")
        sys.stdout.write(_table(name, rows) + "\n")
        sys.stdout.flush()
    return 0


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m train_ref.distillog",
                                     description="DistilLog: the published table and ours.")
    parser.add_argument("logs", nargs="*", metavar="LOG", help=f"of {', '.join(datasets.LOGS)} (default: all)")
    parser.add_argument("--seeds", type=int, default=5, help="how many, from 0")
    parser.add_argument("--quick", action="store_true", help="everything once, hardly trained")
    parser.add_argument("--save", metavar="FILE", help="write the HDFS model")
    return parser


def _save(path: str, quick: bool) -> None:
    """The model for raw HDFS logs, learned from event ids: raw lines are matched against the texts of the templates."""
    whole, form, options = datasets.read("hdfs")[0], FORMATS["hdfs"], QUICK if quick else Options()
    data = merged(whole)
    parser = Parser.from_json(data.parser.to_json(), form.content_of)
    model = build(replace(data, form=form, parser=parser, spec=spec_for(form)), "hdfs", options)
    twin = build(whole, "hdfs", replace(options, explained=False))
    model.card["calibration"] = calibration(twin, twin.renumbered(whole.valid), 0.0, 0).to_json()  # ids: without times and lines
    model.save(path)
    parts = model.parts()
    size = sum(parts.values())
    note(f"{path}: {size} bytes, {size - parts['seen windows']} of them not hashes of windows: {parts}")


def _rows(name: str, data: Dataset, parsed: Windows, seed: int, quick: bool) -> Iterator[Row]:
    options = replace(QUICK if quick else Options(), seed=seed)
    with _recorded() as lessons:
        started = perf_counter()
        model = build(merged(data), name, options)
        seconds = perf_counter() - started
    test = Windows(model.numbered(parsed.events), parsed.labels)
    yield from _rules(model, test)
    if datasets.LOGS[name].weights:
        yield from _published(name, model, merged(data), test, seed, quick)
    if len(lessons) > 1:
        yield from _teachers(model, test, lessons[0], seed)
    student = lessons[-1].network
    # The file of a words model holds eight bits a number: that is the model. The other row is what it was before.
    exact, small = ("DistilLog, float32", "DistilLog") if model.int8 else ("DistilLog", "DistilLog, int8")
    yield _row(exact, model, test, student, seconds)
    yield _eight_bits(small, model, test, student, seconds)
    started = perf_counter()
    alone = build(merged(data), name, replace(options, teacher=False))
    yield _row("DistilLog, no teacher", alone, test, alone.detectors["distillog"], perf_counter() - started)
    if name in ("hdfs", "bgl") and seed == 0:
        yield from _tolerance(model, data, test, options)


def _teachers(model: Model, test: Windows, teacher: Lesson, seed: int) -> Iterator[Row]:
    even = words.THRESHOLD if model.int8 else 0.0  # no threshold was fitted to them
    yield _row("teacher", model, test, teacher.network, teacher.seconds, even)
    yield _eight_bits("teacher, int8", model, test, teacher.network, teacher.seconds, even)
    if seed < COSTLY_SEEDS:
        started = perf_counter()
        pruned = _pruned(teacher, np.random.default_rng(seed))
        numbers = sum(np.count_nonzero(p) for p in pruned.params.values())
        yield _row("teacher, pruned", model, test, pruned, teacher.seconds + perf_counter() - started, even, numbers)


@contextmanager
def _recorded() -> Iterator[list[Lesson]]:
    """The networks that `build` trains on its way, the teacher among them."""
    lessons, train = [], distil.train

    def recording(network, windows, plan, rng, teacher=None, progress=None):
        started = perf_counter()
        losses = train(network, windows, plan, rng, teacher, progress)
        lessons.append(Lesson(network, windows, plan, teacher, perf_counter() - started))
        return losses

    with patch.object(distil, "train", recording), patch.object(words, "train", recording):
        yield lessons


def _row(name: str, model: Model, test: Windows, network, training: float, threshold: float | None = None,
         numbers: int | None = None, size: int | None = None) -> Row:
    """The figures of another network in the place of the model's."""
    twin = copy(model)
    twin.detectors = model.detectors | {"distillog": network}
    report = evaluated(twin, test, model.seen, threshold)
    n = sum(p.size for p in network.params.values())
    return Row(name, _f1(report), n if numbers is None else numbers, 4 * n if size is None else size, training,
               report["seconds"]["score"])


def _f1(report: dict) -> tuple[float, float, float]:
    return tuple(report[cut]["f1"] for cut in ("all", "distinct", "unseen"))


def _rules(model: Model, test: Windows) -> Iterator[Row]:
    report = evaluated(model, test, model.seen)
    for rule, cuts in report["rules"].items():
        yield Row(f"rule: {rule}", _f1(cuts))
    facts, twin = model.detectors["rules"], copy(model)
    twin.thresholds = {"rules": 0.0}
    report = evaluated(twin, test, model.seen)
    size = sum(p.nbytes for p in facts.params.values())
    yield Row("rules, their evidence added up", _f1(report), 0, size, 0.0, report["seconds"]["score"])


def _eight_bits(name: str, model: Model, test: Windows, network: distillog.Detector, training: float,
                threshold: float | None = None) -> Row:
    packed = int8.packed(network.params)
    return _row(name, model, test, distillog.Detector(network.config, int8.unpacked(packed)), training, threshold,
                size=sum(array.nbytes for array in packed.values()))


def _pruned(lesson: Lesson, rng: np.random.Generator) -> distillog.Detector:
    """The teacher with NON_ZEROS of its numbers: in rounds, the smallest become 0 and the rest is trained again, in all
    as many steps as the teacher had, at half its learning rate."""
    network, plan, windows = copy(lesson.network), lesson.plan, lesson.windows
    total = sum(p.size for p in network.params.values())

    def step(params: Params, index: np.ndarray) -> tuple[float, Params]:
        opinion = None if lesson.opinion is None else lesson.opinion[index]
        return network.loss_and_grads(params, windows.take(index), opinion, alpha=plan.alpha,
                                      temperature=plan.temperature)

    for round_ in range(1, PRUNING_ROUNDS + 1):
        masks = pruning.masks(network.params, round(total * (NON_ZEROS / total) ** (round_ / PRUNING_ROUNDS)))
        network.params = pruning.apply(network.params, masks)
        steps = max(1, plan.steps // PRUNING_ROUNDS)
        _steps(pruning.held(step, masks), network.params, windows, rng, steps, plan.batch, plan.lr / 2)
    return network


def _steps(loss_and_grads, params: Params, windows: Windows, rng: np.random.Generator, steps: int, batch: int,
           lr: float) -> None:
    """About so many steps of Adam; where that is less than an epoch, over a sample."""
    n = min(len(windows), steps * batch)
    chosen = rng.permutation(len(windows))[:n]
    minimise(lambda params, index: loss_and_grads(params, chosen[index]), params, n, rng=rng, batch=batch, lr=lr,
             epochs=max(1, round(steps * batch / n)), lengths=windows.lengths[chosen])


def _published(name: str, model: Model, data: Dataset, test: Windows, seed: int, quick: bool) -> Iterator[Row]:
    """Their weights as they are; a student of their teacher; and once their whole protocol from the beginning."""
    vectors = datasets.published_vectors(name, [model.template(i).name for i in range(len(model.order))])
    windows = Windows(model.numbered(data.train.events), data.train.labels, tables={"vectors": vectors})

    def trained(config: distillog.Config, rng: np.random.Generator, teacher: distillog.Detector | None):
        network = distillog.Detector.create(config, Sizes(model.n_events, vectors.shape[1]), rng)
        plan = PUBLISHED["teacher" if teacher is None else "student"] | ({"steps": 5} if quick else {})
        _train_published(network, windows, None if teacher is None else teacher.logits(windows), rng, **plan)
        return network

    def row(what: str, network: distillog.Detector, started: float | None = None) -> Row:
        seconds = 0.0 if started is None else perf_counter() - started
        return _row(what, judged, test, FixedRule(network, vectors), seconds)

    judged = copy(model)
    judged.thresholds = {"distillog": PUBLISHED_THRESHOLD}
    theirs = _theirs(name, "teacher")
    if seed == 0:
        yield row("published weights, teacher", theirs)
        yield row("published weights, student", _theirs(name, "student"))
    rng, started = np.random.default_rng(seed), perf_counter()
    student = trained(distillog.PUBLISHED_STUDENT, rng, theirs)
    yield row("published protocol, student of their teacher", student, started)
    if seed < COSTLY_SEEDS:
        started = perf_counter()
        own = trained(distillog.PUBLISHED_TEACHER, rng, None)
        yield row("published protocol, teacher", own, started)
        yield row("published protocol, student", trained(distillog.PUBLISHED_STUDENT, rng, own), started)


def _train_published(network: distillog.Detector, windows: Windows, teacher: np.ndarray | None,
                     rng: np.random.Generator, steps: int, lr: float) -> None:
    def step(params: Params, index: np.ndarray) -> tuple[float, Params]:
        some = windows.take(index)
        y, caches = network._forward(params, some, rng if teacher is None else None)
        if teacher is None:
            loss, dy = cross_entropy.loss(y, some.labels)
        else:
            loss, dy = distillation.published_loss(y, some.labels, teacher[index])
        return loss, network._backward(dy, caches)

    _steps(step, network.params, windows, rng, steps, 50, lr)


def _theirs(name: str, kind: str) -> distillog.Detector:
    """The published weights in our names: "gru.weight_hh_l1" is "gru.1.U"."""
    with np.load(datasets.find(datasets.LOGS[name].weights)) as file:
        weights = part(dict(file), kind)
    params = {f"gru.{key[-1]}.{GRU_NAMES[key[:-3]]}": array for key, array in part(weights, "gru").items()}
    params |= {"head.W": weights["fc.weight"], "head.b": weights["fc.bias"]}
    config = distillog.PUBLISHED_TEACHER if kind == "teacher" else distillog.PUBLISHED_STUDENT
    return distillog.Detector(config, params)


def _tolerance(model: Model, data: Dataset, test: Windows, options: Options) -> Iterator[Row]:
    """F1 when the threshold is moved until the validation alerts of a twin, which never saw validation, are half or
    twice as many; then the same for its false alarms (at least one)."""
    judged = data if data.valid is not None else held_out(data, np.random.default_rng(options.seed))
    twin = build(judged, model.name, options)
    labels = judged.valid.labels
    scores = _saved_like(twin).score(Windows(twin.numbered(judged.valid.events), labels))
    network = _saved_like(model).detectors["distillog"]
    for what, values in (("alerts", scores), ("false alarms", scores[labels == 0])):
        n = int((values > twin.threshold).sum())
        for wanted in (n // 2, max(2 * n, 1)):
            ordered = np.sort(values)[::-1]
            # So many are above it, where there are no ties; none instead of none is no reason to move it.
            threshold = ordered[min(wanted, len(ordered) - 1)] if wanted != n else twin.threshold
            got = int((values > threshold).sum())
            yield _row(f"threshold {threshold:+.2f}: {n} {what} -> {got}", model, test, network, 0.0, float(threshold))


def _saved_like(model: Model) -> Model:
    """The model as its file holds it."""
    twin, network = copy(model), model.detectors["distillog"]
    if model.int8:
        small = distillog.Detector(network.config, int8.unpacked(int8.packed(network.params)))
        twin.detectors = model.detectors | {"distillog": small}
    return twin


def _table(name: str, rows: list[Row]) -> str:
    """Mean and standard deviation of the seeds of each variant, in the order in which they came."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.name, []).append(row)
    lines = [f"{name}: F1 on the test windows, mean +- standard deviation over the seeds", "",
             "| variant | seeds | all | distinct | unseen | numbers | bytes | training s | detection s |",
             "|---|" + "--:|" * 8]
    for variant, (f1, numbers, size) in PAPER.get(name, {}).items():
        lines.append(f"| paper: {variant} | | {f1:.3f} | | | {numbers} | {size} | | |")
    for variant, group in groups.items():
        f1 = np.array([row.f1 for row in group])
        cells = [f"{mean:.4f} +- {spread:.4f}" if len(group) > 1 else f"{mean:.4f}"
                 for mean, spread in zip(f1.mean(0), f1.std(0, ddof=len(group) > 1))]
        numbers, size, training, detection = np.mean([row[2:] for row in group], 0)
        cells += [f"{numbers:.0f}", f"{size:.0f}", f"{training:.0f}", f"{detection:.2f}"]
        lines.append("| " + " | ".join([variant, str(len(group)), *cells]) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    run(main)
