"""Logs and their truth to Windows, through the same pipeline as detecting.

    learn    the parser meets all lines (twice where they are files: templates change while they are learned)
    cut      every log through the pipeline, labels to their sessions
    order    events of training first, so that a detector's tables have a row for each of them and none besides:
             a template that only validation has is known by its text, nothing is fitted to it
"""
from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..errors import InputError
from ..parsing import Parser
from ..pipeline import Pipeline, labelled, read, recognise, spec_for
from ..reading.formats import FORMATS, Format
from ..reading.labels import read_labels
from ..records import PAD, UNKNOWN, Block, Template, Windows, concatenated
from ..windowing import WindowSpec
from ..windowing.sessions import Session


@dataclass(frozen=True)
class Dataset:
    """What a model is made from. Event ids of the windows are the parser's."""

    form: Format
    parser: Parser
    spec: WindowSpec
    train: Windows  # labels None: none of its sessions has one
    valid: Windows | None
    unlabelled: Windows | None
    lines: int
    seconds: float  # of log time of the training windows, 0 where the log has none
    dropped: Counter[str]

    @property
    def timed(self) -> bool:
        """Whether the windows are stretches of one stream, in order of time, rather than sessions of their own."""
        if self.form.name != "ids":
            return self.spec.kind != "session"
        lengths = self.train.lengths
        return len(lengths) > 1 and bool((lengths[:-1] == lengths[0]).all()) and lengths[0] > 1

    def order(self) -> tuple[np.ndarray, int]:
        """The parser's event ids, those of training and unlabelled windows first (n_known,), and how many those are."""
        seen = np.zeros(self.parser.n_known, bool)
        seen[[PAD, UNKNOWN]] = True
        for windows in (self.train, self.unlabelled):
            if windows is not None:
                seen[np.unique(windows.events)] = True
        return np.argsort(~seen, kind="stable").astype(np.int32), int(seen.sum())


def load(files: Sequence[str], *, labels: str | None = None, valid: Sequence[str] = (), unlabelled: Sequence[str] = (),
         templates: Sequence[Template] = (), form: Format | None = None, session: str | None = None,
         window: int | float | None = None, needs: Mapping[str, Collection[str]] | None = None, cut_like: Mapping[str, Any] | None = None,
         parser: str = "drain") -> Dataset:
    """The data of a training run. InputError where a log is empty or holds no session, or where only some sessions have a label.

    needs: columns of Windows that each detector reads. cut_like: the detector's own WINDOW, where the user says nothing of it. parser: how templates
    are found.
    """
    dropped: Counter[str] = Counter()
    logs = {file: _recorded(file, form, dropped) for file in (*files, *valid, *unlabelled)}
    form = logs[files[0]][0]
    mined = Parser(form.content_of, templates, parser)
    for other, log in logs.values():
        if other is form is not FORMATS["ids"]:
            for block in log():
                mined.learn(block.data)
    mined.consolidate()
    if session is None and window is None and cut_like:
        window = float(cut_like["seconds"]) if "seconds" in cut_like else None if form.session or form.name == "ids" else cut_like["window"]
    spec = spec_for(form, session=session, window=window)
    truth = read_labels(labels) if labels else None

    def cut(paths: Sequence[str], known: dict[bytes, int] | None) -> tuple[Windows | None, int, float]:
        parts, lines, seconds = [], 0, 0.0
        for path in paths:
            other, log = logs[path]
            same = other is form
            twin = mined if same else Parser.from_json(mined.to_json(), other.content_of)
            pipeline = Pipeline(other, twin, spec if same else spec_for(other, session=session, window=window), needs=needs)
            sessions = [session for step in pipeline.run(log()) for session in step.closed]
            parts.append(_windows(pipeline, sessions, known, mined.n_known if not same else None))
            lines, seconds = lines + pipeline.lines, seconds + _span(sessions)
        return (_joined(parts) if parts else None), lines, seconds

    train, lines, seconds = cut(files, truth)
    checked, _, _ = cut(valid, truth)
    rest, _, _ = cut(unlabelled, None)
    mined.freeze()
    if len(train) == 0:
        raise InputError("the log has no session: no line holds a session key; --session REGEX or --window N cuts it another way")
    if checked is not None and (checked.labels is None) != (train.labels is None):
        raise InputError("the training log and the validation log must both have labels, or none of them")
    return Dataset(form, mined, spec, train, checked, None if rest is None else replace(rest, labels=None), lines, seconds, dropped)


def _recorded(file: str, form: Format | None, dropped: Counter[str]) -> tuple[Format, Callable[[], Iterable[Block]]]:
    """The format of a log, and what reads it from its beginning, as often as needed: a pipe is remembered."""
    form, log = recognise(read([file], dropped), form, dropped=dropped)
    if file == "-":
        blocks = list(log)
        return form, lambda: blocks
    return form, lambda: recognise(read([file], Counter()), form)[1]


def _windows(pipeline: Pipeline, sessions: Sequence[Session], known: dict[bytes, int] | None, n_known: int | None = None) -> Windows:
    """All sessions of a log; event ids from `n_known` on, which mean nothing outside this pipeline, are UNKNOWN."""
    none = known is None and all(session.label is None for session in sessions)
    windows = pipeline.windows(sessions, None if none else labelled(sessions, known))
    if n_known is not None:
        windows = replace(windows, events=np.where(windows.events >= n_known, UNKNOWN, windows.events))
    return windows


def _span(sessions: Sequence[Session]) -> float:
    """Seconds of log time from the first line to the last."""
    times = [time for session in sessions for time in (session.first_time, session.last_time) if time == time]
    return max(times) - min(times) if times else 0.0


def _joined(parts: Sequence[Windows]) -> Windows:
    labels = [part.labels for part in parts]
    if any(label is None for label in labels) and any(label is not None for label in labels):
        raise InputError("some logs have labels and others none; give labels for all of them with --labels F, or train without")
    return concatenated(parts)
