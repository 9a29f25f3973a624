"""What a job did, for a person and for JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class EncodeReport:
    """What `encode_table` did.

    `rows` are those of the table; of these `written` are in the files, `blank` without a vector,
    and `skipped` are not. `kept` files were there already; `encoded` rows were not. `bytes` are
    those of all files, `seconds` those of this run. `faults` are some reasons why rows are missing.
    """

    table: str
    out: str
    engine: str
    rows: int
    written: int
    blank: int
    skipped: int
    dim: int
    files: int
    kept: int
    encoded: int
    bytes: int
    seconds: float
    faults: tuple[str, ...] = ()

    @property
    def rows_a_second(self) -> float:
        """Rows that were encoded in this run, a second of it."""
        return self.encoded / self.seconds if self.seconds else 0.0

    def render(self) -> str:
        """Some lines for a person."""
        lines = [
            f"{self.written:,} of {self.rows:,} rows are in {self.out}: vectors of {self.dim}"
            f" numbers in {self.files:,} {'file' if self.files == 1 else 'files'},"
            f" {self.bytes / 1e6:,.1f} MB"
        ]
        if self.blank:
            lines.append(f"{self.blank:,} of them have no text, and no vector (null)")
        if self.skipped:
            lines.append(f"{counted(self.skipped, 'row')} left out")
            lines += [f"  {fault}" for fault in self.faults]
        if self.kept:
            lines.append(f"{counted(self.kept, 'file')} there already, and still true")
        if self.encoded:
            lines.append(
                f"{counted(self.encoded, 'row')} encoded in {self.seconds:,.1f} s ({self.engine}):"
                f" {self.rows_a_second:,.0f} a second"
            )
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON types."""
        return {**vars(self), "faults": list(self.faults), "rows_a_second": self.rows_a_second}


def counted(count: int, what: str) -> str:
    """1 file was, 2 files were."""
    return f"{count:,} {what} was" if count == 1 else f"{count:,} {what}s were"
