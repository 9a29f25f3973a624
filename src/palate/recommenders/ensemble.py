"""Several recommenders, or several copies of one, that vote."""

from __future__ import annotations

from dataclasses import field, replace
from functools import partial
from typing import Annotated, Any, Literal, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field, NonNegativeFloat

from palate.core import registry
from palate.core.arrays import Floats, Rows
from palate.core.columns import USER, WEIGHT
from palate.core.component import check_fitted, component, learnt
from palate.core.dataset import Dataset
from palate.core.evidence import Evidence, scores_at
from palate.core.histories import Histories
from palate.core.learnt import agree
from palate.core.settings import AnyRecommender
from palate.core.topk import reciprocal_ranks
from palate.core.types import FitContext, Recommender, check_context
from palate.core.visible import counted
from palate.recommenders._base import zscores
from palate.recommenders._committee import Committee, called, evidence_of, hearing
from palate.recommenders._hold_out import FEWEST, HeldOut, hashes_of, hold_out, shuffled
from palate.recommenders._stacking import (
    TERMS,
    Candidates,
    added_by,
    equal_weights,
    judged,
    learnt_apart,
    learnt_weights,
)
from palate.recommenders._text_queries import evidence_of_parts, fused_with_queries, has_query

__all__ = ["Ensemble"]

_TRIAL = pl.Schema({"way": pl.String, "ndcg": pl.Float64})
_DRAWN = np.cumsum(np.exp(-1.0) / np.array([1, 1, 2, 6, 24, 120, 720, 5040]))  # Poisson, mean 1


def _default_parts() -> list[dict[str, Any]]:
    return [{"type": "covisit"}, {"type": "content"}]


