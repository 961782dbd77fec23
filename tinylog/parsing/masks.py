"""What is surely a value inside a token becomes <*>, the rest of the token stays. No list of systems: forms that
all logs share.

    rhost=0.0.0.0 -> rhost=<*>    blk_-0 -> blk_<*>    0x0fe -> <*>    chdir(/home/a) -> chdir(<*>)    0MB -> <*>

Forms: numbers and what is glued of them (addresses, times, versions), with a short unit behind; hexadecimal; UUID,
MAC and IPv6; absolute paths and URLs; dotted names (hosts, packages) and names of numbered files. Tokens are
canonical: any digit is a lone "0".
"""
from __future__ import annotations

import re

WILDCARD = b"<*>"
UNITS = frozenset(b"b kb mb gb tb byte bytes bit bits ns us ms msec msecs s sec secs second seconds"
                  b" min mins minute minutes h hour hours day days hz mhz ghz %".split())
DATES = frozenset(b"Mon Tue Wed Thu Fri Sat Sun Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec AM PM UTC GMT".split())

_LONGEST = 256  # bytes: the expressions below take the square of the length at worst
_VALUE = re.compile(rb"""
    (?<![A-Za-z0]) (?:                                                                       # at the start of a word or in front of one
        [a-z]+://[^\s"'<>)\],]+                                                              # URL
      | START (?:[A-Za-z]:|\.{0,2}) [/\\] [^\s,;()"'<>|]*                                   # path
      | (?<!\.) [A-Za-z0_$-]+ (?:\.[A-Za-z0_$-]+){2,}                                        # host, package, version
      | (?=[A-Za-z_.-]*0) [A-Za-z0_-]+ (?:\.[A-Za-z0_-]+)+ (?::0)?                           # file0.txt, name.org0:0
      | [A-Za-z0_-]+\.[A-Za-z0_-]+:0                                                         # name.org:0
      | (?<==) [A-Za-z0_-]+\.[a-z]{2,6} (?![A-Za-z0])                                        # =name.org
      | (?<==) (?:true|false|null|none|None|True|False) (?![A-Za-z0])
      | 0[xX][0-9A-Fa-f]+
      | (?=[A-Fa-f:.-]*0) (?:[0A-Fa-f]+[-:.]+){2,}[0A-Fa-f]* (?![A-Za-z0])                   # UUID, MAC, IPv6
      | (?=0|[A-Fa-f]+0[A-Fa-f]) [0A-Fa-f]+ (?![A-Za-z0])                                    # hexadecimal, but not ee0
    )
    | (?<=[A-Z0]) [a-z]+://[^\s"'<>)\],]+
    | (?<![A-Za-z]) [-+]?0 (?:[.,:/_x-]*0)* (?:[A-Za-z%]{1,3}(?![A-Za-z0]))?                 # 0.0KB
    | [-+]?0
    """.replace(b"START", rb"""(?:^|(?<=[=(\[{"'`:,<|]))"""), re.VERBOSE)
_MAY_HOLD_VALUE = re.compile(rb"[0./\\=]")
_SEVERAL = re.compile(rb"<\*>(?:[-.:,/_+@%]*[A-Za-z]?[-.:,/_+@%]*<\*>)+")
_LETTER = re.compile(rb"[A-Za-z0-9\x80-\xff]")
_EMPTY = frozenset((b"()", b"[]", b"{}", b'""', b"''", b"<>"))


def mask(token: bytes) -> bytes:
    """The token with its values replaced by <*>; of a very long one the end is one more value."""
    masked = token[:_LONGEST]
    if _MAY_HOLD_VALUE.search(masked):
        masked = _VALUE.sub(WILDCARD, masked)
    elif len(token) <= _LONGEST:
        return token
    return _SEVERAL.sub(WILDCARD, masked + WILDCARD if len(token) > _LONGEST else masked)


def is_value(masked: bytes) -> bool:
    """Whether a masked token has no letter left: a value and its punctuation, or empty brackets."""
    if WILDCARD in masked:
        return not _LETTER.search(masked.replace(WILDCARD, b""))
    return masked.rstrip(b",;:.") in _EMPTY
