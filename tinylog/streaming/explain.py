"""Why: from a window and its score to what a person needs to judge it. Data first, one sentence last.

A detector that says what it expected, or who or what is off, has the word. Of one that only says how much each line counted
(attention), the code is that of the strongest fact: an event that training never saw, else the rule that spoke loudest, else
the sequence as a whole.
"""
from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..records import PAD, UNKNOWN, Alert, Contribution, Events, Reason, Template, Windows
from .rates import LOG, TIMES, Finding

if TYPE_CHECKING:
    from ..model import Model
    from ..windowing.sessions import Session

EVENTS = ("after", "came", "event", "nearest")  # of a reason's detail: event ids, 0 for the end
EVENT_NUMBERS = ("unseen", "invariant")  # event ids, each with a number
OF_ORDER = ("sequence", "bigram", "workflow")  # codes that a never-seen event in that place explains better
SAID = {  # what a reason code means, where the code and the template are all there is to say
    "event_set": "no normal session had this combination of events",
    "count_vector": "no normal session had each of these events this often",
    "bigram": "events followed one another as in no normal session",
    "only_abnormal": "only anomalous sessions had {template}",
    "abnormal_share": "nearly all sessions that had {template} were anomalous",
    "workflow": "the workflow does not go on with {template}",
    "truncated": "nothing followed {template}",
    "text": "what {template} says resembles anomalous lines",
    "words": "the words of {template} are those of anomalous lines",
    "count": "unusual counts, of {template} above all",
    "length": "an unusual number of lines",
    "unseen_event": "training had no {template}",
}
SHOWN = 3  # expected templates and lines that mattered: the first three say it


def explained(model: Model, session: Session, windows: Windows, i: int, score: float, threshold: float, detector: str) -> Alert:
    """The alert of window i of `windows`, which are prepared."""
    reason = _reason(model, windows, i, detector)
    events = windows.events[i][windows.events[i] != PAD]
    line, line_no = session.line, session.line_no or None
    if session.lines:  # kept because a detector reads them: the one it means
        line, line_no = session.lines[reason.position], session.line_nos[reason.position] or None
    if session.event and not session.lines:  # the strangest one is all that was kept
        event_id = int(model.numbered(np.array([session.event]))[0])
    else:
        event_id = int(events[reason.position]) if len(events) else UNKNOWN
    template = model.template(event_id)
    meant = int(events[reason.position]) if reason.code == "new_template" else event_id  # a line known as bad is stranger than a new one
    nearest = model.nearest(meant) if meant >= model.n_events else None
    expected = tuple((*_named(model, e), round(float(p), 3)) for e, p in reason.expected[:SHOWN])
    detail = _detail(model, reason)
    return Alert(
        time=None if np.isnan(session.last_time) else session.last_time,
        session=session.key.decode("utf-8", "backslashreplace") or None,
        line_no=line_no,
        file=session.file,
        line=line,
        score=score,
        threshold=threshold,
        reason=reason.code,
        why=sentence(reason.code, model.template(meant).text or model.template(meant).name, nearest, expected, detail),
        event_id=template.name,
        template=template.text or None,
        nearest=nearest,
        detector=detector,
        detail=detail,
        expected=expected,
        contrib=_contributions(model, session, events, reason.contrib[:len(events)]),
        events=tuple(model.template(int(e)).name for e in events),
        model=model.name,
    )


def _contributions(model: Model, session: Session, events: np.ndarray, share: np.ndarray) -> tuple[Contribution, ...]:
    """The lines that mattered most, with their text where the session has it."""
    line_nos = session.line_nos or [session.first_line_no] * len(events)
    kept = session.lines or [session.line if no and no == session.line_no else None for no in session.line_nos or [0] * len(events)]
    found = []
    for j in np.argsort(-share, kind="stable")[:SHOWN].tolist():
        name, text = model.template(int(events[j]))
        if share[j] > 0:
            found.append(Contribution(line_nos[j] or None, name, round(float(share[j]), 3), text or None, kept[j]))
    return tuple(found)


