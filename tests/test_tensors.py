"""The file layout: literal bytes, the official library in both directions, one test for every kind of damage."""
import errno
import json
import os
import stat

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tinylog.errors import ModelFileError
from tinylog.modelfile import tensors

EXAMPLE = {
    "b": np.arange(6, dtype=np.float32).reshape(2, 3),
    "a": np.array([1, -2, 3], np.int8),
    "empty": np.zeros((0, 4), np.int64),
    "half": np.array(1.5, np.float16),
}


def file_of(tmp_path, header, data=b"", length=None):
    """A file with this header (bytes, or what JSON makes of it) and these data."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path = tmp_path / "m.tinylog"
    path.write_bytes((len(text) if length is None else length).to_bytes(8, "little") + text + data)
    return path


def one(shape=(2,), dtype="F32", offsets=(0, 8)):
    return {"x": {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}}


def refused(path, reason):
    with pytest.raises(ModelFileError) as caught:
        tensors.read(path)
    message = str(caught.value)
    assert message.startswith(str(path)) and reason in message and "\n" not in message
    assert len(message) < len(str(path)) + 200


def same(left, right):
    assert left.keys() == right.keys()
    for name in left:
        assert left[name].dtype == right[name].dtype
        np.testing.assert_array_equal(left[name], right[name])
        assert left[name].shape == right[name].shape


def test_bytes_are_these():
    header = b'{"w":{"data_offsets":[0,16],"dtype":"I32","shape":[2,2]}}'
    expected = b"\x40" + bytes(7) + header + b" " * 7 + bytes([1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255])
    assert tensors.to_bytes({"w": np.array([[1, 0], [0, -1]], np.int32)}, {}) == expected


def test_equal_models_are_equal_bytes():
    backwards = dict(reversed(EXAMPLE.items()))
    fortran = {name: np.array(array, order="F") for name, array in backwards.items()}
    assert tensors.to_bytes(EXAMPLE, {"k": "v", "j": "w"}) == tensors.to_bytes(fortran, {"j": "w", "k": "v"})


def test_big_endian_arrays_are_written_little_endian():
    assert tensors.to_bytes({"x": np.array([1.5], ">f4")}, {}) == tensors.to_bytes({"x": np.array([1.5], "<f4")}, {})


def test_every_array_is_aligned():
    data = tensors.to_bytes(EXAMPLE, {"a": "odd"})
    length = int.from_bytes(data[:8], "little")
    assert length % 8 == 0
    for name, entry in json.loads(data[8:8 + length]).items():
        if name != "__metadata__":
            assert entry["data_offsets"][0] % EXAMPLE[name].itemsize == 0


def test_what_is_read_is_what_was_written(tmp_path):
    tensors.write(tmp_path / "m", EXAMPLE, {"card": "zwölf\nlines\0"})
    got, metadata = tensors.read(tmp_path / "m")
    same(got, EXAMPLE)
    assert metadata == {"card": "zwölf\nlines\0"}
    got["b"][0, 0] = 7  # memory of its own


def arrays_of(dtype):
    finite = {"allow_nan": False, "allow_infinity": False} if dtype.kind == "f" else None
    return arrays.arrays(dtype, arrays.array_shapes(min_dims=0, min_side=0, max_side=4), elements=finite)


@settings(deadline=None, max_examples=40)
@given(content=st.dictionaries(
    st.text(max_size=8), st.sampled_from(list(tensors.DTYPES.values())).flatmap(arrays_of), max_size=5),
    metadata=st.dictionaries(st.text(max_size=5), st.text(max_size=20), max_size=3))
def test_round_trip(tmp_path_factory, content, metadata):
    path = tmp_path_factory.mktemp("round") / "m"
    tensors.write(path, content, metadata)
    got, texts = tensors.read(path)
    same(got, content)
    assert texts == metadata


def test_official_library_reads_ours(tmp_path):
    official = pytest.importorskip("safetensors.numpy")
    safe_open = pytest.importorskip("safetensors").safe_open
    tensors.write(tmp_path / "m", EXAMPLE, {"card": "text"})
    same(official.load_file(tmp_path / "m"), EXAMPLE)
    with safe_open(tmp_path / "m", "np") as file:
        assert file.metadata() == {"card": "text"}


def test_we_read_the_official_library(tmp_path):
    official = pytest.importorskip("safetensors.numpy")
    official.save_file(EXAMPLE, tmp_path / "m", {"card": "text"})
    got, metadata = tensors.read(tmp_path / "m")
    same(got, EXAMPLE)
    assert metadata == {"card": "text"}


def test_missing_file_and_folder_are_refused(tmp_path):
    refused(tmp_path / "none", "there is no such model file")
    refused(tmp_path, "not a regular file")


@pytest.mark.parametrize("size", [0, 7])
def test_short_file_is_refused(tmp_path, size):
    (tmp_path / "m").write_bytes(bytes(size))
    refused(tmp_path / "m", f"it has {size} bytes")


def test_every_truncation_is_refused(tmp_path):
    data = tensors.to_bytes(EXAMPLE, {"k": "v"})
    for size in range(len(data)):
        (tmp_path / "m").write_bytes(data[:size])
        with pytest.raises(ModelFileError):
            tensors.read(tmp_path / "m")


DAMAGES = {
    "header beyond file": ({"length": 900, "header": b"{}"}, "claims 900 bytes and the file has 10"),
    "header above a mebibyte": ({"length": 2**20 + 1, "header": b"{}"}, "claims 1048577 bytes, more than 1048576"),
    "header of 2**64": ({"length": 2**64 - 1, "header": b"{}"}, "more than 1048576"),
    "not JSON": ({"header": b"{]"}, "not JSON"),
    "not UTF-8": ({"header": b'{"\xff":1}'}, "not JSON"),
    "UTF-16": ({"header": "{}".encode("utf-16-le")}, "not JSON"),
    "half a surrogate pair": ({"header": rb'{"\ud800":{}}'}, "not JSON"),
    "nested too deep": ({"header": b"[" * 200_000}, "not JSON"),
    "JSON but no object": ({"header": b"[]"}, "not a JSON object"),
    "duplicate array": ({"header": b'{"x":1,"x":1}'}, "twice"),
    "duplicate key": ({"header": b'{"x":{"dtype":"F32","dtype":"F32"}}'}, "twice"),
    "metadata no table": ({"header": {"__metadata__": "x"}}, "__metadata__"),
    "metadata no text": ({"header": {"__metadata__": {"x": 1}}}, "__metadata__"),
    "entry no object": ({"header": {"x": 3}}, "not described"),
    "entry without dtype": ({"header": {"x": {"shape": [], "data_offsets": [0, 0]}}}, "not described"),
    "entry with more": ({"header": {"x": {**one()["x"], "code": "x"}}}, "not described"),
    "unknown dtype": ({"header": one(dtype="F33")}, "known are F64, F32"),
    "dtype no text": ({"header": one(dtype=["F32"])}, "known are F64, F32"),
    "negative shape": ({"header": one(shape=(-2, -1))}, "has shape [-2, -1]"),
    "shape of fractions": ({"header": one(shape=(2.0,))}, "has shape [2.0]"),
    "shape of truths": ({"header": one(shape=(True,))}, "has shape [True]"),
    "oversized shape": ({"header": one(shape=(2**40, 2**40))}, "too large"),
    "oversized beside a zero": ({"header": one(shape=(0, 2**62, 2**62), offsets=(0, 0))}, "too large"),
    "too many dimensions": ({"header": one(shape=(1,) * 5000, offsets=(0, 4))}, "too large"),
    "one offset": ({"header": one(offsets=(0,))}, "has data_offsets [0]"),
    "offset no number": ({"header": one(offsets=(0, "8"))}, "has data_offsets"),
    "bytes not of the shape": ({"header": one(offsets=(0, 4)), "data": bytes(4)}, "has 4 bytes and needs 8"),
    "ends before it begins": ({"header": one(offsets=(8, 0)), "data": bytes(8)}, "needs 8"),
    "begins below 0": ({"header": one(offsets=(-8, 0))}, "begins inside another array"),
    "hole": ({"header": one(offsets=(4, 12)), "data": bytes(12)}, "behind a hole, at byte 4"),
    "overlap": ({"header": {**one(), "y": one(offsets=(4, 12))["x"]}, "data": bytes(12)}, "begins inside another"),
    "data missing": ({"header": one(), "data": bytes(7)}, "arrays have 8 bytes and the file holds 7"),
    "data too long": ({"header": one(), "data": bytes(9)}, "arrays have 8 bytes and the file holds 9"),
    "not a number": ({"header": one(), "data": np.array([1, np.nan], "<f4").tobytes()}, "'x' has values that are not"),
    "infinite": ({"header": one((4,), "F16"), "data": np.array([1, 2, 3, np.inf], "<f2").tobytes()}, "not finite"),
    "long name": ({"header": {"n" * 9999: 3}}, "not described"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_refused(tmp_path, damage):
    content, reason = DAMAGES[damage]
    refused(file_of(tmp_path, **content), reason)


def test_values_that_are_not_finite_are_not_written(tmp_path):
    (tmp_path / "m").write_bytes(b"old")
    with pytest.raises(ModelFileError, match="'w' has values that are not finite"):
        tensors.write(tmp_path / "m", {"w": np.array([np.nan])}, {})
    assert os.listdir(tmp_path) == ["m"] and (tmp_path / "m").read_bytes() == b"old"


def test_other_dtypes_are_not_written():
    with pytest.raises(ValueError, match="there are: F64"):
        tensors.to_bytes({"w": np.array(["text"])}, {})


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_full_disk_leaves_the_old_file(tmp_path, monkeypatch, step):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    tensors.write(tmp_path / "m", EXAMPLE, {})
    before = (tmp_path / "m").read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(os, step, full)
        with pytest.raises(ModelFileError, match="m cannot be written: No space left on device"):
            tensors.write(tmp_path / "m", {}, {})
    assert os.listdir(tmp_path) == ["m"] and (tmp_path / "m").read_bytes() == before


def test_interrupted_write_leaves_nothing(tmp_path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        tensors.write(tmp_path / "m", EXAMPLE, {})
    assert os.listdir(tmp_path) == []


def test_folder_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(ModelFileError, match="cannot be written: No such file or directory"):
        tensors.write(tmp_path / "none" / "m", EXAMPLE, {})


def test_only_files_are_replaced(tmp_path):
    with pytest.raises(ModelFileError, match="not a regular file"):
        tensors.write(tmp_path, EXAMPLE, {})
    with pytest.raises(ModelFileError, match="not a regular file"):
        tensors.write("/dev/null", EXAMPLE, {})
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


def test_link_stays_a_link(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "m")
    tensors.write(tmp_path / "link", EXAMPLE, {})
    assert (tmp_path / "link").is_symlink()
    same(tensors.read(tmp_path / "m")[0], EXAMPLE)


def test_file_has_the_usual_rights(tmp_path):
    (tmp_path / "other").write_bytes(b"")
    tensors.write(tmp_path / "m", EXAMPLE, {})
    assert (tmp_path / "m").stat().st_mode == (tmp_path / "other").stat().st_mode
