"""Headers, times, labels and keys of every format, and how a format is recognised."""
import csv
import gzip
import math
import random
import re
from datetime import datetime, timezone

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tinylog.errors import ConfigError
from tinylog.parsing.canonical import zeroed
from tinylog.reading.decode import ENVELOPES
from tinylog.reading.formats import FORMATS, digits_alike, format_named, session_keys, session_pattern
from tinylog.reading.sniff import share, sniff
from tinylog.reading.timestamps import seconds

STEADY = settings(deadline=None, derandomize=True, max_examples=50)

# format: lines, their contents, and the time of the first one
EXAMPLES = {
    "hdfs": ([b"081109 203615 148 INFO dfs.DataNode$Packet: PacketResponder 1 for block blk_38 terminating",
              b"081110 000001 9 WARN dfs.FSNamesystem: BLOCK* ask 10.0.0.1:50010 to delete  blk_-1 blk_2 blk_-1",
              b"081110 000002 9 WARN dfs.FSNamesystem:"],
             [b"PacketResponder 1 for block blk_38 terminating",
              b"BLOCK* ask 10.0.0.1:50010 to delete  blk_-1 blk_2 blk_-1", b""], "2008-11-09T20:36:15"),
    "bgl": ([b"- 1117838570 2005.06.03 R02-M1 2005-06-03-15.42.50.675872 R02-M1 RAS KERNEL INFO cache parity corrected",
             b"KERNDTLB 1117838571 2005.06.03 R02-M1 2005-06-03-15.42.51.675872 R02-M1 RAS KERNEL FATAL 14 errors",
             b"- 1117838572 2005.06.03 R02-M1 2005-06-03-15.42.52.675872 R02-M1 RAS KERNEL MACHINE CHECK 7",
             b"- 1117838573 2005.06.03 R02-M1 2005-06-03-15.42.53.675872 R02-M1 ciod: 3 failed",
             b"- 1117838574 2005.06.03 all is well"],
            [b"cache parity corrected", b"14 errors", b"MACHINE CHECK 7", b"ciod: 3 failed", b"all is well"],
            "2005-06-03T22:42:50"),
    "thunderbird": ([b"- 1131566461 2005.11.09 dn228 Nov 9 12:01:01 dn228/dn228 crond(pam_unix)[2915]: session closed",
                     b"- 1131566462 2005.11.09 tbird-sm1 Nov 9 12:01:02 src@tbird-sm1 kernel: [12] link up"],
                    [b"session closed", b"[12] link up"], "2005-11-09T20:01:01"),
    "spirit": ([b"- 1104566461 2005.01.01 sn209 Jan 1 00:01:01 sn209/sn209 crond[5]: (root) CMD (run 5)",
                b"R_EXT 1104566462 2005.01.01 sadmin2 Jan 1 00:01:02 sadmin2/sadmin2 kernel: EXT3-fs error 3"],
               [b"(root) CMD (run 5)", b"EXT3-fs error 3"], "2005-01-01T08:01:01"),
    "openstack": ([b"nova-api.log.1.2017-05-16_13:53:08 2017-05-16 00:00:00.008 25746 INFO nova.osapi "
                   b'[req-38 1 2 - - -] 10.11.10.1 "GET /v2" status: 200',
                   b"2017-05-16 00:00:01.5 2931 INFO nova.compute [-] "
                   b"[instance: b9000564-fe1a-409b-b8cc-1e88b294cd1d] ok"],
                  [b'10.11.10.1 "GET /v2" status: 200', b"[instance: b9000564-fe1a-409b-b8cc-1e88b294cd1d] ok"],
                  "2017-05-16T00:00:00.008"),
    "zookeeper": ([b"2015-07-29 17:41:44,747 - INFO  [Peer[myid=1]/0:0:2181:Fast@774] - Notification time out: 3200",
                   b"2015-07-29 19:04:29,071 - WARN  [SendWorker:18:Manager$Send@688] - leaving [a@1] - thread"],
                  [b"Notification time out: 3200", b"leaving [a@1] - thread"], "2015-07-29T17:41:44.747"),
    "hadoop": ([b"2015-10-18 18:01:47,978 INFO [main] org.apache.hadoop.MRAppMaster: Created application 1",
                b"2015-10-18 18:01:48,963 WARN [Socket Reader #1 for port 6] org.apache.Server: Auth: 2 of [3]"],
               [b"Created application 1", b"Auth: 2 of [3]"], "2015-10-18T18:01:47.978"),
    "logback": ([b"- 2023-10-27 16:13:52,938 [main] INFO  o.a.i.ConfigNode:105 - Start to read - file 7",
                 b"2023-10-27 16:13:53,001 [group-00->4-Daemon] DEBUG o.a.r.Follower:53 - next 1 -> 2"],
                [b"Start to read - file 7", b"next 1 -> 2"], "2023-10-27T16:13:52.938"),
    "apache": ([b"[Sun Dec 04 04:47:44 2005] [error] mod_jk child workerEnv in error state 6",
                b"[Sun Dec 04 04:47:45.123456 2005] [core:error] [pid 12:tid 34] [client 1.2.3.4] File missing"],
               [b"mod_jk child workerEnv in error state 6", b"[client 1.2.3.4] File missing"], "2005-12-04T04:47:44"),
    "proxifier": ([b"[10.30 16:49:06] chrome.exe - proxy.edu.hk:5070 open through proxy - HTTPS",
                   b"[10.30 16:49:07] svchost.exe *64 - proxy.edu.hk:5070 close, 303 bytes sent"],
                  [b"proxy.edu.hk:5070 open through proxy - HTTPS", b"proxy.edu.hk:5070 close, 303 bytes sent"],
                  "2005-10-30T16:49:06"),
    "hpc": ([b"134681 node-246 unix.hw state_change.unavailable 1077804742 1 Component State Change: 17 is down",
             b"2286759 full partition status 1061219795 -1 running"],
            [b"Component State Change: 17 is down", b"running"], "2004-02-26T14:12:22"),
    "mac": ([b"Jul  1 09:00:55 calvisitor-10-105 kernel[0]: IOThunderboltSwitch<0>(0x0)::listener - route = 0x0",
             b"Jul  1 09:01:05 calvisitor-10-105 com.apple.xpc.launchd[1] (com.apple.x[7]): Service exited: 3",
             b"Jul  1 09:01:06 calvisitor-10-105 Google Chrome[12]: failed: 1"],
            [b"IOThunderboltSwitch<0>(0x0)::listener - route = 0x0", b"Service exited: 3", b"failed: 1"],
            "2005-07-01T09:00:55"),
    "syslog": ([b"Jun  9 06:06:20 combo sshd(pam_unix)[19939]: check pass: user 5 unknown",
                b"<13>Jun 14 15:16:02 combo syslogd 1.4.1: restart.",
                b"Jun 14 15:16:03 combo last message repeated 2 times",
                b"2024-02-29T12:00:00.5+02:00 combo kernel: [12.34] eth0 up"],
               [b"check pass: user 5 unknown", b"restart.", b"last message repeated 2 times", b"[12.34] eth0 up"],
               "2005-06-09T06:06:20"),
    "rfc5424": ([b"<34>1 2003-10-11T22:14:15.003Z mymachine su - ID47 - \xef\xbb\xbf'su root' failed for 5",
                 b'<165>1 2003-10-11T22:14:15Z host evntslog 12 ID47 [ex@32473 iut="3" src="A\\"p \\\\p\\]x"][y z="1"] An event 7',
                 b"<13>1 - - - - - [t@1]", b"<13>1 - - - - - - [not data] 5"],
                [b"'su root' failed for 5", b"An event 7", b"", b"[not data] 5"], "2003-10-11T22:14:15.003"),
    "access": ([b'10.0.0.1 - - [10/Oct/2000:13:55:36 -0700] "GET /a?b=1 HTTP/1.0" 200 2326',
                b'::1 ident frank [10/Oct/2000:13:55:37 -0700] "POST / HTTP/1.1" 500 - "http://x/[1]" "agent"'],
               [b'"GET /a?b=1 HTTP/1.0" 200 2326', b'"POST / HTTP/1.1" 500 - "http://x/[1]" "agent"'], "2000-10-10T20:55:36"),
    "klog": ([b"I1122 06:00:00.123456       1 controller.go:116] loading OpenAPI spec", b"E1122 06:00:01.5 12345 a_b.go:7] failed: 5"],
             [b"loading OpenAPI spec", b"failed: 5"], "2005-11-22T06:00:00.123456"),
    "log4j": ([b"2026-11-22 06:00:00,123 [main] INFO  com.example.App - Started in 3 s",
               b"2026-11-22 06:00:00.124  INFO 4711 --- [  main] c.e.App   : Started App",
               b"2026-11-22T06:00:00.124+01:00 WARN [pool-1] c.e.App - low",
               b"[2026-11-22 06:00:00,125] ERROR Failed: 5 (kafka.server)",
               b"2026-11-22 06:00:00,126 - my.logger - ERROR - no: route 7",
               b"2026-11-22 06:00:00,127 ERROR my.module: bad",
               b"2026/11/22 06:00:00 [error] 1234#5678: *1 open() failed"],
              [b"Started in 3 s", b"Started App", b"low", b"Failed: 5 (kafka.server)", b"no: route 7", b"bad", b"*1 open() failed"],
              "2026-11-22T06:00:00.123"),
    "levelled": ([b"INFO  [main] 2026-11-22 06:00:04,1 Server.java:7 - x", b"WARN: 2026-11-22T06:00:05Z low on 7"],
                 [b"Server.java:7 - x", b"low on 7"], "2026-11-22T06:00:04.1"),
    "timed": ([b"2026-11-22T06:00:00.5Z up and running 7", b"[2026-11-22 06:00:01] down", b"2026/11/22 06:00:02 main.go:7: x",
               b"2026-11-22 06:00:03 UTC [12] LOG:  checkpoint"],
              [b"up and running 7", b"down", b"main.go:7: x", b"[12] LOG:  checkpoint"], "2026-11-22T06:00:00.5"),
    **dict.fromkeys(("docker", "cri", "journald", "export", "otlp", "ndjson", "logfmt"), (  # as decode.py writes them
        [b"2026-11-22T06:00:00.5Z - - stderr: a: b [7]", b"- host err sshd[12]: x", b"2026-11-22 06:00:00,5 h - -: "],
        [b"a: b [7]", b"x", b""], "2026-11-22T06:00:00.5")),
    "plain": ([b"2024-01-02 03:04:05 server is up", b"something happened at 12", b""],
              [b"server is up", b"something happened at 12", b""], "2024-01-02T03:04:05"),
}
SYSTEMS = {"Apache": "apache", "BGL": "bgl", "HDFS": "hdfs", "HPC": "hpc", "Hadoop": "hadoop", "Linux": "syslog",
           "Mac": "mac", "OpenStack": "openstack", "Proxifier": "proxifier", "Zookeeper": "zookeeper"}
