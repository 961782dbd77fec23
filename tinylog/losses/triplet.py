"""Triplet loss (Schroff 2015, FaceNet): a window is nearer to one of its class than to one of another, by a margin.

    L = mean over triplets of max(0, d(a, p) - d(a, n) + margin)      d: Euclidean

    a  anchor      p  positive: another window of its class      n  negative: of another class, found by mining

    semi_hard  p is any other of the class; n the nearest of those that are farther than p, but not by the margin. What is
               nearer than p is left to later: pulled at from the beginning, it makes all windows one point
    published  CLDTLog's code: p comes behind a in the batch; n any one, by chance, with d(a, p) + margin > d(a, n)

A triplet whose negative does not exist is none; without any, the loss is 0. All distances of a batch are one matrix.
"""
from __future__ import annotations

import numpy as np


def loss(x: np.ndarray, target: np.ndarray, rng: np.random.Generator | None = None, *,
         margin: float = 2.0) -> tuple[float, np.ndarray]:
    """Windows x (B, D) and their classes (B,) to the mean over triplets and dx (B, D). With an rng: mined as published.

    Memory grows with B^3: a batch has some hundred windows at most.
    """
    if not len(x):
        return 0.0, np.zeros_like(x)
    apart = x[:, None] - x[None]  # (B, B, D); through products x.y, float32 would lose small distances
    d = np.sqrt((apart * apart).sum(2))  # (B, B)
    a, p, n = semi_hard(d, target, margin) if rng is None else published(d, target, margin, rng)
    if len(a) == 0:
        return 0.0, np.zeros_like(x)
    hinge = d[a, p] - d[a, n] + margin  # above 0, or it had not been mined
    # dL/dd, as a matrix; then forward: d = |x_i - x_j|, which has no slope where two are the same
    B = len(x)
    dd = (np.bincount(a * B + p, minlength=B * B) - np.bincount(a * B + n, minlength=B * B)).reshape(B, B) / len(a)
    pull = ((dd + dd.T) / np.where(d > 0, d, 1)).astype(x.dtype)
    return float(hinge.mean()), (pull[:, :, None] * apart).sum(1)


def semi_hard(d: np.ndarray, target: np.ndarray, margin: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Anchors, positives and negatives, each (M,), for distances d (B, B): of each pair of a class, the semi-hard negative."""
    same = target[:, None] == target
    pairs = same & ~np.eye(len(d), dtype=bool)
    farther = np.where(same[:, None], np.inf, d[:, None])  # (anchor, 1, negative)
    farther = np.where(farther > d[:, :, None], farther, np.inf)  # (anchor, positive, negative)
    nearest = farther.argmin(2)
    found = pairs & (farther.min(2) < d + margin)
    a, p = np.nonzero(found)
    return a, p, nearest[a, p]


def published(d: np.ndarray, target: np.ndarray, margin: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same three, hard ones among them, as CLDTLog's code mines them."""
    same = target[:, None] == target
    a, p = np.nonzero(np.triu(same, 1))
    candidates = ~same[a] & (d[a] < (d[a, p] + margin)[:, None])  # (M, B)
    n = np.where(candidates, rng.random(candidates.shape), -1).argmax(1)
    found = candidates.any(1)
    return a[found], p[found], n[found]
