"""Several logs as one stream of blocks: one after the other or, where they are followed, whichever has lines.

The order in which several had lines matters (sessions and windows go across files), so it is noted as `turns`, and after a
resume they are read in the same turns again.
"""
from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from ..records import Block
from .tail import Position, Tail
from .waiting import Signals

POLL = 0.25  # seconds between two looks at files that are followed
IDLE = 5.0  # seconds between two calls of `on_idle` where a pipe is waited for


class Logs:
    """Blocks of all of them. Between two, and while it waits, it looks whether a signal came.

    `turns`: which log gave how many bytes, one after the other since they were last taken; noted where there are several.
    `began`: the positions before the first block, where it may pause. `on_idle` is called now and then while there is nothing to
    read. `replaying`: the turns of an earlier run are not over yet. `over`: all has been read. `given`: blocks so far.
    """

    def __init__(self, paths: Sequence[str], counters: Counter[str], max_line: int, signals: Signals, follow: bool = False,
                 pause: bool = False, positions: Sequence[Position] = (), turns: Sequence[tuple[int, int]] = ()) -> None:
        """pause: the end of what is there is not the end of the logs. positions, turns: of what is to be read on."""
        known = {position["path"]: position for position in positions}
        self.tails = [Tail(path, counters, max_line, follow, not follow and not pause, known.get(path)) for path in paths]
        self.signals, self.follow, self.turns = signals, follow, []
        self.began = self.positions() if pause else []
        self.on_idle: Callable[[], None] | None = None
        self.replaying, self.over, self.given = False, False, 0
        self._script = turns if [position["path"] for position in positions] == list(paths) else ()

    def __iter__(self) -> Iterator[Block]:
        """The blocks. Stopped where a signal ends the reading, InputError where a file cannot be read."""
        for block in self._blocks():
            self.given += 1
            yield block
            self.signals.check()
        self.signals.check()  # it may have come before there was a line
        self.over = True

    def close(self) -> None:
        """Closes the files."""
        for tail in self.tails:
            tail.close()

    def positions(self) -> list[Position]:
        """Of all logs, behind the last block."""
        return [tail.position() for tail in self.tails]

    def _blocks(self) -> Iterator[Block]:
        self.replaying = True
        for i, n in self._script:
            if self.tails[i].again:
                yield from self.tails[i].ready(self.signals, n)
        self.replaying = False
        if not self.follow:
            for i, tail in enumerate(self.tails):
                yield from self._turn(i)
                while not tail.done:
                    self._wait([tail])
                    yield from self._turn(i)
            return
        while not all(tail.done for tail in self.tails):
            before = [tail.consumed for tail in self.tails]
            for i in range(len(self.tails)):
                yield from self._turn(i)
            if before == [tail.consumed for tail in self.tails]:
                self._wait(self.tails)

    def _turn(self, i: int) -> Iterator[Block]:
        tail, before = self.tails[i], self.tails[i].consumed
        for block in tail.ready(self.signals):
            if len(self.tails) > 1:
                if not self.turns or self.turns[-1][0] != i:
                    self.turns.append([i, 0])
                self.turns[-1][1] += tail.consumed - before
                before = tail.consumed
            yield block

    def _wait(self, tails: Sequence[Tail]) -> None:
        """For more, for a signal, or for a while."""
        self.signals.check()
        pipes = [tail.pipe for tail in tails if tail.pipe is not None]
        files = any(tail.again and not tail.done for tail in tails)
        self.signals.wait(POLL if files else None if self.on_idle is None else IDLE, pipes)
        self.signals.check()
        if self.on_idle is not None:
            self.on_idle()