INSTANCE = b"b9000564-fe1a-409b-b8cc-1e88b294cd1d"


def canonical(data):
    return re.sub(rb"\d+", b"0", data)


def utc(text):
    return datetime.fromisoformat(text).replace(tzinfo=timezone.utc).timestamp()


@pytest.mark.parametrize("name", EXAMPLES)
def test_format_finds_content_and_time(name):
    lines, contents, time = EXAMPLES[name]
    form = format_named(name)
    assert [form.content(line) for line in lines] == contents
    assert [form.content_of(canonical(line)) for line in lines] == [canonical(content) for content in contents]
    assert form.times(lines, year=2005)[0] == pytest.approx(utc(time), abs=1e-4)
    if name != "plain" and name not in ENVELOPES:
        assert sniff(lines).name == name
        assert share(form, [*lines, b"", b"no header at all"]) == len(lines) / (len(lines) + 1)


def test_every_format_has_an_example():
    assert set(EXAMPLES) | {"ids"} == set(FORMATS)


PIECES = st.sampled_from(
    [word for lines, _, _ in EXAMPLES.values() for line in lines for word in re.findall(rb"\S+", line)]
    + [b" ", b"  ", b": ", b"] ", b"[", b"-", b"7", b"2015-07-29 17:41:44,7 ", b"Jun  9 06:06:20 "])


