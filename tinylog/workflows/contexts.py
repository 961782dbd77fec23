"""Segments that several tasks share: an event is as many nodes as its longer histories have separate futures.

An item (event or block) that may go on in several ways is looked at with one item more of its history, then two, ...: where
that parts its possible followers into groups without a common one, the longer history tells the tasks apart, and the event is
split. The suffixes that do so are kept with all their beginnings, so that every next node is known from the node before
(a probabilistic suffix automaton: Ron, Singer, Tishby, Machine Learning 1996). A suffix holds no item twice: loops are not unrolled.
"""
from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

Suffix = tuple[int, ...]

BEGIN = 0  # the item before the first
SUPPORT = 0.05  # share of an item's occurrences that a future of its own must have, at least


class Place(NamedTuple):
    """An item of a session."""

    items: Suffix  # all of the session, BEGIN first
    at: int
    followers: frozenset[int]  # what may come next
    weight: float


def separating(places: Iterable[Place], longest: int) -> frozenset[Suffix]:
    """The suffixes that are nodes of their own, of `longest` items at most, given every place of the sessions."""
    of: dict[int, list[Place]] = defaultdict(list)
    for place in places:
        of[place.items[place.at]].append(place)
    kept: set[Suffix] = set()
    for where in of.values():
        kept |= _split(where, 1, longest)
    return frozenset(suffix[:length] for suffix in kept for length in range(2, len(suffix) + 1))


def context(items: Sequence[int], at: int, kept: frozenset[Suffix], longest: int) -> Suffix:
    """The longest kept suffix of items[:at + 1]; the item alone where none is kept."""
    for length in range(min(longest, at + 1), 1, -1):
        if tuple(items[at + 1 - length:at + 1]) in kept:
            return tuple(items[at + 1 - length:at + 1])
    return (items[at],)


def _split(places: list[Place], known: int, longest: int) -> set[Suffix]:
    """Suffixes longer than `known` that part the followers at these places, which have their last `known` items in common."""
    if len(_followers(places)) < 2:
        return set()
    for length in range(known + 1, longest + 1):
        groups: dict[Suffix, list[Place]] = defaultdict(list)
        for place in places:
            groups[_suffix(place.items, place.at, length)].append(place)
        if len(_parts(list(groups.values()))) > 1:
            longer = {suffix for suffix in groups if len(suffix) == length}
            return longer.union(*(_split(groups[suffix], length, longest) for suffix in longer))
    return set()


def _suffix(items: Suffix, at: int, length: int) -> Suffix:
    """The last `length` items up to `at`, fewer where the log or a repetition ends them."""
    first = at
    while first > max(at + 1 - length, 0) and items[first - 1] not in items[first:at + 1]:
        first -= 1
    return items[first:at + 1]


def _followers(places: list[Place]) -> frozenset[int]:
    return frozenset().union(*(place.followers for place in places))


def _parts(groups: list[list[Place]]) -> list[frozenset[int]]:
    """The followers of the groups, joined where two have one in common; those with little support are none."""
    parts: list[tuple[frozenset[int], float]] = []
    for group in groups:
        some, weight = _followers(group), sum(place.weight for place in group)
        near = [part for part in parts if part[0] & some]
        parts = [part for part in parts if part not in near]
        parts.append((some.union(*(part[0] for part in near)), weight + sum(part[1] for part in near)))
    total = sum(weight for _, weight in parts)
    return [followers for followers, weight in parts if weight >= SUPPORT * total]
