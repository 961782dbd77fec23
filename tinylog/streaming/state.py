"""What must survive a kill, and in which order it is written, so that no alert is lost and none comes twice.

For each block of lines:    its alerts are gathered, none is out yet
                            1. "say" their ids and lengths, and where the output ends: to the journal, on the disk
                            2. the alerts: to the output
                            3. "said": to the journal, in its own time
    now and then, instead:  a snapshot: where each log is read up to, and all that lives across lines. Of files after so many bytes of them
                            that it is little beside them, and when one is renamed or cut back; of a pipe after some minutes

A resume goes on from the snapshot and reads the lines since then again. It gives the same alerts again (scores depend on the lines
alone, not on how they were cut into blocks), and those that were said are kept back, as often as each was said. Only the last "say" can
be in doubt, where no "said" follows: of a regular file its length tells how many of its alerts are there, and a torn one is cut off. A pipe
cannot be asked, so each alert has a "said" of its own, and one that a kill came just behind is written again.

Nothing is written for a line, or for a block without alerts. Lines of a pipe cannot be read again: there the state is that of the last
snapshot, and what was said since is not said again.
"""
from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol

from ..errors import StateError
from ..reading.follow import Logs
from ..reading.tail import Position
from ..reading.waiting import Stopped
from ..records import Block
from .journal import Journal
from .sink import Sink

if TYPE_CHECKING:
    from .scorer import Scorer

FORMAT = 2
EVERY = 600.0  # seconds between snapshots of what came by a pipe
LEAST, TIMES = 4 << 20, 16  # bytes of log, and times the last snapshot's bytes, after which one is due at once


class Part(Protocol):
    """Something that lives across lines: made with its options, it gives and takes its memory as JSON values."""

    def to_json(self) -> Any: ...

    def from_json(self, values: Any) -> None: ...


