"""A small student of detectors/distillog.py, event by event, in plain numbers.

    memory' = after(memory, events before, events)      score(memory)

On four units NumPy's calls cost more than the arithmetic. So the network's step is a Python function made of its weights, as
namedtuple makes a class: no list, no index, no loop over units. The numbers are float64; the batch's differ by what float32 rounds.
"""
from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from math import exp, log1p, tanh
from typing import TYPE_CHECKING

import numpy as np

from ..detectors import distillog, rules
from ..layers import gru
from ..layers.params import Params, part
from ..records import PAD, UNKNOWN, Windows

if TYPE_CHECKING:
    from ..model import Model

MAX_HIDDEN = 8  # units up to which plain numbers are faster than arrays
FAR, WIDE = 600.0, 100.0  # arguments of gates beyond FAR are as far as it, and what states add stays below WIDE: exp of both is a number


class Network:
    """distillog.Detector of one small layer. A memory is (state of the GRU, sum of its weighted states, sum of weights), what counts
    add to the score, and log(1 - P) of the noisy-or.
    """

    def __init__(self, model: Model) -> None:
        self.model, self.detector = model, model.detectors["distillog"]
        config, p = self.detector.config, self.detector.params
        H = config.hidden
        weights = (p["head.W"][1].astype(float) - p["head.W"][0]).tolist()
        self.config, self.sided = config, config.counts or config.noisy_or
        self.advance = _compiled(_advance(part(p, "gru.0"), part(p, "attention")))
        self.read = _compiled(_read(H, weights[:H], weights[H:2 * H] if config.last else []))
        self.side = weights[H * (1 + config.last):]
        n_rules = len(rules.NAMES) * config.rules
        self.rule_weights = [weight / distillog.SCALE for weight in self.side[len(self.side) - n_rules - config.noisy_or:][:n_rules]]
        self.bias = float(p["head.b"][1]) - float(p["head.b"][0]) + self.detector.shift
        self.start = ((0.0,) * (2 * H + 1), 0.0, 0.0)
        self._read_table()

    @staticmethod
    def knows(detector: distillog.Detector) -> bool:
        """Whether it is small enough, and its arguments within what exp can tell."""
        if detector.config.layers > 1 or detector.config.hidden > MAX_HIDDEN:
            return False
        U, u = (np.abs(detector.params.get(name, np.zeros((1, 1)))) for name in ("gru.0.U", "attention.u"))
        return max(U.sum(1).max(), u.sum()) < WIDE

    def after(self, memory: tuple, before: Sequence[int], events: Sequence[int]) -> tuple:
        """The memory when `events` follow those that were `before`."""
        state, counted, none = memory
        try:
            inputs = list(map(self.inputs.__getitem__, events))
        except IndexError:  # of an event that training did not have
            return self.after(memory, before, [self._known(event) for event in events])
        if self.sided:
            counted, none = self._side(counted, none, [self._known(event) for event in before], events)
        return self.advance(inputs, state), counted, none

    def score(self, memory: tuple, evidence: Sequence[float], rest: int) -> float:
        """Log-odds; `rest` places of the window are empty."""
        state, score, none = memory
        if not self.config.masked:  # padding is events like others
            state = self.advance([self.inputs[PAD]] * rest, state)
        for weight, each in zip(self.rule_weights, evidence):
            score += weight * each
        if self.config.noisy_or:
            score += self.side[-1] * (1 - 2 * exp(none))
        return score + self.read(state) + self.bias

    def _side(self, counted: float, none: float, before: list[int], events: list[int]) -> tuple[float, float]:
        """What counts add, and log(1 - P), with these events more."""
        n, seen = Counter(self.row_of[event] for event in before), set(before)
        for event in events:
            if self.config.counts:
                row = self.row_of[event]
                n[row] += 1
                counted += self.side[row] * log1p(1 / n[row])  # log(1 + n) - log(n)
            if self.config.noisy_or and event not in seen:
                seen.add(event)
                none -= self.alarms[event]
        return counted, none

    def _known(self, event: int) -> int:
        """The event, or one that is as unknown as it."""
        if event < len(self.inputs):
            return event
        if self.config.inputs == "table":
            return UNKNOWN
        self._read_table()  # the log has brought templates since
        return event

    def _read_table(self) -> None:
        """Of each event: its row of the counts, what it adds to the GRU's arguments, and log(1 + exp a) of the noisy-or."""
        n = self.model.n_events if self.config.inputs == "table" else len(self.model.parser.templates)
        every = self.model.with_tables(Windows(np.arange(n, dtype=np.int32)[None]), "distillog")
        rows, E, u = self.detector.table(every)
        columns = gru.table(E.astype(np.float64), part(self.detector.params, "gru.0"))[:, rows[0]]
        rz = columns[:2 * self.config.hidden]
        np.clip(-2 * rz, -FAR, FAR, out=rz)  # by exp, where the batch has tanh of the half
        self.inputs = [tuple(column) for column in columns.T.tolist()]
        self.row_of = self.detector.rows(every)[0].tolist()
        self.alarms = np.logaddexp(0, u[:, 0].astype(np.float64)).tolist() if self.config.noisy_or else []


