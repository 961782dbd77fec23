r"""The header of a log line, as a table: where its time, host and component stand, and where its content begins.

The parser works on canonical lines, in which every run of digits is one "0". So that a header is found there exactly
where it is found on the original line, digits are written `\d+` (or `\d` inside a class), never with a count, and no
pattern ends or splits inside a run of digits. Then `content_of(canonical(line)) == canonical(content(line))`.

`lead` is the part of the header that holds label and time: enough, and much quicker, for those two columns.
"""
from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..errors import ConfigError
from .minutes import Stamp, split
from .timestamps import second_span, seconds

_TIME = rb"\d+:\d+:\d+(?:[.,]\d+)?"
_STAMP = rb"(?P<time>\d+-\d+-\d+ " + _TIME + rb") "
_RFC3339 = rb"\d+-\d+-\d+[T ]" + _TIME + rb"(?:Z|[+-]\d+(?::\d+)?)?"
_TIMED = rb"\[?(?P<time>" + _RFC3339 + rb"|\d+/\d+/\d+ " + _TIME + rb")\]?(?: (?:UTC|GMT|CES?T|[ECMP][SD]T))?[:,|]?[ \t]+"
_MONTH_DAY = rb"[A-Z][a-z][a-z] +\d+ " + _TIME
_TRUTH = rb"(?P<label>\S+) (?P<time>\d+) \d+\.\d+\.\d+ "
# "sshd(pam_unix)[19939]: ", "Google Chrome[12] (address): ", "syslogd 1.4.1: ", or no tag at all
_TAG = (rb"(?:(?P<process>\S[^:\[\]]*?(?=\[\d+\])|[^\s:\[\]]+(?: [\d.]+)?(?=:))"
        rb"(?:\[(?P<pid>\d+)\](?: \([^()]*\))?)?: ?)?")
_SYSLOG = (rb"(?:<\d+>)?(?P<time>" + _MONTH_DAY + rb"|" + _RFC3339 + rb") ", rb"(?P<host>\S+) +" + _TAG)
# <165>1 2003-10-11T22:14:15.003Z host app procid msgid [id name="value"] message, "-" for what is not known (RFC 5424)
_SYSLOG_5424 = (rb"(?:\d+ )?<\d+>\d+ (?P<time>" + _RFC3339 + rb"|-) ", rb"(?P<host>\S+) (?P<process>\S+) (?P<pid>\S+) \S+ "
                rb"(?:-|(?:\[[^\s=\]\"]+(?: +[^\s=\]\"]+=\"(?:[^\"\\]|\\.)*\")*\])+)(?: (?:\xef\xbb\xbf)?|$)")
_LEVEL = (rb"\[?(?P<level>TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|SEVERE|FATAL|CRITICAL|FINE|FINER|FINEST"
          rb"|trace|debug|info|notice|warn|warning|error|crit|alert|emerg|fatal)\]?")
# "[main] INFO org.Name:12 - ", "INFO 1 --- [main] o.Name : ", "- name - INFO - ", "INFO [main] (Name.java:3) - ", "[error] 12#0: "
_LOG4J = (rb"(?:- )?(?:\[[^\]]*\] +)?(?:\{[^}]*\} +)?(?:(?P<logger>[\w.$-]+) +- +)?" + _LEVEL
          + rb"(?: +\d+ +---)?(?: +\[(?P<process>[^\]]*)\])?"
          rb"(?:(?: +\(?(?P<component>[\w.$/\[\]@-]+(?::\d+)?)\)?)?(?: +- | +: )| +[\w$]+(?:\.[\w$]+)+: | +\d+#\d+: | +)")
