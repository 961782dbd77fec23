"""Logs of a JSON object a line: Docker's json-file, `journalctl -o json`, and whatever programs write (NDJSON).

    docker    {"log":"text\\n","stream":"stderr","time":".."}: a text without newline goes on in the next object of the stream
    journald  numbers are strings, times microseconds; MESSAGE may be an array of byte values, null where too long, or absent;
              any field may be an array where it was written twice
    OTLP      a batch of records a line, under "resourceLogs"
    NDJSON    the message is the first of MESSAGES that is there, also inside one of them ({"log":{"message":..}})

Bytes that are no UTF-8 come out as they went in. Objects that are nested too deeply, broken or cut are no record.
"""
from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from .decode import NO_MESSAGE, Record
from .moments import of_microseconds, rfc3339

MESSAGES = ("message", "msg", "MESSAGE", "log", "body", "event", "short_message", "textPayload", "jsonPayload", "text", "@m", "original",
            "stringValue", "value")
TIMES = ("@timestamp", "timestamp", "time", "ts", "datetime", "date", "eventTime", "timeMillis", "t", "@t", "asctime")
LEVELS = ("level", "severity", "levelname", "log.level", "lvl", "loglevel", "severityText", "@l")
HOSTS = ("host", "hostname", "host.name", "_HOSTNAME", "source_host")
PROCESSES = ("logger", "name", "logger_name", "service", "service.name", "app", "component", "program")
PIDS = ("pid", "process.pid")
PRIORITIES = dict(zip("01234567", (b"emerg", b"alert", b"crit", b"err", b"warning", b"notice", b"info", b"debug")))
_MARKS = b"\x1e\xef\xbb\xbf"  # of a record (RFC 7464), of the byte order
_FEW = 8  # lines that may all be parts of one record; a log that never ends a line is not Docker's
_DEEPEST = 3  # objects inside each other in which a message is looked for


class _Number(str):
    """A number as it was written: none of its digits is lost, and one of a million digits costs nothing."""


_decode = json.JSONDecoder(parse_int=_Number, parse_float=_Number, parse_constant=_Number).decode


def parsed(line: bytes) -> dict[str, Any] | None:
    """The object of a line; None where it is none."""
    try:
        value = _decode(line.lstrip(_MARKS).decode("utf-8", "surrogateescape"))
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def docker(line: bytes) -> Record | None:
    """The record of a line of a json-file log."""
    found = parsed(line)
    if found is None or type(found.get("log")) is not str:  # a number is no text
        return None
    text, stream = to_bytes(found["log"]), _bytes_of(found.get("stream"))
    part = {"ends": stream} if text.endswith(b"\n") else {"stream": stream}
    return Record(text, rfc3339(_bytes_of(found.get("time"))), process=stream, **part)


def journald(line: bytes) -> Record | None:
    """The record of a line of `journalctl -o json`."""
    found = parsed(line)
    if found is None:
        return None
    there = {key: value for key in FIELDS if (value := found.get(key)) is not None}
    return record_of({key: to_bytes(value) if type(value) is str else _field(value) for key, value in there.items()})


FIELDS = frozenset(("MESSAGE", "__REALTIME_TIMESTAMP", "_SOURCE_REALTIME_TIMESTAMP", "_HOSTNAME", "PRIORITY", "SYSLOG_IDENTIFIER", "_COMM",
                    "_PID", "SYSLOG_PID"))


def record_of(fields: Mapping[str, bytes]) -> Record:
    """The record of a journal entry's fields."""
    get = fields.get
    time = of_microseconds(get("__REALTIME_TIMESTAMP", b"")) or of_microseconds(get("_SOURCE_REALTIME_TIMESTAMP", b""))
    return Record(get("MESSAGE", NO_MESSAGE), time, get("_HOSTNAME", b""), PRIORITIES.get(get("PRIORITY", b"").decode("latin-1"), b""),
                  get("SYSLOG_IDENTIFIER", b"") or get("_COMM", b""), get("_PID", b"") or get("SYSLOG_PID", b""))


