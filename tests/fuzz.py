"""Coverage-guided fuzzing with atheris (https://github.com/google/atheris, `pip install '.[test-slow]'`).

    python tests/fuzz.py TARGET [-max_total_time=60] [more of libFuzzer's options; a file that failed, to see it again]

    reading   any bytes, cut anywhere: blocks, envelopes, records, times, session keys
    parser    any lines: learned, consolidated, frozen, kept as JSON; the caches change no id
    model     the bundled model file with any damage: refused in one sentence, or it loads and scores

A target takes bytes and fails by an exception. test_fuzz.py gives the same targets what hypothesis makes up.
"""
from __future__ import annotations

import io
import json
import os
import pkgutil
import resource
import sys
import tempfile
from collections import Counter
from contextlib import nullcontext
from copy import deepcopy
from importlib import import_module
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
IN_USE = __name__ == "__main__"
if IN_USE:
    import atheris
    sys.path.insert(0, str(ROOT))

with atheris.instrument_imports(include=["tinylog"]) if IN_USE else nullcontext():
    import tinylog.reading
    from tinylog.errors import InputError, ModelFileError
    from tinylog.model import MODELS, Model
    from tinylog.modelfile import tensors
    from tinylog.modelfile.checksum import checksum
    from tinylog.parsing import Parser
    from tinylog.pipeline import recognise_all
    from tinylog.reading.blocks import Cutter
    from tinylog.reading.clock import Clock
    from tinylog.reading.formats import FORMATS, session_keys, session_pattern
    from tinylog.reading.front import Front
    from tinylog.records import Template
    if IN_USE:
        for module in pkgutil.iter_modules(tinylog.reading.__path__, "tinylog.reading."):
            import_module(module.name)

MAX_LINE = 200  # bytes, so that lines are cut too
MOST_MEMORY = 256 << 10  # KiB that reading one small model file may take
KEY = session_pattern(r"(?:blk_|id=)(-?\d+)")
BUNDLED = Path(MODELS, "hdfs.tinylog").read_bytes()
HEADER_END = 8 + int.from_bytes(BUNDLED[:8], "little")


def reading(data: bytes) -> None:
    """The first byte says how the rest is cut into chunks. Columns fit together, and a front goes on from its JSON as if nothing were."""
    size, raw = 1 + data[0] if data else 1, data[1:]
    counters: Counter[str] = Counter()
    cutter = Cutter(None, MAX_LINE, counters)
    found = [cutter.feed(raw[at:at + size]) for at in range(0, len(raw), size)] + [cutter.end()]
    read = [block for block in found if block is not None]
    try:
        front, _ = recognise_all(iter(read), counters=counters)
    except InputError as error:
        assert not read and "empty" in str(error)
        return
    other, clock = Front.from_json(json.loads(json.dumps(front.to_json()))), Clock(front.form)
    numbers = []
    for block in read:
        blocks = front.add(block), other.add(block)
        assert blocks[0].data == blocks[1].data
        other = Front.from_json(json.loads(json.dumps(other.to_json())))
        numbers += _columns(blocks[0], clock)
    for block, again in zip(front.close(), other.close(), strict=True):
        assert block.data == again.data
        _columns(block, clock)
    assert all(1 <= number <= cutter.line_no for number in numbers)


def _columns(block, clock: Clock) -> list[int]:
    form = clock.form
    lines = block.data.split(b"\n")
    assert lines.pop() == b""
    numbers = block.numbers(len(lines)).tolist()
    times, labels = clock.times(lines), form.labels(lines)
    assert len(numbers) == len(lines) == len(session_keys(lines, KEY))
    assert times is None or times.shape == (len(lines),) and not np.isinf(times).any()
    assert labels is None or len(labels) == len(lines)
    assert all(len(column) == len(lines) for column in form.columns(lines, ("host", "process", "level")).values())
    Clock.from_json(json.loads(json.dumps(clock.to_json())), form)
    return numbers


