"""What people wrote about items, as a language model reads it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import field
from functools import cached_property
from typing import Any, Self

import numpy as np
import polars as pl
from pydantic import PositiveInt
from scipy import sparse

from palate.core import registry
from palate.core.arrays import Floats, to_dense
from palate.core.columns import TEXT, TIME
from palate.core.component import LoadsItself, check_fitted, check_types, component, learnt
from palate.core.dataset import Dataset
from palate.core.errors import Setting
from palate.core.features import Features
from palate.core.ids import Ids
from palate.core.optional import Requirement, requirements_of
from palate.core.settings import AnyEncoder
from palate.features.template_encoder import read_texts, reader_of
from palate.nn.hub.cards import about_model
from palate.text.sentiment import about_texts, check_anything_said

__all__ = ["Reviews"]

_REVIEWS_AT_ONCE = 50_000


@component
class Reviews(LoadsItself):
    """The mean of a text encoder's vectors of an item's newest `most` reviews.

    Reviews are the `text` of the events that are fitted on; longer ones count like short ones, and
    items about which nobody wrote are zeros. `encoder` is a table as a pipeline file holds it
    (`{type = "transformer", model = "minilm"}`) or a pretrained text encoder, of which the settings
    are taken. Text queries are read by it too.
    """

    encoder: AnyEncoder = field(default_factory=lambda: {"type": "muse"})
    most: PositiveInt = 50

    ids_: Ids = learnt()
    vectors_: Floats = learnt("ids_", "dim")

    def __post_init__(self) -> None:
        self.encoder = registry.table_of(
            self.encoder, where=Setting("encoder", python="Reviews.encoder"), stage="encoders"
        )
        check_types(self)
        _ = self._reader

    @property
    def requires(self) -> tuple[Requirement, ...]:
        """What its encoder needs."""
        return requirements_of(self._reader)

    def describe(self, data: Dataset) -> Iterator[str]:
        """How many reviews are read, and by which model if it is not on this machine."""
        yield from about_texts(data, who="reviews")
        yield from about_model(self._reader)

    def fit(self, data: Dataset) -> Self:
        """Reads the reviews of `data`; raises `DataError` where nobody wrote anything."""
        check_anything_said(data, who="reviews")
        said = _newest(data, self.most)
        rows = said["row"].to_numpy()
        reviewed, first = np.unique(rows, return_index=True)
        parts = []
        for chunk in np.split(reviewed, np.flatnonzero(np.diff(first // _REVIEWS_AT_ONCE)) + 1):
            part = slice(*np.searchsorted(rows, [chunk[0], chunk[-1] + 1]))
            vectors = self.encode_texts(said[TEXT][part].to_list())
            parts.append(_mean_of(vectors, np.searchsorted(chunk, rows[part]), len(chunk)))
        self.ids_ = Ids(data.item_ids.series[reviewed])
        self.vectors_ = np.vstack(parts)
        return self

    def encode(self, data: Dataset) -> Features:
        """One behavioural block: (n_items, d), zeros for items without a review."""
        check_fitted(self)
        rows = self.ids_.find(data.item_ids.series)
        vectors = np.where((rows < 0)[:, None], np.float32(0), self.vectors_[rows])
        return Features(data.item_ids, {"reviews": vectors}, behavioural=["reviews"])

    @property
    def block_width(self) -> int:
        """Columns of its block, by what was learnt alone: nothing is encoded."""
        check_fitted(self)
        return int(self.vectors_.shape[1])

    def encode_texts(self, texts: Sequence[str]) -> Floats:
        """(n, d) float32 vectors of any texts, as the encoder gives them."""
        return read_texts(self._reader, texts, who="reviews")

    def encode_queries(self, texts: Sequence[str]) -> Floats:
        """(n, d) vectors of what people say, as the encoder reads text queries."""
        read = getattr(self._reader, "encode_queries", None)
        return self.encode_texts(texts) if read is None else to_dense(read(texts))

    @cached_property
    def _reader(self) -> Any:
        return reader_of(self.encoder, who="reviews")


def _newest(data: Dataset, most: int) -> pl.DataFrame:
    """(row, text): the newest reviews of each catalogue row, by row."""
    if TEXT not in data.interactions.columns:
        return pl.DataFrame(
            {"row": pl.Series([], dtype=pl.Int32), TEXT: pl.Series([], dtype=pl.String)}
        )
    events = data.events.select(TEXT).with_columns(row=pl.Series(data.event_items))
    if data.times is not None:  # part of a data set stands person by person
        events = events[np.argsort(data.events[TIME].to_numpy(), kind="stable")]
    said = events.filter(pl.col(TEXT).fill_null("").str.strip_chars() != "")
    newest = pl.int_range(pl.len(), 0, -1).over("row") <= most
    return said.filter(newest).sort("row", maintain_order=True).select("row", TEXT)


def _mean_of(vectors: Floats, place: Any, count: int) -> Floats:
    """(count, d) means of the rows that belong to each place."""
    shares = (1.0 / np.bincount(place, minlength=count))[place].astype(np.float32)
    averaging = sparse.csr_array((shares, (place, np.arange(len(place)))), (count, len(place)))
    means: Floats = averaging @ vectors
    return means