@pytest.mark.parametrize("name", FORMATS)
@STEADY
@given(pieces=st.lists(PIECES | st.binary(max_size=4), max_size=12), spaced=st.booleans(),
       kept=st.integers(0, 40), which=st.integers(0, 4))
def test_content_is_the_same_on_canonical_lines(name, pieces, spaced, kept, which):
    """The parser sees canonical lines only: the header must be cut there where it is cut on the original line."""
    start = EXAMPLES[name][0][which % len(EXAMPLES[name][0])][:2 * kept] if name in EXAMPLES else b""
    line = (start + (b" " if spaced else b"").join(pieces)).replace(b"\n", b" ")
    form = FORMATS[name]
    assert form.content_of(canonical(line)) == canonical(form.content(line))


@pytest.mark.parametrize("system", SYSTEMS)
def test_format_agrees_with_loghub(data, system):
    with gzip.open(data / "loghub2k" / f"{system}_2k.log.gz") as file:
        lines = file.read().replace(b"\r\n", b"\n").rstrip(b"\n").split(b"\n")
    table = data / "loghub2k" / f"{system}_2k.log_structured.csv.gz"
    with gzip.open(table, "rt", encoding="utf-8", newline="") as file:
        truth = [row["Content"].strip().encode() for row in csv.DictReader(file)]
    form = FORMATS[SYSTEMS[system]]
    assert [form.content(line).strip() for line in lines] == truth
    assert all(form.content_of(canonical(line)) == canonical(form.content(line)) for line in lines)
    assert {sniff(lines[i:i + 50]).name for i in range(0, 2000, 50)} == {form.name}
    assert not np.isnan(form.times(lines)).any()


