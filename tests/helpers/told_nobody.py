"""Encodes a table with an encoder of one kind, in an interpreter that writes down who is asked."""

import io
import sys
from pathlib import Path

import numpy as np
import polars as pl


def photo():
    from PIL import Image as Picture

    file = io.BytesIO()
    Picture.fromarray(np.arange(48 * 36 * 3, dtype=np.uint8).reshape(36, 48, 3)).save(file, "PNG")
    return file.getvalue()


def sound():
    from scipy.io import wavfile

    file = io.BytesIO()
    wavfile.write(file, 16_000, (9000 * np.sin(np.arange(64_000) * 0.05)).astype(np.int16))
    return file.getvalue()


def encoder_of(kind, model):
    from palate.features.encoders.audio import Audio
    from palate.features.encoders.image import Image
    from palate.features.encoders.muse import TextEncoder
    from palate.features.encoders.static import Static
    from palate.features.encoders.transformer import Transformer

    if kind == "image":
        return Image(model=model)
    if kind == "audio":
        return Audio(model="musicnn")
    if kind == "static":
        return Static()
    if kind in ("muse", "ray"):
        return TextEncoder()
    backend, _, dtype = kind.partition(" ")
    return Transformer(model=model, backend=backend, dtype=dtype or "float32")


def main(kind, model, place):
    from palate.features.batch.job import encode_table

    columns = {"title": ["tea", "bike tea", "green jazz"]}
    if kind in ("image", "audio"):
        columns = {kind: [photo() if kind == "image" else sound()]}
    ids = [f"i{row}" for row in range(len(next(iter(columns.values()))))]
    table = Path(place) / "items.parquet"
    pl.DataFrame({"item_id": ids, **columns}).write_parquet(table)
    engine = "ray" if kind == "ray" else "local"
    report = encode_table(table, encoder_of(kind, model), Path(place) / "out", engine=engine)
    assert report.encoded == len(ids)
    print("encoded")


if __name__ == "__main__":
    main(*sys.argv[1:])
