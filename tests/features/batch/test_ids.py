"""Ids of long tables: rows without their own."""

import polars as pl
import pytest

from palate.core.errors import DataError
from palate.features.batch import ids as ids_module
from palate.features.batch.table import open_source


@pytest.fixture
def rows(tmp_path):
    def rows(ids, on_error="skip"):
        path = tmp_path / "items.parquet"
        pl.DataFrame({"id": ids}).write_parquet(path)
        source = open_source(path, staged=tmp_path / "staged")
        return ids_module.rows_without_own_id(source, "id", on_error=on_error).tolist()

    return rows


@pytest.fixture(params=[(2**20, 2**25), (3, 2**25), (3, 4)], ids=["whole", "chunks", "passes"])
def memory(request, monkeypatch):
    """As much at once as that."""
    monkeypatch.setattr(ids_module, "ROWS_AT_ONCE", request.param[0])
    monkeypatch.setattr(ids_module, "HASHES_AT_ONCE", request.param[1])


def test_the_first_row_of_an_id_keeps_it(rows, memory):
    assert rows(["a", None, "b", "a", " ", "c", "b", "a", "d"]) == [1, 3, 4, 6, 7]
    assert rows(["a", "b", "c", "A"]) == []
    assert rows([5, 7, 5, None, 50]) == [2, 3]
    assert rows([5.0, 7.0, float("nan"), 5.0]) == [2, 3]
    assert rows([None, None]) == [0, 1]


def test_equal_hashes_alone_mean_nothing(rows, memory, monkeypatch):
    monkeypatch.setattr(ids_module, "_hashes", lambda ids: ids.str.len_bytes().cast(pl.UInt64))
    assert rows(["aa", "bb", "c", "aa", "dd"]) == [3]
    assert rows(["aa", "bb", "c", "dd"], "raise") == []


def test_errors_name_rows(rows):
    with pytest.raises(DataError, match=r"no id in .*row 2, .*row 3.* and 2 more"):
        rows(["a", None, None, None, None, None], "raise")
    with pytest.raises(DataError, match=r"occur again: 'a' \(.*row 3\), 'b' \(.*row 4\)\."):
        rows(["a", "b", "a", "b"], "raise")
    with pytest.raises(DataError, match="broken numbers"):
        rows([1.0, 1.5])


def test_a_column_that_holds_no_ids(rows, monkeypatch):
    monkeypatch.setattr(ids_module, "MOST_BAD_ROWS", 3)
    with pytest.raises(DataError, match=r"5 rows have the id of an earlier row .*is it the column"):
        rows(["a"] * 6)
    with pytest.raises(DataError, match="4 rows have no id"):
        rows([None] * 4)
