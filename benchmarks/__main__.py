"""python -m benchmarks [--quick] [--json FILE] [PART...]: a table of ratios, tinylog beside what people would use instead.

Each ratio is that of a pair, one after the other on the same input, one thread; the table has the median of five pairs, the lowest and the
highest. It needs the extra `bench` and the logs that the recipes need.
"""
from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict

from .measure import ONE_THREAD

os.environ.update(ONE_THREAD)  # before NumPy is imported, and with it those that are measured

HEADS = ("row", "peer", "goal", "ratio", "min to max", "ours", "checked in the same run")


def main(argv: Sequence[str] | None = None) -> int:
    """0"""
    from . import parsing, scoring, training, whole
    parts = {"parsing": parsing.rows, **scoring.ROWS, **whole.ROWS, "training": training.teacher}
    options = argparse.ArgumentParser(prog="python -m benchmarks", allow_abbrev=False)
    options.add_argument("parts", nargs="*", metavar="PART", help=f"out of {', '.join(parts)} (default: all)")
    options.add_argument("--quick", action="store_true", help="small inputs, fewer pairs: to see that it runs")
    options.add_argument("--json", metavar="FILE", help="the rows as JSON too")
    args = options.parse_args(argv)
    unknown = sorted(set(args.parts) - set(parts))
    if unknown:
        options.error(f"there is no part {unknown[0]!r}; there are: {', '.join(parts)}")
    sys.stdout.write(_line(HEADS) + _line(["---"] * len(HEADS)))
    rows = []
    for name in args.parts or parts:
        for row in parts[name](args.quick):
            rows.append(row)
            sys.stdout.write(_line(row.text()))
            sys.stdout.flush()
    if args.json:
        with open(args.json, "w", encoding="utf-8") as file:
            json.dump([asdict(row) for row in rows], file, indent=1, default=str)
    return 0


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |\n"


if __name__ == "__main__":
    sys.exit(main())
