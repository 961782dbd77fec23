"""Truth and template files: small CSV files, read whole.

Labels: `session,label` rows, 0 or 1 or Normal or Anomaly, any header or none. Templates: `id,template` rows, or one
template a line, numbered from 1.
"""
from __future__ import annotations

import csv
from collections.abc import Iterator

from ..errors import InputError
from ..records import Template
from .blocks import read_whole

LABELS = {b"0": 0, b"1": 1, b"normal": 0, b"anomaly": 1}
_ID_NAMES = ("id", "eventid")
_TEXT_NAMES = ("template", "eventtemplate")


def label_of(text: bytes) -> int | None:
    """0 or 1; None where the text is no label."""
    return LABELS.get(text.strip().lower())


def read_labels(path: str) -> dict[bytes, int]:
    """Session key -> 0 or 1. InputError for a file without rows, a row that is none, or a session with both labels."""
    labels: dict[bytes, int] = {}
    columns = (0, -1)
    for line_no, row in _rows(path, "latin-1"):  # latin-1: keys are bytes, whatever they hold
        if len(row) < 2:
            raise InputError(f"{path}:{line_no}: {','.join(row)!r} has one column; a row is session,label")
        if not labels and line_no == 1 and _is_header(row):
            columns = _header_columns(row)
            continue
        key, text = (row[column].strip().encode("latin-1") for column in columns)
        label = label_of(text)
        if label is None:
            raise InputError(f"{path}:{line_no}: label {text.decode('latin-1')!r} is none of 0, 1, Normal, Anomaly")
        if labels.setdefault(key, label) != label:
            raise InputError(f"{path}:{line_no}: session {key.decode('latin-1')!r} is labelled both 0 and 1")
    if not labels:
        raise InputError(f"{path}: has no session,label rows")
    return labels


def read_templates(path: str) -> list[Template]:
    """Templates in the order of the file, `name` as the file has it. Two ids may share a text, two rows no id.

    The rows are `id,template` where a header says so or where each begins with an integer and a comma; otherwise
    every line is a template and its number is its name. Raises InputError.
    """
    lines = _decoded(path, "utf-8-sig").split("\n")
    numbered = [(line_no, line) for line_no, line in enumerate(lines, start=1) if line.strip()]
    if not numbered:
        raise InputError(f"{path}: has no templates")
    header = [field.strip().lower() for field in numbered[0][1].split(",")]
    if any(name in header for name in _ID_NAMES) and any(name in header for name in _TEXT_NAMES):
        id_column = next(header.index(name) for name in _ID_NAMES if name in header)
        text_column = next(header.index(name) for name in _TEXT_NAMES if name in header)
        return _templates(path, numbered[1:], id_column, text_column, last=text_column == len(header) - 1)
    if all(line.partition(",")[1] and line.partition(",")[0].strip().isdigit() for _, line in numbered):
        return _templates(path, numbered, 0, 1, last=True)
    return [Template(str(line_no), line.strip()) for line_no, line in numbered]


def _templates(path: str, numbered: list[tuple[int, str]], id_column: int, text_column: int,
               last: bool) -> list[Template]:
    """Rows as templates. Where the text is the last column, commas that nobody quoted belong to it."""
    templates: dict[str, Template] = {}
    for line_no, line in numbered:
        try:
            row = next(csv.reader([line], strict=True))
        except csv.Error as error:
            raise InputError(f"{path}:{line_no}: {line!r} is not a CSV row ({error})") from error
        if len(row) <= max(id_column, text_column):
            raise InputError(f"{path}:{line_no}: {line!r} has too few columns; a row is id,template")
        name = row[id_column].strip()
        text = ",".join(row[text_column:]) if last else row[text_column]
        if name in templates:
            raise InputError(f"{path}:{line_no}: template id {name!r} occurs twice; give each template its own id")
        templates[name] = Template(name, text.strip())
    return list(templates.values())


def _is_header(row: list[str]) -> bool:
    """Whether a first row names columns: one of them is the label, or nothing in it could be a key or a label."""
    names = [field.strip().lower() for field in row]
    unlike_a_row = label_of(names[-1].encode("latin-1")) is None and not any(map(str.isdigit, "".join(names)))
    return "label" in names or unlike_a_row


def _header_columns(row: list[str]) -> tuple[int, int]:
    names = [field.strip().lower() for field in row]
    label = names.index("label") if "label" in names else len(names) - 1
    return int(label == 0), label


def _rows(path: str, encoding: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(_decoded(path, encoding).split("\n"), strict=True)
    try:
        for row in reader:
            if row:
                yield reader.line_num, row
    except csv.Error as error:
        raise InputError(f"{path}:{reader.line_num}: is not a CSV row ({error})") from error


def _decoded(path: str, encoding: str) -> str:
    return read_whole(path).replace(b"\r\n", b"\n").decode(encoding, "backslashreplace")
