"""Alerts as lines of text, one file for each format, and figures for Prometheus. A format is loaded when it is chosen.

A log is hostile input: whatever it holds, a line that leaves here has no control character but its newline at the end, no
terminal escape and no mark that turns the direction of writing. tests/test_output.py asks that of every format.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TextIO

from ..records import Alert

FORMATS = ("text", "json", "ecs", "otel", "syslog", "logfmt")  # of alerts; csv, which says all verdicts, is the command's own


def writer(name: str, stream: TextIO, environment: Mapping[str, str], color: str = "auto") -> Callable[[Alert], str]:
    """What turns an alert into its line (on a terminal, text is two) without the last newline.

    stream: where it will go, which decides on colour with `color` ("auto", "always", "never") and the `environment`.
    """
    if name != "text":
        return import_module(f".as_{name}", __name__).line
    from . import as_text
    terminal = bool(getattr(stream, "isatty", bool)())
    colored = as_text.colored(color, terminal, environment)
    if not terminal and not colored:
        return as_text.line
    return as_text.styled(colored, as_text.has_symbols(getattr(stream, "encoding", None)), "\n" if terminal else "  ")
