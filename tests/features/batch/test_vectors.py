"""What was written is read as features."""

import numpy as np
import polars as pl
import pytest

from palate.core.errors import DataError, UnknownIdError
from palate.core.features import Features
from palate.data.read import read
from palate.features.batch.job import encode_table
from palate.features.vectors import iterate_features, read_features


@pytest.fixture
def folder(table, spec, tmp_path):
    encode_table(table(23, row4=None), spec, tmp_path / "out", partition_rows=6)
    return tmp_path / "out"


def test_what_is_read_is_what_the_encoder_says_of_the_catalogue(folder, letters, tmp_path):
    items = pl.read_parquet(tmp_path / "items.parquet")
    events = pl.DataFrame({"user_id": ["u"], "item_id": ["item 3"], "timestamp": [1.0]})
    data = read(events, items)
    encoder = letters.Letters(template="{title}").fit(data)
    found, wanted = read_features(folder), encoder.encode(data)
    assert found.ids == wanted.ids
    wanted_values = wanted.values.copy()
    wanted_values[4] = 0  # this encoder counts; palate's own give zeros for blank texts
    np.testing.assert_array_equal(found.values, wanted_values)
    assert list(found.parts) == ["vectors"]


def test_some_items_in_an_order_of_ones_own(folder):
    whole = read_features(folder, name="letters")
    some = read_features(folder, ["item 60", "item 3", "item 12"], name="letters")
    assert some.ids.tolist() == ["item 60", "item 3", "item 12"]
    np.testing.assert_array_equal(some.values, whole.values[[20, 1, 4]])
    again = read_features(folder, some.ids)
    np.testing.assert_array_equal(again.values, some.values)
    with pytest.raises(UnknownIdError, match="has no row of 'item 1', 'nobody'"):
        read_features(folder, ["item 1", "item 3", "nobody"])


def test_pieces_make_the_whole(folder, monkeypatch):
    from palate.features import vectors

    monkeypatch.setattr(vectors, "ROWS_AT_ONCE", 4)
    pieces = list(iterate_features(folder))
    assert [len(piece) for piece in pieces] == [4, 2, 4, 2, 4, 2, 4, 1]
    whole = pieces[0]
    for piece in pieces[1:]:
        whole = whole.below(piece)
    assert isinstance(whole, Features)
    assert whole.ids == read_features(folder).ids
    np.testing.assert_array_equal(whole.values, read_features(folder).values)


def test_small_numbers_come_back_large(table, spec, tmp_path):
    path = table(9)
    encode_table(path, spec, tmp_path / "whole")
    whole = read_features(tmp_path / "whole").values
    for precision, off in (("float16", 1e-3), ("int8", 1 / 127)):
        encode_table(path, spec, tmp_path / precision, precision=precision)
        small = read_features(tmp_path / precision).values
        assert small.dtype == np.float32
        np.testing.assert_allclose(small, whole, atol=off * np.abs(whole).max())


def test_ids_that_come_twice(tmp_path):
    frame = pl.DataFrame({"item_id": ["a", "b", "a"], "v": [[1.0], [2.0], [3.0]]})
    frame.write_parquet(tmp_path / "v.parquet")
    with pytest.raises(DataError, match="several rows have the ids 'a'"):
        read_features(tmp_path / "v.parquet")


def test_an_id_that_many_rows_share_is_refused_before_it_is_read(tmp_path):
    pa, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    ids = pa.DictionaryArray.from_arrays(np.zeros(200_000, np.int32), pa.array(["x" * 100_000]))
    vectors = pa.ListArray.from_arrays(
        pa.array(np.arange(200_001, dtype=np.int32)), pa.array(np.zeros(200_000, np.float32))
    )
    table = pa.table({"item_id": ids, "vector": vectors})
    parquet.write_table(table, tmp_path / "vectors.parquet", store_schema=False)
    with pytest.raises(DataError, match=r"texts of 'item_id' take 20,000,000,000 bytes"):
        read_features(tmp_path / "vectors.parquet")
