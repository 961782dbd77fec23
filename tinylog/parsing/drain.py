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
from itertools import repeat
from operator import itemgetter

import numpy as np

from .masks import WILDCARD
from .tokens import Line, Words

ANY = b"\n"  # takes any word; no word holds a newline
SLOT, NUMBERED, NAMED = 8, 4, 3
NAMING = frozenset(b"user group account host hostname domain program".split())
PLACES = 40  # the first words, among which variables are looked for
LAYOUT = 2  # words that agree beside the one that stands for a value
CROWDED = 300  # events in a leaf
SIMILAR = 0.6  # the share of equal words with which a line joins another in a crowded leaf

_LETTER = re.compile(rb"[A-Za-z\x80-\xff]")

Leaf = tuple[int, bytes]
Shape = tuple[Callable[[Words], object], dict[object, list[int]]]  # what finds the words that are not ANY, and the patterns that have them


class Drain:
    """Words to events; the numbers of the events are the caller's.

    `max_children` first words are told apart, per number of words; lines that begin otherwise share a leaf.
    """

    def __init__(self, max_children: int) -> None:
        self.max_children = max_children
        self.events: dict[Words, int] = {}
        self.patterns: list[tuple[Words, int]] = []  # words with ANY, and their event, in order of making
        self._shapes: dict[Leaf, dict[bytes, Shape]] = {}  # by where ANY stands: indices of patterns by their other words
        self._crowds: dict[Leaf, list[Words]] = {}  # up to CROWDED
        self._turns: Counter[Leaf] = Counter()  # how many there were
        self._hashes: dict[Leaf, np.ndarray] = {}  # (words, CROWDED) of the full ones
        self._children: Counter[int] = Counter()
        self._layouts: dict[Words, int] = {}  # tokens of lines that were learned, <*> for each value
        self._slots: dict[int, int] = {}  # how many fill a gap, by the hash of what stands around it
        self._last: tuple[Words, list[int], list[int]] = (), [], []  # `_filled` of these words

    def match(self, words: Words) -> int | None:
        """The event of these words, or None. Changes nothing."""
        event = self.events.get(words)
        if event is None:
            covering = self._covering(words)
            event = self.patterns[min(covering)][1] if covering else None
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
            shape = bytes([word == ANY for word in pattern])
            of, having = self._shapes.setdefault(leaf, {}).setdefault(shape, (_fixed(shape), {}))
            having.setdefault(of(pattern), []).append(len(self.patterns))
            self.patterns.append((pattern, event))
        else:
            self.events[pattern] = event
            self._crowd(leaf, pattern)
        gaps, filled = self._filled(pattern)
        self._slots.update(zip(gaps, [n + 1 for n in filled]))
        self._last = (), [], []

    def see(self, line: Line, event: int) -> None:
        """Remember how the words of a new event stand among its values, for `settle`."""
        self._layouts.setdefault(tuple([word or WILDCARD for word in line.kept]), event)

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
            covering = self._covering(words)
            if covering:
                yield event, self.patterns[min(covering)][1]
        for i, (pattern, event) in enumerate(self.patterns):
            yield from ((event, self.patterns[index][1]) for index in sorted(self._covering(pattern)) if index > i)

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

    def _covering(self, words: Words) -> list[int]:
        """Indices of the patterns that cover the words: one look-up for each way in which ANY stands in a leaf's patterns."""
        found: list[int] = []
        if words:
            n = len(words)
            for shapes in self._shapes.get((n, words[0])), self._shapes.get((n, ANY)):
                if shapes is not None:
                    for of, having in shapes.values():
                        found += having.get(of(words), ())
        return found

    def _leaf(self, words: Words) -> Leaf:
        leaf = len(words), words[0] if words else ANY
        if leaf not in self._crowds and self._children[leaf[0]] >= self.max_children:
            return leaf[0], ANY
        return leaf

    def _crowd(self, leaf: Leaf, words: Words) -> None:
        """The last CROWDED words of a leaf are those that others may join."""
        crowd, turn = self._crowds[leaf], self._turns[leaf] % CROWDED
        self._turns[leaf] += 1
        crowd[turn:turn + 1] = [words]
        if leaf in self._hashes:
            self._hashes[leaf][:, turn] = list(map(hash, words))

    def _generalised(self, words: Words) -> Words:
        """The words with a wildcard wherever enough others have filled the same gap."""
        _, filled = self._filled(words)
        if max(filled, default=0) + 1 >= NAMED:
            for i, n in zip(_places(words), filled):
                if n + 1 >= NAMED and n + 1 >= _enough(words, i):
                    return self._generalised(words[:i] + (ANY,) + words[i + 1:])
        return words

    def _filled(self, words: Words) -> tuple[list[int], list[int]]:
        """The gaps of these words, and how many have filled each."""
        if self._last[0] != words:
            gaps = _gaps(words)
            self._last = words, gaps, list(map(self._slots.get, gaps, repeat(0)))
        return self._last[1:]

    def _joined(self, words: Words, first_event: int) -> tuple[Words, int | None]:
        """Drain's own step: the most similar of the leaf, a pattern before plain words, widened to cover these too."""
        leaf = self._leaf(words)
        shapes = self._shapes.get(leaf, {}).values()
        patterns = [self.patterns[index] for index in sorted(index for _, having in shapes for some in having.values() for index in some)]
        open_patterns = [row for row in patterns if row[1] >= first_event]
        pattern = max(open_patterns, key=lambda row: _equal(row[0], words), default=((), None))
        for near, event in pattern, (self._nearest(leaf, words), None):
            if near and _equal(near, words) >= int(SIMILAR * len(words)):
                return tuple([mine if mine == theirs else ANY for mine, theirs in zip(near, words)]), event
        return words, None

    def _nearest(self, leaf: Leaf, words: Words) -> Words:
        """Of a full crowd the words that agree in most places; its hashes are compared at once."""
        if leaf not in self._hashes:
            self._hashes[leaf] = np.array([list(map(hash, place)) for place in zip(*self._crowds[leaf])])
        equal = self._hashes[leaf] == np.array([[hash(word)] for word in words])
        return self._crowds[leaf][int(equal.sum(0, dtype=np.int16).argmax())]


def _enough(words: Words, i: int) -> int:
    """How many words make the place i a variable."""
    if words[i - 1].lower() in NAMING:
        return NAMED
    return NUMBERED if WILDCARD in words[i] else SLOT


def _fixed(shape: bytes) -> Callable[[Words], object]:
    places = [i for i, is_any in enumerate(shape) if not is_any]
    return itemgetter(*places) if places else len


def _equal(pattern: Words, words: Words) -> int:
    return sum(map(bytes.__eq__, pattern, words))


def _gaps(words: Words) -> list[int]:
    """Each place that may be a variable, as a hash of what is around it. The first word never is: it names the line."""
    hashes = list(map(hash, enumerate(words[:PLACES])))
    around = sum(hashes) + hash(words[PLACES:])
    if ANY in words:
        return [around - hashes[i] for i in _places(words)]
    return [around - one for one in hashes[1:]]


def _places(words: Words) -> list[int]:
    return [i for i, word in enumerate(words[:PLACES]) if i and word != ANY]
