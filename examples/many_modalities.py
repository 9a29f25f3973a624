"""Blocks of every kind in one pipeline, and what each is worth.

Clothes with a title, a photo (some lack it), a price, reviews, and the people who bought them. The
photo's encoder is one of your own, here the mean colour: any class with `fit` and `encode`.
`ablate` fits the pipeline once without each block and says what is lost.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
import polars as pl

import palate
from palate.core.arrays import Floats
from palate.core.component import check_fitted, learnt
from palate.core.dataset import Dataset
from palate.core.features import Features

COLOURS = {"red": (220, 40, 30), "green": (40, 170, 60), "blue": (30, 60, 210)}
KINDS = ("coat", "shirt", "hat", "scarf", "boots")


@dataclass(kw_only=True)
class MeanColour:
    """Six numbers of a photo; items that have none get what is typical, and a mark in the last."""

    column: str = "pixels"
    typical_: Floats = learnt()

    def fit(self, data: Dataset) -> Self:
        vectors, lacks = self._of(data.items[data.warm_items])
        self.typical_ = vectors[~lacks].mean(axis=0)
        return self

    def encode(self, data: Dataset) -> Features:
        check_fitted(self)
        vectors, lacks = self._of(data.items)
        vectors[lacks] = self.typical_
        return Features(data.item_ids, {"photo": np.column_stack([vectors, lacks])})

    def _of(self, items: pl.DataFrame) -> tuple[Floats, Floats]:
        photos = items[self.column].to_list()
        found = np.zeros((len(photos), 6), dtype=np.float32)
        for row, pixels in enumerate(photos):
            if pixels is not None:
                photo = np.array(pixels, dtype=np.float32).reshape(-1, 3)
                found[row] = [*photo.mean(axis=0), *photo.std(axis=0)]
        return found, np.array([pixels is None for pixels in photos])


def shop() -> palate.Dataset:
    """90 clothes, of which 15 arrive late; people like a colour and a kind."""
    rng = np.random.default_rng(8)
    rows = []
    for number in range(90):
        colour, kind = rng.choice(list(COLOURS)), rng.choice(KINDS)
        pixels = np.clip(rng.normal(COLOURS[colour], 40, size=(16, 3)), 0, 255)
        rows.append(
            {
                "item_id": f"c{number:02}",
                "title": f"{rng.choice(['warm', 'light', 'plain'])} {kind}",
                "price": float(rng.lognormal(3, 0.7)),
                "colour": colour,
                "kind": kind,
                "pixels": None if number % 8 == 3 else pixels.ravel().tolist(),
            }
        )
    items = pl.DataFrame(rows)
    colours, kinds, late = items["colour"].to_numpy(), items["kind"].to_numpy(), np.arange(90) < 15
    events = []
    for user in range(300):
        colour, kind = rng.choice(list(COLOURS)), rng.choice(KINDS)
        liking = np.where(colours == colour, 6.0, 1.0) * np.where(kinds == kind, 6.0, 1.0)
        days = np.sort(rng.uniform(0, 100, size=rng.integers(4, 9)))
        seen = np.zeros(90, dtype=bool)
        for day in days:
            there = liking * ~seen * ~(late & (day < 80))
            row = rng.choice(90, p=there / there.sum())
            seen[row] = True
            said = f"a lovely {kinds[row]}" if rng.random() < 0.3 else None
            events.append((f"p{user:03}", f"c{row:02}", day * 86_400, said))
    names = ["user_id", "item_id", "timestamp", "text"]
    log = pl.DataFrame(events, schema=names, orient="row")
    return palate.read(log, items=items.drop("colour", "kind"))


def main() -> None:
    split = palate.split_by_time(shop(), test=0.25)
    pipeline = palate.Pipeline(
        encoders={
            "title": palate.TextEncoder(template="{title}"),
            "photo": MeanColour(),
            "price": palate.Attributes(columns=["price"]),
            "reviews": palate.Reviews(),
            "clicks": palate.Behaviour(dim=16),
        },
        recommender=palate.Content(),
    )
    model = pipeline.fit(split.train)
    print(model.features)
    print(palate.ablate(pipeline, split))


if __name__ == "__main__":
    main()
