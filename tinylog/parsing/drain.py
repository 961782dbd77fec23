"""Events by their words: Drain (He, Zhu, Zheng, Lyu, ICWS 2017) with statistics in place of one similarity for all.

Drain's tree has fixed depth: number of words, then first word, then a short list of patterns; a line joins the
pattern that shares enough of its words, and where they differ the pattern gets a wildcard. One threshold is too
blunt: "Link ok" and "Link error" are two events, "session closed for user news" and "... user test" are one. Here,
of the words that tokens.py leaves,

* the same words are the same event;
* a place where `SLOT` lines differ that agree in all else is a variable (`NUMBERED` where the words hold numbers,
  `NAMED` behind a word that announces a name): the last of them makes a pattern with a wildcard there, which takes
  in all that follow;
* a word is a variable where another line of the same tokens has a value and `LAYOUT` words agree;
* only in a leaf that is crowded does Drain's similarity decide, so that a log of free text does not grow without end.

The third needs all lines: `settle` does it at the end of training.

Words and patterns are only ever added. A line belongs to the event of its own words, else to the first pattern in
order of making that covers it: what was learned keeps its event, whatever comes. `merges` tells which events later
patterns turned out to cover.
"""
from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from operator import itemgetter

import numpy as np

from .masks import WILDCARD
from .tokens import Words

ANY = b"\n"  # takes any word; no word holds a newline
SLOT, NUMBERED, NAMED = 8, 4, 3
NAMING = frozenset(b"user group account host hostname domain program".split())
LAYOUT = 2  # words that agree beside the one that stands for a value
CROWDED = 300  # events in a leaf
SIMILAR = 0.6  # the share of equal words with which a line joins another in a crowded leaf

_LETTER = re.compile(rb"[A-Za-z\x80-\xff]")

Leaf = tuple[int, bytes]


