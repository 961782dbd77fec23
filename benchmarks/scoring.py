"""Scoring beside PyTorch and ONNX Runtime: the published student of 442 numbers on windows of 50 events, and DeepLog's two layers.

Each function of ROWS gives rows, and checks in the same run that all decide alike.
"""
from __future__ import annotations

import compileall
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from train_ref.datasets import LOGS, find, read

import tinylog
from tinylog.detectors import distillog
from tinylog.layers import lstm
from tinylog.layers.params import named, part
from tinylog.records import Windows

from . import peers
from .measure import Row, alternately, faster, process, share

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


def start(quick: bool) -> Iterator[Row]:
    """Whole processes: start, one verdict, exit. Ours reads raw lines; the peers a window of event ids that is there already."""
    import torch
    compileall.compile_dir(str(Path(tinylog.__file__).parent), quiet=2)  # as an installed package is
    student, windows = published("hdfs")
    log = b"".join((Path(__file__).parents[1] / "examples" / "hdfs.log").read_bytes().splitlines(keepends=True)[:20])
    with TemporaryDirectory() as folder:
        paths = {name: os.path.join(folder, name) for name in ("torch", "onnx", "table.npy", "window.npy")}
        network = peers.torch_network(student)
        torch.save((network.gru.state_dict(), network.fc.state_dict()), paths["torch"])
        Path(paths["onnx"]).write_bytes(peers.onnx_bytes(student))
        np.save(paths["table.npy"], windows.tables["vectors"])
        np.save(paths["window.npy"], windows.events[:1])
        for peer, name, code, goal in (("PyTorch", "torch", TORCH, "<= .08"), ("ONNX Runtime", "onnx", ONNX, "<= .75")):
            command = ("-c", START.format(network=code), paths[name], paths["table.npy"], paths["window.npy"])
            a, b = alternately(lambda: process("-m", "tinylog.detect", stdin=log), lambda: process(*command))  # noqa: B023
            verdict = process(*command)[2].decode() == str(int(np.diff(student.logits(windows.take(slice(0, 1))))[0, 0] > 0))
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


ROWS: dict[str, Callable[[bool], Iterator[Row]]] = {"batch": batch, "start": start, "deeplog": deeplog}


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
