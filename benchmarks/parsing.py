"""The rows of parsing: bytes of whole lines to event ids, beside drain3 at its defaults, which is given decoded contents.

Each row checks itself in the same run: the groups are those of the parser without caches, and where the true events are known the
grouping accuracy stands beside drain3's.
"""
from __future__ import annotations

import csv
import gzip
import tempfile
from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from train_ref.datasets import find

from tinylog.parsing import Parser
from tinylog.reading.formats import FORMATS, Format

from . import inputs, peers
from .measure import Row, alternately, faster, process

PEER = "drain3"
BLOCK = 1 << 20
PLAIN = FORMATS["ids"]  # a format without a header
TRUTH = {"hdfs": "HDFS", "bgl": "BGL", "openstack": "OpenStack", "linux": "Linux"}
ACCURACY_LINES = 2000  # of loghub's files of lines with true events


def rows(quick: bool) -> Iterator[Row]:
    """All of them; quick: a tenth of the lines or less, and fewer pairs, to see that it runs."""
    size, pairs = (20_000, 2) if quick else (500_000, 5)
    sizes = {"hdfs": size, "bgl": size, "openstack": size // 25}  # drain3 takes minutes for more of the last
    real = {name: inputs.lines(name, n) for name, n in sizes.items()}
    for name, goal in (("hdfs", ">= 18"), ("bgl", ">= 16"), ("openstack", ">= 8")):
        yield _row(f"parse, {name}, {sizes[name]:,} lines", goal, real[name], FORMATS[inputs.FORMAT_OF[name]], pairs, TRUTH[name])
    some = size // 10
    yield _row("parse, openstack, every UUID redrawn", ">= 1", inputs.with_new_uuids(real["openstack"]), FORMATS["openstack"], pairs)
    for name, n in (("iotdb", 60_000), ("linux", 25_000)):
        lines = inputs.lines(name, min(n, size))
        yield _row(f"parse, {name}, {len(lines):,} real lines", ">= 10", lines, FORMATS[inputs.FORMAT_OF[name]], pairs, TRUTH.get(name))
    for share, goal in ((0, ">= 8"), (.05, ">= 8"), (.25, ">= 1.5"), (1, ">= 1.5")):
        lines = inputs.with_new_words(real["hdfs"][:some], share)
        yield _row(f"parse, hdfs, {share:.0%} of lines with a never-seen word", goal, lines, FORMATS["hdfs"], pairs)
    for name, lines in inputs.adversarial(1_000 if quick else 4_000).items():
        yield _row(f"parse, adversarial: {name}", ">= 1", lines, PLAIN, pairs)
    yield _whole_process(real["hdfs"], pairs)


def _row(name: str, goal: str, lines: Sequence[bytes], form: Format, pairs: int, truth: str | None = None) -> Row:
    data, contents = inputs.as_file(lines), [form.content(line) for line in lines]
    ours, theirs = alternately(lambda: learned(data, form), lambda: peers.drain3(contents), pairs)
    sample = inputs.as_file(lines[:20_000])
    counters: Counter[str] = Counter()
    checked: dict[str, Any] = {"groups": "equal" if learned(sample, form) == learned(sample, form, cache_entries=0) else "DIFFERENT"}
    learned(data, form, counters=counters)
    checked["caches"] = ", ".join(f"{counters[key]:,} {key.replace('_', ' ')}" for key in sorted(counters) if key.endswith(("full", "aside"))) or "never full"
    if truth:
        checked["accuracy"] = "{:.3f} beside {:.3f}".format(*_accuracies(truth))
    return Row(name, PEER, goal, faster(ours, theirs), median(ours), checked=checked)


def learned(data: bytes, form: Format, counters: Counter[str] | None = None, **bounds: int) -> list[int]:
    """Event ids of whole lines, learned block by block; `counters` gets the parser's."""
    parser, ids, at = Parser(form.content_of, **bounds), [], 0
    while at < len(data):
        end = data.rfind(b"\n", at, at + BLOCK) + 1 or data.index(b"\n", at) + 1
        ids.append(parser.learn(data[at:end]))
        at = end
    if counters is not None:
        counters.update(parser.counters)
    return [event_id for part in ids for event_id in part.tolist()]


def _accuracies(system: str) -> tuple[float, float]:
    """Grouping accuracy of one pass over the lines whose events are known: ours, drain3's."""
    with gzip.open(find(f"loghub2k/{system}_2k.log_structured.csv.gz"), "rt", encoding="utf-8", errors="replace", newline="") as file:
        known = list(csv.DictReader(file))[:ACCURACY_LINES]
    contents, truth = [row["Content"].encode() for row in known], [row["EventId"] for row in known]
    return grouping_accuracy(learned(inputs.as_file(contents), PLAIN), truth), grouping_accuracy(peers.drain3(contents), truth)


def grouping_accuracy(found: Sequence[Hashable], truth: Sequence[Hashable]) -> float:
    """The share of lines whose group is exactly a true group (Zhu et al., ICSE-SEIP 2019)."""
    both, n_found, n_true = Counter(zip(found, truth)), Counter(found), Counter(truth)
    return sum(n for (a, b), n in both.items() if n == n_found[a] == n_true[b]) / len(truth)


def _whole_process(lines: Sequence[bytes], pairs: int) -> Row:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "hdfs.log")
        path.write_bytes(inputs.as_file(lines))
        peer = str(Path(__file__).with_name("drain3_process.py"))
        commands = ("-m", "tinylog.parse", str(path)), (peer, str(path))
        root = str(Path(__file__).parents[1])
        ours, theirs = alternately(*[lambda command=command: process(*command, cwd=root) for command in commands], pairs)
        n_rows = [process(*command, cwd=root)[1].count(b"\n") for command in commands]
    checked = {"rows": "equal" if n_rows[0] == n_rows[1] == len(lines) + 1 else f"DIFFERENT: {n_rows}"}
    name = f"python -m tinylog.parse, {len(lines):,} lines, whole process"
    return Row(name, PEER, ">= 8", faster(ours, theirs), median(ours), checked=checked)
