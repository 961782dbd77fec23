"""A session through a workflow: where it may be after each event, and where it left.

Several places are possible at once (two tasks that begin alike), and a place in a block is one for each of its branches. A
set of places and an event give the next set; each such step is worked out once and remembered.
"""
from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

from ..records import PAD
from .graph import END, START, Workflow

ANYWHERE = -1  # the place before the first event of a window that was cut from something longer
NOT_YET, UNKNOWN_PLACE = -1, -2  # of a branch
REMEMBERED = 100_000  # steps: more only in logs that are no workflow

Place = int | tuple[int, tuple[int, ...]]  # a node outside of blocks or ANYWHERE; or a block and a node of each of its branches
Places = frozenset[Place]


class Course(NamedTuple):
    """What happened to one session."""

    departures: list[int]  # indices of events that could not follow
    left: Places  # where it was before the first of them, or at its end
    last: int  # index of the last event that was followed before, -1: none
    ended: bool  # its end could follow, too


class Follower:
    """Follows sessions through one workflow."""

    def __init__(self, workflow: Workflow) -> None:
        self.events, self.blocks = workflow.events.tolist(), workflow.blocks.tolist()
        self.branches = (workflow.branches - 1).tolist()
        self.after = [[(target, p) for target, _, p in edges] for edges in workflow.successors()]
        self.width = {block: 1 + max(b for b, own in zip(self.branches, self.blocks) if own == block) for block in set(self.blocks) - {0}}
        self.nodes = defaultdict(list)
        for node, event in enumerate(self.events[2:], 2):
            self.nodes[event].append(node)
        self.entries = defaultdict(dict)  # where a branch of a block begins, and how likely there
        for node, edges in enumerate(self.after):
            for target, p in edges:
                if self.blocks[target] != self.blocks[node]:
                    own = self.entries[self.blocks[target], self.branches[target]]
                    own[target] = max(p, own.get(target, 0.0))
        self.entries = {key: {node: p / sum(own.values()) for node, p in own.items()} for key, own in self.entries.items()}
        self.final = {node for node, edges in enumerate(self.after) if any(self.blocks[target] != self.blocks[node] for target, _ in edges)}
        self._steps: dict[Places, dict[int, Places]] = {}

    def course(self, events: list[int], cut: bool) -> Course:
        """Of the real events of one window. cut: it may begin in the middle of something."""
        if len(self._steps) > REMEMBERED:
            self._steps = {}
        places, departures, left, last = frozenset((START, ANYWHERE) if cut else (START,)), [], None, -1
        for i, event in enumerate(events):
            following = self._step(places, event)
            if not following:
                left = places if left is None else left
                departures.append(i)
                following = frozenset(self._at(node) for node in self.nodes.get(event, ())) or places
            elif left is None:
                last = i
            places = following
        return Course(departures, places if left is None else left, last, any(END in self._next_nodes(place) for place in places))

    def expected(self, places: Places) -> list[tuple[int, float]]:
        """Event ids that may follow, likeliest first, PAD for the end; shares of 1."""
        mass: dict[int, float] = defaultdict(float)
        for place in places:
            for node, p in self._next_nodes(place).items():
                mass[self.events[node] if node != END else PAD] += p
        total = sum(mass.values()) or 1.0
        return sorted(((event, p / total) for event, p in mass.items()), key=lambda each: (-each[1], each[0]))

    def _step(self, places: Places, event: int) -> Places:
        known = self._steps.setdefault(places, {})
        if event not in known:
            known[event] = frozenset(self._moved(place, node) for place in places for node in self._next_nodes(place)
                                     if self.events[node] == event and node != END)
        return known[event]

    def _next_nodes(self, place: Place) -> dict[int, float]:
        """The nodes that may follow a place, and how likely each is."""
        if place == ANYWHERE:
            return {node: 1.0 for node in range(END, len(self.events))}
        if not isinstance(place, tuple):
            return dict(self.after[place])
        block, at = place
        found: dict[int, float] = {}
        for branch, node in enumerate(at):
            if node == NOT_YET:
                found |= self.entries.get((block, branch), {})
            elif node == UNKNOWN_PLACE:
                found |= {n: 1.0 for n in range(len(self.events)) if self.blocks[n] == block and self.branches[n] == branch}
            else:
                found |= {target: p for target, p in self.after[node] if self.blocks[target] == block}
        if all(node == UNKNOWN_PLACE or node in self.final for node in at):
            found |= {target: p for node in at if node >= 0 for target, p in self.after[node] if self.blocks[target] != block}
        return found

    def _moved(self, place: Place, node: int) -> Place:
        """Where one is at `node`, having come from `place`."""
        block, branch = self.blocks[node], self.branches[node]
        if block == 0:
            return node
        if place == ANYWHERE:
            return self._at(node)
        at = place[1] if isinstance(place, tuple) and place[0] == block else (NOT_YET,) * self.width[block]
        return block, (*at[:branch], node, *at[branch + 1:])

    def _at(self, node: int) -> Place:
        """Where one is at `node`, coming from nowhere: in a block, its other branches may be anywhere."""
        block, branch = self.blocks[node], self.branches[node]
        return node if block == 0 else (block, tuple(node if i == branch else UNKNOWN_PLACE for i in range(self.width[block])))
