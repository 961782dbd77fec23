"""Live = batch: after every event, the score that Model.score gives for the window so far."""
import csv
import gzip
import io
from collections import Counter
from copy import copy
from dataclasses import replace
from itertools import islice
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import run_here
from hypothesis import given, settings
from hypothesis import strategies as st

import tinylog
from tinylog.detectors import Sizes, distillog
from tinylog.detectors.distillog import PUBLISHED_STUDENT, STUDENT, Config
from tinylog.errors import InputError
from tinylog.live.lines import Live
from tinylog.live.stepper import Stepper
from tinylog.model import Model, bundled
from tinylog.pipeline import read, recognise
from tinylog.reading.formats import FORMATS, session_keys
from tinylog.records import Windows
from tinylog.streaming.scorer import Scorer
from tinylog.windowing import WindowSpec
from tinylog.windowing.arrays import to_windows

D = 3
CONFIGS = {
    "student": STUDENT,
    "counts": replace(STUDENT, counts=True, rules=False),
    "published, padding is an event": PUBLISHED_STUDENT,
    "vectors, mean of real steps": replace(PUBLISHED_STUDENT, masked=True, last=True, hidden=3),
    "words and noisy-or": Config(inputs="words", width=2, buckets=50, noisy_or=True),
    "two layers, the window as a whole": replace(STUDENT, layers=2),
    "wide, the window as a whole": replace(STUDENT, hidden=20),
}


@pytest.fixture(scope="module")
def hdfs() -> tinylog.Model:
    return bundled(FORMATS["hdfs"])


def with_student(model: tinylog.Model, config: Config, rng: np.random.Generator, size: int) -> tinylog.Model:
    """A model whose windows are short, with a student that has learned nothing but whose weights are not small."""
    vectors = rng.standard_normal((len(model.parser.templates), D)).astype(np.float32)
    student = distillog.Detector.create(config, Sizes(model.n_events, D), rng)
    student.params |= {name: p + rng.normal(0, 0.5, p.shape).astype(np.float32) for name, p in student.params.items()}
    twin = copy(model)
    twin.vectors, twin._tables = SimpleNamespace(vectors=lambda texts: vectors), {}
    twin.spec, twin.detectors = replace(model.spec, size=size), model.detectors | {"distillog": student}
    return twin


def batch_scores(model: tinylog.Model, events: list[int]) -> np.ndarray:
    return model.score(Windows(to_windows([events[:i + 1] for i in range(len(events))], model.spec.size)))


def assert_same(found: list[float], expected: np.ndarray) -> None:
    """Scores have three decimals: float32 may round the last of them otherwise, and rarely."""
    difference = np.abs(np.array(found) - expected)
    assert difference.max() < 1.5e-3
    assert np.sum(difference > 1e-4) <= max(1, 0.04 * len(difference))  # as many as numbers that differ by 2e-5 have


@pytest.mark.parametrize("name", CONFIGS)
def test_score_after_each_event_is_that_of_the_window_so_far(hdfs, name):
    rng = np.random.default_rng(5)
    model = with_student(hdfs, CONFIGS[name], rng, size=7)
    stepper, n_events = Stepper(model, model.spec), len(model.parser.templates)
    sessions = {key: rng.integers(1, n_events, n).tolist() for key, n in enumerate((1, 3, 7, 8, 25, 60))}
    found: dict[int, list[float]] = {key: [] for key in sessions}
    for i in range(60):  # as lines come: one of each session after the other
        for key, events in sessions.items():
            if i < len(events):
                found[key].append(stepper.step(key, events[i]))
    assert_same(sum(found.values(), []), np.concatenate([batch_scores(model, events) for events in sessions.values()]))
    assert_same([stepper.score(events) for events in sessions.values()],
                np.array([batch_scores(model, events)[-1] for events in sessions.values()]))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.integers(1, 40), min_size=1, max_size=70), min_size=1, max_size=4))
def test_any_sessions_are_scored_as_in_a_batch(sessions):
    model = bundled(FORMATS["hdfs"])
    stepper = Stepper(model, model.spec)
    for key, events in enumerate(sessions):
        difference = [stepper.step(key, event) for event in events] - batch_scores(model, events)
        assert np.abs(difference).max() < 1.5e-3


