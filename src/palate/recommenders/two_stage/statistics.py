"""What the ranker's retrievers know, fitted on one set of histories and the items' features."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from palate.core.arrays import Floats, Rows, unit_rows
from palate.core.histories import Histories, ragged_positions, turned_down_before
from palate.core.ids import Ids
from palate.core.learnt import agree, check_finite
from palate.core.parallel import in_chunks
from palate.core.sparse import on_grid
from palate.core.topk import tie_order
from palate.recommenders._cooccurrence import (
    cooccurrence,
    covisit_counts,
    keep_largest,
    normalised_covisits,
    popularity,
    squares_of,
)
from palate.recommenders.ease import closed_form
from palate.recommenders.two_stage.catalogue import Catalogue
from palate.recommenders.two_stage.profiles import (
    grown_profiles,
    is_profile,
    profile_statistics,
)
from palate.recommenders.two_stage.recency import WINDOWS, recency_statistics
from palate.recommenders.two_stage.turned_down import ALIKE, DOWN, turned_down_statistics

DECAY = 0.7  # of a history's k-th newest item
LENGTH = 8  # newest items that speak for what comes next
LONG_DECAY = 0.95
LONG_LENGTH = 30  # newest items that speak for lasting taste
WINDOW = 20
BEHAVIOUR_DIM = 64
OVERSAMPLING = 10
POWER_ITERATIONS = 3
MAP_PAIRS = 50_000
MAP_CHUNK = 10_000  # pairs of one product: another number would round otherwise
MAP_ROWS = 1_000  # of them whose histories are summed up at once
MAP_RIDGE = 0.3
LINKS_PER_ITEM = 500
EASE_ITEMS = 4_000  # of a catalogue that gets an items × items matrix, at most
EASE_L2 = 200.0
STRONG_LINKS = 50  # that covisits are carried over, to neighbours in content or a second step

Statistics = dict[str, Any]

_OF_ITEMS = ("popularity", "counts", "newest")
_OF_PAIRS = (
    *("directed", "directed.strong", "adjacent", "conditional", "conditional.strong"),
    "together",
)
_OF_SPACE = ("space_in", "space_out", "space_unit")
_FARTHEST = 1e15  # of numbers whose products are summed in float32


def fit_statistics(
    histories: Histories,
    catalogue: Catalogue,
    *,
    behaviour: bool,
    seed: int,
    against: bool = True,
) -> Statistics:
    """Everything the retrievers need; `histories`, content and who people are, nothing else.

    `against` says whether what people turned down is among it.
    """
    counts = np.bincount(_flat_items(histories), minlength=catalogue.n_items)
    met = np.bincount(_flat_items(histories.every()), minlength=catalogue.n_items)
    statistics: Statistics = {
        "popularity": popularity(histories),
        "counts": met.astype(np.float32),  # what was turned down is no new item
        "newest": _newest_counts(histories),
    }
    statistics |= recency_statistics(histories, catalogue.n_items)
    statistics |= turned_down_statistics(histories) if against else {}
    if behaviour:
        statistics |= _behaviour_statistics(histories, statistics["popularity"], seed)
        statistics |= profile_statistics(histories, catalogue.users)
        if histories.times is not None and catalogue.n_items <= EASE_ITEMS:
            statistics["ease"] = _ease(histories)
    for name, vectors in catalogue.dense_blocks.items():
        statistics[f"map.{name}"] = next_item_map(histories, vectors, counts, seed)
    return statistics


def check_statistics(statistics: Statistics, catalogue: Catalogue, *, behaviour: bool) -> None:
    """Raises `ValueError` for what `fit_statistics` does not make of such a catalogue."""
    n_items, widths = catalogue.n_items, _widths(statistics)
    shapes: dict[str, tuple[int, ...]] = {
        **dict.fromkeys(_OF_ITEMS, (n_items,)),
        **{f"map.{name}": (part.shape[1],) * 2 for name, part in catalogue.dense_blocks.items()},
    }
    if "windows" in statistics:
        shapes |= {"windows": (n_items, len(WINDOWS)), "ages": (n_items, 2)}
    if DOWN in statistics:
        shapes |= {DOWN: (n_items,), ALIKE: (n_items, n_items)}
    if behaviour:
        if "ease" in statistics:
            shapes |= {"ease": (n_items, n_items)}
        shapes |= dict.fromkeys(_OF_PAIRS, (n_items, n_items))
        shapes |= {"users": (widths["users"], n_items)}
        shapes |= dict.fromkeys(_OF_SPACE, (n_items, widths["space_in"]))
    names = {name for name in statistics if not is_profile(name)}
    agree(names == shapes.keys(), f"statistics of other names: {sorted(statistics)}")
    for name, shape in shapes.items():
        value, kept_sparse = statistics[name], name in (*_OF_PAIRS, ALIKE, "users")
        kind = sparse.csr_array if kept_sparse else np.ndarray
        right = isinstance(value, kind) and value.dtype == np.float32
        agree(right, f"statistics: {name} is no array of float32")
        agree(value.shape == shape, f"statistics: {name} has shape {value.shape}, not {shape}")
        check_finite(value.data if kept_sparse else value, f"statistics: {name}")
    for name in (*_OF_ITEMS, *statistics.keys() & {"windows", "ages"}):
        least = float(statistics[name].min(initial=0.0))
        agree(least > -1, f"statistics: {name} counts {least}")
    for name in _OF_SPACE if behaviour else ():
        most = float(np.abs(statistics[name]).max(initial=0.0))
        agree(
            most < _FARTHEST, f"statistics: {name} holds {most:g}, whose square is beyond float32"
        )


def arrivals(counts: Floats) -> float:
    """How many items without any event are more than chance explains: new arrivals.

    In every catalogue some rare items go untouched; the items touched once and twice tell how many
    (Chao 1984, bias-corrected).
    """
    never, once, twice = (float((counts == times).sum()) for times in (0, 1, 2))
    return max(0.0, never - once * (once - 1) / (2 * (twice + 1)))


def known_kinds(statistics: Statistics) -> dict[str, bool]:
    """Which kinds of features such statistics give, as `feature_names` asks for them."""
    kinds = {"times": "windows", "ease": "ease", "against": DOWN}
    return {kind: name in statistics for kind, name in kinds.items()}


def _widths(statistics: Statistics) -> dict[str, int]:
    """What the data alone decide: people, and numbers of the behaviour space."""
    users, space = (getattr(statistics.get(name), "shape", ()) for name in ("users", "space_in"))
    return {"users": (*users, 0)[0], "space_in": (*space, 0, 0)[1]}


def _flat_items(histories: Histories) -> Rows:
    _, position = ragged_positions(histories.starts, histories.stops)
    return histories.items[position]


def _newest_counts(histories: Histories) -> Floats:
    newest = histories.newest()
    counts = np.bincount(newest[newest >= 0], minlength=len(histories.item_ids))
    return counts.astype(np.float32)


def _behaviour_statistics(histories: Histories, item_popularity: Floats, seed: int) -> Statistics:
    counts = covisit_counts(histories, window=WINDOW)
    sums = np.asarray(counts.sum(axis=1)).ravel()
    seen = histories.last(LINKS_PER_ITEM).strengths()
    directed = normalised_covisits(counts, item_popularity)
    conditional = sparse.csr_array(sparse.diags_array(1 / (sums + 2)) @ counts)
    conditional = conditional.astype(np.float32)
    return {
        "directed": directed,
        "directed.strong": keep_largest(directed, STRONG_LINKS),
        "adjacent": covisit_counts(histories, window=1, backward=0.0),
        "conditional": conditional,
        "conditional.strong": keep_largest(conditional, STRONG_LINKS),
        "together": cooccurrence(histories, neighbours=LINKS_PER_ITEM),
        "users": seen,
        **_behaviour_space(seen, histories.item_ids, seed),
    }


def _ease(histories: Histories) -> Floats:
    """(n_items, n_items) linear weights of who touched what; zeros of items without events."""
    seen = histories.strengths().astype(np.float64)
    return closed_form((seen.T @ seen).toarray(order="F"), EASE_L2)


def _behaviour_space(seen: sparse.csr_array, item_ids: Ids, seed: int) -> Statistics:
    """Truncated SVD of the people × items matrix, degrees to the power -1/2 on both sides."""
    per_user = np.maximum(squares_of(seen, rows=True), 1) ** -0.5
    per_item = np.maximum(squares_of(seen), 1) ** -0.5
    scaled = sparse.csr_array(sparse.diags_array(per_user) @ seen @ sparse.diags_array(per_item))
    # near full rank, what nobody did would be rounding noise and its order chance
    dim = min(BEHAVIOUR_DIM, min(seen.shape) // 3)
    if dim < 1 or not seen.nnz:
        empty = np.zeros((seen.shape[1], 0), dtype=np.float32)
        return {"space_in": empty, "space_out": empty, "space_unit": empty}
    space = _right_vectors(scaled, dim, tie_order(item_ids), seed)
    space[squares_of(seen) == 0] = 0  # of what nobody touched there is rounding noise alone
    return {
        "space_in": (space * per_item[:, None]).astype(np.float32),
        "space_out": on_grid((space / per_item[:, None]).astype(np.float32)),
        "space_unit": unit_rows(space.astype(np.float32)),
    }


def _right_vectors(
    matrix: sparse.csr_array, dim: int, order: NDArray[np.int64], seed: int
) -> NDArray[np.float64]:
    """(columns, dim) right singular vectors, by a randomised range finder (Halko et al. 2011).

    The random start belongs to the items' ids, by `order`, so the rows of a catalogue may move
    without moving the result.
    """
    start = np.random.default_rng(seed).standard_normal((matrix.shape[1], dim + OVERSAMPLING))
    basis = matrix @ start[order]
    for _ in range(POWER_ITERATIONS):
        basis, _ = np.linalg.qr(matrix @ (matrix.T @ basis))
    _, _, right = np.linalg.svd((matrix.T @ basis).T, full_matrices=False)
    return np.ascontiguousarray(right[:dim].T)


def next_item_map(
    histories: Histories, vectors: Floats, counts: NDArray[np.integer[Any]], seed: int
) -> Floats:
    """(d, d) ridge regression from a decayed history's vector to the next item's.

    Pairs with a popular next item weigh 1/√popularity; at most `MAP_PAIRS` pairs enter.
    """
    prefixes, following = prefix_cases(histories)
    if len(following) > MAP_PAIRS:
        chosen = np.sort(np.random.default_rng(seed).permutation(len(following))[:MAP_PAIRS])
        prefixes, following = prefixes.take(chosen), following[chosen]
    dim = vectors.shape[1]
    inner, cross = np.zeros((dim, dim)), np.zeros((dim, dim))

    def products(part: slice) -> tuple[Floats, Floats]:
        asking, target = prefixes.take(part), following[part]
        profile = np.empty((len(asking), dim), dtype=np.float32)
        for start in range(0, len(asking), MAP_ROWS):
            few = asking.take(slice(start, start + MAP_ROWS))
            weights = few.matrix(decay=DECAY, length=LENGTH)
            profile[start : start + MAP_ROWS] = unit_rows(weights @ vectors)
        weighted = profile * (np.maximum(counts[target], 1) ** -0.5)[:, None].astype(np.float32)
        own = weighted.T @ profile
        del profile  # before as much is taken for what follows
        return own, weighted.T @ vectors[target]

    for _, (own, other) in in_chunks(products, len(following), MAP_CHUNK):
        inner += own
        cross += other
    ridge = MAP_RIDGE * max(float(np.trace(inner)) / max(dim, 1), 1e-6)
    found = np.linalg.solve(inner + ridge * np.eye(dim), cross).astype(np.float32)
    return np.ascontiguousarray(on_grid(np.ascontiguousarray(found.T)).T)


def prefix_cases(histories: Histories) -> tuple[Histories, Rows]:
    """Every event but the first of each row, as a request with what came before it.

    What was turned down before it is known where events have times.
    """
    row, position = ragged_positions(
        histories.starts + 1, np.maximum(histories.stops, histories.starts + 1)
    )
    prefixes = histories.take(row)
    cut = Histories(
        item_ids=histories.item_ids,
        user_ids=prefixes.user_ids,
        starts=prefixes.starts,
        stops=position,
        items=histories.items,
        weights=histories.weights,
        times=histories.times,
        against=None
        if histories.times is None
        else turned_down_before(histories, row, histories.times[position]),
        add_repeats=histories.add_repeats,
    )
    return cut, histories.items[position]


def extended(statistics: Statistics, catalogue: Catalogue) -> Statistics:
    """Statistics for a catalogue that has grown at its end: nobody touched the new items yet."""
    grown: Statistics = grown_profiles(statistics, catalogue.n_items)
    for name, value in statistics.items():
        if is_profile(name):
            continue
        if name.startswith("map."):
            grown[name] = value
        elif name == "ease":
            missing = catalogue.n_items - len(value)
            grown[name] = np.pad(value, [(0, missing)] * 2)
        elif name == "users":
            grown[name] = _resized(value, value.shape[0], catalogue.n_items)
        elif sparse.issparse(value):
            grown[name] = _resized(value, catalogue.n_items, catalogue.n_items)
        else:
            missing = catalogue.n_items - len(value)
            grown[name] = np.pad(value, [(0, missing)] + [(0, 0)] * (value.ndim - 1))
    return grown


def _resized(matrix: sparse.csr_array, rows: int, columns: int) -> sparse.csr_array:
    larger = matrix.copy()
    larger.resize((rows, columns))
    return larger
