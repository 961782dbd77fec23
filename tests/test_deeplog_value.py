"""DeepLog's parameter values: planted deviations are found and named, the bounds hold what they promise, gradients are right."""
import csv
from collections import Counter
from dataclasses import replace
from functools import partial
from importlib import import_module

import numpy as np
import pytest
from gradcheck import check_gradients

from tinylog.detectors import Sizes, deeplog_value
from tinylog.detectors.deeplog_value import ANY, COLUMNS, NOVEL, Config, Detector, Entries
from tinylog.parsing import Parser
from tinylog.pipeline import Pipeline, read, recognise, spec_for
from tinylog.records import FIRST_EVENT, PAD, UNKNOWN, silent
from tinylog.training.minimise import minimise

SIZES = Sizes(FIRST_EVENT + 3)
SMALL = Config(history=2, hidden=4, width=2, least=20, epochs=4, batch=64)
ASK, BUILD, ANSWER = range(FIRST_EVENT, FIRST_EVENT + 3)
PORT = 7


def made(n, seed, T=8):
    """Windows of ASK, BUILD and up to four ANSWERs. ASK: parameter 1 is always 3, parameter 2 one of three words. BUILD comes about 20
    seconds later and says so in parameter 1. ANSWERs: parameter 1 is near a number that is each window's own, parameter 8 a name.
    """
    rng = np.random.default_rng(seed)
    windows = silent(np.full((n, T), PAD, np.int32))
    times, values, tokens = windows.times.copy(), windows.values.copy(), windows.tokens.copy()
    for i in range(n):
        length = rng.integers(3, 7)
        windows.events[i, :length] = [ASK, BUILD] + [ANSWER] * (length - 2)
        build, own = rng.normal(20, 1), rng.uniform(100, 1000)
        times[i, :length] = 1e9 + 100 * i + np.cumsum([0, build, *rng.uniform(0.5, 1.5, length - 2)])
        values[i, 0, 0], tokens[i, 0, :2] = 3, (33, 50 + rng.integers(3))
        values[i, 1, 0], tokens[i, 1, 0] = build, rng.integers(1, 2**32)
        values[i, 2:length, 0] = own * rng.normal(1, 0.02, length - 2)
        tokens[i, 2:length, PORT] = rng.integers(1, 2**32, length - 2)
    return replace(windows, times=times, values=values, tokens=tokens)


def fitted(windows, config=SMALL, sizes=SIZES):
    detector = Detector.create(config, sizes, np.random.default_rng(0))
    losses = detector.fit(windows, partial(minimise, rng=np.random.default_rng(1)), {}, np.random.default_rng(2))
    return detector, losses


@pytest.fixture(scope="module")
def detector():
    return fitted(made(500, 1))[0]


def altered(column, at, value, seed=2, n=6):
    """Windows of which the fourth has another value in a column."""
    windows = made(n, seed)
    array = getattr(windows, column).copy()
    array[(3, *at)] = value
    return replace(windows, **{column: array})


def test_normal_windows_are_within_their_bounds_as_often_as_asked():
    for interval, fewest, most in ((0.9, 0.04, 0.2), (0.99, 0.0, 0.03)):
        detector, _ = fitted(made(800, 3), replace(SMALL, interval=interval))
        assert fewest <= (detector.score(made(1000, 4)) > detector.threshold).mean() <= most


def test_gaussian_interval_of_each_number_alerts_oftener_than_asked():
    """As published: two in a hundred numbers beyond it are many more windows."""
    train, others = made(800, 3), made(1000, 4)
    detectors = [fitted(train, replace(SMALL, interval=0.98, robust=robust))[0] for robust in (False, True)]
    alerts = [(detector.score(others) > detector.threshold).mean() for detector in detectors]
    assert alerts[0] > 0.05 > alerts[1] > 0


