"""A Dataset to a Model: the order in which its parts are fitted, each on training data alone.

    number the events -> rules -> teacher -> student -> threshold -> vectors for explanations

What a DistilLog network reads is decided by the log: with few kinds of event a table with a row for each, and the evidence of
the rules, fit into 442 numbers; with more of them, their words (training/words.py); with vectors of the user, those.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from math import log1p

import numpy as np

from .. import detectors
from ..detectors import Sizes, distillog, rules
from ..embedding.vectors import Vectors
from ..embedding.words import UNKNOWN_TEXT, words as words_of
from ..layers.params import size
from ..metrics.classification import best_threshold
from ..model import Model
from ..records import FIRST_EVENT, UNKNOWN, Windows
from . import distil, pca, words
from .dataset import Dataset
from .distil import Progress, joined
from .minimise import cosine, minimise
from .word_vectors import train_word_vectors, with_idf

BUDGET = 442  # numbers of a student, as in the paper
FEW_EVENTS = 80  # kinds of event for which a table is small
MANY_ANOMALIES = 0.1  # a larger share among sessions is a choice of whoever made the file, not what a log has
PRIOR = 0.02  # share of anomalous sessions where the file cannot say
VECTOR_DIM, RAW_DIM, VECTOR_BUCKETS = 10, 32, 500
GIVEN_DIM = 20  # of given vectors: with more, the student would have more than 442 numbers
TABLE_TEACHER = replace(distillog.TEACHER, inputs="table", width=30, last=True, rules=True)  # that of the paper, and all its student sees
ALTERED = 4000  # windows that only the teacher knows


@dataclass(frozen=True)
class Options:
    """What a user can choose of training."""

    detector: str = "distillog"
    seed: int = 0
    epochs: int | None = None  # None: as many steps as were found to be enough
    teacher: bool = True
    prior: float | None = None
    vectors: Vectors | None = None  # what the network reads; None: what suits the log
    explained: bool = True  # with word vectors, for the nearest known template


def build(data: Dataset, name: str, options: Options, progress: Callable[[str], Progress | None] = lambda what: None) -> Model:
    """The model of the training and unlabelled windows; `data.valid` has no part in it. InputError where the templates lack what
    vectors are learned from. progress(what) is told of each network's epochs.
    """
    order, n_events = data.order()
    number = np.argsort(order)
    train, unlabelled = (None if part is None else replace(part, events=number[part.events].astype(np.int32))
                         for part in (data.train, data.unlabelled))
    texts = [data.parser.templates[i].text for i in order]
    texts[UNKNOWN] = UNKNOWN_TEXT
    known = distinct(joined(train, *([] if unlabelled is None else [unlabelled])))
    rng, prior = np.random.default_rng(options.seed), options.prior or _prior(data)
    facts = rules.Detector.create(rules.Config(prior), Sizes(n_events))
    facts.fit(known)
    fitted, threshold, int8, given = {"rules": facts}, 0.0, [], None
    if options.detector == "distillog":
        by_words = n_events - FIRST_EVENT > FEW_EVENTS and data.train.labels is not None and any(texts[FIRST_EVENT:])
        if options.vectors is not None:
            given = _projected(options.vectors, texts[FIRST_EVENT:n_events], GIVEN_DIM)
            table = np.concatenate([np.zeros((FIRST_EVENT, GIVEN_DIM), np.float32), given.vectors(texts[FIRST_EVENT:])])
            known = replace(known, tables={"vectors": table})
        if by_words and options.vectors is None:
            network, threshold, int8 = _by_words(train, texts, n_events, options, rng, progress), words.THRESHOLD, ["distillog"]
        else:
            judged = replace(known, rules=facts.evidence_left_out(known))
            network = _by_table(judged, facts, n_events, options, prior, rng, progress)
            threshold = _threshold(network, judged, prior)
        fitted["distillog"] = network
    elif options.detector != "rules":
        module = detectors.load(options.detector)
        network = module.Detector.create(module.Config(), Sizes(n_events), rng)
        network.fit(known, partial(minimise, rng=rng, epochs=options.epochs or 20, batch=64, lr=0.01, schedule=cosine), fitted)
        fitted[options.detector] = network
    frequency = np.array([known.weights[(known.events == i).any(1)].sum() for i in range(n_events)]) / known.weights.sum()
    card = {"training": {"windows": len(data.train), "anomalous": None if data.train.labels is None else int(data.train.labels.sum()),
                         "unlabelled": 0 if unlabelled is None else len(unlabelled), "lines": data.lines, "events": n_events - FIRST_EVENT},
            "prior": prior, "seed": options.seed, "teacher": options.teacher, "epochs": options.epochs}
    model = Model(name, data.form.name, data.parser, data.spec, order, frequency.astype(np.float32), fitted, {options.detector: threshold},
                  given or (_vectors(texts[FIRST_EVENT:n_events], frequency[FIRST_EVENT:], options.seed) if options.explained else None),
                  card=card, int8=int8)
    model.seen = np.unique(np.concatenate([model.hashes(part) for part in (train, unlabelled) if part is not None]))
    return model


def held_out(data: Dataset, rng: np.random.Generator, share: float = 0.15) -> Dataset | None:
    """The same data with a part of the training windows as validation; None where either part would lack normal or anomalous ones.

    Stretches of a stream: the last ones, with a gap of one window. Sessions: as many of each label, drawn.
    """
    labels, n = data.train.labels, len(data.train)
    if data.timed:
        cut = np.arange(n) >= n - int(share * n)
        kept = np.arange(n) < n - int(share * n) - 1
    else:
        cut = np.zeros(n, bool)
        for label in (0, 1):
            there = np.flatnonzero(labels == label)
            cut[rng.permutation(there)[:int(share * len(there))]] = True
        kept = ~cut
    if any(len(np.unique(labels[part])) < 2 for part in (cut, kept)):
        return None
    return replace(data, train=data.train.take(kept), valid=data.train.take(cut))


def merged(data: Dataset) -> Dataset:
    """All labelled windows as training windows: what the model itself is made of, when its twin has been judged."""
    if data.valid is None:
        return data
    labels = None if data.train.labels is None else np.concatenate([data.train.labels, data.valid.labels])
    return replace(data, train=Windows(np.concatenate([data.train.events, data.valid.events]), labels), valid=None)


def distinct(windows: Windows) -> Windows:
    """One window of each kind and label, weighted by how often it occurs. windows: `joined`."""
    first, kind = replace(windows, events=np.column_stack([windows.events, windows.labels])).distinct()
    return replace(windows.take(first), weights=np.bincount(kind, windows.weights).astype(np.float32))


def _prior(data: Dataset) -> float:
    """The share of anomalous windows in a log of this kind.

    Windows cut from a stream have their natural share. Of sessions it is natural only where it is small: training files are
    often balanced by hand, and real traffic is not.
    """
    if data.train.labels is None:
        return PRIOR
    share = (data.train.labels.sum() + 0.5) / (len(data.train) + 1)
    return float(share if data.timed or share <= MANY_ANOMALIES else PRIOR)


def _by_table(windows: Windows, facts: rules.Detector, n_events: int, options: Options, prior: float, rng: np.random.Generator,
              progress: Callable[[str], Progress | None]) -> distillog.Detector:
    """A student that reads a table and the rules. Without labels the rules are its teacher."""
    inputs = "vectors" if "vectors" in windows.tables else "table"
    sizes = Sizes(n_events, GIVEN_DIM)
    labelled = windows.take(windows.labels >= 0)
    if len(np.unique(labelled.labels)) < 2:
        everything = distil.lesson(replace(windows, labels=np.full(len(windows), -1, np.int8)), facts, ALTERED, rng)
        opinion = distil.as_logits(everything.rules.sum(1))
    elif options.teacher:
        teacher = distillog.Detector.create(replace(TABLE_TEACHER, inputs=inputs), sizes, rng)
        distil.train(teacher, labelled, _shortened(distil.TEACHER, options, labelled), rng, progress=progress("teacher"))
        everything = distil.lesson(windows, facts, ALTERED, rng)
        opinion = teacher.logits(everything)
    else:
        everything, opinion = labelled, None
    student = _within_budget(replace(distillog.STUDENT, inputs=inputs, prior=prior), sizes, rng)
    distil.train(student, everything, _shortened(distil.STUDENT, options, everything), rng, opinion, progress=progress("student"))
    return student


def _within_budget(config: distillog.Config, sizes: Sizes, rng: np.random.Generator) -> distillog.Detector:
    """A student of at most BUDGET numbers: the more kinds of event, the narrower the rows of its table."""
    for width in range(config.width, 0, -1):
        student = distillog.Detector.create(replace(config, width=width), sizes, rng)
        if size(student.params) <= BUDGET:
            break
    return student


def _threshold(network: distillog.Detector, windows: Windows, prior: float) -> float:
    """Of best F1 where `prior` of the windows are anomalous, each judged as if the rules had not seen it; even odds without labels.

    Unlabelled windows count as normal: they make the natural mix that balanced training files lack.
    """
    anomalous = windows.labels == 1
    if not anomalous.any():
        return 0.0
    share = np.where(anomalous, prior, 1 - prior)
    total = np.where(anomalous, windows.weights[anomalous].sum(), windows.weights[~anomalous].sum())
    return best_threshold(network.score(windows), anomalous, windows.weights * share / total)


def _by_words(train: Windows, texts: list[str], n_events: int, options: Options, rng: np.random.Generator,
              progress: Callable[[str], Progress | None]) -> distillog.Detector:
    """A student that reads words, taught by a network that was taught by the words' own scores."""
    lesson = words.lesson(train, texts, n_events, rng)
    opinion = None
    if options.teacher:
        plan = _shortened(words.TEACHER_PLAN, options, lesson.windows)
        opinion = words.opinion_of(words.network(words.TEACHER, lesson, plan, rng, lesson.opinion, progress("teacher")), lesson)
    plan = _shortened(words.STUDENT_PLAN, options, lesson.windows)
    return words.network(words.STUDENT, lesson, plan, rng, opinion, progress("student"))


def _shortened(plan: distil.Plan, options: Options, windows: Windows) -> distil.Plan:
    """The plan with as many steps as `--epochs` passes over the windows are."""
    if options.epochs is None:
        return plan
    steps = options.epochs * -(-len(windows) // plan.batch)
    return replace(plan, steps=steps, head_steps=steps)


def _vectors(texts: list[str], frequency: np.ndarray, seed: int) -> Vectors | None:
    """Word vectors of the training templates, for the nearest known template of a never-seen one; None where there are no words."""
    sentences = [words_of(text) for text, share in zip(texts, frequency) for _ in range(1 + round(log1p(1000 * share)))]
    if not any(sentences):
        return None
    return _projected(with_idf(train_word_vectors(sentences, RAW_DIM, seed, n_buckets=VECTOR_BUCKETS, tokens=100_000), texts), texts, VECTOR_DIM)


def _projected(vectors: Vectors, texts: list[str], dim: int) -> Vectors:
    """The first principal components of the training templates' vectors."""
    found = pca.fit(vectors.vectors([text for text in texts if text]), dim)
    return vectors.projected(found.mean, found.axes)
