import sys
import types
from dataclasses import dataclass

import numpy as np
import polars as pl
import pytest

import palate
from palate import testing
from palate.core.columns import TEXT
from palate.core.dataset import Dataset
from palate.core.errors import ConfigError, DataError, NotFittedError
from palate.features.encoders import sentiment
from palate.features.encoders.sentiment import Sentiment

GOOD = ("lovely", "crisp", "sturdy", "warm")
BAD = ("broken", "late", "cheap", "noisy")
READS = 0


@dataclass(kw_only=True)
class Words:
    """A pretrained text encoder that knows eight words."""

    def fit(self, data):
        return self

    def encode(self, data):
        raise NotImplementedError

    def encode_texts(self, texts):
        global READS
        READS += len(texts)
        counts = [[text.count(word) for word in (*GOOD, *BAD)] for text in texts]
        return np.array(counts, dtype=np.float32).reshape(len(texts), 8)


@pytest.fixture(autouse=True)
def words(monkeypatch):
    """`type = "words_for_tests:Words"` finds the class above."""
    module = types.ModuleType("words_for_tests")
    module.Words = Words
    monkeypatch.setitem(sys.modules, "words_for_tests", module)
    return {"type": "words_for_tests:Words"}


def review(rng, liked):
    """Three words, one of them of the other kind at times."""
    own, other = (GOOD, BAD) if liked else (BAD, GOOD)
    return " ".join([*rng.choice(own, 2), rng.choice(other if rng.random() < 0.2 else own)])


LIKED = {"lamp": 0.95, "chair": 0.6, "phone": 0.15}


def shop(seed=1, most=30):
    """Three items that are liked by different shares of people, one with a single review."""
    rng = np.random.default_rng(seed)
    rows = []
    for item, share in LIKED.items():
        for number in range(most):
            liked = rng.random() < share
            rows.append((f"p{number % 11}", item, review(rng, liked), 5.0 if liked else 1.0))
    rows += [("p1", "vase", "lovely warm crisp", 5.0), ("p2", "vase", None, 4.0)]
    rows += [("p3", "desk", " ", 3.0), ("quiet", "desk", None, 2.0)]
    schema = ["user_id", "item_id", TEXT, "value"]
    interactions = pl.DataFrame(rows, schema=schema, orient="row")
    items = pl.DataFrame({"item_id": ["vase", "phone", "desk", "lamp", "new", "chair"]})
    return Dataset(interactions, items)


@pytest.fixture
def labels(write):
    rng = np.random.default_rng(9)
    rows = [f"{review(rng, liked)},{'pos' if liked else 'neg'}" for liked in [True, False] * 60]
    return str(write("labels.csv", "text,label\n" + "\n".join(rows)))


def test_items_are_as_people_wrote_about_them(labels, words):
    data = shop()
    fitted = Sentiment(labels=labels, encoder=words).fit(data)
    table = {row["item_id"]: row for row in fitted.table(data).to_dicts()}
    means = {name: row["mean"] for name, row in table.items()}
    assert means["lamp"] > 0.6 > means["chair"] > 0 > -0.1 > means["phone"]
    shares = {name: row["negative"] for name, row in table.items()}
    assert shares["phone"] > 0.5 > shares["chair"] > 0.25 > shares["lamp"]
    assert table["chair"]["spread"] > table["lamp"]["spread"] + 0.1
    assert [table[name]["reviews"] for name in ("lamp", "vase", "desk", "new")] == [30, 1, 0, 0]


def test_few_reviews_are_drawn_towards_all(labels, words):
    data = shop()
    near = Sentiment(labels=labels, encoder=words, prior=50).fit(data).table(data)
    far = Sentiment(labels=labels, encoder=words, prior=0.1).fit(data).table(data)
    usual = dict(near.select("item_id", "mean").rows())["new"]
    for name in ("vase", "phone", "lamp"):
        row = near["item_id"].to_list().index(name)
        assert abs(near["mean"][row] - usual) < abs(far["mean"][row] - usual)
    vase = near["item_id"].to_list().index("vase")
    assert near["mean"][vase] - usual < 0.05 < 0.5 < far["mean"][vase] - usual


