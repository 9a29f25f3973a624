import numpy as np
import pytest

from palate.nn.language import backends, int8
from palate.nn.language.pooling import Dense, Pooling, pooled_network

pytest.importorskip("openvino")
torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")


def network(kind="bert", seed=4):
    torch.manual_seed(seed)
    sizes = {"vocab_size": 60, "initializer_range": 0.2, "use_cache": False}
    sizes |= {"bos_token_id": 1, "eos_token_id": 2}
    if kind == "gpt2":
        config = transformers.GPT2Config(n_embd=64, n_layer=2, n_head=2, n_positions=32, **sizes)
        return transformers.GPT2Model(config).eval()
    config = transformers.BertConfig(
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=128,
        max_position_embeddings=32,
        **sizes,
    )
    return transformers.BertModel(config).eval()


def examples(seed=0):
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 60, (8, length)) for length in (3, 9, 20)]


def vectors(run):
    return np.concatenate([found for _, found in run([(np.arange(8), examples(1)[2])])])


def cosine(one, other):
    return float((one * other).sum(axis=1).mean())


@pytest.mark.parametrize("kind", ["bert", "gpt2"])
def test_products_are_computed_in_8_bits_and_the_vectors_stay(kind):
    module = pooled_network(network(kind), Pooling())
    exact = vectors(backends.torch_backend(module, "cpu"))
    rough = vectors(backends.openvino_backend(module, "int8", examples))
    assert cosine(rough, exact) > 0.999
    assert cosine(rough, exact) < 0.9999999


def graph_of(module):
    import openvino as ov

    with backends._tracing():
        return ov.convert_model(
            module,
            example_input=torch.ones((2, 7), dtype=torch.long),
            input=[("input_ids", [-1, -1], ov.Type.i64)],
        )


def small_weights(graph):
    constants = [op for op in graph.get_ops() if op.get_type_name() == "Constant"]
    return sum(op.get_element_type().get_type_name() == "i8" for op in constants)


def test_every_product_with_weights_is_rounded_once():
    graph = graph_of(pooled_network(network(), Pooling()))
    assert int8.quantise(graph, examples()) == 12  # q, k, v, o and two more, twice
    assert small_weights(graph) == 12


def test_a_product_that_rounding_would_harm_stays_as_it_is(monkeypatch):
    # a channel that is huge for one token alone takes all steps from the other tokens
    harmed = network()
    layer = harmed.encoder.layer[1].intermediate.dense
    with torch.no_grad():
        layer.bias[5] = -4000.0
        layer.weight[5] = 0
        layer.weight[5, 0] = 5000.0
    graph = graph_of(pooled_network(harmed, Pooling()))
    assert int8.quantise(graph, examples()) == 11
    monkeypatch.setattr(int8, "_MOST_ERROR", 0.0)
    graph = graph_of(pooled_network(network(), Pooling()))
    assert int8.quantise(graph, examples()) == 0
    assert small_weights(graph) == 0


def test_wide_channels_are_smoothed():
    rng = np.random.default_rng(2)
    rows = rng.normal(size=(200, 32)).astype(np.float32)
    weight = rng.normal(size=(16, 32)).astype(np.float32)
    rows[:, 3] *= 200
    weight[:, 3] /= 200
    rounding = int8._Rounding.of(int8._Seen.of(rows), weight)
    plain = int8._Rounding(np.ones(32, np.float32), float(rows.min()), float(rows.max()))
    assert int8._error(rounding, rows, weight) < 0.001
    assert int8._error(plain, rows, weight) > 0.1


def test_nothing_stays_nothing():
    rows = np.array([[-1.0, 0.0, 3.0], [2.0, 0.5, -0.25]], dtype=np.float32)
    rounding = int8._Rounding.of(int8._Seen.of(rows), np.ones((4, 3), dtype=np.float32))
    assert not rounding(np.zeros((1, 3), dtype=np.float32)).any()
    np.testing.assert_allclose(rounding(rows) * rounding.smooth, rows, atol=0.03)


def test_few_of_the_rows_that_enter_are_held(monkeypatch):
    dense = Dense(np.eye(64, dtype=np.float32)[:5], None)
    graph = graph_of(pooled_network(network(), Pooling(dense=[dense])))
    sources = [nodes[0].input_value(0) for nodes in int8._products(graph)]
    every = int8._watched(graph, sources, examples())
    monkeypatch.setattr(int8, "_SAMPLE", 10)
    seen = int8._watched(graph, sources, examples())
    for one, whole, total in zip(seen, every, [256] * 8 + [24], strict=True):
        assert sum(map(len, whole.rows)) == total
        wanted = np.linspace(0, total - 1, 10).astype(int)
        np.testing.assert_array_equal(one.sample(), whole.sample()[wanted])
        np.testing.assert_array_equal(one.high, whole.sample().max(axis=0))
