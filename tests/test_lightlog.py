"""LightLog: its 504 numbers, gradients, the network as it was published by hand, padding, priors, explanations."""
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from gradcheck import check_gradients

from tinylog.detectors import Sizes
from tinylog.detectors.lightlog import PUBLISHED, TINY, Config, Detector
from tinylog.layers.params import size
from tinylog.records import PAD, Windows
from tinylog.training.minimise import minimise

N_EVENTS, T, D = 9, 14, 5


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(42)


def some_windows(rng, B=6) -> Windows:
    lengths = rng.integers(1, T - 1, B)
    events = np.where(np.arange(T) < lengths[:, None], rng.integers(1, N_EVENTS, (B, T)), PAD).astype(np.int32)
    return Windows(events, rng.integers(0, 2, B).astype(np.int8), rng.integers(1, 5, B).astype(np.float32),
                   tables={"vectors": rng.standard_normal((N_EVENTS, D)).astype(np.float32)})


def made(rng, config=TINY, **sizes) -> Detector:
    return Detector.create(config, Sizes(N_EVENTS, D, **sizes), rng)


def test_it_has_the_504_numbers_of_the_paper(rng):
    params = Detector.create(Config(), Sizes(30, 20), rng).params
    assert size(params) == 504
    first = [name for name in params if name.startswith(("past.", "1."))]
    assert size({name: params[name] for name in first}) == 376
    for dilation in (2, 4, 8):
        assert size({name: p for name, p in params.items() if name.startswith(f"{dilation}.")}) == 40


@pytest.mark.parametrize("config", [TINY, PUBLISHED], ids=["masked", "published"])
def test_gradients(config, rng):
    windows, detector = some_windows(rng), made(rng, config)

    def f(params):
        loss, grads = detector.loss_and_grads(params, windows)
        return np.array([loss]), lambda u: {key: u[0] * g for key, g in grads.items()}

    check_gradients(f, {key: p.astype(np.float64) for key, p in detector.params.items()}, rng)


def test_published_network_by_hand(rng):
    windows, detector = some_windows(rng, 3), made(rng, PUBLISHED)

    def conv(x, name, dilation):
        W, b = (detector.params[f"{name}.{key}"] for key in "Wb")
        wide = np.pad(x, ((dilation, dilation), (0, 0)))
        return sum(wide[j * dilation:j * dilation + len(x)] @ W[:, :, j].T for j in range(3)) + b

    for window, score in zip(windows.events, detector.score(windows)):
        x = np.where(window[:, None] == PAD, 0, windows.tables["vectors"][window])
        past = conv(x, "past", 1)
        for dilation in (1, 2, 4, 8):
            r = conv(np.maximum(conv(x, f"{dilation}.wide", dilation), 0), f"{dilation}.narrow", dilation)
            x = past = np.maximum(r + past, 0)
        y = x.mean(0) @ detector.params["head.W"].T + detector.params["head.b"]
        assert score == pytest.approx(y[1] - y[0] + np.log(0.02 / 0.98), abs=1e-4)


def test_padding_does_not_matter_unless_as_published(rng):
    windows = some_windows(rng)
    longer = replace(windows, events=np.pad(windows.events, ((0, 0), (0, 4))))
    ours, theirs = made(rng), made(rng, PUBLISHED)
    np.testing.assert_allclose(ours.score(longer), ours.score(windows), atol=1e-6)
    assert np.abs(theirs.score(longer) - theirs.score(windows)).max() > 1e-4
    moved = replace(windows, tables={"vectors": windows.tables["vectors"] + np.eye(N_EVENTS, 1, dtype=np.float32)})
    for detector in (ours, theirs):  # whatever the vector of PAD is
        np.testing.assert_array_equal(detector.score(moved), detector.score(windows))


def test_scores_do_not_depend_on_the_batch(rng):
    windows, detector = some_windows(rng, 12), made(rng)
    alone = np.concatenate([detector.score(windows.take(slice(i, i + 1))) for i in range(12)])
    np.testing.assert_allclose(detector.score(windows), alone, atol=1e-5)
    assert detector.score(windows.take(slice(0, 0))).shape == (0,)


def test_scores_move_by_the_priors(rng):
    windows = some_windows(rng)
    even = made(rng, prior=0.5)
    rare = Detector(replace(even.config, prior=0.1, trained_prior=0.2), even.params)
    np.testing.assert_allclose(rare.score(windows) - even.score(windows), np.log(1 / 9) - np.log(1 / 4), atol=1e-5)


def learned(rng) -> tuple[Detector, Windows]:
    """Anomalous windows have event 8 somewhere."""
    windows = some_windows(rng, 300)
    events = np.where(windows.events == 8, 2, windows.events)
    events[::3, 0] = 8
    windows = replace(windows, events=events, labels=(events == 8).any(1).astype(np.int8), weights=None)
    detector = made(rng)
    detector.fit(windows, partial(minimise, rng=rng))
    return detector, windows


def test_it_learns_and_names_the_event_that_raised_the_score(rng):
    detector, windows = learned(rng)
    scores = detector.score(windows)
    assert detector.config.trained_prior == pytest.approx(1 / 3, abs=0.01)
    assert (scores[windows.labels == 1][:, None] > scores[windows.labels == 0]).mean() > 0.97
    for i in range(0, 30, 3):
        reason = detector.explain(windows, i)
        assert reason.position == 0 and reason.detail["event"] == 8 and reason.detail["raised"] > 0
        assert reason.contrib.shape == (T,) and reason.contrib.sum() == pytest.approx(1, abs=1e-5)
        assert not reason.contrib[~windows.mask[i]].any()


@pytest.mark.parametrize("length", [0, 1, T])
def test_explanations_of_empty_and_of_full_windows(length, rng):
    events = np.where(np.arange(T) < length, 3, PAD).astype(np.int32)[None]
    reason = made(rng).explain(replace(some_windows(rng), events=events, labels=None, weights=None), 0)
    assert 0 <= reason.position < max(length, 1) and reason.contrib.sum() == pytest.approx(min(length, 1), abs=1e-5)
