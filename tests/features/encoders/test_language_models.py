"""Every kind of language model, on tiny random ones, against transformers itself."""

import json
import warnings

import numpy as np
import polars as pl
import pytest

from palate.core.dataset import Dataset
from palate.core.errors import ConfigError, NotFittedError
from palate.features.cache.store import without_cache
from palate.features.encoders.transformer import Transformer

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

TEXTS = ["tea", "green bike old bike", "jazz tea", "的 科幻", "old old jazz cheap tea green"]
BACKENDS = ["torch", "openvino", "onnx"]


KINDS = [
    *("bert", "roberta", "distilbert", "albert", "mpnet"),
    *("gpt2", "llama", "qwen3", "gemma"),
    "t5",
]
DECODERS = {"gpt2", "llama", "qwen3", "gemma"}


def states_of(folder, network, text, **settings):
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    ids = tokenizer(text, return_tensors="pt")["input_ids"]
    assert ids.shape[1]
    with torch.no_grad():
        return network(input_ids=ids, **settings)


def unit(vectors):
    vectors = np.asarray(vectors, dtype=np.float64)
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def expected(folder, network, pool):
    return unit([pool(states_of(folder, network, text).last_hidden_state[0]) for text in TEXTS])


def encoder(folder, **settings):
    return Transformer(**{"model": str(folder), "dtype": "float32", "backend": "torch"} | settings)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_model_is_read_as_transformers_reads_it(kind, folders):
    folder, network = folders(kind)
    pool = (lambda s: s[-1]) if kind in DECODERS else (lambda s: s.mean(0))
    found = encoder(folder, backend="torch").encode_texts(TEXTS)
    np.testing.assert_allclose(found, expected(folder, network, pool), atol=1e-5)


@pytest.mark.parametrize("backend", ["torch", "openvino", "onnx"])
def test_the_company_of_a_text_changes_no_bit(backend, folders):
    pytest.importorskip({"onnx": "onnxruntime"}.get(backend, backend))
    found = encoder(folders("bert")[0], backend=backend)
    firsts, lasts = ("tea", "jazz", "old", "bike"), ("tea", "green", "cheap bike")
    texts = [f"{first} {last}" for first in firsts for last in lasts]
    with without_cache():
        whole = found.encode_texts(texts)
        alone = np.concatenate([found.encode_texts([text]) for text in texts])
        back = found.encode_texts(texts[::-1])[::-1]
    np.testing.assert_array_equal(alone, whole)
    np.testing.assert_array_equal(back, whole)


@pytest.mark.parametrize("backend", ["openvino", "onnx"])
@pytest.mark.parametrize("kind", ["bert", "roberta", "gpt2", "llama", "t5"])
def test_backends_differ_by_rounding_alone(kind, backend, folders, cache):
    pytest.importorskip({"onnx": "onnxruntime"}.get(backend, backend))
    folder, _ = folders(kind)
    plain = encoder(folder, backend="torch")
    vectors = plain.encode_texts(TEXTS)
    other = encoder(folder, backend=backend)
    assert other.fingerprint == plain.fingerprint
    for shard in cache.rglob("*.safetensors"):
        shard.unlink()
    np.testing.assert_allclose(other.encode_texts(TEXTS), vectors, atol=2e-4)


POOLS = {
    "mean": lambda s: s.mean(0),
    "max": lambda s: s.amax(0),
    "cls": lambda s: s[0],
    "last": lambda s: s[-1],
    "position": lambda s: (s * torch.arange(1, len(s) + 1)[:, None]).sum(0),
}


@pytest.mark.parametrize("pooling", POOLS)
def test_pooling_by_hand(pooling, folders):
    folder, network = folders("bert")
    found = encoder(folder, pooling=pooling).encode_texts(TEXTS)
    np.testing.assert_allclose(found, expected(folder, network, POOLS[pooling]), atol=1e-4)


def test_several_poolings_stand_beside_each_other(folders):
    folder, network = folders("bert")
    found = encoder(folder, pooling=["cls", "max"]).encode_texts(TEXTS)
    wanted = expected(folder, network, lambda s: torch.cat([s[0], s.amax(0)]))
    assert found.shape == (5, 32)
    np.testing.assert_allclose(found, wanted, atol=1e-4)


def catalogue(texts):
    """All but the last item were touched."""
    ids = [f"i{row}" for row in range(len(texts))]
    events = pl.DataFrame({"user_id": ["u"] * (len(ids) - 1), "item_id": ids[:-1]})
    return Dataset(interactions=events, items=pl.DataFrame({"item_id": ids, "title": texts}))


