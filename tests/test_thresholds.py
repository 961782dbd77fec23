"""Thresholds of detectors that know normal windows alone."""
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinylog.records import Windows
from tinylog.training.thresholds import FOLDS, of_normals, quantile


class Memory:
    """Knows the windows it was fitted on; another one scores as much as its first event."""

    def __init__(self, windows: Windows):
        self.known = {row.tobytes() for row in windows.events}

    def score(self, windows: Windows) -> np.ndarray:
        return np.array([0 if row.tobytes() in self.known else row[0] for row in windows.events], np.float32)


def windows(*kinds: tuple[int, int]) -> Windows:
    """(event, how often)"""
    return Windows(np.array([[event, 0] for event, _ in kinds], np.int32), weights=np.array([n for _, n in kinds], np.float32))


def test_kinds_that_occur_once_are_judged_by_twins_that_have_not_seen_them():
    some = windows((9, 90), (5, 1), (6, 1), (7, 1), (8, 7))
    fitted = []
    threshold = of_normals(Memory(some), lambda part: fitted.append(part.events[:, 0].tolist()) or Memory(part), some, rate=0.01)
    assert threshold == 6 and fitted == [[9, 6, 7, 8], [9, 5, 7, 8], [9, 5, 6, 8]] and len(fitted) == FOLDS
    assert of_normals(Memory(some), Memory, some, rate=0.5) == 0


def test_a_single_window_is_judged_as_it_is():
    assert of_normals(Memory(windows((3, 1))), Memory, windows((3, 1)), rate=0.1) == 0


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 9)), min_size=1, max_size=30), st.floats(0.001, 0.9))
@settings(deadline=None, derandomize=True)
def test_quantile_is_the_lowest_score_that_so_few_are_above(pairs, rate):
    scores, weights = np.array(pairs, np.float64).T
    found = quantile(scores, weights, rate)
    above = {value: weights[scores > value].sum() / weights.sum() for value in scores}
    assert above[found] <= rate * (1 + 1e-6)
    assert all(share > rate * (1 - 1e-6) for value, share in above.items() if value < found)


def test_quantile_of_no_false_alarms_is_the_highest_score():
    assert quantile(np.array([3.0, 1.0, 2.0]), np.ones(3), 1e-9) == pytest.approx(3)
