"""What items are about: clusters of their texts, named by the words that tell them apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import field
from typing import Annotated, Any, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field, NonNegativeInt, PositiveFloat
from scipy import sparse

from palate.core import registry
from palate.core.arrays import Floats, row_norms, to_dense, unit_rows
from palate.core.component import (
    LoadsItself,
    check_fitted,
    check_types,
    component,
    is_fitted,
    learnt,
)
from palate.core.dataset import Dataset
from palate.core.errors import ConfigError, DataError, Setting
from palate.core.features import Features
from palate.core.learnt import agree
from palate.core.optional import Requirement, requirements_of
from palate.core.order import by_id
from palate.core.settings import AnyEncoder
from palate.core.sparse import inner_products, on_grid
from palate.features.template_encoder import reader_of
from palate.text.distinctive import distinctive_words, names_of, words_worth_naming

__all__ = ["Topics"]

_MOST_LEARNT_FROM = 20_000
_MOST_TOPICS = 50
_TRIES = 3
_LEAST = 0.02
"""A smaller share of an item is none."""
_EXAMPLES = 3


@component
class Topics(LoadsItself):
    """What items are about: soft clusters of their texts, each named by its most distinctive words.

    `encoder` turns texts into vectors: an encoder that reads a template, or its table as a pipeline
    file holds it (`{type = "muse", template = "{title}. {plot}"}`). Vectors are centred and
    clustered by k-means into `n_topics` (None: the root of half the items, 50 at most). An item's
    shares are a softmax of its cosines to the clusters, times `sharpness`; shares under 2 % are
    none. Clusters and names come from trained items alone, of 20,000 at most; `seed` starts the
    search. Names are in the words of the texts, Chinese too: whole words with the extra "zh", else
    pairs of characters. Method: as BERTopic, Grootendorst 2022, with k-means.
    """

    n_topics: Annotated[int, Field(ge=2, le=1000)] | None = None
    encoder: AnyEncoder = field(default_factory=lambda: {"type": "muse"})
    sharpness: PositiveFloat = 15.0
    seed: NonNegativeInt = 0

    reader_: Any = learnt()
    centre_: Floats = learnt("dim")
    centres_: Floats = learnt("topics", "dim")
    words_: list[list[str]] = learnt()

    def __post_init__(self) -> None:
        self.encoder = registry.table_of(
            self.encoder, where=Setting("encoder", python="Topics.encoder"), stage="encoders"
        )
        check_types(self)
        self._check_reader(reader_of(self.encoder, who="topics"))

    @property
    def requires(self) -> tuple[Requirement, ...]:
        """What its encoder needs."""
        return requirements_of(reader_of(self.encoder, who="topics"))

    @property
    def names(self) -> list[str]:
        """What each topic is called, the largest first: the columns of the block."""
        check_fitted(self)
        return names_of(self.words_)

    def describe(self, data: Dataset) -> Iterator[str]:
        """What its encoder says of itself, and how many topics there will be at most."""
        yield from reader_of(self.encoder, who="topics").describe(data)
        yield f"sorts the items into {self._number(len(data.warm_items))} topics at most"

    def fit(self, data: Dataset) -> Self:
        """Learns topics and their names; raises `DataError` where trained items say nothing."""
        self.reader_ = reader_of(self.encoder, who="topics").fit(data)
        warm = data.warm_items
        rows = [row for row in by_id(data.item_ids).tolist() if data.event_counts[row]]
        items = data.items[rows[:_MOST_LEARNT_FROM] if len(warm) else by_id(data.item_ids)]
        texts, vectors = self.reader_.texts_of(items), self._vectors(data, items)
        said = row_norms(vectors) > 0
        if not said.any():
            raise DataError(
                "no item with events says anything that its encoder understands: choose another"
                " template for the encoder topics, or leave it out"
            )
        vectors = vectors[said]
        self.centre_ = unit_rows(vectors).mean(axis=0, dtype=np.float64).astype(np.float32)
        placed = self._centred(vectors)
        centres = _clustered(placed, self._number(len(vectors)), self.seed)
        belongs = inner_products(placed, on_grid(centres)).argmax(axis=1)
        sizes = np.bincount(belongs, minlength=len(centres))
        held = words_worth_naming([text for text, says in zip(texts, said, strict=True) if says])
        words = distinctive_words(held, belongs.tolist(), len(centres))
        order = sorted(np.flatnonzero(sizes).tolist(), key=lambda row: (-sizes[row], words[row]))
        self.centres_, self.words_ = centres[order], [words[row] for row in order]
        return self

    def check_learnt(self) -> None:
        """Raises `ValueError` for topics without centres, and for what reads no texts."""
        self._check_reader(self.reader_)
        agree(registry.name_of(self.reader_) == self.encoder["type"], "reader_ is no `encoder`")
        agree(is_fitted(self.reader_), "reader_ has learnt nothing")
        agree(len(self.words_) == len(self.centres_) > 0, "words_ of other topics than centres_")

    def encode(self, data: Dataset) -> Features:
        """One sparse block: (n_items, topics) shares that sum to 1; zeros where nothing is said."""
        check_fitted(self)
        encoded = self.reader_.encode(data)
        taught = ["topics"] if encoded.behavioural else []
        shares = self._shares(_beside(encoded))
        return Features(
            data.item_ids, {"topics": shares}, behavioural=taught, names={"topics": self.names}
        )

    @property
    def columns_read(self) -> list[str]:
        """The columns that its texts are made of."""
        check_fitted(self)
        return list(self.reader_.columns_read)

    def topics_of(self, texts: Sequence[str]) -> sparse.csr_array:
        """(n, topics) the shares of any texts."""
        check_fitted(self)
        return self._shares(to_dense(self.reader_.encode_texts(texts)))

    def table(self, data: Dataset) -> pl.DataFrame:
        """`topic`, `items`, `share` of all items, `words` and `examples`, the largest first.

        An item counts in the topic that it has most of; examples are the ids of those that have
        most of it.
        """
        shares = self.encode(data).parts["topics"].toarray()  # type: ignore[union-attr]
        said, best = shares.any(axis=1), shares.argmax(axis=1)
        sizes = np.bincount(best[said], minlength=len(self.words_))
        settled = by_id(data.item_ids)
        lines = []
        for topic, (name, words) in enumerate(zip(self.names, self.words_, strict=True)):
            own = settled[(best == topic)[settled] & said[settled]]
            near = own[np.argsort(-shares[own, topic], kind="stable")][:_EXAMPLES]
            examples = data.item_ids.series[near].to_list()
            lines.append((name, int(sizes[topic]), words, examples))
        texts = pl.List(pl.String)
        schema = {"topic": pl.String(), "items": pl.Int64(), "words": texts, "examples": texts}
        table = pl.DataFrame(lines, schema, orient="row")
        share = pl.col("items") / max(len(data.items), 1)
        return table.select("topic", "items", share.alias("share"), "words", "examples").sort(
            "items", "topic", descending=[True, False]
        )

    def _number(self, items: int) -> int:
        """How many topics so many items have."""
        wanted = self.n_topics or min(max(round((items / 2) ** 0.5), 2), _MOST_TOPICS)
        return min(wanted, max(items, 1))

    def _vectors(self, data: Dataset, items: pl.DataFrame) -> Floats:
        part = Dataset(data.interactions.clear(), items)
        return _beside(self.reader_.encode(part))

    def _centred(self, vectors: Floats) -> Floats:
        placed: Floats = unit_rows(unit_rows(vectors) - self.centre_)
        return placed

    def _shares(self, vectors: Floats) -> sparse.csr_array:
        if not len(vectors):
            return sparse.csr_array((0, len(self.words_)), dtype=np.float32)
        if vectors.shape[1] != len(self.centre_):
            raise ConfigError(
                f"the encoder of the topics gives {vectors.shape[1]:,} numbers a text, and gave "
                f"{len(self.centre_):,} when they were fitted: fit again"
            )
        said = row_norms(vectors) > 0
        cosines = inner_products(self._centred(vectors), on_grid(self.centres_))
        powers = np.exp(self.sharpness * (cosines - cosines.max(axis=1, keepdims=True)))
        shares = powers / powers.sum(axis=1, keepdims=True)
        shares = np.where((shares >= _LEAST) & said[:, None], shares, 0)
        total = shares.sum(axis=1, keepdims=True)
        shares = np.divide(shares, total, out=np.zeros_like(shares), where=total > 0)
        return sparse.csr_array(shares.astype(np.float32))

    def _check_reader(self, reader: Any) -> None:
        if not hasattr(reader, "texts_of"):
            name = registry.name_of(reader)
            raise ConfigError(
                Setting("encoder", python="Topics.encoder"), f": {name!r} reads no template"
            )


def _beside(features: Features) -> Floats:
    """All blocks of an encoder, dense."""
    return np.hstack([to_dense(part) for part in features.parts.values()])


def _clustered(rows: Floats, count: int, seed: int) -> NDArray[np.float32]:
    """(topics, d) unit centres of k-means, of as many clusters as there are different rows.

    On one thread: sums of several come in any order, and so would the clusters.
    """
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    count = min(count, len(np.unique(rows, axis=0)))
    with threadpool_limits(1):
        found = KMeans(count, n_init=_TRIES, random_state=seed).fit(rows.astype(np.float64))
    centres: Floats = unit_rows(found.cluster_centers_.astype(np.float32))
    return centres
