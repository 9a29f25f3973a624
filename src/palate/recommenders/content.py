"""Items that say what the history's items say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy import sparse

from palate._settings import check_types
from palate.errors import AlignmentError, ConfigError, did_you_mean
from palate.histories import Histories
from palate.recommenders._base import CatalogueModel, aligned, require
from palate.recommenders._evidence import Evidence, from_content
from palate.recommenders._wishes import fused_with_words
from palate.representation._rows import unit_rows
from palate.types import Dataset, Features, Floats, Matrix, Rows, learnt, to_dense

__all__ = ["Content"]


@dataclass(kw_only=True)
class Content(CatalogueModel):
    """The cosine of an item to the decayed mean of the history, averaged over the blocks.

    The k-th newest of the `length` newest items counts `decay`^k. What people say in words
    (`histories.queries`) is a profile of its own; beside a history the two lists are fused.
    `blocks` names the blocks to use (None: all). New items score like any other; histories that
    are empty and silent get what is popular.
    """

    decay: float = 0.9
    length: int = 50
    blocks: list[str] | None = None

    items_: Features = learnt()

    def __post_init__(self) -> None:
        check_types(self)
        require(0 < self.decay <= 1, f"decay = {self.decay} cannot be used: give 0 < decay ≤ 1")
        require(self.length >= 1, f"length = {self.length} cannot be used: give 1 event or more")
        require(self.blocks != [], "blocks = [] cannot be used: name some, or leave it out for all")

    def fit(self, data: Dataset, items: Features | None = None) -> Self:
        self._know(data)
        self.items_ = self._used(aligned(items, data, who="content"))
        return self

    def add_items(self, items: Features) -> Self:
        """Items that arrived later: from now on they score like any other."""
        used = self._used(items)
        super().add_items(items)
        self.items_ = self.items_.below(used)
        return self

    def score(self, histories: Histories) -> Floats:
        """(n, n_items) mean cosines, -1 to 1; reciprocal ranks for a history with words."""
        return fused_with_words(self._score_all, self._asking(histories))

    def _score_all(self, asking: Histories) -> Floats:
        weights = asking.matrix(decay=self.decay, length=self.length)
        scores = np.zeros((len(asking), len(self.item_ids_)), dtype=np.float32)
        for name, part in self.items_.parts.items():
            profile = unit_rows(weights @ part)
            if name in asking.queries:
                profile = unit_rows(_with_words(profile, asking.queries[name], name))
            scores += to_dense(profile @ part.T)
        scores /= max(len(self.items_.parts), 1)
        return self._completed(scores)

    def evidence(self, histories: Histories, items: Rows) -> list[Evidence]:
        """For request i and item i: the history's nearest item, or the words where nearer."""
        asking = self._asking(histories).last(self.length)
        return from_content(self.items_, asking, items)

    def _used(self, items: Features) -> Features:
        names = list(items.parts) if self.blocks is None else self.blocks
        for name in names:
            if name not in items.parts:
                known = did_you_mean(name, items.parts)
                raise ConfigError(f"content.blocks: no block is called {name!r}.{known}")
        return items.with_parts({name: unit_rows(items.parts[name]) for name in names})


def _with_words(profile: Matrix, words: Matrix, name: str) -> Matrix:
    if words.shape != profile.shape:
        raise AlignmentError(
            f"queries[{name!r}] has shape {words.shape}, but block {name!r} needs {profile.shape}"
        )
    said = unit_rows(words)
    return profile + (sparse.csr_array(said) if sparse.issparse(profile) else to_dense(said))
