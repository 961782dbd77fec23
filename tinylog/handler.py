"""A handler for Python's logging that finds anomalies in what a program logs, while it runs.

    python -m tinylog.train -o app.tinylog app.log

    handler = tinylog.Handler("app.tinylog")                       # alerts go to the logger "tinylog.alerts"
    handler.setFormatter(the formatter that app.log is written with)
    logging.getLogger().addHandler(handler)

A program's own records need no mining: `record.msg` is the template, letter by letter, where the record has args. One that the
model knows by its text has the event id of that; one that it knows otherwise (the parser cut its lines another way) has the id that
the parser gives to the line; any other becomes a new event, named by its exact template. A record without args is a finished
text, and is parsed as a line of a file is. From there on everything is as in `python -m tinylog.detect`: windows, scores, alerts.
"""
from __future__ import annotations

import logging
import os
import re
import threading
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from .model import Model, load
from .output.as_text import line as as_text
from .parsing import Parser
from .pipeline import Pipeline, Step
from .reading.formats import FORMATS, Format, session_keys
from .records import FIRST_EVENT, UNKNOWN, Alert, Events, Template
from .streaming.scorer import Scorer

LONGEST = 1 << 16  # bytes of a line; what stands behind them is dropped
BATCH = 64  # records that are judged together, which is several times cheaper than one by one
PATIENCE = 1.0  # seconds that the first of them waits at most, if others come
REMEMBERED = 10_000  # kinds of record whose event is known without formatting them
LEVELS = {"warning": logging.WARNING, "error": logging.ERROR}
_FIELD = re.compile(r"%(?:\(.*?\))?[-#0 +]*(?:\*|\d+)?(?:\.(?:\*|\d+))?[hlL]?([diouxXeEfFgGcrsa%])")


class Handler(logging.Handler):
    """Scores the records that it gets and tells alerts, to a function or to a logger.

    model: a Model, or the file of one, trained on what the program logged before. The first line of what the handler's formatter makes
    of a record (without one: the message) stands for a line of that log.
    to: what takes an Alert, or a logger: it gets the alert as a line of text, as a warning or an error, and as `record.alert`.
    key: names the session (for example the request) or the stream of a record, None where it has none; without it, the model's own
    pattern is looked for in the line. timeout: seconds without a record after which a session is over and has its verdict, instead
    of the model's. Windows of lines have theirs when they are full; what is open has its when the handler is closed, which
    `logging.shutdown` does at exit. Records are judged by 64, or with the next one after a second, or
    at once from `flush_level` on; `flush()` does not wait.

    Raises ModelFileError for a file that is no model. Logging itself never raises: what goes wrong in a record or in `to` is
    `handleError`'s.

    Threads: any number may log; one at a time is scored, alerts are told outside of the lock by the thread whose record gave
    them. What `to` logs is not scored, nor is the logger of the alerts: there is no circle. A forked process goes on with a copy.

    asyncio: a record costs some 25 microseconds and what its detector takes, all of a batch on its last one (milliseconds). Where
    that is too long for the loop, put a QueueHandler before it and this handler behind a QueueListener. QueueHandler.prepare makes a
    finished text of each record, whose template is then mined as from a file; override it with
    `def prepare(self, record): return record` to keep the exact one (args that change before they are read show their later state).
    """

    def __init__(self, model: Model | str | os.PathLike, to: Callable[[Alert], object] | logging.Logger | None = None, *,
                 key: Callable[[logging.LogRecord], str | None] | None = None, timeout: float | None = None,
                 threshold: float | None = None, level: int | str = logging.NOTSET, flush_level: int = logging.ERROR) -> None:
        super().__init__(level)
        model = model if isinstance(model, Model) else load(model)
        form = FORMATS["plain" if model.log_format == "ids" else model.log_format]
        self.model = model.reading(form)
        spec = model.spec if timeout is None else replace(model.spec, timeout=timeout)
        needs = {name: model.detectors[name].NEEDS for name in model.thresholds}
        self._pipeline = Pipeline(form, self.model.parser, spec, rarity=self.model.rarity, needs=needs)
        self._scorer = Scorer(self.model, self._pipeline, threshold)
        self._event_ids = EventIds(self.model.parser, form)
        self._key, self.flush_level = key, flush_level
        self._pattern = re.compile(spec.session.encode()) if spec.session and key is None else None
        self._to: Callable[[Alert], object] | logging.Logger = logging.getLogger("tinylog.alerts") if to is None else to
        self._waiting: list[tuple[int, bytes, tuple[bytes, ...], float]] = []  # event id, line, session keys, time
        self._busy = threading.local()

    @property
    def counters(self) -> dict[str, int]:
        """What happened so far: records, sessions (judged), alerts, unseen (records of templates that training never saw)."""
        return {"records": self._pipeline.lines} | {name: self._scorer.counters[name] for name in ("sessions", "alerts", "unseen")}

    def handle(self, record: logging.LogRecord) -> bool | logging.LogRecord:
        """As logging.Handler.handle, but `emit` takes the lock itself, for it tells alerts without it."""
        kept = self.filter(record)
        if kept:
            self.emit(kept if isinstance(kept, logging.LogRecord) else record)
        return kept

    def emit(self, record: logging.LogRecord) -> None:
        """Takes one record, and judges those that wait when it is time."""
        if not (isinstance(self._to, logging.Logger) and record.name == self._to.name):
            self._safely(lambda: self._taken(record), record)

    def flush(self) -> None:
        """Judges the records that wait."""
        self._safely(self._judged)

    def close(self) -> None:
        """Judges all that is still open, tells it, and ends."""
        self._safely(lambda: self._judged() + list(self._scorer.judged(Step(None, self._pipeline.windower.close()))))
        super().close()

    def _safely(self, work: Callable[[], list[Alert]], record: logging.LogRecord | None = None) -> None:
        """Alerts of some work under the lock, told without it; nothing is raised, and nothing that happens meanwhile comes back here."""
        if getattr(self._busy, "now", False):
            return
        self._busy.now = True
        try:
            with self.lock:
                alerts = work()
            for alert in alerts:
                self._tell(alert)
        except Exception:
            self.handleError(record or logging.makeLogRecord({"msg": "tinylog.Handler"}))
        finally:
            self._busy.now = False

    def _taken(self, record: logging.LogRecord) -> list[Alert]:
        line = self.format(record).partition("\n")[0].encode("utf-8", "backslashreplace")[:LONGEST]
        self._waiting.append((self._event_ids.of(record, line, self.format), line, self._keys(record, line), record.created))
        due = len(self._waiting) >= BATCH or record.levelno >= self.flush_level or not 0 <= record.created - self._waiting[0][3] < PATIENCE
        return self._judged() if due else []

    def _judged(self) -> list[Alert]:
        """Alerts of the records that wait, as of a block of lines behind the parser."""
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return []
        ids, lines, keys, times = map(list, zip(*waiting))
        event_ids, start = np.array(ids, np.int32), self._pipeline.lines
        self._pipeline.lines += len(lines)
        keyed = keys if self._key is not None or self._pattern is not None else None
        numbers = np.arange(start + 1, start + 1 + len(lines))
        events = Events(event_ids, numbers, lines, keyed, np.array(times), None, None, self.model.rarity(event_ids))
        windower = self._pipeline.windower
        return list(self._scorer.judged(Step(events, windower.add(events), windower.certain())))

    def _keys(self, record: logging.LogRecord, line: bytes) -> tuple[bytes, ...]:
        if self._key is not None:
            key = self._key(record)
            return () if key is None else (str(key).encode("utf-8", "backslashreplace"),)
        return () if self._pattern is None else session_keys([line], self._pattern)[0]

    def _tell(self, alert: Alert) -> None:
        if isinstance(self._to, logging.Logger):
            self._to.log(LEVELS[alert.severity], "%s", as_text(alert), extra={"alert": alert})
        else:
            self._to(alert)


