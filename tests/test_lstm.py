"""LSTM, and two of them in opposite directions. No two sizes are equal: a transposed matrix shows."""
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from gradcheck import check_gradients

from tinylog.layers import bidirectional, lstm
from tinylog.layers.params import named, part, size

B, T, D, H = 5, 8, 3, 4
MASK = np.arange(T) < np.array([6, 1, 4, 0, 6])[:, None]  # a window is empty, and the last two steps are so in all


class Layer(NamedTuple):
    module: Any
    depth: int
    args: tuple = ()


LAYERS = {
    "lstm": Layer(lstm, 1),
    "lstm padded": Layer(lstm, 1, (MASK,)),
    "lstm of three layers padded": Layer(lstm, 3, (MASK,)),
    "bidirectional": Layer(bidirectional, 1),
    "bidirectional of two layers padded": Layer(bidirectional, 2, (MASK,)),
}
PADDED = [name for name, layer in LAYERS.items() if layer.args]


@pytest.fixture
def rng():
    return np.random.default_rng(20240708)


@pytest.fixture(scope="module")
def golden():
    with np.load(Path(__file__).parent / "golden" / "lstm.npz") as file:
        return dict(file)


def made(name, rng, dtype=np.float64):
    layer = LAYERS[name]
    return layer.module, rng.standard_normal((B, T, D)).astype(dtype), layer.module.init(rng, D, H, layer.depth, dtype), layer.args


@pytest.mark.parametrize("rate", [0.0, 0.3])
@pytest.mark.parametrize("name", LAYERS)
def test_gradients_are_finite_differences(name, rate, rng):
    module, x, params, args = made(name, rng)

    def f(inputs):  # a new generator with an old seed: the same numbers are dropped in each call
        y, cache = module.forward(inputs["x"], part(inputs, "p"), *(args or (None,)), rate, np.random.default_rng(1))

        def backward(dy):
            dx, grads = module.backward(dy, cache)
            return {"x": dx} | named("p", grads)
        return y, backward

    check_gradients(f, {"x": x} | named("p", params), rng)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", LAYERS)
def test_dtype_is_kept_and_infer_equals_forward(name, dtype, rng):
    module, x, params, args = made(name, rng, dtype)
    y, cache = module.forward(x, params, *args)
    inferred = module.infer(x, params, *args)
    np.testing.assert_array_equal(inferred, y)
    dx, grads = module.backward(np.ones_like(y), cache)
    assert {array.dtype for array in (y, inferred, dx, *grads.values())} == {np.dtype(dtype)}


@pytest.mark.parametrize("name", LAYERS)
def test_batch_does_not_matter(name, rng):
    module, x, params, args = made(name, rng)
    y = module.infer(x, params, *args)
    for i in range(B):
        alone = module.infer(x[i:i + 1], params, *(mask[i:i + 1] for mask in args))
        np.testing.assert_allclose(alone[0], y[i], rtol=0, atol=1e-14)


@pytest.mark.parametrize("name", LAYERS)
def test_arguments_are_not_changed(name, rng):
    module, x, params, args = made(name, rng)
    y, cache = module.forward(x, params, *args)
    dy = np.ones_like(y)
    first = module.backward(dy, cache)[1]
    before = [x.copy(), dy.copy(), *(p.copy() for p in params.values())]
    second = module.backward(dy, cache)[1]
    module.infer(x, params, *args)
    for array, copy in zip([x, dy, *params.values()], before):
        np.testing.assert_array_equal(array, copy)
    for key in first:  # and backward leaves its cache as it found it
        np.testing.assert_array_equal(first[key], second[key])


@pytest.mark.parametrize("name", PADDED)
def test_padded_steps_do_not_matter_and_keep_the_state(name, rng):
    module, x, params, args = made(name, rng, np.float32)
    other = np.where(MASK[:, :, None], x, 100 * rng.standard_normal(x.shape)).astype(np.float32)
    y, cache = module.forward(x, params, *args)
    np.testing.assert_array_equal(module.infer(other, params, *args), y)
    dx, _ = module.backward(rng.standard_normal(y.shape).astype(np.float32), cache)
    assert not dx[~MASK].any() and dx[MASK].any()
    for i, length in enumerate(MASK.sum(1)):
        whole = bidirectional.ends(y[i:i + 1, :length])[0] if length and module is bidirectional else y[i, max(length - 1, 0)]
        np.testing.assert_array_equal(y[i, length:], np.tile(whole if length else 0 * whole, (T - length, 1)))


@pytest.mark.parametrize("name", PADDED)
def test_a_full_mask_is_no_mask(name, rng):
    module, x, params, _ = made(name, rng)
    np.testing.assert_allclose(module.infer(x, params, np.ones((B, T), bool)), module.infer(x, params), rtol=0, atol=1e-14)


@pytest.mark.parametrize("name", ["lstm", "lstm_padded", "bidirectional", "bidirectional_padded"])
def test_numbers_of_pytorch(name, golden):
    module, case = {"lstm": lstm, "bidirectional": bidirectional}[name.removesuffix("_padded")], part(golden, name)
    y, cache = module.forward(case["x"], part(case, "params"), case.get("mask"))
    dx, grads = module.backward(case["dy"], cache)
    np.testing.assert_allclose(y, case["y"], rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(dx, case["dx"], rtol=1e-10, atol=1e-12)
    assert grads.keys() == part(case, "grads").keys()
    for key, g in part(case, "grads").items():
        np.testing.assert_allclose(grads[key], g, rtol=1e-10, atol=1e-12, err_msg=key)


def test_dropout_is_between_layers_only(rng):
    x, params = rng.standard_normal((B, T, D)), lstm.init(rng, D, H, 2, np.float64)
    one = {name: p for name, p in params.items() if name.startswith("0.")}
    np.testing.assert_array_equal(lstm.forward(x, one, None, 0.5, rng)[0], lstm.infer(x, one))
    assert not np.allclose(lstm.forward(x, params, None, 0.5, rng)[0], lstm.infer(x, params))


def test_each_end_knows_the_whole_window_and_nothing_else(rng):
    _, x, params, _ = made("bidirectional of two layers padded", rng)
    y = bidirectional.infer(x, params, MASK)
    backwards = lstm.infer(x[:1, 5::-1], part(params, "backward"))[0, -1]
    np.testing.assert_allclose(bidirectional.ends(y)[0], np.append(lstm.infer(x[:1, :6], part(params, "forward"))[0, -1], backwards))
    np.testing.assert_allclose(y[0, 5, H:], lstm.infer(x[:1, 5:6], part(params, "backward"))[0, -1])
    d = rng.standard_normal((B, 2 * H))
    np.testing.assert_allclose((bidirectional.ends_backward(d, T) * y).sum(), (d * bidirectional.ends(y)).sum())


def test_published_sizes(rng):
    """SPECS 4.1: DeepLog's 2 x 64 for a scalar input."""
    assert size(lstm.init(rng, 1, 64, 2)) == 4 * 64 * (1 + 64 + 2) + 4 * 64 * (64 + 64 + 2)
