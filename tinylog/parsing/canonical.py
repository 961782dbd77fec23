"""The keys of a line, each a function of the one before, so that a line's event id is a function of its canonical key alone.

    zeroed      every ASCII digit is "0":                         nearly free, settles most lines
    canonical   every run of digits is one "0":                   Received block blk_-0 of size 0 from /0.0.0.0
    reduced     what is surely an identifier, one of them all:    0a0bc, a UUID -> a0f

A whole chunk is done at once, by translation and boolean masks over its bytes: a tenth of the time of regular expressions. NumPy's
calls cost more than that where there are few bytes: up to `_FEW` of them are done by what the masks stand for.
"""
from __future__ import annotations

import re

import numpy as np

_TO_ZERO = bytes.maketrans(b"123456789", b"000000000")
_ZERO, _DASH, _X = b"0-x"
_LOWER, _A = np.uint8(ord("a") - ord("A")), np.uint8(ord("a"))
_OTHER = np.array([c < 128 and chr(c).isalpha() and chr(c) not in "abcdefABCDEF" for c in range(256)])  # letters that are no digits
_IDENTIFIER = b"a0f"
_GROUPS = 5  # of a UUID
_NEAR = 5  # bytes of an identifier that are looked at
_FEW, _MANY = 1024, 1 << 14  # bytes
_BEHIND_DIGITS = np.uint8(ord("9") + 1)
_MAY_IDENTIFY = re.compile(rb"0[A-Fa-f]").search
_RUN = rb"(?=[0A-Fa-f]{0,4}0[A-Fa-f])[0A-Fa-f]{3,}(?![A-Za-z0])"
_FOUR, _LESS = rb"(?:[0A-Fa-f]+-){4}", rb"(?:[0A-Fa-f]+-){0,3}"  # groups in front of a run
_EACH = re.compile(rb"(?:(?<![A-Za-z0])|(?<=0x))(?:%b%b(?:-%b%b)*|%b)" % (_FOUR, _RUN, _LESS, _RUN, _RUN))


def zeroed(data: bytes) -> bytes:
    """`data` with every ASCII digit replaced by "0"."""
    if len(data) <= _MANY:
        return data.translate(_TO_ZERO)
    text = np.frombuffer(data, np.uint8) - _BEHIND_DIGITS  # the digits are the ten greatest now, "0" the least of them
    np.minimum(text, np.full_like(text, 256 - 10), out=text)  # of two arrays: with a number it takes ten times as long
    text += _BEHIND_DIGITS
    return text.tobytes()


def canonical(data: bytes) -> bytes:
    """`data` with every maximal run of ASCII digits replaced by "0". Newlines stay, so it takes one line or a chunk
    of them."""
    if len(data) > _FEW:
        text, keep = _kept(data)
        return text[keep].tobytes()
    data = zeroed(data)
    while b"00" in data:
        data = data.replace(b"0000", b"0").replace(b"00", b"0")
    return data


def reduced(data: bytes) -> bytes:
    """Canonical `data` in which "a0f" stands for each identifier: a word of three or more hexadecimal digits, a letter
    behind a "0" near its beginning, also behind "0x", and four more in front of it that are joined by dashes, as in a UUID."""
    if len(data) <= _FEW:
        return _EACH.sub(_IDENTIFIER, data) if _MAY_IDENTIFY(data) else data
    text = np.frombuffer(b"\n" + data + b"\n", np.uint8)
    zero, letter = text == _ZERO, (text | _LOWER) - _A < len(b"abcdef")
    mixed = zero[:-1] & letter[1:]
    if not mixed.any():
        return data
    digit = zero | letter
    edge = digit[1:] != digit[:-1]
    edges = np.flatnonzero(edge) + 1
    first, end = edges[::2], edges[1::2]  # of each run of hexadecimal digits

    def begins(at: np.ndarray) -> np.ndarray:
        return ~_OTHER[text[at - 1]] | (text[at - 1] == _X) & (text[at - 2] == _ZERO)

    mixed[1:] &= _near(edge & digit[1:])[:-1]
    run = np.searchsorted(first, np.flatnonzero(mixed), side="right") - 1
    run = run[np.diff(run, prepend=-1) > 0]  # each once
    run = run[(end[run] - first[run] >= len(_IDENTIFIER)) & ~_OTHER[text[end[run]]] & begins(first[run])]
    last = run[run >= _GROUPS - 1]
    for i in range(1, _GROUPS):
        last = last[(first[last - i + 1] - end[last - i] == 1) & (text[end[last - i]] == _DASH)]
    last = last[begins(first[last - _GROUPS + 1])]
    return _replaced(text, np.append(first[run], first[last - _GROUPS + 1]), np.append(end[run], end[last]))[1:-1]


def _near(begin: np.ndarray) -> np.ndarray:
    """Whether one of the last _NEAR places is a beginning."""
    near = begin.copy()
    for behind in range(1, _NEAR):
        near[behind:] |= begin[:-behind]
    return near


def _replaced(text: np.ndarray, first: np.ndarray, end: np.ndarray) -> bytes:
    text, keep = text.copy(), np.ones(len(text), bool)
    for i, byte in enumerate(_IDENTIFIER):
        text[first + i] = byte
    first = first + len(_IDENTIFIER)
    lengths = end - first
    starts = np.cumsum(lengths) - lengths
    keep[np.repeat(first - starts, lengths) + np.arange(lengths.sum())] = False
    return text[keep].tobytes()


def _kept(data: bytes) -> tuple[np.ndarray, np.ndarray]:
    text = np.frombuffer(zeroed(data), np.uint8)
    zero = text == _ZERO
    keep = np.ones(len(text), bool)
    np.logical_not(zero[1:] & zero[:-1], out=keep[1:])
    return text, keep
