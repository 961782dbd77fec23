"""An alert for people. In a pipe or a file: one line, always the same. On a terminal: two, with a symbol, and colour where it is wanted.

    2026-03-01T08:37:56Z  3.292  blk_-32659  count_vector: no normal session ...  [hdfs.log:704] 260301 083756 ...      in a pipe
    2026-03-01T08:37:56Z  ● 3.292  count: count_vector  blk_-32659  [hdfs.log:704] 260301 083756 ...                    on a terminal
                          └ no normal session had each of these events this often; expected ...

So what `grep` and `cut` see does not depend on the terminal, and nothing is said by colour alone: error and warning differ in
their symbol, and the kind stands there as a word.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping

from ..records import Alert
from .escape import plain, utc

COLORS = {"error": "\x1b[1;31m", "warning": "\x1b[1;33m"}  # red, yellow
FAINT, RESET = "\x1b[2m", "\x1b[0m"
SYMBOLS = {"error": "▲", "warning": "●", "why": "└"}
ASCII = {"error": "!", "warning": "*", "why": "`-"}


def line(alert: Alert) -> str:
    """One line: when, how sure, about what, why, and the line that mattered."""
    why = f"{alert.reason}: {plain(alert.why)}"
    parts = [utc(alert.time) or "-", f"{alert.score:.3f}", plain(alert.session or "-"), why, _where(alert)]
    return "  ".join(part for part in parts if part)


def styled(color: bool, symbols: bool, between: str) -> Callable[[Alert], str]:
    """What writes alerts with a symbol and, if wanted, in colour; `between` what was seen and why stands a newline or spaces."""
    shown = SYMBOLS if symbols else ASCII

    def paint(code: str, text: str) -> str:
        return f"{code}{text}{RESET}" if color else text

    def write(alert: Alert) -> str:
        when = utc(alert.time) or "-"
        kind = alert.kind.replace("_", " ") + (f": {alert.reason}" if alert.reason != alert.kind else "")
        mark = paint(COLORS[alert.severity], f"{shown[alert.severity]} {alert.score:.3f}  {kind}")
        first = "  ".join(part for part in (when, mark, plain(alert.session or "-"), _where(alert)) if part)
        indent = " " * (len(when) + 2) if between == "\n" else ""
        return first + between + paint(FAINT, f"{indent}{shown['why']} {plain(alert.why)}")

    return write


def colored(color: str, terminal: bool, environment: Mapping[str, str]) -> bool:
    """Whether to use colour. What the user said on the command line has the word, then no-color.org, force-color.org, the terminal."""
    if color != "auto":
        return color == "always"
    if environment.get("NO_COLOR"):
        return False
    if environment.get("FORCE_COLOR", "0") not in ("", "0") or environment.get("CLICOLOR_FORCE", "0") not in ("", "0"):
        return True
    return terminal and environment.get("TERM") != "dumb"


def has_symbols(encoding: str | None) -> bool:
    """Whether a stream of this encoding can hold them: UTF-8 can; in any other they would be question marks somewhere."""
    return (encoding or "").lower().replace("-", "") == "utf8"


def _where(alert: Alert) -> str:
    """The file, the number and the text of the line that mattered."""
    if alert.line_no is None:
        return plain(alert.line)
    where = f"{plain(alert.file)}:{alert.line_no}" if alert.file else f"line {alert.line_no}"
    return f"[{where}] {plain(alert.line)}".rstrip()
