"""A log as it is found: wrapped in JSON, CRI or journald's export, with stack traces, cut into blocks anywhere."""
import gzip
import io
import json
from collections import Counter
from datetime import datetime, timezone

import numpy as np
import pytest
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st
from test_formats import EXAMPLES, SYSTEMS

import tinylog
from tinylog.pipeline import recognise
from tinylog.reading.blocks import blocks
from tinylog.reading.clock import Clock
from tinylog.reading.decode import ENVELOPES, MOST_PARTS
from tinylog.reading.formats import FORMATS
from tinylog.reading.front import Front, envelope, front_for
from tinylog.reading.moments import of_microseconds, rfc3339, utc
from tinylog.reading.multiline import MOST_WITHOUT_HEADER

STEADY = settings(deadline=None, derandomize=True, max_examples=60)
START = 1795327200  # 2026-11-22T06:00:00Z


class Chunks(io.RawIOBase):
    """A stream that gives these chunks, one a read."""

    def __init__(self, chunks):
        self.chunks = list(chunks)

    def read1(self, size):
        return self.chunks.pop(0) if self.chunks else b""


def records(raw, form=None, counters=None, chunks=None):
    """Format, and number, time and content of each record of a log."""
    stream = io.BytesIO(raw) if chunks is None else Chunks(chunks)
    form, log = recognise(blocks(stream), form, dropped=counters)
    found = []
    for block in log:
        lines = block.data.split(b"\n")[:-1]
        times = [None if time != time else time for time in (form.times(lines).tolist() if form.time else [np.nan] * len(lines))]
        found += zip(block.numbers(len(lines)).tolist(), times, map(form.content, lines))
    return form.name, found


def moment(i):
    return utc(START + i)


def text(message):
    return message.decode("utf-8", "surrogateescape")


def json_lines(rows):
    return b"".join(json.dumps(row, ensure_ascii=False).encode("utf-8", "surrogateescape") + b"\n" for row in rows)


def docker(messages, size=16384):
    rows = []
    for i, message in enumerate(messages):
        whole = message.decode("utf-8", "replace") + "\n"
        rows += [{"log": whole[at:at + size], "stream": "stdout", "time": moment(i).decode()} for at in range(0, len(whole), size)]
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def cri(messages, size=16384):
    rows = []
    for i, message in enumerate(messages):
        parts = [message[at:at + size] for at in range(0, len(message), size)] or [b""]
        rows += [b"%b stdout P %b\n" % (moment(i), part) for part in parts[:-1]] + [b"%b stdout F %b\n" % (moment(i), parts[-1])]
    return b"".join(rows)


def journald(messages):
    rows = [{"__CURSOR": f"s={i}", "__REALTIME_TIMESTAMP": str((START + i) * 1_000_000), "_HOSTNAME": "box", "PRIORITY": "6", "_PID": "7",
             "SYSLOG_IDENTIFIER": "app", "MESSAGE": list(message) if i % 3 == 0 else text(message)}
            for i, message in enumerate(messages)]
    return b"".join(json.dumps(row, ensure_ascii=i % 2 > 0).encode("utf-8", "surrogateescape") + b"\n" for i, row in enumerate(rows))


def export(messages):
    entries = []
    for i, message in enumerate(messages):
        field = b"MESSAGE\n%b%b\n" % (len(message).to_bytes(8, "little"), message)
        if i % 2 and b"\n" not in message:
            field = b"MESSAGE=%b\n" % message
        entries.append(b"__CURSOR=s=%d\n__REALTIME_TIMESTAMP=%d\n_HOSTNAME=box\n%b_PID=7\nSYSLOG_IDENTIFIER=app\n\n"
                       % (i, (START + i) * 1_000_000, field))
    return b"".join(entries)


def ndjson(messages):
    rows = [{"ts": START + i, "level": "info", "nested": {"a": [1]}, "msg": text(message)} for i, message in enumerate(messages)]
    return json_lines(rows)


