"""The targets of fuzz.py with some of what hypothesis makes up; with atheris, where it is installed, for longer (slow)."""
from __future__ import annotations

import importlib.util
import random
import re
import subprocess
import sys

import fuzz
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

LINE = st.one_of(st.binary(max_size=30), st.sampled_from([
    b"260301 080001 5 INFO dfs.X: block blk_7 up", b"Feb 30 00:00:00 box a: b", b"Dec 31 23:59:59 box a[1]: b", b"Jan  1 00:00:00 box a: b",
    b"9999-12-31T23:59:59Z up", b"0001-01-01 00:00:00 up", b"2026-13-45T99:99:99 up", b"1117838570 a", b"99999999999 a", b"\tat x.y(z)",
    b"Caused by: y", b'{"log":"a\\n","stream":"stdout","time":"2026-11-22T06:00:00Z"}', b'{"msg":"', b"2026-11-22T06:00:00Z stdout P half",
    b"level=info msg=up ts=1", b"__CURSOR=s=1", b"MESSAGE", b"\x03\0\0\0\0\0\0\0abc", b"<165>1 - - - - - -", b"1,2 3 4,0", b"", b"\r",
    b"\x1b[31mred\x1b[0m", b"close x", b"open file /a/b 12", b"\xff\xfe"]))
LINES = st.lists(LINE, max_size=25).map(b"\n".join)
quick = settings(deadline=None, derandomize=True, database=None, max_examples=60)


@quick
@given(st.binary(min_size=1, max_size=1), LINES)
def test_reading(first: bytes, lines: bytes) -> None:
    fuzz.reading(first + lines)


@quick
@given(st.binary(min_size=2, max_size=2), LINES)
def test_parser(first: bytes, lines: bytes) -> None:
    fuzz.parser(first + lines)


@quick
@given(st.binary(max_size=13))
def test_model(data: bytes) -> None:
    fuzz.model(data)


@pytest.mark.parametrize("name", fuzz.TARGETS)
def test_seeds(name: str) -> None:
    for seed in fuzz.SEEDS[name]:
        fuzz.TARGETS[name](seed)


def test_whole_model_works() -> None:
    assert not fuzz.refused_or_works(fuzz.BUNDLED)
    assert not fuzz.refused_or_works(fuzz.edited(b"", True)) and not fuzz.refused_or_works(fuzz.said_otherwise(b""))


def test_truncated_model_is_refused() -> None:
    """At every 7th byte of the header, every 97th behind it."""
    for size in [*range(0, fuzz.HEADER_END, 7), *range(fuzz.HEADER_END, len(fuzz.BUNDLED), 97)]:
        assert fuzz.refused_or_works(fuzz.BUNDLED[:size])


@pytest.mark.slow
def test_model_truncated_anywhere_is_refused() -> None:
    for size in range(len(fuzz.BUNDLED)):
        assert fuzz.refused_or_works(fuzz.BUNDLED[:size])


@pytest.mark.parametrize("n", [500, pytest.param(10_000, marks=pytest.mark.slow)])
def test_model_with_one_damaged_byte_is_refused(n: int) -> None:
    """Half of the damages are in the header, which is a twentieth of the file."""
    rng = random.Random(n)
    for i in range(n):
        damaged = bytearray(fuzz.BUNDLED)
        damaged[rng.randrange(fuzz.HEADER_END if i % 2 else len(damaged))] ^= 1 << rng.randrange(8)
        assert fuzz.refused_or_works(bytes(damaged))


@pytest.mark.slow
@pytest.mark.parametrize("name", fuzz.TARGETS)
def test_guided_by_coverage(name: str, tmp_path) -> None:
    if importlib.util.find_spec("atheris") is None:
        pytest.skip("atheris is not installed: pip install '.[test-slow]'")
    done = subprocess.run([sys.executable, fuzz.__file__, name, "-max_total_time=20"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert int(re.search(r"Done (\d+) runs", done.stderr)[1]) > 100
