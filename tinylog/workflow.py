"""python -m tinylog.workflow -m MODEL [--dot] > workflow

Prints the workflow that a model's deeplog_workflow was built to: a line for each step with what follows it, or Graphviz DOT.
"""
from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from .console import run  # isort: skip, it sets the thread variables before NumPy is imported
from .errors import InputError
from .model import load
from .workflows import printing


def main(argv: Sequence[str] | None = None) -> int:
    """0"""
    options = argparse.ArgumentParser(prog="python -m tinylog.workflow", description="Prints the workflow that a model holds.",
                                      allow_abbrev=False)
    options.add_argument("-m", "--model", metavar="M", required=True, help="model file with the detector deeplog_workflow")
    options.add_argument("--dot", action="store_true", help="as Graphviz source: `dot -Tsvg` draws it")
    args = options.parse_args(argv)
    model = load(args.model)
    detector = model.detectors.get("deeplog_workflow")
    if detector is None:
        raise InputError(f"{args.model} holds no workflow; train one with `python -m tinylog.train --detector deeplog_workflow -o M LOG`")
    printed = printing.dot if args.dot else printing.text
    sys.stdout.write(printed(detector.workflow, lambda event_id: " ".join(model.template(event_id)).strip()))
    return 0


if __name__ == "__main__":
    run(main)
