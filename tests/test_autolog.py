"""AutoLog: weights and scores by hand, silence, entities never seen, what it explains, real lines."""
from dataclasses import replace
from functools import partial
from math import log2, sqrt

import numpy as np
import pytest

from tinylog.detectors import Sizes, autolog
from tinylog.records import FIRST_EVENT, Windows, silent
from tinylog.training.minimise import minimise

CONFIG = replace(autolog.TINY, epochs=60)


def made(*windows: list[tuple[bytes, bytes]], T: int = 6) -> Windows:
    """Windows of (entity, text)."""
    events = np.array([[FIRST_EVENT] * len(lines) + [0] * (T - len(lines)) for lines in windows], np.int32).reshape(-1, T)
    columns = {name: np.empty(len(windows), object) for name in ("entities", "texts")}
    for k, name in enumerate(("entities", "texts")):
        columns[name][:] = [[line[k] for line in lines] for lines in windows]
    return Windows(events, **columns)


def fitted(windows: Windows, config: autolog.Config = CONFIG) -> autolog.Detector:
    rng = np.random.default_rng(1)
    detector = autolog.Detector.create(config, Sizes(3, whole=False), rng)
    detector.fit(windows, partial(minimise, rng=rng, epochs=9, batch=9, lr=9), {}, rng)
    return detector


def usual(n: int, rng: np.random.Generator) -> Windows:
    """Two racks that say as much as one another, which varies."""
    return made(*([(b"R1", b"disk ok")] * k + [(b"R2", b"net up")] * k for k in rng.integers(0, 4, n)))


def test_weights_and_scores_by_hand():
    windows = made([(b"a", b"x x y"), (b"a", b"X z")], [(b"a", b"x"), (b"b", b"x q")], [(b"a", b"x y y y")], [])
    detector = autolog.Detector.create(CONFIG, Sizes(3), np.random.default_rng(0))
    detector.learn_terms(windows)
    assert detector.entities == [b"", b"a", b"b"]

    def g(*f, M=3):
        return 1 + sum(each / sum(f) * log2(each / sum(f)) for each in f) / log2(M)

    x, y = g(3, 1, 1), g(1, 3)
    assert 0 < x < y < 1 and len(detector.params["weights"]) == 2  # z and all that b says are in one chunk: 1, as never seen
    np.testing.assert_allclose(np.sort(detector.params["weights"]), [x, y], rtol=1e-6)
    by_hand = [[0, sqrt((x * log2(4)) ** 2 + y ** 2 + 1), 0, 0], [0, x, sqrt(2), 0], [0, sqrt(x ** 2 + (2 * y) ** 2), 0, 0], [0] * 4]
    np.testing.assert_allclose(detector.chunk_scores(windows), by_hand, rtol=1e-6)
    new = made([(b"c", b"x x"), (b"d", b"x"), (b"a", b"new")])  # c and d share a column, where x means nothing
    np.testing.assert_allclose(detector.chunk_scores(new), [[0, 1, 0, 2]], rtol=1e-6)


def test_a_term_that_is_in_all_chunks_alike_says_nothing():
    windows = made(*[[(b"a", b"tick")]] * 5)
    detector = autolog.Detector.create(CONFIG, Sizes(3), np.random.default_rng(0))
    detector.learn_terms(windows)
    np.testing.assert_allclose(detector.chunk_scores(windows), 0, atol=1e-6)


def test_windows_are_read_some_at_a_time(monkeypatch):
    windows = usual(30, np.random.default_rng(5))
    whole, parts = (autolog.Detector.create(CONFIG, Sizes(3), np.random.default_rng(0)) for _ in range(2))
    whole.learn_terms(windows)
    scores = whole.chunk_scores(windows)
    monkeypatch.setattr(autolog, "CHUNK", 7)
    parts.learn_terms(windows)
    assert len(whole.params["weights"]) == 4
    for name in whole.params:
        np.testing.assert_array_equal(parts.params[name], whole.params[name])
    np.testing.assert_array_equal(parts.chunk_scores(windows), scores)


def test_the_entity_that_is_off_is_named_with_its_usual_range():
    detector = fitted(usual(200, np.random.default_rng(2)))
    lines = [(b"R1", b"disk ok"), (b"R2", b"net up"), (b"R2", b"kernel panic fatal error trap"), (b"R1", b"disk ok")]
    calm = [line for line in lines if b"panic" not in line[1]] + [(b"R2", b"net up")]
    windows = made(lines, calm)
    strange, normal = detector.score(windows)
    assert strange > detector.threshold > normal
    reason = detector.explain(windows, 0)
    assert (reason.code, reason.position, reason.detail["entity"]) == ("entity", 2, "R2")
    np.testing.assert_allclose(reason.contrib, [0, .5, .5, 0, 0, 0])
    low, high = reason.detail["usual"]
    assert low == 0 and reason.detail["score"] > high


