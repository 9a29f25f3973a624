"""Tables as customers send them: each is read as meant, or answered with the place and the fix."""

import gzip
import json
from decimal import Decimal

import pandas as pd
import polars as pl
import pytest

from palate.core.errors import ConfigError, DataError
from palate.data.read import read

LOG = "user,item,ts,rating\n" + "".join(
    f"u{n % 4},i{n % 3},{1_600_000_000 + n},{n % 5}\n" for n in range(12)
)
ITEMS = "item,title,price\n" + "".join(f"i{n},thing {n},{n}.5\n" for n in range(3))
FRAME = pl.DataFrame({"user": ["1", "2"], "item": ["a", "b"]})


def fails(source, *parts, items=None, error=DataError, **options):
    with pytest.raises(error) as caught:
        read(source, items, **options)
    for part in parts:
        assert part in str(caught.value), str(caught.value)


def told(source, items=None, **options):
    lines = []
    data = read(source, items, tell=lambda notes: lines.extend(notes.lines()), **options)
    return data, lines


# ---- files that are something else


@pytest.mark.parametrize(
    ("content", "fix"),
    [
        (gzip.compress(LOG.encode(), mtime=0), "is packed with gzip: add .gz to its name"),
        (b"PAR1" + bytes(90), "is Parquet: end its name with .parquet"),
        (b"PK\x03\x04" + bytes(90), "save the table as .csv"),
        (b"BZh91AY", "unpack it"),
    ],
)
@pytest.mark.parametrize("name", ["log.csv", "log.tsv", "log.jsonl"])
def test_another_kind_of_file_under_this_name(write, name, content, fix):
    fails(write(name, content), name, fix)


def test_utf_16_without_a_mark(write):
    for encoding in ("utf-16-le", "utf-16-be"):
        path = write("log.csv", LOG.encode(encoding))
        fails(path, "log.csv, line 1", "NUL", f'encoding="{encoding}"')
        assert len(read(path, encoding=encoding).events) == 12


def test_a_byte_order_mark_before_json(write):
    lines = '\ufeff{"user": "ü", "item": "a"}\n{"user": "v", "item": "b"}\n'
    for name in ("log.jsonl", "log.json", "log.jsonl.gz"):
        content = lines.encode()
        path = write(name, gzip.compress(content) if name.endswith("gz") else content)
        assert read(path).user_ids.tolist() == ["ü", "v"]


def test_line_ends_of_an_old_mac(write):
    fails(write("log.csv", LOG.replace("\n", "\r")), "log.csv", "carriage return", "line ends")


def test_a_parquet_file_that_is_cut_short(write, tmp_path):
    FRAME.write_parquet(tmp_path / "whole.parquet")
    content = (tmp_path / "whole.parquet").read_bytes()
    fails(write("log.parquet", content[:-20]), "log.parquet cannot be read", "write it again")


def test_marks_of_patterns_in_a_name_are_letters(write):
    write("log1.csv", LOG.replace("u0", "somebody"))
    path = write("log[1].csv", LOG)
    assert "somebody" not in read(path).user_ids
    FRAME.write_parquet(path.with_name("log.parquet"))
    FRAME.write_parquet(path.with_name("l*g.parquet"))
    assert len(read(path.with_name("l*g.parquet")).interactions) == 2


def test_names_that_no_file_can_have():
    fails("a" * 5000 + ".csv", "is no file")
    fails("https://example.org/log.csv", "no file of this machine")
    fails(None, "a NoneType is no table")


def test_a_column_that_is_called_as_polars_calls_a_second_one(write):
    path = write("items.csv", "item,price_duplicated_0\na,1\nb,2\n")
    assert read(FRAME, path).items["price_duplicated_0"].to_list() == [1, 2]
    fails(
        FRAME, "two columns are called 'price'", items=write("i.csv", "item,price,price\na,1,2\n")
    )


def test_a_table_without_a_header(write):
    fails(write("log.csv", LOG.partition("\n")[2]), "no column for user_id", "is no name", "above")


