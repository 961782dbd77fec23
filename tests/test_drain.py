"""What is one event and what is not: lines beside the templates that they get, in the order in which they come."""
from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinylog.parsing import Parser
from tinylog.parsing.drain import ANY, CROWDED, SLOT, Drain
from tinylog.parsing.masks import mask
from tinylog.parsing.tokens import Tokeniser, Words


def templates_of(lines: list[str]) -> list[str]:
    """The template of each line when all is learned and consolidated."""
    parser = Parser()
    data = "".join(line + "\n" for line in lines).encode()
    parser.learn(data)
    parser.consolidate()
    return [parser.templates[i].text for i in parser.match(data)]


@pytest.mark.parametrize("token, masked", [
    ("word", "word"), ("0", "<*>"), ("-0", "<*>"), ("0.0.0.0:0", "<*>"), ("/0.0.0.0:0", "<*>"),
    ("0MB", "<*>"), ("0x0fe", "<*>"), ("ee0", "ee<*>"), ("a0f0", "<*>"), ("allDrawn=false,", "allDrawn=<*>,"),
    ("blk_-0", "blk_<*>"), ("node-0", "node<*>"), ("rhost=0.0.0.0", "rhost=<*>"), ("user=root", "user=root"),
    ("(/home/a/b.c)", "(<*>)"), ("chdir(/home/a)", "chdir(<*>)"), ("seq/ack/win", "seq/ack/win"), ("./run", "<*>"),
    ("0dd0-0c0-0fbb-0c0-0fbe0b0", "<*>"), ("ff:f0:0f:0:0", "<*>"), ("www.example.org", "<*>"), ("example.org:0", "<*>"),
    ("rhost=example.org", "rhost=<*>"), ("file.c", "file.c"), ("hdfs://a.b/c", "<*>"), ("eth0", "eth<*>"),
    ("attempt_0_0_m_0_0", "attempt_<*>"),
    ("done.", "done."), ("e.g.", "e.g."), ("[0]", "[<*>]"), ("0:0:0,0", "<*>"), ("C:\\Windows\\x", "<*>"),
])
def test_mask_takes_what_is_surely_a_value(token: str, masked: str) -> None:
    assert mask(token.encode()).decode() == masked


def test_mask_of_a_long_token_ends_in_a_value() -> None:
    assert mask(b"x" * 1000) == b"x" * 256 + b"<*>"


def words_of(tokeniser: Tokeniser, content: bytes) -> Words:
    return tokeniser.words(tokeniser.split([content]))[0]


@pytest.mark.parametrize("content, words", [
    ("0 bytes (0.0 KB) sent, lifetime <0 sec", "bytes? sent, lifetime"),
    ("0 bytes sent, lifetime 0:0", "sent, lifetime"),
    ("connection from 0.0.0.0 () at Fri Jun 0 0:0:0 0", "connection from at"),
    ("Sun Microsystems may start", "Sun Microsystems may start"),
    ("delete blk_0 blk_-0 blk_0", "delete blk_<*>"),
    ("very very slow", "very very slow"),
    ("0 0x0f", ""),
])
def test_words_are_what_is_left_without_values_units_and_dates(content: str, words: str) -> None:
    expected = words.replace("bytes? ", "")
    assert b" ".join(words_of(Tokeniser(128), content.encode())).decode() == expected


def test_lines_and_their_templates() -> None:
    lines = [
        "Link ok", "Link error",  # Drain's similarity of a half would join them
        "jk2_init() Found child 6790 in slot 7", "jk2_init() Found child 81 in slot 12",
        "session opened for user root by (uid=0)",  # behind "user" three names are enough
        "session opened for user news by (uid=9)",
        "session opened for user cyrus by (uid=9)",
        "cupsd startup succeeded", "syslogd startup succeeded",  # the first word names the event
        "klogd startup succeeded",
        "ask 10.0.0.1:50 to delete blk_1", "ask 10.0.0.2:50 to delete blk_1 blk_-2 blk_3",  # however many
        "close, 5 bytes (1.2 KB) sent", "close, 7 bytes sent",  # a value more or less
        "rhost=10.0.0.1", "rhost=10.0.0.1 user=root",
    ]
    templates = [
        "Link ok", "Link error",
        "jk<*>_init() Found child <*> in slot <*>", "jk<*>_init() Found child <*> in slot <*>",
        "session opened for user <*> by (uid=<*>)",
        "session opened for user <*> by (uid=<*>)",
        "session opened for user <*> by (uid=<*>)",
        "cupsd startup succeeded", "syslogd startup succeeded", "klogd startup succeeded",
        "ask <*> to delete blk_<*>", "ask <*> to delete blk_<*>",
        "close, <*> bytes (<*> KB) sent", "close, <*> bytes (<*> KB) sent",
        "rhost=<*>", "rhost=<*> user=root",
    ]
    assert templates_of(lines) == templates


