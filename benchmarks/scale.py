"""A made-up catalogue of 100,000 items and 2 million events: encode, fit, recommend, memory.

usage: python benchmarks/scale.py [items events]
"""

from __future__ import annotations

import resource
import sys
import time

from _record import record

import palate
from palate.data.samples import catalogue
from palate.features.default_encoders import default_encoders

USERS = 1000


def main() -> None:
    n_items, n_events = (
        (int(part) for part in sys.argv[1:3]) if len(sys.argv) > 2 else (100_000, 2_000_000)
    )
    data = catalogue(n_items, n_events)
    seconds = {}
    started = time.perf_counter()
    encoders = default_encoders(data)
    if "text" in encoders:
        encoders["text"].fit(data).encode(data)  # into the cache, so that the fit reads it
    seconds["encode"] = time.perf_counter() - started
    started = time.perf_counter()
    model = palate.Pipeline(encoders=encoders).fit(data)
    seconds["fit"] = time.perf_counter() - started
    users = data.user_ids.tolist()[:USERS]
    started = time.perf_counter()
    model.recommend(users, k=10)
    seconds[f"recommend to {USERS:,} people"] = time.perf_counter() - started
    figures = {
        "items": n_items,
        "events": n_events,
        "people": len(data.user_ids),
        "encoders": sorted(encoders),
        "seconds": seconds,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    print(figures)
    print(record("scale" if len(sys.argv) < 3 else f"scale-{n_items}-{n_events}", figures))


if __name__ == "__main__":
    main()
