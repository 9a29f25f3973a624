import datetime as dt
import itertools
import re

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from palate.core.errors import ConfigError, DataError
from palate.text.profile import as_text
from palate.text.template import default_template, render, text_columns

FILMS = pl.DataFrame(
    {
        "item_id": ["1", "2", "3", "4", "5"],
        "title": ["Toy Story", "Who?", " ", None, "None"],
        "year": [1995.0, float("nan"), 2001.5, None, None],
        "brand": ["LEGO", None, "Avon", "", None],
        "genres": [["Animation", "Comedy"], [], None, ["A", None], [""]],
        "country": ["US", None, "FR", None, None],
    }
)


@pytest.mark.parametrize(
    ("template", "texts"),
    [
        ("{title}. {genres}", ["Toy Story. Animation, Comedy", "Who?", "", "A", ""]),
        ("{title} by {brand}", ["Toy Story by LEGO", "Who?", "Avon", "", ""]),
        ("{title} ({year})", ["Toy Story (1995)", "Who?", "(2001.5)", "", ""]),
        ("{title} ({year}, {country})", ["Toy Story (1995, US)", "Who?", "(2001.5, FR)", "", ""]),
        ("{title}, {brand}, {year}", ["Toy Story, LEGO, 1995", "Who?", "Avon, 2001.5", "", ""]),
        ("{title} ({brand}). {year}", ["Toy Story (LEGO). 1995", "Who?", "(Avon). 2001.5", "", ""]),
        (
            "Film: {title}. Genres: {genres}.",
            ["Film: Toy Story. Genres: Animation, Comedy.", "Film: Who?", "", "Genres: A.", ""],
        ),
        ("{title} | Brand: {brand}", ["Toy Story | Brand: LEGO", "Who?", "Brand: Avon", "", ""]),
        ('"{title}" by "{brand}"', ['"Toy Story" by "LEGO"', '"Who?"', '"Avon"', "", ""]),
        ("{title}《{brand}》。", ["Toy Story《LEGO》。", "Who?", "《Avon》。", "", ""]),
        ("{year} yuan, {brand}", ["1995 yuan, LEGO", "", "2001.5 yuan, Avon", "", ""]),
        ("{title}: {brand}", ["Toy Story: LEGO", "Who?", "Avon", "", ""]),
        ("{brand} - {title}", ["LEGO - Toy Story", "Who?", "Avon", "", ""]),
        ("{title}/{brand}", ["Toy Story/LEGO", "Who?", "Avon", "", ""]),
        ("{brand}-{country}", ["LEGO-US", "", "Avon-FR", "", ""]),
        ("{title}\n{brand}", ["Toy Story\nLEGO", "Who?", "Avon", "", ""]),
        ("1) {title}", ["1) Toy Story", "1) Who?", "", "", ""]),
        ("{{{title}}}", ["{Toy Story}", "{Who?}", "", "", ""]),
        ("{ title }", ["Toy Story", "Who?", "", "", ""]),
        ("{title} {title}", ["Toy Story Toy Story", "Who? Who?", "", "", ""]),
    ],
)
def test_render(template, texts):
    assert render(FILMS, template) == texts


def test_a_sentence_that_ended_gets_no_second_full_stop():
    items = pl.DataFrame({"a": ["What?", "Mr.", "So", "好。"], "b": ["Yes", "No", "On", "坏"]})
    assert render(items, "{a}. {b}") == ["What? Yes", "Mr. No", "So. On", "好。 坏"]
    assert render(items, "{a}。{b}")[3] == "好。坏"


def test_of_the_separators_around_a_gap_the_stronger_stays():
    items = pl.DataFrame({"a": ["A"], "b": [None], "c": ["C"]}, schema_overrides={"b": pl.String})
    assert render(items, "{a}. {b}, {c}") == ["A. C"]
    assert render(items, "{a}, {b}. {c}") == ["A. C"]
    assert render(items, "{a} {b}; {c}") == ["A; C"]


WORDS = st.sampled_from(["A", "Bee", "c d", None, "", " ", "NaN"])
SEPARATORS = st.sampled_from([". ", ", ", " by ", " - ", "; ", " ", ": ", " | "])
WRAPPED = st.sampled_from(["{%s}", "({%s})", "[{%s}]", '"{%s}"'])


