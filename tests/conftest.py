"""What the tests share: real logs where they are, a made log with a model, the commands as processes."""
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import pytest


@pytest.fixture(scope="session")
def data() -> Path:
    """Real labelled logs. They are not part of the project: without them the test is skipped."""
    folder = Path(os.environ.get("TINYLOG_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real logs: {folder} is absent (TINYLOG_DATA names another folder)")
    return folder


ROOT = Path(__file__).parents[1]


class Made(NamedTuple):
    """A log of examples/make_log.py, its truth, and a model that the train command made of a longer one."""

    log: Path
    labels: Path
    model: Path


@pytest.fixture(scope="session")
def made(tmp_path_factory) -> Made:
    folder = tmp_path_factory.mktemp("made")
    sys.path.insert(0, str(ROOT / "examples"))
    make_log = import_module("make_log")
    sys.path.pop(0)
    for name, blocks, seed in (("train", 240, 2), ("test", 60, 1)):
        make_log.main(str(folder / f"{name}.log"), str(folder / f"{name}.csv"), blocks, seed)
    train = import_module("tinylog.train")
    options = ["-o", str(folder / "made.tinylog"), "--labels", str(folder / "train.csv"), "--epochs", "40", "--no-teacher", str(folder / "train.log")]
    assert train.main(options) == 0
    return Made(folder / "test.log", folder / "test.csv", folder / "made.tinylog")


def run_command(name: str, *arguments: str, stdin: bytes = b"", **options) -> subprocess.CompletedProcess:
    """A command of tinylog in a process of its own, as users have it."""
    return subprocess.run([sys.executable, "-m", f"tinylog.{name}", *map(str, arguments)], input=stdin, capture_output=True, **options)
