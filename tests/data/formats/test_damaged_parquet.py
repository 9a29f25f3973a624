"""Damaged Parquet: whatever leaves `read` is an error of palate's own."""

import random

import polars as pl
import pytest

from palate.core.errors import DataError, PalateError
from palate.data.read import read
from palate.features.batch.table import open_source

ROWS = 300
TABLE = pl.DataFrame(
    {
        "user_id": [f"u{row % 7}" for row in range(ROWS)],
        "item_id": [f"i{row}" for row in range(ROWS)],
        "timestamp": range(1_600_000_000, 1_600_000_000 + ROWS),
        "tags": [["a", "b"][: row % 3] for row in range(ROWS)],
    }
)


READERS = (
    lambda path: read(path, keep=["tags"]),
    lambda path: read(TABLE, items=path),
    lambda path: read(pl.scan_parquet(path)),
    lambda path: open_source(path, staged=path.parent).read(0, 150, ["item_id", "tags"]),
)


def damaged(whole, rng, turn):
    content = bytearray(whole)
    if turn % 3 == 0:
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    elif turn % 3 == 1:  # its end, which says where everything is
        for _ in range(5):
            content[-rng.randrange(1, 900)] = rng.randrange(256)
    else:
        content = content[: rng.randrange(len(content))] + (b"PAR1" if turn % 2 else b"")
    return bytes(content)


@pytest.mark.parametrize("compression", ["zstd", "uncompressed"])
def test_no_other_error_leaves_the_readers(write, tmp_path, compression):
    TABLE.write_parquet(tmp_path / "whole.parquet", compression=compression, row_group_size=100)
    whole = (tmp_path / "whole.parquet").read_bytes()
    rng, refused = random.Random(compression), 0
    for turn in range(120):
        path = write("log.parquet", damaged(whole, rng, turn))
        for reader in READERS:
            try:
                reader(path)
            except PalateError:
                refused += 1
    assert refused > 100, "the damage is felt"


def test_a_panic_of_polars_is_palate_s_own_error(write, monkeypatch):
    """Damage that makes this version of polars panic need not make the next one."""

    def panics(*_, **__):
        raise pl.exceptions.PanicException("index out of bounds: " + "9" * 1000)

    path = write("log.parquet", b"PAR1")
    monkeypatch.setattr(pl.LazyFrame, "collect_schema", panics)
    with pytest.raises(
        DataError, match=r"log.parquet cannot be read: index out of bounds"
    ) as caught:
        read(path)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    "content", [b"", b"PAR1", b"user,item\n1,2\n", b'{"user": 1}', b"PK\x03\x04", bytes(500)]
)
def test_other_kinds_of_files_under_this_name(write, content):
    with pytest.raises(DataError, match=r"log.parquet cannot be read"):
        read(write("log.parquet", content))