def test_real_sessions_are_scored_as_in_a_batch(hdfs, data):
    with gzip.open(data / "hdfs" / "dev_test.csv.gz", "rt") as file:
        sessions = [[int(event) for event in row["Sequence"].split()] for row in islice(csv.DictReader(file), 400)]
    sessions.append(sum(sessions[:5], []))  # longer than a window
    stepper, found = Stepper(hdfs, hdfs.spec), []
    for key, events in enumerate(sessions):
        found += [stepper.step(key, event) for event in events]
    assert_same(found, np.concatenate([batch_scores(hdfs, events) for events in sessions]))
    assert stepper.computed < len(found) / 2


def test_two_of_a_window_are_not_taken_for_a_state_and_an_event(hdfs):
    model = with_student(hdfs, STUDENT, np.random.default_rng(5), size=2)
    stepper, events = Stepper(model, model.spec), [1, 2, 1, 2, 3, 1, 1, 2, 4, 2, 2, 3]
    assert_same([stepper.step("s", event) for event in events], batch_scores(model, events))


@pytest.mark.parametrize("thresholds", [{"rules": 0.4}, {"distillog": -2.0, "rules": 0.4}, {"rules": 3.0, "distillog": -2.0}])
def test_score_is_that_of_the_detector_furthest_above_its_threshold(hdfs, thresholds):
    rng = np.random.default_rng(3)
    model = with_student(hdfs, STUDENT, rng, size=7)
    model.thresholds = thresholds
    stepper, events = Stepper(model, model.spec), rng.integers(1, 35, 60).tolist()
    assert_same([stepper.step("s", event) for event in events], batch_scores(model, events))


def test_session_that_was_silent_for_too_long_begins_anew(hdfs):
    stepper = Stepper(hdfs, replace(hdfs.spec, timeout=10.0))
    first = [stepper.step(b"a", event, time) for event, time in ((5, 0.0), (22, 10.0), (5, 20.0))]
    assert [stepper.step(b"a", event, time) for event, time in ((5, 30.1), (22, 31.0), (5, 32.0))] == first
    assert stepper.computed == 3


def test_window_of_lines_ends_when_it_is_full(hdfs):
    model = with_student(hdfs, STUDENT, np.random.default_rng(5), size=4)
    stepper, events = Stepper(model, WindowSpec("lines", 4)), [1, 2, 5, 2, 3, 1, 1, 2, 4, 2]
    expected = [batch_scores(model, events[i:i + 4]) for i in (0, 4, 8)]
    assert_same([stepper.step("s", event) for event in events], np.concatenate(expected))


def test_windows_that_no_line_can_score_are_refused(hdfs, made):
    with pytest.raises(InputError, match="windows of time"):
        Stepper(hdfs, WindowSpec("time", 100, seconds=60.0))
    values = copy(hdfs)
    values.thresholds, values.detectors = {"value": 0.0}, {"value": SimpleNamespace(NEEDS=("values",))}
    with pytest.raises(InputError, match="value reads more of a line"):
        Stepper(values, hdfs.spec)
    with pytest.raises(InputError, match="event ids are whole sessions"):
        hdfs.live("ids")


