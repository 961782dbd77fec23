"""False alarms that a model learns from: what it then knows, what it keeps, what it refuses."""
import json

import numpy as np
import pytest
from conftest import run_command, run_here

from tinylog.model import load
from tinylog.records import Windows
from tinylog.training.feedback import learn

NEW = "1 2 9 3 4 5 6"  # a step that the log begins to have
BROKEN = "1 3 2 4 6 5"


def rows(rng: np.random.Generator, n: int) -> list[str]:
    """Sessions that loop a little in their middle."""
    return [" ".join(["1", "2", *["3", "4"] * rng.integers(1, 4), "5", "6"]) for _ in range(n)]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("feedback")
    (folder / "train").write_text("\n".join(rows(np.random.default_rng(1), 300)) + "\n")
    done = run_here("train", "-o", folder / "m.tinylog", "--detector", "deeplog_key", "--detector", "rules", "--epochs", "60", folder / "train")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def model(trained, tmp_path):
    path = tmp_path / "m.tinylog"
    path.write_bytes((trained / "m.tinylog").read_bytes())
    return path


def alerts(model, tmp_path, *sessions: str) -> list[dict]:
    log = tmp_path / "log.csv"
    log.write_text("session,sequence\n" + "".join(f"s{i},{events}\n" for i, events in enumerate(sessions)))
    done = run_here("detect", "-m", model, "--json", "--format", "ids", log)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_false_alarm_is_learned_and_nothing_else_and_undone(model, tmp_path):
    sessions = rows(np.random.default_rng(2), 20) + [BROKEN, NEW]
    before = alerts(model, tmp_path, *sessions)
    assert {alert["session"] for alert in before} == {"s20", "s21"}
    false = tmp_path / "false.jsonl"
    false.write_text(json.dumps(before[1]) + "\n")
    original, done = model.read_bytes(), run_here("feedback", "-m", model, "--alerts", false)
    assert done.returncode == 0 and b"1 of 1 kinds of window are normal now, 1 new events" in done.stderr, done.stderr
    assert [alert["session"] for alert in alerts(model, tmp_path, *sessions)] == ["s20"]
    grown = load(model)
    assert grown.n_events == 2 + 7 and grown.template(8).name == "9"
    assert run_here("feedback", "-m", model, "--undo").returncode == 0 and model.read_bytes() == original
    assert b"no such model file" in run_here("feedback", "-m", model, "--undo").stderr


def test_named_sessions_of_a_log_are_learned(model, tmp_path):
    alerts(model, tmp_path, BROKEN, NEW)
    done = run_here("feedback", "-m", model, "--format", "ids", tmp_path / "log.csv", "--normal", "s1")
    assert done.returncode == 0, done.stderr
    assert [alert["session"] for alert in alerts(model, tmp_path, BROKEN, NEW)] == ["s0"]


def test_what_is_no_alert_of_the_model_changes_nothing(model, tmp_path):
    original, false = model.read_bytes(), tmp_path / "false.jsonl"
    alert = alerts(model, tmp_path, NEW)[0]
    for text, says in (("{}", ":1 is no alert"), ("what?", ":1 is no alert"), (json.dumps(alert | {"model": "other"}), "the model 'other'"),
                       (json.dumps(alert | {"events": []}), "0 events"), ("", "holds no alert")):
        false.write_text(text and text + "\n")
        done = run_here("feedback", "-m", model, "--alerts", false)
        assert done.returncode == 1 and says.encode() in done.stderr and done.stderr.count(b"\n") == 1
    done = run_here("feedback", "-m", model, tmp_path / "log.csv", "--normal", "s0", "nobody")
    assert done.returncode == 1 and b"no session 'nobody' (1 of 2 are missing); nothing was changed" in done.stderr
    assert model.read_bytes() == original and not (tmp_path / "m.tinylog.previous").exists()


def test_model_that_would_be_worse_is_refused(model):
    """All kinds of disorder at once: what would make them normal makes the altered windows normal that must alert."""
    twin, rng = load(model), np.random.default_rng(5)
    windows = np.zeros((40, 50), np.int32)
    windows[:, :8] = rng.integers(2, 8, (40, 8))
    outcome = learn(twin, Windows(windows), rng)
    assert outcome.refused.startswith("on old windows the model would be worse") and outcome.learned < outcome.asked
    assert outcome.model is twin or outcome.learned > 0


def test_detector_that_cannot_learn_says_so(made):
    done = run_here("feedback", "-m", made.model, made.log, "--normal", "blk_1")
    assert done.returncode == 1 and (b"no session 'blk_1'" in done.stderr)
    one = json.loads(run_here("detect", "-m", made.model, "--json", made.log).stdout.splitlines()[0])
    done = run_here("feedback", "-m", made.model, made.log, "--normal", one["session"])
    assert done.returncode == 1 and b"distillog of the model 'made' cannot learn from feedback" in done.stderr


def test_one_thing_at_a_time(model):
    assert run_command("feedback", "-m", model).returncode == 2
    assert b"feedback needs -m MODEL, and one of" in run_here("feedback", "--undo").stderr