class EventIds:
    """Event ids of records, by their exact templates where they have such. Bounded as the parser is."""

    def __init__(self, parser: Parser, form: Format) -> None:
        self.parser, self.form = parser, form
        self._known = {template.text: i for i, template in enumerate(parser.templates) if i >= FIRST_EVENT and template.text}
        self._seen: dict[tuple[str, int, str], int] = {}  # by logger, level and msg

    def of(self, record: logging.LogRecord, line: bytes, to_text: Callable[[logging.LogRecord], str]) -> int:
        """The event id of a record, of which `to_text` made `line`."""
        if not record.args:
            return int(self.parser.learn(line + b"\n")[0])
        kind = (record.name, record.levelno, str(record.msg))
        event = self._seen.get(kind)
        if event is None:
            text = self._template(record, to_text)
            event = self._known.get(text)
            if event is None:
                matched = int(self.parser.match(line + b"\n")[0])
                if matched != UNKNOWN:  # another record of this kind may match another event
                    return matched
                event = self.parser.introduce(Template(str(len(self.parser.templates)), text))
                if event == UNKNOWN:  # no room
                    return event
                self._known[text] = event
            if len(self._seen) < REMEMBERED:
                self._seen[kind] = event
        return event

    def _template(self, record: logging.LogRecord, to_text: Callable[[logging.LogRecord], str]) -> str:
        """What the line would be, header off, had nothing been filled in."""
        bare = {"msg": template_of(str(record.msg)), "args": None, "exc_info": None, "exc_text": None, "stack_info": None}
        line = to_text(logging.makeLogRecord(record.__dict__ | bare)).partition("\n")[0].encode("utf-8", "backslashreplace")
        return " ".join(self.form.content(line).decode("utf-8", "backslashreplace").split())


def template_of(msg: str) -> str:
    """A format string of logging as a template: <*> for what is filled in."""
    return _FIELD.sub(lambda field: "%" if field[1] == "%" else "<*>", msg)
