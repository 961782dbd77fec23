"""Gradients against finite differences, projected: whatever the number of parameters, two calls of f an input.

For output y, upstream gradient u and a direction v, (f(a + eps v) - f(a - eps v)) . u / (2 eps) must be grad . v.
"""
import numpy as np

EPS = 1e-5


def check_gradients(f, inputs, rng, tolerance=1e-6):
    """f(inputs) -> (y, backward), backward(u) -> gradients; inputs and gradients are dicts of float64 arrays."""
    y, backward = f(inputs)
    u = rng.standard_normal(np.shape(y))
    grads = backward(u)
    assert grads.keys() == inputs.keys()
    for name, a in inputs.items():
        g = grads[name]
        assert g.shape == a.shape, f"{name}: gradient {g.shape} of an array {a.shape}"
        v = rng.standard_normal(a.shape)
        above, below = (f(inputs | {name: a + step * v})[0] for step in (EPS, -EPS))
        numeric, exact = ((above - below) * u).sum() / (2 * EPS), (g * v).sum()
        allowed = tolerance * max(np.linalg.norm(g), 0.01)
        assert abs(numeric - exact) <= allowed, f"{name}: finite differences {numeric:.9g}, gradient {exact:.9g}"
