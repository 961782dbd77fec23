"""What survives: every cut of every write, kills at any instant, damage. A toy scorer for the exhaustive ones, the command for the real ones."""
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from itertools import chain, islice
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import at_end, run_command, run_here, wait_for
from hypothesis import given, settings
from hypothesis import strategies as st

from tinylog.errors import StateError
from tinylog.model import Model
from tinylog.parsing import Parser
from tinylog.parsing.newcomers import Newcomers
from tinylog.reading import tail
from tinylog.reading.follow import Logs
from tinylog.reading.waiting import Signals, Stopped
from tinylog.records import Events
from tinylog.streaming import journal, sink, state
from tinylog.streaming.journal import Journal
from tinylog.streaming.sink import Sink
from tinylog.streaming.state import State
from tinylog.windowing.sessions import Sessions
from tinylog.windowing.sliding import Sliding
from tinylog.windowing.timed import Timed


class Killed(BaseException):
    """The process is gone."""


class Toy:
    """Says every third line of each kind, with how many it has seen: what it says depends on all that went before."""

    def __init__(self):
        self.seen, self.lines = Counter(), 0
        self.pipeline, self.ageing = self, SimpleNamespace(due=False)

    def to_json(self):
        return {"seen": dict(self.seen), "lines": self.lines}

    def from_json(self, values):
        self.seen, self.lines = Counter(values["seen"]), values["lines"]

    def run(self, log):
        for block in log:
            for line in block.data.splitlines():
                kind = line.split()[0].decode()
                self.seen[kind] += 1
                self.lines += 1
                if self.seen[kind] % 3 == 0:
                    yield kind, f"{kind} for the {self.seen[kind]}th time, line {self.lines}\n".encode()


def toy_run(folder, paths, out=None, about="toy", ahead=1):
    """A run of the toy until the logs pause; the lock goes as it goes with a process."""
    held = State(str(folder), lambda text: None)
    target = out or Sink(str(folder) + ".out")
    logs = None
    try:
        toy = Toy()
        logs = Logs(list(map(str, paths)), Counter(), 1 << 16, Signals(), pause=True, positions=held.positions, turns=held.turns)
        log = iter(logs)
        first = list(islice(log, ahead))  # which the command looks at before the state begins
        held.begin({"log_format": about}, {"toy": toy}, logs, target, toy)
        with pytest.raises(Stopped):
            for name, data in toy.run(held.following(chain(first, log))):
                held.say(name, data)
        held.close()
    except BaseException:
        held._journal.close()
        os.close(held._lock)
        raise
    finally:
        if logs is not None:
            logs.close()
        if out is None:
            target.close()
    return held


@pytest.fixture
def small(monkeypatch):
    """Blocks of a line or two, snapshots every few of them; and no disk to wait for, thousands of times: here processes are killed, not machines."""
    of_os(monkeypatch, fsync=lambda file: None)
    monkeypatch.setattr(tail, "SIZE", 40)
    monkeypatch.setattr(state, "LEAST", 250)
    monkeypatch.setattr(state, "TIMES", 0)


def budget(monkeypatch, n):
    """All that is written to journal and output together has so many bytes: the write that would go beyond is torn, and the process gone."""
    left, real = [n], os.write

    def write(file, data):
        part = data[:left[0]]
        left[0] -= real(file, part) if part else 0
        if len(part) < len(data):
            raise Killed
        return len(part)

    of_os(monkeypatch, write=write, fsync=lambda file: None)
    return left


def of_os(monkeypatch, **instead):
    """Some functions of `os` are others for what writes journal and output."""
    for module in (journal, sink):
        fake = type("os", (), {"__getattr__": lambda self, name: instead.get(name) or getattr(os, name)})()
        monkeypatch.setattr(module, "os", fake)


def toy_log(path, n=60, seed=1, kinds="abcd"):
    rng = random.Random(seed)
    path.write_text("".join(f"{rng.choice(kinds)} line {i} of {path.name}\n" for i in range(n)))
    return path


