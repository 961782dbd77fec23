"""Workflow from a key model: its probabilities of the next event say where a path divides, and why (DeepLog, sections 4.1 and 4.2).

    candidates   events with P(event | history) > epsilon, for every history of training
    concurrency  of two candidates each is tried: where the other still comes after a few steps, their order is free.
                 Not so if the same event lies on both ways: that is a loop with a choice in it, nor if no session has it so
    shared       candidates that a longer history parts (contexts.py)
    branch, new task, loop   the rest (assembly.py)

A step of training that the model holds for less likely than `rare` is noise and leaves no edge.
"""
from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator

import numpy as np

from ..records import FIRST_EVENT, PAD
from .assembly import assemble
from .blocks import FREE, Block, Sequences, blocks_of, itemised, unordered
from .contexts import BEGIN, Place, separating
from .graph import Workflow

NextProbabilities = Callable[[list[tuple[int, ...]]], np.ndarray]  # N histories -> (N, n_events), PAD: the end of the session

STEPS = 4  # that are tried until the other candidate must have come
PROBES = 5000  # histories that are tried, the most frequent ones
CHUNK = 512  # histories that are asked for at once


def from_model(sequences: Sequences, weights: np.ndarray, next_probabilities: NextProbabilities, *, epsilon: float, rare: float,
               history: int, longest: int, whole: bool = True) -> Workflow:
    """The workflow of sessions (B,) and how often each occurs (B,).

    history: events that the model looks at; longest: items of a context. whole: the sessions' beginnings and ends are true ones, which
    the model knows; otherwise any may be one.
    """
    model = _Model(sequences, weights, next_probabilities, epsilon, history)
    blocks = blocks_of(model.concurrent(sequences, weights))
    believed = [model.of_steps(sequence) > rare for sequence in sequences]
    if not whole:
        for steps in believed:
            steps[[0, -1]] = True
    kept = separating(_places(sequences, weights, blocks, model), longest)
    return assemble(sequences, weights, blocks, rare=rare, kept=kept, longest=longest, believed=believed)


def _places(sequences: Sequences, weights: np.ndarray, blocks: list[Block], model: _Model) -> Iterator[Place]:
    """Every item of the sessions and what the model expects behind it, blocks as items."""
    of = {event: -number for number, block in enumerate(blocks, 1) for event in block.events}
    for sequence, weight in zip(sequences, weights.tolist()):
        items = itemised(sequence, blocks)
        whats = (BEGIN, *(item.what for item in items))
        for at, item in enumerate(items, 1):
            yield Place(whats, at, frozenset(of.get(event, event) for event in model.candidates(sequence[:item.stop])), weight)


class _Model:
    """The probabilities behind every history of the sessions, asked for once."""

    def __init__(self, sequences: Sequences, weights: np.ndarray, next_probabilities: NextProbabilities, epsilon: float, history: int):
        self.ask, self.epsilon, self.history = next_probabilities, epsilon, history
        self.weight: Counter[tuple[int, ...]] = Counter()
        for sequence, weight in zip(sequences, weights.tolist()):
            for at in range(len(sequence) + 1):
                self.weight[self._last(sequence[:at])] += weight
        self.rows = dict(zip(self.weight, self._asked(list(self.weight))))

    def candidates(self, before: tuple[int, ...]) -> frozenset[int]:
        """The events that may follow, PAD for the end."""
        return frozenset(np.flatnonzero(self.rows[self._last(before)] > self.epsilon).tolist())

    def of_steps(self, sequence: tuple[int, ...]) -> np.ndarray:
        """(T + 1,): the probability of each event of a session, and of its end."""
        return np.array([self.rows[self._last(sequence[:at])][event] for at, event in enumerate((*sequence, PAD))])

    def concurrent(self, sequences: Sequences, weights: np.ndarray) -> list[tuple[int, int]]:
        """Pairs of events whose order is free."""
        n = len(next(iter(self.rows.values())))
        frequency = np.zeros(n)
        for sequence, weight in zip(sequences, weights):
            frequency[list(set(sequence))] += weight
        both = unordered(sequences, weights, n)
        mass, ways = self._tried()
        pairs = []
        for x, y in mass:
            if x > y or not both[x, y] or min(mass[x, y], mass.get((y, x), 0)) < FREE * min(frequency[x], frequency[y]):
                continue
            on_x, on_y = ({event for event, m in ways[pair].items() if 2 * m > mass[pair]} for pair in ((x, y), (y, x)))
            if not on_x & on_y:
                pairs += [(a, b) for a in on_x for b in on_y if both[a, b]]
        return pairs

    def _tried(self) -> tuple[dict, dict]:
        """For candidates (x, y) of a history: how often x came and then y, and which events came before y, x among them."""
        tried = [(before, first) for before, _ in self.weight.most_common(PROBES)
                 for first in self.candidates(before) if first != PAD and len(self.candidates(before) - {PAD}) > 1]
        mass: dict[tuple[int, int], float] = defaultdict(float)
        ways: dict[tuple[int, int], Counter[int]] = defaultdict(Counter)
        left = [(before, (first,), self.candidates(before) - {PAD, first}) for before, first in tried]
        for _ in range(STEPS):
            goes_on = []
            for (before, way, others), row in zip(left, self._asked([before + way for before, way, _ in left])):
                weight = self.weight[before] * float(self.rows[before][way[0]])
                for other in (come := {other for other in others if row[other] > self.epsilon}):
                    mass[way[0], other] += weight
                    ways[way[0], other].update(dict.fromkeys(way, weight))
                likeliest = int(row.argmax())
                if likeliest >= FIRST_EVENT and others - come:
                    goes_on.append((before, (*way, likeliest), others - come))
            left = goes_on
        return mass, ways

    def _asked(self, histories: list[tuple[int, ...]]) -> list[np.ndarray]:
        """The row of each history; those of one length are asked for together."""
        order = sorted(range(len(histories)), key=lambda i: len(histories[i]))
        rows: dict[int, np.ndarray] = {}
        for at in range(0, len(order), CHUNK):
            some = order[at:at + CHUNK]
            rows.update(zip(some, self.ask([self._last(histories[i]) for i in some])))
        return [rows[i] for i in range(len(histories))]

    def _last(self, events: tuple[int, ...]) -> tuple[int, ...]:
        return events[-self.history:]