def logfmt(messages):
    quoted = [message.replace(b"\\", b"\\\\").replace(b'"', b'\\"') for message in messages]
    return b"".join(b'ts=%b level=info debug msg="%b" n=%d\n' % (moment(i), text, i) for i, text in enumerate(quoted))


def otlp(messages):
    """Two records a line."""
    rows = [{"timeUnixNano": str((START + i) * 10 ** 9), "severityText": "INFO", "body": {"stringValue": text(message)}}
            for i, message in enumerate(messages)]
    about = {"attributes": [{"key": key, "value": {"stringValue": value}} for key, value in (("host.name", "box"), ("service.name", "shop"))]}
    return json_lines([{"resourceLogs": [{"resource": about, "scopeLogs": [{"scope": {}, "logRecords": rows[i:i + 2]}]}]}
                       for i in range(0, len(rows), 2)])


WRAPPED = {"otlp": otlp, "docker": docker, "cri": cri, "journald": journald, "export": export, "ndjson": ndjson, "logfmt": logfmt}
MESSAGES = [b"starting up with 5 workers", b'say "hello: \\ world"', "größer als 7 µs".encode(), b"x" * 40, b"stderr: [7] a=b"]


# What is recognised


@pytest.mark.parametrize("system", SYSTEMS)
def test_all_headers_of_loghub_are_recognised(data, system):
    with gzip.open(data / "loghub2k" / f"{system}_2k.log.gz") as file:
        raw = file.read()
    counters = Counter()
    name, found = records(raw, counters=counters)
    assert name == SYSTEMS[system] and not counters
    assert len(found) == 2000 and [number for number, _, _ in found] == list(range(1, 2001))
    assert all(time is not None for _, time, _ in found)


@pytest.mark.parametrize("name", sorted(set(EXAMPLES) - set(ENVELOPES) - {"plain"}))
def test_every_text_format_is_recognised_with_time_and_content(name):
    lines, contents, time = EXAMPLES[name]
    found, rows = records(b"\n".join(lines))
    assert found == name
    assert [content for _, _, content in rows] == contents
    own = datetime.fromisoformat(time).replace(tzinfo=timezone.utc)
    first = datetime.fromtimestamp(rows[0][1], timezone.utc)
    assert (first.month, first.day, first.hour, first.minute, first.second) == (own.month, own.day, own.hour, own.minute, own.second)


@pytest.mark.parametrize("name", ENVELOPES)
def test_every_envelope_is_recognised_with_time_and_content(name):
    """All lines of these examples have the right time, content and number: a share of 1."""
    counters = Counter()
    found, rows = records(WRAPPED[name](MESSAGES), counters=counters)
    assert found == name and not counters
    assert [content for _, _, content in rows] == MESSAGES
    assert [time for _, time, _ in rows] == [START + i for i in range(len(MESSAGES))]
    raw = WRAPPED[name](MESSAGES).split(b"\n")
    if name == "otlp":
        assert [number for number, _, _ in rows] == [1, 1, 2, 2, 3]
        return
    marks = {"export": b"MESSAGE"}.get(name, b"")
    assert [number for number, _, _ in rows] == [i for i, line in enumerate(raw, 1) if line.startswith(marks) and line][:len(rows)]


@pytest.mark.parametrize("name", ENVELOPES)
@pytest.mark.parametrize("inner", ["hdfs", "openstack", "rfc5424", "access"])
def test_what_is_inside_an_envelope_is_as_without_it(name, inner):
    lines = EXAMPLES[inner][0]
    assert [row[1:] for row in records(WRAPPED[name](lines))[1]] == [row[1:] for row in records(b"\n".join(lines))[1]]
    assert records(WRAPPED[name](lines))[0] == inner


def test_json_inside_cri_and_docker():
    for outer in (cri, docker):
        name, rows = records(outer(ndjson(MESSAGES).splitlines()))
        assert name == "ndjson" and [content for _, _, content in rows] == MESSAGES
        assert front_for(outer(ndjson(MESSAGES).splitlines()).splitlines()).envelopes == (outer.__name__, "ndjson")