def test_slow_step_is_found_and_named_with_its_range(detector):
    windows = made(6, 2)
    times = windows.times.copy()
    times[3, 1:] += 15
    windows = replace(windows, times=times)
    scores = detector.score(windows)
    assert scores.argmax() == 3 and scores[3] > 1 and np.delete(scores, 3).max() < 1
    reason = detector.explain(windows, 3)
    detail = reason.detail
    assert (reason.code, reason.position, detail["parameter"]) == ("value", 1, "elapsed time")
    assert detail["value"] == pytest.approx(times[3, 1] - times[3, 0], rel=1e-4)
    assert 10 < detail["low"] < 18 and 22 < detail["high"] < detail["value"]
    assert reason.contrib.argmax() == 1 and reason.contrib.sum() == pytest.approx(1)


def test_number_is_found_and_named_by_its_place(detector):
    windows = altered("values", (1, 0), 60.0)
    assert detector.score(windows)[3] > 1
    reason = detector.explain(windows, 3)
    assert (reason.position, reason.detail["parameter"], reason.detail["value"]) == (1, "<*> 1", 60.0)
    assert reason.detail["low"] < 20 < reason.detail["high"] < 60


def test_what_is_normal_elsewhere_is_not_where_the_history_says_otherwise():
    """Answers of one window are near each other: 300 behind two 900s is odd though 300 is usual."""
    detector, losses = fitted(made(1000, 1), replace(SMALL, epochs=12, lr=0.03))
    assert losses[-1] < 0.96 * losses[0]
    windows = made(40, 5)
    i = int(np.flatnonzero(windows.lengths >= 5)[0])
    values = windows.values.copy()
    values[i, 2:, 0] = np.where(np.isnan(values[i, 2:, 0]), np.nan, 900)
    assert detector.score(replace(windows, values=values))[i] < 1
    values[i, 4, 0] = 300
    strange = replace(windows, values=values)
    assert detector.score(strange)[i] > 1
    reason = detector.explain(strange, i)
    assert reason.position in (4, 5) and reason.detail["parameter"] == "<*> 1"
    assert 600 < reason.detail["low"] < 900 or reason.position == 5


def test_category_never_seen_is_a_deviation_and_a_name_is_not(detector):
    windows = altered("tokens", (0, 1), 99)
    assert detector.score(windows)[3] == pytest.approx(NOVEL)
    reason = detector.explain(windows, 3)
    assert reason.position == 0 and dict(reason.detail) == {"parameter": "<*> 2", "known": 3}
    name = altered("tokens", (2, PORT), 99)
    np.testing.assert_array_equal(detector.score(name), detector.score(made(6, 2)))


def test_constant_number_is_a_category_and_has_no_range(detector):
    assert ASK * 2 * COLUMNS + 1 not in detector.params["judged.column"]
    windows = altered("values", (0, 0), 4.0)
    assert detector.score(windows)[3] < 1  # the same token: its number is not looked at
    tokens = windows.tokens.copy()
    tokens[3, 0, 0] = 44
    reason = detector.explain(replace(windows, tokens=tokens), 3)
    assert dict(reason.detail) == {"parameter": "<*> 1", "value": 4.0, "known": 1}


