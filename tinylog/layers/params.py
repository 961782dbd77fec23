"""Parameters and gradients: flat dicts of arrays with dots in their names ("gru.0.W"). A network joins its layers'."""
from __future__ import annotations

import numpy as np

Params = dict[str, np.ndarray]


def part(params: Params, name: str) -> Params:
    """What belongs to the layer `name`, under the layer's own names: of "gru", "gru.0.W" is "0.W"."""
    start = name + "."
    return {key[len(start):]: array for key, array in params.items() if key.startswith(start)}


def named(name: str, params: Params) -> Params:
    """The reverse of `part`: "0.W" becomes "gru.0.W"."""
    return {f"{name}.{key}": array for key, array in params.items()}


def add(*grads: Params) -> Params:
    """Gradients by name, summed where several have the same: a parameter that is used twice."""
    total: Params = {}
    for some in grads:
        for key, array in some.items():
            total[key] = total[key] + array if key in total else array
    return total


def size(params: Params) -> int:
    """How many numbers there are."""
    return sum(array.size for array in params.values())
