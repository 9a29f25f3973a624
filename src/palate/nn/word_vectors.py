"""Files of word vectors: word2vec's text and binary layouts, GloVe's, fastText's .vec."""

from __future__ import annotations

import bz2
import gzip
import re
import zlib
from array import array
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
from numpy.typing import NDArray

from palate.core.errors import SHOWN_OFFENDERS, DataError
from palate.core.paths import check_readable, path_of
from palate.core.visible import quoted
from palate.data.formats.text import check_kind, check_no_pipe

Halves = NDArray[np.float16]

_BLOCK = 2**24
_LONGEST: Final = 2**20
"""Bytes of a line, or of a word: far more than any has."""
_WIDEST: Final = 2**16
_PLENTY = 2**30
_UNPACKED: Final = 100
"""Beyond both, a packed file holds no vectors: these hardly shrink."""
_SAMPLE: Final = 100
_SEEN: Final = 2**16
_PACKED: Final = {".gz": gzip.open, ".bz2": bz2.open}
_HEADER: Final = re.compile(rb"\s*(\d{1,20})[ \t]+(\d{1,20})\s*")
_NUMBER: Final = re.compile(rb"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?|[-+]?(nan|inf|infinity)", re.I)
_FRACTION: Final = re.compile(rb"[-+]?\d*\.\d+([eE][-+]?\d+)?|[-+]?\d+[eE][-+]?\d+")
_CONTROL: Final = re.compile(rb"[\x00-\x08\x0e-\x1f]")
_OTHERS: Final = {
    b"\xba\x16\x4f\x2f": "is a whole model of fastText: take the .vec file that lies beside it",
    b"\x80": "is a pickle, which palate never opens: save it in word2vec's format "
    "(in gensim: save_word2vec_format)",
}


@dataclass
class WordVectors:
    """Words and their vectors, (m, d) in half precision; a word's row is its position.

    `total` are the words of the file, `repeated` those that came once more and `unreadable` those
    whose bytes are no UTF-8, or that are empty; neither is kept.
    """

    words: list[str] = field(default_factory=list)
    vectors: Halves = field(default_factory=lambda: np.zeros((0, 0), dtype=np.float16))
    total: int = 0
    repeated: int = 0
    unreadable: int = 0


def read_word_vectors(
    path: str | Path, *, most: int | None = None, wanted: Collection[str] = ()
) -> WordVectors:
    """The first `most` words of a file, and the `wanted` ones wherever they stand.

    Layouts are told apart by their content; a name that ends in .gz or .bz2 is unpacked. Memory is
    that of what is kept. Of a word that stands twice the first counts. Raises `DataError` for what
    holds no word vectors, for broken lines among those kept, and where the file is cut off.
    """
    file = path_of(path, "the file of word vectors", DataError)
    check_readable(file, DataError)
    check_no_pipe(file)
    if not file.is_file():
        what = "is a folder: name the file in it" if file.is_dir() else "there is no file"
        raise DataError(f"{file} {what}" if file.is_dir() else f"{what} {file} of word vectors")
    keeper = _Keeper(file, most, frozenset(word.encode() for word in wanted))
    try:
        with closing(_Stream(file)) as stream:
            header = _header_of(stream, file)
            if header is not None and _is_binary(stream.peek(), header[1]):
                _read_binary(stream, keeper, *header)
            else:
                _read_text(stream, keeper, header)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise _damaged(file, error) from error
    except OSError as error:  # bz2 has no error of its own
        if error.errno is None:
            raise _damaged(file, error) from error
        raise DataError(f"{file} cannot be read: {error.strerror or error}") from error
    return keeper.found(None if header is None else header[0])


class _Stream:
    """The bytes of a file, unpacked some at a time, and from `at` on those not used yet."""

    def __init__(self, path: Path) -> None:
        self.path = path
        unpack = _PACKED.get(path.suffix.lower())
        self.file: IO[bytes] = unpack(path, "rb") if unpack else path.open("rb")  # type: ignore[operator]
        self.most = max(_PLENTY, _UNPACKED * path.stat().st_size) if unpack else None
        self.read = 0
        self.rest, self.at = b"", 0

    def more(self) -> bool:
        """Adds a block to `rest`; False at the end. Raises `DataError` for too much of it."""
        block = self.file.read(_BLOCK)
        self.read += len(block)
        if self.most is not None and self.read > self.most:
            raise DataError(
                f"{self.path} unpacks to more than {self.most:,} bytes, so it is no file of word "
                "vectors: unpack it, and look what it is"
            )
        self.rest, self.at = self.rest[self.at :] + block, 0
        return bool(block)

    def peek(self) -> bytes:
        """The next bytes, enough of them to see what they are."""
        while len(self.rest) < _LONGEST and self.more():
            pass
        return self.rest

    def close(self) -> None:
        self.file.close()


