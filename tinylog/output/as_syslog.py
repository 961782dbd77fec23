r"""An alert as a syslog message of RFC 5424, one on a line, with structured data.

    <132>1 2026-03-01T08:00:26Z host tinylog - sequence [tinylog@32473 id="..." score="3.292" ...] why: line

Time is log time, "-" where the log has none. 32473 is the enterprise number that RFC 5612 reserves for documentation:
tinylog has none of its own. In values, \ " and ] have a backslash in front. No byte order mark: it would be an invisible character.
"""
from __future__ import annotations

import os

from ..records import Alert
from .escape import identity, plain, utc

LOCAL0 = 16
SEVERITY = {"error": 3, "warning": 4}
SHORT = 256  # characters of a value, before they are escaped
LONG = 1000  # of the line and of the reason: receivers are asked to take 2,048 bytes, most take 8,192
_ESCAPED = str.maketrans({"\\": "\\\\", '"': '\\"', "]": "\\]"})


def line(alert: Alert) -> str:
    """One message on one line."""
    where = {"session": alert.session, "file": alert.file, "line_no": alert.line_no}
    what = {"kind": alert.kind, "reason": alert.reason, "detector": alert.detector, "template": alert.template}
    nearest = {} if alert.nearest is None else {"nearest": alert.nearest[0], "similarity": alert.nearest[1]}
    values = {"id": identity(alert), "score": alert.score, "threshold": alert.threshold} | where | what | nearest | {"model": alert.model}
    data = "".join(f' {name}="{plain(str(value), SHORT).translate(_ESCAPED)}"' for name, value in values.items() if value is not None)
    said = f"{plain(alert.why, LONG)}: {plain(alert.line, LONG)}" if alert.line else plain(alert.why, LONG)
    host = "".join(c for c in os.uname().nodename if "!" <= c <= "~")[:255] or "-"
    return f"<{8 * LOCAL0 + SEVERITY[alert.severity]}>1 {utc(alert.time) or '-'} {host} tinylog - {alert.kind} [tinylog@32473{data}] {said}"
