"""A made-up catalogue of 100,000 items and 2 million events: fit, recommend, memory.

usage: python benchmarks/scale.py [items events]
"""

from __future__ import annotations

import resource
import sys
import time

from _record import record

import palate
from palate.data.samples import catalogue


def main() -> None:
    n_items, n_events = (
        (int(part) for part in sys.argv[1:3]) if len(sys.argv) > 2 else (100_000, 2_000_000)
    )
    data = catalogue(n_items, n_events)
    started = time.perf_counter()
    encoders = {"words": palate.Tfidf()}
    model = palate.Pipeline(encoders=encoders).fit(data)
    fitted = time.perf_counter()
    people = data.user_ids.tolist()[:1000]
    model.recommend(people, k=10)
    done = time.perf_counter()
    figures = {
        "items": n_items,
        "events": n_events,
        "people": len(data.user_ids),
        "encoders": "words (TF-IDF)",
        "seconds": {"fit": fitted - started, "recommend to 1,000 people": done - fitted},
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    print(figures)
    print(record("scale", figures))


if __name__ == "__main__":
    main()