@pytest.mark.parametrize("ahead, step", [(1, 37), (0, 61), (12, 61), pytest.param(1, 1, marks=pytest.mark.slow)])
def test_every_cut_of_every_write_loses_and_doubles_nothing(tmp_path, small, monkeypatch, ahead, step):
    """One byte in `step`, all kinds of write. Also where blocks are read before they are asked for, to see what kind of log it is."""
    log = toy_log(tmp_path / "log")
    with monkeypatch.context() as patch:
        left = budget(patch, 1 << 30)
        toy_run(tmp_path / "whole", [log], ahead=ahead)
        total = (1 << 30) - left[0]
    expected = (tmp_path / "whole.out").read_bytes()
    assert expected.count(b"\n") == 19 and total > 1500
    for n in range(0, total, step):
        folder = tmp_path / f"cut{n}"
        with monkeypatch.context() as patch:
            budget(patch, n)
            with pytest.raises(Killed):
                toy_run(folder, [log], ahead=ahead)
        toy_run(folder, [log], ahead=ahead)
        assert Path(f"{folder}.out").read_bytes() == expected, n


def test_many_kills_in_a_row_over_two_files_that_grow(tmp_path, small, monkeypatch):
    """In which turns files are read is up to chance; what was said holds the run to the turns that it was said in."""
    for seed in range(30):
        rng = random.Random(seed)
        folder = tmp_path / str(seed)
        folder.mkdir()
        logs = [folder / "one", folder / "two"]
        for path in logs:
            path.write_bytes(b"")
        for step in range(12):
            for path in logs:
                with open(path, "ab") as file:
                    file.write(b"".join(b"%c line\n" % rng.choice(b"abcd") for _ in range(rng.randrange(8))))
            with monkeypatch.context() as patch:
                budget(patch, rng.randrange(600))
                try:
                    toy_run(folder / "state", logs)
                except Killed:
                    pass
        toy_run(folder / "state", logs)
        said = (folder / "state.out").read_text().splitlines()
        seen = Counter(line.split()[0] for path in logs for line in path.read_text().splitlines())
        times = sorted((line.split()[0], int(line.split()[3][:-2])) for line in said)
        assert times == sorted((kind, n) for kind in seen for n in range(3, seen[kind] + 1, 3)), seed


def test_kills_while_lines_are_read_again_from_an_older_snapshot(tmp_path, small, monkeypatch):
    """What was said and has not come again is in the snapshots that are taken on the way."""
    log = toy_log(tmp_path / "log")
    toy_run(tmp_path / "whole", [log])
    for seed in range(25):
        folder, rng = tmp_path / str(seed), random.Random(seed)
        with monkeypatch.context() as patch:
            budget(patch, 2500)
            with pytest.raises(Killed):
                toy_run(folder, [log])
        newest = max(folder.glob("state.*"), key=lambda path: int(path.suffix[1:]))
        newest.write_bytes(b"damaged" + newest.read_bytes()[7:])
        for allowed in (rng.randrange(1200), 1 << 30):
            with monkeypatch.context() as patch:
                patch.setattr(state, "LEAST", 60)
                budget(patch, allowed)
                try:
                    toy_run(folder, [log])
                except Killed:
                    pass
        assert Path(f"{folder}.out").read_bytes() == (tmp_path / "whole.out").read_bytes(), seed


def test_a_pipe_gets_every_alert_and_one_twice_at_most_for_a_kill(tmp_path, small, monkeypatch):
    log = toy_log(tmp_path / "log")
    toy_run(tmp_path / "whole", [log])
    expected = Counter((tmp_path / "whole.out").read_text().splitlines())
    for n in range(0, 4000, 53):
        got = b""
        for allowed in (n, 1 << 30):
            reading, writing = os.pipe()
            pipe = Sink()
            pipe._file = writing
            with monkeypatch.context() as patch:
                budget(patch, allowed)
                try:
                    toy_run(tmp_path / f"cut{n}", [log], pipe)
                except Killed:
                    pass
            os.close(writing)
            with open(reading, "rb") as end:
                got += end.read()
            got = got[:got.rfind(b"\n") + 1]  # a torn one does not count
        found = Counter(got.decode().splitlines())
        assert set(found) >= set(expected) and sum((found - expected).values()) <= 1, n


