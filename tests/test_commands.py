"""The commands as users have them: pipes, exit codes, one line for what a user did wrong; each of them once or more as a process."""
import csv
import gzip
import json
import os
import subprocess
import sys
import time

import pytest
from conftest import run_command, run_here

from tinylog import detectors
from tinylog.errors import ConfigError
from tinylog.model import Model
from tinylog.parse import _joined


def fails(done, code, *words):
    """One line on standard error that has all the words, nothing on standard output."""
    lines = done.stderr.decode().splitlines()
    assert (done.returncode, done.stdout) == (code, b""), done.stderr
    assert len(lines) == 1 and all(word in lines[0] for word in words), lines
    return True


def truth(path):
    with open(path, newline="") as file:
        return {row["session"]: int(row["label"]) for row in csv.DictReader(file)}


def test_detect_finds_the_planted_anomalies_in_a_pipe(made):
    done = run_command("detect", "-m", made.model, "--json", stdin=made.log.read_bytes())
    assert done.returncode == 0, done.stderr
    alerts = [json.loads(line) for line in done.stdout.splitlines()]
    anomalous = {session for session, label in truth(made.labels).items() if label}
    assert {alert["session"] for alert in alerts} == anomalous
    assert len(alerts) == len(anomalous)  # each at most once
    assert f"{len(alerts)} alerts".encode() in done.stderr


def test_detect_json_has_every_key_and_names_the_line(made):
    done = run_here("detect", "-m", made.model, "--json", made.log)
    lines = made.log.read_bytes().splitlines()
    keys = ("schema id time session line_no file line score threshold detector kind severity reason why event_id template nearest detail expected"
            " contrib events model").split()
    for alert in map(json.loads, done.stdout.splitlines()):
        assert list(alert) == keys
        assert lines[alert["line_no"] - 1].decode() == alert["line"] and alert["session"] in alert["line"]
        assert alert["score"] > alert["threshold"] and alert["score"] == round(alert["score"], 3)
        assert alert["file"] == str(made.log) and alert["time"].startswith("2026-03-01T") and alert["time"].endswith("Z")
        assert all(lines[part["line_no"] - 1].find(alert["session"].encode()) > 0 for part in alert["contrib"])
        assert 0 < sum(part["share"] for part in alert["contrib"]) <= 1.001
        assert alert["reason"] != "new_template" or alert["nearest"] is None or 0 < alert["nearest"]["similarity"] <= 1


def test_detect_is_the_same_from_a_file_a_pipe_and_an_archive(made, tmp_path):
    archive = tmp_path / "test.log.gz"
    archive.write_bytes(gzip.compress(made.log.read_bytes()))
    piped = run_here("detect", "-m", made.model, stdin=made.log.read_bytes()).stdout
    assert piped and piped.replace(b"[line ", b"[%s:" % bytes(made.log)) == run_here("detect", "-m", made.model, made.log).stdout
    assert piped.replace(b"[line ", b"[%s:" % bytes(archive)) == run_here("detect", "-m", made.model, archive).stdout


def test_detect_agrees_with_the_model_in_python(made):
    with open(made.log, "rb") as file:
        alerts = list(Model.load(made.model).detect(file))
    done = run_here("detect", "-m", made.model, "--json", stdin=made.log.read_bytes())
    assert [(a.session, a.score, a.line_no, a.why) for a in alerts] == [
        (a["session"], a["score"], a["line_no"], a["why"]) for a in map(json.loads, done.stdout.splitlines())]


def test_detect_exit_codes(made):
    quiet = b"".join(made.log.read_bytes().splitlines(keepends=True)[:3])
    assert run_here("detect", "-m", made.model, made.log).returncode == 0
    assert run_command("detect", "-m", made.model, "--exit-code", made.log).returncode == 3
    assert run_here("detect", "-m", made.model, "--exit-code", "--threshold", "99", stdin=quiet).returncode == 0
    assert run_command("detect", "--nonsense").returncode == 2
    assert run_here("detect", "-m", made.model, "--window", "0").returncode == 2


