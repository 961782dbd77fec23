"""Layers: a row each in LAYERS, and most tests go over all rows. No two sizes are equal: a transposed matrix shows."""
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from gradcheck import check_gradients

from tinylog.layers import activations, attention, bag, dense, dropout, gru, lookup, noisy_or, pooling
from tinylog.layers.layout import batch_major, feature_major
from tinylog.layers.params import add, named, part, size
from tinylog.layers.start import uniform

B, T, D, H, A, K = 5, 8, 3, 4, 6, 7
MASK = np.arange(T) < np.array([6, 1, 4, 0, 6])[:, None]  # a window is empty, and the last two steps are so in all
FULL = np.ones((B, T), bool)


class Layer(NamedTuple):
    """A layer as the tests call it. sizes None: it learns nothing."""

    module: Any
    sizes: tuple[int, ...] | None
    shape: tuple[int, ...]
    args: tuple = ()


LAYERS = {
    "dense": Layer(dense, (D, K), (B, T, D)),
    "dense of one vector a window": Layer(dense, (D, K), (B, D)),
    "lookup": Layer(lookup, (K, D), (B, T)),
    "gru": Layer(gru, (D, H), (B, T, D)),
    "gru padded": Layer(gru, (D, H), (B, T, D), (MASK,)),
    "gru of three layers": Layer(gru, (D, H, 3), (B, T, D)),
    "gru of three layers padded": Layer(gru, (D, H, 3), (B, T, D), (MASK,)),
    "attention": Layer(attention, (H, A), (B, T, H)),
    "attention padded": Layer(attention, (H, A), (B, T, H), (MASK,)),
    "pooling": Layer(pooling, None, (B, T, H)),
    "pooling padded": Layer(pooling, None, (B, T, H), (MASK,)),
}
PADDED = [name for name, layer in LAYERS.items() if layer.args]
GOLDEN = {"dense": dense, "lookup": lookup, "gru": gru, "gru_padded": gru, "attention": attention,
          "attention_padded": attention}


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20240708)


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    with np.load(Path(__file__).parent / "golden" / "layers.npz") as file:
        return dict(file)


def made(layer, rng, dtype=np.float64):
    """An input and parameters."""
    x = rng.integers(0, K, layer.shape) if layer.module is lookup else rng.standard_normal(layer.shape).astype(dtype)
    return x, None if layer.sizes is None else layer.module.init(rng, *layer.sizes, dtype=dtype)


def called(function, layer, x, params, args=None):
    args = layer.args if args is None else args
    return function(x, *args) if params is None else function(x, params, *args)


def undone(layer, dy, cache):
    """(dx, grads), whatever the layer."""
    result = layer.module.backward(dy, cache)
    return result if isinstance(result, tuple) else (result, {})


@pytest.mark.parametrize("name", LAYERS)
def test_gradients_are_finite_differences(name, rng):
    layer = LAYERS[name]
    x, params = made(layer, rng)

    def f(inputs):
        y, cache = called(layer.module.forward, layer, inputs.get("x", x), params and part(inputs, "p"))

        def backward(dy):
            dx, grads = undone(layer, dy, cache)
            return named("p", grads) | ({} if dx is None else {"x": dx})
        return y, backward

    check_gradients(f, named("p", params or {}) | ({} if layer.module is lookup else {"x": x}), rng)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", LAYERS)
def test_dtype_is_kept(name, dtype, rng):
    layer = LAYERS[name]
    x, params = made(layer, rng, dtype)
    y, cache = called(layer.module.forward, layer, x, params)
    dx, grads = undone(layer, np.ones_like(y), cache)
    arrays = [y, called(layer.module.infer, layer, x, params), *grads.values(), *([] if dx is None else [dx])]
    assert {array.dtype for array in arrays} == {np.dtype(dtype)}


