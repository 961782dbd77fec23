"""Two detectors that learn from labels: against scipy, against finite differences, and what they say of what they never saw."""
from dataclasses import replace

import numpy as np
import pytest
from gradcheck import check_gradients
from scipy.optimize import minimize

from tinylog.compression.int8 import packed, unpacked
from tinylog.detectors import Sizes, counts, words
from tinylog.embedding.words import bucket_ids
from tinylog.metrics.classification import figures
from tinylog.reading.labels import read_templates
from tinylog.records import PAD, UNKNOWN, Windows
from tinylog.training.dataset import load
from tinylog.training.minimise import cosine, minimise

A, B, C, D, FAR = 2, 3, 4, 5, 99
N_EVENTS, T = 6, 7
TEXTS = ["", "", "send block", "receive block", "disk error on node", "link error", "fan error on rack", "open file"]
TRAINED = Sizes(6, prior=0.2)  # the last two texts are of events that training does not have


def windows(rows, labels=None, weights=None, buckets=400) -> Windows:
    events = np.zeros((len(rows), T), np.int32)
    for row, ids in zip(events, rows):
        row[:len(ids)] = ids
    labels = None if labels is None else np.array(labels, np.int8)
    weights = None if weights is None else np.array(weights, np.float32)
    return Windows(events, labels, weights, tables={"words": bucket_ids(TEXTS, buckets), "templates": np.array(TEXTS, object)})


def random_windows(n: int, rng: np.random.Generator) -> Windows:
    """Anomalous ones have more of C, and may lack A."""
    labels = rng.integers(0, 2, n)
    rows = [[A] * int(rng.integers(1 - y, 3)) + [B] * int(rng.integers(0, 3)) + [C] * int(rng.integers(0, 2 + y)) for y in labels]
    return windows(rows, labels, rng.integers(1, 5, n))


# counts

@pytest.fixture(scope="module")
def regression():
    learned = random_windows(150, np.random.default_rng(1))
    detector = counts.Detector.create(counts.Config(ridge=0.5), Sizes(N_EVENTS, prior=0.1))
    return detector, learned, detector.fit(learned)


def test_counts_has_the_weights_that_scipy_finds(regression):
    detector, learned, losses = regression
    x, y = detector.features(learned.events), learned.labels

    def loss(beta):
        z = x @ beta[:-1] + beta[-1]
        return learned.weights @ (np.logaddexp(0, z) - y * z) + 0.25 * (beta[:-1] ** 2).sum()

    best = minimize(loss, np.zeros(x.shape[1] + 1), tol=1e-10)
    np.testing.assert_allclose(np.append(detector.params["w"], detector.params["b"]), best.x, atol=2e-3)
    assert losses[0] == pytest.approx(np.log(2)) and losses[-1] == pytest.approx(best.fun / learned.weights.sum(), rel=1e-6)
    assert all(after <= before for before, after in zip(losses, losses[1:])) and len(losses) < 15


def test_counts_shifts_its_score_by_the_prior(regression):
    detector, learned, _ = regression
    share = np.average(learned.labels, weights=learned.weights)
    trained = detector.features(learned.events) @ detector.params["w"] + detector.params["b"]
    shift = np.log(0.1 / 0.9) - np.log(share / (1 - share))
    np.testing.assert_allclose(detector.score(learned), trained + shift, atol=0.02)


def test_counts_of_separable_windows_are_finite():
    detector = counts.Detector.create(counts.Config(), Sizes(N_EVENTS))
    detector.fit(windows([[A], [B]], [0, 1], [1000, 1000]))
    score = detector.score(windows([[A], [B]]))
    assert np.isfinite(score).all() and score[0] < -4 < 0 < score[1]


def test_events_never_seen_share_the_column_of_unknown():
    detector = counts.Detector.create(counts.Config(), Sizes(N_EVENTS))
    detector.fit(windows([[A, B], [A], [A, UNKNOWN], [B, UNKNOWN, UNKNOWN]], [0, 0, 1, 1], [20, 20, 20, 20]))
    far, unknown, normal = detector.score(windows([[A, FAR], [A, UNKNOWN], [A]]))
    assert far == unknown > 0 > normal


def test_counts_says_which_event_is_too_many_or_missing(regression):
    detector, _, _ = regression
    many = detector.explain(windows([[A, B, C, C, C]]), 0)
    assert (many.code, many.position, many.detail["event"], many.detail["count"]) == ("count", 4, C, 3)
    assert 0 < many.detail["usual"] < 2 and many.contrib[2:5].sum() > 0.8
    missing = detector.explain(windows([[B, B]]), 0)
    assert missing.detail["event"] == A and missing.expected[0][0] == A and missing.expected[0][1] > 0.9


