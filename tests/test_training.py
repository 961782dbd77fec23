"""Training: Adam's numbers, clipping, batches, schedules, early stopping, progress."""
import io
from pathlib import Path

import numpy as np
import pytest

from tinylog.layers.params import part
from tinylog.training.adam import Adam, clipped
from tinylog.training.minimise import constant, cosine, minimise
from tinylog.training.progress import Progress

N = 23
POINTS = np.random.default_rng(5).normal(3, 1, (N, 2))


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20240711)


def towards_points(params, index):
    """The mean square distance of one place from some points: least at their mean."""
    away = params["place"] - POINTS[index]
    return (away ** 2).sum(1).mean(), {"place": 2 * away.mean(0)}


def start():
    return {"place": np.zeros(2), "unused": np.ones(1)}


class Recorder:
    """A loss that writes down which batches it was asked for."""

    def __init__(self):
        self.batches = []

    def __call__(self, params, index):
        self.batches.append(index)
        return 1.0, {"place": np.ones(2)}


def batches_of(**kwargs):
    asked = Recorder()
    minimise(asked, start(), N, **{"rng": np.random.default_rng(1), "epochs": 1, "batch": 5, "lr": 0.1} | kwargs)
    return asked.batches


def test_adam_has_the_numbers_of_pytorch():
    with np.load(Path(__file__).parent / "golden" / "layers.npz") as file:
        case = part(dict(file), "adam")
    params = {"p": case["start"].copy()}
    adam = Adam(params, weight_decay=0.01)
    for g, expected in zip(case["grads"], case["path"]):
        adam.step(params, clipped({"p": g}, 2.0), lr=0.03)
        np.testing.assert_allclose(params["p"], expected, rtol=1e-6)  # PyTorch's clipping adds 1e-6 to the length


def test_adam_changes_in_place_and_keeps_dtype(rng):
    params = {"p": np.ones(3, np.float32)}
    p = params["p"]
    Adam(params, weight_decay=0.1).step(params, {"p": np.ones(3, np.float32)}, 0.5)
    assert params["p"] is p and p.dtype == np.float32
    np.testing.assert_allclose(p, 0.5, rtol=1e-6)  # the first step is lr long, whatever the gradient


def test_clipping_shortens_all_alike_and_leaves_short_ones():
    grads = {"a": np.array([3.0, 0.0]), "b": np.array([[4.0]])}
    assert clipped(grads, 5.0) is grads
    short = clipped(grads, 1.0)
    np.testing.assert_allclose(short["a"], [0.6, 0])
    np.testing.assert_allclose(short["b"], [[0.8]])
    assert grads["a"][0] == 3


def test_minimise_finds_the_minimum_and_leaves_the_rest(rng):
    params = start()
    losses = minimise(towards_points, params, N, rng=rng, epochs=150, batch=8, lr=0.1, schedule=cosine)
    np.testing.assert_allclose(params["place"], POINTS.mean(0), atol=0.01)
    assert params["unused"] == 1
    assert len(losses) == 150 and losses[-1] < losses[0] / 3
    assert losses[-1] == pytest.approx(((POINTS - POINTS.mean(0)) ** 2).sum(1).mean(), abs=0.01)


def test_minimise_is_the_same_for_the_same_rng():
    results = []
    for seed in (1, 1, 2):
        params = start()
        losses = minimise(towards_points, params, N, rng=np.random.default_rng(seed), epochs=3, batch=4, lr=0.1)
        results.append((*losses, *params["place"]))
    assert results[0] == results[1] != results[2]


@pytest.mark.parametrize("kwargs", [{}, {"shuffle": False}, {"lengths": np.arange(N) % 7}, {"batch": 1},
                                    {"batch": N + 9}, {"batch": 1, "lengths": np.arange(N)}])
def test_every_window_once_an_epoch(kwargs):
    batches = batches_of(**kwargs)
    assert sorted(np.concatenate(batches)) == list(range(N))
    assert max(map(len, batches)) <= kwargs.get("batch", 5)