def test_plain_text_has_no_envelope():
    for lines in ([b"hello", b"a=1 b=2 c=3"], [b"{not json}", b"{}"], [b'{"n": 1}'], [b"2026-11-22T06:00:00Z stdout X a"], [b""], [],
                  [b"authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=1.2.3.4"], [b"5", b"[1, 2]"]):
        assert envelope(lines) is None


@pytest.mark.parametrize("wrap", [b"\n".join, docker, cri, journald], ids=["plain", "docker", "cri", "journald"])
def test_colours_are_taken_off(wrap):
    lines = [b"\x1b[2m2026-11-22T06:00:00Z\x1b[0m \x1b[32m INFO\x1b[0m \x1b[1;31mready\x1b[m",
             b"\x1b[2m2026-11-22T06:00:01Z\x1b[0m \x1b[32mWARN\x1b[0m [7]"]
    name, rows = records(wrap(lines))
    assert name == "log4j" and [row[1:] for row in rows] == [(START, b"ready"), (START + 1, b"[7]")]


def test_format_that_is_named_is_taken():
    raw = docker(EXAMPLES["hdfs"][0])
    assert records(raw, FORMATS["docker"])[1][0][2] == EXAMPLES["hdfs"][0][0]
    assert records(raw, FORMATS["hdfs"])[1][0][2] == EXAMPLES["hdfs"][1][0]
    assert records(raw, FORMATS["plain"])[1][0][2] == raw.splitlines()[0]
    assert front_for(raw.splitlines(), expected="hdfs").form is FORMATS["hdfs"]
    assert front_for(docker(MESSAGES).splitlines(), expected="docker").form is FORMATS["docker"]
    assert records(cri(ndjson(MESSAGES).splitlines()), FORMATS["ndjson"])[0] == "ndjson"


def test_format_is_decided_by_whole_records():
    """A live log may bring them in pieces."""
    lines = EXAMPLES["hdfs"][0]
    for raw, size in ((export(lines), 20), (cri(lines, 30), 70), (docker(lines, 30), 100)):
        found = records(raw, chunks=[raw[at:at + size] for at in range(0, len(raw), size)])
        assert found == records(raw) and found[0] == "hdfs"
    assert records(export(lines)[:30])[0] == "export"


# Fields and what is wrong with them


@pytest.mark.parametrize("row, expected", [
    ({"message": "a", "@timestamp": "2026-11-22T06:00:00.5Z"}, (START + .5, b"a")),
    ({"msg": "a", "time": 1795327200123}, (START + .123, b"a")),
    ({"log": {"message": "a", "level": "x"}, "ts": 1795327200.25}, (START + .25, b"a")),
    ({"event": {"original": "a"}, "timestamp": "2026-11-22 07:00:00,5+01:00"}, (START + .5, b"a")),
    ({"body": {"stringValue": "a"}, "time": "1795327200000000000"}, (START, b"a")),
    ({"MESSAGE": "a", "time": "22/Nov/2026:06:00:00 +0000"}, (START, b"a")),
    ({"jsonPayload": {"message": "a"}, "time": {"x": 1}}, (None, b"a")),
    ({"message": "a\n\tat x.y(z)\nno: Exception", "time": "when?"}, (None, b"a")),
    ({"message": ["a", "b"], "time": None}, (None, b'["a", "b"]')),
])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_ndjson_fields(row, expected, mark):
    line = json.dumps(row).encode()
    name, ((_, time, content), *_) = records(line + b"\n" + mark + line)[0], records(mark + line, FORMATS["ndjson"])[1]
    assert name == "ndjson" and content == expected[1]
    assert time is None if expected[0] is None else time == pytest.approx(expected[0], abs=1e-5)


