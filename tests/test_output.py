"""Alerts in every format: what their readers parse, and that no log can put a control character into one."""
import io
import json
import os
import re
import subprocess
import sys
import unicodedata
from dataclasses import replace

import pytest
from conftest import run_command, run_here
from hypothesis import given, settings
from hypothesis import strategies as st

from tinylog.output import FORMATS, as_json, as_text, writer
from tinylog.output.escape import decoded, dumps, plain, utc
from tinylog.records import KINDS, Alert, Contribution

ALERT = Alert(
    time=1772354734.5, session="blk_7", line_no=12, file="app.log", line=b"took 5 ms", score=3.25, threshold=-2.0, reason="sequence",
    why="'took <*> ms' was not expected there; expected 'done' 91 %", event_id="4", template="took <*> ms", nearest=("took <*> s", 0.812),
    detector="deeplog_key", detail={"after": "3"}, expected=(("5", "done", 0.91), ("END", "the end of the session", 0.05)),
    contrib=(Contribution(12, "4", 0.7, "took <*> ms", b"took 5 ms"), Contribution(None, "3", 0.3, None, None)),
    events=("3", "4"), model="app")


def formatted(name, alert, **options):
    stream = io.StringIO()
    return writer(name, stream, {}, **options)(alert)


# Small readers of the two formats that no library here reads.

def read_logfmt(line):
    """Name and value of each pair, all of the line."""
    pair = r'([a-z_]+)=("(?:[^"\\]|\\["\\])*"|[^\s"=]+)'
    assert re.fullmatch(f"{pair}(?: {pair})*", line), line
    return {name: re.sub(r"\\(.)", r"\1", value[1:-1]) if value[0] == '"' else value for name, value in re.findall(pair, line)}


def read_syslog(line):
    """The header of RFC 5424, the parameters of its one structured datum, the message."""
    param = r' ([!#-<>-\\^-~]{1,32})="((?:[^"\\\]]|\\["\\\]])*)"'
    header = r"<(\d{1,3})>1 (-|\S+) (\S{1,255}) (\S{1,48}) (\S{1,128}) (\S{1,32})"
    found = re.fullmatch(rf"{header} \[tinylog@32473((?:{param})*)\] (.*)", line)
    assert found, line
    keys = ("pri", "time", "host", "app", "procid", "msgid")
    params = {name: re.sub(r"\\(.)", r"\1", value) for name, value in re.findall(param, found[7])}
    return dict(zip(keys, found.groups())), params, found[found.lastindex]


def read_otel(line):
    """The one record of a request, its attributes as a dict."""
    def value(any_value):
        kind, inner = next(iter(any_value.items())) if any_value else ("", None)
        if kind == "arrayValue":
            return [value(each) for each in inner["values"]]
        if kind == "kvlistValue":
            return {pair["key"]: value(pair["value"]) for pair in inner["values"]}
        return int(inner) if kind == "intValue" else inner

    (resource,) = json.loads(line)["resourceLogs"]
    (scope,) = resource["scopeLogs"]
    (record,) = scope["logRecords"]
    return record, {pair["key"]: value(pair["value"]) for pair in record["attributes"]}


def strict(line):
    """JSON without the numbers that only Python reads."""
    def refuse(text):
        raise AssertionError(f"{text} in {line}")
    return json.loads(line, parse_constant=refuse)


def test_json_has_all_that_an_alert_knows():
    found = strict(as_json.line(ALERT))
    assert found["time"] == "2026-03-01T08:45:34.500Z"
    assert (found["kind"], found["severity"], found["reason"]) == ("sequence", "warning", "sequence")
    assert found["nearest"] == {"template": "took <*> s", "similarity": 0.812}
    assert found["expected"][0] == {"event_id": "5", "template": "done", "p": 0.91}
    assert found["contrib"] == [{"line_no": 12, "event_id": "4", "share": 0.7, "template": "took <*> ms", "line": "took 5 ms"},
                                {"line_no": None, "event_id": "3", "share": 0.3, "template": None, "line": None}]
    assert (found["session"], found["file"], found["line_no"], found["events"]) == ("blk_7", "app.log", 12, ["3", "4"])