@pytest.mark.parametrize("window", [None, 7])
def test_last_score_of_each_window_is_the_one_it_is_judged_by(made, window):
    cut = ["--window", str(window)] if window else []
    live = run_here("detect", "-m", made.model, "--every-line", *cut, made.log)
    rows = list(csv.DictReader(io.StringIO(live.stdout.decode())))
    lines = made.log.read_bytes().splitlines()
    assert [int(row["line_no"]) for row in rows] == list(range(1, len(lines) + 1)) and b"every line scored" in live.stderr
    form, log = recognise(read([str(made.log)], Counter()))
    model = Model.load(made.model).reading(form)
    scorer = Scorer(model, model.pipeline(form, window=window))
    judged = {(session.key or session.first_line_no): score for session, score, _ in scorer.verdicts(log)}
    found = {}
    for i, row in enumerate(rows):
        found[row["session"].encode() or i // window * window + 1] = float(row["score"])
    assert set(found) == set(judged) and len(found) > 30
    assert_same([found[key] for key in judged], np.array(list(judged.values())))


def test_live_scores_in_python_are_those_of_the_command(made):
    live = Model.load(made.model).live("hdfs")
    lines = made.log.read_bytes().splitlines()
    found = [(key.decode(), score) for line in lines for key, score in live.scores(line)]
    done = run_here("detect", "-m", made.model, "--every-line", made.log)
    assert [(row["session"], float(row["score"])) for row in csv.DictReader(io.StringIO(done.stdout.decode()))] == found


def test_bounds_hold_and_say_so(hdfs):
    rng = np.random.default_rng(1)
    small, large = Stepper(hdfs, hdfs.spec, max_states=5), Stepper(hdfs, hdfs.spec)
    for event in rng.integers(2, 30, 80).tolist():
        assert small.step("s", event) == large.step("s", event)
        assert len(small._after) <= 5
    assert small.counters["states_forgotten"] > 0 and not large.counters["states_forgotten"]
    few = Stepper(hdfs, hdfs.spec, max_open=2)
    for key in "abac":
        few.step(key, 5)
    assert few.counters["sessions_forgotten"] == 1  # "b", silent for the longest
    assert few.step("a", 22) == large.score([5, 5, 22]) and few.step("b", 22) == large.score([22])


LINES = st.sampled_from([
    b"081109 203518 143 INFO dfs.DataNode$DataXceiver: Receiving block blk_%d src: /10.0.0.1:50010 dest: /10.0.0.2:50010",
    b"081109 2035%02d 143 INFO dfs.DataNode$PacketResponder: PacketResponder 1 for block blk_-3 terminating",
    b"%d 203518 143 INFO dfs.FSNamesystem: BLOCK* ask 10.0.0.1:50010 to delete  blk_-1 blk_%d blk_-1",
    b"081110 003518 143 INFO dfs.FSNamesystem: no block at all, %d", b"blk_%d", b"081111 2%d3518 unheard of words blk_12 %d"])


@pytest.mark.parametrize("session", [None, r"blk_-?[1-9]\d*", r"blk_(-?\d)?", r"a?ask (\S+)|blk_-?\d+"])
@settings(max_examples=40, deadline=None)
@given(lines=st.lists(st.tuples(LINES, st.lists(st.integers(0, 130), min_size=2, max_size=2)), max_size=25))
def test_lines_have_the_events_keys_and_times_that_a_batch_reads(session, lines):
    model, form = bundled(FORMATS["hdfs"]), FORMATS["hdfs"]
    lines = [line % tuple(numbers[:line.count(b"%")]) for line, numbers in lines]
    pipeline = model.reading(form).pipeline(form, session=session, timeout=3600.0)
    live, stepper, parser, time, expected = Live(model, pipeline), Stepper(model, pipeline.spec), model.reading(form).parser, np.nan, []
    for line in lines:
        event, found = int(model.numbered(parser.learn(line + b"\n"))[0]), form.times([line])[0]
        time = time if np.isnan(found) else found
        expected.append([(key, stepper.step(key, event, time)) for key in session_keys([line], pipeline.key)[0]])
    assert [live.scores(line) for line in lines] == expected


def test_shapes_of_lines_are_bounded(hdfs, monkeypatch):
    monkeypatch.setattr("tinylog.live.lines.MAX_SHAPES", 3)
    live = hdfs.live("hdfs")
    for i in range(1, 9):
        live.scores(b"x" * i + b" blk_1")
        assert 0 < len(live._shapes) <= 3
    live.scores(b"x" * 2000 + b" blk_1")
    assert not any(len(shape) > 1024 for shape in live._shapes)


def test_new_templates_of_the_log_are_read_by_their_text(hdfs):
    rng = np.random.default_rng(5)
    model = with_student(hdfs.reading(FORMATS["hdfs"]), CONFIGS["words and noisy-or"], rng, size=7)
    stepper = Stepper(model, model.spec)
    stepper.step("s", 3)
    known = len(model.parser.templates)
    model.parser.learn(b"081109 203518 143 INFO dfs.DataNode$DataXceiver: entirely unheard of words about nothing here\n")
    assert len(model.parser.templates) == known + 1
    assert_same([stepper.step("s", known)], batch_scores(model, [3, known])[-1:])