def test_detect_says_in_one_line_what_is_wrong(made, tmp_path):
    syslog = b"Jun  9 06:06:20 combo syslogd 1.4.1: restart.\n" * 9
    (tmp_path / "broken").write_bytes(made.model.read_bytes()[:99])
    assert fails(run_command("detect", "-m", made.model, stdin=b""), 1, "empty")
    assert fails(run_here("detect", "-m", made.model, stdin=syslog), 1, "syslog", "hdfs", "--format")
    assert fails(run_here("detect", stdin=syslog[:46]), 1, "line 1", "--warmup")
    assert fails(run_here("evaluate", stdin=syslog), 2, "syslog", "tinylog.train")
    assert fails(run_here("detect", "-m", tmp_path / "nothing"), 1, "nothing", "no such model")
    assert fails(run_here("detect", "-m", tmp_path / "broken"), 1, "broken", "damaged")
    assert fails(run_here("detect", "-m", made.model, tmp_path / "no.log"), 1, "no.log", "cannot be read")
    assert fails(run_here("detect", "--format", "xyz"), 2, "xyz", "hdfs, bgl")
    assert fails(run_here("detect", "-m", made.model, "--format", "hdfs", "--session", "(", stdin=b"x\n"), 2, "regular expression")


def test_detect_survives_any_bytes(made):
    log = made.log.read_bytes()
    rubbish = b"\x00\xff\xfe\x1b[31m" * 5 + b"\n" + b"\n\n" + b"x" * (3 << 20) + b"\n"
    done = run_here("detect", "-m", made.model, stdin=log + rubbish + b"081109 203530 1 INFO dfs.X: no newline \x1b]0;evil\x07 blk_7")
    assert done.returncode == 0
    assert done.stdout.count(b"\n") >= run_here("detect", "-m", made.model, made.log).stdout.count(b"\n")
    assert not any(byte < 32 and byte != 10 or byte == 127 for byte in done.stdout)
    assert b"1 cut lines" in done.stderr


def test_detect_ends_quietly_when_its_reader_leaves(made):
    command = f'"{sys.executable}" -m tinylog.detect -m "{made.model}" --threshold -99 "{made.log}" | head -1'
    done = subprocess.run(["bash", "-c", f"{command}; exit ${{PIPESTATUS[0]}}"], capture_output=True)
    assert (done.returncode, done.stdout.count(b"\n")) == (0, 1)
    assert b"Traceback" not in done.stderr


def test_detect_tells_live_what_is_certain(made):
    """An event that only anomalous sessions have alerts while its session and the pipe are open, though output is buffered."""
    lines = made.log.read_bytes().splitlines(keepends=True)
    at = next(i for i, line in enumerate(lines) if b"volumeMap" in line)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    process = subprocess.Popen([sys.executable, "-m", "tinylog.detect", "-m", made.model], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL, env=environment)
    process.stdin.write(b"".join(lines[:at + 1]))
    process.stdin.flush()
    found = b""
    deadline = time.monotonic() + 60
    os.set_blocking(process.stdout.fileno(), False)
    while b"volumeMap" not in found and time.monotonic() < deadline:
        found += process.stdout.read() or b""
        time.sleep(0.02)
    assert b"volumeMap" in found
    process.kill()
    process.communicate()