@given(st.lists(st.tuples(WORDS, WRAPPED, SEPARATORS), min_size=1, max_size=5))
def test_no_debris(parts):
    names = [f"n{place}" for place in range(len(parts))]
    items = pl.DataFrame({name: [part[0]] for name, part in zip(names, parts, strict=True)})
    template = ""
    for name, (_, wrapped, separator) in zip(names, parts, strict=True):
        template += (separator if template else "") + wrapped % name
    text = render(items.cast(pl.String), template)[0]
    said = [value for value, _, _ in parts if value in ("A", "Bee", "c d")]
    assert re.findall("A|Bee|c d", text) == said
    assert not re.search(r"None|NaN|\. \.|, ,|\(\)|\[\]|  ", text)
    assert text == text.strip(" ,;:-|.")
    assert not re.search(r"^by|by$", text)
    for opener, closer in ("()", "[]"):
        assert text.count(opener) == text.count(closer)
    assert text.count('"') % 2 == 0
    if not said:
        assert text == ""


def test_values_of_every_type():
    frame = pl.DataFrame(
        {
            "whole": [3.0],
            "part": [2.25],
            "count": [7],
            "yes": [True],
            "day": [dt.date(2014, 3, 2)],
            "nested": [[["Beauty", "Make-up "], ["Beauty", "Hair"]]],
            "numbers": [[2, 5]],
            "nothing": [None],
        }
    ).with_columns(kind=pl.Series(["x"], dtype=pl.Categorical))
    texts = {name: as_text(frame[name])[0] for name in frame.columns}
    assert texts == {
        "whole": "3",
        "part": "2.25",
        "count": "7",
        "yes": "true",
        "day": "2014-03-02",
        "nested": "Beauty, Make-up, Hair",
        "numbers": "2, 5",
        "nothing": None,
        "kind": "x",
    }


def test_lists_written_as_code_are_read():
    column = pl.Series("d", ["['Soft', \"kind\"]", "['', '']", "[brackets] of its own", "['one']"])
    assert as_text(column).to_list() == ["Soft, kind", None, "[brackets] of its own", "one"]


def test_infinity_is_missing():
    assert as_text(pl.Series("x", [float("inf"), -0.5])).to_list() == [None, "-0.5"]


@pytest.mark.parametrize("column", [[{"a": 1}], [[{"a": 1}]], [b"x"]])
def test_types_without_words_are_refused(column):
    with pytest.raises(DataError, match=r"'odd' holds .* which has no text form"):
        render(pl.DataFrame({"odd": column}), "{odd}")


def test_a_misspelt_column_is_named():
    with pytest.raises(DataError, match=r"column 'titel'.*Did you mean 'title'"):
        render(FILMS, "{titel}")


@pytest.mark.parametrize("template", ["{title", "title}", "{}", "{ }", "{a{b}}"])
def test_stray_braces(template):
    with pytest.raises(ConfigError, match="stray"):
        render(FILMS, template)


def test_a_template_needs_a_column():
    with pytest.raises(ConfigError, match="names no column"):
        render(FILMS, "all the same")


@pytest.mark.parametrize(
    ("before", "between", "after"),
    [
        ("", " " * 95_000, ""),
        ("", " " * 90_000 + ":", ""),
        ("", "\n" * 90_000, ""),
        ("", " -x" * 30_000, ""),
        ("", "w " * 45_000, ""),
        ("(" * 90, "{title}" * 300, ""),
        ("(" * 90, "()" * 45_000, ""),
        ("(" * 100, " ", ")" * 100),
    ],
    ids=itertools.count(),
)
def test_long_templates_are_read(before, between, after):
    (said,) = render(FILMS[:1, ["title"]], f"{before}{{title}}{between}{{title}}{after}")
    assert said.count("Toy Story") == 2 + between.count("{title}")


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{title}" + " " * 10**6, r"has 1,000,007 characters: at most 100,000"),
        ("{titel}" * 20_000, r"has 140,000 characters: at most 100,000"),
        ("(" * 101 + "{title}" + ")" * 101, r"more than 100 brackets inside one another"),
        ("（【" * 300 + "{title}", r"more than 100 brackets inside one another"),
        ("{title} " + "x" * 90_000 + "{", r"stray '\{' at character 90009"),
        ("x" * 90_000, r"names no column"),
        ("{" + "t" * 90_000 + "}", r"names the column 'ttt"),
    ],
    ids=itertools.count(),
)
def test_errors_about_endless_templates_are_short(template, said):
    with pytest.raises((ConfigError, DataError), match=said) as raised:
        render(FILMS, template)
    assert len(raised.value.args[0]) < 1000


