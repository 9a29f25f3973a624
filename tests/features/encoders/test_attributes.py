from datetime import date

import numpy as np
import polars as pl
import pytest
from scipy import sparse

from palate import testing
from palate.core.dataset import Dataset
from palate.core.errors import ConfigError, DataError
from palate.features.encoders.attributes import Attributes, attribute_columns

ROWS = 60


def shop():
    rows = range(ROWS)
    return pl.DataFrame(
        {
            "item_id": [f"i{row}" for row in rows],
            "title": [f"Thing number {row} of all" for row in rows],
            "url": [f"https://shop.example/{row}" for row in rows],
            "genre": ["Action|Comedy" if row % 3 else "Drama" for row in rows],
            "brand": [("LEGO", "Avon", "Sony")[row % 3] if row % 7 else None for row in rows],
            "year": [1990.0 + row % 10 if row % 5 else float("nan") for row in rows],
            "price": [f"${row}.50" for row in rows],
            "tags": [["a", "b", "a"][: row % 4] for row in rows],
            "new": [row % 2 == 0 for row in rows],
            "codes": [[row % 4, 7] for row in rows],
            "same": ["x"] * ROWS,
            "listed": [f"1995-01-{1 + row % 28:02d}" for row in rows],
        }
    )


def dataset(items, warm=None):
    names = items["item_id"]
    chosen = names if warm is None else names[warm]
    return Dataset(pl.DataFrame({"user_id": ["u"] * len(chosen), "item_id": chosen}), items)


def encoded(items, warm=None, **settings):
    data = dataset(items, warm)
    encoder = Attributes(**settings).fit(data)
    block = encoder.encode(data).parts["attributes"]
    return dict(zip(encoder.names, block.toarray().T, strict=True)), encoder


@pytest.mark.parametrize(
    "encoder",
    [
        Attributes(),
        Attributes(columns=["category", "title"], max_categories=2, hashed=5),
        Attributes(columns=["price"]),
    ],
)
def test_it_keeps_the_promises_of_an_encoder(encoder, tiny):
    testing.check_encoder(encoder, tiny)


def test_columns_are_chosen_by_what_they_hold():
    chosen = attribute_columns(shop())
    assert chosen == ["genre", "brand", "year", "price", "tags", "new", "codes"]


def test_titles_and_whole_descriptions_are_no_categories_however_often_they_repeat():
    rows = range(ROWS)
    long = ["A pot of iron that keeps tea warm", "A cup that is thin and light and white"]
    items = pl.DataFrame(
        {
            "item_id": [f"i{row}" for row in rows],
            "name": [("Pot", "Cup", "Tray")[row % 3] for row in rows],
            "description": [long[row % 2] for row in rows],
            "说明": [("这把铁壶能让茶长时间保持温热", "这只杯子又薄又轻")[row % 2] for row in rows],
            "style": [("old and plain", "new")[row % 2] for row in rows],
            "品类": [("家居日用", "图书")[row % 2] for row in rows],
        }
    )
    assert attribute_columns(items) == ["style", "品类"]
    assert list(encoded(items, columns=["name"])[0]) == ["name = Cup", "name = Pot", "name = Tray"]


def test_one_sparse_block(tiny):
    features = Attributes().fit(tiny).encode(tiny)
    assert list(features.parts) == ["attributes"]
    assert isinstance(features.parts["attributes"], sparse.csr_array)
    assert features.parts["attributes"].dtype == np.float32
    assert not features.behavioural


def test_categories_are_one_hot():
    values, _ = encoded(shop(), columns=["brand"])
    brand = shop()["brand"]
    assert set(values) == {"brand = LEGO", "brand = Avon", "brand = Sony"}
    for name, column in values.items():
        np.testing.assert_array_equal(column, (brand == name.split(" = ")[1]).fill_null(False))


def test_sets_are_multi_hot_and_of_unit_length():
    values, encoder = encoded(shop(), columns=["genre", "tags"])
    assert [plan["separator"] for plan in encoder.plan_] == ["|", None]
    half = np.float32(np.sqrt(0.5))
    assert values["genre = Action"][:3].tolist() == [0, half, half]
    assert values["genre = Drama"][:3].tolist() == [1, 0, 0]
    assert values["tags = a"][:4].tolist() == [0, 1, half, half]
    assert values["tags = b"][:4].tolist() == [0, 0, half, half]


def test_numbers_are_standardised_and_gaps_are_said():
    values, _ = encoded(shop(), columns=["year", "price", "new"])
    known = ~np.isnan(shop()["year"].to_numpy())
    assert values["year"][known].mean() == pytest.approx(0, abs=1e-6)
    assert values["year"][known].std() == pytest.approx(1, abs=1e-6)
    assert not values["year"][~known].any()
    np.testing.assert_array_equal(values["year is missing"], ~known)
    assert np.corrcoef(values["price"], np.arange(ROWS))[0, 1] == pytest.approx(1)
    assert set(np.round(values["new"], 5)) == {-1.0, 1.0}
    assert "price is missing" not in values


