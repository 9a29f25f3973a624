"""Word vectors out of files as an encoder: which words count, how much, and what is kept."""

import gzip
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

import palate
from palate import testing
from palate.core.errors import ConfigError, DataError, NotFittedError
from palate.data.samples import synthetic

FILE = {
    "the": [0.1, 0, 0],
    "tea": [1, 2, 0],
    "green": [0, 1, 3],
    "well-known": [5, 0, 1],
    "do": [1, 1, 1],
    "n't": [-2, 1, 0],
    "Paris": [4, 4, -4],
    "steel": [0, -1, 2],
    "自行车": [2, 0, 2],
    "自行": [7, 7, 7],
    "红": [0, 3, 1],
    "bike": [0.5, 0.25, 4],
}


def as_file(path, words=FILE):
    text = "".join(f"{word} {' '.join(map(str, vector))}\n" for word, vector in words.items())
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return str(path)


@pytest.fixture
def path(tmp_path):
    return as_file(tmp_path / "words.txt")


def mean(*words, weights=None):
    rows = np.array([FILE[word] for word in words], dtype=float)
    total = (rows * (np.ones(len(rows)) if weights is None else weights)[:, None]).sum(axis=0)
    return total / np.linalg.norm(total)


def shop(titles, touched=None):
    """A catalogue of titles; the first `touched` of them have events."""
    touched = len(titles) if touched is None else touched
    ids = [f"i{row}" for row in range(len(titles))]
    events = pl.DataFrame({"user_id": ["u", "v"] * touched, "item_id": ids[:touched] * 2})
    return palate.read(events, items=pl.DataFrame({"item_id": ids, "title": titles}))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Green TEA, tea!", ["green", "tea", "tea"]),
        ("“tea”—steel", ["tea", "steel"]),
        ("a well-known bike", ["well-known", "bike"]),
        ("green-steel", ["green", "steel"]),
        ("don’t", ["do", "n't"]),
        ("tea's", ["tea"]),
        ("paris PARIS", ["Paris", "Paris"]),
        ("红自行车", ["红", "自行车"]),
        ("红色的自行车tea", ["红", "自行车", "tea"]),
        ("ｔｅａ", ["tea"]),
    ],
)
def test_a_text_is_the_unit_mean_of_its_words(path, text, words):
    found = palate.WordVectors(path=path, weighting="none").encode_texts([text])
    np.testing.assert_allclose(found[0], mean(*words), atol=2e-3)


def test_unknown_words_and_blanks_are_zeros(path):
    found = palate.WordVectors(path=path, weighting="none").encode_texts(["", "  ", "qux !", "水"])
    assert found.shape == (4, 3)
    assert not found.any()


def test_rare_words_count_more(path):
    data = shop(["the tea", "the bike", "the the steel"])
    encoder = palate.WordVectors(path=path, sif=0.1).fit(data)
    share = {"the": 4 / 7, "tea": 1 / 7}
    weights = np.array([0.1 / (0.1 + share[word]) for word in ("the", "tea")])
    np.testing.assert_allclose(
        encoder.encode(data).values[0], mean("the", "tea", weights=weights), atol=2e-3
    )
    idf = palate.WordVectors(path=path, weighting="idf").fit(data)
    weights = np.log(4 / np.array([4, 2])) + 1
    np.testing.assert_allclose(
        idf.encode(data).values[0], mean("the", "tea", weights=weights), atol=2e-3
    )


def test_words_are_counted_in_trained_items_alone(path):
    few = palate.WordVectors(path=path).fit(shop(["the tea", "the bike", "steel"], 2))
    more = palate.WordVectors(path=path).fit(shop(["the tea", "the bike", "tea tea tea"], 2))
    np.testing.assert_array_equal(few.weights_, more.weights_)


def test_the_first_words_and_those_of_the_items_are_kept(path):
    encoder = palate.WordVectors(path=path, most_words=2).fit(shop(["Steel bike", "the tea"]))
    assert encoder.words_["word"].to_list() == ["the", "tea", "steel", "bike"]
    assert encoder.vectors_.dtype == np.float16
    assert not encoder.encode_texts(["Paris"]).any()
    all_of_it = palate.WordVectors(path=path).fit(shop(["Steel bike", "the tea"]))
    assert all_of_it.encode_texts(["Paris"]).any()


def test_it_keeps_an_encoders_promises(tmp_path, tiny):
    names = {word.lower() for title in tiny.items["title"] for word in title.split()}
    rng = np.random.default_rng(3)
    words = {word: rng.normal(size=4).round(3).tolist() for word in sorted(names)}
    testing.check_encoder(palate.WordVectors(path=as_file(tmp_path / "w.vec", words)), tiny)


