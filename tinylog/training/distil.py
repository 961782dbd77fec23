"""How a network of distillog.py is trained: from labels alone, or by a teacher as well.

    1  the network, the evidence of the rules withheld: it would lean on them, and its units would learn nothing
    2  the head alone, on the evidence too, with a weight decay that keeps it from trusting either side too much

    teacher      learns from the labels
    student      learns from the labels and from its teacher, on labelled, unlabelled and altered windows (alter.py)

Windows are distinct and weighted by how often they occur. Their evidence must be `evidence_left_out`, that of altered
ones `evidence`: they are in nobody's memory. Hinton 2015; a teacher that sees more than its student, as in part 1:
Lopez-Paz 2016.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ..detectors import rules
from ..detectors.distillog import Detector, anomalous_share, loss_of
from ..layers import dense
from ..layers.params import Params, named, part
from ..records import Windows, concatenated
from .alter import altered
from .minimise import cosine, minimise

Progress = Callable[[int, int, float], None]


@dataclass(frozen=True)
class Plan:
    """How many steps and how large. Steps, not epochs: with a teacher or without one the compute is the same."""

    steps: int = 2600  # of the network
    lr: float = 1e-2
    batch: int = 64
    head_steps: int = 860
    head_lr: float = 1e-2
    head_decay: float = 3e-3  # least validation loss on HDFS of 1e-3, 3e-3 and 1e-2, at distillog.SCALE
    alpha: float = 0.3  # share of the labels in the loss, the rest is the teacher's
    temperature: float = 2.0


STUDENT = Plan()
TEACHER = Plan(steps=1300, lr=1e-3)


def train(network: Detector, windows: Windows, plan: Plan, rng: np.random.Generator, teacher: np.ndarray | None = None,
          progress: Progress | None = None) -> list[float]:
    """Change the network's parameters. The losses of part 1, then of part 2.

    `teacher` (B, 2): its logits for `windows`, which then need no label (-1). Labelled ones decide on `trained_prior`.
    """
    if (windows.labels >= 0).any():
        network.config = replace(network.config, trained_prior=anomalous_share(windows))
    if not network.config.rules:
        return _network(network, windows, plan, rng, teacher, progress)
    withheld = replace(windows, rules=np.zeros_like(windows.rules))
    return (_network(network, withheld, plan, rng, teacher, progress)
            + _head(network, windows, plan, rng, teacher, progress))


def lesson(windows: Windows, memory: rules.Detector, n: int, rng: np.random.Generator, share: float = 0.1) -> Windows:
    """Labelled and unlabelled windows (`joined`), and n altered ones, `share` as heavy as all of them together."""
    new = altered(windows, n, len(memory.params["events"]), rng)
    weight = share * (len(windows) if windows.weights is None else windows.weights.sum()) / max(n, 1)
    return joined(windows, replace(new, weights=np.full(n, weight, np.float32), rules=memory.evidence(new)))


def joined(*parts: Windows) -> Windows:
    """Windows behind one another; a missing weight is 1, a missing label -1, evidence that any of them lacks is left away."""
    ruled = all(each.rules is not None for each in parts)
    return concatenated([replace(each, labels=np.full(len(each), -1, np.int8) if each.labels is None else each.labels,
                                 weights=np.ones(len(each), np.float32) if each.weights is None else each.weights,
                                 rules=each.rules if ruled else None) for each in parts])


def as_logits(log_odds: np.ndarray) -> np.ndarray:
    """(B,) of any detector, at even prior, to the logits (B, 2) of a teacher: without labels, the rules are one."""
    return np.stack([-log_odds / 2, log_odds / 2], 1).astype(np.float32)


def _network(network: Detector, windows: Windows, plan: Plan, rng: np.random.Generator, teacher: np.ndarray | None,
             progress: Progress | None) -> list[float]:
    dropout = rng if network.config.dropout else None

    def step(params: Params, index: np.ndarray) -> tuple[float, Params]:
        return network.loss_and_grads(params, windows.take(index), None if teacher is None else teacher[index],
                                      alpha=plan.alpha, temperature=plan.temperature, rng=dropout)

    return minimise(step, network.params, len(windows), rng=rng, epochs=_epochs(plan.steps, plan, windows),
                    batch=plan.batch, lr=plan.lr, schedule=cosine, lengths=windows.lengths, progress=progress)


def _head(network: Detector, windows: Windows, plan: Plan, rng: np.random.Generator, teacher: np.ndarray | None,
          progress: Progress | None) -> list[float]:
    features = network.features(windows)  # they do not change any more
    head = {name: array for name, array in network.params.items() if name.startswith("head.")}

    def step(params: Params, index: np.ndarray) -> tuple[float, Params]:
        y, cache = dense.forward(features[index], part(params, "head"))
        opinion = None if teacher is None else teacher[index]
        loss, dy = loss_of(y, windows.take(index), opinion, plan.alpha, plan.temperature)
        return loss, named("head", dense.backward(dy, cache)[1])

    return minimise(step, head, len(windows), rng=rng, epochs=_epochs(plan.head_steps, plan, windows), batch=plan.batch,
                    lr=plan.head_lr, weight_decay=plan.head_decay, schedule=cosine, progress=progress)


def _epochs(steps: int, plan: Plan, windows: Windows) -> int:
    return max(1, round(steps * plan.batch / max(len(windows), 1)))