@pytest.mark.parametrize("path, name", [
    ("throughput/iotdb_60k.log.gz", "logback"), ("throughput/linux_25k.log.gz", "syslog"),
    ("hdfs/raw_dev/HDFS_raw_dev.log.gz", "hdfs"), ("bgl/BGL_first100k.log.gz", "bgl"),
])
def test_format_covers_real_logs(data, path, name):
    with gzip.open(data / path) as file:
        lines = file.read(4 << 20).split(b"\n")[:-1]
    assert sniff(lines[:50]) is FORMATS[name]
    assert share(FORMATS[name], lines) == 1


def test_sniff_falls_back_to_plain():
    assert sniff([]).name == "plain"
    assert sniff([b"hello", b"world 5"]).name == "plain"
    assert sniff([b"5 of 6 apples", b"x,y"]).name == "plain"
    assert share(FORMATS["hdfs"], []) == 0


@pytest.mark.parametrize("line, name", [
    (b"2026-11-22T06:00:00.123456+01:00 host sshd[12]: Accepted", "syslog"), (b"2026-11-22T06:00:00Z host kernel: up", "syslog"),
    (b"2026-11-22T06:00:00Z INFO main: started", "log4j"), (b"2026-11-22 06:00:00 started all: 5", "timed"),
    (b"2026-11-22T06:00:00Z job 7: done", "timed"), (b"2026-11-22T06:00:00Z ERROR [x] a: b[7]: c", "log4j"), (b"Nov 22 06:00:00 host text", "syslog"),
])
def test_sniff_tells_syslog_from_other_lines_with_a_time(line, name):
    assert sniff([line] * 3).name == name
    assert sniff([line, b"java.lang.IllegalStateException: x", *[b"\tat a.b(C.java:1)"] * 9, b"Caused by: y"]).name == name


@pytest.mark.parametrize("rows", [
    [b"Sequence,label", b"oops,0"], [b"5 5 22,0"], [b"5 5 22 "], [b"c_1,63 92"],
    [b"instance,SEQUENCE,label", b"a,1 2,1"], [b"5 5 22,Anomaly", b"3 x 4,Normal"], [b"7"],
])
def test_sniff_finds_ids(rows):
    assert sniff(rows).name == "ids"
    assert share(FORMATS["ids"], rows) >= .5


def test_sniff_takes_the_format_of_most_lines():
    hdfs, bgl = EXAMPLES["hdfs"][0], EXAMPLES["bgl"][0]
    assert sniff([b"a banner", *hdfs, bgl[0]]).name == "hdfs"
    impossible = hdfs[0].replace(b"081109", b"081399")
    assert sniff([impossible, impossible]).name == "plain"  # a header whose time is none


def test_format_columns():
    form = FORMATS["syslog"]
    assert form.columns(EXAMPLES["syslog"][0][:1] + [b"??"], ["host", "process", "pid", "label"]) == {
        "host": [b"combo", None], "process": [b"sshd(pam_unix)", None], "pid": [b"19939", None], "label": [None, None]}
    assert form.columns([], ["host"]) == {"host": []}
    assert FORMATS["bgl"].columns(EXAMPLES["bgl"][0], ["level", "component"]) == {
        "level": [b"INFO", b"FATAL", None, None, None], "component": [b"KERNEL", b"KERNEL", b"KERNEL", None, None]}


