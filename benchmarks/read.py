"""Ten million events from Parquet: seconds, and memory beyond the data.

The table has people, items, an event, a time and a value; reading checks it all and orders it.
usage: python benchmarks/read.py [events]
"""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl
from _record import record

import palate

RUNS = 3


def write_events(path: Path, n_events: int) -> None:
    """A long-tailed log: one person for every 20 events, one item for every 100."""
    rng = np.random.default_rng(0)
    users = rng.integers(0, n_events // 20, n_events)
    items = (n_events // 100 * rng.random(n_events) ** 2).astype(np.int64)
    table = pl.DataFrame(
        {
            "user_id": pl.Series(users).cast(pl.String),
            "item_id": pl.Series(items).cast(pl.String),
            "event": pl.Series(rng.integers(0, 3, n_events)).replace_strict(
                {0: "view", 1: "cart", 2: "purchase"}
            ),
            "timestamp": rng.integers(1_500_000_000, 1_700_000_000, n_events),
            "value": rng.random(n_events),
        }
    )
    table.write_parquet(path)


def read_once(path: Path) -> dict[str, float]:
    """Measured in a process of its own, so that the peak is that of the reading."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    started = time.perf_counter()
    data = palate.read(path, events={"view": 1, "cart": 2, "purchase": 5})
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    held = data.interactions.estimated_size("mb") + data.items.estimated_size("mb")
    return {
        "seconds": seconds,
        "data_mib": held,
        "peak_mib": peak,
        "beyond_the_data_mib": peak - before - held,
        "events": len(data.interactions),
    }


def main() -> None:
    if sys.argv[1:2] == ["--write"]:
        write_events(Path(sys.argv[2]), int(sys.argv[3]))
        return
    if sys.argv[1:2] == ["--read"]:
        print(json.dumps(read_once(Path(sys.argv[2]))))
        return
    n_events = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events.parquet"
        # a process of its own here too: on Linux a child's peak starts at its parent's
        subprocess.run([sys.executable, __file__, "--write", str(path), str(n_events)], check=True)
        runs = []
        for _ in range(RUNS):
            done = subprocess.run(
                [sys.executable, __file__, "--read", str(path)],
                check=True,
                capture_output=True,
                text=True,
            )
            runs.append(json.loads(done.stdout))
            print(runs[-1])
        figures = {
            "file_mib": path.stat().st_size / 2**20,
            **{name: statistics.median(run[name] for run in runs) for name in runs[0]},
            "runs": runs,
        }
    print(record("read-parquet", figures))


if __name__ == "__main__":
    main()
