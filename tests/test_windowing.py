"""Events to windows: what a session is, when it closes, and that blocks do not matter."""
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinylog.errors import ConfigError
from tinylog.records import PAD, Events
from tinylog.windowing import WindowSpec, windower
from tinylog.windowing.arrays import to_windows
from tinylog.windowing.sessions import Sessions
from tinylog.windowing.sliding import Sliding

NAN = math.nan
STEADY = settings(deadline=None, derandomize=True, max_examples=100)


def block(ids, keys=None, times=None, labels=None, first=1, file="log", rarity=None):
    return Events(np.array(ids, np.int32), np.arange(first, first + len(ids)), [b"line of event %d" % i for i in ids],
                  keys, None if times is None else np.array(times, float),
                  None if labels is None else np.array(labels, np.int8), file,
                  None if rarity is None else np.array(rarity, np.float32))


def cut(events, start, stop):
    part = [None if column is None or isinstance(column, str) else column[start:stop] for column in events]
    return Events(*part)._replace(file=events.file)


def shown(sessions):
    return [(s.key, list(s.events), list(s.line_nos), s.n_events, s.first_line_no, s.label) for s in sessions]


def everything(sessions):
    return [(*row, session.order, session.file, str(session.first_time), str(session.last_time), session.ended)
            for row, session in zip(shown(sessions), sessions)]


def test_sessions_close_at_the_end_in_order_of_their_first_line():
    sessions = Sessions(size=3)
    keys = [(b"a",), (b"b", b"a"), (), (b"b",), (b"a",), (b"a",)]
    assert sessions.add(block([2, 3, 4, 5, 6, 7], keys, labels=[0, 1, 1, 0, 0, 0])) == []
    assert shown(sessions.close()) == [(b"a", [3, 6, 7], [2, 5, 6], 4, 1, 1), (b"b", [3, 5], [2, 4], 2, 2, 1)]
    assert sessions.counters == {"lines_without_session": 1}
    assert sessions.close() == []


def test_sessions_keep_the_last_events_and_count_all():
    sessions = Sessions(size=4)
    for first in range(1, 1000, 7):
        sessions.add(block(range(first, first + 7), [(b"k",)] * 7, first=first))
        assert len(sessions._open[b"k"].events) < 8
    (session,) = sessions.close()
    assert list(session.events) == list(session.line_nos) == [998, 999, 1000, 1001]
    assert (session.n_events, session.first_line_no, session.label) == (1001, 1, None)


def test_sessions_end_with_silence_in_log_time():
    sessions = Sessions(size=9, timeout=10)
    closed = sessions.add(block([2, 3, 4, 5, 6], [(b"a",), (b"b",), (b"a",), (b"c",), (b"b",)], [0, 1, 9, 12, 13]))
    assert shown(closed) == [(b"b", [3], [2], 1, 2, None)] and closed[0].ended == 4  # at 12 s, though its own next line comes at 13 s
    assert sessions.add(block([7, 8], [(), (b"c",)], [18, 19], first=6)) == []
    assert shown(sessions.add(block([9], [()], [19.5], first=8))) == [(b"a", [2, 4], [1, 3], 2, 1, None)]
    assert [session.key for session in sessions.close()] == [b"c", b"b"]


def test_a_line_after_the_timeout_begins_a_new_session():
    sessions = Sessions(size=9, timeout=10)
    closed = sessions.add(block([2, 3, 4], [(b"a",), (b"a",), (b"a",)], [0, 10, 20.5]))
    assert shown(closed) == [(b"a", [2, 3], [1, 2], 2, 1, None)]
    assert shown(sessions.close()) == [(b"a", [4], [3], 1, 3, None)]
    assert sessions.counters == {"timed_out": 1}


def test_lines_without_a_time_happen_with_the_line_before():
    sessions = Sessions(size=9, timeout=10)
    keys = [(b"a",), (b"a",), (b"b",), (b"a",), (b"b",)]
    assert sessions.add(block([2, 3, 4, 5, 6], keys, [NAN, 100, NAN, NAN, 110])) == []
    assert [list(session.events) for session in sessions.close()] == [[2, 3, 5], [4, 6]]


def test_time_that_runs_backwards_ends_nothing():
    sessions = Sessions(size=9, timeout=10)
    assert sessions.add(block([2, 3, 4], [(b"a",), (b"a",), (b"a",)], [100, 50, 58])) == []
    assert [list(session.events) for session in sessions.close()] == [[2, 3, 4]]


def test_open_sessions_are_bounded():
    sessions = Sessions(size=2, max_open=2)
    closed = sessions.add(block([2, 3, 4, 5], [(b"a",), (b"b",), (b"a",), (b"c",)]))
    assert shown(closed) == [(b"b", [3], [2], 1, 2, None)]
    assert sessions.counters == {"evicted": 1}


