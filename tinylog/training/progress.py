"""One line on a terminal that says how far training is. In a pipe or a log file it says nothing."""
from __future__ import annotations

import sys
import time
from typing import TextIO


class Progress:
    """Callable (epoch, epochs, loss), as `minimise` wants it."""

    def __init__(self, what: str, stream: TextIO | None = None):
        self.what, self.stream, self.start = what, sys.stderr if stream is None else stream, time.monotonic()

    def __call__(self, epoch: int, epochs: int, loss: float) -> None:
        """Write the line over itself; the last epoch ends it."""
        if not self.stream.isatty():
            return
        spent = time.monotonic() - self.start
        left = spent / epoch * (epochs - epoch)
        line = f"{self.what}: {epoch} of {epochs}, loss {loss:.4f}, {spent:.0f} s, {left:.0f} s to go"
        self.stream.write(f"\r{line}\x1b[K" + "\n" * (epoch == epochs))
        self.stream.flush()