def test_a_place_that_many_fill_is_a_variable() -> None:
    lines = [f"opened colour {name} now" for name in "red blue green white black brown pink grey".split()]
    assert templates_of(lines[:SLOT - 1]) == lines[:SLOT - 1]
    assert templates_of(lines[:SLOT]) == ["opened colour <*> now"] * SLOT


def test_two_places_that_many_fill_are_two_variables() -> None:
    names = "red blue green white black brown pink grey".split()
    lines = [f"from {a} into {b} now" for a in names for b in names]
    assert set(templates_of(lines)) == {"from <*> into <*> now"}


def test_a_variable_with_a_name_keeps_it() -> None:
    lines = [f"login of user={name} failed" for name in "abcdefgh"]
    assert set(templates_of(lines)) == {"login of user=<*> failed"}


def test_words_that_hold_numbers_are_sooner_a_variable() -> None:
    lines = [f"no answer from [{name}8] source" for name in ("node_a", "node_b", "node_c", "node_d")]
    assert set(templates_of(lines)) == {"no answer from <*> source"}
    assert len(set(templates_of(lines[:3]))) == 3


def test_a_word_is_a_variable_where_another_line_has_a_value() -> None:
    lines = ["error loading /bin/a today", "error loading it today", "error found it today", "exit 0", "exit now"]
    templates = ["error loading <*> today", "error loading <*> today", "error found it today", "exit <*>", "exit now"]
    assert templates_of(lines) == templates


@settings(deadline=None, derandomize=True, database=None)
@given(st.lists(st.sampled_from(b"go blk_0 blk_0 0 s Mon (0) file /a \xff true".split()), max_size=9))
def test_the_short_way_to_the_words_is_the_long_way(tokens: list[bytes]) -> None:
    tokeniser, content = Tokeniser(8), b" ".join(tokens)
    assert words_of(tokeniser, content) == tokeniser.line(*tokeniser.split([content])).words


def test_a_later_pattern_takes_no_line_from_an_earlier_one() -> None:
    drain = Drain(100)
    drain.add((b"a", ANY, b"c"), 2)
    drain.add((b"a", b"b", ANY), 3)
    drain.add((b"a", b"b", b"x"), 4)
    assert [drain.match((b"a", b"b", last)) for last in (b"c", b"d", b"x")] == [2, 3, 4]
    assert drain.match((b"a", b"z", b"z")) is None
    assert sorted(drain.merges()) == [(4, 3)]


def test_renumbered_drops_only_words_that_a_pattern_answers_for() -> None:
    drain = Drain(100)
    drain.add((b"a", b"b"), 2)
    drain.add((b"a", b"c"), 3)
    drain.add((b"a", ANY), 2)
    other = drain.renumbered({2: 7, 3: 8})
    assert other.events == {(b"a", b"c"): 8}
    assert [other.match((b"a", last)) for last in (b"b", b"c", b"d")] == [7, 8, 7]


def words(number: int) -> str:
    """A word without digits for each number."""
    return "".join(chr(97 + int(digit)) for digit in str(number))


def test_free_text_does_not_grow_without_end() -> None:
    parser = Parser()
    lines = [f"note {words(i)} by {words(7 * i + 1)} was saved here" for i in range(3 * CROWDED)]
    parser.learn("".join(line + "\n" for line in lines).encode())
    assert len(parser.templates) <= CROWDED + 10
    assert parser.consolidate()
    assert len(parser.templates) <= 10


def test_first_words_are_told_apart_up_to_a_bound() -> None:
    drain = Drain(max_children=3)
    for i in range(50):
        drain.add((words(i).encode(), b"x"), i)
    assert len(drain._children) == 1 and drain._children[2] == 4  # three, and one for all others
    assert [drain.match((words(i).encode(), b"x")) for i in range(50)] == list(range(50))


def test_closed_events_are_not_joined() -> None:
    drain = Drain(100)
    drain.add((b"a", b"b", b"c", ANY), 2)
    for i in range(CROWDED):
        drain.add((b"a", b"q", b"q", words(i).encode()), 3 + i)
    line = (b"a", b"b", b"z", b"y")
    assert drain.propose(line, 2) == ((b"a", b"b", ANY, ANY), 2)
    assert drain.propose(line, 3) == (line, None)


def test_what_is_new_in_a_crowded_leaf_is_joined_by_the_next_like_it() -> None:
    drain = Drain(max_children=0)  # one leaf for each number of words
    for i in range(CROWDED):
        drain.add((words(i).encode(), b"was", b"saved", b"here", b"now"), i)
    late = (b"z", b"is", b"lost", b"there", b"then")
    assert drain.propose(late, 0) == (late, None)
    drain.add(late, CROWDED)
    assert drain.propose((b"y", *late[1:]), 0) == ((ANY, *late[1:]), None)
