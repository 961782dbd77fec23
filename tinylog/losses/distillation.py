"""Distillation (Hinton 2015): a student learns from the truth and from its teacher's logits, softened by T.

    L = alpha CE(y, truth) + (1 - alpha) T^2 KL(q || p)      q = softmax(teacher / T)      p = softmax(y / T)

    dL/dy = alpha (softmax(y) - truth) + (1 - alpha) T (p - q)

T, the temperature, is squared to make up for the 1 / T^2 of the gradient: alpha then means the same at every T.
"""
from __future__ import annotations

import numpy as np

from ..layers.activations import log_softmax, softmax, softmax_backward
from . import cross_entropy
from .cross_entropy import normalised, shares


def loss(y: np.ndarray, target: np.ndarray, teacher: np.ndarray, weights: np.ndarray | None = None, *,
         alpha: float | np.ndarray = 0.3, temperature: float = 7.0) -> tuple[float, np.ndarray]:
    """Student's and teacher's logits (B, K), class numbers (B,), to the mean and dy (B, K).

    `alpha` is a number or (B,): 0 for a window without a label, whose target may then be any class.
    """
    share = normalised(weights, y)  # (B,)
    hard = share * np.asarray(alpha, y.dtype)
    soft = (share - hard) * temperature
    log_y, log_p = log_softmax(y), log_softmax(y / temperature)  # (B, K)
    log_q = log_softmax(teacher.astype(y.dtype, copy=False) / temperature)
    truth, q = shares(target, y), np.exp(log_q)
    mean = (hard * -(truth * log_y).sum(1) + soft * temperature * (q * (log_q - log_p)).sum(1)).sum()
    dy = hard[:, None] * (np.exp(log_y) - truth) + soft[:, None] * (np.exp(log_p) - q)
    return float(mean), dy


def published_loss(y: np.ndarray, target: np.ndarray, teacher: np.ndarray, weights: np.ndarray | None = None, *,
                   alpha: float = 0.3, temperature: float = 7.0) -> tuple[float, np.ndarray]:
    """What DistilLog's code computes: q (log q - p) where KL has q (log q - log p), and no T^2.

    Its gradient makes the student as sure as it can be of the teacher's choice, instead of equally sure: for the
    published protocol only.
    """
    share = normalised(weights, y)[:, None]  # (B, 1)
    p, log_q = softmax(y / temperature), log_softmax(teacher.astype(y.dtype, copy=False) / temperature)
    q = np.exp(log_q)
    hard, dhard = cross_entropy.loss(y, target, weights)
    soft = (share * q * (log_q - p)).sum()
    dsoft = softmax_backward(-share * q, p) / temperature
    return float(alpha * hard + (1 - alpha) * soft), alpha * dhard + (1 - alpha) * dsoft
