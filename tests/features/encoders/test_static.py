import json
import sys

import numpy as np
import polars as pl
import pytest

from palate import testing
from palate.core.dataset import Dataset
from palate.core.errors import ConfigError, DataError, MissingExtraError, NotFittedError
from palate.features.encoders.static import Static

tokenizers = pytest.importorskip("tokenizers")
safetensors = pytest.importorskip("safetensors.numpy")

WORDS = ["[UNK]", "tea", "green", "bike", "steel", "leaf"]


def vectors(dtype=np.float32):
    rng = np.random.default_rng(4)
    values = rng.normal(size=(len(WORDS), 3)) * np.arange(1, len(WORDS) + 1)[:, None]
    return values.astype(dtype)


def write_folder(folder, arrays, *, inside="", model=None):
    """A static model that knows six words."""
    folder = folder / inside if inside else folder
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = {word: row for row, word in enumerate(WORDS)}
    model = model or tokenizers.models.WordLevel(vocabulary, unk_token="[UNK]")
    tokenizer = tokenizers.Tokenizer(model)
    tokenizer.normalizer = tokenizers.normalizers.Lowercase()
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    safetensors.save_file(arrays, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({"model_type": "model2vec"}))
    return str(folder)


@pytest.fixture
def folder(tmp_path):
    return write_folder(tmp_path / "model", {"embeddings": vectors()})


def unit(vector):
    return vector / np.linalg.norm(vector)


def test_a_text_is_the_unit_mean_of_its_tokens(folder):
    known = vectors()
    found = Static(model=folder).encode_texts(["Green tea tea", "bike", "", " ", "qux tea"])
    np.testing.assert_allclose(found[0], unit(known[2] + 2 * known[1]), rtol=1e-5)
    np.testing.assert_allclose(found[1], unit(known[3]), rtol=1e-5)
    assert not found[2:4].any()
    np.testing.assert_allclose(found[4], unit(known[1]), rtol=1e-5)
    assert found.dtype == np.float32


def test_a_text_of_unknown_words_is_zeros(folder):
    assert not Static(model=folder).encode_texts(["qux", "🤖 مرحبا"]).any()


def test_weights_and_mapping_of_a_quantised_vocabulary(tmp_path):
    stored = vectors()[:4]
    mapping = np.array([0, 3, 3, 1, 2, 0])
    weights = np.array([1, 0.5, 2, 1, 1, 3], dtype=np.float16)
    arrays = {"embeddings": stored, "mapping": mapping, "weights": weights}
    folder = write_folder(tmp_path, arrays)
    found = Static(model=folder).encode_texts(["green tea leaf"])[0]
    np.testing.assert_allclose(found, unit(2.5 * stored[3] + 3 * stored[0]), rtol=1e-3)


@pytest.mark.parametrize("dtype", [np.float16, np.float64, np.int8])
def test_vectors_of_any_type(tmp_path, dtype):
    stored = (vectors() * 10).astype(dtype)
    folder = write_folder(tmp_path, {"embeddings": stored})
    found = Static(model=folder).encode_texts(["steel bike"])[0]
    wanted = unit(stored[3].astype(np.float32) + stored[4].astype(np.float32))
    np.testing.assert_allclose(found, wanted, rtol=1e-4)


@pytest.mark.parametrize("inside", ["", "0_StaticEmbedding"])
def test_the_folders_of_sentence_transformers(tmp_path, inside):
    write_folder(tmp_path, {"embedding.weight": vectors()}, inside=inside)
    found = Static(model=str(tmp_path)).encode_texts(["leaf"])[0]
    np.testing.assert_allclose(found, unit(vectors()[5]), rtol=1e-5)


def test_a_tokeniser_without_unknown_word_by_name(tmp_path):
    pieces = [(word, -float(row)) for row, word in enumerate(WORDS)]
    model = tokenizers.models.Unigram(pieces, unk_id=0)
    folder = write_folder(tmp_path, {"embeddings": vectors()}, model=model)
    found = Static(model=folder).encode_texts(["leaf Ω", "Ω"])
    np.testing.assert_allclose(found[0], unit(vectors()[5]), rtol=1e-5)
    assert not found[1].any()