def test_the_model_needs_the_file_no_more(tmp_path):
    data = synthetic(40, 30)
    names = {word.lower() for title in data.items["title"] for word in title.split()}
    rng = np.random.default_rng(3)
    words = {word: rng.normal(size=4).round(3).tolist() for word in sorted(names)}
    path = tmp_path / "w.txt.gz"
    encoder = palate.WordVectors(path=as_file(path, {**words, "brandnew": [9, 9, -9, 1]}))
    model = palate.Pipeline(encoders={"words": encoder}, recommender=palate.Content()).fit(data)
    model.save(tmp_path / "model")
    path.unlink()
    loaded = palate.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.features.parts["words"], model.features.parts["words"])
    new = data.items.head(1).with_columns(item_id=pl.lit("new"), title=pl.lit("Brandnew"))
    both = [one.add_items(new).features.parts["words"][-1] for one in (loaded, model)]
    np.testing.assert_array_equal(*both)
    assert both[0].any()
    assert loaded.recommend(text="brandnew", k=1).table["item_id"].to_list() == ["new"]


def test_no_row_depends_on_the_others(path):
    encoder = palate.WordVectors(path=path).fit(shop(["the tea", "the bike", "green steel"]))
    texts = ["the green tea", "bike steel the", "Paris tea tea the"]
    whole = encoder.encode_texts(texts)
    for row, text in enumerate(texts):
        np.testing.assert_array_equal(encoder.encode_texts([text])[0], whole[row])


def test_check_says_what_is_known(path):
    data = shop(["the tea", "a qux bike, qux", "zzz"])
    said = list(palate.WordVectors(path=path).describe(data))
    assert "keeps 12 of 12 words, 3 numbers each" in said
    assert "knows 42.9% of the words of the items" in said
    assert "does not know 'qux', 'a', 'zzz'" in said
    assert "1 of 3 items hold no word that it knows" in said


def test_what_cannot_be_used_is_told(path, tmp_path):
    data = shop(["the tea", "bike"])
    with pytest.raises(ConfigError, match="needs a file of word vectors: path="):
        palate.WordVectors().fit(data)
    with pytest.raises(DataError, match="there is no file"):
        palate.WordVectors(path=str(tmp_path / "no")).fit(data)
    strange = shop(["wasser", "brot"])
    for do in (
        palate.WordVectors(path=path).fit,
        lambda data: list(palate.WordVectors(path=path).describe(data)),
    ):
        with pytest.raises(DataError, match=r"knows no word of the items .'wasser', 'brot'"):
            do(strange)
    with pytest.raises(NotFittedError):
        palate.WordVectors(path=path).encode_texts(["tea"])


def test_received_words_are_checked(path):
    encoder = palate.WordVectors(path=path).fit(shop(["the tea", "bike"]))
    encoder.check_learnt()
    encoder.words_ = encoder.words_.with_columns(word=pl.lit("the"))
    with pytest.raises(ValueError, match="repeat"):
        encoder.check_learnt()


def test_reviews_may_be_read_with_it(path):
    data = shop(["the tea", "bike"])
    events = data.interactions.with_columns(text=pl.lit("green tea"))
    data = replace(data, interactions=events)
    reviews = palate.Reviews(
        encoder={"type": "word_vectors", "path": path, "weighting": "none"}
    ).fit(data)
    np.testing.assert_allclose(reviews.encode(data).values[0], mean("green", "tea"), atol=2e-3)


def test_rjieba_cuts_chinese_where_it_is_wanted(path):
    pytest.importorskip("rjieba")
    encoder = palate.WordVectors(path=path, segment=True).fit(shop(["红自行车", "tea"]))
    np.testing.assert_allclose(
        encoder.encode_texts(["红自行车"])[0][:2],
        encoder.encode_texts(["红 自行车"])[0][:2],
    )


CONFIG = """
[data]
interactions = "ratings.parquet"
items = "movies.parquet"
[encoders.words]
type = "word_vectors"
path = "words.txt"
[split]
type = "leave_last_out"
[recommender]
type = "content"
"""


def test_a_pipeline_file_says_it(command, tmp_path):
    as_file(tmp_path / "words.txt")
    titles = ["the tea", "green bike", "red qux", "steel"]
    events = [(user, f"i{row}") for user in "abcdef" for row in range(4)]
    pl.DataFrame(events, schema=["user_id", "item_id"], orient="row").write_parquet(
        tmp_path / "ratings.parquet"
    )
    shop(titles).items.write_parquet(tmp_path / "movies.parquet")
    (tmp_path / "films.toml").write_text(CONFIG)
    done = command("check", tmp_path / "films.toml")
    assert done.code == 0, done.err
    assert "knows 71.4% of the words" in done.out
    done = command("fit", tmp_path / "films.toml", "--out", tmp_path / "model")
    assert done.code == 0, done.err
    (tmp_path / "words.txt").write_text((tmp_path / "words.txt").read_text() + "broken 1 2\n")
    done = command("check", tmp_path / "films.toml")
    assert done.code == 1
    assert "line 13 ('broken'): 2 numbers, not 3" in " ".join(done.err.split())
