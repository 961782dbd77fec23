"""The times of many lines at once: each minute is read once by its layout, the seconds of all lines are added as numbers.

    heads "081109 203530 ", "081109 203531 " -> "081109 203500 " twice, and 30, 31
"""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def split(heads: Sequence[bytes], span: tuple[int, int] | None) -> tuple[Sequence[bytes], np.ndarray]:
    """Beginnings of lines, equally long; `span`: where the seconds of a typical one stand, with their fraction (None: nowhere). The same
    ones with zeros there, and (N,) float64 what stood there. Heads whose digits stand otherwise than in most stay as they are, and have 0.
    """
    seconds, joined = np.zeros(len(heads)), b"".join(heads)
    width = max(map(len, heads), default=0)
    if span is None or len(joined) != width * len(heads):  # some lines are shorter than a header
        return heads, seconds
    text = np.frombuffer(joined, np.uint8).reshape(-1, width).copy()
    digit = (text >= 48) & (text < 58)
    first = digit[digit[:, span[0]].argmax()]  # of a line with a time
    alike = (digit == first).all(1) & (text[:, span[0]] < 55)  # 60 is a leap second, 70 is none
    at = span[0] + np.flatnonzero(first[span[0]:span[1]])
    numbers = text[np.ix_(alike, at)].astype(np.int64) - 48
    # One division, so that the number is the one that float() reads.
    seconds[alike] = numbers @ 10 ** np.arange(len(at))[::-1] / 10 ** (len(at) - 2)
    text[np.ix_(alike, at)] = 48
    data = text.tobytes()
    return [data[i:i + width] for i in range(0, len(data), width)], seconds
