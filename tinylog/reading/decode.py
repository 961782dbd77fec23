"""Records that are wrapped (JSON, CRI, journald's export, logfmt) to lines that the rest of tinylog reads: Block -> Block.

    {"log":"081109 203615 148 INFO dfs.X: up\\n","time":".."}   ->  081109 203615 148 INFO dfs.X: up        what is inside has a header
    {"level":"error","msg":"disk full","ts":1732255200,..}     ->  2024-11-22T06:00:00Z - error -: disk full    it has none

So the parser mines the message alone, and what is wrapped is judged as if it were not. Line numbers stay those of the input.
What cannot be decoded goes on as it is, counted. State is carried from block to block: cut anywhere, a log gives the same lines.
"""
from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np

from ..records import Block

# name: the module with what reads it; in this order they are looked for
ENVELOPES = {"docker": "jsonlines", "journald": "jsonlines", "otlp": "jsonlines", "ndjson": "jsonlines",
             "cri": "cri", "export": "export", "logfmt": "logfmt"}
MOST_PARTS = 128  # of a record that comes in parts
MOST_BYTES = 1 << 20  # of the same
MOST_OPEN = 16  # streams in which a record is not complete
_INDENTED = re.compile(rb"[ \t]+\S|Caused by: |Suppressed: |\.\.\. \d+ more")
FRAME = re.compile(rb"[ \t]+(?:at\s|File \"|\.\.\. \d|#\d+\s|from\s)|Caused by: |Suppressed: |\.\.\. \d+ more")
EXCEPTION = re.compile(rb"(?:Caused by: |Suppressed: |Exception in thread .{0,200}? )?"
                       rb"(?:[\w$]+[./])*[\w$]*(?:Exception|Error|Throwable|Exit|Interrupt)(?::|$)")
_LONGEST_WORD = 128
_BAD = re.compile(rb"[\s\[\]:\x00-\x1f\x7f]+")
_LINE_ENDS = re.compile(rb"[\r\n]+")


class Record(NamedTuple):
    """What an envelope says of one log line."""

    message: bytes  # may hold several lines: the first one is mined
    time: bytes = b""  # RFC 3339; b"" where it does not say
    host: bytes = b""
    level: bytes = b""
    process: bytes = b""
    pid: bytes = b""
    stream: bytes | None = None  # the message goes on in the next record of this stream; None: it is complete
    ends: bytes | None = None  # the stream whose open parts this record ends


Parse = Callable[[bytes], "Record | list[Record] | None"]


