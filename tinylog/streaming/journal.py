"""A snapshot and what came after it, in one file that is only ever appended to; a new snapshot begins a new file.

    DIR/state.7     crc snapshot     the snapshot, deflated
                    crc record       JSON values, one a line
                    crc record

A file comes into being whole (temporary name, fsync, rename, fsync of the folder), and the one before it stays until the next:
where the last snapshot is damaged the one before it and the records of both say the same. A line whose checksum does not fit,
as a kill leaves the last one, is as if it were not there.
"""
from __future__ import annotations

import base64
import json
import os
import zlib
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import StateError

NAME = "state."
KEPT = 2  # files


class Found(NamedTuple):
    """What a folder holds."""

    snapshot: Any | None  # None: there is none that can be read
    records: list[Any]  # since the snapshot, oldest first
    damage: str | None  # one sentence where something could not be read


class Journal:
    """The files of one folder. `size`: bytes of the last snapshot; `grown`: of records since; `written`: of both, in this run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.size = self.grown = self.written = 0
        self._file: int | None = None
        self._torn = False  # whether the last line may be unfinished

    def read(self) -> Found:
        """The newest snapshot that is whole and all records since. StateError where the folder cannot be read."""
        snapshot, records, bad = None, [], 0
        names = self._names()
        for i, path in enumerate(reversed(names)):
            lines = self._lines(path)
            good = [_checked(line) for line in lines]
            whole = [record for record in good[1:] if record is not None]
            bad += len(good) - 1 - len(whole)
            records = [json.loads(record) for record in whole] + records
            if good and good[0] is not None:
                snapshot = json.loads(zlib.decompress(base64.b64decode(good[0])))
                self.size = len(lines[0])
                return Found(snapshot, records, self._told(i, bad))
        return Found(None, records, f"{self.folder}: no snapshot is whole, so it begins anew" if names else None)

    def renew(self, snapshot: Any) -> None:
        """A new file that begins with this snapshot. OSError where that fails; all is then as it was."""
        text = json.dumps(snapshot, separators=(",", ":")).encode()
        line = _line(base64.b64encode(zlib.compress(text, 6)))
        names = self._names()
        path = self.folder / f"{NAME}{1 + (_number(names[-1]) if names else 0)}"
        temporary = self.folder / "new"
        file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
        try:
            self._write(file, line)
            os.fsync(file)
            os.replace(temporary, path)
            self._sync_folder()
        except BaseException:
            os.close(file)
            temporary.unlink(missing_ok=True)
            raise
        self.close()
        self._file, self._torn, self.size, self.grown = file, False, len(line), 0
        for old in [*names, path][:-KEPT]:
            old.unlink()

    def append(self, record: Any, sync: bool) -> None:
        """One record. OSError where that fails; sync: it is on the disk when this returns."""
        line = _line(json.dumps(record, separators=(",", ":")).encode())
        torn, self._torn = self._torn, True
        self._write(self._file, b"\n" + line if torn else line)
        self._torn = False
        self.grown += len(line)
        if sync:
            os.fsync(self._file)

    def resume(self) -> None:
        """Go on behind the last record of the newest file."""
        path = self._names()[-1]
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND)
        self._torn = not path.read_bytes().endswith(b"\n")

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _names(self) -> list[Path]:
        try:
            found = [path for path in self.folder.iterdir() if path.name.startswith(NAME) and path.name[len(NAME):].isdecimal()]
        except OSError as error:
            raise StateError(f"{self.folder}: cannot be read ({error.strerror or error})") from error
        return sorted(found, key=_number)

    def _lines(self, path: Path) -> list[bytes]:
        try:
            return [line for line in path.read_bytes().split(b"\n") if line] or [b""]
        except OSError as error:
            raise StateError(f"{path}: cannot be read ({error.strerror or error})") from error

    def _told(self, older: int, bad: int) -> str | None:
        if older:
            return f"{self.folder}: the last snapshot is damaged, so it goes on from the one before"
        return f"{self.folder}: {bad} records are damaged, so alerts may come twice" if bad > 1 else None

    def _write(self, file: int, data: bytes) -> None:
        while data:
            n = os.write(file, data)
            self.written += n
            data = data[n:]

    def _sync_folder(self) -> None:
        folder = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _line(payload: bytes) -> bytes:
    return b"%08x %b\n" % (zlib.crc32(payload), payload)


def _checked(line: bytes) -> bytes | None:
    """What a line holds; None where it is not what was written."""
    payload = line[9:]
    return payload if line[:9] == b"%08x " % zlib.crc32(payload) else None


def _number(path: Path) -> int:
    return int(path.name[len(NAME):])
