"""Recommenders that learn a vector of every item and one of who asks: what these have in common."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, ClassVar, Self

import numpy as np
from pydantic import Field, PositiveInt

from palate.core.arrays import Floats, Mask, Rows, places_of, row_norms, unit_rows
from palate.core.component import learnt
from palate.core.dataset import Dataset
from palate.core.errors import ArtefactError, ConfigError
from palate.core.evidence import Evidence, Links, from_links, scores_at
from palate.core.features import Features
from palate.core.histories import Histories, histories_of
from palate.core.learnt import agree
from palate.core.optional import Requirement
from palate.core.order import settled, with_users_settled
from palate.core.parallel import in_chunks
from palate.core.registry import name_of, settings_of
from palate.core.sparse import inner_products, on_grid
from palate.core.types import FitContext, content_of
from palate.nn.trainer import NEEDED, Training, reproducible, train
from palate.recommenders._base import CatalogueModel, aligned
from palate.recommenders._text_queries import fused_with_queries, has_query
from palate.recommenders.neural.inputs import (
    axes_of,
    check_numbers,
    places_in,
    read_block,
    read_blocks,
    width_of,
)

STEPS_AN_EPOCH = 50
BATCHES = (64, 2048)
_CHUNK_CELLS = 4_000_000


@dataclass(frozen=True, eq=False)
class Material:
    """What a network learns from, in an order that ids alone decide.

    `items` (n_items, width) and `users` (n_people, width) are the columns of their blocks, of no
    width where there are none; `histories` has a row for each person; `warm` are the items with
    events.
    """

    histories: Histories
    items: Floats
    users: Floats
    warm: Rows


@dataclass(kw_only=True)
class VectorModel(CatalogueModel, Training):
    """A recommender whose score is the cosine of what is wanted to an item's learnt vector.

    An item's vector is the sum of one of its id, which events teach, and of a linear map of its
    features, which also place items that nobody has touched. With `ids = False` features are all
    there is. While it learns, ids are left out at a rate of `id_dropout` where there are features,
    so that these stand for themselves (Volkovs et al. 2017, DropoutNet). Blocks that were learnt
    from events are not used: they know the events that are to be foreseen. With `warm_start`
    vectors of ids begin where co-visits put them, and the map of features on their principal axes;
    else ids begin by chance. A step learns from
    `batch_size` events, by default from a fiftieth of all, between 64 and 2,048.
    """

    dim: Annotated[int, Field(ge=1, le=4096)] = 128
    ids: bool = True
    id_dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    warm_start: bool = True
    batch_size: PositiveInt | None = None

    order_: Rows = learnt("known")
    id_vectors_: Floats = learnt("item_ids_", "dim")
    content_vectors_: Floats = learnt("item_ids_", "dim")
    content_map_: Floats = learnt("width", "dim")
    axes_: dict[str, Floats] = learnt("columns", "width")
    user_axes_: dict[str, Floats] = learnt("user_columns", "user_width")
    again_: float = learnt()
    network_: dict[str, Floats] = learnt()

    requires: ClassVar[tuple[Requirement, ...]] = (NEEDED,)
    reads_users: ClassVar[bool] = True
    keeps_fit: ClassVar[tuple[str, ...]] = ("network",)

    def fit(self, data: Dataset, context: FitContext = FitContext()) -> Self:
        """Trains the network; raises what `palate.nn.trainer.train` raises."""
        torch = NEEDED.load()
        self._know(data, context)
        self._forget()
        material = self._material(data, context)
        if not self.ids and not material.items.shape[1]:
            name = type(self).__name__
            raise ConfigError(f"{name} with ids=False needs item features: give it an encoder")
        with reproducible(self.threads):
            torch.manual_seed(self.seed)  # layers start by chance
            learner = self._learner(torch, material)
        label = name_of(self)
        train(learner, self, label=label, digest=self._digest(material))
        self._take(learner, material)
        return self

    def _learner(self, torch: Any, material: Material) -> Any:
        """What is trained: a `VectorLearner`."""
        raise NotImplementedError

    def _wanted(self, asking: Histories, users: Floats) -> Floats:
        """(n, dim) what each request wants, zeros where there is nothing to go by."""
        raise NotImplementedError

    def _material(self, data: Dataset, context: FitContext) -> Material:
        items, users = content_of(context.honest.items), content_of(context.honest.users)
        check_numbers(items, users)
        if items is not None:
            aligned(items, data, who=type(self).__name__)
        data, self.order_ = settled(data)
        histories = with_users_settled(histories_of(data))
        blocks = {} if items is None else items.take(self.order_).parts
        self.axes_ = axes_of(blocks, data.warm_items)
        known = histories.with_users(users)
        acting = np.flatnonzero(known.lengths)
        self.user_axes_ = axes_of(known.users, acting)
        return Material(
            histories,
            read_blocks(blocks, self.axes_, len(self.order_)),
            read_blocks(known.users, self.user_axes_, len(known)),
            data.warm_items,
        )

    def _digest(self, material: Material) -> str:
        """Tells the data and the settings of a training."""
        found = hashlib.sha256(json.dumps(settings_of(self), sort_keys=True, default=str).encode())
        histories = material.histories
        found.update(f"{type(self).__name__} {histories.item_ids.digest}".encode())
        parts = (histories.starts, histories.stops, histories.items, histories.weights)
        for part in (*parts, histories.times, material.items, material.users):
            if part is not None:
                found.update(np.ascontiguousarray(part).tobytes())
        return found.hexdigest()

    def _take(self, learner: Any, material: Material) -> None:
        """What was learnt, in the order of the catalogue; ids that nobody touched say nothing."""
        own, content, content_map = learner.item_vectors()
        untouched = np.ones(len(own), dtype=np.bool_)
        untouched[material.warm] = False
        own = np.where(untouched[:, None], np.float32(0), own)
        places = places_of(self.order_)
        self.id_vectors_, self.content_vectors_ = own[places], content[places]
        self.content_map_, self.again_ = content_map, learner.again()
        state = learner.reader_state()
        self.network_ = {name: np.asarray(part, dtype=np.float32) for name, part in state.items()}

    def _loaded(self, network: Any) -> Any:
        """What reads requests, with the weights that were learnt."""
        torch = NEEDED.load()
        state = {name: torch.from_numpy(part.copy()) for name, part in self.network_.items()}
        try:
            network.load_state_dict(state)
        except RuntimeError as error:
            name = type(self).__name__
            message = f"the network of {name} is not one of its settings: {error}"
            raise ArtefactError(message) from error
        return network.eval()

    def _batch_of(self, events: int) -> int:
        """How many of so many events a step learns from."""
        return self.batch_size or int(np.clip(events // STEPS_AN_EPOCH, *BATCHES))

    def _forget(self) -> None:
        for name in ("_vectors", "_network"):
            self.__dict__.pop(name, None)

    def check_learnt(self) -> None:
        """Raises `ValueError` for widths that do not fit together."""
        width = width_of(self.axes_)
        agree(self.content_map_.shape == (width, self.dim), "a map of other columns")
        for where, axes in (("axes_", self.axes_), ("user_axes_", self.user_axes_)):
            for name, part in axes.items():
                agree(part.shape[1] > 0 or part.shape[0] > 0, f"{where}[{name!r}] of no columns")
        agree(self.id_vectors_.shape[1] == self.dim, "vectors of another length than dim")
        agree(self.content_vectors_.shape[1] == self.dim, "vectors of another length than dim")

    def add_items(self, items: Features) -> Self:
        """Items that arrived later: their features place them, or nothing does."""
        content = self._content_of(items)
        super().add_items(items)
        self.content_vectors_ = np.vstack([self.content_vectors_, content])
        self.id_vectors_ = np.vstack([self.id_vectors_, np.zeros_like(content)])
        self._forget()
        return self

    def update_items(self, items: Features) -> Self:
        """Known items that say something else now; what their ids have learnt stays."""
        content = self._content_of(items)
        super().update_items(items)
        rows, vectors = self.item_ids_.rows(items.ids.series), self.content_vectors_.copy()
        vectors[rows] = content
        self.content_vectors_ = vectors
        self._forget()
        return self

    def _content_of(self, items: Features) -> Floats:
        columns = read_blocks(items.parts, self.axes_, len(items))
        return np.asarray(columns @ self.content_map_, dtype=np.float32)

    @cached_property
    def _vectors(self) -> Floats:
        """(n_items, dim) of length 1 and rounded so that products are exact; zeros for unknown."""
        return on_grid(unit_rows(self.id_vectors_ + self.content_vectors_))

    def score(self, histories: Histories) -> Floats:
        """(n, n_items) cosines, reciprocal ranks for a history with words.

        Where it is learnt how readily people choose something again, that is added to these items.

        Items of which nothing is known stand below all others; whoever says, did and is nothing
        that is known gets what is popular.
        """
        return fused_with_queries(self._score_all, self._asking(histories))

    def _score_all(self, asking: Histories) -> Floats:
        wanted = unit_rows(self._wanted_by(asking))
        scores = np.empty((len(asking), len(self.item_ids_)), dtype=np.float32)
        vectors = self._vectors
        step = max(1, _CHUNK_CELLS // max(len(self.item_ids_), 1))
        for chunk, part in in_chunks(
            lambda chunk: inner_products(wanted[chunk], vectors), len(asking), step
        ):
            scores[chunk] = part
        unknown = row_norms(vectors) == 0
        if unknown.any():
            scores[:, unknown] = np.where(wanted.any(axis=1, keepdims=True), np.float32(-1), 0)
        if self.again_:
            read = asking.chosen().tocoo()
            scores[read.row, read.col] += np.float32(self.again_)
        return self._completed(scores)

    def _wanted_by(self, asking: Histories) -> Floats:
        """By history and profile, or by words where there are these alone."""
        users = read_blocks(asking.users, self.user_axes_, len(asking))
        wanted = self._wanted(asking, users)
        by_words: Mask = has_query(asking) & (asking.lengths == 0)
        if by_words.any():
            wanted[by_words] = self._of_words(asking.take(by_words))
        return wanted

    def _of_words(self, asking: Histories) -> Floats:
        """(n, dim) what text queries say, as an item that says it."""
        found = np.zeros((len(asking), self.dim), dtype=np.float32)
        for name, places in places_in(self.axes_).items():
            if name in asking.queries:
                said = unit_rows(asking.queries[name])
                columns = read_block(said, name, self.axes_[name], len(asking))
                found += columns @ self.content_map_[places]
        return found

    def evidence(self, histories: Histories, items: Rows) -> list[Evidence]:
        """For request i and item i: the item of the history whose vector is nearest to its own."""
        asking = self._asking(histories)
        found = from_links(self._links, asking, items)
        nearest = [Evidence("alike", one.anchor) if one.anchor >= 0 else one for one in found]
        silent = np.flatnonzero((asking.lengths == 0) & asking.has_profile)
        about = scores_at(self._score_all, asking.take(silent), items[silent]) > 0
        for line in silent[about].tolist():
            nearest[line] = Evidence("about")
        return nearest

    @property
    def _links(self) -> Links:
        vectors = self._vectors

        def links(sources: Rows, targets: Rows) -> Floats:
            found: Floats = np.einsum("ij,ij->i", vectors[sources], vectors[targets])
            return found

        return links
