"""An alert as a document of the Elastic Common Schema, one JSON object on one line.

Fields and their names: ECS 8.11, https://www.elastic.co/guide/en/ecs/8.11. What the schema has no field for stands below
`tinylog`, with `detail` as text, for an index wants one type for each field and every detector has details of its own.
"""
from __future__ import annotations

import math
import time
from typing import Any

from .. import __version__
from ..records import Alert
from .as_json import contributions, expected
from .escape import decoded, dumps, identity, plain, utc

ECS = "8.11.0"
SEVERITY = {"warning": 13, "error": 17}  # numbers of OpenTelemetry, as the schema leaves them to the source


def line(alert: Alert) -> str:
    """One JSON object on one line. Fields of which nothing is known are left out."""
    now = utc(time.time())
    return dumps(_known({
        "@timestamp": utc(alert.time) or now,
        "ecs": {"version": ECS},
        "message": plain(alert.line or alert.why),
        "event": {
            "kind": "alert", "module": "tinylog", "dataset": "tinylog.anomaly", "id": identity(alert), "created": now,
            "action": alert.kind, "reason": plain(alert.why), "original": decoded(alert.line) or None,
            "severity": SEVERITY[alert.severity], "risk_score": alert.score, "risk_score_norm": risk(alert),
        },
        "rule": {"name": alert.reason, "category": alert.kind, "ruleset": alert.detector},
        "log": {"level": alert.severity, "file": {"path": alert.file}},
        "labels": {"session": alert.session, "template": alert.template, "line_no": alert.line_no and str(alert.line_no)},
        "observer": {"product": "tinylog", "type": "log anomaly detector", "name": alert.model, "version": __version__},
        "tinylog": {
            "threshold": alert.threshold, "event_id": alert.event_id,
            "nearest": alert.nearest and {"template": alert.nearest[0], "similarity": alert.nearest[1]},
            "detail": dumps(alert.detail) if alert.detail else None,
            "expected": expected(alert), "contrib": contributions(alert), "events": alert.events,
        },
    }))


def risk(alert: Alert) -> float:
    """0 to 100: 50 at the threshold; where scores are log-odds, so many per cent with even odds there."""
    margin = alert.score - alert.threshold
    return round(50 * (1 + math.tanh(margin / 2)), 1) if not math.isnan(margin) else 50.0


def _known(value: Any) -> Any:
    """Without the keys that have no value."""
    if isinstance(value, dict):
        return {key: known for key, each in value.items() if (known := _known(each)) not in (None, {}, [], ())}
    return value
