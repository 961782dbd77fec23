"""Sessions, blocks and contexts to a workflow: every step of training is an edge, and the edges say what they are.

    units    an event or a block, in its context; units whose next units are the same are one
    loop     an edge to a unit that usually comes before and from which a way leads here
    or       where a unit has several edges onward, seq where it has one
    task     begins at START, where tasks meet in earnest, and where a path divides and goes on alone for more than BRANCH units:
             a shorter one is a branch of its task (DeepLog, section 4.2)
"""
from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..records import PAD
from .blocks import Block, Sequences, itemised
from .contexts import BEGIN, Suffix, context
from .graph import END, KINDS, START, Workflow

BRANCH = 3
MAIN = 0.1  # share of what reaches a unit
LIKELY = 0.01  # share of what leaves one

Steps = dict[tuple[int, int], float]  # from a unit to a unit: how often, or how likely


def assemble(sequences: Sequences, weights: np.ndarray, blocks: Sequence[Block], *, rare: float, kept: frozenset[Suffix] = frozenset(),
             longest: int = 1, believed: Sequence[np.ndarray] | None = None, tasks: Mapping[int, int] | None = None) -> Workflow:
    """The workflow of sessions (B,) that occur `weights` (B,) times.

    rare: share of what leaves a unit that is no edge. kept, longest: see contexts.py. believed: for each session (T + 1,) bool, which
    of its steps count, its end included. tasks: the task of each item, where the construction knows it.
    """
    walked = _Walked()
    for i, sequence in enumerate(sequences):
        walked.add(sequence, float(weights[i]), blocks, kept, longest, None if believed is None else believed[i])
    walked.drop(rare)
    walked.merge()
    walked.order()
    steps = _shares(walked.steps)
    back = _back(steps)
    if tasks is None:
        task = _tasks(len(walked.what), _main({step: n for step, n in walked.steps.items() if step not in back}))
    else:
        task = [tasks.get(what, 0) for what in walked.what]
    return _workflow(walked, steps, back, task, blocks, rare)


@dataclass
class _Walked:
    """Units by number, START and END first, and the steps between them."""

    what: list[int] = field(default_factory=lambda: [PAD, PAD])
    number: dict[Suffix, int] = field(default_factory=dict)
    steps: Steps = field(default_factory=Counter)
    runs: dict[int, Counter] = field(default_factory=lambda: defaultdict(Counter))  # what was seen of a block, how often
    place: Counter = field(default_factory=Counter)  # sum of where in its sessions a unit stood
    seen: Counter = field(default_factory=Counter)

    def add(self, sequence: tuple[int, ...], weight: float, blocks: Sequence[Block], kept: frozenset[Suffix], longest: int,
            believed: np.ndarray | None) -> None:
        items = itemised(sequence, blocks)
        whats = [BEGIN, *(item.what for item in items)]
        units = [START]
        for at, item in enumerate(items, 1):
            unit = self._unit(context(whats, at, kept, longest))
            units.append(unit)
            self.place[unit] += weight * at
            self.seen[unit] += weight
            if item.what < 0:
                self.runs[unit][sequence[item.start:item.stop]] += weight
        starts = [*(item.start for item in items), len(sequence)]
        for source, target, at in zip(units, [*units[1:], END], starts):
            if believed is None or believed[at]:
                self.steps[source, target] += weight

    def drop(self, rare: float) -> None:
        """Only the steps that are not rare, on ways from START to END."""
        steps = [step for step, share in _shares(self.steps).items() if share > rare]
        through = _reached(steps, START) & _reached([(v, u) for u, v in steps], END)
        self.steps = {step: self.steps[step] for step in steps if through.issuperset(step)}

    def merge(self) -> None:
        """Units of the same event that are followed by the same units are one (partition refinement)."""
        following = defaultdict(set)
        for source, target in self.steps:
            following[source].add(target)
        group: list = [("START",), ("END",), *self.what[2:]]
        while True:
            finer = [(group[unit], frozenset(group[target] for target in following[unit])) for unit in range(len(group))]
            names = {name: i for i, name in enumerate(dict.fromkeys(finer))}
            if len(names) == len(set(group)):
                break
            group = [names[name] for name in finer]
        first: dict = {}
        self._renumber([first.setdefault(name, unit) for unit, name in enumerate(group)])

    def order(self) -> None:
        """Units in the order in which sessions come by, those that are not reached left out."""
        reached = sorted(_reached(self.steps, START) - {START, END}, key=lambda unit: self.place[unit] / self.seen[unit])
        place = {unit: i for i, unit in enumerate([START, END, *reached])}
        self.steps = {(u, v): n for (u, v), n in self.steps.items() if u in place}
        self._renumber([place.get(unit, -1) for unit in range(len(self.what))])

    def _unit(self, suffix: Suffix) -> int:
        if suffix not in self.number:
            self.number[suffix] = len(self.what)
            self.what.append(suffix[-1])
        return self.number[suffix]

    def _renumber(self, new: list[int]) -> None:
        """Unit i becomes new[i]; -1 is dropped."""
        what, steps, runs = [PAD] * (max(new) + 1), Counter(), defaultdict(Counter)
        place, seen = Counter(), Counter()
        for (source, target), n in self.steps.items():
            steps[new[source], new[target]] += n
        for unit, to in enumerate(new):
            if to >= 0:
                what[to] = self.what[unit]
                runs[to].update(self.runs.get(unit, {}))
                place[to] += self.place[unit]
                seen[to] += self.seen[unit]
        self.what, self.steps, self.runs, self.place, self.seen = what, steps, runs, place, seen