@pytest.mark.parametrize("name", LAYERS)
def test_infer_equals_forward(name, rng):
    layer = LAYERS[name]
    x, params = made(layer, rng, np.float32)
    y, _ = called(layer.module.forward, layer, x, params)
    np.testing.assert_array_equal(called(layer.module.infer, layer, x, params), y)


@pytest.mark.parametrize("name", LAYERS)
def test_batch_does_not_matter(name, rng):
    layer = LAYERS[name]
    x, params = made(layer, rng)
    y = called(layer.module.infer, layer, x, params)
    for i in range(B):
        alone = called(layer.module.infer, layer, x[i:i + 1], params, tuple(mask[i:i + 1] for mask in layer.args))
        np.testing.assert_allclose(alone[0], y[i], rtol=0, atol=1e-14)


@pytest.mark.parametrize("name", LAYERS)
def test_arguments_are_not_changed(name, rng):
    layer = LAYERS[name]
    x, params = made(layer, rng)
    y, cache = called(layer.module.forward, layer, x, params)
    dy = np.ones_like(y)
    first = undone(layer, dy, cache)[1]
    before = [x.copy(), dy.copy(), *(p.copy() for p in (params or {}).values())]
    second = undone(layer, dy, cache)[1]
    called(layer.module.infer, layer, x, params)
    for array, copy in zip([x, dy, *(params or {}).values()], before):
        np.testing.assert_array_equal(array, copy)
    for key in first:  # and backward leaves its cache as it found it
        np.testing.assert_array_equal(first[key], second[key])


@pytest.mark.parametrize("name", PADDED)
def test_padded_steps_do_not_matter(name, rng):
    layer = LAYERS[name]
    x, params = made(layer, rng, np.float32)
    other = np.where(MASK[:, :, None], x, 100 * rng.standard_normal(x.shape)).astype(np.float32)
    y, cache = called(layer.module.forward, layer, x, params)
    np.testing.assert_array_equal(called(layer.module.infer, layer, other, params), y)
    dx, _ = undone(layer, rng.standard_normal(y.shape).astype(np.float32), cache)
    assert not dx[~MASK].any()
    assert dx[MASK].any()


@pytest.mark.parametrize("name", PADDED)
def test_a_full_mask_is_no_mask(name, rng):
    layer = LAYERS[name]
    x, params = made(layer, rng)
    np.testing.assert_allclose(called(layer.module.infer, layer, x, params, (FULL,)),
                               called(layer.module.infer, layer, x, params, ()), rtol=0, atol=1e-14)


@pytest.mark.parametrize("name", GOLDEN)
def test_numbers_of_pytorch(name, golden):
    module, case = GOLDEN[name], part(golden, name)
    mask = [case["mask"]] if "mask" in case else []
    y, cache = module.forward(case["x"], part(case, "params"), *mask)
    dx, grads = module.backward(case["dy"], cache)
    np.testing.assert_allclose(y, case["y"], rtol=1e-10, atol=1e-12)
    if dx is not None:
        np.testing.assert_allclose(dx, case["dx"], rtol=1e-10, atol=1e-12)
    assert grads.keys() == part(case, "grads").keys()
    for key, g in part(case, "grads").items():
        np.testing.assert_allclose(grads[key], g, rtol=1e-10, atol=1e-12, err_msg=key)


def test_gru_keeps_the_last_real_state(rng):
    x, params = made(LAYERS["gru padded"], rng, np.float32)
    h = gru.infer(x, params, MASK)
    for i, length in enumerate(MASK.sum(1)):
        expected = np.zeros(H, np.float32) if length == 0 else h[i, length - 1]
        np.testing.assert_array_equal(h[i, length:], np.tile(expected, (T - length, 1)))


def test_gru_drops_out_between_layers_only(rng):
    x, params = made(LAYERS["gru of three layers"], rng)
    one = {name: p for name, p in params.items() if name.startswith("0.")}
    np.testing.assert_array_equal(gru.forward(x, one, None, 0.5, rng)[0], gru.infer(x, one))
    assert not np.allclose(gru.forward(x, params, None, 0.5, rng)[0], gru.infer(x, params))


