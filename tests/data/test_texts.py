"""What texts hold besides words: HTML, words for "missing", lists that were written as code."""

import json

import polars as pl
import pytest

from palate.core.errors import DataError
from palate.data.read import read
from palate.data.texts import without_markup, written_lists
from palate.pipeline.pipeline import Pipeline
from palate.recommenders.covisit import Covisit

LOG = pl.DataFrame({"user": ["1", "2"], "item": ["a", "b"]})


def items_of(column, values, **options):
    """The column as it is read from a frame, and what was told of it."""
    lines = []
    items = pl.DataFrame({"item": [f"i{row}" for row in range(len(values))], column: values})
    log = pl.DataFrame({"user": ["u"], "item": ["i0"]})
    data = read(log, items, tell=lambda notes: lines.extend(notes.lines()), **options)
    told = [line.partition(": ")[2] for line in lines if f"column {column!r}: " in line]
    return data.items[column].to_list(), told


# ---- HTML


@pytest.mark.parametrize(
    ("raw", "plain"),
    [
        ("Tea &amp; Home", "Tea & Home"),
        ("Tea &amp;amp; Home", "Tea & Home"),
        ("L&#39;été &#x27;24 caf&eacute;", "L'été '24 café"),
        ("Tea&nbsp;pot", "Tea pot"),
        ("<b>Red</b> tea", "Red tea"),
        ("&lt;i&gt;Red&lt;/i&gt; tea", "Red tea"),
        ('one<br/>two<BR>three <a href="x?y=1">four</a>', "one two three four"),
        ("<p class='a'>one</p><p>two</p>", "one two"),
        ("<!-- no --><script>x < 1</script>tea<style>b {}</style>", "tea"),
    ],
)
@pytest.mark.parametrize("column", ["title", "description"])
def test_html_becomes_text(column, raw, plain):
    values, told = items_of(column, [raw, "Bread"])
    assert values == [plain, "Bread"]
    assert told == [f"column {column!r}: HTML in 1 row, decoded"]


@pytest.mark.parametrize(
    "text",
    [
        "AT&T",
        "R&B; soul",
        "a < b > c",
        "I <3 tea",
        "x?a=1&copy=2",
        "<unknown tag>",
        "&zzz;",
        "1 & 2;",
    ],
)
def test_what_only_looks_like_html_stays(text):
    assert items_of("title", [text, "Bread"]) == ([text, "Bread"], [])


def test_entities_are_decoded_before_lists_are_split(write):
    items = write("items.csv", "item,genres\na,Home &amp; Tea;Iron\nb,Iron\n")
    found = read(LOG, items, lists={"genres": ";"}).items["genres"].to_list()
    assert found == [["Home & Tea", "Iron"], ["Iron"]]
    parts = pl.DataFrame({"item": ["a", "b"], "tags": [["A &amp; B", "C"], None]})
    assert read(LOG, parts).items["tags"].to_list() == [["A & B", "C"], None]


def test_what_people_wrote_is_decoded_too():
    log = LOG.with_columns(review=pl.Series(["so <br /> good &#34;tea&#34;", None]))
    assert read(log).interactions["text"].to_list() == ['so good "tea"', None]


def test_what_is_given_stays_as_it_is():
    items = pl.DataFrame({"item": ["a", "b"], "title": ["A &amp; B", "C"], "brand": ["N/A", "x"]})
    before = items.clone()
    read(LOG, items)
    assert items.equals(before)
    clean = pl.Series("x", ["a", None, "b & c"])
    assert without_markup(clean)[0] is clean


# ---- words for what is missing


@pytest.mark.parametrize(
    "word",
    ["(no genres listed)", "N/A", "none", "NaN", "Unknown", "null", " n/a ", "无", "暂无", "未知"],
)
def test_words_for_missing_values(word):
    values, told = items_of("brand", ["Tea Co", word, "Iron Co"])
    assert values == ["Tea Co", None, "Iron Co"]
    assert told == [f"column 'brand': {word!r} in 1 row, taken as missing"]


def test_words_for_missing_among_lists(write):
    items = write("items.csv", "item,genres\na,(no genres listed)\nb,Action|unknown|Drama\n")
    assert read(LOG, items).items["genres"].to_list() == [None, ["Action", "Drama"]]
    frame = pl.DataFrame({"item": ["a", "b"], "tags": [["N/A"], ["x", None]]})
    lines = []
    data = read(LOG, frame, tell=lambda notes: lines.extend(notes.lines()))
    assert data.items["tags"].to_list() == [[], ["x"]]
    assert any("column 'tags': 'N/A' among the parts of lists" in line for line in lines)