def test_streams():
    assert FORMATS["bgl"].streams([b"x"]) is None
    assert FORMATS["hpc"].streams([*EXAMPLES["hpc"][0], b"?"]) == [(b"node-246",), (b"full",), (b"",)]


def test_labels_are_the_first_column():
    lines = [*EXAMPLES["bgl"][0], b"", b"APPREAD of nothing", b"-", b"- no header"]
    labels = FORMATS["bgl"].labels(lines)
    assert labels.dtype == np.int8 and labels.tolist() == [0, 1, 0, 0, 0, 0, 0, 0, 0]
    assert FORMATS["spirit"].labels(EXAMPLES["spirit"][0]).tolist() == [0, 1]
    assert FORMATS["hdfs"].labels(EXAMPLES["hdfs"][0]) is None


def test_session_keys():
    assert session_keys(EXAMPLES["hdfs"][0], FORMATS["hdfs"].session) == [(b"blk_38",), (b"blk_-1", b"blk_2"), ()]
    assert session_keys(EXAMPLES["openstack"][0], FORMATS["openstack"].session) == [(), (INSTANCE,)]
    assert session_keys([b"user=7 x", b"y"], session_pattern(r"user=(\d+)")) == [(b"7",), ()]


@pytest.mark.parametrize("text", [r"blk_-?\d+", r"\[instance: ([0-9a-f-]{36})\]", r"\bjob-\d[\d_]*", r"id=([\w./@+-]+)", "[]0-9]+", r"\\d{2,}", "[^0-9]"])
def test_digits_alike(text):
    assert digits_alike(re.compile(text.encode()))


@pytest.mark.parametrize("text", ["v1", "[1-9]", "[+-0-9]", "[5]", "[{3}]", r"\x31", "[\\x2f-:]", r"(\d)\1", r"(?P<a>\d)(?P=a)", "0-9", r"\08"])
def test_digits_not_alike(text):
    assert not digits_alike(re.compile(text.encode()))


PATTERNS = st.lists(st.sampled_from(["5", "0", "a", "-", "-?", r"\d", r"\d+", r"\d{2}", r"\w+", r"\W", ".", r"\b", "[0-9]", "[a0-9]*", "[^0-9]", "[-0-9]",
                                     "[+-0-9]", "[3-7]", "[+-z]", "[]0-9]", "[{3}]", "{3}", r"(?=\d)", r"(?<!\d)", r"\x35", r"\D", r"[\d_]+", "|", "(", ")", r"\1", "]", "["]),
                    min_size=1, max_size=6).map("".join)


@settings(STEADY, max_examples=400)
@given(text=PATTERNS, line=st.text("0359a-+_ ]{", max_size=12).map(str.encode))
def test_pattern_with_digits_alike_is_found_where_zeros_stand(text, line):
    try:
        pattern = re.compile(text.encode())
    except (re.error, FutureWarning):  # of a set in a set
        assume(False)
    assume(digits_alike(pattern))
    assert [match.regs for match in pattern.finditer(line)] == [match.regs for match in pattern.finditer(zeroed(line))]


@pytest.mark.parametrize("name", FORMATS)
def test_headers_and_keys_tell_no_digit_from_another(name):
    form = FORMATS[name]
    assert digits_alike(form.lead) and (form.session is None or digits_alike(form.session))


@pytest.mark.parametrize("name", EXAMPLES)
@STEADY
@given(seed=st.integers(0, 1 << 32), change=st.sampled_from([0.05, 0.3, 1.0]))
def test_stamp_reads_all_lines_that_differ_in_their_digits(name, seed, change):
    rng = random.Random(seed)

    def redrawn(line):
        return bytes(rng.choice(b"0123456789") if 48 <= byte < 58 and rng.random() < change else byte for byte in line)
    for example in EXAMPLES[name][0]:
        stamp = FORMATS[name].stamp(redrawn(example))
        for line in (example, redrawn(example)):
            times = FORMATS[name].times([line])
            found = math.nan if stamp is None else stamp.read(line[stamp.place])
            np.testing.assert_array_equal(found, math.nan if times is None else times[0])


