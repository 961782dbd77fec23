"""What training makes small: loss(y, target, ..., weights=None) -> (mean, dy), value and gradient together.

The mean is over windows, weighted by `weights` (B,). dy is already divided by their sum: nobody divides twice or never.
"""
