"""Detectors that learn from normal windows alone and without a network: what each calls usual, and how it says what is not."""
import numpy as np
import pytest
from scipy import stats

from tinylog.detectors import Sizes, invariants, length, pca, unseen_event
from tinylog.detectors.pca import q_alpha
from tinylog.errors import ConfigError
from tinylog.records import PAD, UNKNOWN, Windows

OPEN, WRITE, CLOSE, SYNC, NEW, FAR = 2, 3, 4, 5, 6, 99
N_EVENTS, T = 6, 12


def windows(rows, weights=None) -> Windows:
    events = np.zeros((len(rows), T), np.int32)
    for row, ids in zip(events, rows):
        row[:len(ids)] = ids
    return Windows(events, weights=None if weights is None else np.array(weights, np.float32))


def fitted(module, rows, weights=None, **wishes):
    detector = module.Detector.create(module.Config(**wishes), Sizes(N_EVENTS))
    assert detector.fit(windows(rows, weights), None, {}) == []
    return detector


def files(n: int, rng: np.random.Generator) -> list[list[int]]:
    """Sessions that open one or two files, write two blocks to each, and close them; some sync now and then."""
    rows = []
    for _ in range(n):
        k = int(rng.integers(1, 3))
        row = [OPEN] * k + [WRITE] * (2 * k) + [CLOSE] * k + [SYNC] * int(rng.integers(0, 4))
        rows.append(rng.permutation(row).tolist())
    return rows


# events

def test_unseen_events_are_counted_and_named():
    detector = fitted(unseen_event, [[OPEN, WRITE], [OPEN, CLOSE]], [3, 1])
    tested = windows([[OPEN, WRITE, CLOSE], [OPEN, SYNC, SYNC, FAR], [UNKNOWN], []])
    assert detector.score(tested).tolist() == [0, 3, 1, 0]
    reason = detector.explain(tested, 1)
    assert (reason.code, reason.position, reason.detail) == ("unseen_event", 1, {"unseen": [[SYNC, 2], [FAR, 1]]})
    assert reason.expected == ((WRITE, 0.75), (CLOSE, 0.25))  # the commonest that are not there
    np.testing.assert_allclose(reason.contrib[:4], [0, 1 / 3, 1 / 3, 1 / 3])


def test_unknown_lines_of_training_are_seen():
    assert fitted(unseen_event, [[OPEN, UNKNOWN]]).score(windows([[UNKNOWN]])).tolist() == [0]


# lengths

LENGTHS = [[OPEN] * n for n in (3, 4, 8)]


@pytest.mark.parametrize("wishes, scores", [
    ({}, [0, 2, 0, 0, 0, 2]),
    ({"between": False}, [0, 2, 0, 2, 0, 2]),
    ({"quantile": 0.1}, [0, 2, 0, 2, 4, 6]),  # one window of 100 has 8 events
])
def test_length_is_how_far_the_nearest_usual_one_is(wishes, scores):
    detector = fitted(length, LENGTHS, [49, 50, 1], **wishes)
    assert detector.score(windows([[OPEN] * n for n in (0, 1, 3, 6, 8, 10)])).tolist() == scores


def test_quantiles_that_leave_no_length_are_refused():
    with pytest.raises(ConfigError, match="quantile 0.5 of length"):
        length.Detector.create(length.Config(quantile=0.5), Sizes(N_EVENTS))


def test_length_says_what_was_usual():
    detector = fitted(length, LENGTHS, [49, 50, 1])
    tested = windows([[OPEN] * 10, [OPEN, CLOSE]])
    long, short = detector.explain(tested, 0), detector.explain(tested, 1)
    assert (long.code, long.position, long.expected) == ("length", 8, ((PAD, 1.0),))  # the end was expected
    assert long.detail == {"length": 10, "usual": [3, 8], "nearest_usual": 8, "commonest": 4}
    assert long.contrib.tolist() == [0] * 8 + [0.5, 0.5, 0, 0]
    assert (short.position, short.expected, short.detail["nearest_usual"]) == (1, (), 3)


# principal components

@pytest.mark.parametrize("variances", [[3.0, 1, 0.5], [10.0] + [0.1] * 60, [0.01] * 50])
def test_q_alpha_is_about_the_quantile_of_what_normal_residuals_do(variances):
    """Where one variance outweighs the rest, the exponent h is negative and their threshold is too high, never too low."""
    q = np.random.default_rng(5).standard_normal((100_000, len(variances))) ** 2 @ variances
    assert 0.003 < (q > q_alpha(np.array(variances), 0.01)).mean() < 0.0125


def test_q_alpha_of_one_variance_and_of_none():
    assert q_alpha(np.array([2.0]), 0.001) == pytest.approx(2 * stats.chi2.ppf(0.999, 1), rel=0.05)
    assert 0 < q_alpha(np.zeros(4), 0.001) < 1e-6  # any error is too much


@pytest.mark.parametrize("tfidf", [False, True])
def test_pca_is_the_textbook(tfidf):
    rows = files(200, np.random.default_rng(1))
    detector, counts = fitted(pca, rows, tfidf=tfidf), np.array([[row.count(e) for e in range(N_EVENTS)] for row in rows], float)
    share = (counts > 0).mean(0)
    assert SYNC in np.flatnonzero((share > 0) & (share < 1))
    y = counts * np.where(share > 0, -np.log(np.maximum(share, 1 / 200)), np.log(200)) if tfidf else counts
    centred = y - y.mean(0)
    _, s, axes = np.linalg.svd(centred)
    k = int((np.cumsum(s ** 2) / (s ** 2).sum() < 0.95).sum()) + 1
    expected = ((centred - centred @ axes[:k].T @ axes[:k]) ** 2).sum(1)
    assert len(detector.params["axes"]) == k
    np.testing.assert_allclose(detector.score(windows(rows)), expected, rtol=1e-3, atol=1e-6)


