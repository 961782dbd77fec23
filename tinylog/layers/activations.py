"""Functions of one number, and softmax. Derivatives are in terms of the value, so what forward kept is enough.

    sigmoid' = s (1 - s)      tanh' = 1 - t^2      relu' = [y > 0]      softmax: dx = s (dy - sum(dy s))

That of gelu, which takes some of its values twice, is in terms of both:

    gelu = x c      gelu' = c + x exp(-x^2 / 2) / sqrt(2 pi)      c = (1 + erf(x / sqrt 2)) / 2
"""
from __future__ import annotations

from math import pi, sqrt

import numpy as np

# erf(x) = tanh(x p(x^2)), p fitted by us to the smallest largest error for |x| < 4, beyond which erf is 1 within 2e-8.
_ERF_FAR = 4.0
_ERF = (1.1283792436146074, 0.1027714444946779, -2.0451586416197261e-4, -5.979624205836787e-4, 7.097256270941792e-5,
        7.661770925270193e-7, -1.182024403068222e-6, 1.4484891891200016e-7, -7.859249708164888e-9, 1.6585585482291506e-10)


def sigmoid(x: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-x)), by way of tanh: no overflow on either side, and the faster of the two."""
    return 0.5 * np.tanh(0.5 * x) + 0.5


def sigmoid_backward(ds: np.ndarray, s: np.ndarray) -> np.ndarray:
    """From the gradient of s = sigmoid(x) to that of x."""
    return ds * s * (1 - s)


def tanh_backward(dt: np.ndarray, t: np.ndarray) -> np.ndarray:
    """From the gradient of t = tanh(x) to that of x."""
    return dt * (1 - t * t)


def relu(x: np.ndarray) -> np.ndarray:
    """max(x, 0)"""
    return np.maximum(x, 0)


def relu_backward(dy: np.ndarray, y: np.ndarray) -> np.ndarray:
    """From the gradient of y = relu(x) to that of x; at 0 it is 0."""
    return dy * (y > 0)


def erf(x: np.ndarray) -> np.ndarray:
    """The error function, which NumPy lacks: 1e-8 off at most in float64, 1e-7 in float32."""
    x = np.clip(x, -_ERF_FAR, _ERF_FAR)
    square = x * x
    p = _ERF[-1] * square
    for coefficient in _ERF[-2:0:-1]:
        p += coefficient
        p *= square
    p += _ERF[0]
    p *= x
    return np.tanh(p)


def gelu(x: np.ndarray) -> np.ndarray:
    """x times the share of a standard normal distribution below x (Hendrycks 2016): exact, as BERT has it."""
    return x * (0.5 * erf(x * (1 / sqrt(2))) + 0.5)


def gelu_backward(dy: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """From the gradient of y = gelu(x) to that of x."""
    below = np.divide(y, x, out=np.full_like(x, 0.5), where=x != 0)  # erf costs more than all the rest
    return dy * (below + x * (np.exp(-0.5 * x * x) * (1 / sqrt(2 * pi))))


def log_softmax(x: np.ndarray, axis: int = -1) -> np.ndarray:
    """x - log sum exp x, exact for logits of any size."""
    shifted = x - x.max(axis, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis, keepdims=True))


def softmax(x: np.ndarray, axis: int = -1, mask: np.ndarray | None = None) -> np.ndarray:
    """exp x / sum exp x over `axis`. Shares are 0 where `mask` is false, all of them if it is false all along."""
    if mask is not None:
        x = np.where(mask, x, -np.inf).astype(x.dtype, copy=False)
    least = np.finfo(x.dtype).min  # a peak of -inf, nothing to share out, would give nan
    shares = np.exp(x - x.max(axis, keepdims=True, initial=least))
    return shares / np.maximum(shares.sum(axis, keepdims=True), np.finfo(x.dtype).tiny)


def softmax_backward(ds: np.ndarray, s: np.ndarray, axis: int = -1) -> np.ndarray:
    """From the gradient of s = softmax(x) to that of x. Masked places have s = 0 and get 0."""
    return s * (ds - (ds * s).sum(axis, keepdims=True))
