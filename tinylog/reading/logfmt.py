"""logfmt: time=2026-11-22T06:00:00Z level=warn msg="disk is \\"full\\"" path=/var. A key alone is a key without value."""
from __future__ import annotations

import re
from collections.abc import Sequence

from .decode import Record
from .moments import rfc3339

_PAIR = re.compile(rb'\s*([^\s="]+)(?:=(?:"((?:[^"\\]|\\.)*)"|([^\s"]*)))?(?=\s|$)')
_ESCAPE = re.compile(rb"\\(.)", re.DOTALL)
_SPECIAL = {b"n": b"\n", b"t": b"\t", b"r": b"\r"}
TIMES, LEVELS = (b"time", b"ts", b"t", b"timestamp", b"@timestamp"), (b"level", b"lvl", b"severity", b"at")
MESSAGES, HOSTS = (b"msg", b"message", b"event"), (b"host", b"hostname")
PROCESSES = (b"logger", b"component", b"caller", b"service", b"app")
_LEAST = 3  # pairs of a line that is recognised


def record(line: bytes) -> Record | None:
    """The record of a line, without a message key the whole of it is its message; None where it is not of pairs."""
    pairs = _pairs(line)
    if not pairs:
        return None
    message = _first(pairs, MESSAGES)
    return Record(line if message is None else message, rfc3339(_first(pairs, TIMES) or b""), _first(pairs, HOSTS) or b"",
                  _first(pairs, LEVELS) or b"", _first(pairs, PROCESSES) or b"")


def recognised(lines: Sequence[bytes]) -> str | None:
    """ "logfmt" where most of the lines are pairs, with a message or a level and a time among them."""
    found = 0
    for line in lines:
        pairs = _pairs(line)
        told = sum(any(key in pairs for key in keys) for keys in (MESSAGES, TIMES, LEVELS))
        found += len(pairs) >= _LEAST and told >= 2
    return "logfmt" if 2 * found >= len(lines) else None


def _pairs(line: bytes) -> dict[bytes, bytes]:
    """The values of a line by key; empty where something else is in it, or no value at all."""
    pairs: dict[bytes, bytes] = {}
    at, values, alone = 0, 0, 0
    line = line.rstrip()
    while at < len(line):
        match = _PAIR.match(line, at)
        if match is None or match.end() == at:
            return {}
        key, quoted, bare = match.groups()
        if quoted is None and bare is None:
            alone += 1
        else:
            values += 1
        if alone > 1 and not values:  # words, not pairs
            return {}
        pairs.setdefault(key, bare or b"" if quoted is None else _unescaped(quoted))
        at = match.end()
    return pairs if values else {}


def _unescaped(text: bytes) -> bytes:
    return _ESCAPE.sub(lambda match: _SPECIAL.get(match[1], match[1]), text) if b"\\" in text else text


def _first(pairs: dict[bytes, bytes], keys: Sequence[bytes]) -> bytes | None:
    return next((pairs[key] for key in keys if key in pairs), None)


PARSERS = {"logfmt": record}
