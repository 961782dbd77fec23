"""python benchmarks/usual_process.py torch|onnx NETWORK TABLE FILE: raw HDFS lines to a verdict a session, as people would write it.

drain3 at its defaults learns as it reads, sessions are lists by block id, the published student reads the last 50 events of each in
batches of 1,024. Which of the table's vectors an event has is of no matter for the time: clusters are taken in the order of their ids.
Prints the number of sessions and of anomalous ones.
"""
from __future__ import annotations

import logging
import re
import sys
from collections.abc import Callable

import numpy as np
from drain3 import TemplateMiner
from drain3.template_miner_config import TemplateMinerConfig

SIZE, BATCH = 50, 1024


def sessions_of(path: str) -> dict[str, list[int]]:
    """The clusters of each block's lines."""
    logging.getLogger("drain3").setLevel(logging.ERROR)
    miner, block, found = TemplateMiner(config=TemplateMinerConfig()), re.compile(r"blk_-?\d+"), {}
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            cluster = miner.add_log_message(line.rstrip("\n").partition(": ")[2])["cluster_id"]
            for key in set(block.findall(line)):
                found.setdefault(key, []).append(cluster)
    return found


def torch_network(path: str) -> Callable[[np.ndarray], np.ndarray]:
    import torch
    torch.set_num_threads(1)
    gru, fc, (gru_weights, fc_weights) = torch.nn.GRU(30, 4, batch_first=True), torch.nn.Linear(4, 2), torch.load(path)
    gru.load_state_dict(gru_weights)
    fc.load_state_dict(fc_weights)

    def run(x: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return fc(gru(torch.from_numpy(x))[0].mean(1)).numpy()
    return run


def onnx_network(path: str) -> Callable[[np.ndarray], np.ndarray]:
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda x: session.run(None, {"x": x})[0]


def main(kind: str, network: str, table: str, path: str) -> None:
    run, vectors = (torch_network if kind == "torch" else onnx_network)(network), np.load(table)
    sessions = list(sessions_of(path).values())
    events = np.zeros((len(sessions), SIZE), np.int64)
    for row, session in zip(events, sessions):
        row[:min(len(session), SIZE)] = session[-SIZE:]
    logits = np.concatenate([run(vectors[events[i:i + BATCH] % len(vectors)]) for i in range(0, len(events), BATCH)])
    sys.stdout.write(f"{len(sessions)} {int((logits[:, 1] > logits[:, 0]).sum())}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