def unusual_rate(model: Model, events: Events, finding: Finding, session: str | None) -> Alert:
    """The alert of what the monitor of rates found in the lines of a block."""
    template = model.parser.templates[finding.event] if finding.event != LOG else Template("", "")
    time = float("nan") if events.times is None else float(events.times[finding.at])
    return Alert(
        time=None if np.isnan(time) else time,
        session=session,
        line_no=int(events.line_no[finding.at]),
        file=events.file,
        line=events.lines[finding.at],
        score=round(finding.score, 3),
        threshold=float(TIMES),
        reason=finding.code,
        why=sentence(finding.code, template.text or "", None, (), finding.detail),
        event_id=template.name or None,
        template=template.text or None,
        nearest=None,
        detector="rates",
        detail=finding.detail,
        expected=(),
        contrib=(),
        events=(),
        model=model.name,
    )


def _reason(model: Model, windows: Windows, i: int, detector: str) -> Reason:
    """The detector's own reason, with the code and the expectation of the strongest fact."""
    main = model.detectors[detector]
    reason, events = main.explain(model.with_tables(windows, detector), i), windows.events[i]
    new = np.flatnonzero((events == UNKNOWN) | (events >= model.n_events))
    if reason.expected or reason.detail:
        at = reason.position + (reason.code == "bigram")  # of a pair, what came second
        return reason._replace(code="new_template", position=at) if reason.code in OF_ORDER and at in new else reason
    rules = model.detectors.get("rules")
    if len(new):
        at = int(new[0])
        expected = rules.expected(int(events[at - 1])) if rules is not None and at else ()
        return reason._replace(code="new_template", position=at, expected=expected)
    if rules is None or rules is main or windows.rules[i].max() <= 0:
        return reason
    fact = rules.explain(windows, i)
    return fact._replace(contrib=reason.contrib)


def _named(model: Model, event: int) -> tuple[str, str]:
    """Name and text of an event that was expected; PAD stands for the end of the session."""
    return ("END", "the end of the session") if event == PAD else tuple(model.template(event))


def _detail(model: Model, reason: Reason) -> dict[str, Any]:
    """The detector's detail, with the names of events in the place of their ids."""
    def named(key: str, value: Any) -> Any:
        if key in EVENTS:
            return "START" if key == "after" and value == PAD else _named(model, value)[0]
        return [[_named(model, event)[0], number] for event, number in value] if key in EVENT_NUMBERS else value
    return {key: named(key, value) for key, value in reason.detail.items()}


def sentence(code: str, template: str, nearest: tuple[str, float] | None, expected: tuple, detail: Mapping[str, Any]) -> str:
    """What a person reads: what the code means here, the detail, what came nearest and what was expected (names, texts, probabilities)."""
    text = _what(code, template, expected, detail)
    facts = [f"{name} {_short(value)}" for name, value in detail.items() if code not in ("value", "new_template", "rate", "silence")]
    if nearest is not None:
        facts.append(f"nearest known {nearest[0]!r} ({nearest[1]:.2f})")
    if expected:
        facts.append("expected " + ", ".join(f"{text or name!r} {100 * p:.0f} %" for name, text, p in expected))
    return "; ".join([text, *facts])


def _what(code: str, template: str, expected: tuple, detail: Mapping[str, Any]) -> str:
    match code:
        case "new_template":
            return f"{'hardly ever' if detail.get('seen') else 'never'} seen in training: {template!r}"
        case "sequence":
            return f"{template!r} was not expected there" if expected else "the sequence resembles anomalous ones"
        case "value":
            return _of_value(template, detail)
        case "entity":
            return "a source wrote otherwise than usual" if detail.get("score") else "a source fell silent"
        case "rate":
            return f"{template!r} came {detail['count']} times within {duration(detail['seconds'])}, usual are at most {detail['usual']}"
        case "silence":
            silent = f"{repr(template) if template else 'the whole log'} was silent"
            return f"{silent} for {duration(detail['seconds'])}, usual are at most {duration(detail['usual'])}"
    return SAID.get(code, code).format(template=repr(template))


def _of_value(template: str, detail: Mapping[str, Any]) -> str:
    """Which parameter is off, and what was expected: a range of numbers, or one of so many known texts."""
    said = f"{detail.get('parameter', 'a value')} of {template!r}" + (f" is {_short(detail['value'])}" if "value" in detail else " is new")
    if "low" in detail:
        return f"{said}, expected {_short(detail['low'])} to {_short(detail['high'])}"
    if detail.get("known") == 1:
        return f"{said}, it was always the same"
    return said + (f", expected one of {detail['known']} known" if "known" in detail else "")


def duration(seconds: float) -> str:
    """For people: "3.5 hours"."""
    for unit, name in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.3g} {name}"
    return f"{seconds:.3g} s"


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_short, value)) + "]"
    return str(value)
