"""Losses: gradients by finite differences, numbers of PyTorch, weights, and logits far out."""
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from gradcheck import check_gradients

from tinylog.layers.params import part
from tinylog.losses import cross_entropy, distillation

B, K = 5, 3
TARGET = np.array([0, 2, 1, 1, 0])
WEIGHTS = np.array([1.0, 0.0, 2.5, 7.0, 0.5])
TEACHER = np.random.default_rng(7).normal(0, 4, (B, K))
SHARES = np.random.default_rng(8).dirichlet(np.ones(K), B)

# name -> loss(y, weights)
LOSSES = {
    "cross_entropy": lambda y, weights=None: cross_entropy.loss(y, TARGET, weights),
    "cross_entropy of shares": lambda y, weights=None: cross_entropy.loss(y, SHARES, weights),
    "distillation": lambda y, weights=None: distillation.loss(y, TARGET, TEACHER, weights),
    "distillation, some without a label": lambda y, weights=None: distillation.loss(
        y, TARGET, TEACHER, weights, alpha=np.array([0.5, 0, 0, 0.5, 1]), temperature=2.0),
    "distillation as published": lambda y, weights=None: distillation.published_loss(y, TARGET, TEACHER, weights),
}


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20240709)


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    with np.load(Path(__file__).parent / "golden" / "layers.npz") as file:
        return dict(file)


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["all alike", "weighted"])
@pytest.mark.parametrize("name", LOSSES)
def test_gradients_are_finite_differences(name, weights, rng):
    def f(inputs):
        mean, dy = LOSSES[name](inputs["y"], weights)
        return np.array(mean), lambda u: {"y": u * dy}

    check_gradients(f, {"y": rng.normal(0, 3, (B, K))}, rng)


@pytest.mark.parametrize("name", LOSSES)
def test_a_weight_is_a_number_of_copies(name, rng):
    y = rng.normal(0, 3, (B, K))
    mean, dy = LOSSES[name](y)
    assert LOSSES[name](y, np.full(B, 3))[0] == pytest.approx(mean)
    weighted, _ = LOSSES[name](y, np.array([0, 0, 1, 0, 3]))
    alone = [LOSSES[name](y, np.eye(B)[i])[0] for i in range(B)]
    assert weighted == pytest.approx((alone[2] + 3 * alone[4]) / 4)
    assert mean == pytest.approx(np.mean(alone))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", LOSSES)
def test_dtype_is_kept_and_the_mean_is_a_float(name, dtype, rng):
    mean, dy = LOSSES[name](rng.normal(0, 3, (B, K)).astype(dtype), WEIGHTS)
    assert type(mean) is float and dy.dtype == dtype


@pytest.mark.parametrize("name", LOSSES)
def test_finite_for_logits_far_out(name):
    mean, dy = LOSSES[name](np.array([[1e4, -1e4, 0]] * B))
    assert np.isfinite(mean) and np.isfinite(dy).all()


@pytest.mark.parametrize("name", ["plain", "weighted", "soft"])
def test_cross_entropy_has_the_numbers_of_pytorch(name, golden):
    case = part(golden, "cross_entropy")
    target = case["shares" if name == "soft" else "target"]
    weights = case["class_weights"][target] if name == "weighted" else None
    mean, dy = cross_entropy.loss(case["y"], target, weights)
    np.testing.assert_allclose(mean, case[f"{name}.loss"], rtol=1e-12)
    np.testing.assert_allclose(dy, case[f"{name}.dy"], rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("name, loss", [("intended", distillation.loss), ("published", distillation.published_loss)])
def test_distillation_has_the_numbers_of_pytorch(name, loss, golden):
    case = part(golden, "distillation")
    mean, dy = loss(case["y"], case["target"], case["teacher"])
    np.testing.assert_allclose(mean, case[f"{name}.loss"], rtol=1e-12)
    np.testing.assert_allclose(dy, case[f"{name}.dy"], rtol=1e-10, atol=1e-14)


def test_a_student_like_its_teacher_has_nothing_to_learn_from_it():
    mean, dy = distillation.loss(TEACHER, TARGET, TEACHER, alpha=0.0)
    assert mean == pytest.approx(0, abs=1e-12)
    np.testing.assert_allclose(dy, 0, atol=1e-12)
    _, published = distillation.published_loss(TEACHER, TARGET, TEACHER, alpha=0.0)
    assert np.abs(published).max() > 1e-3  # the fault: even a perfect student is pushed on


def test_alpha_mixes_truth_and_teacher(rng):
    y = rng.normal(0, 3, (B, K))
    distil = partial(distillation.loss, y, TARGET, TEACHER, WEIGHTS)
    truth, teacher = distil(alpha=1.0)[0], distil(alpha=0.0)[0]
    assert truth == pytest.approx(cross_entropy.loss(y, TARGET, WEIGHTS)[0])
    assert distil(alpha=0.25)[0] == pytest.approx(0.25 * truth + 0.75 * teacher)
    assert distil(alpha=np.full(B, 0.25))[0] == pytest.approx(distil(alpha=0.25)[0])


def test_the_target_of_a_window_without_a_label_is_not_looked_at(rng):
    y, alpha = rng.normal(0, 3, (B, K)), np.array([0.5, 0, 0.5, 0.5, 0.5])
    other = TARGET.copy()
    other[1] = 0
    mean, dy = distillation.loss(y, TARGET, TEACHER, alpha=alpha)
    same_mean, same_dy = distillation.loss(y, other, TEACHER, alpha=alpha)
    assert mean == same_mean
    np.testing.assert_array_equal(dy, same_dy)
