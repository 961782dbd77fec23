"""Noisy-or (Pearl 1988): a window is anomalous if one of its events is, each with a probability of its own, whatever the others.

    p_e = s(a_e)      log(1 - P) = sum over the distinct events of log(1 - p_e)      y = 2 P - 1

    dy/da_e = 2 (1 - P) p_e      for each distinct event of the window

An event counts once however often it comes: a window full of one harmless event stays harmless. An empty window has P = 0.
"""
from __future__ import annotations

from typing import Any

import numpy as np

from .activations import sigmoid

LEAST = -1e-7  # the largest log(1 - P) whose log-odds are still numbers


def forward(a: np.ndarray, events: np.ndarray, mask: np.ndarray | None = None) -> tuple[np.ndarray, Any]:
    """Log-odds a (n,) of the events and windows of event ids (B, T) to y (B,)."""
    first = distinct(events, mask)
    none = _log_none(a, events, first)
    return (-2 * np.expm1(none) - 1).astype(a.dtype), (a, events, first, none)


def backward(dy: np.ndarray, cache: Any) -> np.ndarray:
    """dy (B,) to da (n,)."""
    a, events, first, none = cache
    d = (2 * dy * np.exp(none))[:, None] * first  # (B, T)
    return (np.bincount(events.ravel(), d.ravel(), len(a)) * sigmoid(a)).astype(a.dtype)


def infer(a: np.ndarray, events: np.ndarray, mask: np.ndarray | None = None) -> np.ndarray:
    """y (B,)"""
    return forward(a, events, mask)[0]


def log_odds(a: np.ndarray, events: np.ndarray, mask: np.ndarray | None = None) -> np.ndarray:
    """(B,) log P - log(1 - P), from -16 on."""
    none = np.minimum(_log_none(a, events, distinct(events, mask)), LEAST)
    return np.log(-np.expm1(none)) - none


def distinct(events: np.ndarray, mask: np.ndarray | None = None) -> np.ndarray:
    """(B, T) bool: one real place of each distinct event of a window."""
    real = events if mask is None else np.where(mask, events, -1)
    order = np.argsort(real, 1, kind="stable")
    ordered = np.take_along_axis(real, order, 1)
    first = np.zeros(events.shape, bool)
    np.put_along_axis(first, order, (np.diff(ordered, axis=1, prepend=-2) != 0) & (ordered >= 0), 1)
    return first


def _log_none(a: np.ndarray, events: np.ndarray, first: np.ndarray) -> np.ndarray:
    """(B,) log(1 - P) = - sum of log(1 + exp a)."""
    return -(np.logaddexp(0, a)[events] * first).sum(1)
