"""python -m train_ref [--quick] [--seeds N] [RECIPE...]: the recipes one after the other, each with its table on standard output.

--quick shows within ten minutes that all of them run; its figures mean nothing. A recipe that fails does not stop the others.
"""
from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from time import perf_counter

RECIPES = ("distillog", "deeplog", "deeplog_value", "deeplog_workflow", "feedback", "loganomaly", "autolog", "cldtlog", "lstm_classifier", "lightlog",
           "classical", "fresh", "budget", "compare_parsers")


def main(argv: Sequence[str] | None = None) -> int:
    """How many recipes failed."""
    options = argparse.ArgumentParser(prog="python -m train_ref", allow_abbrev=False)
    options.add_argument("recipes", nargs="*", metavar="RECIPE", help=f"out of {', '.join(RECIPES)} (default: all)")
    options.add_argument("--quick", action="store_true", help="only whether they run")
    options.add_argument("--seeds", metavar="N", help="how many seeds each recipe takes")
    args = options.parse_args(argv)
    unknown = sorted(set(args.recipes) - set(RECIPES))
    if unknown:
        options.error(f"no recipe named {unknown[0]!r}; there are: {', '.join(RECIPES)}")
    failed = []
    for name in args.recipes or RECIPES:
        more = ["--quick"] * args.quick + (["--seeds", args.seeds] if args.seeds else [])
        started = perf_counter()
        code = subprocess.run([sys.executable, "-m", f"train_ref.{name}", *more]).returncode
        sys.stderr.write(f"train_ref: {name} {'done' if code == 0 else f'failed with {code}'} after {perf_counter() - started:.0f} s\n")
        failed += [name] * (code != 0)
    return len(failed)


if __name__ == "__main__":
    sys.exit(main())
