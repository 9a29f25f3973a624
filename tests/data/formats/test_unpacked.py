"""Tables that unpack to far more than their size are seen before they are unpacked."""

import io

import numpy as np
import polars as pl
import pytest

from palate.data.formats.unpacked import check_unpacked, unpacked

pa = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")

ROWS = 200_000
LONG = "x" * 100_000


def shared(values):
    """A column of which every row is the first of some values."""
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(ROWS, np.int32)), pa.array(values))


def written(tmp_path, table, **options):
    path = tmp_path / "table.parquet"
    parquet.write_table(pa.table(table), path, compression="zstd", **options)
    return path


def in_lists(column):
    return pa.ListArray.from_arrays(pa.array(np.arange(len(column) + 1, dtype=np.int32)), column)


@pytest.mark.parametrize(
    ("table", "options", "said"),
    [
        ({"t": shared([LONG])}, {"store_schema": False}, "texts of 't' take 20,000,000,000 bytes"),
        ({"t": shared([LONG.encode()])}, {"store_schema": False}, "of 't' take 20,000,000,000 by"),
        ({"t": in_lists(shared([LONG]))}, {"store_schema": False}, "of 't' take 20,000,000,000 b"),
        ({"t": shared([10 * LONG])}, {}, "the categories of 't' are too long"),
        (
            {"t": pa.array(["a"] * 9)},
            {"use_dictionary": False, "column_encoding": {"t": "DELTA_BYTE_ARRAY"}},
            "is packed as palate packs nothing",
        ),
    ],
    ids=["texts", "bytes", "lists", "categories", "prefixes"],
)
def test_texts_that_many_rows_share_are_counted_once_a_row(table, options, said, tmp_path):
    path = written(tmp_path, table, **options)
    assert path.stat().st_size < 100_000
    with pytest.raises(ValueError, match=said):
        check_unpacked(path)


def test_a_page_of_zeros_is_seen_by_its_header(tmp_path, monkeypatch):
    monkeypatch.setattr("palate.data.formats.unpacked._PLENTY_OF_BYTES", 2**20)
    numbers = pl.DataFrame({"n": np.zeros(2**20)})
    path = tmp_path / "table.parquet"
    parquet.write_table(numbers.to_arrow(), path, use_dictionary=False, compression="zstd")
    assert unpacked(path).size > 2**23
    with pytest.raises(ValueError, match=r"unpacks to 8,\d{3},\d{3} bytes"):
        check_unpacked(path)


def test_what_a_table_holds_is_what_is_counted(tmp_path):
    path = tmp_path / "table.parquet"
    rows = {"i": [1, 2, None], "t": ["a", "bc", None], "l": [["x", "y"], [], None]}
    for name, kind in (("frame", pl.DataFrame(rows)), ("none", pl.DataFrame(rows).clear())):
        kind.write_parquet(path)
        check_unpacked(path)
        wanted = sum(
            parquet.ParquetFile(path).metadata.row_group(group).column(column).num_values
            for group in range(parquet.ParquetFile(path).metadata.num_row_groups)
            for column in range(3)
        )
        assert unpacked(path).values == wanted, name


def test_damaged_headers_are_a_value_error(tmp_path):
    buffer = io.BytesIO()
    table = pl.DataFrame({"i": range(50), "t": [f"word {n % 7}" for n in range(50)]})
    table.write_parquet(buffer)
    content, path, rng = buffer.getvalue(), tmp_path / "table.parquet", np.random.default_rng(3)
    for _ in range(60):
        broken = bytearray(content)
        broken[int(rng.integers(len(broken)))] ^= int(rng.integers(1, 256))
        path.write_bytes(broken[: None if rng.random() < 0.8 else int(rng.integers(len(broken)))])
        try:
            unpacked(path)
        except ValueError:
            continue
