"""The catalogue in two dimensions, coloured by a category: what the report's map draws."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits

from palate.core.arrays import Floats, Matrix, Rows
from palate.core.columns import ITEM, TEXT, TITLE
from palate.core.features import Features

MOST_POINTS: Final = 3000
MOST_COLOURS: Final = 8
SIDE: Final = 10_000
_FEWEST_FOR_TSNE: Final = 60
_DIMENSIONS: Final = 50
_EVERYWHERE: Final = 0.9
_LONGEST_NAME: Final = 40
_LIKELY: Final = ("genres", "genre", "categories", "category", "class", "type", "brand", "tags")
_NO_CATEGORY: Final = frozenset({ITEM, TITLE, TEXT, "name", "description"})


@dataclass(frozen=True)
class Categories:
    """A colour for each item: `codes` (n,) point into `names`, -1 is any other category."""

    column: str
    names: list[str]
    codes: NDArray[np.int64]
    several: bool


@dataclass(frozen=True)
class CatalogueMap:
    """Points (m, 2) in 0..SIDE of the catalogue rows in `rows` (m,), and how they were found."""

    rows: Rows
    points: NDArray[np.int64]
    block: str
    method: str


def draw_map(
    features: Features | None,
    *,
    wanted: Rows,
    seed: int = 0,
    encode: Callable[[str, Rows], Matrix | None] = lambda _block, _rows: None,
) -> CatalogueMap | None:
    """A map of at most `MOST_POINTS` items, all of `wanted` among them; None if nothing differs.

    Takes the first dense block that was not learnt from behaviour, else the first there is; and
    that block as `encode` has it for some rows, where it has it: whitening, which helps
    recommenders, levels the few directions that a map of neighbourhoods lives on.
    """
    block = _block_of(features)
    if features is None or block is None or len(features) < 3:
        return None
    rows = _sample(len(features), wanted, seed)
    encoded = encode(block, rows)
    reduced = _reduced(features.parts[block][rows] if encoded is None else encoded, seed)
    if reduced is None:
        return None
    flat, method = _flat(reduced, seed)
    return CatalogueMap(rows, _scaled(flat), block, method)


def _block_of(features: Features | None) -> str | None:
    if features is None:
        return None
    content = [name for name in features.parts if name not in features.behavioural]
    dense = [name for name in content if not sparse.issparse(features.parts[name])]
    usable = [*dense, *content, *features.parts]
    return next((name for name in usable if features.parts[name].shape[1] > 1), None)


def _sample(n: int, wanted: Rows, seed: int) -> Rows:
    if n <= MOST_POINTS:
        return np.arange(n, dtype=np.int32)
    keep = np.unique(wanted)[:MOST_POINTS]
    rest = np.setdiff1d(np.arange(n), keep, assume_unique=True)
    drawn = np.random.default_rng(seed).choice(rest, MOST_POINTS - len(keep), replace=False)
    return np.sort(np.concatenate([keep, drawn])).astype(np.int32)


def _reduced(part: Matrix, seed: int) -> Floats | None:
    """(m, at most 50) principal components; None where all rows are the same."""
    dimensions = min(_DIMENSIONS, part.shape[0] - 1, part.shape[1] - 1)
    if not _varies(part):
        return None
    if sparse.issparse(part):
        part = TruncatedSVD(dimensions + 1, random_state=seed).fit_transform(part)
    dense = np.asarray(part, dtype=np.float64)
    components = PCA(dimensions, svd_solver="full").fit_transform(dense)
    return np.asarray(components, dtype=np.float32)


def _varies(part: Any) -> bool:
    exact = part.astype(np.float64)
    squares = (exact.power(2) if sparse.issparse(part) else exact**2).mean(axis=0)
    return float((squares - exact.mean(axis=0) ** 2).sum()) > 1e-9 * float(squares.sum())


def _flat(reduced: Floats, seed: int) -> tuple[Floats, str]:
    m = len(reduced)
    if m < _FEWEST_FOR_TSNE or reduced.shape[1] < 2:
        return np.column_stack([reduced, np.zeros((m, 1))])[:, :2].astype(np.float32), "PCA"
    tsne = TSNE(init="pca", perplexity=min(30.0, m / 6), max_iter=500, random_state=seed)
    # one thread: the small parallel loops of t-SNE cost more in waiting than they save
    with threadpool_limits(1):
        found = tsne.fit_transform(reduced)
    return np.asarray(found, dtype=np.float32), "t-SNE"


def _scaled(points: Floats) -> NDArray[np.int64]:
    low, high = points.min(axis=0), points.max(axis=0)
    share = (points - low) / np.maximum(high - low, 1e-9)
    scaled: NDArray[np.int64] = np.rint(share * SIDE).astype(np.int64)
    return scaled


def categories_of(items: pl.DataFrame) -> Categories | None:
    """The first column that sorts the catalogue into a few groups, likely names first.

    An item with several categories gets the rarest of the `MOST_COLOURS` that most items have.
    """
    likely = [name for name in _LIKELY if name in items.columns]
    others = [name for name in items.columns if name not in (*likely, *_NO_CATEGORY)]
    for column in (*likely, *others):
        found = _categories_in(items[column])
        if found is not None:
            return found
    return None


def _categories_in(column: pl.Series) -> Categories | None:
    pairs = _pairs(column)
    if pairs is None or not len(pairs):
        return None
    sizes = pairs["name"].value_counts(sort=True).sort(["count", "name"], descending=[True, False])
    groups = sizes.filter(pl.col("count").is_between(2, _EVERYWHERE * len(column)))
    shown = groups["name"].head(MOST_COLOURS).to_list()
    covered = pairs.filter(pl.col("name").is_in(shown))["row"].n_unique()
    if len(shown) < 2 or covered < 0.2 * len(column):
        return None
    several = pairs["row"].n_unique() < len(pairs)
    return Categories(column.name, shown, _codes(pairs, shown, len(column)), several)


def _pairs(column: pl.Series) -> pl.DataFrame | None:
    """(row, name) of every category; None for a column that cannot hold any."""
    if column.dtype == pl.Categorical or isinstance(column.dtype, pl.Enum):
        column = column.cast(pl.String)
    if column.dtype == pl.String:
        lists = column.str.split("|") if column.str.contains("|", literal=True).any() else column
    elif column.dtype == pl.List(pl.String):
        lists = column
    else:
        return None
    table = pl.DataFrame({"row": np.arange(len(column)), "name": lists})
    if table["name"].dtype != pl.String:
        table = table.explode("name")
    named = table.with_columns(pl.col("name").str.strip_chars()).drop_nulls()
    return named.filter(pl.col("name").str.len_chars().is_between(1, _LONGEST_NAME)).unique(
        maintain_order=True
    )


def _codes(pairs: pl.DataFrame, shown: Sequence[str], n: int) -> NDArray[np.int64]:
    """Names come most frequent first, so the rarest of an item's is its largest code."""
    place = {name: code for code, name in enumerate(shown)}
    codes = np.full(n, -1, dtype=np.int64)
    known = pairs.filter(pl.col("name").is_in(list(shown)))
    values = np.array([place[name] for name in known["name"]], dtype=np.int64)
    np.maximum.at(codes, known["row"].to_numpy(), values)
    return codes
