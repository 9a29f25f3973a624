"""The bytes of text files: unpacked, in UTF-8, and known to be text."""

from __future__ import annotations

import gzip
import re
import zlib
from pathlib import Path

from palate.core.errors import DataError, Message, Setting
from palate.core.visible import quoted
from palate.data.formats.encodings import (
    damaged_utf8,
    garbled_by,
    is_utf8,
    likely_encodings,
    unmarked_utf16,
)

_MARK = b"\xef\xbb\xbf"
_AS_UTF8 = Setting("encoding", "utf-8", "data")
_LITTLE, _LESS_THAN_HALF = 0.1, 0.4
_MARKS_OF_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_PACKED = "is packed with gzip: add .gz to its name"
_NO_TEXT = {
    b"\x1f\x8b": _PACKED,
    b"PAR1": "is Parquet: end its name with .parquet",
    b"PK\x03\x04": "is a zip archive or an Excel file: unpack it, or save the table as .csv",
    b"\xd0\xcf\x11\xe0": "is an Excel file: save the table as .csv",
    b"\x28\xb5\x2f\xfd": "is packed with zstd: unpack it",
    b"\xfd7zXZ": "is packed with xz: unpack it",
    b"BZh": "is packed with bzip2: unpack it",
    b"SQLite format 3": "is a database of SQLite: save its table as .csv",
    b"ARROW1": "is Arrow or Feather: pass pl.read_ipc(path) in Python, or save it as .parquet",
    b"version https://git-lfs": "stands for a file of Git LFS: fetch that with `git lfs pull`",
    b"<!DOCTYPE html": "is a web page, perhaps of an error: fetch the file again",
    b"<!doctype html": "is a web page, perhaps of an error: fetch the file again",
    b"<html": "is a web page, perhaps of an error: fetch the file again",
    b"\xff\xfe\0\0": "is text in UTF-32: save it as UTF-8",
}


def text_bytes(path: Path, encoding: str, *, can_be_said: bool = True) -> bytes:
    """A text file's content as UTF-8, unpacked; another `encoding` is translated.

    `can_be_said`: whoever reads it can say another encoding. Raises `DataError` for a file that is
    damaged, empty, no text or in another encoding.
    """
    content = unpacked(path)
    if not content.strip():
        raise DataError(f"{path} is empty")
    check_kind(path, content)
    try:
        text = content.decode(encoding)
        content = content if is_utf8(encoding) else text.encode()
    except UnicodeDecodeError as error:
        raise wrong_encoding(path, content, error.start, encoding, can_be_said) from error
    except UnicodeError as error:
        raise DataError(f"{path} cannot be read as {encoding}: {error}") from error
    content = content.removeprefix(_MARK)
    if b"\r\r\n" in content:
        content = re.sub(rb"\r{2,}\n", b"\n", content)
    check_first_line(path, content.partition(b"\n")[0])
    return content


def is_packed(path: Path) -> bool:
    """Whether its name says that it is packed with gzip."""
    return path.suffix.lower() == ".gz"


def is_plain(path: Path, encoding: str) -> bool:
    """Whether the file's bytes are those of its text in UTF-8."""
    return not is_packed(path) and is_utf8(encoding)


def unpacked(path: Path) -> bytes:
    """A file's bytes; one that is called .gz and cannot be unpacked raises `DataError`."""
    try:
        return gzip.decompress(path.read_bytes()) if is_packed(path) else path.read_bytes()
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        advice = "Copy or write it again, or leave .gz out of its name if it is not packed"
        raise DataError(f"{path} is damaged, it cannot be unpacked: {error}. {advice}") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error


def check_encoding(encoding: str) -> None:
    """Raises `DataError` for what is no encoding of texts."""
    try:
        b"0000".decode(encoding)
    except UnicodeError:
        return  # an encoding of texts, though not of these bytes
    except (LookupError, ValueError) as error:
        raise DataError(
            Setting("encoding", encoding, "data"),
            " is no encoding: give a name such as 'utf-8' or 'latin-1'",
        ) from error


def garbled(path: Path, encoding: str) -> Message | None:
    """What becomes of a text that is in UTF-8 under another `encoding`; None for other texts."""
    words = None if is_utf8(encoding) else garbled_by(unpacked(path), encoding)
    if words is None:
        return None
    given = Setting("encoding", encoding, "data")
    return Message.of("it is in UTF-8: ", given, f" makes {words[1]!r} of {words[0]!r}")


