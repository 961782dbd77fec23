"""SIGTERM, SIGINT, SIGHUP, a reader that leaves, a full disk: what was read is judged, what is said is true, the state fits."""
import json
import os
import signal
import subprocess
import sys
import time

import pytest
from conftest import run_command, run_here, wait_for

from tinylog.reading.waiting import Signals, Stopped


def detect(made, *options, **more):
    command = [sys.executable, "-m", "tinylog.detect", "-m", made.model, *options]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(list(map(str, command)), **pipes | more)


@pytest.mark.parametrize("number, code", [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
@pytest.mark.parametrize("kind", ["pipe", "follow", "state"])
def test_a_signal_ends_the_reading_with_a_summary(made, tmp_path, number, code, kind):
    lines = made.log.read_bytes().splitlines(keepends=True)[:100]
    (tmp_path / "app.log").write_bytes(b"".join(lines))
    options = {"pipe": [], "follow": ["--follow", tmp_path / "app.log"], "state": ["--follow", "--state", tmp_path / "state", tmp_path / "app.log"]}
    process = detect(made, "--threshold", "-99", "--session-timeout", "5", *options[kind])
    if kind == "pipe":
        process.stdin.write(b"".join(lines))
        process.stdin.flush()
    process.stdout.readline()  # it is at work: all lines are one block, and a signal is looked at between two
    process.send_signal(number)
    out, said = process.communicate(timeout=60)
    assert process.returncode == code and b"Traceback" not in said
    assert said.startswith(b"tinylog: 100 lines") and said.count(b"\n") == 1
    assert (b"open ones wait in" if kind == "state" else b"open ones not judged") in said


def wait_for_handler(process):
    """Until SIGTERM is one of the signals that the process catches."""
    def caught():
        with open(f"/proc/{process.pid}/status") as file:
            return int(next(line for line in file if line.startswith("SigCgt")).split()[1], 16) >> signal.SIGTERM - 1 & 1

    wait_for(caught)


def test_a_signal_before_the_first_line_ends_it_too(made):
    process = detect(made)
    wait_for_handler(process)
    process.terminate()
    assert process.communicate(timeout=60) == (b"", b"") and process.returncode == 0


def test_waiting_never_misses_a_signal():
    """One that came before the wait ends it at once; the second of a kind is no longer held back."""
    before = signal.getsignal(signal.SIGTERM)
    with Signals() as signals:
        os.kill(os.getpid(), signal.SIGTERM)
        started = time.monotonic()
        signals.wait(30)
        assert time.monotonic() - started < 10 and signals.code == 0
        assert signal.getsignal(signal.SIGTERM) == before
        with pytest.raises(Stopped):
            signals.check()
    assert signal.getsignal(signal.SIGTERM) == before and signal.set_wakeup_fd(-1) == -1


def test_hangup_opens_the_output_again(made, tmp_path):
    lines = made.log.read_bytes().splitlines(keepends=True)
    out = tmp_path / "alerts"
    process = detect(made, "--threshold", "-99", "--session-timeout", "5", "--output", out, "--state", tmp_path / "state", "-")
    process.stdin.write(b"".join(lines[:300]))
    process.stdin.flush()
    wait_for(lambda: out.exists() and out.read_bytes())
    out.rename(tmp_path / "alerts.1")
    process.send_signal(signal.SIGHUP)
    wait_for(out.exists)
    process.stdin.write(b"".join(lines[300:]))
    _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    first, second = (tmp_path / "alerts.1").read_bytes().splitlines(), out.read_bytes().splitlines()
    assert first and second and f"{len(first) + len(second)} alerts".encode() in said


@pytest.mark.parametrize("kind", ["pipe", "follow", "state"])
def test_asked_how_things_stand_it_says_so_and_goes_on(made, tmp_path, kind):
    lines = made.log.read_bytes().splitlines(keepends=True)[:200]
    log = tmp_path / "app.log"
    log.write_bytes(b"".join(lines[:100]))
    options = {"pipe": [], "follow": ["--follow", log], "state": ["--follow", "--state", tmp_path / "state", log]}
    process = detect(made, "--threshold", "-99", "--session-timeout", "5", "--budget", "100/hour", *options[kind])
    wait_for_handler(process)
    process.send_signal(signal.SIGUSR1)  # before there is a line: it waits
    if kind == "pipe":
        process.stdin.write(b"".join(lines[:100]))
        process.stdin.flush()
    early = process.stderr.readline()
    assert early.startswith(b"tinylog: ") and b"budget 100/hour" in process.stderr.readline()
    if kind == "pipe":
        process.stdin.write(b"".join(lines[100:]))
        process.stdin.flush()
    else:
        with open(log, "ab") as file:
            file.write(b"".join(lines[100:]))

    def asked():
        process.send_signal(signal.SIGUSR1)
        line, _ = process.stderr.readline(), process.stderr.readline()
        return line.startswith(b"tinylog: 200 lines")
    wait_for(asked)
    process.terminate()
    out, said = process.communicate(timeout=60)
    assert process.returncode == 0 and out and said.startswith(b"tinylog: 200 lines") and said.count(b"\n") == 2


def test_hangup_ends_what_does_not_follow(made):
    process = detect(made)
    wait_for_handler(process)
    process.send_signal(signal.SIGHUP)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGHUP


@pytest.mark.parametrize("broken", ["/dev/full", "reader left"])
def test_alerts_that_could_not_be_written_come_after_the_resume(made, tmp_path, broken):
    options = ["--json", "--session-timeout", "300", "--state", tmp_path / "state", made.log]
    if broken == "/dev/full":
        with open("/dev/full", "wb") as full:
            process = detect(made, *options, stdout=full)
            _, said = process.communicate(timeout=60)
        assert process.returncode == 1 and b"No space left" in said and b"Traceback" not in said
    else:
        process = detect(made, *options)
        process.stdout.close()
        process.stdin.close()
        assert process.wait(60) == 0 and process.stderr.read() == b""
        process.stderr.close()
    done = run_command("detect", "-m", made.model, *options)
    clean = run_here("detect", "-m", made.model, *options[:-3], "--state", tmp_path / "other", made.log)
    assert done.returncode == 0 and done.stdout == clean.stdout and clean.stdout.count(b"\n") > 2


def test_standard_input_that_is_a_file_is_read_on(made, tmp_path):
    options = ["detect", "-m", made.model, "--session-timeout", "300", "--state", tmp_path / "state"]
    with open(made.log, "rb") as log:
        first = subprocess.run([sys.executable, "-m", f"tinylog.{options[0]}", *map(str, options[1:])], stdin=log, capture_output=True)
    with open(made.log, "rb") as log:
        again = subprocess.run([sys.executable, "-m", f"tinylog.{options[0]}", *map(str, options[1:])], stdin=log, capture_output=True)
    assert first.stdout and (first.returncode, again.returncode, again.stdout) == (0, 0, b"")


def test_sessions_of_a_pipe_wait_for_the_next_run(made, tmp_path):
    """What one run leaves open the next one goes on with: together they say what one says."""
    lines = made.log.read_bytes().splitlines(keepends=True)
    options = ["--json", "--session-timeout", "300", "--state"]
    parts = [run_command("detect", "-m", made.model, *options, tmp_path / "two", stdin=b"".join(part)) for part in (lines[:400], lines[400:])]
    whole = run_here("detect", "-m", made.model, *options, tmp_path / "one", stdin=b"".join(lines))
    assert [done.returncode for done in (*parts, whole)] == [0, 0, 0]
    alerts = [sorted((a["session"], a["score"], a["line_no"]) for a in map(json.loads, out.splitlines()))  # what is certain comes first in its block
              for out in (parts[0].stdout + parts[1].stdout, whole.stdout)]
    assert alerts[0] == alerts[1] and len(alerts[0]) > 2


def test_state_needs_lines_and_alerts(made, tmp_path):
    done = run_command("detect", "-m", made.model, "--state", tmp_path / "state", stdin=b"sequence\n2 3 4\n")
    assert done.returncode == 2 and b"event-id sequences" in done.stderr and done.stderr.count(b"\n") == 1
    done = run_command("detect", "-m", made.model, "--state", tmp_path / "state", "--output-format", "csv", made.log)
    assert done.returncode == 2 and b"--output-format csv" in done.stderr and done.stderr.count(b"\n") == 1


def test_a_signal_ends_the_judging_of_what_the_end_of_the_log_closed(made, tmp_path):
    log = tmp_path / "big.log"
    log.write_bytes(b"".join(b"260301 080000 5 INFO dfs.X: odd thing of blk_%d\n" % i for i in range(10_000)))
    process = detect(made, "--threshold", "-99", log)
    for _ in range(2):  # the first one says that the model is out of date
        process.stdout.readline()
    process.terminate()
    out, said = process.communicate(timeout=60)
    assert process.returncode == 0 and out.count(b"\n") < 9_000 and said.startswith(b"tinylog: 10000 lines")
