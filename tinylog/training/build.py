"""A Dataset to a Model: the order in which its parts are fitted, each on training data alone.

    number the events -> rules -> vectors -> detectors, each handed those before it -> thresholds
"""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from math import ceil, log1p
from types import ModuleType
from typing import Any

import numpy as np

from .. import detectors
from ..detectors import Sizes, rules
from ..embedding.vectors import Vectors
from ..embedding.words import UNKNOWN_TEXT, words as words_of
from ..errors import InputError
from ..model import TABLES, Model
from ..records import FIRST_EVENT, FROM_LINES, UNKNOWN, Windows, concatenated
from . import pca, student
from .dataset import Dataset
from .distil import Progress, joined
from .minimise import cosine, minimise
from .thresholds import of_nearly_normals, of_normals
from .word_vectors import train_word_vectors, with_idf

MANY_ANOMALIES = 0.1  # a larger share among sessions is a choice of whoever made the file, not what a log has
PRIOR = 0.02  # share of anomalous sessions where the file cannot say
REPLAYED = 256, 64  # distinct normal and anomalous windows that a model keeps, where a detector learns from feedback
VECTOR_DIM, RAW_DIM, VECTOR_BUCKETS = 10, 32, 500
GIVEN_DIM = 20  # of vectors that a detector reads: with more, DistilLog's student would have more than 442 numbers


@dataclass(frozen=True)
class Options:
    """What a user can choose of training."""

    detectors: tuple[str, ...] = ("distillog",)  # those that alert, the main one first
    seed: int = 0
    epochs: int | None = None  # None: what each detector was found to need
    teacher: bool = True
    prior: float | None = None
    false_alarms: float = 0.001  # wanted share of normal windows, where a detector learns from those alone
    vectors: Vectors | None = None  # what the network reads; None: what suits the log
    explained: bool = True  # with word vectors, for the nearest known template
    contaminated: bool = False  # some of the windows that are taken for normal are not
    configs: Mapping[str, Any] = field(default_factory=dict)  # of detectors, where not the default one


Report = Callable[[str], Progress | None]


def build(data: Dataset, name: str, options: Options, progress: Report = lambda what: None) -> Model:
    """The model of the training and unlabelled windows; `data.valid` has no part in it. InputError where a detector lacks what it
    learns from. progress(what) is told of each network's epochs.
    """
    material, rng = _Material.of(data, options), np.random.default_rng(options.seed)
    fitted, thresholds, int8 = {"rules": material.facts}, {}, []
    for kind in _in_order(options.detectors):
        if kind == "distillog":
            fitted[kind], thresholds[kind], small = _distillog(material, options, progress)
            int8 += [kind] * small
        elif kind == "rules":
            thresholds[kind] = material.facts.threshold
        else:
            fitted[kind], thresholds[kind] = _fitted(kind, material, options, fitted, progress)
    kept = {"rules", *options.detectors}
    vectors = material.vectors
    if vectors is None and options.explained:
        vectors = _vectors(material.texts[FIRST_EVENT:material.n_events], material.frequency[FIRST_EVENT:], options.seed, VECTOR_DIM)
    replay = material.replayed(rng) if any(hasattr(fitted[kind], "learn") for kind in options.detectors) else None
    card = {"training": {"windows": len(data.train), "anomalous": None if data.train.labels is None else int(data.train.labels.sum()),
                         "unlabelled": 0 if material.unlabelled is None else len(material.unlabelled), "lines": data.lines,
                         "events": material.n_events - FIRST_EVENT},
            "prior": material.prior, "seed": options.seed, "teacher": options.teacher, "epochs": options.epochs}
    model = Model(name, data.form.name, data.parser, data.spec, material.order, material.frequency.astype(np.float32),
                  {kind: detector for kind, detector in fitted.items() if kind in kept},
                  {kind: thresholds[kind] for kind in options.detectors}, vectors, card=card, int8=int8, replay=replay)
    parts = [part for part in (material.train, material.unlabelled) if part is not None]
    model.seen = np.unique(np.concatenate([model.hashes(part) for part in parts]))
    return model


