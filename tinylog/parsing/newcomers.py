"""What a parser learned behind `freeze`: kept from run to run, and forgotten again where it has not been seen for long.

Words and patterns are added anew in the order in which they were learned, so that the parser is the one that it was.
"""
from __future__ import annotations

from collections.abc import Collection
from itertools import islice
from typing import Any

import numpy as np

from ..records import Template
from .drain import ANY
from .parser import Parser


class Newcomers:
    """Those of one parser, which is frozen."""

    def __init__(self, parser: Parser) -> None:
        self.parser = parser
        patterns = sum(ANY in words for _, words in parser.added)
        # what it has of its training stands first in both
        self._own = len(parser._groups.patterns) - patterns, len(parser._groups.events) - (len(parser.added) - patterns)

    def __len__(self) -> int:
        """How many it knows now."""
        return len(self.parser.templates) - self.parser.n_known - len(self.parser.free)

    @property
    def full(self) -> bool:
        """Whether what is new from now on has no template."""
        return len(self) >= self.parser.bounds.max_newcomers

    def present(self) -> np.ndarray:
        """Their event ids, rising."""
        return np.setdiff1d(np.arange(self.parser.n_known, len(self.parser.templates)), self.parser.free)

    def forget(self, events: Collection[int]) -> None:
        """Drop these: their lines are new again, their ids are given to others. No window may hold one of them."""
        parser, gone = self.parser, set(events)
        parser.free = sorted({*parser.free, *gone}, reverse=True)  # the lowest is taken first
        self._rebuild([(event, words) for event, words in parser.added if event not in gone])

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        parser = self.parser
        return {"templates": [list(template) for template in parser.templates[parser.n_known:]],
                "free": list(parser.free), "met": parser.met,
                "added": [[event, b" ".join(words).decode("latin-1")] for event, words in parser.added]}

    def from_json(self, values: dict[str, Any]) -> None:
        """Learn what `to_json` described. KeyError, TypeError or ValueError for what it did not write."""
        parser = self.parser
        parser.templates[parser.n_known:] = [Template(*template) for template in values["templates"]]
        parser.free, parser.met = list(values["free"]), values["met"]
        if any(not parser.n_known <= event < len(parser.templates) for event, _ in values["added"]):
            raise ValueError("words of an event that has no template")
        self._rebuild([(event, tuple(text.encode("latin-1").split(b" ")) if text else ()) for event, text in values["added"]])

    def _rebuild(self, added: list) -> None:
        parser = self.parser
        old, (patterns, events) = parser._groups, self._own
        parser._groups = old.emptied()
        for pattern, event in old.patterns[:patterns]:
            parser._groups.add(pattern, event)
        for words, event in islice(old.events.items(), events):
            parser._groups.add(words, event)
        for event, words in added:
            parser._groups.add(words, event)
        parser.added = added
        parser.version += 1
        for cache in parser._caches:
            cache.clear()
