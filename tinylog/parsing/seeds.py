"""Templates that the user gives, tried before all others: the one with the most literal bytes wins, of equals the
first.

Seeds are looked up by a word that a matching line must hold, so that thousands of them cost no more than the few
that can match.
"""
from __future__ import annotations

from collections.abc import Sequence

from ..errors import InputError
from ..records import Template
from .templates import Pieces, pieces, spans, squeeze


class Seeds:
    """Raises InputError where two share a name. The same text twice is fine: the first has it; without text one
    matches nothing."""

    def __init__(self, templates: Sequence[Template]) -> None:
        names: set[str] = set()
        self._by_word: dict[bytes, list[tuple[int, int, Pieces]]] = {}
        for index, (name, text) in enumerate(templates):
            if name in names:
                raise InputError(f"two templates are called {name!r}: each needs a name of its own")
            names.add(name)
            if text.strip():
                parts = pieces(text.encode("utf-8", "surrogateescape"))
                row = -sum(map(len, parts)), index, parts
                self._by_word.setdefault(_longest_word(parts), []).append(row)

    def match(self, content: bytes) -> int | None:
        """The index of the seed that matches a canonical content, or None."""
        if not self._by_word:
            return None
        text = squeeze(content)
        rows = [row for word in {b"", *text.split()} for row in self._by_word.get(word, ())]
        return next((index for _, index, parts in sorted(rows) if spans(parts, text) is not None), None)


def _longest_word(parts: Pieces) -> bytes:
    """The longest word of the pieces that a matching line holds as a whole token; b"" where there is none."""
    whole: list[bytes] = []
    for i, part in enumerate(parts):
        words = part.split(b" ")  # what touches a wildcard may be half a token
        whole += words[i > 0:len(words) - (i < len(parts) - 1)]
    return max(whole, key=len, default=b"")