def _header_of(stream: _Stream, path: Path) -> tuple[int, int] | None:
    """How many words of how many numbers the first line promises; None where it is a word's."""
    first = stream.peek()
    if not first.strip():
        raise DataError(f"{path} is empty")
    check_kind(path, first)
    for start, what in _OTHERS.items():
        if first.startswith(start):
            raise DataError(f"{path} {what}")
    stream.rest = first.removeprefix(b"\xef\xbb\xbf")
    line, newline, _ = stream.rest.partition(b"\n")
    header = _HEADER.fullmatch(line)
    if header is None or not newline:
        if b"\0" in line:
            raise DataError(
                f"{path}, line 1: it holds NUL bytes. If it is UTF-16, save it as UTF-8"
            )
        return None
    count, dim = int(header[1]), int(header[2])
    if not 0 < dim <= _WIDEST:
        raise DataError(f"{path}, line 1: {dim:,} numbers a word are no word vectors")
    stream.rest = stream.rest[len(line) + 1 :]
    return count, dim


def _is_binary(content: bytes, dim: int) -> bool:
    """Whether what follows the first line are numbers as they lie in memory, and no text."""
    line = content.partition(b"\n")[0].split()
    if len(line) > dim and all(map(_NUMBER.fullmatch, line[-dim:])):
        return False
    if _CONTROL.search(content):
        return True
    try:
        content[:_SEEN].decode()
    except UnicodeDecodeError as error:
        return error.start < len(content[:_SEEN]) - 3  # else a letter that was cut in two
    return False


@dataclass
class _Keeper:
    """What is kept of a file, and what is wrong with it."""

    path: Path
    most: int | None
    wanted: frozenset[bytes]
    rows: dict[str, int] = field(default_factory=dict)
    parts: list[Halves] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    faults: int = 0
    total: int = 0
    repeated: int = 0
    unreadable: int = 0

    def wants(self, word: bytes) -> bool:
        return self.most is None or len(self.rows) < self.most or word in self.wanted

    def add(self, words: list[bytes], numbers: NDArray[Any], places: list[str]) -> None:
        """Keeps words and their (n, d) numbers; `places` say where they stand."""
        with np.errstate(over="ignore"):
            halves = numbers.astype(np.float16)
        fine = np.asarray(np.isfinite(halves).all(axis=1))
        kept = np.zeros(len(words), dtype=np.bool_)
        for row, word in enumerate(words):
            if not fine[row]:
                self.fault(places[row], word, "NaN, infinity or a number over 65,504")
                continue
            try:
                text = word.decode()
            except UnicodeDecodeError:
                text = ""
            if not text:
                self.unreadable += 1
            elif text in self.rows:
                self.repeated += 1
            elif self.wants(word):
                self.rows[text] = len(self.rows)
                kept[row] = True
        self.parts.append(halves[kept])

    def fault(self, place: str, word: bytes, what: str) -> None:
        self.faults += 1
        if len(self.broken) < SHOWN_OFFENDERS:
            self.broken.append(f"{place} ({quoted(word.decode('utf-8', 'replace')[:40])}): {what}")

    def found(self, promised: int | None) -> WordVectors:
        """All that was kept; `DataError` for faults, and for fewer words than were `promised`."""
        if self.faults:
            more = self.faults - len(self.broken)
            tail = f"; and {more:,} more ({self.faults:,} in all)" if more else ""
            raise DataError(
                f"{self.path} is damaged. {'; '.join(self.broken)}{tail}. Get the file again, or "
                "take these lines out"
            )
        if promised is not None and self.total < promised:
            raise DataError(
                f"{self.path} promises {promised:,} words in its first line and holds "
                f"{self.total:,}: it was cut off, get it again"
            )
        if not self.rows:
            raise DataError(f"{self.path} holds no word vectors: none of its words can be read")
        vectors = np.concatenate([part for part in self.parts if len(part)])
        return WordVectors(list(self.rows), vectors, self.total, self.repeated, self.unreadable)


