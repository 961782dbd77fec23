"""One log under one name, that is, one file after the other, with a position to resume from.

At the end of a file its name is looked at:

    another file, and bytes in it       renamed: the old file was read to its end, the new one is next
    fewer bytes than were read          cut back (copytruncate): from the beginning
    other bytes than were read          cut back, and it has grown beyond already: from the beginning
    nothing there                       wait: it may come back

What stands behind the last newline waits for the rest of its line.
"""
from __future__ import annotations

import math
import os
import stat
from collections import Counter
from collections.abc import Iterator
from typing import Any
from zlib import crc32

from ..errors import InputError
from ..records import Block
from .blocks import Cutter, damage, open_log
from .waiting import Signals

SIZE = 1 << 20  # bytes of a read
CHECKED = 64  # bytes before a position that tell whether it is the same file still
PACKED = (".gz", ".xz")

Position = dict[str, Any]


class Tail:
    """One log; `-` is standard input. `done`: it has ended. `consumed`: bytes of all lines that were given. `files`: how many
    it has begun to read, one that was cut back again counted again.

    counters: files_cut_back, files_gone (nowhere to be found when they should have been read on).
    """

    def __init__(self, path: str, counters: Counter[str], max_line: int, follow: bool = False, ends: bool = True,
                 position: Position | None = None) -> None:
        """follow: it goes on. ends: its end ends its last line. position: what `position()` gave; read on from there.

        InputError where it cannot be read; one that is followed may be absent.
        """
        self.path, self.counters, self.max_line, self.follow, self.ends = path, counters, max_line, follow, ends
        self.done, self.consumed, self.files = False, 0, 0
        self._stream: Any = None
        self._began(0, 1)
        if position is not None:
            self._resume(position)
        elif path == "-" or not follow or os.path.exists(path):
            self._open(path)

    @property
    def again(self) -> bool:
        """Whether what was read can be read again: a file, not a pipe."""
        return self.path != "-" or stat.S_ISREG(os.fstat(0).st_mode)

    @property
    def pipe(self) -> int | None:
        """What to wait for, where it can be waited for."""
        return None if self.again or self.done else self._stream.fileno()

    def ready(self, signals: Signals, limit: int | None = None) -> Iterator[Block]:
        """The lines that are there now, of at most `limit` bytes. InputError where reading fails."""
        until = math.inf if limit is None else self.consumed + limit
        while not self.done and self.consumed < until:
            if self.pipe is not None and not signals.wait(0, [self.pipe]):
                return
            chunk = self._chunk(min(SIZE, until - self.consumed - (self._read - self._end)))
            if chunk:
                block = self._cutter.feed(chunk)
                yield from self._given(block, self._read - (len(chunk) - chunk.rfind(b"\n") - 1))
                continue
            follower = self._follower()
            if not self._complete and (follower is None and self.follow or self._has_more()):
                return
            if self._complete or follower is not None:
                yield from self._given(self._cutter.end(), self._read)
            self._advance(follower)

    def position(self) -> Position:
        """Where the lines end that were given, as JSON values."""
        values = {"path": self.path, "line_no": self._cutter.line_no, "raw": self._cutter.raw}
        if self._stream is None or not self.again:
            return values
        about = os.fstat(self._stream.fileno())
        check = None if self._packed else crc32(_before(self._stream, self._end))
        return values | {"device": about.st_dev, "inode": about.st_ino, "offset": self._end, "check": check}

    def close(self) -> None:
        """Closes the file that is open."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    @property
    def _packed(self) -> bool:
        return self.path.endswith(PACKED)

    @property
    def _complete(self) -> bool:
        """Whether the end of the file is the end of its last line, and nothing follows."""
        return self.ends or self._packed or not self.again

    def _open(self, path: str) -> None:
        stream = open(0, "rb", buffering=0, closefd=False) if path == "-" else open_log(path)
        self.close()
        self._stream = stream

    def _began(self, end: int, line_no: int, raw: bool | None = None) -> None:
        """The next byte is this one of its file, and begins this line."""
        self._read = self._end = end
        self.files += 1
        self._cutter = Cutter(None if self.path == "-" else self.path, self.max_line, self.counters, line_no, raw)
        self._known: bytes | None = None  # what stood before the end of the file when it was reached

    def _given(self, block: Block | None, end: int) -> Iterator[Block]:
        """The lines up to this byte of the file."""
        if block is not None:
            self.consumed += end - self._end
            self._end = end
            yield block

    def _chunk(self, size: int) -> bytes:
        """The next bytes; none at the end of the file, or where it is absent."""
        if self._stream is None:
            if not os.path.exists(self.path):
                return b""
            self._open(self.path)
        if self._known is not None and _before(self._stream, self._read) != self._known:
            self.counters["files_cut_back"] += 1
            self._began(0, 1)
            self._stream.seek(0)
        try:
            chunk = getattr(self._stream, "read1", self._stream.read)(size)
        except damage() as error:
            raise InputError(f"{self.path}: cannot be read to its end ({error})") from error
        self._read += len(chunk)
        self._known = None if chunk or self._complete else _before(self._stream, self._read)
        return chunk

    def _follower(self) -> str | None:
        """The file that comes behind the present one, where there is one with bytes in it."""
        if self._complete or self._stream is None or self.path == "-":
            return None
        mine, there = _identity(self._stream.fileno()), _identity(self.path)
        if there in (None, mine) or not os.path.getsize(self.path):
            return None
        own = next((name for name in _siblings(self.path) if _identity(name) == mine), None)
        between = [] if own is None else _renamed_since(self.path, own)  # renamed more than once since the last look
        return between[0] if between else self.path

    def _has_more(self) -> bool:
        """Whether bytes came behind what was the end when it was reached."""
        return self._stream is not None and os.fstat(self._stream.fileno()).st_size > self._read

    def _advance(self, follower: str | None) -> None:
        if follower is None:
            self.done = True
            return
        try:
            self._open(follower)
        except InputError:
            return  # gone again: the next look will tell
        self._began(0, 1)

    def _resume(self, position: Position) -> None:
        """Opens the file of a position, wherever it is by now, and goes there. A file that is gone is counted, and its name begun anew."""
        names = [self.path] if self.path == "-" or self._packed else [self.path, *_siblings(self.path)]
        found = next((name for name in names if self._goes_on(name, position)), None)
        if found is not None:
            return
        self.counters["files_gone"] += "inode" in position and self.again
        self._began(0, *((1,) if self.again else (position["line_no"], position["raw"])))
        if self.path == "-" or not self.follow or os.path.exists(self.path):
            self._open(self.path)

    def _goes_on(self, name: str, position: Position) -> bool:
        """Whether this is the file of the position; it is open then, and its next byte the right one."""
        if "inode" not in position or name != "-" and _identity(name) != (position["device"], position["inode"]):
            return False
        self._open(name)
        about, offset = os.fstat(self._stream.fileno()), position["offset"]
        if (about.st_dev, about.st_ino) != (position["device"], position["inode"]):
            return False
        if not self._packed and crc32(_before(self._stream, offset)) != position["check"]:
            return False
        self._stream.seek(offset)
        self._began(offset, position["line_no"], position["raw"])
        return True


def _before(stream: Any, end: int) -> bytes:
    """The few bytes before this one of a file."""
    start = max(end - CHECKED, 0)
    return os.pread(stream.fileno(), end - start, start)


def _identity(path: str | int) -> tuple[int, int] | None:
    try:
        about = os.stat(path)
    except OSError:
        return None
    return about.st_dev, about.st_ino


def _siblings(path: str) -> list[str]:
    """All else in the folder of a file."""
    folder = os.path.dirname(path)
    try:
        return [os.path.join(folder, name) for name in sorted(os.listdir(folder or ".")) if name != os.path.basename(path)]
    except OSError:
        return []


def _renamed_since(path: str, found: str) -> list[str]:
    """What the log was called since `found` was its file, oldest first: app.log.2, app.log.1. Archives cannot be told apart."""
    since = os.stat(found).st_mtime_ns
    names = [name for name in _siblings(path) if name.startswith((path + ".", path + "-")) and not name.endswith(PACKED)]
    times = {name: os.stat(name).st_mtime_ns for name in names}
    return sorted((name for name in names if times[name] > since and name != found), key=times.__getitem__)
