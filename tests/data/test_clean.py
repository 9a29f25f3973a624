import logging

import polars as pl
import pytest

from palate.core.dataset import Dataset
from palate.core.errors import ConfigError, DataError
from palate.data.clean import clean
from palate.data.read import read


def clean_with_notes(data, **settings):
    told = []
    return clean(data, **settings, tell=told.append), told[0]


def dataset(events, columns=("user_id", "item_id", "timestamp"), items=None, users=None):
    log = pl.DataFrame(events, schema=list(columns), orient="row")
    if items is None:
        items = pl.DataFrame({"item_id": log["item_id"].unique().sort()})
    return Dataset(log, items, users)


def pairs(data):
    return data.interactions.select("user_id", "item_id").rows()


@pytest.fixture
def shop():
    items = pl.DataFrame(
        {
            "item_id": ["a", "b", "c", "d", "e"],
            "title": ["Apple", "", None, "Dates", "  "],
            "tags": [["red"], [], None, ["sweet"], ["lost"]],
            "price": [1.0, None, 4.0, float("nan"), 7.0],
            "stock": [1, 2, None, 4, 4],
        }
    )
    users = pl.DataFrame({"user_id": ["u", "v", "w"], "age": [20, None, 40]})
    events = [("u", "a", 1.0), ("v", "b", 2.0), ("u", "c", 3.0), ("w", "a", 4.0), ("v", "d", 5.0)]
    return dataset(events, items=items, users=users)


def test_duplicates_agree_in_every_column():
    columns = ("user_id", "item_id", "timestamp", "value")
    data = dataset(
        [
            ("u", "a", 1.0, 5.0),
            ("u", "a", 1.0, 5.0),
            ("u", "a", 1.0, 4.0),
            ("v", "a", 1.0, 5.0),
            ("u", "a", 2.0, 5.0),
        ],
        columns,
    )
    cleaned, notes = clean_with_notes(data)
    assert cleaned.interactions.rows() == [data.interactions.row(row) for row in (0, 2, 3, 4)]
    assert notes.steps[0].events == 1
    assert len(clean(data, duplicates=False).interactions) == 5


def test_without_times_only_neighbours_are_duplicates():
    columns = ("user_id", "item_id")
    events = [("u", "a"), ("v", "a"), ("u", "a"), ("u", "b"), ("u", "a"), ("u", "a"), ("v", "b")]
    kept = [("u", "a"), ("v", "a"), ("u", "b"), ("u", "a"), ("v", "b")]
    assert pairs(clean(dataset(events, columns))) == kept


def test_repeats_within_a_window_leave_the_first_of_a_run():
    columns = ("user_id", "item_id", "timestamp", "event")
    data = dataset(
        [
            ("u", "a", 0.0, "view"),
            ("v", "a", 5.0, "view"),
            ("u", "a", 10.0, "view"),
            ("u", "a", 12.0, "buy"),
            ("u", "a", 20.0, "view"),
            ("u", "b", 21.0, "view"),
            ("u", "a", 30.5, "view"),
        ],
        columns,
    )
    cleaned = clean(data, repeats_within=10)
    assert cleaned.interactions["timestamp"].to_list() == [0.0, 5.0, 12.0, 21.0, 30.5]
    with pytest.raises(DataError, match="needs times"):
        clean(dataset([("u", "a")], ("user_id", "item_id")), repeats_within=10)


@pytest.mark.parametrize(
    ("column", "policy", "filled"),
    [
        ("price", "mean", [1.0, 4.0, 4.0, 4.0, 7.0]),
        ("price", 0.5, [1.0, 0.5, 4.0, 0.5, 7.0]),
        ("items.price", 3, [1.0, 3.0, 4.0, 3.0, 7.0]),
        ("stock", "median", [1.0, 2.0, 3.0, 4.0, 4.0]),
        ("stock", "mode", [1, 2, 4, 4, 4]),
        ("stock", "mean", [1.0, 2.0, 2.75, 4.0, 4.0]),
        ("title", "empty", ["Apple", "", "", "Dates", "  "]),
        ("title", "untitled", ["Apple", "", "untitled", "Dates", "  "]),
        ("tags", "empty", [["red"], [], [], ["sweet"], ["lost"]]),
        ("tags", ["none"], [["red"], [], ["none"], ["sweet"], ["lost"]]),
    ],
)
def test_missing_values_by_policy(shop, column, policy, filled):
    name = column.removeprefix("items.")
    cleaned, notes = clean_with_notes(shop, missing={column: policy})
    assert cleaned.items[name].to_list() == filled
    assert notes.steps[-1].values == {"price": 2, "stock": 1, "title": 1, "tags": 1}[name]
    assert pairs(cleaned) == pairs(shop)


