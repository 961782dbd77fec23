"""Layer normalisation, attention of several heads, the encoder, gelu, and the weights of a BERT in it."""
from math import erf
from pathlib import Path

import numpy as np
import pytest
from gradcheck import check_gradients

from tinylog.embedding import bert
from tinylog.errors import ModelFileError
from tinylog.layers import activations, encoder, layernorm, multihead
from tinylog.layers.params import named, part
from tinylog.modelfile import tensors

B, T, D, F, N, V = 5, 7, 6, 10, 3, 11
MASK = np.arange(T) < np.array([6, 1, 4, 0, 6])[:, None]  # a window is empty, and the last step is so in all


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20240709)


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    with np.load(Path(__file__).parent / "golden" / "encoder.npz") as file:
        return dict(file)


def random_like(params, rng):
    """No two numbers alike, no scale that is 1: what is forgotten in a gradient shows."""
    return {name: rng.standard_normal(p.shape).astype(p.dtype) for name, p in params.items()}


# name -> (forward(x, params), infer, backward, params(rng, dtype))
def block_params(rng, dtype):
    return part(encoder.init(rng, V, T, D, F, 1, dtype), "0")


LAYERS = {
    "layernorm": (layernorm.forward, layernorm.infer, layernorm.backward, lambda rng, dtype: layernorm.init(D, dtype)),
    "multihead": (lambda x, p: multihead.forward(x, p, N), lambda x, p: multihead.infer(x, p, N), multihead.backward,
                  lambda rng, dtype: multihead.init(rng, D, dtype)),
    "multihead padded": (lambda x, p: multihead.forward(x, p, N, MASK), lambda x, p: multihead.infer(x, p, N, MASK), multihead.backward,
                         lambda rng, dtype: multihead.init(rng, D, dtype)),
    "block padded": (lambda x, p: encoder.block_forward(x, p, N, MASK), lambda x, p: encoder.block_forward(x, p, N, MASK)[0],
                     encoder.block_backward, block_params),
}


@pytest.mark.parametrize("name", LAYERS)
def test_gradients_are_finite_differences(name, rng):
    forward, _, backward, init = LAYERS[name]

    def f(inputs):
        y, cache = forward(inputs["x"], part(inputs, "p"))

        def back(dy):
            dx, grads = backward(dy, cache)
            return named("p", grads) | {"x": dx}
        return y, back

    check_gradients(f, named("p", random_like(init(rng, np.float64), rng)) | {"x": rng.standard_normal((B, T, D))}, rng)


@pytest.mark.parametrize("name", LAYERS)
def test_dtype_is_kept_and_infer_equals_forward(name, rng):
    forward, infer, backward, init = LAYERS[name]
    for dtype in (np.float32, np.float64):
        x, params = rng.standard_normal((B, T, D)).astype(dtype), init(rng, dtype)
        before = [x.copy(), *(p.copy() for p in params.values())]
        y, cache = forward(x, params)
        dx, grads = backward(np.ones_like(y), cache)
        again, second = backward(np.ones_like(y), cache)
        assert {array.dtype for array in (y, dx, *grads.values())} == {np.dtype(dtype)}
        np.testing.assert_array_equal(infer(x, params), y)
        np.testing.assert_array_equal(dx, again)  # and backward leaves its cache as it found it
        assert grads.keys() == params.keys() and all(np.array_equal(grads[key], second[key]) for key in grads)
        for array, copy in zip([x, *params.values()], before):
            np.testing.assert_array_equal(array, copy)


@pytest.mark.parametrize("name", ["layernorm", "multihead", "block"])
def test_numbers_of_pytorch(name, golden):
    case = part(golden, name)
    forward, backward = {"layernorm": (layernorm.forward, layernorm.backward), "multihead": (multihead.forward, multihead.backward),
                         "block": (encoder.block_forward, encoder.block_backward)}[name]
    args = () if name == "layernorm" else (N, case["mask"])
    y, cache = forward(case["x"], part(case, "params"), *args)
    dx, grads = backward(case["dy"], cache)
    close = 1e-6 if name == "block" else 1e-10  # gelu's erf is 1e-8 off
    np.testing.assert_allclose(y, case["y"], rtol=close, atol=close)
    np.testing.assert_allclose(dx, case["dx"], rtol=close, atol=close)
    assert grads.keys() == part(case, "params").keys()
    for key, expected in part(case, "grads").items():
        np.testing.assert_allclose(grads[key], expected, rtol=close, atol=close, err_msg=key)


