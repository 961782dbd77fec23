"""--adapt: what was not flagged becomes familiar, slowly; nobody can make familiar what training found too odd; cuts and kills change nothing."""
import json
import random
import subprocess
import sys
import time
from copy import copy
from datetime import datetime, timezone
from functools import lru_cache
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import run_command
from hypothesis import given, settings
from hypothesis import strategies as st

from tinylog import detect
from tinylog.detectors import Sizes, backoff, newcomer
from tinylog.errors import ConfigError
from tinylog.model import Model
from tinylog.parsing import Parser
from tinylog.reading import tail
from tinylog.reading.formats import FORMATS
from tinylog.records import FIRST_EVENT, Block, Template, Windows
from tinylog.streaming import adapt
from tinylog.streaming.adapt import Adaptation
from tinylog.streaming.scorer import Scorer
from tinylog.training import warmup
from tinylog.windowing import WindowSpec

SYSLOG = FORMATS["syslog"]
JOB = ("job {} queued by scheduler", "job {} started on worker", "job {} read table", "job {} finished and was archived")
LIKE = "job 5 started on remote worker pool alpha"  # 8.7 nats: below the threshold of 10
ODD = "job on remote worker pool alpha"  # 11.0: above it, within the bound
STRANGE = "job moved to remote pool alpha worker"  # 15.7: beyond it
AN_HOUR = 60  # lines, one a minute