def test_detect_on_a_full_disk_says_so(made):
    with open("/dev/full", "wb") as full:
        done = subprocess.run([sys.executable, "-m", "tinylog.detect", "-m", made.model, made.log], stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 1 and b"Traceback" not in done.stderr and b"No space left" in done.stderr


def test_detect_warns_once_that_its_model_is_out_of_date(made):
    kinds = ["alpha", "beta", "gamma", "delta", "epsilon"]
    lines = [f"260301 0800{i % 60:02d} 5 INFO dfs.New: the {kinds[i % 5]} of blk_{i} is new\n" for i in range(2500)]
    done = run_here("detect", "-m", made.model, "--json", "--threshold", "999", stdin="".join(lines).encode())
    (alert,) = map(json.loads, done.stdout.splitlines())
    assert (alert["reason"], alert["session"], alert["score"]) == ("drift", None, 1.0) and "train it again" in alert["why"]


def test_evaluate_counts_what_detect_alerts(made):
    done = run_command("evaluate", "-m", made.model, "--labels", made.labels, "--json", made.log)
    report = json.loads(done.stdout)
    alerts = run_here("detect", "-m", made.model, made.log).stdout.count(b"\n")
    known = truth(made.labels)
    assert report["all"]["n"] == len(known) and report["all"]["tp"] + report["all"]["fn"] == sum(known.values())
    assert report["all"]["tp"] + report["all"]["fp"] == alerts
    figures = ["n", "tp", "fp", "fn", "tn", "precision", "recall", "f1", "false_positive_rate", "average_precision", "prevalence"]
    assert all(list(report[cut]) == figures for cut in ("all", "distinct", "unseen"))
    assert report["all"]["n"] >= report["distinct"]["n"] >= 1 and report["unseen"]["n"] <= report["all"]["n"]
    assert set(report["seconds"]) == {"read", "parse", "window", "score"}
    assert set(report["rules"]) == {"event_set", "count_vector", "bigram", "only_abnormal", "abnormal_share"}
    assert sum(report["model"]["parts"].values()) == report["model"]["file_bytes"] == os.path.getsize(made.model)
    assert 0 < report["model"]["learned_numbers"] <= 442
    moved = json.loads(run_here("evaluate", "-m", made.model, "--labels", made.labels, "--json", "--threshold", "-99", made.log).stdout)
    assert moved["threshold"] == -99 and moved["all"]["tp"] + moved["all"]["fp"] == len(known)


def test_evaluate_unseen_shrinks_by_what_was_seen(made, tmp_path):
    log = tmp_path / "sorted.log"  # by text: sessions in an order that no session had
    log.write_bytes(b"".join(sorted(made.log.read_bytes().splitlines(keepends=True), key=lambda line: line[14:])))
    options = ("evaluate", "-m", made.model, "--labels", made.labels, "--json")
    before = json.loads(run_here(*options, log).stdout)
    after = json.loads(run_here(*options, "--seen", log, log).stdout)
    assert before["unseen"]["n"] > 0 and after["unseen"]["n"] == 0 and after["all"] == before["all"]


def test_evaluate_raw_lines_agree_with_the_same_sessions_as_ids(made, tmp_path):
    model = Model.load(made.model)
    pipeline = model.pipeline(_hdfs())
    from tinylog.pipeline import read
    rows = ["session,sequence,label"]
    known = truth(made.labels)
    for step in pipeline.run(read([str(made.log)], {})):
        for session in step.closed:
            names = [model.parser.templates[event].name for event in session.events]
            rows.append(f"{session.key.decode()},{' '.join(names)},{known[session.key.decode()]}")
    ids = tmp_path / "ids.csv"
    ids.write_text("\n".join(rows) + "\n")
    raw = json.loads(run_here("evaluate", "-m", made.model, "--labels", made.labels, "--json", made.log).stdout)
    assert json.loads(run_here("evaluate", "-m", made.model, "--json", ids).stdout)["all"] == raw["all"]


def _hdfs():
    from tinylog.reading.formats import format_named
    return format_named("hdfs")


def test_evaluate_says_in_one_line_what_is_wrong(made, tmp_path):
    labels = tmp_path / "few.csv"
    labels.write_text("".join(made.labels.read_text().splitlines(keepends=True)[:9]))
    assert fails(run_here("evaluate", "-m", made.model, "--labels", labels, made.log), 1, "52 of 60 sessions have no label")
    assert fails(run_here("evaluate", "-m", made.model, made.log), 1, "60 of 60 sessions", "--labels")
    ids = tmp_path / "ids.csv"
    ids.write_text("sequence,label\n2 3 4,0\n2 x 4,1\n")
    assert fails(run_here("evaluate", "-m", made.model, ids), 1, "ids.csv:3", "'x'")
    templates = tmp_path / "templates.csv"
    templates.write_text("id,template\n1,a\n2,a\n1,b\n")
    ids.write_text("sequence,label\n2 3 4,0\n")
    assert fails(run_here("evaluate", "-m", made.model, "--templates", templates, ids), 1, "templates.csv:4", "'1'", "twice")


def test_parse_writes_one_row_for_every_line(made):
    log = b"081109 203530 1 INFO dfs.A: took 5 ms\n\n\xff\x00\nnot a header took 7 ms"
    done = run_command("parse", "--format", "hdfs", "--values", "--json", stdin=log)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["line_no"] for row in rows] == [1, 2, 3, 4]
    assert rows[0]["template"] == "took <*> ms" and rows[0]["values"] == ["5"]
    assert (rows[1]["event_id"], rows[1]["template"], rows[1]["values"]) == ("1", "", [])
    table = list(csv.DictReader(run_here("parse", "--format", "hdfs", stdin=log).stdout.decode().splitlines()))
    assert [(row["event_id"], row["template"]) for row in table] == [(row["event_id"], row["template"]) for row in rows]


