"""Compression: int8 within half a step, pruning to an exact count and held there while the rest learns."""
import numpy as np
import pytest

from tinylog.compression import int8, pruning
from tinylog.training.minimise import minimise


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20240710)


@pytest.fixture
def params(rng) -> dict[str, np.ndarray]:
    return {"W": rng.standard_normal((6, 5)), "U": 0.1 * rng.standard_normal((5, 4)), "b": rng.standard_normal(7)}


SHAPES = [((12, 30), 1), ((12, 30), 12), ((12, 30), 45), ((7,), 7), ((), 1), ((0, 3), 1)]
REFUSED = [(np.ones(6), 4, "6 numbers do not divide into 4 groups"), (np.ones(6), 0, "into 0 groups"),
           (np.array([1, np.nan]), 1, "finite"), (np.array([np.inf]), 1, "finite")]


@pytest.mark.parametrize("shape, groups", SHAPES)
def test_int8_is_within_half_a_step(shape, groups, rng):
    x = rng.standard_normal(shape).astype(np.float32) * 3
    q, scale = int8.quantise(x, groups)
    assert (q.dtype, q.shape, scale.dtype, scale.shape) == (np.int8, x.shape, np.float32, (groups,))
    back = int8.dequantise(q, scale)
    assert (back.dtype, back.shape) == (np.float32, x.shape)
    error = np.abs(back - x).reshape(groups, -1)
    assert np.all(error <= 0.5001 * scale[:, None])
    assert int8.largest_error(x, q, scale) == error.max(initial=0)


def test_int8_by_hand():
    q, scale = int8.quantise(np.array([[0, 254, -127], [0, 0, 0]], np.float32), groups=2)
    assert (q.tolist(), scale.tolist()) == ([[0, 127, -64], [0, 0, 0]], [2, 0])  # -63.5 goes to the even neighbour


def test_int8_uses_a_scale_of_its_own_for_each_row():
    x = np.array([[1000, 500], [1, 0.5]], np.float32)
    assert int8.largest_error(x, *int8.quantise(x, 2)) < 4
    assert int8.largest_error(x[1:], *[part[1:] for part in int8.quantise(x, 2)]) < 0.004
    assert int8.dequantise(*int8.quantise(x, 1))[1].tolist() == [0, 0]


@pytest.mark.parametrize("x, groups, message", REFUSED)
def test_int8_refuses(x, groups, message):
    with pytest.raises(ValueError, match=message):
        int8.quantise(x, groups)


@pytest.mark.parametrize("keep", [0, 1, 20, 56, 57])
@pytest.mark.parametrize("per_array", [False, True])
def test_pruning_keeps_exactly_as_many(keep, per_array, params):
    masks = pruning.masks(params, keep, per_array=per_array)
    pruned = pruning.apply(params, masks)
    assert sum(np.count_nonzero(p) for p in pruned.values()) == keep
    assert {name: p.shape for name, p in pruned.items()} == {name: p.shape for name, p in params.items()}
    for name, p in params.items():
        np.testing.assert_array_equal(pruned[name][masks[name]], p[masks[name]])


def test_pruning_keeps_the_largest(params):
    everything = np.concatenate([p.ravel() for p in params.values()])
    kept = np.concatenate([params[name][mask] for name, mask in pruning.masks(params, 20).items()])
    assert sorted(np.abs(kept)) == sorted(np.abs(everything))[-20:]
    for name, mask in pruning.masks(params, 20, per_array=True).items():
        p = np.abs(params[name])
        assert p[mask].min() > p[~mask].max()
        assert abs(mask.mean() - 20 / 57) < 1 / mask.size


def test_pruning_takes_the_first_of_equal_weights():
    masks = pruning.masks({"a": np.ones(3), "b": -np.ones(2)}, 4)
    assert {name: mask.tolist() for name, mask in masks.items()} == {"a": [True, True, True], "b": [True, False]}


def test_pruning_refuses_to_keep_more_than_there_are(params):
    with pytest.raises(ValueError, match="58 of 57"):
        pruning.masks(params, 58)


def test_pruned_weights_stay_0_while_the_others_learn(params, rng):
    goal = {name: rng.standard_normal(p.shape) for name, p in params.items()}

    def loss_and_grads(params, index):
        return (sum(((p - goal[name]) ** 2).sum() for name, p in params.items()),
                {name: 2 * (p - goal[name]) for name, p in params.items()})

    masks = pruning.masks(params, 20)
    pruned = pruning.apply(params, masks)
    losses = minimise(pruning.held(loss_and_grads, masks), pruned, 4, rng=rng, epochs=200, batch=2, lr=0.02,
                      weight_decay=1e-3)
    assert losses[-1] < losses[0]
    for name, p in pruned.items():
        assert not p[~masks[name]].any()
        np.testing.assert_allclose(p[masks[name]], goal[name][masks[name]], atol=0.02)


def test_packed_parameters_come_back_within_half_a_step_of_each_row(rng):
    params = {"table.E": rng.normal(size=(5, 20)).astype(np.float32) * np.float32([[1], [10], [100], [1], [0]]),
              "gru.0.W": rng.normal(size=(12, 3)).astype(np.float32), "head.b": np.float32([0.5, -2])}
    arrays = int8.packed(params)
    assert {name: array.dtype for name, array in arrays.items() if name.endswith(".q")} == {f"{name}.q": np.int8 for name in params}
    assert len(arrays["table.E.scale"]) == 5 and len(arrays["gru.0.W.scale"]) == 1
    back = int8.unpacked(arrays)
    assert back.keys() == params.keys()
    for name, x in params.items():
        half = np.abs(x).max(1, keepdims=True) / 254 if name == "table.E" else np.abs(x).max() / 254
        assert back[name].dtype == np.float32 and (np.abs(back[name] - x) <= half * 1.001 + 1e-9).all()
