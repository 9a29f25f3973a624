"""Items as a knowledge graph knows them: close to what shares their people, places and kinds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import ClassVar, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import NonNegativeInt, PositiveInt

from palate._paths import FilePath
from palate._settings import check_types, component
from palate.data._triples import ENTITY, HEAD, RELATION, TAIL, linked_items, read_triples
from palate.encoders._graph_models import NEEDED, GraphModel, embed
from palate.errors import ConfigError, DataError, first_offenders
from palate.optional import Requirement
from palate.types import Dataset, Features, Floats, Ids, Mask, check_fitted, learnt

__all__ = ["Graph"]


@component
class Graph:
    """Vectors of the items' entities in a knowledge graph, learnt to complete its triples.

    `triples` is a file of head, relation and tail with tabs between (RecBole's .kg too); `links`
    says which entity each item is (item, entity; RecBole's .link); left out, items are entities by
    their own id. Nothing is learnt from events: items that nobody touched have their vector, and
    so have items that arrive later if the links name them. `model` is "complex" (relations of any
    kind) or "transe" (relations are shifts); `dim` counts numbers an item, so ComplEx has half as
    many dimensions. Needs the extra "torch" to fit, nothing to encode.
    Methods: Trouillon et al. 2016 with Lacroix et al. 2018 (ComplEx), Bordes et al. 2013 (TransE).
    """

    triples: FilePath | None = None
    links: FilePath | None = None
    model: GraphModel = "complex"
    dim: PositiveInt = 64
    epochs: PositiveInt = 10
    seed: NonNegativeInt = 0

    ids_: Ids = learnt()
    vectors_: Floats = learnt("ids_", "dim")
    typical_: Floats = learnt("dim")
    gaps_: bool = learnt()

    requires: ClassVar[tuple[Requirement, ...]] = (NEEDED,)

    def __post_init__(self) -> None:
        check_types(self)
        if self.model == "complex" and self.dim % 2:
            raise ConfigError(
                f"dim = {self.dim} cannot be used: complex numbers have two parts, so give an "
                'even number, or take model = "transe"'
            )

    def fit(self, data: Dataset) -> Self:
        """Learns the graph; raises `DataError` for files that cannot be used or know no item."""
        triples, linked = self.read(data)
        self.gaps_ = not bool(self._known(data)[data.trained_rows].all())
        self.vectors_ = self._learnt(triples, linked[ENTITY])
        known = self._known(data)
        learnable = data.trained_rows[known[data.trained_rows]]
        if not len(learnable):
            learnable = np.flatnonzero(known).astype(np.int32)
        rows = self.ids_.find(data.item_ids.series[learnable])
        self.typical_ = self.vectors_[rows].mean(axis=0, dtype=np.float64).astype(np.float32)
        return self

    def read(self, data: Dataset) -> tuple[pl.DataFrame, pl.DataFrame]:
        """The triples, and the entity of each item; raises as `fit` does, and learns nothing."""
        if self.triples is None:
            raise DataError('the encoder graph needs a file of triples: triples = "graph.tsv"')
        triples = read_triples(self.triples)
        linked = linked_items(triples, self.links)
        self.ids_ = Ids(linked.to_series(0))
        if not self._known(data).any():
            raise DataError(self._strangers(data))
        return triples, linked

    def describe(self, data: Dataset) -> Iterator[str]:
        """How many triples there are and how many items they know; raises as `fit` does."""
        triples, linked = replace(self).read(data)
        known = data.item_ids.series.is_in(linked.to_series(0).implode()).sum()
        yield f"reads {len(triples):,} triples, which know {known:,} of {len(data.items):,} items"

    def encode(self, data: Dataset) -> Features:
        """One block: (n_items, dim), or dim + 1 where the last column marks items without entity.

        These get the mean of the items that people touched.
        """
        check_fitted(self)
        rows = self.ids_.find(data.item_ids.series)
        vectors = np.where((rows >= 0)[:, None], self.vectors_[rows], self.typical_)
        if self.gaps_:
            vectors = np.column_stack([vectors, (rows < 0).astype(np.float32)])
        return Features(data.item_ids, {"graph": vectors})

    def covers(self, data: Dataset) -> float:
        """The share of the items of `data` that the graph knows."""
        check_fitted(self)
        return float(self._known(data).mean()) if len(data.items) else 0.0

    def _known(self, data: Dataset) -> Mask:
        found: Mask = self.ids_.find(data.item_ids.series) >= 0
        return found

    def _learnt(self, triples: pl.DataFrame, entities: pl.Series) -> Floats:
        """(n, dim) of some entities."""
        names = Ids(pl.concat([triples[HEAD], triples[TAIL]]).unique(maintain_order=True))
        relations = Ids(triples[RELATION].unique(maintain_order=True))
        columns = (names.rows(triples[HEAD]), relations.rows(triples[RELATION]))
        numbers: NDArray[np.int64] = np.column_stack([*columns, names.rows(triples[TAIL])]).astype(
            np.int64
        )
        found = embed(
            numbers,
            len(names),
            len(relations),
            model=self.model,
            dim=self.dim,
            epochs=self.epochs,
            seed=self.seed,
        )
        return found.entities[names.rows(entities)]

    def _strangers(self, data: Dataset) -> str:
        items = first_offenders(data.item_ids.series, len(data.item_ids))
        theirs = first_offenders(self.ids_.series, len(self.ids_))
        if self.links is None:
            return (
                f"no item is an entity of {self.triples}: the items are {items}, the entities "
                f'{theirs}. Say which entity each item is: links = "items.link"'
            )
        return (
            f"{self.links} links no item of the catalogue: the items are {items}, the links name "
            f"{theirs}. Give the links of these items"
        )
