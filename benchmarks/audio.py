"""Spoken digits: who is among a recording's ten nearest, and how long sounds take.

240 recordings (`audio/digit_speaker_take.wav` of PALATE_DATA), by the packaged music taggers as
they come and whitened, and by the mean MFCC of `examples/similar_sounds.py`. Songs of three minutes
are made up: stereo MP3 at 44.1 kHz, of which 30 seconds are heard.
usage: PALATE_DATA=... python benchmarks/audio.py
"""

from __future__ import annotations

import io
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import soundfile
import torch
from _record import record

import palate
from palate.features.encoders.audio import Audio

sys.path.append(str(Path(__file__).parents[1] / "examples"))
from similar_sounds import chance, even, mean_mfcc, recorded, share

NEAREST = 10
SONGS = 8
SONG_SECONDS = 180


def whitened(vectors: Any) -> Any:
    """As a pipeline would have them."""
    ids = [str(row) for row in range(len(vectors))]
    log = pl.DataFrame({"user_id": "u", "item_id": ids})
    data = palate.read(log, items=pl.DataFrame({"item_id": ids}))
    features = palate.Features(data.item_ids, {"sound": vectors})
    return palate.Whiten().fit(features, data).transform(features).values


def songs() -> list[bytes]:
    rng = np.random.default_rng(0)
    time_of = np.arange(SONG_SECONDS * 44_100) / 44_100
    made = []
    for pitch in rng.uniform(110, 440, SONGS):
        wave = 0.3 * np.sin(2 * np.pi * pitch * time_of) * (1 + np.sin(4 * np.pi * time_of)) / 2
        content = io.BytesIO()
        soundfile.write(content, np.column_stack([wave, 0.8 * wave]), 44_100, format="MP3")
        made.append(content.getvalue())
    return made


def timed(encoder: Audio, sounds: list[bytes]) -> tuple[Any, float]:
    started = time.perf_counter()
    vectors, _ = encoder.encode_files(sounds)
    return vectors, time.perf_counter() - started


def main() -> None:
    folder = os.environ.get("PALATE_DATA")
    if not folder or not (Path(folder) / "audio").is_dir():
        raise SystemExit("PALATE_DATA must name the folder that holds audio/ with the digits")
    sounds, said = recorded(Path(folder) / "audio")
    with tempfile.TemporaryDirectory() as cache:
        os.environ["PALATE_CACHE"] = cache
        Audio().encode_files(sounds[:1])  # torch is imported, the files are checked
        vectors: dict[str, Any] = {}
        speed: dict[str, float] = {}
        for model in ("musicnn", "musicnn-mtt"):
            vectors[model], seconds = timed(Audio(model=model), sounds)
            vectors[f"{model}, whitened"] = whitened(vectors[model])
            speed[f"{model}: recordings a second"] = len(sounds) / seconds
        _, seconds = timed(Audio(), sounds)
        speed["musicnn, cached: recordings a second"] = len(sounds) / seconds
        _, seconds = timed(Audio(), songs())
        speed["musicnn: songs of three minutes a second"] = SONGS / seconds
        rough, _ = Audio(dtype="bfloat16").encode_files(sounds)
    vectors["mean MFCC"] = even(np.stack([mean_mfcc(sound) for sound in sounds]))
    rows = [
        {"name": name, **{label: share(found, said[label], NEAREST) for label in said}}
        for name, found in vectors.items()
    ]
    rows.append({"name": "chance", **{label: chance(said[label]) for label in said}})
    cosines = (rough * vectors["musicnn"]).sum(axis=1)
    figures = {
        "recordings": len(sounds),
        "nearest": NEAREST,
        "rows": rows,
        "speed": speed,
        "threads": torch.get_num_threads(),
        "bfloat16_cosine": {"mean": float(cosines.mean()), "least": float(cosines.min())},
    }
    for row in [*rows, speed, figures["bfloat16_cosine"]]:
        print(row)
    print(record("audio", figures))


if __name__ == "__main__":
    main()
