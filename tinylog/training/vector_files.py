"""Vectors that the user has: of words, `.vec`, text, or `.bin`, fastText's own file (github.com/facebookresearch/fastText), or
of templates, CSV.

    .csv   a row of numbers for each template, in the order of the template file; a header is passed over

    .vec   "n dim", then a line a word: "word v_1 ... v_dim"; the first line may be missing
    .bin   int32 magic version dim ws epoch minCount neg wordNgrams loss model bucket minn maxn lrUpdateRate, double t;
           int32 size nwords nlabels, int64 ntokens npruned; size times: word NUL int64 count int8 type;
           bool quantised; int64 rows, columns; float32 rows: those of the words, then those of the n-gram buckets

A file may have gigabytes: it is mapped, not read, and what the templates' words do not need is left behind.
"""
from __future__ import annotations

import mmap
import os
import struct
from typing import NamedTuple, Sequence

import numpy as np

from ..embedding.subwords import ngram_rows
from ..embedding.vectors import Vectors
from ..embedding.words import words as words_of
from ..errors import InputError
from ..reading.blocks import read_whole

MAGIC = 793712314
KEEP_ALL = 5000  # n-gram rows: a larger table is cut to those of the templates' words
MAX_LINE = 1 << 20  # bytes


RIDGE = 1e-3


def read_template_vectors(path: str | os.PathLike, texts: Sequence[str]) -> Vectors:
    """Rows of numbers for the first of the texts; the others, and any template that comes later, get theirs from words.

    The words' vectors are those of which the rows are most nearly the means (ridge regression). Raises InputError.
    """
    lines = read_whole(os.fspath(path)).decode("utf-8", "replace").splitlines()
    rows = [_numbers(line.replace(",", " ").encode()) for line in lines if line.strip()]
    if rows and not np.isfinite(rows[0]).all():
        rows = rows[1:]  # a header
    bad = next((i for i, row in enumerate(rows) if len(row) != len(rows[0]) or not np.isfinite(row).all()), None)
    if not rows or bad is not None:
        raise InputError(f"{os.fspath(path)}: row {bad + 1 if rows else 1} is not {len(rows[0]) if rows else 'some'} finite numbers")
    if len(rows) > len(texts):
        raise InputError(f"{os.fspath(path)} has {len(rows)} rows for {len(texts)} templates; a row is a template's, in their order")
    table, known = np.array(rows), list(texts[:len(rows)])
    words = sorted({word for text in known for word in words_of(text)})
    place = {word: i for i, word in enumerate(words)}
    share = np.zeros((len(known), len(words)))
    for row, text in zip(share, known):
        found = words_of(text)
        for word in found:
            row[place[word]] += 1 / len(found)
    word_table = np.linalg.solve(share.T @ share + RIDGE * np.eye(len(words)), share.T @ table)
    distinct = {text: row for text, row in zip(reversed(known), table[::-1]) if text}  # of equal texts the first
    return Vectors(words, word_table, np.zeros((0, table.shape[1])), 0, 0, templates=list(distinct), template_table=np.array(list(distinct.values())))


def read_word_vectors(path: str | os.PathLike, texts: Sequence[str]) -> Vectors:
    """Vectors of the words of the texts from a `.vec` or unquantised `.bin` file, told apart by their first bytes.

    InputError: the file is damaged or quantised, cannot be read, or has no vector for any of the words.
    """
    wanted = list(dict.fromkeys(word for text in texts for word in words_of(text)))
    try:
        with open(path, "rb") as file:
            binary = file.read(4) == MAGIC.to_bytes(4, "little")
        vectors = read_fasttext(path, wanted) if binary else _read_text(path, set(wanted))
    except OSError as error:
        raise InputError(f"{os.fspath(path)}: the vectors cannot be read: {error.strerror}") from None
    if not vectors.words:
        raise InputError(f"{os.fspath(path)} has no vector for any of the {len(wanted)} words of the templates")
    return vectors


