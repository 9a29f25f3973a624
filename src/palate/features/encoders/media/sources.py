"""Photos and sounds as a column holds them: paths inside one folder, or the bytes themselves."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from stat import S_ISREG
from typing import Any, TypeAlias

from palate.core.errors import DataError, Setting, first_offenders

Source: TypeAlias = str | bytes | Path
MAX_BYTES = 512 * 2**20
AHEAD = 64  # files that are read or decoded while a batch is encoded


class UnreadableError(Exception):
    """Why one photo or sound cannot be used; whoever reads many says of which item."""


@dataclass(frozen=True)
class Partly:
    """What could be decoded of something of which a part is lost, and `why`."""

    content: Any
    why: str


@dataclass(frozen=True)
class Sources:
    """What a column holds; row i is None where the item has nothing.

    Relative paths start in `folder`, and none may lead out of it, by links neither. `losses` is
    filled by whoever decodes: what a row has lost that counts all the same.
    """

    values: Sequence[Source | None]
    folder: Path
    losses: dict[int, str] = field(default_factory=dict)

    @cached_property
    def given(self) -> list[int]:
        """The rows that have something."""
        return [row for row, value in enumerate(self.values) if value is not None]

    def digest(self, row: int) -> bytes:
        """128 bits that name the content of one row."""
        return blake2b(self.read(row), digest_size=16).digest()

    def name(self, row: int) -> str:
        """What row `row` is called in errors."""
        value = self.values[row]
        return f"{len(value)} bytes" if isinstance(value, bytes) else str(value)

    def read(self, row: int) -> bytes:
        """The content of one row; `UnreadableError` where there is none to read."""
        value = self.values[row]
        if isinstance(value, bytes):
            return _not_empty(value)
        with _reasons():
            return _not_empty(self._file(str(value)).read_bytes())

    def look(self, row: int) -> None:
        """Raises `UnreadableError` where it is plain without reading that there is nothing."""
        value = self.values[row]
        if isinstance(value, bytes):
            _not_empty(value)
            return
        with _reasons():
            if not self._file(str(value)).stat().st_size:
                _not_empty(b"")

    def _file(self, name: str) -> Path:
        path = self._inside(name)
        status = path.stat()
        if not S_ISREG(status.st_mode):
            raise UnreadableError("it is no file")
        if status.st_size > MAX_BYTES:
            raise UnreadableError(f"it is larger than {MAX_BYTES >> 20} MiB")
        return path

    def _inside(self, name: str) -> Path:
        if "://" in name:
            raise UnreadableError("it is an address: download it, and give the path")
        root = self.folder.resolve()
        path = Path(os.path.realpath(root / name))
        if not path.is_relative_to(root):
            raise UnreadableError(f"the path leads out of the folder {str(root)!r}")
        return path


@contextmanager
def _reasons() -> Iterator[None]:
    """What the file system raises, as why a row cannot be used."""
    try:
        yield
    except FileNotFoundError:
        raise UnreadableError("there is no such file") from None
    except OSError as error:
        raise UnreadableError(f"it cannot be read: {error.strerror}") from None
    except ValueError:  # half a surrogate pair, a zero character
        raise UnreadableError("no path can be written like this") from None


def as_sources(values: Sequence[Source | None]) -> list[Source | None]:
    """The same as a list; `DataError` for one alone, and for what is neither path nor bytes."""
    if isinstance(values, str | bytes | Path):
        raise DataError(f"files must be a list of paths or bytes, not one: [{str(values)[:40]!r}]")
    found = [bytes(v) if isinstance(v, bytearray | memoryview) else v for v in values]
    strange = [type(v).__name__ for v in found if not isinstance(v, str | bytes | Path | None)]
    if strange:
        shown = first_offenders(strange, len(strange))
        raise DataError(f"files must be paths or bytes, or None where there is none, not {shown}")
    return found


def _not_empty(content: bytes) -> bytes:
    if not content:
        raise UnreadableError("it is empty")
    return content


def allowed_folder(folder: str) -> Path:
    """The folder that paths start in; `DataError` where there is none."""
    path = Path(folder).expanduser()
    if not path.is_dir():
        raise DataError(
            f"there is no folder {str(path.absolute())!r}, in which the paths start: name the one "
            "that holds the files, ",
            Setting("folder", "FOLDER"),
        )
    return path


def worked(
    pool: ThreadPoolExecutor,
    work: Callable[[int], Any],
    rows: Iterable[int],
    faults: dict[int, str],
) -> Iterator[tuple[int, Any]]:
    """(row, result) in order, some rows ahead of whoever asks; what fails goes to `faults`."""
    waiting: deque[tuple[int, Future[Any]]] = deque()
    todo = iter(rows)
    while True:
        for row in islice(todo, AHEAD - len(waiting)):
            waiting.append((row, pool.submit(work, row)))
        if not waiting:
            return
        row, future = waiting.popleft()
        try:
            yield row, future.result()
        except UnreadableError as error:
            faults[row] = str(error)