# What records of JSON and the like are turned into, see decode.py
_RECORD = rb"(?P<time>" + _RFC3339 + rb"|-) ", rb"(?P<host>\S+) (?P<level>\S+) (?P<process>[^\s\[\]]+)(?:\[(?P<pid>[^\s\[\]]+)\])?: "
_SYSLOG_BEGINS = rb"[<\dADFJMNOS]"
_NOBODY = rb"(?!-$).*"
_CLUSTER = rb"(?:(?P<host>\S+) " + _MONTH_DAY + rb" \S+ " + _TAG + rb")?"

# Text of a pattern that names all digits at once (\d, [0-9]) or none: escapes, counts, sets, and what is neither
_NO_CERTAIN_DIGIT = rb"(?:\\\D|\{\d+(?:,\d*)?\}|\[\^?\]?(?:\\\D|(?<!-)0-9|[^\]\\\d])*\]|[^\[\\\d])*"


@dataclass(frozen=True)
class Format:
    """How the lines of one kind of log begin. Patterns are compiled when first needed: start-up time counts."""

    name: str
    lead_text: bytes  # groups of the header: label time host process pid level component
    rest_text: bytes = b""
    time: str | None = None  # layout of timestamps.py
    session_text: bytes | None = None
    stream: tuple[str, ...] = ()  # groups by which windows of lines are cut; none: the whole log is one stream
    entity_text: bytes = rb".*"  # how much of a host is the entity that wrote a line
    begins: bytes = rb"\S"  # what byte a header begins with; plain ones have no other, see multiline.py

    @cached_property
    def lead(self) -> re.Pattern[bytes]:
        return re.compile(self.lead_text)

    @cached_property
    def header(self) -> re.Pattern[bytes]:
        return re.compile(self.lead_text + self.rest_text)

    @cached_property
    def session(self) -> re.Pattern[bytes] | None:
        """What a session key looks like, anywhere in a line."""
        return re.compile(self.session_text) if self.session_text else None

    @cached_property
    def _canonical(self) -> re.Pattern[bytes]:
        return re.compile(re.sub(rb"\\d\+?", b"0", self.lead_text + self.rest_text))

    def content_of(self, canonical_line: bytes) -> bytes:
        """What follows the header of a canonical line; all of it where there is no header."""
        match = self._canonical.match(canonical_line)
        return canonical_line[match.end():] if match else canonical_line

    def content(self, line: bytes) -> bytes:
        """What follows the header of an original line; all of it where there is no header."""
        match = self.header.match(line)
        return line[match.end():] if match else line

    def columns(self, lines: Sequence[bytes], names: Sequence[str]) -> dict[str, list[bytes | None]]:
        """Header fields, each a list as long as `lines`; None where a line (or the format) has no such field."""
        known = [name for name in names if name in self.header.groupindex]
        matches = [self.header.match(line) for line in lines] if known else []
        columns: dict[str, list[bytes | None]] = {name: [None] * len(lines) for name in names}
        return columns | {name: [match and match[name] for match in matches] for name in known}

    def times(self, lines: Sequence[bytes], year: int | None = None) -> np.ndarray | None:
        """(N,) float64 seconds since 1970, NaN where a line has no time; None where the format has none."""
        if self.time is None:
            return None
        found = next((match for match in map(self.lead.match, lines) if match and match["time"]), None)
        width = found.end() if found else 0
        # Most lines of a block share a few minutes: each is read once. A line whose header is longer or shorter than the
        # first one's does not match to the very end, and is read by itself.
        minutes = split([line[:width] for line in lines], width, found and second_span(found, self.time))
        known = {head: self._seconds(head, year, width) for head in set(minutes.heads)}
        begun = np.array([known[head] for head in minutes.heads], np.float64)  # None is NaN
        times = begun[minutes.run] + minutes.seconds
        if None in known.values():
            for i in np.flatnonzero(np.array([known[head] is None for head in minutes.heads])[minutes.run]).tolist():
                times[i] = self._seconds(lines[i], year)
        return times

    def stamp(self, line: bytes) -> Stamp | None:
        """Where the time of a line stands, the same in all lines that differ in their digits alone; None where there is none."""
        match = None if self.time is None else self.lead.match(line)
        return Stamp(match, self.time) if match and match["time"] else None

    def _seconds(self, text: bytes, year: int | None, width: int | None = None) -> float | None:
        match = self.lead.match(text)
        if width is not None and (match is None or match.end() != width or not width):
            return None
        return seconds(match["time"], self.time, year) if match and match["time"] else np.nan

    def labels(self, lines: Sequence[bytes]) -> np.ndarray | None:
        """(N,) int8, 1 where the label column says anything but "-"; None where the format has no such column."""
        if "label" not in self.lead.groupindex:
            return None
        match = self.lead.match
        alert = [not line.startswith(b"- ") and (found := match(line)) is not None and found["label"] != b"-"
                 for line in lines]
        return np.array(alert, np.int8)

    def entities(self, lines: Sequence[bytes]) -> list[bytes]:
        """Who wrote each line: its host or, where the format has none, its component; b"" where unknown."""
        group = next((name for name in ("host", "component", "process") if name in self.header.groupindex), "")
        part = re.compile(self.entity_text).match
        return [found[0] if name and (found := part(name)) else b"" for name in self.columns(lines, [group])[group]]

    def streams(self, lines: Sequence[bytes]) -> list[tuple[bytes, ...]] | None:
        """To which stream each line belongs, as one key in a tuple; None where the log is one stream."""
        if not self.stream:
            return None
        columns = self.columns(lines, self.stream)
        parts = zip(*(columns[name] for name in self.stream))
        return [(b" ".join(part or b"" for part in line),) for line in parts]


