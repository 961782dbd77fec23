"""Scoring beside PyTorch and ONNX Runtime: the published student of 442 numbers on windows of 50 events, and DeepLog's two layers.

`rows(quick)` gives every row, and each function of ROWS its own. In the same run each row checks that all decide alike.
"""
from __future__ import annotations

import compileall
import os
from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace

import numpy as np
from train_ref.datasets import LOGS, find, read

import tinylog
from tinylog.detectors import distillog
from tinylog.layers import lstm
from tinylog.layers.params import named, part
from tinylog.live.lines import Live
from tinylog.live.stepper import Stepper
from tinylog.model import Model, bundled
from tinylog.reading.formats import FORMATS, session_keys
from tinylog.records import Windows
from tinylog.windowing.arrays import to_windows

from . import inputs, peers
from .measure import Row, alternately, faster, process, share

SIZE = 50  # events of a window
WEIGHTS = {"weight_ih": "W", "weight_hh": "U", "bias_ih": "b", "bias_hh": "c"}
CONFIG = replace(distillog.PUBLISHED_STUDENT, prior=0.5)
START = """import sys, numpy as np
table, window = np.load(sys.argv[2]), np.load(sys.argv[3])
{network}
sys.stdout.write(str(int(y[0, 1] > y[0, 0])))"""
TORCH = """import torch
torch.set_num_threads(1)
gru, fc, parts = torch.nn.GRU(30, 4, batch_first=True), torch.nn.Linear(4, 2), torch.load(sys.argv[1])
gru.load_state_dict(parts[0]); fc.load_state_dict(parts[1])
with torch.inference_mode(): y = fc(gru(torch.from_numpy(table[window]))[0].mean(1)).numpy()"""
ONNX = """import onnxruntime
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
y = session.run(None, {"x": table[window]})[0]"""


@lru_cache(maxsize=2)
def published(log: str) -> tuple[distillog.Detector, Windows]:
    """The student of a log, and the windows of its test file."""
    with np.load(find(LOGS[log].weights)) as file:
        arrays = dict(file)
    weights = part(arrays, "student")
    params = {f"gru.{name[-1]}.{WEIGHTS[name[:-3]]}": array for name, array in part(weights, "gru").items()}
    params |= named("head", {"W": weights["fc.weight"], "b": weights["fc.bias"]})
    vectors = arrays["vectors"]
    events = np.clip(read(log)[1].events - 1, 0, len(vectors) - 1)  # as published: 0 is padding, and what no template matched
    return distillog.Detector(CONFIG, params), Windows(events, tables={"vectors": vectors})


def batch(quick: bool) -> Iterator[Row]:
    """Every window computed, and distinct ones once."""
    for log, goal in (("hdfs", ">= 12"), ("bgl", ">= 7")):
        student, windows = published(log)
        windows = windows.take(slice(0, 2_000 if quick else 20_000))
        table, n = windows.tables["vectors"], len(windows)
        again = 1 - len(windows.distinct()[0]) / n
        alternatives = {("PyTorch", 50): (peers.torch_scorer, ">= 16"), ("PyTorch", 1024): (peers.torch_scorer, ">= 5"),
                        ("ONNX Runtime", 1024): (peers.onnx_scorer, ">= 8")}
        for (peer, size), (make, wanted) in alternatives.items():
            theirs = make(student, table, size)
            ratios = alternately(lambda: student.logits(windows), lambda: theirs(windows.events))
            yield _row(f"student, {log}, every window", f"{peer} {size}", wanted, *ratios,
                       checked=_exactness(student, windows, student.logits(windows), theirs(windows.events)))
        theirs = peers.torch_scorer(student, table, 1024)
        ratios = alternately(lambda: _once(student, windows), lambda: theirs(windows.events))
        yield _row(f"student, {log}, distinct windows once", "PyTorch 1024", goal, *ratios,
                   checked={"duplicates": f"{again:.0%}", "other verdicts": _flips(_once(student, windows), theirs(windows.events))})


