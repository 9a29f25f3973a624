import polars as pl
import pytest

from palate.text.profile import SAMPLE_ROWS, flat_lists, is_title_name, mean_words, present, profile

ROWS = range(60)


@pytest.mark.parametrize(
    ("name", "values", "kind"),
    [
        ("title", [f"Thing {row}" for row in ROWS], "text"),
        ("kind", [("red", "green", "blue")[row % 3] for row in ROWS], "text"),
        ("tags", [["a", f"t{row}"] for row in ROWS], "categories"),
        ("price", [row / 3 for row in ROWS], "number"),
        ("price", [f"{row},50 " for row in ROWS], "number"),
        ("share", [f"{row}%" for row in ROWS], "number"),
        ("released", [f"01-Jan-{1940 + row}" for row in ROWS], "date"),
        ("released", [f"2014-03-0{1 + row % 9}T10:00" for row in ROWS], "date"),
        ("imdb_id", [f"words {row}" for row in ROWS], "id"),
        ("asin", [f"B{row}" for row in ROWS], "id"),
        ("code", [f"AB-{row}" for row in ROWS], "id"),
        ("screen", [f"{1 + row % 9}K" for row in ROWS], "text"),
        ("where", [f"https://a.example/{row}" for row in ROWS], "address"),
        ("cover", [f"/media/{row}.png" for row in ROWS], "address"),
        ("poster_url", [f"see {row}" for row in ROWS], "address"),
        ("also_buy", [["B001XQ", f"B00{row % 4}"] for row in ROWS], "id"),
        ("also_viewed", [["B001XQ"]] + [None] * 59, "id"),
        ("bundles", [[f"B0{row:08}"] * 3 for row in ROWS], "id"),
        ("seen", [[f"B0{row % 9:08}"] for row in ROWS], "id"),
        ("also_bought", [[row, 7] for row in ROWS], "id"),
        ("category_ids", [["a b", "c"] for _ in ROWS], "id"),
        ("images", [["https://a.example/1.jpg"] for _ in ROWS], "address"),
        ("shots", [[f"https://a.example/{row % 3}", f"/m/{row}.png"] for row in ROWS], "address"),
        ("years", [["1990-1999", "PS4"][: 1 + row % 2] for row in ROWS], "categories"),
        ("sizes", [["XL", "XXL"], ["S"]] * 30, "categories"),
        ("类目ID", [("a b", "c d")[row % 2] for row in ROWS], "id"),
        ("same", ["x"] * 60, "constant"),
        ("nearly", ["x"] * 59 + ["y"], "constant"),
        ("fixed", [4] * 60, "constant"),
        ("none", [None] * 60, "other"),
        ("blank", [" ", "", None] * 20, "constant"),
        ("parts", [{"a": row} for row in ROWS], "other"),
        ("pairs", [[row, 1] for row in ROWS], "other"),
    ],
)
def test_kinds(name, values, kind):
    assert profile(pl.Series(name, values)).kind == kind


def test_the_sample_is_spread_over_the_column():
    half = 2 * SAMPLE_ROWS
    column = pl.Series("kind", ["x"] * half + ["y z"] * half)
    judged = profile(column)
    assert judged.kind == "text"
    assert judged.words == pytest.approx(1.5)


def test_chinese_characters_are_half_words():
    assert mean_words(pl.Series(["花露水 x"])) == pytest.approx(2 + 1.5)


@pytest.mark.parametrize("name", ["title", "Name", "movie_title", "item_name", "片名"])
def test_titles(name):
    assert is_title_name(name)


@pytest.mark.parametrize("name", ["subtitles", "brand_name", "category_name", "user_name", "names"])
def test_no_titles(name):
    assert not is_title_name(name)


def test_missing_words():
    column = pl.Series("x", ["a ", "None", " NaN", "[]", "-", "none", "Null and void", None])
    assert present(column).to_list() == ["a", None, None, None, None, "none", "Null and void", None]
    assert present(pl.Series("x", ["(no genres listed)", "暂无", "无糖"])).to_list() == [
        None,
        None,
        "无糖",
    ]


def test_nested_lists_are_flattened():
    column = pl.Series("c", [[["a ", "b"], ["a", None]], None, [], [[]], [["", "N/A"]]])
    assert flat_lists(column).list.join("+").fill_null("").to_list() == ["a+b", "", "", "", ""]
