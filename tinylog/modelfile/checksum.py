"""Whether a model is the one that was written: a flipped bit in a weight is a number like any other, and nothing else would notice it."""
from __future__ import annotations

import json
import zlib
from collections.abc import Mapping

import numpy as np


def checksum(arrays: Mapping[str, np.ndarray], texts: Mapping[str, str]) -> str:
    """Eight hexadecimal digits: CRC-32 of all names, types, shapes, values and texts, in whatever order they stand. Against chance, not
    against malice.
    """
    kinds = [(name, arrays[name].dtype.kind, arrays[name].itemsize, arrays[name].shape) for name in sorted(arrays)]
    crc = zlib.crc32(json.dumps([kinds, sorted(texts.items())]).encode())
    for name in sorted(arrays):
        crc = zlib.crc32(arrays[name].astype(arrays[name].dtype.newbyteorder("<")).tobytes(), crc)
    return f"{crc:08x}"