@pytest.mark.parametrize(
    ("column", "word"),
    [
        ("title", "Unknown"),
        ("title", "None"),
        ("brand", "None of the above"),
        ("region", "NA"),
        ("brand", "-"),
    ],
)
def test_words_that_may_mean_something_stay(column, word):
    assert items_of(column, ["Tea", word]) == (["Tea", word], [])


@pytest.mark.parametrize("word", ["NA", "-", "--", "?", "N/A", "none", "nil", '""', "NaN"])
def test_dashes_among_numbers_are_missing(write, word):
    items = write("items.csv", f"item,price\na,9.5\nb,{word}\n")
    assert read(LOG, items).items["price"].to_list() == [9.5, None]


# ---- lists


@pytest.mark.parametrize(
    ("written", "parts"),
    [
        ("['Home', 'Tea']", ["Home", "Tea"]),
        ('["Home", "Tea"]', ["Home", "Tea"]),
        ("('Home', 'Tea')", ["Home", "Tea"]),
        ("{'Tea', 'Home'}", ["Home", "Tea"]),
        ("['Home' 'Tea']", ["Home", "Tea"]),
        ("['Home'\n 'Tea']", ["Home", "Tea"]),
        ("[['Home', 'Tea'], ['Home', None]]", ["Home", "Tea"]),
        ("['It\\'s', \"a 'tea'\", 'x, y']", ["It's", "a 'tea'", "x, y"]),
        ("[{'id': 16, 'name': 'Comedy'}, {'id': 2, 'name': 'Tea'}]", ["Comedy", "Tea"]),
        ('[{"id": 16, "name": "Comedy"}]', ["Comedy"]),
        ("{'id': 1, 'name': 'Toy Story Collection'}", ["Toy Story Collection"]),
        ("{'Action': 5426, 'FPS': 48}", ["Action", "FPS"]),
        ("['Home &amp; Tea', 'none']", ["Home & Tea"]),
        ("['\\d']", ["\\d"]),
    ],
)
def test_lists_written_as_code_are_lists(written, parts):
    values, told = items_of("kinds", [written, "['Iron']", "Iron", None])
    assert values == [parts, ["Iron"], ["Iron"], None]
    assert told[-1] == "column 'kinds': lists written as text, read as lists"


def test_empty_lists_written_as_code():
    assert items_of("kinds", ["['a']", "[]", "['']"])[0] == [["a"], None, []]


@pytest.mark.parametrize(
    ("written", "numbers"),
    [("[1, 2]", [1, 2]), ("[0.5, 1]", [0.5, 1.0]), ("[0.5 1.e-1\n 2.]", [0.5, 0.1, 2.0])],
)
def test_lists_of_numbers_written_as_code(written, numbers):
    assert items_of("vector", [written, written])[0] == [numbers, numbers]


@pytest.mark.parametrize(
    "texts",
    [
        ["[sealed] Tea", "[open] Iron"],
        ["(new)", "(1, old"],
        ["__import__('os').system('true')", "['a']"] * 1 + ["b"],
        ["[" * 5000 + "]" * 5000, "x"],
        ["[__import__('os')]", "[open('x')]"],
        ["{'a': {'b': 1}}", "{'a': object}"],
    ],
)
def test_what_is_no_list_stays_text(texts):
    assert items_of("kinds", texts)[0] == texts


def test_a_list_that_is_broken_is_named():
    values, told = items_of("kinds", ["['a']", "['b', 'c']", "['d', oops]"])
    assert values == [["a"], ["b", "c"], ["['d', oops]"]]
    assert told[0] == "column 'kinds': no lists: \"['d', oops]\""


def test_a_list_that_was_told_its_mark_may_be_written_as_code():
    values, _ = items_of("genres", ["['Home', 'Tea']", "['Iron']"], lists={"genres": ","})
    assert values == [["Home", "Tea"], ["Iron"]]


def test_lists_in_columns_of_words_become_text():
    assert items_of("description", ["['one', 'two']", "['three']"])[0] == ["one, two", "three"]


def test_values_are_read_once_and_bounded():
    long = json.dumps(["x" * 200_000])
    read_lists = written_lists(pl.Series(["['a']", long]))
    assert read_lists is not None
    assert read_lists[1].to_list() == [long]


def test_lists_of_records_are_lists_of_their_names(write):
    rows = [
        {"item": "a", "genres": [{"id": 16, "name": "Comedy"}, {"id": 1, "name": "A &amp; B"}]},
        {"item": "b", "genres": []},
    ]
    items = read(LOG, write("items.jsonl", "\n".join(map(json.dumps, rows)))).items
    assert items["genres"].to_list() == [["Comedy", "A & B"], []]
    unnamed = [{"item": "a", "sizes": [{"large": "x"}]}, {"item": "b", "sizes": []}]
    items = read(LOG, write("items.json", json.dumps(unnamed))).items
    assert items["sizes"].to_list() == [[{"large": "x"}], []]


