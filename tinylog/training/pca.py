"""Principal components by SVD of the centred rows: X - mean = U S axes, the axes of largest S first.

The SVD leaves the sign of each axis open: here its component of largest magnitude is positive, so that equal data give
equal axes. Fit on what training may know only: the templates of training windows.
"""
from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Pca(NamedTuple):
    """mean (d,) and orthonormal rows axes (D, d), float64."""

    mean: np.ndarray
    axes: np.ndarray

    def project(self, x: np.ndarray) -> np.ndarray:
        """(n, d) -> (n, D)."""
        return (x - self.mean) @ self.axes.T


def fit(x: np.ndarray, dim: int) -> Pca:
    """The first `dim` components of the rows x (n, d). Where they have fewer directions, the other axes are zero."""
    x = np.asarray(x, np.float64)
    mean = x.mean(0)
    _, size, directions = np.linalg.svd(x - mean, full_matrices=False)
    real = directions[size > max(1e-6 * size.max(initial=0), 1e-30)][:dim]  # the rest is rounding
    axes = np.zeros((dim, x.shape[1]))
    axes[:len(real)] = with_fixed_signs(real)
    return Pca(mean, axes)


def with_fixed_signs(axes: np.ndarray) -> np.ndarray:
    """Each row (k, d) turned so that its component of largest magnitude is positive."""
    largest = np.take_along_axis(axes, np.abs(axes).argmax(1)[:, None], 1)
    return axes * np.where(largest < 0, -1, 1)
