"""LSTM classifier: gradients, spoilt windows that no normal one is, word2vec, ends, explanations."""
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from gradcheck import check_gradients

from tinylog.detectors import Sizes
from tinylog.detectors.lstm_classifier import TINY, Config, Detector, Normal, spoilt
from tinylog.layers.params import size
from tinylog.losses import cbow
from tinylog.records import PAD, UNKNOWN, Windows
from tinylog.training.minimise import minimise

N, T = 9, 12  # event ids, events of a window; 7 and 8 never occur
CONFIGS = {"one way": TINY, "both ways": replace(TINY, bidirectional=True)}


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(42)


def counting(rng, B=200, least=4) -> Windows:
    """2, 3, 4, 5 round and round, from anywhere; 6, a rare event, now and then in the place of 5; all end in 3 or 4."""
    lengths = rng.integers(least, T, B)
    events = 2 + (rng.integers(2, size=B)[:, None] + 2 - lengths[:, None] + np.arange(T)) % 4
    events = np.where((events == 5) & (rng.random((B, T)) < 0.01), 6, events)
    return Windows(np.where(np.arange(T) < lengths[:, None], events, PAD).astype(np.int32))


def normal_of(windows: Windows, ends: bool) -> tuple[Detector, Normal]:
    detector = Detector.create(TINY, Sizes(N, whole=ends), np.random.default_rng(1))
    return detector, Normal.of(*detector.ids(windows.events), windows.weights, N)


def fitted(windows: Windows, config: Config = TINY, whole: bool = True, n: int = N) -> Detector:
    detector = Detector.create(config, Sizes(n, whole=whole), np.random.default_rng(1))
    detector.fit(windows, partial(minimise, rng=np.random.default_rng(2)), {}, np.random.default_rng(3))
    return detector


def test_sizes_are_those_of_the_published_model(rng):
    params = Detector.create(Config(hidden=128, bidirectional=True), Sizes(94), rng).params
    assert size({name: p for name, p in params.items() if name.startswith(("lstm.", "head."))}) == 141_826
    assert params["table.E"].shape == (94, 8)


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("name", CONFIGS)
def test_gradients(name, whole, rng):
    detector = Detector.create(replace(CONFIGS[name], hidden=3), Sizes(N, whole=whole), rng)
    ids, mask = detector.ids(counting(rng, 5).events)
    target, weights = rng.integers(0, 2, 5), rng.random(5)
    learned = {key: p.astype(np.float64) for key, p in detector.params.items() if key.startswith(("lstm.", "head."))}

    def f(params):
        loss, grads = detector.loss_and_grads(params, ids, mask, target, weights)
        return np.array([loss]), lambda u: {key: u[0] * g for key, g in grads.items()}

    check_gradients(f, learned, rng)


def test_gradients_of_word2vec(rng):
    ids, mask = normal_of(counting(rng, 5), True)[0].ids(counting(rng, 5).events)
    noise = rng.integers(0, N, (*ids.shape, 3))

    def f(params):
        loss, grads = cbow.loss(params, ids, mask, 2, noise)
        return np.array([loss]), lambda u: {key: u[0] * g for key, g in grads.items()}

    check_gradients(f, {"E": rng.standard_normal((N, 4)), "O": rng.standard_normal((N, 4))}, rng)


def test_word2vec_by_hand(rng):
    ids, mask = np.array([[3, 4, 5, 2, PAD]]), np.array([[True, True, True, True, False]])
    params, noise = {"E": rng.standard_normal((N, 4)), "O": rng.standard_normal((N, 4))}, rng.integers(6, N, (1, 5, 1))
    nats = []
    for t, near in enumerate([[4, 5], [3, 5, 2], [3, 4, 2], [4, 5]]):
        c = params["E"][near].mean(0)
        nats += [np.log1p(np.exp(-c @ params["O"][ids[0, t]])) + np.log1p(np.exp(c @ params["O"][noise[0, t, 0]]))]
    assert cbow.loss(params, ids, mask, 2, noise)[0] == pytest.approx(np.mean(nats))


def test_events_in_the_same_places_get_similar_vectors(rng):
    E = fitted(counting(rng, 400), replace(TINY, vector_steps=800, steps=1)).params["table.E"]
    near = E @ E[5] / np.linalg.norm(E, axis=1) / np.linalg.norm(E[5])
    assert near[6] == max(near[6], *near[2:5])  # 6 stands where 5 does


@pytest.mark.parametrize("ends", [False, True])
def test_a_spoilt_window_is_no_normal_one(ends, rng):
    windows = counting(rng)
    detector, normal = normal_of(windows, ends)
    seen, known = normal.seen(N), {row.tobytes() for row in windows.events}
    for _ in range(20):
        ids, mask = spoilt(normal.ids, normal.mask, seen, ends, rng)
        pairs = seen[np.pad(ids, ((0, 0), (1, 0)))[:, :-1], ids]
        assert (~pairs & mask).any(1).all()
        rows = np.pad(ids, ((0, 0), (0, T)))[:, :T].astype(np.int32)
        assert not any(row.tobytes() in known for row in rows)
        assert (mask.sum(1) == (ids != PAD).sum(1) + ends).all() and not ids[~mask].any()


def test_any_event_may_be_replaced_and_some_by_unknown(rng):
    windows = counting(rng)
    detector, normal = normal_of(windows, False)
    ids = np.stack([spoilt(normal.ids, normal.mask, normal.seen(N), False, rng)[0] for _ in range(20)])
    changed = (ids != normal.ids) & normal.mask
    assert changed[:, :, 0].any() and changed[:, :, 3].any()  # the published sampler never changes the second event
    assert {UNKNOWN, 7, 8} <= set(ids[changed].tolist())
    share = changed.sum(2) / normal.mask.sum(1)
    assert (changed.sum(2) >= 1).all() and 0.2 < share.mean() < 0.7 and (share == 1).any()


