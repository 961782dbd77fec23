"""python -m train_ref.fresh [--adapt] [--session-timeout S] [--show N] [LOG...]: what `detect --fresh` says on real logs that it has never seen.

No labels, no model, no option. Where a log has labels they score the verdicts: sessions that began behind the warm-up (hdfs), or windows of
50 lines behind it, anomalous where a line is (bgl). A verdict is anomalous where an alert was told, or counted as told before or as part of
an incident; not where its cause had become common. Beside it, on the same windows: unseen_event (an event that the warm-up had not),
the best of the rules on sets, counts and pairs of events, and a grep for error|fail|exception. Alerts a day are those that a person
would get, in log time: each line that matches, for the grep; each window, for the rules.
"""
from __future__ import annotations

import argparse
import re
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from time import process_time
from typing import Any, NamedTuple

import numpy as np

from tinylog.metrics.classification import figures
from tinylog.model import Model
from tinylog.pipeline import read, recognise
from tinylog.reading.formats import FORMATS
from tinylog.reading.labels import read_labels
from tinylog.records import Alert
from tinylog.output.as_text import line as to_text
from tinylog.streaming.adapt import Adaptation
from tinylog.streaming.causes import Causes
from tinylog.streaming.scorer import Scorer
from tinylog.training import warmup
from tinylog.training.first_part import first_part
from tinylog.windowing.sessions import Session

from .datasets import find

LOGS = {"hdfs": ("hdfs/raw_dev/HDFS_raw_dev.log.gz", "hdfs/raw_dev/anomaly_label.csv.gz"), "bgl": ("bgl/BGL_first100k.log.gz", None),
        "iotdb": ("throughput/iotdb_60k.log.gz", None), "linux": ("throughput/linux_25k.log.gz", None), "linux_2k": ("loghub2k/Linux_2k.log.gz", None)}
KEYWORDS = re.compile(rb"error|fail|exception", re.I)
RULES = "event_set", "count_vector", "bigram"


class Recorder(Causes):
    """Causes that remember what they decided."""

    def __init__(self) -> None:
        super().__init__()
        self.flagged: list[Alert] = []

    def judge(self, alert: Alert, *about: Any, **more: Any) -> str:
        """As Causes."""
        verdict = super().judge(alert, *about, **more)
        if verdict != "common" and alert.detector != "rates":
            self.flagged.append(alert)
        return verdict


class Watched(NamedTuple):
    """One log, watched to its end."""

    model: Model
    learning: float  # seconds
    detection: float
    told: list[Alert]
    flagged: list[Alert]
    sessions: list[Session]  # those behind the warm-up, lines kept
    lines: int  # judged
    days: float  # of log time, NaN where there is none
    learned: str  # with --adapt: what


def main(argv: Sequence[str] | None = None) -> int:
    """0"""
    options = argparse.ArgumentParser(prog="python -m train_ref.fresh", allow_abbrev=False)
    options.add_argument("logs", nargs="*", metavar="LOG", help=f"out of {', '.join(LOGS)} (default: all)")
    options.add_argument("--show", type=int, default=0, metavar="N", help="the first alerts of each log")
    options.add_argument("--adapt", action="store_true", help="learning from what is not flagged; says beside the log what")
    options.add_argument("--session-timeout", type=float, metavar="S", help="as of detect: without it most sessions of hdfs close at its end")
    options.add_argument("--quick", action="store_true", help="the smallest log alone")
    options.add_argument("--seeds", help="nothing is drawn; for train_ref, which passes it on")
    args = options.parse_args(argv)
    head = ("log", "warm-up", "lines", "judged", "alerts", "on normal", "per 10,000 lines", "a day", "F1 (P, R)", "unseen_event", "best rule", "grep", "its alerts a day",
            "learning s", "detection s")
    sys.stdout.write(f"| {' | '.join(head)} |\n|---|---|" + "--:|" * (len(head) - 2) + "\n")
    for name in args.logs or (["linux_2k"] if args.quick else LOGS):
        path, labels = LOGS[name]
        for what, wanted in (("default", None), ("half", _half(path))) if name in ("hdfs", "bgl") else (("default", None),):
            watched = watch(find(path), wanted, args.adapt, args.session_timeout)
            sys.stdout.write(f"| {' | '.join([name, what, *row(watched, read_labels(find(labels)) if labels else None)])} |\n")
            if watched.learned:
                sys.stdout.write(f"    {watched.learned}\n")
            sys.stdout.flush()
            for alert in watched.told[:args.show]:
                sys.stdout.write(f"    {to_text(alert)[:300]}\n")
    return 0


