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
_LONG = 256  # bytes: of a longer token the end is masked
_WORD, _VALUE, _UNIT, _DATE = range(4)


class Line(NamedTuple):
    """A canonical content: its masked tokens; at each its place the word it is, b"" where it is none; and the words."""

    tokens: list[bytes]
    kept: list[bytes]
    words: Words


class Tokeniser:
    """Tokens of canonical contents. At most `max_tokens`: what stands behind them becomes one trailing <*>."""

    def __init__(self, max_tokens: int, memo_size: int = 50_000) -> None:
        self.max_tokens, self.memo_size = max_tokens, memo_size
        self._memo: dict[bytes, tuple[bytes, int]] = {}
        self._kept: dict[bytes, bytes] = {}  # of the tokens whose neighbours do not matter: themselves, masked, or b"" for a value

    def words(self, content: bytes) -> Words:
        """The words alone."""
        raw = self._split(content)
        kept = self._alone(raw)
        return self._among(raw).words if kept is None else tuple(filter(None, kept))

    def line(self, content: bytes) -> Line:
        """The masked tokens and the words."""
        raw = self._split(content)
        kept = self._alone(raw)
        if kept is None:
            return self._among(raw)
        return Line([word or self._memo[token][0] for word, token in zip(kept, raw)], kept, tuple(filter(None, kept)))

    def _alone(self, raw: list[bytes]) -> list[bytes] | None:
        """What is kept of each token where none depends on its neighbours, else None."""
        try:
            kept = list(map(self._kept.__getitem__, raw))
        except KeyError:
            if len(self._memo) > self.memo_size:
                self._memo.clear()
                self._kept.clear()
            for token in set(raw).difference(self._memo):
                self._meet(token)
            try:
                kept = list(map(self._kept.__getitem__, raw))
            except KeyError:
                return None
        if len(set(kept)) < len(kept) and any(a == b and WILDCARD in a for a, b in zip(kept, kept[1:])):
            return None
        return kept

    def _among(self, raw: list[bytes]) -> Line:
        """The same where tokens depend on their neighbours."""
        rows = list(map(self._memo.__getitem__, raw))
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

    def _split(self, content: bytes) -> list[bytes]:
        raw = content.split(None, self.max_tokens - 1)
        if len(raw) == self.max_tokens and len(raw[-1].split(None, 1)) > 1:
            raw[-1] = WILDCARD
        if len(content) > _LONG:
            raw = [token[:_LONG + 1] for token in raw]  # `mask` looks no further, and what is remembered stays small
        return raw

    def _meet(self, token: bytes) -> None:
        masked, kind = _plain(token) if len(token) <= _LONG and token.isalpha() else _masked(token)
        self._memo[token] = masked, kind
        if kind == _WORD:
            self._kept[token] = masked
        elif kind == _VALUE:
            self._kept[token] = b""


def _plain(token: bytes) -> tuple[bytes, int]:
    """`_masked` of letters alone."""
    return token, _DATE if token in DATES else _UNIT if token.lower() in UNITS else _WORD


def _masked(token: bytes) -> tuple[bytes, int]:
    masked = mask(token)
    return masked, _kind(masked)


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