@pytest.mark.parametrize("text, hint", [("(", "not a regular expression"), ("(a)(b)", "one group"), (r"\d*", "at least one")])
def test_session_pattern_refuses(text, hint):
    with pytest.raises(ConfigError, match=hint):
        session_pattern(text)


def test_format_named_lists_the_known():
    assert format_named("HDFS") is FORMATS["hdfs"]
    with pytest.raises(ConfigError, match="'nginx' is not known; known are hdfs, bgl"):
        format_named("nginx")


@pytest.mark.parametrize("text, layout, expected", [
    (b"081109 203530", "compact", "2008-11-09T20:35:30"),
    (b"1117838570", "epoch", "2005-06-03T22:42:50"),
    (b"2017-05-16 00:00:00.008", "iso", "2017-05-16T00:00:00.008"),
    (b"2015-10-18 18:01:47,978", "iso", "2015-10-18T18:01:47.978"),
    (b"2024-02-29T12:00:00Z", "iso", "2024-02-29T12:00:00"),
    (b"2024-02-29T12:00:00-0130", "iso", "2024-02-29T13:30:00"),
    (b"2024-02-29T12:00:00.5+02:00", "iso", "2024-02-29T10:00:00.500"),
    (b"2016-12-31 23:59:60", "iso", "2017-01-01T00:00:00"),
    (b"Jun  9 06:06:20", "rfc3164", "2005-06-09T06:06:20"),
    (b"2024-02-29T12:00:00Z", "rfc3164|iso", "2024-02-29T12:00:00"),
    (b"Sun Dec 04 04:47:44 2005", "asctime", "2005-12-04T04:47:44"),
    (b"10.30 16:49:06", "dotted", "2005-10-30T16:49:06"),
    (b"2024/02/29 12:00:00", "iso", "2024-02-29T12:00:00"),
    (b"1122 06:00:00.5", "month day", "2005-11-22T06:00:00.500"),
    (b"29/Feb/2024:12:00:00 +0200", "clf", "2024-02-29T10:00:00"),
])
def test_seconds(text, layout, expected):
    assert seconds(text, layout, 2005) == pytest.approx(utc(expected), abs=1e-6)


@pytest.mark.parametrize("text, layout", [
    (b"", "iso"), (b"081399 203530", "compact"), (b"081109 253530", "compact"), (b"Xyz  9 06:06:20", "rfc3164"),
    (b"Feb 30 06:06:20", "rfc3164"), (b"0000-01-01 00:00:00", "iso"), (b"12", "epoch"), (b"2024-01-02", "iso"),
])
def test_seconds_of_no_time_are_nan(text, layout):
    assert math.isnan(seconds(text, layout))


def test_seconds_without_year_are_not_ahead_of_now():
    now = datetime.now(timezone.utc).timestamp()
    year = 366 * 86400
    for month in (b"Jan", b"Apr", b"Jul", b"Oct", b"Dec"):
        assert now - year - 86400 < seconds(month + b" 15 12:00:00", "rfc3164") <= now + 2 * 86400


@pytest.mark.parametrize("name", ["hdfs", "bgl", "openstack", "syslog", "hadoop", "plain"])
def test_times_of_a_block_are_those_of_its_lines(name):
    own, others = EXAMPLES[name][0], EXAMPLES["hadoop"][0]
    lines = [b"no time", *own, b"", *others, b"Jun  9 06:06:21 combo x", *own]
    form = FORMATS[name]
    alone = [form.times([line], 2005)[0] for line in lines]
    np.testing.assert_array_equal(form.times(lines, 2005), alone)
    assert np.isnan(alone[0]) and not np.isnan(alone[1])
    assert FORMATS["ids"].times(lines) is None


@given(st.lists(st.tuples(st.integers(0, 10 ** 8), st.text("0123456789", max_size=25), st.booleans()), max_size=40), st.sampled_from((b".", b",")))
def test_times_with_any_fraction_are_those_of_each_line(moments, point):
    lines = [b"2024-02-29 %02d:%02d:%02d%b INFO a: b" % (s // 3600 % 24, s // 60 % 60, s % 60, point + more.encode() if more and fraction else b"")
             for s, more, fraction in moments]
    form = FORMATS["hadoop"]
    np.testing.assert_array_equal(form.times(lines), [seconds(form.lead.match(line)["time"], form.time) for line in lines])