def _advance(p: Params, attended: Params) -> str:
    """Source of `run(inputs, state) -> state`: some steps of gru.py and attention.py, each weight a constant of the loop.

    With e = exp(-x), s(x) = 1 / (1 + e): r m = m / (1 + e_r), and h' = (n e_z + h) / (1 + e_z).
    """
    H = p["U"].shape[1]
    U, c = p["U"].astype(float), p["c"].astype(float).tolist()
    U[:2 * H] *= -1
    U = U.tolist()
    h, s = ([f"{name}{i}" for i in range(H)] for name in "hs")
    state, inputs = ", ".join([*h, *s, "total"]), ", ".join(f"a{i}" for i in range(3 * H))
    lines = []
    for i in range(H):
        lines.append(f"n{i} = tanh(a{2 * H + i} + ({_sum(U[2 * H + i], h, c[2 * H + i])}) / (1.0 + exp({_sum(U[i], h)} + a{i})))")
        lines.append(f"e{i} = exp({_sum(U[H + i], h)} + a{H + i})")
    lines += [f"h{i} = (n{i} * e{i} + h{i}) / (1.0 + e{i})" for i in range(H)]
    if attended:
        units = zip(attended["W"].tolist(), attended["b"].tolist(), attended["u"].tolist())
        lines.append("w = exp(" + " + ".join(f"{u!r} * tanh({_sum(W, h, b)})" for W, b, u in units) + ")")
        lines += [f"s{i} += w * h{i}" for i in range(H)] + ["total += w"]
    else:
        lines += [f"s{i} += h{i}" for i in range(H)] + ["total += 1.0"]
    loop = "".join(f"  {line}\n" for line in lines)
    return f"def run(inputs, state):\n {state} = state\n for {inputs} in inputs:\n{loop} return {state}"


def _read(H: int, mean: Sequence[float], last: Sequence[float]) -> str:
    """Source of `run(state)`: what the head makes of the attended mean and of the last state."""
    h, s = ([f"{name}{i}" for i in range(H)] for name in "hs")
    return f"def run(state):\n {', '.join([*h, *s, 'total'])} = state\n return ({_sum(mean, s)}) / total + {_sum(last, h, 0.0)}"


def _sum(weights: Sequence[float], names: Sequence[str], more: float | None = None) -> str:
    """Source of a sum of products."""
    return " + ".join([f"{weight!r} * {name}" for weight, name in zip(weights, names)] + ([] if more is None else [repr(more)]))


def _compiled(source: str) -> Callable:
    """The function `run` of a source that is made of a model's numbers and of names of ours."""
    scope = {"tanh": tanh, "exp": exp}
    exec(source, scope)
    return scope["run"]
