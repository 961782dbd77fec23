"""python -m train_ref.budget [--seeds N] [--quick]: whether detect --budget keeps its promise on real normal stretches.

The normal lines of a log (those of sessions, or with a label column those lines, that are labelled normal) in order of time: the first
half trains without labels, the second half is detected with several budgets; a session belongs to the half that it begins in. "Drawn":
the sessions of each half are drawn instead, so that nothing changes between them. Promised is what the held-back windows of training allow
to say, with 95 % of its own; found is what came, told what is left of it where a burst counts once. A log that changes between its halves
is not "like what was held back", and shows it.
"""
from __future__ import annotations

import argparse
import gzip
import os
import random
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from tempfile import TemporaryDirectory

from tinylog import train
from tinylog.model import Model
from tinylog.pipeline import read, recognise
from tinylog.reading.formats import FORMATS, session_keys
from tinylog.reading.labels import read_labels
from tinylog.streaming.budget import Budget, Calibration
from tinylog.streaming.scorer import Scorer

from .datasets import find

BUDGETS = ("5/day", "1/hour", "5/hour", "5/10k")
LOGS = {"HDFS": ("hdfs", "hdfs/raw_dev/HDFS_raw_dev.log.gz"), "HDFS, drawn": ("hdfs", "hdfs/raw_dev/HDFS_raw_dev.log.gz"),
        "BGL": ("bgl", "bgl/BGL_first100k.log.gz")}


def halves(name: str, share: float, seed: int) -> tuple[list[bytes], list[bytes]]:
    """The normal lines, in the order of the file, of its first `share`."""
    form, path = LOGS[name]
    with gzip.open(find(path)) as file:
        lines = file.read().splitlines()
    if name == "BGL":
        lines = [line for line in lines if line.startswith(b"- ")]
        lines = lines[:int(share * len(lines))]
        return lines[:len(lines) // 2], lines[len(lines) // 2:]
    labels = read_labels(find("hdfs/raw_dev/anomaly_label.csv.gz"))
    keys = session_keys(lines, FORMATS[form].session)
    begun = list(dict.fromkeys(key for of in keys for key in of if not labels.get(key)))
    begun = begun[:int(share * len(begun))]
    if name.endswith("drawn"):
        random.Random(seed).shuffle(begun)
    parts = set(begun[:len(begun) // 2]), set(begun[len(begun) // 2:])
    first, second = ([line for line, of in zip(lines, keys) if of and of[0] in part] for part in parts)
    return first, second


def main() -> int:
    """0"""
    options = argparse.ArgumentParser(prog="python -m train_ref.budget")
    options.add_argument("--quick", action="store_true", help="a tenth of the lines, shows that it runs")
    options.add_argument("--seeds", type=int, default=1, help="how many, from 0")
    args = options.parse_args()
    sys.stdout.write("| log | seed | held back | budget | expected alerts, 95 % | found | told | log time |\n" + "| --- " * 8 + "|\n")
    for name in LOGS:
        for seed in range(args.seeds):
            for row in _rows(name, halves(name, 0.1 if args.quick else 1.0, seed), seed):
                sys.stdout.write(f"| {name} | {seed} | {' | '.join(row)} |\n")
                sys.stdout.flush()
    return 0


def _rows(name: str, parts: Sequence[list[bytes]], seed: int) -> Iterator[list[str]]:
    with TemporaryDirectory() as folder:
        first, second, model = (os.path.join(folder, part) for part in ("first.log", "second.log", "m.tinylog"))
        for path, some in zip((first, second), parts):
            with open(path, "wb") as file:
                file.write(b"\n".join(some) + b"\n")
        train.main(["-o", model, "--seed", str(seed), *(["--window", "50"] if name == "BGL" else []), first])
        yield from spent(Model.load(model), second, LOGS[name][0])


def spent(model: Model, path: str, form: str) -> Iterator[list[str]]:
    """A row for each budget."""
    known = Calibration.from_json(model.card["calibration"])
    for text in BUDGETS:
        own, log = recognise(read([path], Counter()), FORMATS[form])
        twin = model.reading(own)
        scorer = Scorer(twin, twin.pipeline(own), budget=Budget(text, known, own.time is not None))
        told = sum(alert.reason != "drift" for alert in scorer.run(log))
        budget, (low, high) = scorer.budget, scorer.budget.interval()
        yield [str(known.windows), text, f"{budget.expected:.3g} ({low} to {high})", str(told + scorer.counters["burst"]), str(told),
               f"{budget.elapsed / 3600:.1f} h"]


if __name__ == "__main__":
    sys.exit(main())
