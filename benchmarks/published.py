"""Our rows beside the published ones on Beauty, Office and Scientific.

Needs the folders `beauty`, `office` and `scientific` in the folder that PALATE_DATA names.
usage: PALATE_DATA=… python benchmarks/published.py [beauty|office|scientific …]
Each run is a process of its own, so that peak memory is its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from _record import record

FORMATS = {"beauty": "sequence", "office": "minionerec", "scientific": "unisrec"}
RUNS = {
    "strict": ["--recommender", "ranker", "--seeds", "5"],
    "refit": ["--recommender", "ranker", "--refit"],
    "strict-light": ["--recommender", "ranker", "--encoder", "muse"],
    "refit-light": ["--recommender", "ranker", "--encoder", "muse", "--refit"],
    "strict-rows": [],
}


def main() -> None:
    folder = os.environ.get("PALATE_DATA")
    if not folder:
        sys.exit("PALATE_DATA must name the folder that holds beauty, office and scientific")
    wanted = [name for name in sys.argv[1:] if name in FORMATS] or list(FORMATS)
    runs = [name for name in sys.argv[1:] if name in RUNS] or list(RUNS)
    for run in runs:
        for name in wanted:
            with tempfile.TemporaryDirectory() as scratch:
                out = Path(scratch) / "figures.json"
                palate = str(Path(sys.executable).parent / "palate")
                command = [palate, "bench", FORMATS[name], str(Path(folder) / name)]
                subprocess.run([*command, *RUNS[run], "--json", str(out)], check=True)
                print(record(f"{name}-{run}", json.loads(out.read_text())))


if __name__ == "__main__":
    main()