def log(n: int, plant: dict[int, str] = {}, start: int = 0, every: float = 60.0) -> bytes:
    """n lines of jobs; `plant` puts messages between them."""
    lines, step = [], 0
    for i in range(start, start + n):
        message = plant.get(i)
        if message is None:
            message, step = JOB[step % 4].format(step // 4), step + 1
        when = datetime.fromtimestamp(1_772_352_000 + every * i, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        lines.append(f"{when} box app[12]: {message}\n")
    return "".join(lines).encode()


@lru_cache(maxsize=1)
def model() -> Model:
    return warmup.warmed_up([Block(log(2000), 1, None)], SYSLOG, window=10)


@pytest.fixture
def hours_of_minutes(monkeypatch):
    monkeypatch.setattr(adapt, "LEAST", AN_HOUR - 10)


def scorer(adapting: bool = True) -> Scorer:
    own = model().reading(SYSLOG)
    return Scorer(own, own.pipeline(SYSLOG), adaptation=Adaptation(own, True) if adapting else None)


def flagged(judge: Scorer, data: bytes, text: str) -> list[bool]:
    """The verdicts on the windows that have this message, in order."""
    lines = data.splitlines()
    verdicts = judge.verdicts([Block(data, 1, None)])
    return [out for session, _, out in verdicts if any(text.encode() in lines[number - 1] for number in session.line_nos)]


def test_benign_drift_is_forgiven_after_a_day_of_lines_like_it(hours_of_minutes):
    n = 30 * AN_HOUR
    plant = {i: LIKE for i in range(5, n, AN_HOUR)} | {i: ODD for i in range(25, n, AN_HOUR)}
    found = flagged(scorer(), log(n, plant), ODD)
    assert len(found) == 30 and all(found[:newcomer.HOURS]) and not any(found[newcomer.HOURS + 2:])
    assert all(flagged(scorer(adapting=False), log(n, plant), ODD))
    assert all(flagged(scorer(), log(n, {i: text for i, text in plant.items() if text == ODD}), ODD))  # by itself nothing forgives it


@pytest.mark.parametrize("careless", [False, True])
def test_line_that_is_flagged_stays_so_however_often_it_comes(hours_of_minutes, monkeypatch, careless):
    """Ten thousand times within an hour, and in each of a thousand hours more. Who learned from what is flagged would have it for normal."""
    if careless:
        gather = Adaptation.gather
        monkeypatch.setattr(Adaptation, "gather", lambda self, sessions, windows, out: gather(self, sessions, windows, np.zeros_like(out)))
        monkeypatch.setattr(adapt, "SHARE", 1e9)
    rush = log(20_000, {i: STRANGE for i in range(0, 20_000, 2)}, every=0.1)
    monkeypatch.setattr(adapt, "LEAST", 10)
    hours = log(20_000, {i: STRANGE for i in range(2000, 22_000, 20)}, start=2000, every=180.0)
    judge = scorer()
    first, later = flagged(judge, rush, STRANGE), flagged(judge, hours, STRANGE)
    assert len(first) >= 2000 and all(first) and len(later) == 1000
    assert all(later) != careless and judge.adaptation.counters["hours"] > 900


def toy(order: int = 1) -> Model:
    """Events A B X1..X6 D of a random walk: A is followed by B alone, D is rare and never comes behind A."""
    rng, parser = np.random.default_rng(0), Parser()
    ids = [parser.introduce(Template(name, name)) for name in ("A", "B", "X1", "X2", "X3", "X4", "X5", "X6", "D")]
    parser.freeze()
    A, B, *X, D = ids
    rows = np.empty((400, 10), np.int32)
    for row in rows:
        event = int(rng.choice(ids[:-1]))
        for i in range(len(row)):
            row[i] = event
            event = B if event == A else D if event == X[0] and rng.random() < 0.03 else int(rng.choice([A, *X] if event != D else X))
    n = FIRST_EVENT + len(ids)
    detector = backoff.Detector.create(backoff.Config(order=order), Sizes(n, whole=False))
    detector.fit(Windows(rows))
    return Model("toy", "ids", parser, WindowSpec(), np.arange(n), np.ones(n), {"backoff": detector}, {"backoff": 7.5})


def row(*events: int) -> Windows:
    return Windows(np.array([(events * 10)[:10] if len(events) < 4 else events], np.int32))


@pytest.mark.parametrize("bounded", [True, False])
def test_frog_is_not_boiled(monkeypatch, bounded):
    """An attacker who sees all scores writes nothing that is flagged, and for a thousand hours what makes D behind A likelier: he brings
    in what may follow A, then makes D frequent, then writes it. Without the bound he has it normal.
    """
    known = toy()
    A, B, X1, X2, X3, X4, X5, X6, D = range(FIRST_EVENT, FIRST_EVENT + 9)
    target = row(X1, X2, A, D, X1, X3, X4, X2, X5, X6)
    if not bounded:
        monkeypatch.setattr(adapt, "SHARE", 1e9)
    adaptation = Adaptation(known, True)
    trained = known.score(target)[0]
    assert trained > known.threshold * 4 / 3
    kinds = Windows(np.concatenate([row(X1, A, X).events for X in (X1, X2, X3, X4, X5, X6)]))
    frequent = Windows(np.concatenate([row(X1, D).events, target.events]))
    scores = []
    for hour in range(1000):
        windows = kinds if hour < 2 else frequent
        found = adaptation.model.score(windows)
        windows = windows.take(found <= known.threshold)
        sessions = [SimpleNamespace(order=i, last_time=3600.0 * hour, n_events=adapt.LEAST) for i in range(len(windows))]
        for part in adaptation.hours(sessions):
            at = [session.order for session in part]
            adaptation.gather(part, windows.take(at), np.zeros(len(at), bool))
        if hour >= 2:
            scores.append(found[-1])
    assert adaptation.counters["hours"] > 900
    assert (min(scores) > known.threshold) == bounded
    assert min(scores) >= trained - 2.5 - 1e-3 if bounded else scores[-1] < 2
    assert min(scores) < trained - 1  # what he does has an effect all the same


def test_forged_times_make_no_hour_of_few_lines():
    """Lines that say an hour later each, or back and forth by years: an hour has LEAST lines all the same. A step back is no time at all."""
    rng, adaptation = np.random.default_rng(0), Adaptation(toy(), True)
    times = [3601.0 * i for i in range(2000)] + rng.uniform(0, 1e9, 4000).tolist()
    sessions = [SimpleNamespace(order=i, last_time=time, n_events=10) for i, time in enumerate(times)]
    parts = [len(part) for part in adaptation.hours(sessions)]
    assert sum(parts) == len(sessions) and min(parts[:-1]) >= adapt.LEAST // 10
    for step, hours in ((10 * 365 * 86400.0, 99), (-10 * 365 * 86400.0, 1), (3700.0, 99), (35.0, 1)):
        sessions = [SimpleNamespace(order=i, last_time=step * i, n_events=1000) for i in range(100)]
        assert len(list(Adaptation(toy(), True).hours(sessions))) == hours


def test_log_without_times_has_hours_of_lines():
    adaptation = Adaptation(toy(), False)
    sessions = [SimpleNamespace(order=i, last_time=float("nan"), n_events=1000) for i in range(100)]
    assert [len(part) for part in adaptation.hours(sessions)] == [42, 42, 16]


def test_counting_is_once_a_call_stays_a_distribution_and_has_room_for_so_many():
    detector, rng = toy(order=2).detectors["backoff"], np.random.default_rng(1)
    rows = Windows(rng.integers(FIRST_EVENT, FIRST_EVENT + 9, (30, 10)).astype(np.int32))
    once, refused = detector.counted(rows, 10_000)
    often, _ = detector.counted(Windows(np.repeat(rows.events, 50, 0)), 10_000)
    assert refused == 0 and all((once.params[key] == often.params[key]).all() for key in once.params)
    assert (detector.params["pair.count"] == toy(order=2).detectors["backoff"].params["pair.count"]).all()  # as it was
    places, n = once._places(rows), FIRST_EVENT + 9
    for histories in places.histories[:50]:
        keys = np.broadcast_to(histories, (n, len(histories)))
        p = np.exp(-once._surprise(keys, backoff._pairs(keys, np.arange(n))).astype(float))
        assert p.sum() == pytest.approx(1, abs=1e-5)
    few, refused = detector.counted(rows, 7)
    assert few.known == detector.known + 7 and refused == once.known - few.known


def test_memory_of_an_hour_and_of_all_hours_is_bounded_and_counted(monkeypatch):
    monkeypatch.setattr(adapt, "CELLS", 200)
    monkeypatch.setattr(adapt, "MOST", 5)
    rng, adaptation = np.random.default_rng(0), Adaptation(toy(), True)
    for hour in range(5):
        sessions = [SimpleNamespace(order=100 * hour + i, last_time=3600.0 * hour + i, n_events=100) for i in range(30)]
        for part in adaptation.hours(sessions):
            windows = Windows(rng.integers(FIRST_EVENT, FIRST_EVENT + 9, (len(part), 10)).astype(np.int32))
            adaptation.gather(part, windows, np.zeros(len(part), bool))
    assert len(adaptation._gathered) <= 20 and "no room for" in adaptation.summary() and "5 more pairs of events" in adaptation.summary()
    assert adaptation.counters["windows"] > 0 < adaptation.counters["things"]


def test_template_that_was_forgotten_is_counted_anew(hours_of_minutes):
    judge = scorer()
    n = 30 * AN_HOUR
    assert not flagged(judge, log(n, {i: LIKE for i in range(5, n, AN_HOUR)}), LIKE)[-1]
    event = int(judge.pipeline.parser.learn(LIKE.encode() + b"\n")[0])
    learned = judge.adaptation._learning["newcomer"]
    assert event in learned.learned._familiar() and event not in learned.trained._familiar()
    judge.adaptation._gathered = {np.array([2, event, 3], np.int32).tobytes(): None}
    judge.adaptation.forget([event])
    assert event not in learned.learned._familiar()
    assert [np.frombuffer(key, np.int32).tolist() for key in judge.adaptation._gathered] == [[2, 1, 3]]


def test_what_ageing_forgets_is_forgotten(tmp_path, monkeypatch):
    """An id that another template gets has no hours of the one before."""
    (tmp_path / "app.log").write_bytes(log(8000, {i: f"{'abcdefgh'[i // 1000] * 6} is what it says today" for i in range(100, 8000, 500)}, every=100.0))
    model().save(tmp_path / "m.tinylog")
    gone, forget = [], Adaptation.forget
    monkeypatch.setattr(Adaptation, "forget", lambda self, events: (gone.extend(events), forget(self, events))[1])
    monkeypatch.setattr(tail, "SIZE", 50_000)
    assert detect.main(["-m", str(tmp_path / "m.tinylog"), "--adapt", "--max-templates", "2", str(tmp_path / "app.log")]) == 0
    assert len(gone) >= 2 and len(set(gone)) == 2


DRIFTING = log(12 * AN_HOUR, {i: [LIKE, ODD, STRANGE][i // 17 % 3] for i in range(17, 12 * AN_HOUR, 17)})


def told(cuts: list[int], adapting: bool = True) -> list[tuple]:
    """The alerts of DRIFTING, read in blocks that are cut behind these lines."""
    judge, lines, alerts = scorer(adapting), DRIFTING.splitlines(keepends=True), []
    judge.causes, judge._drifted = None, True  # that too much is new is said behind the block in which it is
    edges = [0, *sorted(set(cuts)), len(lines)]
    blocks = [Block(b"".join(lines[start:stop]), start + 1, None) for start, stop in zip(edges, edges[1:]) if start < stop]
    for alert in judge.run(blocks):
        alerts.append((alert.line_no, alert.score, alert.why, alert.events))
    return alerts


@settings(max_examples=8, deadline=None)
@given(st.lists(st.integers(1, 12 * AN_HOUR - 1), max_size=10))
def test_what_is_told_does_not_depend_on_how_the_log_is_cut(cuts):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(adapt, "LEAST", AN_HOUR - 10)
        patch.setattr(newcomer, "HOURS", 4)
        whole = told([])
        assert told(cuts) == whole and len(whole) < len(told([], adapting=False))


@pytest.mark.parametrize("places", [[400], [100, 170, 300, 505, 700]])
def test_kill_and_resume_change_nothing(hours_of_minutes, monkeypatch, tmp_path, capsys, places):
    """A file that grows, each part of it read by a process of its own with one state, some of which end within an hour."""
    monkeypatch.setattr(newcomer, "HOURS", 4)
    known = copy(model())
    known.card = {}  # or it would say each thing once
    known.save(tmp_path / "m.tinylog")
    lines, out = DRIFTING.splitlines(keepends=True), {}
    for name, cuts in (("whole", []), ("parts", places)):
        folder = tmp_path / name
        folder.mkdir()
        for start, stop in zip([0, *cuts], [*cuts, len(lines)]):
            with open(folder / "app.log", "ab") as file:
                file.write(b"".join(lines[start:stop]))
            assert detect.main(["-m", str(tmp_path / "m.tinylog"), "--adapt", "--json", "--state", str(folder / "state"), "--output",
                                str(folder / "alerts"), str(folder / "app.log")]) == 0
        out[name] = [json.loads(line) for line in (folder / "alerts").read_text().splitlines()]
        said = capsys.readouterr().err.splitlines()[-1]
        assert "hours learned" in said and " 2 more templates" in said
    strip = [[(a["line_no"], a["score"], a["why"]) for a in alerts] for alerts in out.values()]
    assert strip[0] == strip[1] and len(strip[0]) > 15


@pytest.mark.slow
def test_kill_9_at_any_moment_changes_nothing(tmp_path):
    """Thirty hours of 1,200 lines, which grow while processes are killed: the alerts of all together are those of one."""
    known, rng = copy(model()), random.Random(0)
    known.card = {}
    known.save(tmp_path / "m.tinylog")
    n = 30 * 1200
    plant = {i: LIKE for i in range(5, n, 1200)} | {i: ODD for i in range(605, n, 1200)} | {i: STRANGE for i in range(905, n, 1200)}
    lines = log(n, plant, every=3.0).splitlines(keepends=True)

    def follow(folder, *options):
        command = [sys.executable, "-m", "tinylog.detect", "-m", tmp_path / "m.tinylog", "--adapt", "--json", "--state", folder / "state",
                   "--output", folder / "alerts", *options, folder / "app.log"]
        return subprocess.Popen(list(map(str, command)), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    found = []
    for name, kills in (("whole", 0), ("killed", 12)):
        folder, at = tmp_path / name, 0
        folder.mkdir()
        (folder / "app.log").touch()
        for _ in range(kills):
            process, until = follow(folder, "--follow"), time.monotonic() + rng.uniform(0.5, 1.5)
            while time.monotonic() < until:
                with open(folder / "app.log", "ab") as file:
                    file.write(b"".join(lines[at:at + 30]))
                at += len(lines[at:at + 30])
                time.sleep(0.01)
            process.kill()
            process.communicate()
        with open(folder / "app.log", "ab") as file:
            file.write(b"".join(lines[at:]))
        said = follow(folder).communicate(timeout=100)[1].decode()
        assert "hours learned" in said and " 1 more templates" in said, said
        found.append([(a["line_no"], a["score"], a["reason"]) for a in map(json.loads, (folder / "alerts").read_text().splitlines())])
    new = [alert for alert in found[0] if alert[2] == "new_template"]
    assert sorted(found[0]) == sorted(found[1]) and 53 < len(new) < 57  # two an hour, one of them for the first day alone


def test_what_an_open_session_is_told_for_does_not_wait_for_an_hour():
    """It is what stays flagged whatever is learned: the score is that of training."""
    judge = scorer()
    lines = log(AN_HOUR, {25: STRANGE, 45: ODD}).splitlines(keepends=True)
    alerts = [(alert.line_no, alert.reason) for alert in judge.run([Block(b"".join(lines[:26]), 1, None), Block(b"".join(lines[26:]), 27, None)])]
    assert alerts[0] == (26, "new_template")
    judge = scorer()
    list(judge.judged(next(iter(judge.pipeline.run([Block(b"".join(lines[:46]), 1, None)])))))
    assert judge.counters["alerts"] == 1  # ODD may be forgiven yet: its window is not over


def test_model_that_does_not_count_is_refused_in_one_line(made):
    with pytest.raises(ConfigError, match="--fresh"):
        Adaptation(Model.load(made.model), True)
    done = run_command("detect", "--adapt", "-m", made.model, made.log)
    assert done.returncode == 2 and done.stderr.count(b"\n") == 1 and b"made" in done.stderr and b"distillog" in done.stderr
    done = run_command("detect", "--adapt", "--every-line", "-m", made.model, made.log)
    assert done.returncode == 2 and done.stderr.count(b"\n") == 1 and b"--every-line" in done.stderr


def test_jobs_and_csv_learn_as_one_process_does(tmp_path, capsys):
    (tmp_path / "app.log").write_bytes(log(12_000, {i: LIKE for i in range(5000, 12_000, 50)}, every=1.0))
    said = []
    for more in ([], ["-j", "2"], ["--output-format", "csv"]):
        assert detect.main(["--fresh", "--adapt", *more, str(tmp_path / "app.log")]) == 0
        said.append(capsys.readouterr().err.splitlines()[-1].partition("hours learned")[::2])
    assert said[0] == said[1] and said[2][1].startswith(said[0][1].partition(";")[0]) and said[0][0].split()[-1] == "1"
