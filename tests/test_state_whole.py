"""A log that is watched in parts, each by a process of its own with one state: the alerts are those of one run over all of it."""
import json
import random

import pytest
from conftest import ROOT, run_command, run_here


def in_parts(folder, data, places, *options):
    """What `detect --state` appends to its output while the log grows, and all that it said. Parts are processes, a whole need not be one."""
    log, out, said = folder / "app.log", folder / "alerts", []
    log.write_bytes(b"")
    for start, stop in zip([0, *places], [*places, len(data)]):
        with open(log, "ab") as file:
            file.write(data[start:stop])
        done = (run_command if places else run_here)("detect", "--json", "--state", folder / "state", "--output", out, *options, log)
        assert done.returncode == 0, done.stderr
        said.append(done.stderr)
    return [json.loads(line) for line in out.read_bytes().splitlines()], b"".join(said)


def essence(alerts):
    """In one order: what is certain at once comes before or behind what was closed by lines of the same block."""
    return sorted((a["session"], a["line_no"], a["reason"], a["why"], a["score"], a["time"]) for a in alerts)


def syslog(n, seed=0):
    """A host's log with a few odd lines in its second half."""
    rng, lines = random.Random(seed), []
    for i in range(n):
        text = rng.choice(["sshd[%d]: session opened for user root" % rng.randrange(9999), "cron[%d]: run hourly" % rng.randrange(9999),
                           "sshd[%d]: session closed for user root" % rng.randrange(9999)])
        if i > n // 2 and i % 611 == 0:
            text = f"kernel: panic {'abcdefgh'[i // 611 % 8] * 5} fatal failure of the flux capacitor"
        lines.append(b"2026-03-%02dT%02d:%02d:%02dZ host %s\n" % (1 + i // 86400, i // 3600 % 24, i // 60 % 60, i % 60, text.encode()))
    return b"".join(lines)


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_what_was_learned_belongs_to_the_state(tmp_path, seed):
    data, rng = syslog(8000), random.Random(seed)
    whole, _ = in_parts(make(tmp_path / "whole"), data, [], "--fresh", "--warmup", "3000")
    places = sorted(rng.sample(range(len(data) * 4 // 8, len(data)), 3))  # the warm-up is behind them
    parts, said = in_parts(make(tmp_path / "parts"), data, places, "--fresh", "--warmup", "3000")
    assert essence(parts) == essence(whole) and len(whole) >= 1
    assert said.count(b"learned from the first 3000 lines") == 1


def make(folder):
    folder.mkdir()
    return folder


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_log_in_envelopes_goes_on_in_the_middle_of_a_record(tmp_path, seed):
    """Docker cuts long lines in two records: a state holds the first half of one."""
    lines, records, rng = (ROOT / "examples" / "hdfs.log").read_bytes().decode().splitlines()[:900], [], random.Random(seed)
    for line in lines:
        cut = rng.randrange(1, len(line))
        records += [json.dumps({"log": part, "stream": "stdout", "time": "2026-03-01T00:00:00Z"}) for part in (line[:cut], line[cut:] + "\n")]
    data = "".join(record + "\n" for record in records).encode()
    whole, _ = in_parts(make(tmp_path / "whole"), data, [], "--session-timeout", "600")
    parts, _ = in_parts(make(tmp_path / "parts"), data, sorted(rng.sample(range(1000, len(data)), 3)), "--session-timeout", "600")
    assert essence(parts) == essence(whole) and len(whole) >= 2


def test_budget_goes_on_too(made, tmp_path):
    data = made.log.read_bytes()
    options = ("-m", made.model, "--budget", "30/day", "--session-timeout", "60")
    whole, _ = in_parts(make(tmp_path / "whole"), data, [], *options)
    parts, said = in_parts(make(tmp_path / "parts"), data, [len(data) // 3, len(data) // 2], *options)
    assert essence(parts) == essence(whole) and len(whole) >= 1 and b"budget 30/day" in said


@pytest.mark.parametrize("options, word", [(("-j", "2", "--state", "d"), "-j"), (("--every-line", "--state", "d"), "--every-line"),
                                           (("--output-format", "csv", "--output", "f"), "csv"), (("-m", "x", "--fresh"), "--fresh")])
def test_options_that_do_not_go_together_are_refused(options, word):
    done = run_here("detect", *options, stdin=b"")
    assert done.returncode == 2 and word.encode() in done.stderr and done.stdout == b""