def test_dropping_a_row_drops_what_names_it(shop):
    cleaned, notes = clean_with_notes(shop, missing={"price": "drop"})
    assert cleaned.items["item_id"].to_list() == ["a", "c", "e"]
    assert pairs(cleaned) == [("u", "a"), ("u", "c"), ("w", "a")]
    assert (notes.steps[-1].items, notes.steps[-1].events) == (2, 2)
    cleaned = clean(shop, missing={"age": "drop"})
    assert cleaned.users["user_id"].to_list() == ["u", "w"]
    assert pairs(cleaned) == [("u", "a"), ("u", "c"), ("w", "a")]


def test_missing_as_an_error_names_the_rows(shop):
    with pytest.raises(DataError, match=r"items: column 'price' is missing for item_id 'b', 'd'"):
        clean(shop, missing={"price": "error"})
    whole = shop.with_interactions(shop.interactions.with_columns(value=pl.lit(1.0)))
    assert pairs(clean(whole, missing={"value": "error"})) == pairs(shop)


def test_statistics_come_from_the_part_named(shop):
    train = Dataset(shop.interactions, shop.items.filter(pl.col("item_id").is_in(["a", "c"])))
    cleaned = clean(shop, missing={"price": "mean"}, fitted_on=train)
    assert cleaned.items["price"].to_list() == [1.0, 2.5, 4.0, 2.5, 7.0]
    cleaned = clean(cleaned, normalise={"price": "minmax"}, fitted_on=train)
    assert cleaned.items["price"].to_list() == [0.0, 0.5, 1.0, 0.5, 2.0]


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ({"prise": "mean"}, "no table has a column 'prise'.*Did you mean 'price'"),
        ({"title": "mean"}, "needs numbers"),
        ({"price": "empty"}, "needs text or lists"),
        ({"price": "cheap"}, "does not fit Float64"),
        ({"title": 3}, "does not fit String"),
        ({"stock": True}, "does not fit Int64"),
        ({"item_id": "drop"}, "ids or times"),
    ],
)
def test_policies_that_do_not_fit(shop, missing, message):
    with pytest.raises(DataError, match=message):
        clean(shop, missing=missing)


def test_a_policy_misspelt_is_no_constant(shop):
    with pytest.raises(ConfigError, match="Did you mean 'median'"):
        clean(shop, missing={"title": "meadian"})


def test_a_column_of_two_tables_must_be_told_apart(shop):
    users = shop.users.with_columns(price=pl.lit(None, dtype=pl.Float64))
    with pytest.raises(DataError, match=r"'items.price' or 'users.price'"):
        clean(Dataset(shop.interactions, shop.items, users), missing={"price": 0.0})


def test_a_column_without_any_value_has_no_mean(shop):
    empty = shop.items.with_columns(price=pl.lit(None, dtype=pl.Float64))
    with pytest.raises(DataError, match="no value at all"):
        clean(Dataset(shop.interactions, empty), missing={"price": "mean"})


def test_empty_text(shop):
    assert len(clean(shop).items) == 5
    cleaned = clean(shop, empty_text="drop")
    assert cleaned.items["item_id"].to_list() == ["a", "d", "e"]
    assert pairs(cleaned) == [("u", "a"), ("w", "a"), ("v", "d")]
    by_title = clean(shop, empty_text="drop", text_columns=["title"])
    assert by_title.items["item_id"].to_list() == ["a", "d"]
    with pytest.raises(DataError, match=r"no text for item_id 'b', 'c'\."):
        clean(shop, empty_text="error")
    with pytest.raises(DataError, match=r"no column of text 'titel'.*Did you mean 'title'"):
        clean(shop, empty_text="drop", text_columns=["titel"])
    with pytest.raises(DataError, match="no column of text at all"):
        clean(dataset([("u", "a", 1.0)]), empty_text="drop")


def test_scales():
    columns = ("user_id", "item_id", "timestamp", "value")
    data = dataset([("u", "a", 1.0, 0.0), ("u", "b", 2.0, 3.0), ("u", "c", 3.0, None)], columns)
    assert clean(data, normalise={"value": "minmax"}).interactions["value"].to_list() == [
        0,
        1,
        None,
    ]
    assert clean(data, normalise={"value": "standard"}).interactions["value"].to_list() == [
        -1,
        1,
        None,
    ]
    logs = clean(data, normalise={"value": "log"}).interactions["value"].to_list()
    assert logs[:2] == pytest.approx([0, 1.3862943611])
    assert logs[2] is None