def test_a_session_continues_in_the_next_file():
    sessions = Sessions(size=3)
    sessions.add(block([2, 3], [(b"a",), (b"b",)], file="log.1"))
    sessions.add(block([4], [(b"a",)], file="log.2"))
    a, b = sessions.close()
    assert (a.file, list(a.line_nos), list(a.events)) == ("log.2", [0, 1], [2, 4])
    assert (b.file, list(b.line_nos)) == ("log.1", [2])


LINES = st.tuples(st.integers(2, 9), st.lists(st.sampled_from([b"a", b"b", b"c", b"d"]), max_size=2, unique=True),
                  st.one_of(st.just(NAN), st.integers(0, 60)), st.integers(0, 1))


@STEADY
@given(st.lists(LINES, max_size=60), st.lists(st.integers(0, 60), max_size=8), st.booleans(),
       st.sampled_from([lambda: Sessions(3, 10, max_open=3), lambda: Sessions(2), lambda: Sliding(3), lambda: Sliding(2, max_open=2)]))
def test_windows_do_not_depend_on_blocks(lines, cuts, in_order, make):
    times = [line[2] for line in lines]
    times = np.fmax.accumulate(times) if in_order and times else times
    log = block([line[0] for line in lines], [tuple(line[1]) for line in lines], times, [line[3] for line in lines])
    whole, pieces = make(), make()
    one = whole.add(log) + whole.close()
    borders = [0, *sorted(cuts), len(lines)]
    parts = [session for start, stop in zip(borders, borders[1:]) for session in pieces.add(cut(log, start, stop))]
    assert everything(parts + pieces.close()) == everything(one)
    assert pieces.counters == whole.counters


def test_sliding_cuts_every_n_lines():
    sliding = Sliding(size=3)
    full = sliding.add(block([2, 3, 4, 5, 6, 7, 8], labels=[0, 0, 0, 0, 0, 1, 0], times=[1, 2, NAN, 4, 5, 6, 7]))
    assert shown(full) == [(b"", [2, 3, 4], [1, 2, 3], 3, 1, 0), (b"", [5, 6, 7], [4, 5, 6], 3, 4, 1)]
    assert (full[1].first_time, full[1].last_time) == (4, 6)
    assert shown(sliding.add(block([9], labels=[1], first=8))) == []
    assert shown(sliding.close()) == [(b"", [8, 9], [7, 8], 2, 7, 1)]
    assert sliding.close() == []


def test_sliding_cuts_streams_apart():
    sliding = Sliding(size=2)
    full = sliding.add(block([2, 3, 4, 5, 6], [(b"x",), (b"y",), (b"z",), (b"y",), (b"x",)]))
    assert [(window.key, list(window.events)) for window in full] == [(b"y", [3, 5]), (b"x", [2, 6])]
    assert [(window.key, list(window.events)) for window in sliding.close()] == [(b"z", [4])]


def test_sliding_bounds_its_streams():
    sliding = Sliding(size=2, max_open=2)
    full = sliding.add(block([2, 3, 4, 5], [(b"x",), (b"y",), (b"z",), (b"w",)]))
    assert [(window.key, list(window.events)) for window in full] == [(b"", [4, 5])]
    assert sliding.counters == {"lines_of_shared_streams": 2}


def test_to_windows():
    windows = to_windows([[2, 3], [], [4, 5, 6, 7]], 3)
    assert windows.dtype == np.int32
    assert windows.tolist() == [[2, 3, PAD], [PAD, PAD, PAD], [5, 6, 7]]
    assert to_windows([], 3).shape == (0, 3)
    assert to_windows([np.array([2, 3])], 1).tolist() == [[3]]


def test_window_spec():
    spec = WindowSpec("session", 20, 3600.0, r"task_\d+", ("host",))
    assert WindowSpec.from_json(spec.to_json()) == spec
    assert isinstance(windower(spec), Sessions) and windower(spec).timeout == 3600
    assert isinstance(windower(WindowSpec()), Sliding) and windower(WindowSpec(size=7)).size == 7


@pytest.mark.parametrize("values", [{"kind": "hours"}, {"size": 0}, {"timeout": NAN}, {"colour": 1}])
def test_window_spec_refuses(values):
    with pytest.raises(ConfigError, match="window"):
        WindowSpec.from_json(values)


@pytest.mark.parametrize("cutter", [Sessions, Sliding])
def test_strangest_line_is_kept_and_what_is_certain_is_told_as_it_was(cutter):
    events = block([2, 9, 3, 8, 8, 4, 5], [(b"k",)] * 7, rarity=[.5, .1, .5, -1, -1, .01, .5])
    for blocks in ([events], [cut(events, i, i + 1) for i in range(7)]):
        windower, certain, rest = cutter(7), [], []
        for part in blocks:
            rest += windower.add(part)
            certain += windower.certain()
        rest += windower.close()
        assert [(list(s.events), s.line, s.line_no) for s in certain] == [([2, 9, 3, 8], b"line of event 8", 4)]
        assert [(s.event, s.line, s.line_no, s.order) for s in rest] == [(8, b"line of event 8", 4, certain[0].order)]
    assert cutter(7).certain() == []
