"""What detectors read of lines beside their event ids: times, variable parts, contents, who wrote them.

Sessions hold the lines of their events where a detector asks for that; here they become columns of Windows.
"""
from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any
from zlib import crc32

import numpy as np

from ..records import VALUES
from .sessions import Session

LARGEST = 1e30  # a number beyond it says no more in float32


def columns(sessions: Sequence[Session], T: int, needs: Collection[str], content: Callable[[bytes], bytes],
            values: Callable[[bytes, int], list[bytes]], entities: Callable[[Sequence[bytes]], list[bytes]],
            valued: Collection[int] | None = None) -> dict[str, np.ndarray]:
    """The columns of FROM_LINES that `needs` names, by name, of windows with T events; see Windows for their shapes.

    content(line): without its header; values(content, event id): its variable parts, in order; entities(lines): who wrote each.
    valued: the events whose variable parts anybody reads, the others have none; None: all.
    """
    found: dict[str, np.ndarray] = {}
    if "times" in needs:
        found["times"] = np.full((len(sessions), T), np.nan)
        for row, session in zip(found["times"], sessions):
            row[:len(session.times)] = session.times
    if "texts" in needs:
        found["texts"] = _lists([content(line) for line in session.lines] for session in sessions)
    if "entities" in needs:
        found["entities"] = _lists(entities(session.lines) for session in sessions)
    if "values" in needs or "tokens" in needs:
        parts = [[values(content(line), event)[:VALUES] if valued is None or event in valued else [] for line, event in zip(session.lines, session.events)]
                 for session in sessions]
        found |= {name: array for name, array in zip(("values", "tokens"), _values(parts, T)) if name in needs}
    return found


def number(text: bytes) -> float:
    """What a variable part says as a number, with its unit off ("35ms", "0.4s", "12,"); NaN where it is none."""
    try:
        value = float(text.rstrip(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ%,.;:)]") or b"x")
    except ValueError:
        return np.nan
    return value if abs(value) <= LARGEST else np.nan


def _values(parts: list[list[list[bytes]]], T: int) -> tuple[np.ndarray, np.ndarray]:
    """values and tokens, both (B, T, VALUES)."""
    shape = (len(parts), T, VALUES)
    values, tokens = np.full(shape, np.nan, np.float32), np.zeros(shape, np.uint32)
    for i, window in enumerate(parts):
        for t, line in enumerate(window):
            for v, text in enumerate(line):
                values[i, t, v] = number(text)
                tokens[i, t, v] = crc32(text) or 1  # 0 is nothing
    return values, tokens


def _lists(lists: Any) -> np.ndarray:
    """(B,) of lists: NumPy would make a table of lists of equal length."""
    lists = list(lists)
    column = np.empty(len(lists), object)
    column[:] = lists
    return column