def ndjson(line: bytes) -> Record | None:
    """The record of a line of any other JSON log; None where no key says what the message is."""
    found = parsed(line)
    message = None if found is None else _message(found)
    if message is None:
        return None
    time, *rest = (_first(found, keys) for keys in (TIMES, HOSTS, LEVELS, PROCESSES, PIDS))
    return Record(message, rfc3339(time), *rest)


def otlp(line: bytes) -> list[Record] | None:
    """The records of a line of OpenTelemetry's JSON; None where it is no batch."""
    found = parsed(line)
    if found is None or "resourceLogs" not in found:
        return None
    records = []
    for group in _objects(found, "resourceLogs"):
        known = _attributes(group.get("resource"))
        for row in (row for scope in _objects(group, "scopeLogs") for row in _objects(scope, "logRecords")):
            time = rfc3339(_first(row, ("timeUnixNano", "observedTimeUnixNano")))
            message = _message(row)
            records.append(Record(NO_MESSAGE if message is None else message, time, _first(known, ("host.name",)),
                                  _first(row, ("severityText",)), _first(known, ("service.name",))))
    return records


def recognised(lines: Sequence[bytes]) -> str | None:
    """Which of the four most of the lines are."""
    objects = [found for found in map(parsed, (line for line in lines if line.lstrip()[:1] == b"{")) if found is not None]
    if 2 * len(objects) < len(lines) or not objects:
        return None
    logs = [found["log"] for found in objects if type(found.get("log")) is str and "stream" in found and "time" in found]
    if 2 * len(logs) >= len(lines) and (any(log.endswith("\n") for log in logs) or len(logs) < _FEW):
        return "docker"
    if 2 * sum("__REALTIME_TIMESTAMP" in found or "__CURSOR" in found for found in objects) >= len(lines):
        return "journald"
    if 2 * sum("resourceLogs" in found for found in objects) >= len(lines):
        return "otlp"
    return "ndjson" if 2 * sum(_message(found) is not None for found in objects) >= len(lines) else None


def to_bytes(text: str) -> bytes:
    """The bytes of a decoded text: those that were no UTF-8 are what they were."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # half a pair, which JSON can write and UTF-8 cannot
        return text.encode("utf-8", "surrogatepass")


def _field(value: Any) -> bytes:
    """A field of the journal: text, an array of byte values, or an array of several such values, of which the first counts."""
    if isinstance(value, list):
        try:
            return bytes([int(each) if isinstance(each, _Number) and len(each) < 4 else 256 for each in value])
        except ValueError:
            return _field(value[0])
    return _bytes_of(value)


def _message(found: dict[str, Any], depth: int = 0) -> bytes | None:
    for key in MESSAGES:
        value = found.get(key)
        if isinstance(value, dict) and depth < _DEEPEST:
            value = _message(value, depth + 1)
            if value is not None:
                return value
        elif isinstance(value, str):
            return to_bytes(value)
        elif isinstance(value, list) and value:
            return to_bytes(json.dumps(value, ensure_ascii=False))
    return None


def _first(found: dict[str, Any], keys: Sequence[str]) -> bytes:
    """The first of these fields that is text or a number, its own name field where it is an object."""
    for key in keys:
        value = found.get(key)
        if isinstance(value, dict):
            value = value.get("name")
        if isinstance(value, str) and value:
            return to_bytes(value)
    return b""


def _objects(found: dict[str, Any], key: str) -> list[dict[str, Any]]:
    rows = found.get(key)
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _attributes(found: Any) -> dict[str, Any]:
    """The attributes of a resource, those that are text."""
    rows = _objects(found, "attributes") if isinstance(found, dict) else []
    return {str(row.get("key")): row["value"].get("stringValue") for row in rows if isinstance(row.get("value"), dict)}


def _bytes_of(value: Any) -> bytes:
    return to_bytes(value) if isinstance(value, str) else b""


PARSERS = {"docker": docker, "journald": journald, "otlp": otlp, "ndjson": ndjson}
