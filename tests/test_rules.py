"""Rules without learning: which state each has, what it says, and that a window is never its own evidence."""
import numpy as np
import pytest

from tinylog.detectors import Sizes, rules
from tinylog.records import UNKNOWN, Windows

A, B, C, D, NEW = 2, 3, 4, 5, 6
N_EVENTS, T = 6, 5
# What training saw: window, label, how often.
TRAINING = [
    ([A, B, A], 0, 40),
    ([A, B], 0, 30),
    ([A, C, B], 0, 1),
    ([A, B, D], 1, 20),
    ([A, D], 1, 9),
    ([A, C, B, C], 1, 1),
]


def windows(rows, labels=None, weights=None) -> Windows:
    events = np.zeros((len(rows), T), np.int32)
    for row, ids in zip(events, rows):
        row[:len(ids)] = ids
    return Windows(events, None if labels is None else np.array(labels, np.int8),
                   None if weights is None else np.array(weights, np.float32))


def fitted(rows, labels=None, weights=None) -> rules.Detector:
    detector = rules.Detector.create(rules.Config(), Sizes(N_EVENTS))
    detector.fit(windows(rows, labels, weights))
    return detector


@pytest.fixture(scope="module")
def trained() -> rules.Detector:
    return fitted(*zip(*TRAINING))


# set, vector, bigram, only_abnormal, abnormal_share
@pytest.mark.parametrize("row, states", [
    ([A, B, A], [0, 0, 0, 0, 0]),
    ([A, B, A, B], [0, 1, 0, 0, 0]),  # the set is known, how often is not
    ([B, A], [0, 0, 0, 0, 0]),  # both pairs, (B, A) and (A, end), are those of a normal window
    ([A, B, D], [2, 2, 1, 1, 1]),
    ([C, A, B], [2, 0, 1, 0, 0]),  # the set: 1 of 71 normal windows, 1 of 30 anomalous ones
    ([D, NEW], [1, 1, 1, 1, 1]),
    ([A, UNKNOWN], [1, 1, 1, 0, 0]),
    ([], [1, 1, 0, 0, 0]),
])
def test_states(trained, row, states):
    assert trained.states(windows([row]))[0].tolist() == states


def test_compared_are_shares_of_normal_and_of_anomalous_windows():
    detector = fitted([[A], [A], [B]], [0, 1, 0], [2, 1, 98])  # A: 2 % of the normal ones, all of the anomalous
    assert detector.states(windows([[A]]))[0, 0] == 2


def test_weights_are_repetitions():
    rows, labels, weights = zip(*TRAINING)
    often = fitted(np.repeat(np.array(rows, object), weights).tolist(), np.repeat(labels, weights))
    weighted = fitted(rows, labels, weights)
    assert often.params.keys() == weighted.params.keys()
    for name, array in weighted.params.items():
        np.testing.assert_allclose(often.params[name], array, rtol=1e-6, err_msg=name)


def test_left_out_is_fitted_without_that_window():
    rows, labels, weights = zip(*TRAINING)
    left_out = fitted(rows, labels, weights)
    evidence = left_out.evidence_left_out(windows(rows, labels, weights))
    for i in range(len(rows)):
        others = [weight - (j == i) for j, weight in enumerate(weights)]
        kept = [j for j in range(len(rows)) if others[j]]
        without = fitted([rows[j] for j in kept], [labels[j] for j in kept], [others[j] for j in kept])
        without.params["evidence"] = left_out.params["evidence"]
        np.testing.assert_array_equal(without.evidence(windows([rows[i]]))[0], evidence[i], err_msg=str(rows[i]))


def test_evidence_of_event_sets_is_their_log_odds():
    rows, labels, weights = zip(*TRAINING)
    evidence = fitted(rows, labels, weights).evidence(windows([[A, B], [NEW], [D, A]]))[:, 0]
    # left out: 70 of 71 normal windows have state 0 and one, {A, B, C}, 2; 29 of 30 anomalous ones 2, {A, B, C} again 0
    normal, anomalous = np.array([70.5, 0.5, 1.5]) / 72.5, np.array([1.5, 0.5, 29.5]) / 31.5
    np.testing.assert_allclose(evidence, np.log(anomalous / normal), rtol=1e-5)


def test_anomalous_windows_score_higher(trained):
    rows, labels, _ = zip(*TRAINING)
    score = trained.score(windows(rows))
    assert score.dtype == np.float32 and score.shape == (6,)
    assert score[:2].max() < 0 < score[3:5].min()
    np.testing.assert_array_equal(trained.score(windows(rows[3:4])), score[3:4])


def test_prior_moves_the_score_by_its_log_odds(trained):
    even = rules.Detector(rules.Config(prior=0.5), trained.params)
    row = windows([[A, B]])
    np.testing.assert_allclose(even.score(row) - trained.score(row), np.log(0.98 / 0.02), rtol=1e-5)


def test_without_labels_all_is_normal_and_two_rules_are_silent():
    rows, _, weights = zip(*TRAINING[:3])
    detector = fitted(rows, None, weights)
    states, evidence = detector.states(windows([[A, D], [A, B]])), detector.evidence(windows([[A, D], [A, B]]))
    assert states.tolist() == [[1, 1, 1, 0, 0], [0, 0, 0, 0, 0]]
    assert not evidence[:, 3:].any()
    assert evidence[0, 0] > 0 > evidence[1, 0]


def test_unlabelled_counts_as_normal():
    rows, labels, weights = zip(*TRAINING)
    detector = fitted(rows + ([C, C],), labels + (-1,), weights + (1,))
    assert detector.states(windows([[C, C]]))[0].tolist() == [0, 0, 0, 0, 0]


def test_new_one_says_nothing():
    detector = rules.Detector.create(rules.Config(prior=0.5), Sizes(N_EVENTS))
    assert detector.score(windows([[A, NEW]])).tolist() == [0]


def test_certain_are_events_of_anomalous_windows_only(trained):
    assert trained.certain.tolist() == [D]


def test_reason_names_the_rule_and_its_events(trained):
    reason = trained.explain(windows([[A, B, D]]), 0)
    assert reason.code == rules.NAMES[trained.evidence(windows([[A, B, D]]))[0].argmax()]
    assert reason.contrib.shape == (T,) and reason.contrib.sum() == pytest.approx(1)


def test_hdfs_event_sets_of_normal_sessions(data):
    """The 4,855 normal sessions, no label: their event sets alone find nearly all."""
    lines = [line.split() for line in (data / "hdfs" / "hdfs_train").read_text().splitlines()]
    rows = np.zeros((len(lines), 50), np.int32)
    for row, ids in zip(rows, lines):
        ids = np.array(ids[-50:], np.int32) + 1
        row[:len(ids)] = ids
    detector = rules.Detector.create(rules.Config(), Sizes(30))
    detector.fit(Windows(rows))
    assert len(detector.params["event_set.normal"]) == 11


def test_expected_is_what_followed_in_normal_windows(trained):
    normal = sum(weight for _, label, weight in TRAINING if not label)
    assert normal == 71
    after_b = dict(trained.expected(B))  # [A, B, A] 40 times, [A, B] 30 times and [A, C, B] once: the end
    assert list(after_b) == [A, 0] and after_b[A] == pytest.approx(40 / 71) and after_b[0] == pytest.approx(31 / 71)
    assert trained.expected(D) == ()
    reason = trained.explain(windows([[A, B, C]]), 0)
    assert reason.code == "bigram" and reason.position == 1 and reason.expected[0][0] == A
