"""Where alerts go: standard output, or a file that is appended to and opened again on request (its name was given to another).

Of a regular file it can be seen how much of what was meant to be written is there; of a pipe or a terminal it cannot.
"""
from __future__ import annotations

import os
import stat
import sys

from ..errors import InputError


class Sink:
    """Bytes out, whole or with an OSError. path: None is standard output."""

    def __init__(self, path: str | None = None) -> None:
        """InputError where the file cannot be opened."""
        self.path = path
        self._file = self._opened()

    def write(self, data: bytes) -> None:
        """All of it, before this returns."""
        while data:
            data = data[os.write(self._file, data):]

    def sync(self) -> None:
        """On the disk, where it is a file."""
        if self.place() is not None:
            os.fsync(self._file)

    def reopen(self) -> None:
        """The file that has the name now."""
        if self.path is not None:
            file = self._opened()
            os.close(self._file)
            self._file = file

    def place(self) -> list[int] | None:
        """Device, inode and end of a regular file; None of anything else."""
        about = os.fstat(self._file)
        return [about.st_dev, about.st_ino, about.st_size] if stat.S_ISREG(about.st_mode) else None

    def cut(self, end: int) -> None:
        """Take off what stands behind this byte."""
        os.ftruncate(self._file, end)

    def close(self) -> None:
        if self.path is not None:
            os.close(self._file)

    def _opened(self) -> int:
        if self.path is None:
            sys.stdout.flush()
            return sys.stdout.fileno()
        try:
            return os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        except OSError as error:
            raise InputError(f"{self.path}: cannot be written ({error.strerror or error})") from error