def test_every_truncation_of_the_journal_goes_on_without_a_loss(tmp_path, small, monkeypatch):
    """Of what is on the disk nothing is lost by a kill; were it damaged all the same, alerts come twice rather than never."""
    log = toy_log(tmp_path / "log")
    with monkeypatch.context() as patch:
        budget(patch, 1 << 30)
        toy_run(tmp_path / "whole", [log])
    expected = Counter((tmp_path / "whole.out").read_text().splitlines())
    with monkeypatch.context() as patch:
        budget(patch, 2500)
        with pytest.raises(Killed):
            toy_run(tmp_path / "killed", [log])
    files = sorted((tmp_path / "killed").glob("state.*"), key=lambda path: int(path.suffix[1:]))
    before, out = {path: path.read_bytes() for path in files}, (tmp_path / "killed.out").read_bytes()
    assert len(files) == 2
    for n in range(0, len(before[files[-1]]), 5):
        for path in (tmp_path / "killed").glob("state.*"):
            path.unlink()
        for path, data in before.items():
            path.write_bytes(data if path != files[-1] else data[:n])
        (tmp_path / "killed.out").write_bytes(out)
        toy_run(tmp_path / "killed", [log])
        found = Counter((tmp_path / "killed.out").read_text().splitlines())
        lost_records = before[files[-1]].count(b"say") - before[files[-1]][:n].count(b"\n")
        assert set(found) >= set(expected), n
        assert sum((found - expected).values()) <= 3 * max(lost_records, 0) + 3, n


def test_a_damaged_snapshot_falls_back_to_the_one_before_and_says_so(tmp_path, small):
    log, notes = toy_log(tmp_path / "log"), []
    toy_run(tmp_path / "state", [log])
    toy_log(log, 70)
    toy_run(tmp_path / "state", [log])
    files = sorted((tmp_path / "state").glob("state.*"), key=lambda path: int(path.suffix[1:]))
    newest = bytearray(files[-1].read_bytes())
    newest[50] ^= 1
    files[-1].write_bytes(newest)
    before = (tmp_path / "state.out").read_bytes()
    found = Journal(tmp_path / "state").read()
    assert found.snapshot is not None and "the last snapshot is damaged" in found.damage
    toy_run(tmp_path / "state", [log])
    assert (tmp_path / "state.out").read_bytes() == before
    for path in (tmp_path / "state").glob("state.*"):
        path.write_bytes(b"rubbish\n")
    held = State(str(tmp_path / "state"), notes.append)
    os.close(held._lock)
    assert len(notes) == 1 and "begins anew" in notes[0] and held.positions == []


def test_state_of_something_else_is_refused(tmp_path):
    log = toy_log(tmp_path / "log")
    toy_run(tmp_path / "state", [log])
    with pytest.raises(StateError, match="another log format .toy, now other.; take another directory"):
        toy_run(tmp_path / "state", [log], about="other")
    book = Journal(tmp_path / "state")
    book.renew({**book.read().snapshot, "format": 99})
    book.close()
    with pytest.raises(StateError, match="state of format 99, this tinylog writes 2"):
        toy_run(tmp_path / "state", [log])


def test_a_directory_belongs_to_one_process(tmp_path):
    held = State(str(tmp_path), lambda text: None)
    with pytest.raises(StateError, match=f"in use by process {os.getpid()}"):
        State(str(tmp_path), lambda text: None)
    os.close(held._lock)
    os.close(State(str(tmp_path), lambda text: None)._lock)


def test_a_directory_that_cannot_be_written_is_said_at_once(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StateError, match="cannot be written"):
        State(str(tmp_path / "file" / "state"), lambda text: None)


