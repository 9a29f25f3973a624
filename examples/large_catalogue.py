"""More items than memory: a folder of Parquet → vectors on disk, gone on with, read and used."""

import tempfile
from pathlib import Path

import polars as pl

import palate
from palate.data.samples import planted


def main() -> None:
    data = planted()
    with tempfile.TemporaryDirectory() as place:
        table, vectors = Path(place) / "catalogue", Path(place) / "vectors"
        table.mkdir()
        for number, part in enumerate(data.items.iter_slices(50)):
            part.write_parquet(table / f"{number}.parquet")

        report = palate.encode_table(table, "use", vectors, template="{title}", partition_rows=40)
        print(f"{report.written} items in {report.files} files")

        # a worker's file is lost, one title changes: the same command does what is missing
        next(vectors.glob("part-00001-*")).unlink()
        last = table / f"{number}.parquet"
        changed = pl.when(pl.col("item_id") == data.item_ids[len(data.items) - 1])
        title = changed.then(pl.lit("a new title")).otherwise("title").alias("title")
        pl.read_parquet(last).with_columns(title).write_parquet(last)
        again = palate.encode_table(table, "use", vectors, template="{title}", partition_rows=40)
        print(f"again: {again.kept} files kept, {again.files - again.kept} encoded")

        sizes = [len(features) for features in palate.iterate_features(vectors)]
        print(f"read a piece at a time: {sizes}; at once: {palate.read_features(vectors)}")

        model = palate.Pipeline(
            encoders={"text": palate.Precomputed(path=str(vectors))}, recommender=palate.Content()
        ).fit(data)
        found = model.recommend(history=[data.item_ids[0]], k=3).table
        titles = dict(zip(data.items["item_id"], data.items["title"], strict=True))
        print(
            f"after “{titles[data.item_ids[0]]}”:", "; ".join(titles[i] for i in found["item_id"])
        )


if __name__ == "__main__":
    main()
