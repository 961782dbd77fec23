"""Logs that go on: growing, renamed, cut back, absent, and read on from a position, whichever name the file has by then."""
import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter

import pytest
from conftest import at_end, wait_for

from tinylog.errors import InputError
from tinylog.reading.follow import Logs
from tinylog.reading.tail import Tail
from tinylog.reading.waiting import Signals


def lines_of(tail):
    return b"".join(block.data for block in tail.ready(Signals())).decode().split()


def followed(path, **options):
    return Tail(str(path), Counter(), 1 << 16, follow=True, ends=False, **options)


def append(path, text):
    with open(path, "a") as file:
        file.write(text)


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "app.log"
    path.write_text("1\n2\n")
    return path


def test_tail_gives_whole_lines_as_they_come(log):
    tail = followed(log)
    assert lines_of(tail) == ["1", "2"] and lines_of(tail) == []
    append(log, "3\n4 is not yet")
    assert lines_of(tail) == ["3"]
    append(log, "_whole\n")
    assert lines_of(tail) == ["4", "is", "not", "yet_whole"] and not tail.done
    tail.close()


def test_tail_reads_a_renamed_file_to_its_end_and_then_the_new_one(log):
    tail = followed(log)
    assert lines_of(tail) == ["1", "2"]
    log.rename(log.with_name("app.log.1"))
    assert lines_of(tail) == []  # absent
    append(log.with_name("app.log.1"), "3\n")  # its writer has not noticed
    log.write_text("")
    assert lines_of(tail) == ["3"]
    append(log.with_name("app.log.1"), "4\n5 without newline")
    append(log, "6\n")
    blocks = list(tail.ready(Signals()))
    assert [(block.data, block.first_line_no) for block in blocks] == [(b"4\n", 4), (b"5 without newline\n", 5), (b"6\n", 1)]
    assert {block.file for block in blocks} == {str(log)}
    tail.close()


def test_tail_looks_once_more_at_the_old_file_before_it_goes_on(log, monkeypatch):
    """Lines that came between its end and the look at the name."""
    tail, real = followed(log), Tail._follower
    assert lines_of(tail) == ["1", "2"]
    log.rename(log.with_name("app.log.1"))
    log.write_text("4\n")

    def follower(self):
        monkeypatch.undo()
        append(log.with_name("app.log.1"), "3\n")
        return real(self)

    monkeypatch.setattr(Tail, "_follower", follower)
    assert lines_of(tail) + lines_of(tail) == ["3", "4"]
    tail.close()


def test_tail_reads_all_files_where_it_was_renamed_twice_between_two_looks(log):
    tail = followed(log)
    assert lines_of(tail) == ["1", "2"]
    log.rename(log.with_name("app.log.2"))
    time.sleep(0.02)  # the clock of a file system is coarse
    log.write_text("3\n")
    log.rename(log.with_name("app.log.1"))
    time.sleep(0.02)
    log.write_text("4\n")
    assert lines_of(tail) == ["3", "4"]
    tail.close()


@pytest.mark.parametrize("rest", ["", "3\n", "4444\n5\n6\n"])
def test_tail_begins_anew_where_the_file_was_cut_back(log, rest):
    """By a smaller size, or by other bytes before the place where it waits."""
    tail = followed(log)
    assert lines_of(tail) == ["1", "2"] and lines_of(tail) == []
    log.write_text(rest)
    assert lines_of(tail) == rest.split() and tail.counters["files_cut_back"] == 1
    append(log, "7\n")
    assert lines_of(tail) == ["7"]
    tail.close()


def test_tail_waits_for_a_file_that_is_absent_but_says_at_once_what_cannot_be_read(tmp_path):
    tail = followed(tmp_path / "later.log")
    assert lines_of(tail) == [] and tail.position() == {"path": str(tmp_path / "later.log"), "line_no": 1, "raw": None}
    (tmp_path / "later.log").write_text("1\n")
    assert lines_of(tail) == ["1"]
    tail.close()
    with pytest.raises(InputError, match="cannot be read"):
        followed(tmp_path)  # a folder
    with pytest.raises(InputError, match="cannot be read"):
        Tail(str(tmp_path / "none"), Counter(), 99)


def test_tail_goes_on_from_its_position(log):
    tail = followed(log)
    assert lines_of(tail) == ["1", "2"]
    position = tail.position()
    tail.close()
    append(log, "3\n")
    again = followed(log, position=position)
    assert [(block.data, block.first_line_no) for block in again.ready(Signals())] == [(b"3\n", 3)]
    again.close()
    log.rename(log.with_name("app.log-20261122"))
    time.sleep(0.02)
    log.write_text("4\n")
    again = followed(log, position=position)  # the file is found under its new name
    assert lines_of(again) == ["3", "4"] and not again.counters["files_gone"]
    again.close()


def test_tail_says_where_the_file_of_its_position_is_gone(log):
    tail = followed(log)
    lines_of(tail)
    position = tail.position()
    tail.close()
    log.write_text("other\n2\n3\n")  # the same inode, other bytes
    again = followed(log, position=position)
    assert lines_of(again) == ["other", "2", "3"] and again.counters["files_gone"] == 1
    again.close()


