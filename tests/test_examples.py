"""The examples and the README do what they say."""
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"


def started(*command):
    """A process that finds the package of this tree, installed or not."""
    return subprocess.run(list(map(str, command)), capture_output=True, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})


def run(*command):
    done = started(*command)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def test_example_log_is_what_its_generator_makes(tmp_path):
    run(sys.executable, EXAMPLES / "make_log.py", tmp_path / "log", tmp_path / "labels")
    assert (tmp_path / "log").read_bytes() == (EXAMPLES / "hdfs.log").read_bytes()
    assert (tmp_path / "labels").read_bytes() == (EXAMPLES / "hdfs_labels.csv").read_bytes()


def test_scan_file_and_explain_alert_name_the_planted_sessions(made):
    anomalous = {row.split(",")[0] for row in made.labels.read_text().splitlines() if row.split(",")[1] == "1"}
    scanned = run(sys.executable, EXAMPLES / "scan_file.py", made.model, made.log)
    assert {line.split()[1] for line in scanned.splitlines()} == anomalous
    explained = run(sys.executable, EXAMPLES / "explain_alert.py", made.model, made.log)
    assert all(session in explained for session in anomalous) and " %  " in explained


def test_new_detector_is_one_new_file(made, tmp_path):
    """In a copy of the package: the commands know it, and so does the conformance suite."""
    shutil.copytree(ROOT / "tinylog", tmp_path / "tinylog", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "tests", tmp_path / "tests", ignore=shutil.ignore_patterns("__pycache__", "golden"))
    shutil.copy(EXAMPLES / "new_detector.py", tmp_path / "tinylog" / "detectors" / "triples.py")
    there = {"cwd": tmp_path, "env": {**os.environ, "PYTHONPATH": str(tmp_path)}, "capture_output": True}
    commands = [["tinylog.train", "-o", "m.tinylog", "--detector", "triples", str(made.log)],
                ["tinylog.detect", "-m", "m.tinylog", "--json", str(made.log)],
                ["pytest", "-q", "-p", "no:cacheprovider", "tests/test_detectors.py", "-k", "triples"]]
    done = [subprocess.run([sys.executable, "-m", *command], **there) for command in commands]
    assert all(each.returncode == 0 for each in done), done
    assert b"triples above 0.500" in done[0].stderr and done[1].stdout == b"" and b"6 passed" in done[2].stdout


def test_scan_file_says_what_is_wrong(tmp_path):
    done = started(sys.executable, EXAMPLES / "scan_file.py", tmp_path / "none", tmp_path / "log")
    assert done.returncode == 1 and b"no such model file" in done.stderr


@pytest.mark.parametrize("script", sorted(EXAMPLES.glob("*.sh")), ids=lambda path: path.name)
def test_shell_examples_are_sound(script):
    run("sh", "-n", script)
    assert script.name in (EXAMPLES / "README.md").read_text()


def blocks_of_readme() -> list[tuple[str, str]]:
    """Each command of the README that is shown with its output: what stands behind "$ ", and the lines below it."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = re.findall(r"```console\n(.*?)```", text, re.DOTALL)
    return [(part.split("\n", 1)[0], part.split("\n", 1)[1]) for block in shown for part in block.split("$ ")[1:]]


@pytest.mark.parametrize("command, output", blocks_of_readme())
def test_readme_shows_what_its_commands_print(command, output):
    """Shown lines end in "..." where they are cut, and a last line "..." stands for more."""
    words = command.replace("python ", f'"{sys.executable}" ', 1)
    printed = run("bash", "-c", words).splitlines()
    for line, real in zip(output.splitlines(), printed + [""] * 99):
        if line.strip() == "...":
            break
        start = line.rstrip().removesuffix("...")
        assert real.startswith(start) if line.endswith("...") else real == line.rstrip()
