"""What a job did, for a person and for JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from palate.errors import first_offenders
from palate.scale._work import Job, Part

SHOWN_FAULTS = 3


@dataclass(frozen=True)
class EncodeReport:
    """What `encode_table` did.

    `rows` are those of the table; of these `written` are in the files, `missing` of them without a
    text, photo or sound (`holds` says which) and so without a vector; `skipped` are not there, of
    which `bad` cannot be read or encoded and the others have no id of their own. `kept` files were
    there already; `encoded` rows got their vector now. `bytes` are those of all files, `seconds`
    those of this run. `faults` are some reasons why rows are bad. Files that were `damaged` before
    this run were encoded again.
    """

    table: str
    out: str
    engine: str
    rows: int
    written: int
    missing: int
    skipped: int
    bad: int
    holds: str
    dim: int
    files: int
    kept: int
    encoded: int
    bytes: int
    seconds: float
    faults: tuple[str, ...] = ()
    damaged: tuple[str, ...] = ()

    @classmethod
    def of(cls, job: Job, parts: Sequence[Part], *, engine: str, size: int, seconds: float) -> Self:
        """From what became of all partitions."""
        faults = [fault for part in parts for fault in part.faults]
        return cls(
            table=job.source.name,
            out=job.out,
            engine=engine,
            rows=len(job.source),
            written=sum(part.written for part in parts),
            missing=sum(part.missing for part in parts),
            skipped=sum(part.skipped for part in parts),
            bad=sum(part.bad for part in parts),
            holds=job.holds,
            dim=parts[0].dim,
            files=len(parts),
            kept=sum(part.kept for part in parts),
            encoded=sum(part.encoded for part in parts if not part.kept),
            bytes=size,
            seconds=seconds,
            faults=tuple(faults[:SHOWN_FAULTS]),
            damaged=tuple(sorted(name for part in parts for name in part.damaged)),
        )

    @property
    def left_out(self) -> str:
        """How many rows are in no file, and why; "" for none."""
        if not self.skipped:
            return ""
        without, bad = self.skipped - self.bad, f"{self.bad:,} that cannot be read or encoded"
        why = [f"{without:,} without an id of their own"] * bool(without) + [bad] * bool(self.bad)
        said = f"{counted(self.skipped, 'row')} left out of {self.table}: {' and '.join(why)}"
        return "\n  ".join([said, *self.faults])

    @property
    def mended(self) -> str:
        """Which files were damaged, and so encoded again; "" for none."""
        if not self.damaged:
            return ""
        shown = first_offenders(self.damaged, len(self.damaged))
        return f"{counted(len(self.damaged), 'file')} damaged, and encoded again: {shown}"

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
        if self.missing:
            have = "of them has" if self.missing == 1 else "of them have"
            lines.append(f"{self.missing:,} {have} no {self.holds}, and no vector (null)")
        if self.skipped:
            lines.append(self.left_out)
        if self.damaged:
            lines.append(self.mended)
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
        lists = {"faults": list(self.faults), "damaged": list(self.damaged)}
        return {**vars(self), **lists, "rows_a_second": self.rows_a_second}


def counted(count: int, what: str) -> str:
    """1 file was, 2 files were."""
    return f"{count:,} {what} was" if count == 1 else f"{count:,} {what}s were"
