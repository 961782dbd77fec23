"""What in the lines of a log may name their sessions: identifiers of known shapes and of names that the log itself uses.

Each candidate is a pattern as `--session` takes it, with the sessions that it would make. What speaks for it: it is in many lines, its
sessions have several lines, and they begin alike, as a task does and an address does not.
"""
from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from .formats import Format, session_keys, session_pattern

# What kind of thing it is, its pattern, and how far it is believed to be a session
_SHAPES = (
    ("UUID", r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}", 1.0),
    ("hexadecimal id", r"\b(?=[a-f]*\d)(?=\d*[a-f])[0-9a-f]{12,64}\b", 0.9),
    ("process", r"\[(\d+)\]: ", 0.5),
    ("address", r"\b\d{1,3}(?:\.\d{1,3}){3}\b", 0.3),
)
_THREAD = ("thread", r"^[^\[]*\[([^\]]+)\]", 0.5)
_TYPED = re.compile(rb"(?<![\w-])([A-Za-z]{2,}(?:[_-][A-Za-z]+)*[_-])-?\d{2}[\d_]*(?![\w-])")  # blk_-123, container_17_0001
_NAMED = re.compile(rb"(?<![\w-])([A-Za-z][\w.-]{0,30}?"
                    rb"(?:[iI][dD]|[kK]ey|uuid|UUID|[sS]ession|[rR]equest|[tT]race|[tT]hread|[uU]ser|tx|conn))\"?[=:] ?\"?[\w./@+-]+")
_COUNTED = re.compile(rb"(?<![\w-])([rR]equest|[jJ]ob|[tT]ask|[sS]ession|[oO]rder|[tT]ransaction|[cC]onnection|[tT]icket"
                      rb"|[iI]nstance|[bB]atch) #?\d+")
_MOST_FOUND = 6  # names of each kind that are looked at
LEAST_LINES, LEAST_SESSIONS, LEAST_SHARE, LEAST_ALIKE, TRUSTED = 2, 5, 0.3, 0.5, 0.9  # of what is worth a recommendation
_HUMBLE = re.compile(r"user|thread|pid", re.I)  # a session of those is a life, not a task


class Key(NamedTuple):
    """A candidate for the session key, and what sessions it makes of a sample."""

    what: str
    pattern: str
    share: float  # of the lines that have one
    sessions: int
    median: float  # lines of a session
    longest: int
    alike: float  # share of the sessions that begin with the event with which most begin
    belief: float  # how far things of this shape are sessions
    value: float  # how much speaks for it, 0 to 1

    @property
    def good(self) -> bool:
        """Whether to recommend it."""
        enough = self.share >= LEAST_SHARE and self.sessions >= LEAST_SESSIONS and self.median >= LEAST_LINES
        return enough and self.alike >= LEAST_ALIKE and self.belief >= TRUSTED


def candidates(lines: Sequence[bytes], event_ids: Sequence[int], form: Format) -> list[Key]:
    """The keys found in a sample of lines, the best first. event_ids (N,): what each line says."""
    shapes = list(_SHAPES)
    if form.session is not None:
        shapes.insert(0, ("known of " + form.name, form.session.pattern.decode(), 2.0))
    if "process" in form.header.groupindex and form.begins != rb"\S":
        shapes.append(_THREAD)
    found: dict[tuple, Key] = {}  # two patterns with the same sessions are one
    for what, pattern, belief in shapes + _of_this_log(lines):
        key = _judged(what, pattern, belief, lines, event_ids)
        if key is not None:
            found.setdefault((key.share, key.sessions, key.longest), key)
    return sorted(found.values(), key=lambda key: -key.value)


def _of_this_log(lines: Iterable[bytes]) -> list[tuple[str, str, float]]:
    """Shapes by the words that this log puts in front of its identifiers."""
    typed, named, counted = Counter(), Counter(), Counter()
    for line in lines:
        typed.update(set(_TYPED.findall(line)))
        named.update(set(_NAMED.findall(line)))
        counted.update(set(_COUNTED.findall(line)))
    found = []
    tails = r"\d[\d_]*", r'"?[=:] ?"?([\w./@+-]+)', r" #?(\d+)"
    for kind, names, tail in zip(("typed id", "named id", "number"), (typed, named, counted), tails):
        for name, _ in names.most_common(_MOST_FOUND):
            text = name.decode()
            start, sign = r"\b" * (kind != "typed id"), "-?" * text.endswith("_")  # blk_-5, where job-5 has no sign
            belief = 0.4 if _HUMBLE.search(text) else 1.0
            found.append((f"{kind} {text}", start + re.escape(text).replace(r"\-", "-") + sign + tail, belief))
    return found


def _judged(what: str, pattern: str, belief: float, lines: Sequence[bytes], event_ids: Sequence[int]) -> Key | None:
    sizes, begins, having = Counter(), {}, 0
    for keys, event in zip(session_keys(lines, session_pattern(pattern)), event_ids):
        having += bool(keys)
        for key in keys:
            sizes[key] += 1
            begins.setdefault(key, event)
    if having < 2 or len(sizes) < 2:
        return None
    share, median = having / len(lines), float(np.median(list(sizes.values())))
    alike = Counter(begins.values()).most_common(1)[0][1] / len(begins)
    value = belief * share * (0.5 + 0.5 * alike) * (median >= LEAST_LINES or belief > 1)
    return Key(what, pattern, share, len(sizes), median, max(sizes.values()), alike, belief, min(value, 1.0))
