import json
from dataclasses import dataclass

import numpy as np
import pytest
from scipy import sparse

from palate.core.errors import DataError, MissingExtraError
from palate.features.encoders.static import Static
from palate.tuning import student
from palate.tuning.student import Lesson, counted, tokenizer_over, vocabulary_of, write_student

pytest.importorskip("tokenizers")

TEXTS = ["Green tea leaf!", "green TEA cup", "Steel bike, green bike", "tea"]


def test_words_come_first_and_the_frequent_before_the_rare(letters):
    tokens, counts = vocabulary_of(TEXTS, letters(), 100)
    assert tokens == ["green", "tea", "bike", "cup", "leaf", "steel"]
    np.testing.assert_array_equal(counts, [3, 3, 2, 1, 1, 1])
    assert vocabulary_of(TEXTS, letters(), 2)[0] == ["green", "tea"]


def test_pieces_of_the_teacher_follow(letters, monkeypatch):
    cut = {"steel": ["ste", "el"], "leaf": ["leaf"], "cup": ["c", "up"]}
    pieces = lambda words, _: [cut.get(word, []) for word in words]  # noqa: E731
    monkeypatch.setattr(student, "_pieces", pieces)
    tokens, counts = vocabulary_of(TEXTS, letters(), 100)
    assert tokens[6:] == ["ste"]
    assert counts[6] == 1


def test_chinese_is_words_and_characters(letters):
    pytest.importorskip("rjieba")
    tokens, _ = vocabulary_of(["四川小说", "历史小说"], letters(), 100)
    assert set(tokens) == {"小说", "四川", "历史", *"四川小说历史"}
    assert tokens[0] == "小说"


def test_the_pieces_are_those_of_the_model(tiny_bert):
    from palate.features.encoders.transformer import Transformer

    found = student._pieces(["teab", "jazz"], Transformer(model=str(tiny_bert)))
    assert found == [["tea", "b"], ["jazz"]]


def test_the_tokenizer_is_that_of_the_part_which_reads(tiny_bert, tmp_path, capfd):
    import shutil

    from palate.features.encoders.transformer import Transformer

    shutil.copytree(tiny_bert, tmp_path / "st" / "0_Transformer")
    modules = [{"path": "0_Transformer", "type": "a.Transformer"}]
    (tmp_path / "st" / "modules.json").write_text(json.dumps(modules))
    found = student._pieces(["teab"], Transformer(model=str(tmp_path / "st")))
    assert found == [["tea", "b"]]
    own = {"auto_map": {"AutoTokenizer": ["own.Tokenizer", None]}, "tokenizer_class": "Own"}
    (tmp_path / "st" / "0_Transformer" / "tokenizer_config.json").write_text(json.dumps(own))
    (tmp_path / "st" / "0_Transformer" / "own.py").write_text("raise SystemExit(3)")
    student._pieces(["teab"], Transformer(model=str(tmp_path / "st")))
    assert capfd.readouterr() == ("", "")


def test_no_words_raises(letters):
    with pytest.raises(DataError, match="no words"):
        vocabulary_of(["!!!", " "], letters(), 10)


def read(tokenizer, text):
    return tokenizer.encode(text).tokens


def test_a_text_is_read_as_few_tokens():
    tokens = ["tea", "pot", "teapot", "lid", "三体", "三", "体", "小说"]
    tokenizer = tokenizer_over(tokens, np.array([9, 9, 1, 3, 1, 50, 50, 2]))
    assert read(tokenizer, "Teapot, TEA-lid.") == ["teapot", "tea", "lid"]
    assert read(tokenizer, "三体小说") == ["三体", "小说"]
    assert read(tokenizer, "ｔｅａ teapots") == ["tea", "teapot", "s"]


def test_unknown_parts_are_not_counted():
    tokenizer = tokenizer_over(["tea", "bike"], np.array([2, 1]))
    found = counted(tokenizer, ["tea bike tea", "", "qqq teaq", "!"], 2)
    np.testing.assert_array_equal(found.toarray(), [[2, 1], [0, 0], [1, 0], [0, 0]])
    assert counted(tokenizer, [], 2).shape == (0, 2)


def test_batches_change_nothing(monkeypatch):
    tokenizer = tokenizer_over(["tea", "bike"], np.array([2, 1]))
    texts = ["tea", "bike bike", "", "tea bike", "bike"]
    whole = counted(tokenizer, texts, 2).toarray()
    monkeypatch.setattr(student, "_BATCH", 2)
    np.testing.assert_array_equal(counted(tokenizer, texts, 2).toarray(), whole)


