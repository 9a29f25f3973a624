import numpy as np
import polars as pl
import pytest
from scipy import sparse

from palate.core.dataset import Dataset
from palate.core.errors import AlignmentError, ConfigError, UnknownIdError
from palate.core.features import Features
from palate.core.histories import histories_of
from palate.core.ids import Ids
from palate.data.split import split_leave_last_out
from palate.features import user_texts
from palate.features.user_texts import HistoryText
from palate.features.users import user_views

EVENTS = [
    ("ann", "a", "view", "first words"),
    ("bob", "b", "view", None),
    ("ann", "b", "purchase", "  "),
    ("ann", "c", "view", "last words here"),
    ("cyd", "c", "view", "just so"),
]


@pytest.fixture
def data():
    names = ["user_id", "item_id", "event", "text"]
    events = pl.DataFrame(EVENTS, schema=names, orient="row")
    return Dataset(
        events, pl.DataFrame({"item_id": ["a", "b", "c"], "title": ["Ark", "Bo", "Cup"]})
    )


class Lengths:
    """Two numbers a text, and a memory of what was read."""

    def __init__(self, kind=np.asarray):
        self.seen, self.kind = [], kind

    def encode_texts(self, texts):
        self.seen.append(list(texts))
        return self.kind(
            np.array([[len(t), t.count(" ")] for t in texts], np.float32).reshape(-1, 2)
        )


def test_what_people_did_is_told_and_read(data):
    reader = Lengths()
    users = user_views(data, reader=reader)
    assert reader.seen[0] == [
        "viewed Ark, then bought Bo, then viewed Cup",
        "viewed Bo",
        "viewed Cup",
    ]
    assert users.ids.tolist() == ["ann", "bob", "cyd"]
    assert users.parts["history_text"].tolist() == [[43, 7], [9, 1], [10, 1]]
    assert users.behavioural == {"history_text", "reviews"}


def test_what_people_wrote_is_averaged_the_newest_weighted_most(data):
    wrote = user_views(data, reader=Lengths(), decay=0.5).parts["reviews"]
    newest, oldest = np.array([15, 2]), np.array([11, 1])
    np.testing.assert_allclose(wrote[0], (newest + 0.5 * oldest) / 1.5, rtol=1e-6)
    assert wrote[1:].tolist() == [[0, 0], [7, 1]]
    plain = user_views(data, reader=Lengths(), how="mean").parts["reviews"]
    np.testing.assert_allclose(plain[0], (newest + oldest) / 2)
    last = user_views(data, reader=Lengths(), length=1).parts["reviews"]
    assert last[0].tolist() == [15, 2]


def test_texts_are_weighted_by_their_events(data):
    weights = pl.Series([3.0, 1, 1, 1, 1], dtype=pl.Float32)
    heavy = data.with_interactions(data.interactions.with_columns(weight=weights))
    wrote = user_views(heavy, reader=Lengths(), how="weighted", decay=0.5).parts["reviews"]
    expected = (np.array([15, 2]) + 0.5 * 0 + 3 * np.array([11, 1])) / 4
    np.testing.assert_allclose(wrote[0], expected, rtol=1e-6)


def test_nothing_after_the_history_is_read(data):
    reader = Lengths()
    before = histories_of(data).without_last()
    users = user_views(data, reader=reader, histories=before)
    assert reader.seen[0] == ["viewed Ark, then bought Bo", "", ""]
    assert reader.seen[1] == ["first words"]
    assert users.parts["reviews"].tolist() == [[11, 1], [0, 0], [0, 0]]


def test_the_histories_of_a_split_read_the_data_that_were_cut(data):
    split = split_leave_last_out(data, min_events=2)
    assert split.histories.user_ids.to_list() == ["ann"]
    reader = Lengths()
    user_views(data, reader=reader, histories=split.histories)
    assert reader.seen == [["viewed Ark, then bought Bo"], ["first words"]]
    changed = data.with_interactions(data.interactions[1:])
    with pytest.raises(AlignmentError, match="other events than the data set"):
        user_views(changed, reader=reader, histories=split.histories)


@pytest.mark.parametrize("at_once", [1, 2, 100])
@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_array])
def test_texts_are_read_a_part_at_a_time(data, monkeypatch, at_once, kind):
    whole = user_views(data, reader=Lengths()).parts["reviews"]
    monkeypatch.setattr(user_texts, "TEXTS_AT_ONCE", at_once)
    reader = Lengths(kind)
    found = user_views(data, reader=reader).parts["reviews"]
    found = found.toarray() if sparse.issparse(found) else found
    np.testing.assert_allclose(found, whole)
    most = max(len(texts) for texts in reader.seen[1:])
    assert most <= max(at_once, 2), "one person's texts stay together"


def test_a_reader_with_blocks_of_its_own_names_them(data):
    def queries(texts):
        found = Lengths().encode_texts(texts)
        return {"text": found, "words": sparse.csr_array(found)}

    users = user_views(data, reader=queries)
    assert list(users.parts) == [
        "history_text.text",
        "history_text.words",
        "reviews.text",
        "reviews.words",
    ]
    assert sparse.issparse(users.parts["reviews.words"])


def test_all_views_stand_side_by_side(data):
    items = Features(data.item_ids, {"topic": np.eye(3, 2)})
    numbers = Features(Ids(["cyd", "ann", "bob"]), {"numbers": np.array([[3], [1], [2]])})
    ages = Features(Ids(["bob", "zoe", "ann", "cyd"]), {"age": np.array([[20], [0], [10], [30]])})
    words = {"topic": np.float32([[1, 1], [2, 2], [3, 3]])}
    users = user_views(data, items, Lengths(), queries=words, beside=[numbers, ages], how="mean")
    views = ["history.topic", "history_text", "reviews", "query.topic", "numbers", "age"]
    assert list(users.parts) == views
    assert users.parts["numbers"].ravel().tolist() == [1, 2, 3]
    assert users.parts["age"].ravel().tolist() == [10, 20, 30]
    assert users.parts["query.topic"].tolist() == words["topic"].tolist()
    assert users.behavioural == {"history.topic", "history_text", "reviews"}
    one = user_views(data, beside=numbers)
    assert list(one.parts) == ["numbers"]
    with pytest.raises(UnknownIdError, match="'ann'"):
        user_views(data, beside=numbers.take(np.array([0, 2])))


def test_data_without_texts_have_nothing_written(data):
    silent = data.with_interactions(data.interactions.drop("text"))
    assert list(user_views(silent, reader=Lengths()).parts) == ["history_text"]


def test_how_a_history_is_told_can_be_said(data):
    reader = Lengths()
    history_text = HistoryText(names=["方舟", "波", "杯子"], max_items=2, verbs={"view": "瞧了"})
    user_views(data, reader=reader, history_text=history_text)
    assert reader.seen[0][0] == "买了“波”，然后瞧了“杯子”"
    user_views(data, reader=reader, history_text=HistoryText(language="zh"))
    assert reader.seen[2][1] == "看了“Bo”"


def test_items_without_titles_are_told_by_what_they_say(data):
    nameless = Dataset(data.interactions, data.items.rename({"title": "about"}))
    reader = Lengths()
    user_views(nameless, reader=reader)
    assert reader.seen[0][1] == "viewed Bo"


@pytest.mark.parametrize("reader", [3, Lengths])
def test_what_reads_no_texts_raises(data, reader):
    with pytest.raises(ConfigError, match="reader"):
        user_views(data, reader=reader)
