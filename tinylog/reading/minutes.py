"""The times of many lines: each minute is read once by its layout, the seconds of all lines are added as numbers.

    heads "081109 203530 ", "081109 203531 " -> "081109 203500 " twice, and 30, 31
"""
from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from .timestamps import second_span, seconds

_SEVEN = ord("7")  # 60 is a leap second, 70 is none


def split(heads: Sequence[bytes], span: tuple[int, int] | None) -> tuple[Sequence[bytes], np.ndarray]:
    """Beginnings of lines, equally long; `span`: where the seconds of a typical one stand, with their fraction (None: nowhere). The same
    ones with zeros there, and (N,) float64 what stood there. Heads whose digits stand otherwise than in most stay as they are, and have 0.
    """
    more, joined = np.zeros(len(heads)), b"".join(heads)
    width = max(map(len, heads), default=0)
    if span is None or len(joined) != width * len(heads):  # some lines are shorter than a header
        return heads, more
    text = np.frombuffer(joined, np.uint8).reshape(-1, width).copy()
    digit = (text >= 48) & (text < 58)
    first = digit[digit[:, span[0]].argmax()]  # of a line with a time
    alike = (digit == first).all(1) & (text[:, span[0]] < _SEVEN)
    at = span[0] + np.flatnonzero(first[span[0]:span[1]])
    numbers = text[np.ix_(alike, at)].astype(np.int64) - 48
    # One division, so that the number is the one that float() reads.
    more[alike] = numbers @ 10 ** np.arange(len(at))[::-1] / 10 ** (len(at) - 2)
    text[np.ix_(alike, at)] = 48
    data = text.tobytes()
    return [data[i:i + width] for i in range(0, len(data), width)], more


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
