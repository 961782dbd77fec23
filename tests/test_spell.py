"""Spell: what covers what, in which order, and that a line keeps its event whatever is learned later."""
from __future__ import annotations

import gzip
import json
import random
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinylog.errors import ConfigError
from tinylog.parsing import Parser, spell
from tinylog.parsing import parser as parser_module
from tinylog.parsing.spell import ANY, CANDIDATES, POSTINGS, VISITS, Spell, lcs, lcs_length
from tinylog.parsing.tokens import Words
from tinylog.records import FIRST_EVENT, UNKNOWN, Template

TAU = 0.5  # the paper's, at which more lines join
quick = settings(deadline=None, derandomize=True, database=None, max_examples=60)
letters = st.lists(st.sampled_from([b"a", b"b", b"c", b"d"]), max_size=9).map(tuple)
word = st.sampled_from(b"open close user root bob eve file /a/b 12 345 0x1f s Mon k=v (x) blk_3 \x00 \xff".split(b" "))
line = st.lists(word, max_size=7).map(b" ".join)
step = st.tuples(st.sampled_from(["learn", "match"]), st.lists(line, max_size=15))


@pytest.fixture(scope="module", autouse=True)
def joining():
    """Parsers of these tests join as in the paper."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parser_module, "Spell", partial(Spell, TAU))
        yield


def chunk(lines: list[bytes]) -> bytes:
    return b"".join(line + b"\n" for line in lines)


def words(text: str) -> Words:
    return tuple(text.encode().split())


def learned(*texts: str) -> Spell:
    """Each text learned as the parser does it; new events are numbered from 2."""
    grouping, n = Spell(TAU), FIRST_EVENT
    for text in texts:
        if grouping.match(words(text)) is None:
            pattern, event = grouping.propose(words(text), FIRST_EVENT)
            n += event is None
            event = n - 1 if event is None else event
            grouping.add(words(text), event)
            grouping.add(pattern, event)
    return grouping


def is_subsequence(short: Words, long: Words) -> bool:
    rest = iter(long)
    return all(word in rest for word in short)


def slow_lcs_length(a: Words, b: Words) -> int:
    table = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i, mine in enumerate(a):
        for j, theirs in enumerate(b):
            table[i + 1][j + 1] = table[i][j] + 1 if mine == theirs else max(table[i][j + 1], table[i + 1][j])
    return table[-1][-1]


# longest common subsequences

@quick
@given(letters, letters)
def test_lcs_is_a_common_subsequence_of_the_length_of_the_textbook(a: Words, b: Words) -> None:
    common = lcs(a, b)
    assert is_subsequence(common, a) and is_subsequence(common, b)
    assert len(common) == lcs_length(a, b) == slow_lcs_length(a, b)


# what is one event

def test_lines_join_by_what_they_have_in_common_and_the_template_is_that() -> None:
    grouping = learned("temp of node is high now", "temp on node was high now", "temp for node gets high now")
    assert set(grouping.events.values()) == {2}
    assert grouping.of(2)[0] == (*words("temp node high now"), ANY)


def test_the_order_of_words_counts() -> None:
    grouping = learned("alpha beta gamma delta")
    assert grouping.match(words("alpha x beta y gamma z delta")) == 2
    assert grouping.match(words("delta gamma beta alpha")) is None
    assert set(learned("alpha beta gamma delta", "delta gamma beta alpha").events.values()) == {2, 3}


def test_a_template_must_have_a_share_of_the_words_that_it_covers() -> None:
    grouping = learned("alpha beta gamma")
    fits = int(3 / TAU)
    assert grouping.match(words("alpha beta gamma" + " x" * (fits - 3))) == 2
    assert grouping.match(words("alpha beta gamma" + " x" * (fits - 2))) is None


def test_the_template_with_most_in_common_is_joined_and_of_equals_the_shortest() -> None:
    base = "a b c d e f g h"
    grouping = learned(base, base.replace("g h", "p q r s t u v w").replace("a b c", "x y z"))
    assert set(grouping.events.values()) == {2, 3}
    assert grouping.propose(words("a b c d e f g k"), FIRST_EVENT) == ((*words("a b c d e f g"), ANY), 2)
    shorter = Spell(TAU)
    shorter.add((*words("a b c d q r s"), ANY), 2)
    shorter.add((*words("a b c d q"), ANY), 3)
    assert shorter.propose(words("a b c d"), FIRST_EVENT)[1] == 3


def test_a_longer_template_behind_one_that_is_too_short_is_found() -> None:
    grouping = Spell(TAU)
    grouping.add((*words("a b"), ANY), 2)
    grouping.add((*words("a b c d e"), ANY), 3)
    grouping.add((*words("a d e f g h"), ANY), 4)  # behind a, where the way down begins with b
    assert grouping.match(words("a b c d e x y")) == 3
    assert grouping.match(words("a b d e f g h")) == 4
    assert grouping.match(words("a b c")) == 2


def test_closed_events_are_not_joined() -> None:
    grouping = learned("a b c d e f")
    assert grouping.propose(words("a b c d x y"), 2)[1] == 2
    assert grouping.propose(words("a b c d x y"), 3) == ((*words("a b c d x y"), ANY), None)


def test_events_that_come_to_the_same_template_are_one() -> None:
    grouping = Spell(TAU)
    for event, pattern in enumerate(["a b c d", "q r s t", "a b c d"], 2):
        grouping.add((*words(pattern), ANY), event)
    assert list(grouping.merges()) == [(4, 2)]


def test_text_of_a_template_has_one_wildcard_a_gap() -> None:
    parser = Parser(kind="spell")
    lines = [b"job 17 of queue fast was quickly done today", b"job 18 of queue slow was not so soon at 12 done today"]
    assert set(parser.learn(chunk(lines)).tolist()) == {FIRST_EVENT}
    assert parser.templates[FIRST_EVENT].text == "job <*> of queue <*> was <*> done today"
    assert parser.values(lines[0], FIRST_EVENT) == [b"17", b"fast", b"quickly"]


# a line keeps its event

@quick
@given(st.lists(letters, max_size=30), letters)
def test_the_oldest_template_that_covers_has_the_line(templates: list[Words], line: Words) -> None:
    grouping = Spell(TAU)
    for event, constants in enumerate(templates, 2):
        if constants:
            grouping.add((*constants, ANY), event)
    covering = [event for event, constants in enumerate(templates, 2)
                if constants and len(constants) >= TAU * len(line) and is_subsequence(constants, line)]
    assert grouping.match(line) == min(covering, default=None)


@quick
@given(st.lists(st.lists(st.sampled_from([b"%c" % c for c in b"abcdefgh"]), max_size=12).map(tuple), max_size=60), st.integers(1, 12))
def test_what_few_visits_find_is_found_whatever_is_added(lines: list[Words], visits: int) -> None:
    grouping, found = Spell(TAU), {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spell, "VISITS", visits)
        for event, line in enumerate(lines, 2):
            grouping.add((*line, ANY), event) if line else None
            assert all(grouping.match(earlier) == event for earlier, event in found.items())
            found |= {each: event for each in lines if (event := grouping.match(each)) is not None}


@quick
@given(st.lists(step, max_size=6))
def test_cached_equals_uncached(steps: list[tuple[str, list[bytes]]]) -> None:
    parsers = [Parser(None, [Template("seed", "close <*>")], "spell", cache_entries=entries, max_templates=20) for entries in (0, 1, 1000)]
    for number, (verb, lines) in enumerate(steps):
        ids = [getattr(parser, verb)(chunk(lines)).tolist() for parser in parsers]
        one_by_one = [int(getattr(parsers[0], verb)(line + b"\n")[0]) for line in lines]
        assert ids[0] == ids[1] == ids[2]
        assert all(new == old for old, new in zip(ids[0], one_by_one) if old != UNKNOWN)
        if number == 2:
            assert parsers[0].consolidate() == parsers[1].consolidate() == parsers[2].consolidate()
        if number == 3:
            for parser in parsers:
                parser.freeze()
    assert all(parser.templates == parsers[0].templates for parser in parsers)


@quick
@given(st.lists(line, max_size=40), st.lists(line, max_size=20))
def test_consolidated_frozen_and_from_json_it_matches_what_it_learned(lines: list[bytes], later: list[bytes]) -> None:
    parser, data = Parser(kind="spell"), chunk(lines)
    ids = parser.learn(data).tolist()
    new = parser.consolidate()
    assert parser.match(data).tolist() == [new[i] for i in ids]
    parser.freeze()
    before = parser.match(chunk(lines + later)).tolist()
    twin = Parser.from_json(json.loads(json.dumps(parser.to_json())))
    assert twin.kind == "spell" and twin.match(chunk(lines + later)).tolist() == before
    after = parser.learn(chunk(lines + later)).tolist()
    assert twin.learn(chunk(lines + later)).tolist() == after
    assert all(new == old for old, new in zip(before, after) if old != UNKNOWN)


def test_the_kind_is_stored_and_old_files_mean_drain() -> None:
    state = Parser().to_json()
    assert state.pop("kind") == "drain"
    assert Parser.from_json(state).kind == "drain"
    with pytest.raises(ConfigError, match="'ngram'; there are: drain, spell"):
        Parser(kind="ngram")


# bounds

def test_a_hostile_log_costs_a_bounded_number_of_steps_a_line(monkeypatch) -> None:
    """Lines of 60 of 80 words each: all templates share nearly all words, and no bound of the parser but Spell's own holds."""
    rng, calls = random.Random(3), []
    alphabet = [b"w%c%c" % (97 + i // 26, 97 + i % 26) for i in range(80)]
    monkeypatch.setattr(parser_module, "Spell", partial(Spell, 0.99))  # every line is a template
    monkeypatch.setattr(spell, "heappop", lambda heap, pop=spell.heappop: calls.append("visit") or pop(heap))
    monkeypatch.setattr(spell, "lcs_length", lambda a, b: calls.append("lcs") or 0)
    made, n = Parser(kind="spell"), 400
    made.learn(chunk([b" ".join(rng.sample(alphabet, 60)) for _ in range(n)]))
    assert len(made.templates) == FIRST_EVENT + n
    assert calls.count("visit") <= n * VISITS and calls.count("lcs") <= n * CANDIDATES
    assert max(map(len, made._groups._having.values())) == POSTINGS


def test_a_line_that_its_template_covers_unfound_is_an_event_of_its_own(monkeypatch) -> None:
    monkeypatch.setattr(spell, "VISITS", 2)  # too few to reach it
    grouping = learned("a b c d", "a b c d x")
    assert [len(pattern) for pattern, _ in grouping.patterns] == [5, 6]


@pytest.mark.parametrize("text", [b"\xff\xfe\x80 \x00", b"x" * 65_536, b"w " * 10_000, b"0" * 65_536, b"<*> <*>", b"\r\t \x0b"])
def test_hostile_lines_are_lines(text: bytes) -> None:
    parser = Parser(kind="spell")
    ids = parser.learn(chunk([text, b"end of log"]))
    assert parser.match(chunk([text, b"end of log"])).tolist() == ids.tolist()
    assert ids[0] != ids[1]
    assert sum(len(template.text) for template in parser.templates) < 2_000


@pytest.mark.slow
@pytest.mark.parametrize("name", ["throughput/linux_25k.log.gz", "bgl/BGL_first100k.log.gz"])
def test_cached_equals_uncached_on_real_lines(data: Path, name: str) -> None:
    lines = gzip.decompress((data / name).read_bytes()).splitlines(keepends=True)[:4000]
    cached, uncached = Parser(kind="spell"), Parser(kind="spell", cache_entries=0)
    for i in range(0, len(lines), 500):
        part = b"".join(lines[i:i + 500])
        assert cached.learn(part).tolist() == uncached.learn(part).tolist()
    assert cached.consolidate() == uncached.consolidate()
    assert cached.match(b"".join(lines)).tolist() == uncached.match(b"".join(lines)).tolist()
