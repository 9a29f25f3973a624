import json

import numpy as np
import polars as pl
import pytest

import palate
from palate import testing
from palate.core import registry
from palate.core.dataset import Dataset
from palate.core.errors import ConfigError, DataError
from palate.features.encoders.attributes import Attributes
from palate.features.encoders.columns.kinds import parsed
from palate.pipeline.explain.shared_attributes import CommonGround

SIZES = ["S", "M", "L", "XL"]


def shirts():
    rows = range(40)
    return pl.DataFrame(
        {
            "item_id": [f"i{row}" for row in rows],
            "size": [SIZES[row % 3] if row % 5 else None for row in rows],
            "price": [float(10 ** (row % 4)) for row in rows],
            "brand": ["Big" if row < 24 else "Mid" if row < 36 else f"own {row}" for row in rows],
            "tags": [["warm", "red"] if row % 4 == 0 else ["warm"] for row in rows],
            "made": [f"2020-{1 + row % 12:02d}-15" if row % 8 else None for row in rows],
            "about": ["" if row == 0 else "word " * (1 + row % 7) for row in rows],
            "zip": [[10115, 20095, 80331][row % 3] for row in rows],
        }
    )


def dataset(items, warm=None):
    names = items["item_id"] if warm is None else items["item_id"][warm]
    return Dataset(pl.DataFrame({"user_id": ["u"] * len(names), "item_id": names}), items)


def encoded(columns, *, items=None, warm=None, **settings):
    items = shirts() if items is None else items
    data = dataset(items, warm)
    encoder = Attributes(columns=columns, **settings).fit(data)
    block = encoder.encode(data).parts["attributes"]
    assert len(set(encoder.names)) == len(encoder.names) == block.shape[1]
    json.dumps(encoder.plan_)
    return dict(zip(encoder.names, block.toarray().T, strict=True))


EVERY_WAY = {
    "size": {"as": "ordinal", "order": SIZES},
    "price": ["log", "quantile", "standard"],
    "brand": ["categories", "frequency", {"as": "hashed", "features": 8}],
    "made": {"as": "date", "cycles": ["weekday", "month", "yearday"]},
    "about": "lengths",
    "zip": "categories",
    "*": "auto",
}


def test_every_way_at_once():
    found = encoded(EVERY_WAY)
    assert list(found) == [
        *("size (order)", "size (order) is missing"),
        *("price (log)", "price (quantile)", "price"),
        *("brand = Big", "brand = Mid", "brand = own 36", "brand = own 37", "brand = own 38"),
        *("brand = own 39", "brand (frequency)", *(f"brand # {bucket}" for bucket in range(8))),
        *("made (age)", "made (age) is missing"),
        *(
            f"made ({cycle}, {part})"
            for cycle in ("weekday", "month", "yearday")
            for part in ("sine", "cosine")
        ),
        *("about (characters)", "about (words)"),
        *("zip = 10115", "zip = 20095", "zip = 80331"),
        *("tags = warm", "tags = red"),
    ]


@pytest.mark.parametrize(
    "columns",
    [
        {"price": ["log", "quantile"], "category": ["frequency", "hashed"], "*": "auto"},
        {"description": "lengths", "tags": "frequency"},
        {"category": {"as": "ordinal", "order": ["chess", "jazz", "bikes", "tea"]}},
    ],
)
def test_it_keeps_the_promises_of_an_encoder(columns, tiny):
    testing.check_encoder(Attributes(columns=columns), tiny)


def test_the_star_stands_for_what_is_read_by_default_and_not_named():
    items = shirts()
    plain = encoded(None, items=items)
    star = encoded({"*": "auto"}, items=items)
    assert list(plain) == list(star)
    for name, column in plain.items():
        np.testing.assert_array_equal(column, star[name])
    without = encoded({"*": "auto", "price": "log"}, items=items)
    assert list(without) == [name for name in plain if name != "price"] + ["price (log)"]


def test_a_list_and_a_table_of_auto_are_the_same():
    one, other = encoded(["price", "size"]), encoded({"price": "auto", "size": "auto"})
    assert list(one) == list(other)
    for name, column in one.items():
        np.testing.assert_array_equal(column, other[name])


def test_an_order_is_spaced_evenly_and_what_it_lacks_is_missing():
    found = encoded({"size": {"as": "ordinal", "order": SIZES}})
    size, order = shirts()["size"], found["size (order)"]
    small, medium, large = (order[size.index_of(level)] for level in SIZES[:3])
    assert small < medium < large
    assert large - medium == pytest.approx(medium - small)
    np.testing.assert_array_equal(found["size (order) is missing"], size.is_null())
    known = order[size.is_not_null().to_numpy()]
    assert (known.mean(), known.std()) == pytest.approx((0, 1), abs=1e-6)