class Drain:
    """Words to events; the numbers of the events are the caller's.

    `max_children` first words are told apart, per number of words; lines that begin otherwise share a leaf.
    """

    def __init__(self, max_children: int) -> None:
        self.max_children = max_children
        self.events: dict[Words, int] = {}
        self.patterns: list[tuple[Words, int]] = []  # words with ANY, and their event, in order of making
        self._fixed: list[tuple[Callable[[Words], object], object]] = []  # what finds their words other than ANY, and these
        self._leaves: dict[Leaf, list[int]] = {}  # indices of patterns
        self._crowds: dict[Leaf, list[Words]] = {}  # up to CROWDED
        self._hashes: dict[Leaf, np.ndarray] = {}  # (CROWDED, words) of the full ones
        self._children: Counter[int] = Counter()
        self._layouts: dict[Words, int] = {}  # tokens of lines that were learned, <*> for each value
        self._slots: Counter[int] = Counter()  # how many fill a gap, by the hash of what stands around it

    def match(self, words: Words) -> int | None:
        """The event of these words, or None. Changes nothing."""
        event = self.events.get(words)
        if event is None:
            index = next(self._covering(words), None)
            event = None if index is None else self.patterns[index][1]
        return event

    def propose(self, words: Words, first_event: int) -> tuple[Words, int | None]:
        """For words that match nothing: what to `add` for them, and the event that they join, None for a new one.

        Events below `first_event` are closed: they are not joined.
        """
        pattern = self._generalised(words)
        if pattern == words and len(self._crowds.get(self._leaf(words), ())) >= CROWDED:
            return self._joined(words, first_event)
        return pattern, None

    def add(self, pattern: Words, event: int) -> None:
        """Words, or a pattern that becomes the last in order, of this event."""
        leaf = self._leaf(pattern)
        if leaf not in self._crowds:
            self._crowds[leaf] = []
            self._children[leaf[0]] += 1
        if ANY in pattern:
            self._leaves.setdefault(leaf, []).append(len(self.patterns))
            self._fixed.append(_fixed(pattern))
            self.patterns.append((pattern, event))
        else:
            self.events[pattern] = event
            if len(self._crowds[leaf]) < CROWDED:
                self._crowds[leaf].append(pattern)
        self._slots.update([slot for _, slot in _gaps(pattern)])

    def see(self, tokens: list[bytes], words: Words, event: int) -> None:
        """Remember how the words of a new event stand among its values, for `settle`."""
        self._layouts.setdefault(_layout(tokens, words), event)

    def settle(self) -> None:
        """Make a pattern of every word that stands where another line has a value."""
        found: dict[tuple[Words, int], None] = {}  # a set in order
        for layout in self._layouts:
            places = [i for i, token in enumerate(layout) if token != WILDCARD]
            for i in places:
                event = self._layouts.get(layout[:i] + (WILDCARD,) + layout[i + 1:])
                if event is not None and len(places) > LAYOUT and _LETTER.search(layout[i]):
                    found[tuple([ANY if j == i else layout[j] for j in places]), event] = None
        for pattern, event in found:
            self.add(pattern, event)

    def merges(self) -> Iterator[tuple[int, int]]:
        """Pairs of events that are one: a pattern of the second covers words, or an earlier pattern, of the first."""
        for words, event in self.events.items():
            for index in self._covering(words):
                yield event, self.patterns[index][1]
                break
        for i, (pattern, event) in enumerate(self.patterns):
            yield from ((event, self.patterns[index][1]) for index in self._covering(pattern) if index > i)

    def renumbered(self, new: dict[int, int]) -> Drain:
        """The same with other event numbers, without the words for which a pattern gives the same answer."""
        other = self.emptied()
        for pattern, event in self.patterns:
            other.add(pattern, new[event])
        for words, event in self.events.items():
            if other.match(words) != new[event]:
                other.add(words, new[event])
        return other

    def emptied(self) -> Drain:
        """One that knows nothing yet, with the same bounds."""
        return Drain(self.max_children)

    def of(self, event: int) -> list[Words]:
        """The patterns of an event, widest first, and its words."""
        return [pattern for pattern, mine in reversed(self.patterns) if mine == event] + \
               [words for words, mine in self.events.items() if mine == event]

    def _covering(self, words: Words) -> Iterator[int]:
        """Indices of the patterns that cover the words, in order."""
        if words:
            named, free = self._leaves.get((len(words), words[0]), ()), self._leaves.get((len(words), ANY), ())
            for index in sorted([*named, *free]) if named and free else named or free:
                of, fixed = self._fixed[index]
                if of(words) == fixed:
                    yield index

    def _leaf(self, words: Words) -> Leaf:
        leaf = len(words), words[0] if words else ANY
        if leaf not in self._crowds and self._children[leaf[0]] >= self.max_children:
            return leaf[0], ANY
        return leaf

    def _generalised(self, words: Words) -> Words:
        """The words with a wildcard wherever enough others have filled the same gap."""
        for i, slot in _gaps(words):
            filled = self._slots.get(slot, 0) + 1
            if filled >= NAMED and filled >= _enough(words, i):
                return self._generalised(words[:i] + (ANY,) + words[i + 1:])
        return words

    def _joined(self, words: Words, first_event: int) -> tuple[Words, int | None]:
        """Drain's own step: the most similar of the leaf, a pattern before plain words, widened to cover these too."""
        leaf = self._leaf(words)
        patterns = [self.patterns[index] for index in self._leaves.get(leaf, ())]
        open_patterns = [row for row in patterns if row[1] >= first_event]
        pattern = max(open_patterns, key=lambda row: _equal(row[0], words), default=((), None))
        for near, event in pattern, (self._nearest(leaf, words), None):
            if near and _equal(near, words) >= int(SIMILAR * len(words)):
                return tuple([mine if mine == theirs else ANY for mine, theirs in zip(near, words)]), event
        return words, None

    def _nearest(self, leaf: Leaf, words: Words) -> Words:
        """Of a crowd, which no longer grows, the words that agree in most places; its hashes are compared at once."""
        if leaf not in self._hashes:
            self._hashes[leaf] = np.array([list(map(hash, row)) for row in self._crowds[leaf]])
        equal = self._hashes[leaf] == np.array(list(map(hash, words)))
        return self._crowds[leaf][int(equal.sum(1).argmax())]


def _layout(tokens: list[bytes], words: Words) -> Words:
    """The tokens with <*> for each that is no word."""
    layout, at = [], 0
    for token in tokens:
        is_word = at < len(words) and token == words[at]
        at += is_word
        layout.append(token if is_word else WILDCARD)
    return tuple(layout)


def _enough(words: Words, i: int) -> int:
    """How many words make the place i a variable."""
    if words[i - 1].lower() in NAMING:
        return NAMED
    return NUMBERED if WILDCARD in words[i] else SLOT


def _fixed(pattern: Words) -> tuple[Callable[[Words], object], object]:
    places = [i for i, word in enumerate(pattern) if word != ANY]
    of = itemgetter(*places) if places else len
    return of, of(pattern)


def _equal(pattern: Words, words: Words) -> int:
    return sum(map(bytes.__eq__, pattern, words))


def _gaps(words: Words) -> list[tuple[int, int]]:
    """Each place that may be a variable, by a hash of what is around it. The first word never is: it names the line."""
    hashes = [hash(placed) for placed in enumerate(words)]
    around = sum(hashes)
    return [(i, around - hashes[i]) for i in range(1, len(words)) if words[i] != ANY]