def test_every_kind_of_reason_is_one_of_seven():
    assert set(KINDS.values()) == {"new_template", "sequence", "value", "count", "rate", "silence", "content"}
    assert replace(ALERT, reason="a code of somebody's own detector").kind == "sequence"
    assert replace(ALERT, reason="only_abnormal").severity == "error"


def test_ecs_maps_as_the_schema_says():
    found = strict(formatted("ecs", ALERT))
    assert found["@timestamp"] == "2026-03-01T08:45:34.500Z" and found["ecs"]["version"] == "8.11.0" and found["message"] == "took 5 ms"
    event = found["event"]
    assert {key: event[key] for key in ("kind", "module", "dataset", "action", "original", "severity", "risk_score")} == {
        "kind": "alert", "module": "tinylog", "dataset": "tinylog.anomaly", "action": "sequence", "original": "took 5 ms", "severity": 13,
        "risk_score": 3.25}
    assert 50 < event["risk_score_norm"] <= 100 and event["created"].endswith("Z") and event["id"] == strict(as_json.line(ALERT))["id"]
    assert found["rule"]["name"] == "sequence" and found["labels"] == {"session": "blk_7", "template": "took <*> ms", "line_no": "12"}
    assert found["log"] == {"level": "warning", "file": {"path": "app.log"}} and json.loads(found["tinylog"]["detail"]) == {"after": "3"}
    bare = strict(formatted("ecs", replace(ALERT, time=None, session=None, file=None, line=b"", line_no=None, nearest=None)))
    assert bare["@timestamp"] == bare["event"]["created"] and bare["message"] == ALERT.why and "file" not in bare["log"]


def test_otel_is_an_export_request_of_one_record():
    record, attributes = read_otel(formatted("otel", ALERT))
    assert record["timeUnixNano"] == "1772354734500000000" and int(record["observedTimeUnixNano"]) > 1772354734500000000
    assert (record["severityNumber"], record["severityText"], record["eventName"]) == (13, "WARN", "tinylog.anomaly")
    assert record["body"] == {"stringValue": "took 5 ms"} and attributes["log.record.template"] == "took <*> ms"
    assert attributes["tinylog.anomaly.expected"][0] == {"event_id": "5", "template": "done", "p": 0.91}
    assert (attributes["tinylog.line_no"], attributes["log.file.name"], attributes["tinylog.session.key"]) == (12, "app.log", "blk_7")
    assert "timeUnixNano" not in read_otel(formatted("otel", replace(ALERT, time=None)))[0]
    _, odd = read_otel(formatted("otel", replace(ALERT, score=float("inf"), detail={"low": float("nan"), "sure": True})))
    assert odd["tinylog.anomaly.score"] == "Infinity" and odd["tinylog.anomaly.detail"] == {"low": "NaN", "sure": True}


def test_syslog_is_rfc_5424_with_structured_data():
    header, params, message = read_syslog(formatted("syslog", replace(ALERT, session='a "b" [c] \\d')))
    assert header | {"host": ""} == {
        "pri": "132", "time": "2026-03-01T08:45:34.500Z", "host": "", "app": "tinylog", "procid": "-", "msgid": "sequence"}
    assert params["session"] == 'a "b" [c] \\d' and params["line_no"] == "12" and params["nearest"] == "took <*> s"
    assert message == ALERT.why + ": took 5 ms"
    assert read_syslog(formatted("syslog", replace(ALERT, time=None, reason="text")))[0]["time"] == "-"
    assert read_syslog(formatted("syslog", replace(ALERT, reason="text")))[0]["pri"] == "131"


def test_logfmt_quotes_what_is_not_one_word():
    line = formatted("logfmt", replace(ALERT, session='say "x=1" \\'))
    assert line.startswith('time=2026-03-01T08:45:34.500Z level=warning msg="') and ' session="say \\"x=1\\" \\\\" ' in line
    found = read_logfmt(line)
    assert (found["session"], found["line"], found["expected"]) == ('say "x=1" \\', "took 5 ms", "done 91 %; the end of the session 5 %")
    assert "file" not in read_logfmt(formatted("logfmt", replace(ALERT, file=None)))


