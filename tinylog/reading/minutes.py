"""The times of many lines: each minute is read once by its layout, the seconds of all lines are added as numbers.

    heads "081109 203530 ", "081109 203531 " -> "081109 203500 " for both, and 30, 31
"""
from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .timestamps import second_span, seconds

DIGITS = 15  # that a float holds exactly
_SEVEN = ord("7")  # 60 is a leap second, 70 is none


class Minutes(NamedTuple):
    """N beginnings of lines with zeros in the place of their seconds: most are as the one before."""

    heads: Sequence[bytes]  # of K runs of equal ones
    run: np.ndarray  # (N,) which of them
    seconds: np.ndarray  # (N,) float64: what stood there, 0 where nothing was taken out


def split(heads: Sequence[bytes], width: int, span: tuple[int, int] | None) -> Minutes:
    """Beginnings of lines, of `width` bytes at most; `span`: where the seconds of a typical one stand, with their fraction (None:
    nowhere). Heads whose digits stand otherwise than in most stay as they are.
    """
    more, joined = np.zeros(len(heads)), b"".join(heads)
    if span is None or span[1] - span[0] > DIGITS or len(joined) != width * len(heads):  # some lines are shorter than a header
        return Minutes(heads, np.arange(len(heads)), more)
    text = np.frombuffer(joined, np.uint8).reshape(-1, width).copy()
    digit = (text >= 48) & (text < 58)
    rows = digit.view(f"V{width}").ravel()
    typical = digit[:, span[0]].argmax()  # a line with a time
    alike = (rows == rows[typical]) & (text[:, span[0]] < _SEVEN)
    places = [at for at in range(*span) if digit[typical, at]]
    number = np.zeros(len(text), np.int64)
    for at in places:
        number = 10 * number + text[:, at] - 48
        text[alike, at] = 48
    # One division, so that the number is the one that float() reads.
    more[alike] = number[alike] / 10 ** (len(places) - 2)
    new = np.ones(len(text), bool)
    new[1:] = (text[1:] != text[:-1]).any(1)
    data = text[new].tobytes()
    return Minutes([data[i:i + width] for i in range(0, len(data), width)], new.cumsum() - 1, more)


class Stamp:
    """Where the time of a line stands (`place`), and how it is read there in all lines that differ from that one in their digits alone:
    what `timestamps.seconds` says of it, by minutes.
    """

    __slots__ = ("place", "_layout", "_first", "_end")

    def __init__(self, line: re.Match[bytes], layout: str) -> None:
        begin, end = line.span("time")
        self.place, self._layout = slice(begin, end), layout
        first, last = second_span(line, layout) or (begin, begin)
        self._first, self._end = first - begin, last - begin

    def read(self, text: bytes) -> float:
        """Seconds since 1970 of the text that stands there; NaN where it is no time."""
        first, end, layout = self._first, self._end, self._layout
        if first == end or text[first] >= _SEVEN:
            return seconds(text, layout)
        second = text[first:end]
        return seconds(text[:first] + b"00" + text[end:], layout) + float(second if end - first == 2 else second.replace(b",", b"."))
