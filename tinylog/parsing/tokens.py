"""A canonical content to its masked tokens, and those to its words: what is left when the values are taken out.

    tokens   <*> close, <*> bytes (<*> KB) sent, lifetime <*> sec           what a template's text shows
    words    close, bytes sent, lifetime                                    what decides the event

So lines are the same event whatever the number of their values. A unit behind a value and the name of a day or a
month before one go with it; a word that holds a value and comes again and again (`blk_<*> blk_<*>`) counts once. A
token is masked once: the words of a log are few, so a dict remembers them.
"""
from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, compress
from operator import eq
from typing import NamedTuple

from .masks import DATES, UNITS, WILDCARD, is_value, mask

Words = tuple[bytes, ...]

_PUNCTUATION = b"()[]{}<>,.;:\"'"
_LONG = 256  # bytes: of a longer token the end is masked
_WORD, _VALUE, _UNIT, _DATE = range(4)
_LOOK = b"\n"  # no token holds a newline
_NO_WORDS = UNITS | {date.lower() for date in DATES}


class Line(NamedTuple):
    """A canonical content: its masked tokens; at each its place the word it is, b"" where it is none; and the words."""

    tokens: list[bytes]
    kept: list[bytes]
    words: Words


class Tokeniser:
    """Tokens of canonical contents. At most `max_tokens`: what stands behind them becomes one trailing <*>."""

    def __init__(self, max_tokens: int, memo_size: int = 50_000) -> None:
        self.max_tokens, self.memo_size = max_tokens, memo_size
        self._masked: dict[bytes, bytes] = {}
        self._kept: dict[bytes, bytes] = {}  # `kept` of a line, or the mark that its neighbours decide

    def split(self, contents: list[bytes]) -> list[list[bytes]]:
        """The raw tokens of several contents. Each is looked at once, and then remembered: `words` and `line` ask for no others."""
        most = self.max_tokens - 1
        raws = [content.split(None, most) for content in contents]
        if max(map(len, contents), default=0) > min(_LONG, 2 * most):  # shorter ones have no such tokens
            raws = [self._cut(raw) for raw in raws]
        self._meet(raws)
        return raws

    def words(self, raws: list[list[bytes]]) -> list[Words]:
        """The words alone, of each."""
        kept_of = self._kept.__getitem__
        found = [tuple(filter(None, map(kept_of, raw))) for raw in raws]
        for i, words in enumerate(found):
            distinct = set(words)
            if len(distinct) < len(words) and _repeats(words) or _LOOK in distinct:
                found[i] = self.line(raws[i]).words
        return found

    def line(self, raw: list[bytes]) -> Line:
        """The masked tokens and the words."""
        kept = list(map(self._kept.__getitem__, raw))
        if _LOOK in set(kept) or _repeats(kept):
            return self._among(raw, kept)
        return Line(list(map(self._masked.__getitem__, raw)), kept, tuple(filter(None, kept)))

    def _among(self, raw: list[bytes], alone: list[bytes]) -> Line:
        """The same where tokens depend on their neighbours."""
        rows = [(masked, _kind(masked) if word == _LOOK else _WORD if word else _VALUE)
                for masked, word in zip(map(self._masked.__getitem__, raw), alone)]
        tokens: list[bytes] = []
        kept: list[bytes] = []
        behind_value = False
        for i, (masked, kind) in enumerate(rows):
            if kind == _WORD:
                behind_value = False
                if tokens and tokens[-1] == masked and WILDCARD in masked:
                    continue
                kept.append(masked)
            elif kind == _VALUE or behind_value or kind == _DATE and _before_value(rows, i):
                behind_value = True
                masked = WILDCARD if kind == _DATE else masked
                kept.append(b"")
            else:
                kept.append(masked)
            tokens.append(masked)
        return Line(tokens, kept, tuple(filter(None, kept)))

    def _cut(self, raw: list[bytes]) -> list[bytes]:
        if len(raw) == self.max_tokens and len(raw[-1].split(None, 1)) > 1:
            raw[-1] = WILDCARD
        if max(map(len, raw), default=0) > _LONG:
            raw = [token[:_LONG + 1] for token in raw]  # `mask` looks no further, and what is remembered stays small
        return raw

    def _meet(self, raws: list[list[bytes]]) -> None:
        """Remember all tokens of these lines."""
        tokens = set(chain.from_iterable(raws))
        new = tokens.difference(self._masked)
        if len(self._masked) + len(new) > self.memo_size and new:
            self._masked.clear()
            self._kept.clear()
            new = tokens
        for token in new:
            if token.isalpha() and token.lower() not in _NO_WORDS and len(token) <= _LONG:
                self._masked[token] = self._kept[token] = token
                continue
            self._masked[token] = masked = mask(token)
            kind = _kind(masked)
            self._kept[token] = masked if kind == _WORD else b"" if kind == _VALUE else _LOOK


def _repeats(kept: Sequence[bytes]) -> bool:
    """Whether a word that holds a value comes twice in a row."""
    return WILDCARD in b" ".join(compress(kept, map(eq, kept, kept[1:])))


def _kind(masked: bytes) -> int:
    if is_value(masked):
        return _VALUE
    bare = masked.strip(_PUNCTUATION)
    if bare in DATES:
        return _DATE
    return _UNIT if bare.lower() in UNITS else _WORD


def _before_value(rows: list[tuple[bytes, int]], i: int) -> bool:
    """Whether a value stands behind the days and months that begin at i."""
    while i < len(rows) and rows[i][1] == _DATE:
        i += 1
    return i < len(rows) and rows[i][1] == _VALUE
