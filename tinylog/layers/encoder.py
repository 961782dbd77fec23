"""Transformer encoder as BERT has it (Devlin 2019): token ids to one state a token, normalised after each addition.

    h_0 = norm(E[id] + P[position])
    m = norm(h + attention(h))      h' = norm(m + W_2 gelu(W_1 m + b_1) + b_2)      one block; layer i is "i."

BERT adds a segment's vector too; there is one segment here, so it belongs to P. While training, dropout follows the
first normalisation, attention and W_2 (not the shares of attention, as BERT has it too).
"""
from __future__ import annotations

from typing import Any

import numpy as np

from . import dense, dropout, layernorm, lookup, multihead
from .activations import gelu, gelu_backward
from .params import Params, add, named, part

START = 0.02  # limit of starting tables, BERT's standard deviation: larger ones drown what attention adds


def init(rng: np.random.Generator, n_words: int, positions: int, D: int, F: int, depth: int, dtype: type = np.float32) -> Params:
    """Ids below n_words, at most so many positions, D numbers a state, F hidden units in each of `depth` blocks."""
    params = named("word", lookup.init(rng, n_words, D, dtype)) | named("position", lookup.init(rng, positions, D, dtype))
    params = {name: table * np.array(START * D ** 0.5, dtype) for name, table in params.items()}
    params |= named("norm", layernorm.init(D, dtype))
    for i in range(depth):
        block = (named("attention", multihead.init(rng, D, dtype)) | named("norm1", layernorm.init(D, dtype))
                 | named("up", dense.init(rng, D, F, dtype)) | named("down", dense.init(rng, F, D, dtype))
                 | named("norm2", layernorm.init(D, dtype)))
        params |= named(str(i), block)
    return params


def forward(ids: np.ndarray, params: Params, heads: int, mask: np.ndarray | None = None, rate: float = 0.0,
            rng: np.random.Generator | None = None) -> tuple[np.ndarray, Any]:
    """ids (B, T) to states h (B, T, D). Dropout of `rate` needs an rng. IndexError: more steps than positions."""
    word, word_cache = lookup.forward(ids, part(params, "word"))
    place, place_cache = lookup.forward(np.arange(ids.shape[1]), part(params, "position"))
    h, norm_cache = layernorm.forward(word + place, part(params, "norm"))
    h, drop = _dropped(h, rate, rng)
    blocks = []
    for i in range(_depth(params)):
        h, cache = block_forward(h, part(params, str(i)), heads, mask, rate, rng)
        blocks.append(cache)
    return h, (word_cache, place_cache, norm_cache, drop, blocks)


def backward(dh: np.ndarray, cache: Any, frozen: int = 0) -> tuple[None, Params]:
    """dh (B, T, D) to the gradients; ids have none. Below `frozen` blocks nothing is learned, the tables neither."""
    word_cache, place_cache, norm_cache, drop, blocks = cache
    grads: Params = {}
    for i in reversed(range(frozen, len(blocks))):
        dh, g = block_backward(dh, blocks[i])
        grads |= named(str(i), g)
    if frozen:
        return None, grads
    dh, norm = layernorm.backward(_undropped(dh, drop), norm_cache)
    # forward: E[id] + P[position], the positions of all windows alike
    word, place = lookup.backward(dh, word_cache)[1], lookup.backward(dh.sum(0), place_cache)[1]
    return None, grads | named("norm", norm) | named("word", word) | named("position", place)


def infer(ids: np.ndarray, params: Params, heads: int, mask: np.ndarray | None = None) -> np.ndarray:
    """h (B, T, D)"""
    h = lookup.infer(ids, part(params, "word")) + params["position.E"][np.arange(ids.shape[1])]
    h = layernorm.infer(h, part(params, "norm"))
    for i in range(_depth(params)):
        h = block_forward(h, part(params, str(i)), heads, mask)[0]
    return h


def block_forward(x: np.ndarray, params: Params, heads: int, mask: np.ndarray | None = None, rate: float = 0.0,
                  rng: np.random.Generator | None = None) -> tuple[np.ndarray, Any]:
    """One block: x (B, T, D) to y (B, T, D)."""
    seen, attention_cache = multihead.forward(x, part(params, "attention"), heads, mask)
    seen, drop1 = _dropped(seen, rate, rng)
    m, norm1_cache = layernorm.forward(x + seen, part(params, "norm1"))
    u, up_cache = dense.forward(m, part(params, "up"))
    active = gelu(u)
    w, down_cache = dense.forward(active, part(params, "down"))
    w, drop2 = _dropped(w, rate, rng)
    y, norm2_cache = layernorm.forward(m + w, part(params, "norm2"))
    return y, (attention_cache, drop1, norm1_cache, u, up_cache, active, down_cache, drop2, norm2_cache)


def block_backward(dy: np.ndarray, cache: Any) -> tuple[np.ndarray, Params]:
    """dy (B, T, D) to dx (B, T, D)."""
    attention_cache, drop1, norm1_cache, u, up_cache, active, down_cache, drop2, norm2_cache = cache
    # forward: y = norm(m + down(gelu(up(m))))
    dsum, norm2 = layernorm.backward(dy, norm2_cache)
    dw, down = dense.backward(_undropped(dsum, drop2), down_cache)
    dm, up = dense.backward(gelu_backward(dw, u, active), up_cache)
    # forward: m = norm(x + attention(x))
    dsum, norm1 = layernorm.backward(dsum + dm, norm1_cache)
    dx, attention = multihead.backward(_undropped(dsum, drop1), attention_cache)
    grads = {"attention": attention, "norm1": norm1, "up": up, "down": down, "norm2": norm2}
    return dsum + dx, add(*(named(name, g) for name, g in grads.items()))


def _dropped(x: np.ndarray, rate: float, rng: np.random.Generator | None) -> tuple[np.ndarray, Any]:
    return dropout.forward(x, rate, rng) if rate else (x, None)


def _undropped(dx: np.ndarray, cache: Any) -> np.ndarray:
    return dx if cache is None else dropout.backward(dx, cache)


def _depth(params: Params) -> int:
    return 1 + max((int(name.split(".")[0]) for name in params if name[0].isdecimal()), default=-1)
