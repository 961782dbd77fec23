"""Squared error: values by hand, gradients by finite differences, weights, dtype."""
import numpy as np
import pytest
from gradcheck import check_gradients

from tinylog.losses import squared_error

WEIGHTS = np.array([1.0, 0.0, 2.5, 7.0, 0.5])
SHAPES = [(5,), (5, 3), (5, 3, 2)]


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20240711)


def test_the_mean_by_hand():
    y, target = np.array([[1.0, 2], [3, 5]]), np.array([[1.0, 0], [0, 1]])
    mean, dy = squared_error.loss(y, target)
    assert mean == pytest.approx((0 + 4 + 9 + 16) / 4)
    np.testing.assert_allclose(dy, [[0, 1], [1.5, 2]])
    assert squared_error.loss(y, target, np.array([3, 1]))[0] == pytest.approx((3 * 2 + 12.5) / 4)


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["all alike", "weighted"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_gradients_are_finite_differences(shape, weights, rng):
    target = rng.normal(size=shape)

    def f(inputs):
        mean, dy = squared_error.loss(inputs["y"], target, weights)
        return np.array(mean), lambda u: {"y": u * dy}

    check_gradients(f, {"y": rng.normal(0, 3, shape)}, rng)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_weight_is_a_number_of_copies(shape, rng):
    y, target = rng.normal(size=(2, *shape))
    copies = np.array([2, 2, 0, 4, 4, 4])
    weighted, dy = squared_error.loss(y, target, np.bincount(copies, minlength=5).astype(float))
    repeated, dcopies = squared_error.loss(y[copies], target[copies])
    assert weighted == pytest.approx(repeated)
    np.testing.assert_allclose(dy[2], 2 * dcopies[0])
    assert not dy[[1, 3]].any()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_is_kept_and_nothing_is_changed(dtype, rng):
    y, target = rng.normal(size=(5, 3)).astype(dtype), rng.normal(size=(5, 3))
    before = y.copy(), target.copy()
    mean, dy = squared_error.loss(y, target, WEIGHTS)
    assert type(mean) is float and dy.dtype == dtype
    np.testing.assert_array_equal(y, before[0])
    np.testing.assert_array_equal(target, before[1])
