import gzip
from pathlib import Path

import pytest

from palate.core.errors import DataError, UnknownIdError
from palate.core.ids import Ids
from palate.evaluation.published.files import (
    check_filled,
    check_known,
    listing,
    only,
    place,
    read_columns,
    read_lines,
    read_text,
)


def test_a_folder_or_a_prefix_in_its_parent(tmp_path: Path) -> None:
    (tmp_path / "Pens.text").touch()
    assert place(tmp_path) == (tmp_path, "")
    assert place(tmp_path / "Pens") == (tmp_path, "Pens")
    with pytest.raises(DataError, match="Ink: no such folder"):
        place(tmp_path / "Ink")
    with pytest.raises(DataError, match=r"Pens\.text is a file: give the folder"):
        place(tmp_path / "Pens.text")


def test_listing_goes_one_folder_down_and_skips_hidden_files(tmp_path: Path) -> None:
    for name in ("b.csv", ".hidden", "train/a.csv", "train/deep/c.csv"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert listing(tmp_path) == [tmp_path / "b.csv", tmp_path / "train/a.csv"]
    assert listing(tmp_path, "a") == [tmp_path / "train/a.csv"]
    assert listing(tmp_path, "[ab]") == []


def test_the_plain_file_wins_over_its_packed_self(tmp_path: Path) -> None:
    plain, packed, other = (tmp_path / name for name in ("a.csv", "a.csv.gz", "b.csv"))
    assert only([packed, plain], folder=tmp_path, what="it") == plain
    assert only([packed], folder=tmp_path, what="it") == packed
    assert only([], folder=tmp_path, what="it") is None
    with pytest.raises(DataError, match=r"2 candidates for it: a\.csv, b\.csv.*PREFIX"):
        only([packed, other, plain], folder=tmp_path, what="it")


def test_text_is_unpacked_and_a_byte_order_mark_dropped(tmp_path: Path) -> None:
    path = tmp_path / "a.txt.gz"
    path.write_bytes(gzip.compress("\ufeffein\r\nzwei ä\r\n".encode()))
    assert read_lines(path) == ["ein", "zwei ä"]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.txt", b" \n", "is empty"),
        ("a.txt.gz", gzip.compress(b"", mtime=0), "is empty"),
        ("a.txt.gz", b"plain", "cannot be read"),
        ("a.txt.gz", gzip.compress(b"0123456789" * 99, mtime=0)[:-9], "cannot be read"),
        ("a.txt", "Café".encode("latin-1"), r"is not UTF-8 \(byte 3\)"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(
    tmp_path: Path, name: str, content: bytes, words: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=rf"{name}.*{words}"):
        read_text(tmp_path / name)


def test_columns_of_a_csv(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('user,title,item\n7,"a ""b"", c\nd",007\n,,8\n')
    assert read_columns(path, ["item", "user"]).rows() == [("007", "7"), ("8", "")]
    with pytest.raises(DataError, match=r"no column 'itm'. Did you mean 'item'\?"):
        read_columns(path, ["itm"])
    path.write_text("user,item\n")
    with pytest.raises(DataError, match="no rows"):
        read_columns(path, ["user"])


def test_quotes_mean_nothing_between_tabs(tmp_path: Path) -> None:
    path = tmp_path / "a.inter"
    path.write_text('user_id:token\titem_id:token\n"7\t3" pen\n8\t"x\n')
    table = read_columns(path, ["user_id", "item_id"], tabs=True)
    assert table.rows() == [('"7', '3" pen'), ("8", '"x')]


def test_a_ragged_table_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("user,item\n1,2\n1,2,3,4\n")
    with pytest.raises(DataError, match=r"a\.csv is not a readable table"):
        read_columns(path, ["user"])


def test_empty_values_are_named_by_row(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("user,item\n1,2\n,2\n3, \n,4\n,5\n,6\n")
    table = read_columns(path, ["user", "item"])
    with pytest.raises(DataError, match=r"'user': empty in rows 2, 4, 5 and 1 more \(4 in all\)"):
        check_filled(table, ["user"], path)
    with pytest.raises(DataError, match=r"'item': empty in rows 3;"):
        check_filled(table, ["item"], path)


def test_unknown_items_are_named_with_their_source() -> None:
    ids = Ids(["0", "1"])
    check_known(["1", "0", "1"], ids, where="a.csv", source="items.json")
    with pytest.raises(UnknownIdError, match=r"a\.csv: items that items\.json.*'5', '2'\. Both"):
        check_known(["1", "5", "0", "2", "5"], ids, where="a.csv", source="items.json")
