"""More items than memory: tables of texts and photos → vectors on disk, gone on with and used."""

import tempfile
import warnings
from pathlib import Path

import polars as pl

import palate
from palate.data.samples import synthetic


def photographed(items: pl.DataFrame, folder: Path) -> Path:
    """A table of paths: every fifth item has a photo in a colour of its own, one a broken file."""
    from PIL import Image

    folder.mkdir()
    names: list[str | None] = [None] * len(items)
    for row in range(0, len(items), 5):
        names[row] = f"{row}.png"
        Image.new("RGB", (32, 32), (row % 256, 90, 160)).save(folder / f"{row}.png")
    (folder / "0.png").write_bytes(b"lost on the way")
    table = items.select("item_id", photo=pl.Series(names, dtype=pl.String))
    table.write_parquet(folder / "photos.parquet")
    return folder / "photos.parquet"


def main() -> None:
    data = synthetic()
    with tempfile.TemporaryDirectory() as place:
        table, vectors = Path(place) / "catalogue", Path(place) / "vectors"
        table.mkdir()
        for number, part in enumerate(data.items.iter_slices(50)):
            part.write_parquet(table / f"{number}.parquet")

        report = palate.encode_table(table, "muse", vectors, template="{title}", partition_rows=40)
        print(f"{report.written} items in {report.files} files")

        # a worker's file is lost, one title changes: the same command does what is missing
        next(vectors.glob("part-00001-*")).unlink()
        last = table / f"{number}.parquet"
        changed = pl.when(pl.col("item_id") == data.item_ids[len(data.items) - 1])
        title = changed.then(pl.lit("a new title")).otherwise("title").alias("title")
        pl.read_parquet(last).with_columns(title).write_parquet(last)
        again = palate.encode_table(table, "muse", vectors, template="{title}", partition_rows=40)
        print(f"again: {again.kept} files kept, {again.files - again.kept} encoded")

        sizes = [len(features) for features in palate.iterate_features(vectors)]
        print(f"read a piece at a time: {sizes}; at once: {palate.read_features(vectors)}")

        photos = photographed(data.items, Path(place) / "photos")
        seen = Path(place) / "seen"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what the report says too
            report = palate.encode_table(
                photos, "image", seen, folder=photos.parent, partition_rows=40, on_error="skip"
            )
        print(f"photos: {report.encoded} encoded, {report.missing} missing, {report.bad} bad")

        model = palate.Pipeline(
            encoders={
                "text": palate.Precomputed(path=str(vectors)),
                "photo": palate.Precomputed(path=str(seen)),
            },
            recommender=palate.Content(),
        ).fit(data)
        print(model.features)
        found = model.recommend(history=[data.item_ids[0]], k=3).table
        titles = dict(zip(data.items["item_id"], data.items["title"], strict=True))
        print(
            f"after “{titles[data.item_ids[0]]}”:", "; ".join(titles[i] for i in found["item_id"])
        )


if __name__ == "__main__":
    main()
