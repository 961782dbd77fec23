"""An alert as an OpenTelemetry log record, in the JSON of its protocol: one export request a line, as collectors read files.

https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding (64-bit integers are text there) and the data model of logs. The
body is the log's own line; attributes are named by the semantic conventions where those have a name, else below `tinylog`.
"""
from __future__ import annotations

import math
import os
import time
from collections.abc import Mapping
from typing import Any

from .. import __version__
from ..records import Alert
from .as_json import contributions, expected
from .escape import decoded, dumps, identity, plain

SEVERITY = {"warning": (13, "WARN"), "error": (17, "ERROR")}


def line(alert: Alert) -> str:
    """One JSON object on one line. Attributes of which nothing is known are left out."""
    number, text = SEVERITY[alert.severity]
    record = {
        "observedTimeUnixNano": _nanoseconds(time.time()),
        "severityNumber": number,
        "severityText": text,
        "eventName": "tinylog.anomaly",
        "body": {"stringValue": plain(alert.line or alert.why)},
        "attributes": _attributes(alert),
    }
    if alert.time is not None and math.isfinite(alert.time) and 0 < alert.time < 1 << 34:  # 64 bits of nanoseconds
        record = {"timeUnixNano": _nanoseconds(alert.time)} | record
    scope = {"name": "tinylog", "version": __version__}
    resource = {"attributes": _pairs({"service.name": "tinylog"})}
    return dumps({"resourceLogs": [{"resource": resource, "scopeLogs": [{"scope": scope, "logRecords": [record]}]}]})


def _attributes(alert: Alert) -> list[dict[str, Any]]:
    nearest = alert.nearest and {"template": alert.nearest[0], "similarity": alert.nearest[1]}
    return _pairs({
        "log.record.uid": identity(alert),
        "log.record.original": decoded(alert.line) or None,
        "log.record.template": alert.template,
        "log.file.path": alert.file,
        "log.file.name": alert.file and os.path.basename(alert.file),
        "tinylog.line_no": alert.line_no,
        "tinylog.session.key": alert.session,
        "tinylog.anomaly.kind": alert.kind,
        "tinylog.anomaly.code": alert.reason,
        "tinylog.anomaly.reason": plain(alert.why),
        "tinylog.anomaly.score": float(alert.score),
        "tinylog.anomaly.threshold": float(alert.threshold),
        "tinylog.anomaly.detector": alert.detector,
        "tinylog.anomaly.event_id": alert.event_id,
        "tinylog.anomaly.nearest": nearest,
        "tinylog.anomaly.detail": alert.detail,
        "tinylog.anomaly.expected": expected(alert),
        "tinylog.anomaly.contrib": contributions(alert),
        "tinylog.anomaly.events": alert.events,
        "tinylog.model.name": alert.model,
    })


def _pairs(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A map as the protocol has it: a list of keys with values; None is left out."""
    return [{"key": str(key), "value": _any(value)} for key, value in values.items() if value not in (None, {}, [], ())]


def _any(value: Any) -> dict[str, Any]:
    """A value as the protocol's AnyValue."""
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):  # what no JSON number can be has a name
        return {"doubleValue": value if math.isfinite(value) else "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"}
    if isinstance(value, (list, tuple)):
        return {"arrayValue": {"values": [_any(each) for each in value]}}
    if isinstance(value, Mapping):
        return {"kvlistValue": {"values": _pairs(value)}}
    return {} if value is None else {"stringValue": str(value)}


def _nanoseconds(seconds: float) -> str:
    return str(round(seconds * 1000) * 1_000_000)
