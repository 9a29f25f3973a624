import copy

import numpy as np
import polars as pl
import pytest

from palate.core.dataset import Dataset
from palate.core.errors import ConfigError, DataError
from palate.features.encoders.reviews import Reviews
from palate.features.encoders.tfidf import Tfidf
from palate.pipeline.pipeline import Pipeline, load
from palate.recommenders.ranker import Ranker

LETTERS = "abc"


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A package of somebody's with a pretrained text encoder."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "letter_counts.py").write_text(
        "from dataclasses import dataclass\n"
        "import numpy as np\n\n"
        "@dataclass(kw_only=True)\n"
        "class Counts:\n"
        f"    letters: str = {LETTERS!r}\n"
        "    def fit(self, data): return self\n"
        "    def encode(self, data): raise AssertionError('nobody asks for items')\n"
        "    def encode_texts(self, texts):\n"
        "        rows = [[t.count(c) for c in self.letters] for t in texts]\n"
        "        return np.array(rows, np.float32).reshape(-1, len(self.letters))\n"
    )
    return {"type": "letter_counts:Counts"}


@pytest.fixture
def data():
    rows = [
        ("u", "one", 1.0, "aaaa"),
        ("v", "one", 4.0, "b"),
        ("w", "two", 2.0, None),
        ("u", "two", 3.0, "cc"),
        ("w", "one", 5.0, "ab"),
        ("v", "three", 6.0, " "),
    ]
    names = ["user_id", "item_id", "timestamp", "text"]
    events = pl.DataFrame(rows, schema=names, orient="row")
    return Dataset(
        events.sort("timestamp"), pl.DataFrame({"item_id": ["new", "two", "three", "one"]})
    )


def test_an_item_is_the_mean_of_its_newest_reviews(module, data):
    found = Reviews(encoder=module, most=2).fit(data).encode(data)
    assert found.behavioural == {"reviews"}
    assert found.parts["reviews"].tolist() == [[0, 0, 0], [0, 0, 2], [0, 0, 0], [0.5, 1, 0]]
    every = Reviews(encoder=module).fit(data).encode(data).parts["reviews"]
    np.testing.assert_allclose(every[3], [5 / 3, 2 / 3, 0], rtol=1e-6)


def test_the_newest_are_found_in_any_order_of_the_events(module, data):
    turned = data.with_interactions(data.interactions.sort("user_id"))
    one = Reviews(encoder=module, most=1).fit(data).encode(data)
    two = Reviews(encoder=module, most=1).fit(turned).encode(data)
    assert one.parts["reviews"].tolist() == two.parts["reviews"].tolist()


@pytest.mark.parametrize(("at_once", "most"), [(1, 3), (2, 4)])
def test_so_many_reviews_are_read_at_a_time(at_once, most, module, data, monkeypatch):
    whole = Reviews(encoder=module).fit(data).encode(data).parts["reviews"]
    monkeypatch.setattr("palate.features.encoders.reviews._REVIEWS_AT_ONCE", at_once)
    read, seen = Reviews.encode_texts, []
    monkeypatch.setattr(
        Reviews, "encode_texts", lambda self, texts: seen.append(len(texts)) or read(self, texts)
    )
    parts = Reviews(encoder=module).fit(data).encode(data).parts["reviews"]
    np.testing.assert_array_equal(whole, parts)
    assert max(seen) == most
    assert sum(seen) == 4


def test_queries_are_read_by_the_same_encoder(module, data):
    reviews = Reviews(encoder=module)
    assert reviews.encode_texts(["cab"]).tolist() == [[1, 1, 1]]
    assert reviews.encode_queries(["cab"]).tolist() == [[1, 1, 1]]
    with pytest.MonkeyPatch.context() as patch:
        reader = reviews._reader
        patch.setattr(reader, "encode_queries", lambda texts: np.ones((1, 3)), raising=False)
        assert reviews.encode_queries(["b"]).tolist() == [[1, 1, 1]]


def test_an_encoder_gives_its_settings(module, data):
    from letter_counts import Counts

    reviews = Reviews(encoder=Counts(letters="c"))
    assert reviews.encoder == {"type": "letter_counts:Counts", "letters": "c"}
    fitted = reviews.fit(data)
    assert "_reader" not in vars(copy.deepcopy(fitted))
    assert fitted.encode(data).parts["reviews"][1].tolist() == [2]


def test_data_without_a_text_raise(module, data):
    for events in (data.interactions.drop("text"), data.interactions.filter(pl.col("text") == " ")):
        with pytest.raises(DataError, match="nobody wrote anything"):
            Reviews(encoder=module).fit(data.with_interactions(events))


def test_encoders_that_cannot_read_reviews_raise(data):
    with pytest.raises(ConfigError, match="must be pretrained"):
        Reviews(encoder=Tfidf()).fit(data)
    with pytest.raises(ConfigError, match="'behaviour' reads no texts"):
        Reviews(encoder={"type": "behaviour"})
    with pytest.raises(ConfigError, match="Did you mean 'tfidf'"):
        Reviews(encoder={"type": "tfidff"})
    with pytest.raises(ConfigError, match=r"most = 0 cannot be used: give 1 or more"):
        Reviews(most=0)


def test_the_ranker_reads_them_anew_without_the_events_it_holds_out(module, tiny, tmp_path):
    words = pl.col("item_id").str.slice(0, 3) + " for " + pl.col("user_id")
    data = tiny.with_interactions(tiny.interactions.with_columns(text=words))
    encoders = {"words": Tfidf(), "said": Reviews(encoder=module)}
    model = Pipeline(encoders=encoders, recommender=Ranker(n_estimators=5)).fit(data)
    families = set(model.recommender_.importances_["family"])
    assert {"words", "said"} <= families
    found = model.recommend(["person-3"], k=5).table
    loaded = load(model.save(tmp_path / "model"), allow=[module["type"]])
    assert loaded.recommend(["person-3"], k=5).table.equals(found)
    assert set(model.queries(["a cab"])) == {"words", "said"}
