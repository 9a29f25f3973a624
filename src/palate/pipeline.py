"""The whole flow, from left to right: data → encoders → representation → fusion → recommender."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
import polars as pl

from palate import artefact
from palate._features import (
    arriving,
    encode_items,
    encode_words,
    fit_features,
    refit_features,
)
from palate.columns import ITEM, USER
from palate.encoders._defaults import default_encoders
from palate.errors import DataError, UnknownIdError, first_offenders
from palate.fusion.concat import Concat
from palate.histories import Histories, histories_of, history_of_items
from palate.reasons import explain
from palate.recommenders._topk import rank_rows, recommendations_of, tie_order
from palate.recommenders.ranker import Ranker
from palate.representation.whiten import Whiten
from palate.types import (
    Dataset,
    Encoder,
    Features,
    Floats,
    Ids,
    Matrix,
    Recommendations,
    Recommender,
    Reranker,
    Rows,
    Transform,
    check_fitted,
    learnt,
)

RERANK_FACTOR = 10


@dataclass(kw_only=True)
class Pipeline:
    """Everything between tables and recommendations, fitted as one and saved as one folder.

    `encoders` (None: what suits the catalogue) name the blocks; `representation`, `fusion` and
    `selection` transform them; `recommender` scores histories; `rerankers` mix the result.
    """

    encoders: dict[str, Encoder] | None = None
    representation: list[Transform] = field(default_factory=lambda: [Whiten()])
    fusion: Transform = field(default_factory=Concat)
    selection: list[Transform] = field(default_factory=list)
    recommender: Recommender = field(default_factory=Ranker)
    rerankers: list[Reranker] = field(default_factory=list)
    data_: Dataset = learnt()
    features_: Features | None = learnt()
    encoders_: dict[str, Encoder] = learnt()
    transforms_: list[Transform] = learnt()

    def fit(self, data: Dataset) -> Self:
        """Learns every stage from `data` (the training part alone), left to right."""
        chosen = default_encoders(data) if self.encoders is None else self.encoders
        blank_transforms = [*self.representation, self.fusion, *self.selection]
        self.encoders_, self.transforms_ = copy.deepcopy((chosen, blank_transforms))
        self.data_ = data
        self.features_ = fit_features(self.encoders_, self.transforms_, data)
        self._fit_rerankers()
        self._fit_recommender(lambda part: refit_features(chosen, blank_transforms, part))
        self.__dict__.pop("people", None)
        return self

    def _fit_rerankers(self) -> None:
        for reranker in self.rerankers:
            if hasattr(reranker, "fit"):
                reranker.fit(self.data_, self.features_)

    def _fit_recommender(self, features_of: Callable[[Dataset], Features | None]) -> None:
        if isinstance(self.recommender, Ranker):
            self.recommender.fit(self.data_, self.features_, features_of=features_of)
        else:
            self.recommender.fit(self.data_, self.features_)

    @property
    def features(self) -> Features | None:
        """The fused features of the catalogue, or None where there is no encoder."""
        check_fitted(self)
        return self.features_

    def score(self, histories: Histories) -> Floats:
        """(len(histories), n_items) float32: higher is better; nothing is masked."""
        check_fitted(self)
        return self.recommender.score(histories)

    def recommend(
        self,
        user_ids: Sequence[str] | None = None,
        *,
        history: Sequence[str] | None = None,
        text: str | None = None,
        k: int = 10,
        exclude_seen: bool = True,
        among: Sequence[str] | None = None,
        reasons: bool = False,
    ) -> Recommendations:
        """The best `k` items for known people, for a history, for a wish in words, or a mix.

        `among` limits what may be recommended; `reasons` adds a sentence to each line. Raises
        `UnknownIdError` for people or items that are not known, `DataError` for no request at all.
        """
        check_fitted(self)
        _check_k(k)
        histories = self.histories(user_ids, history=history, text=text)
        rows = None if among is None else self.item_ids.rows(among, what="item ids in among")
        return self.recommend_histories(
            histories, k=k, exclude_seen=exclude_seen, among=rows, reasons=reasons
        )

    def recommend_histories(
        self,
        histories: Histories,
        *,
        k: int = 10,
        exclude_seen: bool = True,
        among: Rows | None = None,
        reasons: bool = False,
    ) -> Recommendations:
        """As `recommend`, for requests that are already histories."""
        histories = histories.in_catalogue(self.item_ids)
        depth = min(k * RERANK_FACTOR if self.rerankers else k, max(len(self.item_ids), 1))
        rows, scores = rank_rows(self, histories, depth, exclude_seen=exclude_seen, among=among)
        table = recommendations_of(histories, rows, scores)
        for reranker in self.rerankers:
            table = reranker.rerank(table, histories)
        table = Recommendations(table.table.filter(pl.col("rank") <= k))
        return explain(self, histories, table) if reasons else table

    def histories(
        self,
        user_ids: Sequence[str] | None = None,
        *,
        history: Sequence[str] | None = None,
        text: str | None = None,
    ) -> Histories:
        """Requests for known people, for a history of item ids, for words, or for both of these."""
        check_fitted(self)
        if user_ids is not None:
            if history is not None or text is not None:
                raise DataError("ask for user_ids, or for history and text, not for both")
            if isinstance(user_ids, str):
                raise DataError(f"user_ids must be a list of ids: write [{user_ids!r}]")
            return self._known(user_ids)
        if history is None and text is None:
            raise DataError("nobody asks: give user_ids, a history or a text")
        if text is not None and not text.strip():
            raise DataError("the text says nothing: leave it out, or say what is wished for")
        if isinstance(history, str):
            raise DataError(f"history must be a list of item ids: write [{history!r}]")
        queries = self.queries([text]) if text is not None else {}
        return history_of_items(self.item_ids, [list(history or [])], queries=queries)

    def _known(self, user_ids: Sequence[str]) -> Histories:
        rows = self.people.find_users(user_ids)
        if (rows < 0).any():
            unknown = [name for name, row in zip(user_ids, rows, strict=True) if row < 0]
            raise UnknownIdError(
                f"unknown people: {first_offenders(unknown, len(unknown))}; for somebody new give "
                f"history=[...] or text=..."
            )
        return self.people.histories.take(rows)

    @property
    def item_ids(self) -> Ids:
        """The catalogue's ids: an item's row is its position."""
        return self.data_.item_ids

    @cached_property
    def people(self) -> _People:
        return _People(histories_of(self.data_))

    def queries(self, texts: Sequence[str]) -> dict[str, Matrix]:
        """What people say, as vectors in the space of every block with words: block → (n, d)."""
        check_fitted(self)
        return encode_words(self.encoders_, self.transforms_, texts)

    def add_items(self, items: pl.DataFrame) -> Self:
        """Items that arrived after the fit: encoded, appended, recommendable at once.

        `items` has `item_id` and the columns of the catalogue (missing ones count as empty).
        Raises `DataError` where an id is missing, repeated or already known.
        """
        check_fitted(self)
        arrived = arriving(items, self.data_.items)
        if not len(arrived):
            return self
        empty = self.data_.interactions.clear()
        new = Dataset(interactions=empty, items=arrived, users=self.data_.users)
        features = encode_items(self.encoders_, self.transforms_, new)
        self.recommender.add_items(Features(new.item_ids, {}) if features is None else features)
        if self.features_ is not None and features is not None:
            self.features_ = self.features_.below(features)
        self.data_ = replace(self.data_, items=pl.concat([self.data_.items, arrived]))
        self.__dict__.pop("people", None)
        self._fit_rerankers()
        return self

    def audience(self, item_id: str, *, k: int = 10, exclude_seen: bool = True) -> Recommendations:
        """The `k` known people in whose list an item stands highest; `rank` is its place there.

        With `exclude_seen`, people who touched it are left out. Rerankers have no say here.
        """
        check_fitted(self)
        _check_k(k)
        row = int(self.item_ids.rows([item_id])[0])
        people, tie = self.people.histories, tie_order(self.item_ids)
        before = tie < tie[row]
        places, scores = [np.empty(0, dtype=np.int64)], [np.empty(0, dtype=np.float32)]
        chunk = max(1, 32_000_000 // max(len(self.item_ids), 1))
        for start in range(0, len(people), chunk):
            part = people.take(slice(start, start + chunk))
            matrix = self.score(part)
            if exclude_seen:
                seen = part.in_catalogue(self.item_ids).seen().tocoo()
                matrix[seen.row, seen.col] = -np.inf
            own = matrix[:, row]
            above = (matrix > own[:, None]) | ((matrix == own[:, None]) & before)
            places.append(above.sum(axis=1) + 1)
            scores.append(own)
        place, score = np.concatenate(places), np.concatenate(scores)
        able = np.flatnonzero(np.isfinite(score))
        best = able[np.lexsort((-score[able], place[able]))][:k]
        table = {USER: people.user_ids[best], "score": score[best], "rank": place[best]}
        return Recommendations(pl.DataFrame(table).with_columns(pl.lit(item_id).alias(ITEM)))

    def save(self, folder: str | Path) -> Path:
        """Writes the fitted pipeline as one folder that `palate.load` reads."""
        check_fitted(self)
        return artefact.save_pipeline(self, folder)


def _check_k(k: int) -> None:
    if k < 1:
        raise DataError(f"k = {k}: ask for at least one recommendation")


class _People:
    """Known people and what they did."""

    def __init__(self, histories: Histories) -> None:
        self.histories = histories

    @cached_property
    def _row_of(self) -> Mapping[str, int]:
        return {name: row for row, name in enumerate(self.histories.user_ids)}

    def find_users(self, names: Sequence[str]) -> Rows:
        return np.array([self._row_of.get(str(name), -1) for name in names], dtype=np.int32)