# ---- lines


@pytest.mark.parametrize(
    "title",
    ['"open', '"shut" late', '"a" "b"', '"three""', '" led by a space', ' "two, fields"'],
)
def test_a_quote_out_of_order_names_its_line(write, title):
    items = ITEMS.replace("thing 1", title)
    fails(
        FRAME,
        "items.csv, line 3: ",
        items=write("items.csv", items),
    )


def test_quotes_inside_of_fields_are_letters(write):
    titles = ['6" nail', 'say "hi" now', 'an "odd', '12" "x""', '"all, of it"']
    rows = "".join(f"i{n},{title}\r\n" for n, title in enumerate(titles))
    items = write("items.csv", "item,title\r\n" + rows)
    data, lines = told(FRAME.with_columns(item=pl.lit("i0")), items)
    assert data.items["title"].to_list() == [*titles[:4], "all, of it"]
    assert any("items.csv: a quote inside of a field" in line for line in lines)


def test_the_line_is_counted_over_quoted_line_ends(write):
    items = 'item,title\na,"one\ntwo, ""three"""\nb,"6" nail\n'
    fails(FRAME, "items.csv, line 4: a quote", "'b,\"6\" nail'", items=write("items.csv", items))
    items = 'item,title\na,"one\r\ntwo"\r\nb,x,y\r\n'
    fails(FRAME, "items.csv, line 4: 3 fields", "names 2", items=write("items.csv", items))


def test_too_many_fields_in_a_tsv_with_quotes(write):
    path = write("log.tsv", 'user\titem\n"a\tb\nc\td\te\n')
    fails(path, "log.tsv, line 3: 3 fields")


@pytest.mark.parametrize("name", ["log.csv", "log.tsv"])
def test_a_row_that_is_shifted_is_never_taken(write, name):
    """A reader of some columns alone would take 3 for the rating of the second row."""
    text = "user,item,title,rating\nu1,g1,tea,5\nu2,g2,tea, 3,4\nu3,g1,tea,2\n"
    text = text.replace(",", "\t") if name.endswith("tsv") else text
    fails(write(name, text), f"{name}, line 3: 5 fields, but the header names 4")


def test_rows_of_nothing_are_left_out(write):
    for content in (LOG + "\n\n\n", LOG + ",,,\n,,,\n", LOG.replace("\n", "\n\n")):
        data, lines = told(write("log.csv", content), write("items.csv", ITEMS + "\n,,\n"))
        assert data.interactions.equals(read(write("good.csv", LOG)).interactions)
        assert len(data.items) == 3
        assert any("items.csv: left out 2 rows with nothing" in line for line in lines)
        assert any("log.csv: left out" in line for line in lines)
    fails(write("log.csv", LOG + ",i1,,\n"), "column 'user' is missing in line 14")


def test_a_field_of_twenty_million_letters(write):
    items = write("items.csv", ITEMS.replace("thing 1", "x" * 20_000_000))
    assert read(write("log.csv", LOG), items).items["title"].str.len_bytes().max() == 20_000_000
    stray = write("items.csv", ITEMS.replace("thing 1", "x" * 2_000_000 + '"'))
    assert read(write("log.csv", LOG), stray).items["title"][1].endswith('x"')
    stray = write("items.csv", ITEMS.replace("thing 1", '"' + "x" * 2_000_000))
    fails(FRAME, "line 3: a quote", "xxx…", items=stray)


def test_json_of_two_kinds_names_the_record(write):
    for records in ([["a"], "b"], ["b", ["a"]], [{"k": 1}, "b"], [None, "b", ["a"]]):
        rows = [{"item": str(n), "tags": value} for n, value in enumerate(records)]
        items = write("items.json", json.dumps(rows))
        fails(FRAME, f"items.json: 'tags' is of another kind in record {len(rows)}", items=items)