def test_otlp_of_any_shape():
    odd = {"resource": {"attributes": [{"key": 1}, 5]}, "scopeLogs": [{"logRecords": [{"body": 5, "timeUnixNano": 1}, 7, {}]}, 3]}
    rows = [{"resourceLogs": [odd, None]}, {"resourceLogs": {}},
            {"resourceLogs": [{"scopeLogs": [{"logRecords": [{"body": {"kvlistValue": {"x": 1}}}]}], "resource": []}]}]
    counters = Counter()
    assert records(b"\n".join(json.dumps(row).encode() for row in rows), counters=counters) == ("otlp", [(1, None, b"5")])
    assert counters == {"records_without_message": 2}


def test_header_is_of_words_whatever_the_fields_are():
    row = {"msg": "m: x", "ts": START, "host": "a b\n\x1b[31m", "level": "", "logger": "n:[1] " + "y" * 999, "pid": "7]: z"}
    name, ((_, time, content),) = records(json.dumps(row).encode())
    assert (name, time, content) == ("ndjson", START, b"m: x")


def test_journald_fields_may_be_arrays_null_or_missing():
    own = {"__REALTIME_TIMESTAMP": str(START * 1_000_000)}
    full = {"MESSAGE": "t", "_HOSTNAME": ["h", "i"], "_PID": ["5"], "SYSLOG_IDENTIFIER": None, "_COMM": "c"}
    messages = [104, 105, 255, 10, 0], None, ["one", "two"], [[120], [121]], [], [256]
    rows = [own, *(own | {"MESSAGE": message} for message in messages), own | full]
    counters = Counter()
    form, log = recognise(blocks(io.BytesIO(b"\n".join(json.dumps(row).encode() for row in rows))), dropped=counters)
    lines = b"".join(block.data for block in log).splitlines()
    assert form.name == "journald" and counters == {"records_without_message": 2, "joined_lines": 1}
    assert list(map(form.content, lines)) == [b"hi\xff", b"one", b"x", b"", b"256", b"t"]
    assert lines[5] == b"2026-11-22T06:00:00Z h - c[5]: t"


def test_export_reads_binary_values_and_goes_on_behind_broken_ones():
    value = b"first\nMESSAGE=no\n\n__CURSOR=no\r\n\x00\xff"
    good = export([b"before", b"after"]).split(b"\n\n")[0] + b"\n\n"
    binary = b"__CURSOR=1\nMESSAGE\n%b%b\n_PID=3\n\n" % (len(value).to_bytes(8, "little"), value)
    broken = b"__CURSOR=2\nMESSAGE\n%b\nrest of it\n_PID=4\n\n" % (2 ** 60).to_bytes(8, "little")
    strange = b"__CURSOR=3\nno field\nMESSAGE=lost\n\n"
    twice = b"__CURSOR=4\nMESSAGE=one\nMESSAGE\n%btwo\n\n" % (3).to_bytes(8, "little")
    counters = Counter()
    name, rows = records(good + binary + broken + strange + twice + good, counters=counters)
    assert name == "export"
    assert [content for _, _, content in rows] == [b"before", b"first", b"", b"one", b"before"]
    assert counters["undecoded_lines"] == 5 and counters["records_without_message"] == 1 and counters["joined_lines"]


@pytest.mark.parametrize("line", [b'{"log":"cut he', b"{" * 5000, b'{"log":1}', b'{"log":"a\\ud800"}x', b"\xff\xfe", b"[1]", b'"', b"null",
                                  b'{"n":' + b"9" * 9000 + b"}"])
def test_what_cannot_be_decoded_goes_on_as_it_is(line):
    counters = Counter()
    name, rows = records(docker(MESSAGES) + line + b"\n" + docker(MESSAGES), counters=counters)
    assert name == "docker" and counters == {"undecoded_lines": 1}
    assert [content for _, _, content in rows] == [*MESSAGES, line, *MESSAGES]
    assert rows[5][0] == 6 and rows[5][1] is None