def test_an_archive_is_read_on_too(tmp_path):
    import gzip
    path = tmp_path / "old.log.gz"
    path.write_bytes(gzip.compress(b"1\n2\n3"))
    tail = Tail(str(path), Counter(), 99, ends=False)
    assert lines_of(tail) == ["1", "2", "3"] and tail.done
    position = tail.position()
    tail.close()
    again = Tail(str(path), Counter(), 99, ends=False, position=position)
    assert lines_of(again) == [] and again.done and not again.counters
    again.close()


def test_logs_read_again_in_the_same_turns(tmp_path):
    paths = [str(tmp_path / name) for name in ("one", "two")]
    for path in paths:
        append(path, "1\n")
    logs = Logs(paths, Counter(), 99, Signals(), pause=True)
    order = [(block.file, line) for block in logs for line in block.data.splitlines()]
    for path in reversed(paths):
        append(path, "2\n33\n")
        for i, tail in enumerate(logs.tails):
            tail.done = False
            order += [(block.file, line) for block in logs._turn(i) for line in block.data.splitlines()]
    assert [path for path, _ in order] == [paths[i] for i in (0, 1, 1, 1, 0, 0)] and logs.turns == [[0, 2], [1, 7], [0, 5]]
    logs.close()
    fresh = [{"path": path, "line_no": 1, "raw": None} for path in paths]
    again = Logs(paths, Counter(), 99, Signals(), pause=True, positions=fresh, turns=logs.turns)
    assert [(block.file, line) for block in again for line in block.data.splitlines()] == order and again.turns == []
    again.close()


def test_detect_follows_a_log_through_a_renaming(made, tmp_path):
    """The alert of a line that is appended comes while the command runs."""
    lines = made.log.read_bytes().splitlines(keepends=True)
    at = next(i for i, line in enumerate(lines) if b"volumeMap" in line)
    log = tmp_path / "app.log"
    log.write_bytes(b"".join(lines[:at]))
    command = [sys.executable, "-m", "tinylog.detect", "-m", str(made.model), "--follow", str(log)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    found = []
    reader = threading.Thread(target=lambda: found.extend(process.stdout))
    reader.start()
    wait_for(lambda: at_end(process, log))
    append(log, lines[at].decode())
    log.rename(tmp_path / "app.log.1")
    log.write_bytes(b"".join(lines[at + 1:]))
    wait_for(lambda: any(b"volumeMap" in line for line in found))
    wait_for(lambda: at_end(process, log))
    process.terminate()
    process.wait(60)
    reader.join(60)
    said = process.stderr.read().decode()
    process.stdout.close()
    process.stderr.close()
    assert process.returncode == 0
    assert f"tinylog: {len(lines)} lines" in said and "open ones not judged" in said


def test_any_life_of_a_log_gives_every_line_once_and_in_order(tmp_path):
    """Written in pieces, renamed at any moment, looked at now and then, read on by another process: as long as files are there."""
    for seed in range(150):
        rng = random.Random(seed)
        folder = tmp_path / str(seed)
        folder.mkdir()
        path, written, read, piece = folder / "app.log", 0, [], ""
        files, clock = 0, 10**18
        path.write_text("begin\n")
        os.utime(path, ns=(clock, clock))
        tail = followed(path)
        for _ in range(40):
            action = rng.random()
            if action < 0.5:
                new = rng.randrange(4)
                text = piece + "".join(f"{written + i}\n" for i in range(new))
                written += new
                cut = rng.randrange(len(text) + 1) if text else 0
                at_line = text.rfind("\n", 0, cut) + 1  # a renamed file ends with a whole line: this writer is tidy
                with open(path, "a") as file:
                    file.write(text[:at_line])
                piece = text[at_line:]
                clock += 10**9
                os.utime(path, ns=(clock, clock))
            elif action < 0.65 and path.exists() and path.stat().st_size:
                files += 1
                path.rename(folder / f"app.log.{100 - files}")
            elif action < 0.75:
                position = tail.position()
                tail.close()
                tail = followed(path, position=position)
            else:
                read += lines_of(tail)
        with open(path, "a") as file:
            file.write(piece + "end\n")
        clock += 10**9
        os.utime(path, ns=(clock, clock))
        for _ in range(3):
            read += lines_of(tail)
        tail.close()
        assert read == ["begin", *map(str, range(written)), "end"], seed


def test_carriage_returns_of_an_export_stay_after_a_resume_too(tmp_path):
    path = tmp_path / "export"
    path.write_bytes(b"__CURSOR=1\nMESSAGE=a\r\n")
    tail = followed(path)
    first = [block.data for block in tail.ready(Signals())]
    position = tail.position()
    tail.close()
    append(path, "MESSAGE=b\r\n")
    again = followed(path, position=position)
    assert [*first, *[block.data for block in again.ready(Signals())]] == [b"__CURSOR=1\nMESSAGE=a\r\n", b"MESSAGE=b\r\n"]
    again.close()
