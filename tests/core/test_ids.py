"""Ids are texts: nothing is converted, rows are found, catalogues are told apart."""

import numpy as np
import polars as pl
import pytest

from palate.core.errors import AlignmentError, DataError, UnknownIdError
from palate.core.ids import Ids, id_list


def test_rows_are_positions():
    ids = Ids(["b", "a", "c"])
    assert ids.rows(["c", "b", "c"]).tolist() == [2, 0, 2]
    assert ids.find(pl.Series(["x", "a"])).tolist() == [-1, 1]
    many = [f"i{number}" for number in range(3000)]
    assert Ids(many).find([*reversed(many), "x"]).tolist() == [*range(2999, -1, -1), -1]
    with pytest.raises(UnknownIdError, match="unknown films: 'x', 'y'"):
        ids.rows(["a", "x", "y", "x"], what="films")


def test_ids_are_unique():
    with pytest.raises(AlignmentError, match="repeated: 'a'"):
        Ids(["a", "b", "a"])


@pytest.mark.parametrize("names", [["a", 1], "ab", 1, {"a": 0}, [b"a"], [["a"]]])
def test_what_are_no_ids(names):
    with pytest.raises(DataError, match="films must be"):
        Ids(["a", "b", "1"]).rows(names, what="films")


def test_a_catalogue_that_grew_starts_with_the_old_one():
    old, again = Ids(["b", "a"]), Ids(["b", "a"])
    grown = Ids(["b", "a", "c"])
    for other in (old, again, Ids([])):
        assert grown.starts_with(other)
        assert grown.starts_with(other), "and says so again"
    assert grown.starts_with(grown)
    assert not grown.starts_with(Ids(["a", "b"]))
    assert not grown.starts_with(Ids(["b", "c"]))
    assert not old.starts_with(grown)


def test_a_chunk_of_everybody_is_found_without_a_table_of_everybody(monkeypatch):
    names = [f"u{row}" for row in range(5_000)]
    ids = Ids(names)
    chunks = [pl.Series(names[start : start + 1_700]) for start in range(0, 5_000, 1_700)]
    others = [*names[3_500:], "u0"], names[:2_000:-1], ["?"] * 1_200
    found = [ids.find(pl.Series(chunk)).tolist() for chunk in others]
    assert found[0] == [*range(3_500, 5_000), 0]
    assert found[1] == list(range(4_999, 2_000, -1))
    assert found[2] == [-1] * 1_200
    monkeypatch.setattr(pl.Series, "replace_strict", None)
    assert np.concatenate([ids.find(chunk) for chunk in chunks]).tolist() == list(range(5_000))


def test_what_was_compared_is_not_compared_again(monkeypatch):
    old, grown = Ids(["b", "a"]), Ids(["b", "a", "c"])
    assert grown.starts_with(old)
    monkeypatch.setattr(grown, "series", None)
    assert grown.starts_with(old)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ("u1", r"a list of ids: write \['u1'\]"),
        (b"u1", r"write \[b'u1'\]"),
        (7, r"not 7: write \['7'\]"),
        (2.5, "not 2.5$"),
        (None, "not None$"),
        (np.array(7), r"not array\(7\)"),
        (["u1", 7, 8, 9, 10], "not 7, 8, 9 and 1 more: write '7', '8', '9'"),
        (np.array([7]), "not 7: write '7'"),
        ([float("nan")], "not nan: leave out what is no id"),
        ([["u1"]], r"not \['u1'\]: leave out"),
    ],
)
def test_lists_that_hold_no_ids(values, words):
    with pytest.raises(DataError, match=f"people must be.*{words}"):
        id_list(values, "people")


@pytest.mark.parametrize("kind", [list, tuple, np.array, pl.Series, iter])
def test_lists_of_every_kind(kind):
    assert id_list(kind(["b", "a"]), "people") == ["b", "a"]
    assert id_list([], "people") == []