def test_encoder_gradients_are_finite_differences(rng):
    ids, params = rng.integers(0, V, (B, T)), random_like(encoder.init(rng, V, T, D, F, 2, np.float64), rng)

    def f(inputs):
        h, cache = encoder.forward(ids, inputs, N, MASK, 0.3, np.random.default_rng(8))
        return h, lambda dh: encoder.backward(dh, cache)[1]

    check_gradients(f, params, rng)


def test_frozen_blocks_and_what_is_below_them_have_no_gradients(rng):
    ids, params = rng.integers(0, V, (B, T)), encoder.init(rng, V, T, D, F, 3)
    h, cache = encoder.forward(ids, params, N, MASK)
    _, whole = encoder.backward(np.ones_like(h), cache)
    _, some = encoder.backward(np.ones_like(h), cache, frozen=2)
    assert {name.split(".")[0] for name in some} == {"2"} and whole.keys() == params.keys()
    assert all(np.array_equal(some[name], whole[name]) for name in some)


def test_encoder_infers_what_forward_gives_and_dropout_is_for_training(rng):
    ids, params = rng.integers(0, V, (B, T)), encoder.init(rng, V, T, D, F, 2)
    h, _ = encoder.forward(ids, params, N, MASK)
    np.testing.assert_array_equal(encoder.infer(ids, params, N, MASK), h)
    dropped, _ = encoder.forward(ids, params, N, MASK, 0.3, rng)
    assert h.dtype == dropped.dtype == np.float32 and np.abs(dropped - h).max() > 0.1


def test_padded_steps_and_the_batch_do_not_matter(rng):
    ids, params = rng.integers(0, V, (B, T)), encoder.init(rng, V, T, D, F, 2, np.float64)
    h = encoder.infer(ids, params, N, MASK)
    other = np.where(MASK, ids, rng.integers(0, V, ids.shape))
    np.testing.assert_allclose(encoder.infer(other, params, N, MASK)[MASK], h[MASK], rtol=0, atol=1e-14)
    short = encoder.infer(ids[2:3, :4], params, N)
    np.testing.assert_allclose(short[0], h[2, :4], rtol=0, atol=1e-13)
    assert np.isfinite(h).all()  # of the empty window too


def test_attention_sees_order_by_position_alone(rng):
    """Without positions a permutation of the steps is a permutation of the states; with them it is not."""
    params, turn = encoder.init(rng, V, T, D, F, 1, np.float64), rng.permutation(T)
    ids = rng.integers(0, V, (B, T))
    assert np.abs(encoder.infer(ids[:, turn], params, N) - encoder.infer(ids, params, N)[:, turn]).max() > 1e-3
    params["position.E"][:] = 0
    np.testing.assert_allclose(encoder.infer(ids[:, turn], params, N), encoder.infer(ids, params, N)[:, turn], atol=1e-12)


def test_more_steps_than_positions_are_refused(rng):
    with pytest.raises(IndexError):
        encoder.infer(np.zeros((1, T + 1), int), encoder.init(rng, V, T, D, F, 1), N)


@pytest.mark.parametrize("dtype, close", [(np.float64, 1e-8), (np.float32, 1.5e-7)])
def test_erf_is_that_of_the_standard_library(dtype, close):
    x = np.concatenate([np.linspace(-7, 7, 20_001), [0, 1e-30, -1e-9, 1e30, -np.inf]]).astype(dtype)
    y = activations.erf(x)
    assert y.dtype == dtype
    np.testing.assert_allclose(y, [erf(each) for each in x.astype(float)], rtol=0, atol=close)