def test_batches_are_shuffled_anew_each_epoch_unless_told_not_to():
    batches = batches_of(epochs=2)
    assert len(batches) == 10 and not np.array_equal(np.concatenate(batches[:5]), np.concatenate(batches[5:]))
    np.testing.assert_array_equal(np.concatenate(batches_of(shuffle=False, epochs=2)), [*range(N), *range(N)])


def test_windows_of_similar_length_share_a_batch():
    lengths = np.random.default_rng(3).permutation(N)
    batches = batches_of(lengths=lengths)
    assert all(np.ptp(lengths[index]) < 5 for index in batches)
    firsts = [lengths[index].min() for index in batches]
    assert firsts != sorted(firsts)  # but not the short ones first


def test_the_last_batch_counts_by_its_size(rng):
    losses = minimise(lambda params, index: (float(len(index)), {}), start(), 7, rng=rng, epochs=1, batch=5, lr=0.1)
    assert losses == [pytest.approx((5 * 5 + 2 * 2) / 7)]


def test_early_stopping_restores_the_best():
    values, seen = iter([5.0, 3.0, 4.0, 3.0, 9.0, 0.0]), []

    def evaluate(params):
        seen.append(params["place"].copy())
        return next(values)

    params, told = start(), []
    losses = minimise(towards_points, params, N, rng=np.random.default_rng(1), epochs=6, batch=8, lr=0.1,
                      evaluate=evaluate, patience=3, progress=lambda *args: told.append(args))
    assert len(losses) == len(seen) == 5  # the second was the best, and three were no better
    np.testing.assert_array_equal(params["place"], seen[1])
    assert [epoch for epoch, _, _ in told] == [1, 2, 3, 4, 5]
    assert [epochs for _, epochs, _ in told] == [6, 6, 6, 6, 5]  # the end was not foreseen


def test_without_patience_all_epochs_run_and_the_best_stays():
    values, seen = iter([5.0, 3.0, 4.0, 8.0]), []

    def evaluate(params):
        seen.append(params["place"].copy())
        return next(values)

    params = start()
    minimise(towards_points, params, N, rng=np.random.default_rng(1), epochs=4, batch=8, lr=0.1, evaluate=evaluate)
    np.testing.assert_array_equal(params["place"], seen[1])


def test_restoring_keeps_the_arrays_themselves():
    params = start()
    place = params["place"]
    minimise(towards_points, params, N, rng=np.random.default_rng(1), epochs=2, batch=8, lr=0.1, evaluate=lambda p: 0.0)
    assert params["place"] is place


def test_schedules():
    assert [constant(done) for done in (0, 0.5, 1)] == [1, 1, 1]
    np.testing.assert_allclose([cosine(done) for done in (0, 0.5, 1)], [1, 0.5, 0], atol=1e-12)
    params = {"p": np.zeros(1)}
    minimise(lambda params, index: (0.0, {"p": np.ones(1)}), params, 4, rng=np.random.default_rng(1), epochs=1, batch=1,
             lr=1.0, schedule=lambda done: float(done == 0.5))
    np.testing.assert_allclose(params["p"], -1, rtol=1e-6)  # only the second of four steps moved


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progress_on_a_terminal_is_one_line():
    terminal = Terminal()
    progress = Progress("teacher", terminal)
    progress(1, 2, 0.5)
    progress(2, 2, 0.25)
    lines = terminal.getvalue().split("\r")
    assert lines[1].startswith("teacher: 1 of 2, loss 0.5000, 0 s, 0 s to go")
    assert lines[2].startswith("teacher: 2 of 2, loss 0.2500") and terminal.getvalue().count("\n") == 1


def test_progress_in_a_pipe_is_silent():
    pipe = io.StringIO()
    Progress("teacher", pipe)(1, 2, 0.5)
    assert pipe.getvalue() == ""
