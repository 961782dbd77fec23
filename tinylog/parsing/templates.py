"""Templates as text: literal pieces with <*> between them, matched left to right, and what stands at each <*>.

A <*> stands for any text, even none, also inside a word. The first piece is anchored at the start, the last at the
end, each in between is found at its leftmost place behind the one before: it matches what the regular expression
`a.*?b.*?c` matches, in linear time whatever the template. White space and runs of digits are equal whatever their
length.
"""
from __future__ import annotations

import re
from bisect import bisect_left
from functools import lru_cache

from .canonical import canonical
from .masks import WILDCARD

Pieces = list[bytes]
_DIGITS = re.compile(rb"\d+")


@lru_cache(maxsize=4096)
def pieces(text: bytes) -> Pieces:
    """The literals around each <*>, canonical and with single spaces: n wildcards give n + 1 pieces, some of them
    empty."""
    return [canonical(piece) for piece in squeeze(text).split(WILDCARD)]


def squeeze(text: bytes) -> bytes:
    """Every run of white space as one space, none at the ends."""
    return b" ".join(text.split())


def spans(parts: Pieces, text: bytes) -> list[tuple[int, int]] | None:
    """Where in the canonical, squeezed text the wildcards between the pieces lie, or None where the pieces do not
    match."""
    head, tail = parts[0], parts[-1]
    if len(parts) == 1:
        return [] if text == head else None
    at, end = len(head), len(text) - len(tail)
    if at > end or not text.startswith(head) or not text.endswith(tail):
        return None
    found = []
    for part in parts[1:-1]:
        start = text.find(part, at, end)
        if start < 0:
            return None
        found.append((at, start))
        at = start + len(part)
    return found + [(at, end)]


def values(parts: Pieces, content: bytes) -> list[bytes] | None:
    """What stands in the original content at each wildcard, in order, stripped; None where the pieces do not match."""
    flat = squeeze(content)
    text = _DIGITS.sub(b"0", flat)  # canonical: of one line this is ten times quicker than by NumPy
    found = spans(parts, text)
    if found is None or len(text) == len(flat):
        return found and [flat[start:end].strip() for start, end in found]
    places, shifts = [], [0]  # of each run of digits in `text`; by how much what stands behind it has moved
    for run in _DIGITS.finditer(flat):
        places.append(run.start() - shifts[-1])
        shifts.append(shifts[-1] + run.end() - run.start() - 1)
    return [flat[start + shifts[bisect_left(places, start)]:end + shifts[bisect_left(places, end)]].strip() for start, end in found]
