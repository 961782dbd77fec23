"""A canonical content to its masked tokens, and those to its words: what is left when the values are taken out.

    tokens   <*> close, <*> bytes (<*> KB) sent, lifetime <*> sec           what a template's text shows
    words    close, bytes sent, lifetime                                    what decides the event

So lines are the same event whatever the number of their values. A unit behind a value and the name of a day or a
month before one go with it; a word that holds a value and comes again and again (`blk_<*> blk_<*>`) counts once. A
token is masked once: the words of a log are few, so a dict remembers them.
"""
from __future__ import annotations

from typing import NamedTuple

from .masks import DATES, UNITS, WILDCARD, is_value, mask

Words = tuple[bytes, ...]

_PUNCTUATION = b"()[]{}<>,.;:\"'"
_LONG = 256  # bytes; a longer token is not remembered
_WORD, _VALUE, _UNIT, _DATE = range(4)
_LOOK = b"\n"  # no token holds a newline


class Line(NamedTuple):
    """A canonical content: its masked tokens, and its words, which stand among them in the same order."""

    tokens: list[bytes]
    words: Words


class Tokeniser:
    """Tokens of canonical contents. At most `max_tokens`: what stands behind them becomes one trailing <*>."""

    def __init__(self, max_tokens: int, memo_size: int = 50_000) -> None:
        self.max_tokens, self.memo_size = max_tokens, memo_size
        self._memo: dict[bytes, tuple[bytes, int]] = {}
        self._short: dict[bytes, bytes] = {}  # what `words` makes of the same tokens

    def line(self, content: bytes) -> Line:
        """The masked tokens and the words."""
        rows = self._rows(content)
        tokens: list[bytes] = []
        words: list[bytes] = []
        behind_value = False
        for i, (masked, kind) in enumerate(rows):
            if kind == _WORD:
                behind_value = False
                if tokens and tokens[-1] == masked and WILDCARD in masked:
                    continue
                words.append(masked)
            elif kind == _VALUE or behind_value or kind == _DATE and _before_value(rows, i):
                behind_value = True
                masked = WILDCARD if kind == _DATE else masked
            else:
                words.append(masked)
            tokens.append(masked)
        return Line(tokens, tuple(words))

    def words(self, content: bytes) -> Words:
        """The words alone, by a shorter way where no token depends on its neighbours."""
        raw = self._split(content)
        found = list(map(self._short.get, raw))
        while None in found:
            i = found.index(None)
            found[i] = _short(*self._masked(raw[i]))
        words = tuple(filter(None, found))
        if _LOOK in words or len(set(words)) < len(words) and any(a == b and WILDCARD in a for a, b in zip(words, words[1:])):
            return self.line(content).words
        return words

    def _rows(self, content: bytes) -> list[tuple[bytes, int]]:
        """Each token, masked, and its kind."""
        known = self._memo.get
        return [known(token) or self._masked(token) for token in self._split(content)]

    def _split(self, content: bytes) -> list[bytes]:
        raw = content.split(None, self.max_tokens - 1)
        if len(raw) == self.max_tokens and len(raw[-1].split(None, 1)) > 1:
            raw[-1] = WILDCARD
        return raw

    def _masked(self, token: bytes) -> tuple[bytes, int]:
        masked = mask(token)
        row = masked, _kind(masked)
        if len(self._memo) >= self.memo_size:
            self._memo.clear()
            self._short.clear()
        if len(token) <= _LONG:
            self._memo[token] = row
            self._short[token] = _short(*row)
        return row


def _short(masked: bytes, kind: int) -> bytes:
    """What `words` takes a token for: itself, nothing, or the mark that its neighbours decide."""
    return masked if kind == _WORD else b"" if kind == _VALUE else _LOOK


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
