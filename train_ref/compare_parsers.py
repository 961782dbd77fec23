"""Drain and Spell, as they are here, on ten systems of LogHub: grouping accuracy and lines a second.

    python -m train_ref.compare_parsers [--quick]

Each log of 2,000 lines (contents, headers off) is learned, its events are joined, and all lines are matched again: a line counts
where its group is exactly a true one (Zhu et al., ICSE-SEIP 2019). Lines a second are of learning without caches, where every
line is parsed, so that what is measured is the parser; a real log repeats itself and is read at the speed of the caches.
Drain3 at its defaults, for comparison, is what tests/test_parsing.py holds as its bar. "tau .5" is Spell with the threshold of
its paper, where it is a share of all tokens, values too; the default was found on these very logs, so .94 flatters it.
"""
from __future__ import annotations

import argparse
import csv
import gzip
import sys
from collections import Counter
from collections.abc import Sequence
from functools import partial
from time import perf_counter
from unittest.mock import patch

from tinylog.console import run  # before numpy: it sets the number of threads

from tinylog.parsing import Parser
from tinylog.parsing import parser as parser_module
from tinylog.parsing.spell import Spell

from . import datasets

DRAIN3 = {"Apache": 1.0, "BGL": .969, "HDFS": .998, "HPC": .741, "Hadoop": .954, "Linux": .684, "Mac": .715,
          "OpenStack": .309, "Proxifier": .025, "Zookeeper": .967}
PARSERS = {"drain": ("drain", Spell), "spell": ("spell", Spell), "spell, tau .5": ("spell", partial(Spell, .5))}


def main(argv: Sequence[str] | None = None) -> int:
    """0"""
    parser = argparse.ArgumentParser(prog="python -m train_ref.compare_parsers", description="Grouping accuracy of the parsers.")
    parser.add_argument("--quick", action="store_true", help="two systems")
    systems = list(DRAIN3)[:2] if parser.parse_args(argv).quick else list(DRAIN3)
    header = ["system", "Drain3", *(f"{kind}{what}" for kind in PARSERS for what in ("", ", events", ", lines/s")), "true events"]
    sys.stdout.write("| " + " | ".join(header) + " |\n|---|" + "--:|" * (len(header) - 1) + "\n")
    totals = {kind: [] for kind in PARSERS}
    for system in systems:
        contents, truth = _read(system)
        cells = [system, f"{DRAIN3[system]:.3f}"]
        for kind in PARSERS:
            name, spell = PARSERS[kind]
            with patch.object(parser_module, "Spell", spell):
                accuracy, n_events, speed = _measured(name, contents, truth)
            totals[kind].append((accuracy, speed))
            cells += [f"{accuracy:.3f}", str(n_events), f"{speed:.0f}"]
        sys.stdout.write("| " + " | ".join([*cells, str(len(set(truth)))]) + " |\n")
    cells = ["mean", f"{sum(DRAIN3[system] for system in systems) / len(systems):.3f}"]
    for kind in PARSERS:
        accuracy, speed = (sum(column) / len(systems) for column in zip(*totals[kind]))
        cells += [f"{accuracy:.3f}", "", f"{speed:.0f}"]
    sys.stdout.write("| " + " | ".join([*cells, ""]) + " |\n")
    return 0


def grouping_accuracy(found: Sequence[int], truth: Sequence[str]) -> float:
    """The share of lines whose group is exactly a true group."""
    pairs, n_found, n_true = Counter(zip(found, truth)), Counter(found), Counter(truth)
    return sum(n for (event, name), n in pairs.items() if n == n_found[event] == n_true[name]) / len(truth)


def _read(system: str) -> tuple[bytes, list[str]]:
    path = datasets.find(f"loghub2k/{system}_2k.log_structured.csv.gz")
    with gzip.open(path, "rt", encoding="utf-8", errors="replace", newline="") as f:
        rows = list(csv.DictReader(f))
    return b"".join(row["Content"].encode() + b"\n" for row in rows), [row["EventId"] for row in rows]


def _measured(kind: str, contents: bytes, truth: list[str]) -> tuple[float, int, float]:
    """Grouping accuracy, number of events, lines a second."""
    parser = Parser(kind=kind, cache_entries=0)
    started = perf_counter()
    for line in contents.splitlines(keepends=True):  # one by one: within a chunk equal lines are parsed once
        parser.learn(line)
    speed = len(truth) / (perf_counter() - started)
    parser.consolidate()
    ids = parser.match(contents).tolist()
    return grouping_accuracy(ids, truth), len(set(ids)), speed


if __name__ == "__main__":
    run(main)