def test_half_a_character_is_named(write):
    """As an emoji that was cut in two leaves it."""
    rows = [{"item": "a", "tags": ["x"]}, {"item": "b", "tags": ["y", "cut \ud83d"]}]
    items = write("items.json", json.dumps(rows))
    fails(FRAME, "items.json: record 2 holds 'cut \\ud83d', ", "character 5", items=items)
    titles = pd.Series(["x", "\ud83d cut"], dtype=object)
    frame = pd.DataFrame({"item": ["a", "b"], "title": titles})
    fails(FRAME, "column 'title' holds '\\ud83d cut', ", "character 1", items=frame)


def test_json_that_is_nested_without_end(write):
    fails(write("log.json", "[" * 100_000), "log.json is not JSON")
    fails(write("log.jsonl", '{"a":' * 100_000), "log.jsonl")


def test_a_broken_line_of_json_names_its_column(write):
    path = write("log.jsonl", '{"user": 1, "item": 2}\n{"user": 1, "item":\n')
    fails(path, "log.jsonl, line 2 is not JSON", "(column 20)")


# ---- frames


def test_names_of_columns_that_are_no_text():
    fails(pd.DataFrame([[1, 2]]), "the names of columns must be text, not 0, 1")
    twice = pd.DataFrame([[1, 2, 3]], columns=["user", "item", "item"])
    fails(twice, "the frame of interactions", "'item' 2 times")


def test_objects_are_no_events():
    log = FRAME.with_columns(event=pl.Series([object(), object()], dtype=pl.Object))
    fails(log, "column 'event' holds Object")


# ---- ids


def test_blank_ids_are_missing(write):
    fails(write("log.csv", LOG + "  ,i1,1600000000,3\n"), "column 'user' is missing in line 14")


def test_numbers_that_lost_digits_are_no_ids():
    for large in (2.0**53, 1e30):
        log = FRAME.with_columns(user=pl.Series([5.0, large]))
        fails(log, "column 'user' holds ids that have lost digits", "row 2", "Read them as text")
    whole = FRAME.with_columns(user=pl.Series([5.0, 2.0**53 - 1]))
    assert read(whole).user_ids.tolist() == ["5", "9007199254740991"]


def test_decimals_of_a_database_are_whole_numbers():
    ids = [Decimal("12345678901234567890.00"), Decimal("7.00")]
    log = FRAME.with_columns(user=pl.Series(ids, dtype=pl.Decimal(38, 2)))
    assert read(log).user_ids.tolist() == ["12345678901234567890", "7"]
    broken = FRAME.with_columns(user=pl.Series([Decimal("7.50"), Decimal("10.00")]))
    fails(broken, "holds broken numbers ('7.50')")


def test_large_whole_numbers_of_json_keep_their_digits(write):
    path = write("log.jsonl", '{"user": 123456789012345678901234567890, "item": 1}\n')
    assert read(path).user_ids.tolist() == ["123456789012345678901234567890"]


def test_nul_characters_in_ids(write):
    path = write("log.csv", LOG.replace("u3", "u\x003"))
    fails(path, "column 'user' holds NUL characters in line 5, 9, 13 ('u\\x003')", "damaged")


def test_doubts_about_ids_are_told(write):
    log = LOG.replace("u1", " u1").replace("u2", "nan").replace("i1", "i1 ")
    data, lines = told(write("log.csv", log))
    assert sorted(data.user_ids.tolist()) == [" u1", "nan", "u0", "u3"]
    assert any("'user': the spaces around ids are parts of them: ' u1'" in line for line in lines)
    assert any("'item': the spaces around ids" in line for line in lines)
    assert any("'user': taken as ids like others in 3 rows: 'nan'" in line for line in lines)
    lines = told(write("log.csv", LOG))[1]
    assert not any("column 'user'" in line or "column 'item'" in line for line in lines)


