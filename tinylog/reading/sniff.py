"""Which format a log has, from its first lines: the one whose header most of them have, the most special one first."""
from __future__ import annotations

import re
from collections.abc import Sequence

from . import ids
from .decode import EXCEPTION, FRAME
from .formats import FORMATS, Format

ENOUGH = 0.5  # share of the lines that must have the header
# Formats whose header is, or contains, that of another one are told apart by what only their systems write.
_HINTS = {
    "bgl": re.compile(rb" \d{4}-\d\d-\d\d-\d\d\.\d\d\.\d\d\.\d+ "),
    "spirit": re.compile(rb" s(?:n\d+|admin\d*)/"),
    "mac": re.compile(rb"com\.apple\.|kernel\[0\]"),
}
# A time and two words begin many logs: where the time is of RFC 3339, syslog's lines have a tag, and some of them a process id.
_LIKE_SYSLOG = re.compile(rb"(?:<\d+>)?(?:[A-Z][a-z]{2} +\d|\d{4}-\d\d-\d\dT\S+ (?!\[|[A-Z]+ )\S+ +\S+?(?:\[\d+\])?:)")
_OF_SYSLOG = re.compile(rb"(?:<\d+>)?[A-Z][a-z]{2} +\d|\[\d+\]:| kernel:")
_ID_ROW = re.compile(rb"(?:[^,\"]*,)?[ \t]*\d+(?:[ \t]+\d+)*[ \t]*(?:,[ \t]*(?:[01]|normal|anomaly))?\s*", re.I)
_BY_HEADER = ("hdfs", "bgl", "spirit", "thunderbird", "openstack", "zookeeper", "hadoop", "logback", "apache",
              "proxifier", "hpc", "mac", "syslog", "rfc5424", "access", "klog", "log4j", "levelled", "timed")


def sniff(lines: Sequence[bytes]) -> Format:
    """The format of a log that begins with these lines; `plain` where none fits most of them."""
    filled = [line for line in lines if line.strip()]
    if filled and (ids.is_header(filled[0]) or _share_of(_ID_ROW.fullmatch, filled) >= ENOUGH):
        return FORMATS["ids"]
    heads = _heads(filled)
    syslog = _share_of(_LIKE_SYSLOG.match, heads) >= ENOUGH and any(map(_OF_SYSLOG.search, heads))
    best, most = "plain", 0.0
    for name in _BY_HEADER:
        if (name not in _HINTS or any(map(_HINTS[name].search, filled))) and (syslog or name not in ("mac", "syslog")):
            found = share(FORMATS[name], filled)
            if found > most:
                best, most = name, found
        if most == 1:  # the others cannot be better, and each costs patterns
            break
    return FORMATS[best] if most >= ENOUGH else FORMATS["plain"]


def share(form: Format, lines: Sequence[bytes]) -> float:
    """Which share of the lines (blank ones, and those of stack traces, aside) is in this format: header found, time a time. Any line
    is plain.
    """
    filled = [line for line in lines if line.strip()]
    if form.name == "plain":
        return float(bool(filled))
    if form.name == "ids":
        return _share_of(lambda line: ids.is_header(line) or _ID_ROW.fullmatch(line), filled)
    heads = _heads(filled)
    times = form.times(heads)
    fits = [(match := form.header.match(line)) is not None and (time == time or match["time"] == b"-") for line, time in zip(heads, times)]
    return sum(fits) / max(len(heads), 1)


def _heads(filled: list[bytes]) -> list[bytes]:
    """The lines that look like the first of a record; all of them where none does."""
    return [line for line in filled if not (line[:1].isspace() or FRAME.match(line) or EXCEPTION.match(line))] or filled


def _share_of(fits, lines: Sequence[bytes]) -> float:
    return sum(fits(line) is not None for line in lines) / max(len(lines), 1)
