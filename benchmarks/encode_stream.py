"""A million made-up short texts, all different, streamed through a text encoder: rate and memory.

Peak memory is that of the process that encodes; another one makes the table. Nothing is cached.
usage: python benchmarks/encode_stream.py [encoder] [items] [local|ray] [partition rows]
       encoder: as `palate encode` takes it, such as "static", "muse" or "transformer:model=minilm"
"""

from __future__ import annotations

import re
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from _record import record

MADE_AT_ONCE = 100_000
WORDS_OF_A_TITLE = 8


def make(folder: Path, items: int) -> None:
    """Parquet files of ids and titles of eight words and a number."""
    import numpy as np
    import polars as pl

    from palate.data.samples import COMMON, TOPICS

    words = [word for topic in TOPICS["en"] for word in topic.split()] + COMMON["en"].split()
    folder.mkdir()
    for start in range(0, items, MADE_AT_ONCE):
        rng = np.random.default_rng(start)
        count = min(MADE_AT_ONCE, items - start)
        columns = [
            pl.Series(f"w{place}", words).gather(rng.integers(0, len(words), count))
            for place in range(WORDS_OF_A_TITLE)
        ]
        number = pl.int_range(start, start + count, eager=True).cast(pl.String)
        title = pl.concat_str(pl.all(), separator=" ")
        frame = pl.DataFrame([*columns, number.alias("number")]).select(title=title)
        frame.insert_column(0, ("i" + number).alias("item_id"))
        frame.write_parquet(folder / f"{start:012d}.parquet")


def peak_mib() -> float:
    """The most memory that this process has held, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


def measure(encoder: str, items: int, engine: Any, partition_rows: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as place:
        table = Path(place) / "table"
        subprocess.run([sys.executable, __file__, "--make", str(table), str(items)], check=True)
        import palate.features.batch.job as job
        from palate.cli.console import shown_progress

        before = peak_mib()
        with shown_progress():
            report = job.encode_table(
                table,
                encoder,
                Path(place) / "out",
                engine=engine,
                template="{title}",
                partition_rows=partition_rows,
            )
        print(report.render())
    return {
        "encoder": encoder,
        "items": items,
        "engine": engine,
        "partition_rows": partition_rows,
        "dim": report.dim,
        "seconds": report.seconds,
        "items_a_second": report.rows_a_second,
        "bytes_a_vector": report.bytes / report.written,
        "peak_mib": peak_mib(),
        "peak_mib_before": before,
    }


def main() -> None:
    if sys.argv[1:2] == ["--make"]:
        make(Path(sys.argv[2]), int(sys.argv[3]))
        return
    given = dict(enumerate(sys.argv[1:]))
    encoder, items = given.get(0, "muse"), int(given.get(1, 1_000_000))
    figures = measure(encoder, items, given.get(2, "local"), int(given.get(3, 2**15)))
    print(figures)
    name = re.sub(r"\W+", "-", encoder).strip("-")
    print(record(f"encode-stream-{name}", figures))


if __name__ == "__main__":
    main()
