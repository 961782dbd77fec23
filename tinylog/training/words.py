"""A words network: one that reads templates by their words, so that it knows what to think of templates never seen.

    labels of windows -> scores of words (word_scores.py) -> teacher, a GRU of 2 x 128 -> student, a GRU of 4

Each network learns from the labels, and from what the one before it says of all windows: those of training, altered ones (some
events replaced by others), each template alone, and invented templates (words of training templates dropped or mixed).
"""
from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..detectors import Sizes
from ..detectors.distillog import Config, Detector
from ..embedding.words import bucket_ids, words
from ..layers import noisy_or
from ..records import FIRST_EVENT, UNKNOWN, Windows
from . import word_scores
from .distil import Plan, Progress, joined, train

STUDENT = Config(inputs="words", width=2, buckets=1600, last=False, rules=False, noisy_or=True)
TEACHER = Config(inputs="words", width=8, buckets=2048, hidden=128, layers=2, attention=32, last=False, rules=False, noisy_or=True)
STUDENT_PLAN = Plan(steps=980, lr=1e-2, batch=256)
TEACHER_PLAN = Plan(steps=490, lr=1e-3, batch=128)

ALTERED, INVENTED = 8000, 2000
SURE = 4.0  # targets are no further from even odds: a student that copies exaggeration has no capacity left for the doubtful
RIDGE = 0.3
THRESHOLD = 1.0  # never-seen templates of half-known words come up to even odds; see train_ref/README.md


@dataclass(frozen=True)
class Lesson:
    """What all networks learn from: windows with weights, label -1 where there is none, and the word scores' opinion of each."""

    windows: Windows
    texts: list[str]  # of all event ids, the invented ones at the end
    scores: np.ndarray  # (n,) log-odds of the texts
    opinion: np.ndarray  # (B,) log-odds of the windows

    def table(self, config: Config) -> Windows:
        """The windows with the words as a network of this Config hashes them."""
        return replace(self.windows, tables={"words": bucket_ids(self.texts, config.buckets)})


def lesson(windows: Windows, texts: list[str], n_events: int, rng: np.random.Generator) -> Lesson:
    """windows: labelled, in order of time, every one of them; texts: of all event ids, of which those below n_events occur in training."""
    scores = word_scores.fit(windows, texts)
    invented = _invented([texts[i] for i in range(FIRST_EVENT, n_events)], rng)
    values = np.concatenate([scores.templates, scores.of(invented)])
    pool = np.concatenate([np.arange(FIRST_EVENT, n_events), len(texts) + np.arange(len(invented))])
    kinds, weights = _distinct(windows)
    extra = np.concatenate([_replaced(kinds.events, pool, rng), np.repeat(pool[:, None], windows.events.shape[1], 1)]).astype(np.int32)
    everything = joined(replace(kinds, weights=np.sqrt(weights)), Windows(extra))
    return Lesson(everything, texts + invented, values, noisy_or.log_odds(values, everything.events, everything.mask))


def network(config: Config, lesson: Lesson, plan: Plan, rng: np.random.Generator, opinion: np.ndarray | None,
            progress: Progress | None = None) -> Detector:
    """A network taught by an opinion (B,) in log-odds; None: by the labels alone, with as many steps."""
    net = Detector.create(config, Sizes(len(lesson.texts)), rng)
    if opinion is None:
        known = lesson.windows.labels >= 0
        net.params["table.c"][0] = -3  # most templates are harmless
        train(net, lesson.table(config).take(known), plan, rng, progress=progress)
    else:
        _start(net, lesson)
        target = np.clip(opinion, -SURE, SURE).astype(np.float32) / 2
        train(net, lesson.table(config), plan, rng, np.stack([-target, target], 1), progress)
    net.config = replace(net.config, prior=net.config.trained_prior)
    return net


def opinion_of(net: Detector, lesson: Lesson) -> np.ndarray:
    """(B,) log-odds of the lesson's windows."""
    logits = net.logits(lesson.table(net.config))
    return (logits[:, 1] - logits[:, 0]).astype(np.float64)


def _start(net: Detector, lesson: Lesson) -> None:
    """The first column begins as the word scores, by ridge regression on the buckets; the head begins as the noisy-or."""
    n = len(lesson.scores) - INVENTED
    ids = bucket_ids(lesson.texts[:n], net.config.buckets)
    items, places = np.nonzero(ids)
    Z = np.zeros((n, net.config.buckets))
    np.add.at(Z, (items, np.abs(ids[items, places]) - 1), np.sign(ids[items, places]))
    target = np.clip(lesson.scores[:n], -6, 6)
    c = np.median(target)
    net.params["table.E"][0] = np.linalg.solve(Z.T @ Z + RIDGE * np.eye(Z.shape[1]), Z.T @ (target - c))
    net.params["table.c"][0] = c
    net.params["head.W"][:, -1] = -2, 2


def _distinct(windows: Windows) -> tuple[Windows, np.ndarray]:
    """One window of each kind and label, and how often it occurs."""
    labelled = replace(windows, events=np.column_stack([windows.events, windows.labels]))
    first, kind = labelled.distinct()
    return windows.take(first), np.bincount(kind).astype(np.float32)


def _replaced(events: np.ndarray, pool: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """ALTERED windows in which a share of the events is replaced by up to three others."""
    rows = events[rng.integers(len(events), size=ALTERED)]
    share = rng.choice((0.02, 0.1, 0.5, 1.0), ALTERED)
    others = pool[rng.integers(len(pool), size=(ALTERED, 3))]
    chosen = (rng.random(rows.shape) < share[:, None]) & (rows >= UNKNOWN)
    return np.where(chosen, np.take_along_axis(others, rng.integers(3, size=rows.shape), 1), rows)


def _invented(texts: list[str], rng: np.random.Generator) -> list[str]:
    """INVENTED texts: a random share of the words of one template, or of two."""
    lists, made = [list(dict.fromkeys(words(text))) for text in texts], []
    for _ in range(INVENTED):
        first, second = (lists[i] for i in rng.integers(len(lists), size=2))
        source = list(dict.fromkeys(first + second)) if rng.random() < 0.5 else first
        rate = rng.choice((0.25, 0.5, 0.75))
        made.append(" ".join(word for word in source if rng.random() < rate))
    return made
