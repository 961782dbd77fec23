"""The autoencoder: gradients by finite differences, numbers of PyTorch, dropout, dtype."""
from pathlib import Path

import numpy as np
import pytest
from gradcheck import check_gradients

from tinylog.layers import autoencoder
from tinylog.layers.params import named, part
from tinylog.losses import squared_error

D, HIDDEN, ACTIVATIONS = 5, (4, 3), ("relu", "tanh", "relu", "linear")


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20240712)


def made(rng, dtype=np.float64):
    return rng.standard_normal((7, D)).astype(dtype), autoencoder.init(rng, D, HIDDEN, dtype)


def test_the_stack_is_symmetric(rng):
    shapes = {name: p.shape for name, p in autoencoder.init(rng, 67, (128, 64)).items()}
    assert shapes == {"0.W": (128, 67), "0.b": (128,), "1.W": (64, 128), "1.b": (64,), "2.W": (128, 64), "2.b": (128,), "3.W": (67, 128), "3.b": (67,)}
    assert [autoencoder.init(rng, D, (3,))[f"{k}.W"].shape for k in (0, 1)] == [(3, D), (D, 3)]
    assert sum(p.size for p in autoencoder.init(rng, 67, (128, 64)).values()) == 33_923  # the paper's


@pytest.mark.parametrize("rate", [0.0, 0.4])
def test_gradients_are_finite_differences(rate, rng):
    x, params = made(rng)

    def f(inputs):
        y, cache = autoencoder.forward(inputs["x"], part(inputs, "p"), ACTIVATIONS, rate, np.random.default_rng(3))
        both = np.concatenate([y, autoencoder.activity(cache)[:, None]], 1)

        def backward(u):
            dx, grads = autoencoder.backward(u[:, :-1], cache, u[:, -1])
            return named("p", grads) | {"x": dx}
        return both, backward

    check_gradients(f, named("p", params) | {"x": x}, rng)


@pytest.mark.parametrize("name", ["plain", "quiet"])
def test_numbers_of_pytorch(name):
    with np.load(Path(__file__).parent / "golden" / "autoencoder.npz") as file:
        case = part(dict(file), name)
    x, params = case["x"], part(case, "params")
    y, cache = autoencoder.forward(x, params, ACTIVATIONS)
    activity = autoencoder.activity(cache)
    np.testing.assert_allclose(y, case["y"], rtol=1e-12)
    np.testing.assert_allclose(activity, case["activity"], rtol=1e-12)
    mean, dy = squared_error.loss(y, x)
    np.testing.assert_allclose(mean + case["share"] * activity.mean(), case["loss"], rtol=1e-12)
    dx, grads = autoencoder.backward(dy, cache, np.full(len(x), case["share"] / len(x)))
    np.testing.assert_allclose(dx, case["dx"], rtol=1e-10, atol=1e-13)
    for key, g in part(case, "grads").items():
        np.testing.assert_allclose(grads[key], g, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_infer_equals_forward_dtype_is_kept_and_nothing_is_changed(dtype, rng):
    x, params = made(rng, dtype)
    before = x.copy()
    y, cache = autoencoder.forward(x, params, ACTIVATIONS, 0.4, rng)
    dx, grads = autoencoder.backward(np.ones_like(y), cache, autoencoder.activity(cache))
    assert {a.dtype for a in (y, dx, autoencoder.activity(cache), *grads.values())} == {np.dtype(dtype)}
    y, _ = autoencoder.forward(x, params, ACTIVATIONS)
    np.testing.assert_array_equal(autoencoder.infer(x, params, ACTIVATIONS), y)
    np.testing.assert_array_equal(x, before)


def test_dropout_is_between_layers_and_repeatable(rng):
    x, params = made(rng)
    one, two = (autoencoder.forward(x, params, ACTIVATIONS, 0.6, np.random.default_rng(1))[0] for _ in range(2))
    np.testing.assert_array_equal(one, two)
    assert not np.allclose(one, autoencoder.infer(x, params, ACTIVATIONS))
    _, cache = autoencoder.forward(x, params, ACTIVATIONS, 0.6, rng)
    np.testing.assert_array_equal(cache[0][2][0], x)  # what went in is whole
