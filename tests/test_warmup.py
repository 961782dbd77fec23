"""No model given: how much is learned from, what is told then, that anomalies in what was learned from do no harm."""
import json
import subprocess
import sys
from datetime import datetime, timezone

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from tinylog import detect, load
from tinylog.errors import ConfigError, InputError
from tinylog.reading.formats import FORMATS
from tinylog.records import Alert, Block, Windows
from tinylog.streaming.causes import BURST, Causes
from tinylog.streaming.scorer import Scorer
from tinylog.training import thresholds, warmup
from tinylog.training.first_part import first_part

from conftest import run_here

SYSLOG = FORMATS["syslog"]
JOB = ("job {} queued by scheduler", "job {} started on worker", "job {} read {} rows from table", "job {} finished and was archived")


def log(n: int, seed: int = 0, start: float = 1_772_352_000, plant: dict[int, str] = {}, every: float = 2.0) -> bytes:
    """n lines of jobs, one after the other, with a heartbeat every 20 lines; `plant` puts messages in the place of some lines."""
    rng, lines, job, step = np.random.default_rng(seed), [], 0, 0
    for i in range(n):
        if i in plant:
            message = plant[i]
        elif i % 20 == 0:
            message = "watchdog says that all is well"
        else:
            message = JOB[step].format(job, int(rng.normal(5000, 300)))
            job, step = (job + 1, 0) if step == 3 else (job, step + 1)
        when = datetime.fromtimestamp(start + every * i + rng.uniform(0, 1), timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        lines.append(f"{when} box app[12]: {message}")
    return "\n".join(lines).encode() + b"\n"


def told(data: bytes, capsys, tmp_path, *options: str) -> tuple[list[dict], str]:
    """The alerts of `detect --fresh --json`, and what it said on standard error."""
    (tmp_path / "any.log").write_bytes(data)
    assert detect.main(["--fresh", "--json", *options, str(tmp_path / "any.log")]) == 0
    out, err = capsys.readouterr()
    return [json.loads(line) for line in out.splitlines()], err


def test_normal_log_is_quiet(capsys, tmp_path):
    alerts, err = told(log(12_000), capsys, tmp_path)
    assert alerts == []
    assert "learned from the first 6000 lines" in err and "5 templates" in err and "no new template" in err


def test_planted_anomalies_are_told_each_with_its_reason(capsys, tmp_path):
    planted = {6010: "disk sda3 failed with an uncorrectable error", 7003: JOB[3].format(1, 1), 8002: "job 7 read 90000000 rows from table"}
    alerts, _ = told(log(10_000, plant=planted), capsys, tmp_path)
    assert [(a["reason"], a["line_no"]) for a in alerts][:1] == [("new_template", 6011)]
    assert {"new_template", "value"} <= {a["reason"] for a in alerts} and len(alerts) <= 4
    assert alerts[0]["line"].endswith("uncorrectable error")


def test_heartbeat_that_stops_is_told(capsys, tmp_path):
    data = log(10_000).split(b"\n")
    kept = [line for i, line in enumerate(data) if i < 8000 or b"watchdog" not in line]
    alerts, _ = told(b"\n".join(kept), capsys, tmp_path)
    assert [a["reason"] for a in alerts] == ["silence"] and "watchdog" in alerts[0]["template"]


def test_what_recurs_is_told_once_and_counted(capsys, tmp_path):
    error = "cannot reach the database: connection refused"
    alerts, err = told(log(10_000, plant={i: error for i in range(6000, 9000, 150)}), capsys, tmp_path)
    assert [a["template"] for a in alerts].count(error) == 1 and "not told" in err


def test_anomaly_in_the_warm_up_is_no_normal(capsys, tmp_path):
    """What was there once, or in one window again and again, is told when it comes back."""
    error = "disk sda3 failed with an uncorrectable error"
    planted = dict.fromkeys([1003, 1006, 1009, 1012, 7005], error)
    alerts, _ = told(log(10_000, plant=planted), capsys, tmp_path)
    assert [(a["reason"], a["line_no"]) for a in alerts] == [("new_template", 7006)] and "hardly ever" in alerts[0]["why"]


def test_new_template_like_a_known_one_is_less_than_one_like_nothing(capsys, tmp_path):
    alike, strange = "job 7 started on spare worker", "thermal shutdown imminent"
    alerts, _ = told(log(10_000, plant={6007: alike, 8007: strange}), capsys, tmp_path)
    assert strange in [a["template"] for a in alerts] and alike not in [a["template"] for a in alerts if a["reason"] == "new_template"]


def test_saved_model_tells_the_same(capsys, tmp_path):
    data = log(8000, plant={6010: "disk sda3 failed with an uncorrectable error"})
    alerts, _ = told(data, capsys, tmp_path, "--save", str(tmp_path / "kept.tinylog"))
    model = load(tmp_path / "kept.tinylog")
    assert model.rates is not None and list(model.thresholds) == ["backoff", "newcomer", "deeplog_value"]
    again = run_here("detect", "--json", "-m", tmp_path / "kept.tinylog", stdin=b"".join(data.splitlines(True)[4000:]))
    assert [json.loads(line)["template"] for line in again.stdout.splitlines()] == [a["template"] for a in alerts] != []


def cut(data: bytes, places: list[int]) -> list[Block]:
    """The lines as blocks that end behind the given lines."""
    lines, found, start = data.splitlines(True), [], 0
    for stop in [*sorted({min(place, len(lines)) for place in places}), len(lines)]:
        if stop > start:
            found.append(Block(b"".join(lines[start:stop]), start + 1, None))
        start = max(start, stop)
    return found


MESSY = log(2400, plant={1500: "disk sda3 failed", 1501: "disk sda3 is gone for good", 1900: JOB[3].format(1, 1), 2001: "out of memory: killed worker"},
            every=20.0)


@settings(max_examples=6, deadline=None)
@given(st.lists(st.integers(1, 2400), max_size=8))
def test_alerts_do_not_depend_on_how_the_stream_is_cut(places):
    assert fresh(cut(MESSY, places)) == fresh(cut(MESSY, [])) != []


def fresh(log: list[Block]) -> list[tuple]:
    warm, rest = first_part(iter(log), SYSLOG)
    model = warmup.warmed_up(warm, SYSLOG)
    scorer = Scorer(model, model.pipeline(SYSLOG))
    for block in warm:
        scorer.take(block)
    return [(alert.line_no, alert.reason, alert.why, alert.score) for alert in scorer.run(rest)]


TALE = ("opening blk_{} now", "writing blk_{} to disk", "blk_{} is flushed", "closing blk_{} quietly")
TROUBLE = ("the disk of blk_{} is on fire", "blk_{} lost its way home", "checksum of blk_{} is wrong entirely")


def tales(n: int, first: int, trouble: bool) -> list[bytes]:
    """Lines of n blocks, side by side; every ninth has a line that was never seen, in the middle or when it should be over."""
    rng, events = np.random.default_rng(1), []
    for k in range(first, first + n):
        events += [(3 * k + 2 * step, text.format(k)) for step, text in enumerate(TALE)]
        if trouble and k % 9 == 2:
            events.append((3 * k + int(rng.choice((1, 9, 40))), str(rng.choice(TROUBLE)).format(k)))
    return [f"260301 {8 + t // 3600:02d}{t // 60 % 60:02d}{t % 60:02d} 5 INFO dfs.X: {text}\n".encode() for t, text in sorted(events)]


def test_which_session_stands_for_a_cause_does_not_depend_on_how_the_stream_is_cut():
    """What is certain of an open session and what the end of another tells come in the order of the lines that decided them."""
    hdfs, lines = FORMATS["hdfs"], tales(400, 3000, True)
    model = warmup.warmed_up([Block(b"".join(tales(800, 0, False)), 1, None)], hdfs, timeout=20)

    def told(places):
        own = model.reading(hdfs)
        scorer = Scorer(own, own.pipeline(hdfs, timeout=20))
        return [(alert.session, alert.reason, alert.template) for alert in scorer.run(cut(b"".join(lines), places))], scorer.counters

    whole = told([])
    assert len(whole[0]) > 1 and whole[1]["repeated"] > 2 and whole[1]["burst"] > 2
    assert all(told(places) == whole for places in (range(1, len(lines)), range(7, len(lines), 7), [500]))


@pytest.mark.parametrize("n, wanted, lines", [(300, None, 150), (3001, None, 1500), (30_000, None, 10_000), (12_000, None, 6000), (300, 7, 7), (3000, 600.0, 300)])
def test_how_much_is_learned_from(n, wanted, lines):
    data = log(n)
    warm, rest = first_part(iter(cut(data, [2, 100, 290])), SYSLOG, wanted)
    assert abs(sum(block.data.count(b"\n") for block in warm) - lines) <= (1 if wanted == 600.0 else 0)
    behind = list(rest)
    assert b"".join(block.data for block in warm + behind) == data
    assert behind[0].first_line_no == warm[-1].first_line_no + warm[-1].data.count(b"\n")


def test_pipe_is_not_read_ahead():
    asked = []

    def live():
        for block in cut(log(12_000), [5000, 10_001, 11_000]):
            asked.append(block.first_line_no)
            yield block

    warm, rest = first_part(live(), SYSLOG, live=True)
    assert sum(block.data.count(b"\n") for block in warm) == 10_000 and asked == [1, 5001] and next(rest).first_line_no == 10_001


def test_learning_goes_on_while_templates_are_new():
    words = ["".join(chr(97 + (7 * i + 11 * j * j + k * i) % 26) for k in range(6)) for i in range(24) for j in range(5)]
    texts = [" ".join(words[5 * i:5 * i + 5]) for i in range(24)]
    growing = "".join(f"2026-03-01T08:00:00Z box app: {texts[min(i // 500, 23)]}\n" for i in range(50_000)).encode()
    warm, _ = first_part(iter(cut(growing, [])), SYSLOG)
    assert sum(block.data.count(b"\n") for block in warm) == 20_000


def test_times_that_go_back_are_learned_from():
    data = b"".join(b"2026-03-01T08:%02d:%02dZ box app: tick %d\n" % (59 - i // 60, i % 60, i) for i in range(3000))
    model = warmup.warmed_up(cut(data, []), SYSLOG)
    assert model.card["warm_up"]["seconds"] is None and "3000 lines: 1 templates" in warmup.summary(model)


def test_what_cannot_be_learned_from_is_refused():
    for data, wanted in ((b"one line\n", None), (log(10), 10), (log(10), 99)):
        with pytest.raises(InputError, match="--warmup"):
            first_part(iter(cut(data, [])), SYSLOG, wanted)
    with pytest.raises(ConfigError, match="number of lines"):
        first_part(iter(cut(log(10), [])), FORMATS["ids"], 60.0)


def test_commands_that_contradict_or_lack_words_are_refused(tmp_path):
    assert run_here("detect", "--fresh", "-m", tmp_path / "x").returncode == 2
    done = run_here("detect", stdin=b"5 5 22 11\n5 5 22 9\n" * 20)
    assert done.returncode == 2 and b"'ids'" in done.stderr and done.stdout == b""


def test_learning_needs_numpy_alone():
    code = ("import sys; from tinylog import detect; detect.main(['--fresh', '-']); "
            "sys.stderr.write(' '.join(name for name in ('scipy', 'fasttext', 'tinylog.training') if name in sys.modules))")
    done = subprocess.run([sys.executable, "-c", code], input=log(400), capture_output=True, check=True)
    assert done.stderr.decode().splitlines()[-1] == "tinylog.training"


def test_sessions_whose_key_no_line_has_become_windows():
    lines = b"".join(b"081109 %06d 143 INFO dfs.DataNode: all is well %d\n" % (200_000 + i % 60, i) for i in range(200))
    model = warmup.warmed_up(cut(lines, []), FORMATS["hdfs"])
    assert model.spec.kind == "lines" and len(model.score(model.pipeline(FORMATS["hdfs"]).windows([]))) == 0


def test_threshold_does_not_follow_the_anomalous_windows():
    class Scores:
        def __init__(self, scores):
            self.score = lambda windows: scores[windows.events[:, 0]].astype(np.float32)

    rng = np.random.default_rng(0)
    normal = rng.exponential(1, 1000)
    dirty = np.append(normal[:970], 30 + rng.exponential(1, 30))
    found = [thresholds.of_nearly_normals(Scores(s), lambda w, s=s: Scores(s), Windows(np.arange(1000)[:, None]), 0.0002) for s in (normal, dirty)]
    assert 5 < found[0] < 10 and 5 < found[1] < 15


def test_cause_is_told_once_a_burst_by_its_first_and_its_worst_and_what_is_common_not_at_all():
    causes = Causes()

    def alert(event, time, score=1.0):
        return Alert(time, None, 1, None, b"", score, 0.0, "sequence", "", event, "x", None, "backoff", {"came": event}, (), (), (), "m")

    assert causes.judge(alert("1", 0.0), 0) == "told"
    assert causes.judge(alert("1", 9999.0), 500) == "repeated"
    assert causes.judge(alert("2", BURST / 2), 500) == "burst" and causes.judge(alert("2", BURST / 2, 2.0), 500) == "told"
    assert causes.judge(alert("3", BURST + 1), 500) == "told"
    causes = Causes.from_json(json.loads(json.dumps(causes.to_json())))
    assert [causes.judge(alert("3", 1e6 + i), 500 + 2 * i) for i in range(30)][-1] == "common"
    assert causes.judge(alert("4", 2e6), 600, stream="host") == "told"


@pytest.mark.slow
@pytest.mark.parametrize("name, most", [("bgl/BGL_first100k.log.gz", 30), ("throughput/linux_25k.log.gz", 15), ("throughput/iotdb_60k.log.gz", 10),
                                        ("hdfs/raw_dev/HDFS_raw_dev.log.gz", 20)])
def test_real_logs_have_few_alerts(data, capsys, name, most):
    assert detect.main(["--fresh", "--json", str(data / name)]) == 0
    assert 1 <= len(capsys.readouterr().out.splitlines()) <= most


def test_log_with_few_session_keys_is_cut_into_windows():
    lines = [b"081109 %06d 143 INFO dfs.DataNode: %s %d\n" % (200_000 + i % 60, b"for blk_%d" % (i // 8) if i % 4 == 0 else b"housekeeping", i) for i in range(400)]
    assert warmup.warmed_up(cut(b"".join(lines), []), FORMATS["hdfs"]).spec.kind == "lines"
    assert warmup.warmed_up(cut(b"".join(lines), []), FORMATS["hdfs"], session=r"blk_\d+").spec.kind == "session"


def test_model_cannot_be_kept_where_nothing_can_be_written(tmp_path):
    done = run_here("detect", "--fresh", "--save", tmp_path / "no" / "m.tinylog", stdin=log(100))
    assert done.returncode == 1 and b"cannot be written" in done.stderr and b"learned" not in done.stderr
