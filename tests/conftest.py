"""What the tests share: real logs where they are, a made log with a model, the commands as processes."""
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import NamedTuple, TextIO
from unittest import mock

import pytest

from tinylog import console  # before NumPy: a thread, as the commands have it, also where several workers share the machine's cores


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
    options = ["-o", folder / "made.tinylog", "--labels", folder / "train.csv", "--epochs", "20", "--no-teacher", folder / "train.log"]
    assert run_here("train", *options).returncode == 0
    return Made(folder / "test.log", folder / "test.csv", folder / "made.tinylog")


def run_command(name: str, *arguments: str, stdin: bytes = b"", **options) -> subprocess.CompletedProcess:
    """A command of tinylog in a process of its own, as users have it."""
    return subprocess.run([sys.executable, "-m", f"tinylog.{name}", *map(str, arguments)], input=stdin, capture_output=True, **options)


def wait_for(what: Callable[[], object]) -> None:
    """Until it is so; AssertionError after a minute."""
    until = time.monotonic() + 60
    while not what():
        assert time.monotonic() < until
        time.sleep(0.02)


def at_end(process: subprocess.Popen, log: Path) -> bool:
    """Whether the process has read all of the file, as Linux tells it."""
    about = Path(f"/proc/{process.pid}")
    with suppress(OSError):  # files are closed while we look
        for file in (about / "fd").iterdir():
            if file.resolve() == log and int((about / "fdinfo" / file.name).read_text().split()[1]) == log.stat().st_size:
                return True
    return False


def run_here(name: str, *arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess:
    """The same within this process, pipes, exit code and all, in a tenth of the time: for what is not about the process itself.

    Training does without fastText, which is another process and is tested by itself, as it does where fastText is not installed.
    """
    main = import_module(f"tinylog.{name}").main
    (read_in, write_in), (read_out, write_out), (read_err, write_err) = os.pipe(), os.pipe(), os.pipe()
    with ThreadPoolExecutor(3) as others:
        others.submit(_write, write_in, stdin)
        out, err = others.submit(_read, read_out), others.submit(_read, read_err)
        with _standard_input(read_in) as in_, open(write_out, "w", encoding="utf-8") as out_, \
                open(write_err, "w", encoding="utf-8") as err_, mock.patch.multiple(sys, stdin=in_, stdout=out_, stderr=err_), \
                mock.patch("tinylog.training.word_vectors.fasttext_vectors", return_value=None), pytest.raises(SystemExit) as left:
            console.run(lambda: main([str(each) for each in arguments]))
    return subprocess.CompletedProcess([name, *arguments], left.value.code, out.result(), err.result())


@contextmanager
def _standard_input(end: int) -> Iterator[TextIO]:
    """It is file 0, too."""
    before = os.dup(0)
    os.dup2(end, 0)
    os.close(end)
    try:
        with open(0, closefd=False) as file:
            yield file
    finally:
        os.dup2(before, 0)
        os.close(before)


def _read(end: int) -> bytes:
    with open(end, "rb") as file:
        return file.read()


def _write(end: int, data: bytes) -> None:
    with suppress(BrokenPipeError), open(end, "wb", buffering=0) as file:  # what is not asked for is not read
        file.write(data)
