"""The time of a line: text of a known layout to seconds since 1970.

All times are taken as UTC unless the text names a zone. RFC 3164, klog and Proxifier write no year: the caller's, or else the
latest one in which the date is a date and lies no more than a day ahead. clock.py carries the year on from line to line.
"""
from __future__ import annotations

import math
import re
from datetime import datetime, timezone
from functools import cache, lru_cache

_CLOCK = rb"([01]\d|2[0-3]):([0-5]\d):([0-6]\d(?:[.,]\d+)?)"  # 60 is a leap second
_MONTHS = (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec")

# Groups: date, hour, minute, second, and perhaps zone or year; or the epoch alone.
LAYOUTS = {
    "epoch": rb"(\d{9,11})",  # 1117838570
    "compact": rb"(\d{6}) " + _CLOCK.replace(rb":(", rb"("),  # 081109 203530
    "iso": rb"(\d{4}[-/]\d\d[-/]\d\d)[T ]" + _CLOCK + rb"(Z|[+-]\d\d(?::?\d\d)?)?",  # also RFC 3339
    "rfc3164": rb"([A-Z][a-z]{2} +\d\d?) " + _CLOCK,  # Jun  9 06:06:20
    "asctime": rb"[A-Z][a-z]{2} ([A-Z][a-z]{2} +\d\d?) " + _CLOCK + rb" (\d{4})",  # Apache
    "dotted": rb"(\d\d\.\d\d) " + _CLOCK,  # 10.30 16:49:06
    "month day": rb"(\d{4}) " + _CLOCK,  # 1122 06:00:00.123456, klog
    "clf": rb"(\d\d/[A-Z][a-z]{2}/\d{4}):" + _CLOCK + rb" ([+-]\d{4})",  # 22/Nov/2026:06:00:00 +0100, access logs
}


@lru_cache(maxsize=1024)
def seconds(text: bytes, layout: str, year: int | None = None) -> float:
    """Seconds since 1970 of a time text; NaN where it is no time of that layout ("rfc3164|iso": of either).

    `year` is for the layouts that have none.
    """
    for name in layout.split("|"):
        match = _layout(name).fullmatch(text)
        if match:
            return _seconds(match.groups(), year)
    return math.nan


def second_span(line: re.Match[bytes], layout: str) -> tuple[int, int] | None:
    """Where the two digits of its second and their fraction stand in a line whose group "time" is a time of that layout; None where
    it is no time.
    """
    for name in layout.split("|"):
        match = _layout(name).fullmatch(line["time"])
        if match:
            begin, end = match.span(4) if match.re.groups > 1 else (match.end() - 2, match.end())
            return line.start("time") + begin, line.start("time") + end
    return None


@cache
def _layout(name: str) -> re.Pattern[bytes]:
    return re.compile(LAYOUTS[name])


def _seconds(parts: tuple[bytes, ...], year: int | None) -> float:
    if len(parts) == 1:
        return float(parts[0])
    date, hour, minute, second, *last = parts
    zone = None
    if last and last[0]:
        year, zone = (int(last[0]), None) if last[0].isdigit() else (year, last[0])
    begun = _midnight(date, year) + 3600 * int(hour) + 60 * int(minute) - (_ahead(zone) if zone else 0)
    return begun + float(second.replace(b",", b".") if len(second) > 2 else second)  # the one sum that rounds: minutes.py has it too


@lru_cache(maxsize=256)
def _midnight(date: bytes, year: int | None) -> float:
    """Seconds since 1970 when a day of UTC began; NaN where there is no such day."""
    if date[:1].isalpha():
        month, day = _month(date[:3]), int(date[3:])
    elif b"." in date:
        month, day = int(date[:2]), int(date[3:])
    elif b"-" in date or date[4:5] == b"/":
        year, month, day = int(date[:4]), int(date[5:7]), int(date[8:])
    elif b"/" in date:
        year, month, day = int(date[7:]), _month(date[3:6]), int(date[:2])
    elif len(date) == 4:
        month, day = int(date[:2]), int(date[2:])
    else:
        year, month, day = 2000 + int(date[:2]), int(date[2:4]), int(date[4:])
    return _latest(month, day) if year is None else _of_day(year, month, day)


def _month(name: bytes) -> int:
    return 1 + _MONTHS.index(name) if name in _MONTHS else 0


def _of_day(year: int, month: int, day: int) -> float:
    try:
        return datetime(year, month, day, tzinfo=timezone.utc).timestamp()
    except ValueError:
        return math.nan


def _latest(month: int, day: int) -> float:
    """The last such day that is no more than a day ahead; the 29th of February is eight years back at most."""
    now = datetime.now(timezone.utc)
    days = (_of_day(year, month, day) for year in range(now.year, now.year - 9, -1))
    return next((midnight for midnight in days if midnight <= now.timestamp() + 86400), math.nan)


def _ahead(zone: bytes) -> int:
    """Seconds that a zone is ahead of UTC: b"+02:00" is 7200."""
    digits = zone[1:].replace(b":", b"")
    ahead = 3600 * int(digits[:2] or b"0") + 60 * int(digits[2:] or b"0")
    return -ahead if zone[:1] == b"-" else ahead
