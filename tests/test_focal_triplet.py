"""The losses of CLDTLog: gradients by finite differences, numbers of PyTorch, and what the mining picks, by loops."""
from pathlib import Path

import numpy as np
import pytest
from gradcheck import check_gradients

from tinylog.layers.params import part
from tinylog.losses import cross_entropy, focal, triplet

B, D = 12, 4
TARGET = np.array([0, 1, 0, 0, 1, 0, 2, 0, 1, 0, 2, 3])
WEIGHTS = np.arange(B) % 4 + 0.5


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20240710)


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    with np.load(Path(__file__).parent / "golden" / "encoder.npz") as file:
        return dict(file)


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["all alike", "weighted"])
@pytest.mark.parametrize("gamma", [0.0, 2.0, 3.5])
def test_focal_gradient_is_finite_differences(gamma, weights, rng):
    def f(inputs):
        mean, dy = focal.loss(inputs["y"], TARGET == 1, weights, gamma=gamma)
        return np.array(mean), lambda u: {"y": u * dy}

    check_gradients(f, {"y": rng.normal(0, 3, B)}, rng)


def test_focal_has_the_numbers_of_pytorch(golden):
    case = part(golden, "focal")
    mean, dy = focal.loss(case["y"], case["target"])
    np.testing.assert_allclose(mean, case["loss"], rtol=1e-12)
    np.testing.assert_allclose(dy, case["dy"], rtol=1e-10, atol=1e-14)


def test_focal_without_focus_is_cross_entropy_of_two_logits(rng):
    y = rng.normal(0, 3, B)
    mean, dy = focal.loss(y, TARGET == 1, WEIGHTS, gamma=0.0)
    other, dother = cross_entropy.loss(np.stack([0 * y, y], 1), (TARGET == 1).astype(int), WEIGHTS)
    assert mean == pytest.approx(other)
    np.testing.assert_allclose(dy, dother[:, 1], atol=1e-15)


def test_focal_sees_little_of_what_is_sure_and_all_of_a_sure_mistake():
    y = np.array([6.0, -6.0])
    sure, mistaken = (focal.loss(y, np.array(target))[0] for target in ([1, 0], [0, 1]))
    assert sure < 1e-10 and mistaken == pytest.approx(6, abs=0.1)
    far, dy = focal.loss(np.array([-1e4, 1e4], np.float32), np.array([1, 0]))
    assert far == 1e4 and dy.dtype == np.float32
    np.testing.assert_allclose(dy, [-0.5, 0.5])  # the published clamp has no gradient here


def mined_by_loops(d, target, margin):
    """(anchor, positive, negative) of each pair of a class: the nearest negative farther than the positive, within the margin."""
    found = []
    for a in range(len(d)):
        for p in range(len(d)):
            if p != a and target[a] == target[p]:
                allowed = [n for n in range(len(d)) if target[n] != target[a] and d[a, p] < d[a, n] < d[a, p] + margin]
                if allowed:
                    found.append((a, p, min(allowed, key=lambda n: d[a, n])))
    return found


@pytest.mark.parametrize("margin", [0.3, 2.0])
def test_semi_hard_mining_is_that_of_loops(margin, rng):
    x = rng.standard_normal((B, D))
    d = np.sqrt(((x[:, None] - x) ** 2).sum(2))
    mined = list(zip(*(each.tolist() for each in triplet.semi_hard(d, TARGET, margin))))
    assert mined == mined_by_loops(d, TARGET, margin)
    assert 0 < len(mined) < sum((TARGET == k).sum() * ((TARGET == k).sum() - 1) for k in range(4))  # some pairs have none


def test_published_mining_takes_any_negative_that_is_not_far_enough(rng):
    x = rng.standard_normal((B, D))
    d = np.sqrt(((x[:, None] - x) ** 2).sum(2))
    drawn = [list(zip(*(each.tolist() for each in triplet.published(d, TARGET, 1.0, np.random.default_rng(seed))))) for seed in range(60)]
    pairs = [(a, p) for a, p, _ in drawn[0]]
    assert all(a < p and TARGET[a] == TARGET[p] for a, p in pairs) and len(set(pairs)) == len(pairs)
    for a, p in pairs:
        allowed = {n for n in range(B) if TARGET[n] != TARGET[a] and d[a, n] < d[a, p] + 1}
        assert {n for each in drawn for i, j, n in each if (i, j) == (a, p)} <= allowed
    a, p = max(pairs, key=lambda pair: (TARGET != TARGET[pair[0]]) @ (d[pair[0]] < d[pair] + 1))
    assert len({n for each in drawn for i, j, n in each if (i, j) == (a, p)}) > 2, "hard ones too, by chance"


@pytest.mark.parametrize("mining", [None, 5], ids=["semi-hard", "published"])
def test_triplet_gradient_is_finite_differences(mining, rng):
    def f(inputs):
        mean, dx = triplet.loss(inputs["x"], TARGET, None if mining is None else np.random.default_rng(mining), margin=1.5)
        return np.array(mean), lambda u: {"x": u * dx}

    check_gradients(f, {"x": rng.standard_normal((B, D))}, rng)


def test_triplet_has_the_numbers_of_pytorch(golden):
    case = part(golden, "triplet")
    mean, dx = triplet.loss(case["x"], case["target"])
    np.testing.assert_allclose(mean, case["loss"], rtol=1e-12)
    np.testing.assert_allclose(dx, case["dx"], rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize("x, target", [
    (np.zeros((4, D)), [0, 0, 1, 1]),  # all the same: no negative is farther than a positive
    (np.eye(3, D), [0, 0, 0]), (np.eye(3, D), [0, 1, 2]), (np.zeros((0, D)), [])])
def test_without_a_triplet_there_is_nothing_to_learn(x, target):
    mean, dx = triplet.loss(x.astype(np.float32), np.array(target, int))
    assert mean == 0 and dx.dtype == np.float32 and dx.shape == x.shape and not dx.any()


def test_windows_that_are_the_same_do_not_break_the_gradient():
    x = np.array([[0, 0], [0, 0], [1, 0]], np.float32)
    mean, dx = triplet.loss(x, np.array([0, 0, 1]))
    assert mean == 1 and np.isfinite(dx).all()  # d(a, p) = 0, d(a, n) = 1, margin 2
    np.testing.assert_allclose(dx, [[0.5, 0], [0.5, 0], [-1, 0]])
