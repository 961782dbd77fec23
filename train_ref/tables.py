"""What the recipes print: a Markdown table with a row a variant, mean and standard deviation over the seeds."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

CUTS = ("all", "distinct", "unseen")


class Row(NamedTuple):
    """One variant, one seed."""

    name: str
    f1: tuple[float, ...]  # a figure for each column, NaN where there is none; most recipes': of all, distinct, unseen windows
    numbers: int = 0  # that were learned; 0: nothing was, and nothing is said of cost
    size: int = 0  # bytes
    training: float = 0.0  # seconds; twins for a threshold and a student's teacher included
    detection: float = 0.0  # seconds, for all windows of the test


def table(test: str, rows: Sequence[Row], paper: Mapping[str, float], columns: Sequence[str] = CUTS, cost: str = "",
          rules: Sequence[str] = ("rule",)) -> str:
    """The variants in the order in which they came, the paper's figures before them; cost: how many numbers the paper's have; rules:
    how the names of those begin of which the best one stands in the title.
    """
    named = "".join(f"; best {start} {best(rows, start)}" for start in rules)
    lines = [f"{test}: F1 of the anomalous ones, mean +- standard deviation over the seeds{named}", "", f"| variant | seeds | {' | '.join(columns)} | numbers | bytes | training s | detection s |",
             "|---|" + "--:|" * (5 + len(columns))]
    for what, figure in paper.items():
        lines.append(f"| {what} | | {figure:.3f} |" + " |" * (len(columns) - 1) + f" {cost} | | | |")
    for variant, group in grouped(rows).items():
        cells = [spread(values) for values in zip(*(row.f1 for row in group))]
        numbers, size, training, detection = np.mean([row[2:] for row in group], 0)
        cells += [f"{numbers:.0f}", f"{size:.0f}", f"{training:.1f}", f"{detection:.2f}"] if numbers else [""] * 4
        lines.append("| " + " | ".join([variant, str(len(group)), *cells]) + " |")
    return "\n".join(lines) + "\n"


def grouped(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """The seeds of each variant."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.name, []).append(row)
    return groups


def best(rows: Sequence[Row], start: str) -> str:
    """The rule with the highest mean F1, of those whose names begin so."""
    means = {name: np.mean([row.f1[0] for row in group]) for name, group in grouped(rows).items() if name.startswith(start)}
    name = max(means, key=means.__getitem__)
    return f"{name.partition(': ')[2]} {means[name]:.4f}"


def spread(values: Sequence[float]) -> str:
    """Mean and standard deviation; "" where there is nothing."""
    if np.isnan(values).all():
        return ""
    return f"{np.mean(values):.4f}" + (f" +- {np.std(values, ddof=1):.4f}" if len(values) > 1 else "")
