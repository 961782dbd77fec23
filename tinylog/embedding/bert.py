"""The weights of a BERT, as Hugging Face names them, as the parameters of layers/encoder.py.

    embeddings.word_embeddings.weight                      word.E
    embeddings.position_embeddings.weight                  position.E, the vector of the first segment added to each
    encoder.layer.3.attention.self.{query,key,value}.*     3.attention.in.*, one below the other
    encoder.layer.3.attention.output.dense.*               3.attention.out.*
    encoder.layer.3.intermediate.dense.*, output.dense.*   3.up.*, 3.down.*
    *.LayerNorm.{weight,bias} (or gamma, beta)             norm, 3.norm1, 3.norm2

What stands around it (the pooler, heads of other tasks) is left out; a common beginning of all names ("bert.") is skipped.
"""
from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import numpy as np

from ..errors import ModelFileError

_WORDS = "embeddings.word_embeddings.weight"
_LAYER = re.compile(r".*encoder\.layer\.(\d+)\.")


def params_of(arrays: Mapping[str, np.ndarray], n_words: int, heads: int) -> dict[str, np.ndarray]:
    """Encoder parameters, float32, of a checkpoint's arrays. ModelFileError: they are no BERT, or not all of one, or it has
    another vocabulary than n_words pieces, or its width cannot be parted among so many heads."""
    start = next((name[:-len(_WORDS)] for name in arrays if name.endswith(_WORDS)), None)
    if start is None:
        raise ModelFileError(f"these {len(arrays)} arrays are no BERT: none is named {_WORDS!r}")

    def of(name: str) -> np.ndarray:
        older = name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")
        for each in (start + name, start + older):
            if each in arrays:
                return arrays[each].astype(np.float32)
        raise ModelFileError(f"the BERT lacks the array {start + name!r}")

    try:
        segment = of("embeddings.token_type_embeddings.weight")[0]
        params = {"word.E": of(_WORDS), "position.E": of("embeddings.position_embeddings.weight") + segment}
        params |= _norm("norm", "embeddings.LayerNorm", of)
        depth = depth_of(arrays)
        for i in range(depth):
            params |= {f"{i}.{name}": array for name, array in _block(f"encoder.layer.{i}.", of).items()}
    except (ValueError, IndexError) as error:
        raise ModelFileError(f"the arrays of the BERT do not fit together: {error}") from None
    _check(params, depth)
    n, D = params["word.E"].shape
    if n != n_words:
        raise ModelFileError(f"the BERT has {n} word pieces, and the vocabulary {n_words}; give the vocab.txt that belongs to it")
    if D % heads:
        raise ModelFileError(f"the BERT's {D} numbers a state cannot be parted among {heads} heads; BERT has one for each 64")
    return params


def depth_of(arrays: Mapping[str, np.ndarray]) -> int:
    """How many blocks the arrays of a BERT have."""
    return 1 + max((int(match[1]) for match in map(_LAYER.match, arrays) if match), default=-1)


def _block(layer: str, of: Callable[[str], np.ndarray]) -> dict[str, np.ndarray]:
    params = {}
    for ours, theirs in (("W", "weight"), ("b", "bias")):
        three = [of(f"{layer}attention.self.{name}.{theirs}") for name in ("query", "key", "value")]
        params |= {f"attention.in.{ours}": np.concatenate(three), f"attention.out.{ours}": of(f"{layer}attention.output.dense.{theirs}"),
                   f"up.{ours}": of(f"{layer}intermediate.dense.{theirs}"), f"down.{ours}": of(f"{layer}output.dense.{theirs}")}
    return params | _norm("norm1", f"{layer}attention.output.LayerNorm", of) | _norm("norm2", f"{layer}output.LayerNorm", of)


def _norm(ours: str, theirs: str, of: Callable[[str], np.ndarray]) -> dict[str, np.ndarray]:
    return {f"{ours}.g": of(f"{theirs}.weight"), f"{ours}.b": of(f"{theirs}.bias")}


def _check(params: Mapping[str, np.ndarray], depth: int) -> None:
    """ModelFileError where the shapes do not fit together."""
    D = params["word.E"].shape[-1]
    wanted = {"word.E": (len(params["word.E"]), D), "position.E": (len(params["position.E"]), D), "norm.g": (D,), "norm.b": (D,)}
    for i in range(depth):
        F = len(params[f"{i}.up.b"])
        shapes = {"attention.in.W": (3 * D, D), "attention.in.b": (3 * D,), "attention.out.W": (D, D), "attention.out.b": (D,), "up.W": (F, D),
                  "up.b": (F,), "down.W": (D, F), "down.b": (D,), "norm1.g": (D,), "norm1.b": (D,), "norm2.g": (D,), "norm2.b": (D,)}
        wanted |= {f"{i}.{name}": shape for name, shape in shapes.items()}
    for name, shape in wanted.items():
        if params[name].shape != shape:
            raise ModelFileError(f"the BERT has shape {params[name].shape} where {name} needs {shape}")