def test_text_is_one_line_in_a_pipe_whatever_the_environment():
    expected = ("2026-03-01T08:45:34.500Z  3.250  blk_7  sequence: 'took <*> ms' was not expected there; expected 'done' 91 %"
                "  [app.log:12] took 5 ms")
    assert formatted("text", ALERT) == expected
    assert writer("text", io.StringIO(), {"TERM": "xterm", "COLORTERM": "truecolor"})(ALERT) == expected


def test_text_in_colour_stays_one_line_in_a_pipe_and_says_the_same():
    line = writer("text", io.StringIO(), {"CLICOLOR_FORCE": "1"})(ALERT)
    assert "\n" not in line and line.count("\x1b[0m") == 2
    bare = re.sub(r"\x1b\[[\d;]*m", "", line)
    assert bare == "2026-03-01T08:45:34.500Z  * 3.250  sequence  blk_7  [app.log:12] took 5 ms  `- " + ALERT.why


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True


def test_text_on_a_terminal_has_two_lines_a_symbol_and_the_kind_as_a_word():
    write = writer("text", Terminal(), {"NO_COLOR": "1"})
    first, second = write(replace(ALERT, reason="count_vector")).split("\n")
    assert first == "2026-03-01T08:45:34.500Z  ● 3.250  count: count_vector  blk_7  [app.log:12] took 5 ms"
    assert second == " " * 26 + "└ " + ALERT.why
    assert "▲" in write(replace(ALERT, reason="only_abnormal"))
    latin = Terminal()
    latin.encoding = "iso-8859-1"
    assert writer("text", latin, {"NO_COLOR": "1"})(ALERT).isascii()


@pytest.mark.parametrize("color, terminal, environment, expected", [
    ("auto", True, {}, True), ("auto", False, {}, False), ("auto", True, {"TERM": "dumb"}, False), ("auto", True, {"NO_COLOR": "1"}, False),
    ("auto", True, {"NO_COLOR": ""}, True), ("auto", False, {"FORCE_COLOR": "1"}, True), ("auto", False, {"FORCE_COLOR": "0"}, False),
    ("auto", False, {"CLICOLOR_FORCE": "1"}, True), ("auto", False, {"CLICOLOR_FORCE": "0"}, False),
    ("auto", False, {"NO_COLOR": "1", "FORCE_COLOR": "1"}, False), ("always", False, {"NO_COLOR": "1"}, True),
    ("never", True, {"FORCE_COLOR": "1"}, False)])
def test_colour_is_used_as_the_user_says(color, terminal, environment, expected):
    assert as_text.colored(color, terminal, environment) is expected


# Hostile input: any bytes as a line, any text that bytes become as session, file, template or detail.

hostile = st.one_of(st.binary(max_size=60), st.sampled_from([
    b"\x1b]0;title\x07\x1b[2J", b"\x00\r\n\x0b\x0c", "\x85\x9b31m".encode(), "a\u202egnp.exe\u2066".encode(), b'"]\\" x="1" [evil@1 a="b"]',
    "\u2028\u2029\ufeff\u200b\U000e0041".encode(), b"\\", b"]", b'="', b"\xff\xfe\x9b", "naïve 日本語 🙂".encode(),
    b"<131>1 - - - - - -"]))
numbers = st.one_of(st.none(), st.floats(), st.integers(-2**70, 2**70))


