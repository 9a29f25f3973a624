from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from scipy import sparse

from palate.core.errors import AlignmentError, ConfigError
from palate.core.features import Features
from palate.core.histories import history_of_items
from palate.core.ids import Ids
from palate.features.users import pool, user_features

IDS = Ids(["a", "b", "c"])
ITEMS = Features(
    IDS,
    {
        "text": np.float32([[1, 0], [0, 10], [100, 1]]),
        "tags": sparse.csr_array(np.float32([[0, 1, 0], [2, 0, 0], [0, 0, 4]])),
    },
)


def asking(*histories, weights=None):
    found = history_of_items(IDS, histories, user_ids=[f"u{row}" for row in range(len(histories))])
    return found if weights is None else replace(found, weights=np.float32(weights))


def test_mean_counts_each_item_once():
    pooled = pool(asking(["a", "b", "b"], []), ITEMS, how="mean")
    np.testing.assert_allclose(pooled["text"], [[0.5, 5], [0, 0]])
    np.testing.assert_allclose(pooled["tags"].toarray(), [[1, 0.5, 0], [0, 0, 0]])


def test_decayed_prefers_the_newest():
    pooled = pool(asking(["a", "b", "c"]), ITEMS, decay=0.5)
    total = 1 + 0.5 + 0.25
    np.testing.assert_allclose(pooled["text"][0], [100.25 / total, 6 / total], rtol=1e-6)


def test_weighted_counts_what_events_weigh():
    pooled = pool(asking(["a", "b"], weights=[3, 1]), ITEMS, how="weighted")
    np.testing.assert_allclose(pooled["text"], [[0.75, 2.5]])
    plain = pool(asking(["a", "b"], weights=[3, 1]), ITEMS, how="mean")
    np.testing.assert_allclose(plain["text"], [[0.5, 5]])


def test_length_bounds_the_history():
    pooled = pool(asking(["c", "a", "b"]), ITEMS, how="mean", length=2)
    np.testing.assert_allclose(pooled["text"], [[0.5, 5]])


def test_items_that_lack_a_block_are_left_out_of_its_mean():
    text = ITEMS.parts["text"].copy()
    text[1] = 0
    items = ITEMS.with_parts({**ITEMS.parts, "text": text})
    pooled = pool(asking(["a", "b", "c"], ["b"]), items, how="mean")
    np.testing.assert_allclose(pooled["text"], [[50.5, 0.5], [0, 0]])
    np.testing.assert_allclose(pooled["tags"].toarray()[0], [2 / 3, 1 / 3, 4 / 3], rtol=1e-6)


def test_what_people_say_stands_beside_what_they_did():
    words = {"text": np.float32([[7, 8], [0, 0]])}
    users = user_features(asking(["a"], ["c", "b"]), ITEMS, words, how="mean")
    assert users.ids.tolist() == ["u0", "u1"]
    assert list(users.parts) == ["history.text", "history.tags", "query.text"]
    assert users.behavioural == {"history.text", "history.tags"}
    np.testing.assert_allclose(users.parts["history.text"], [[1, 0], [50, 5.5]])
    np.testing.assert_array_equal(users.parts["query.text"], words["text"])


def test_the_histories_own_words_are_taken_where_none_are_given():
    histories = replace(asking(["a"]), queries={"text": np.float32([[4, 2]])})
    users = user_features(histories, ITEMS)
    assert users.parts["query.text"].tolist() == [[4, 2]]
    assert "query.text" not in user_features(histories, ITEMS, {}).parts


def test_people_who_ask_several_times_are_named_with_the_fix():
    rolling = replace(asking(["a"], ["b"], ["a", "c"]), user_ids=pl.Series(["x", "y", "x"]))
    with pytest.raises(AlignmentError, match=r"ask several times: 'x'\. Take one request of each"):
        user_features(rolling, ITEMS)
    last = rolling.take(rolling.user_ids.is_last_distinct().arg_true())
    users = user_features(last, ITEMS, how="mean")
    assert users.ids.tolist() == ["y", "x"]
    np.testing.assert_allclose(
        users.parts["history.text"][1], pool(rolling, ITEMS, how="mean")["text"][2]
    )


def test_words_of_other_people_raise():
    with pytest.raises(AlignmentError, match="2 rows for 1 histories"):
        user_features(asking(["a"]), ITEMS, {"text": np.zeros((2, 2), dtype=np.float32)})


def test_an_unknown_pooling_raises():
    with pytest.raises(ConfigError, match="Did you mean 'mean'"):
        pool(asking(["a"]), ITEMS, how="means")