def test_gru_gradients_with_dropout(rng):
    x, params = made(LAYERS["gru of three layers padded"], rng)

    def f(inputs):  # a new generator with an old seed: the same numbers are dropped in each call
        y, cache = gru.forward(inputs["x"], part(inputs, "p"), MASK, 0.3, np.random.default_rng(1))

        def backward(dy):
            dx, grads = gru.backward(dy, cache)
            return {"x": dx} | named("p", grads)
        return y, backward

    check_gradients(f, {"x": x} | named("p", params), rng)


def test_attention_shares(rng, golden):
    case = part(golden, "attention_padded")
    a = attention.shares(case["x"], part(case, "params"), case["mask"])
    np.testing.assert_allclose(a, case["shares"], rtol=1e-10, atol=1e-12)
    x, params = made(LAYERS["attention padded"], rng)
    a = attention.shares(x, params, MASK)
    np.testing.assert_allclose(a.sum(1), MASK.any(1))
    assert not a[~MASK].any()


def test_every_number_of_attention_learns(rng):
    """The published code declares an attention that nothing ever reaches (SPECS 1.10, B1)."""
    x, params = made(LAYERS["attention"], rng)
    y, cache = attention.forward(x, params)
    assert all(np.all(g != 0) for g in attention.backward(rng.standard_normal(y.shape), cache)[1].values())


def test_dropout_keeps_the_mean_and_drops_the_same_gradients(rng):
    x = np.ones((200, 300), np.float32)
    y, cache = dropout.forward(x, 0.25, rng)
    dx = dropout.backward(np.full_like(x, 2), cache)
    assert y.dtype == dx.dtype == np.float32
    np.testing.assert_array_equal(np.unique(y), np.float32([0, 4 / 3]))
    np.testing.assert_allclose((y == 0).mean(), 0.25, atol=0.01)
    np.testing.assert_array_equal(dx, 2 * y)


def test_pooling_is_the_mean_of_real_steps(rng):
    h = rng.standard_normal((B, T, H))
    np.testing.assert_allclose(pooling.infer(h), h.mean(1))
    np.testing.assert_allclose(pooling.infer(h, MASK)[0], h[0, :6].mean(0))
    np.testing.assert_array_equal(pooling.infer(h, MASK)[3], np.zeros(H))


ACTIVATIONS = {"sigmoid": (activations.sigmoid, activations.sigmoid_backward),
               "tanh": (np.tanh, activations.tanh_backward),
               "relu": (activations.relu, activations.relu_backward),
               "softmax": (activations.softmax, activations.softmax_backward)}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_derivatives_of_activations(name, rng):
    function, derivative = ACTIVATIONS[name]

    def f(inputs):
        y = function(inputs["x"])
        return y, lambda dy: {"x": derivative(dy, y)}

    check_gradients(f, {"x": rng.standard_normal((3, 5))}, rng)


def test_activations_stay_finite_far_out():
    far = np.array([-1e4, -100, 0, 100, 1e4], np.float32)
    np.testing.assert_array_equal(activations.sigmoid(far), np.float32([0, 0, 0.5, 1, 1]))
    np.testing.assert_array_equal(activations.softmax(far), np.float32([0, 0, 0, 0, 1]))
    np.testing.assert_array_equal(activations.log_softmax(far), far - 1e4)
    np.testing.assert_array_equal(activations.softmax(far, mask=np.zeros(5, bool)), np.zeros(5, np.float32))


def test_parameters_by_name():
    params = {"gru.0.W": np.ones(2), "gru.0.U": np.ones(3), "out.W": np.ones(4), "grus.W": np.ones(5)}
    assert set(part(params, "gru")) == {"0.W", "0.U"}
    assert named("gru", part(params, "gru")).keys() == {"gru.0.W", "gru.0.U"}
    total = add({"a": np.array([1.0])}, {"a": np.array([2.0]), "b": np.array([3.0])})
    assert total == {"a": [3.0], "b": [3.0]}
    assert size(params) == 14


