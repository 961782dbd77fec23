"""The doctor: what it says of logs whose nature is known, and that a hostile log cannot speak through it."""
import gzip
import io
import json
import shlex
import sys

import pytest
from conftest import ROOT, run_command, run_here
from hypothesis import given, settings
from hypothesis import strategies as st
from test_reading import JAVA, docker, journald

from tinylog import doctor
from tinylog.errors import TinylogError
from tinylog.parsing.unmasked import unmasked
from tinylog.reading.formats import FORMATS
from tinylog.reading.keys import candidates

HDFS = (ROOT / "examples" / "hdfs.log").read_bytes()


def report(raw, *options):
    done = run_here("doctor", "--json", *options, stdin=raw)
    assert done.returncode == 0 and not done.stderr, done.stderr
    return json.loads(done.stdout)


def test_doctor_knows_hdfs_in_docker():
    for raw, wrapped in ((HDFS, []), (docker(HDFS.splitlines()), ["docker"])):
        found = report(raw)
        assert (found["format"], found["wrapped_in"], found["lines"], found["understood"]) == ("hdfs", wrapped, 2149, 1)
        assert found["time"]["first"] == "2026-03-01T08:00:03Z" and found["time"]["jumps_back"] == 0
        assert found["templates"]["count"] == 12 and found["templates"]["flattens"]
        assert found["session_keys"][0]["regex"] == r"blk_-?\d+" and found["session_keys"][0]["sessions"] == 120
        assert found["detect"] == {
            "model": "hdfs", "model_knows": 1.0, "cut_by": "session", "session": r"blk_-?\d+", "window": None, "streams_by": [],
            "command": "python -m tinylog.detect < log", "train": "python -m tinylog.train -o my.tinylog < log"}


def test_command_that_it_names_works(tmp_path):
    """A key of this log's own is found; training and detecting with what is printed cut the log by it."""
    lines = [b"2026-11-22 06:%02d:%02d %b request_id=r%d" % (i // 60, i % 60, text, i // 3)
             for i, text in enumerate([b"accepted", b"worked on", b"answered"] * 400)]
    log = tmp_path / "own.log"
    log.write_bytes(b"\n".join(lines) + b"\n")
    found = report(b"", log)
    assert found["format"] == "timed" and found["detect"]["cut_by"] == "session" and found["session_keys"][0]["sessions"] == 400
    assert found["detect"]["model"] is None
    words = found["detect"]["train"].replace("my.tinylog", str(tmp_path / "my.tinylog"))
    arguments = shlex.split(words)
    assert arguments[:3] == ["python", "-m", "tinylog.train"]
    done = run_here("train", *arguments[3:], "--epochs", "1", "--no-teacher")
    assert done.returncode == 0 and b"400 sessions" in done.stderr
    done = run_here("detect", "-m", tmp_path / "my.tinylog", *shlex.split(found["detect"]["command"])[3:])
    assert done.returncode == 0 and b"400 sessions" in done.stderr


def test_doctor_counts_what_is_joined_and_not_understood():
    found = report(JAVA * 3 + b'{"cut": \n' + JAVA + b"081109 x\n2026-13-45 06:00:00,1 INFO [main] a.B: no such day\n")
    assert found["format"] == "hadoop" and found["dropped"] == {"joined_lines": 21}
    assert [each["line_no"] for each in found["not_understood"]] == [42, 43]
    assert found["time"]["jumps_back"] == 3 and found["time"]["largest_jump_back"] == 2


def test_text_for_people_has_no_control_characters():
    raw = journald([b"\x1b]0;owned\x07 \xff\x00 request %d \x9b31m" % (i // 3) for i in range(60)]) + b"\x1b[2J\x00broken\n"
    text = run_here("doctor", stdin=raw).stdout.decode()
    assert "\x1b" not in text and "\x9b" not in text and all(line.isprintable() for line in text.splitlines())
    assert text.startswith("format         journald: 98.4 % of 61 lines understood\n") and "\\x1b[2J\\x00broken" in text
    for name in ("time", "templates", "session keys", "detect"):
        assert f"\n{name} " in text


LINES = st.lists(st.sampled_from([*JAVA.splitlines(), *HDFS.splitlines()[:9], b"", b"\xff", b"id=7 a"]), min_size=1, max_size=30)


@settings(deadline=None, derandomize=True, max_examples=40)
@given(raw=st.one_of(st.binary(min_size=1, max_size=200), LINES.map(lambda lines: b"\n".join(lines) + b"\n")),
       form=st.sampled_from([[], ["--format", "plain"], ["--format", "docker"], ["--format", "syslog"], ["--window", "60s"]]))
def test_doctor_says_something_of_anything(raw, form):
    """Or refuses it in one sentence."""
    out = io.StringIO()
    stdin, stdout = sys.stdin, sys.stdout
    sys.stdin, sys.stdout = io.TextIOWrapper(io.BytesIO(raw)), out
    try:
        doctor.main([*form])
        assert out.getvalue().startswith("format ") and all(line.isprintable() for line in out.getvalue().splitlines())
    except TinylogError as error:
        assert "\n" not in str(error)
    finally:
        sys.stdin, sys.stdout = stdin, stdout


def test_refuses_what_is_no_log():
    assert run_command("doctor", stdin=b"").returncode == 1
    done = run_here("doctor", stdin=b"1 2 3\n4 5 6\n")
    assert done.returncode == 1 and b"event ids" in done.stderr


def test_session_keys_of_known_shapes():
    form, uuid = FORMATS["plain"], b"b9000564-fe1a-409b-b8cc-1e88b294%04d"
    logs = {b"UUID": [b"step %d of " % (i % 4) + uuid % (i // 4) for i in range(200)],
            b"typed id job_": [b"step of job_17_%04d at %d" % (i // 4, i) for i in range(200)],
            b"named id trace_id": [b"trace_id=t%d step %d" % (i // 4, i) for i in range(200)],
            b"number order": [b"order #%d step %d" % (i // 4, i) for i in range(200)]}
    for what, lines in logs.items():
        best = candidates(lines, [i % 4 for i in range(200)], form)[0]
        assert (best.what.encode(), best.sessions, best.median, best.alike, best.good) == (what, 50, 4, 1, True)
    assert not any(key.good for key in candidates([b"from 10.0.0.%d user=%d" % (i % 9, i % 7) for i in range(200)], [1] * 200, form))
    assert candidates([], [], form) == []


def test_unmasked_places():
    names = "al", "bo", "cy", "di", "eve", "flo"
    texts = [f"user {name} logged in from <*>" for name in names] + ["disk <*> full", "<*> <*> <*>", "x y", ""]
    (place,) = unmasked(texts)
    assert place == ("user <*> logged in from <*>", names, tuple(range(6)))
    assert unmasked(texts[2:]) == []


@pytest.mark.slow
@pytest.mark.parametrize("path, session", [("bgl/BGL_first100k.log.gz", None), ("throughput/linux_25k.log.gz", None),
                                           ("hdfs/raw_dev/HDFS_raw_dev.log.gz", r"blk_-?\d+"),
                                           ("loghub2k/OpenStack_2k.log.gz", r"\[instance: ([0-9a-f-]{36})\]")])
def test_doctor_reads_real_logs(data, path, session):
    found = report(gzip.decompress((data / path).read_bytes()))
    assert found["understood"] == 1 and not found["not_understood"] and found["detect"]["session"] == session
