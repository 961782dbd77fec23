"""Identifiers in canonical keys: what is reduced, that a chunk is its lines, and that words and seeds do not change by it."""
from __future__ import annotations

import random
import uuid

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinylog.parsing import Parser
from tinylog.parsing.canonical import _FEW, _MANY, canonical, reduced, zeroed
from tinylog.records import UNKNOWN, Template

quick = settings(deadline=None, derandomize=True, database=None, max_examples=200)
lines = st.lists(st.text("0a1fxg-_. :/\xff", max_size=25).map(lambda text: text.encode("latin-1")), min_size=1, max_size=6)


@pytest.mark.parametrize("line, key", [
    ("at 0x1f2e and 7d1c3", "at 0xa0f and a0f"), ("10B 3dB 0x10 5f", "0B a0f 0x0 0f"), ("abc12 feed dead-beef", "abc0 feed dead-beef"),
    ("zz1ab 1abq box1xab1", "zz0ab 0abq box0xab0"), ("id=a1f0, (1ab)", "id=a0f, (a0f)"),
    ("req-3ea4052c-dead-4b64-9e2d-04d64c4d94ab.", "req-a0f."), ("g3ea4052c-dead-4b64-9e2d-04d64c4d94ab", "g0ea0c-dead-a0f-a0f-a0f"),
    ("3ea4052c--dead-4b64-9e2d-04d64c4d94ab", "a0f--dead-a0f-a0f-a0f"),
])
def test_what_is_an_identifier(line: str, key: str) -> None:
    assert reduced(canonical(line.encode())).decode() == key


@quick
@given(lines)
def test_a_chunk_is_its_lines_and_a_reduced_key_stays(some: list[bytes]) -> None:
    key = reduced(canonical(b"\n".join(some)))
    assert key == b"\n".join([reduced(canonical(line)) for line in some])
    assert reduced(key) == canonical(key) == key


@quick
@given(st.text("0a12-gx \n\xff", max_size=60).map(lambda text: text.encode("latin-1")), st.sampled_from([b"a", b"7", b"-", b"\n"]))
def test_many_bytes_are_as_few(some: bytes, between: bytes) -> None:
    many = between.join([some] * (2 + _FEW // (len(some) + 1)))
    lines = many.split(b"\n")
    if len(max(lines, key=len)) <= _FEW < len(many):
        assert canonical(many) == b"\n".join(map(canonical, lines))
        assert reduced(canonical(many)) == b"\n".join([reduced(canonical(line)) for line in lines])


def test_zeroed_is_the_translation_of_any_byte_in_many_and_in_few() -> None:
    data = bytes(range(256)) * (1 + _MANY // 256)
    table = bytes.maketrans(b"0123456789", b"0" * 10)
    assert zeroed(data) == data.translate(table)
    assert zeroed(data[:256]) == data[:256].translate(table)


@quick
@given(st.one_of(st.text("0af-", max_size=40), st.text("0a-xg .", max_size=60)).map(str.encode))
def test_identifiers_of_a_line_are_those_in_a_chunk(some: bytes) -> None:
    key = canonical(some)
    chunk = key + b"\n" + b"-" * _FEW
    assert reduced(chunk).partition(b"\n")[0] == reduced(key)


def test_lines_with_other_identifiers_are_parsed_once() -> None:
    parser = Parser()
    rng = random.Random(0)
    ids = parser.learn(b"".join([b"instance %s destroyed\n" % str(uuid.UUID(int=rng.getrandbits(128))).encode() for _ in range(500)]))
    assert len(set(ids.tolist())) == 1
    assert parser.counters["parsed"] < 25
    assert parser.templates[2].text == "instance <*> destroyed"
    line = b"instance 00000000-0000-4a7b-9c1d-0123456789ab destroyed"
    assert parser.values(line, 2) == [line.split()[1]]


def test_a_seed_may_hold_what_looks_like_an_identifier() -> None:
    parser = Parser(seeds=[Template("a", "code 12abc<*>")])
    assert parser.match(b"code 12abc4f\ncode 12abd4f\n").tolist() == [2, UNKNOWN]
