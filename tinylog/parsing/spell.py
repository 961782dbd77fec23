"""Events by their longest common subsequence: Spell (Du, Li, ICDM 2016), streaming, on the words that tokens.py leaves.

    template   words of a line; of the lines that joined it, what they have in common, in order; others may stand anywhere between
    covers     its words are a subsequence of the line's words, and at least tau as many      (the order counts)
    joins      else the template with the longest common subsequence, if that has at least tau of the line's words; what they
               have in common is the template from then on. Of equals the shortest, then the first
    else       the line is a template of its own

What differs from the paper. Its tau, .5, is a share of all tokens, values too. Of words alone, half of them joins what should
stay apart: on ten systems of LogHub the mean grouping accuracy is .53 at tau .5, .78 at .75, .94 at .9 (train_ref/
compare_parsers.py). And a line that was learned keeps its event, whatever comes: a widened template does not replace the one
before, and of all that cover a line **the first that was made** has it. The paper's prefix tree finds one of them by going down
greedily, which may miss what is there, and backtracking once finds another one when the tree has grown. Here every node knows
the oldest template below it, and nodes are visited in this order, at most VISITS: a branch that is added later comes behind all
that there were, so that what was found stays found.

Bounds: VISITS nodes a line, POSTINGS events a word, CANDIDATES longest common subsequences a new line; these by bit masks
(Crochemore et al. 2001): a line of n words costs n additions of numbers of as many bits as the template has words.
"""
from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from heapq import heappop, heappush

from .masks import WILDCARD
from .tokens import Line, Words

ANY = b"\n"  # at the end of a template: what tells it from the words of a line, none of which holds a newline
TAU = 0.9
VISITS = 256
POSTINGS = 200
CANDIDATES = 20


class _Node:
    """Of the prefix tree: what follows, the template that ends here, and the oldest at or below here."""

    __slots__ = ("children", "index", "oldest")

    def __init__(self, oldest: int) -> None:
        self.children: dict[bytes, _Node] = {}
        self.index: int | None = None
        self.oldest = oldest


