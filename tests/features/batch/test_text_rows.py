"""Texts that are encoded are those that a pipeline would encode."""

import json

import polars as pl
import pytest

import palate
from palate.core.errors import DataError
from palate.features.batch import text_rows
from palate.features.batch.job import encode_table
from palate.text.template import render

ROWS = [
    ("Tea &amp; <b>Home</b>", "['Home', 'Tea']", "Home &amp; Co|Tea", "12.50"),
    ("N/A", "['Pot']", "(no genres listed)", "-"),
    ("Unnamed", "[]", "Iron | Iron", "7"),
    ("[1984]", "plain", "Book", "NA"),
]
NAMES = ("name", "shelf", "genres", "price")
TEMPLATE = "{name}. {shelf}. {genres}. {price}"


def as_csv(path, names=NAMES):
    lines = [("id", *names), *((f"i{row}", *values) for row, values in enumerate(ROWS))]
    lines.insert(2, lines[0])
    path.write_text("".join(",".join(f'"{value}"' for value in line) + "\n" for line in lines))


def as_lines(path):
    records = [dict(zip(NAMES, values, strict=True)) for values in ROWS]
    path.write_text(
        "".join(json.dumps({"id": f"i{row}"} | one) + "\n" for row, one in enumerate(records))
    )


def as_parquet(path):
    frame = pl.DataFrame(ROWS, schema=list(NAMES), orient="row")
    frame.insert_column(0, pl.Series("id", [f"i{row}" for row in range(len(ROWS))]))
    frame.write_parquet(path)


@pytest.mark.parametrize(
    ("suffix", "write"), [(".csv", as_csv), (".jsonl", as_lines), (".parquet", as_parquet)]
)
@pytest.mark.parametrize("lists", [{}, {"genres": "&"}])
def test_texts_are_those_of_a_pipeline(suffix, write, lists, letters, tmp_path):
    path = tmp_path / f"items{suffix}"
    write(path)
    log = pl.DataFrame({"user": ["u"], "item": ["i0"]})
    items = palate.read(log, path, lists=lists).items
    wanted = render(items.rename({"title": "name"}), TEMPLATE)
    encode_table(
        path,
        letters.Letters(harmless=True),
        tmp_path / "out",
        template=TEMPLATE,
        lists=lists,
        partition_rows=3,
    )
    features = palate.read_features(tmp_path / "out")
    assert features.ids.series.to_list() == items["item_id"].to_list()
    asked = [text for texts in letters.ASKED for text in texts if text and len(texts) > 0]
    assert [text for text in asked if text in wanted] == wanted
    assert wanted[0].startswith("Tea & Home. Home, Tea")


def test_what_columns_hold_is_judged_by_the_first_rows(letters, tmp_path, monkeypatch):
    monkeypatch.setattr(text_rows, "SAMPLE_ROWS", 2)
    as_csv(tmp_path / "items.csv")
    encode_table(
        tmp_path / "items.csv",
        letters.Letters(harmless=True),
        tmp_path / "out",
        columns=["shelf"],
        partition_rows=2,
    )
    assert ["Home, Tea", "Pot"] in letters.ASKED
    assert ["plain"] in letters.ASKED


def with_an_infinite_price(path):
    """Six rows, of which the fourth has no price that is a number."""
    prices = [1.5, 2.0, None, float("inf"), float("nan"), 3.5]
    frame = pl.DataFrame({"id": [f"i{row}" for row in range(6)], "name": "tea", "price": prices})
    frame.write_parquet(path) if path.suffix == ".parquet" else frame.write_csv(path)
    return path


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_a_row_with_an_infinite_number_is_named_or_skipped_alone(suffix, letters, tmp_path):
    table = with_an_infinite_price(tmp_path / f"items{suffix}")
    job = {"template": "{name} {price}", "partition_rows": 3}
    with pytest.raises(DataError, match=r"row 4 \(item 'i3'\): column 'price' is infinite.*skip"):
        encode_table(table, letters.Letters(), tmp_path / "out", **job)
    with pytest.warns(RuntimeWarning, match="1 row was left out"):
        report = encode_table(
            table, letters.Letters(harmless=True), tmp_path / "out", on_error="skip", **job
        )
    assert report.bad == 1
    assert palate.read_features(tmp_path / "out").ids.tolist() == ["i0", "i1", "i2", "i4", "i5"]
    assert ["tea", "tea 3.5"] in [list(texts) for texts in letters.ASKED]