@dataclass
class Planted:
    """Texts whose meaning is the mean of token vectors that the student has to find."""

    rng = np.random.default_rng(6)
    counts = sparse.csr_array(rng.poisson(0.3, size=(300, 20)).astype(np.float32))
    truth = (rng.normal(size=(20, 5)) * np.arange(5, 0, -1)).astype(np.float32)
    lengths = np.maximum(np.asarray(counts.sum(axis=1)).ravel(), 1)[:, None]
    texts = ((counts @ truth) / lengths).astype(np.float32)
    shares = np.asarray(counts.sum(axis=0)).ravel() / counts.sum()
    lesson = Lesson(np.roll(truth, 1, axis=0), texts, counts, shares)


def cosines(found, wanted):
    one, other = found @ found.T, wanted @ wanted.T
    one /= np.sqrt(np.outer(np.diag(one), np.diag(one)))
    other /= np.sqrt(np.outer(np.diag(other), np.diag(other)))
    return np.abs(one - other).mean()


def test_the_fit_finds_what_the_texts_say():
    synthetic = Planted()
    wanted = synthetic.truth - synthetic.texts.mean(axis=0)
    fitted = synthetic.lesson.learn(dim=5, sif=0.9, pull=1e-6)
    held_back = synthetic.lesson.learn(dim=5, sif=0.9, pull=1e6)
    assert cosines(fitted, wanted) < 0.02
    assert cosines(held_back, wanted) > 0.2


def test_frequent_tokens_count_less():
    synthetic = Planted()
    plain = synthetic.lesson.learn(dim=5, sif=0.999, pull=1e6)
    weighed = synthetic.lesson.learn(dim=5, sif=0.01, pull=1e6)
    ratio = np.linalg.norm(weighed, axis=1) / np.linalg.norm(plain, axis=1)
    weights = 0.01 / (0.01 + synthetic.shares)
    np.testing.assert_allclose(ratio / ratio[0], weights / weights[0], rtol=0.02)


def test_without_texts_the_axes_are_those_of_the_tokens():
    from sklearn.decomposition import PCA

    tokens = Planted.truth
    lesson = Lesson(tokens, tokens[:0], Planted.counts[:0], np.zeros(20))
    found = lesson.learn(dim=2, sif=0.5, pull=1.0)
    wanted = PCA(2).fit_transform(tokens)
    np.testing.assert_allclose(np.abs(found), np.abs(wanted), rtol=1e-3, atol=1e-4)


@pytest.fixture
def folder(tmp_path):
    tokens = ["tea", "green", "bike"]
    vectors = np.array([[300, 1], [1, -2], [0.5, 0.25]], dtype=np.float32)
    tokenizer = tokenizer_over(tokens, np.array([5, 2, 1]))
    write_student(tmp_path / "student", tokenizer, vectors, {"tokenizer_name": "x"})
    return tmp_path / "student"


def test_the_folder_is_one_for_static(folder):
    found = Static(model=str(folder)).encode_texts(["Green bike, qqq", "tea", "qqq"])
    wanted = np.array([1.5, -1.75]) / np.hypot(1.5, 1.75)
    np.testing.assert_allclose(found[0], wanted, rtol=1e-2)
    np.testing.assert_allclose(found[1], [1, 1 / 300], atol=1e-3)
    assert not found[2].any()
    assert json.loads((folder / "config.json").read_text())["tokenizer_name"] == "x"


def test_sentence_transformers_reads_the_folder(folder):
    library = pytest.importorskip("sentence_transformers")
    texts = ["Green bike", "tea green", "bike"]
    found = library.SentenceTransformer(str(folder), device="cpu").encode(texts)
    np.testing.assert_allclose(found, Static(model=str(folder)).encode_texts(texts), atol=1e-3)


def test_model2vec_reads_the_folder(folder):
    model2vec = pytest.importorskip("model2vec")
    texts = ["Green bike", "tea green qqq", "qqq"]
    found = model2vec.StaticModel.from_pretrained(str(folder)).encode(texts)
    np.testing.assert_allclose(found, Static(model=str(folder)).encode_texts(texts), atol=1e-3)


def test_without_tokenizers_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "tokenizers", None)
    with pytest.raises(MissingExtraError, match=r"palate\[static\]"):
        tokenizer_over(["a"], np.array([1]))
