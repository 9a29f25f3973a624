"""What a Parquet file unpacks to, by the headers of its pages, before any of it is unpacked.

The headers are Thrift's compact protocol; the layout is that of Apache's `parquet.thrift`.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import polars as pl

_MAGIC: Final = b"PAR1"
_END: Final = 8  # bytes behind the footer: its length, and the magic
_DEEPEST: Final = 12
_LONGEST_NAME: Final = 1024

_PLENTY_OF_BYTES: Final = 2**30
_BYTES_A_BYTE: Final = 512
"""Beyond both, a table unpacks to more than one of its size is likely to hold."""
_PLENTY_OF_VALUES: Final = 2**27
_VALUES_A_BYTE: Final = 256
_MOST_COMPARED: Final = 2**36
"""Bytes of categories, which are looked up once a row."""
_PREFIXES: Final = 7
"""An encoding in which a value may repeat any part of the one before: nothing bounds its length."""

# fields of the structs, by their numbers
_ROW_GROUPS, _CHUNKS, _CHUNK_DATA = 4, 1, 3
_PATH, _COMPRESSED, _DATA_OFFSET, _DICTIONARY_OFFSET = 3, 7, 9, 11
_PAGE_SIZE, _PACKED_SIZE, _PAGE, _DICTIONARY, _PAGE_V2 = 2, 3, 5, 7, 8
_VALUES, _ENCODING, _ENCODING_V2 = 1, 2, 4


@dataclass
class Unpacked:
    """How many bytes and values a file unpacks to.

    `dictionaries` are the bytes of the largest dictionary of each column; `prefixed` says whether
    texts repeat parts of those before.
    """

    size: int = 0
    values: int = 0
    prefixed: bool = False
    dictionaries: dict[str, int] = field(default_factory=dict)


def check_unpacked(path: Path, *, own: bool = True) -> None:
    """Raises `ValueError` for a table that unpacks to far more than its size, or cannot be read.

    Nothing is unpacked for that; of texts that many rows share only the lengths are added up.
    What is not palate's `own` may be packed in ways that palate does not use.
    """
    size = path.stat().st_size
    found = unpacked(path)
    most = max(_PLENTY_OF_BYTES, _BYTES_A_BYTE * size)
    _agree(found.size <= most, f"{path.name} unpacks to {found.size:,} bytes")
    values = max(_PLENTY_OF_VALUES, _VALUES_A_BYTE * size)
    _agree(found.values <= values, f"{path.name} unpacks to {found.values:,} values")
    _agree(not (own and found.prefixed), f"{path.name} is packed as palate packs nothing")
    table = pl.scan_parquet(path, glob=False)
    for name, kind in table.collect_schema().items():
        for text, inner in _texts_in(pl.col(name), kind):
            if isinstance(inner, pl.Categorical | pl.Enum):
                work = found.values * found.dictionaries.get(name, 0)
                fits = work <= _MOST_COMPARED
                _agree(fits, f"{path.name}: the categories of {name!r} are too long")
                continue
            lengths = text.str.len_bytes() if inner == pl.String else text.bin.size()
            total = table.select(lengths.cast(pl.UInt64).sum()).collect().item()
            _agree(total <= most, f"{path.name}: the texts of {name!r} take {total:,} bytes")


def _texts_in(column: pl.Expr, kind: pl.DataType) -> Iterator[tuple[pl.Expr, pl.DataType]]:
    """Every text in a column, also in lists and structs, and its type."""
    if isinstance(kind, pl.List | pl.Array):
        yield from _texts_in(column.explode(), kind.inner)  # type: ignore[arg-type]
    elif isinstance(kind, pl.Struct):
        for part in kind.fields:
            yield from _texts_in(column.struct.field(part.name), part.dtype)  # type: ignore[arg-type]
    elif isinstance(kind, pl.String | pl.Binary | pl.Categorical | pl.Enum):
        yield column, kind


def unpacked(path: Path) -> Unpacked:
    """What the headers of all pages say; `ValueError` for headers that cannot be read."""
    with path.open("rb") as file:
        size = path.stat().st_size
        _agree(size > len(_MAGIC) + _END, f"{path.name} is no Parquet file")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            try:
                return _of_pages(content, size)
            except (IndexError, KeyError, TypeError, AttributeError) as error:
                raise ValueError(f"{path.name}: its headers are damaged") from error


def _of_pages(content: mmap.mmap, size: int) -> Unpacked:
    found, packed = Unpacked(), 0
    for chunk in _chunks(content, size):
        start, length = chunk.get(_DICTIONARY_OFFSET, chunk[_DATA_OFFSET]), chunk[_COMPRESSED]
        packed += length
        _agree(start > 0 and length >= 0 and start + length <= size, "a column beyond its file")
        _agree(packed <= size, "columns that share their bytes")
        name = chunk[_PATH][0].decode()
        reader, stop = _Compact(content, start, start + length), start + length
        while reader.place < stop:
            page = reader.struct()
            _agree(page[_PAGE_SIZE] >= 0 and page[_PACKED_SIZE] >= 0, "a page of negative size")
            reader.place += page[_PACKED_SIZE]
            found.size += page[_PAGE_SIZE]
            if _DICTIONARY in page:
                largest = found.dictionaries.get(name, 0)
                found.dictionaries[name] = max(largest, page[_PAGE_SIZE])
            for part, encoding in ((_PAGE, _ENCODING), (_PAGE_V2, _ENCODING_V2)):
                if part in page:
                    _agree(page[part][_VALUES] >= 0, "a page of fewer than no values")
                    found.values += page[part][_VALUES]
                    found.prefixed |= page[part][encoding] == _PREFIXES
    return found


def _chunks(content: mmap.mmap, size: int) -> Iterator[dict[int, Any]]:
    """What the footer says of each column of each group of rows."""
    _agree(content[-len(_MAGIC) :] == _MAGIC, "no Parquet file")
    length = int.from_bytes(content[size - _END : size - len(_MAGIC)], "little")
    _agree(length <= size - _END, "a footer longer than its file")
    footer = _Compact(content, size - _END - length, size - _END).struct()
    for group in footer[_ROW_GROUPS]:
        for column in group[_CHUNKS]:
            yield column[_CHUNK_DATA]


class _Compact:
    """Reads structs of Thrift's compact protocol, as number of the field → value."""

    def __init__(self, content: mmap.mmap, place: int, stop: int) -> None:
        self.content, self.place, self.stop = content, place, stop

    def struct(self, depth: int = 0) -> dict[int, Any]:
        _agree(depth < _DEEPEST, "headers too deep")
        found: dict[int, Any] = {}
        number = 0
        while (head := self._byte()) != 0:
            number = number + (head >> 4) if head >> 4 else self._number()
            kind = head & 15
            found[number] = kind == 1 if kind in (1, 2) else self._value(kind, depth)
        return found

    def _value(self, kind: int, depth: int) -> Any:
        match kind:
            case 1 | 2 | 3:
                return self._byte()
            case 4 | 5 | 6:
                return self._number()
            case 7:
                return self._bytes(8)
            case 8:
                return self._bytes(self._varint())
            case 9 | 10:
                head = self._byte()
                length = head >> 4 if head >> 4 < 15 else self._varint()
                _agree(length <= self.stop - self.place, "a list longer than its file")
                return [self._value(head & 15, depth + 1) for _ in range(length)]
            case 12:
                return self.struct(depth + 1)
        raise ValueError("headers of an unknown kind")

    def _byte(self) -> int:
        _agree(self.place < self.stop, "headers cut off")
        self.place += 1
        return self.content[self.place - 1]

    def _bytes(self, length: int) -> bytes:
        start = self.place
        _agree(length <= self.stop - start, "headers cut off")
        self.place += length
        return self.content[start : start + min(length, _LONGEST_NAME)]

    def _varint(self) -> int:
        found = shift = 0
        while True:
            _agree(shift < 70, "a number too long")
            byte = self._byte()
            found |= (byte & 127) << shift
            if byte < 128:
                return found
            shift += 7

    def _number(self) -> int:
        found = self._varint()
        return (found >> 1) ^ -(found & 1)


def _agree(holds: bool, otherwise: str) -> None:
    if not holds:
        raise ValueError(otherwise)
