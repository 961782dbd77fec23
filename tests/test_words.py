"""Networks that read words: a template never seen is judged by the words that it shares with others."""
from dataclasses import replace

import numpy as np
import pytest

from tinylog.embedding.words import UNKNOWN_TEXT, bucket_ids
from tinylog.records import FIRST_EVENT, Windows
from tinylog.training import word_scores, words
from tinylog.training.distil import Plan

THINGS = "disk link fan memory port cable socket kernel".split()
GOOD, BAD = "ready opened closed started stopped synced".split(), "panic corrupted".split()
TEXTS = ["", UNKNOWN_TEXT, *(f"{thing} {state}" for thing in THINGS[:-1] for state in GOOD + BAD), "kernel ready", "kernel panic"]
N_EVENTS = len(TEXTS) - 2  # the last two never occur in training
READY, PANIC = len(TEXTS) - 2, len(TEXTS) - 1


def log(n: int, seed: int = 5) -> Windows:
    """Windows of harmless templates, every fifth with one of a bad word."""
    rng = np.random.default_rng(seed)
    good = [i for i, text in enumerate(TEXTS[:N_EVENTS]) if i >= FIRST_EVENT and not set(text.split()) & set(BAD)]
    bad = [i for i in range(FIRST_EVENT, N_EVENTS) if i not in good]
    events = rng.choice(good, (n, 10)).astype(np.int32)
    labels = (np.arange(n) % 5 == 0).astype(np.int8)
    events[labels == 1, 4] = rng.choice(bad, labels.sum())
    return Windows(events, labels)


@pytest.fixture(scope="module")
def scores() -> word_scores.WordScores:
    return word_scores.fit(log(400), TEXTS)


def test_scores_of_words_are_found_from_labels_of_windows(scores):
    bad = np.array([bool(set(text.split()) & set(BAD)) for text in TEXTS])
    assert scores.templates[bad].min() > 0 > scores.templates[~bad].max()
    assert scores.templates[PANIC] > 1 > -1 > scores.templates[READY]  # by their words alone
    again = scores.of([TEXTS[PANIC], "panic on a thing with a name", "a thing with a name"])
    assert again[0] == pytest.approx(scores.templates[PANIC]) and again[1] > again[2]


def test_least_score_over_stretches_forgives_what_was_bad_only_once():
    windows = log(420)
    fooled = windows.events.copy()
    sure = TEXTS.index("fan ready")
    fooled[fooled == sure] = FIRST_EVENT
    fooled[5:60:5] = sure  # anomalous for another reason, in the first stretch alone
    fooled[100:400:7, 2] = sure
    labels = windows.labels.copy()
    labels[100:400:7] = 0
    fooled[100:400:7][:, 4] = FIRST_EVENT
    keep = np.r_[0:100, 101:420]
    fitted = word_scores.fit(Windows(fooled[keep], labels[keep]), TEXTS)
    assert fitted.templates[sure] < 0


@pytest.fixture(scope="module")
def small():
    """The lesson, and a student of few buckets that had it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(words, "ALTERED", 300)
        patch.setattr(words, "INVENTED", 60)
        rng = np.random.default_rng(3)
        lesson = words.lesson(log(400), TEXTS, N_EVENTS, rng)
        plan = Plan(steps=120, lr=1e-2, batch=64)
        config = replace(words.STUDENT, buckets=256)
        return lesson, words.network(config, lesson, plan, rng, lesson.opinion), words.network(config, lesson, plan, rng, None)


def test_lesson_has_labelled_altered_and_single_windows(small):
    lesson, _, _ = small
    assert len(lesson.opinion) == len(lesson.windows) == len(lesson.windows.labels)
    assert (lesson.windows.labels == -1).sum() == 300 + (N_EVENTS - FIRST_EVENT) + 60
    assert len(lesson.texts) == len(lesson.scores) == len(TEXTS) + 60
    single = lesson.windows.events[-1]
    assert (single == single[0]).all() and single[0] == len(lesson.texts) - 1


def test_student_judges_templates_never_seen_by_their_words(small):
    _, student, alone = small
    table = {"words": bucket_ids(TEXTS, student.config.buckets)}
    rows = np.full((3, 10), FIRST_EVENT, np.int32)
    rows[1, 3], rows[2, 3] = READY, PANIC
    plain, ready, panic = student.score(Windows(rows, tables=table))
    assert panic > 0 and panic - ready > 2 and plain < 0
    test = replace(log(200, seed=8), tables=table)
    scores = student.score(test)
    assert (scores[test.labels == 1][:, None] > scores[test.labels == 0]).mean() > 0.95
    scores = alone.score(test)  # from labels alone it knows the templates that it has seen
    assert (scores[test.labels == 1][:, None] > scores[test.labels == 0]).mean() > 0.9


def test_words_never_seen_say_nothing(small):
    _, student, _ = small
    texts = [*TEXTS, "zebra quagga okapi", UNKNOWN_TEXT]
    used = set(np.abs(bucket_ids(small[0].texts, 256)).ravel().tolist())
    fresh = [word for word in "zebra quagga okapi tapir gnu lynx ibex".split() if abs(bucket_ids([word], 256)[0, 0]) not in used]
    texts[-2] = fresh[0]
    rows = np.full((2, 10), FIRST_EVENT, np.int32)
    rows[1, 3] = len(texts) - 2
    table = {"words": bucket_ids(texts, 256)}
    u = student.params["table.c"][0] + student.params["table.E"][0, abs(bucket_ids([fresh[0]], 256)[0, 0]) - 1]
    assert u == student.params["table.c"][0] < 0
    assert np.isfinite(student.score(Windows(rows, tables=table))).all()
