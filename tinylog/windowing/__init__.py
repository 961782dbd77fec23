"""Event ids to windows: by session key, by number of lines or by time, each window closed once."""
from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Protocol

from ..errors import ConfigError
from ..records import Events

if TYPE_CHECKING:
    from .sessions import Session

DAY = 86400.0
MOST = 100_000  # events that a window may hold


@dataclass(frozen=True)
class WindowSpec:
    """How a log is cut into windows. All values are JSON values; `from_json(spec.to_json()) == spec`."""

    kind: str = "lines"  # "session": by key, the last `size` events of each; "lines": every `size` lines; "time": every `seconds`
    size: int = 50  # of "time": the most lines that one window keeps
    timeout: float = DAY  # seconds of log time after which a session without lines is over
    session: str | None = None  # regular expression of the key, where the user or the format has one
    stream: tuple[str, ...] = ()  # header groups by which windows of lines are cut apart
    seconds: float = 0.0  # of log time

    def __post_init__(self) -> None:
        if self.kind not in ("session", "lines", "time"):
            raise ConfigError(f"window kind {self.kind!r} is not known; known are session, lines, time")
        if self.size < 1 or not self.timeout > 0 or not self.seconds > 0 and self.kind == "time":
            raise ConfigError(f"window size {self.size}, seconds {self.seconds} and session timeout {self.timeout} must be above 0")
        if type(self.size) is not int or self.size > MOST:
            raise ConfigError(f"window size {self.size} is not a whole number up to {MOST}; a detector reads a window as a whole")

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"stream": list(self.stream)}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> WindowSpec:
        """ConfigError where a value names nothing that exists."""
        try:
            return cls(**(values | {"stream": tuple(values.get("stream", ()))}))
        except TypeError as error:
            raise ConfigError(f"window {values!r} is not a window specification ({error})") from error


class Windower(Protocol):
    """What cuts events into sessions. The sessions depend on the lines alone, not on how those are cut into blocks."""

    counters: dict[str, int]
    open: Collection[Session]  # what is not closed

    def add(self, events: Events) -> list[Session]:
        """Takes the lines of a block; gives the sessions that they closed. `events.sessions` holds their keys."""

    def close(self) -> list[Session]:
        """Ends the stream: all sessions that are still open."""

    def certain(self) -> list[Session]:
        """What became certain since it was last asked: copies of open sessions."""

    def n_open(self) -> int:
        """How many sessions have begun and are not closed."""
    def to_json(self) -> dict[str, Any]:
        """All that it needs to go on, as JSON values."""

    def from_json(self, values: dict[str, Any]) -> None:
        """Go on where `to_json` was asked. KeyError, TypeError or ValueError for what it did not write."""


def windower(spec: WindowSpec, keep: bool = False) -> Windower:
    """What cuts a stream as `spec` says; keep: its sessions hold the lines of their events too."""
    if spec.kind == "session":
        from .sessions import Sessions
        return Sessions(spec.size, spec.timeout, keep)
    if spec.kind == "time":
        from .timed import Timed
        return Timed(spec.seconds, spec.size, keep)
    from .sliding import Sliding
    return Sliding(spec.size, keep)