def session_keys(lines: Sequence[bytes], pattern: re.Pattern[bytes]) -> list[tuple[bytes, ...]]:
    """The distinct session keys of each line, in order of their first occurrence; () where there is none."""
    find = pattern.findall
    return [tuple(found) if len(found) < 2 else tuple(dict.fromkeys(found)) for found in map(find, lines)]


def digits_alike(pattern: re.Pattern[bytes]) -> bool:
    """Whether a pattern tells no digit from another, as far as its text says: then it is found at the same places of all lines that
    differ in their digits alone.
    """
    return b"(?P=" not in pattern.pattern and re.fullmatch(_NO_CERTAIN_DIGIT, pattern.pattern) is not None


def session_pattern(text: str) -> re.Pattern[bytes]:
    """The pattern of `--session`: the whole match is the key, or its only group. ConfigError where it is none."""
    try:
        pattern = re.compile(text.encode())
    except re.error as error:
        raise ConfigError(f"session pattern {text!r} is not a regular expression: {error}") from error
    if pattern.groups > 1:
        raise ConfigError(f"session pattern {text!r} has {pattern.groups} groups; one group, or none, marks the key "
                          "(write the others as (?:...))")
    if pattern.search(b""):
        raise ConfigError(f"session pattern {text!r} is found in an empty line; a key needs at least one character")
    return pattern


def format_named(name: str) -> Format:
    """A format by name. ConfigError, listing all names, where there is none of that name."""
    if name.lower() not in FORMATS:
        raise ConfigError(f"format {name!r} is not known; known are {', '.join(FORMATS)}")
    return FORMATS[name.lower()]


