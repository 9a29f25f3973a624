"""Topics of items: clusters with names, soft membership, new items."""

import numpy as np
import polars as pl
import pytest

import palate
from palate import testing
from palate.core.errors import ConfigError, DataError
from palate.data.samples import synthetic

WORDS = {"type": "tfidf", "template": "{title}", "min_df": 1}
SUBJECTS = {
    "green": ["green tea leaf", "black tea leaf", "white tea cup", "strong tea leaf"],
    "metal": ["steel bike", "old bike chain", "mountain bike chain", "bike chain oil"],
    "night": ["vampire blood night", "vampire castle", "vampire blood moon", "blood vampire"],
}


def shop(more=()):
    titles = [title for own in SUBJECTS.values() for title in own]
    ids = [f"i{row}" for row in range(len(titles) + len(more))]
    events = pl.DataFrame({"user_id": ["u", "v"] * 12, "item_id": ids[:12] * 2})
    return palate.read(events, items=pl.DataFrame({"item_id": ids, "title": [*titles, *more]}))


def topics(**settings):
    return palate.Topics(**{"n_topics": 3, "encoder": WORDS, **settings})


def test_topics_are_found_and_named():
    data = shop()
    encoder = topics().fit(data)
    table = encoder.table(data)
    assert {frozenset(ids) for ids in _members(encoder, data).values()} == {
        frozenset(f"i{row}" for row in range(start, start + 4)) for start in (0, 4, 8)
    }
    firsts = {name.split(", ")[0] for name in table["topic"]}
    assert firsts == {"tea", "bike", "vampire"}
    assert table["items"].to_list() == [4, 4, 4]
    np.testing.assert_allclose(table["share"], 1 / 3)
    for line in table.iter_rows(named=True):
        assert set(line["examples"]) <= _members(encoder, data)[line["topic"]]
        assert len(line["examples"]) == 3


def _members(encoder, data):
    features = encoder.encode(data)
    best = features.values.argmax(axis=1)
    found = {}
    for item, topic in zip(data.item_ids.tolist(), best.tolist(), strict=True):
        found.setdefault(encoder.names[topic], set()).add(item)
    return found


def test_the_block_is_sparse_shares_under_the_names_of_the_topics():
    data = shop(more=["", "qux"])
    features = topics().fit(data).encode(data)
    assert features.names["topics"] == topics().fit(data).names
    block = features.parts["topics"].toarray()
    np.testing.assert_allclose(block[:12].sum(axis=1), 1, rtol=1e-6)
    assert not block[12:].any()
    assert not features.behavioural
    columns = features.get_feature_names_out()
    assert any("vampire" in name for name in columns), columns


def test_a_new_item_falls_into_its_topic(tmp_path):
    model = palate.Pipeline(encoders={"about": topics()}, recommender=palate.Content()).fit(shop())
    loaded = palate.load(model.save(tmp_path / "model"))
    new = pl.DataFrame({"item_id": ["new"], "title": ["the vampire comes at night"]})
    loaded.add_items(new)
    encoder = loaded.encoders_["about"]
    assert encoder.names == model.encoders_["about"].names
    block = loaded.features.parts["about"].toarray()
    assert "vampire" in encoder.names[block[-1].argmax()]
    assert block[-1].argmax() == block[8].argmax()
    table = encoder.table(loaded.data_)
    assert table.row(0, named=True)["items"] == 5
    assert loaded.features.names["about"] == encoder.names


def test_texts_have_topics():
    encoder = topics().fit(shop())
    shares = encoder.topics_of(["a bike chain", "", "qux"]).toarray()
    assert "bike" in encoder.names[shares[0].argmax()]
    assert not shares[1:].any()
    assert encoder.topics_of([]).shape == (0, 3)


def test_only_trained_items_say_what_topics_there_are():
    few, more = topics().fit(shop()), topics().fit(shop(more=["vampire opera"] * 9))
    assert few.words_ == more.words_
    np.testing.assert_array_equal(few.centres_, more.centres_)


