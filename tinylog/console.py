"""What the commands share: their common words, one line for a user's error, a quiet end when the reader leaves.

Exit codes: 0 done (a closed reader too), 1 bad input or model, 2 wrong options, 3 alerts with --exit-code, 130 interrupted.
"""
from __future__ import annotations

import argparse
import gc
import math
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from .errors import ModelFileError, TinylogError

if TYPE_CHECKING:
    from .model import Model
    from .reading.formats import Format
    from .records import Block

# More threads make arrays this small slower, and a sidecar has no cores to spare. NumPy reads these when it is imported,
# so that each command imports this module first.
for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")


def arguments(prog: str, description: str, *, model: bool = True, cut: bool = True) -> argparse.ArgumentParser:
    """The options that mean the same in every command; `model`: it reads one; `cut`: it makes sessions of lines."""
    parser = argparse.ArgumentParser(prog=f"python -m tinylog.{prog}", description=description, allow_abbrev=False)
    parser.add_argument("files", nargs="*", metavar="FILE", default=["-"],
                        help="logs to read, plain, .gz or .xz; - or nothing is standard input")
    if model:
        parser.add_argument("-m", "--model", metavar="M", help="model file; without it the bundled model of the log's format")
    parser.add_argument("--format", metavar="NAME", help="log format; without it the first lines decide")
    if cut:
        parser.add_argument("--session", metavar="REGEX", help="what names the session of a line, for example 'blk_-?\\d+'")
        parser.add_argument("--window", type=window, metavar="N", help="cut the log into windows of N lines, or of time (300s), instead of sessions")
    return parser


def given_format(args: argparse.Namespace) -> Format | None:
    """The format that --format names. ConfigError where there is no such format."""
    from .reading.formats import format_named
    return format_named(args.format) if args.format else None


def log_and_model(args: argparse.Namespace, dropped: Counter[str], joined: bool = True) -> tuple[Format, Iterator[Block], Model]:
    """The log's format, its records (joined: see pipeline.recognise), and the model for it, ready for this one log. TinylogError where
    they do not go together.
    """
    from .model import bundled, load
    from .pipeline import read, recognise
    model, form = load(args.model) if args.model else None, given_format(args)
    expected = model.log_format if model is not None and form is None else None
    form, log = recognise(read(args.files, dropped), form, expected, dropped, joined)
    model = model or bundled(form)
    return form, log, model.reading(form, named=args.format is not None)


def check_folder(path: str) -> None:
    """Whether a model file can be written there, asked before the work and not behind it. ModelFileError if not."""
    folder = os.path.dirname(path) or "."
    if not os.path.isdir(folder) or not os.access(folder, os.W_OK):
        raise ModelFileError(f"{path} cannot be written: {folder} is not a folder that can be written to")


def positive(text: str) -> int:
    """An option that counts something."""
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def number(text: str) -> float:
    """An option that is compared with others, which "nan" cannot be."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if math.isnan(value):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number")
    return value


def window(text: str) -> int | float:
    """A number of lines ("50"), or of seconds ("300s") as a float."""
    if text.endswith("s") and text[:-1].replace(".", "", 1).isdecimal() and float(text[:-1]) > 0:
        return float(text[:-1])
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is neither a number of lines, like 50, nor of seconds, like 300s")
    return int(text)


def note(text: str) -> None:
    """One line for people, on standard error; names of files are safe there too."""
    from .output.escape import plain
    sys.stderr.write(plain(text) + "\n")


def run(main: Callable[[], int]) -> None:
    """Leave with the code of `main`: one line for a user's error, none for a reader that left."""
    gc.set_threshold(50_000, 20, 100)  # open sessions are no garbage, and to look through them again and again takes a seventh of the time
    try:
        code = main()
        sys.stdout.flush()
    except TinylogError as error:
        note(f"tinylog: {error}")
        code = error.exit_code
    except BrokenPipeError:
        # Python flushes standard output once more at its end: give it a place where that cannot fail.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except KeyboardInterrupt:
        code = 130
    except OSError as error:  # a full disk behind standard output
        note(f"tinylog: cannot go on: {error.strerror or error}{f' ({error.filename})' if error.filename else ''}")
        code = 1
    sys.exit(code)