def test_an_order_of_numbers():
    items = pl.DataFrame({"item_id": list("abcd"), "stars": [1.0, 3.0, 2.0, 3.0]})
    found = encoded({"stars": {"as": "ordinal", "order": [3, 2, 1]}}, items=items)
    assert np.argsort(found["stars (order)"], kind="stable").tolist() == [1, 3, 2, 0]


def test_an_unknown_level_is_named():
    with pytest.raises(DataError, match=r"'size' cannot be read as 'ordinal': 'L' is not a level"):
        encoded({"size": {"as": "ordinal", "order": ["S", "M"]}})
    fitted = Attributes(columns={"size": {"as": "ordinal", "order": SIZES}}).fit(dataset(shirts()))
    later = pl.DataFrame({"item_id": ["n", "m"], "size": ["XXL", "XL"]})
    odd, known = fitted.encode(dataset(later)).values
    assert odd.tolist() == [0, 1]
    assert known[0] > 1
    assert known[1] == 0


def test_scales_of_numbers():
    found = encoded({"price": ["standard", "log", "quantile"]})
    price = shirts()["price"].to_numpy()
    for name, expected in (
        ("price", price),
        ("price (log)", np.log1p(price)),
        (
            "price (quantile)",
            np.argsort(np.argsort([1, 10, 100, 1000]))[np.log10(price).astype(int)],
        ),
    ):
        assert np.corrcoef(found[name], expected)[0, 1] == pytest.approx(1, abs=0.01), name
        assert found[name].std() == pytest.approx(1, abs=1e-5)


def test_frequency_is_the_log_of_how_many_trained_items_share_the_category():
    found = encoded({"brand": "frequency"}, warm=list(range(38)))["brand (frequency)"]
    raw = np.log([24.0] * 24 + [12.0] * 12 + [1.0] * 4)
    expected = (raw - raw[:38].mean()) / raw[:38].std()
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_two_of_a_kind_are_more_than_one():
    items = pl.DataFrame({"item_id": list("abcd"), "brand": ["own", "two", "two", None]})
    found = encoded({"brand": "frequency"}, items=items)
    raw = np.log([1, 2, 2])
    expected = (raw - raw.mean()) / raw.std()
    np.testing.assert_allclose(found["brand (frequency)"], [*expected, 0], atol=1e-6)
    assert found["brand (frequency) is missing"].tolist() == [0, 0, 0, 1]


def test_the_frequency_of_a_set_is_the_mean_of_its_categories():
    found = encoded({"tags": "frequency"})["tags (frequency)"]
    both, warm = (np.log(40) + np.log(10)) / 2, np.log(40)
    raw = np.where(np.arange(40) % 4 == 0, both, warm)
    np.testing.assert_allclose(found, (raw - raw.mean()) / raw.std(), atol=1e-5)


def test_hashed_reads_what_was_never_seen():
    data = dataset(shirts())
    encoder = Attributes(columns={"brand": {"as": "hashed", "features": 16}}).fit(data)
    assert encoder.names == [f"brand # {bucket}" for bucket in range(16)]
    later = dataset(
        pl.DataFrame({"item_id": ["n", "m", "o"], "brand": ["never seen", "Mid", None]})
    )
    new, known, none = encoder.encode(later).values
    assert new.sum() == known.sum() == 1
    np.testing.assert_array_equal(known, encoder.encode(data).values[30])
    assert not none.any()


def test_dates_are_an_age_and_cycles():
    found = encoded({"made": {"as": "date", "cycles": ["month"]}})
    made = shirts()["made"]
    known = made.is_not_null().to_numpy()
    month = made.str.slice(5, 2).cast(pl.Float64).fill_null(1).to_numpy()
    angle = 2 * np.pi * (month - 1) / 12
    np.testing.assert_allclose(
        found["made (month, sine)"], np.where(known, np.sin(angle), 0), atol=1e-6
    )
    np.testing.assert_allclose(
        found["made (month, cosine)"], np.where(known, np.cos(angle), 0), atol=1e-6
    )
    assert np.corrcoef(found["made (age)"][known], -month[known])[0, 1] == pytest.approx(
        1, abs=1e-3
    )
    np.testing.assert_array_equal(found["made (age) is missing"], ~known)


def test_by_default_dates_have_the_cycles_that_vary():
    hours = pl.DataFrame(
        {"item_id": list("abc"), "at": ["2024-05-06 01:00:00", "2024-05-06 09:00:00", None]}
    )
    assert list(encoded({"at": "date"}, items=hours)) == [
        *("at (age)", "at (age) is missing", "at (hour, sine)", "at (hour, cosine)")
    ]
    alone = encoded({"at": {"as": "date", "age": False}}, items=hours)
    assert list(alone) == ["at (hour, sine)", "at (hour, cosine)", "at (hour, sine) is missing"]
    assert alone["at (hour, sine) is missing"].tolist() == [0, 0, 1]