@st.composite
def alerts(draw):
    text = st.builds(lambda raw: raw.decode("utf-8", "backslashreplace"), hostile)
    name = st.builds(os.fsdecode, hostile)  # as the names of files come: with halves of surrogate pairs
    return replace(
        ALERT, time=draw(st.one_of(st.none(), st.floats())), session=draw(st.none() | text),
        line_no=draw(st.none() | st.integers(1, 2**63)),
        file=draw(st.none() | name), line=draw(hostile), score=draw(st.floats()), threshold=draw(st.floats()), why=draw(text),
        reason=draw(st.sampled_from(sorted(KINDS))), event_id=draw(st.none() | text), template=draw(st.none() | text),
        nearest=draw(st.none() | st.tuples(text, st.floats(0, 1))),
        detail=draw(st.dictionaries(text, st.one_of(numbers, text, st.lists(numbers)))),
        expected=tuple(draw(st.lists(st.tuples(text, text, st.floats(0, 1)), max_size=2))),
        contrib=tuple(draw(st.lists(st.builds(Contribution, st.none(), text, st.floats(0, 1), text, st.none() | hostile), max_size=2))),
        model=draw(name))


READERS = {"json": strict, "ecs": strict, "otel": strict, "syslog": read_syslog, "logfmt": read_logfmt, "text": str}


