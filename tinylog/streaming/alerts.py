"""How an alert reads: a line for people, or a JSON object a line for machines.

A log is hostile input: what is printed of it has its control characters escaped, so that no line can command a terminal.
"""
from __future__ import annotations

import json
from datetime import datetime, timezone

from ..records import Alert

SCHEMA = "tinylog.alert/1"


def plain(raw: bytes | str, limit: int = 2000) -> str:
    """Text that is safe on a terminal: undecodable bytes and control characters are escaped, the end of a long line is cut."""
    text = raw if isinstance(raw, str) else raw.decode("utf-8", "backslashreplace")
    if len(text) > limit:
        text = text[:limit] + "..."
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def utc(seconds: float | None) -> str | None:
    """RFC 3339 in UTC, with milliseconds only where there are some."""
    if seconds is None:
        return None
    try:
        when = datetime.fromtimestamp(round(seconds, 3), timezone.utc)
    except (OverflowError, ValueError, OSError):
        return None
    return when.isoformat(timespec="milliseconds" if when.microsecond else "seconds").replace("+00:00", "Z")


def identity(alert: Alert) -> str:
    """The same decision on the same lines has the same id, however often the log is read."""
    from hashlib import blake2b  # costs a start more than a verdict does
    about = (alert.model, alert.session, alert.file, alert.line_no, alert.reason, alert.events)
    return blake2b(repr(about).encode(), digest_size=8).hexdigest()


def to_text(alert: Alert) -> str:
    """One line: when, how sure, about what, why, and the line that mattered."""
    where = f"{plain(alert.file)}:{alert.line_no}" if alert.file else f"line {alert.line_no}"
    parts = [utc(alert.time) or "-", f"{alert.score:.3f}", plain(alert.session or "-"), f"{alert.reason}: {plain(alert.why)}"]
    if alert.line_no is not None:
        parts.append(f"[{where}] {plain(alert.line)}".rstrip())
    return "  ".join(parts)


def to_json(alert: Alert) -> str:
    """One JSON object on one line. The keys and what they hold stand in the README."""
    nearest = alert.nearest and {"template": alert.nearest[0], "similarity": alert.nearest[1]}
    return json.dumps({
        "schema": SCHEMA,
        "id": identity(alert),
        "time": utc(alert.time),
        "session": alert.session,
        "line_no": alert.line_no,
        "file": alert.file,
        "line": alert.line.decode("utf-8", "backslashreplace"),
        "score": alert.score,
        "threshold": alert.threshold,
        "detector": alert.detector,
        "reason": alert.reason,
        "why": alert.why,
        "event_id": alert.event_id,
        "template": alert.template,
        "nearest": nearest,
        "detail": dict(alert.detail),
        "expected": [{"event_id": name, "template": text, "p": p} for name, text, p in alert.expected],
        "contrib": [{"line_no": line_no, "event_id": name, "share": share} for line_no, name, share in alert.contrib],
        "events": list(alert.events),
        "model": alert.model,
    }, ensure_ascii=True)
