"""What stands between the blocks of a log and the parser, decided by its first lines: envelopes off, then (`joined`) one line a record.

    blocks --decode--> blocks --uncoloured--> blocks --heads--> blocks in which each line is a record

An envelope may hold another one (Kubernetes: CRI around JSON), and what is inside may have a header of its own (HDFS in Docker's JSON):
then that format is the log's, and the lines are what they would be without the envelope.
"""
from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from ..records import Block
from .decode import ENVELOPES, decoder, reader, unwrapped
from .formats import FORMATS, Format
from .multiline import Heads
from .sniff import ENOUGH, share, sniff

_COLOUR = re.compile(rb"\x1b\[[\d;]*m")  # what programs write for terminals stands in front of times and levels
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
        self._decoders = [decoder(name, name == form.name, self.counters) for name in self.envelopes]
        self._heads = Heads(form, self.counters) if joined and form.name != "ids" else None

    def run(self, blocks: Iterable[Block], ends: bool = True) -> Iterator[Block]:
        """The blocks with a line a record. ends: their end is that of the log, and what waits for more is not to wait."""
        for block in blocks:
            yield self.add(block)
        if ends:
            yield from self.close()

    def add(self, block: Block, first: int = 0) -> Block:
        """One block, through the decoders from `first` on and what is behind them."""
        for step in self._decoders[first:]:
            block = step.add(block)
        if b"\x1b" in block.data:  # one byte is found much sooner than two
            block = block._replace(data=_COLOUR.sub(b"", block.data))
        return block if self._heads is None else self._heads.add(block)

    def close(self) -> Iterator[Block]:
        """What waited for a line that did not come."""
        for i, step in enumerate(self._decoders):
            block = step.close()
            if block is not None:
                yield self.add(block, i + 1)

    def to_json(self) -> dict[str, Any]:
        """What it is made of and what waits in it, as JSON values."""
        return {"format": self.form.name, "envelopes": list(self.envelopes), "joined": self.joined,
                "decoders": [step.to_json() for step in self._decoders], "heads": self._heads and self._heads.to_json()}

    @classmethod
    def from_json(cls, state: dict[str, Any], counters: Counter[str] | None = None) -> Front:
        """The one that `to_json` described."""
        front = cls(FORMATS[state["format"]], state["envelopes"], counters, state["joined"])
        for step, kept in zip(front._decoders, state["decoders"]):
            step.restore(kept)
        if front._heads is not None:
            front._heads.restore(state["heads"])
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
        lines = [_COLOUR.sub(b"", line) for line in lines]
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
