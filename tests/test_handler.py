"""tinylog.Handler: exact templates, the same verdicts as from a file, and a guest that never disturbs the program that logs."""
import asyncio
import logging
import logging.handlers
import queue
import subprocess
import sys
import threading
import time
from importlib import import_module

import pytest

import tinylog
from tinylog.handler import BATCH, EventIds, template_of
from tinylog.parsing import Parser
from tinylog.reading.formats import FORMATS
from tinylog.records import UNKNOWN, Template

PLAIN = logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")


def serve(log, requests, odd=()):
    """What a server logs of each request: a session of four records, five where it is odd."""
    for i in requests:
        log.info("request r%d started by %s", i, "ann bob carl".split()[i % 3])
        log.debug("query took %.1f ms (r%d)", i / 7, i)
        if i in odd:
            log.error("cannot reach %s for r%d: %s", "db7", i, "refused")
        log.info("r%d: rendered 3 templates", i)
        log.info(f"request r{i} done")


def record(i, levelno=logging.INFO, created=1e9):
    """One as logging makes it, at a time of our choice."""
    return logging.makeLogRecord(dict(name="app", levelno=levelno, msg="request r%d started by %s", args=(i, "ann"), created=created))


def logger_with(handler):
    log = logging.Logger("app")
    log.addHandler(handler)
    return log


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    """A model of what the server logs, learned from its log file: format and session key are all that tells it of Python."""
    folder = tmp_path_factory.mktemp("app")
    file = logging.FileHandler(folder / "app.log")
    file.setFormatter(PLAIN)
    serve(logger_with(file), range(200))
    file.close()
    train = import_module("tinylog.train")
    assert train.main(["-o", str(folder / "app.tinylog"), "--detector", "rules", "--session", r"\br\d+\b", str(folder / "app.log")]) == 0
    return folder / "app.tinylog"


def handler_of(model, to, **options):
    handler = tinylog.Handler(model, to, **options)
    handler.setFormatter(PLAIN)
    return handler


def test_odd_requests_are_told_and_no_others(app):
    alerts = []
    handler = handler_of(app, alerts.append)
    serve(logger_with(handler), range(300), odd={7, 250})
    assert handler.counters["sessions"] == 0  # none is over yet
    handler.close()
    assert [alert.session for alert in alerts] == ["r7", "r250"]
    alert = alerts[0]
    assert (alert.kind, alert.template) == ("new_template", "app: cannot reach <*> for r<*>: <*>")
    assert alert.line.endswith(b"cannot reach db7 for r7: refused") and alert.line_no == 7 * 4 + 3
    assert handler.counters == {"records": 1202, "sessions": 300, "alerts": 2, "unseen": 2}


def test_a_file_of_the_same_records_gives_the_same_alerts(app, tmp_path):
    alerts = []
    handler, file = handler_of(app, alerts.append), logging.FileHandler(tmp_path / "now.log")
    file.setFormatter(PLAIN)
    log = logger_with(handler)
    log.addHandler(file)
    serve(log, range(50), odd={3, 4, 40})
    handler.close()
    file.close()
    with open(tmp_path / "now.log", "rb") as lines:
        of_file = list(tinylog.load(app).detect(lines))
    assert [(a.session, a.score, a.line_no, a.kind) for a in alerts] == [(a.session, a.score, a.line_no, a.kind) for a in of_file] != []


def test_a_session_that_is_silent_for_the_timeout_has_its_verdict_while_others_go_on(app):
    alerts = []
    handler = handler_of(app, alerts.append, timeout=60)
    for i in range(20):
        handler.handle(record(i, created=1e9 + 10 * i))
    handler.flush()
    assert handler.counters["sessions"] == 13  # those whose one record is more than 60 seconds old
    handler.close()


