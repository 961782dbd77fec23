"""DistilLog: parameter counts, gradients, priors, and both parts of training on a toy log."""
from dataclasses import replace

import numpy as np
import pytest
from gradcheck import check_gradients

from tinylog.detectors import Sizes, distillog, rules
from tinylog.detectors.distillog import PUBLISHED_STUDENT, PUBLISHED_TEACHER, STUDENT, TEACHER, TINY, Config, Detector
from tinylog.errors import ConfigError
from tinylog.layers import gru
from tinylog.layers.params import named, part, size
from tinylog.records import PAD, UNKNOWN, Windows
from tinylog.training import distil
from tinylog.training.alter import CHANGES, altered

N_EVENTS, T, D = 7, 9, 3
FAST = distil.Plan(steps=120, head_steps=60, batch=16)
CONFIGS = {
    "table": Config(width=3, hidden=2, attention=4),
    "two layers, counts, no rules": Config(width=3, hidden=4, layers=2, attention=2, counts=True, rules=False),
    "vectors, mean of all steps": replace(PUBLISHED_STUDENT, hidden=2),
    "vectors, mean of real steps": Config(inputs="vectors", hidden=2, attention=0, last=True),
}


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(42)


def some_windows(rng, B=6) -> Windows:
    lengths = rng.integers(1, T, B)
    events = np.where(np.arange(T) < lengths[:, None], rng.integers(UNKNOWN, N_EVENTS + 2, (B, T)), PAD)
    events = events.astype(np.int32)
    return Windows(events, rng.integers(0, 2, B).astype(np.int8), rng.integers(1, 5, B).astype(np.float32),
                   rng.standard_normal((B, len(rules.NAMES))).astype(np.float32),
                   tables={"vectors": rng.standard_normal((N_EVENTS + 2, D)).astype(np.float32)})


def toy(rng, n=200) -> Windows:
    """Normal windows count 2, 3, 4 round and round; in anomalous ones two neighbours have changed places."""
    start, lengths, labels = rng.integers(3, size=n), rng.integers(4, T + 1, n), np.arange(n) % 2
    events = (start[:, None] + np.arange(T)) % 3 + 2
    anomalous = events[labels == 1]
    places = rng.integers(0, 3, len(anomalous))
    rows = np.arange(len(anomalous))
    anomalous[rows, places], anomalous[rows, places + 1] = anomalous[rows, places + 1], anomalous[rows, places]
    events[labels == 1] = anomalous
    return Windows(np.where(np.arange(T) < lengths[:, None], events, PAD).astype(np.int32), labels.astype(np.int8))


def known(windows: Windows) -> tuple[Windows, rules.Detector]:
    """With the evidence of rules that were fitted on them."""
    memory = rules.Detector.create(rules.Config(), Sizes(N_EVENTS))
    memory.fit(windows)
    return replace(windows, rules=memory.evidence_left_out(windows)), memory


def test_sizes_are_those_of_the_paper(rng):
    def count(config: Config) -> int:
        return size(Detector.create(config, Sizes(30, 30), rng).params)
    assert count(PUBLISHED_STUDENT) == 442
    assert count(PUBLISHED_TEACHER) == 160_770
    assert count(replace(PUBLISHED_TEACHER, attention=32)) == 160_770 + 32 * (128 + 2)
    assert count(TEACHER) == 160_770 + 32 * (128 + 2) + 29 * 30 + 2 * len(rules.NAMES)
    assert count(STUDENT) == 358  # of HDFS, whose 28 events and UNKNOWN have a row each


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("taught", [False, True])
def test_gradients(name, taught, rng):
    windows = some_windows(rng)
    detector = Detector.create(CONFIGS[name], Sizes(N_EVENTS, D), rng)
    detector.params["head.W"] += rng.standard_normal(detector.params["head.W"].shape).astype(np.float32) / 4
    teacher = rng.standard_normal((len(windows), 2)) if taught else None
    if taught:
        windows = replace(windows, labels=np.array([0, 1, -1, -1, 1, 0], np.int8))

    def f(params):
        loss, grads = detector.loss_and_grads(params, windows, teacher, alpha=0.4, temperature=3.0)
        return np.array([loss]), lambda u: {key: u[0] * g for key, g in grads.items()}

    check_gradients(f, {key: p.astype(np.float64) for key, p in detector.params.items()}, rng)


