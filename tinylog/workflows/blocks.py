"""Concurrency: from pairs of events that come in any order to blocks of branches, and sessions in which a block is one item.

Events joined by pairs are one block. In it, two events that are no pair have an order, so that they are one branch (the
parallel cut of process mining: Leemans et al., Petri Nets 2013). A block stands in a session where a stretch of its
events has some of every branch; other stretches of them are events like any other.
"""
from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

Sequences = Sequence[tuple[int, ...]]

TOGETHER = 0.95  # share of the sessions with one of two concurrent events that have the other as well
FREE = 0.05  # share of sessions that have either of them first, at least


class Block(NamedTuple):
    """Branches that run at the same time, each a set of events."""

    branches: tuple[frozenset[int], ...]

    @property
    def events(self) -> frozenset[int]:
        return frozenset().union(*self.branches)


class Item(NamedTuple):
    """An event of a session, or a stretch of it that went through a block."""

    what: int  # the event id, or -number of the block, from 1
    start: int
    stop: int


def unordered(sequences: Sequences, weights: np.ndarray, n_events: int) -> np.ndarray:
    """(n_events, n_events) bool: both events occur in nearly all sessions that have either, and either of them comes first."""
    place = np.full((len(sequences), n_events), np.inf)  # of the first one
    for row, sequence in zip(place, sequences):
        for at in range(len(sequence) - 1, -1, -1):
            row[sequence[at]] = at
    has = np.isfinite(place)
    both = (has * weights[:, None]).T @ has
    first = np.stack([weights @ ((place[:, [event]] < place) & has) for event in range(n_events)])  # before the other one
    alone = np.maximum(np.diag(both), 1e-9)
    together = both >= TOGETHER * np.maximum(alone[:, None], alone)
    return together & (np.minimum(first, first.T) >= FREE * both) & (both > 0)


def blocks_of(pairs: Iterable[tuple[int, int]]) -> list[Block]:
    """The blocks that pairs of concurrent events make, those with the smallest event first."""
    concurrent = {frozenset(pair) for pair in pairs}
    members = set().union(*concurrent) if concurrent else set()
    found = []
    for events in _components(members, lambda x, y: frozenset((x, y)) in concurrent):
        branches = _components(events, lambda x, y: frozenset((x, y)) not in concurrent)
        if len(branches) > 1:
            found.append(Block(tuple(map(frozenset, branches))))
    return found


def itemised(sequence: tuple[int, ...], blocks: Sequence[Block]) -> list[Item]:
    """A session as items, in order."""
    of = {event: number for number, block in enumerate(blocks, 1) for event in block.events}
    items, at = [], 0
    while at < len(sequence):
        number, stop = of.get(sequence[at]), at + 1
        while number and stop < len(sequence) and of.get(sequence[stop]) == number:
            stop += 1
        if number and all(branch.intersection(sequence[at:stop]) for branch in blocks[number - 1].branches):
            items.append(Item(-number, at, stop))
        else:
            items += [Item(sequence[i], i, i + 1) for i in range(at, stop)]
        at = stop
    return items


def _components(members: Iterable[int], joined) -> list[list[int]]:
    """Members joined to one another, directly or by others; sorted."""
    left, found = sorted(members), []
    while left:
        group, rest = [left[0]], left[1:]
        for member in group:  # it grows meanwhile
            near = [other for other in rest if joined(member, other)]
            group += near
            rest = [other for other in rest if other not in near]
        found.append(sorted(group))
        left = rest
    return found
