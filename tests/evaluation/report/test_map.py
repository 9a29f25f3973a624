import numpy as np
import polars as pl
import pytest
from scipy import sparse

from palate.core.features import Features
from palate.core.ids import Ids
from palate.evaluation.report import map
from palate.evaluation.report.map import SIDE, categories_of, draw_map

NOBODY = np.empty(0, dtype=np.int32)


def clusters(sizes=(60, 30, 15), dim=8, seed=3):
    rng = np.random.default_rng(seed)
    group = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    centres = rng.normal(size=(len(sizes), dim)) * 4
    return group, (centres[group] + rng.normal(size=(len(group), dim))).astype(np.float32)


def features(**parts) -> Features:
    behavioural = [name for name in parts if name.startswith("clicks")]
    n = next(iter(parts.values())).shape[0]
    return Features(Ids([f"i{row}" for row in range(n)]), parts, behavioural=behavioural)


@pytest.mark.parametrize("as_block", [np.asarray, sparse.csr_array])
def test_items_that_are_alike_lie_together(as_block):
    group, values = clusters()
    drawn = draw_map(features(text=as_block(values)), wanted=NOBODY)
    assert drawn.method == "t-SNE"
    assert drawn.rows.tolist() == list(range(len(group)))
    points = drawn.points.astype(float)
    assert points.min(axis=0).tolist() == [0, 0]
    assert points.max(axis=0).tolist() == [SIDE, SIDE]
    apart = ((points[:, None] - points[None]) ** 2).sum(axis=2)
    np.fill_diagonal(apart, np.inf)
    assert (group[apart.argmin(axis=1)] == group).mean() > 0.95


def test_small_catalogues_are_projected_by_principal_components():
    values = np.array([[0, 0, 1], [1, 0, 1], [9, 0.5, 1], [5, 2, 1]], dtype=np.float32)
    drawn = draw_map(features(text=values), wanted=NOBODY)
    assert drawn.method == "PCA"
    first = drawn.points[:, 0]
    assert np.argsort(first).tolist() in ([0, 1, 3, 2], [2, 3, 1, 0])


def test_the_block_is_the_first_dense_one_that_was_not_learnt_from_behaviour():
    _, values = clusters((8, 5))
    parts = {"clicks": values, "words": sparse.csr_array(values), "image": values, "text": values}
    assert draw_map(features(**parts), wanted=NOBODY).block == "image"
    del parts["image"], parts["text"]
    assert draw_map(features(**parts), wanted=NOBODY).block == "words"
    del parts["words"]
    assert draw_map(features(**parts), wanted=NOBODY).block == "clicks"


@pytest.mark.parametrize(
    "nothing",
    [
        None,
        features(text=np.full((9, 400), 0.1, dtype=np.float32)),
        features(text=np.zeros((9, 4), dtype=np.float32)),
        features(text=sparse.csr_array((9, 4), dtype=np.float32)),
        features(price=np.arange(9, dtype=np.float32)[:, None]),
        features(text=np.eye(2, dtype=np.float32)),
    ],
)
def test_where_nothing_differs_there_is_no_map(nothing):
    assert draw_map(nothing, wanted=NOBODY) is None


def test_a_large_catalogue_is_sampled_around_what_must_be_shown(monkeypatch):
    monkeypatch.setattr(map, "MOST_POINTS", 20)
    _, values = clusters((50, 20))
    wanted = np.array([69, 3, 41], dtype=np.int32)
    drawn = draw_map(features(text=values), wanted=wanted, seed=1)
    assert len(drawn.rows) == 20
    assert {3, 41, 69} <= set(drawn.rows.tolist())
    assert (np.diff(drawn.rows) > 0).all()
    again = draw_map(features(text=values), wanted=wanted, seed=1)
    assert (again.points == drawn.points).all()
    other = draw_map(features(text=values), wanted=wanted, seed=2)
    assert (other.rows != drawn.rows).any()


def items(**columns) -> pl.DataFrame:
    n = len(next(iter(columns.values())))
    return pl.DataFrame({"item_id": [f"i{row}" for row in range(n)], **columns})


def test_several_categories_take_the_rarest_of_those_shown():
    genres = [["drama"], ["drama", "war"], ["comedy", "drama"], ["comedy"], ["drama"], ["war"], []]
    found = categories_of(items(genres=genres))
    assert found.names == ["drama", "comedy", "war"]
    assert found.codes.tolist() == [0, 2, 1, 1, 0, 2, -1]
    assert found.several


def test_a_name_that_everybody_has_says_nothing():
    found = categories_of(items(categories=[["beauty", "hair"], ["beauty", "skin"]] * 3))
    assert found.names == ["hair", "skin"]
    assert not categories_of(items(brand=["only"] * 5))


def test_strings_may_hold_lists_and_likely_columns_come_first():
    table = items(
        colour=["red", "blue"] * 4,
        genre=["a|b", "a", "b", "a", "c", "c", None, " "],
        title=["same"] * 4 + ["other"] * 4,
    )
    found = categories_of(table)
    assert found.column == "genre"
    assert found.names == ["a", "b", "c"]
    assert found.codes.tolist() == [1, 0, 1, 0, 2, 2, -1, -1]
    assert categories_of(table.drop("genre")).column == "colour"


def test_only_the_largest_categories_have_a_colour():
    names = [f"c{size}" for size in range(2, 13) for _ in range(size)]
    found = categories_of(items(kind=names))
    assert found.names == [f"c{size}" for size in range(12, 4, -1)]
    assert (found.codes == -1).sum() == 2 + 3 + 4
    assert not found.several


@pytest.mark.parametrize(
    "columns",
    [
        {"price": [1.0, 2.0, 1.0]},
        {"sku": ["a", "b", "c", "d"]},
        {"title": ["x", "y", "x", "y"]},
        {"text_like": ["a long sentence that describes the item in detail", "another " * 9] * 2},
    ],
)
def test_columns_that_are_no_categories(columns):
    assert categories_of(items(**columns)) is None


def test_categorical_columns_count_too():
    kinds = pl.Series(["a", "b", "a", "b"], dtype=pl.Categorical)
    assert categories_of(items(kind=kinds)).names == ["a", "b"]