def test_a_full_disk_under_the_state_costs_no_alert(tmp_path, small, monkeypatch):
    """Said once; alerts go on, and when there is room again so does the state."""
    log, notes = toy_log(tmp_path / "log"), []
    toy_run(tmp_path / "whole", [log])

    class Full(Journal):
        renewed = 0

        def renew(self, snapshot):
            self.renewed += 1
            if 1 < self.renewed < 4:
                raise OSError(28, "No space left on device")
            super().renew(snapshot)

        def append(self, record, sync):
            if self.renewed < 4:
                raise OSError(28, "No space left on device")
            super().append(record, sync)

    monkeypatch.setattr(state, "Journal", Full)
    real = State.__init__
    monkeypatch.setattr(State, "__init__", lambda self, folder, note: real(self, folder, notes.append))
    held = toy_run(tmp_path / "full", [log])
    assert (tmp_path / "full.out").read_bytes() == (tmp_path / "whole.out").read_bytes()
    assert len(notes) == 1 and "No space left" in notes[0] and not held._broken
    monkeypatch.undo()
    toy_log(log, 90)
    toy_run(tmp_path / "full", [log])
    toy_run(tmp_path / "whole", [log])
    assert (tmp_path / "full.out").read_bytes() == (tmp_path / "whole.out").read_bytes()


WORDS = ["open", "close", "read", "write", "of", "file", "user=7", "failed", "disk", "node-3", "12 ms", "(x)"]
LINES = st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=6).map(" ".join), max_size=60)


@pytest.mark.parametrize("kind", ["drain", "spell"])
@given(known=LINES, before=LINES, after=LINES)
@settings(deadline=None, derandomize=True, max_examples=40)
def test_newcomers_are_kept_and_what_comes_after_is_parsed_as_ever(kind, known, before, after):
    def fresh():
        parser = Parser(kind=kind, max_newcomers=30, max_children=4)
        parser.learn("".join(line + "\n" for line in known).encode())
        parser.freeze()
        return Parser.from_json(parser.to_json())

    straight, resumed = fresh(), fresh()
    news, again = Newcomers(straight), Newcomers(resumed)
    straight.learn("".join(line + "\n" for line in before).encode())
    again.from_json(json.loads(json.dumps(news.to_json())))
    assert again.to_json() == news.to_json() and len(news) == len(again)
    more = "".join(line + "\n" for line in [*after, *before]).encode()
    assert straight.learn(more).tolist() == resumed.learn(more).tolist()
    assert straight.templates == resumed.templates and news.to_json() == again.to_json()


@pytest.mark.parametrize("make", [lambda: Sessions(3, 10, max_open=2), lambda: Sessions(2, keep=True), lambda: Sliding(3, keep=True),
                                  lambda: Sliding(2, max_open=2), lambda: Timed(7, 3), lambda: Timed(5, 2, keep=True)])
def test_windows_go_on_from_their_state(make):
    def block(rng, n, first, now):
        keys = [tuple(rng.permutation([b"a", b"b", b"\xffc"])[:rng.integers(3)].tolist()) for _ in range(n)]
        times = now + np.cumsum(rng.integers(0, 4, n)) + np.where(rng.random(n) < 0.1, np.nan, 0)
        return Events(rng.integers(2, 9, n).astype(np.int32), np.arange(first, first + n), [b"\x00line %d\xff" % i for i in range(n)], keys, times,
                      rng.integers(0, 2, n).astype(np.int8), "log", rng.uniform(-0.2, 1, n).astype(np.float32))

    for seed in range(30):
        rng = np.random.default_rng(seed)
        straight, resumed = make(), make()
        n = int(rng.integers(0, 40))
        straight.add(block(rng, n, 1, 0))
        straight.certain()
        resumed.from_json(json.loads(json.dumps(straight.to_json())))
        assert repr(list(straight.open)) == repr(list(resumed.open))
        more = block(rng, 40, 1 + n, 100)
        results = [repr([windower.add(more), windower.certain(), windower.close(), dict(windower.counters)]) for windower in (straight, resumed)]
        assert results[0] == results[1]


def decisions(path):
    """What was said, line numbers aside: they begin anew where a log is renamed."""
    alerts = map(json.loads, Path(path).read_text().splitlines())
    return Counter((alert["session"], alert["score"], alert["reason"], alert["time"], alert["line"]) for alert in alerts)


