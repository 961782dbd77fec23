"""Bytes to blocks of whole lines: any chunking gives the same lines, nothing is lost, memory is bounded."""
import gzip
import io
import lzma
import os
import tracemalloc
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinylog.errors import InputError
from tinylog.reading.blocks import blocks, open_log, read_whole

STEADY = settings(deadline=None, derandomize=True, max_examples=100)


class Chunks:
    """A stream that gives exactly these chunks."""

    def __init__(self, chunks):
        self.chunks = [chunk for chunk in chunks if chunk]

    def read1(self, size):
        return self.chunks.pop(0) if self.chunks else b""


def joined(stream, **settings):
    return b"".join(block.data for block in blocks(stream, **settings))


def test_blocks_pass_whole_lines_on_at_once():
    stream = Chunks([b"one\ntw", b"o\n", b"three\nfour\n", b"fi", b"ve"])
    found = [(block.data, block.first_line_no) for block in blocks(stream)]
    assert found == [(b"one\n", 1), (b"two\n", 2), (b"three\nfour\n", 3), (b"five\n", 5)]


def test_blocks_of_a_live_pipe_do_not_wait():
    ours, theirs = os.pipe()
    with open(ours, "rb") as stream, open(theirs, "wb", buffering=0) as writer:
        found = blocks(stream, "pipe")
        writer.write(b"first\nsec")
        assert next(found)[:3] == (b"first\n", 1, "pipe")
        writer.write(b"ond\n")
        assert next(found)[:3] == (b"second\n", 2, "pipe")


@pytest.mark.parametrize("data, expected", [
    (b"", b""),
    (b"\n", b"\n"),
    (b"no newline", b"no newline\n"),
    (b"a\r\nb\r\n", b"a\nb\n"),
    (b"a\rb\n", b"a\rb\n"),
    (b"nul \x00 and \xff\xfe\n", b"nul \x00 and \xff\xfe\n"),
    (b"\n\nx\n\n", b"\n\nx\n\n"),
])
def test_blocks_keep_any_bytes(data, expected):
    assert joined(io.BytesIO(data)) == expected


@STEADY
@given(st.lists(st.binary(max_size=20) | st.sampled_from([b"\r\n", b"\n", b"abcdefghijkl", b"\r"]), max_size=20),
       st.integers(1, 12))
def test_blocks_do_not_depend_on_the_chunks(chunks, max_line):
    whole, pieces = Counter(), Counter()
    one = joined(io.BytesIO(b"".join(chunks)), max_line=max_line, dropped=whole)
    assert joined(Chunks(chunks), max_line=max_line, dropped=pieces) == one
    assert whole == pieces
    assert all(len(line) <= max_line for line in one.split(b"\n"))


@STEADY
@given(st.binary(max_size=300), st.integers(1, 50))
def test_blocks_lose_nothing_but_carriage_returns(data, size):
    wanted = data if not data or data.endswith(b"\n") else data + b"\n"
    assert joined(io.BytesIO(data), size=size) == wanted.replace(b"\r\n", b"\n")


def test_blocks_number_their_lines():
    data = b"".join(b"line %d\n" % i for i in range(1, 200))
    for block in blocks(io.BytesIO(data), size=50):
        assert block.data.startswith(b"line %d\n" % block.first_line_no)


def test_blocks_cut_and_count_long_lines():
    dropped = Counter()
    assert joined(io.BytesIO(b"short\n" + b"x" * 30 + b"\nend\n" + b"y" * 11), max_line=10, dropped=dropped) == (
        b"short\n" + b"x" * 10 + b"\nend\n" + b"y" * 10 + b"\n")
    assert dropped == {"cut_lines": 2, "cut_bytes": 21}


def test_blocks_hold_a_huge_line_in_bounded_memory():
    chunk = b"z" * (1 << 20)
    stream = Chunks([chunk] * 100 + [b"\nlast\n"])
    dropped = Counter()
    tracemalloc.start()
    lines = joined(stream, dropped=dropped).split(b"\n")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [len(line) for line in lines] == [65536, 4, 0]
    assert dropped == {"cut_lines": 1, "cut_bytes": (100 << 20) - 65536}
    assert peak < 4 << 20


@pytest.mark.parametrize("name, pack", [("a.log", bytes), ("a.log.gz", gzip.compress), ("a.log.xz", lzma.compress)])
def test_open_log_unpacks(tmp_path, name, pack):
    path = tmp_path / name
    path.write_bytes(pack(b"one\ntwo\n"))
    with open_log(str(path)) as stream:
        assert joined(stream) == b"one\ntwo\n"
    assert read_whole(str(path)) == b"one\ntwo\n"


@pytest.mark.parametrize("name, damaged", [
    ("a.gz", gzip.compress(os.urandom(5000))[:-100]),
    ("a.gz", b"not packed"),
    ("a.xz", lzma.compress(os.urandom(5000))[:-100]),
    ("a.xz", b"not packed"),
])
def test_a_damaged_archive_is_named(tmp_path, name, damaged):
    path = tmp_path / name
    path.write_bytes(damaged)
    with pytest.raises(InputError, match=f"{name}: cannot be read to its end"):
        read_whole(str(path))


@pytest.mark.parametrize("name", ["absent.log", "absent.log.gz", "absent.log.xz", "."])
def test_open_log_names_what_it_cannot_open(tmp_path, name):
    with pytest.raises(InputError, match="cannot be read"):
        open_log(str(tmp_path / name))