def parser(data: bytes) -> None:
    """The first two bytes are kind, bounds and format, the rest is lines: one half to learn from, then, frozen, the other half."""
    first, second, lines = *(data + bytes(2))[:2], data[2:].split(b"\n")
    form = sorted(FORMATS)[second % len(FORMATS)]
    parsers = [Parser(FORMATS[form].content_of, [Template("seed", "close <*>")] if first & 4 else [], ("drain", "spell")[first & 1],
                      max_templates=4 + first // 8, max_newcomers=3, cache_entries=entries) for entries in (0, 2, 1000)]
    half = len(lines) // 2
    _agree(parsers, lines[:half], "learn")
    if first & 2:
        assert len({tuple(parser.consolidate().items()) for parser in parsers}) == 1
        _agree(parsers, lines[:half], "match")
    for each in parsers:
        each.freeze()
    parsers.append(Parser.from_json(json.loads(json.dumps(parsers[0].to_json())), FORMATS[form].content_of))
    _agree(parsers, lines, "match")
    _agree(parsers, lines[half:], "learn")
    assert all(each.templates == parsers[0].templates for each in parsers)


def _agree(parsers: list[Parser], lines: list[bytes], verb: str) -> None:
    """All of them say the same of a chunk, and of its lines one by one."""
    chunk = b"".join(line + b"\n" for line in lines)
    ids = [getattr(each, verb)(chunk).tolist() for each in parsers]
    assert all(found == ids[0] for found in ids) and len(ids[0]) == len(lines)
    for line, event_id in zip(lines, ids[0]):
        assert 1 <= event_id < len(parsers[0].templates)
        assert all(isinstance(value, bytes) for value in parsers[0].values(line, event_id))
        if event_id > 1:
            assert [each.event_id(line) for each in parsers] == [event_id] * len(parsers)
    assert all(len(each.templates) - 2 <= each.bounds.max_templates + each.bounds.max_newcomers for each in parsers)


def model(data: bytes) -> None:
    """The first byte says what is edited: bytes, bytes of a file whose header has the length that it claims, or what the file says."""
    kind = data[0] % 3 if data else 0
    refused_or_works(said_otherwise(data[1:]) if kind == 2 else edited(data[1:], kind == 1))


def edited(data: bytes, fits: bool) -> bytes:
    """The bundled model with edits of four bytes: what, where (two bytes), and a byte."""
    header, body = bytearray(BUNDLED[8:HEADER_END]), bytearray(BUNDLED[HEADER_END:])
    for i in range(0, len(data) - 3, 4):
        what, high, low, byte = data[i:i + 4]
        part = header if what % 4 else body
        at = (high << 8 | low) % max(len(part), 1)
        part[at:at + (what % 4 != 2)] = b"" if what % 4 == 3 else bytes([byte])  # replace, insert, or take out
    return (len(header).to_bytes(8, "little") if fits else BUNDLED[:8]) + bytes(header + body)


def said_otherwise(data: bytes) -> bytes:
    """The bundled model with edits of three bytes: which of the values in its texts (two bytes), and what it becomes."""
    header = json.loads(BUNDLED[8:HEADER_END])
    texts = header.pop("__metadata__")
    arrays = {name: np.frombuffer(BUNDLED[HEADER_END + entry["data_offsets"][0]:HEADER_END + entry["data_offsets"][1]],
                                  tensors.DTYPES[entry["dtype"]]).reshape(entry["shape"]) for name, entry in header.items()}
    said = {name: json.loads(text) for name, text in texts.items()} | {"parser": json.loads(arrays["model.parser"].tobytes())}
    for i in range(0, len(data) - 2, 3):
        at = list(_places(said)) + list(_places(arrays))
        where, key = at[(data[i] << 8 | data[i + 1]) % len(at)]
        odd = deepcopy(ODD[data[i + 2] % len(ODD)])
        if odd is ...:
            del where[key]
        elif where is arrays:
            arrays[key] = arrays[key][:data[i + 2] // len(ODD)] if odd is None else np.full_like(arrays[key], data[i + 2] % 7)
        else:
            where[key] = odd
    if "model.parser" in arrays and "parser" in said:
        arrays["model.parser"] = np.frombuffer(json.dumps(said.pop("parser")).encode(), np.uint8)
    texts = {str(name): json.dumps(value) for name, value in said.items() if name != "checksum"}
    return tensors.to_bytes(arrays, texts | {"checksum": json.dumps(checksum(arrays, texts))})


def _places(value):
    """Each container inside a value and a key or index of it."""
    for key in list(value) if isinstance(value, dict) else range(len(value)):
        yield value, key
        if isinstance(value[key], (dict, list)):
            yield from _places(value[key])


def refused_or_works(damaged: bytes) -> bool:
    """Whether a model file of these bytes was refused, as it should be: in one sentence that names it. Otherwise it scores and explains."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "damaged.tinylog")
        Path(path).write_bytes(damaged)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        try:
            with np.errstate(all="ignore"):
                loaded = Model.load(path)
        except ModelFileError as error:
            text = str(error)
            assert text.startswith(path) and text.isprintable() and len(text) < len(path) + 500, text
            return True
        finally:
            assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MOST_MEMORY
    with np.errstate(all="ignore"):  # a damaged number may be too large to count with
        assert all(alert.why for alert in loaded.detect(io.BytesIO(LOG)))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MOST_MEMORY
    return False


LOG = b"".join((ROOT / "examples" / "hdfs.log").read_bytes().splitlines(keepends=True)[:40]) + (
    b"260301 080001 5 INFO dfs.X: never seen before blk_7\n")
ODD = (None, True, -1, 0, 1, 7, 10**6, 10**12, 10**30, 0.5, 1e308, float("inf"), float("nan"), "", "x", "(", "\ud800\n", [], [[]], {}, [0] * 9, ...)
TARGETS = {"reading": reading, "parser": parser, "model": model}
SEEDS = {
    "reading": [b"\x40" + LOG, b"\x09" + b'{"log":"a\\n","stream":"stdout","time":"2026-11-22T06:00:00Z"}\n' * 3,
                b"\xff" + b"2026-11-22T06:00:00Z stdout P half\n2026-11-22T06:00:00Z stdout F whole\n", b"\x30" + b"level=info msg=up ts=1 a=b\n" * 3,
                b"\xff__CURSOR=s=1\n__REALTIME_TIMESTAMP=1795327200000000\nMESSAGE\n\x03\0\0\0\0\0\0\0a\nb\n\n",
                b"\x20Jun  9 06:06:20 combo sshd(pam_unix)[19939]: check pass\n\tat x.y(z)\nDec 31 23:59:59 combo a: b\nFeb 30 00:00:00 combo a: b\n",
                b"\x80" + b"<165>1 2003-10-11T22:14:15.003Z h app 7 id [a b=\"c\"] m\n", b"\x11label,sequence\n0,5 22 11\n"],
    "parser": [b"\x06\x00" + LOG, b"\x01\x05open file /a/b 12\nopen file x 0x1f\nclose k=v\n" * 4, b"\x0f\x10user root\nuser bob\nuser eve\n" * 5],
    "model": [b"\0\1\0\x40\x39", b"\1\1\0\x40\x39", b"\0\0\1\1\xff", b"\1\2\5\1\x30\3\1\1\1", b"\2\0\5\7", b"\2\0\x09\6\0\3\3"],
}


def main() -> None:
    """Runs one target until libFuzzer ends it; what fails is shown, and kept as a file."""
    if sys.argv[1:2] == [] or sys.argv[1] not in TARGETS:
        sys.exit(f"python tests/fuzz.py TARGET [options of libFuzzer]; targets: {', '.join(TARGETS)}")
    name = sys.argv.pop(1)
    with tempfile.TemporaryDirectory() as corpus:
        for i, seed in enumerate(SEEDS[name]):
            Path(corpus, str(i)).write_bytes(seed)
        replayed = any(map(os.path.isfile, sys.argv[1:]))
        atheris.Setup(sys.argv if replayed else [*sys.argv, corpus], TARGETS[name])
        atheris.Fuzz()


if IN_USE:
    main()
