"""The canonical key of a line: every run of ASCII digits becomes one "0". A line's event id is a function of this
key alone.

    Received block blk_-16 of size 91178 from /10.250.10.6   ->   Received block blk_-0 of size 0 from /0.0.0.0

A whole chunk is done at once: all digits are translated to "0", then each "0" behind a "0" is dropped by a boolean
mask. It equals `re.sub(rb"[0-9]+", b"0", data)` and takes a tenth of its time.
"""
from __future__ import annotations

import numpy as np

_TO_ZERO = bytes.maketrans(b"123456789", b"000000000")
_ZERO = ord("0")


def canonical(data: bytes) -> bytes:
    """`data` with every maximal run of ASCII digits replaced by "0". Newlines stay, so it takes one line or a chunk
    of them."""
    zeroed, keep = _kept(data)
    return zeroed[keep].tobytes()


def origins(data: bytes) -> np.ndarray:
    """(len(canonical(data)) + 1,) int64: where in `data` each byte of its canonical key begins; the last is
    len(data)."""
    return np.append(np.flatnonzero(_kept(data)[1]), len(data))


def _kept(data: bytes) -> tuple[np.ndarray, np.ndarray]:
    zeroed = np.frombuffer(data.translate(_TO_ZERO), np.uint8)
    zero = zeroed == _ZERO
    keep = np.ones(len(zeroed), bool)
    np.logical_not(zero[1:] & zero[:-1], out=keep[1:])
    return zeroed, keep
