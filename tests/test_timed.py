"""Windows by time: the grid, silence, late lines, bounds, and that blocks do not matter."""
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinylog.records import Events
from tinylog.windowing import timed
from tinylog.windowing.timed import Timed

NAN = math.nan
STEADY = settings(deadline=None, derandomize=True, max_examples=150)


def block(ids, times=None, labels=None, first=1, file="log", rarity=None):
    return Events(np.array(ids, np.int32), np.arange(first, first + len(ids)), [b"line of event %d" % i for i in ids], None,
                  None if times is None else np.array(times, float), None if labels is None else np.array(labels, np.int8), file,
                  None if rarity is None else np.array(rarity, np.float32))


def cut(events, start, stop):
    part = [None if column is None or isinstance(column, str) else column[start:stop] for column in events]
    return Events(*part)._replace(file=events.file)


def shown(sessions):
    return [(list(s.events), s.first_time, s.last_time, s.label) for s in sessions]


def everything(sessions):
    return [(*map(str, (s.key, s.order, s.file, s.first_line_no, s.first_time, s.last_time, s.label, list(s.events), list(s.line_nos),
                        list(s.times), s.lines, s.forgotten, s.rarity, s.event, s.line_no, s.line)),) for s in sessions]


def all_of(windower, *blocks):
    return [session for events in blocks for session in windower.add(events)] + windower.close()


def test_the_grid_begins_with_the_first_line():
    windower = Timed(10, 99)
    closed = windower.add(block([2, 3, 4, 5], [103, 112.9, 113, 125], labels=[0, 1, 0, 0]))
    assert shown(closed) == [([2, 3], 103, 112.9, 1), ([4], 113, 113, 0)]
    assert shown(windower.close()) == [([5], 123, 125, 0)]
    assert windower.close() == [] and windower.counters == {}


def test_silence_is_windows_without_events():
    windower = Timed(10, 99)
    sessions = all_of(windower, block([2, 3], [0, 41]))
    assert shown(sessions) == [([2], 0, 0, None), ([], 10, 20, None), ([], 20, 30, None), ([], 30, 40, None), ([3], 40, 41, None)]
    assert [s.order for s in sessions] == [0, 1, 2, 3, 4] and [s.line_no for s in sessions[1:4]] == [1, 1, 1]
    assert windower.counters == {"silent_windows": 3}
    labelled = all_of(Timed(10, 99), block([2, 3], [0, 25], labels=[1, 0]))
    assert [s.label for s in labelled] == [1, 0, 0]


def test_a_long_silence_is_skipped_and_counted(monkeypatch):
    monkeypatch.setattr(timed, "MAX_SILENT", 4)
    windower = Timed(1, 99)
    sessions = all_of(windower, block([2, 3, 4], [0, 1e9, 1e9 + 3]))
    assert [s.first_time for s in sessions] == [0, 1, 2, 3, 4, 1e9, 1e9 + 1, 1e9 + 2, 1e9 + 3]
    assert windower.counters == {"silent_windows": 6, "silent_windows_skipped": 10 ** 9 - 1 - 4}


def test_lines_without_a_time_and_late_ones_stay_in_the_present_window():
    windower = Timed(10, 99, keep=True)
    sessions = all_of(windower, block([2, 3, 4, 5, 6, 7], [NAN, 100, NAN, 112, 105, NAN]), block([8, 9], [1e300, 121], first=7))
    assert [list(s.events) for s in sessions] == [[2, 3, 4], [5, 6, 7, 8], [9]]
    assert [(s.first_time, s.last_time) for s in sessions] == [(100, 100), (110, 105), (120, 121)]
    assert windower.counters == {"late_lines": 1}
    np.testing.assert_array_equal(sessions[0].times, [NAN, 100, NAN])
    assert sessions[0].lines == [b"line of event 2", b"line of event 3", b"line of event 4"]


@pytest.mark.parametrize("times", [None, [NAN] * 3])
def test_without_any_time_there_is_one_window(times):
    (session,) = all_of(Timed(10, 99), block([2, 3, 4], times))
    assert list(session.events) == [2, 3, 4] and math.isnan(session.first_time) and math.isnan(session.last_time)


def test_a_window_keeps_its_last_lines():
    windower = Timed(1000, 4, keep=True)
    for first in range(1, 1000, 7):
        windower.add(block(range(first, first + 7), np.arange(first, first + 7) / 2, first=first))
        assert len(windower._open.events) < 8 + 7
    (session,) = windower.close()
    assert list(session.events) == list(session.line_nos) == [998, 999, 1000, 1001]
    assert len(session.lines) == len(session.times) == 4
    assert (session.n_events, session.first_line_no) == (1001, 1) and windower.counters == {"forgotten_lines": 997}


def test_lines_are_kept_only_where_they_are_asked_for():
    (session,) = all_of(Timed(10, 99), block([2, 3], [1, 2]))
    assert session.lines == [] and len(session.times) == 0


def test_numbers_of_another_file_mean_nothing():
    (session,) = all_of(Timed(10, 99), block([2, 3], [1, 2], file="a"), block([4], [3], file="b"))
    assert list(session.line_nos) == [0, 0, 1] and session.file == "b"


def test_what_is_certain_is_told_as_it_was():
    events = block([2, 9, 3, 8, 8, 4], [0, 1, 2, 3, 4, 25], rarity=[.5, .1, .5, -1, -1, .01])
    for blocks in ([events], [cut(events, i, i + 1) for i in range(6)]):
        windower, certain, rest = Timed(10, 99), [], []
        for part in blocks:
            rest += windower.add(part)
            certain += windower.certain()
        rest += windower.close()
        assert [(list(s.events), s.line, s.line_no, s.order) for s in certain] == [([2, 9, 3, 8], b"line of event 8", 4, 0)]
        assert [(s.event, s.line_no) for s in rest] == [(8, 4), (0, 5), (4, 6)]


TIMES = st.one_of(st.just(NAN), st.integers(0, 60).map(float))
LINES = st.tuples(st.integers(2, 9), TIMES, st.integers(0, 1), st.sampled_from([-1, .2, .5]))


@STEADY
@given(st.lists(LINES, max_size=60), st.lists(st.integers(0, 60), max_size=8), st.booleans(), st.sampled_from([1, 7, 30]),
       st.sampled_from([2, 99]))
def test_windows_do_not_depend_on_blocks(lines, cuts, in_order, seconds, size):
    ids, times, labels, rarity = zip(*lines) if lines else [()] * 4
    times = np.fmax.accumulate(times) if in_order and times else times
    log = block(ids, times, labels, rarity=rarity)
    whole, pieces = Timed(seconds, size, keep=True), Timed(seconds, size, keep=True)
    one, certain = all_of(whole, log), whole.certain()
    borders = [0, *sorted(min(c, len(lines)) for c in cuts), len(lines)]
    parts = all_of(pieces, *(cut(log, start, stop) for start, stop in zip(borders, borders[1:])))
    assert everything(parts) == everything(one) and everything(pieces.certain()) == everything(certain)
    assert pieces.counters == whole.counters
    assert sum(s.n_events for s in one) == len(lines)
    begins = [s.first_time for s in one if not math.isnan(s.first_time)]
    np.testing.assert_allclose(np.diff(begins), seconds)  # nothing left out, silence neither
