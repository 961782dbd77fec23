"""DeepLog's parameter values (Du 2017, sections 3.2 and 5.3): planted slow-downs found, and what real lines of HDFS give.

    python -m train_ref.deeplog_value [--seeds 5] [--quick]

lifecycles   examples/make_lifecycles.py: normal lives to learn from, others with planted faults to find. Their events and
             the order of these are normal, so that rules see nothing. In the paper it is virtual machines of an OpenStack,
             and the network that images are copied over was throttled; it shows a plot and no figure
hdfs         raw_dev, whole blocks: the normal ones among those that begin first are learned from, the later half is judged.
             Its labels mean wrong sequences, not wrong numbers: what is found there is no measure of quality, false alarms are

"Gaussian" is the paper: an interval for each number, on errors of held-out windows; "robust" is ours, an interval for
windows. "no network": what is expected is what is usual for the template, whatever came before.
"""
from __future__ import annotations

import argparse
import csv
import gzip
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

from tinylog.console import note, run  # before numpy: it sets the number of threads

import numpy as np

from tinylog.detectors import Sizes, deeplog_value, rules
from tinylog.metrics.classification import figures
from tinylog.parsing import Parser
from tinylog.pipeline import Pipeline, read, recognise, spec_for
from tinylog.records import Windows
from tinylog.training.minimise import minimise

from . import datasets

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))
import make_lifecycles  # noqa: E402

MACHINES, EVERY = 2000, 12  # of a made log; one in so many has a fault
INTERVALS = (0.98, 0.99, 0.999)
SHOWN, SHOWN_OF = 10, "robust, 99 %"  # alerts of the last seed


class Case(NamedTuple):
    """A log to learn from and one to judge. `faults` (B,): "" is normal."""

    name: str
    train: Windows
    test: Windows
    faults: np.ndarray
    parser: Parser


def main(argv: Sequence[str] | None = None) -> int:
    """0"""
    parser = argparse.ArgumentParser(prog="python -m train_ref.deeplog_value", description="DeepLog's parameter values.")
    parser.add_argument("--seeds", type=int, default=5, help="how many, from 0")
    parser.add_argument("--quick", action="store_true", help="everything once, on little")
    args = parser.parse_args(argv)
    for made in (partial(lifecycles, 240 if args.quick else MACHINES), lambda seed: hdfs()):
        rows: dict[str, list[dict]] = {}
        for seed in range(1 if args.quick else args.seeds):
            case, detectors = made(seed), {}
            for name, row, detectors[name] in _rows(case, seed, args.quick):
                rows.setdefault(name, []).append(row)
                note(f"{case.name} seed {seed}: {name}, F1 {row['f1']:.3f}, false alarms {row['false_positive_rate']:.4f}")
        sys.stdout.write(_table(case.name, rows))
        _alerts(case, detectors[SHOWN_OF])
    return 0


def lifecycles(machines: int, seed: int) -> Case:
    """Two logs of each seed's own."""
    with tempfile.TemporaryDirectory() as folder:
        train, test = (str(Path(folder) / name) for name in ("train.log", "test.log"))
        make_lifecycles.main(train, train + ".csv", machines, seed, 0)
        make_lifecycles.main(test, test + ".csv", machines, 1000 + seed, EVERY)
        parser, (normal, _), (judged, keys) = _read([train, test])
        with open(test + ".csv", encoding="ascii") as file:
            fault = {row["session"].encode(): row["fault"] for row in csv.DictReader(file)}
    return Case("lifecycles", normal, judged, np.array([fault[key] for key in keys]), parser)


@cache
def hdfs() -> Case:
    """The same blocks for each seed."""
    parser, (windows, keys) = _read([datasets.find("hdfs/raw_dev/HDFS_raw_dev.log.gz")])
    with gzip.open(datasets.find("hdfs/raw_dev/anomaly_label.csv.gz"), "rt", encoding="ascii") as file:
        abnormal = {row["BlockId"].encode() for row in csv.DictReader(file) if row["Label"] != "Normal"}
    order = np.argsort(windows.times[:, 0], kind="stable")
    windows, faults = windows.take(order), np.array(["abnormal block" if key in abnormal else "" for key in keys])[order]
    half = len(windows) // 2
    return Case("hdfs", windows.take(np.flatnonzero(faults[:half] == "")), windows.take(slice(half, None)), faults[half:], parser)