def test_the_block_is_standardised_behaviour_and_follows_the_rows(labels, words):
    data = shop()
    fitted = Sentiment(labels=labels, encoder=words).fit(data)
    features = fitted.encode(data)
    assert features.behavioural == {"sentiment"}
    trained = features.values[data.warm_items]
    assert trained.mean(axis=0) == pytest.approx(0, abs=1e-5)
    assert trained.std(axis=0) == pytest.approx(1, abs=1e-5)
    turned = Dataset(data.interactions, data.items[::-1])
    assert np.array_equal(fitted.encode(turned).values, features.values[::-1])
    new = features.values[data.item_ids.rows(["new"])[0]]
    assert np.array_equal(new, features.values[data.item_ids.rows(["desk"])[0]])


def test_people_have_a_block_of_their_own(labels, words):
    data = shop()
    fitted = Sentiment(labels=labels, encoder=words).fit(data)
    users = fitted.user_sentiment(data)
    assert users.ids == data.user_ids
    assert users.values.shape == (12, 4)
    assert users.values.mean(axis=0) == pytest.approx(0, abs=1e-5)
    row = users.ids.rows(["quiet"])[0]
    assert users.values[row, 3] == users.values[:, 3].min()
    grump = pl.DataFrame(
        {"user_id": ["g"] * 9, "item_id": ["lamp"] * 9, TEXT: ["broken late noisy"] * 9}
    )
    alone = fitted.user_sentiment(data.with_interactions(grump))
    assert alone.values[0, 0] < users.values[:, 0].min()
    silent = fitted.user_sentiment(data.with_interactions(grump.drop(TEXT)))
    assert silent.values[0] == pytest.approx(users.values[row], abs=1e-6)


def test_ratings_may_be_the_labels(words):
    data = shop()
    fitted = Sentiment(labels="ratings", encoder=words).fit(data)
    polarity, negative = fitted.judge_texts(["sturdy crisp", "noisy late", "", "sturdy crisp"])
    assert polarity[0] > 0.5 > -0.5 > polarity[1]
    assert negative[0] < 0.2 < 0.8 < negative[1]
    assert polarity[2] == negative[2] == 0
    assert polarity[3] == polarity[0]
    assert fitted.classify_texts(["sturdy crisp", "noisy late", "  "]).tolist() == [1, -1, 0]
    assert len(fitted.classify_texts([])) == 0


def test_only_the_events_that_are_fitted_on_count(words):
    data = shop()
    first = Sentiment(labels="ratings", encoder=words).fit(data)
    part = data.with_interactions(data.interactions.filter(pl.col("item_id") != "phone"))
    second = Sentiment(labels="ratings", encoder=words).fit(part)
    row = data.item_ids.rows(["phone"])[0]
    counts = [fitted.table(data)["reviews"][int(row)] for fitted in (first, second)]
    assert counts == [30, 0]
    later = first.encode(data.with_interactions(data.interactions.clear()))
    assert np.array_equal(later.values, first.encode(data).values)


def test_each_text_is_read_once(words):
    global READS
    data = shop()
    texts = data.interactions[TEXT].drop_nulls().unique().to_list()
    fitted = Sentiment(labels="ratings", encoder=words).fit(data)
    READS = 0
    once = fitted.judge_texts(texts)[0]
    reads = READS
    twice = fitted.judge_texts([*texts, *texts[::-1]])[0]
    assert READS == 2 * reads > 0
    assert np.array_equal(twice, [*once, *once[::-1]])


def test_reviews_are_read_some_at_a_time(words, monkeypatch):
    data = shop()
    whole = Sentiment(labels="ratings", encoder=words).fit(data)
    monkeypatch.setattr(sentiment, "_TEXTS_AT_ONCE", 7)
    encode, seen = Words.encode_texts, []
    monkeypatch.setattr(
        Words, "encode_texts", lambda self, texts: seen.append(len(texts)) or encode(self, texts)
    )
    parts = Sentiment(labels="ratings", encoder=words).fit(data)
    np.testing.assert_allclose(parts.summaries_, whole.summaries_, atol=1e-6)
    assert max(seen) == 7