def test_some_windows_are_cut_where_none_ends(rng):
    windows = counting(rng)
    _, normal = normal_of(windows, True)
    ids, mask = spoilt(normal.ids, normal.mask, normal.seen(N), True, rng)
    cut = mask.sum(1) < normal.mask.sum(1)
    assert 0.3 < cut.mean() < 0.7
    last = ids[np.arange(len(ids)), mask.sum(1) - 2]
    assert set(last[cut].tolist()) <= {2, 5, 6} and (ids[cut, mask[cut].sum(1) - 1] == PAD).all()


def test_where_everything_follows_everything_nothing_is_spoilt_and_nothing_learned_from_it(rng):
    detector = Detector.create(TINY, Sizes(4, whole=False), rng)
    ids, mask = detector.ids(rng.integers(2, 4, (6, T)))
    made, real, target, weights = detector.lesson(ids, mask, np.ones((4, 4), bool), rng)
    assert (made[6:] == ids).all() and target.tolist() == [0] * 6 + [1] * 6 and weights.tolist() == [1] * 6 + [0] * 6


def test_rare_events_are_sometimes_unknown(rng):
    _, normal = normal_of(counting(rng, 400), False)
    drawn = np.stack([normal.some(np.arange(400), rng)[0] for _ in range(300)])
    lost = [(drawn[:, normal.ids == event] == UNKNOWN).mean() for event in (5, 6)]
    assert lost[0] < 0.01 and lost[1] == pytest.approx(1 / (1 + normal.occurs[6]), rel=0.3)
    assert not (drawn[:, normal.ids == PAD] != PAD).any()


@pytest.mark.parametrize("name", CONFIGS)
def test_it_learns_what_follows_what(name, rng):
    detector, windows = fitted(counting(rng), CONFIGS[name], whole=False, n=7), counting(rng, 100)
    places = np.maximum(windows.lengths[:, None] - 1 - np.arange(T), 0)
    backwards = np.where(windows.mask, np.take_along_axis(windows.events, places, 1), PAD)
    assert (detector.score(Windows(backwards))[:, None] > detector.score(windows)).mean() > 0.95


def test_truncated_sessions_are_caught_where_windows_have_an_end(rng):
    detector = fitted(counting(rng), TINY)
    windows = counting(rng, 100, least=6)
    cut = np.where(np.arange(T) < windows.lengths[:, None] - 2, windows.events, PAD)
    assert (detector.score(Windows(cut))[:, None] > detector.score(windows)).mean() > 0.95
    reason = detector.explain(Windows(cut), 0)
    last = int((cut[0] != PAD).sum()) - 1
    assert reason.code == "truncated" and reason.position == last and reason.detail == {"after": int(cut[0, last])}


def test_training_is_the_same_with_the_same_seed():
    one, two = (fitted(counting(np.random.default_rng(5)), replace(TINY, steps=20)).params for _ in range(2))
    for name in one:
        np.testing.assert_array_equal(one[name], two[name])


def test_a_weight_is_a_number_of_windows(rng):
    windows = counting(rng, 30)
    detector, many = normal_of(Windows(np.repeat(windows.events, 3, 0)), True)
    _, weighted = normal_of(replace(windows, weights=np.full(30, 3, np.float32)), True)
    for one, two in ((many.pairs, weighted.pairs), (many.counts, weighted.counts), (many.occurs, weighted.occurs)):
        np.testing.assert_allclose(one, two)


def test_padding_and_batch_do_not_matter(rng):
    windows = counting(rng, 12)
    for config in CONFIGS.values():
        detector = Detector.create(config, Sizes(N), rng)
        longer = Windows(np.pad(windows.events, ((0, 0), (0, 5))))
        np.testing.assert_allclose(detector.score(longer), detector.score(windows), atol=1e-6)
        alone = np.concatenate([detector.score(windows.take(slice(i, i + 1))) for i in range(12)])
        np.testing.assert_allclose(detector.score(windows), alone, atol=1e-5)
        assert detector.score(windows.take(slice(0, 0))).shape == (0,)


def test_explanation_names_what_was_expected(rng):
    detector = fitted(counting(rng), replace(TINY, steps=1))
    events = np.array([[2, 3, 4, 3, 4, 5, 2, 3, PAD, PAD, PAD, PAD]], np.int32)
    reason = detector.explain(Windows(events), 0)
    assert reason.code == "sequence" and reason.position == 3 and reason.detail == {"after": 4}
    expected = dict(reason.expected)
    assert set(expected) <= {5, 6, PAD} and sum(expected.values()) == pytest.approx(1)
    assert reason.contrib.shape == (T,) and reason.contrib.argmax() == 3 and not reason.contrib[8:].any()
    assert reason.contrib.sum() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("whole", [False, True])
def test_explanation_of_strange_windows(whole, rng):
    detector = fitted(counting(rng), replace(TINY, steps=1), whole)
    for events in ([PAD] * T, [N + 50] * T, [UNKNOWN] + [PAD] * (T - 1)):
        reason = detector.explain(Windows(np.array([events], np.int32)), 0)
        n = sum(event != PAD for event in events)
        assert 0 <= reason.position < max(n, 1) and reason.contrib.sum() == pytest.approx(min(n, 1), abs=1e-5)
