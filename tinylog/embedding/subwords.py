"""A word to the rows of its character n-grams, numbered as fastText numbers them (Bojanowski et al., TACL 2017).

    n-grams of "<word>": minn to maxn characters, without a lone "<" or ">"
    h = 2166136261;  for each byte of its UTF-8:  h = (h xor byte) * 16777619 mod 2**32      (FNV-1a)
    row = h mod n_buckets

fastText reads its bytes as signed: one of 128 and above flips the upper 24 bits of h too.
"""
from __future__ import annotations

import numpy as np

START, PRIME, BITS = 2166136261, 16777619, 0xFFFFFFFF


def ngram_rows(word: str, minn: int, maxn: int, n_buckets: int) -> np.ndarray:
    """(k,) int64: the rows of the word's n-grams in fastText's order, repeated ones too; none where n_buckets is 0."""
    characters = [character.encode() for character in f"<{word}>"]
    rows = []
    for begin in range(len(characters) if n_buckets > 0 else 0):
        h = START
        for end in range(begin + 1, min(begin + maxn, len(characters)) + 1):
            h = fnv1a(characters[end - 1], h)  # an n-gram's hash goes on from that of the one before
            lone = end - begin == 1 and (begin == 0 or end == len(characters))
            if end - begin >= minn and not lone:
                rows.append(h % n_buckets)
    return np.array(rows, np.int64)


def fnv1a(data: bytes, h: int = START) -> int:
    """32-bit hash of the bytes, going on from `h`."""
    for byte in data:
        h = ((h ^ (byte if byte < 128 else byte | 0xFFFFFF00)) * PRIME) & BITS
    return h
