"""MovieLens with plots: are the ten films most like a film of its genres, and of its series?

Genres are hidden from the encoders, which read title, plot, cast and directors. Beside
`Pipeline.similar` stands what one would write by hand: the cosine of the text encoder's vectors.
A series is two films or more whose titles are one but for numbers and what follows a colon, as
"Alien" and "Alien 3". usage: PALATE_DATA=… python benchmarks/similar.py
"""

from __future__ import annotations

import gzip
import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from _record import record

import palate
from palate.core.arrays import unit_rows

K = 10
WAYS = ("content", "behaviour", "both")
_NUMBER = re.compile(r"\s+(?:part\s+)?(?:[ivx]+|\d+)$")


def films() -> tuple[palate.Dataset, list[set[str]], list[str]]:
    """Events and films without genres, and beside them each film's genres and series."""
    folder = Path(os.environ["PALATE_DATA"]) / "movielens-plots"
    known = json.loads(gzip.decompress((folder / "items_info.json.gz").read_bytes()))
    items = pl.DataFrame(
        [
            {
                "item_id": film["movielens_id"],
                **{name: film[name] for name in ("title", "plot", "cast", "directors")},
            }
            for film in known
        ]
    )
    events = pl.read_csv(
        gzip.decompress((folder / "ratings.csv.gz").read_bytes()),
        schema_overrides={"user_id": pl.String, "item_id": pl.String},
    )
    genres = [set((film["genres"] or "").split(", ")) - {""} for film in known]
    return palate.read(events, items), genres, [series_of(film["title"]) for film in known]


def series_of(title: str) -> str:
    """The title in lower case without a number at its end, and what follows a colon or a dash."""
    stem = re.split(r":|\s-\s", title.lower())[0].strip()
    while (shorter := _NUMBER.sub("", stem)) != stem:
        stem = shorter
    return re.sub(r"s$", "", stem)


def figures(nearest: Any, genres: list[set[str]], series: list[str]) -> dict[str, float]:
    """Means over films: neighbours that share a genre, Jaccard of genres, series found."""
    shared, alike, found = [], [], []
    for row, others in enumerate(nearest):
        others = [other for other in others if other >= 0]
        both = [(genres[row] & genres[other], genres[row] | genres[other]) for other in others]
        shared.append(sum(bool(common) for common, _ in both) / K)
        alike.append(sum(len(common) / max(len(every), 1) for common, every in both) / K)
        parts = {other for other, name in enumerate(series) if name == series[row]} - {row}
        if parts:
            found.append(len(parts & set(others)) / min(len(parts), K))
    return {
        "share_genre": float(np.mean(shared)),
        "jaccard_genres": float(np.mean(alike)),
        "series_found": float(np.mean(found)),
        "films_in_series": len(found),
    }


def main() -> None:
    data, genres, series = films()
    model = palate.Pipeline(recommender=palate.Covisit()).fit(data)
    ids = data.item_ids
    rows = {}
    for way in WAYS:
        table = model.similar(ids.tolist(), k=K, by=way).table
        nearest = np.full((len(ids), K), -1)
        place = table["rank"].to_numpy() - 1
        nearest[ids.rows(table["item_id"]), place] = ids.rows(table["similar_id"])
        rows[way] = figures(nearest, genres, series)
        print(way, rows[way], flush=True)
    (vectors,) = palate.TextEncoder().fit(data).encode(data).parts.values()
    unit = unit_rows(vectors)
    cosine = np.asarray(unit @ unit.T)
    np.fill_diagonal(cosine, -2)
    rows["cosine of the text vectors"] = figures(np.argsort(-cosine, axis=1)[:, :K], genres, series)
    print("by hand", rows["cosine of the text vectors"])
    print(record("similar", {"k": K, "films": len(ids), "rows": rows}))


if __name__ == "__main__":
    main()