@pytest.mark.parametrize(
    ("ours", "theirs", "how"),
    [
        (["1", "2"], ["1.0", "2.0"], "'.0' at the end"),
        (["a", "b"], ["a ", " b"], "without spaces"),
        (["1", "2"], ["001", "2"], "without leading zeros"),
        (["abc", "b"], ["ABC", "b"], "in lower case"),
    ],
)
def test_ids_that_differ_in_spelling_are_recognised(ours, theirs, how):
    items = pl.DataFrame({"item": ours, "title": ["A", "B"]})
    fails(FRAME.with_columns(item=pl.Series(theirs)), "would be known", how, items=items)
    fails(FRAME.with_columns(item=pl.Series(["x", "y"])), "Add these items", items=items)


def test_strangers_are_not_blamed_on_spelling():
    items = pl.DataFrame({"item": ["a", "b"], "title": ["A", "B"]})
    with pytest.raises(DataError) as caught:
        read(FRAME.with_columns(item=pl.Series(["x", "y"])), items)
    assert "would be known" not in str(caught.value)


# ---- numbers and times


def test_numbers_that_32_bits_cannot_hold():
    fails(
        FRAME.with_columns(rating=pl.Series([1.0, 1e39])),
        "'rating' is beyond 3e+38 in row 2: 1e+39",
    )
    fails(FRAME.with_columns(weight=pl.Series([1e39, 1.0])), "'weight' is beyond 3e+38 in row 1")
    log = FRAME.with_columns(event=pl.lit("view"))
    fails(log, "the weight of 'view' is 1e+39", error=ConfigError, events={"view": 1e39})


@pytest.mark.parametrize("infinite", ["inf", "-Infinity", "1e999"])
def test_infinite_prices_in_a_text_file(write, infinite):
    items = write("items.csv", ITEMS.replace("1.5", infinite))
    fails(FRAME, "items.csv: column 'price' is infinite in line 3", items=items)


def test_nan_among_prices_is_missing(write):
    items = write("items.csv", ITEMS.replace("1.5", "NaN"))
    data, lines = told(write("log.csv", LOG), items)
    assert data.items["price"].to_list() == [0.5, None, 2.5]
    assert any("'price': 'NaN' in 1 row, taken as missing" in line for line in lines)


def test_words_among_numbers_are_told(write):
    rows = "".join(f"i{n},{n}.5,0{n}501,{'nan' if n else 'inf'}\n" for n in range(9))
    items = write("items.csv", "item,price,zip,mood\n" + rows + "i9,dear,10001,nan\n")
    data, lines = told(write("log.csv", LOG), items)
    assert data.items.schema["price"] == data.items.schema["zip"] == pl.String
    said = [line for line in lines if "taken as text" in line]
    assert said == [
        f"{items}: column 'price': taken as text, because of 'dear'; 9 values are numbers"
    ]
    assert data.items["mood"].to_list() == ["inf", *[None] * 9], "a word alone stays a word"


def test_times_beyond_all_units():
    fails(
        FRAME.with_columns(ts=pl.Series([1.6e9, 1e300])), "'ts' cannot be read: 1e+300 is no time"
    )
    latest = FRAME.with_columns(ts=pl.Series([2**64 - 1, 1], dtype=pl.UInt64))
    assert read(latest).times.max() < 1.9e10


def test_times_before_1970_are_times():
    data = read(FRAME.with_columns(ts=pl.Series([1.6e9, -1.6e9])))
    assert data.times.tolist() == [-1.6e9, 1.6e9]


def test_weights_of_nothing_are_told():
    data, lines = told(FRAME.with_columns(weight=pl.lit(0)))
    assert data.weights.tolist() == [0, 0]
    assert any("every event has the weight 0" in line for line in lines)


# ---- arguments