class Decoder:
    """One envelope off, line by line. `header`: each message gets one of its own. counters: undecoded_lines, joined_lines, cut_records,
    records_without_message.
    """

    def __init__(self, name: str, header: bool, counters: Counter[str]) -> None:
        self.name, self.header, self.counters = name, header, counters
        self._parse: Parse = reader(name).PARSERS[name]
        self._inner = {"docker": _INDENTED, "cri": _INDENTED, "journald": FRAME}.get(name)  # of a stack trace; others' records are whole
        self._open: dict[bytes, tuple[int, list[bytes]]] = {}  # stream: line number and parts of its unfinished record
        self._file: str | None = None

    def add(self, block: Block) -> Block:
        """The records that a block completes, a line each."""
        lines = block.data.split(b"\n")
        lines.pop()
        out, numbers = Lines(), block.numbers(len(lines)).tolist()
        if self._open and block.file != self._file:
            self._flush(out)
        self._file = block.file
        for line, number in zip(lines, numbers):
            record = self._parse(line)
            if record is None:
                self.counters["undecoded_lines"] += bool(line.strip())
                out.put(line, number)
            elif type(record) is list:  # a batch
                for each in record:
                    self._record(each, number, out)
            else:
                self._record(record, number, out)
        return out.block(block)

    def close(self) -> Block | None:
        """The parts that nothing completed."""
        if not self._open:
            return None
        out = Lines()
        self._flush(out)
        return out.block(Block(b"", 1, self._file))

    def to_json(self) -> dict[str, Any]:
        """What waits for its end, as JSON values."""
        waiting = [[_text(stream), number, [_text(part) for part in parts]] for stream, (number, parts) in self._open.items()]
        return {"file": self._file, "open": waiting}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on where `to_json` was asked."""
        self._file = state["file"]
        self._open = {b64decode(stream): (number, [b64decode(part) for part in parts]) for stream, number, parts in state["open"]}

    def _record(self, record: Record, number: int, out: Lines) -> None:
        """A whole record goes out, a part waits; what waits too long, or beside too many, goes out as it is."""
        if record.message is NO_MESSAGE:
            self.counters["records_without_message"] += 1
            return
        stream = record.ends if record.stream is None else record.stream
        if record.stream is None and stream not in self._open:
            self._line(self._head(record), record.message, number, out)
            return
        _, parts = self._open.setdefault(stream, (number, [self._head(record)]))
        parts.append(record.message)
        if record.stream is None:
            self._release(stream, out)
        elif len(parts) > MOST_PARTS or sum(map(len, parts)) > MOST_BYTES or len(self._open) > MOST_OPEN:
            self.counters["cut_records"] += 1
            self._release(next(iter(self._open)) if len(self._open) > MOST_OPEN else stream, out)

    def _release(self, stream: bytes, out: Lines) -> None:
        number, (head, *parts) = self._open.pop(stream)
        self._line(head, b"".join(parts), number, out)

    def _flush(self, out: Lines) -> None:
        for stream in list(self._open):
            self._release(stream, out)

    def _head(self, record: Record) -> bytes:
        return header_of(record) if self.header else b""

    def _line(self, head: bytes, message: bytes, number: int, out: Lines) -> None:
        for line in records_of(head, message, self._inner, self.counters):
            out.put(line, number)


NO_MESSAGE = b"no message"  # this very object says it


class Lines:
    """Lines and their numbers, to be a block."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.numbers: list[int] = []

    def put(self, line: bytes, number: int) -> None:
        """One more line, without newline."""
        self.lines.append(line)
        self.numbers.append(number)

    def block(self, source: Block) -> Block:
        """The lines as a block that says where they stand in the source."""
        data = b"\n".join([*self.lines, b""])
        return source._replace(data=data, line_nos=np.array(self.numbers, np.int64))


def reader(name: str) -> Any:
    """The module that reads an envelope. Imported when a log needs it: start-up time counts."""
    return import_module("." + ENVELOPES[name], __package__)


def decoder(name: str, header: bool, counters: Counter[str]) -> Any:
    """What takes one envelope off: `add(block)`, `close()`, `to_json()`, `restore(state)`."""
    return reader("export").Export(header, counters) if name == "export" else Decoder(name, header, counters)


def header_of(record: Record) -> bytes:
    """What stands in front of a message that has no header of its own; formats.py has the pattern."""
    time, host, level, process, pid = (text[:_LONGEST_WORD] for text in record[1:6])
    return b"%b %b %b %b%b: " % (time or b"-", _word(host), _word(level), _word(process), b"[%b]" % _word(pid) if pid else b"")


def records_of(head: bytes, message: bytes, inner: re.Pattern[bytes] | None, counters: Counter[str]) -> list[bytes]:
    """The first line of a message behind its header, and those that name an exception; the others are counted. What looks like the inside
    of a stack trace (`inner`) has no header: by that the next step, multiline.py, knows that it belongs to the line before.
    """
    message, more = message.strip(b"\r\n"), []
    if b"\n" in message or b"\r" in message:
        message, *rest = _LINE_ENDS.split(message)
        more = [line for line in rest if EXCEPTION.match(line)]
        counters["joined_lines"] += len(rest) - len(more)
    bare = inner is not None and inner.match(message) and not EXCEPTION.match(message)
    return [message if bare else head + message, *(head + line for line in more)]


def unwrapped(name: str, lines: Sequence[bytes], all_of_it: bool) -> list[bytes]:
    """The first lines of a log, one envelope off, to see what is inside; only whole records where this is not `all_of_it`."""
    step = decoder(name, False, Counter())
    blocks = [step.add(Block(b"\n".join([*lines, b""]), 1, None)), step.close() if all_of_it else None]
    return [line for block in blocks if block is not None for line in block.data.split(b"\n")[:-1]]


@lru_cache(maxsize=1024)
def _word(text: bytes) -> bytes:
    """One word of a header, whatever is in it."""
    return _BAD.sub(b"_", text) or b"-"


def _text(data: bytes) -> str:
    return b64encode(data).decode()
