"""What all formats share: text that is safe to print, JSON that every reader takes, time as RFC 3339, an alert's name.

Printable is what Python calls so: letters of any script, marks, symbols and the plain space. Control characters (C0, C1,
DEL), marks of direction and other invisible ones, separators of lines and halves of surrogate pairs become a backslash escape.
"""
from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from ..records import Alert


def plain(raw: bytes | str, limit: int = 2000) -> str:
    """Text that is safe on a terminal: undecodable bytes and control characters are escaped, the end of a long line is cut."""
    text = raw if isinstance(raw, str) else raw[:4 * limit + 4].decode("utf-8", "backslashreplace")
    if len(text) > limit:
        text = text[:limit] + "..."
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def decoded(raw: bytes) -> str:
    """All of it, with undecodable bytes as backslash escapes; control characters stay, for JSON to escape."""
    return raw.decode("utf-8", "backslashreplace")


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


def dumps(value: Any) -> str:
    """One line of ASCII that strict readers of JSON take: numbers that are none are null, halves of surrogate pairs are text."""
    return json.dumps(_portable(value), ensure_ascii=True, allow_nan=False)


def _portable(value: Any) -> Any:
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {_portable(str(key)): _portable(each) for key, each in value.items()}
    return [_portable(each) for each in value] if isinstance(value, (list, tuple)) else value
