"""Figures for Prometheus, as a file that node_exporter's textfile collector reads.

    python -m tinylog.detect --metrics /var/lib/node_exporter/tinylog.prom ...

Written to a temporary file in the same folder, then renamed: a reader finds the old figures or the new ones, never half of them.
After a block of lines, at most every ten seconds, and at the end; a log that stands still leaves the figures as they are. Without
time stamps, which the collector refuses; with the rights that any other new file has, for the reader is another user.
"""
from __future__ import annotations

import errno
import math
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from .. import __version__
from ..records import FIRST_EVENT, KINDS, Block
from .escape import plain

if TYPE_CHECKING:
    from ..streaming.scorer import Scorer

LOST = "What was cut, dropped or closed early to stay within bounds, or fits nowhere."
SECONDS = 10.0  # of work between two writings
_ESCAPED = str.maketrans({"\\": "\\\\", '"': '\\"'})


class Figure(NamedTuple):
    """One line of the file: a number by the name of a metric and by labels. What ends in _total only grows."""

    name: str
    help: str
    value: float
    labels: dict[str, str] = {}


class Textfile:
    """The file of one run. A place where it cannot be written is said once, by `note`; the run goes on without."""

    def __init__(self, path: str, scorer: Scorer, dropped: Counter[str], note: Callable[[str], None],
                 clock: Callable[[], float] = time.monotonic) -> None:
        self.path, self.scorer, self.dropped, self.note, self.clock = path, scorer, dropped, note, clock
        self.bytes = 0
        self._next = -math.inf  # when it is to be written again
        self._failed = False

    def watched(self, log: Iterable[Block]) -> Iterator[Block]:
        """The same blocks; between two of them the file is written when it is time."""
        for block in log:
            yield block
            self.bytes += len(block.data)
            if self.clock() >= self._next:
                self.write()

    def write(self) -> None:
        """The figures as they are now."""
        self._next = self.clock() + SECONDS
        folder, name = os.path.split(self.path)
        temporary = os.path.join(folder, f".{name}.{os.getpid()}")  # no *.prom, or the collector would read it
        try:
            if os.path.exists(self.path) and not os.path.isfile(self.path):  # a device, which the renaming would take away from everyone
                raise OSError(errno.EINVAL, "it exists and is not a regular file")
            try:
                with open(temporary, "w", encoding="utf-8") as file:
                    file.write(as_text(figures(self.scorer, self.dropped, self.bytes)))
                os.replace(temporary, self.path)
            finally:
                if os.path.lexists(temporary):
                    os.unlink(temporary)
        except OSError as error:
            if not self._failed:
                self.note(f"tinylog: {self.path}: metrics cannot be written ({error.strerror or error}); going on without")
            self._failed = True
        else:
            self._failed = False


def figures(scorer: Scorer, dropped: Counter[str], n_bytes: int) -> list[Figure]:
    """What is known of a run."""
    pipeline, counters, parser = scorer.pipeline, scorer.counters, scorer.pipeline.parser
    full = Counter({what: n for what, n in parser.counters.items() if what.endswith("full")})
    lost = dropped + Counter(pipeline.windower.counters) + full
    del lost["timed_out"]  # those have had their verdict
    unnamed = counters["alerts"] - scorer.kinds.total()  # where only verdicts were asked for
    kinds = dict.fromkeys(KINDS.values(), 0) | scorer.kinds | ({"unknown": unnamed} if unnamed else {})
    last = [] if math.isnan(scorer.latest) else [
        Figure("last_line_timestamp_seconds", "Log time of the latest line.", scorer.latest)]
    return [
        Figure("lines_total", "Lines read.", pipeline.lines),
        Figure("bytes_total", "Bytes of those lines.", n_bytes),
        Figure("windows_total", "Sessions or windows judged.", counters["sessions"]),
        *(Figure("anomalies_total", "Alerts.", n, {"kind": kind}) for kind, n in sorted(kinds.items())),
        Figure("templates", "Templates known now.", len(parser.templates) - FIRST_EVENT),
        Figure("new_templates_total", "Templates that training did not have.", len(parser.templates) - parser.n_known),
        Figure("unmatched_total", "Lines of templates that training never saw.", counters["unseen"]),
        *(Figure("evictions_total", LOST, n, {"what": what}) for what, n in sorted(lost.items())),
        Figure("sessions_open", "Sessions or windows begun and not yet judged.", pipeline.windower.n_open()),
        Figure("threshold", "A score above it is an alert.", scorer.threshold),
        Figure("process_seconds_total", "Processor time used.", round(time.process_time(), 3)),
        Figure("model_info", "The model in use.", 1, {"model": scorer.model.name, "version": __version__}),
        *last,
    ]


def as_text(found: Iterable[Figure]) -> str:
    """Prometheus' text format, with a HELP and a TYPE before the first figure of each name."""
    rows, known = [], set()
    for name, text, value, labels in found:
        if name not in known:
            known.add(name)
            rows += [f"# HELP tinylog_{name} {text}", f"# TYPE tinylog_{name} {'counter' if name.endswith('_total') else 'gauge'}"]
        shown = ",".join(f'{key}="{plain(text).translate(_ESCAPED)}"' for key, text in labels.items())
        rows.append(f"tinylog_{name}{{{shown}}} {_number(value)}" if shown else f"tinylog_{name} {_number(value)}")
    return "\n".join(rows) + "\n"


def _number(value: float) -> str:
    if isinstance(value, int) or math.isfinite(value):
        return repr(value)
    return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