@pytest.mark.parametrize(
    ("options", "fix"),
    [
        ({"columns": "user"}, "columns={'THEIR NAME': 'user_id'}"),
        ({"events": ["view"]}, "events={'view': 1, 'purchase': 5}"),
        ({"keep": "rating"}, "keep=['rating']"),
        ({"keep": None}, "a list of names"),
        ({"lists": "cast"}, "lists={'cast': ','}"),
        ({"encoding": None}, "'utf-8' or 'latin-1'"),
        ({"events": {"view": "1"}}, "'1'; it must be a number, 0 or more"),
        ({"events": {"view": None}}, "None; it must be a number"),
        ({"events": {"view": float("nan")}}, "nan; it must be a number"),
    ],
)
def test_arguments_of_a_wrong_kind(options, fix):
    fails(FRAME.with_columns(event=pl.lit("view")), fix, error=ConfigError, **options)


def test_columns_the_wrong_way_round():
    frame = FRAME.rename({"user": "who"})
    fails(
        frame, "the wrong way round: write columns={'who': 'user_id'}", columns={"user_id": "who"}
    )


def test_events_that_are_numbers():
    log = FRAME.with_columns(event=pl.Series([1, 2]))
    assert read(log, events={1: 2, 2: 0.5}).weights.tolist() == [2, 0.5]


def test_what_cannot_be_kept():
    log = FRAME.with_columns(user_id=pl.lit("x"), session=pl.lit(3))
    fails(log, "'user_id' cannot be kept", columns={"user": "user_id"}, keep=["user_id"])
    kept = read(
        log.drop("user_id"), keep=["session", "session", "user"], columns={"user": "user_id"}
    )
    assert kept.interactions["session"].to_list() == [3, 3]


def test_lists_are_named_as_the_table_names_them():
    items = pl.DataFrame({"item": ["a", "b"], "name": ["x, y", "z"]})
    titles = read(FRAME, items, lists={"name": ","}).items["title"]
    assert titles.to_list() == ["x, y", "z"], "a title is one text"
    fails(FRAME, "lists= names 'title'", items=items, lists={"title": ","})
    fails(FRAME, "'item', which holds ids", items=items, lists={"item": ","})
    fails(FRAME, "what stands between", items=items, lists={"name": ""}, error=ConfigError)


# ---- cells of any length


BIG = "x" * 300_000


@pytest.mark.parametrize(
    ("log", "items", "options"),
    [
        ({"user": f"{BIG}\0"}, {}, {}),
        ({"ts": BIG}, {}, {}),
        ({"ts": f"06/05/{BIG}"}, {}, {}),
        ({"rating": BIG}, {}, {}),
        ({"weight": BIG}, {}, {}),
        ({"event": BIG}, {}, {"events": {"view": 1}}),
        ({"item": BIG}, {}, {}),
        ({BIG: "1"}, {}, {"keep": [BIG + "y"]}),
        ({}, {"item": [BIG, BIG]}, {}),
        ({}, {"item": [BIG + "a", BIG + "a", BIG]}, {}),
        ({}, {"item": ["a"], BIG: [float("inf")]}, {}),
        ({}, {"item": ["a"], "title": [BIG]}, {"lists": {BIG: ","}}),
        ({}, {"nr": ["a"], BIG: ["b"]}, {}),
        ({}, {"item": ["a"]}, {"encoding": BIG}),
    ],
)
def test_no_error_repeats_a_whole_cell(log, items, options):
    frame = FRAME.with_columns(**{name: pl.lit(value) for name, value in log.items()})
    with pytest.raises((DataError, ConfigError)) as caught:
        read(frame, pl.DataFrame(items) if items else pl.DataFrame({"item": ["a", "b"]}), **options)
    assert len(str(caught.value)) < 1500


def test_no_remark_repeats_a_whole_cell(write):
    log = write("log.csv", f"user,item,rating\n nan{BIG},a,1\nnan,b {BIG},\n")
    _, lines = told(log)
    assert all(len(line) < 1500 for line in lines)


@pytest.mark.parametrize("columns", [{"user": None}, {3: "value"}])
def test_names_of_columns_are_text(columns):
    with pytest.raises(ConfigError, match="both must be names"):
        read(FRAME, columns=columns)