@pytest.mark.slow
def test_counts_on_hdfs(data):
    whole = load([str(data / "hdfs/robust_log_train.csv"), str(data / "hdfs/robust_log_valid.csv")],
                 valid=[str(data / "hdfs/dev_test.csv.gz")], templates=read_templates(str(data / "hdfs/templates.csv")))
    detector = counts.Detector.create(counts.Config(), Sizes(int(whole.train.events.max()) + 1))
    detector.fit(whole.train)
    assert figures(detector.score(whole.valid), whole.valid.labels, detector.threshold)["f1"] >= 0.98


# words

def learned_words(rows, labels, weights, **wishes) -> words.Detector:
    config = words.Config(**({"epochs": 60, "batch": 4} | wishes))
    detector = words.Detector.create(config, TRAINED, np.random.default_rng(0))
    rng = np.random.default_rng(1)
    detector.fit(windows(rows, labels, weights, config.buckets), lambda *args, **wanted: minimise(*args, rng=rng, **wanted))
    return detector


ROWS = [[A, B], [A, B, A], [B], [A, C], [C, B], [D, A, B], [A, D]]
LABELS = [0, 0, 0, 1, 1, 1, 1]
WEIGHTS = [40, 30, 20, 5, 5, 5, 5]


@pytest.fixture(scope="module")
def scored():
    return learned_words(ROWS, LABELS, WEIGHTS)


def test_words_judges_a_template_that_training_never_saw(scored):
    new_error, new_harmless, known, empty = scored.score(windows([[A, 6], [A, 7], [A, C], []]))
    assert new_error > 0 and known > 0 > new_harmless > empty


def test_words_counts_an_event_once_and_not_in_order(scored):
    score = scored.score(windows([[C, A], [A, C, A, C, C]]))
    assert score[0] == score[1]


def test_sets_of_windows_are_weighted_by_how_often_they_occur():
    sets = words.sets_of(windows([[A, B], [B, A, A], [A, B], [C]], [0, 0, 1, 0], [2, 3, 4, 5]))
    kinds = [tuple(sorted(row[row != PAD].tolist())) for row in sets.events]
    assert dict(zip(zip(kinds, sets.labels.tolist()), sets.weights.tolist())) == {((A, B), 0): 5, ((A, B), 1): 4, ((C,), 0): 5}


def test_gradient_of_words():
    detector = words.Detector.create(words.Config(buckets=30, decay=0.01), TRAINED, np.random.default_rng(0))
    some = windows(ROWS, LABELS, WEIGHTS, 30)
    rng = np.random.default_rng(2)
    params = {name: rng.normal(size=p.shape) for name, p in detector.params.items()}

    def f(inputs):
        loss, grads = detector.loss_and_grads(inputs, some)
        return loss, lambda u: {name: u * g for name, g in grads.items()}

    check_gradients(f, params, rng)


def test_loss_of_words_is_finite_where_it_is_certain_and_wrong():
    detector = words.Detector.create(words.Config(), TRAINED, np.random.default_rng(0))
    some = windows([[A], [B]], [0, 1], [1, 1])
    params = {"words.E": detector.params["words.E"], "words.c": np.array([300.0], np.float32)}
    for c in (300.0, -15.0):
        params["words.c"][:] = c
        loss, grads = detector.loss_and_grads(params, some)
        assert np.isfinite(loss) and all(np.isfinite(g).all() for g in grads.values()) and grads["words.c"][0] * c > 0


def test_words_names_the_words(scored):
    reason = scored.explain(windows([[A, B, 6, 6]]), 0)
    assert (reason.code, reason.position, reason.detail["event"]) == ("words", 2, 6)
    assert reason.detail["words"][0][0] == "error" and reason.detail["p"] > 0.4 and reason.contrib[2] > 0.9 and reason.contrib[3] == 0


@pytest.mark.slow
def test_words_on_bgl_in_time_order(data):
    whole = load([str(data / "bgl/train_50_80pct_windows50.csv.gz"), str(data / "bgl/random_train_filtered.csv.gz")],
                 valid=[str(data / "bgl/dev_test.csv.gz")], templates=read_templates(str(data / "bgl/templates.csv")))
    tables = {"words": bucket_ids([template.text for template in whole.parser.templates], words.Config().buckets)}
    prior = float(whole.train.labels.mean())
    detector = words.Detector.create(words.Config(), Sizes(len(whole.parser.templates), prior=prior), np.random.default_rng(0))
    rng = np.random.default_rng(0)
    detector.fit(replace(whole.train, tables=tables), lambda *args, **wanted: minimise(*args, rng=rng, schedule=cosine, **wanted))
    assert figures(detector.score(replace(whole.valid, tables=tables)), whole.valid.labels, detector.threshold)["f1"] >= 0.95


def test_words_fits_into_401_bytes(scored):
    assert sum(p.size for p in scored.params.values()) == 401
    tested, small = windows(ROWS), words.Detector(scored.config, unpacked(packed(scored.params)))
    np.testing.assert_array_equal(small.score(tested) > 0, np.array(LABELS) == 1)
    assert sum(p.size for p in packed(scored.params).values() if p.dtype == np.int8) >= 400