def live(quick: bool) -> Iterator[Row]:
    """The score after every raw line of a log of many sessions. Lines are parsed alike for all; peers compute the session's window again."""
    lines = inputs.lines("hdfs", 1_000 if quick else 40_000)
    for what, masked in (("padding skipped", True), ("padding read, as published", False)):
        model, table = live_model(masked)
        pipeline = model.pipeline(FORMATS["hdfs"])

        def ours() -> Live:
            scorer = Live(model, pipeline)  # noqa: B023
            scores[:] = [score for line in lines for _, score in scorer.scores(line)[:1]]
            return scorer
        scores: list[float] = []
        for peer, make, goal in (("PyTorch", peers.torch_scorer, ">= 100"), ("ONNX Runtime", peers.onnx_scorer, ">= 8")):
            one = make(model.detectors["distillog"], table, 1)
            a, b = alternately(ours, lambda: _again(model, lines, one, padded=not masked))  # noqa: B023
            y = np.concatenate(_again(model, lines, one, padded=not masked))
            checked = {"remembered": f"{1 - ours().stepper.computed / len(lines):.0%}", "us a line": f"{1e6 * np.median(a) / len(lines):.1f}",
                       "other verdicts": int(np.sum((np.array(scores) > 0) != (y[:, 1] - y[:, 0] > 5e-4)))}
            yield _row(f"live, raw lines to scores, {what}", peer, goal, a, b, checked=checked)


def window(quick: bool) -> Iterator[Row]:
    """One full window alone, nothing remembered."""
    model, table = live_model(masked=False)
    student, times = model.detectors["distillog"], 20 if quick else 200
    events = np.random.default_rng(0).integers(2, model.n_events, (1, SIZE)).astype(np.int32)
    stepper, theirs, listed = Stepper(model, model.spec), peers.onnx_scorer(student, table, 1), events[0].tolist()
    a, b = alternately(lambda: [stepper.score(listed) for _ in range(times)], lambda: [theirs(events) for _ in range(times)])
    y = theirs(events)
    yield Row("one 50-event window alone", "ONNX Runtime", "<= 1.5 of its time", share(a, b), float(np.median(a)) / times,
              checked={"differ by": f"{abs(stepper.score(listed) - float(y[0, 1] - y[0, 0])):.0e}"})


def start(quick: bool) -> Iterator[Row]:
    """Whole processes: start, one verdict, exit. Ours reads raw lines; the peers a window of event ids that is there already."""
    compileall.compile_dir(str(Path(tinylog.__file__).parent), quiet=2)  # as an installed package is
    student, windows = published("hdfs")
    log = b"".join((Path(__file__).parents[1] / "examples" / "hdfs.log").read_bytes().splitlines(keepends=True)[:20])
    with TemporaryDirectory() as folder:
        paths = {name: os.path.join(folder, name) for name in ("torch", "onnx", "table.npy", "window.npy")}
        save_torch(student, paths["torch"])
        Path(paths["onnx"]).write_bytes(peers.onnx_bytes(student))
        np.save(paths["table.npy"], windows.tables["vectors"])
        np.save(paths["window.npy"], windows.events[:1])
        for peer, name, code, goal in (("PyTorch", "torch", TORCH, "<= .08"), ("ONNX Runtime", "onnx", ONNX, "<= .75")):
            command = ("-c", START.format(network=code), paths[name], paths["table.npy"], paths["window.npy"])
            a, b = alternately(lambda: process("-m", "tinylog.detect", stdin=log), lambda: process(*command))  # noqa: B023
            verdict = process(*command)[1].decode() == str(int(np.diff(student.logits(windows.take(slice(0, 1))))[0, 0] > 0))
            yield Row("start, one verdict, exit", peer, goal, share(a, b), float(np.median(a)), checked={"same verdict": verdict})