# ---- titles


@pytest.mark.parametrize(
    "title", [["red tea 0"], [["red", None], ["tea 0"]], "['red tea 0']", '["red tea 0"]']
)
@pytest.mark.parametrize("suffix", ["jsonl", "json"])
def test_a_title_in_a_list_is_a_text(write, title, suffix):
    rows = [{"item_id": f"i{n}", "title": title if n else ["pot"]} for n in range(3)]
    if isinstance(title, str):
        rows[0]["title"] = "pot"
    elif isinstance(title[0], list):
        rows[0]["title"] = [["pot"]]
    lines = "\n".join(map(json.dumps, rows)) if suffix == "jsonl" else json.dumps(rows)
    log = pl.DataFrame({"user_id": ["u", "u", "v"], "item_id": ["i0", "i1", "i1"]})
    data = read(log, write(f"items.{suffix}", lines))
    joined = "red, tea 0" if title == [["red", None], ["tea 0"]] else "red tea 0"
    assert data.items["title"].to_list() == ["pot", joined, joined]
    model = Pipeline(encoders={}, recommender=Covisit()).fit(data)
    assert len(model.recommend(["v"], k=1, reasons=True).table) == 1


@pytest.mark.parametrize("titles", [["[1984]", "[2046]"], ["[REC]", "{1}"], ["(1, 2)", "[sic]"]])
def test_titles_in_brackets_are_titles(titles):
    assert items_of("title", titles) == (titles, [])


def test_a_title_that_is_a_record_is_refused():
    items = pl.DataFrame({"item": ["a", "b"], "title": [{"en": "x"}, {"en": "y"}]})
    with pytest.raises(DataError, match=r"column 'title' holds Struct.*columns="):
        read(LOG, items)


# ---- numbers as people print them


@pytest.mark.parametrize("values", [["1,234.5", "2,000"], ["$5.00", "$12"], ["5%", "6%"], ["5 €"]])
def test_numbers_that_stay_text_are_told(values, tmp_path):
    lines = []
    (tmp_path / "items.csv").write_text(
        "item,price\n"
        + "".join(f'{name},"{value}"\n' for name, value in zip("abc", values, strict=False))
    )
    data = read(
        LOG.filter(pl.col("item") == "a"),
        tmp_path / "items.csv",
        tell=lambda notes: lines.extend(notes.lines()),
    )
    assert data.items["price"].to_list() == values
    assert any("taken as text" in line and "as 1234.5" in line for line in lines)


def test_spaces_around_numbers_and_gaps_among_truth_values(tmp_path):
    (tmp_path / "items.csv").write_text(
        "item,n,new,code\na, 5 ,true,12345678901234567890\nb,6,NA,1\n",
    )
    items = read(LOG, tmp_path / "items.csv").items
    assert items["n"].to_list() == [5, 6]
    assert items["new"].to_list() == [True, None]
    assert items["code"].to_list() == ["12345678901234567890", "1"], "no digit is lost"


def test_lists_without_quotes_are_lists():
    assert items_of("tags", ["[red tea, pot]", "[cup]"])[0] == [["red tea", "pot"], ["cup"]]
    assert items_of("tags", ["{red tea,pot}", "{cup}"])[0] == [["red tea", "pot"], ["cup"]]


def test_html_that_says_nothing_is_missing():
    assert items_of("brand", ["&nbsp;", "<br>", "x"])[0] == [None, None, "x"]
    assert items_of("tags", [["&nbsp;", "a"], ["b"]])[0] == [["a"], ["b"]]


def test_lists_of_every_type_are_cleaned():
    lists = pl.Series([["Tea &amp; Home"], ["N/A"]], dtype=pl.List(pl.Categorical))
    assert items_of("tags", lists)[0] == [["Tea & Home"], []]
    fixed = pl.Series([["Tea &amp; Home"], ["N/A"]], dtype=pl.Array(pl.String, 1))
    assert items_of("tags", fixed)[0] == [["Tea & Home"], []]


def test_objects_that_no_table_holds():
    with pytest.raises(DataError, match="what no column of a table can"):
        items_of("tags", pl.Series([object(), object()], dtype=pl.Object))


def test_words_for_missing_times_can_be_left_out(tmp_path):
    (tmp_path / "log.csv").write_text("user,item,time\nNA,a,1700000000\nv,b,NULL\nw,b,NaN\n")
    data = read(tmp_path / "log.csv", drop_missing=True)
    assert data.interactions["user_id"].to_list() == ["NA"]
