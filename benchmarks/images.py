"""Clothes by their photos: of the 10 nearest, how many show the same kind, and how quickly.

Needs the folder `images` in the folder that PALATE_DATA names: `train` and `test`, in each a folder
for every kind. Beside it a colour histogram and chance. The cache is a fresh one.
usage: PALATE_DATA=… python benchmarks/images.py
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from _record import record

import palate
from palate.core.files import ENVIRONMENT_VARIABLE
from palate.features.encoders.image import Image
from palate.features.encoders.media.images import read_picture

sys.path.insert(0, str(Path(palate.__file__).parents[2] / "examples"))
from similar_clothes import (
    NEAREST,
    chance,
    colour_histograms,
    photos_in,
    share_of_same_kind,
)


def main() -> None:
    images = Path(os.environ.get("PALATE_DATA", "")) / "images"
    if not (images / "train").is_dir():
        sys.exit("PALATE_DATA must name the folder that holds images/train and images/test")
    with tempfile.TemporaryDirectory() as cache:
        os.environ[ENVIRONMENT_VARIABLE] = cache
        print(record("images", measure(images)))


def measure(images: Path) -> dict[str, Any]:
    train, kinds = photos_in(images / "train")
    test, new_kinds = photos_in(images / "test")
    histograms = colour_histograms(images / "train", train)
    new_histograms = colour_histograms(images / "test", test)
    rows = {
        "colour histogram": {
            "same_kind": float(share_of_same_kind(histograms, kinds).mean()),
            "same_kind_new_photos": of_new(new_histograms, new_kinds, histograms, kinds),
        },
        "chance": {"same_kind": chance(kinds), "same_kind_new_photos": float(1 / len(set(kinds)))},
    }
    exact = np.empty(0)
    for dtype in ("float32", "bfloat16"):
        encoder = Image(folder=str(images / "train"), dtype=dtype)  # type: ignore[arg-type]
        encoder.encode_files(train[:1])  # the model is loaded
        started = time.perf_counter()
        vectors, _ = encoder.encode_files(train)
        seconds = time.perf_counter() - started
        started = time.perf_counter()
        encoder.encode_files(train)
        again = time.perf_counter() - started
        exact = exact if len(exact) else vectors
        new, _ = Image(folder=str(images / "test"), dtype=dtype).encode_files(test)  # type: ignore[arg-type]
        shares = share_of_same_kind(vectors, kinds)
        cosines = (vectors * exact).sum(axis=1)
        rows[f"efficientnet-lite0 {dtype}"] = {
            "same_kind": float(shares.mean()),
            "same_kind_new_photos": of_new(new, new_kinds, vectors, kinds),
            "photos_a_second": (len(train) - 1) / seconds,
            "photos_a_second_cached": len(train) / again,
            "cosine_to_float32": {"mean": float(cosines.mean()), "lowest": float(cosines.min())},
            "by_kind": {kind: float(shares[kinds == kind].mean()) for kind in sorted(set(kinds))},
        }
        print(dtype, rows[f"efficientnet-lite0 {dtype}"])
    return {
        "photos": len(train),
        "new_photos": len(test),
        "kinds": len(set(kinds)),
        "nearest": NEAREST,
        "photos_a_second_decoded": decoded_a_second(images / "train", train),
        "threads": int(os.environ.get("OMP_NUM_THREADS", 0)) or os.cpu_count(),
        "versions": {name: version(name) for name in ("torch", "pillow")},
        "rows": rows,
    }


def of_new(
    vectors: np.ndarray, kinds: np.ndarray, known: np.ndarray, known_kinds: np.ndarray
) -> float:
    """The share of the same kind among the nearest known photos of new ones."""
    nearest = np.argsort(-(vectors @ known.T), axis=1, kind="stable")[:, :NEAREST]
    return float((known_kinds[nearest] == kinds[:, None]).mean())


def decoded_a_second(folder: Path, paths: list[str]) -> float:
    """Read and decoded one by one, in one thread."""
    started = time.perf_counter()
    for path in paths:
        read_picture((folder / path).read_bytes(), side=224)
    return len(paths) / (time.perf_counter() - started)


if __name__ == "__main__":
    main()