def _shares(steps: Steps) -> Steps:
    """Of what leaves each unit."""
    total: Counter[int] = Counter()
    for (source, _), n in steps.items():
        total[source] += n
    return {step: n / total[step[0]] for step, n in steps.items() if n > 0}


def _reached(steps: Iterable[tuple[int, int]], start: int) -> set[int]:
    following = defaultdict(list)
    for source, target in steps:
        following[source].append(target)
    reached, left = {start}, [start]
    while left:
        new = set(following[left.pop()]) - reached
        reached.update(new)
        left += new
    return reached


def _back(steps: Steps) -> set[tuple[int, int]]:
    """Steps back along a circle, which is not closed by rare ones alone; what usually comes first has the lower number."""
    likely = [step for step, share in steps.items() if share >= LIKELY]
    return {(source, target) for source, target in steps if target <= source and source in _reached(likely, target)}


def _main(steps: Steps) -> list[tuple[int, int]]:
    """Those steps by which a good part of what reaches a unit does."""
    backward = _shares({(target, source): n for (source, target), n in steps.items()})
    return [(source, target) for (target, source), share in backward.items() if share >= MAIN]


def _tasks(n: int, onward: list[tuple[int, int]]) -> list[int]:
    """The task of each unit, from 1; 0 for START and END. onward: the main steps, no loops among them."""
    before, after = defaultdict(list), defaultdict(list)
    for source, target in onward:
        before[target].append(source)
        after[source].append(target)

    def alone(unit: int) -> int:
        """How many units stand in a row from here, until paths meet or divide."""
        length = 1
        while len(after[unit]) == 1 and after[unit][0] != END and len(before[after[unit][0]]) == 1:
            unit, length = after[unit][0], length + 1
        return length

    task, left = [0] * n, dict.fromkeys(range(2, n))
    while left:
        free = (unit for unit in left if not any(source in left for source in before[unit]))
        unit = next(free, next(iter(left)))  # rare steps may close a circle
        del left[unit]
        own = {task[source] for source in before[unit] if source != START}
        divided = len(before[unit]) == 1 and len(after[before[unit][0]]) > 1
        goes_on = len(own) == 1 and START not in before[unit] and not (divided and alone(unit) > BRANCH)
        task[unit] = own.pop() if goes_on else max(task) + 1
    return task


