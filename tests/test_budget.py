"""Alerts by a budget: p-values are conformal, the promise holds on what is alike, and on what changes the budget still does."""
import json
import math
from dataclasses import replace

import numpy as np
import pytest
from conftest import run_here
from hypothesis import given, settings
from hypothesis import strategies as st

from tinylog.errors import ConfigError
from tinylog.model import Model
from tinylog.pipeline import recognise
from tinylog.records import Block
from tinylog.streaming.budget import Budget, Calibration, _poisson
from tinylog.streaming.causes import BURST, Bursts, cause_of
from tinylog.streaming.scorer import Scorer
from tinylog.training.calibration import tail

DAY = 86400.0


def calibration_of(scores, seconds=DAY, lines=10_000):
    return Calibration(tuple(sorted(map(float, scores), reverse=True)), len(scores), seconds, lines)


def run(budget, scores, seconds=DAY, chunk=50):
    """How many of windows that are spread over some time are alerts."""
    times, alerts = np.linspace(0, seconds, len(scores)), 0
    for i in range(0, len(scores), chunk):
        p, most = budget.p_values(scores[i:i + chunk], times[i:i + chunk])
        alerts += int((p <= most).sum())
    return alerts


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-5, 5).map(lambda x: round(x, 1)), min_size=1, max_size=60), st.floats(-6, 6).map(lambda x: round(x, 1)))
def test_p_value_is_the_rank_among_the_windows_so_far(scores, score):
    held_back, stream = scores[:len(scores) // 2 + 1], scores[len(scores) // 2 + 1:]
    budget = Budget("1/day", calibration_of(held_back), True)
    run(budget, np.array(stream))
    p, _ = budget.p_values(np.array([score]), np.array([DAY]))
    assert p[0] == pytest.approx((1 + sum(s >= score for s in scores)) / (len(scores) + 1))


@pytest.mark.parametrize(("text", "spans"), [("5/day", 4), ("1/hour", 96), ("8/10k", 8)])
def test_promise_holds_on_windows_like_those_held_back(text, spans):
    inside = 0
    for seed in range(10):
        rng = np.random.default_rng(seed)
        budget = Budget(text, calibration_of(rng.normal(size=2000), lines=20_000), True)
        alerts = run(budget, rng.normal(size=8000), 4 * DAY)
        low, high = budget.interval()
        assert budget.expected == pytest.approx(float(text.partition("/")[0]) * spans, rel=0.1)
        inside += low <= alerts <= high
    assert inside >= 8  # 9.5 are to be expected


def test_log_that_changes_does_not_exceed_the_budget_for_long():
    rng = np.random.default_rng(0)
    budget = Budget("5/day", calibration_of(rng.normal(size=1000)), True)
    assert run(budget, 20 + rng.normal(size=20_000), 10 * DAY) < 2 * 50  # every window is above all that were held back
    assert run(Budget("5/day", calibration_of(rng.normal(size=1000)), True), np.full(20_000, 9.0), 10 * DAY) < 10  # one score for all


def test_budget_does_not_depend_on_how_the_windows_come():
    rng = np.random.default_rng(1)
    scores, held_back = rng.normal(size=3000).round(2), calibration_of(rng.normal(size=500).round(2))
    budgets = [Budget("20/day", held_back, True) for _ in range(2)]
    assert run(budgets[0], scores, chunk=1) == run(budgets[1], scores, chunk=1000)
    assert budgets[0].expected == budgets[1].expected


def test_only_a_tail_makes_what_is_rarer_than_the_held_back_windows_an_alert():
    rng = np.random.default_rng(2)
    scores = np.sort(rng.exponential(size=300))[::-1]
    few, (shape, scale) = calibration_of(scores), tail(scores[:60])
    with_tail = Calibration(few.highest[:60], 300, DAY, 10_000, shape, scale)
    assert few.above(1e6) == 1 and with_tail.above(30.0) < 1e-3  # of exponential scores exp(-30) is
    assert with_tail.above(scores[100]) == few.above(scores[59])  # of what is not kept, no more is known
    assert abs(shape) < 0.4 and 0.6 < scale < 1.7  # an exponential's are 0 and 1
    levels = np.linspace(scores[59] + 0.01, 20, 50)
    found = [with_tail.above(score) for score in levels]
    assert found == sorted(found, reverse=True)
    assert found[20] == pytest.approx(300 * math.exp(-levels[20]), rel=2)


def test_tail_of_few_or_like_scores_is_none():
    assert tail(np.arange(20.0)[::-1]) == (0.0, 0.0)
    assert tail(np.ones(200)) == (0.0, 0.0)


def test_quantiles_are_those_of_a_poisson_distribution():
    stats = pytest.importorskip("scipy.stats")
    for mean in (0.0, 0.3, 5.0, 77.0, 400.0):
        assert [_poisson(mean, share) for share in (0.025, 0.975)] == [max(int(stats.poisson.ppf(share, mean)), 0) for share in (0.025, 0.975)]
    assert _poisson(10_000.0, 0.975) == pytest.approx(stats.poisson.ppf(0.975, 10_000), abs=2)


@pytest.mark.parametrize("text", ["5", "5/", "/day", "x/day", "0/day", "-1/day", "inf/day", "nan/day", "5/fortnight"])
def test_budget_that_is_not_understood_is_one(text):
    with pytest.raises(ConfigError, match="5/day"):
        Budget(text, calibration_of([1.0]), True)


def test_budget_says_what_it_lacks():
    with pytest.raises(ConfigError, match="train it again"):
        Budget("5/day", None, True)
    with pytest.raises(ConfigError, match="5/10k"):
        Budget("5/day", calibration_of([1.0]), False)
    with pytest.raises(ConfigError, match="5/day"):
        Budget("5/10k", calibration_of([1.0], lines=0), True)


def test_damaged_scores_of_held_back_windows_are_refused_in_one_line(made, tmp_path):
    for damage in ({"highest": []}, {"highest": [1.0, 2.0]}, {"highest": "x"}, {"windows": "many"}, {"more": 1}):
        model = Model.load(made.model)
        model.card["calibration"] = model.card["calibration"] | damage
        model.save(tmp_path / "m.tinylog")
        done = run_here("detect", "-m", tmp_path / "m.tinylog", "--budget", "5/day", made.log)
        assert done.returncode == 1 and b"damaged" in done.stderr and done.stderr.count(b"\n") == 1, done.stderr


def test_detect_spends_a_budget_and_reports_it(made):
    assert Model.load(made.model).card["calibration"]["windows"] > 10
    counts = []
    for text in ("1/week", "1/hour", "1000/hour"):
        done = run_here("detect", "-m", made.model, "--json", "--budget", text, made.log)
        assert done.returncode == 0, done.stderr
        counts.append(len(done.stdout.splitlines()))
        assert f"budget {text}".encode() in done.stderr and f"{counts[-1]} used".encode() in done.stderr
        assert all(json.loads(line)["score"] > -99 for line in done.stdout.splitlines())
    assert counts == sorted(counts) and counts[-1] > counts[0]
    refused = run_here("detect", "-m", made.model, "--budget", "lots", made.log)
    assert refused.returncode == 2 and b"lots" in refused.stderr and refused.stderr.count(b"\n") == 1


def test_burst_counts_once(made):
    """The same cause again within so many seconds of the last time is counted, not told; the budget's report counts what was told."""
    lines = made.log.read_bytes().splitlines(keepends=True)

    def run(bursts):
        own = Model.load(made.model)
        form, log = recognise(iter([Block(b"".join(lines), 1, None)]))
        own = own.reading(form)
        scorer = Scorer(own, own.pipeline(form), budget=Budget("2000/hour", Calibration.from_json(own.card["calibration"]), True))
        scorer.causes = scorer.causes if bursts else None
        return list(scorer.run(log)), scorer

    (every, _), (told, scorer) = run(False), run(True)
    expected, last = [], {}
    for alert in every:
        if alert.reason == "drift" or abs(alert.time - last.get(cause_of(alert), -math.inf)) > BURST:
            expected.append(alert.session)
        last[cause_of(alert)] = alert.time
    assert [alert.session for alert in told] == expected and 2 < len(told) < len(every)
    assert scorer.counters["burst"] == len(every) - len(told) and scorer.counters["alerts"] == len(told)
    done = run_here("detect", "-m", made.model, "--budget", "2000/hour", "--json", made.log)
    assert f"{len(told)} used".encode() in done.stderr and f"; {len(every) - len(told)} in bursts, not told".encode() in done.stderr
    assert len(done.stdout.splitlines()) == len(told)


def test_bursts_of_streams_are_their_own_and_survive_a_snapshot(made):
    alert = next(Model.load(made.model).detect(made.log.read_bytes().splitlines()))
    bursts, verdicts = Bursts(), []
    for time, stream in [(0, "a"), (800, "a"), (1600, "a"), (1700, "b"), (2600, "a"), (9000, "a"), (8500, "a"), (None, "a"), (None, "a")]:
        bursts = Bursts.from_json(json.loads(json.dumps(bursts.to_json())))
        verdicts.append(bursts.judge(replace(alert, time=time), 0, True, stream))
    assert verdicts == ["told", "burst", "burst", "told", "told", "told", "burst", "told", "told"]


def test_clock_that_jumps_opens_no_budget():
    """One line of the year 9999, or ten years of a clock that is set forward and back, and every window would be within the budget."""
    rng = np.random.default_rng(4)
    scores, minutes = rng.normal(size=6000), 60.0 * np.arange(6000)
    times = minutes.copy()
    times[2000:2003] += 7000 * 365 * DAY
    times[3000:4000] -= 10 * 365 * DAY
    budgets = [Budget("1/day", calibration_of(rng.normal(size=2000)), True) for _ in range(2)]
    alerts = []
    for budget, when in zip(budgets, (minutes, times)):
        p, most = budget.p_values(scores, when)
        alerts.append(int((p <= most).sum()))
    assert alerts[1] <= alerts[0] + 3 and alerts[0] < 20
    assert abs(budgets[1].elapsed - budgets[0].elapsed) < 10 * 60