def test_derivative_of_gelu(rng):
    def f(inputs):
        y = activations.gelu(inputs["x"])
        return y, lambda dy: {"x": activations.gelu_backward(dy, inputs["x"], y)}

    check_gradients(f, {"x": 2 * rng.standard_normal((4, 50))}, rng)
    nothing = np.zeros(3, np.float32)
    np.testing.assert_array_equal(activations.gelu_backward(nothing + 1, nothing, nothing), np.float32([0.5] * 3))


def arrays_of(golden) -> dict[str, np.ndarray]:
    return part(golden, "bert.arrays")


@pytest.mark.parametrize("start", ["", "bert."])
def test_bert_has_the_hidden_states_of_transformers(golden, start, tmp_path):
    """By way of a file in the safetensors layout; as a classifier would be stored, too."""
    path = tmp_path / "model.safetensors"
    tensors.write(path, {start + name: array for name, array in arrays_of(golden).items()} | {"classifier.weight": np.ones((2, 3), np.float32)},
                  {"format": "pt"})
    params = bert.params_of(tensors.read(path)[0], 23, 3)
    mask = golden["bert.mask"]
    h = encoder.infer(golden["bert.ids"], params, 3, mask)
    np.testing.assert_allclose(h[mask], golden["bert.hidden"][mask], rtol=0, atol=1e-4)
    assert np.abs(h[mask]).max() > 0.5  # nothing that 1e-4 would hide


@pytest.mark.slow
def test_bert_of_transformers_itself(tmp_path):
    """What the golden file remembers, with other weights, through transformers' own file."""
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    torch.manual_seed(3)
    config = transformers.BertConfig(vocab_size=50, hidden_size=24, num_hidden_layers=3, num_attention_heads=4, intermediate_size=40,
                                     max_position_embeddings=16)
    model = transformers.BertModel(config).eval()
    model.save_pretrained(tmp_path)
    ids, mask = torch.randint(0, 50, (3, 9)), torch.arange(9) < torch.tensor([9, 2, 5])[:, None]
    with torch.no_grad():
        hidden = model(input_ids=ids, attention_mask=mask.long()).last_hidden_state.numpy()
    params = bert.params_of(tensors.read(tmp_path / "model.safetensors")[0], 50, 4)
    h = encoder.infer(ids.numpy(), params, 4, mask.numpy())
    np.testing.assert_allclose(h[mask.numpy()], hidden[mask.numpy()], rtol=0, atol=1e-4)


def test_older_names_of_a_bert_are_known(golden):
    older = {name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): array
             for name, array in arrays_of(golden).items()}
    params, new = bert.params_of(older, 23, 3), bert.params_of(arrays_of(golden), 23, 3)
    assert params.keys() == new.keys() and all(np.array_equal(params[name], new[name]) for name in new)


@pytest.mark.parametrize("damage, message", [
    (lambda arrays: {"x": np.zeros(2)}, "these 1 arrays are no BERT"),
    (lambda arrays: {name: a for name, a in arrays.items() if name != "encoder.layer.1.output.dense.bias"}, "lacks .*layer.1.output.dense.bias"),
    (lambda arrays: arrays | {"encoder.layer.0.output.dense.weight": np.zeros((3, 3))}, "has shape .3, 3. where 0.down.W needs .12, 20."),
    (lambda arrays: arrays | {"embeddings.token_type_embeddings.weight": np.zeros((2, 5))}, "do not fit together")])
def test_arrays_that_are_no_bert_are_refused(golden, damage, message):
    with pytest.raises(ModelFileError, match=message):
        bert.params_of(damage(arrays_of(golden)), 23, 3)


@pytest.mark.parametrize("pieces, heads, message", [(22, 3, "has 23 word pieces, and the vocabulary 22"), (23, 5, "12 numbers .* among 5 heads")])
def test_a_bert_with_another_vocabulary_or_number_of_heads_is_refused(golden, pieces, heads, message):
    with pytest.raises(ModelFileError, match=message):
        bert.params_of(arrays_of(golden), pieces, heads)