def watch(path: str, wanted: int | None = None, adapting: bool = False, timeout: float | None = None) -> Watched:
    """What `python -m tinylog.detect --fresh [--adapt] [--session-timeout S]` does with a log."""
    started = process_time()
    form, log = recognise(read([path], Counter()))
    warm, rest = first_part(log, form, wanted)
    model = warmup.warmed_up(warm, form, timeout=timeout)
    learning = process_time() - started
    pipeline = model.pipeline(form, timeout=timeout)
    adaptation = Adaptation(model, form.time is not None) if adapting else None
    scorer = Scorer(model, pipeline, adaptation=adaptation)
    scorer.causes = recorder = Recorder()
    for block in warm:
        scorer.take(block)
    sessions: list[Session] = []
    add, close = pipeline.windower.add, pipeline.windower.close
    pipeline.windower.add = lambda events: _kept(sessions, add(events))
    pipeline.windower.close = lambda: _kept(sessions, close())
    n, started = pipeline.lines, process_time()
    before = scorer.rates.clock.elapsed if scorer.rates is not None else 0
    told = list(scorer.run(rest))
    detection = process_time() - started
    judged = [session for session in sessions if session.line_nos and (session.first_line_no or session.line_nos[0]) > n]
    times = [session.last_time for session in judged if not np.isnan(session.last_time)]
    days = (times[-1] - judged[0].first_time) / 86400 if times else np.nan
    if days < 0:  # no year in its times: what the monitor of rates takes for passed
        days = (scorer.rates.clock.elapsed - before) / 86_400_000
    learned = adaptation.summary()[2:] if adaptation is not None else ""
    return Watched(model, learning, detection, told, recorder.flagged, judged, pipeline.lines - n, days, learned)


def row(watched: Watched, known: Mapping[bytes, int] | None) -> list[str]:
    """The cells of one log."""
    sessions, card = watched.sessions, watched.model.card["warm_up"]
    matching = np.array([any(KEYWORDS.search(line) for line in session.lines) for session in sessions], float)
    lines = sum(1 for session in sessions for line in session.lines if KEYWORDS.search(line))
    cells = [str(card["lines"]), str(watched.lines), str(len(watched.told)), _on_normal(watched, known), f"{1e4 * len(watched.told) / max(watched.lines, 1):.1f}",
             _rate(len(watched.told), watched.days)]
    truth = np.array([-1 if (label := known.get(s.key) if known else s.label) is None else label for s in sessions])
    if (truth < 0).any() or not len(truth):
        cells += [""] * 4
    else:
        cells += [_f1(_flagged(watched), truth), *(_f1(column, truth) for column in _rules(watched, truth)), _f1(matching, truth)]
    return cells + [_rate(lines, watched.days), f"{watched.learning:.1f}", f"{watched.detection:.1f}"]


def _on_normal(watched: Watched, known: Mapping[bytes, int] | None) -> str:
    """How many alerts were told on what is normal, of no session in particular too; "" where nobody knows."""
    if known is None and not any(session.label is not None for session in watched.sessions):
        return ""
    if known is not None:
        return str(sum(not known.get((alert.session or "").encode()) for alert in watched.told))
    bad = {line for session in watched.sessions if session.label for line in session.line_nos}
    return str(sum(alert.line_no not in bad for alert in watched.told))


def _flagged(watched: Watched) -> np.ndarray:
    """(B,) 1 where a session or window has an alert."""
    if watched.model.spec.kind == "session":
        keys = {alert.session.encode() for alert in watched.flagged if alert.session}
        return np.array([session.key in keys for session in watched.sessions], float)
    lines = {alert.line_no for alert in watched.flagged}
    return np.array([not lines.isdisjoint(session.line_nos) for session in watched.sessions], float)


def _rules(watched: Watched, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Verdicts of unseen_event, and of the rule that is best here."""
    model = watched.model
    windows = model.renumbered(model.pipeline(FORMATS[model.log_format]).windows(watched.sessions))
    states = model.detectors["rules"].states(windows)[:, :len(RULES)] != 0
    unseen = ((windows.events >= model.n_events) | (model.frequency[np.minimum(windows.events, model.n_events - 1)] <= 0)) & windows.mask
    return unseen.any(1).astype(float), max(states.T.astype(float), key=lambda column: figures(column, truth, 0.5)["f1"])


def _f1(flagged: np.ndarray, truth: np.ndarray) -> str:
    found = figures(flagged, truth, 0.5)
    return f"{found['f1']:.3f} ({found['precision']:.2f}, {found['recall']:.2f})"


def _rate(n: int, days: float) -> str:
    return "" if not days > 0.05 else f"{n / days:.1f}"


def _half(path: str) -> int:
    return sum(block.data.count(b"\n") for block in read([find(path)], Counter())) // 2


def _kept(sessions: list[Session], closed: list[Session]) -> list[Session]:
    sessions += closed
    return closed


if __name__ == "__main__":
    sys.exit(main())
