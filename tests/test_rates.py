"""Rates and silences in log time: what is told, that it is told once, and that blocks and broken clocks change nothing."""
import json

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from tinylog.records import Events
from tinylog.streaming.clock import Clock
from tinylog.streaming.rates import LOG, Rates

BEAT, WORK, RARE = 2, 3, 4  # a heartbeat, traffic, a template that comes now and then
N_EVENTS = 5
START = 1.7e9


def lines(times, ids) -> Events:
    times, ids = np.asarray(times, float), np.asarray(ids, np.int32)
    return Events(ids, np.arange(1, len(ids) + 1), [b"x"] * len(ids), None, times, None, None)


def part(events: Events, start: int, stop: int) -> Events:
    return events._replace(**{name: getattr(events, name)[start:stop] for name in ("event_ids", "line_no", "lines", "times")})


def traffic(seconds: float, rng: np.random.Generator, start: float = START, beats: bool = True) -> Events:
    """A beat every 30 s, work at random once a second, something rare."""
    beat = np.arange(0, seconds, 30) + rng.uniform(0, 1, len(np.arange(0, seconds, 30))) if beats else np.zeros(0)
    work, rare = rng.uniform(0, seconds, int(seconds)), rng.uniform(0, seconds, int(seconds / 2000))
    times = np.concatenate([beat, work, rare])
    ids = np.repeat([BEAT, WORK, RARE], [len(beat), len(work), len(rare)])
    order = np.argsort(times, kind="stable")
    return lines(start + times[order], ids[order])


def learned(seconds: float = 7200) -> Rates:
    warm = traffic(seconds, np.random.default_rng(1))
    rates = Rates.learned([warm], N_EVENTS)
    rates.skip(warm)
    return rates


def all_of(rates: Rates, events: Events, cuts=()) -> list:
    """Findings of the events cut into blocks, `at` counted from the first of them."""
    found, borders = [], [0, *sorted(cuts), len(events.event_ids)]
    for start, stop in zip(borders, borders[1:]):
        found += [finding._replace(at=finding.at + start) for finding in rates.add(part(events, start, stop))]
    return found


def test_more_of_the_same_is_quiet():
    assert all_of(learned(), traffic(20_000, np.random.default_rng(2), START + 7200)) == []


def test_heartbeat_that_stops_is_told_once_and_again_only_if_longer():
    rates, rng = learned(), np.random.default_rng(3)
    assert all_of(rates, traffic(600, rng, START + 7200)) == []
    found = all_of(rates, traffic(600, rng, START + 7800, beats=False))
    assert [(f.code, f.event) for f in found] == [("silence", BEAT)]
    assert 80 < found[0].detail["seconds"] < 110 and 29 < found[0].detail["usual"] < 32
    assert all_of(rates, traffic(600, rng, START + 8400)) == []
    assert all_of(rates, traffic(900, rng, START + 9000, beats=False)) == [], "the same again is no news"
    assert all_of(rates, traffic(600, rng, START + 9900)) == []
    assert [f.event for f in all_of(rates, traffic(6000, rng, START + 10_500, beats=False))] == [BEAT]


def test_burst_is_told_once_as_it_crosses_the_bound():
    rates, rng = learned(), np.random.default_rng(4)
    usual = traffic(300, rng, START + 7200)
    flood = lines(np.concatenate([usual.times, START + 7500 + np.arange(3000) / 100]), np.append(usual.event_ids, np.full(3000, WORK)))
    found = all_of(rates, flood)
    assert [(f.code, f.event) for f in found] == [("rate", WORK)]
    assert found[0].detail["count"] < 1000 and found[0].at < len(usual.times) + 1100
    again = lines(START + 8000 + np.arange(3000) / 100, np.full(3000, WORK))
    assert not [f for f in all_of(rates, again) if f.code == "rate"], "a burst of the same size is no news"


def test_few_of_something_rare_are_no_burst_and_many_are():
    few, many = (lines(START + 7200 + np.arange(n) / 10, np.full(n, RARE)) for n in (4, 40))
    assert all_of(learned(), few) == []
    assert [(f.code, f.event) for f in all_of(learned(), many)] == [("rate", RARE)]


