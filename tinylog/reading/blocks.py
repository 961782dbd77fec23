"""A stream of bytes as blocks of whole lines, in bounded memory.

A block is what one `read1` returns, cut behind its last newline: a live pipe gives a line at once, a file gives a
mebibyte. So batching needs no timer and adds no delay. The unfinished line waits for the next read.
"""
from __future__ import annotations

import sys
import zlib
from collections import Counter
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from ..errors import InputError
from ..records import Block

NEWLINE = 10


def open_log(path: str) -> BinaryIO:
    """The bytes of a file, `.gz` and `.xz` unpacked; `-` is standard input. InputError where it cannot be opened."""
    if path == "-":
        return sys.stdin.buffer
    try:
        if path.endswith(".gz"):
            import gzip
            return gzip.open(path)
        if path.endswith(".xz"):
            import lzma
            return lzma.open(path)
        return open(path, "rb")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error


def read_whole(path: str) -> bytes:
    """All bytes of a file that is meant to fit into memory (labels, templates). InputError where it cannot be read."""
    with open_log(path) as stream:
        return b"".join(_chunks(stream, path, 1 << 20))


def blocks(stream: BinaryIO, file: str | None = None, size: int = 1 << 20, max_line: int = 1 << 16,
           dropped: Counter[str] | None = None) -> Iterator[Block]:
    """The stream as blocks of whole lines; `file` is its name (None: standard input).

    CRLF becomes LF (not in journald's export format, whose lengths count both), a last line without newline gets one, any other
    byte stays. A line keeps its first `max_line` bytes
    (a carriage return counts); what is cut off is counted in `dropped["cut_lines"]` and `dropped["cut_bytes"]`.
    Raises InputError where the stream breaks off (a damaged archive, a failing disk).
    """
    cutter = Cutter(file, max_line, Counter() if dropped is None else dropped)
    for chunk in _chunks(stream, file, size):
        block = cutter.feed(chunk)
        if block is not None:
            yield block
    block = cutter.end()
    if block is not None:
        yield block


class Cutter:
    """Chunks of bytes to blocks of whole lines, numbered from `line_no` on. Keeps at most max_line bytes of an unfinished line.

    `raw`: whether carriage returns stay, as in journald's export format; None as long as no line was seen.
    """

    def __init__(self, file: str | None, max_line: int, dropped: Counter[str], line_no: int = 1, raw: bool | None = None) -> None:
        self.file, self.max_line, self.dropped, self.line_no, self.raw = file, max_line, dropped, line_no, raw
        self._tail = bytearray()  # the unfinished line, at most max_line bytes of it
        self._overflow = 0  # bytes of the unfinished line that are already gone

    def feed(self, chunk: bytes) -> Block | None:
        """The lines that end in this chunk, where one does."""
        end = chunk.rfind(b"\n") + 1
        block = None
        if end:
            first = chunk.index(b"\n")
            kept = first if not self._overflow else 0  # a line that is too long already takes no more
            self._overflow += first - kept
            whole = memoryview(chunk)  # one copy is enough
            block = self._block(b"".join((self._tail, whole[:kept], whole[first:end])))
        room = self.max_line - len(self._tail)
        self._overflow += max(len(chunk) - end - room, 0)
        self._tail += chunk[end:end + room]
        return block

    def end(self) -> Block | None:
        """The line that nothing ended, where there is one."""
        return self._block(b"%b\n" % self._tail) if self._tail else None

    def _block(self, data: bytes) -> Block:
        self.raw = data.startswith(b"__CURSOR=") if self.raw is None else self.raw
        block = Block(_cut(data, self.max_line, self._overflow, self.dropped, self.raw), self.line_no, self.file)
        self.line_no += int(np.count_nonzero(np.frombuffer(block.data, np.uint8) == NEWLINE))
        self._tail.clear()
        self._overflow = 0
        return block


def _cut(data: bytes, max_line: int, overflow: int, dropped: Counter[str], raw: bool) -> bytes:
    """Lines no longer than max_line, CRLF as LF unless `raw`. `overflow` bytes of the first line were cut before."""
    lengths = _line_lengths(data) if _may_be_long(data, max_line) else np.zeros(1, np.int64)
    long = int((lengths > max_line).sum())
    if long:
        dropped["cut_bytes"] += int((lengths - max_line).clip(0).sum())
        data = b"".join(line[:max_line] + b"\n" for line in data.split(b"\n")[:-1])
    if long or overflow:
        dropped["cut_bytes"] += overflow
        dropped["cut_lines"] += long + (overflow > 0)
    return data.replace(b"\r\n", b"\n") if b"\r" in data and not raw else data  # one byte is found much sooner than two


def _may_be_long(data: bytes, max_line: int) -> bool:
    """Whether any line is longer: it would hold one of these places."""
    places = range(max_line, len(data), max_line)
    return any(data.find(b"\n", place) - data.rfind(b"\n", 0, place) - 1 > max_line for place in places)


def _line_lengths(data: bytes) -> np.ndarray:
    ends = np.flatnonzero(np.frombuffer(data, np.uint8) == NEWLINE)
    return np.diff(ends, prepend=-1) - 1


def _chunks(stream: BinaryIO, file: str | None, size: int) -> Iterator[bytes]:
    try:
        while chunk := stream.read1(size):
            yield chunk
    except damage() as error:
        raise InputError(f"{file or 'standard input'}: cannot be read to its end ({error})") from error


def damage() -> tuple[type[Exception], ...]:
    """What reading can raise; lzma's own error only where lzma is loaded."""
    lzma = sys.modules.get("lzma")
    return (OSError, EOFError, zlib.error) + ((lzma.LZMAError,) if lzma else ())
