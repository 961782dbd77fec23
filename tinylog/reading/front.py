"""What stands between the blocks of a log and the parser, decided by its first lines: envelopes off, then (`joined`) one line a record.

    blocks --decode--> blocks --heads--> blocks in which each line is a record

An envelope may hold another one (Kubernetes: CRI around JSON), and what is inside may have a header of its own (HDFS in Docker's JSON):
then that format is the log's, and the lines are what they would be without the envelope.
"""
from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from ..records import Block
from .decode import ENVELOPES, decoder, reader, unwrapped
from .formats import FORMATS, Format
from .multiline import Heads
from .sniff import ENOUGH, share, sniff

_DEEPEST = 3  # envelopes in each other
_ORDER = tuple(dict.fromkeys(ENVELOPES.values()))
_NAMES = {module: name for name, module in ENVELOPES.items()}  # one of those that each module reads
# What lines look like that are worth the import of the module that knows for sure; the export format is known by its first one
_MAY_BE: dict[str, Callable[[bytes], bool]] = {
    "jsonlines": lambda line: line.lstrip()[:1] == b"{",
    "cri": lambda line: b" stdout " in line or b" stderr " in line,
    "logfmt": lambda line: line.count(b"=") > 2,
}


class Front:
    """The steps of one log. `envelopes`: what it is wrapped in, outermost first. counters: joined_lines, undecoded_lines, cut_records,
    records_without_message.
    """

    def __init__(self, form: Format, envelopes: Sequence[str] = (), counters: Counter[str] | None = None, joined: bool = True) -> None:
        self.form, self.envelopes, self.joined = form, tuple(envelopes), joined
        self.counters = Counter() if counters is None else counters
        self._steps: list[Any] = [decoder(name, name == form.name, self.counters) for name in self.envelopes]
        if joined and form.name != "ids":
            self._steps.append(Heads(form, self.counters))

    def run(self, blocks: Iterable[Block]) -> Iterator[Block]:
        """The blocks with a line a record."""
        for block in blocks:
            yield self.add(block)
        yield from self.close()

    def add(self, block: Block, first: int = 0) -> Block:
        """One block, through the steps from `first` on."""
        for step in self._steps[first:]:
            block = step.add(block)
        return block

    def close(self) -> Iterator[Block]:
        """What waited for a line that did not come."""
        for i, step in enumerate(self._steps):
            block = step.close() if hasattr(step, "close") else None
            if block is not None:
                yield self.add(block, i + 1)

    def to_json(self) -> dict[str, Any]:
        """What it is made of and what waits in it, as JSON values."""
        return {"format": self.form.name, "envelopes": list(self.envelopes), "joined": self.joined,
                "steps": [step.to_json() for step in self._steps]}

    @classmethod
    def from_json(cls, state: dict[str, Any], counters: Counter[str] | None = None) -> Front:
        """The one that `to_json` described."""
        front = cls(FORMATS[state["format"]], state["envelopes"], counters, state["joined"])
        for step, kept in zip(front._steps, state["steps"]):
            step.restore(kept)
        return front


def front_for(lines: Sequence[bytes], form: Format | None = None, expected: str | None = None, counters: Counter[str] | None = None,
              joined: bool = True, enough: bool = True) -> Front | None:
    """The steps for a log that begins with these lines. The format is the given one (`plain` and `ids`: the lines as they are), else the
    `expected` one where they are in it, else what they look like. None where they hold no whole record yet and are not `enough`.
    """
    if form is not None and form.name in ("plain", "ids"):
        return Front(form, (), counters, joined)
    envelopes, first = [], lines
    while len(envelopes) < _DEEPEST and (form is None or form.name not in envelopes):
        name = envelope(lines)
        if name is None:
            break
        envelopes.append(name)
        lines = unwrapped(name, lines, enough)
        if not lines and not enough:
            return None
    if form is None:
        form = _inside(lines, envelopes, expected)
    elif form.name in ENVELOPES:
        envelopes = _named(form, first, envelopes)
    return Front(form, envelopes, counters, joined)


def envelope(lines: Sequence[bytes]) -> str | None:
    """What most of the lines are wrapped in; None where they are lines of text."""
    filled = [line for line in lines if line.strip()]
    for module in _ORDER if filled else ():
        looks = filled[0].startswith(b"__CURSOR=") if module == "export" else 2 * sum(map(_MAY_BE[module], filled)) >= len(filled)
        name = reader(_NAMES[module]).recognised(filled) if looks else None
        if name is not None:
            return name
    return None


def _named(form: Format, lines: Sequence[bytes], found: Sequence[str]) -> list[str]:
    """The envelopes where the user names the innermost one, and these were `found`."""
    if form.name in found:
        return list(found)
    filled = [line for line in lines if line.strip()]
    parse = getattr(reader(form.name), "PARSERS", {}).get(form.name)
    direct = parse is None or 2 * sum(parse(line) is not None for line in filled) >= len(filled)
    return [form.name] if direct else [*found, form.name]


def _inside(lines: Sequence[bytes], envelopes: Sequence[str], expected: str | None) -> Format:
    if expected in envelopes[-1:]:
        return FORMATS[expected]
    if expected is not None and expected not in ENVELOPES and share(FORMATS[expected], lines) >= ENOUGH:
        return FORMATS[expected]
    form = sniff(lines)
    return FORMATS[envelopes[-1]] if envelopes and form.name in ("plain", "ids") else form
