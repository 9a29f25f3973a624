"""The default: cheap retrievers propose, a boosted ranker orders what they proposed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property, partial
from typing import Annotated, Any, ClassVar, Self

import numpy as np
import polars as pl
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from palate.core.arrays import Floats, Mask, Rows, places_of
from palate.core.component import check_fitted, check_types, component, learnt
from palate.core.dataset import Dataset
from palate.core.evidence import Evidence, Links, from_content, from_links, links_in, stronger
from palate.core.features import Features
from palate.core.histories import Histories, dataset_of, histories_of
from palate.core.ids import Ids
from palate.core.learnt import agree, check_rows
from palate.core.order import settled, with_users_settled
from palate.core.parallel import give_back_memory, in_chunks, one_blas_thread
from palate.core.types import FitContext, check_context, content_of
from palate.recommenders._base import aligned
from palate.recommenders._text_queries import evidence_of_parts, fused_with_queries, has_query
from palate.recommenders.two_stage.arrivals import LENT, lent_popularity, with_places_for_new
from palate.recommenders.two_stage.candidates import Candidates, agreed, candidates, feature_names
from palate.recommenders.two_stage.catalogue import Catalogue, neighbour_pool
from palate.recommenders.two_stage.choice import (
    CALIBRATED_BY,
    NEW,
    ORDER,
    TAIL,
    by_choice,
    calibrated,
    check_chosen,
    in_words,
    learn,
    new_in_order,
    of_requests,
    unheard,
    way_of,
)
from palate.recommenders.two_stage.evidence import Shares, families_of, with_profiles
from palate.recommenders.two_stage.importance import (
    check_block_names,
    check_importances,
    importances,
)
from palate.recommenders.two_stage.labels import (
    FEWEST_CELLS,
    LabelledRows,
    LabelPlan,
    held_events,
    share_of_repeats,
)
from palate.recommenders.two_stage.profiles import check_profiles, profile_blocks, with_known_users
from palate.recommenders.two_stage.refresh import CountsAgain
from palate.recommenders.two_stage.statistics import (
    Statistics,
    arrivals,
    check_statistics,
    extended,
    fit_statistics,
    known_kinds,
)
from palate.recommenders.two_stage.taught import silenced
from palate.recommenders.two_stage.trees import Boosting, binned, booster_of
from palate.recommenders.two_stage.ways import lifted, tail_items

__all__ = ["Ranker"]

MIN_CASES = 20  # fewer labels than this teach nothing: the plain sum orders instead
CHUNK_CELLS = 2_000_000
MIN_REPEATS = 1e-3
MADE = ("_booster", "_catalogue", "_rows", "_places", "_settled_ids", "_lent", "_unheard")

MOST_FOR_NEW = 0.1  # of the places: more than that, which costs about as much, is to be asked for


@component
class Ranker(CountsAgain):
    """A hybrid in two stages: many retrievers propose `candidates`, LightGBM orders them.

    Retrievers: directed and symmetric covisits, what similar people touched, a low-rank behaviour
    space, the cosine of every content block, covisits lent by neighbours in content, a learnt map
    from a history's text to the next item's. `behaviour=False` leaves only the content; with
    `against` what people turned down teaches, where events have times. The labels are
    `n_train_queries` held-out events of the training data, which no statistic has seen; items
    proposed again are learnt from the data. Where events have times, what orders strangers, each
    length of history, new items and the long tail, and whether profiles and dislikes help the trees
    there, is chosen on the newest of them (`chosen_`). At least `new_share` of a list's places go
    to items that nobody has touched (None: as many as they earned there, and the estimated share of
    arrivals up to one in ten). What no retriever proposed stands below, in order of the plain sum
    of z-scores. The same data give the same lists, whatever the order of their rows and the number
    of cores. Source of the ranker: lambdarank (Burges 2010) in LightGBM (Ke
    et al. 2017).
    """

    candidates: PositiveInt = 100
    n_train_queries: PositiveInt = 30_000
    n_estimators: PositiveInt = 250
    learning_rate: PositiveFloat = 0.05
    num_leaves: Annotated[int, Field(ge=2)] = 15
    min_rows_per_leaf: PositiveInt = 100
    l2: NonNegativeFloat = 20.0
    behaviour: bool = True
    against: bool = False
    new_share: Annotated[float, Field(ge=0, lt=1)] | None = None
    seed: NonNegativeInt = 0

    reads_users: ClassVar[bool] = True

    item_ids_: Ids = learnt()
    order_: Rows = learnt()
    features_: Features | None = learnt()
    statistics_: Statistics = learnt()
    neighbour_pool_: Rows | None = learnt()
    user_blocks_: list[str] = learnt()
    repeats_: bool = learnt()
    names_: list[str] = learnt()
    trees_: str = learnt()
    importances_: pl.DataFrame = learnt()
    choices_: pl.DataFrame = learnt()
    added_: int = learnt()

    def __post_init__(self) -> None:
        check_types(self)

    def fit(self, data: Dataset, context: FitContext = FitContext()) -> Self:
        """Learns retrievers and ranker, with labels that no block of features has seen.

        Blocks that were learnt from events are made again without the labels; where the context
        cannot do that, they are left out.
        """
        check_context(context)
        if context.items is not None:
            aligned(context.items, data, who="the ranker")
        self._forget()
        self.item_ids_ = data.item_ids
        data, self.order_ = settled(data)
        histories = with_users_settled(histories_of(data))
        self.added_ = 0
        self.features_ = context.honest.items
        check_block_names(() if self.features_ is None else self.features_.parts)
        users = context.honest.users
        self.user_blocks_ = [] if users is None else list(users.parts)
        self.neighbour_pool_ = neighbour_pool(histories, held=held_events(histories))
        self.repeats_ = share_of_repeats(histories) > MIN_REPEATS
        known = self.features_
        self.__dict__["_catalogue"] = self._catalogue_from(
            None if known is None else known.take(self._rows), users
        )
        plan = LabelPlan(
            n_train_queries=self.n_train_queries,
            candidates=self.candidates,
            repeats=self.repeats_,
            behaviour=self.behaviour,
            against=self.against,
            content=self._has_content,
            seed=self.seed,
        )
        catalogue_of = self._catalogue_of(data, context)
        with one_blas_thread:
            rows, self.choices_, asked = learn(histories, catalogue_of, plan, self._first_boosters)
            self.names_ = rows.names
            self.trees_ = self._train(rows)
            blocks = () if self.features_ is None else tuple(self.features_.parts)
            self.importances_ = importances(self._booster, rows, blocks)
            del rows
            give_back_memory()
            self.statistics_ = fit_statistics(
                histories,
                self._catalogue,
                behaviour=self.behaviour,
                seed=self.seed,
                against=self.against,
            )
            if way_of(self.choices_, NEW) is not None:
                self.choices_ = self._calibrated(asked)
        return self

    def _calibrated(self, asked: Histories) -> pl.DataFrame:
        """What was chosen, with the lift of new items that these trees need for it."""
        asking = self._with_people(asked.take(slice(None, None, len(asked) // CALIBRATED_BY + 1)))
        known, count = (self.statistics_, self._catalogue), self.candidates

        def lists(chunk: slice) -> tuple[Floats, Mask]:
            part = asking.take(chunk)
            found = candidates(part, *known, count=count, repeats=self.repeats_)
            values = np.where(found.items >= 0, self._order(found, part), -np.inf)
            return values, (found.items >= 0) & (self.statistics_["counts"] == 0)[found.items]

        parts = [part for _, part in in_chunks(lists, len(asking), self._step)]
        values, new = (np.concatenate(column) for column in zip(*parts, strict=True))
        return calibrated(self.choices_, values, new, asking.lengths)

    @property
    def _step(self) -> int:
        """How many requests are scored at once."""
        return max(1, CHUNK_CELLS // max(len(self.item_ids_), FEWEST_CELLS))

    @property
    def chosen_(self) -> list[str]:
        """What was chosen for whom, and what it is worth, in sentences; empty without times."""
        check_fitted(self)
        return in_words(self.choices_, profiles=bool(self.user_blocks_))

    def _catalogue_of(self, data: Dataset, context: FitContext) -> Callable[[Histories], Catalogue]:
        """Features as they would be had only some histories been known."""
        if not context.honest.knows_events:
            return lambda _known: self._catalogue

        def catalogue_of(known: Histories) -> Catalogue:
            remade = context.on_part(dataset_of(known, data))
            features = remade.items
            if features is not None and features.ids != data.item_ids:
                features = features.take(features.ids.rows(data.item_ids.series))
            return self._catalogue_from(features, remade.users)

        return catalogue_of

    def _first_boosters(self, rows: LabelledRows, deafs: Sequence[Mask | None]) -> list[Any]:
        """Rankers for choosing, of half the trees, as far each together; [] for too few cases."""
        if len(rows.groups) < MIN_CASES:
            return []
        table = binned(rows)
        texts = [self._boosting.trees(rows, table, deaf_to, halves=1) for deaf_to in deafs]
        return [booster_of(text, len(rows.names)) for text in texts]

    def _train(self, rows: LabelledRows) -> str:
        if len(rows.groups) < MIN_CASES:
            return ""
        return self._boosting.trees(rows, binned(rows))

    @property
    def _boosting(self) -> Boosting:
        return Boosting(
            n_estimators=self.n_estimators,
            learning_rate=self.learning_rate,
            num_leaves=self.num_leaves,
            min_rows_per_leaf=self.min_rows_per_leaf,
            l2=self.l2,
            seed=self.seed,
        )

    def _forget(self) -> None:
        for name in MADE:
            self.__dict__.pop(name, None)

    @cached_property
    def _booster(self) -> Any:
        return booster_of(self.trees_, len(self.names_))

    @cached_property
    def _rows(self) -> Rows:
        """Statistics and the catalogue of the retrievers stand in this order of the items."""
        added = np.arange(len(self.order_), len(self.item_ids_), dtype=np.int32)
        return np.concatenate([self.order_, added])

    @cached_property
    def _places(self) -> Rows:
        return places_of(self._rows).astype(np.int32)

    @cached_property
    def _settled_ids(self) -> Ids:
        return Ids(self.item_ids_.series[self._rows])

    @cached_property
    def _catalogue(self) -> Catalogue:
        known = self.features_
        return self._catalogue_from(None if known is None else known.take(self._rows))

    def _catalogue_from(
        self, features: Features | None, users: Features | None = None
    ) -> Catalogue:
        pool = self.neighbour_pool_
        return Catalogue.of(features, len(self.item_ids_), neighbour_pool=pool, users=users)

    def _candidates(self, histories: Histories) -> Candidates:
        found = candidates(
            histories.renumbered(self._settled_ids, self._places),
            self.statistics_,
            self._catalogue,
            count=self.candidates,
            repeats=self.repeats_,
        )
        items = np.where(found.items >= 0, self._rows[found.items], np.int32(-1))
        return replace(found, items=items, mix=np.take(found.mix, self._places, axis=1))

    def score(self, histories: Histories) -> Floats:
        """(n, n_items): candidates by the ranker, above 0; all others below 0, by the plain sum.

        A history and words are each scored alone and fused, by reciprocal ranks.
        """
        check_fitted(self)
        return fused_with_queries(self._score_all, self._asking(histories))

    def _asking(self, histories: Histories) -> Histories:
        """Over this catalogue, with what was known of people at the fit."""
        return self._with_people(histories.in_catalogue(self.item_ids_))

    def _with_people(self, asking: Histories) -> Histories:
        return with_known_users(asking, self.user_blocks_, self.statistics_, self._catalogue)

    def _score_all(self, asking: Histories) -> Floats:
        scores = np.empty((len(asking), len(self.item_ids_)), dtype=np.float32)
        self._catalogue.ready(behaviour=self.behaviour)
        _ = self._booster, self._settled_ids, self._lent
        for chunk, part in in_chunks(
            lambda chunk: self._score(asking.take(chunk)), len(asking), self._step
        ):
            scores[chunk] = part
        return scores

    def _score(self, asking: Histories) -> Floats:
        found = self._candidates(asking)
        scores: Floats = found.mix - found.mix.max(axis=1, keepdims=True) - 1
        kept = found.items >= 0
        row, _ = np.nonzero(kept)
        values = self._order(found, asking)
        lowest = np.where(kept, values, np.inf).min(axis=1, keepdims=True)
        values = np.where(kept, values - lowest, -np.inf)
        tail = way_of(self.choices_, TAIL)
        if tail is not None:
            rows = (asking.lengths > 0)[:, None] & kept
            of_tail = tail_items(self.statistics_["counts"])[self._places[found.items]]
            values = lifted(values, of_tail & rows, kept, tail.weight)
        if self._has_content:
            new = kept & (self.statistics_["counts"] == 0)[self._places[found.items]]
            somebody = (asking.lengths > 0)[:, None]
            values = new_in_order(self.choices_, values, found, new & somebody, self._lent)
            values = self._with_new_items(values, new, asking)
        scores[row, found.items[kept]] = values[kept]
        return scores

    def _with_new_items(self, values: Floats, new: Mask, asking: Histories) -> Floats:
        """New items lifted as was chosen, and on their share of the places."""
        floor = np.ones(len(values), dtype=np.bool_)
        if self.new_share is None and of_requests(self.choices_):
            rows = asking.lengths > 0
            floor = has_query(asking) | rows
            lift = way_of(self.choices_, NEW)
            if lift is not None:
                kept = np.isfinite(values[rows])
                values[rows] = lifted(values[rows], new[rows], kept, lift.weight)
        if floor.any():
            share = self._share_of_new
            values[floor] = with_places_for_new(values[floor], new[floor], share=share)
        return values

    @cached_property
    def _lent(self) -> Floats:
        """(n_items,) in the order of the candidates' items; zeros where it orders nothing."""
        way = way_of(self.choices_, ORDER)
        if way is None or way.ordered_by != LENT:
            return np.zeros(len(self.item_ids_), dtype=np.float32)
        return lent_popularity(self.statistics_, self._catalogue)[self._places]

    @property
    def _has_content(self) -> bool:
        return content_of(self.features_) is not None

    @property
    def _share_of_new(self) -> float:
        """What is asked for, or the share of arrivals, before or after the fit, in what sells,
        up to one place in ten.

        Items that chance left untouched are counted with neither.
        """
        if self.new_share is not None:
            return self.new_share
        counts = self.statistics_["counts"]
        new = arrivals(counts[: len(counts) - self.added_]) + self.added_
        return min(new / max(new + float((counts > 0).sum()), 1.0), MOST_FOR_NEW)

    def _order(self, found: Candidates, asking: Histories) -> Floats:
        """(n, k) values of the candidates: by the trees, or by what was chosen.

        Labels by person never had an empty history: without choices, and for words alone, the plain
        sum orders.
        """
        by_sum = found.features[:, :, found.names.index("mix")]
        somebody = asking.lengths > 0
        if not self.trees_:
            return agreed(by_sum, found, somebody)
        rows = self._heard(found.features).reshape(-1, found.features.shape[2])
        flat = self._booster.predict(rows, num_threads=1)
        values = np.asarray(flat, dtype=np.float32).reshape(found.items.shape)
        served = somebody
        if of_requests(self.choices_):
            values = by_choice(self.choices_, values, found, asking.lengths)
            served = somebody | ~has_query(asking)
        return agreed(np.where(served[:, None], values, by_sum), found, somebody)

    def add_items(self, items: Features) -> Self:
        """Items that arrived later: content retrievers propose them from now on."""
        check_fitted(self)
        if self.features_ is not None:
            self.features_ = self.features_.below(items.select(self.features_.parts))
        self.item_ids_ = Ids(pl.concat([self.item_ids_.series, items.ids.series]))
        self.added_ += len(items)
        self._forget()
        self.statistics_ = extended(self.statistics_, self._catalogue)
        return self

    def update_items(self, items: Features) -> Self:
        """Known items that say something else now; what people did with them stays."""
        check_fitted(self)
        if self.features_ is not None:
            self.features_ = self.features_.replaced(items)
        self._forget()
        return self

    def evidence(self, histories: Histories, items: Rows) -> list[Evidence]:
        """What speaks most for item i at request i: the family that the trees count most.

        Beside a history, words are asked alone: that part speaks which places the item higher.
        """
        check_fitted(self)
        asking = self._asking(histories)
        return evidence_of_parts(self._evidence, self._score_all, asking, items)

    def _evidence(self, asking: Histories, items: Rows) -> list[Evidence]:
        found = from_content(self.features_, asking, items)
        shares = self._shares(asking, items)
        if "directed" in self.statistics_:
            together = from_links(self._links, asking, items)
            found = stronger(together, found, shares.content > shares.behaviour)
        if self.user_blocks_:
            found = with_profiles(
                found, shares, asking, self._places[items], self.statistics_, self._catalogue
            )
        return found

    @property
    def _links(self) -> Links:
        links, places = links_in(self.statistics_["directed"]), self._places
        return lambda sources, targets: links(places[sources], places[targets])

    def _shares(self, asking: Histories, items: Rows) -> Shares:
        if not self.trees_ or not (self._has_content or self.user_blocks_):
            return Shares.none(len(items))
        contributions = partial(self._booster.predict, pred_contrib=True, num_threads=1)
        families = self.importances_["family"].to_list()
        columns = families_of(self.names_, families, self.features_)
        return Shares.of(
            self._candidates, lambda rows: contributions(self._heard(rows)), columns, asking, items
        )

    def _heard(self, rows: Floats) -> Floats:
        """The rows with what the trees were taught of such histories, and no more."""
        return silenced(rows, self.names_, self._unheard)

    @cached_property
    def _unheard(self) -> dict[str, list[tuple[int, int]]]:
        return unheard(self.choices_)

    def check_learnt(self) -> None:
        """Raises `ValueError` for learnt values that do not fit each other."""
        n_items, features = len(self.item_ids_), self.features_
        agree(features is None or features.ids == self.item_ids_, "features of other items")
        if self.neighbour_pool_ is not None:
            check_rows(self.neighbour_pool_, n_items, "neighbour_pool_")
        agree(0 <= self.added_ <= n_items, f"{self.added_} of {n_items} items were added")
        order = np.sort(self.order_)
        agree(
            np.array_equal(order, np.arange(n_items - self.added_)),
            "order_ is no order of the items",
        )
        check_statistics(self.statistics_, self._catalogue, behaviour=self.behaviour)
        check_profiles(self.statistics_, self.user_blocks_, n_items)
        names = feature_names(
            features,
            behaviour=self.behaviour,
            users=profile_blocks(self.statistics_, self.user_blocks_),
            **known_kinds(self.statistics_),
        )
        agree(self.names_ in (names, []), "features of rows that this version does not make")
        agree(bool(self.names_) or not self.trees_, "trees, but no names of their features")
        check_importances(self.importances_, self.names_)
        check_chosen(self.choices_, self.names_)
        _ = self._booster