def test_pca_takes_weights_for_repetitions():
    rows = files(30, np.random.default_rng(1))
    often, once = fitted(pca, rows + rows[:10]), fitted(pca, rows, [2] * 10 + [1] * 20)
    np.testing.assert_allclose(often.score(windows(rows)), once.score(windows(rows)), rtol=1e-4, atol=1e-6)
    assert often.threshold == pytest.approx(once.threshold)


def test_pca_alerts_where_the_counts_do_not_go_together_and_says_which():
    rows = files(300, np.random.default_rng(1))
    detector = fitted(pca, rows, tfidf=False)
    assert (detector.score(windows(rows)) > detector.threshold).mean() < 0.02
    tested = windows([[OPEN, WRITE, WRITE] * 2, [OPEN, WRITE, WRITE, CLOSE, FAR], [OPEN, WRITE, CLOSE]])
    assert (detector.score(tested) > detector.threshold).all()
    reason = detector.explain(tested, 0)
    assert reason.code == "count" and CLOSE in [event for event, _ in reason.expected]
    strange = detector.explain(tested, 1)
    assert strange.position == 4 and strange.detail == {"event": UNKNOWN, "count": 1, "usual": 0.0}


# invariants

def test_invariants_of_files_are_found_and_no_more_than_are_independent():
    detector = fitted(invariants, files(300, np.random.default_rng(2)))
    found = {tuple((int(e), int(c)) for e, c in zip(*row) if c) for row in zip(detector.params["events"], detector.params["coefficients"])}
    counts = np.zeros((len(found), N_EVENTS))
    for line, terms in zip(counts, found):
        line[[e for e, _ in terms]] = [c for _, c in terms]
    assert ((OPEN, 1), (CLOSE, -1)) in found or ((CLOSE, 1), (OPEN, -1)) in found
    assert np.linalg.matrix_rank(counts) == len(found) == 2  # closed = opened, written = 2 opened; nothing about syncing
    assert not counts[:, SYNC].any()
    np.testing.assert_allclose(counts @ [0, 0, 1, 2, 1, 0], 0)


def test_an_invariant_of_three_events_is_found():
    """Each opened file is either closed or synced."""
    rng = np.random.default_rng(3)
    rows = [[OPEN] * (a + b) + [CLOSE] * a + [SYNC] * b for a, b in rng.integers(0, 4, (200, 2)).tolist()]
    detector = fitted(invariants, rows)
    terms = dict(zip(detector.params["events"][0].tolist(), detector.params["coefficients"][0].tolist()))
    assert len(detector.params["events"]) == 1 and terms == {OPEN: 1, CLOSE: -1, SYNC: -1}


@pytest.mark.parametrize("violations, holds", [(1, True), (5, False)])
def test_an_invariant_may_fail_in_two_windows_of_a_hundred(violations, holds):
    detector = fitted(invariants, [[OPEN, CLOSE], [OPEN, CLOSE] * 2, [OPEN]], [50, 50 - violations, violations])
    assert (len(detector.params["events"]) == 1) == holds


def test_what_holds_because_an_event_is_rare_is_no_invariant():
    """x_SYNC = 0 in 99 windows of 100, and opened = closed + synced in as many."""
    detector = fitted(invariants, [[OPEN, CLOSE], [OPEN, OPEN, CLOSE, CLOSE], [OPEN, CLOSE, SYNC]], [600, 390, 10])
    assert len(detector.params["events"]) == 1 and SYNC not in detector.params["events"][0][detector.params["coefficients"][0] != 0]


def test_a_violated_invariant_is_named():
    detector = fitted(invariants, [[OPEN, WRITE, CLOSE], [OPEN, CLOSE] * 2, [OPEN, WRITE, WRITE, CLOSE]] * 9)
    opened_twice, strange = [OPEN, WRITE, WRITE, OPEN, WRITE, WRITE, CLOSE], [OPEN, WRITE, WRITE, CLOSE, NEW, NEW]
    tested = windows([[OPEN, WRITE, WRITE, CLOSE], opened_twice, strange, []])
    assert detector.score(tested).tolist() == [0, 1, 1, 0]
    reason = detector.explain(tested, 1)
    terms = dict(map(tuple, reason.detail["invariant"]))
    assert reason.code == "count" and set(terms) == {OPEN, CLOSE}
    assert reason.detail["value"] == 2 * terms[OPEN] + terms[CLOSE] != 0
    assert reason.expected == ((CLOSE, 1.0),)
    np.testing.assert_allclose(reason.contrib[[0, 3, 6]], 1 / 3)
    strange = detector.explain(tested, 2)
    assert strange.detail == {"invariant": [[NEW, 1]], "value": 2} and strange.contrib[4:6].tolist() == [0.5, 0.5]


def test_invariants_are_bounded_in_events_and_windows():
    rows = files(300, np.random.default_rng(2))
    assert len(fitted(invariants, rows, events=2).params["events"]) == 1  # of the two commonest alone
    assert len(fitted(invariants, rows, windows=1).params["known"].nonzero()[0]) == 4  # what is known does not depend on it
