"""Windows that nobody logged: real ones with something changed. The teacher judges them, the student learns.

Each keeps most of what makes a log a log, so that they lie around and between the real ones: where a student of a few
hundred numbers has to draw the line, and where real windows are few. They have no label (-1).
"""
from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..records import FIRST_EVENT, PAD, UNKNOWN, Windows


def altered(windows: Windows, n: int, n_events: int, rng: np.random.Generator) -> Windows:
    """n windows, each a random one of `windows` with one to three changes. They have no evidence yet."""
    lengths, T = windows.lengths, windows.events.shape[1]
    events = np.full((n, T), PAD, windows.events.dtype)
    chosen = rng.integers(len(windows), size=(n, 2))
    for row, (i, other) in zip(events, chosen):
        window = windows.events[i, :lengths[i]]
        for _ in range(rng.integers(1, 4)):
            change = CHANGES[rng.integers(len(CHANGES))]
            window = change(window, windows.events[other, :lengths[other]], n_events, rng)[-T:]
        row[:len(window)] = window
    return Windows(events, np.full(n, -1, np.int8), np.ones(n, np.float32), tables=windows.tables)


def _dropped(window: np.ndarray, other: np.ndarray, n_events: int, rng: np.random.Generator) -> np.ndarray:
    """Without one to three neighbours."""
    start = rng.integers(len(window) + 1)
    return np.delete(window, slice(start, start + rng.integers(1, 4)))


def _repeated(window: np.ndarray, other: np.ndarray, n_events: int, rng: np.random.Generator) -> np.ndarray:
    """With one to three neighbours twice."""
    start = rng.integers(len(window) + 1)
    return np.insert(window, start, window[start:start + rng.integers(1, 4)])


def _inserted(window: np.ndarray, other: np.ndarray, n_events: int, rng: np.random.Generator) -> np.ndarray:
    """With any event somewhere, one time in ten with one that no training window has."""
    event = UNKNOWN if rng.random() < 0.1 else rng.integers(FIRST_EVENT, n_events)
    return np.insert(window, rng.integers(len(window) + 1), event)


def _swapped(window: np.ndarray, other: np.ndarray, n_events: int, rng: np.random.Generator) -> np.ndarray:
    """With two neighbours the other way round."""
    swapped = window.copy()
    if len(window) > 1:
        i = rng.integers(len(window) - 1)
        swapped[[i, i + 1]] = window[[i + 1, i]]
    return swapped


def _begun(window: np.ndarray, other: np.ndarray, n_events: int, rng: np.random.Generator) -> np.ndarray:
    """Only its beginning, at least half."""
    return window[:rng.integers(len(window) // 2, len(window) + 1)]


def _joined(window: np.ndarray, other: np.ndarray, n_events: int, rng: np.random.Generator) -> np.ndarray:
    """Its beginning, then the end of another window."""
    return np.concatenate([window[:rng.integers(len(window) + 1)], other[rng.integers(len(other) + 1):]])


CHANGES: tuple[Callable[[np.ndarray, np.ndarray, int, np.random.Generator], np.ndarray], ...] = (
    _dropped, _repeated, _inserted, _swapped, _begun, _joined)