@pytest.mark.parametrize("name", CONFIGS)
def test_scores_are_what_training_saw_and_do_not_depend_on_the_batch(name, rng):
    windows = some_windows(rng, 12)
    detector = Detector.create(CONFIGS[name], Sizes(N_EVENTS, D), rng)
    logits = detector._forward(detector.params, windows, None)[0]
    np.testing.assert_allclose(detector.logits(windows), logits, atol=1e-6)
    alone = np.concatenate([detector.score(windows.take(slice(i, i + 1))) for i in range(len(windows))])
    assert alone.dtype == np.float32
    np.testing.assert_allclose(detector.score(windows), alone, atol=1e-6)
    assert detector.score(windows.take(slice(0, 0))).shape == (0,)


@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("masked", [True, False])
def test_rows_of_a_table_give_the_states_that_their_inputs_give(depth, masked, rng):
    windows = some_windows(rng, 20)
    E, params = rng.standard_normal((N_EVENTS + 2, D)), gru.init(rng, D, 4, depth, np.float64)
    mask = windows.mask if masked else None
    found = gru.infer_rows(windows.events, E, params, mask)
    np.testing.assert_allclose(found, gru.infer(E[windows.events], params, mask), rtol=0, atol=1e-14)
    if masked:  # to the last bit: padding changes nothing
        ends = found[np.arange(20), windows.lengths - 1]
        np.testing.assert_array_equal(found[:, -1], ends)
    with pytest.raises(IndexError, match="no row"):
        gru.infer_rows(windows.events + 3, E, params, mask)


@pytest.mark.parametrize("log, of_pytorch", [("hdfs", 3.96e-5), ("bgl", 6.21e-6)])
def test_published_student_decides_as_in_float64_and_is_as_exact_as_pytorch(log, of_pytorch, data):
    """of_pytorch: how far its float32 logits are from those in float64, which are what is stored (benchmarks/scoring.py measures both)."""
    with np.load(data / "parity" / f"distillog_{log}.npz") as file:
        arrays = dict(file)
    names = {"weight_ih": "W", "weight_hh": "U", "bias_ih": "b", "bias_hh": "c"}
    weights = part(arrays, "student")
    params = {f"gru.{name[-1]}.{names[name[:-3]]}": array for name, array in part(weights, "gru").items()}
    params |= named("head", {"W": weights["fc.weight"], "b": weights["fc.bias"]})
    windows = Windows(arrays["events"], tables={"vectors": arrays["vectors"]})
    found = Detector(PUBLISHED_STUDENT, params).logits(windows)
    exact = Detector(PUBLISHED_STUDENT, {name: p.astype(np.float64) for name, p in params.items()}).logits(windows)
    assert found.dtype == np.float32 and exact.dtype == np.float64
    np.testing.assert_allclose(exact, arrays["student_logits"], rtol=0, atol=5e-6)
    assert np.abs(found - exact).max() <= of_pytorch
    np.testing.assert_array_equal(found.argmax(1), arrays["student_logits"].argmax(1))


def test_padding_does_not_matter_where_it_is_masked(rng):
    windows = some_windows(rng)
    detector = Detector.create(CONFIGS["table"], Sizes(N_EVENTS), rng)
    longer = replace(windows, events=np.pad(windows.events, ((0, 0), (0, 4))))
    np.testing.assert_allclose(detector.score(longer), detector.score(windows), atol=1e-6)


def test_event_never_seen_in_training_is_unknown(rng):
    detector = Detector.create(replace(CONFIGS["table"], counts=True), Sizes(N_EVENTS), rng)
    windows = some_windows(rng)
    unknown = replace(windows, events=np.where(windows.events >= N_EVENTS, UNKNOWN, windows.events))
    np.testing.assert_array_equal(detector.score(windows), detector.score(unknown))


def test_log_counts_are_those_of_known_events(rng):
    detector = Detector.create(replace(CONFIGS["table"], counts=True), Sizes(N_EVENTS), rng)
    windows = Windows(np.array([[2, 2, 5, 99, 1, 0]], np.int32))
    assert detector._counts(windows).tolist() == [[2, 2, 0, 0, 1, 0]]


def test_scores_move_by_the_priors(rng):
    windows = some_windows(rng)
    detector = Detector.create(replace(CONFIGS["table"], prior=0.2, trained_prior=0.5), Sizes(N_EVENTS), rng)
    margin = np.subtract(*detector.logits(windows).T[::-1])
    np.testing.assert_allclose(detector.score(windows), margin + np.log(0.2 / 0.8), atol=1e-6)
    same = Detector(replace(detector.config, trained_prior=0.2), detector.params)
    np.testing.assert_allclose(same.score(windows), margin, atol=1e-6)