@dataclass(frozen=True)
class _Material:
    """What everything is fitted on; event ids are those of the model."""

    train: Windows
    unlabelled: Windows | None
    known: Windows  # distinct ones of both, weighted, label -1 where there is none, the evidence of the rules left out
    kind: np.ndarray  # which of those each training window is
    texts: list[str]  # of all event ids
    order: np.ndarray
    n_events: int
    frequency: np.ndarray  # (n_events,) share of windows that hold each
    facts: rules.Detector
    vectors: Vectors | None  # that a detector reads
    sizes: Sizes
    prior: float

    @classmethod
    def of(cls, data: Dataset, options: Options) -> _Material:
        order, n_events = data.order()
        number = np.argsort(order)
        train, unlabelled = (None if part is None else replace(part, events=number[part.events].astype(np.int32))
                             for part in (data.train, data.unlabelled))
        texts = [data.parser.templates[i].text for i in order]
        texts[UNKNOWN] = UNKNOWN_TEXT
        known, kind = kinds(joined(*(Windows(part.events, part.labels) for part in (train, unlabelled) if part is not None)))
        prior = options.prior or _prior(data)
        facts = rules.Detector.create(rules.Config(prior), Sizes(n_events))
        facts.fit(known)
        frequency = np.array([known.weights[(known.events == i).any(1)].sum() for i in range(n_events)]) / known.weights.sum()
        vectors = None
        if options.vectors is not None:
            vectors = _projected(options.vectors, texts[FIRST_EVENT:n_events], GIVEN_DIM)
        elif any("vectors" in needs_of(detectors.load(each)) for each in options.detectors):
            vectors = _vectors(texts[FIRST_EVENT:n_events], frequency[FIRST_EVENT:], options.seed, GIVEN_DIM)
        known = replace(known, rules=facts.evidence_left_out(known))
        sizes = Sizes(n_events, GIVEN_DIM if vectors is not None else 0, not data.timed, prior)
        return cls(train, unlabelled, known, kind[:len(train)], texts, order, n_events, frequency, facts, vectors, sizes, prior)

    def windows(self, module: ModuleType) -> Windows:
        """What a detector is fitted on: labelled windows if it needs labels, else normal ones; each with its lines if it reads any."""
        needs = needs_of(module)
        if FROM_LINES & set(needs):
            windows = replace(self.train, rules=self.known.rules[self.kind])
        else:
            windows = self.known if "labels" not in needs else self.known.take(self.known.labels >= 0)
        if "labels" in needs:
            if windows.labels is None or len(np.unique(windows.labels)) < 2:
                raise InputError(f"{_name(module)} learns from labels of both kinds, and the log has "
                                 f"{'none' if windows.labels is None or not len(windows) else 'one kind alone'}; give them with --labels F")
        elif windows.labels is not None:
            windows = replace(windows.take(windows.labels != 1), labels=None)
        if not len(windows):
            raise InputError(f"{_name(module)} learns from normal windows, and the log has none")
        if "times" in needs and np.isnan(windows.times).all():
            raise InputError(f"{_name(module)} reads times, and no line has one that is understood; --format NAME says how they are written")
        return replace(windows, tables=self.tables(module))

    def replayed(self, rng: np.random.Generator) -> Windows:
        """Windows that the model keeps, to learn from feedback without forgetting: label 1 the anomalous ones, 0 all others."""
        labels = (self.known.labels == 1).astype(np.int8)
        chosen = np.concatenate([rng.permutation(np.flatnonzero(labels == label))[:n] for label, n in enumerate(REPLAYED)])
        return Windows(self.known.events[chosen], labels[chosen], self.known.weights[chosen])

    def tables(self, module: ModuleType) -> dict[str, np.ndarray]:
        """The tables that a detector needs, a row for each event of training. InputError where the events have no texts."""
        needs, texts = needs_of(module), self.texts[:self.n_events]
        wanted = [need for need in needs if need in TABLES]
        if "vectors" in wanted and self.vectors is None:
            raise InputError(f"{_name(module)} reads the words of templates, and the events have none; give them with --templates F")
        buckets = getattr(module.Config(), "buckets", 0)
        return {need: TABLES[need](texts, self.vectors, buckets) for need in wanted}


def needs_of(module: ModuleType) -> tuple[str, ...]:
    """Columns of Windows that training must have for a detector."""
    return getattr(module, "NEEDS", ())


def _in_order(names: Sequence[str]) -> list[str]:
    """The detectors and those that must be fitted before them."""
    found: list[str] = []
    for name in names:
        found += [each for each in (*_in_order(getattr(detectors.load(name), "AFTER", ())), name) if each not in found]
    return found