def test_published_sizes(rng):
    """SPECS 1.3: the student has 442 numbers, the teacher 160,770."""
    assert size(gru.init(rng, 30, 4)) + size(dense.init(rng, 4, 2)) == 442
    assert size(gru.init(rng, 30, 128, 2)) + size(dense.init(rng, 128, 2)) == 160_770


def test_starting_values(rng):
    values = uniform(rng, (40, 50), 0.1)
    assert values.dtype == np.float32 and 0.09 < np.abs(values).max() <= 0.1


def test_layouts_undo_each_other(rng):
    x = rng.standard_normal((B, T, D))
    inside = feature_major(x)
    assert inside.shape == (T, D, B) and inside.flags.c_contiguous
    np.testing.assert_array_equal(batch_major(inside), x)
    assert np.shares_memory(feature_major(batch_major(inside)), inside)


def test_lookup_refuses_an_id_without_a_row(rng):
    with pytest.raises(IndexError):
        lookup.infer(np.array([[0, K]]), lookup.init(rng, K, D))


@pytest.mark.parametrize("factor", [1.0005, 0.9995])
def test_the_checker_finds_a_gradient_wrong_by_a_twentieth_of_a_percent(factor, rng):
    def f(inputs):
        return 2 * inputs["a"], lambda dy: {"a": 2 * factor * dy}

    with pytest.raises(AssertionError, match="finite differences"):
        check_gradients(f, {"a": rng.standard_normal((3, 2))}, rng)


def test_the_checker_finds_a_wrong_shape(rng):
    def f(inputs):
        return 2 * inputs["a"], lambda dy: {"a": 2 * dy.T}

    with pytest.raises(AssertionError, match="gradient"):
        check_gradients(f, {"a": rng.standard_normal((3, 2))}, rng)


def words_of(rng, n):
    """(n, 4) signed buckets 1..K, some rows without any."""
    ids = rng.integers(1, K + 1, (n, 4)) * rng.choice([-1, 1], (n, 4))
    ids[:, 2:] *= rng.integers(0, 2, (n, 2))
    ids[1] = 0
    return ids


def test_bag_gradients_and_sums(rng):
    ids = words_of(rng, 6)
    params = {"E": rng.standard_normal((D, K)), "c": rng.standard_normal(D)}

    def f(inputs):
        y, cache = bag.forward(ids, part(inputs, "p"))
        return y, lambda dy: named("p", bag.backward(dy, cache)[1])

    check_gradients(f, named("p", params), rng)
    y = bag.infer(ids, params)
    by_hand = [params["c"] + sum(np.sign(i) * params["E"][:, abs(i) - 1] for i in row if i) for row in ids]
    np.testing.assert_allclose(y, by_hand, atol=1e-12)
    start = bag.init(rng, K, D)
    assert bag.infer(ids, start).dtype == np.float32 and not bag.infer(ids, start).any()


@pytest.mark.parametrize("mask", [None, MASK])
def test_noisy_or_gradients_and_probability(mask, rng):
    events, a = rng.integers(0, 6, (B, T)), rng.standard_normal(6)

    def f(inputs):
        y, cache = noisy_or.forward(inputs["a"], events, mask)
        return y, lambda dy: {"a": noisy_or.backward(dy, cache)}

    check_gradients(f, {"a": a}, rng)
    real = FULL if mask is None else mask
    none = [np.prod([1 - activations.sigmoid(a[[e]])[0] for e in set(row[on].tolist())]) for row, on in zip(events, real)]
    np.testing.assert_allclose(noisy_or.infer(a, events, mask), 1 - 2 * np.array(none), atol=1e-12)
    kept = np.array(none) < 1
    np.testing.assert_allclose(noisy_or.log_odds(a, events, mask)[kept], np.log(1 / np.array(none)[kept] - 1), atol=1e-9)
