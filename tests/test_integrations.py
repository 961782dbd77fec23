"""The examples for other tools: each protocol as that tool speaks it, with the very command of the example; the tool where it is."""
import configparser
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

import pytest
from conftest import ROOT, run_here

EXAMPLES = ROOT / "examples"
WINDOW = 10
USERS = ("ann", "bob", "carl")


def syslog(i, text):
    return f"2026-03-01T08:{i // 60 % 60:02d}:{i % 60:02d}.000000+00:00 gate sshd[{400 + i % 7}]: {text}\n"


def normal(n):
    """Lines of a gate where people come and go."""
    texts = ("Accepted password for {user} from 10.0.0.{i} port 22", "session opened for user {user}", "session closed for user {user}")
    return [syslog(i, texts[i % 3].format(user=USERS[i // 3 % 3], i=i % 250)) for i in range(n)]


ODD = "POSSIBLE BREAK-IN ATTEMPT \x1b[31m from 10.9.9.9"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Of windows of ten lines, each judged when it is full: so that alerts come while the log is open."""
    folder = tmp_path_factory.mktemp("syslog")
    (folder / "syslog").write_text("".join(normal(600)))
    options = ("--detector", "unseen_event", "--window", WINDOW, "--format", "syslog")
    done = run_here("train", "-o", folder / "gate.tinylog", *options, folder / "syslog")
    assert done.returncode == 0, done.stderr.decode()
    return folder / "gate.tinylog"


def uncommented(name):
    return "\n".join(line for line in (EXAMPLES / name).read_text().splitlines() if not line.lstrip().startswith("#"))


def directives(name):
    """Each directive of a unit file and its values, in order."""
    found = {}
    for key, value in re.findall(r"(?m)^(\w+)=(.*)$", uncommented(name)):
        found.setdefault(key, []).append(value)
    return found


def of_service():
    """The words of ExecStart, as systemd splits them; it has specifiers (%) and variables ($) of its own, of which there is none."""
    (command,) = directives("tinylog.service")["ExecStart"]
    assert not set("%$") & set(command)
    return shlex.split(command)


def of_rsyslog(place):
    """The program of `binary`, put where rsyslog.conf says; omprog splits the words at every space."""
    (word,) = re.search(r'binary="([^"\\]*)"', uncommented("rsyslog.conf"))[1].split(" ")
    installed = Path(f"{place}{word}")
    installed.parent.mkdir(parents=True)
    installed.write_text(below(place, (EXAMPLES / installed.name).read_text()))
    installed.chmod(0o755)
    return str(installed)


def of_fluentd():
    return ["sh", "-c", re.search(r"(?m)^ *command (.*)$", uncommented("fluentd.conf"))[1]]  # fluentd's child is started by a shell


def of_vector():
    return json.loads(re.search(r"(?m)^command = (\[.*\])$", uncommented("vector.toml"))[1])


@pytest.fixture
def place(tmp_path, model):
    """Where the examples' commands run: the programs that they name come from `bin`, their paths lie below `tmp_path`."""
    (tmp_path / "bin").mkdir()
    stub(tmp_path, "python3", f'exec "{sys.executable}" "$@"')
    for name in ("etc/tinylog", "run/tinylog", "var/lib/tinylog", "var/log"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("journal", "syslog", "app"):
        shutil.copy(model, tmp_path / "etc/tinylog" / f"{name}.tinylog")
    return tmp_path


def stub(place, name, script):
    path = place / "bin" / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def below(place, text):
    """With the examples' paths below `place`."""
    return re.sub(r"(?<![\w.])/(etc/tinylog|run/tinylog|var/lib/tinylog|var/log|usr/local/lib)", rf"{place}/\1", text)


def started(place, words, **options):
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    environment |= {"PATH": f"{place / 'bin'}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    return subprocess.Popen([below(place, word) for word in words], env=environment, cwd=place, **pipes | options)


def eventually(look, seconds=60):
    """What `look` gives once it gives something."""
    deadline = time.monotonic() + seconds
    while not (found := look()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return found


def objects(text):
    """The JSON objects of whole lines; no line holds anything else."""
    return [json.loads(line) for line in text.split("\n")[:-1]]


def test_rsyslog_omprog_gets_a_message_a_line_and_ends_at_the_end_of_input(place):
    process = started(place, [of_rsyslog(place)])
    alerts = place / "var/log/tinylog.jsonl"
    for line in [*normal(2 * WINDOW), syslog(99, ODD), *normal(WINDOW)]:
        process.stdin.write(line.encode())  # omprog writes message by message
        process.stdin.flush()
    (alert,) = eventually(lambda: alerts.exists() and objects(alerts.read_text()))  # while the pipe is open
    assert alert["kind"] == "new_template" and "BREAK-IN" in alert["line"] and process.poll() is None
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 0 and output == b""  # nothing that omprog could take for an answer
    assert "31 lines (syslog)" in (place / "var/log/tinylog.notes").read_text()
    assert 'template="RSYSLOG_FileFormat"' in uncommented("rsyslog.conf") and "confirmMessages" not in uncommented("rsyslog.conf")


def single_value(line):
    return line


def as_json(line):
    return json.dumps({"message": line.rstrip("\n"), "path": "/var/log/app.log"}) + "\n"


unwrapped = pytest.mark.skipif(find_spec("tinylog.reading.jsonlines") is None, reason="JSON lines are not unwrapped here")


@pytest.mark.parametrize("form", [single_value, pytest.param(as_json, marks=unwrapped)])
def test_fluentd_exec_filter_gets_lines_and_reads_json(place, form):
    process = started(place, of_fluentd())
    process.stdin.write("".join(map(form, [*normal(WINDOW), syslog(99, ODD), *normal(2 * WINDOW)])).encode())  # a chunk of the buffer
    process.stdin.flush()
    alert = json.loads(process.stdout.readline())  # it comes back while the child runs
    assert "BREAK-IN" in alert["line"] and re.fullmatch(r"2026-03-01T08:\d\d:\d\d(\.\d+)?Z", alert["time"])
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 0 and output == b""
    text = uncommented("fluentd.conf")
    words = ("@type exec_filter", "@type single_value", "message_key message", "time_key time", "tag tinylog.alert")
    assert all(word in text for word in words)
    sections = re.findall(r"(?m)^ *<(/?)(\w+)", text)
    assert [name for slash, name in sections if not slash].count("match") == sum(name == "match" for slash, name in sections if slash) == 2


def test_vector_exec_source_reads_json_lines_of_a_pipe(place):
    log = place / "journal.txt"
    log.write_text("".join([*normal(WINDOW), syslog(99, ODD), *normal(WINDOW)]))
    stub(place, "journalctl", f'echo "$@" > "{place}/asked"; cat "{log}"; exec sleep 60')
    process = started(place, of_vector(), start_new_session=True)
    alert = json.loads(process.stdout.readline())
    assert "BREAK-IN" in alert["line"] and (place / "asked").read_text() == "--follow --lines=0 --output=short-iso\n"
    os.killpg(process.pid, signal.SIGTERM)  # as Vector ends it
    process.communicate(timeout=30)
    config = uncommented("vector.toml")
    assert 'type = "exec"' in config and 'mode = "streaming"' in config and 'decoding.codec = "json"' in config
    if sys.version_info >= (3, 11):
        import tomllib
        assert tomllib.loads(config)["sources"]["tinylog"]["command"] == of_vector()


def test_fluent_bit_gets_json_lines_at_the_end_of_the_pipe(place):
    log = place / "app.log"
    log.write_text("".join([*normal(WINDOW), syslog(99, ODD), *normal(WINDOW)]))
    stub(place, "fluent-bit", f'echo "$*" > "{place}/asked"; exec cat > "{place}/got"')
    words = ["sh", EXAMPLES / "fluent_bit.sh", place / "etc/tinylog/app.tinylog", log, "http", "host=logs.example", "uri=/a b"]
    process = started(place, map(str, words), start_new_session=True)
    (alert,) = eventually(lambda: (place / "got").exists() and objects((place / "got").read_text()))
    os.killpg(process.pid, signal.SIGTERM)
    process.communicate(timeout=30)
    assert "BREAK-IN" in alert["line"]
    assert (place / "asked").read_text() == "-q -i stdin -t tinylog.alert -p buffer_size=8M -o http -p host=logs.example -p uri=/a b\n"


def test_the_service_keeps_alerts_and_figures_and_fails_when_the_journal_ends(place):
    log = place / "journal.txt"
    log.write_text("".join([*normal(WINDOW), syslog(99, ODD), *normal(WINDOW)]))
    stub(place, "journalctl", f'cat "{log}"')
    process = started(place, of_service(), stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    output, notes = process.communicate(timeout=60)
    (alert,) = objects((place / "var/lib/tinylog/alerts.jsonl").read_text())
    assert process.returncode == 1 and output == b"" and b"21 lines (syslog)" in notes and "BREAK-IN" in alert["line"]
    assert 'tinylog_anomalies_total{kind="new_template"} 1\n' in (place / "run/tinylog/tinylog.prom").read_text()


HARDENED = {
    "DynamicUser": "yes", "SupplementaryGroups": "systemd-journal", "StateDirectory": "tinylog", "ProtectSystem": "strict",
    "ProtectHome": "yes", "PrivateTmp": "yes", "PrivateDevices": "yes", "PrivateNetwork": "yes", "NoNewPrivileges": "yes",
    "ProtectKernelTunables": "yes", "ProtectKernelModules": "yes", "ProtectKernelLogs": "yes", "ProtectControlGroups": "yes",
    "ProtectClock": "yes", "ProtectHostname": "yes",
    "RestrictAddressFamilies": "AF_UNIX", "RestrictNamespaces": "yes", "RestrictRealtime": "yes", "RestrictSUIDSGID": "yes",
    "LockPersonality": "yes", "MemoryDenyWriteExecute": "yes", "CapabilityBoundingSet": "", "SystemCallArchitectures": "native",
    "MemoryMax": "128M", "CPUQuota": "25%", "Nice": "10", "Restart": "on-failure"}


def test_the_service_may_do_nothing_else():
    found = directives("tinylog.service")
    assert {name: found.get(name, [None])[-1] for name in HARDENED} == HARDENED
    assert found["SystemCallFilter"][0] == "@system-service" and all(value.startswith("~") for value in found["SystemCallFilter"][1:])
    parser = configparser.RawConfigParser(strict=False, delimiters="=", comment_prefixes="#")
    parser.optionxform = str
    parser.read(EXAMPLES / "tinylog.service")
    assert parser.sections() == ["Unit", "Service", "Install"] and parser["Install"]["WantedBy"] == "multi-user.target"


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
def test_systemd_finds_no_fault_in_the_service_and_calls_it_safe(tmp_path):
    done = subprocess.run(["systemd-analyze", "verify", EXAMPLES / "tinylog.service"], capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
    words = ["systemd-analyze", "security", "--offline=true", "--threshold=10", EXAMPLES / "tinylog.service"]
    done = subprocess.run(words, capture_output=True)
    level = re.search(r"exposure level for tinylog.service: ([\d.]+)", done.stdout.decode())
    assert level and float(level[1]) < 1.0, (done.stdout, done.stderr)  # of 10; what has no protection at all has 9.6


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="no /proc here")
def test_detect_fits_into_the_memory_of_the_service(model):
    log = "".join(normal(20_000))
    code = "import sys; from tinylog import detect; detect.main(sys.argv[1:]); sys.stdout.write(open('/proc/self/status').read())"
    done = subprocess.run([sys.executable, "-c", code, "-m", model], input=log.encode(), capture_output=True)
    most = re.search(rb"VmHWM:\s+(\d+) kB", done.stdout)
    assert done.returncode == 0 and most and int(most[1]) < 100 * 1024, (most, done.stderr)  # of the 128 MiB


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("rsyslogd"), reason="rsyslogd is not installed (apt-get install rsyslog)")
def test_rsyslog_itself_runs_the_example(place):
    """With another input than the system's log: everything else is the example."""
    of_rsyslog(place)
    text = below(place, uncommented("rsyslog.conf"))
    door = f"{tempfile.gettempdir()}/tinylog-{os.getpid()}.sock"  # longer names than 108 bytes are none
    (place / "rsyslog.conf").write_text(
        f'global(workDirectory="{place}")\nmodule(load="imuxsock" SysSock.Use="off")\n'
        f'input(type="imuxsock" Socket="{door}" RateLimit.Interval="0")\n{text}')
    words = [shutil.which("rsyslogd"), "-n", "-f", str(place / "rsyslog.conf"), "-i", str(place / "pid")]
    daemon = started(place, words, stderr=subprocess.PIPE)
    try:
        assert eventually(lambda: os.path.exists(door)), daemon.communicate(timeout=5)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.connect(door)
            for line in [*normal(2 * WINDOW), syslog(99, ODD), *normal(WINDOW)]:
                sender.send(f"<30>Mar  1 {line[11:19]} {line.rstrip().split(' ', 2)[2]}".encode())  # as syslog(3) sends it
        alerts = place / "var/log/tinylog.jsonl"
        (alert,) = eventually(lambda: alerts.exists() and objects(alerts.read_text()))
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\S* \S+ sshd\[\d+\]: POSSIBLE BREAK-IN ATTEMPT #033\[31m from 10.9.9.9", alert["line"])
    finally:
        daemon.terminate()
        _, errors = daemon.communicate(timeout=30)
        Path(door).unlink(missing_ok=True)
    assert eventually(lambda: "31 lines (syslog)" in (place / "var/log/tinylog.notes").read_text()), errors


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("fluent-bit"), reason="fluent-bit is not installed (Debian bookworm has no package of it)")
def test_fluent_bit_itself_takes_the_alerts(place):
    log = place / "app.log"
    log.write_text("".join([*normal(WINDOW), syslog(99, ODD), *normal(WINDOW)]))
    words = ["sh", EXAMPLES / "fluent_bit.sh", place / "etc/tinylog/app.tinylog", log, "file", f"path={place}", "file=got", "format=plain"]
    process = started(place, map(str, words), start_new_session=True)
    (alert,) = eventually(lambda: (place / "got").exists() and objects((place / "got").read_text()))
    os.killpg(process.pid, signal.SIGTERM)
    process.communicate(timeout=30)
    assert "BREAK-IN" in alert["line"]


def test_watch_program_names_the_order_that_was_late(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, EXAMPLES / "watch_program.py", tmp_path], capture_output=True, env=environment)
    (alert,) = done.stdout.decode().splitlines()
    assert done.returncode == 0 and alert.startswith("#342: never seen in training: 'shop: order #<*>: the bank took <*> s, asking again'")
