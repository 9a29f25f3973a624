"""What a job is: all that a worker must know, and what becomes of a partition."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, Self, TypeAlias

from palate.core.paths import beside
from palate.features.batch.table import Source

Precision: TypeAlias = Literal["float32", "float16", "int8"]
OnError: TypeAlias = Literal["raise", "skip"]


@dataclass(frozen=True)
class Job:
    """Rows of `source` → files in `out`; nothing here that JSON cannot say.

    A job of texts has a `template` of `columns`, of which `lists` says what separates parts; one of
    photos or sounds has a single column, and the `folder` that paths start in.
    """

    source: Source
    id: str
    template: str
    columns: list[str]
    encoder: str
    settings: dict[str, Any]
    fingerprint: str
    precision: Precision
    partition_rows: int
    on_error: OnError
    out: str
    lists: dict[str, str] = field(default_factory=dict)
    folder: str | None = None
    holds: str = "text"

    @property
    def partitions(self) -> int:
        return -(-len(self.source) // self.partition_rows)

    @property
    def identity(self) -> dict[str, Any]:
        """What must be equal for a job to go on where another one stopped."""
        column = {} if self.folder is None else {"column": self.columns[0]}
        return {
            "table": self._table,
            "id": self.id,
            **column,
            "template": self.template,
            "encoder": self.encoder,
            "fingerprint": self.fingerprint,
            "precision": self.precision,
            "partition_rows": self.partition_rows,
        }

    @property
    def _table(self) -> str:
        """The way to it from the folder: the same however they are spelt or moved together."""
        table = os.path.realpath(self.source.name)
        return beside(table, Path(self.out)) or table

    def range_of(self, number: int) -> tuple[int, int]:
        """The rows of a partition."""
        start = number * self.partition_rows
        return start, min(start + self.partition_rows, len(self.source))

    def named(self, number: int) -> str:
        """A partition in messages."""
        start, stop = self.range_of(number)
        first, last = self.source.place(start), self.source.place(stop - 1)
        return f"partition {number} ({first}, to {last})"

    def to_json(self) -> str:
        content = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        return json.dumps(content | {"source": asdict(self.source)})

    @classmethod
    def of_json(cls, text: str) -> Self:
        content = json.loads(text)
        return cls(**content | {"source": Source(**content["source"])})


@dataclass(frozen=True)
class Part:
    """What became of a partition.

    Of its `rows` those `written` are in the file, `missing` of them without a vector, and `bad` are
    not, because they cannot be read or encoded. `kept` was done before; `faults` says why some are
    bad. Files of it that were `damaged` count as not there.
    """

    number: int
    file: str
    rows: int
    written: int
    missing: int
    bad: int
    dim: int
    kept: bool = False
    faults: tuple[str, ...] = ()
    damaged: tuple[str, ...] = ()

    @property
    def skipped(self) -> int:
        """Rows that the file lacks: without an id of their own, or bad."""
        return self.rows - self.written

    @property
    def encoded(self) -> int:
        """Rows that have a vector."""
        return self.written - self.missing


@dataclass(frozen=True)
class Failure:
    """A partition that could not be done, and why."""

    number: int
    message: str


def stem_of(number: int) -> str:
    """How the names of a partition's files begin; a digest of what is encoded follows."""
    return f"part-{number:05d}-"


Todo: TypeAlias = tuple[int, list[int]]
"""A partition's number, and its rows that have no id of their own."""