def read_fasttext(path: str | os.PathLike, wanted: Sequence[str]) -> Vectors:
    """Vectors of the wanted words from a `.bin` file, known to it or only by their n-grams. InputError as above."""
    try:
        with open(path, "rb") as file:
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        model = _parse(data, set(wanted))
    except (struct.error, ValueError, OverflowError) as error:
        raise InputError(f"{os.fspath(path)} is damaged or not a fastText model: {error}") from None
    n_buckets = len(model.subword_table)
    found, used = {}, [np.zeros(0, np.int64)]
    for word in wanted:
        buckets = ngram_rows(word, model.minn, model.maxn, n_buckets)
        own = [model.word_table[model.words[word]]] if word in model.words else []
        if own or len(buckets):
            found[word] = np.array([*own, *model.subword_table[buckets]]).mean(0, dtype=np.float64)
            used.append(buckets)
    ids = np.arange(n_buckets) if n_buckets <= KEEP_ALL else np.unique(np.concatenate(used))
    table = np.array(list(found.values())).reshape(len(found), -1 if found else model.word_table.shape[1])
    subword_table = model.subword_table[ids]
    if not (np.isfinite(table).all() and np.isfinite(subword_table).all()):
        raise InputError(f"{os.fspath(path)} is damaged: it has values that are not finite")
    return Vectors(list(found), table, subword_table, model.minn, model.maxn, n_buckets=n_buckets, subword_ids=ids)


class _Model(NamedTuple):
    words: dict[str, int]  # word -> row, the wanted ones
    word_table: np.ndarray  # (nwords, dim), a view of the file
    subword_table: np.ndarray  # (bucket, dim), a view of the file
    minn: int
    maxn: int


def _parse(data: mmap.mmap, wanted: set[str]) -> _Model:
    """ValueError or struct.error: what is wrong."""
    magic, version, dim, *_, bucket, minn, maxn, _ = struct.unpack_from("<14i", data)
    if magic != MAGIC or version not in (11, 12):
        raise ValueError(f"version {version}, where 12 is read")
    size, n_words, _, _, n_pruned = struct.unpack_from("<3i2q", data, 64)
    words, position = {}, 64 + 28
    for i in range(size):
        end = data.find(b"\0", position)
        if end < 0:
            raise ValueError("its list of words does not end")
        if i < n_words:  # labels stand behind the words
            word = data[position:end].decode("utf-8", "surrogateescape")
            if word in wanted:
                words[word] = i
        position = end + 1 + 9
    quantised, rows, columns = struct.unpack_from("<?2q", data, position)
    if quantised or n_pruned > 0:
        raise ValueError("it is quantised; give the .bin file that it was made from")
    start = position + 17
    if columns != dim or dim < 1 or not 0 <= n_words <= rows or rows - n_words not in (0, bucket):
        raise ValueError(f"{rows} x {columns} numbers for {n_words} words, {bucket} buckets, {dim} dimensions")
    if start + rows * columns * 4 > len(data):
        raise ValueError(f"it has {len(data)} bytes, its table needs {start + rows * columns * 4}")
    table = np.frombuffer(data, "<f4", rows * columns, start).reshape(rows, columns)
    return _Model(words, table[:n_words], table[n_words:] if maxn > 0 else table[:0], minn, maxn)


def _read_text(path: str | os.PathLike, wanted: set[str]) -> Vectors:
    found: dict[str, np.ndarray] = {}
    dim = None
    with open(path, "rb") as file:
        for line_no, line in enumerate(iter(lambda: file.readline(MAX_LINE), b""), 1):
            name, _, values = line.partition(b" ")
            word = name.decode("utf-8", "replace")
            if line_no == 1 and len(values.split()) == 1:
                dim = int(values[:12]) if values.strip().isdigit() else None  # "n dim"
            elif word in wanted and word not in found:
                found[word] = _numbers(values)
                dim = dim or len(found[word])
                if len(found[word]) != dim or not np.isfinite(found[word]).all():
                    raise InputError(f"{os.fspath(path)}, line {line_no}: {word!r} has not {dim} finite numbers")
    table = np.array(list(found.values())).reshape(len(found), dim or 0)
    return Vectors(list(found), table, np.zeros((0, table.shape[1])), 0, 0)


def _numbers(text: bytes) -> np.ndarray:
    """(k,) float64; NaN where it is not numbers."""
    try:
        return np.array(text.split(), np.float64)
    except ValueError:
        return np.array([np.nan])
