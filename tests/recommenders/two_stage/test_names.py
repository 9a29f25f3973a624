"""No block of features may be taken for a signal of the ranker's own."""

import pytest

from palate.core.errors import ConfigError
from palate.core.features import Features
from palate.core.types import FitContext
from palate.data.samples import synthetic
from palate.recommenders.ranker import Ranker
from palate.recommenders.two_stage.importance import FAMILIES, check_block_names


def quick():
    return Ranker(n_estimators=2, n_train_queries=100, candidates=10, min_rows_per_leaf=5)


@pytest.fixture(scope="module")
def shop():
    return synthetic(40, 30)


@pytest.fixture(scope="module")
def block(shop):
    """(30, 3) numbers that tell items apart."""
    rows = range(len(shop.items))
    return [[row % 5 - 2, row % 3 - 1, 0.1 * row] for row in rows]


def test_every_feature_of_the_rankers_own_is_taken(shop, block):
    features = Features(shop.item_ids, {"looks": block})
    for items in (None, features):
        names = quick().fit(shop, FitContext(items=items)).names_
        own = {name.partition(" (")[0].partition(":")[0] for name in names} - {"looks"}
        assert own <= set(FAMILIES)
    assert {"directed", "two steps", "similar users", "space", "smoothed", "mix"} <= own


def test_names_of_ones_own_are_free(shop, block):
    names = ["map", "behaviour", "similar users.x", "two", "a.b", "标题", "text"]
    check_block_names(names)
    model = quick().fit(
        shop, FitContext(items=Features(shop.item_ids, dict.fromkeys(names, block)))
    )
    assert len(set(model.names_)) == len(model.names_)
    for name in names:
        assert f"{name} (nearest)" in model.names_
    one = quick().fit(shop, FitContext(items=Features(shop.item_ids, {"looks": block}))).names_
    each = sum(name.startswith("looks") for name in one)
    assert len(model.names_) == len(one) + (len(names) - 1) * each


@pytest.mark.parametrize("name", [*FAMILIES, "text:newest", "directed:second", "text (place)"])
def test_names_that_are_taken(name):
    with pytest.raises(ConfigError, match="beside the ranker") as caught:
        check_block_names(["text", name])
    assert repr(name) in str(caught.value)
