"""Items that say what the history's items say."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, ClassVar, Self

import numpy as np
from pydantic import Field, PositiveInt
from scipy import sparse

from palate.core.arrays import Floats, Matrix, Rows, row_norms, scale_rows, to_dense, unit_rows
from palate.core.component import check_types, component, learnt
from palate.core.dataset import Dataset
from palate.core.errors import AlignmentError, ConfigError, did_you_mean
from palate.core.evidence import Evidence, from_content
from palate.core.features import Features
from palate.core.histories import Histories
from palate.core.learnt import agree
from palate.core.settings import BlockName
from palate.core.types import FitContext
from palate.features.blocks import weights_in
from palate.recommenders._base import CatalogueModel, aligned
from palate.recommenders._score_equating import Gaps, equate
from palate.recommenders._text_queries import (
    evidence_with_profiles,
    fused_with_profiles,
    fused_with_queries,
)
from palate.recommenders.two_stage.profiles import QUERY

__all__ = ["Content"]


@component
class Content(CatalogueModel):
    """Content-based: the cosine of an item to the decayed mean of the history, over the blocks.

    The k-th newest of the `length` newest items counts `decay`^k. What people say in words
    (`histories.queries`) is a profile of its own; beside a history the two lists are fused. So are
    the words in people's features, which the items' encoders read, and these fade with the events.
    `blocks` names the blocks to use (None: all); where their rows have different lengths, as with
    the `weights` of `Concat`, blocks weigh by the squares of these. Zeros are what an item lacks:
    it is scored by its other blocks, brought to the mean and spread of the items that lack nothing,
    so new items score like any other. What somebody turned down is taken from their profile, as
    far as `against` says (Rocchio 1971), where they chose something, too. Histories that are empty
    and silent get what is popular.
    """

    decay: Annotated[float, Field(gt=0, le=1)] = 0.9
    length: PositiveInt = 50
    blocks: Annotated[list[BlockName], Field(min_length=1)] | None = None
    against: Annotated[float, Field(ge=0, le=1)] = 0.0

    reads_users: ClassVar[str] = "words"

    items_: Features = learnt()

    def __post_init__(self) -> None:
        check_types(self)

    def fit(self, data: Dataset, context: FitContext = FitContext()) -> Self:
        self._know(data, context)
        used = self._used(aligned(context.items, data, who="content"))
        weights = weights_in(used.parts)
        self.items_ = _weighted(used, weights)
        self.__dict__.pop("_gaps", None)
        return self

    def add_items(self, items: Features) -> Self:
        """Items that arrived later: from now on they score like any other."""
        used = self._used(items)
        super().add_items(items)
        weights = dict(zip(self.items_.parts, self._gaps.weights.tolist(), strict=True))
        self.items_ = self.items_.below(_weighted(used, weights))
        self.__dict__.pop("_gaps", None)
        return self

    def update_items(self, items: Features) -> Self:
        """Known items that say something else now score by that."""
        weights = dict(zip(self.items_.parts, self._gaps.weights.tolist(), strict=True))
        self.items_ = self.items_.replaced(_weighted(self._used(items), weights))
        self.__dict__.pop("_gaps", None)
        return self

    def score(self, histories: Histories) -> Floats:
        """(n, n_items) mean cosines, reciprocal ranks for a history with words.

        The mean is over the blocks that the request knows; items that lack one of these are put on
        the scale of those that lack none, so they may go a little beyond 1.
        """
        return fused_with_queries(self._score_with_profiles, self._asking(histories))

    def _score_with_profiles(self, asking: Histories) -> Floats:
        return fused_with_profiles(self._score_all, asking, self._words_of_people(asking))

    def _words_of_people(self, asking: Histories) -> dict[str, Matrix]:
        """What the profiles of who asks say, in the blocks of the items that are used here."""
        said = {name: asking.users.get(f"{QUERY}{name}") for name in self.items_.parts}
        return {name: words for name, words in said.items() if words is not None}

    def _score_all(self, asking: Histories) -> Floats:
        weights = asking.matrix(decay=self.decay, length=self.length)
        turned = self._turned_down(asking)
        scores = np.zeros((len(asking), len(self.item_ids_)), dtype=np.float32)
        known = np.zeros(len(asking), dtype=np.float32)
        profiles: list[Matrix] = []
        for (name, part), weight in zip(self.items_.parts.items(), self._gaps.weights, strict=True):
            profile = unit_rows(weights @ part)
            if turned is not None:
                profile = unit_rows(_without(profile, turned @ part, self.against))
            if name in asking.queries:
                profile = unit_rows(_with_words(profile, asking.queries[name], name))
            with np.errstate(invalid="ignore"):  # BLAS looks beyond a short row now and then
                scores += to_dense(profile @ part.T)
            known += (row_norms(profile) > 0) * weight
            profiles.append(profile)
        equate(scores, profiles, self.items_, self._gaps)
        scores /= np.where(known > 0, known, 1)[:, None]
        return self._completed(scores)

    def _turned_down(self, asking: Histories) -> sparse.csr_array | None:
        """(n, n_items) weights of what those who chose something turned down; None for nothing."""
        if not self.against or asking.against is None or not asking.against.lengths.any():
            return None
        turned = asking.against.matrix(decay=self.decay, length=self.length)
        return sparse.csr_array(scale_rows(turned, (asking.lengths > 0).astype(np.float32)))

    def check_learnt(self) -> None:
        """Raises `ValueError` for features of other items."""
        agree(self.items_.ids == self.item_ids_, "features of other items")

    @cached_property
    def _gaps(self) -> Gaps:
        return Gaps.of(self.items_)

    def evidence(self, histories: Histories, items: Rows) -> list[Evidence]:
        """For request i and item i: the history's nearest item, or the words where nearer.

        Where the words of a profile place it higher than these do, they speak.
        """
        asking = self._asking(histories)

        def nearest(part: Histories, rows: Rows) -> list[Evidence]:
            return from_content(self.items_, part.last(self.length), rows)

        words = self._words_of_people(asking)
        if not words:
            return nearest(asking, items)
        return evidence_with_profiles(nearest, self._score_all, asking, words, items)

    def _used(self, items: Features) -> Features:
        names = list(items.parts) if self.blocks is None else self.blocks
        for name in names:
            if name not in items.parts:
                known = did_you_mean(name, items.parts)
                raise ConfigError(f"content.blocks: no block is called {name!r}.{known}")
        return items.select(names)


def _weighted(items: Features, weights: Mapping[str, float]) -> Features:
    """Unit rows, times their block's weight where that is not 1."""
    parts = {name: unit_rows(part) for name, part in items.parts.items()}
    for name, part in parts.items():
        if (weight := weights[name]) not in (0.0, 1.0):
            parts[name] = scale_rows(part, np.full(part.shape[0], weight, dtype=np.float32))
    return items.with_parts(parts)


def _without(profile: Matrix, turned: Matrix, share: float) -> Matrix:
    """Profiles less a share of what was turned down, where there is a profile."""
    known = (row_norms(profile) > 0) * np.float32(share)
    less = scale_rows(unit_rows(turned), known.astype(np.float32))
    return sparse.csr_array(profile - less) if sparse.issparse(profile) else profile - less


def _with_words(profile: Matrix, words: Matrix, name: str) -> Matrix:
    if words.shape != profile.shape:
        raise AlignmentError(
            f"queries[{name!r}] has shape {words.shape}, but block {name!r} needs {profile.shape}"
        )
    said = unit_rows(words)
    return profile + (sparse.csr_array(said) if sparse.issparse(profile) else to_dense(said))
