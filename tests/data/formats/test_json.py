"""JSON and JSON lines: one rule for both, and no value that is lost without a word."""

import json

import pandas as pd
import polars as pl
import pytest

from palate.core.errors import DataError
from palate.data.read import read

LOG = pl.DataFrame({"user": ["1", "2"], "item": ["a", "b"]})


def both(write, records):
    """The same records, each as JSON says it, as a document and as lines."""
    yield write("items.json", f"[{','.join(records)}]"), "record"
    yield write("items.jsonl", "".join(f"{record}\n\n" for record in records)), "line"


def refused(source):
    with pytest.raises(DataError) as caught:
        read(LOG, source)
    return str(caught.value)


@pytest.mark.parametrize(
    ("first", "second", "field"),
    [
        ('["Home", "Tea"]', '"Home"', "c"),
        ('"Home"', '["Home", "Tea"]', "c"),
        ("[1]", "1", "c"),
        ('{"k": 1}', '"Home"', "c"),
        ('{"k": 1}', "3", "c"),
        ("{}", '"Home"', "c"),
        ("[]", '"Home"', "c"),
        ('{"k": 1}', "[3]", "c"),
        ('[["a"]]', '["a"]', "c"),
        ('{"k": ["a"]}', '{"k": "a"}', "c.k"),
        ('[{"k": ["a"]}]', '[{"k": "a"}]', "c.k"),
    ],
)
def test_a_field_of_two_kinds_names_the_line(write, first, second, field):
    records = [f'{{"item": "a", "c": {first}}}', f'{{"item": "b", "c": {second}}}']
    for path, _ in both(write, records):
        places = ("line 3", "line 1") if path.suffix == ".jsonl" else ("record 2", "record 1")
        said = refused(path)
        assert f"'{field}' is of another kind in {places[0]} than in {places[1]}" in said
    within = [f'{{"item": "a", "c": [{first}, {second}]}}']
    for path, _ in both(write, within):
        assert "'c" in refused(path)


@pytest.mark.parametrize("text", ["[REC]", "{braces}", '["a"'])
def test_texts_that_look_like_lists_are_texts(write, text):
    records = [json.dumps({"item": "a", "title": text}), '{"item": "b", "title": "x"}']
    for path, _ in both(write, records):
        assert read(LOG, path).items["title"].to_list() == [text, "x"]


@pytest.mark.parametrize(
    "half", ["cut \\ud83e", "\\ude00 first", "\\ud83e\\ud83e", "ok \\\\\\ud83e", "x\\uD83E y"]
)
def test_half_an_emoji_is_refused_with_its_place(write, half):
    records = ['{"item": "a", "title": "\\ud83d\\ude00"}', f'{{"item": "b", "title": "{half}"}}']
    for path, what in both(write, records):
        said = refused(path)
        assert f"{what} {3 if what == 'line' else 2} holds " in said
        assert "not valid Unicode" in said


def test_whole_emoji_and_backslashes_are_text(write):
    records = ['{"item": "a", "title": "\\ud83d\\ude00"}', '{"item": "b", "title": "\\\\ud83e"}']
    for path, _ in both(write, records):
        assert read(LOG, path).items["title"].to_list() == ["😀", "\\ud83e"]


@pytest.mark.parametrize(
    ("record", "wanted"),
    [
        ('{"item": "a", "title": "first", "title": "last"}', "last"),
        ('{"title": null, "item": "a", "title" : "last"}', "last"),
        ('{"item": "a", "title": "first", "title": null}', None),
        ('{"item": "a", "title": "say \\"title\\": x"}', 'say "title": x'),
    ],
)
def test_of_a_field_given_twice_the_last_value_counts(write, record, wanted):
    for path, _ in both(write, [record, '{"item": "b", "title": "x"}']):
        assert read(LOG, path).items["title"].to_list() == [wanted, "x"]


def test_numbers_beyond_any_column_keep_their_digits(write):
    large = "1" * 45
    for path, _ in both(write, [f'{{"item": {large}}}', '{"item": 7}']):
        log = LOG.with_columns(item=pl.lit(large))
        assert read(log, path).items["item_id"].to_list() == [large, "7"]


def test_truth_beside_numbers_and_infinite_numbers(write):
    for path, _ in both(write, ['{"item": "a", "n": true}', '{"item": "b", "n": 3}']):
        assert read(LOG, path).items["n"].to_list() == [1, 3]
    for path, _ in both(write, ['{"item": "a", "n": 1e999}', '{"item": "b", "n": 3}']):
        assert "'n' is infinite" in refused(path)


FRAME = pd.DataFrame({"user_id": ["u1", "u2"], "item_id": ["g1", "g2"], "rating": [3, 4]})


@pytest.mark.parametrize("orient", ["columns", "split", "index", "table", "records"])
@pytest.mark.parametrize("frame", [FRAME, FRAME[1:]], ids=["all", "filtered"])
def test_what_pandas_writes_is_read(write, orient, frame):
    data = read(write("log.json", frame.to_json(orient=orient)))
    wanted = [(user, item, float(n)) for user, item, n in frame.itertuples(index=False)]
    assert data.interactions.select("user_id", "item_id", "value").rows() == wanted


def test_rows_without_names_are_told_what_to_do(write):
    path = write("log.json", FRAME.to_json(orient="values"))
    assert 'frame.to_json(path, orient="records")' in refused(path)