def first_line(path: Path) -> bytes:
    """The first line of a file that should be UTF-8, without reading the rest."""
    with path.open("rb") as file:
        first = file.readline()
    check_kind(path, first)
    try:
        first.decode()
    except UnicodeDecodeError as error:
        raise wrong_encoding(path, path.read_bytes(), error.start, "utf-8") from error
    check_first_line(path, first)
    return first


def check_kind(path: Path, content: bytes) -> None:
    """Raises `DataError` for what begins like a file that is no text."""
    for start, what in _NO_TEXT.items():
        if content.startswith(start):
            if what == _PACKED and is_packed(path):
                what = "is packed twice, or is no text, which alone is read packed: unpack it"
            raise DataError(f"{path} {what}")


def check_first_line(path: Path, first: bytes) -> None:
    """Raises `DataError` for what polars would take for one strange line."""
    if b"\0" in first:
        other = "utf-16-be" if first[:1] == b"\0" else "utf-16-le"
        raise DataError(
            f"{path}, line 1: it holds NUL bytes. If it is text in UTF-16, say so: ",
            Setting("encoding", other, "data"),
        )
    if b"\r" in first.rstrip(b"\r\n"):
        raise DataError(
            f"{path}: its lines end with a carriage return alone; save it with the line ends of"
            " Windows or Unix"
        )


def check_no_pipe(path: Path) -> None:
    """Raises `DataError` for what is there, but neither a file nor a folder."""
    if path.exists() and not path.is_file() and not path.is_dir():
        raise DataError(
            f"{path} is a pipe or a device, which can be read once only: save what it gives as a"
            " file first"
        )


def wrong_encoding(
    path: Path, content: bytes, start: int, encoding: str, can_be_said: bool = True
) -> DataError:
    """What is wrong with the byte at `start`: damage, or a text that another encoding reads."""
    line = content.count(b"\n", 0, start) + 1
    where = f"{path}, line {line}: byte 0x{content[start : start + 1].hex()} is not {encoding}"
    if damaged := damaged_utf8(content, share=_LITTLE):
        return DataError(_damage(path, content, damaged, encoding))
    if content.startswith(_MARKS_OF_UTF16):
        if not can_be_said:
            return DataError(f"{where}. The file is marked as UTF-16: save it as UTF-8")
        as_utf16 = Setting("encoding", "utf-16", "data")
        return DataError(f"{where}. The file is marked as UTF-16, so say so: ", as_utf16)
    if not is_utf8(encoding) and _is(content, "utf-8"):
        return DataError(f"{where}, but the whole file is UTF-8, so say so: ", _AS_UTF8)
    likely = unmarked_utf16(content) or likely_encodings(content)
    if not likely:
        if damaged := damaged_utf8(content, share=_LESS_THAN_HALF):
            return DataError(_damage(path, content, damaged, encoding))
        return DataError(
            f"{where}, and none of the usual encodings reads the whole file as text. It may be"
            " damaged, or put together of files in different encodings: save it anew as UTF-8"
        )
    if not can_be_said:
        read = " or ".join(f"{name} ({quoted(text)})" for name, text in likely.items())
        return DataError(f"{where}. The file is text in {read}: save it as UTF-8")
    encodings = [
        Message.of(Setting("encoding", name, "data"), f" ({quoted(text)})")
        for name, text in likely.items()
    ]
    fix = "say so, if it reads well" if len(likely) == 1 else "say which of them, if one reads well"
    read_with = Message.joined(" or ", encodings)
    return DataError(f"{where}. The file is text with ", read_with, f": {fix}")


def _damage(path: Path, content: bytes, lines: list[int], encoding: str) -> Message:
    named = ", ".join(str(line) for line in lines[:3])
    more = f" and {len(lines) - 3} more ({len(lines)} in all)" if len(lines) > 3 else ""
    said = content.split(b"\n", lines[0])[lines[0] - 1].decode("utf-8", "replace")
    place = max(said.index("\ufffd") - 20, 0)
    whole = () if is_utf8(encoding) else (f", which is not {encoding} either: say ", _AS_UTF8)
    return Message.of(
        f"{path} is damaged at line {named}{more}: bytes that are no letter in"
        f" {quoted(said[place : place + 40])}; all else is UTF-8",
        *whole,
        ". Mend them there, or copy the file again",
    )


def _is(content: bytes, encoding: str) -> bool:
    try:
        content.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True
