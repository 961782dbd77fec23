"""Gradient descent in shuffled batches: what Detector.fit is handed, so that a detector never imports training.

The same rng gives the same batches. What is random inside loss_and_grads, dropout say, has an rng of its own there.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator
from math import cos, inf, pi

import numpy as np

from ..layers.params import Params
from .adam import Adam, clipped

LossAndGrads = Callable[[Params, np.ndarray], tuple[float, Params]]


def constant(done: float) -> float:
    """The same learning rate all the way."""
    return 1.0


def cosine(done: float) -> float:
    """From 1 to 0, slowly at both ends; `done` is the share of steps behind us."""
    return 0.5 * (1 + cos(pi * done))


def minimise(loss_and_grads: LossAndGrads, params: Params, n: int, *, rng: np.random.Generator, epochs: int, batch: int,
             lr: float, weight_decay: float = 0.0, clip: float = 5.0, schedule: Callable[[float], float] = constant,
             shuffle: bool = True, lengths: np.ndarray | None = None, evaluate: Callable[[Params], float] | None = None,
             patience: int | None = None, progress: Callable[[int, int, float], None] | None = None) -> list[float]:
    """Change `params` in place until loss_and_grads(params, index) is small on average over n windows.

    Gives the mean loss of each epoch.
    index: the windows of this step, int64, at most `batch`. lengths (n,): windows of similar length share a batch.
    clip: the longest gradient that is followed, inf for any. schedule: the factor of lr after a share of the steps.
    evaluate(params): lower is better, asked after each epoch; the best parameters are what stays in `params`, and
    `patience` epochs without a better one are the end. progress(epoch, epochs, loss): told after each epoch.
    """
    adam, losses = Adam(params, weight_decay=weight_decay), []
    steps, best, best_epoch, kept = epochs * -(-n // batch), inf, 0, {}
    for epoch in range(1, epochs + 1):
        total = 0.0
        for index in _batches(n, batch, rng, shuffle, lengths):
            loss, grads = loss_and_grads(params, index)
            adam.step(params, clipped(grads, clip), lr * schedule(adam.steps / steps))
            total += loss * len(index)
        losses.append(total / n)
        last = epoch == epochs
        if evaluate is not None:
            value = evaluate(params)
            if value < best:
                best, best_epoch, kept = value, epoch, {name: p.copy() for name, p in params.items()}
            last |= patience is not None and epoch - best_epoch >= patience
        if progress is not None:
            progress(epoch, epoch if last else epochs, losses[-1])
        if last:
            break
    for name, p in kept.items():
        params[name][...] = p
    return losses


def _batches(n: int, batch: int, rng: np.random.Generator, shuffle: bool,
             lengths: np.ndarray | None) -> Iterator[np.ndarray]:
    """Each of n windows once."""
    order = rng.permutation(n) if shuffle else np.arange(n)
    if lengths is None:
        yield from np.split(order, range(batch, n, batch))
        return
    # Sorted are some batches' worth of windows at a time: hardly any padding, and other batches in each epoch.
    groups = [group[np.argsort(lengths[group], kind="stable")]
              for group in np.split(order, range(16 * batch, n, 16 * batch))]
    batches = [part for group in groups for part in np.split(group, range(batch, len(group), batch))]
    for i in rng.permutation(len(batches)):
        yield batches[i]
