"""A time as records write it, to RFC 3339 in UTC: numbers since 1970 (s, ms, us, ns by their size), or text."""
from __future__ import annotations

import math
import re
from datetime import date
from functools import lru_cache

from .timestamps import seconds

_NUMBER = re.compile(rb"\d{9,19}(?:\.\d*)?(?:[eE][+]?\d{1,2})?|\d\.\d{5,20}[eE][+]?\d{1,2}")
_RFC3339 = re.compile(rb"\d{4}-\d\d-\d\d([T ])\d\d:\d\d:\d\d(?:([.,])\d{1,12})?(Z|[+-]\d\d(?::?\d\d)?)?")
_LAYOUTS = "clf|asctime|rfc3164"
_UNITS = ((1e11, 1), (1e14, 1e3), (1e17, 1e6), (math.inf, 1e9))  # below that bound a number counts so many a second
_EPOCH = date(1970, 1, 1).toordinal()


def rfc3339(text: bytes) -> bytes:
    """RFC 3339 with what the text knows (a fraction, a zone); b"" where it is no time."""
    text = text.strip()
    match = _RFC3339.fullmatch(text)
    if match is not None:
        text = text.replace(b" ", b"T") if match[1] == b" " else text
        return text.replace(b",", b".") if match[2] == b"," else text
    if _NUMBER.fullmatch(text):
        return _of_number(text)
    found = seconds(text, _LAYOUTS)
    return b"" if math.isnan(found) else utc(found)


def utc(moment: float) -> bytes:
    """Seconds since 1970 as RFC 3339, microseconds only where there are some; b"" beyond the year 9999."""
    whole = math.floor(moment)
    return _shown(whole, round((moment - whole) * 1e6))


def of_microseconds(text: bytes) -> bytes:
    """Microseconds since 1970, as journald writes them; b"" for anything else."""
    if not text.isdigit() or len(text) > 18:
        return b""
    whole, rest = divmod(int(text), 1_000_000)
    return _shown(whole, rest)


def _of_number(text: bytes) -> bytes:
    value = float(text)
    return utc(value / next(unit for bound, unit in _UNITS if value < bound))


def _shown(whole: int, micros: int) -> bytes:
    whole, micros = whole + micros // 1_000_000, micros % 1_000_000
    days, rest = divmod(whole, 86400)
    day = _day(days)
    if not day:
        return b""
    text = b"%bT%02d:%02d:%02d" % (day, rest // 3600, rest // 60 % 60, rest % 60)
    return text + (b".%06dZ" % micros if micros else b"Z")


@lru_cache(maxsize=64)
def _day(days: int) -> bytes:
    try:
        return date.fromordinal(days + _EPOCH).isoformat().encode()
    except (ValueError, OverflowError):
        return b""
