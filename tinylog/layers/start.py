"""Starting values. Small enough that no gate is saturated, random enough that no two units are alike."""
from __future__ import annotations

import numpy as np


def uniform(rng: np.random.Generator, shape: tuple[int, ...], limit: float, dtype: type = np.float32) -> np.ndarray:
    """Even between -limit and limit. PyTorch's limit is 1/sqrt(inputs) for dense layers, 1/sqrt(H) for recurrent."""
    return rng.uniform(-limit, limit, shape).astype(dtype)