def _workflow(walked: _Walked, steps: Steps, back: set[tuple[int, int]], task: list[int], blocks: Sequence[Block], rare: float) -> Workflow:
    """Blocks become their nodes, steps the edges of these."""
    nodes: list[tuple[int, int, int, int]] = [(PAD, 0, 0, 0), (PAD, 0, 0, 0)]  # event, task, block, branch
    entries: list[list[tuple[int, float]]] = [[(START, 1.0)], [(END, 1.0)]]  # of each unit: its first nodes and how likely
    exits, edges, n_blocks = [[(START, 1.0)], []], [], 0
    for unit, what in enumerate(walked.what[2:], 2):
        if what > 0:
            entries.append([(len(nodes), 1.0)])
            exits.append([(len(nodes), 1.0)])
            nodes.append((what, task[unit], 0, 0))
            continue
        n_blocks += 1
        entries.append([])
        exits.append([])
        for branch, events in enumerate(blocks[-what - 1].branches, 1):
            usual = sorted(events, key=lambda event: _usual_place(event, walked.runs[unit]))
            nodes += [(event, task[unit], n_blocks, branch) for event in usual]
            number = {event: len(nodes) - len(usual) + i for i, event in enumerate(usual)}
            first, last, inner = _inside(walked.runs[unit], number, rare)
            entries[-1] += first
            exits[-1] += last
            edges += inner
    onward = Counter(source for source, target in steps if (source, target) not in back)
    for (u, v), p in steps.items():
        between = "and" if nodes[entries[v][0][0]][2] or nodes[exits[u][0][0]][2] else "or" if onward[u] > 1 else "seq"
        kind = "loop" if (u, v) in back else between
        edges += [(source, target, kind, p * leave * enter) for source, leave in exits[u] for target, enter in entries[v]]
    return _arrays(nodes, edges)


def _inside(runs: Mapping[tuple[int, ...], float], number: Mapping[int, int], rare: float) -> tuple[list, list, list]:
    """A branch of a block by what was seen of it: its first nodes, its last nodes, each with a share, and its edges."""
    counted: Steps = Counter()
    for run, n in runs.items():
        own = [START, *(number[event] for event in run if event in number), END]
        for step in zip(own, own[1:]):
            counted[step] += n
    shares = {step: p for step, p in _shares(counted).items() if p > rare}
    first = [(v, p) for (u, v), p in shares.items() if u == START]
    last = [(u, p) for (u, v), p in shares.items() if v == END]
    inner = {step: p for step, p in shares.items() if START != step[0] and END != step[1]}
    back = _back(inner)
    ways = Counter(u for u, v in inner if (u, v) not in back)
    return first, last, [(u, v, "loop" if (u, v) in back else "or" if ways[u] > 1 else "seq", p) for (u, v), p in inner.items()]


def _usual_place(event: int, runs: Mapping[tuple[int, ...], float]) -> float:
    """Where an event stands in what was seen of a block, on average."""
    places = [(at, n) for run, n in runs.items() for at, other in enumerate(run) if other == event]
    return sum(at * n for at, n in places) / sum(n for _, n in places)


def _arrays(nodes: list[tuple[int, int, int, int]], edges: list[tuple[int, int, str, float]]) -> Workflow:
    events, tasks, blocks, branches = np.array(nodes, np.int32).T.copy()
    contexts, seen = np.zeros(len(nodes), np.int32), Counter()
    for i, event in enumerate(events.tolist()):
        contexts[i] = seen[event] if i > END else 0
        seen[event] += 1
    edges = sorted(edges)
    return Workflow(events, contexts, tasks, blocks, branches, np.array([edge[:2] for edge in edges], np.int32).reshape(-1, 2),
                    np.array([KINDS.index(edge[2]) for edge in edges], np.uint8), np.array([edge[3] for edge in edges], np.float32))