def test_bytes_that_are_no_text_come_out_as_they_went_in():
    broken = [b"caf\xe9 \xff\x00\x1b[2J", b"ok", b"\xed\xa0\x80"]
    for name in ("cri", "export", "logfmt", "journald"):
        assert [content for _, _, content in records(WRAPPED[name](broken))[1]] == broken
    assert records(b'{"msg":"a\xff\\udcff\\ud800"}\n')[1][0][2].startswith(b"a")


# Parts


def test_parts_of_several_streams_are_joined_under_the_number_of_the_first():
    raw = json_lines([{"log": message, "stream": stream, "time": moment(i).decode()} for i, (message, stream) in enumerate(
        [("one ", "stdout"), ("two ", "stderr"), ("more\n", "stdout"), ("three", "stderr")])])
    assert records(raw) == ("docker", [(1, START, b"one more"), (2, START + 1, b"two three")])


def test_parts_that_never_end_are_bounded():
    counters = Counter()
    raw = b"".join(b"2026-11-22T06:00:00Z stdout P %d\n" % (i % 10) for i in range(3 * MOST_PARTS))
    name, rows = records(raw, counters=counters)
    assert name == "cri" and sum(len(content) for _, _, content in rows) == 3 * MOST_PARTS
    assert counters["cut_records"] == 3 and [number for number, _, _ in rows] == [1, 1 + MOST_PARTS, 1 + 2 * MOST_PARTS]
    counters = Counter()
    raw = b"".join(b'{"log":"%d","stream":"%d","time":""}\n' % (i, i) for i in range(99)) + b'{"log":"\\n","stream":"98","time":""}\n'
    _, rows = records(raw, counters=counters)
    assert counters["cut_records"] == 83
    assert sorted(b"".join(content for _, _, content in rows)) == sorted(b"".join(b"%d" % i for i in range(99)))


MESSAGE = st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\n\r"), max_size=20).map(lambda line: b"-" + line.encode())
CUTS = st.lists(st.integers(0, 1 << 16), max_size=12)


def cut(raw, cuts):
    edges = sorted({0, len(raw), *(at % (len(raw) + 1) for at in cuts)})
    return [raw[a:b] for a, b in zip(edges, edges[1:])]


@pytest.mark.parametrize("name", ENVELOPES)
@STEADY
@given(messages=st.lists(MESSAGE, min_size=1, max_size=8), cuts=CUTS, size=st.integers(1, 9), junk=st.binary(max_size=30),
       at=st.integers(0, 1 << 16))
def test_records_do_not_depend_on_how_the_bytes_come(name, messages, cuts, size, junk, at):
    raw = WRAPPED[name](messages, size) if name in ("docker", "cri") else WRAPPED[name](messages)
    raw = raw[:at % (len(raw) + 1)] + junk + raw[at % (len(raw) + 1):] if len(junk) > 20 else raw
    chunks, whole, parted = cut(raw, cuts), Counter(), Counter()
    form = FORMATS[name]
    expected = records(raw, form, whole)
    if name == "export" and not raw.startswith(b"__CURSOR="):
        return
    assert records(raw, form, parted, chunks) == expected and whole == parted
    if len(junk) <= 20:
        assert [content for _, _, content in expected[1]] == [message.strip(b"\r\n") for message in messages]


@STEADY
@given(raw=st.binary(max_size=300), cuts=CUTS, name=st.sampled_from([*ENVELOPES, "hdfs", "plain", "syslog", "bgl"]))
def test_any_bytes_are_read(raw, cuts, name):
    if raw and not raw.startswith(b"_"):
        assert records(raw, FORMATS[name]) == records(raw, FORMATS[name], None, cut(raw, cuts))


@STEADY
@given(lines=st.lists(st.sampled_from([b"2026-11-22 06:00:00 up", b"  at x.y(z)", b"    code", b"java.io.IOException: no", b"Caused by: y",
                                       b"", b"\t", b"text", b"{", b'{"log":"a","stream":"b"}', b'{"log":"c\\n","stream":"b"}', b"  deeper"]), min_size=1, max_size=14),
       cuts=CUTS, name=st.sampled_from(["timed", "plain", "docker", "bgl"]), stop=st.integers(0, 5))
