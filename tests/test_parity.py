"""With DistilLog's published weights our layers give the logits that PyTorch gave, teacher and student."""
import numpy as np
import pytest

from tinylog.layers import dense, gru, lookup, pooling
from tinylog.layers.params import part

GRU_NAMES = {"weight_ih": "W", "weight_hh": "U", "bias_ih": "b", "bias_hh": "c"}


def ours(published: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """PyTorch's names as ours: "weight_hh_l1" is "1.U"."""
    return {f"{name[-1]}.{GRU_NAMES[name[:-3]]}": array for name, array in published.items()}


@pytest.mark.parametrize("network", ["student", "teacher"])
@pytest.mark.parametrize("log", ["hdfs", "bgl"])
def test_published_weights_give_the_published_logits(log, network, data):
    with np.load(data / "parity" / f"distillog_{log}.npz") as file:
        arrays = dict(file)
    weights, events = part(arrays, network), arrays["events"]
    assert events.shape == (300, 50)
    # As published: padding is a vector of -1, event 0 of the table, that runs through the GRU and enters the mean.
    h = gru.infer(lookup.infer(events, {"E": arrays["vectors"]}), ours(part(weights, "gru")))
    fc = part(weights, "fc")
    logits = dense.infer(pooling.infer(h), {"W": fc["weight"], "b": fc["bias"]})
    assert logits.dtype == np.float32
    np.testing.assert_allclose(logits, arrays[f"{network}_logits"], rtol=0, atol=2e-4)
