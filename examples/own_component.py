"""A recommender of one's own: one class, named in a pipeline file by `use = "module:Class"`.

`palate.testing` holds it to the promises that palate's own components keep. Encoders, transforms
and rerankers of one's own work alike.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import polars as pl

import palate
from palate import testing
from palate.config import read_config
from palate.data.samples import planted
from palate.histories import Histories
from palate.types import Dataset, Features, Floats, Ids, check_fitted, learnt

PIPELINE = """
[data]
interactions = "events.parquet"
items = "items.parquet"

[encoders.words]
use = "tfidf"

[recommender]
use = "own_component:BuyAgain"
decay = 0.8
"""


@dataclass(kw_only=True)
class BuyAgain:
    """What this person touched before, newest first; after that what is popular.

    The k-th newest item counts `decay`^k. New items score the lowest.
    """

    decay: float = 0.9

    item_ids_: Ids = learnt()
    popularity_: Floats = learnt()

    def fit(self, data: Dataset, items: Features | None = None) -> Self:
        """Settings stay, what is learnt ends in `_`; `items` are the features, if there are any."""
        self.item_ids_ = data.item_ids
        self.popularity_ = (data.item_counts / (data.item_counts.max() + 1)).astype(np.float32)
        return self

    def score(self, histories: Histories) -> Floats:
        """A score for every item of the catalogue, for each of the histories; nothing is masked."""
        check_fitted(self)
        again = histories.in_catalogue(self.item_ids_).matrix(decay=self.decay, weighted=False)
        return again.toarray() + self.popularity_ * np.float32(1e-3)

    def add_items(self, items: Features) -> Self:
        """The catalogue grows at its end."""
        check_fitted(self)
        self.item_ids_ = Ids(pl.concat([self.item_ids_.series, items.ids.series]))
        self.popularity_ = np.append(self.popularity_, np.zeros(len(items), dtype=np.float32))
        return self


def main(folder: Path) -> None:
    data = planted()
    words = palate.Tfidf().fit(data).encode(data)
    testing.check_recommender(BuyAgain(), data, words)
    print("BuyAgain keeps every promise of a recommender")

    (folder / "again.toml").write_text(PIPELINE)
    model = read_config(folder / "again.toml").pipeline().fit(data)
    found = model.recommend(history=["i018", "i027"], k=3, exclude_seen=False)
    print("after i018, then i027:", ", ".join(found.table["item_id"]))

    model.save(folder / "model")
    use = "own_component:BuyAgain"
    loaded = palate.load(folder / "model", allow=[use])  # whose code may run is said, never guessed
    again = loaded.recommend(history=["i018", "i027"], k=3, exclude_seen=False)
    print("the loaded model says the same:", again.table.equals(found.table))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        main(Path(temporary))
