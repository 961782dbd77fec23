"""Training beside PyTorch: one epoch of DistilLog's published teacher, 160,770 numbers, on HDFS's distinct windows, the same batches."""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from train_ref.datasets import read

from tinylog.detectors import Sizes, distillog
from tinylog.training.minimise import minimise

from .measure import Row, alternately, share

BATCH, LR, D = 50, 1e-3, 30
TORCH_NAMES = {"weight_ih": "W", "weight_hh": "U", "bias_ih": "b", "bias_hh": "c"}


def teacher(quick: bool) -> Iterator[Row]:
    """Forward, backward and Adam over each window once; both start from the same numbers, and must end with the same."""
    import torch
    torch.set_num_threads(1)
    windows = read("hdfs")[0].train
    windows = windows.take(np.sort(windows.distinct()[0])[:200 if quick else None])
    table = np.random.default_rng(0).standard_normal((int(windows.events.max()) + 1, D)).astype(np.float32)
    config = distillog.PUBLISHED_TEACHER
    x, y, n = table[windows.events], np.maximum(windows.labels, 0).astype(np.int64), len(windows)
    start = distillog.Detector.create(config, Sizes(int(windows.events.max()) + 1, D), np.random.default_rng(1)).params
    with_table = replace(windows, tables={"vectors": table}, labels=y.astype(np.int8), weights=None)
    ended: dict[str, np.ndarray] = {}

    def ours() -> None:
        detector = distillog.Detector(config, {name: p.copy() for name, p in start.items()})
        minimise(lambda params, index: detector.loss_and_grads(params, with_table.take(index)), detector.params, n,
                 rng=np.random.default_rng(2), epochs=1, batch=BATCH, lr=LR, clip=np.inf, shuffle=False)
        ended["ours"] = detector.params["head.W"]

    def theirs() -> None:
        gru, fc = torch.nn.GRU(D, config.hidden, config.layers, batch_first=True), torch.nn.Linear(config.hidden, 2)
        gru.load_state_dict({f"{name}_l{i}": torch.from_numpy(start[f"gru.{i}.{short}"].copy())
                             for i in range(config.layers) for name, short in TORCH_NAMES.items()})
        fc.load_state_dict({"weight": torch.from_numpy(start["head.W"].copy()), "bias": torch.from_numpy(start["head.b"].copy())})
        adam = torch.optim.Adam([*gru.parameters(), *fc.parameters()], lr=LR)
        for i in range(0, n, BATCH):
            loss = torch.nn.functional.cross_entropy(fc(gru(torch.from_numpy(x[i:i + BATCH]))[0].mean(1)), torch.from_numpy(y[i:i + BATCH]))
            adam.zero_grad()
            loss.backward()
            adam.step()
        ended["theirs"] = fc.weight.detach().numpy()
    a, b = alternately(ours, theirs)
    yield Row(f"training the teacher, one epoch of {n:,} windows", f"PyTorch, batches of {BATCH}", "<= .9 of its time", share(a, b), float(np.median(a)),
              checked={"numbers": sum(p.size for p in start.values()), "head differs by": f"{np.abs(ended['ours'] - ended['theirs']).max():.0e}"})
