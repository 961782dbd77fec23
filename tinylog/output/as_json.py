"""An alert as a JSON object, all that is known of it. The keys and what they hold stand in the README."""
from __future__ import annotations

from typing import Any

from ..records import Alert
from .escape import decoded, dumps, identity, utc

SCHEMA = "tinylog.alert/1"


def line(alert: Alert) -> str:
    """One JSON object on one line."""
    return dumps({
        "schema": SCHEMA,
        "id": identity(alert),
        "time": utc(alert.time),
        "session": alert.session,
        "line_no": alert.line_no,
        "file": alert.file,
        "line": decoded(alert.line),
        "score": alert.score,
        "threshold": alert.threshold,
        "detector": alert.detector,
        "kind": alert.kind,
        "severity": alert.severity,
        "reason": alert.reason,
        "why": alert.why,
        "event_id": alert.event_id,
        "template": alert.template,
        "nearest": alert.nearest and {"template": alert.nearest[0], "similarity": alert.nearest[1]},
        "detail": alert.detail,
        "expected": expected(alert),
        "contrib": contributions(alert),
        "events": alert.events,
        "model": alert.model,
    })


def expected(alert: Alert) -> list[dict[str, Any]]:
    """What would have been normal, the likeliest first."""
    return [{"event_id": name, "template": text, "p": p} for name, text, p in alert.expected]


def contributions(alert: Alert) -> list[dict[str, Any]]:
    """The lines that mattered most; `line` is null where its text was not kept."""
    return [each._asdict() | {"line": None if each.line is None else decoded(each.line)} for each in alert.contrib]