def test_lengths_of_texts():
    items = pl.DataFrame({"item_id": list("abc"), "about": ["a bc", None, "猫和老鼠"]})
    found = encoded({"about": "lengths"}, items=items)
    characters, words = np.log1p([4, 0, 4]), np.log1p([2, 0, 3])
    for name, raw in (("about (characters)", characters), ("about (words)", words)):
        np.testing.assert_allclose(found[name], (raw - raw.mean()) / raw.std(), atol=1e-6)


def test_numbers_can_be_read_as_categories():
    found = encoded({"zip": {"as": "categories", "max_categories": 2}})
    assert list(found) == ["zip = 10115", "zip = 20095"]
    assert found["zip = 20095"][:4].tolist() == [0, 1, 0, 0]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"brand": "log"}, r"'brand' cannot be read as 'log': 'Big', 'Mid', 'own 36' and 3 more"),
        ({"about": "date"}, r"'about' cannot be read as 'date': .* is not a date"),
        ({"prize": "log"}, r"no column 'prize'.*Did you mean 'price'"),
    ],
)
def test_columns_that_hold_something_else(columns, message):
    with pytest.raises(DataError, match=message):
        encoded(columns)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"price": "logg"}, r"columns\.price: no way .* 'logg'.*Did you mean 'log'"),
        ({"price": 3}, r"columns\.price = 3 cannot be used"),
        ({"price": []}, r"columns\.price is empty"),
        ({"price": {"order": ["a", "b"]}}, r"columns\.price = .* cannot be used"),
        ({"price": {"as": "log", "base": 2}}, r"'log' has no option 'base'"),
        ({"size": "ordinal"}, r'columns\.size: "ordinal" needs its levels'),
        ({"size": {"as": "ordinal", "order": ["S"]}}, "needs its levels"),
        ({"size": {"as": "ordinal", "order": ["S", "S"]}}, "must hold each level once"),
        ({"size": {"as": "ordinal", "orders": ["S", "M"]}}, "Did you mean 'order'"),
        ({"made": {"as": "date", "cycles": ["weak"]}}, "no cycle is called 'weak'"),
        ({"made": {"as": "date", "cycles": "month"}}, r"columns\.made\.cycles must be a list"),
        ({"made": {"as": "date", "age": 1}}, r"columns\.made\.age must be true or false"),
        ({"made": {"as": "date", "age": False, "cycles": []}}, "neither cycles nor an age"),
        ({"brand": {"as": "hashed", "features": 0}}, r"brand\.features must be at least 1"),
        ({"brand": {"as": "categories", "hashed": True}}, r"brand\.hashed must be at least 1"),
        ({"*": "log"}, r'columns\."\*" can only be "auto"'),
        ({}, r"columns = \{\} cannot be used"),
        ("price", "columns = 'price' cannot be used"),
    ],
)
def test_settings_that_cannot_be_meant(columns, message):
    with pytest.raises(ConfigError, match=message):
        Attributes(columns=columns)


def test_a_pipeline_file_says_it_too():
    table = {"type": "attributes", "columns": {"price": "log", "*": "auto"}}
    built = registry.build("encoders", table, where="encoders.facts")
    assert built == Attributes(columns={"price": "log", "*": "auto"})
    with pytest.raises(ConfigError, match=r"encoders\.facts: columns\.price: .*Did you mean 'log'"):
        registry.build("encoders", {**table, "columns": {"price": "lag"}}, where="encoders.facts")


def test_ways_are_parsed_into_tables():
    assert parsed({"a": "log", "b": ["auto", {"as": "hashed"}]}) == {
        "a": [{"as": "log"}],
        "b": [{"as": "auto"}, {"as": "hashed"}],
    }


def test_what_items_share_is_still_said_where_a_column_is_read_in_several_ways():
    data = dataset(shirts())
    encoder = Attributes(columns={"brand": ["categories", "frequency"], "price": "log"}).fit(data)
    ground = CommonGround.of([encoder], data.items)
    one, other = np.array([24], dtype=np.int32), np.array([28], dtype=np.int32)
    assert ground.names(data.items, one, other) == [["Mid"]]
    assert ground.near_numbers(data.items, 24, 28) == ["price"]
    assert ground.near_numbers(data.items, 24, 25) == []


def test_a_model_that_reads_in_several_ways_survives_the_disk(tmp_path, tiny):
    columns = {"price": ["log", "quantile"], "category": "frequency", "description": "lengths"}
    model = palate.Pipeline(
        encoders={"facts": Attributes(columns=columns)}, recommender=palate.Content()
    ).fit(tiny)
    model.save(tmp_path / "model")
    loaded = palate.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.features.values, model.features.values)