def only_printable(line):
    odd = {c for c in line if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")}
    assert not odd, (odd, line)
    line.encode()  # no half of a surrogate pair
    return True


@settings(max_examples=100, deadline=None)
@given(alert=alerts())
def test_no_log_can_put_a_control_character_into_an_alert(alert):
    for name in FORMATS:
        line = formatted(name, alert)
        assert only_printable(line)
        READERS[name](line)


@settings(max_examples=30, deadline=None)
@given(alert=alerts())
def test_on_a_terminal_there_are_no_escapes_but_our_own(alert):
    for color in ("always", "never"):
        text = writer("text", Terminal(), {}, color)(alert)
        assert text.count("\n") == 1 and only_printable(re.sub(r"\x1b\[(?:1;31|1;33|2|0)m", "", text).replace("\n", ""))
        assert text.count("\x1b") == (4 if color == "always" else 0)


@given(alert=alerts())
@settings(max_examples=30, deadline=None)
def test_readers_get_back_what_was_said(alert):
    """Escapes of a format are undone by its reader: what comes back is the value as it is safe to print, JSON's exactly."""
    for found in (read_syslog(formatted("syslog", alert))[1], read_logfmt(formatted("logfmt", alert))):
        for name in ("session", "file", "template"):
            value = getattr(alert, name)
            assert found.get(name) == (None if value is None else plain(value))
    assert json.loads(formatted("json", alert))["line"] == decoded(alert.line)


@given(alert=alerts())
@settings(max_examples=30, deadline=None)
def test_what_is_shown_of_json_by_ecs_and_otel_is_printable_too(alert):
    """`message` and the body are for people; the line as it was stands in event.original and log.record.original."""
    ecs, (record, attributes) = json.loads(formatted("ecs", alert)), read_otel(formatted("otel", alert))
    assert plain(ecs["message"], 9999) == ecs["message"] and ecs["event"].get("original", "") == decoded(alert.line)
    shown = record["body"]["stringValue"]
    assert plain(shown, 9999) == shown and attributes.get("log.record.original", "") == decoded(alert.line)


def test_plain_cuts_long_lines_and_keeps_letters_of_any_script():
    assert plain("naïve 日本語 🙂") == "naïve 日本語 🙂" and plain(b"\xff\x1b") == "\\xff\\x1b"
    assert plain(b"x" * 9000) == "x" * 2000 + "..." and plain("é".encode() * 9000, 3) == "ééé..." and plain(b"x" * 2000) == "x" * 2000


def test_a_long_line_makes_no_long_message():
    alert = replace(ALERT, line=b"\x1b" * (1 << 20), session="s" * 99_999, why="w" * 99_999)
    assert len(formatted("syslog", alert)) < 8192 and len(formatted("text", alert)) < 20_000


def test_time_that_is_none_is_left_out():
    assert utc(float("nan")) is utc(float("inf")) is utc(1e300) is utc(None) is None and utc(0.0) == "1970-01-01T00:00:00Z"
    assert dumps({"a": float("inf"), "b": ["\udcff"]}) == '{"a": null, "b": ["\\\\udcff"]}'


# The command.

@pytest.mark.parametrize("name", FORMATS)
def test_detect_writes_every_format_line_by_line(made, name):
    done = run_here("detect", "-m", made.model, "--output-format", name, made.log)
    lines = done.stdout.decode().splitlines()
    same = [json.loads(line) for line in run_here("detect", "-m", made.model, "--json", made.log).stdout.splitlines()]
    assert done.returncode == 0 and len(lines) == len(same) > 0
    for line, alert in zip(lines, same):
        READERS[name](line)
        assert alert["session"] in line and only_printable(line)


def test_detect_with_hostile_lines_file_and_session_in_every_format(made, tmp_path):
    log = tmp_path / os.fsdecode(b"evil\x1b[31m\xff\xe2\x80\xae.log")
    key = b"blk_\x1b[31m\xe2\x80\xae\xc2\x9b7"
    log.write_bytes(b"".join(b"260301 0800%02d 5 INFO dfs.X: \x1b]0;evil\x07 %s \x00\xff\x85 done\n" % (i, key) for i in range(9)))
    for name in (*FORMATS, "csv"):
        done = run_here("detect", "-m", made.model, "--session", "blk_\\S+", "--threshold", "-99", "--output-format", name, log)
        assert done.returncode == 0 and only_printable(done.stderr.decode().rstrip("\n")), done.stderr
        lines = done.stdout.decode().rstrip("\n").split("\n")
        assert len(lines) >= 1 and all(map(only_printable, lines)) and b"7" in done.stdout
        if name != "csv":
            READERS[name](lines[0])
    lost = run_here("detect", "-m", made.model, tmp_path / "no\x1b[31m.log")
    assert lost.returncode == 1 and only_printable(lost.stderr.decode().rstrip("\n"))


def test_detect_where_the_terminal_cannot_show_a_letter(made):
    log = made.log.read_bytes().replace(b"dfs.DataNode", "dfs.Datenknötchen".encode())
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    done = run_command("detect", "-m", made.model, "--threshold", "-99", stdin=log, env=environment)
    assert done.returncode == 0 and b"dfs.Datenkn\\xf6tchen" in done.stdout, done.stderr
    for name in ("syslog", "csv"):  # what programs read is UTF-8
        options = ("--session", "Datenkn\\S+", "--threshold", "-99", "--output-format", name)
        done = run_command("detect", "-m", made.model, *options, stdin=log, env=environment)
        assert done.returncode == 0 and "Datenknötchen".encode() in done.stdout, done.stderr


def test_detect_loads_the_chosen_format_alone(made):
    code = ("import sys; from tinylog import detect; detect.main(sys.argv[1:]);"
            "sys.stderr.write(' '.join(sorted(name for name in sys.modules if name.startswith('tinylog.output'))))")
    done = subprocess.run([sys.executable, "-c", code, "-m", str(made.model), str(made.log)], capture_output=True)
    assert done.stderr.decode().split("\n")[-1].split() == ["tinylog.output", "tinylog.output.as_text", "tinylog.output.escape"]


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="no terminal to open here")
def test_detect_on_a_real_terminal_uses_colour_and_two_lines(made):
    for more, colored in (({"TERM": "xterm"}, True), ({"TERM": "dumb"}, False), ({"TERM": "xterm", "NO_COLOR": "1"}, False)):
        environment = {name: value for name, value in os.environ.items() if "COLOR" not in name} | more | {"PYTHONIOENCODING": "utf-8"}
        master, slave = os.openpty()
        command = [sys.executable, "-m", "tinylog.detect", "-m", made.model, made.log]
        process = subprocess.Popen(command, stdout=slave, stderr=subprocess.DEVNULL, env=environment)
        os.close(slave)
        shown = b""
        try:
            while chunk := os.read(master, 1 << 16):
                shown += chunk
        except OSError:  # how Linux says that nobody writes any more
            pass
        os.close(master)
        assert process.wait() == 0
        assert (b"\x1b[" in shown) == colored and shown.count("└".encode()) * 2 == shown.count(b"\n") > 0