class State:
    """One directory, held by one process. `note` gets a sentence where something went wrong that is survived."""

    def __init__(self, folder: str, note: Callable[[str], None], every: float = EVERY) -> None:
        """StateError where the directory cannot be used, or another process does."""
        self.folder, self.note, self.every = Path(folder), note, every
        self._lock = _locked(self.folder)
        self._journal = Journal(self.folder)
        self._snapshot, self._records, damage = self._journal.read()
        if damage is not None:
            note(damage)
        if self._snapshot is not None and self._snapshot["format"] != FORMAT:
            raise StateError(f"{folder}: state of format {self._snapshot['format']}, this tinylog writes {FORMAT}; take another directory")
        self.told, self._begun = 0, monotonic()  # alerts of this run
        self._said: Counter[str] = Counter()  # ids that were said by an earlier run and have not come again
        self._until = 0  # lines behind which none of them can come
        self._doubt: int | None = None  # how much of the last "say" is out, where nothing says it
        self._batch: list[tuple[str, bytes]] = []
        self._done = 0  # blocks of this run; some may be read before they are asked for
        self._broken = False  # whether the journal could not be written last

    def part(self, name: str) -> Any | None:
        """What a part remembered, where an earlier run knew it."""
        return None if self._snapshot is None else self._snapshot["parts"].get(name)

    @property
    def positions(self) -> list[Position]:
        """Where the logs are to be read on."""
        return [] if self._snapshot is None else self._snapshot["positions"]

    @property
    def turns(self) -> list[tuple[int, int]]:
        """In which turns they were read since then, as far as any alert depends on it."""
        return [tuple(turn) for record in self._records for turn in record.get("turns", ())]

    @property
    def hours(self) -> float:
        """How long this run has had it."""
        return (monotonic() - self._begun) / 3600

    @property
    def written(self) -> int:
        """Bytes that this run wrote into the directory."""
        return self._journal.written

    def begin(self, about: Mapping[str, Any], parts: Mapping[str, Part], logs: Logs, output: Sink, scorer: Scorer) -> None:
        """Give each part its memory back. about: what must be the same from run to run ("log_format", "model", ...). StateError where
        the state is of something else, or cannot be written.
        """
        self._about, self._parts, self._logs, self._output, self._scorer = dict(about), parts, logs, output, scorer
        if self._snapshot is not None:
            self._restore(self._snapshot)
        self._resolve()
        try:
            if self._snapshot is None:
                self._renew(logs.began)  # the first lines may have been looked at already
            else:
                self._journal.resume()
            if self._doubt is not None:
                self._journal.append({"only": self._doubt}, sync=True)
        except OSError as error:
            raise StateError(f"{self.folder}: cannot be written ({error.strerror or error})") from error
        self._snapshot, self._records = None, []  # they may be large
        self._mark()
        logs.on_idle = self._commit

    def following(self, log: Iterable[Block]) -> Iterator[Block]:
        """The blocks; when the next one is asked for, all that came of the one before is written. At the end, Stopped: the log goes on."""
        for block in log:
            yield block
            self._bytes += len(block.data)
            self._done += 1
            self._commit()
        raise Stopped(0)

    def say(self, name: str, data: bytes) -> None:
        """An alert, by its id and as it is to be written; not if it was said before the resume."""
        if self._said[name] > 0:
            self._said[name] -= 1
        else:
            self._batch.append((name, data))

    def close(self) -> None:
        """A last snapshot, and the directory is free."""
        if self._bytes and self._done == self._logs.given:
            self._try(self._renew)
        self._journal.close()
        os.close(self._lock)

    def _commit(self) -> None:
        """What the last block gave."""
        if self._batch:
            self._tell()
        if self._said and self._scorer.pipeline.lines >= self._until:
            self._said.clear()
        if self._logs.signals.hung_up:
            self._logs.signals.hung_up = False
            self._output.reopen()
        if self._logs.replaying or self._done < self._logs.given:  # positions are those of the last block that was read
            return
        if self._scorer.ageing.due and self._scorer.ageing.forget() or self._due():
            self._try(self._renew)
            self._mark()

    def _due(self) -> bool:
        """Lines of a file can be read again, so that their snapshot may wait until it is small beside them; those of a pipe cannot."""
        size, tails = self._journal.size, self._logs.tails
        if self._bytes >= max(LEAST, TIMES * size) or self._journal.grown >= max(LEAST, size):
            return True
        if self._files != [tail.files for tail in tails]:
            return True
        return self._bytes > 0 and monotonic() - self._since >= self.every and not all(tail.again for tail in tails)

    def _tell(self) -> None:
        """First the intent, then the deed."""
        batch, self._batch = self._batch, []
        place = self._output.place()
        record = {"say": [[name, len(data)] for name, data in batch], "at": place, "lines": self._scorer.pipeline.lines}
        if self._logs.turns:
            record["turns"], self._logs.turns = self._logs.turns, []
        self._try(lambda: self._journal.append(record, sync=True))
        self.told += len(batch)
        if place is not None:
            self._output.write(b"".join(data for _, data in batch))
            self._output.sync()
            self._try(lambda: self._journal.append({"said": len(batch)}, sync=False))
            return
        for _, data in batch:
            self._output.write(data)
            self._try(lambda: self._journal.append({"said": 1}, sync=False))

    def _renew(self, positions: Sequence[Position] | None = None) -> None:
        """A snapshot of now."""
        self._journal.renew({"format": FORMAT, "about": self._about,
                             "positions": self._logs.positions() if positions is None else positions,
                             "said": {name: n for name, n in self._said.items() if n > 0}, "until": self._until,
                             "parts": {name: part.to_json() for name, part in self._parts.items()}})
        self._logs.turns = []

    def _mark(self) -> None:
        self._bytes, self._since, self._files = 0, monotonic(), [tail.files for tail in self._logs.tails]

    def _try(self, write: Callable[[], None]) -> None:
        """Alerts are worth more than the state: where that cannot be written, say so once and go on."""
        try:
            write()
            self._broken = False
        except OSError as error:
            if not self._broken:
                self.note(f"{self.folder}: cannot be written ({error.strerror or error}); after a kill alerts may come twice or be lost")
            self._broken = True

    def _restore(self, snapshot: dict[str, Any]) -> None:
        for name, value in self._about.items():
            before = snapshot["about"].get(name)
            if before != value:
                raise StateError(f"{self.folder} holds the state of another {name.replace('_', ' ')} ({_short(before)}, now {_short(value)}); "
                                 "take another directory, or remove it to begin anew")
        try:
            for name, part in self._parts.items():
                part.from_json(snapshot["parts"][name])
        except (KeyError, TypeError, ValueError, IndexError) as error:
            what = f"its snapshot does not fit ({type(error).__name__}: {error})"
            raise StateError(f"{self.folder}: {what}; remove it to begin anew") from error
        self._said, self._until = Counter(snapshot["said"]), snapshot["until"]

    def _resolve(self) -> None:
        """What was said since the snapshot. The last "say" may be in doubt: how much of it is out is looked up and put on record."""
        says = [i for i, record in enumerate(self._records) if "say" in record]
        for i, following in zip(says, [*says[1:], len(self._records)]):
            record = self._records[i]
            behind = self._records[i + 1:following]
            only = next((each["only"] for each in behind if "only" in each), None)
            said = sum(each.get("said", 0) for each in behind)
            if only is None and following == len(self._records) and said < len(record["say"]):
                only = self._doubt = self._out(record, said)
            names = [name for name, _ in record["say"]]
            self._said.update(names if only is None else names[:only])
            self._until = max(self._until, record["lines"])

    def _out(self, record: dict[str, Any], said: int) -> int:
        """How many alerts of a record are in the output."""
        if record["at"] is None:
            return said
        place = self._output.place()
        if place is None or place[:2] != record["at"][:2]:
            return 0
        end, n = record["at"][2], 0
        for _, length in record["say"]:
            if end + length > place[2]:
                break
            end, n = end + length, n + 1
        if n < len(record["say"]) and end < place[2]:
            self._output.cut(end)
        return n


def _locked(folder: Path) -> int:
    """The lock of a directory, which is made where it is not there; it ends with the process."""
    import fcntl  # not on every system, and not for every run
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise StateError(f"{folder}: cannot be written ({error.strerror or error})") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        owner = os.read(lock, 20).decode("ascii", "replace").strip() or "unknown"
        os.close(lock)
        raise StateError(f"{folder} is in use by process {owner}; end it, or take another directory") from None
    os.ftruncate(lock, 0)
    os.write(lock, b"%d\n" % os.getpid())
    return lock


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else text[:57] + "..."
