"""Container logs of Kubernetes: 2026-11-22T06:00:00.123456789Z stdout F message. A long message comes in parts, P until the last, F."""
from __future__ import annotations

import re
from collections.abc import Sequence

from .decode import Record

_LINE = re.compile(rb"(\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)) (stdout|stderr) ([FP])(?::\S*)?(?: (.*))?", re.DOTALL)


def record(line: bytes) -> Record | None:
    """The record of a line; None where it is none."""
    match = _LINE.fullmatch(line)
    if match is None:
        return None
    time, stream, flag, message = match.groups()
    part = {"stream": stream} if flag == b"P" else {"ends": stream}
    return Record(message or b"", time, process=stream, **part)


def recognised(lines: Sequence[bytes]) -> str | None:
    """ "cri" where most of the lines are."""
    return "cri" if 2 * sum(_LINE.match(line) is not None for line in lines) >= len(lines) else None


PARSERS = {"cri": record}
