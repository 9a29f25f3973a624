"""The whole flow, from left to right: data → encoders → representation → fusion → recommender."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import Any, Self

import numpy as np

from palate.core.arrays import Floats, Matrix, Rows
from palate.core.component import check_fitted, component
from palate.core.conditions import Condition
from palate.core.dataset import Dataset
from palate.core.doors import door
from palate.core.features import Features
from palate.core.forks import check_process
from palate.core.histories import Histories
from palate.core.ids import Ids, id_list
from palate.core.topk import recommendations_of
from palate.core.types import Recommendations
from palate.data.formats.open import Source
from palate.data.notes import ReadNotes, log_notes
from palate.data.positive import Positive
from palate.pipeline import artefact
from palate.pipeline.arrivals import arriving, changed_stages, grown_stages
from palate.pipeline.checks import (
    Users,
    check_blocks,
    check_data,
    check_histories,
    check_parts,
    check_queries,
    check_request,
    check_user_blocks,
    sentences,
    users_of,
    wanted_places,
)
from palate.pipeline.events import with_new_events, without_users
from palate.pipeline.explain.sentences import explain
from palate.pipeline.features import encode_words
from palate.pipeline.learning import learnt_stages
from palate.pipeline.lists import WrittenLists, check_out, reranked_rows, top_users_of, write_lists
from palate.pipeline.requests import (
    OnUnknown,
    Unknown,
    allowed_rows,
    requests_of,
    texts_of,
    with_words,
)
from palate.pipeline.search.search import read_words, scored
from palate.pipeline.similar import By, check_way, similar_items
from palate.pipeline.social import to_others
from palate.pipeline.user_features import check_users, of_users, with_profile, with_users_of
from palate.pipeline.values import ValueDoors

_swapping = Lock()  # held for one comparison and one step, never while something is encoded


@component
class Pipeline(ValueDoors):
    """Everything between tables and recommendations, fitted as one and saved as one folder.

    `encoders` (None: what suits the catalogue) name the blocks; `representation`, `fusion` and
    `selection` transform them; `users` (None: what suits the table of users) are encoders of
    people, whose blocks go through `user_representation` (None: as the items'), `user_fusion`
    (None: they stay as they are) and `user_selection`; `recommender` scores histories; `rerankers`
    mix the result. The components that are given stay as they are: `fit` learns with copies, under
    names that end in `_`. Raises `ConfigError` for what is no component, and for settings that name
    unknown blocks.
    """

    def __post_init__(self) -> None:
        check_parts(self)
        check_blocks(self, self.encoders or {})
        check_user_blocks(self, self.users or {})

    def fit(self, data: Dataset) -> Self:
        """Learns every stage from `data` (the training part alone), left to right.

        The same data and settings give the same lists, whatever the order of the rows of items and
        people, the number of cores and the history of the cache.
        """
        check_process()
        check_data(data)
        check_parts(self)
        vars(self).update(learnt_stages(self, data))  # in one step: who asks sees all or nothing
        return self

    @property
    def features(self) -> Features:
        """The fused features of the catalogue: ids without blocks where there is no encoder."""
        check_fitted(self)
        return Features(self.item_ids, {}) if self.features_ is None else self.features_

    @property
    def user_features(self) -> Features:
        """The features of everybody who is known: ids without blocks where there is no encoder."""
        check_fitted(self)
        if self.user_features_ is None:
            return Features(self.data_.user_ids, {})
        return of_users(self.user_features_)

    def score(self, histories: Histories) -> Floats:
        """(len(histories), n_items) float32: higher is better; nothing is masked.

        Items that people mostly turned down (`Dataset.turned_down`) stand below all others, unless
        words ask for them.
        """
        now = self._now()
        check_histories(histories)
        check_queries(histories, now.features_)
        histories = with_users_of(histories, now.user_features_)
        check_users(histories, now.user_features_)
        return scored(now, histories)

    @door("k", "histories")
    def rank_histories(
        self,
        histories: Histories,
        k: int,
        *,
        exclude_seen: bool = True,
        candidates: Rows | None = None,
        exclude: Rows | None = None,
        where: Condition | None = None,
        progress: Callable[[int], object] | None = None,
    ) -> tuple[Rows, Floats]:
        """(n, k) catalogue rows and scores of the lists that are shown, rerankers included.

        Best first, -1 where a list ends; `candidates` and `exclude` are catalogue rows, `where` as
        for `recommend`. `progress` is called with numbers of finished requests.
        """
        now = self._now()
        check_histories(histories)
        return reranked_rows(
            to_others(now),
            now.rerankers_,
            histories,
            wanted_places(k),
            exclude_seen=exclude_seen,
            candidates=now._allowed(candidates, exclude, where),
            progress=progress,
        )

    def recommend(
        self,
        user_ids: Sequence[str] | None = None,
        *,
        history: Sequence[str] | Sequence[Sequence[str]] | None = None,
        text: str | Sequence[str] | None = None,
        profile: Mapping[str, object] | None = None,
        k: int = 10,
        exclude_seen: bool = True,
        candidates: Sequence[str] | None = None,
        exclude: Sequence[str] | None = None,
        where: Condition | None = None,
        reasons: bool = False,
        unknown: OnUnknown = "raise",
    ) -> Recommendations:
        """The best `k` items for known people, for histories, for text queries, or a mix.

        One list for each person, history or text; a text may go with a person or a history, and
        what is given once holds for all. `profile` says what is known of who asks, under columns
        of the table of users; a known person's other columns stay. Only what is among `candidates`
        (ids), not in `exclude` (ids) and fits `where`, a condition on the columns of the items
        (`pl.col("year") > 1990` or "year > 1990"), is recommended, in the order that a list of all
        items would have. `reasons` adds a sentence to each line. `unknown="skip"` leaves unknown
        ids out, with a warning.
        Raises `UnknownIdError` for people or items that are not known, `DataError` for no request
        at all and for a filter that leaves nothing.
        """
        now, left_out = self._now(), Unknown(unknown)
        k = wanted_places(k)
        histories = now._requests(user_ids, history, text, profile, left_out)
        rows = left_out.filters(now.item_ids, candidates=candidates, exclude=exclude)
        left_out.tell()
        found = now.recommend_histories(
            histories, k=k, exclude_seen=exclude_seen, where=where, reasons=reasons, **rows
        )
        return replace(found, skipped=tuple(left_out.skipped))

    @door("k", "histories")
    def recommend_histories(
        self,
        histories: Histories,
        *,
        k: int = 10,
        exclude_seen: bool = True,
        candidates: Rows | None = None,
        exclude: Rows | None = None,
        where: Condition | None = None,
        reasons: bool = False,
    ) -> Recommendations:
        """As `recommend`, for requests that are histories; rows in place of ids of items."""
        now = self._now()
        check_histories(histories)
        histories = with_users_of(histories.in_catalogue(now.item_ids), now.user_features_)
        allowed = now._allowed(candidates, exclude, where)
        rows, scores = now.rank_histories(
            histories,
            min(wanted_places(k), max(len(now.item_ids), 1)),
            exclude_seen=exclude_seen,
            candidates=allowed,
        )
        table = recommendations_of(histories, rows, scores)
        if not reasons:
            return table
        return explain(now, replace(histories, allowed=allowed), table)

    def write_recommendations(
        self,
        path: str | Path,
        user_ids: Sequence[str] | None = None,
        *,
        k: int = 10,
        exclude_seen: bool = True,
        candidates: Sequence[str] | None = None,
        exclude: Sequence[str] | None = None,
        where: Condition | None = None,
        reasons: bool = False,
        unknown: OnUnknown = "raise",
    ) -> WrittenLists:
        """The lists of everybody who is known, or of some, as a .parquet, .csv or .jsonl file.

        As `recommend`, a chunk of people at a time: memory does not grow with their number. The
        file takes its place once all of it is there. Raises what `recommend` raises, and
        `DataError` where the file cannot be written.
        """
        now, left_out = self._now(), Unknown(unknown)
        out, k = check_out(path), wanted_places(k)
        asking = now.known_users.histories
        if user_ids is not None:
            asking = now._requests(user_ids, None, None, None, left_out)
        rows = left_out.filters(now.item_ids, candidates=candidates, exclude=exclude)
        allowed = now._allowed(rows.get("candidates"), rows.get("exclude"), where)
        left_out.tell()
        return write_lists(
            out,
            asking,
            k,
            lambda part: now.recommend_histories(
                part, k=k, exclude_seen=exclude_seen, candidates=allowed, reasons=reasons
            ),
        )

    def histories(
        self,
        user_ids: Sequence[str] | None = None,
        *,
        history: Sequence[str] | Sequence[Sequence[str]] | None = None,
        text: str | Sequence[str] | None = None,
        profile: Mapping[str, object] | None = None,
    ) -> Histories:
        """Requests for known people, or for somebody by histories of ids, words and a profile."""
        return self._now()._requests(user_ids, history, text, profile, Unknown())

    def _requests(
        self, user_ids: object, history: object, text: object, profile: object, unknown: Unknown
    ) -> Histories:
        check_request(user_ids, history, text, profile)
        texts = texts_of(text)
        people = self.known_users
        asking, wanted = requests_of(people, self.item_ids, user_ids, history, texts, unknown)
        asking = with_profile(self, asking, profile, known=user_ids is not None)
        if texts is None or wanted is None:
            return asking
        return with_words(asking, read_words(self, texts), texts, wanted)

    def _allowed(self, candidates: object, exclude: object, where: Condition | None) -> Rows | None:
        return allowed_rows(
            self.data_,
            candidates=candidates,
            exclude=exclude,
            where=where,
            withdrawn=self.withdrawn,
        )

    @property
    def withdrawn(self) -> Rows:
        """The catalogue rows that `remove_items` took out of all lists, in rising order."""
        return np.sort(self.item_ids.rows(self.withdrawn_))

    @property
    def item_ids(self) -> Ids:
        """The catalogue's ids: an item's row is its position."""
        return self.data_.item_ids

    @property
    def known_users(self) -> Users:
        """Everybody in the data that it was fitted on, and what they did."""
        return users_of(self._now().data_)

    def queries(self, texts: Sequence[str]) -> dict[str, Matrix]:
        """What people say, as vectors in the space of every block with words: block → (n, d)."""
        now = self._now()
        return encode_words(now.encoders_, now.transforms_, sentences(texts))

    @door("columns", "encoding")
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
            arrived = arriving(items, now.data_, columns=columns, encoding=encoding)
            if self._swapped(now, grown_stages(now, arrived)):
                return self

    def update_items(
        self,
        items: Source,
        *,
        columns: Mapping[str, str] | None = None,
        encoding: str = "utf-8",
    ) -> Self:
        """Known items that changed: encoded again, at once, under the same ids.

        The table is one that `add_items` takes; columns that it lacks stay as they were. What was
        learnt from events stays, too: fit again when much has changed. Raises `UnknownIdError` for
        unknown ids, and `ConfigError` for a recommender of yours without `update_items`.
        """
        while True:
            now = self._now()
            rows = arriving(items, now.data_, columns=columns, encoding=encoding, known=True)
            if self._swapped(now, changed_stages(now, rows)):
                return self

    @door("columns", "encoding", "time_format", "positive", "pseudonyms")
    def add_events(
        self,
        events: Source,
        *,
        users: Source | None = None,
        columns: Mapping[str, str] | None = None,
        encoding: str = "utf-8",
        time_format: str | None = None,
        positive: Positive | None = None,
        pseudonyms: str | bytes | None = None,
        tell: Callable[[ReadNotes], object] = log_notes,
    ) -> Self:
        """What people did since the fit, at once: who is new is a known person from then on.

        `events` is a table as `palate.read` takes it, read by the rules of the fit (columns, event
        weights, `positive`, `repeats`, `weight`); `columns`, `encoding`, `time_format`, `positive`,
        `pseudonyms` and `tell` are those of `palate.read`. `users` are rows of new people, or in
        the place of known ones'. Histories, what was turned down and all that is counted follow;
        what was learnt stays, and the card says so. Events of items that the catalogue lacks are
        left out, with a warning. Raises `DataError` for a table that cannot be read so.
        """
        while True:
            now = self._now()
            changed = with_new_events(
                now,
                events,
                users=users,
                columns=columns,
                encoding=encoding,
                time_format=time_format,
                positive=positive,
                pseudonyms=pseudonyms,
            )
            if self._swapped(now, changed.stages):
                changed.tell(tell)
                return self

    def with_events(self, events: Source, **settings: Any) -> Self:
        """Another model that knows these events, too; this one stays. As `add_events`."""
        return self._now().add_events(events, **settings)

    def remove_users(self, user_ids: Sequence[str]) -> Self:
        """People who are to be forgotten: their rows, events and features go, counts follow.

        What was learnt while they were there stays until the next fit, and names nobody. Older
        versions of a folder still hold them: save with `keep=0`. Raises `UnknownIdError` for
        unknown ids.
        """
        names = id_list(user_ids, "user_ids")
        while True:
            now = self._now()
            if self._swapped(now, without_users(now, names)):
                return self

    def _swapped(self, now: Self, changes: Mapping[str, Any]) -> bool:
        """Whether the changes took their place: not if somebody else's came before."""
        with _swapping:
            if vars(self)["data_"] is not now.data_:
                return False
            vars(self).update(changes)
            return True

    def remove_items(self, items: Sequence[str]) -> Self:
        """Items that are withdrawn: from now on no list holds them, whoever asks.

        What people did with them still speaks for others, and histories may hold them. Raises
        `UnknownIdError` for unknown ids. `restore_items` takes it back.
        """
        return self._withdraw(items, gone=True)

    def restore_items(self, items: Sequence[str]) -> Self:
        """Items that were withdrawn may stand in lists again."""
        return self._withdraw(items, gone=False)

    def _withdraw(self, items: Sequence[str], *, gone: bool) -> Self:
        names = id_list(items, "items")
        with _swapping:
            now = self._now()
            now.item_ids.rows(names, what="item ids")
            left = [name for name in now.withdrawn_ if name not in set(names)]
            self.withdrawn_ = sorted({*left, *names}) if gone else left
        return self

    @door("item_id", "k")
    def top_users(self, item_id: str, *, k: int = 10, exclude_seen: bool = True) -> Recommendations:
        """The `k` known people in whose list an item stands highest; `rank` is its place there.

        With `exclude_seen`, people who touched it are left out. Rerankers have no say here.
        """
        now = self._now()
        row = int(now.item_ids.rows(id_list([item_id], "item ids"), what="item ids")[0])
        asking = now.known_users.histories.in_catalogue(now.item_ids)
        others, barred = to_others(now), now.withdrawn
        return top_users_of(
            others, row, asking, wanted_places(k), exclude_seen=exclude_seen, barred=barred
        )

    def similar(
        self,
        items: str | Sequence[str],
        k: int = 10,
        *,
        by: By = "both",
        candidates: Sequence[str] | None = None,
        exclude: Sequence[str] | None = None,
        where: Condition | None = None,
        reasons: bool = False,
        unknown: OnUnknown = "raise",
    ) -> Recommendations:
        """The `k` items most like each of `items`: `item_id` asked, `similar_id`, `score`, `rank`.

        `by="content"`: the mean cosine of what they say, over the fused blocks; "behaviour": the
        people that both share, as a cosine; "both": reciprocal ranks in these two lists. An item is
        never its own neighbour; what speaks neither way is left out. The rest are those of
        `recommend`. Raises `UnknownIdError`, and `DataError` where there is nothing to compare by.
        """
        now, left_out = self._now(), Unknown(unknown)
        check_way(by)
        listed = [items] if isinstance(items, str) else items
        asked = left_out.rows(now.item_ids, listed, "item ids", "items")
        rows = left_out.filters(now.item_ids, candidates=candidates, exclude=exclude)
        allowed = now._allowed(rows.get("candidates"), rows.get("exclude"), where)
        left_out.tell()
        found = similar_items(now, asked, wanted_places(k), by=by, allowed=allowed, reasons=reasons)
        return replace(found, skipped=tuple(left_out.skipped))

    def save(
        self, folder: str | Path, *, figures: Any = None, keep: int = artefact.KEPT_VERSIONS
    ) -> Path:
        """Writes the fitted pipeline as one folder that `palate.load` reads, with a card.

        `figures` are what `evaluate` or `compare` measured, for the card. What was saved there
        before stays as an older version, the last `keep` of them: `palate.rollback` goes back.
        Only you may read a new folder. It holds ids in the clear, and no texts of events.
        """
        return artefact.save_pipeline(self._now(), folder, figures=figures, keep=keep)


@door("allow")
def load(folder: str | Path, *, allow: Collection[str] = ()) -> Pipeline:
    """The pipeline that `Pipeline.save` wrote: the same recommendations to the last bit.

    `allow` names components outside palate ("package.module:Class") that the folder may import.
    Raises `ArtefactError` for a folder that is absent, damaged or from a newer palate.
    """
    return artefact.load_pipeline(folder, Pipeline, allow=allow)
