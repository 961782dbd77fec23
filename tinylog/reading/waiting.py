"""Waiting for input without missing a signal.

SIGTERM and SIGINT end the reading between two blocks, so that what was read is judged and written; a second one ends the
process at once. SIGHUP asks for files to be opened again, SIGUSR1 how things stand. A handler alone would come too late where a signal arrives just
before a read that blocks: the interpreter writes each one into a pipe, and whoever waits waits for that pipe too.
"""
from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable, Sequence
from types import FrameType

CODES = {signal.SIGTERM: 0, signal.SIGINT: 130}
HANGUP, ASKED = getattr(signal, "SIGHUP", None), getattr(signal, "SIGUSR1", None)  # not on every system


class Stopped(Exception):
    """The log goes on, its reading does not: what is open is not over. `code` is the command's exit code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Signals:
    """What came since `with` began. Outside of the main thread, and before `with`, none ever comes.

    `code`: the exit code of the signal that ends the reading, None as long as none came; `hung_up`: whether SIGHUP came. `on_asked` is
    called between two blocks, or while there is nothing to read, when SIGUSR1 came; until somebody sets it, that waits.
    """

    def __init__(self, hangup: bool = False) -> None:
        """hangup: SIGHUP is taken as a wish to open files again; else it ends the process, as ever."""
        self.code: int | None = None
        self.hung_up, self.asked = False, False
        self.on_asked: Callable[[], None] | None = None
        self._numbers = [*CODES, *([HANGUP] if hangup and HANGUP else []), *([ASKED] if ASKED else [])]
        self._before: dict[int, object] = {}
        self._pipe: tuple[int, int] | None = None

    def __enter__(self) -> Signals:
        if os.name != "posix":
            return self
        reading, writing = self._pipe = os.pipe()
        os.set_blocking(reading, False)
        os.set_blocking(writing, False)
        try:
            self._wakeup = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
            self._before = {number: signal.signal(number, self._came) for number in self._numbers}
        except ValueError:  # not the main thread
            self._close()
        return self

    def __exit__(self, *about: object) -> None:
        if self._pipe is not None:
            for number, handler in self._before.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(self._wakeup)
            self._close()

    def wait(self, seconds: float | None, files: Sequence[int] = ()) -> bool:
        """Until one of the files can be read (or was closed), a signal comes or the time is over. Whether one can be read."""
        if os.name != "posix":  # only sockets can be waited for: the read itself will wait
            return bool(files)
        wake = [] if self._pipe is None else [self._pipe[0]]
        ready, _, _ = select.select([*wake, *files], [], [], seconds)
        if wake and wake[0] in ready:
            os.read(wake[0], 4096)
        return any(file in ready for file in files)

    def check(self) -> None:
        """Says how things stand, or raises Stopped, where a signal asked for it."""
        if self.asked and self.on_asked is not None:
            self.asked = False
            self.on_asked()
        if self.code is not None:
            raise Stopped(self.code)

    def _came(self, number: int, frame: FrameType | None) -> None:
        if number == HANGUP:
            self.hung_up = True
            return
        if number == ASKED:
            self.asked = True
            return
        self.code = CODES[number]
        signal.signal(number, self._before[number])

    def _close(self) -> None:
        for end in self._pipe or ():
            os.close(end)
        self._pipe = None
