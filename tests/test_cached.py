"""Caches are memos: with them, without them, in one chunk or line by line, the ids are the same."""
from __future__ import annotations

import gzip
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinylog.parsing import Parser
from tinylog.parsing.cached import REST, SAMPLE, Cache
from tinylog.records import UNKNOWN, Template

quick = settings(deadline=None, derandomize=True, database=None, max_examples=80)  # fuzz.py has the same longer
word = st.sampled_from(b"open close user root bob eve file /a/b 12 345 0x1f s Mon k=v (x) blk_3 \x00 \xff".split(b" "))
line = st.one_of(st.lists(word, max_size=6).map(b" ".join),
                 st.binary(max_size=12).map(lambda line: line.replace(b"\n", b"")))
step = st.tuples(st.sampled_from(["learn", "match"]), st.lists(line, max_size=15))


def content_of(line: bytes) -> bytes:
    return line.removeprefix(b"open ")


def parser_with(entries: int) -> Parser:
    return Parser(content_of, [Template("seed", "close <*>")], cache_entries=entries, max_templates=20)


@quick
@given(st.lists(step, max_size=6))
def test_cached_equals_uncached(steps: list[tuple[str, list[bytes]]]) -> None:
    parsers = [parser_with(entries) for entries in (0, 1, 3, 1000)]
    for number, (verb, lines) in enumerate(steps):
        chunk = b"".join(line + b"\n" for line in lines)
        ids = [getattr(parser, verb)(chunk).tolist() for parser in parsers]
        one_by_one = [parsers[0].event_id(line) if verb == "learn" else int(parsers[0].match(line + b"\n")[0]) for line in lines]
        assert ids[0] == ids[1] == ids[2] == ids[3]
        assert all(new == old for old, new in zip(ids[0], one_by_one) if old != UNKNOWN)
        if number == 3:
            for parser in parsers:
                parser.freeze()
    assert all(parser.templates == parsers[0].templates for parser in parsers)


@quick
@given(st.lists(line, max_size=30))
def test_a_chunk_equals_its_lines(lines: list[bytes]) -> None:
    whole, single = parser_with(1000), parser_with(0)
    ids = whole.learn(b"".join(line + b"\n" for line in lines)).tolist()
    assert [int(single.learn(line + b"\n")[0]) for line in lines] == ids


@quick
@given(st.lists(step, max_size=6))
def test_the_event_id_of_a_line_is_what_learning_it_says(steps: list[tuple[str, list[bytes]]]) -> None:
    chunks, single = parser_with(1000), parser_with(1000)
    for number, (verb, lines) in enumerate(steps):
        for line in lines:  # `match` in between, which remembers what is unknown
            chunk = line + b"\n"
            if verb == "learn":
                assert single.event_id(line) == int(chunks.learn(chunk)[0])
            else:
                assert single.match(chunk).tolist() == chunks.match(chunk).tolist()
        if number == 3:
            chunks.freeze(), single.freeze()
    assert single.templates == chunks.templates
    of_lines = ["line_cache_hits", "line_cache_misses"]
    assert sum(map(single.counters.get, of_lines, [0, 0])) == sum(map(chunks.counters.get, of_lines, [0, 0]))
    if all(verb == "learn" for verb, _ in steps):  # a known line teaches nothing, so that what `match` found unknown stays known to be so
        assert single.counters == chunks.counters


def test_a_known_line_alone_is_counted_and_judged_as_a_hit() -> None:
    parser = Parser()
    parser.event_id(b"link 1 up")
    for i in range(2 * SAMPLE):
        assert parser.event_id(b"link %d up" % (i % 9)) == 2
    for i in range(SAMPLE):
        parser.event_id(b"link up %s" % bytes([97 + i % 26, 97 + i // 26 % 26, 97 + i // 676]))
    assert parser.counters["line_cache_hits"] == 2 * SAMPLE
    assert parser.counters["line_cache_misses"] == SAMPLE + 1
    assert parser.counters["line_cache_aside"] == 0


@pytest.mark.parametrize("name", ["throughput/linux_25k.log.gz", "bgl/BGL_first100k.log.gz"])
def test_cached_equals_uncached_on_real_lines(data: Path, name: str) -> None:
    lines = gzip.decompress((data / name).read_bytes()).splitlines(keepends=True)[:4000]
    cached, uncached = Parser(), Parser(cache_entries=0)
    for i in range(0, len(lines), 500):
        chunk = b"".join(lines[i:i + 500])
        assert cached.learn(chunk).tolist() == uncached.learn(chunk).tolist()
    assert cached.match(b"".join(lines)).tolist() == uncached.match(b"".join(lines)).tolist()
    single = Parser()
    assert [single.event_id(line[:-1]) for line in lines[:1000]] == Parser().learn(b"".join(lines[:1000])).tolist()


def test_a_known_key_is_not_parsed_again() -> None:
    parser = Parser()
    parser.learn(b"took 1 ms\n" * 3)
    parsed = parser.counters["parsed"]
    parser.learn(b"took 2 ms\ntook 33 ms\n")
    assert parser.counters["parsed"] == parsed == 1
    assert (parser.counters["line_cache_hits"], parser.counters["key_cache_hits"]) == (1, 1)


def test_another_header_is_a_hit_of_the_second_cache() -> None:
    parser = Parser(content_of=lambda line: line.partition(b": ")[2])
    parser.learn(b"one: restart\ntwo: restart\n")
    assert parser.counters["parsed"] == 1


def refuse(keys: list[bytes]) -> list[int]:
    raise AssertionError(keys)


def knows(cache: Cache, key: bytes, event_id: int) -> bool:
    return cache.ids([key], lambda keys: [event_id + 1], False) == [event_id]


def test_the_cache_is_bounded_in_entries_and_bytes() -> None:
    counters: Counter[str] = Counter()
    few, small = Cache("few", 10, 10_000, counters), Cache("small", 1000, 1_000, counters)
    for i in range(100):
        for cache in few, small:
            cache.put({b"key %d" % i: i + 2})
            assert cache.ids([b"key %d" % i], refuse, False) == [i + 2]
            assert len(cache._ids) <= 10
    assert counters["few_full"] == 9
    assert counters["small_full"] > 9
    small.put({b"x" * 1_000: 5})
    assert not knows(small, b"x" * 1_000, 5)


def test_unknown_is_forgotten_alone() -> None:
    cache = Cache("any", 10, 10_000, Counter())
    cache.put({b"a": 2, b"b": UNKNOWN})
    assert cache.ids([b"b", b"a"], refuse, True) == [UNKNOWN, 2]
    cache.forget_unknown()
    assert knows(cache, b"a", 2) and not knows(cache, b"b", UNKNOWN)


def test_where_nothing_repeats_the_cache_stands_aside_and_comes_back() -> None:
    counters: Counter[str] = Counter()
    cache = Cache("any", 1000, 1_000_000, counters)

    def ask(first: int, n: int, step: int) -> list[int]:
        keys = [b"%d" % (first + i * step) for i in range(n)]
        return cache.ids(keys, lambda keys: [int(key) for key in keys], False)

    assert ask(2, SAMPLE, 1) == list(range(2, SAMPLE + 2))
    for i in range(REST):
        assert ask(2, SAMPLE, 0) == [2] * SAMPLE
    assert counters["any_aside"] == REST * SAMPLE
    assert ask(2, SAMPLE, 0) == [2] * SAMPLE
    assert (counters["any_aside"], counters["any_misses"], counters["any_hits"]) == (REST * SAMPLE, 2 * SAMPLE, 0)
    assert ask(2, 5, 0) == [2] * 5
    assert counters["any_hits"] == 5
