"""What the ranker counts, counted again when events come after the fit; its trees stay."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
from scipy import sparse

from palate.core.arrays import places_of
from palate.core.component import check_fitted
from palate.core.dataset import Dataset
from palate.core.errors import AlignmentError, ConfigError
from palate.core.histories import Histories, histories_of
from palate.core.order import settled, with_users_settled
from palate.core.parallel import one_blas_thread
from palate.core.types import FitContext, check_context
from palate.recommenders.ease import closed_form
from palate.recommenders.two_stage.catalogue import Catalogue
from palate.recommenders.two_stage.statistics import EASE_L2, Statistics, fit_statistics
from palate.recommenders.two_stage.turned_down import ALIKE, DOWN


class CountsAgain:
    """A ranker whose statistics follow new events: what is new, popular, chosen after what."""

    keeps_fit: ClassVar[tuple[str, ...]] = ("trees", "choices")

    def refresh(self, data: Dataset, context: FitContext = FitContext()) -> Self:
        """Statistics of all the events there are now, as a fit on them makes these; trees stay.

        `data` has the catalogue that is known, `context.users` the features of its people. Raises
        `AlignmentError` for another catalogue, `ConfigError` without features of people where the
        fit had some: the trees ask for these.
        """
        check_fitted(self)
        check_context(context)
        model: Any = self
        _check_known(model, data, context)
        ordered, order = settled(data)
        histories = with_users_settled(histories_of(ordered))
        pool, users = model.neighbour_pool_, context.users
        if pool is not None:  # the same items, where they stand now
            pool = np.sort(places_of(order)[model._rows[pool]]).astype(np.int32)
        if users is not None:
            users = users.select(model.user_blocks_) if model.user_blocks_ else None
        features = None if model.features_ is None else model.features_.take(order)
        catalogue = Catalogue.of(features, len(data.item_ids), neighbour_pool=pool, users=users)
        with one_blas_thread:
            statistics = _counted(histories, catalogue, model.statistics_, model)
        model._forget()
        model.order_, model.added_, model.neighbour_pool_ = order, 0, pool
        model.statistics_ = statistics
        return self


def _check_known(model: Any, data: Dataset, context: FitContext) -> None:
    if data.item_ids != model.item_ids_:
        raise AlignmentError(
            "the ranker knows other items than these events have: give it new ones by add_items"
        )
    if model.user_blocks_ and context.users is None:
        names = ", ".join(model.user_blocks_)
        raise ConfigError(
            f"the ranker was fitted with features of people ({names}): give them, too, as"
            " refresh(data, FitContext(users=features))"
        )


def _counted(
    histories: Histories, catalogue: Catalogue, before: Statistics, model: Any
) -> Statistics:
    """The same kinds of statistics as before: the trees ask for these, and for no others."""
    found = fit_statistics(
        histories,
        catalogue,
        behaviour=model.behaviour,
        seed=model.seed,
        against=DOWN in before,
    )
    size = catalogue.n_items
    if "ease" in before and "ease" not in found:  # the catalogue has grown beyond its limit
        seen = histories.strengths().astype(np.float64)
        found["ease"] = closed_form((seen.T @ seen).toarray(order="F"), EASE_L2)
    if DOWN in before and DOWN not in found:  # whoever turned something down has gone
        found[DOWN] = np.zeros(size, dtype=np.float32)
        found[ALIKE] = sparse.csr_array((size, size), dtype=np.float32)
    return {name: value for name, value in found.items() if name in before}
