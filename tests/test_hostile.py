"""`detect` on logs and places that are no use: it ends by itself, with 0 or with one line that says why, never with a traceback."""
from __future__ import annotations

import os
import random
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from conftest import run_command, run_here

RNG = random.Random(5)
WORDS = ["".join(RNG.choices("abcdefghijklmnopqrstuvwxyz", k=RNG.randrange(2, 9))) for _ in range(3000)]
HEAD = b"260301 080000 5 INFO dfs.X: "


def words(n: int, rng: random.Random) -> bytes:
    return " ".join(rng.choices(WORDS, k=n)).encode()


def hostile(name: str) -> bytes:
    """The bytes of a log."""
    rng = random.Random(name)
    return {
        "NULs": lambda: bytes(100_000),
        "NULs and newlines": lambda: b"\0\n" * 2000,
        "newlines": lambda: b"\n" * 5000,
        "carriage returns": lambda: b"\r" * 5000,
        "one byte": lambda: b"x",
        "one line, no newline": lambda: HEAD + b"Receiving block blk_7",
        "a line of 3 MiB": lambda: b"y" * (3 << 20) + b"\n" + (HEAD + b"Receiving block blk_7\n") * 20,
        "3 MiB without a newline": lambda: b"y" * (3 << 20),
        "invalid UTF-8": lambda: b"".join(HEAD + bytes(rng.choices(range(128, 256), k=20)) + b" blk_%d\n" % (i % 9) for i in range(500)),
        "escapes": lambda: b"\x1b]0;evil\x07\x1b[2J\x1b[31mred\x1b[0m \x9b31m\x7f\x08\n" * 500,
        "mixed line ends": lambda: b"".join(HEAD + b"Receiving block blk_%d" % (i % 9) + rng.choice([b"\n", b"\r\n", b"\r", b"\n\r", b"\0\n"])
                                            for i in range(500)),
        "random bytes": lambda: rng.randbytes(80_000),
        "all lines equal": lambda: b"the same line again\n" * 3000,
        "all lines different": lambda: b"".join(words(8, rng) + b"\n" for _ in range(800)),
        "one token lines": lambda: b"".join(words(1, rng) + b"\n" for _ in range(2000)),
        "jumps": lambda: b"".join(jump(i, rng) for i in range(600)),
        "open braces": lambda: b"{" * 100_000 + b"\n" + b'{"a":' * 50_000 + b"\n",
    }[name]()


def jump(i: int, rng: random.Random) -> bytes:
    """A line whose time is ten years off or no time at all, now and then."""
    when = datetime(2020, 2, 28, tzinfo=timezone.utc) + timedelta(minutes=i, days=rng.choice([0] * 20 + [3652, -3652]))
    stamp = rng.choice([when.isoformat()] * 9 + ["2020-02-30T00:00:00+00:00", "0000-00-00T00:00:00+00:00", "9999-12-31T23:59:59+00:00",
                                                 "2020-01-01T24:61:61+99:99"])
    return f"{stamp} INFO job {i % 7} {rng.choice(['begins', 'ends', 'waits for disk'])}\n".encode()


LOGS = ["NULs", "NULs and newlines", "newlines", "carriage returns", "one byte", "one line, no newline", "a line of 3 MiB", "3 MiB without a newline",
        "invalid UTF-8", "escapes", "mixed line ends", "random bytes", "all lines equal", "all lines different", "one token lines", "jumps", "open braces"]


def ended_well(done: subprocess.CompletedProcess) -> bool:
    """0, or 1 with one line; nothing that a terminal would obey."""
    said = done.stderr.decode()
    assert done.returncode in (0, 1) and "Traceback" not in said and "Warning" not in said, said
    assert all(line.isprintable() for line in said.splitlines())
    assert done.returncode == 0 or (len(said.splitlines()), done.stdout) == (1, b""), said
    assert done.stdout.decode().replace("\n", "").isprintable()
    return True


@pytest.mark.parametrize("name", LOGS)
def test_hostile_log_without_a_model(name: str) -> None:
    assert ended_well(run_here("detect", "--fresh", stdin=hostile(name)))


