"""While training, each number is 0 with probability `rate` and 1/(1 - rate) times itself otherwise (Srivastava 2014).

The mean stays the same, so inference needs no dropout at all: there is no `infer`.
"""
from __future__ import annotations

from typing import Any

import numpy as np


def forward(x: np.ndarray, rate: float, rng: np.random.Generator) -> tuple[np.ndarray, Any]:
    """x of any shape; 0 <= rate < 1."""
    factor = (rng.random(x.shape, np.float32) >= rate).astype(x.dtype) / (1 - rate)
    return x * factor, factor


def backward(dy: np.ndarray, cache: Any) -> np.ndarray:
    """The same numbers are dropped from the gradient."""
    return dy * cache
