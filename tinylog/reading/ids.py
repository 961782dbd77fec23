"""Event-id sequences as one more log format: CSV, one session a line.

A header names the columns (sequence; label; session or instance; in any case, other columns are passed over). Without
one, a single column is the sequence; of two whose last is 0 or 1 the first is the sequence and the last the label;
otherwise the first is the session's key and the last its sequence. The first row of a file decides for all of it.

    Sequence,label              5 5 22 11 9,0
    instance,sequence,label     e1312dd5-733e,59 3 22,0
                                5 5 22 11 9
                                container_000013,63 92 128

Ids are non-negative integers with spaces between them. They are names: what they stand for is the model's to say.
An empty sequence is a session without events; a blank line is nothing. Sequences repeat a lot, so they stay bytes, to
be looked up whole: `sequence.split()` gives the names.
"""
from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from ..errors import InputError
from ..records import Block
from .labels import label_of

SEQUENCE, LABEL, KEY = "sequence", "label", "key"
_NAMES = {b"sequence": SEQUENCE, b"label": LABEL, b"session": KEY, b"instance": KEY}
_ALLOWED = b"0123456789 \t"
_BLANKS = b" \t\r\n"


class IdRows(NamedTuple):
    """The sessions of one block, as columns of length N."""

    sequences: list[bytes]  # names of events with spaces between them, none around them
    labels: np.ndarray | None  # (N,) int8
    keys: list[bytes] | None
    line_no: np.ndarray  # (N,) int64
    file: str | None


def read_ids(blocks: Iterable[Block]) -> Iterator[IdRows]:
    """The sessions of each block that has any.

    For a row that is not one, an InputError names file, line and value.
    """
    columns: dict[str, int] = {}
    width = 0
    begun = False
    for block in blocks:
        lines = block.data.split(b"\n")[:-1]
        line_no = np.arange(block.first_line_no, block.first_line_no + len(lines), dtype=np.int64)
        filled = [i for i, line in enumerate(lines) if line.strip(_BLANKS)]
        begun = begun and block.first_line_no > 1
        if len(filled) < len(lines):
            lines, line_no = [lines[i] for i in filled], line_no[filled]
        rows = _fields(lines)
        if not begun and rows:
            begun = True
            columns, is_header = _columns(rows[0], _place(block.file, line_no[0]))
            width = len(rows[0])
            rows, line_no = rows[is_header:], line_no[is_header:]
        if rows:
            yield _checked(rows, columns, width, line_no, block.file)


def is_header(line: bytes) -> bool:
    """Whether a line names the columns of an id file."""
    return b"sequence" in [name.strip(_BLANKS).lower() for name in _fields([line])[0]]


def _columns(first: list[bytes], place: str) -> tuple[dict[str, int], bool]:
    """Which column holds what, and whether the first row is a header."""
    names = [name.strip(_BLANKS).lower() for name in first]
    if any(name in _NAMES for name in names):
        columns = {_NAMES[name]: i for i, name in enumerate(names) if name in _NAMES}
        if SEQUENCE not in columns:
            header = b",".join(first).decode(errors="replace")
            raise InputError(f"{place}: the header {header!r} has no column named sequence")
        return columns, True
    if len(first) == 1:
        return {SEQUENCE: 0}, False
    if len(first) == 2:
        return ({SEQUENCE: 0, LABEL: 1} if names[1] in (b"0", b"1") else {KEY: 0, SEQUENCE: 1}), False
    raise InputError(f"{place}: {len(first)} columns without a header; name them: sequence, label, session")


def _checked(rows: list[list[bytes]], columns: dict[str, int], width: int, line_no: np.ndarray,
             file: str | None) -> IdRows:
    if any(len(row) != width for row in rows):
        i = next(i for i, row in enumerate(rows) if len(row) != width)
        raise InputError(f"{_place(file, line_no[i])}: {len(rows[i])} columns where the first row has {width}")
    column = columns[SEQUENCE]
    sequences = [row[column].strip(_BLANKS) for row in rows]
    if b" ".join(sequences).translate(None, _ALLOWED):
        raise _bad_id(sequences, line_no, file)
    labels = keys = None
    if LABEL in columns:
        labels = _labels([row[columns[LABEL]] for row in rows], line_no, file)
    if KEY in columns:
        keys = [row[columns[KEY]].strip(_BLANKS) for row in rows]
    return IdRows(sequences, labels, keys, line_no, file)


def _labels(texts: list[bytes], line_no: np.ndarray, file: str | None) -> np.ndarray:
    known = {text: label_of(text) for text in set(texts)}
    for text, label in known.items():
        if label is None:
            place = _place(file, line_no[texts.index(text)])
            raise InputError(f"{place}: label {text.decode(errors='replace')!r} is none of 0, 1, Normal, Anomaly")
    return np.array([known[text] for text in texts], np.int8)


def _bad_id(sequences: list[bytes], line_no: np.ndarray, file: str | None) -> InputError:
    i, name = next((i, name) for i, sequence in enumerate(sequences) for name in sequence.split(b" ")
                   if name.translate(None, _ALLOWED))
    return InputError(f"{_place(file, line_no[i])}: event id {name.decode(errors='replace')!r} is not a non-negative "
                      "integer; a sequence is integers with spaces between them")


def _fields(lines: list[bytes]) -> list[list[bytes]]:
    if lines and lines[0].startswith(b"\xef\xbb\xbf"):  # a byte order mark
        lines = [lines[0][3:], *lines[1:]]
    return [_quoted(line) if b'"' in line else line.split(b",") for line in lines]


def _quoted(line: bytes) -> list[bytes]:
    try:
        return [field.encode("latin-1") for field in next(csv.reader([line.decode("latin-1")]))]
    except csv.Error:  # then its fields will be found wanting, and named
        return line.split(b",")


def _place(file: str | None, line_no: int) -> str:
    return f"{file or 'standard input'}:{line_no}"