def _fitted(kind: str, material: _Material, options: Options, before: Mapping[str, Any], progress: Report) -> tuple[Any, float]:
    """A detector and its threshold."""
    module, told = detectors.load(kind), progress(kind)
    windows = material.windows(module)

    def fit(windows: Windows, told: Progress | None = None) -> Any:
        rng, users = np.random.default_rng(options.seed), {"progress": told} | ({} if options.epochs is None else {"epochs": options.epochs})
        detector = module.Detector.create(options.configs.get(kind, module.Config()), material.sizes, rng)
        detector.fit(windows, partial(_minimise, rng, users), before, rng)
        return detector

    detector = fit(windows, told)
    threshold = detector.threshold
    if threshold is None:
        threshold = (of_nearly_normals if options.contaminated else of_normals)(detector, fit, windows, options.false_alarms)
    return detector, ceil(1000 * threshold) / 1000  # scores are compared in three decimals: none is to be above it by rounding


def _minimise(rng: np.random.Generator, users: Mapping[str, Any], loss_and_grads: Callable, params: dict[str, np.ndarray], n: int,
              **wishes: Any) -> list[float]:
    """What a detector is handed; what the user says goes before its own wishes."""
    return minimise(loss_and_grads, params, n, rng=rng, **{"epochs": 20, "batch": 64, "lr": 0.01, "schedule": cosine} | wishes | users)


def _distillog(material: _Material, options: Options, progress: Report) -> tuple[Any, float, bool]:
    """A student, its threshold, and whether it is stored in int8."""
    school = student.School(np.random.default_rng(options.seed), options.epochs, options.teacher, progress)
    if options.vectors is None and student.reads_words(material.train, material.texts, material.n_events):
        return *student.by_words(material.train, material.texts, material.n_events, school), True
    known = material.known
    if options.vectors is not None:
        known = replace(known, tables={"vectors": TABLES["vectors"](material.texts, material.vectors, 0)})
    return *student.by_table(known, material.facts, material.sizes, school), False


def held_out(data: Dataset, rng: np.random.Generator, share: float = 0.15) -> Dataset | None:
    """The same data with a part of the training windows as validation; None where either part would lack windows, or normal or anomalous
    ones where there are labels.

    Stretches of a stream: the last ones, with a gap of one window. Sessions: as many of each label, drawn.
    """
    n, labelled = len(data.train), data.train.labels is not None and len(np.unique(data.train.labels)) == 2
    labels = data.train.labels if labelled else np.zeros(n, np.int8)
    if data.timed:
        cut = np.arange(n) >= n - int(share * n)
        kept = np.arange(n) < n - int(share * n) - 1
    else:
        cut = np.zeros(n, bool)
        for label in (0, 1):
            there = np.flatnonzero(labels == label)
            cut[rng.permutation(there)[:int(share * len(there))]] = True
        kept = ~cut
    if any(len(np.unique(labels[part])) < 1 + labelled for part in (cut, kept)):
        return None
    return replace(data, train=data.train.take(kept), valid=data.train.take(cut))


def merged(data: Dataset) -> Dataset:
    """All labelled windows as training windows: what the model itself is made of, when its twin has been judged."""
    return data if data.valid is None else replace(data, train=concatenated([data.train, data.valid]), valid=None)


def kinds(windows: Windows) -> tuple[Windows, np.ndarray]:
    """One window of each kind and label, weighted by how often it occurs; and for every window, which. windows: `joined`."""
    first, kind = replace(windows, events=np.column_stack([windows.events, windows.labels])).distinct()
    return replace(windows.take(first), weights=np.bincount(kind, windows.weights).astype(np.float32)), kind


def _prior(data: Dataset) -> float:
    """The share of anomalous windows in a log of this kind.

    Windows cut from a stream have their natural share. Of sessions it is natural only where it is small: training files are
    often balanced by hand, and real traffic is not.
    """
    if data.train.labels is None:
        return PRIOR
    share = (data.train.labels.sum() + 0.5) / (len(data.train) + 1)
    return float(share if data.timed or share <= MANY_ANOMALIES else PRIOR)


def _vectors(texts: list[str], frequency: np.ndarray, seed: int, dim: int) -> Vectors | None:
    """Word vectors of the training templates; None where there are no words."""
    sentences = [words_of(text) for text, share in zip(texts, frequency) for _ in range(1 + round(log1p(1000 * share)))]
    if not any(sentences):
        return None
    return _projected(with_idf(train_word_vectors(sentences, RAW_DIM, seed, n_buckets=VECTOR_BUCKETS, tokens=100_000), texts), texts, dim)


def _projected(vectors: Vectors, texts: list[str], dim: int) -> Vectors:
    """The first principal components of the training templates' vectors."""
    found = pca.fit(vectors.vectors([text for text in texts if text]), dim)
    return vectors.projected(found.mean, found.axes)


def _name(module: ModuleType) -> str:
    return module.__name__.rpartition(".")[2]
