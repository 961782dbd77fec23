"""How a ratio is measured: both do the same work, one after the other, again and again, and each pair gives one ratio."""
from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median
from time import perf_counter
from typing import Any

PAIRS = 5
ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}


@dataclass
class Row:
    """One line of the table. ratios: the peer's time (or memory) by ours where more is better, else ours by the peer's."""

    name: str
    peer: str
    goal: str
    ratios: list[float]
    ours: float  # median seconds, or MiB
    unit: str = "s"
    checked: dict[str, Any] = field(default_factory=dict)  # what was found to be right in the same run

    def text(self) -> list[str]:
        """Its cells."""
        checked = ", ".join(f"{what} {value}" for what, value in self.checked.items())
        return [self.name, self.peer, self.goal, f"{median(self.ratios):.2f}", f"{min(self.ratios):.2f} to {max(self.ratios):.2f}",
                f"{self.ours:.3g} {self.unit}", checked]


def alternately(ours: Callable[[], Any], theirs: Callable[[], Any], pairs: int = PAIRS, measure: Callable[[Callable], float] | None = None
                ) -> tuple[list[float], list[float]]:
    """Seconds of each, in pairs; once before that, unmeasured, to load what is loaded lazily."""
    measure = measure or seconds
    ours()
    theirs()
    found = [(measure(ours), measure(theirs)) for _ in range(pairs)]
    return [a for a, _ in found], [b for _, b in found]


def seconds(work: Callable[[], Any]) -> float:
    """Wall-clock seconds."""
    started = perf_counter()
    work()
    return perf_counter() - started


def faster(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """How many times as long the peer took."""
    return [b / a for a, b in zip(ours, theirs)]


def share(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Which share of the peer's we took."""
    return [a / b for a, b in zip(ours, theirs)]


def process(*command: str, stdin: bytes | None = None, cwd: str | None = None) -> tuple[float, bytes]:
    """Wall-clock seconds and standard output of a Python process of its own, one thread."""
    started = perf_counter()
    done = subprocess.run([sys.executable, *command], input=stdin, stdin=subprocess.DEVNULL if stdin is None else None,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=cwd, env=os.environ | ONE_THREAD, check=True)
    return perf_counter() - started, done.stdout


# A child starts with the peak of the process that it is split from: a small one stands between.
_PEAK = """import os, sys
child = os.spawnv(os.P_NOWAIT, sys.executable, [sys.executable, *sys.argv[1:]])
_, status, usage = os.wait4(child, 0)
sys.stderr.write(str(usage.ru_maxrss))
sys.exit(os.waitstatus_to_exitcode(status))"""


def peak(*command: str) -> tuple[float, bytes]:
    """Peak MiB of resident memory, and standard output, of a Python process."""
    done = subprocess.run([sys.executable, "-S", "-c", _PEAK, *command], stdin=subprocess.DEVNULL, capture_output=True,
                          env=os.environ | ONE_THREAD, check=True)
    return int(done.stderr.rpartition(b"\n")[2]) / 1024, done.stdout
