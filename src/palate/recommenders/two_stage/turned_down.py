"""What people turned down: how often each item was, and how like it a candidate is.

Known where events have times: without them nobody can say what somebody had turned down by then.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from palate.core.arrays import Floats, scale_rows, unit_rows
from palate.core.histories import Histories, ragged_positions
from palate.core.sparse import inner_products
from palate.recommenders._cooccurrence import cooccurrence
from palate.recommenders.two_stage.catalogue import Catalogue

DOWN: Final = "turned down"
LIKE_IT: Final = f":{DOWN}"
ALIKE: Final = "turned down by the same people"

PRIOR = 10.0  # meetings that every item is taken to have had more, at the usual share
DECAY, LENGTH = 0.95, 30  # of what somebody turned down, newest first
LINKS = 100  # items that were turned down together with each


def turned_down_statistics(histories: Histories) -> dict[str, Any]:
    """From these histories alone; {} where nobody turned anything down, or nobody knows when.

    `DOWN` (n_items,) log of how much more often than usual those who met an item turned it down, 0
    for what nobody met; `ALIKE` (n_items, n_items) cosines of who turned what down.
    """
    against = histories.against
    if histories.times is None or against is None or not against.lengths.any():
        return {}
    n_items = len(histories.item_ids)
    down, chosen = (_counts(part, n_items) for part in (against, histories))
    usual = down.sum() / max(down.sum() + chosen.sum(), 1.0)
    share = (down + PRIOR * usual) / (down + chosen + PRIOR)
    return {
        DOWN: np.log(share / usual).astype(np.float32),
        ALIKE: cooccurrence(against, neighbours=LINKS),
    }


def _counts(histories: Histories, n_items: int) -> NDArray[np.float64]:
    _, position = ragged_positions(histories.starts, histories.stops)
    return np.bincount(histories.items[position], minlength=n_items).astype(np.float64)


def turned_down_features(
    histories: Histories,
    statistics: Mapping[str, Any],
    catalogue: Catalogue,
    columns: NDArray[np.int64],
) -> dict[str, Floats]:
    """(n, k) each: how often others turned the candidate down, and how like what the person turned
    down it is; {} where the statistics know of none.
    """
    if DOWN not in statistics:
        return {}
    n, n_items = columns.shape[0], catalogue.n_items
    own: sparse.csr_array = sparse.csr_array((n, n_items), dtype=np.float32)
    if histories.against is not None:
        own = histories.against.matrix(decay=DECAY, length=LENGTH)
        # means, not sums: who met much would else be told apart by how much that was
        total = np.asarray(own.sum(axis=1)).ravel()
        own = scale_rows(own, 1 / np.maximum(total, np.float32(1e-9)))
    found = {
        DOWN: statistics[DOWN][columns],
        ALIKE: _at((own @ statistics[ALIKE]).toarray(), columns),
    }
    spaces = {name: vectors for name, vectors in catalogue.dense_blocks.items()}
    if "space_unit" in statistics:
        spaces["space"] = statistics["space_unit"]
    for name, vectors in spaces.items():
        profile = unit_rows(own @ vectors)
        found[f"{name}{LIKE_IT}"] = _at(inner_products(profile, vectors), columns)
    return found


def _at(scores: Floats, columns: NDArray[np.int64]) -> Floats:
    return np.take_along_axis(scores, columns, axis=1)
