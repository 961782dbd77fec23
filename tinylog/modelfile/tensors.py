"""Named arrays in one file, in the layout of safetensors (https://github.com/huggingface/safetensors, README "Format").

    8 bytes    N, little-endian
    N bytes    JSON {"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [begin, end]}, ...,
                     "__metadata__": {text: text}}, spaces up to a multiple of 8
    the rest   the arrays, little-endian, one behind the other without holes; offsets count from here

Keys are sorted and arrays stand by size of item, then by name: equal models are equal bytes, every array is aligned.
A file is refused as a whole before its data are read, so that a hostile header costs neither time nor memory.
"""
from __future__ import annotations

import contextlib
import json
import math
import os
import reprlib
import stat
from typing import Any, BinaryIO, Mapping

import numpy as np

from ..errors import ModelFileError

DTYPES = {name: np.dtype(code) for name, code in (
    ("F64", "<f8"), ("F32", "<f4"), ("F16", "<f2"), ("I64", "<i8"), ("U64", "<u8"), ("I32", "<i4"), ("U32", "<u4"),
    ("I16", "<i2"), ("U16", "<u2"), ("I8", "i1"), ("U8", "u1"), ("BOOL", "?"))}
MAX_HEADER = 1 << 20  # bytes
MAX_ARRAY = (1 << 31) - 1  # bytes; what a 32-bit machine can address