def deeplog(quick: bool) -> Iterator[Row]:
    """DeepLog's recurrent layers, 2 x 64, histories of ten events: all their states."""
    import torch
    torch.set_num_threads(1)
    rng, n, D, H = np.random.default_rng(0), 2048 * (1 if quick else 4), 28, 64
    params, network = lstm.init(rng, D, H, 2), torch.nn.LSTM(D, H, 2, batch_first=True).eval()
    same = {f"{name}_l{i}": torch.from_numpy(params[f"{i}.{short}"]) for i in range(2) for name, short in WEIGHTS.items()}
    network.load_state_dict(same)
    x = np.eye(D, dtype=np.float32)[rng.integers(0, D, (n, 10))]

    def theirs() -> np.ndarray:
        with torch.inference_mode():
            return np.concatenate([network(torch.from_numpy(x[i:i + 2048]))[0].numpy() for i in range(0, n, 2048)])

    def ours() -> np.ndarray:
        return np.concatenate([lstm.infer(x[i:i + 256], params) for i in range(0, n, 256)])  # as detectors/deeplog_key.py does
    a, b = alternately(ours, theirs)
    yield Row("DeepLog (2 x 64), every window", "PyTorch 2048", "<= 1.2 of its time", share(a, b), float(np.median(a)),
              checked={"differ by": f"{np.abs(ours() - theirs()).max():.0e}"})


ROWS: dict[str, Callable[[bool], Iterator[Row]]] = {"batch": batch, "live": live, "window": window, "start": start, "deeplog": deeplog}


def rows(quick: bool) -> Iterator[Row]:
    """All rows; quick: small inputs, to see that it runs."""
    for each in ROWS.values():
        yield from each(quick)


def save_torch(student: distillog.Detector, path: str) -> None:
    """Its weights as a file of PyTorch: those of the GRU, those of the head."""
    import torch
    network = peers.torch_network(student)
    torch.save((network.gru.state_dict(), network.fc.state_dict()), path)


def live_model(masked: bool) -> tuple[Model, np.ndarray]:
    """The bundled model's parser and sessions with the published student, a vector for each of its templates."""
    model = copy(bundled(FORMATS["hdfs"]).reading(FORMATS["hdfs"]))
    student, windows = published("hdfs")
    table = np.resize(windows.tables["vectors"], (model.parser.bounds.max_newcomers, 30))
    model.vectors = SimpleNamespace(vectors=lambda texts: table[:len(texts)])
    model.detectors = {"distillog": distillog.Detector(replace(CONFIG, masked=masked), student.params)}
    model.thresholds = {"distillog": 0.0}
    return model, table


def _again(model: Model, lines: Sequence[bytes], one: Callable[[np.ndarray], np.ndarray], padded: bool) -> list[np.ndarray]:
    """Logits (1, 2) after every line, from all events of its session so far."""
    pattern, number = FORMATS["hdfs"].session, model.numbered(np.arange(model.parser.bounds.max_newcomers)).tolist()
    sessions: dict[bytes, list[int]] = {}
    found = []
    for line in lines:
        event = number[model.parser.event_id(line)]
        for key in session_keys((line,), pattern)[0][:1]:
            events = sessions.setdefault(key, [])
            events.append(event)
            found.append(one(to_windows([events], SIZE if padded else min(len(events), SIZE))))
    return found


def _once(student: distillog.Detector, windows: Windows) -> np.ndarray:
    first, kind = windows.distinct()
    return student.logits(windows.take(first))[kind]


def _exactness(student: distillog.Detector, windows: Windows, ours: np.ndarray, theirs: np.ndarray) -> dict[str, str | int]:
    """How far float32 is from float64, and whose verdicts differ."""
    wide = distillog.Detector(student.config, {name: array.astype(np.float64) for name, array in student.params.items()})
    exact = wide.logits(windows)
    errors = [np.abs(y - exact).max(1) for y in (ours, theirs)]
    return {"error": " / ".join(f"{e.max():.1e}" for e in errors), "above 1e-5": " / ".join(f"{(e > 1e-5).mean():.2%}" for e in errors),
            "other verdicts": _flips(ours, theirs)}


def _flips(ours: np.ndarray, theirs: np.ndarray) -> int:
    return int((ours.argmax(1) != theirs.argmax(1)).sum())


def _row(name: str, peer: str, goal: str, ours: list[float], theirs: list[float], checked: dict) -> Row:
    return Row(name, peer, goal, faster(ours, theirs), float(np.median(ours)), checked=checked)
