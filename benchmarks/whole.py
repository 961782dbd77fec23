"""Whole processes on raw HDFS lines: a file to a verdict for each session, their memory, and how both grow."""
from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from . import inputs, peers
from .measure import ONE_THREAD, PAIRS, Row, faster, peak, process
from .scoring import published, save_torch

USUAL = str(Path(__file__).with_name("usual_process.py"))
OURS = ("-m", "tinylog.detect", "--output-format", "csv")
NAMES = {"torch": "drain3 + PyTorch", "onnx": "drain3 + ONNX Runtime"}


def verdicts(quick: bool) -> Iterator[Row]:
    """A file of raw lines to a verdict a session."""
    with TemporaryDirectory() as folder:
        log, networks = _log(folder, 10_000 if quick else 1_000_000), _networks(folder)
        for kind, goal in (("torch", ">= 15"), ("onnx", ">= 8")):
            runs = [(process(*OURS, log), process(USUAL, kind, *networks[kind], log)) for _ in range(1 if quick else PAIRS)]
            a, b = [a[0] for a, _ in runs], [b[0] for _, b in runs]
            yield Row("raw HDFS log to verdicts, 1,000,000 lines", NAMES[kind], goal, faster(a, b), float(np.median(a)), checked=_sessions(*runs[0]))


def memory(quick: bool) -> Iterator[Row]:
    """Peak memory of the same processes."""
    with TemporaryDirectory() as folder:
        log, networks = _log(folder, 5_000 if quick else 500_000), _networks(folder)
        ours = peak(*OURS, log)
        for kind, goal in (("torch", "<= .13 of its"), ("onnx", "<= .6 of its")):
            theirs = peak(USUAL, kind, *networks[kind], log)
            yield Row("peak memory of detect, 500,000 lines", NAMES[kind], goal, [ours[0] / theirs[0]], ours[0], "MiB", _sessions(ours, theirs))


def growth(quick: bool) -> Iterator[Row]:
    """Ten times as many lines: seconds a line beside those of 100,000, and what the caches lost. Ours alone."""
    with TemporaryDirectory() as folder:
        first = None
        for n in (1_000, 10_000) if quick else (100_000, 1_000_000, 10_000_000):
            log = _log(folder, n)
            seconds, (most, _) = process(*OURS, log)[0], peak(*OURS, log)
            first = first or seconds / n
            yield Row(f"growth, {n:,} lines", "100,000 lines", "1 for each line", [seconds / n / first], seconds,
                      checked={"MiB": round(most), "caches": caches(log)})
            os.remove(log)


def jobs(quick: bool) -> Iterator[Row]:
    """Several files by two processes, beside one."""
    with TemporaryDirectory() as folder:
        logs = [_log(folder, 2_000 if quick else 250_000, seed) for seed in range(4)]
        runs = [(process(*OURS, "-j", "2", *logs), process(*OURS, *logs)) for _ in range(1 if quick else PAIRS)]
        a, b = [a[0] for a, _ in runs], [b[0] for _, b in runs]
        yield Row("-j 2, four files", "one process", "-", faster(a, b), float(np.median(a)), checked={"same rows": runs[0][0][1] == runs[0][1][1]})


def _sessions(ours: tuple[float, bytes], theirs: tuple[float, bytes]) -> dict[str, int]:
    return {"sessions": ours[1].count(b"\n") - 1, "theirs": int(theirs[1].split()[0])}


def caches(log: str) -> str:
    """What `python -m tinylog.parse` says of its caches on standard error."""
    done = subprocess.run([sys.executable, "-m", "tinylog.parse", log], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=os.environ | ONE_THREAD)
    said = re.findall(rb"\d+ [a-z_ ]*(?:full|aside)", done.stderr)
    return b", ".join(said).decode() or "never full"


def _log(folder: str, n: int, seed: int = 0) -> str:
    """A file of n lines, made a million at a time."""
    path = os.path.join(folder, f"hdfs_{n}_{seed}.log")
    with open(path, "wb") as file:
        for part in range(-(-n // 1_000_000)):
            file.write(inputs.as_file(inputs.lines("hdfs", min(n, 1_000_000), seed + part)))
    return path


def _networks(folder: str) -> dict[str, tuple[str, str]]:
    """The published student as a file of each peer, and its table of vectors."""
    student, windows = published("hdfs")
    table = os.path.join(folder, "table.npy")
    np.save(table, windows.tables["vectors"])
    save_torch(student, os.path.join(folder, "torch"))
    Path(folder, "onnx").write_bytes(peers.onnx_bytes(student))
    return {kind: (os.path.join(folder, kind), table) for kind in NAMES}


ROWS: dict[str, Callable[[bool], Iterator[Row]]] = {"verdicts": verdicts, "memory": memory, "growth": growth, "jobs": jobs}