def test_an_entity_never_seen_is_named():
    detector = fitted(usual(200, np.random.default_rng(2)))
    windows = made([(b"R1", b"disk ok"), (b"R\xff", b"hello"), (b"R2", b"net up")])
    assert detector.score(windows)[0] > detector.threshold
    reason = detector.explain(windows, 0)
    assert (reason.position, reason.detail["entity"], reason.detail["usual"]) == (1, "R\\xff", [0, 0])


def test_silence_is_usual_or_not():
    rng = np.random.default_rng(3)
    talkative = fitted(made(*([(b"R1", b"disk w%d" % rng.integers(5)), (b"R2", b"net w%d" % rng.integers(5))] for _ in range(200))))
    nothing = made([])
    assert talkative.score(nothing)[0] > talkative.threshold
    reason = talkative.explain(nothing, 0)
    assert reason.position == 0 and not reason.contrib.any() and reason.detail["usual"][0] > reason.detail["score"] == 0
    half = talkative.explain(made([(b"R1", b"disk w1"), (b"R1", b"disk w2")]), 0)  # R2 says nothing: noticed at the end
    assert (half.position, half.detail["entity"]) == (1, "R2") and half.contrib.sum() == pytest.approx(1)
    quiet = fitted(usual(200, rng))
    assert quiet.score(nothing)[0] < quiet.threshold


def test_the_threshold_is_the_percentile_of_the_last_windows_with_lines():
    windows = usual(200, np.random.default_rng(4))
    spoken = np.flatnonzero(windows.lengths)
    assert len(spoken) < 190
    last = windows.take(spoken[-(len(spoken) // 10):])
    for percentile in (50.0, 90.0):
        detector = fitted(windows, replace(CONFIG, percentile=percentile))
        assert detector.threshold == pytest.approx(np.percentile(detector.score(last), percentile), abs=1e-3)


def test_nothing_is_fitted_to_the_held_out_windows():
    windows = usual(200, np.random.default_rng(4))
    spoken = np.flatnonzero(windows.lengths)
    cut = spoken[-(len(spoken) // 10)]
    lines = [list(zip(*both)) for both in zip(windows.entities, windows.texts)]
    poisoned = made(*([(b"R9", b"poison")] * 3 if i >= cut and each else each for i, each in enumerate(lines)))
    clean, other = fitted(windows), fitted(poisoned)
    assert {name for name in clean.params if not np.array_equal(clean.params[name], other.params[name])} == {"threshold"}
    assert other.threshold > clean.threshold


def test_few_windows_and_windows_without_lines():
    for windows in (made([(b"R1", b"one line")]), made([]), silent(np.zeros((4, 6), np.int32))):
        detector = fitted(windows)
        assert np.isfinite(detector.score(windows)).all() and not (detector.score(windows) > detector.threshold).any()
    assert detector.score(made()).shape == (0,)


def test_dropout_and_activity_are_part_of_training():
    windows = usual(100, np.random.default_rng(6))
    wishes = {}, {"dropout": 0.6}, {"activity": 1.0}
    plain, dropped, quiet = (fitted(windows, replace(CONFIG, **wish)).params["network.0.W"] for wish in wishes)
    assert not np.allclose(plain, dropped) and not np.allclose(plain, quiet)


@pytest.mark.slow
def test_real_lines_in_windows_of_300_seconds(data):
    from tinylog.training.dataset import load
    windows = load([str(data / "bgl" / "BGL_first100k.log.gz")], window=300.0, needs={"autolog": autolog.NEEDS}).train
    assert (len(windows), int((windows.lengths > 0).sum()), int(windows.labels.sum())) == (504, 112, 26)
    known = windows.take((np.arange(len(windows)) < 300) & (windows.labels == 0))
    detector = fitted(known, autolog.Config(epochs=20))
    assert sum(p.size for name, p in detector.params.items() if name.startswith("network")) < 33_923
    test = windows.take(slice(302, None))
    flagged = detector.score(test) > detector.threshold
    assert flagged.any() and not flagged[test.lengths == 0].any()
    i = int(detector.score(test).argmax())
    assert test.mask[i, detector.explain(test, i).position]