def test_bounds_stand_an_outage_and_a_flood_in_the_warm_up():
    warm = traffic(40_000, np.random.default_rng(1))
    kept = ~((warm.times > START + 9000) & (warm.times < START + 9600) & (warm.event_ids == BEAT))
    times, ids = np.append(warm.times[kept], START + 20_000 + np.arange(2000) / 50), np.append(warm.event_ids[kept], np.full(2000, WORK))
    order = np.argsort(times, kind="stable")
    rates = Rates.learned([lines(times[order], ids[order])], N_EVENTS)
    clean = Rates.learned([warm], N_EVENTS)
    assert rates.gaps[BEAT] < 1.1 * clean.gaps[BEAT] and rates.most[WORK] < 1.5 * clean.most[WORK]


def test_poisson_traffic_has_no_heartbeat():
    assert learned().gaps[WORK] == learned().gaps[RARE] == 1 << 62 and learned().gaps[BEAT] < 100_000


def test_whole_log_that_was_silent_is_one_finding_at_the_line_that_ends_it():
    rates, rng = learned(), np.random.default_rng(5)
    found = all_of(rates, traffic(600, rng, START + 7200 + 7200))
    assert [(f.code, f.event, f.at) for f in found] == [("silence", LOG, 0)] and 7000 < found[0].detail["seconds"] < 7300


@pytest.mark.parametrize("jump", [1e9, -1e9, -7000, 40 * 86400, np.nan, 1e300, -np.inf])
def test_clock_that_is_set_is_no_silence_and_no_burst(jump):
    rates, rng = learned(), np.random.default_rng(6)
    usual = traffic(1200, rng, START + 7200)
    times = usual.times.copy()
    if np.isnan(jump) or abs(jump) > 1e12:
        times[100:200] = jump  # lines with broken times
    else:
        times[600:] += jump
    assert all_of(rates, usual._replace(times=times)) == []
    assert all_of(rates, traffic(600, rng, times[-1] + 1)) == []


def test_hosts_with_different_clocks_are_survived():
    rng = np.random.default_rng(7)
    warm = traffic(7200, rng)
    skewed = warm._replace(times=warm.times - 3600 * rng.integers(0, 2, len(warm.times)))
    rates = Rates.learned([skewed], N_EVENTS)
    more = traffic(3600, rng, START + 7200)
    assert all_of(rates, more._replace(times=more.times - 3600 * rng.integers(0, 2, len(more.times)))) == []


STATE = json.dumps(learned(3600).to_json())


def learned_json() -> Rates:
    return Rates.from_json(json.loads(STATE))


STEPS = st.one_of(st.floats(0, 3), st.floats(-6, 40), st.floats(-1e5, 1e5), st.just(float("nan")))


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(STEPS, st.integers(1, 7)), min_size=1, max_size=120), st.lists(st.integers(0, 120), max_size=6), st.integers(0, 120))
def test_findings_depend_on_the_lines_and_not_on_blocks_nor_on_a_snapshot(steps, cuts, saved):
    times = START + 7200 + np.cumsum([0 if np.isnan(step) else step for step, _ in steps])
    events = lines(np.where(np.isnan([step for step, _ in steps]), np.nan, times), [event for _, event in steps])
    whole, cut = learned_json(), learned_json()
    once = all_of(whole, events)
    assert all_of(cut, events, [min(at, len(steps)) for at in cuts]) == once
    assert cut.to_json() == whole.to_json()
    first, saved = learned_json(), min(saved, len(steps))
    found = all_of(first, part(events, 0, saved))
    second = Rates.from_json(json.loads(json.dumps(first.to_json())))
    assert found + [f._replace(at=f.at + saved) for f in all_of(second, part(events, saved, len(steps)))] == once


@settings(max_examples=100, deadline=None)
@given(st.lists(STEPS, min_size=1, max_size=60), st.integers(1000, 60_000))
def test_clock_only_goes_forward_and_never_by_more_than_the_longest_step(steps, longest):
    times = START + np.cumsum([0 if np.isnan(step) else step for step in steps])
    elapsed, _ = Clock(longest).add(np.where(np.isnan(steps), np.nan, times), len(steps))
    assert (np.diff(elapsed) >= 0).all() and (np.diff(elapsed) <= longest).all()


def test_memory_does_not_grow_with_templates_that_were_not_learned():
    rates = learned()
    before = len(rates.to_json()["last"][0])
    all_of(rates, lines(START + 7200 + np.arange(5000) / 10, np.arange(5000) + N_EVENTS))
    assert len(rates.to_json()["last"][0]) <= before + 1


def test_log_without_times_has_no_rates():
    assert Rates.learned([lines([np.nan], [2])._replace(times=None)], N_EVENTS) is None