def test_parse_of_a_file_writes_what_a_second_reading_would_match(made, tmp_path):
    log = tmp_path / "log"
    users = [f"session closed for user {name}, {i}" for i, name in enumerate(("root", "a,b", "c", "d"))]
    log.write_text("\n".join([*users, "", "größe 3", "restart"] * 2))
    for options in [], ["--json"], ["--parser", "spell"]:
        short, long = (run_here("parse", *options, *more).stdout.decode().splitlines() for more in ([log], ["--values", log]))  # values: they are read again
        assert len(short) == len(long) == 14 + ("--json" not in options)
        assert all(b.startswith(a.rstrip("}")) for a, b in zip(short, long))


@pytest.mark.parametrize("begin", ["", '{"line_no": '])
@pytest.mark.parametrize("first", [1, 999, 1000, 1001, 123_456])
def test_rows_are_numbered_one_by_one(begin, first):
    for n in 0, 1, 2, 999, 1001, 2500:
        ends = [f",{i}\n" for i in range(n)]
        assert _joined(begin, first, ends) == "".join(f"{begin}{first + i}{end}" for i, end in enumerate(ends))


def test_parse_says_how_often_its_caches_let_lines_pass(tmp_path):
    log = tmp_path / "log"
    letters = bytes(range(97, 123)).decode()
    log.write_text("".join(f"{a}{b}{c} was here\n" for a in letters for b in letters for c in letters))
    done = run_here("parse", log)
    assert b"line cache aside" not in done.stderr  # one block: it is judged behind it
    done = run_here("parse", log, log)
    assert b"17576 line cache aside" in done.stderr, done.stderr


def test_parse_with_a_model_knows_its_templates_and_no_others(made):
    log = made.log.read_bytes().splitlines(keepends=True)[0] + b"260301 080000 5 INFO dfs.New: this is something else\n"
    first, second = csv.DictReader(run_here("parse", "-m", made.model, stdin=log).stdout.decode().splitlines())
    assert first["template"].startswith("Receiving block") and first["event_id"] != "1"
    assert (second["event_id"], second["template"]) == ("1", "")


def test_parse_begins_with_given_templates(made, tmp_path):
    templates = tmp_path / "templates.csv"
    templates.write_text("id,template\n7,Receiving block <*>\n")
    rows = csv.DictReader(run_here("parse", "--templates", templates, made.log).stdout.decode().splitlines())
    assert {row["event_id"] for row in rows if row["template"].startswith("Receiving block")} == {"7"}


def test_train_without_labels_learns_from_normals_and_says_so(made, tmp_path):
    model = tmp_path / "normal.tinylog"
    done = run_here("train", "-o", model, "--epochs", "3", "--no-teacher", made.log)
    assert done.returncode == 0 and b"no labels" in done.stderr, done.stderr
    report = json.loads(run_here("evaluate", "-m", model, "--labels", made.labels, "--json", made.log).stdout)
    assert report["all"]["false_positive_rate"] < 0.5


def test_train_is_reproducible_and_takes_its_options(made, tmp_path):
    files = [tmp_path / f"{name}.tinylog" for name in "abcd"]
    for path, seed, run in zip(files, (5, 5, 5, 6), (run_command, run_command, run_here, run_here)):
        done = run("train", "-o", path, "--labels", made.labels, "--epochs", "5", "--no-teacher", "--seed", seed, "--prior", "0.1", made.log)
        assert done.returncode == 0, done.stderr
    a, b, c, d = (path.read_bytes() for path in files)
    assert a == b and c != d
    assert Model.load(files[0]).card["prior"] == 0.1


