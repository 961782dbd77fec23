"""Several processes for one log: what needs no memory of the lines before is done ahead, a block each, by others.

    blocks -> [known templates, session keys] x N -> the same blocks, in their order -> Pipeline

Known templates never change while a log is read, so a worker's event ids are those that this process would find. Lines that match
none go through its own parser, which learns them in the order of the log; windows and scores are its own too. So the alerts, and
their order, are those of one process.
"""
from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from typing import Any

import numpy as np

from ..parsing import Parser
from ..pipeline import Pipeline
from ..reading.formats import FORMATS, session_keys
from ..records import Block

WAITING = 4  # blocks for each process that are read ahead

_parser: Parser | None = None  # of a worker
_key: re.Pattern[bytes] | None = None


def ahead(log: Iterable[Block], pipeline: Pipeline, jobs: int) -> Iterator[Block]:
    """The blocks of a log with their `parsed` filled in by `jobs` processes."""
    state, form, key = pipeline.parser.to_json(), pipeline.form.name, pipeline.key
    with ProcessPoolExecutor(jobs, initializer=_begin, initargs=(state, form, key and key.pattern)) as pool:
        waiting: deque[tuple[Block, Future]] = deque()
        for block in log:
            waiting.append((block, pool.submit(_parsed, block.data)))
            if len(waiting) >= WAITING * jobs:
                yield _done(*waiting.popleft())
        while waiting:
            yield _done(*waiting.popleft())


def _done(block: Block, parsed: Future) -> Block:
    return block._replace(parsed=parsed.result())


def _begin(state: dict[str, Any], form: str, key: bytes | None) -> None:
    """A worker's own parser."""
    global _parser, _key
    _parser, _key = Parser.from_json(state, FORMATS[form].content_of), None if key is None else re.compile(key)


def _parsed(data: bytes) -> tuple[np.ndarray, list[tuple[bytes, ...]] | None]:
    """Event ids of lines, UNKNOWN for those of no known template, and their session keys."""
    return _parser.match(data), None if _key is None else session_keys(data.split(b"\n")[:-1], _key)
