"""One run of `detect`: logs in, alerts out, signals in between, and the state, where there is one.

    Logs -blocks-> [State] -blocks-> Scorer -alerts-> [State] -bytes-> Sink
"""
from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError
from ..output.escape import identity
from ..parsing.newcomers import Newcomers
from ..pipeline import MAX_LINE
from ..reading.follow import Logs
from ..reading.waiting import Signals, Stopped
from ..records import Alert, Block
from .ageing import Ageing
from .sink import Sink

if TYPE_CHECKING:
    from ..reading.formats import Format
    from ..reading.front import Front
    from .scorer import Scorer
    from .state import State


class Watch:
    """What is open while a command runs: `with Watch(...) as watch`. `log`: the blocks; `code`: what the command leaves with."""

    def __init__(self, paths: Sequence[str], dropped: Counter[str], note: Callable[[str], None], follow: bool = False,
                 state: str | None = None, every: float | None = None, output: str | None = None) -> None:
        """state: a directory; every: seconds between snapshots at most. InputError or StateError where something cannot be used."""
        self.code = 0
        self.output = Sink(output)
        self.signals = Signals(hangup=follow or output is not None or state is not None)
        self.state: State | None = None
        known = {}
        if state is not None:
            from . import state as states
            self.state = states.State(state, note, states.EVERY if every is None else every)
            known = {"positions": self.state.positions, "turns": self.state.turns}
        self.logs = Logs(paths, dropped, MAX_LINE, self.signals, follow, pause=state is not None, **known)
        self.log = iter(self.logs)
        if dropped["files_gone"]:
            note(f"{dropped['files_gone']} of the logs are not where they were read last; they are read from their beginning")

    def resumed(self, dropped: Counter[str]) -> tuple[Front | None, Iterator[Block]]:
        """What stands in front of the parser as an earlier run left it, and the log behind it; None, and the log as it is, where there was
        no earlier run.
        """
        state = None if self.state is None else self.state.part("front")
        if state is None:
            return None, self.log
        from ..reading.front import Front
        front = Front.from_json(state, dropped)
        return front, front.run(self.log, ends=False)

    def __enter__(self) -> Watch:
        self.signals.__enter__()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, *about: object) -> bool:
        """A signal is no error."""
        self.signals.__exit__()
        self.logs.close()
        self.output.close()
        if isinstance(error, Stopped):
            self.code = error.code
            return True
        return False

    def run(self, scorer: Scorer, log: Iterator[Block], write: Callable[[Alert], str], encoding: str, front: Front) -> None:
        """Writes the alerts of a log behind its front. What is open stays open where the log has not ended."""
        scorer.ageing = Ageing(Newcomers(scorer.pipeline.parser), scorer.pipeline.windower)
        if scorer.adaptation is not None:
            scorer.ageing.on_forget = scorer.adaptation.forget
        if self.state is None:
            for alert in scorer.run(self._tended(log, scorer)):
                if self.logs.over:
                    self.signals.check()
                self.output.write((write(alert) + "\n").encode(encoding, "backslashreplace"))
            return
        self._begin(scorer, front)
        try:
            for alert in scorer.run(self.state.following(log)):
                self.state.say(identity(alert), (write(alert) + "\n").encode(encoding, "backslashreplace"))
        except Stopped as stopped:
            self.code = stopped.code
        self.state.close()

    def summary(self, scorer: Scorer) -> str:
        """What waits, and what was written, where the log has not ended."""
        waiting = len(scorer.pipeline.windower.open)
        if self.state is not None:
            wrote = f"{self.state.written} bytes were written in {self.state.hours:.1f} hours"
            return f"; {waiting} open ones wait in {self.state.folder}, where {wrote}"
        return f"; {waiting} open ones not judged" if waiting else ""

    def _begin(self, scorer: Scorer, front: Front) -> None:
        pipeline, model = scorer.pipeline, scorer.model
        about = {"log_format": pipeline.form.name, "model": model.fingerprint(), "window": pipeline.spec.to_json()}
        own = {"parser": scorer.ageing.newcomers, "windower": pipeline.windower, "scorer": scorer, "ageing": scorer.ageing,
               "front": _Restored(front)}
        self.state.begin(about, own, self.logs, self.output, scorer)

    def _tended(self, log: Iterator[Block], scorer: Scorer) -> Iterator[Block]:
        """The blocks, and between them what a State does otherwise."""
        for block in log:
            yield block
            if self.signals.hung_up:
                self.signals.hung_up = False
                self.output.reopen()
            if scorer.ageing.due:
                scorer.ageing.forget()


class _Restored:
    """The front as a Part: it has its memory already, as the first lines of a log need it."""

    def __init__(self, front: Front) -> None:
        self.to_json = front.to_json

    def from_json(self, values: Any) -> None:
        pass


def needs_lines(form: Format) -> None:
    """ConfigError where a log cannot be read on: event-id sequences have a header, and sessions that are over."""
    if form.name == "ids":
        raise ConfigError("--follow and --state read log lines, and the log looks like event-id sequences (say --format where it is not)")
