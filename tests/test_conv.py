"""Convolution over time: gradients, numbers of PyTorch, padding that does not matter, parameters of LightLog."""
from pathlib import Path

import numpy as np
import pytest
from gradcheck import check_gradients

from tinylog.layers import conv
from tinylog.layers.layout import batch_major, feature_major
from tinylog.layers.params import named, part, size

B, T, D, K = 5, 8, 3, 4
MASK = np.arange(T) < np.array([6, 1, 4, 0, 6])[:, None]  # a window is empty, and the last two steps are so in all
SHAPES = [(3, 1), (3, 2), (5, 3), (3, 8), (1, 1)]  # width, dilation; a dilation of T reaches out of the window
GOLDEN = ("plain", "dilated", "wide", "farther_than_the_window", "padded")


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20240711)


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    with np.load(Path(__file__).parent / "golden" / "conv.npz") as file:
        return dict(file)


def made(rng, width=3, dtype=np.float64):
    return rng.standard_normal((B, T, D)).astype(dtype), conv.init(rng, D, K, width, dtype)


@pytest.mark.parametrize("mask", [None, MASK], ids=["whole", "padded"])
@pytest.mark.parametrize("width, dilation", SHAPES)
def test_gradients_are_finite_differences(width, dilation, mask, rng):
    x, params = made(rng, width)

    def f(inputs):
        y, cache = conv.forward(inputs["x"], part(inputs, "p"), dilation, mask)

        def backward(dy):
            dx, grads = conv.backward(dy, cache)
            return {"x": dx} | named("p", grads)
        return y, backward

    check_gradients(f, {"x": x} | named("p", params), rng)


@pytest.mark.parametrize("name", GOLDEN)
def test_numbers_of_pytorch(name, golden):
    case = part(golden, name)
    y, cache = conv.forward(case["x"], part(case, "params"), int(case["dilation"]), case.get("mask"))
    dx, grads = conv.backward(case["dy"], cache)
    for ours, theirs in ((y, "y"), (dx, "dx"), (grads["W"], "grads.W"), (grads["b"], "grads.b")):
        np.testing.assert_allclose(ours, case[theirs], rtol=1e-10, atol=1e-12, err_msg=theirs)


def test_each_output_is_the_sum_that_it_says(rng):
    x, params = made(rng)
    y, dilation = conv.infer(x, params, 3), 3
    inside = np.pad(x, ((0, 0), (dilation, dilation), (0, 0)))
    for t in range(T):
        by_hand = params["b"] + sum(inside[:, t + j * dilation] @ params["W"][:, :, j].T for j in range(3))
        np.testing.assert_allclose(y[:, t], by_hand, atol=1e-12)


def test_padded_steps_do_not_matter_and_stay_0(rng):
    x, params = made(rng, dtype=np.float32)
    other = np.where(MASK[:, :, None], x, np.nan).astype(np.float32)
    y, cache = conv.forward(x, params, 2, MASK)
    np.testing.assert_array_equal(conv.infer(other, params, 2, MASK), y)
    assert not y[~MASK].any() and y[MASK].all()
    dx, _ = conv.backward(np.ones_like(y), cache)
    assert not dx[~MASK].any() and dx[MASK].any()
    shorter = conv.infer(x[:, :6], params, 2, MASK[:, :6])
    np.testing.assert_allclose(shorter, y[:, :6], atol=1e-6)


def test_batch_does_not_matter_and_arguments_are_not_changed(rng):
    x, params = made(rng)
    x = batch_major(feature_major(x))  # the layout that is not copied on its way in
    y, cache = conv.forward(x, params, 2, MASK)
    dy = batch_major(feature_major(np.ones_like(y)))
    before = [array.copy() for array in (x, dy, *params.values())]
    first, second = conv.backward(dy, cache), conv.backward(dy, cache)
    for array, copy in zip((x, dy, *params.values()), before):
        np.testing.assert_array_equal(array, copy)
    np.testing.assert_array_equal(first[0], second[0])
    for i in range(B):
        np.testing.assert_allclose(conv.infer(x[i:i + 1], params, 2, MASK[i:i + 1])[0], y[i], atol=1e-14)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_is_kept(dtype, rng):
    x, params = made(rng, dtype=dtype)
    y, cache = conv.forward(x, params, 2, MASK)
    dx, grads = conv.backward(y, cache)
    assert {array.dtype for array in (y, dx, *grads.values())} == {np.dtype(dtype)}


def test_a_hundred_and_eighty_three_numbers_for_lightlogs_first(rng):
    assert size(conv.init(rng, 20, 3)) == 183