def test_records_that_wait_are_judged_from_the_flush_level_on_and_when_the_first_is_old(app):
    handler = handler_of(app, [].append)
    counts = []
    for i, level in enumerate([20] * 3 + [logging.ERROR] + [20] * (BATCH + 1)):
        handler.handle(record(i, levelno=level))
        counts.append(handler.counters["records"])
    assert counts[2:4] == [0, 4] and counts[-2:] == [4 + BATCH] * 2 and counts[-3] == 4
    handler.handle(record(1, created=1e9 + 1.5))
    assert handler.counters["records"] == 4 + BATCH + 2


def test_alerts_go_to_a_logger_and_make_no_circle(app):
    """The handler hears the root logger, to which the alerts' logger propagates, and so does what listens to the alerts."""
    heard = []

    class Listener(logging.Handler):
        def emit(self, record):
            heard.append(record)
            log.info("told of %s", record.alert.session)  # the handler hears that, and takes no notice

    handler, listener = handler_of(app, logging.getLogger("test.alerts")), Listener()
    log = logging.getLogger("app")
    root, alerts = logging.getLogger(), logging.getLogger("test.alerts")
    alerts.addHandler(listener)
    root.addHandler(handler)
    level = root.level
    root.setLevel(logging.DEBUG)
    try:
        serve(log, range(30), odd={7})
        handler.close()
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
        alerts.removeHandler(listener)
    (record,) = heard
    assert record.levelno == logging.WARNING and record.alert.session == "r7" and "new_template: never seen" in record.getMessage()
    assert handler.counters["records"] == 121
    handler.handle(logging.makeLogRecord({"name": "test.alerts", "msg": "an alert that comes back by a queue, from another thread"}))
    handler.flush()
    assert handler.counters["records"] == 121


def test_a_callback_that_logs_while_another_thread_does_cannot_block(app):
    """Alerts are told without the handler's lock: the other thread gets it while the callback waits for that thread."""
    done, started, free = threading.Event(), threading.Event(), []

    def told(alert):
        log.info("%s is odd", alert.session)  # not scored: it is about what was
        started.set()
        free.append(done.wait(10))

    handler = handler_of(app, told)
    log = logger_with(handler)
    serve(log, range(1, 1 + BATCH), odd={1})
    end = record(1, levelno=logging.ERROR, created=time.time() + 9e5)  # so late that the sessions before it are over
    first = threading.Thread(target=log.handle, args=(end,))
    first.start()
    assert started.wait(10)
    second = threading.Thread(target=lambda: (serve(log, [2]), handler.flush(), done.set()))
    second.start()
    second.join(10)
    first.join(10)
    assert free == [True] and not first.is_alive() and handler.counters["records"] == 4 * BATCH + 1 + 1 + 4
    handler.close()


