"""Adam (Kingma 2015): a step is the mean gradient over the root of the mean square, so all numbers move at one pace.

    m = b1 m + (1 - b1) g      v = b2 v + (1 - b2) g^2      p -= lr * m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + eps)

Weight decay is added to the gradient (g + decay * p), as PyTorch's Adam does and all papers here used it.
"""
from __future__ import annotations

from math import sqrt

import numpy as np

from ..layers.params import Params


class Adam:
    """The optimiser's memory. `step` is the one function of tinylog that changes its argument: params, in place."""

    def __init__(self, params: Params, *, weight_decay: float = 0.0, betas: tuple[float, float] = (0.9, 0.999),
                 eps: float = 1e-8):
        self.weight_decay, self.betas, self.eps = weight_decay, betas, eps
        self.steps = 0
        self.mean = {name: np.zeros_like(p) for name, p in params.items()}
        self.square = {name: np.zeros_like(p) for name, p in params.items()}

    def step(self, params: Params, grads: Params, lr: float) -> None:
        """Move every array of `grads` one step; an array without a gradient stays."""
        self.steps += 1
        b1, b2 = self.betas
        pace, root = lr / (1 - b1 ** self.steps), sqrt(1 - b2 ** self.steps)
        for name, g in grads.items():
            p, m, v = params[name], self.mean[name], self.square[name]
            if self.weight_decay:
                g = g + self.weight_decay * p
            m *= b1
            m += (1 - b1) * g
            v *= b2
            v += (1 - b2) * g * g
            p -= pace * m / (np.sqrt(v) / root + self.eps)


def clipped(grads: Params, norm: float) -> Params:
    """The gradients, all shrunk alike if their common length exceeds `norm`: no strange batch undoes the others."""
    length = sqrt(sum(float(np.vdot(g, g)) for g in grads.values()))
    return grads if length <= norm else {name: g * (norm / length) for name, g in grads.items()}