def test_category_that_goes_on_growing_is_none():
    windows = made(500, 1)
    tokens = windows.tokens.copy()
    tokens[:, 0, 1] = 1 + np.arange(500) // 40  # thirteen words, one after the other
    tokens[:, 0, 0] = 1 + np.arange(500) % 13
    detector, _ = fitted(replace(windows, tokens=tokens))
    assert np.unique(detector.params["known.column"]).tolist() == [ASK * COLUMNS + 1, ASK * COLUMNS + 2]
    new = np.where(np.arange(500) % 5 == 4, 1000 + np.arange(500) // 50, 7).astype(np.uint32)  # ten words, in held-out windows alone
    detector, _ = fitted(replace(windows, tokens=np.where(np.arange(8) == 1, new[:, None, None], tokens) * (tokens != 0)))
    assert ASK * COLUMNS + 2 not in detector.params["known.column"]


def test_missing_numbers_are_not_judged(detector):
    windows = made(5, 2)
    nothing = silent(windows.events)
    assert (detector.score(nothing) == 0).all()
    reason = detector.explain(nothing, 0)
    assert not reason.detail and windows.mask[0, reason.position] and reason.contrib.sum() == pytest.approx(1)
    some = replace(windows, times=nothing.times)
    values = some.values.copy()
    values[:, 1, 0] = np.nan
    assert (detector.score(replace(some, values=values)) <= detector.score(windows)).all()


def test_windows_without_numbers_teach_nothing_and_are_scored():
    windows = made(60, 1)
    detector, losses = fitted(silent(windows.events))
    assert losses == [] and (detector.score(windows) == 0).all()


def test_sessions_of_one_event_and_of_none():
    windows = made(300, 1)
    single = replace(windows, events=np.where(np.arange(8) == 1, windows.events, PAD)[:, [1, 0, 2, 3, 4, 5, 6, 7]],
                     values=windows.values[:, [1, 0, 2, 3, 4, 5, 6, 7]], tokens=windows.tokens[:, [1, 0, 2, 3, 4, 5, 6, 7]])
    detector, losses = fitted(single)
    assert losses and (detector.score(single) > 1).mean() < 0.05
    values = single.values.copy()
    values[7, 0, 0] = 80
    assert detector.score(replace(single, values=values))[7] > 1
    assert detector.score(single.take(slice(0, 0))).shape == (0,)
    assert (detector.score(silent(np.full((3, 8), PAD, np.int32))) == 0).all()


@pytest.mark.parametrize("event", [UNKNOWN, SIZES.n_events, 10**6])
def test_pause_before_an_event_never_seen_is_judged_by_all_pauses(detector, event):
    windows = made(6, 2)
    events, times = windows.events.copy(), windows.times.copy()
    events[3, 2] = event
    assert detector.score(replace(windows, events=events))[3] < 1
    times[3, 2:] += 1e6
    late = replace(windows, events=events, times=times)
    assert detector.score(late)[3] > 1
    assert dict(detector.explain(late, 3).detail)["parameter"] == "elapsed time"
    assert ANY * COLUMNS in detector.params["judged.column"]


def test_history_is_what_the_window_has_of_the_template():
    windows = silent(np.array([[2, 3, 2, 2, 3, 2, PAD], [2, 9, 9, 2, PAD, PAD, PAD]], np.int32))
    entries = Entries(windows, 5, 2)
    N = 10
    expected = [[N, N], [N, N], [N, 0], [0, 2], [N, 1], [2, 3], [N, N], [N, N], [N, 7], [N, 6]]
    assert entries.before.tolist() == expected
    assert entries.event.tolist() == [2, 3, 2, 2, 3, 2, 2, UNKNOWN, UNKNOWN, 2]
    assert entries.kind.tolist() == [4, 6, 5, 5, 7, 5, 4, ANY, ANY, 5]


def test_elapsed_time_is_within_the_window_and_never_negative():
    windows = silent(np.array([[2, 3, 2, PAD], [3, 3, 3, 3]], np.int32))
    times = np.array([[5, 8, 7, np.nan], [100, np.nan, 101, 104.5]])
    values = windows.values.copy()
    values[1, 0, 1], values[1, 1, 1] = -7.0, 4e18  # a number too large to be one
    v = Entries(replace(windows, times=times, values=values), 5, 1).v
    np.testing.assert_allclose(np.expm1(v[:, 0]), [np.nan, 3, 0, np.nan, np.nan, np.nan, 3.5], rtol=1e-5)
    assert v[3, 2] == pytest.approx(-np.log(8)) and np.isnan(v[4, 2])


def test_gradients():
    rng = np.random.default_rng(3)
    detector = Detector.create(Config(history=3, hidden=4, width=2), SIZES, rng)
    entries = Entries(made(4, 1), SIZES.n_events, 3)
    z = np.where(rng.random((len(entries.event), COLUMNS)) < 0.3, np.nan, rng.normal(size=(len(entries.event), COLUMNS)))
    network = {name: rng.normal(size=p.shape) for name, p in detector.params.items() if name.startswith(("template", "lstm", "head"))}
    index = np.arange(len(z))[::-1]

    def loss(params):
        value, grads = detector.loss_and_grads(params, entries, z, index)
        return np.array(value), lambda u: {name: u * g for name, g in grads.items()}

    check_gradients(loss, network, rng)


def test_score_of_a_window_is_the_same_alone(detector):
    windows = made(1500, 6)
    scores = detector.score(windows)
    for i in (0, 700, 1023, 1024, 1499):
        np.testing.assert_allclose(detector.score(windows.take(slice(i, i + 1))), scores[i:i + 1], rtol=1e-5)


def test_same_seed_gives_the_same_detector():
    one, other = (fitted(made(100, 1))[0] for _ in range(2))
    assert all(np.array_equal(one.params[name], other.params[name]) for name in one.params)
    assert {p.dtype for p in one.params.values()} <= {np.dtype(t) for t in (np.float32, np.int32, np.uint32)}


def test_entries_are_drawn_where_there_are_too_many():
    seen = []

    def counted(loss_and_grads, params, n, **wishes):
        seen.append(n)
        return minimise(loss_and_grads, params, n, rng=np.random.default_rng(0), **wishes)

    detector = Detector.create(replace(SMALL, most=100), SIZES, np.random.default_rng(0))
    detector.fit(made(200, 1), counted, {}, np.random.default_rng(2))
    assert seen == [100]


def test_planted_faults_of_made_lifecycles_are_found_from_raw_lines(tmp_path, monkeypatch):
    """As DeepLog's experiment: what takes longer than it should, in lives whose events are those of any other."""
    monkeypatch.syspath_prepend(str(import_module("conftest").ROOT / "examples"))
    make_lifecycles = import_module("make_lifecycles")
    logs = [str(tmp_path / name) for name in ("train.log", "test.log")]
    make_lifecycles.main(logs[0], logs[0] + ".csv", 250, 1, 0)
    make_lifecycles.main(logs[1], logs[1] + ".csv", 72, 2, 12)
    form, _ = recognise(read(logs[:1], Counter()))
    assert form.name == "openstack"
    parser = Parser(form.content_of)
    for block in read(logs, Counter()):
        parser.learn(block.data)
    parser.consolidate()
    parts = []
    for log in logs:
        pipeline = Pipeline(form, parser, spec_for(form), needs={"deeplog_value": deeplog_value.NEEDS})
        sessions = [session for step in pipeline.run(read([log], Counter())) for session in step.closed]
        parts.append((pipeline.windows(sessions), [session.key.decode() for session in sessions]))
    (train, _), (test, keys) = parts
    detector, _ = fitted(train, Config(epochs=3, interval=0.99), Sizes(len(parser.templates)))
    with open(logs[1] + ".csv", encoding="ascii") as file:
        faults = {row["session"]: row["fault"] for row in csv.DictReader(file)}
    assert sorted(filter(None, faults.values())) == ["failed request"] * 2 + ["slow network"] * 2 + ["slow requests"] * 2
    alerts = {keys[i]: detector.explain(test, int(i)) for i in np.flatnonzero(detector.score(test) > detector.threshold)}
    assert sum(not faults[key] for key in alerts) <= 3
    named = {"slow network": ("elapsed time", "<*> 2"), "failed request": ("<*> 5",)}
    for key, fault in faults.items():
        if fault in named:  # slow requests are often within what is normal elsewhere
            assert alerts[key].detail["parameter"] in named[fault]


def test_generator_is_seeded_and_plants_what_it_says(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(import_module("conftest").ROOT / "examples"))
    make_lifecycles = import_module("make_lifecycles")
    for name in ("a", "b"):
        make_lifecycles.main(str(tmp_path / name), str(tmp_path / f"{name}.csv"), 24, 5)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    rows = (tmp_path / "a.csv").read_text().splitlines()[1:]
    assert len(rows) == 24
    assert [row.split(",")[1:] for row in rows if not row.endswith(",0,")] == [["1", "slow network"], ["1", "slow requests"]]
    assert b"status: 500" not in (tmp_path / "a").read_bytes()