def _read_text(stream: _Stream, keeper: _Keeper, header: tuple[int, int] | None) -> None:
    """Lines of a word, which may hold blanks, and its numbers."""
    dim = header[1] if header else _dim_of(stream)
    number = 1 if header else 0
    for lines in _blocks(stream, number):
        words: list[bytes] = []
        numbers, places = array("f"), []
        for line in lines:
            number += 1
            first = line.split(None, 1)[:1]
            keeper.total += len(first)
            if not first or not keeper.wants(first[0]):
                continue
            found = line.rsplit(None, dim)
            if len(found) == dim and line[:1].isspace():
                found.insert(0, b"")
            row, fault = _numbers_in(found, dim)
            if fault:
                keeper.fault(f"line {number}", found[0], fault)
                continue
            words.append(found[0])
            numbers += row
            places.append(f"line {number}")
        keeper.add(words, np.frombuffer(numbers, np.float32).reshape(-1, dim), places)


def _numbers_in(found: list[bytes], dim: int) -> tuple[array[float], str]:
    """The numbers behind a word, or what is wrong with them."""
    nothing = array("f")
    if len(found) - 1 < dim:
        return nothing, f"{len(found) - 1} numbers, not {dim}"
    *_, last = found[0].rsplit(None, 1) or [b""]
    if last != found[0] and _FRACTION.fullmatch(last):
        return nothing, f"{dim + 1} numbers, not {dim}"
    try:
        row = array("f", map(float, found[1:]))
    except ValueError:
        row = nothing
    if row and not any(b"_" in one for one in found[1:]):
        return row, ""
    wrong = next((one for one in found[1:] if not _NUMBER.fullmatch(one)), b"")
    return nothing, f"{quoted(wrong.decode('utf-8', 'replace')[:40])} is no number"


def _dim_of(stream: _Stream) -> int:
    """How many numbers most of the first lines have behind their words."""
    lines = stream.peek().split(b"\n")[:_SAMPLE]
    if len(lines[0]) >= _LONGEST:
        raise _too_long(stream, 1)
    counts = Counter(
        len(pieces) - 1
        for line in lines
        if len(pieces := line.split()) > 1 and _NUMBER.fullmatch(pieces[-1])
    )
    if not counts or not 0 < (dim := counts.most_common(1)[0][0]) <= _WIDEST:
        raise DataError(
            f"{stream.path} holds no word vectors: its lines are not a word and its numbers. It "
            "begins with " + quoted(lines[0][:60].decode("utf-8", "replace"))
        )
    return dim


def _blocks(stream: _Stream, number: int) -> Iterator[list[bytes]]:
    """The lines of the file, some at a time; `number` came before."""
    going = True
    while going:
        whole, newline, stream.rest = stream.rest.rpartition(b"\n")
        lines = whole.split(b"\n") if newline else []
        number += len(lines)
        yield lines
        if len(stream.rest) > _LONGEST:
            raise _too_long(stream, number + 1)
        going = stream.more()
    if stream.rest:
        yield [stream.rest]


def _too_long(stream: _Stream, number: int) -> DataError:
    return DataError(
        f"{stream.path}, line {number} is longer than {_LONGEST:,} bytes: this is no file of word "
        "vectors"
    )


def _read_binary(stream: _Stream, keeper: _Keeper, count: int, dim: int) -> None:
    """Words that end with a blank, and their numbers as they lie in memory."""
    size = 4 * dim
    words: list[bytes] = []
    numbers, places = bytearray(), []
    for number in range(1, count + 1):
        while (end := stream.rest.find(b" ", stream.at)) < 0 or (len(stream.rest) < end + 1 + size):
            if end < 0 and len(stream.rest) - stream.at > _LONGEST:
                raise DataError(f"{stream.path}, word {number:,} of {count:,}: no word ends here")
            if not stream.more():
                raise DataError(
                    f"{stream.path} ends in the middle of word {number:,} of {count:,}: it was cut "
                    "off, get it again"
                )
        word = stream.rest[stream.at : end].lstrip(b"\r\n")
        keeper.total += 1
        if keeper.wants(word):
            words.append(word)
            numbers += stream.rest[end + 1 : end + 1 + size]
            places.append(f"word {number:,}")
        stream.at = end + 1 + size
        if len(numbers) > _BLOCK or number == count:
            keeper.add(words, np.frombuffer(bytes(numbers), "<f4").reshape(-1, dim), places)
            words, numbers, places = [], bytearray(), []


def _damaged(path: Path, error: Exception) -> DataError:
    return DataError(
        f"{path} is damaged, it cannot be unpacked: {error}. Get it again, or leave"
        f" {path.suffix} out of its name if it is not packed"
    )
