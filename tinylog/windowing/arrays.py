"""Lists of event ids to one array: the last T of each, PAD behind the last."""
from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import numpy as np

from ..records import PAD


def to_windows(events: Sequence[Sequence[int]], size: int) -> np.ndarray:
    """(B, T) int32 with T = `size`: the last T event ids of each of the B sequences, in order. A short or empty one is
    filled with PAD at its end."""
    last = [sequence[-size:] for sequence in events]
    lengths = np.fromiter(map(len, last), np.int64, len(last))
    windows = np.full((len(last), size), PAD, np.int32)
    filled = np.arange(size) < lengths[:, None]  # (B, T), read and written row by row
    windows[filled] = np.fromiter(chain.from_iterable(last), np.int32, int(lengths.sum()))
    return windows