def test_the_order_of_items_does_not_matter():
    data = shop()
    turned = palate.read(data.interactions[::-1], items=data.items[::-1])
    one, other = topics().fit(data), topics().fit(turned)
    assert one.names == other.names
    np.testing.assert_array_equal(one.encode(data).values, other.encode(turned).values[::-1])


def test_it_keeps_an_encoders_promises(tiny):
    testing.check_encoder(topics(encoder={**WORDS, "template": "{title}"}), tiny)


def test_there_are_no_more_topics_than_different_items():
    events = pl.DataFrame({"user_id": ["u"] * 4, "item_id": ["a", "b", "c", "d"]})
    items = pl.DataFrame({"item_id": ["a", "b", "c", "d"], "title": ["tea", "tea", "bike", "bike"]})
    found = topics(n_topics=4).fit(palate.read(events, items=items))
    assert len(found.names) == 2


def test_chinese_topics_have_chinese_names():
    pytest.importorskip("rjieba")
    data = synthetic(60, 30, language="zh")
    names = topics(n_topics=4).fit(data).names
    assert all(any("\u4e00" <= letter <= "\u9fff" for letter in name) for name in names)


def test_what_cannot_be_used_is_told():
    with pytest.raises(ConfigError, match=r"topics\.encoder: 'attributes' reads no texts"):
        palate.Topics(encoder={"type": "attributes"})
    with pytest.raises(ConfigError, match="n_topics = 1 cannot be used"):
        palate.Topics(n_topics=1)
    events = pl.DataFrame({"user_id": ["u"], "item_id": ["a"]})
    items = pl.DataFrame({"item_id": ["a", "b"], "title": ["", "tea"]})
    with pytest.raises(DataError, match="no item with events says anything"):
        topics().fit(palate.read(events, items=items))


def test_check_says_how_many():
    said = list(palate.Topics(encoder=WORDS).describe(shop()))
    assert "sorts the items into 2 topics at most" in said
    assert 'reads "{title}"' in said


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("words_", [["tea"]], "other topics"),
        ("reader_", 3, "reads no template"),
        ("reader_", palate.Behaviour(), "reads no template"),
        ("reader_", palate.Tfidf(), "has learnt nothing"),
        ("reader_", palate.TextEncoder(), "is no `encoder`"),
    ],
)
def test_received_topics_are_checked(name, value, said):
    encoder = topics().fit(shop())
    encoder.check_learnt()
    setattr(encoder, name, value)
    with pytest.raises(ValueError, match=said):
        encoder.check_learnt()


def test_vectors_of_another_length_are_told():
    encoder = topics().fit(shop())
    encoder.reader_ = palate.Tfidf(template="{title}", min_df=1, ngrams=[1, 1]).fit(shop())
    with pytest.raises(ConfigError, match=r"numbers a text, and gave .* when they were fitted"):
        encoder.encode(shop())


CONFIG = """
[data]
interactions = "ratings.parquet"
items = "movies.parquet"
[split]
type = "leave_last_out"
[encoders.about]
type = "topics"
n_topics = 3
encoder = { type = "tfidf", template = "{title}", min_df = 1 }
[recommender]
type = "content"
"""


def test_a_pipeline_file_says_it(command, tmp_path):
    data = shop()
    events = [(user, f"i{row}") for user in "abcdef" for row in range(12)]
    events = pl.DataFrame(events, schema=["user_id", "item_id"], orient="row")
    events.write_parquet(tmp_path / "ratings.parquet")
    data.items.write_parquet(tmp_path / "movies.parquet")
    (tmp_path / "shop.toml").write_text(CONFIG)
    done = command("check", tmp_path / "shop.toml")
    assert done.code == 0, done.err
    assert "sorts the items into 3 topics" in done.out
    done = command("fit", tmp_path / "shop.toml", "--out", tmp_path / "model")
    assert done.code == 0, done.err
    assert len(palate.load(tmp_path / "model").encoders_["about"].names) == 3