def test_rare_tokens_weigh_more_and_are_counted_on_trained_items(folders):
    folder, network = folders("bert")
    data = catalogue(["tea bike", "tea jazz", "tea tea", "jazz jazz"])
    idf = encoder(folder, pooling="idf", template="{title}")
    with pytest.raises(NotFittedError):
        idf.encode_texts(["tea"])
    idf.fit(data)
    states = states_of(folder, network, "tea jazz").last_hidden_state[0]
    seen = np.array([3, 3, 1, 3])  # [CLS] tea jazz [SEP], of three texts
    weights = np.log(4 / (1 + seen)) + 1e-6
    wanted = unit((states.numpy() * weights[:, None]).sum(0))
    np.testing.assert_allclose(idf.encode_texts(["tea jazz"])[0], wanted, atol=1e-4)
    more = encoder(folder, pooling="idf", template="{title}").fit(
        catalogue(["jazz", "tea jazz", "jazz tea", "x"])
    )
    assert more.fingerprint != idf.fingerprint


@pytest.mark.parametrize(("layer", "layers"), [(-1, 2), (1, 1), (1, 2), (-2, 1), (0, 1)])
def test_layers_by_hand(layer, layers, folders):
    folder, network = folders("bert")
    wanted = []
    for text in TEXTS:
        every = states_of(folder, network, text, output_hidden_states=True).hidden_states
        last = layer % len(every)
        taken = torch.stack(every[last - layers + 1 : last + 1]).mean(0)
        wanted.append(taken[0].mean(0).numpy())
    found = encoder(folder, layer=layer, layers=layers).encode_texts(TEXTS)
    np.testing.assert_allclose(found, unit(wanted), atol=1e-4)


def test_layers_that_are_not_there_are_named(folders):
    folder, _ = folders("bert")
    with pytest.raises(ConfigError, match=r"layers = 9.*has 2 layers"):
        encoder(folder, layers=9).encode_texts(["tea"])


def test_fewer_dimensions_are_the_first_ones(folders):
    folder, network = folders("bert")
    found = encoder(folder, dim=6).encode_texts(TEXTS)
    np.testing.assert_allclose(found, expected(folder, network, lambda s: s.mean(0)[:6]), atol=1e-4)


def test_words_around_a_text_and_the_cut_spares_the_suffix(folders):
    folder, _ = folders("bert")
    framed = encoder(folder, prefix="old ", suffix=" cheap", max_tokens=6)
    plain = encoder(folder)
    np.testing.assert_allclose(
        framed.encode_texts(["tea bike jazz jazz jazz", "tea"]),
        plain.encode_texts(["old tea bike cheap", "old tea cheap"]),
        atol=1e-4,
    )


def test_a_suffix_of_a_decoder_comes_last(folders):
    folder, _ = folders("gpt2")
    np.testing.assert_allclose(
        encoder(folder, suffix=" jazz").encode_texts(["tea bike"]),
        encoder(folder).encode_texts(["tea bike jazz"]),
        atol=1e-4,
    )


def test_long_texts_are_read_in_pieces(folders):
    folder, _ = folders("bert")
    whole = "tea bike jazz green old cheap tea"
    chunked = encoder(folder, max_tokens=5, long="chunks").encode_texts([whole, "jazz"])
    plain = encoder(folder)
    parts = plain.encode_texts(["tea bike jazz", "green old cheap", "tea"])
    wanted = unit(np.array([5, 5, 3]) @ parts)
    np.testing.assert_allclose(chunked[0], wanted, atol=1e-4)
    np.testing.assert_allclose(chunked[1], plain.encode_texts(["jazz"])[0], atol=1e-4)


def test_columns_have_blocks_of_their_own(folders):
    folder, _ = folders("bert")
    ids = ["a", "b"]
    items = pl.DataFrame({"item_id": ids, "title": ["tea", "jazz"], "said": ["old", None]})
    data = Dataset(interactions=pl.DataFrame({"user_id": ["u"], "item_id": ["a"]}), items=items)
    fitted = encoder(folder, columns=["title", "said"]).fit(data)
    features = fitted.encode(data)
    assert list(features.parts) == fitted.text_blocks == ["title", "said"]
    np.testing.assert_array_equal(features.parts["title"], fitted.encode_texts(["tea", "jazz"]))
    assert not features.parts["said"][1].any()
    with pytest.raises(ConfigError, match="columns"):
        encoder(folder, columns=["title"], template="{title}")


