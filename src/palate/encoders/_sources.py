"""Photos and sounds as a column holds them: paths inside one folder, or the bytes themselves."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from stat import S_ISREG
from typing import TypeAlias

from palate.errors import DataError

Source: TypeAlias = str | bytes | Path
MAX_BYTES = 512 * 2**20


class UnreadableError(Exception):
    """Why one photo or sound cannot be used; whoever reads many says of which item."""


@dataclass(frozen=True)
class Sources:
    """What a column holds; row i is None where the item has nothing.

    Relative paths start in `folder`, and none may lead out of it, by links neither.
    """

    values: Sequence[Source | None]
    folder: Path

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
        try:
            path = self._inside(str(value))
            status = path.stat()
            if not S_ISREG(status.st_mode):
                raise UnreadableError("it is no file")
            if status.st_size > MAX_BYTES:
                raise UnreadableError(f"it is larger than {MAX_BYTES >> 20} MiB")
            return _not_empty(path.read_bytes())
        except FileNotFoundError:
            raise UnreadableError("there is no such file") from None
        except OSError as error:
            raise UnreadableError(f"it cannot be read: {error.strerror}") from None
        except ValueError:  # half a surrogate pair, a zero character
            raise UnreadableError("no path can be written like this") from None

    def _inside(self, name: str) -> Path:
        if "://" in name:
            raise UnreadableError("it is an address: download it, and give the path")
        root = self.folder.resolve()
        path = Path(os.path.realpath(root / name))
        if not path.is_relative_to(root):
            raise UnreadableError(f"the path leads out of the folder {str(root)!r}")
        return path


def _not_empty(content: bytes) -> bytes:
    if not content:
        raise UnreadableError("it is empty")
    return content


def allowed_folder(folder: str) -> Path:
    """The folder that paths start in; `DataError` where there is none."""
    path = Path(folder).expanduser()
    if not path.is_dir():
        raise DataError(f"folder = {folder!r}: there is no such folder to look for files in")
    return path