def test_state_is_carried_over_a_restart(lines, cuts, name, stop):
    """Stopped at the end of any block, and gone on with what was kept: as if nothing had been."""
    parts = list(blocks(Chunks(cut(b"\n".join([*lines, b""]), cuts))))
    envelopes, counters = [name] * (name in ENVELOPES), Counter()
    whole = list(Front(FORMATS[name], envelopes, counters).run(parts))
    first, kept = Front(FORMATS[name], envelopes), Counter()
    got = [first.add(part) for part in parts[:stop]]
    second = Front.from_json(json.loads(json.dumps(first.to_json())), kept)
    got += list(second.run(parts[stop:]))
    assert [(block.data, block.numbers(block.data.count(b"\n")).tolist()) for block in got] == [
        (block.data, block.numbers(block.data.count(b"\n")).tolist()) for block in whole]
    assert counters == kept + first.counters


@pytest.mark.parametrize("name", ENVELOPES)
@pytest.mark.parametrize("size", [7, 60])
def test_what_waits_survives_a_restart(name, size):
    """At every block boundary: in the middle of a record of parts, of a value, of its length."""
    messages = [*MESSAGES, b"two\nlines\n" + b"y" * 20] if name in ("export", "journald") else MESSAGES
    raw = WRAPPED[name](messages, 9) if name in ("docker", "cri") else WRAPPED[name](messages)
    parts = list(blocks(Chunks(raw[at:at + size] for at in range(0, len(raw), size))))
    whole = b"".join(block.data for block in Front(FORMATS[name], [name]).run(parts))
    for stop in range(len(parts) + 1):
        first = Front(FORMATS[name], [name])
        got = [first.add(part) for part in parts[:stop]]
        got += Front.from_json(json.loads(json.dumps(first.to_json()))).run(parts[stop:])
        assert b"".join(block.data for block in got) == whole


# Stack traces


JAVA = b"""2026-11-22 06:00:00,123 ERROR [main] com.example.App: request 5 failed
java.lang.IllegalStateException: cannot
\tat com.example.App.run(App.java:12)
\tat com.example.App.main(App.java:3)
Caused by: java.io.IOException: Broken pipe
\t... 2 more

2026-11-22 06:00:01,123 INFO [main] com.example.App: next
wrapped text
2026-11-22 06:00:02,123 INFO [main] com.example.App: last
"""


def test_stack_trace_is_one_record_beside_the_exceptions_it_names():
    counters = Counter()
    name, rows = records(JAVA, counters=counters)
    assert name == "hadoop" and counters == {"joined_lines": 5}
    assert [(number, content) for number, _, content in rows] == [
        (1, b"request 5 failed"), (2, b"java.lang.IllegalStateException: cannot"), (5, b"Caused by: java.io.IOException: Broken pipe"),
        (8, b"next"), (10, b"last")]


@pytest.mark.parametrize("wrap", [docker, cri])
def test_stack_trace_whose_lines_are_records(wrap):
    trace = [b"ready", b"Traceback (most recent call last):", b'  File "a.py", line 3, in f', b"    x = 1 / 0",
             b"ZeroDivisionError: division by zero", b"ready"]
    assert [content for _, _, content in records(wrap(trace))[1]] == [b"ready", trace[1], trace[4], b"ready"]
    plain = records(b"\n".join(trace))
    assert plain[0] == "plain" and [content for _, _, content in plain[1]] == [b"ready", trace[1], trace[4], b"ready"]


def test_message_of_several_lines_in_one_record():
    row = {"msg": "\nboom\r\njava.lang.X\njava.lang.XException: y\n\tat a.b(c)\n", "ts": START}
    counters = Counter()
    assert [content for _, _, content in records(json.dumps(row).encode(), counters=counters)[1]] == [b"boom", b"java.lang.XException: y"]
    assert counters == {"joined_lines": 2}


