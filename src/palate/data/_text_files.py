"""The bytes of text files: unpacked, in UTF-8, and known to be text."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

from palate.errors import DataError

UTF8 = ("utf-8", "utf8")
_MARK = b"\xef\xbb\xbf"
_MARKS_OF_UTF16 = (0xFF, 0xFE)
_PROBED_BYTES = 2**16
_FEW_LETTERS = 4
_NO_TEXT = {
    b"\x1f\x8b": "is packed with gzip: add .gz to its name",
    b"PAR1": "is Parquet: end its name with .parquet",
    b"PK\x03\x04": "is a zip archive or an Excel file: unpack it, or save the table as .csv",
    b"\xd0\xcf\x11\xe0": "is an Excel file: save the table as .csv",
    b"\x28\xb5\x2f\xfd": "is packed with zstd: unpack it",
    b"\xfd7zXZ": "is packed with xz: unpack it",
    b"BZh": "is packed with bzip2: unpack it",
}


def text_bytes(path: Path, encoding: str) -> bytes:
    """A text file's content as UTF-8, unpacked; another `encoding` is translated.

    Raises `DataError` for a file that is damaged, empty, no text or in another encoding.
    """
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        advice = "Copy or write it again, or leave .gz out of its name if it is not packed"
        raise DataError(f"{path} is damaged, it cannot be unpacked: {error}. {advice}") from error
    if not content.strip():
        raise DataError(f"{path} is empty")
    _check_kind(path, content)
    try:
        text = content.decode(encoding)
    except LookupError as error:
        raise DataError(
            f"encoding={encoding!r} is no encoding: give a name such as 'utf-8' or 'latin-1'"
        ) from error
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise wrong_encoding(path, line, content[error.start], encoding) from error
    content = content if encoding.lower() in UTF8 else text.encode()
    content = content.removeprefix(_MARK)
    check_first_line(path, content.partition(b"\n")[0])
    return content


def first_line(path: Path) -> bytes:
    """The first line of a file that should be UTF-8, without reading the rest."""
    with path.open("rb") as file:
        first = file.readline()
    _check_kind(path, first)
    try:
        first.decode()
    except UnicodeDecodeError as error:
        raise wrong_encoding(path, 1, first[error.start], "utf-8") from error
    check_first_line(path, first)
    return first


def _check_kind(path: Path, content: bytes) -> None:
    for start, what in _NO_TEXT.items():
        if content.startswith(start):
            raise DataError(f"{path} {what}")


def check_first_line(path: Path, first: bytes) -> None:
    """Raises `DataError` for what polars would take for one strange line."""
    if b"\0" in first:
        other = "utf-16-be" if first[:1] == b"\0" else "utf-16-le"
        raise DataError(
            f"{path}, line 1: it holds NUL bytes. If it is text in UTF-16, say so:"
            f' encoding="{other}"'
        )
    if b"\r" in first.rstrip(b"\r\n"):
        raise DataError(
            f"{path}: its lines end with a carriage return alone; save it with the line ends of"
            " Windows or Unix"
        )


def wrong_encoding(path: Path, line: int, byte: int, encoding: str) -> DataError:
    """Which byte is none of `encoding`, and which encoding it may be."""
    other = "utf-8"
    if encoding.lower() in UTF8:
        other = "gb18030" if _may_be_chinese(path) else "latin-1"
    if line == 1 and byte in _MARKS_OF_UTF16:
        other = "utf-16"
    return DataError(
        f"{path}, line {line}: byte 0x{byte:02x} is not {encoding}."
        f' If the file was written with another encoding, say so: encoding="{other}"'
    )


def _may_be_chinese(path: Path) -> bool:
    """Whether most of what is not ASCII reads as Chinese characters in GB 18030."""
    try:
        with path.open("rb") as file:
            text = file.read(_PROBED_BYTES).decode("gb18030", errors="replace")
    except OSError:
        return False
    strange = [letter for letter in text if not letter.isascii()]
    chinese = sum("\u4e00" <= letter <= "\u9fff" for letter in strange)
    return bool(strange) and chinese > 0.8 * len(strange) and len(strange) >= _FEW_LETTERS
