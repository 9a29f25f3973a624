"""Components of one's own: a class each, named in a pipeline file by `type = "module:Class"`.

`palate.testing` holds them to the promises that palate's own components keep. What they say
of themselves (`BlockName`, `describe`) is what pipelines and `palate check` know them by.
"""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import polars as pl
from scipy import sparse

import palate
from palate import testing
from palate.core.arrays import Floats, Matrix
from palate.core.component import check_fitted, learnt
from palate.core.dataset import Dataset
from palate.core.features import Features
from palate.core.histories import Histories, dataset_of, histories_of
from palate.core.ids import Ids
from palate.core.settings import BlockName
from palate.core.types import FitContext, Recommender
from palate.data.samples import synthetic
from palate.pipeline.config import read_config
from palate.pipeline.preview import preview

PIPELINE = """
[data]
interactions = "events.parquet"
items = "items.parquet"

[encoders.words]
type = "tfidf"

[[representation]]
type = "own_component:Clip"
blocks = ["words"]

[recommender]
type = "own_component:BuyAgain"
decay = 0.8
"""


@dataclass(kw_only=True)
class Clip:
    """Values of some blocks held within `most`, so that no rare word outshouts a text."""

    blocks: list[BlockName]  # the type says so: a name that no encoder gives is refused
    most: float = 0.5

    makes: ClassVar[Sequence[str]] = ()  # blocks that were not there before: none

    def describe(self, data: Dataset) -> Iterator[str]:
        """Lines for `palate check`."""
        yield f"holds {', '.join(self.blocks)} within {self.most}"

    def fit(self, features: Features, data: Dataset) -> Self:
        """There is nothing to learn."""
        return self

    def transform(self, features: Features) -> Features:
        """Every block under its name, rows as they were."""
        parts = features.parts.items()
        return features.with_parts({name: self.transform_block(name, part) for name, part in parts})

    def transform_block(self, name: str, values: Matrix) -> Matrix:
        """Rows of a block, of items or of what people ask for."""
        if name not in self.blocks:
            return values
        return sparse.csr_array(values).minimum(self.most).maximum(-self.most)


@dataclass(kw_only=True)
class BuyAgain:
    """What this person touched before, newest first; after that what is popular.

    The k-th newest item counts `decay`^k. New items score the lowest.
    """

    decay: float = 0.9

    item_ids_: Ids = learnt()
    popularity_: Floats = learnt()

    def fit(self, data: Dataset, context: FitContext = FitContext()) -> Self:
        """Settings stay, what is learnt ends in `_`; `context.items` are features, if any."""
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


@dataclass(kw_only=True)
class Chosen:
    """Content or covisits: whatever places everybody's newest item higher."""

    chosen_: Recommender = learnt()

    def fit(self, data: Dataset, context: FitContext = FitContext()) -> Self:
        """Both are tried without the newest items, and so are features that events had a part in.

        `on_part` makes these again. Where nobody can, it leaves them out, and so does `honest`.
        """
        histories = histories_of(data)
        before = histories.without_last()
        part = dataset_of(before, data)
        known = context.on_part(part)
        users, newest = np.arange(len(histories)), histories.newest()
        places = []
        for recommender in (palate.Content(), palate.Covisit()):
            scores = recommender.fit(part, known).score(before)
            places.append((scores > scores[users, newest, None]).sum())
        best = palate.Content() if places[0] < places[1] else palate.Covisit()
        self.chosen_ = best.fit(data, context.honest)
        return self

    def score(self, histories: Histories) -> Floats:
        check_fitted(self)
        return self.chosen_.score(histories)

    def add_items(self, items: Features) -> Self:
        check_fitted(self)
        self.chosen_.add_items(items)
        return self


def main(folder: Path) -> None:
    data = synthetic()
    words = palate.Tfidf().fit(data).encode(data)
    testing.check_recommender(BuyAgain(), data, words)
    testing.check_transform(Clip(blocks=["tfidf"]), words, data)
    print("BuyAgain and Clip keep every promise of a recommender and of a transform")
    testing.check_recommender(Chosen(), data, words)
    encoders = {"words": palate.Tfidf(), "clicks": palate.Behaviour(dim=8)}
    chosen = palate.Pipeline(encoders=encoders, recommender=Chosen()).fit(data).recommender_.chosen_
    print("Chosen chose", type(chosen).__name__)

    data.interactions.drop("weight").write_parquet(folder / "events.parquet")
    data.items.write_parquet(folder / "items.parquet")
    (folder / "again.toml").write_text(PIPELINE)
    print(*preview(read_config(folder / "again.toml"))[-4:], sep="\n")
    try:
        palate.Pipeline(encoders={"words": palate.Tfidf()}, representation=[Clip(blocks=["word"])])
    except palate.PalateError as error:
        print(error)

    model = read_config(folder / "again.toml").pipeline().fit(data)
    found = model.recommend(history=["i018", "i027"], k=3, exclude_seen=False)
    print("after i018, then i027:", ", ".join(found.table["item_id"]))

    model.save(folder / "model")
    own = ["own_component:BuyAgain", "own_component:Clip"]
    loaded = palate.load(folder / "model", allow=own)  # whose code may run is said, never guessed
    again = loaded.recommend(history=["i018", "i027"], k=3, exclude_seen=False)
    print("the loaded model says the same:", again.table.equals(found.table))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        main(Path(temporary))
