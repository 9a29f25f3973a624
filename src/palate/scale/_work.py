"""What a job is: all that a worker must know, and what becomes of a partition."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, Self, TypeAlias

from palate.scale._source import Source

Precision: TypeAlias = Literal["float32", "float16", "int8"]
OnError: TypeAlias = Literal["raise", "skip"]


@dataclass(frozen=True)
class Job:
    """Rows of `source` → files in `out`; nothing here that JSON cannot say."""

    source: Source
    id: str
    template: str
    columns: list[str]
    use: str
    settings: dict[str, Any]
    fingerprint: str
    precision: Precision
    partition_rows: int
    on_error: OnError
    out: str

    @property
    def partitions(self) -> int:
        return -(-len(self.source) // self.partition_rows)

    @property
    def identity(self) -> dict[str, Any]:
        """What must be equal for a job to go on where another one stopped."""
        return {
            "table": self.source.name,
            "id": self.id,
            "template": self.template,
            "encoder": self.use,
            "fingerprint": self.fingerprint,
            "precision": self.precision,
            "partition_rows": self.partition_rows,
        }

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
    """What became of a partition. `kept` was done before; `faults` says why rows were left out."""

    number: int
    file: str
    rows: int
    written: int
    blank: int
    dim: int
    kept: bool = False
    faults: tuple[str, ...] = ()

    @property
    def skipped(self) -> int:
        """Rows that the file lacks: without an id of their own, or broken."""
        return self.rows - self.written


@dataclass(frozen=True)
class Failure:
    """A partition that could not be done, and why."""

    number: int
    message: str


def stem_of(number: int) -> str:
    """How the names of a partition's files begin; a digest of its content follows."""
    return f"part-{number:05d}-"


Todo: TypeAlias = tuple[int, list[int]]
"""A partition's number, and its rows that have no id of their own."""
