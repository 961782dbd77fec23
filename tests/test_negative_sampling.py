"""Negative sampling: gradients, the two-class cross-entropy that it is, weights, scores far out."""
import numpy as np
import pytest
from gradcheck import check_gradients

from tinylog.losses import cross_entropy, negative_sampling

B, K = 5, 3
WEIGHTS = np.array([1.0, 0.0, 2.5, 7.0, 0.5])


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20240710)


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["all alike", "weighted"])
def test_gradients_are_finite_differences(weights, rng):
    def f(inputs):
        mean, (da, db) = negative_sampling.loss(inputs["a"], inputs["b"], weights)
        return np.array(mean), lambda u: {"a": u * da, "b": u * db}

    check_gradients(f, {"a": rng.normal(0, 3, B), "b": rng.normal(0, 3, (B, K))}, rng)


def test_it_is_the_cross_entropy_of_one_true_pair_and_k_false_ones(rng):
    a, b = rng.normal(0, 3, B), rng.normal(0, 3, (B, K))
    mean, (da, db) = negative_sampling.loss(a, b, WEIGHTS)
    scores = np.column_stack([a, b]).ravel()
    truth = np.tile([1] + [0] * K, B)
    pairs, dy = cross_entropy.loss(np.column_stack([0 * scores, scores]), truth, np.repeat(WEIGHTS, K + 1))
    assert mean == pytest.approx(pairs * (K + 1))
    np.testing.assert_allclose(np.column_stack([da, db]).ravel(), dy[:, 1] * (K + 1), atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_is_kept_and_scores_may_be_of_any_size(dtype):
    far = np.array([1e4, -1e4, 0], dtype)
    mean, (da, db) = negative_sampling.loss(far, np.stack([far, -far], 1))
    assert type(mean) is float and np.isfinite(mean) and da.dtype == db.dtype == dtype
    np.testing.assert_allclose(da, np.array([0, -1, -0.5]) / 3, rtol=1e-6)


def test_a_negative_of_minus_infinity_is_none(rng):
    a, b = rng.normal(0, 3, B), rng.normal(0, 3, (B, K))
    mean, (_, db) = negative_sampling.loss(a, np.column_stack([b, np.full(B, -np.inf)]))
    assert mean == pytest.approx(negative_sampling.loss(a, b)[0]) and not db[:, K].any()
