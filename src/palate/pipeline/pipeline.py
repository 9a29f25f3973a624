"""The whole flow, from left to right: data → encoders → representation → fusion → recommender."""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from palate.core import registry
from palate.core.arrays import Floats, Matrix, Rows, places_of
from palate.core.columns import ITEM, RANK, SCORE, USER
from palate.core.component import check_fitted, component
from palate.core.dataset import Dataset
from palate.core.errors import new_name
from palate.core.features import Features
from palate.core.forks import check_process
from palate.core.histories import Histories, history_of_items
from palate.core.ids import Ids, id_list
from palate.core.order import settled
from palate.core.parallel import one_blas_thread
from palate.core.topk import Scorer, rank_rows, recommendations_of, tie_order
from palate.core.types import FitContext, Recommendations, Reranker
from palate.data.formats.open import Source
from palate.features.default_encoders import default_encoders
from palate.pipeline import artefact
from palate.pipeline.arrivals import arriving
from palate.pipeline.checks import (
    Users,
    candidate_rows,
    check_blocks,
    check_data,
    check_histories,
    check_parts,
    check_queries,
    check_request,
    sentences,
    users_of,
    wanted_places,
)
from palate.pipeline.explain.sentences import explain
from palate.pipeline.features import context_of, encode_items, encode_words, fit_features
from palate.pipeline.search.meaning import column_vectors, grown_vectors, in_rows
from palate.pipeline.search.search import read_words, scored
from palate.pipeline.stages import Stages

_swapping = Lock()  # held for one comparison and one step, never while something is encoded

RERANK_FACTOR = 10  # times as many places as are asked for go to the rerankers,
RERANK_LEAST = 100  # and no fewer than these, so that a shorter list is a longer one's beginning
_LINES = 1_000_000  # of the tables that rerankers get, at most