def test_threads_that_log_at_once_lose_no_record(app):
    alerts = []
    handler = handler_of(app, alerts.append)
    log = logger_with(handler)
    threads = [threading.Thread(target=serve, args=(log, range(100 * n, 100 * n + 100), {100 * n + 5})) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    handler.close()
    assert handler.counters["records"] == 4 * 401 and handler.counters["sessions"] == 400
    assert sorted(alert.session for alert in alerts) == ["r105", "r205", "r305", "r5"]


class Unprintable:
    def __str__(self):
        raise ValueError("no text")


@pytest.mark.parametrize("msg, args", [("%d apples", ("many",)), ("%s %s", (1,)), ("%s", (Unprintable(),)), (Unprintable(), ())])
def test_a_record_that_cannot_be_formatted_is_an_error_of_logging_alone(app, capsys, msg, args):
    handler = handler_of(app, [].append)
    logger_with(handler).info(msg, *args)
    assert "--- Logging error ---" in capsys.readouterr().err
    serve(logger_with(handler), [1])
    handler.close()
    assert handler.counters["records"] == 4


def test_a_callback_that_fails_is_said_and_the_next_alert_comes(app, capsys):
    told = []

    def fails(alert):
        told.append(alert.session)
        raise RuntimeError("mail server is down")

    handler = handler_of(app, fails)
    serve(logger_with(handler), [1], odd={1})
    handler.close()
    assert told == ["r1"] and "mail server is down" in capsys.readouterr().err


def test_any_text_is_taken(app):
    handler = handler_of(app, [].append)
    log = logger_with(handler)
    for text in ("", " ", "\x00\x1b[31m", "\udcff", "a\nb\r\nc\u2028d", "x" * 200_000, "%", "%s %s", "日本語"):
        log.info(text)
        log.info("%s", text)
        log.info("is %s", text, exc_info=(ValueError, ValueError(text), None))
    handler.close()
    assert handler.counters["records"] == 27


def test_templates_are_letter_by_letter_and_need_no_mining():
    assert template_of("%s: took %5.1f ms of %(budget)d, %-3d %% %*d %r") == "<*>: took <*> ms of <*>, <*> % <*> <*>"
    parser = Parser(seeds=[Template("7", "took <*> ms")])
    parser.freeze()
    ids = EventIds(parser, FORMATS["plain"])

    def of(msg, *args):
        record = logging.makeLogRecord({"msg": msg, "args": args})
        return ids.of(record, record.getMessage().encode(), logging.Formatter().format)

    assert of("took %d ms", 5) == of("took  %s ms", "many") == 2
    user = of("user %s: %d new, %s", "ann", 3, "two words and more")
    assert parser.templates[user].text == "user <*>: <*> new, <*>" and of("user %s: %d new, %s", "bob", 4, "one") == user
    assert of("a %d", 1) != of("b %d", 1) and parser.counters["parsed"] == 3  # each new kind of record was looked for once


def test_new_templates_are_bounded():
    parser = Parser(max_newcomers=10)
    parser.freeze()
    ids = EventIds(parser, FORMATS["plain"])
    found = [ids.of(logging.makeLogRecord({"msg": f"{'abcdefghijklmnopqrstuvwxyz'[i]}x %s", "args": (i,)}), b"", str) for i in range(26)]
    assert found[:10] == list(range(2, 12)) and set(found[10:]) == {UNKNOWN} and len(parser.templates) == 12


def test_key_names_the_session(app):
    alerts = []
    handler = handler_of(app, alerts.append, key=lambda record: getattr(record, "request", None))
    log = logger_with(handler)
    log.info("request r%d started by %s", 1, "ann", extra={"request": "A"})
    log.error("something %s", "else", extra={"request": "A"})
    log.info("no request here")
    handler.close()
    assert [alert.session for alert in alerts] == ["A"] and handler.counters["sessions"] == 1


def test_behind_a_queue_with_records_as_they_are(app):
    """asyncio's way: the loop only puts records into a queue. An own `prepare` keeps their templates exact."""
    class AsIs(logging.handlers.QueueHandler):
        def prepare(self, record):
            return record

    alerts, waiting = [], queue.Queue()
    handler = handler_of(app, alerts.append)
    listener = logging.handlers.QueueListener(waiting, handler)
    listener.start()
    log = logger_with(AsIs(waiting))

    async def request(i):
        serve(log, [i], odd={5})
        await asyncio.sleep(0)

    async def main():
        await asyncio.gather(*map(request, range(20)))

    asyncio.run(main())
    listener.stop()
    handler.close()
    assert [(alert.session, alert.template) for alert in alerts] == [("r5", "app: cannot reach <*> for r<*>: <*>")]


def test_a_model_that_is_none_is_refused_before_anything_is_logged(tmp_path):
    with pytest.raises(tinylog.ModelFileError, match="no such model"):
        tinylog.Handler(tmp_path / "none.tinylog")


def test_what_is_open_when_the_program_ends_is_told(app):
    code = ("import logging, sys, tinylog\n"
            "handler = tinylog.Handler(sys.argv[1]); handler.setFormatter(logging.Formatter('%(levelname)s %(name)s: %(message)s'))\n"
            "log = logging.getLogger('app'); log.addHandler(handler)\n"
            "log.error('quite %s for r1', 'another')\n")
    done = subprocess.run([sys.executable, "-c", code, str(app)], capture_output=True)
    assert done.returncode == 0 and done.stderr.count(b"new_template: never seen in training") == 1, done.stderr