def test_without_labels_the_packaged_lexicons_judge():
    pytest.importorskip("vaderSentiment")
    pytest.importorskip("snownlp")
    said = [
        "I love it, great!",
        "Horrible, it broke.",
        "很好吃，味道好，很快",
        "太差了，垃圾，退款",
    ]
    interactions = pl.DataFrame(
        {"user_id": list("abcd"), "item_id": ["en+", "en-", "zh+", "zh-"], TEXT: said}
    )
    data = Dataset(interactions, pl.DataFrame({"item_id": ["zh-", "en+", "zh+", "en-"]}))
    fitted = Sentiment(prior=0.1).fit(data)
    found = fitted.table(data)
    means = dict(found.select("item_id", "mean").rows())
    assert fitted.classify_texts([*said, "It has strings."]).tolist() == [1, -1, 1, -1, 0]
    assert min(means["en+"], means["zh+"]) > 0.3
    assert max(means["en-"], means["zh-"]) < 0


def test_it_keeps_the_promises_of_all_encoders(tiny, words):
    said = pl.col("item_id").str.len_chars() % 3
    text = pl.when(said == 0).then(pl.lit("lovely crisp")).when(said == 1).then(pl.lit("noisy"))
    data = tiny.with_interactions(tiny.interactions.with_columns(text.alias(TEXT)))
    testing.check_encoder(Sentiment(labels="ratings", encoder=words), data)


def test_strange_texts_are_judged_or_refused():
    pytest.importorskip("vaderSentiment")
    pytest.importorskip("snownlp")
    encoder = Sentiment().fit(shop())
    strange = ["great " * 200_000, "很好" * 500_000, "x" * 1_000_000, "שלום", "\x00", "", None]
    polarity, negative = encoder.judge_texts(strange)
    assert np.isfinite(polarity).all()
    assert (polarity[:2] > 0.5).all()
    assert not polarity[2:].any()
    assert not negative[2:].any()
    for texts in (["good", "bad \ud800"], "good", ["good", 3]):
        with pytest.raises(DataError, match=r"not valid Unicode|not one|not '3'"):
            encoder.judge_texts(texts)


def test_a_saved_head_judges_alike(labels, words, tmp_path):
    data = shop()
    encoder = Sentiment(labels=labels, encoder=words)
    model = palate.Pipeline(encoders={"mood": encoder}, recommender=palate.Content()).fit(data)
    model.save(tmp_path / "model")
    loaded = palate.load(tmp_path / "model", allow=["words_for_tests:Words"])
    text = ["lovely sturdy", "broken"]
    mine, theirs = (m.encoders_["mood"].judge_texts(text)[0] for m in (model, loaded))
    assert np.array_equal(mine, theirs)
    assert not list((tmp_path / "model").rglob("*.pkl"))


def test_what_cannot_be_used_is_refused(words, tiny):
    with pytest.raises(DataError, match="nobody wrote anything for the encoder sentiment"):
        Sentiment().fit(tiny)
    with pytest.raises(ConfigError, match=r"Sentiment.encoder must be .* not 'muse'"):
        Sentiment(encoder="muse")
    with pytest.raises(ConfigError, match="'behaviour' reads no texts"):
        Sentiment(encoder={"type": "behaviour"})
    with pytest.raises(ConfigError, match="must be pretrained; 'tfidf'"):
        Sentiment(labels="ratings", encoder={"type": "tfidf"}).fit(shop())
    with pytest.raises(ConfigError, match="prior = 0 cannot be used: give more than 0"):
        Sentiment(prior=0)
    with pytest.raises(NotFittedError):
        Sentiment().judge_texts(["good"])
    with pytest.raises(DataError, match=r"no such file"):
        Sentiment(labels="nowhere.csv", encoder=words).fit(shop())