FORMATS: dict[str, Format] = {form.name: form for form in (
    Format("hdfs", rb"(?P<time>\d+ \d+) ", rb"(?P<pid>\d+) (?P<level>[A-Z]+) (?P<component>[^\s:]+): ?",
           time="compact", session_text=rb"blk_-?\d+", begins=rb"\d"),
    Format("bgl", _TRUTH, rb"(?:(?P<host>\S+) \d+-\d+-\d+-\d+\.\d+\.\d+\.\d+ \S+"
           rb"(?: (?:RAS|NULL)(?: (?P<component>[A-Z_]+)(?= |$)"
           rb"(?: (?P<level>INFO|WARNING|ERROR|SEVERE|FATAL|FAILURE)(?= |$))?)?)? ?)?", time="epoch",
           entity_text=rb"R[^-]*|(?!-$).*"),  # the rack; "-" is nobody
    Format("thunderbird", _TRUTH, _CLUSTER, time="epoch"),
    Format("spirit", _TRUTH, _CLUSTER, time="epoch"),
    Format("openstack", rb"(?:\S+ )?" + _STAMP, rb"(?P<pid>\d+) (?P<level>[A-Z]+) (?P<component>\S+) "
           rb"(?:\[(?:req-[^\]]*|-)\] )?", time="iso", session_text=rb"\[instance: ([0-9a-f-]{36})\]"),
    Format("zookeeper", _STAMP, rb"- (?P<level>[A-Z]+) +\[(?P<component>.*?)@\d+\] - ", time="iso", begins=rb"\d"),
    Format("hadoop", _STAMP, rb"(?P<level>[A-Z]+) +\[(?P<process>.*?)\] (?P<component>[^\s:]+): ?", time="iso", begins=rb"\d"),
    Format("logback", rb"(?:- )?" + _STAMP, rb"\[(?P<process>.*?)\] (?P<level>[A-Z]+) +(?P<component>\S+) - ",
           time="iso", begins=rb"[\d-]"),
    Format("apache", rb"\[(?P<time>[A-Z][a-z]+ [A-Z][a-z]+ +\d+ " + _TIME + rb" \d+)\] ",
           rb"\[(?P<level>[^\]]*)\] (?:\[pid [^\]]*\] )?", time="asctime", begins=rb"\["),
    Format("access", rb"(?P<host>\S+) \S+ [^\[\]\"]*?\[(?P<time>\d+/[A-Z][a-z]+/\d+:\d+:\d+:\d+ [+-]\d+)\] ", time="clf"),
    Format("proxifier", rb"\[(?P<time>\d+\.\d+ \d+:\d+:\d+)\] ", rb"(?P<process>.+?) - ", time="dotted",
           stream=("process",), begins=rb"\["),
    Format("hpc", rb"\d+ (?P<host>\S+) (?P<component>\S+) \S+ (?P<time>\d+) ", rb"-?\d+ ?", time="epoch",
           stream=("host",), begins=rb"\d"),
    Format("mac", *_SYSLOG, time="rfc3164|iso", begins=_SYSLOG_BEGINS),  # its host name changes with the network, so it is one stream
    Format("syslog", *_SYSLOG, time="rfc3164|iso", stream=("host",), begins=_SYSLOG_BEGINS),
    Format("rfc5424", *_SYSLOG_5424, time="iso", stream=("host",), begins=rb"[<\d]", entity_text=_NOBODY),
    Format("klog", rb"[IWEF](?P<time>\d+ " + _TIME + rb") ", rb" *(?P<pid>\d+) (?P<component>[^\s\]]+)\] ", time="month day",
           begins=rb"[IWEF]"),
    Format("log4j", _TIMED, _LOG4J, time="iso", begins=rb"[\d\[]"),
    Format("levelled", rb"(?P<level>[A-Z]+):? +(?:\[(?P<process>[^\]]*)\] +)?" + _TIMED, time="iso", begins=rb"[A-Z]"),
    Format("timed", _TIMED, time="iso", begins=rb"[\d\[]"),
    *(Format(name, *_RECORD, time="iso", stream=stream, entity_text=_NOBODY) for name, stream in (
        ("docker", ()), ("cri", ()), ("journald", ("host",)), ("export", ("host",)), ("otlp", ("process",)),
        ("ndjson", ()), ("logfmt", ()))),
    Format("plain", rb"(?:(?P<time>" + _RFC3339 + rb")\s+)?", time="iso"),
    Format("ids", rb""),  # event-id sequences, read by ids.py
)}
