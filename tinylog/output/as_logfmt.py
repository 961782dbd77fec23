r"""An alert as logfmt: name=value pairs on one line, values in double quotes unless they are one plain word; \ escapes \ and "."""
from __future__ import annotations

import re

from ..records import Alert
from .escape import identity, plain, utc

_BARE = re.compile(r"[A-Za-z0-9_.:/+<>*@-]+").fullmatch


def line(alert: Alert) -> str:
    """Pairs on one line. Names of which nothing is known are left out."""
    values = {
        "time": utc(alert.time), "level": alert.severity, "msg": alert.why, "kind": alert.kind, "reason": alert.reason,
        "score": alert.score, "threshold": alert.threshold, "session": alert.session, "file": alert.file, "line_no": alert.line_no,
        "line": plain(alert.line) or None, "template": alert.template,
        "nearest": alert.nearest and alert.nearest[0], "similarity": alert.nearest and alert.nearest[1],
        "expected": "; ".join(f"{text or name} {100 * p:.0f} %" for name, text, p in alert.expected) or None,
        "detector": alert.detector, "model": alert.model, "id": identity(alert),
    }
    return " ".join(f"{name}={_quoted(plain(str(value)))}" for name, value in values.items() if value is not None)


def _quoted(text: str) -> str:
    return text if _BARE(text) else '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
