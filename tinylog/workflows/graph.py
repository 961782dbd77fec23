"""A workflow: nodes that are events in a context, and edges of four kinds between them.

    seq   the one step that follows
    or    one of several that follow
    and   into a block of concurrent branches, or out of it: all its branches are gone through, in any order
    loop  back to a step that was before

Nodes of a block have its number and that of their branch. An edge into a block starts one branch; the others start when
their events come. An edge out of it is taken when every branch has come to a node that has one.
"""
from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

KINDS = ("seq", "or", "and", "loop")
START, END = 0, 1  # nodes without an event


@dataclass(frozen=True)
class Workflow:
    """N nodes, the first two START and END, and E edges."""

    events: np.ndarray  # (N,) int32, PAD for START and END
    contexts: np.ndarray  # (N,) int32: which of the nodes with the same event
    tasks: np.ndarray  # (N,) int32 from 1, 0 for START and END
    blocks: np.ndarray  # (N,) int32 from 1, 0 outside of blocks
    branches: np.ndarray  # (N,) int32 from 1, 0 outside of blocks
    edges: np.ndarray  # (E, 2) int32, from which node to which
    kinds: np.ndarray  # (E,) uint8, index into KINDS
    probabilities: np.ndarray  # (E,) float32, of the edge once its first node is reached

    def arrays(self) -> dict[str, np.ndarray]:
        """What a model file holds of it: `Workflow(**arrays)` is the same workflow."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def successors(self) -> list[list[tuple[int, str, float]]]:
        """Of each node: (node, kind, probability), likeliest first."""
        lists: list[list[tuple[int, str, float]]] = [[] for _ in self.events]
        for i in np.argsort(-self.probabilities, kind="stable"):
            source, target = self.edges[i].tolist()
            lists[source].append((target, KINDS[self.kinds[i]], float(self.probabilities[i])))
        return lists


def empty() -> Workflow:
    """The workflow of nothing: START is followed by END."""
    none = np.zeros(2, np.int32)
    return Workflow(none, none, none, none, none, np.array([[START, END]], np.int32), np.zeros(1, np.uint8), np.ones(1, np.float32))