def test_no_rows():
    assert render(FILMS.head(0), "{title} ({year}). {genres}") == []


def shop():
    rows = range(60)
    return pl.DataFrame(
        {
            "item_id": [f"i{row}" for row in rows],
            "asin": [f"B00{row:05d}X" for row in rows],
            "about": [f"A long account of how thing {row} came to be and is used" for row in rows],
            "sku_no": [f"{row}-XK{row * 7}" for row in rows],
            "image_url": [f"pictures/{row}.jpg" for row in rows],
            "page": [f"https://shop.example/{row}" for row in rows],
            "maker_brand": [f"Maker {row % 7}" for row in rows],
            "price": [row / 7 for row in rows],
            "cost": [f"${row}.50" for row in rows],
            "listed": [f"2014-03-{1 + row % 28:02d}" for row in rows],
            "currency": ["EUR"] * 60,
            "nearly": ["same"] * 59 + ["other"],
            "material": [("wood", "steel", "wool")[row % 3] for row in rows],
            "categories": [["Home", ("Kitchen", "Garden")[row % 2]] for row in rows],
            "description": [f"Thing {row}, in words" for row in rows],
            "product_title": [f"Thing number {row}" for row in rows],
            "counts": [[1, 2]] * 60,
            "empty": [None] * 60,
        }
    )


def test_the_default_template_introduces_an_item_from_its_title_on():
    assert default_template(shop()) == (
        "{product_title}. {categories}. {maker_brand}. {about}. {material}. {description}"
    )


def test_the_default_template_does_not_depend_on_the_order_of_rows():
    items = shop()
    assert default_template(items.reverse()) == default_template(items)


def test_one_word_titles_are_titles():
    items = pl.DataFrame(
        {"item_id": ["a", "b"], "code": ["X1", "Y2"], "movie_title": ["1984", "Se7en"]}
    )
    assert text_columns(items) == ["movie_title"]


def test_a_name_of_something_else_is_no_title():
    items = pl.DataFrame(
        {
            "artist_name": ["Ann Lee", "Bob Ray", "Cy Coe"],
            "track_name": ["One more", "Two more", "Three more"],
        }
    )
    assert text_columns(items) == ["track_name", "artist_name"]


def test_items_without_words_say_what_to_do():
    items = pl.DataFrame({"item_id": ["a", "b"], "price": [1.0, 2.0]})
    assert text_columns(items) == []
    with pytest.raises(DataError, match=r"no column with words .columns: item_id, price"):
        default_template(items)


def test_ids_and_addresses_in_lists_are_left_out():
    items = pl.DataFrame(
        {
            "item_id": ["a", "b"],
            "title": ["Pot", "Cup"],
            "also_buy": [["B001XQ"], ["B001XQ", "B002YZ"]],
            "images": [["https://a.example/1.jpg"], ["https://a.example/2.jpg"]],
            "tags": [["iron"], ["iron", "tea"]],
        }
    )
    assert default_template(items) == "{title}. {tags}"


@pytest.mark.parametrize("titles", [["Tea"] * 60, [None] * 60, ["Tea"] * 60 + ["Other"]])
def test_columns_that_say_the_same_of_all_are_named_as_the_reason(titles):
    items = pl.DataFrame(
        {"item_id": [str(row) for row in range(len(titles))], "title": titles},
        schema_overrides={"title": pl.String},
    )
    with pytest.raises(DataError, match=r"; 'title' say nothing, or all the same"):
        default_template(items)
