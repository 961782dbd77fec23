"""Networks, forward and backward by hand: one module a layer, functions and arrays, no state.

    init(rng, sizes ..., dtype=float32) -> params     starting values, a flat dict of arrays
    forward(x, params, ...) -> (y, cache)             cache: what backward needs, of no use to others
    backward(dy, cache) -> (dx, grads)                grads has the keys and shapes of params
    infer(x, params, ...) -> y                        the same numbers as forward, nothing kept

`d` in front of a name is the gradient of the loss with respect to it. A layer that learns nothing (dropout, pooling)
has no init, takes no params, and its backward returns dx alone; one that reads ids (lookup) returns None for dx. A
layer keeps the dtype of its input (parameters are of the same), never changes an argument, and draws random numbers
only from the rng it is given.

Shapes are written in one alphabet: B windows, T events per window, D inputs, H hidden units, A attention units, K event
kinds or classes, N heads. Callers see sequences as (B, T, D); layout.py says how they lie in memory. A mask is (B, T)
bool, true at real events, which come before the padded ones; None means that every step is real.
"""