def test_share_of_anomalous_windows_is_by_weight_and_ignores_those_without_label():
    windows = Windows(np.ones((3, 2), np.int32), np.array([0, 1, -1], np.int8), np.array([29, 9, 500], np.float32))
    assert distillog.anomalous_share(windows) == pytest.approx(9.5 / 39)


def test_contrib_is_the_attention(rng):
    windows = some_windows(rng)
    for config in CONFIGS.values():
        reason = Detector.create(config, Sizes(N_EVENTS, D), rng).explain(windows, 2)
        assert reason.contrib.shape == (T,) and reason.contrib.sum() == pytest.approx(1, abs=1e-5)
        assert not reason.contrib[~windows.mask[2]].any()


def test_unknown_inputs_are_named(rng):
    with pytest.raises(ConfigError, match="'letters'.*table"):
        Detector.create(replace(TINY, inputs="letters"), Sizes(N_EVENTS), rng)


def test_network_learns_although_the_rules_know_it_all(rng):
    windows, _ = known(toy(rng))
    detector = Detector.create(replace(STUDENT, width=4), Sizes(N_EVENTS), rng)
    distil.train(detector, windows, replace(FAST, steps=400), rng)
    blind = detector.logits(replace(windows, rules=np.zeros_like(windows.rules)))
    margin = (blind[:, 1] - blind[:, 0])
    assert np.median(margin[windows.labels == 1]) > np.median(margin[windows.labels == 0]) + 0.5
    assert ((detector.logits(windows).argmax(1) == windows.labels).mean()) > 0.95


def test_training_is_the_same_with_the_same_seed():
    def trained() -> dict[str, np.ndarray]:
        rng = np.random.default_rng(3)
        windows, _ = known(toy(rng))
        detector = Detector.create(STUDENT, Sizes(N_EVENTS), rng)
        distil.train(detector, windows, FAST, rng)
        return detector.params
    one, two = trained(), trained()
    for name in one:
        np.testing.assert_array_equal(one[name], two[name])


def test_student_follows_its_teacher_where_there_is_no_label(rng):
    windows, memory = known(replace(toy(rng), labels=None))
    lesson = distil.lesson(distil.joined(windows), memory, 100, rng)
    assert (lesson.labels == -1).all() and len(lesson) == 300
    assert lesson.weights[200:].sum() == pytest.approx(0.1 * lesson.weights[:200].sum())
    target = distil.as_logits(np.where(lesson.events[:, 0] == 2, 4.0, -4.0))
    detector = Detector.create(replace(STUDENT, rules=False), Sizes(N_EVENTS), rng)
    losses = distil.train(detector, lesson, replace(FAST, steps=400), rng, target)
    assert losses[-1] < losses[0] / 4
    assert (detector.logits(lesson).argmax(1) == target.argmax(1)).mean() > 0.95


def test_joined_windows_have_all_columns():
    one = Windows(np.ones((2, 3), np.int32), np.array([0, 1], np.int8), np.array([5, 6], np.float32))
    two = Windows(np.ones((1, 3), np.int32))
    both = distil.joined(one, two)
    assert both.labels.tolist() == [0, 1, -1] and both.weights.tolist() == [5, 6, 1] and both.rules is None


@pytest.mark.parametrize("change", CHANGES)
def test_changes_make_windows_of_known_events(change, rng):
    for length in (0, 1, 5):
        window = rng.integers(2, N_EVENTS, length)
        for _ in range(20):
            kept = window.copy()
            new = change(window, np.array([2, 3]), N_EVENTS, rng)
            assert new.ndim == 1 and ((new >= UNKNOWN) & (new < N_EVENTS)).all()
            np.testing.assert_array_equal(window, kept)


def test_altered_windows_differ_and_are_padded_at_the_end(rng):
    windows = toy(rng)
    new = altered(windows, 50, N_EVENTS, rng)
    assert new.events.shape == (50, T) and new.events.dtype == np.int32 and (new.labels == -1).all()
    assert not ((new.events[:, :-1] == PAD) & (new.events[:, 1:] != PAD)).any()
    old = {row.tobytes() for row in windows.events}
    assert np.mean([row.tobytes() in old for row in new.events]) < 0.5
