"""A template's text to words, and words to signed buckets.

    "PacketResponder <*> for block blk_<*> terminating"  ->  packet responder for block blk terminating

A variable and whatever is neither letter nor digit separates, a token with a digit is dropped, CamelCase is taken
apart, all is lower case. (DistilLog deletes punctuation, which makes one word of a path; here each part is a word.)

Buckets (Weinberger et al., ICML 2009): h = FNV-1a of the word, bucket = h mod n_buckets, sign = the top bit of h. No
table of words is needed, and the weights of words that share a bucket cancel on average instead of adding up.
"""
from __future__ import annotations

import re
from functools import lru_cache
from itertools import islice
from typing import Sequence

import numpy as np

from .subwords import fnv1a

MAX_WORDS = 64  # of a template: a longer one says enough by then
MAX_LETTERS = 64  # of a word: a longer one is encoded data
# how words begin that say that something went wrong
ALARM = ("abort", "alert", "cannot", "corrupt", "crash", "critical", "denied", "dead", "emerg", "error", "exception", "exhaust", "fail", "fatal",
         "fault", "illegal", "kill", "lost", "oom", "panic", "refus", "reject", "segfault", "severe", "timeout",
         "unable", "unauthori", "uncorrect", "unreach", "violat")
UNKNOWN_TEXT = "unmatchedline"  # the words of an event that no template names

_TOKEN = re.compile(r"[^\W_]+")  # letters and digits
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")  # packet|Responder, IO|Exception
_DIGIT = re.compile(r"\d")


def words(text: str) -> list[str]:
    """The words of a template in their order, at most MAX_WORDS."""
    tokens = (match[0] for match in _TOKEN.finditer(text.replace("<*>", " ")))
    found = (word.lower() for token in tokens if not _DIGIT.search(token) for word in _HUMP.split(token))
    return list(islice((word for word in found if len(word) <= MAX_LETTERS), MAX_WORDS))


@lru_cache(maxsize=8192)
def alarming(text: str) -> bool:
    """Whether a template says that something went wrong."""
    return any(word.startswith(ALARM) for word in words(text))


def bucket_ids(texts: Sequence[str], n_buckets: int) -> np.ndarray:
    """(n, W) int32: +-(bucket + 1) of each distinct word of each text, 0 behind the last; W is at least 1."""
    rows = [[_signed_bucket(word, n_buckets) for word in dict.fromkeys(words(text))] for text in texts]
    ids = np.zeros((len(rows), max([1, *map(len, rows)])), np.int32)
    for i, row in enumerate(rows):
        ids[i, :len(row)] = row
    return ids


def _signed_bucket(word: str, n_buckets: int) -> int:
    h = fnv1a(word.encode())
    bucket = h % n_buckets + 1
    return bucket if h < 1 << 31 else -bucket
