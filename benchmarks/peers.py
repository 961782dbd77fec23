"""What people would use instead, written as its own documentation says, one thread: drain3, PyTorch, ONNX Runtime.

The networks are those of DistilLog as published, given the same numbers as tinylog's: vectors of 30, GRU of 4, mean, two logits.
"""
from __future__ import annotations

import io
import logging
import os
from collections.abc import Callable, Sequence

import numpy as np

from tinylog.detectors import distillog
from tinylog.layers.params import part


def drain3(contents: Sequence[bytes]) -> list[int]:
    """The cluster of each content: TemplateMiner with its defaults, learning as it goes."""
    from drain3 import TemplateMiner
    from drain3.template_miner_config import TemplateMinerConfig
    logging.getLogger("drain3").setLevel(logging.ERROR)
    add = TemplateMiner(config=TemplateMinerConfig()).add_log_message
    return [add(content.decode("utf-8", "replace"))["cluster_id"] for content in contents]


def torch_network(student: distillog.Detector):
    """The module of a published student: event vectors (B, T, 30) to logits (B, 2)."""
    import torch
    torch.set_num_threads(1)
    gru_params, head = part(student.params, "gru.0"), part(student.params, "head")
    H, D = gru_params["U"].shape[1], gru_params["W"].shape[1]

    class Network(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gru, self.fc = torch.nn.GRU(D, H, batch_first=True), torch.nn.Linear(H, 2)
            for name, array in (("weight_ih_l0", gru_params["W"]), ("weight_hh_l0", gru_params["U"]), ("bias_ih_l0", gru_params["b"]),
                                ("bias_hh_l0", gru_params["c"])):
                getattr(self.gru, name).data = torch.from_numpy(array.copy())
            self.fc.weight.data, self.fc.bias.data = torch.from_numpy(head["W"].copy()), torch.from_numpy(head["b"].copy())

        def forward(self, x):
            return self.fc(self.gru(x)[0].mean(1))

    return Network().eval()


def torch_scorer(student: distillog.Detector, vectors: np.ndarray, batch: int) -> Callable[[np.ndarray], np.ndarray]:
    """Logits (B, 2) of event ids (B, T), so many windows at a time."""
    import torch
    network, table = torch_network(student), torch.from_numpy(vectors)

    def score(events: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            parts = [network(table[torch.from_numpy(events[i:i + batch].astype(np.int64))]) for i in range(0, len(events), batch)]
            return torch.cat(parts).numpy()
    return score


def onnx_bytes(student: distillog.Detector) -> bytes:
    """The same network as an ONNX model, batch and time left open. Built node by node: no exporter in between."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper
    p, head = part(student.params, "gru.0"), part(student.params, "head")
    H, D = p["U"].shape[1], p["W"].shape[1]
    order = np.r_[H:2 * H, 0:H, 2 * H:3 * H]  # ONNX has the gates as z, r, h
    arrays = {"W": p["W"][order][None], "R": p["U"][order][None], "B": np.concatenate([p["b"][order], p["c"][order]])[None],
              "fc_W": head["W"].T.copy(), "fc_b": head["b"], "axes": np.array([1], np.int64)}
    nodes = [helper.make_node("Transpose", ["x"], ["xt"], perm=[1, 0, 2]),
             helper.make_node("GRU", ["xt", "W", "R", "B"], ["y"], hidden_size=H, linear_before_reset=1),
             helper.make_node("Squeeze", ["y", "axes"], ["h"]),
             helper.make_node("ReduceMean", ["h"], ["m"], axes=[0], keepdims=0),
             helper.make_node("MatMul", ["m", "fc_W"], ["mm"]), helper.make_node("Add", ["mm", "fc_b"], ["logits"])]
    graph = helper.make_graph(nodes, "distillog", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["B", "T", D])],
                              [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["B", 2])],
                              [numpy_helper.from_array(np.ascontiguousarray(array), name) for name, array in arrays.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    buffer = io.BytesIO()
    onnx.save(model, buffer)
    return buffer.getvalue()


def onnx_session(model: bytes | os.PathLike):
    """An ONNX Runtime session of one thread."""
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def onnx_scorer(student: distillog.Detector, vectors: np.ndarray, batch: int) -> Callable[[np.ndarray], np.ndarray]:
    """As `torch_scorer`."""
    run = onnx_session(onnx_bytes(student)).run

    def score(events: np.ndarray) -> np.ndarray:
        return np.concatenate([run(None, {"x": vectors[events[i:i + batch]]})[0] for i in range(0, len(events), batch)])
    return score