@pytest.mark.parametrize("name", LOGS)
def test_hostile_log_in_the_format_of_a_model(name: str, tmp_path: Path) -> None:
    assert ended_well(run_here("detect", "--format", "hdfs", "--json", stdin=hostile(name)))


def test_nothing_to_read_is_said(tmp_path: Path) -> None:
    (tmp_path / "empty.log").write_bytes(b"")
    for file, words_of_it in ((tmp_path / "empty.log", "is empty"), (tmp_path, "cannot be read"), (tmp_path / "absent.log", "cannot be read")):
        for options in ([], ["--fresh"]):
            done = run_here("detect", *options, file)
            assert ended_well(done) and done.returncode == 1 and words_of_it in done.stderr.decode()


def test_log_that_is_a_pipe_of_the_file_system_is_read(made, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "log")
    process = subprocess.Popen([sys.executable, "-m", "tinylog.detect", "-m", made.model, tmp_path / "log"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    (tmp_path / "log").write_bytes(made.log.read_bytes())
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0 and out.count(b"\n") == run_here("detect", "-m", made.model, made.log).stdout.count(b"\n")


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="no /dev/full here")
@pytest.mark.parametrize("options", [[], ["--json"], ["--output-format", "csv"], ["--every-line"]])
def test_full_disk_is_said_in_one_line(made, options: list[str]) -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run([sys.executable, "-m", "tinylog.detect", "-m", made.model, *options, made.log], stdout=full, stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr.count(b"\n")) == (1, 1) and b"No space left" in done.stderr


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="no /dev/full here")
def test_full_output_file_is_said_in_one_line(made) -> None:
    done = run_here("detect", "-m", made.model, "--output", "/dev/full", made.log)
    assert ended_well(done) and done.returncode == 1 and b"No space left" in done.stderr
    assert Path("/dev/full").is_char_device()


@pytest.mark.parametrize("options", [["--fresh"], ["--format", "hdfs", "--every-line"], ["--format", "hdfs", "--output-format", "csv"]])
def test_reader_that_leaves_at_once_ends_it_quietly(made, options: list[str]) -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([sys.executable, "-m", "tinylog.detect", *options, made.log], stdout=write, stderr=subprocess.PIPE)
    os.close(write)
    assert done.returncode == 0 and b"Traceback" not in done.stderr and b"Exception ignored" not in done.stderr, done.stderr


def test_templates_and_sessions_that_explode_stay_within_their_bounds(made) -> None:
    rng = random.Random(1)
    log = b"".join(HEAD + words(6, rng) + b" blk_%d\n" % i for i in range(5000))
    done = run_here("detect", "-m", made.model, "--max-templates", "50", "--max-sessions", "10", "--threshold", "999", stdin=log)
    said = done.stderr.decode()
    assert done.returncode == 0 and "templates full" in said and "4990 " in said, said


def test_window_that_no_memory_holds_is_refused(made) -> None:
    for n in ("1000000000", "9" * 30):
        done = run_command("detect", "-m", made.model, "--window", n, made.log)
        assert done.returncode == 2 and done.stderr.count(b"\n") == 1 and b"window size" in done.stderr


def test_numbers_that_are_none_are_wrong_options() -> None:
    for option in ("--threshold", "--session-timeout", "--state-every"):
        done = run_here("detect", option, "nan", stdin=HEAD + b"up\n")
        assert done.returncode == 2 and b"Traceback" not in done.stderr


def test_two_processes_on_one_state_directory_never_write_both(made, tmp_path: Path) -> None:
    """Started at once: those that come while another has it say so; what is told is told once."""
    command = [sys.executable, "-m", "tinylog.detect", "-m", str(made.model), "--session-timeout", "300", "--state", str(tmp_path / "state"),
               "--output", str(tmp_path / "alerts"), str(made.log)]
    running = [subprocess.Popen(command, stderr=subprocess.PIPE) for _ in range(3)]
    said = [(process.communicate(timeout=60)[1].decode(), process.returncode) for process in running]
    assert 0 in [code for _, code in said] and all(code == 0 or "is in use by process" in text for text, code in said), said
    lines = (tmp_path / "alerts").read_text().splitlines()
    assert len(lines) == len(set(lines)) > 2
