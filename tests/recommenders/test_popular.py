import numpy as np
import pytest

from palate.core.errors import ConfigError, NotFittedError
from palate.core.evidence import Evidence
from palate.core.histories import history_of_items
from palate.recommenders.popular import Popular

DAY = 86_400


def test_counts_everything_for_everybody(known, build):
    asking = history_of_items(known.item_ids, [["a"], []])
    assert Popular().fit(known).score(asking).tolist() == [[2, 3, 3, 1, 0]] * 2


def test_the_last_days_only(build):
    data = build({"u": "abc", "v": "bb"}, times=[0, 5.5 * DAY, 6 * DAY, 8 * DAY, 2 * DAY])
    asking = history_of_items(data.item_ids, [[]])
    assert Popular(last_days=2.5).fit(data).score(asking).tolist() == [[0, 1, 1, 0, 0]]
    assert Popular(last_days=2).fit(data).score(asking).tolist() == [[0, 1, 0, 0, 0]]


def test_without_times_the_last_days_are_all_days(known):
    asking = history_of_items(known.item_ids, [[]])
    recent = Popular(last_days=1).fit(known)
    assert recent.score(asking).tolist() == [[2, 3, 3, 1, 0]]


def test_events_weigh(build):
    data = build({"u": "ab", "v": "b"}, weights=[5, 1, 0.5])
    asking = history_of_items(data.item_ids, [[]])
    np.testing.assert_array_equal(Popular().fit(data).score(asking), [[5, 1.5, 0, 0, 0]])


def test_new_items_score_zero(known, arrivals):
    model = Popular().fit(known).add_items(arrivals)
    asking = history_of_items(known.item_ids, [[]])
    assert model.score(asking).tolist() == [[2, 3, 3, 1, 0, 0, 0]]


@pytest.mark.parametrize("last_days", [0, -3])
def test_no_days_raise(last_days):
    with pytest.raises(ConfigError, match="last_days"):
        Popular(last_days=last_days)


def test_unfitted_raises(known):
    with pytest.raises(NotFittedError):
        Popular().score(history_of_items(known.item_ids, [[]]))


def test_all_that_speaks_is_how_many_chose_it(known):
    queries = {"text": np.ones((2, 3), dtype=np.float32)}
    asking = history_of_items(known.item_ids, [["a", "b"], []], queries=queries)
    found = Popular().fit(known).evidence(asking, np.int32([2, 0]))
    assert found == [Evidence("popular")] * 2
