"""The times of many lines at once: each minute is read once by its layout, the seconds of all lines are added as numbers.

    heads "081109 203530 ", "081109 203531 " -> "081109 203500 " for both, and 30, 31
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

DIGITS = 15  # that a float holds exactly


class Minutes(NamedTuple):
    """N beginnings of lines with zeros in the place of their seconds: most are as the one before."""

    heads: Sequence[bytes]  # of K runs of equal ones
    run: np.ndarray  # (N,) which of them
    seconds: np.ndarray  # (N,) float64: what stood there, 0 where nothing was taken out


def split(heads: Sequence[bytes], width: int, span: tuple[int, int] | None) -> Minutes:
    """Beginnings of lines, of `width` bytes at most; `span`: where the seconds of a typical one stand, with their fraction (None:
    nowhere). Heads whose digits stand otherwise than in most stay as they are.
    """
    seconds, joined = np.zeros(len(heads)), b"".join(heads)
    if span is None or span[1] - span[0] > DIGITS or len(joined) != width * len(heads):  # some lines are shorter than a header
        return Minutes(heads, np.arange(len(heads)), seconds)
    text = np.frombuffer(joined, np.uint8).reshape(-1, width).copy()
    digit = (text >= 48) & (text < 58)
    rows = digit.view(f"V{width}").ravel()
    typical = digit[:, span[0]].argmax()  # a line with a time
    alike = (rows == rows[typical]) & (text[:, span[0]] < 55)  # 60 is a leap second, 70 is none
    places = [at for at in range(*span) if digit[typical, at]]
    number = np.zeros(len(text), np.int64)
    for at in places:
        number = 10 * number + text[:, at] - 48
        text[alike, at] = 48
    # One division, so that the number is the one that float() reads.
    seconds[alike] = number[alike] / 10 ** (len(places) - 2)
    new = np.ones(len(text), bool)
    new[1:] = (text[1:] != text[:-1]).any(1)
    data = text[new].tobytes()
    return Minutes([data[i:i + width] for i in range(0, len(data), width)], new.cumsum() - 1, seconds)
