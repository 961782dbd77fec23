"""LightLog (Wang 2022): four residual blocks of dilated convolutions over the vectors of a window's templates.

    x_t = the vector of the template of event t
    block: r = W_2 * relu(W_1 * x + b_1) + b_2      to 3 channels, then to 1; * is a convolution of 3 steps (layers/conv.py)
           x' = relu(r + x)                         r is added to all channels; in the first block x is W_3 * x + b_3
    logits = W s + b                                s: the mean of x over the steps; dilations of the blocks 1, 2, 4, 8

    score = logits[1] - logits[0] + log-odds of the prior - log-odds of the training share

With vectors of 20 numbers it has 376 + 3 * 40 + 8 = 504. As it was published, padding is steps of zeros like others; here
it is neither convolved nor counted in the mean.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import log
from typing import Any

import numpy as np

from ..layers import conv, dense, pooling
from ..layers.activations import relu, relu_backward
from ..layers.params import Params, named, part
from ..losses import cross_entropy
from ..records import PAD, Reason, Windows
from . import Sizes
from .distillog import anomalous_share

NEEDS = ("labels", "vectors")
CHANNELS = 3
DILATIONS = (1, 2, 4, 8)
CHUNK = 1024  # windows scored at once: bounds memory


@dataclass(frozen=True)
class Config:
    masked: bool = True  # padding is skipped; published: it is events like others
    epochs: int = 100
    batch: int = 64
    lr: float = 0.01
    prior: float = 0.02  # share of anomalous windows in what will be scored; Sizes knows
    trained_prior: float = 0.5  # that share in what it was trained on; fit sets it


TINY = Config(epochs=12, batch=32, lr=0.02)
PUBLISHED = Config(masked=False, lr=0.001)


class Detector:
    NEEDS = ("vectors",)
    threshold = 0.0  # even odds

    def __init__(self, config: Config, params: Params):
        self.config, self.params = config, params

    @classmethod
    def create(cls, config: Config, sizes: Sizes, rng: np.random.Generator) -> Detector:
        """Starting values."""
        params, D = named("past", conv.init(rng, sizes.n_inputs, CHANNELS)), sizes.n_inputs
        for dilation in DILATIONS:
            block = named("wide", conv.init(rng, D, CHANNELS)) | named("narrow", conv.init(rng, CHANNELS, 1))
            params, D = params | named(str(dilation), block), CHANNELS
        return cls(replace(config, prior=sizes.prior), params | named("head", dense.init(rng, CHANNELS, 2)))

    def fit(self, windows: Windows, minimise: Callable, fitted: Mapping[str, Any] | None = None,
            rng: np.random.Generator | None = None) -> list[float]:
        """Learns from labels alone."""
        config = self.config
        self.config = replace(config, trained_prior=anomalous_share(windows))
        return minimise(lambda params, index: self.loss_and_grads(params, windows.take(index)), self.params, len(windows),
                        epochs=config.epochs, batch=config.batch, lr=config.lr, lengths=windows.lengths)

    def score(self, windows: Windows) -> np.ndarray:
        """(B,) float32 log-odds that a window is anomalous, where `prior` of them are."""
        parts = [self._forward(self.params, windows.take(slice(i, i + CHUNK)))[0] for i in range(0, len(windows), CHUNK)]
        logits = np.concatenate([np.zeros((0, 2), np.float32), *parts])
        return logits[:, 1] - logits[:, 0] + np.float32(_log_odds(self.config.prior) - _log_odds(self.config.trained_prior))

    def explain(self, windows: Windows, i: int) -> Reason:
        """By how much each event raised the score: what it is less without that line. The detail names the most suspicious one."""
        window, n, T = windows.take(slice(i, i + 1)), int(windows.lengths[i]), windows.events.shape[1]
        kept = np.arange(T - 1) + (np.arange(T - 1) >= np.arange(n)[:, None])  # (n, T - 1): all places but one
        without = np.pad(window.events[0, kept], ((0, 0), (0, 1)))
        raised = np.zeros(T, np.float32)
        raised[:n] = self.score(window) - self.score(Windows(without, tables=windows.tables))
        position = int(raised[:max(n, 1)].argmax())
        share = np.maximum(raised, 0)
        if not share.any():  # every event speaks for a normal window
            share = window.mask[0].astype(np.float32)
        return Reason("sequence", position, share / max(share.sum(), np.float32(1e-9)),
                      detail={"event": int(window.events[0, position]), "raised": round(float(raised[position]), 3)})

    def loss_and_grads(self, params: Params, windows: Windows) -> tuple[float, Params]:
        """The loss of these windows and its gradient."""
        y, (past, blocks, mean, head) = self._forward(params, windows)
        loss, dy = cross_entropy.loss(y, windows.labels, windows.weights)
        d, g = dense.backward(dy, head)
        d, grads = pooling.backward(d, mean), named("head", g)
        for dilation, (wide, a, narrow, x) in reversed(list(zip(DILATIONS, blocks))):
            # forward: x' = relu(r + x), r the same in all channels
            d = relu_backward(d, x)
            da, g = conv.backward(d.sum(2, keepdims=True), narrow)
            dx, h = conv.backward(relu_backward(da, a), wide)
            grads |= named(f"{dilation}.narrow", g) | named(f"{dilation}.wide", h)
            if dilation != DILATIONS[0]:  # there the shortcut is `past`
                d = d + dx
        return loss, grads | named("past", conv.backward(d, past)[1])

    def _forward(self, params: Params, windows: Windows) -> tuple[np.ndarray, tuple]:
        """Logits (B, 2), and what the gradient needs."""
        events, mask = windows.events, None
        if self.config.masked:
            events = events[:, :max(1, int(windows.lengths.max(initial=0)))]
            mask = events != PAD
        x = (windows.tables["vectors"][events] * (events != PAD)[:, :, None]).astype(params["head.b"].dtype, copy=False)
        past, past_cache = conv.forward(x, part(params, "past"), 1, mask)
        blocks = []
        for dilation in DILATIONS:
            a, wide = conv.forward(x, part(params, f"{dilation}.wide"), dilation, mask)
            a = relu(a)
            r, narrow = conv.forward(a, part(params, f"{dilation}.narrow"), dilation, mask)
            x = past = relu(r + past)
            blocks.append((wide, a, narrow, x))
        s, mean = pooling.forward(x, mask)
        y, head = dense.forward(s, part(params, "head"))
        return y, (past_cache, blocks, mean, head)


def _log_odds(share: float) -> float:
    return log(share / (1 - share))