def test_train_says_in_one_line_what_is_wrong_and_writes_nothing(made, tmp_path):
    model = tmp_path / "m.tinylog"
    labels = tmp_path / "few.csv"
    labels.write_text("session,label\nblk_1,0\n")
    (tmp_path / "empty.log").write_bytes(b"")
    for code, words, options in (
            (1, ["60 of 60 sessions have no label"], ["--labels", labels, made.log]),
            (1, ["empty"], [tmp_path / "empty.log"]),
            (2, ["nothing", "distillog"], ["--detector", "nothing", made.log]),
            (1, ["no.csv"], ["--templates", tmp_path / "no.csv", made.log]),
            (1, ["no session"], ["--session", "xyz_(\\d+)", made.log])):
        assert fails(run_here("train", "-o", model, *options), code, *words)
        assert not model.exists() and not list(tmp_path.glob(".*"))
    assert fails(run_here("train", "-o", tmp_path / "no folder" / "m", "--labels", made.labels, "--epochs", "1", "--no-teacher", made.log), 1,
                 "no folder")


def test_bundled_models_are_found_by_format():
    from tinylog.model import bundled
    from tinylog.reading.formats import FORMATS
    assert bundled(FORMATS["hdfs"]).name == "hdfs"
    with pytest.raises(ConfigError, match="no bundled model for logs of format 'mac'"):
        bundled(FORMATS["mac"])


def test_detect_csv_has_a_row_for_every_window(made):
    rows = list(csv.DictReader(run_here("detect", "-m", made.model, "--output-format", "csv", made.log).stdout.decode().splitlines()))
    alerts = [json.loads(line)["session"] for line in run_here("detect", "-m", made.model, "--json", made.log).stdout.splitlines()]
    assert list(rows[0]) == ["window", "session", "prediction"] and [row["window"] for row in rows] == [str(i) for i in range(len(rows))]
    assert len(rows) == len(truth(made.labels)) and alerts
    assert sorted(row["session"] for row in rows if row["prediction"] == "1") == sorted(alerts)


def test_two_detectors_in_one_model_and_the_alert_names_the_one_that_fired(made, tmp_path):
    model = tmp_path / "two.tinylog"
    done = run_here("train", "-o", model, "--detector", "rules", "--detector", "distillog", "--epochs", "1", made.log)
    assert done.returncode == 0 and b"rules above 0.000, distillog above " in done.stderr
    assert list(Model.load(model).thresholds) == ["rules", "distillog"]
    alerts = [json.loads(line) for line in run_here("detect", "-m", model, "--json", "--threshold", "-99", made.log).stdout.splitlines()]
    assert len(alerts) == len(truth(made.labels)) and {alert["detector"] for alert in alerts} <= {"rules", "distillog"}


def test_window_of_lines_or_seconds_is_all_there_is(made):
    done = run_here("detect", "-m", made.model, "--window", "5h", made.log)
    assert done.returncode == 2 and b"'5h' is neither a number of lines, like 50, nor of seconds, like 300s" in done.stderr


def test_spell_is_a_parser_of_parse_and_train(made, tmp_path):
    rows = [run_here("parse", "--parser", kind, made.log).stdout.decode().splitlines()[1:] for kind in ("drain", "spell")]
    kinds = [[row.split(",")[1] for row in each] for each in rows]
    assert len(kinds[0]) == len(kinds[1]) and 3 < len(set(kinds[1])) < 60
    model = tmp_path / "spell.tinylog"
    assert run_here("train", "-o", model, "--detector", "rules", "--parser", "spell", made.log).returncode == 0
    assert Model.load(model).parser.kind == "spell"
    assert run_here("parse", "--parser", "slct", made.log).returncode == 2


@pytest.mark.slow
@pytest.mark.parametrize("name", detectors.names())
def test_every_detector_trains_and_detects_raw_lines(name, made, tmp_path):
    module, model = detectors.load(name), tmp_path / "m.tinylog"
    labels = ["--labels", str(made.labels)] if "labels" in getattr(module, "NEEDS", ()) else []
    done = run_here("train", "-o", model, "--detector", name, "--epochs", "1", *labels, made.log)
    assert done.returncode == 0, done.stderr.decode()
    done = run_here("detect", "-m", model, "--json", "--threshold", "-999999", made.log)
    alerts = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0 and len(alerts) >= 20, done.stderr.decode()
    assert all(alert["detector"] == name and alert["why"] and len(alert["contrib"]) > 0 for alert in alerts if alert["events"])
    if labels:
        bare = run_here("train", "-o", model, "--detector", name, made.log)
        says = f"{name} learns from labels of both kinds, and the log has none; give them with --labels F"
        assert bare.returncode == 1 and bare.stderr.decode().splitlines()[-1] == f"tinylog: {says}"