def test_scales_of_each_person_and_of_each_item():
    """Ann gives 1 to 3 and Bo 3 to 5: what each likes better than the other things is the same."""
    columns = ("user_id", "item_id", "timestamp", "value")
    events = [("ann", "a", 1.0), ("ann", "b", 3.0), ("bo", "a", 3.0), ("bo", "b", 5.0)]
    rows = [(user, item, time, value) for time, (user, item, value) in enumerate(events)]
    data = dataset([*rows, ("cy", "a", 9.0, None), ("dee", "a", 10.0, 2.0)], columns)

    def scaled(scale, **options):
        return clean(data, normalise={"value": scale}, **options).interactions["value"].to_list()

    assert scaled("standard per person") == [-1, 1, -1, 1, None, 0]
    assert scaled("minmax per person") == [0, 1, 0, 1, None, 0]
    assert scaled("minmax per item") == [0, 0, 1, 1, None, 0.5]
    train = dataset([*rows, ("ann", "c", 5.0, 11.0)], columns)
    assert scaled("minmax per person", fitted_on=train)[:2] == [0, 0.2]
    assert scaled("minmax per person", fitted_on=train)[-1] == pytest.approx(0.1), "as of all"
    items = pl.DataFrame({"item_id": ["a", "b"], "price": [1.0, 2.0]})
    with pytest.raises(DataError, match="only events have several"):
        clean(Dataset(data.interactions, items), normalise={"price": "minmax per item"})
    with pytest.raises(ConfigError, match="Did you mean 'minmax per person'"):
        scaled("minmax per persn")


def test_scales_of_constants_and_of_later_values():
    columns = ("user_id", "item_id", "timestamp", "value")
    train = dataset([("u", "a", 1.0, 2.0), ("u", "b", 2.0, 4.0)], columns)
    later = dataset([("u", "a", 3.0, 6.0)], columns)
    scaled = clean(later, normalise={"value": "standard"}, fitted_on=train)
    assert scaled.interactions["value"].to_list() == [3.0]
    same = dataset([("u", "a", 3.0, 6.0), ("u", "b", 4.0, 6.0)], columns)
    for scale in ("standard", "minmax"):
        assert clean(same, normalise={"value": scale}).interactions["value"].to_list() == [0.0, 0.0]


@pytest.mark.parametrize(
    ("normalise", "message"),
    [
        ({"value": "minimax"}, "Did you mean 'minmax'"),
        ({"title": "log"}, "not numbers"),
        ({"timestamp": "log"}, "ids or times"),
        ({"value": "log"}, "no logarithm of negative numbers: -2.0"),
        ({"weight": "standard"}, "negative"),
    ],
)
def test_scales_that_do_not_fit(shop, normalise, message):
    log = shop.interactions.with_columns(value=pl.Series([1.0, -2.0, 3, 4, 5]), weight=pl.lit(1.0))
    with pytest.raises((DataError, ConfigError), match=message):
        clean(shop.with_interactions(log), normalise=normalise)


@pytest.mark.parametrize(
    "settings",
    [
        {"empty_text": "dorp"},
        {"repeats_within": -1},
        {"repeats_within": float("nan")},
        {"min_user_events": -1},
    ],
)
def test_settings_that_cannot_work(shop, settings):
    with pytest.raises(ConfigError):
        clean(shop, **settings)


def test_the_input_is_untouched_and_the_steps_are_logged(shop, caplog):
    before = (shop.interactions.clone(), shop.items.clone(), shop.users.clone())
    with caplog.at_level(logging.INFO, logger="palate"):
        clean(shop, missing={"price": "mean"}, empty_text="drop", normalise={"age": "log"})
    assert shop.interactions.equals(before[0])
    assert shop.items.equals(before[1])
    assert shop.users.equals(before[2])
    said = [record.getMessage() for record in caplog.records]
    assert said == [
        "duplicates: nothing to do",
        "missing 'price' (mean): changed 2 values",
        "empty text: removed 2 events, 2 items",
        "normalise 'age' (log): changed 2 values",
    ]


@pytest.mark.parametrize("constant", [10**40, -1, 300])
def test_a_constant_that_its_column_cannot_hold(constant):
    items = pl.DataFrame({"item_id": ["a", "b"], "stock": pl.Series([1, None], dtype=pl.UInt8)})
    data = read(pl.DataFrame({"user_id": ["u", "v"], "item_id": ["a", "b"]}), items)
    with pytest.raises(DataError, match=r"missing={'stock': .*} does not fit UInt8"):
        clean(data, missing={"stock": constant})