def test_statistics_come_from_trained_items_only():
    items = pl.DataFrame(
        {"item_id": ["a", "b", "c"], "price": [1.0, 3.0, 1e9], "kind": ["x", "y", "z"]}
    )
    values, encoder = encoded(items, warm=[0, 1], columns=["price", "kind"])
    assert values["price"].tolist() == [-1.0, 1.0, 5.0], "held within five deviations"
    assert encoder.names == ["price", "kind = x", "kind = y"]
    assert values["kind = x"].tolist() == [1, 0, 0]


def test_what_appears_later_is_zeros_or_hashed():
    items = pl.DataFrame({"item_id": list("abcde"), "kind": ["x", "x", "y", "z", None]})
    plain, _ = encoded(items, columns=["kind"], max_categories=1)
    assert {name: column.tolist() for name, column in plain.items()} == {
        "kind = x": [1, 1, 0, 0, 0]
    }
    data = dataset(items)
    encoder = Attributes(columns=["kind"], max_categories=1, hashed=64).fit(data)
    assert encoder.names[:2] == ["kind = x", "kind # 0"]
    later = dataset(pl.DataFrame({"item_id": ["n", "m"], "kind": ["brand new", "z"]}))
    block = encoder.encode(later).values
    assert block.sum(axis=1).tolist() == [1, 1]
    np.testing.assert_array_equal(block[1], encoder.encode(data).values[3])
    assert not encoder.encode(data).values[4].any()


def test_few_categories_are_not_hashed():
    _, encoder = encoded(shop(), columns=["brand"], hashed=64)
    assert len(encoder.names) == 3


def test_the_most_frequent_categories_are_kept_ties_by_name():
    items = pl.DataFrame({"item_id": list("abcdef"), "kind": ["q", "p", "r", "r", "s", None]})
    _, encoder = encoded(items, columns=["kind"], max_categories=3)
    assert encoder.names == ["kind = r", "kind = p", "kind = q"]


def test_numbers_in_words_that_cannot_be_read_are_missing():
    items = pl.DataFrame(
        {"item_id": list("abcdefg"), "cost": ["$1,000", "20%", "3", "4", "5", "free", "6e1"]}
    )
    values, _ = encoded(items, columns=["cost"])
    assert values["cost is missing"].tolist() == [0, 0, 0, 0, 0, 1, 0]
    assert values["cost"].argmax() == 0


def test_later_items_are_read_alike_whatever_their_type():
    encoder = Attributes(columns=["price"]).fit(dataset(shop()))
    odd = dataset(pl.DataFrame({"item_id": ["n", "m"], "price": ["unknown", "$29.50"]}))
    values = encoder.encode(odd).values
    assert values[0].tolist() == [0.0]
    numbers = dataset(pl.DataFrame({"item_id": ["m"], "price": [29.5]}))
    np.testing.assert_array_equal(encoder.encode(numbers).values[0], values[1])


def test_trained_items_that_do_not_vary_fall_back_on_all():
    _, encoder = encoded(shop(), warm=[1, 4], columns=["brand"])
    assert len(encoder.names) == 3


def test_nothing_to_learn_is_refused():
    items = pl.DataFrame({"item_id": ["a", "b"], "note": ["Some words here", "Other words there"]})
    with pytest.raises(DataError, match=r"none of the items' columns \(item_id, note\)"):
        Attributes().fit(dataset(items))


def test_a_misspelt_column_is_named(tiny):
    with pytest.raises(DataError, match=r"no column 'prize'.*Did you mean 'price'"):
        Attributes(columns=["prize"]).fit(tiny)
    fitted = Attributes(columns=["price"]).fit(tiny)
    with pytest.raises(DataError, match="no column 'price'"):
        fitted.encode(Dataset(tiny.interactions, tiny.items.drop("price")))


@pytest.mark.parametrize("setting", [{"columns": []}, {"max_categories": 0}, {"hashed": 0}])
def test_settings_are_checked(setting):
    with pytest.raises(ConfigError, match=next(iter(setting))):
        Attributes(**setting)


@pytest.mark.parametrize(
    "days", [["2020-01-01", "2021-05-05"], [date(2020, 1, 1), date(2021, 5, 5)]]
)
def test_dates_that_are_left_out_are_named_with_the_way_to_read_them(days):
    items = pl.DataFrame({"item_id": ["a", "b"], "price": [1, 2], "date_added": days})
    data = Dataset(pl.DataFrame({"user_id": ["u"], "item_id": ["a"]}), items)
    said = list(Attributes().describe(data))
    assert said[1:] == [
        'date_added holds dates and is left out; {"date_added": "date", "*": "auto"} reads them'
    ]
    ways = {"date_added": "date", "*": "auto"}
    assert [line for line in Attributes(columns=ways).describe(data) if "left out" in line] == []
    assert [
        line for line in Attributes(columns=["price"]).describe(data) if "left out" in line
    ] == []
    read = Attributes(columns=ways).fit(data)
    assert "price" in read.columns_read
