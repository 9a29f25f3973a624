"""Rules: who chose these one or two items chose that one."""

from __future__ import annotations

from itertools import chain
from typing import Annotated, Any, Literal, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field, NonNegativeFloat, PositiveInt
from scipy import sparse

from palate.core.arrays import Floats, Rows
from palate.core.columns import ITEM
from palate.core.component import check_fitted, check_types, component, learnt
from palate.core.dataset import Dataset
from palate.core.evidence import Evidence, by_request, from_popularity
from palate.core.histories import Histories, histories_of, ragged_positions
from palate.core.learnt import agree
from palate.core.topk import tie_order
from palate.core.types import FitContext
from palate.recommenders._base import CatalogueModel, known_columns
from palate.recommenders._cooccurrence import even_chunks, keep_largest
from palate.recommenders._rule_counts import NOBODY, Baskets, cells_of, counts_with, frequent_pairs

__all__ = ["AssociationRules"]

Measure = Literal["confidence", "lift", "conviction", "leverage"]

_HALF_A_PERSON = 0.5  # may yet break a rule that nobody broke: conviction stays finite


@component
class AssociationRules(CatalogueModel):
    """Rules A → C and A, B → C: who chose one or two items chose a third (Agrawal, Srikant 1994).

    A rule counts where `min_support` people or more chose all of its items and its confidence,
    people with all / (people with A and B + `shrink`), is `min_confidence` or more; people count
    once, whatever their events weigh. A rule from two items must say more than the rule from
    either (Bayardo et al. 1999). `measure` says how much a rule speaks: its confidence; lift,
    confidence / share of C; conviction, (1 - share of C) / (1 - confidence); or leverage, share of
    people with all - share of A, B times that of C. An item scores the largest of the rules that a
    history sets off, or with `combine` "sum" their sum; only the `length` newest events count.
    `ordered` counts only who chose C after A and B (equal times have no order).

    Found level by level: of two items only those that `min_support` people share, and of these
    the `max_pairs` that most do; for each side the `rules` that speak loudest. Below what rules
    say stands what is popular; new items score the lowest.
    """

    antecedent: Annotated[int, Field(ge=1, le=2)] = 2
    min_support: PositiveInt = 3
    min_confidence: Annotated[float, Field(ge=0, le=1)] = 0.0
    measure: Measure = "confidence"
    combine: Literal["best", "sum"] = "best"
    ordered: bool = False
    shrink: NonNegativeFloat = 1.0
    length: PositiveInt = 100
    rules: PositiveInt = 100
    max_pairs: Annotated[int, Field(ge=0)] = 20_000

    sides_: Rows = learnt("sides", 2)
    people_: Floats = learnt("sides")
    support_: sparse.csr_array = learnt("sides", "known")
    strength_: Floats = learnt("rules")
    n_people_: int = learnt()

    def __post_init__(self) -> None:
        check_types(self)

    def fit(self, data: Dataset, context: FitContext = FitContext()) -> Self:
        self._know(data, context)
        baskets = Baskets.of(histories_of(data).last(self.length))
        most = self.max_pairs if self.antecedent > 1 else 0
        pairs, counts = frequent_pairs(baskets, self.min_support, most, tie_order(data.item_ids))
        self.n_people_ = baskets.n_people
        singles = np.full((baskets.n_items, 2), NOBODY, dtype=np.int32)
        singles[:, 0] = np.arange(baskets.n_items)
        self.sides_ = np.concatenate([singles, pairs])
        together = cells_of(counts, pairs[:, 0], pairs[:, 1])
        people = baskets.people_of.sum(axis=1)
        self.people_ = np.concatenate([people, together]).astype(np.float32)
        self._keep(baskets, counts)
        return self

    def _keep(self, baskets: Baskets, shared: sparse.csr_array) -> None:
        """Counts rules, a part of the sides at a time, so that those left out are soon gone.

        `shared` (n_items, n_items) is how many people chose two items.
        """
        n_items, singles = baskets.n_items, shared
        parts: list[tuple[sparse.csr_array, Floats]] = []
        if self.ordered:
            sides = self.sides_[:n_items]
            found = counts_with(baskets, sides, self.min_support, ordered=True)
            singles = sparse.csr_array(sparse.vstack([counts for _, counts in found]))
        pairs = self.sides_[n_items:]
        doubles = counts_with(baskets, pairs, self.min_support, ordered=self.ordered)
        for lines, counts in chain([(slice(0, n_items), singles)], doubles):
            first = n_items if parts else 0
            parts.append(
                self._loudest(counts, slice(first + lines.start, first + lines.stop), singles)
            )
        supports, strengths = zip(*parts, strict=True)
        self.support_ = sparse.csr_array(sparse.vstack(supports))
        self.strength_ = np.concatenate(strengths)

    def _loudest(
        self, counts: sparse.csr_array, lines: slice, singles: sparse.csr_array
    ) -> tuple[sparse.csr_array, Floats]:
        """The rules that stay of some sides: people with all, and how much each rule speaks."""
        side = np.repeat(np.arange(lines.start, lines.stop), np.diff(counts.indptr))
        confidence = self._confidence(counts.data, side)
        kept = confidence >= self.min_confidence
        one, other = self.sides_[side].T
        if (other != NOBODY).any():
            for item in (one, other):
                shorter = cells_of(singles, item, counts.indices)
                kept &= confidence > self._confidence(shorter, item)
        strength = self._measured(self.measure, confidence, side, counts.indices)
        kept &= strength > 0
        row = side[kept] - lines.start
        places = (row, counts.indices[kept])
        loud = sparse.csr_array((strength[kept], places), shape=counts.shape)
        loud = keep_largest(loud, self.rules, tie_order(self.item_ids_))
        loud.sort_indices()
        row = np.repeat(np.arange(counts.shape[0]), np.diff(loud.indptr))
        people = cells_of(counts, row, loud.indices)
        support = sparse.csr_array((people, loud.indices, loud.indptr), shape=counts.shape)
        return support, loud.data.astype(np.float32)

    def _confidence(self, support: NDArray[np.floating], side: NDArray[Any]) -> NDArray[np.float64]:
        """Of a rule that so many people bear out, from each side."""
        people = self.people_[side].astype(np.float64)
        found: NDArray[np.float64] = support / np.maximum(people + self.shrink, _HALF_A_PERSON)
        return found

    def _measured(
        self,
        measure: Measure,
        confidence: NDArray[np.float64],
        side: NDArray[Any],
        item: NDArray[Any],
    ) -> NDArray[np.float64]:
        """One of the four measures of each rule."""
        people = self.people_[side].astype(np.float64)
        share = self.people_[item].astype(np.float64) / max(self.n_people_, 1)
        found = confidence
        if measure == "lift":
            found = confidence / np.maximum(share, 1e-12)
        if measure == "conviction":
            most = 1.0 - _HALF_A_PERSON / np.maximum(people, 1.0)
            found = (1.0 - share) / (1.0 - np.minimum(confidence, most))
        if measure == "leverage":
            found = (confidence - share) * people / max(self.n_people_, 1)
        return np.asarray(found, dtype=np.float64)

    def refresh(self, data: Dataset, context: FitContext = FitContext()) -> Self:
        """All of it is counted: as a fit on these events."""
        return self.fit(data, context)

    def check_learnt(self) -> None:
        """Raises `ValueError` for rules about items that nobody knows, or without a strength."""
        known = self.support_.shape[1]
        agree(0 < known <= len(self.item_ids_), "items that nobody knows")
        agree(len(self.strength_) == self.support_.nnz, "rules without a strength")
        singles = self.sides_[:known]
        agree(np.array_equal(singles[:, 0], np.arange(known)), "an item without a side of its own")
        agree(bool((singles[:, 1] == NOBODY).all()), "an item whose side is two")
        inside = (self.sides_[known:] >= 0) & (self.sides_[known:] < known)
        agree(bool(inside.all()), "pairs of items that nobody knows")
        agree(self.n_people_ >= 0, f"{self.n_people_} people")

    def score(self, histories: Histories) -> Floats:
        """(n, n_items) what the rules say, 0 or more; below all of that what is popular."""
        asking = self._asking(histories)
        scores = np.zeros((len(asking), len(self.item_ids_)), dtype=np.float32)
        rules = self._rules()
        known = rules.shape[1]
        fired = self._fired(asking)
        if self.combine == "sum":
            scores[:, :known] = (fired @ rules).toarray()
        else:
            for lines in even_chunks(fired @ np.diff(rules.indptr)) if len(asking) else ():
                _raise_to_largest(scores[lines], fired[lines], rules)
        floor = 0.5 * float(self.strength_.min(initial=1.0))
        popular = self.popularity_ / max(float(self.popularity_.max(initial=0.0)), 1.0)
        return np.where(scores > 0, scores, np.float32(floor) * popular)

    def _rules(self) -> sparse.csr_array:
        """(sides, known) how much each rule speaks."""
        places = (self.support_.indices, self.support_.indptr)
        return sparse.csr_array((self.strength_, *places), shape=self.support_.shape)

    def _fired(self, asking: Histories) -> sparse.csr_array:
        """(n, sides) ones where a history holds all of a side."""
        known = self.support_.shape[1]
        held = known_columns(asking.last(self.length).chosen(), known)
        pairs = self.sides_[known:]
        if not len(pairs):
            return held
        ones = np.ones(2 * len(pairs), dtype=np.float32)
        limits = np.arange(0, 2 * len(pairs) + 1, 2)
        of_pairs = sparse.csr_array((ones, pairs.ravel(), limits), shape=(len(pairs), known))
        both = sparse.csr_array(held @ of_pairs.T)
        both.data = (both.data > 1).astype(np.float32)
        both.eliminate_zeros()
        return sparse.csr_array(sparse.hstack([held, both]))

    def evidence(self, histories: Histories, items: Rows) -> list[Evidence]:
        """For request i and item i: the items of the loudest rule that its history sets off."""
        asking = self._asking(histories)
        rules, found = self._rules(), from_popularity(items)
        known = rules.shape[1]
        for lines, part, place in by_request(asking):
            fired = self._fired(part)
            for line, request in zip(lines.tolist(), place.tolist(), strict=True):
                sides = fired.indices[fired.indptr[request] : fired.indptr[request + 1]]
                if not len(sides) or items[line] >= known:
                    continue
                said = cells_of(rules, sides, np.full(len(sides), items[line]))
                # of two that say the same, the one of more items; then the one of more people
                double = self.sides_[sides, 1] != NOBODY
                order = np.lexsort((self.people_[sides], double, said))
                if said[order[-1]] > 0:
                    one, other = self.sides_[sides[order[-1]]].tolist()
                    found[line] = Evidence("together", one, other)
        return found

    @property
    def rules_(self) -> pl.DataFrame:
        """Every rule that was kept, the loudest first, with its four measures.

        `antecedent` (a list of item ids), `item_id` that follows, `support` (people with all),
        `confidence`, `lift`, `conviction`, `leverage`, and `strength`, by which it scores.
        """
        check_fitted(self)
        side = np.repeat(np.arange(len(self.sides_)), np.diff(self.support_.indptr))
        item, names = self.support_.indices, self.item_ids_.series
        one, other = self.sides_[side].T
        confidence = self._confidence(self.support_.data, side)
        measures = {
            name: self._measured(name, confidence, side, item)
            for name in ("confidence", "lift", "conviction", "leverage")
        }
        table = pl.DataFrame(
            {
                "one": names[one],
                "other": pl.Series(names[np.maximum(other, 0)]),
                "double": other != NOBODY,
                ITEM: names[item],
                "support": self.support_.data.astype(np.int64),
                **measures,
                "strength": self.strength_,
            }
        )
        second = pl.when("double").then("other")
        antecedent = pl.concat_list("one", second).list.drop_nulls().alias("antecedent")
        order = ("strength", "support", "one", "other", ITEM)
        table = table.sort(*order, descending=[True, True, False, False, False])
        return table.select(antecedent, pl.exclude("one", "other", "double"))


def _raise_to_largest(scores: Floats, fired: sparse.csr_array, rules: sparse.csr_array) -> None:
    """Each score becomes the largest of the rules that a request sets off, where that is larger."""
    row = np.repeat(np.arange(len(scores)), np.diff(fired.indptr))
    line, entry = ragged_positions(rules.indptr[fired.indices], rules.indptr[fired.indices + 1])
    np.maximum.at(scores, (row[line], rules.indices[entry]), rules.data[entry])