def following(made, folder, *options):
    command = [sys.executable, "-m", "tinylog.detect", "-m", made.model, "--json", "--session-timeout", "300", "--follow",
               "--state", folder / "state", "--output", folder / "alerts", folder / "app.log", *options]
    return subprocess.Popen(list(map(str, command)), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


@pytest.mark.parametrize("kills", [3, pytest.param(60, marks=pytest.mark.slow)])
def test_kill_9_while_a_log_grows_and_is_renamed(made, tmp_path, kills):
    """The alerts of all runs together are those of one that nothing interrupted, each once."""
    rng = random.Random(kills)
    lines = made.log.read_bytes().splitlines(keepends=True)
    log = tmp_path / "app.log"
    log.write_bytes(lines[0])
    at, renamed = 1, 0
    for kill in range(kills):
        process = following(made, tmp_path)
        until = time.monotonic() + rng.uniform(0.2, 0.9)
        while time.monotonic() < until:
            n = min(rng.randrange(1, 1 + 4 * len(lines) // (60 * kills)), len(lines) - 1 - at)  # the last run has a line too
            if rng.random() < 0.02 and renamed < 4 and (tmp_path / "state" / "state.1").exists():  # what was before the first run is not asked for
                log.rename(tmp_path / f"app.log.{9 - renamed}")
                renamed += 1
            with open(log, "ab") as file:
                file.write(b"".join(lines[at:at + n]))
            at += n
            time.sleep(0.01)
        process.kill()
        process.communicate()
    with open(log, "ab") as file:
        file.write(b"".join(lines[at:]))
    process = following(made, tmp_path)
    wait_for(lambda: at_end(process, log))
    process.send_signal(signal.SIGTERM)
    said = process.communicate(timeout=60)[1].decode()
    assert process.returncode == 0 and f"tinylog: {len(lines)} lines" in said, said
    (tmp_path / "whole").mkdir()
    done = run_here("detect", "-m", made.model, "--json", "--session-timeout", "300", "--state", tmp_path / "whole" / "state", "--output",
                    tmp_path / "whole" / "alerts", made.log)
    assert done.returncode == 0, done.stderr
    assert decisions(tmp_path / "alerts") == decisions(tmp_path / "whole" / "alerts") and len(decisions(tmp_path / "alerts")) > 2


def test_detect_says_what_is_wrong_with_its_state_in_one_line(made, tmp_path):
    log, folder = tmp_path / "app.log", tmp_path / "state"
    log.write_bytes(made.log.read_bytes())

    def detect(*options, run=run_here):
        done = run("detect", "-m", made.model, "--session-timeout", "300", "--state", folder, *options, log)
        assert b"Traceback" not in done.stderr
        return done.returncode, done.stdout.count(b"\n"), done.stderr.decode().splitlines()

    assert detect()[1] > 2
    assert detect()[:2] == (0, 0)
    other = Model.load(made.model)
    other.name = "other"
    other.thresholds = {name: threshold + 1 for name, threshold in other.thresholds.items()}
    other.save(tmp_path / "other.tinylog")
    assert detect("-m", tmp_path / "other.tinylog")[:2] == (0, 0)  # feedback does not change what event ids mean
    code, _, (said,) = detect("-m", Path(__file__).parents[1] / "tinylog" / "models" / "hdfs.tinylog", run=run_command)
    assert code == 1 and "state of another model" in said and "remove it to begin anew" in said
    code, _, (said,) = detect("--window", "20", run=run_command)
    assert code == 1 and "state of another window" in said
    log.write_bytes(b"".join(made.log.read_bytes().splitlines(keepends=True)[5:]))
    code, alerts, (first, _) = detect()
    assert code == 0 and "1 of the logs are not where they were" in first
    held = following(made, tmp_path)
    wait_for(lambda: (folder / "lock").read_text().strip() == str(held.pid))
    code, _, (said,) = detect(run=run_command)
    held.kill()
    held.communicate()
    assert code == 1 and f"is in use by process {held.pid}" in said
    for path in folder.glob("state.*"):
        path.write_bytes(b"\xff" * 99)
    code, _, (first, _) = detect()
    assert code == 0 and "no snapshot is whole, so it begins anew" in first