def test_dimensions_and_tokens_can_be_cut(folder):
    known = vectors()
    found = Static(model=folder, dim=2, max_tokens=2).encode_texts(["bike leaf steel"])[0]
    np.testing.assert_allclose(found, unit(known[3, :2] + known[5, :2]), rtol=1e-5)
    assert Static(model=folder, dim=99).encode_texts(["tea"]).shape == (1, 3)


def shop(titles, warm):
    items = pl.DataFrame({"item_id": [f"i{row}" for row in range(len(titles))], "title": titles})
    events = pl.DataFrame({"user_id": ["u"] * warm, "item_id": items["item_id"][:warm]})
    return Dataset(interactions=events, items=items)


def test_sif_weights_come_from_trained_items(folder):
    titles = ["green tea", "green tea leaf", "green", "steel steel"]
    encoder = Static(model=folder, weighting="sif", sif=0.1).fit(shop(titles, warm=3))
    shares = {"green": 3 / 6, "tea": 2 / 6, "leaf": 1 / 6, "steel": 0.0}
    known = vectors()
    wanted = sum(
        known[WORDS.index(word)] * 0.1 / (0.1 + shares[word]) for word in ("green", "leaf", "steel")
    )
    found = encoder.encode_texts(["green leaf steel"])[0]
    np.testing.assert_allclose(found, unit(wanted), rtol=1e-5)


def test_idf_weights_come_from_trained_items(folder):
    titles = ["green tea tea", "green leaf", "green", "steel"]
    encoder = Static(model=folder, weighting="idf").fit(shop(titles, warm=3))
    idf = {"green": np.log(4 / 4) + 1, "tea": np.log(4 / 2) + 1, "steel": np.log(4 / 1) + 1}
    wanted = sum(vectors()[WORDS.index(word)] * weight for word, weight in idf.items())
    found = encoder.encode_texts(["green tea steel"])[0]
    np.testing.assert_allclose(found, unit(wanted), rtol=1e-5)


def test_a_weighting_must_be_fitted(folder):
    with pytest.raises(NotFittedError):
        Static(model=folder, weighting="idf").encode_texts(["tea"])


@pytest.mark.parametrize("weighting", ["none", "idf", "sif"])
def test_it_keeps_the_promises_of_an_encoder(folder, tiny, weighting):
    testing.check_encoder(Static(model=folder, weighting=weighting), tiny)


def test_rows_do_not_depend_on_their_company(folder, monkeypatch):
    texts = ["green tea", "", "steel bike leaf", "leaf leaf"] * 3
    whole = Static(model=folder).encode_texts(texts)
    monkeypatch.setattr("palate.features.encoders.static._BATCH", 5)
    np.testing.assert_array_equal(Static(model=folder).encode_texts(texts), whole)


BROKEN = {
    "has 5 rows, but the tokeniser has 6": {"embeddings": vectors()[:5]},
    r"has shape \(6,\)": {"embeddings": vectors()[:, 0].copy()},
    "no static model": {"encoder.layer.0": vectors()},
    "NaN or infinity": {"embeddings": np.full((6, 3), np.nan, dtype=np.float32)},
    "mapping names rows": {"embeddings": vectors()[:2], "mapping": np.arange(6)},
    r"mapping has shape \(2,\)": {"embeddings": vectors(), "mapping": np.arange(2)},
    r"weights has shape \(2,\)": {"embeddings": vectors(), "weights": np.ones(2)},
}


@pytest.mark.parametrize("message", BROKEN)
def test_broken_weights_are_named(tmp_path, message):
    folder = write_folder(tmp_path, BROKEN[message])
    with pytest.raises(ConfigError, match=message):
        Static(model=folder).encode_texts(["tea"])


