"""The student of DistilLog, as the log has it: what it reads, who teaches it, its threshold.

With few kinds of event a table with a row for each, and the evidence of the rules, fit into 442 numbers; with more of them, their
words (training/words.py); with vectors of the user, those.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ..detectors import Sizes, distillog, rules
from ..layers.params import size
from ..metrics.classification import best_threshold
from ..records import FIRST_EVENT, Windows
from . import distil, words
from .distil import Progress

BUDGET = 442  # numbers of a student, as in the paper
FEW_EVENTS = 80  # kinds of event for which a table is small
TABLE_TEACHER = replace(distillog.TEACHER, inputs="table", width=30, last=True, rules=True)  # that of the paper, and all its student sees
ALTERED = 4000  # windows that only the teacher knows


@dataclass(frozen=True)
class School:
    """How a student is taught."""

    rng: np.random.Generator
    epochs: int | None = None  # None: as many steps as were found to be enough
    teacher: bool = True
    progress: Callable[[str], Progress | None] = lambda what: None

    def plan(self, plan: distil.Plan, windows: Windows) -> distil.Plan:
        """The plan with as many steps as `epochs` passes over the windows are."""
        if self.epochs is None:
            return plan
        steps = self.epochs * -(-len(windows) // plan.batch)
        return replace(plan, steps=steps, head_steps=steps)


def reads_words(train: Windows, texts: list[str], n_events: int) -> bool:
    """Whether a student of this log reads words: there are many kinds of event, texts of them, and labels."""
    return n_events - FIRST_EVENT > FEW_EVENTS and train.labels is not None and any(texts[FIRST_EVENT:])


def by_table(windows: Windows, facts: rules.Detector, sizes: Sizes, school: School) -> tuple[distillog.Detector, float]:
    """A student that reads a table, or windows.tables["vectors"], and the rules; and its threshold. Without labels the rules teach it.

    windows: distinct, weighted, with the evidence left out; label -1 where there is none.
    """
    rng, inputs = school.rng, "vectors" if "vectors" in windows.tables else "table"
    labelled = windows.take(windows.labels >= 0)
    if len(np.unique(labelled.labels)) < 2:
        everything = distil.lesson(replace(windows, labels=np.full(len(windows), -1, np.int8)), facts, ALTERED, rng)
        opinion = distil.as_logits(everything.rules.sum(1))
    elif school.teacher:
        teacher = distillog.Detector.create(replace(TABLE_TEACHER, inputs=inputs), sizes, rng)
        distil.train(teacher, labelled, school.plan(distil.TEACHER, labelled), rng, progress=school.progress("teacher"))
        everything = distil.lesson(windows, facts, ALTERED, rng)
        opinion = teacher.logits(everything)
    else:
        everything, opinion = labelled, None
    student = _within_budget(replace(distillog.STUDENT, inputs=inputs, prior=sizes.prior), sizes, rng)
    distil.train(student, everything, school.plan(distil.STUDENT, everything), rng, opinion, progress=school.progress("student"))
    return student, _threshold(student, windows, sizes.prior)


def by_words(train: Windows, texts: list[str], n_events: int, school: School) -> tuple[distillog.Detector, float]:
    """A student that reads words, taught by a network that was taught by the words' own scores; and its threshold."""
    lesson = words.lesson(train, texts, n_events, school.rng)
    opinion = None
    if school.teacher:
        plan = school.plan(words.TEACHER_PLAN, lesson.windows)
        opinion = words.opinion_of(words.network(words.TEACHER, lesson, plan, school.rng, lesson.opinion, school.progress("teacher")), lesson)
    plan = school.plan(words.STUDENT_PLAN, lesson.windows)
    return words.network(words.STUDENT, lesson, plan, school.rng, opinion, school.progress("student")), words.THRESHOLD


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