class Spell:
    """Words to events, as Drain has it: the numbers of the events are the caller's. tau: the share of words that decides."""

    def __init__(self, tau: float = TAU) -> None:
        self.tau = tau
        self.events: dict[Words, int] = {}  # the words of each line that was learned
        self.patterns: list[tuple[Words, int]] = []  # templates with ANY in their gaps, and their event, in order of making
        self._root = _Node(0)
        self._current: dict[int, Words] = {}  # the words of each event's last template
        self._having: dict[bytes, list[int]] = {}  # the events whose last template has, or once had, a word

    def match(self, words: Words) -> int | None:
        """The event of these words, or None. Changes nothing."""
        event = self.events.get(words)
        if event is None:
            index = self._covering(words)
            event = None if index is None else self.patterns[index][1]
        return event

    def propose(self, words: Words, first_event: int) -> tuple[Words, int | None]:
        """For words that match nothing: what to `add` for them, and the event that they join, None for a new one.

        Events below `first_event` are closed: they are not joined.
        """
        best, rank = None, (0, 0)
        for event in self._candidates(words, first_event):
            theirs = self._current[event]
            common = lcs_length(words, theirs)
            # As many as theirs: the template covers the line and was not found in VISITS. It would gain nothing.
            if self.tau * len(words) <= common < len(theirs) and (common, -len(theirs)) > rank:
                best, rank = event, (common, -len(theirs))
        if best is not None:
            return (*lcs(words, self._current[best]), ANY), best
        return ((*words, ANY) if words else words), None

    def add(self, pattern: Words, event: int) -> None:
        """Words, or a template with ANY in it that becomes the last in order, of this event."""
        if ANY not in pattern:
            self.events[pattern] = event
            return
        index, node, constants = len(self.patterns), self._root, pattern[:-1]
        self.patterns.append((pattern, event))
        for word in constants:
            if word not in node.children:
                node.children[word] = _Node(index)
            node = node.children[word]
        node.index = index if node.index is None else node.index
        self._current[event] = constants
        for word in set(constants):
            having = self._having.setdefault(word, [])
            if len(having) < POSTINGS and event not in having:
                having.append(event)

    def see(self, line: Line, event: int) -> None:
        """Spell looks at nothing but words."""

    def settle(self) -> None:
        """Nothing is left for the end of training."""

    def merges(self) -> Iterator[tuple[int, int]]:
        """Pairs of events that are one: they have come to the same template."""
        first: dict[Words, int] = {}
        for event, constants in self._current.items():
            if first.setdefault(constants, event) != event:
                yield event, first[constants]

    def renumbered(self, new: dict[int, int]) -> Spell:
        """The same with other event numbers, without the words for which a template gives the same answer."""
        other = Spell(self.tau)
        for pattern, event in self.patterns:
            other.add(pattern, new[event])
        for words, event in self.events.items():
            if other.match(words) != new[event]:
                other.add(words, new[event])
        return other

    def emptied(self) -> Spell:
        """One that knows nothing yet."""
        return Spell(self.tau)

    def of(self, event: int) -> list[Words]:
        """The templates of an event, widest first, and its words."""
        return [pattern for pattern, mine in reversed(self.patterns) if mine == event] + \
               [words for words, mine in self.events.items() if mine == event]

    def _covering(self, words: Words) -> int | None:
        """The index of the oldest template that covers the words, among those that VISITS nodes lead to."""
        found, least, heap = None, self.tau * len(words), [(0, 0, 0, self._root)]
        for _ in range(VISITS):
            if not heap or found is not None and heap[0][0] > found:
                break
            _, depth, at, node = heappop(heap)  # no two have the same oldest
            if node.index is not None and depth >= least and (found is None or node.index < found):
                found = node.index
            seen = set()
            for i in range(at, len(words)):
                if depth + len(words) - i < least:
                    break  # too few words are left
                child = node.children.get(words[i])
                if child is not None and words[i] not in seen:
                    seen.add(words[i])
                    heappush(heap, (child.oldest, depth + 1, i + 1, child))
        return found

    def _candidates(self, words: Words, first_event: int) -> list[int]:
        """The open events that have the most of the words, in whatever order."""
        having = Counter(event for word in dict.fromkeys(words) for event in self._having.get(word, ()) if event >= first_event)
        return sorted(having, key=lambda event: (-having[event], event))[:CANDIDATES]


def shown(line: Line, pattern: Words) -> str:
    """The text of a template, as this line has it: one <*> for each gap of words that are not the template's."""
    texts: list[bytes] = []
    at = found = 0
    in_gap = False
    for token in line.tokens:
        is_word = at < len(line.words) and token == line.words[at]
        at += is_word
        if is_word and token == pattern[found] and pattern[found] != ANY:
            found += 1
            in_gap = False
        elif is_word:
            token, in_gap = WILDCARD, True
        if not (in_gap and texts and texts[-1] == WILDCARD):
            texts.append(WILDCARD if in_gap else token)
    return b" ".join(texts).decode("utf-8", "backslashreplace")


def lcs_length(a: Words, b: Words) -> int:
    """How many words the longest common subsequence has."""
    return len(b) - bin(_rows(a, b)[-1]).count("1")


def lcs(a: Words, b: Words) -> Words:
    """A longest common subsequence."""
    rows, common = _rows(a, b), []
    i, j = len(a), len(b)
    while i and j:
        if a[i - 1] == b[j - 1]:
            common.append(a[i - 1])
            i, j = i - 1, j - 1
        elif _zeros(rows[i - 1], j) >= _zeros(rows[i], j - 1):
            i -= 1
        else:
            j -= 1
    return tuple(reversed(common))


def _rows(a: Words, b: Words) -> list[int]:
    """A number for each beginning of a: its first j bits have as many zeros as it has words in common with the first j of b."""
    masks: dict[bytes, int] = {}
    for j, word in enumerate(b):
        masks[word] = masks.get(word, 0) | 1 << j
    ones = (1 << len(b)) - 1
    rows = [ones]
    for word in a:
        row = rows[-1]
        both = row & masks.get(word, 0)
        rows.append((row + both | row - both) & ones)
    return rows


def _zeros(row: int, j: int) -> int:
    return j - bin(row & (1 << j) - 1).count("1")