def test_folders_that_hold_no_static_model(tmp_path, folder):
    with pytest.raises(ConfigError, match=r"no folder '\./nowhere'"):
        Static(model="./nowhere").encode_texts(["tea"])
    with pytest.raises(ConfigError, match=r"model\.safetensors and tokenizer\.json is missing"):
        Static(model=str(tmp_path)).encode_texts(["tea"])
    place = tmp_path / "model"
    (place / "model.safetensors").write_bytes(b"no tensors")
    with pytest.raises(ConfigError, match="cannot be read"):
        Static(model=folder).encode_texts(["tea"])
    safetensors.save_file({"embeddings": vectors()}, place / "model.safetensors")
    (place / "tokenizer.json").write_text("{}")
    with pytest.raises(ConfigError, match="is no tokeniser"):
        Static(model=folder).encode_texts(["tea"])


def test_a_name_that_the_hub_does_not_give(monkeypatch):
    import huggingface_hub

    def offline(*_, **__):
        raise OSError("no network\nlong story")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", offline)
    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", offline)
    with pytest.raises(ConfigError, match=r"the hub did not give it \(no network\)"):
        Static(model="nobody/no-such-model").encode_texts(["tea"])


def test_a_name_that_the_hub_gives(monkeypatch, folder):
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *_, **__: folder)
    assert Static(model="somebody/some-model").encode_texts(["tea"]).any()


def test_text_that_is_not_unicode(folder):
    with pytest.raises(DataError, match=r"'\\ud800 tea' is not valid Unicode"):
        Static(model=folder).encode_texts(["tea", "\ud800 tea"])


def test_strange_texts_get_a_vector_or_say_nothing(folder):
    strange = ["tea " * 250_000, "😀", "שלום", "x" * 1_000_000, "", " ", None]
    lengths = np.linalg.norm(Static(model=folder).encode_texts(strange), axis=1)
    np.testing.assert_allclose(lengths, [1, 0, 0, 0, 0, 0, 0], atol=1e-6)
    for texts in ("tea", ["tea", 3]):
        with pytest.raises(DataError, match=r"not one|not '3'"):
            Static(model=folder).encode_texts(texts)


def test_without_the_packages_the_extra_is_named(monkeypatch, folder):
    monkeypatch.setattr("palate.core.optional.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"palate\[static\]"):
        Static(weighting="none").encode_texts(["tea"])
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(MissingExtraError, match=r"palate\[static\]"):
        Static(model=folder).encode_texts(["tea"])


@pytest.mark.parametrize(
    "setting", [{"model": ""}, {"sif": 0.0}, {"sif": 1.0}, {"max_tokens": 0}, {"dim": 0}]
)
def test_settings_are_checked(setting):
    with pytest.raises(ConfigError, match=next(iter(setting))):
        Static(**setting)


def test_the_packaged_vectors_know_english():
    pytest.importorskip("wordllama")
    texts = ["a cheap red bicycle", "steel frame for bikes", "jazz trumpet solo", " "]
    with pytest.raises(NotFittedError):
        Static().encode_texts(texts)
    found = Static(weighting="none").encode_texts(texts)
    assert found.shape == (4, 256)
    cosines = found @ found.T
    assert cosines[0, 1] > cosines[0, 2] + 0.1
    assert not found[3].any()


def test_the_packaged_vectors_are_weighed_by_the_catalogue(tiny):
    pytest.importorskip("wordllama")
    testing.check_encoder(Static(), tiny)
    own, wanted, bare = (
        Static(weighting=weighting).fit(tiny).encode(tiny).values
        for weighting in ("auto", "sif", "none")
    )
    np.testing.assert_array_equal(own, wanted)
    assert not np.allclose(own, bare, atol=0.01)


def test_folders_are_read_as_model2vec_reads_them(tmp_path, folder):
    model2vec = pytest.importorskip("model2vec")
    texts = ["Green tea tea", "bike", "qux leaf"]
    wanted = model2vec.StaticModel.from_pretrained(folder, normalize=True).encode(texts)
    np.testing.assert_allclose(Static(model=folder).encode_texts(texts), wanted, atol=1e-6)
