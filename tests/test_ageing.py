"""Live templates have bounded room, make way when they were not seen for long, and the state keeps all of it."""
import json

import numpy as np
import pytest
from conftest import run_here

from tinylog.parsing import Parser
from tinylog.parsing.newcomers import Newcomers
from tinylog.records import UNKNOWN, Events
from tinylog.streaming.ageing import LINES, Ageing
from tinylog.streaming.journal import Journal
from tinylog.windowing.sessions import KEPT, LONGEST_KEY, Sessions
from tinylog.windowing.sliding import Sliding

LETTERS = "abcdefghijklmnopqrstuvwxyz"


def frozen(**bounds):
    parser = Parser(**bounds)
    parser.learn(b"known from training\n")
    parser.freeze()
    return Parser.from_json(parser.to_json())


def word(i):
    return f"{LETTERS[i // 26 % 26]}{LETTERS[i % 26]}word"


def met(parser, *numbers):
    return parser.learn("".join(f"{word(i)} is {word(i + 1)} new\n" for i in numbers).encode())


def events(ids, time):
    return Events(np.array(ids, np.int32), np.arange(1, 1 + len(ids)), [b"x"] * len(ids), None,
                  None if time is None else np.full(len(ids), float(time)), None, None)


def test_forgotten_templates_make_room_and_their_ids_mean_something_new():
    parser = frozen(max_newcomers=3)
    news = Newcomers(parser)
    first = met(parser, 1, 3, 5).tolist()
    assert news.full and news.present().tolist() == first and met(parser, 7).tolist() == [UNKNOWN]
    news.forget(first[:2])
    assert len(news) == 1 and met(parser, 5).tolist() == first[2:]
    again = met(parser, 7, 9, 11).tolist()
    assert sorted(again[:2]) == sorted(first[:2]) and again[2] == UNKNOWN and news.full
    names = [parser.templates[event].name for event in (*first[2:], *again[:2])]
    assert len(set(names)) == 3 and names[1] == str(parser.n_known + 3)  # a name is never given twice
    assert parser.learn(b"known from training\n").tolist() == [2]
    news.forget(first[2:])
    twin = frozen(max_newcomers=3)
    Newcomers(twin).from_json(json.loads(json.dumps(news.to_json())))
    assert twin.templates == parser.templates and met(twin, 5, 7, 9, 1).tolist() == met(parser, 5, 7, 9, 1).tolist()


@pytest.mark.parametrize("timed", [True, False])
def test_ageing_forgets_what_was_not_seen_for_long_and_no_window_holds(timed):
    parser, windower = frozen(max_newcomers=4), Sliding(1000)
    ageing, gone = Ageing(Newcomers(parser), windower, keep=100), []
    ageing.on_forget = gone.extend

    def see(ids, time):
        ageing.see(events(ids, time if timed else None))
        ageing._now[1] += 0 if timed else time * LINES / 100  # as if so many lines had come

    a, b, c, d = met(parser, 1, 3, 5, 7).tolist()
    see([a, b, c, d], 0)
    windower.add(events([b], 0))
    assert ageing.due and ageing.forget() == 0 and not ageing.due
    see([a], 50)
    see([2], 101 if timed else 51)
    assert ageing.due and ageing.forget() == 2
    assert gone == [c, d] and ageing.newcomers.present().tolist() == [a, b] and parser.counters["templates_forgotten"] == 2
    assert not ageing.due  # there is room
    twin = Ageing(ageing.newcomers, windower, keep=100)
    twin.from_json(json.loads(json.dumps(ageing.to_json())))
    assert repr(twin.to_json()) == repr(ageing.to_json())


def test_a_template_a_key_and_a_kept_line_have_bounded_length():
    parser = frozen()
    long = b"verylongword" * 1000 + b" " + b"many words " * 10_000
    parser.learn(long + b"\n")
    assert len(parser.templates[-1].text) < 40_000
    for make in (lambda: Sessions(3, keep=True), lambda: Sliding(3, keep=True)):
        windower = make()
        key = b"k" * 1000
        for line_no in (1, 2):
            row = events([2], 0)._replace(line_no=np.array([line_no]), lines=[long], sessions=[(key + b"%d" % line_no,)])
            windower.add(row._replace(rarity=np.zeros(1, np.float32)))
        (session,) = windower.open
        assert len(session.key) == LONGEST_KEY and len(session.line) == KEPT and [len(line) for line in session.lines] == [KEPT, KEPT]
        assert list(session.events) == [2, 2]


def test_detect_counts_what_it_forgot_and_takes_its_bounds(made, tmp_path):
    """A log whose templates change every day: without room for them all, those of the day are known all the same."""
    lines = [f"2603{day:02d} {hour:02d}0000 5 INFO dfs.New: {word(30 * day + kind)} of blk_{hour} is {word(kind)} now\n"
             for day in range(1, 8) for hour in range(24) for kind in range(8)]
    log = tmp_path / "app.log"
    log.write_text("".join(lines))
    for at in range(0, len(lines), 192):  # a day a run
        with open(tmp_path / "part.log", "a") as file:
            file.write("".join(lines[at:at + 192]))
        done = run_here("detect", "-m", made.model, "--max-templates", "12", "--max-sessions", "20", "--state", tmp_path / "state", "--output",
                        tmp_path / "alerts", tmp_path / "part.log")
        assert done.returncode == 0, done.stderr
    assert b"templates forgotten" in done.stderr and b"evicted" in done.stderr
    kept = Journal(tmp_path / "state").read().snapshot["parts"]["parser"]
    assert len(kept["templates"]) <= 12 < kept["met"]
    assert sum(path.stat().st_size for path in (tmp_path / "state").iterdir()) < 30_000