def test_words_are_asked_in_every_column_s_block(folders):
    from palate.pipeline.features import encode_words

    folder, _ = folders("bert")
    asked = encoder(folder, columns=["title", "said"], query_prefix="old ")
    words = encode_words({"text": asked}, [], ["tea"])
    assert set(words) == {"text.title", "text.said"}
    np.testing.assert_allclose(
        words["text.title"], encoder(folder).encode_texts(["old tea"]), atol=1e-4
    )


def test_token_vectors_are_the_states_with_their_tokens(folders):
    folder, network = folders("bert")
    found = encoder(folder).encode_tokens(["jazz tea", " ", "old"])
    assert len(found) == 3
    tokens, vectors = found[0]
    assert tokens == ["[CLS]", "jazz", "tea", "[SEP]"]
    states = states_of(folder, network, "jazz tea").last_hidden_state[0]
    np.testing.assert_allclose(vectors, states, atol=1e-5)
    assert found[1][0] == []
    assert found[-1][0] == ["[CLS]", "old", "[SEP]"]
    with pytest.raises(IndexError, match="3 texts"):
        found[3]
    assert len(encoder(folder).encode_tokens([])) == 0


def sentence_transformer(folder, source, modules, files):
    """A folder as sentence-transformers writes it, around the model in `source`."""
    import shutil

    shutil.copytree(source, folder)
    listing = [
        {"idx": idx, "name": str(idx), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for idx, (kind, path) in enumerate(modules)
    ]
    (folder / "modules.json").write_text(json.dumps(listing))
    for path, content in files.items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_text(json.dumps(content))
    return folder


def test_a_sentence_transformers_folder_is_read_as_its_library_reads_it(folders, tmp_path):
    sentence_transformers = pytest.importorskip("sentence_transformers")
    from safetensors.numpy import save_file

    folder = sentence_transformer(
        tmp_path / "st",
        folders("bert")[0],
        [("Transformer", ""), ("Pooling", "1_Pooling"), ("Dense", "2_Dense")],
        {
            "1_Pooling/config.json": {
                "word_embedding_dimension": 16,
                "pooling_mode_cls_token": True,
                "pooling_mode_mean_tokens": False,
                "pooling_mode_max_tokens": True,
            },
            "2_Dense/config.json": {
                "in_features": 32,
                "out_features": 6,
                "bias": True,
                "activation_function": "torch.nn.modules.activation.Tanh",
            },
            "sentence_bert_config.json": {"max_seq_length": 6, "do_lower_case": False},
            "config_sentence_transformers.json": {
                "prompts": {"query": "old ", "document": "green "}
            },
        },
    )
    rng = np.random.default_rng(0)
    weights = {"linear.weight": rng.normal(size=(6, 32)), "linear.bias": rng.normal(size=6)}
    save_file(
        {name: value.astype(np.float32) for name, value in weights.items()},
        folder / "2_Dense" / "model.safetensors",
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        peer = sentence_transformers.SentenceTransformer(str(folder), device="cpu")
        documents, queries = peer.encode_document(TEXTS), peer.encode_query(TEXTS)
    found = encoder(folder)
    np.testing.assert_allclose(found.encode_texts(TEXTS), unit(documents), atol=1e-4)
    np.testing.assert_allclose(found.encode_queries(TEXTS), unit(queries), atol=1e-4)


def test_parts_that_cannot_be_used_are_named(folders, tmp_path):
    folder = sentence_transformer(
        tmp_path / "st", folders("bert")[0], [("StaticEmbedding", "")], {}
    )
    with pytest.raises(ConfigError, match=r"made of StaticEmbedding.*encoder \"static\""):
        encoder(folder).encode_texts(["tea"])


def test_e5_gets_the_words_that_it_was_trained_with(folders, tmp_path):
    import shutil

    folder = shutil.copytree(folders("bert")[0], tmp_path / "multilingual-e5-tiny")
    assert encoder(folder)._prefixes == ("passage: ", "query: ")
    assert encoder(folder, prefix="", query_prefix="q ")._prefixes == ("", "q ")
    assert encoder(folders("bert")[0])._prefixes == ("", "")


def damaged(folders, tmp_path, change):
    import shutil

    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(folders("bert")[0], tmp_path / "damaged")
    weights = load_file(folder / "model.safetensors")
    name = "encoder.layer.0.output.dense.weight"
    change(weights, name)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder, name


def test_missing_weights_are_never_made_up(folders, tmp_path):
    folder, name = damaged(folders, tmp_path, lambda weights, name: weights.pop(name))
    with pytest.raises(ConfigError, match=f"lacks weights: '{name}'"):
        encoder(folder).encode_texts(["tea"])


def test_weights_of_a_wrong_shape_are_refused(folders, tmp_path):
    def cut(weights, name):
        weights[name] = weights[name][:3].clone()

    folder, name = damaged(folders, tmp_path, cut)
    with pytest.raises(ConfigError, match=f"wrong shape: '{name}'"):
        encoder(folder).encode_texts(["tea"])


def test_weights_that_are_not_numbers_are_found(folders, tmp_path):
    from palate.core.errors import DataError

    folder, _ = damaged(folders, tmp_path, lambda weights, name: weights[name].fill_(torch.nan))
    with pytest.raises(DataError, match="NaN or infinity for"):
        encoder(folder).encode_texts(["tea"])


STRANGE = [
    "😀😀😀",
    "\u200b",
    "שלום עולם",
    "x" * 1_000_000,
    "tea " * 200_000,
    "\x00\x01",
    "e\u0301" * 50,
]


@pytest.mark.filterwarnings("ignore:.*is unknown to the model")
@pytest.mark.parametrize("long", ["cut", "chunks"])
def test_strange_texts_get_a_vector(long, folders):
    folder, _ = folders("bert")
    vectors = encoder(folder, long=long, max_tokens=12).encode_texts(STRANGE)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-4)


@pytest.mark.parametrize("texts", [["tea", "old \ud800"], "tea", ["tea", 3]])
def test_what_is_no_text_is_refused(texts, folders):
    from palate.core.errors import DataError

    folder, _ = folders("bert")
    for encode in (encoder(folder).encode_texts, encoder(folder).encode_tokens):
        with pytest.raises(DataError, match=r"not valid Unicode|not one|not '3'"):
            encode(texts)


@pytest.mark.filterwarnings("ignore:.*is unknown to the model")
def test_a_tokenizer_that_finds_nothing_still_gives_a_vector(folders):
    folder, _ = folders("gpt2")
    assert encoder(folder).encode_texts(["\u00a0x\u3000", "tea"]).any(axis=1).all()


@pytest.mark.parametrize("backend", ["openvino", "onnx"])
def test_int8_is_checked_before_it_is_believed(backend, folders, monkeypatch):
    pytest.importorskip({"onnx": "onnxruntime"}.get(backend, backend))
    from palate.nn.language import inference

    folder, _ = folders("bert")
    monkeypatch.setattr(inference, "MOST_LOST", 0.2)
    exact = encoder(folder, backend="torch").encode_texts(TEXTS)
    rough = Transformer(model=str(folder), dtype="int8", backend=backend)
    cosines = (rough.encode_texts(TEXTS) * exact).sum(axis=1)
    assert (cosines > 0.9).all()
    assert not np.allclose(cosines, 1, atol=1e-7)
    monkeypatch.setattr(inference, "MOST_LOST", 0.0)
    with pytest.raises(ConfigError, match="int8 keeps only a cosine of"):
        Transformer(model=str(folder), dtype="int8", backend=backend).encode_texts(["jazz"])


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"backend": "onnx", "dtype": "bfloat16"}, "ONNX Runtime computes in float32"),
        ({"backend": "torch", "dtype": "int8"}, "int8 is computed by OpenVINO"),
        ({"backend": "openvino", "device": "cuda"}, "on the processor, not on 'cuda'"),
    ],
)
def test_what_a_backend_cannot_do_is_said(settings, said, folders):
    with pytest.raises(ConfigError, match=said):
        Transformer(
            **{"model": str(folders("bert")[0]), "dtype": "float32"} | settings
        ).encode_texts(["tea"])


def test_a_model_that_does_not_know_the_language_is_told(folders):
    folder, _ = folders("bert")
    with pytest.warns(RuntimeWarning, match=r"[456]\d% of what these texts are made of is unknown"):
        encoder(folder, pooling="mean").encode_texts(["帐篷 茶壶 小提琴", "tea 帐篷 茶壶"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        encoder(folder, pooling="mean").encode_texts(["tea bike jazz green", "green tea"])