def test_lines_without_header_are_joined_up_to_a_bound():
    head = b"081109 203615 148 INFO dfs.X: up\n"
    counters = Counter()
    _, rows = records(b"banner\n" + head + b"x\n" * (MOST_WITHOUT_HEADER + 50) + head + b"x\n", FORMATS["hdfs"], counters)
    assert counters == {"joined_lines": MOST_WITHOUT_HEADER + 1} and len(rows) == 1 + 2 + 50
    _, rows = records(b"  a\n" * 500)
    assert len(rows) == 500  # nothing is deeper than the line before
    frames = head + b"\tat a.b.c(D.java:1)\n" * 5000
    assert len(records(frames + head)[1]) == 2


def test_joining_leaves_real_logs_as_they_are(data):
    for path in ("hdfs/raw_dev/HDFS_raw_dev.log.gz", "bgl/BGL_first100k.log.gz", "throughput/linux_25k.log.gz"):
        with gzip.open(data / path) as file:
            raw = file.read(4 << 20)
        raw = raw[:raw.rfind(b"\n") + 1]
        counters = Counter()
        _, log = recognise(blocks(io.BytesIO(raw)), dropped=counters)
        assert b"".join(block.data for block in log) == raw and not counters


# Time


def test_times_without_year_go_on_over_new_year():
    def line(text):
        return text + b" 10:00:00 h a: b"
    clock = Clock(FORMATS["syslog"])
    first = clock.times([line(b"Nov 20"), b"?", line(b"Dec 31")])
    clock = Clock.from_json(clock.to_json(), FORMATS["syslog"])
    second = clock.times([line(b"Jan  1"), line(b"Feb 29"), line(b"Dec  1"), b"2010-01-01T00:00:00Z h a: b"])
    days = np.diff([first[0], first[2], *second[:2]]) / 86400
    assert days.tolist() == [41, 1, 59] and np.isnan(first[1])
    assert second[2] - second[1] < 0  # nearer backwards than forwards
    assert second[3] == datetime(2010, 1, 1, tzinfo=timezone.utc).timestamp()


def test_times_as_records_write_them():
    assert rfc3339(b"1795327200") == rfc3339(b"1795327200000") == rfc3339(b"1.7953272e9") == b"2026-11-22T06:00:00Z"
    assert rfc3339(b"1795327200.5") == b"2026-11-22T06:00:00.500000Z"
    assert rfc3339(b"2026-11-22 06:00:00,25") == b"2026-11-22T06:00:00.25"
    assert of_microseconds(b"1795327200000001") == b"2026-11-22T06:00:00.000001Z"
    for text in (b"", b"now", b"12", b"9" * 30, b"-5", b"1e999999999"):
        assert rfc3339(text) == b""
    assert of_microseconds(b"9" * 18) == of_microseconds(b"-1") == b""


# The whole way


@pytest.mark.parametrize("wrap", [docker, cri, journald, export, otlp, ndjson], ids=lambda wrap: wrap.__name__)
def test_wrapped_log_has_the_alerts_of_the_plain_one(wrap):
    """Same sessions, scores and reasons as without the envelope, and the lines of the wrapped file."""
    with open(ROOT / "examples" / "hdfs.log", "rb") as file:
        lines = file.read().splitlines()
    model = tinylog.load(ROOT / "tinylog" / "models" / "hdfs.tinylog")
    plain, wrapped = (list(model.detect(io.BytesIO(raw))) for raw in (b"\n".join(lines), wrap(lines)))
    assert len(plain) == 10
    about = [[(a.session, a.score, a.reason, a.time, a.line, a.events) for a in alerts] for alerts in (plain, wrapped)]
    assert about[0] == about[1]
    raw = wrap(lines).split(b"\n")
    for alert in wrapped:
        assert alert.session.encode() in raw[alert.line_no - 1] + raw[alert.line_no] or wrap is journald