@component
class Pipeline(Stages):
    """Everything between tables and recommendations, fitted as one and saved as one folder.

    `encoders` (None: what suits the catalogue) name the blocks; `representation`, `fusion` and
    `selection` transform them; `recommender` scores histories; `rerankers` mix the result. The
    components that are given stay as they are: `fit` learns with copies, under names that end in
    `_`. Raises `ConfigError` for what is no component, and for settings that name unknown blocks.
    """

    def __post_init__(self) -> None:
        check_parts(self)
        check_blocks(self, self.encoders or {})

    def fit(self, data: Dataset) -> Self:
        """Learns every stage from `data` (the training part alone), left to right.

        The same data and settings give the same lists, whatever the order of the rows of items and
        people, the number of cores and the history of the cache.
        """
        check_process()
        check_data(data)
        check_parts(self)
        ordered, rows = settled(data)
        chosen = default_encoders(ordered) if self.encoders is None else self.encoders
        check_blocks(self, chosen)
        blank = [*self.representation, self.fusion, *self.selection]
        encoders, transforms = copy.deepcopy((chosen, blank))
        recommender, rerankers = copy.deepcopy((self.recommender, list(self.rerankers)))
        with one_blas_thread:
            features = fit_features(encoders, transforms, ordered)
            columns = column_vectors(encoders, ordered)
        if features is not None:
            features = features.take(places_of(rows))
        context = context_of(features, chosen, blank)
        _fit_rerankers(rerankers, data, context)
        recommender.fit(data, context)
        vars(self).update(  # in one step: who asks meanwhile sees all of it or nothing
            data_=data,
            features_=features,
            column_vectors_=in_rows(columns, places_of(rows)),
            encoders_=encoders,
            transforms_=transforms,
            recommender_=recommender,
            rerankers_=rerankers,
        )
        return self

    if not TYPE_CHECKING:  # for which every name would be there

        def __getattr__(self, name: str) -> Any:
            now = new_name(name, dir(type(self)))
            hint = f". It is called {now!r} now" if now else ""
            message = f"{type(self).__name__!r} object has no attribute {name!r}{hint}"
            raise AttributeError(message, name=name, obj=None if now else self)

    def _now(self) -> Self:
        """The fitted model as it is: another, which no `add_items` or `fit` elsewhere changes."""
        check_process()
        check_fitted(self)
        view = object.__new__(type(self))
        vars(view).update(vars(self))
        return view

    @property
    def features(self) -> Features | None:
        """The fused features of the catalogue, or None where there is no encoder."""
        check_fitted(self)
        return self.features_

    def score(self, histories: Histories) -> Floats:
        """(len(histories), n_items) float32: higher is better; nothing is masked."""
        now = self._now()
        check_histories(histories)
        check_queries(histories, now.features_)
        return scored(now, histories)

    def rank_histories(
        self,
        histories: Histories,
        k: int,
        *,
        exclude_seen: bool = True,
        candidates: Rows | None = None,
        progress: Callable[[int], object] | None = None,
    ) -> tuple[Rows, Floats]:
        """(n, k) catalogue rows and scores of the lists that are shown, rerankers included.

        Best first, -1 where a list ends; `progress` is called with numbers of finished requests.
        """
        now = self._now()
        check_histories(histories)
        return reranked_rows(
            now,
            now.rerankers_,
            histories,
            wanted_places(k),
            exclude_seen=exclude_seen,
            candidates=None
            if candidates is None
            else candidate_rows(candidates, histories.item_ids),
            progress=progress,
        )

    def recommend(
        self,
        user_ids: Sequence[str] | None = None,
        *,
        history: Sequence[str] | None = None,
        text: str | None = None,
        k: int = 10,
        exclude_seen: bool = True,
        candidates: Sequence[str] | None = None,
        reasons: bool = False,
    ) -> Recommendations:
        """The best `k` items for known people, for a history, for a text query, or a mix.

        `candidates` limits what may be recommended; `reasons` adds a sentence to each line. Raises
        `UnknownIdError` for people or items that are not known, `DataError` for no request at all.
        """
        now = self._now()
        k = wanted_places(k)
        histories = now.histories(user_ids, history=history, text=text)
        rows = None
        if candidates is not None:
            rows = now.item_ids.rows(
                id_list(candidates, "candidates"), what="item ids in candidates"
            )
        return now.recommend_histories(
            histories, k=k, exclude_seen=exclude_seen, candidates=rows, reasons=reasons
        )

    def recommend_histories(
        self,
        histories: Histories,
        *,
        k: int = 10,
        exclude_seen: bool = True,
        candidates: Rows | None = None,
        reasons: bool = False,
    ) -> Recommendations:
        """As `recommend`, for requests that are histories; `candidates` are catalogue rows."""
        now = self._now()
        check_histories(histories)
        histories = histories.in_catalogue(now.item_ids)
        rows, scores = now.rank_histories(
            histories,
            min(wanted_places(k), max(len(now.item_ids), 1)),
            exclude_seen=exclude_seen,
            candidates=candidates,
        )
        table = recommendations_of(histories, rows, scores)
        return explain(now, histories, table) if reasons else table

    def histories(
        self,
        user_ids: Sequence[str] | None = None,
        *,
        history: Sequence[str] | None = None,
        text: str | None = None,
    ) -> Histories:
        """Requests for known people, for a history of item ids, for words, or for both of these."""
        now = self._now()
        check_request(user_ids, history, text)
        if user_ids is not None:
            return now.users.find(user_ids)
        history_ids = [] if history is None else id_list(history, "history")
        if text is None:
            return history_of_items(now.item_ids, [history_ids])
        asking = history_of_items(now.item_ids, [history_ids], queries=read_words(now, [text]))
        return replace(asking, texts=pl.Series([text]))

    @property
    def item_ids(self) -> Ids:
        """The catalogue's ids: an item's row is its position."""
        return self.data_.item_ids

    @property
    def users(self) -> Users:
        """Everybody in the data that it was fitted on, and what they did."""
        return users_of(self.data_)

    def queries(self, texts: Sequence[str]) -> dict[str, Matrix]:
        """What people say, as vectors in the space of every block with words: block → (n, d)."""
        now = self._now()
        return encode_words(now.encoders_, now.transforms_, sentences(texts))

    def add_items(
        self,
        items: Source,
        *,
        columns: Mapping[str, str] | None = None,
        encoding: str = "utf-8",
    ) -> Self:
        """Items that arrived after the fit: encoded, appended, recommendable at once.

        `items` is a polars or pandas frame, or a file, with the columns of the catalogue (missing
        ones count as empty), and is read as `palate.read` read that, with the same `columns` and
        `lists`; ids and titles may also have other names that it finds them by, or that `columns`
        (their name → ours) says; `encoding` is that of a text file. Numbers that a column of whole
        numbers cannot hold widen it. Raises `DataError` where an id is missing, repeated or already
        known, and for values that do not fit. Threads that ask meanwhile see the old catalogue or
        the new one.
        """
        while True:
            now = self._now()
            grown = now._grown(arriving(items, now.data_, columns=columns, encoding=encoding))
            with _swapping:
                if vars(self)["data_"] is now.data_:  # nobody else came before
                    vars(self).update(grown)
                    return self

    def _grown(self, arrived: pl.DataFrame) -> dict[str, Any]:
        """What changes with new items, made aside: whoever asks meanwhile is answered as before."""
        if not len(arrived):
            return {}
        empty = self.data_.interactions.clear()
        new = Dataset(interactions=empty, items=arrived, users=self.data_.users)
        features = encode_items(self.encoders_, self.transforms_, new)
        every = self.features_
        if every is not None and features is not None:
            every = every.below(features)
        known = pl.concat([self.data_.items, arrived], how="vertical_relaxed")
        data = replace(self.data_, items=known)
        recommender = registry.apart(self.recommender_)
        recommender.add_items(Features(new.item_ids, {}) if features is None else features)
        rerankers = list(map(registry.apart, self.rerankers_))
        _fit_rerankers(rerankers, data, FitContext(items=every))
        return {
            "data_": data,
            "features_": every,
            "column_vectors_": grown_vectors(self.column_vectors_, self.encoders_, arrived),
            "recommender_": recommender,
            "rerankers_": rerankers,
        }

    def top_users(self, item_id: str, *, k: int = 10, exclude_seen: bool = True) -> Recommendations:
        """The `k` known people in whose list an item stands highest; `rank` is its place there.

        With `exclude_seen`, people who touched it are left out. Rerankers have no say here.
        """
        now = self._now()
        k = wanted_places(k)
        row = int(now.item_ids.rows(id_list([item_id], "item ids"), what="item ids")[0])
        users, tie = now.users.histories, tie_order(now.item_ids)
        before = tie < tie[row]
        places, scores = [np.empty(0, dtype=np.int64)], [np.empty(0, dtype=np.float32)]
        chunk = max(1, 32_000_000 // max(len(now.item_ids), 1))
        for start in range(0, len(users), chunk):
            part = users.take(slice(start, start + chunk))
            matrix = now.score(part)
            if exclude_seen:
                seen = part.in_catalogue(now.item_ids).seen().tocoo()
                matrix[seen.row, seen.col] = -np.inf
            own = matrix[:, row]
            above = (matrix > own[:, None]) | ((matrix == own[:, None]) & before)
            places.append(above.sum(axis=1) + 1)
            scores.append(own)
        place, score = np.concatenate(places), np.concatenate(scores)
        able = np.flatnonzero(np.isfinite(score))
        best = able[np.lexsort((-score[able], place[able]))][:k]
        table = {
            USER: users.user_ids[best],
            ITEM: pl.repeat(item_id, len(best), dtype=pl.String, eager=True),
            SCORE: score[best],
            RANK: place[best].astype(np.int32),
        }
        return Recommendations(pl.DataFrame(table))

    def save(self, folder: str | Path) -> Path:
        """Writes the fitted pipeline as one folder that `palate.load` reads."""
        return artefact.save_pipeline(self._now(), folder)


def load(folder: str | Path, *, allow: Collection[str] = ()) -> Pipeline:
    """The pipeline that `Pipeline.save` wrote: the same recommendations to the last bit.

    `allow` names components outside palate ("package.module:Class") that the folder may import.
    Raises `ArtefactError` for a folder that is absent, damaged or from a newer palate.
    """
    return artefact.load_pipeline(folder, Pipeline, allow=allow)


def _fit_rerankers(rerankers: Sequence[Reranker], data: Dataset, context: FitContext) -> None:
    for reranker in rerankers:
        if hasattr(reranker, "fit"):
            reranker.fit(data, context)


def reranked_rows(
    model: Scorer,
    rerankers: Sequence[Reranker],
    histories: Histories,
    k: int,
    *,
    exclude_seen: bool = True,
    candidates: Rows | None = None,
    progress: Callable[[int], object] | None = None,
) -> tuple[Rows, Floats]:
    """As `rank_rows`: (n, k) catalogue rows and scores, in the order that the rerankers leave.

    They get more places than are asked for, in tables that hold nobody twice: rolling histories of
    one person are mixed one by one, as if each had been alone.
    """
    if not rerankers:
        return rank_rows(
            model, histories, k, exclude_seen=exclude_seen, candidates=candidates, progress=progress
        )
    depth = min(max(k * RERANK_FACTOR, RERANK_LEAST), max(len(histories.item_ids), 1))
    rows = np.full((len(histories), k), -1, dtype=np.int32)
    scores = np.full((len(histories), k), -np.inf, dtype=np.float32)
    step = max(1, _LINES // depth)
    for start in range(0, len(histories), step):
        asking = histories.take(slice(start, start + step))
        ranked, values = rank_rows(
            model,
            asking,
            depth,
            exclude_seen=exclude_seen,
            candidates=candidates,
            progress=progress,
        )
        for alone in _nobody_twice(asking.user_ids):
            found = recommendations_of(asking.take(alone), ranked[alone], values[alone])
            for reranker in rerankers:
                found = reranker.rerank(found, asking.take(alone))
            lines = found.table.filter(pl.col(RANK) <= k)
            request = start + alone[Ids(asking.user_ids[alone]).rows(lines[USER])]
            place = lines[RANK].to_numpy() - 1
            rows[request, place] = histories.item_ids.rows(lines[ITEM])
            scores[request, place] = lines[SCORE].to_numpy()
    return rows, scores


def _nobody_twice(user_ids: pl.Series) -> Iterator[NDArray[np.int64]]:
    """The rows of everybody's first request, then of everybody's second, and so on."""
    turns = user_ids.to_frame("user").select(pl.int_range(pl.len()).over("user")).to_series()
    turn = turns.to_numpy()
    for number in range(int(turn.max(initial=-1)) + 1):
        yield np.flatnonzero(turn == number)