@component
class Ensemble(Committee):
    """A committee of recommenders: weights that are learnt, a stack, or bagging.

    `how` "blend" learns a weight of 0 or more for each of the `parts`; "stacking" learns how much
    each counts by the length of the history and where there is a profile (Sill et al. 2009). Both
    learn from choices that are held out of the training part, the newest fifth of them (without
    times, those of a third of the people), by parts that are fitted on the rest: weights by which
    the choice stands out of what all parts propose (the log-loss of a softmax, with `l2`). Weights
    are judged on people that they were not learnt from, over the whole catalogue, and what does
    best in NDCG@10 is taken: the stack, the weights, equal weights or one part alone. Then the
    parts are fitted again, on everything. With fewer than 200 held-out choices weights are equal.

    "bagging" fits `n_estimators` copies of each part, each on people drawn with replacement: who
    is drawn twice weighs twice (Breiman 1996; by independent draws, Oza and Russell 2001). It
    steadies what small changes of the data upset: trees, few neighbours, networks.

    Parts speak by z-scores over the catalogue, or with `combine` "rank" by reciprocal ranks. Words
    are for the parts that hear them, alike. `chosen_` says what was found.
    """

    parts: Annotated[list[AnyRecommender], Field(min_length=1)] = field(
        default_factory=_default_parts
    )
    how: Literal["blend", "stacking", "bagging"] = "blend"
    n_estimators: Annotated[int, Field(ge=2, le=1000)] = 10
    combine: Literal["zscore", "rank"] = "zscore"
    l2: NonNegativeFloat = 1.0
    seed: Annotated[int, Field(ge=0)] = 0

    weights_: NDArray[np.float64] = learnt("terms", "parts")
    trial_: pl.DataFrame = learnt()
    n_requests_: int = learnt()

    def fit(self, data: Dataset, context: FitContext = FitContext()) -> Self:
        check_context(context)
        if self.how == "bagging":
            return self._fit_copies(data, context)
        held = hold_out(data, context, seed=self.seed)
        self.n_requests_ = len(held)
        self.trial_ = pl.DataFrame(schema=_TRIAL)
        self.weights_ = equal_weights(len(self.parts))
        if held.enough:
            self._learn(held)
        self.parts_ = [part.fit(data, context) for part in self._build()]
        return self

    def _fit_copies(self, data: Dataset, context: FitContext) -> Self:
        """The copies of all parts, of which each counts the same."""
        copies = self._copies()
        self.parts_ = [
            part.fit(_drawn(data, self.seed + nth // len(self.parts)), context)
            for nth, part in enumerate(copies)
        ]
        self.weights_ = equal_weights(len(copies))
        self.trial_, self.n_requests_ = pl.DataFrame(schema=_TRIAL), 0
        return self

    def _copies(self) -> list[Recommender]:
        return [part for _ in range(self.n_estimators) for part in self._build()]

    def _learn(self, held: HeldOut) -> None:
        """Tries every way, and takes the weights of the best; the first among equals."""
        parts, size = held.fitted(self._build()), len(self.parts)
        candidates = Candidates.of(parts, held, self._spoken)
        counts = {"stack": TERMS, "learnt weights": 1}
        if self.how == "blend":
            del counts["stack"]
        ways = {
            name: learnt_apart(candidates, count=count, l2=self.l2)
            for name, count in counts.items()
        }
        ways["equal weights"] = [equal_weights(size)] * 2
        for name, alone in zip(called(self.parts), np.eye(size), strict=True):
            ways[f"{name} alone"] = [alone[None, :]] * 2
        ndcg = judged(parts, held, self._spoken, list(ways.values())).mean(axis=0)
        best = list(ways)[int(np.argmax(ndcg))]
        self.weights_ = ways[best][0]
        if best in counts:
            everybody = np.arange(len(candidates.people))
            self.weights_ = learnt_weights(candidates, everybody, count=counts[best], l2=self.l2)
        tried = pl.DataFrame({"way": list(ways), "ndcg": ndcg}, schema=_TRIAL)
        self.trial_ = pl.concat(
            [tried.filter(pl.col("way") == best), tried.filter(pl.col("way") != best)]
        )

    def refresh(self, data: Dataset, context: FitContext = FitContext()) -> Self:
        """Other events than those of the fit: what parts count follows, weights stay."""
        if self.how != "bagging":
            return super().refresh(data, context)
        check_fitted(self)
        parts: list[Any] = [registry.apart(part) for part in self.parts_]
        for nth, part in enumerate(parts):
            if hasattr(part, "refresh"):
                part.refresh(_drawn(data, self.seed + nth // len(self.parts)), context)
        self.parts_ = parts
        return self

    @property
    def keeps_fit(self) -> tuple[str, ...]:
        """The weights, and what of its parts stays as it was fitted, when events come."""
        own = () if self.how == "bagging" else ("weights",)
        return tuple(dict.fromkeys((*own, *super().keeps_fit)))

    def check_learnt(self) -> None:
        """Raises `ValueError` for other recommenders than the settings ask for, or no weights."""
        wanted = [table["type"] for table in self.parts]
        if self.how == "bagging":
            wanted *= self.n_estimators
        uses = [registry.name_of(part) for part in self.parts_]
        agree(uses == wanted, f"parts_ are {', '.join(uses)}")
        agree(self.weights_.shape in ((1, len(uses)), (TERMS, len(uses))), "weights of other parts")
        agree(self.trial_.schema == _TRIAL, "trial_ is no table of ways")
        agree(not sum(self.trial_.null_count().row(0)), "a way without a result")

    @property
    def chosen_(self) -> list[str]:
        """What was found, and how all ways did on what was held out."""
        check_fitted(self)
        names = called(self.parts)
        if self.how == "bagging":
            of = ", ".join(names)
            return [f"{self.n_estimators} copies of {of}, each of people drawn with replacement"]
        if not len(self.trial_):
            asked = counted(self.n_requests_, "choice")
            return [f"equal weights: {asked} could be held out, {FEWEST} are needed"]
        tried = ", ".join(f"{way} {ndcg:.4f}" for way, ndcg in self.trial_.iter_rows())
        total = np.abs(self.weights_[0]).sum() or 1.0
        shares = zip(names, (self.weights_[0] / total).tolist(), strict=True)
        weights = ", ".join(f"{name} {share:.2f}" for name, share in shares)
        if len(self.weights_) > 1:
            weights += " (after ten choices)"
        return [
            f"{self.trial_['way'][0]} (NDCG@10 of {counted(self.n_requests_, 'choice')} held out:"
            f" {tried})",
            f"weights: {weights}",
        ]

    def score(self, histories: Histories) -> Floats:
        """(n, n_items) weighted sums of what parts say; reciprocal ranks for words beside it."""
        check_fitted(self)
        return fused_with_queries(self._score_all, histories)

    def _score_all(self, asking: Histories) -> Floats:
        shares = self._hearers(asking)
        first, *others = self._voters(shares)
        total = self._added(first, shares, asking)
        for place in others:
            total += self._added(place, shares, asking)
        return total

    def _voters(self, shares: Floats | None) -> list[int]:
        """The parts that add anything: nobody asks one of weight 0, unless words are for it."""
        every = np.arange(len(self.parts_))
        found = every if shares is not None else every[self.weights_.any(axis=0)]
        return found.tolist() or every.tolist()

    def _hearers(self, asking: Histories) -> Floats | None:
        """(parts, n) how much each part counts where words are all that is known; NaN elsewhere.

        None where nobody asks by words.
        """
        spoken = np.flatnonzero(has_query(asking))
        if not len(spoken):
            return None
        hears = hearing(self.parts_, asking.take(spoken)).astype(np.float32)
        heard = np.flatnonzero(hears.any(axis=0))
        shares = np.full((len(self.parts_), len(asking)), np.nan, dtype=np.float32)
        shares[:, spoken[heard]] = hears[:, heard] / hears[:, heard].sum(axis=0)
        return shares

    def _added(self, place: int, shares: Floats | None, asking: Histories) -> Floats:
        """(n, n_items) what a part adds to the score."""
        said = self._spoken(self.parts_[place], asking)
        added = added_by(said, self.weights_[:, place], asking)
        if shares is not None:
            own = ~np.isnan(shares[place])
            added[own] = shares[place][own, None] * said[own]
        return added

    def _spoken(self, part: Recommender, asking: Histories) -> Floats:
        """(n, n_items) what a part says, on a scale that all parts share."""
        scores = part.score(asking)
        return zscores(reciprocal_ranks(scores) if self.combine == "rank" else scores)

    def evidence(self, histories: Histories, items: Rows) -> list[Evidence]:
        """For request i and item i: what the part says that adds most to the score."""
        check_fitted(self)
        return evidence_of_parts(self._evidence, self._score_all, histories, items)

    def _evidence(self, asking: Histories, items: Rows) -> list[Evidence]:
        def added(place: int, part: Histories) -> Floats:
            return self._added(place, self._hearers(part), part)

        voters = np.array(self._voters(self._hearers(asking)))
        speaking = [scores_at(partial(added, place), asking, items) for place in voters.tolist()]
        strongest = voters[np.argmax(speaking, axis=0)]
        found = [Evidence("popular")] * len(items)
        for place in np.unique(strongest).tolist():
            lines = np.flatnonzero(strongest == place)
            said = evidence_of(self.parts_[place], asking.take(lines), items[lines])
            for line, one in zip(lines.tolist(), said, strict=True):
                found[line] = one
        return found


def _drawn(data: Dataset, seed: int) -> Dataset:
    """People drawn with replacement: each some times, by a hash of the id, and weighs as often.

    How often is Poisson with mean 1, so that nobody's draw depends on who else is there.
    """
    chance = shuffled(hashes_of(data.user_ids), seed).astype(np.float64) / 2.0**64
    times = np.searchsorted(_DRAWN, chance).astype(np.float32)
    part = data.part(times[data.user_ids.rows(data.events[USER])] > 0)
    if not len(part.interactions):
        return data
    weights = part.weights * times[data.user_ids.rows(part.interactions[USER])]
    return replace(part, interactions=part.interactions.with_columns(pl.Series(WEIGHT, weights)))
