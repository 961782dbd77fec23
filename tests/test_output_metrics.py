"""Figures for Prometheus: what the file says, when it is written, and that a run goes on without it."""
import os
import re
import stat
from collections import Counter

import pytest
from conftest import run_command, run_here

from tinylog.model import Model
from tinylog.output.prometheus import Figure, Textfile, as_text, figures
from tinylog.pipeline import read
from tinylog.reading.formats import FORMATS
from tinylog.streaming.scorer import Scorer

ROW = re.compile(r'tinylog_([a-z_]+)(?:\{((?:[a-z_]+="(?:[^"\\\n]|\\.)*",?)+)\})? (\S+)')


def parsed(text):
    """Each figure by its name and labels, as Prometheus reads the file; its HELP and TYPE come once and before it."""
    found, described = {}, []
    assert text.endswith("\n")
    for row in text.splitlines():
        if row.startswith("# "):
            described.append(row.split(" ", 3)[2])
            continue
        match = ROW.fullmatch(row)
        assert match, row
        assert described[-2:] == ["tinylog_" + match[1]] * 2 and described.count("tinylog_" + match[1]) == 2
        found[match[1] + (f"{{{match[2]}}}" if match[2] else "")] = float(match[3])
    return found


def scorer_of(made):
    model = Model.load(made.model).reading(FORMATS["hdfs"])
    return Scorer(model, model.pipeline(FORMATS["hdfs"]))


def test_detect_writes_the_figures_of_its_run(made, tmp_path):
    path = tmp_path / "tinylog.prom"
    done = run_command("detect", "-m", made.model, "--metrics", path, made.log)  # its seconds are those of a process
    found = parsed(path.read_text())
    raw = made.log.read_bytes()
    assert done.returncode == 0 and os.listdir(tmp_path) == ["tinylog.prom"]
    assert (found["lines_total"], found["bytes_total"]) == (raw.count(b"\n"), len(raw))
    assert sum(n for name, n in found.items() if name.startswith("anomalies_total")) == done.stdout.count(b"\n") > 0
    assert found["windows_total"] == 60 and found["sessions_open"] == 0 and found["unmatched_total"] == 0
    assert found["templates"] == len(Model.load(made.model).parser.templates) - 2 and 0 < found["process_seconds_total"] < 60
    assert found['model_info{model="made",version="0.1.0"}'] == 1 and found["last_line_timestamp_seconds"] > 1.7e9


def test_metrics_are_readable_by_others_and_count_what_was_lost(made, tmp_path):
    path = tmp_path / "m.prom"
    stdin = made.log.read_bytes() + b"260301 080000 5 INFO dfs.New: quite another line\n" + b"x" * (3 << 20) + b"\n"
    before = os.umask(0o022)
    try:
        run_here("detect", "-m", made.model, "--output-format", "csv", "--metrics", path, stdin=stdin)
    finally:
        os.umask(before)
    found = parsed(path.read_text())
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert found['evictions_total{what="cut_lines"}'] == 1 and found['evictions_total{what="lines_without_session"}'] == 1
    assert found['evictions_total{what="joined_lines"}'] == 1  # without a header it belongs to the line before
    assert found["new_templates_total"] == found["unmatched_total"] == 1 and found['anomalies_total{kind="unknown"}'] > 0


def test_metrics_are_written_every_ten_seconds_of_work_and_at_the_end(made, tmp_path):
    path, seconds, written = tmp_path / "m.prom", iter([0, 0, 4, 9.9, 10.1, 10.1, 15, 20.2, 20.2, 21]), []
    scorer = scorer_of(made)
    textfile = Textfile(str(path), scorer, Counter(), None, lambda: next(seconds))
    (block,) = read([str(made.log)], Counter())
    for i, _ in enumerate(textfile.watched([block] * 6)):
        written.append(path.exists() and parsed(path.read_text())["bytes_total"] / len(block.data))
    assert written == [False, 1, 1, 1, 4, 4]
    textfile.write()
    assert parsed(path.read_text())["bytes_total"] == 6 * len(block.data)


@pytest.mark.parametrize("place", ["nowhere/m.prom", "", "/dev/full/m.prom"])
def test_a_place_that_cannot_be_written_is_said_once_and_alerts_go_on(made, tmp_path, place):
    done = run_here("detect", "-m", made.model, "--metrics", os.path.join(tmp_path, place), stdin=made.log.read_bytes())
    notes = [line for line in done.stderr.decode().splitlines() if "metrics cannot be written" in line]
    assert done.returncode == 0 and len(notes) == 1 and done.stdout.count(b"\n") > 0 and not os.listdir(tmp_path)


def test_a_full_disk_leaves_the_old_figures_and_no_rubbish(made, tmp_path, monkeypatch):
    path, notes = tmp_path / "m.prom", []
    textfile = Textfile(str(path), scorer_of(made), Counter(), notes.append)
    textfile.write()
    old = path.read_bytes()

    def full(*args):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("tinylog.output.prometheus.figures", full)
        textfile.write()
        textfile.write()
    assert path.read_bytes() == old and os.listdir(tmp_path) == ["m.prom"]
    assert notes == [f"tinylog: {path}: metrics cannot be written (No space left on device); going on without"]


def test_labels_and_numbers_are_as_the_format_wants_them():
    odd = {"what": 'a "b" \\ \x1b\n'}
    rows = as_text([Figure("x_total", "X.", 1, odd), Figure("y", "Y.", float("inf")), Figure("z", "Z.", float("nan"))])
    assert rows.splitlines()[2] == r'tinylog_x_total{what="a \"b\" \\ \\x1b\\n"} 1' and parsed(rows)["y"] == float("inf")
    assert "tinylog_z NaN" in rows and "# TYPE tinylog_x_total counter" in rows and "# TYPE tinylog_y gauge" in rows


def test_figures_of_a_run_that_has_seen_nothing(made):
    text = as_text(figures(scorer_of(made), Counter(), 0))
    assert parsed(text)["lines_total"] == 0 and "last_line" not in text


def test_what_is_no_regular_file_is_not_replaced(made, tmp_path):
    """As root, the renaming would put a file in the place of a device."""
    path, notes = tmp_path / "m.prom", []
    os.mkfifo(path)
    Textfile(str(path), scorer_of(made), Counter(), notes.append).write()
    assert path.is_fifo() and os.listdir(tmp_path) == ["m.prom"]
    assert notes == [f"tinylog: {path}: metrics cannot be written (it exists and is not a regular file); going on without"]
