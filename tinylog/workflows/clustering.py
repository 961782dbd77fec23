"""Workflow without a network: how densely events follow one another (DeepLog, section 4.3).

    q_d(i, j) = share of i's occurrences with j among the next d events

The paper's p_d is q_d / d, in which a follower that is always there has 1/d; here it keeps 1.

    concurrent  the likeliest followers of an event, together above the density, while none is alone; each comes oftener
                within two steps than within one, and either is the first one in some sessions
    task        a chain i, j, ... in which q_1 of neighbours, q_2 of next neighbours, ... are above the density; grown at
                both ends from each event, parts of longer chains left out. Where a path divides, each follower begins one

Events have one node each: tasks that share a segment are not told apart behind it, which a key model's histories do. A step of
two events that are always neighbours does not run at the same time as another (within two steps the other one does not come).
"""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..records import FIRST_EVENT
from .assembly import assemble
from .blocks import Sequences, blocks_of, itemised, unordered
from .graph import Workflow

DISTANCE = 5  # D
GROWTH = 0.05  # of q_2 over q_1, at least

Chain = tuple[int, ...]


def clustered(sequences: Sequences, weights: np.ndarray, n_events: int, *, density: float, rare: float) -> Workflow:
    """The workflow of sessions (B,) and how often each occurs (B,). density: tau of the paper; rare: share of steps that are none."""
    pairs = concurrent(followed(sequences, weights, n_events, 2), unordered(sequences, weights, n_events), density)
    blocks = blocks_of(pairs)
    items = [[item.what for item in itemised(sequence, blocks)] for sequence in sequences]
    kinds = list(dict.fromkeys(what for what_is in items for what in what_is))
    number = {what: i for i, what in enumerate(kinds)}
    chains = tasks(followed([[number[what] for what in row] for row in items], weights, len(kinds), DISTANCE), density)
    own: dict[int, int] = {}
    for chain in chains:
        task = max(own.values(), default=0) + 1
        own |= {kinds[i]: task for i in chain if kinds[i] not in own}
    return assemble(sequences, weights, blocks, rare=rare, tasks=own)


def followed(sequences: Sequence[Sequence[int]], weights: np.ndarray, n: int, distance: int) -> np.ndarray:
    """(distance, n, n) float64: q_1, q_2, ..."""
    counts, total = np.zeros((distance, n, n)), np.zeros(n)
    for sequence, weight in zip(sequences, weights.tolist()):
        for at, event in enumerate(sequence):
            total[event] += weight
            met: set[int] = set()
            for d, other in enumerate(sequence[at + 1:at + 1 + distance]):
                if other not in met:
                    counts[d:, event, other] += weight
                    met.add(other)
    return counts / np.maximum(total[:, None], 1e-9)


def concurrent(q: np.ndarray, both: np.ndarray, density: float) -> list[tuple[int, int]]:
    """Pairs of events that follow in any order. both: see blocks.unordered."""
    near, pairs = q[0], set()
    for event in range(FIRST_EVENT, len(near)):
        others = [other for other in _likeliest(near[event], density)
                  if other != event and q[1][event, other] > near[event, other] + GROWTH]
        pairs |= {(x, y) for x in others for y in others if x < y and both[x, y]}
    return sorted(pairs)


def tasks(q: np.ndarray, density: float) -> list[Chain]:
    """Chains of items, those that begin first in the sessions first; items are numbered by appearance."""
    found = {_grown((i,), q, density) for i in range(len(q[0]))}
    whole = [chain for chain in found if not any(chain != other and _within(chain, other) for other in found)]
    return sorted(whole, key=lambda chain: (chain[0], -len(chain), chain))


def _grown(chain: Chain, q: np.ndarray, density: float) -> Chain:
    """As long as one item fits behind its tail or before its head."""
    while True:
        near = min(len(chain), len(q))
        behind = np.min([q[d][chain[-1 - d]] for d in range(near)], 0)
        before = np.min([q[d][:, chain[d]] for d in range(near)], 0)
        for fit, grow in ((behind, lambda x: (*chain, x)), (before, lambda x: (x, *chain))):
            x = int(fit.argmax())
            if fit[x] > density and x not in chain:
                chain = grow(x)
                break
        else:
            return chain


def _likeliest(shares: np.ndarray, density: float) -> list[int]:
    """The fewest followers that are more than `density` together; none where all are less."""
    order = np.argsort(-shares, kind="stable")
    enough = np.flatnonzero(np.cumsum(shares[order]) > density)
    return order[:enough[0] + 1].tolist() if len(enough) else []


def _within(chain: Chain, other: Chain) -> bool:
    return any(other[i:i + len(chain)] == chain for i in range(len(other) - len(chain) + 1))
