"""Records of several lines (stack traces, wrapped messages) become one: its first line, which is what is mined. Block -> Block.

A line belongs to the one before where it has no header and the format's lines have one, or where it looks like the inside of a stack
trace. A line that names an exception ("Caused by: java.io.IOException: ...") stays a record: another exception behind the same message
is news. What a header may begin with is one look at each line's first byte, for a block at once, so a log without such lines costs
nothing: its blocks pass as they are. The first line goes out at once, whatever follows; so nothing waits, and a log that is cut
into other blocks gives the same lines. Lines that were joined are counted, and the numbers of the others stay.
"""
from __future__ import annotations

import re
from collections import Counter
from functools import cache
from typing import Any

import numpy as np

from ..records import Block
from .decode import EXCEPTION, FRAME, Lines
from .formats import Format

MOST_WITHOUT_HEADER = 100  # lines in a row: then the log has another format, and each is a record
_NEWLINE = 10
_INDENT = re.compile(rb"[ \t]*")


class Heads:
    """The first lines of records. counters: joined_lines."""

    def __init__(self, form: Format, counters: Counter[str]) -> None:
        self.form, self.counters = form, counters
        self._strict = form.time is not None and form.name != "plain" and form.begins != rb"\S"  # whether a line without header is none
        self._table = _candidates(form.begins)
        self._begun = False  # whether there was a line to belong to
        self._indent = 0  # of that line
        self._joined = 0  # lines without header in a row

    def add(self, block: Block) -> Block:
        """The block without the lines that belong to others; the same block where there are none."""
        at = self._suspicious(block.data).tolist()
        if not at:
            self._see(bool(block.data))
            return block
        lines = block.data.split(b"\n")
        lines.pop()
        rest, previous = set(), -1
        for i in at:
            self._see(i > previous + 1)
            if self._belongs(lines[i]):
                rest.add(i)
            previous = i
        self._see(previous + 1 < len(lines))
        if not rest:
            return block
        self.counters["joined_lines"] += len(rest)
        out = Lines()
        for i, number in enumerate(block.numbers(len(lines)).tolist()):
            if i not in rest:
                out.put(lines[i], number)
        return out.block(block)

    def to_json(self) -> list[Any]:
        """What is known of the line before, as JSON values."""
        return [self._begun, self._indent, self._joined]

    def restore(self, state: list[Any]) -> None:
        """Go on where `to_json` was asked."""
        self._begun, self._indent, self._joined = state

    def _suspicious(self, data: bytes) -> np.ndarray:
        """Index of each line that begins with what no header begins with."""
        if not data:
            return np.zeros(0, np.intp)
        text = np.frombuffer(data, np.uint8)
        first = np.concatenate([[0], np.flatnonzero(text[:-1] == _NEWLINE) + 1])
        return np.flatnonzero(self._table[text[first]])

    def _see(self, something: bool = True, indent: int = 0) -> None:
        """A line, if there was one, to which others may belong."""
        if something:
            self._begun, self._indent, self._joined = True, indent, 0

    def _belongs(self, line: bytes) -> bool:
        """Whether a suspicious line belongs to what was before; where not it is the one before the next, or, without header, nothing."""
        indent = _INDENT.match(line).end()
        if self._begun and EXCEPTION.match(line):
            self._joined = 0
            return False
        if self._begun and FRAME.match(line):
            self._joined = 0
            return True
        if not (self.form.lead.match(line) is None if self._strict else self._begun and self._indent < indent < len(line)):
            self._see(indent=indent if indent < len(line) else 0)
            return False
        self._joined += self._begun
        return self._begun and self._joined <= MOST_WITHOUT_HEADER


@cache
def _candidates(begins: bytes) -> np.ndarray:
    """(256,) bool: bytes with which a line may begin that belongs to another."""
    pattern = re.compile(begins)
    table = np.array([not pattern.match(bytes([byte])) for byte in range(256)])
    if begins == rb"\S":  # any letter may begin a header: only those of FRAME are looked at more closely
        table[list(b"CS.")] = True
        table[_NEWLINE] = False
    return table
