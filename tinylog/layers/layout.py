"""How sequences lie in memory: (T, D, B), so that one feature of one step is a run of B numbers.

All windows take a step together and every gate is a block of rows, hence each operation of a time loop goes over
contiguous memory, however small H is. Callers see (B, T, D); between two layers that both work this way the change of
view copies nothing.
"""
from __future__ import annotations

import numpy as np


def feature_major(x: np.ndarray) -> np.ndarray:
    """(B, T, D) to contiguous (T, D, B), without a copy if `x` came from `batch_major`."""
    return np.ascontiguousarray(x.transpose(1, 2, 0))


def batch_major(x: np.ndarray) -> np.ndarray:
    """(T, D, B) to a view of shape (B, T, D)."""
    return x.transpose(2, 0, 1)