def write(path: str | os.PathLike, tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> None:
    """The file at `path` becomes these arrays and texts, or stays as it was and ModelFileError says why."""
    for name, array in tensors.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ModelFileError(f"{os.fspath(path)} is not written: array {name!r} has values that are not finite")
    replace_file(path, to_bytes(tensors, metadata))


def read(path: str | os.PathLike) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The arrays, in memory of their own, and the texts of a file. ModelFileError: what is wrong with it."""
    path = os.fspath(path)
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise ModelFileError(f"{path} is not a model: it is not a regular file")
        with open(path, "rb") as file:
            return _read(file, os.fstat(file.fileno()).st_size)
    except FileNotFoundError:
        raise ModelFileError(f"{path}: there is no such model file") from None
    except OSError as error:
        raise ModelFileError(f"{path}: the model file cannot be read: {error.strerror or error}") from None
    except _Damage as damage:
        raise ModelFileError(f"{path} is damaged or not a model: {damage}") from None


def to_bytes(tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> bytes:
    """The bytes of the file. ValueError: a dtype that the layout has no name for."""
    names = {dtype: name for name, dtype in DTYPES.items()}
    header: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    chunks, end = [], 0
    for name in sorted(tensors, key=lambda name: (-tensors[name].itemsize, name)):
        dtype = tensors[name].dtype.newbyteorder("<")
        if dtype not in names:
            raise ValueError(f"array {name!r} has dtype {dtype}; there are: {', '.join(DTYPES)}")
        chunks.append(np.asarray(tensors[name], dtype).tobytes())
        begin, end = end, end + len(chunks[-1])
        header[name] = {"dtype": names[dtype], "shape": list(tensors[name].shape), "data_offsets": [begin, end]}
    text = json.dumps(header, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    if len(text) > MAX_HEADER:
        raise ValueError(f"the header has {len(text)} bytes, more than {MAX_HEADER}")
    return b"".join([len(text).to_bytes(8, "little"), text, *chunks])


def replace_file(path: str | os.PathLike, data: bytes) -> None:
    """Give the file new content in one step: whoever looks sees the old bytes or the new ones, even after a power cut.

    ModelFileError: it cannot be written; it is then as it was, and nothing is left beside it.
    """
    target = os.path.realpath(path)  # a link stays a link
    temporary = os.path.join(os.path.dirname(target), f".{os.urandom(6).hex()}.tmp")
    try:
        if os.path.exists(target) and not os.path.isfile(target):
            raise ModelFileError(f"{os.fspath(path)} cannot be written: it exists and is not a regular file")
        with open(temporary, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        if isinstance(error, OSError):
            raise ModelFileError(f"{os.fspath(path)} cannot be written: {error.strerror or error}") from None
        raise
    _sync_folder(os.path.dirname(target))


class _Damage(Exception):
    """What is wrong with a file; `read` adds its name."""


def _read(file: BinaryIO, size: int) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    start = file.read(8)
    length = int.from_bytes(start, "little")
    if len(start) < 8:
        raise _Damage(f"it has {size} bytes, fewer than the 8 that give the length of its header")
    if length > MAX_HEADER:
        raise _Damage(f"its header claims {length} bytes, more than {MAX_HEADER}")
    if 8 + length > size:
        raise _Damage(f"its header claims {length} bytes and the file has {size}")
    header = _parse(file.read(length))
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(text, str) for text in metadata.values()):
        raise _Damage("its __metadata__ is not a table of texts")
    spans = {name: _span(name, entry) for name, entry in header.items()}
    _check_layout(spans, size - 8 - length)
    data = file.read()
    if len(data) != size - 8 - length:
        raise _Damage("its size changed while it was read")
    tensors = {}
    for name, (dtype, shape, begin, end) in spans.items():
        array = np.frombuffer(data[begin:end], dtype).reshape(shape).astype(dtype.newbyteorder("="))
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise _Damage(f"array {reprlib.repr(name)} has values that are not finite")
        tensors[name] = array
    return tensors, metadata


def _parse(text: bytes) -> dict[str, Any]:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) < len(pairs):
            raise _Damage("a key of its header occurs twice")
        return dict(pairs)

    try:
        header = json.loads(text.decode("utf-8"), object_pairs_hook=unique)
        json.dumps(header, ensure_ascii=False).encode("utf-8")  # half a surrogate pair is JSON but not text
    except (ValueError, RecursionError):
        raise _Damage("its header is not JSON") from None
    if not isinstance(header, dict):
        raise _Damage("its header is not a JSON object")
    return header


def _span(key: str, entry: Any) -> tuple[np.dtype, tuple[int, ...], int, int]:
    """dtype, shape, begin and end of one array."""
    name = f"array {reprlib.repr(key)}"  # shortened: the header comes from anywhere
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise _Damage(f"{name} is not described by dtype, shape and data_offsets")
    shape, offsets = entry["shape"], entry["data_offsets"]
    dtype = DTYPES.get(str(entry["dtype"]))
    if dtype is None:
        raise _Damage(f"{name} has dtype {reprlib.repr(entry['dtype'])}; known are {', '.join(DTYPES)}")
    if not isinstance(shape, list) or not all(type(n) is int and n >= 0 for n in shape):
        raise _Damage(f"{name} has shape {reprlib.repr(shape)}")
    if len(shape) > 32 or math.prod(max(n, 1) for n in shape) * dtype.itemsize > MAX_ARRAY:
        raise _Damage(f"{name} is too large with shape {reprlib.repr(shape)}")
    if not isinstance(offsets, list) or len(offsets) != 2 or not all(type(n) is int for n in offsets):
        raise _Damage(f"{name} has data_offsets {reprlib.repr(offsets)}")
    begin, end = offsets
    needed = math.prod(shape) * dtype.itemsize
    if end - begin != needed:
        raise _Damage(f"{name} has {end - begin} bytes and needs {needed} for shape {shape}")
    return dtype, tuple(shape), begin, end


def _check_layout(spans: dict[str, tuple[np.dtype, tuple[int, ...], int, int]], size: int) -> None:
    """The arrays fill the `size` bytes of data, one behind the other."""
    position = 0
    for key, (_, _, begin, end) in sorted(spans.items(), key=lambda item: item[1][2:]):
        if begin != position:
            where = "behind a hole" if begin > position else "inside another array"
            raise _Damage(f"array {reprlib.repr(key)} begins {where}, at byte {begin} of the data")
        position = end
    if position != size:
        raise _Damage(f"its arrays have {position} bytes and the file holds {size}")


def _sync_folder(folder: str) -> None:
    with contextlib.suppress(OSError):  # not every file system can; the content is in place by now
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
