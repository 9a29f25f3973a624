import numpy as np
import polars as pl
import pytest

from palate.core.errors import DataError
from palate.text.sentiment import labelled_texts, said_with_ratings


@pytest.mark.parametrize(
    ("content", "values"),
    [
        ("text,label\na,negative\nb,Positive\nc,neutral\n", [-1, 1, 0]),
        ("label,review\n0,a\n1,b\n1,c\n", [-1, 1, 1]),
        ("sentence,rating\na,1\nb,5\nc,2\n", [-1, 1, -0.5]),
        ('text,标签\na,差评\nb,好评\n" ",好评\nc,中评\n', [-1, 1, 0]),
    ],
)
def test_labels_say_how_positive_a_text_is(write, content, values):
    texts, found = labelled_texts(str(write("labels.csv", content)))
    assert texts == ["a", "b", "c"]
    assert found.tolist() == values


def test_tables_of_other_kinds_are_read(tmp_path):
    path = tmp_path / "labels.parquet"
    pl.DataFrame({"text": ["a", "b", "c"], "label": [1, 3, 2]}).write_parquet(path)
    assert labelled_texts(str(path))[1].tolist() == [-1, 1, 0]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("words,label\na,1\n", r"labels.csv has no column 'text'.*Known: label, words"),
        ("text,lable\na,1\n", r"has no column 'label'\. Did you mean 'lable'"),
        ("text,label\na,1\nb,\nc,\nd,\ne,\n", r"missing for the texts 'b', 'c', 'd' and 1 more"),
        ("text,label\na,1\nb,so so\nc,good\n", r"must be numbers, or words.*not '1', 'so so'"),
        (
            "text,label\n" + "".join(f"t,{n}\n" for n in range(11)),
            "11 different numbers.*at most 10",
        ),
    ],
)
def test_what_is_not_understood_is_named(write, content, message):
    with pytest.raises(DataError, match=message):
        labelled_texts(str(write("labels.csv", content)))


def test_only_clear_ratings_say_something():
    events = pl.DataFrame(
        {"text": ["a", "b", "c", "d", "e", "f"], "value": [1.0, 2.0, 3.0, 4.0, 5.0, None]}
    )
    texts, values = said_with_ratings(events)
    assert texts == ["a", "b", "d", "e"]
    assert values.tolist() == [-1, -1, 1, 1]
    ten = pl.DataFrame({"text": list("abcd"), "value": [1.0, 4.0, 8.0, 10.0]})
    assert said_with_ratings(ten)[0] == ["a", "c", "d"]


def test_ratings_must_be_there_and_differ():
    with pytest.raises(DataError, match=r'"ratings" needs events with a value'):
        said_with_ratings(pl.DataFrame({"text": ["a"]}))
    for values in ([4.0, 4.0], [None, None], [np.nan, 4.0]):
        table = pl.DataFrame({"text": ["a", "b"], "value": pl.Series(values, dtype=pl.Float64)})
        with pytest.raises(DataError, match="ratings that differ"):
            said_with_ratings(table)


@pytest.mark.parametrize("encoding", ["gb18030", "utf-16"])
def test_labels_in_another_encoding_are_to_be_saved_anew(encoding, tmp_path):
    path = tmp_path / "labels.csv"
    path.write_bytes("text,label\n这部电影很好看,positive\n太无聊了,negative\n".encode(encoding))
    with pytest.raises(DataError, match="save it as UTF-8") as caught:
        labelled_texts(str(path))
    assert "encoding=" not in str(caught.value)
