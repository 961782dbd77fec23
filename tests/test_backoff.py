"""The n-gram model: a distribution at every place, and nothing learned from a single window."""
from dataclasses import replace

import numpy as np
import pytest

from tinylog.detectors import Sizes, backoff
from tinylog.records import FIRST_EVENT, PAD, Windows

A, B, C, D = range(FIRST_EVENT, FIRST_EVENT + 4)


def fitted(rows, order=2, whole=True, weights=None) -> backoff.Detector:
    T = max(map(len, rows)) + 1
    events = np.array([[*row, *[PAD] * (T - len(row))] for row in rows], np.int32)
    detector = backoff.Detector.create(backoff.Config(order=order), Sizes(FIRST_EVENT + 4, whole=whole))
    detector.fit(Windows(events, weights=None if weights is None else np.array(weights, np.float32)))
    return detector


def score(detector, row, T=9) -> float:
    return float(detector.score(Windows(np.array([[*row, *[PAD] * (T - len(row))]], np.int32)))[0])


@pytest.mark.parametrize("order", [0, 1, 2, 3])
def test_probabilities_of_what_may_come_add_up_to_one(order):
    rng = np.random.default_rng(0)
    detector = fitted([rng.integers(A, D + 1, 6) for _ in range(50)], order)
    places = detector._places(Windows(np.array([[A, B, B, C, PAD]], np.int32)))
    n = FIRST_EVENT + 4
    for histories in places.histories:
        keys = np.broadcast_to(histories, (n, len(histories)))
        p = np.exp(-detector._surprise(keys, backoff._pairs(keys, np.arange(n))).astype(float))
        assert p.sum() == pytest.approx(1, abs=1e-5)


def test_what_was_seen_often_is_expected_and_the_other_order_is_not():
    detector = fitted([[A, B, C]] * 100)
    assert score(detector, [A, B, C]) < 0.1 and score(detector, [A, C, B]) > 4 and score(detector, [A, B]) > 4


def test_one_window_teaches_nothing_however_often_it_repeats():
    clean, dirty = fitted([[A, B, C]] * 100), fitted([[A, B, C]] * 100 + [[A, D, A, D, A, D, A, D]])
    assert score(dirty, [A, D]) > score(clean, [A, D]) - 3 > 4
    assert score(fitted([[A, B, C], [A, D, C]], weights=[100, 50]), [A, D, C]) < 2


def test_event_that_training_had_not_is_passed_over():
    detector = fitted([[A, B, C]] * 100)
    assert score(detector, [A, 99, B, 1, C]) == score(detector, [A, B, C])


def test_window_of_a_stream_is_judged_behind_its_first_events():
    detector = fitted([[A, B, C] * 3] * 50, whole=False)
    assert score(detector, [C, A]) == 0 and score(detector, [C, A, B, C]) < 0.5 < score(detector, [A, B, C, C])


def test_explanation_names_what_came_and_what_was_expected():
    detector = fitted([[A, B, C]] * 100)
    window = Windows(np.array([[A, C, PAD]], np.int32))
    reason = detector.explain(window, 0)
    assert reason.code == "sequence" and reason.detail["after"] == A and reason.detail["came"] == C and reason.expected[0][0] == B
    assert detector.explain(replace(window, events=np.array([[A, B, PAD]], np.int32)), 0).code == "truncated"