def _read(files: Sequence[str]) -> tuple:
    """A parser that learned all the logs' templates; of each log its windows, and their keys."""
    form, _ = recognise(read(files[:1], Counter()))
    parser = Parser(form.content_of)
    for block in read(files, Counter()):
        parser.learn(block.data)
    parser.consolidate()
    logs = []
    for file in files:
        pipeline = Pipeline(form, parser, spec_for(form), needs={"deeplog_value": deeplog_value.NEEDS})
        sessions = [session for step in pipeline.run(read([file], Counter())) for session in step.closed]
        logs.append((pipeline.windows(sessions), [session.key for session in sessions]))
    return parser, *logs


def _rows(case: Case, seed: int, quick: bool) -> Iterator[tuple[str, dict, deeplog_value.Detector | None]]:
    """Each variant's figures, and the detector."""
    sizes = Sizes(len(case.parser.templates))
    facts = rules.Detector.create(rules.Config(), sizes)
    facts.fit(case.train)
    for name, column in zip(rules.NAMES[:3], facts.states(case.test).T):
        yield f"rule: {name}", _figures((column != 0).astype(float), 0.5, case), None
    learned = partial(minimise, rng=np.random.default_rng(seed))
    variants = [(name, interval, learned) for name in ("Gaussian", "robust") for interval in INTERVALS]
    for name, interval, how in [*variants, ("robust, no network", INTERVALS[-1], _unlearned)]:
        config = deeplog_value.Config(robust=name != "Gaussian", interval=interval, **({"epochs": 1} if quick else {}))
        detector = deeplog_value.Detector.create(config, sizes, np.random.default_rng(seed))
        started = perf_counter()
        detector.fit(case.train, how, {}, np.random.default_rng(seed))
        trained = perf_counter()
        scores = detector.score(case.test)
        row = _figures(scores, detector.threshold, case) | {"training": trained - started, "detection": perf_counter() - trained}
        row |= {"numbers": sum(p.size for p in detector.params.values()), "bytes": sum(p.nbytes for p in detector.params.values())}
        yield f"{name}, {100 * interval:g} %", row, detector


def _unlearned(loss_and_grads: Callable, params: dict[str, np.ndarray], n: int, **wishes) -> list[float]:
    """In the place of `minimise`: a network that says 0, the usual."""
    for array in params.values():
        array[...] = 0
    return []


def _figures(scores: np.ndarray, threshold: float, case: Case) -> dict:
    """Figures of all windows, and the share that is found of each fault."""
    found = {fault: float((scores[case.faults == fault] > threshold).mean()) for fault in np.unique(case.faults) if fault}
    return figures(scores, (case.faults != "").astype(np.int8), threshold) | {"found": found}


def _table(name: str, rows: dict[str, list[dict]]) -> str:
    """Markdown: mean and spread over the seeds."""
    kinds = list(next(iter(rows.values()))[0]["found"])
    heads = [name, "seeds", "precision", "recall", "F1", "false alarms", *kinds, "numbers", "bytes", "training s", "detection s"]
    lines = [heads, ["---"] + ["--:"] * (len(heads) - 1)]
    for variant, seeds in rows.items():
        cells = [_spread([row[what] for row in seeds]) for what in ("precision", "recall", "f1", "false_positive_rate")]
        cells += [_spread([row["found"][kind] for row in seeds]) for kind in kinds]
        cells += [f"{np.mean([row.get(what, 0) for row in seeds]):.{digits}f}" for what, digits in
                  (("numbers", 0), ("bytes", 0), ("training", 1), ("detection", 2))]
        lines.append([variant, str(len(seeds)), *cells])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines) + "\n"


def _spread(values: list[float]) -> str:
    return f"{np.mean(values):.4f} ± {np.std(values):.4f}"


def _alerts(case: Case, detector: deeplog_value.Detector) -> None:
    """What the highest scores say."""
    scores = detector.score(case.test)
    for i in np.argsort(-scores, kind="stable")[:SHOWN]:
        reason = detector.explain(case.test, int(i))
        text = case.parser.templates[case.test.events[i, reason.position]].text
        sys.stdout.write(f"{scores[i]:.2f}  {case.faults[i] or 'normal'}: {text}  {dict(reason.detail)}\n")


if __name__ == "__main__":
    run(main)
