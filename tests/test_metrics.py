"""Figures against brute force, against numbers of scikit-learn 1.9, and where they are not defined."""
import numpy as np
import pytest

from tinylog.metrics.classification import best_threshold, figures, rounded
from tinylog.metrics.ranking import average_precision, roc_auc

SCORES = np.array([0.1, -0.1, 0.6, 0.1, -0.5, 0.4, 1.3, 0.9, -0.7, -1.3, -0.6, 0.0])
LABELS = np.array([0, 1, 0, 1, 0, 0, 1, 0, 1, 1, 0, 0])
WEIGHTS = np.array([1, 2, 3, 2, 2, 3, 3, 3, 2, 3, 3, 2])


def random_case(seed):
    """Few rows with many ties; weights are repetitions."""
    rng = np.random.default_rng(seed)
    n = rng.integers(1, 30)
    return rng.normal(size=n).round(1), (rng.random(n) < 0.4).astype(int), rng.integers(1, 4, n)


def test_figures_are_counted():
    got = figures(np.array([2, 2, 2, -1, -1, -1, -1]), np.array([1, 1, 0, 1, 0, 0, 0]), 0.5)
    assert got == {
        "n": 7, "tp": 2, "fp": 1, "fn": 1, "tn": 3, "precision": 2 / 3, "recall": 2 / 3, "f1": 2 / 3,
        "false_positive_rate": 1 / 4, "average_precision": pytest.approx(4 / 9 + 1 / 7), "prevalence": 3 / 7}
    assert isinstance(got["tp"], int)


def test_score_at_the_threshold_is_no_alert():
    scores = np.array([0.4996, 0.5004, 0.5006], np.float32)  # 0.500, 0.500, 0.501
    assert figures(scores, np.array([1, 1, 1]), 0.5)["tp"] == 1


def test_rounded_has_no_negative_zero():
    assert str(rounded(np.array([-0.0004, 0.0004, 1.2345678], np.float32)).tolist()) == "[0.0, 0.0, 1.235]"


@pytest.mark.parametrize("scores, labels, missing", [
    ([], [], {"precision", "recall", "f1", "false_positive_rate", "average_precision", "prevalence"}),
    ([-1, -2], [0, 0], {"precision", "recall", "f1", "average_precision", "false_positive_rate", "prevalence"}),
    ([-1, -2], [1, 1], {"precision", "recall", "f1", "false_positive_rate"}),
])
def test_figures_without_a_denominator_are_zero(scores, labels, missing):
    got = figures(np.array(scores, float), np.array(labels, int), 0.0)
    assert {name for name in got if isinstance(got[name], float) and got[name] == 0.0} == missing


@pytest.mark.parametrize("seed", range(20))
def test_weights_are_repetitions(seed):
    scores, labels, weights = random_case(seed)
    many = np.repeat(scores, weights), np.repeat(labels, weights)
    assert figures(scores, labels, 0.1, weights) == pytest.approx(figures(*many, 0.1))
    assert roc_auc(scores, labels, weights) == pytest.approx(roc_auc(*many))
    assert best_threshold(scores, labels, weights) == best_threshold(*many)


def test_ranking_equals_scikit_learn():
    assert average_precision(SCORES, LABELS) == pytest.approx(0.49772727272727274)
    assert roc_auc(SCORES, LABELS) == pytest.approx(0.35714285714285715)
    assert average_precision(SCORES, LABELS, WEIGHTS) == pytest.approx(0.528099647881862)
    assert roc_auc(SCORES, LABELS, WEIGHTS) == pytest.approx(0.37254901960784315)


@pytest.mark.parametrize("seed", range(20))
def test_roc_auc_compares_every_pair(seed):
    scores, labels, _ = random_case(seed)
    difference = scores[labels == 1][:, None] - scores[labels == 0]
    expected = ((difference > 0) + (difference == 0) / 2).mean() if difference.size else 0.5
    assert roc_auc(scores, labels) == pytest.approx(expected)


def test_equal_scores_have_no_order():
    for labels in ([1, 0, 0, 1], [0, 0, 1, 1]):
        assert average_precision(np.zeros(4), np.array(labels)) == 0.5
        assert roc_auc(np.zeros(4), np.array(labels)) == 0.5


@pytest.mark.parametrize("seed", range(40))
def test_best_threshold_is_best_of_all(seed):
    scores, labels, weights = random_case(seed)
    best = figures(scores, labels, best_threshold(scores, labels, weights), weights)["f1"]
    for other in [*scores, scores.min() - 1]:
        assert figures(scores, labels, other, weights)["f1"] <= best + 1e-12


@pytest.mark.parametrize("scores, labels, expected", [
    ([1, 2, 4, 5], [0, 0, 1, 1], 3.0),  # the middle
    ([0.001, 0.002], [0, 1], 0.001),  # no room: still between, three decimals
    ([1, 2, 2, 3], [0, 0, 1, 1], 1.5),  # rows with one score enter together
    ([0, 5, 6, 7, 8], [1, 0, 0, 1, 1], 6.5),
    ([5, 4, 1, 0.5], [1, 0, 1, 0], 0.75),
    ([3, 2, 1.9, -4, -5], [1, 0, 1, 1, 0], -4.5),
    ([4, 3, 2, 0], [1, 0, 0, 1], 3.5),  # F1 .667 twice: alerting on the first, and on all; the wider gap
    ([1, 2], [0, 0], 2.0),  # nothing to find: nothing alerts
    ([1, 2], [1, 1], 0.999),  # all to be found: all alert
    ([], [], 0.0),
])
def test_best_threshold_stands_in_the_gap(scores, labels, expected):
    assert best_threshold(np.array(scores, float), np.array(labels, int)) == expected


def test_weights_move_the_best_threshold():
    scores, labels = np.array([3.0, 2.0, 1.0, 0.0]), np.array([1, 0, 1, 0])
    assert best_threshold(scores, labels) == 0.5
    assert best_threshold(scores, labels, np.array([1, 30, 1, 30])) == 2.5


@pytest.mark.parametrize("scores, labels, weights", [
    ([1.0, np.nan], [0, 1], None), ([1.0, np.inf], [0, 1], None), ([1.0, 2.0], [0, 2], None),
    ([1.0], [0, 1], None), ([1.0, 2.0], [0, 1], [1]), ([1.0, 2.0], [0, 1], [1, -1]),
])
def test_what_cannot_be_counted_is_an_error(scores, labels, weights):
    weights = None if weights is None else np.array(weights)
    for figure in (average_precision, roc_auc, best_threshold, lambda *row: figures(*row[:2], 0.0, row[2])):
        with pytest.raises(ValueError):
            figure(np.array(scores), np.array(labels), weights)
