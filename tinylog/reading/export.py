"""journald's export format: entries of fields, a blank line behind each. A field is NAME=value, or, where the value is not plain text,
NAME, a newline, its length in 8 bytes (little endian), the value, a newline. (systemd.io/JOURNAL_EXPORT_FORMATS)

A value may hold newlines, so this reads bytes, not lines. A length that cannot be ends the entry: what follows, up to a blank
line, is counted as undecoded.
"""
from __future__ import annotations

from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Sequence
from typing import Any

from ..records import Block
from .decode import FRAME, NO_MESSAGE, Lines, header_of, records_of
from .jsonlines import FIELDS, record_of

LONGEST = 64 << 20  # bytes of a value; journald's own bound is 768 MiB, of one that is ever written 48 KiB
KEPT = 1 << 16  # bytes of a value that are kept
_LENGTH = 8


class Export:
    """Entries to lines. counters: undecoded_lines, joined_lines, records_without_message."""

    def __init__(self, header: bool, counters: Counter[str]) -> None:
        self.header, self.counters = header, counters
        self._rest = b""  # a length of which some bytes are still to come
        self._begin()

    def add(self, block: Block) -> Block:
        """The entries that a block completes, a line each, numbered as the line of their MESSAGE."""
        out = Lines()
        if block.file != self._file:
            self._end(out)
            self._rest = b""
        self._file = block.file
        data = self._rest + block.data
        line_no, at = block.first_line_no - self._rest.count(b"\n"), 0
        self._rest = b""
        while at < len(data):
            taken = self._value(data, at, line_no) if self._name is not None else self._plain(data, at, line_no, out)
            if not taken:
                self._rest = data[at:]
                break
            line_no += data.count(b"\n", at, at + taken)
            at += taken
        return out.block(block)

    def close(self) -> Block | None:
        """The entry that no blank line ended."""
        out = Lines()
        self._end(out)
        return out.block(Block(b"", 1, self._file)) if out.lines else None

    def to_json(self) -> dict[str, Any]:
        """What waits for its end, as JSON values."""
        return {"rest": b64encode(self._rest).decode(), "fields": {name: b64encode(value).decode() for name, value in self._fields.items()},
                "number": self._number, "name": self._name, "left": self._left, "broken": self._broken, "file": self._file}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on where `to_json` was asked."""
        self._rest, self._number, self._name = b64decode(state["rest"]), state["number"], state["name"]
        self._left, self._broken, self._file = state["left"], state["broken"], state["file"]
        self._fields = {name: b64decode(value) for name, value in state["fields"].items()}

    _file: str | None = None

    def _begin(self) -> None:
        self._fields: dict[str, bytes] = {}
        self._number = 0  # of the line of MESSAGE, or of the first one
        self._name: str | None = None  # of a value that is not plain
        self._left = -1  # bytes of it that are still to come, its newline too; -1: its length is not known
        self._broken = False

    def _plain(self, data: bytes, at: int, line_no: int, out: Lines) -> int:
        """Takes a line: a field, the name of one, or the end of the entry."""
        end = data.find(b"\n", at)
        if end < 0:
            return 0
        name, equals, value = data[at:end].partition(b"=")
        if at == end:
            self._end(out)
        elif self._broken:
            self.counters["undecoded_lines"] += 1
        elif not _is_name(name):
            self._broken = True
            self.counters["undecoded_lines"] += 1
        elif equals:
            self._keep(name.decode(), value[:KEPT], line_no)
        else:  # of a field that is there already nothing is kept
            self._name = "" if name.decode() in self._fields else name.decode()
            self._keep(self._name, b"", line_no)
        return end + 1 - at

    def _value(self, data: bytes, at: int, line_no: int) -> int:
        """Takes a length, or as much of a value as there is."""
        if self._left < 0:
            if len(data) - at < _LENGTH:
                return 0
            length = int.from_bytes(data[at:at + _LENGTH], "little")
            if length > LONGEST:
                self._name, self._broken = None, True
                self.counters["undecoded_lines"] += 1
            self._left = length + 1 if length <= LONGEST else -1
            return _LENGTH
        taken = min(self._left, len(data) - at)
        old, ends = self._fields.get(self._name, b""), taken == self._left
        if self._name in FIELDS and len(old) < KEPT:
            self._fields[self._name] = old + data[at:at + min(taken - ends, KEPT - len(old))]
        self._left -= taken
        if ends:
            self._name, self._left = None, -1
        return taken

    def _keep(self, name: str, value: bytes, line_no: int) -> None:
        self._number = line_no if name == "MESSAGE" or not self._number else self._number
        if name in FIELDS and name not in self._fields:
            self._fields[name] = value

    def _end(self, out: Lines) -> None:
        if self._fields or self._number:
            record = record_of(self._fields)
            if record.message is NO_MESSAGE:
                self.counters["records_without_message"] += 1
            else:
                head = header_of(record) if self.header else b""
                for line in records_of(head, record.message, FRAME, self.counters):
                    out.put(line, self._number)
        self._begin()


def recognised(lines: Sequence[bytes]) -> str | None:
    """ "export" where the first line is the cursor that each entry begins with."""
    return "export" if lines[0].startswith(b"__CURSOR=") else None


def _is_name(name: bytes) -> bool:
    return 0 < len(name) <= 64 and not name.translate(None, b"ABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789")
