"""What is known about who asks, beside what they did: whom they are like, what such people chose.

Blocks of people called "query.NAME" are their own words in the space of the items' block NAME; all
others are compared among people.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from palate.core.arrays import Floats, Matrix, scale_rows, to_dense, unit_rows
from palate.core.features import Features
from palate.core.histories import Histories
from palate.core.learnt import agree, check_finite, check_rows
from palate.core.sparse import inner_products, on_grid, product
from palate.features.blocks import weights_in
from palate.recommenders._cooccurrence import even_chunks, keep_largest
from palate.recommenders.two_stage.catalogue import Catalogue
from palate.recommenders.two_stage.recency import WINDOWS

QUERY: Final = "query."
NEAR: Final = "similar profiles"
ODDS: Final = "profile choices"
SAID: Final = ":profile"
NEAR_WEIGHT, ODDS_WEIGHT, SAID_WEIGHT = 0.3, 0.3, 0.3

POOL = 20_000  # people with events that somebody may be like: a sample of more
NEAR_PEOPLE = 100
NEAR_PAIRS = 500_000  # of requests and people that are compared at once
FEWEST = 10  # people who share a value that is counted
MOST_VALUES = 500
MOST_CELLS = 40_000_000  # values times items
SHRUNK = 0.02  # share of people who choose an item, that both sides of a ratio are taken to have
WORDS_LIFT = 0.5  # in logs, of an item whose words are a deviation closer than others'
PRIOR = 5.0  # events that every value is taken to have had more, at the items' usual shares

_PREFIX = "profile."
_BLOCK, _CHOSEN = "profile.block.", "profile.chosen"
_VALUES, _LOG_ODDS = "profile.values", "profile.odds"


def profile_statistics(histories: Histories, users: Features | None) -> dict[str, Any]:
    """What people of each kind chose, from these histories alone; {} where nothing is known.

    "profile.block.NAME" (people, d) unit rows of a sample of the people with events and
    "profile.chosen" (people, items) what they chose; "profile.odds" (values, items) log of how much
    more often those with a value chose an item than others did, shrunk, for the columns
    "profile.values" of all sparse blocks, positive parts first, then negative ones. An event counts
    what it weighs, and a block what fusion gave it (`weights_in`).
    """
    names = [] if users is None else people_blocks(users.parts)
    if users is None or not names:
        return {}
    asking = histories.take(histories.lengths > 0).with_users(users.select(names))
    chosen, weights = asking.strengths(), weights_in(asking.users)
    pool = np.flatnonzero(asking.has_profile)[:POOL]
    found: dict[str, Any] = {
        f"{_BLOCK}{name}": comparable(part[pool], weights[name])
        for name, part in asking.users.items()
    }
    found[_CHOSEN] = sparse.csr_array(chosen[pool], dtype=np.float32)
    values = _values_of(asking.users)
    counted = _most_shared(values, len(histories.item_ids))
    found[_VALUES] = counted
    odds = _log_odds(sparse.csr_array(values[:, counted]), chosen)
    found[_LOG_ODDS] = odds * _of_columns(asking.users, weights)[counted, None]
    return found


def _of_columns(parts: Mapping[str, Matrix], weights: Mapping[str, float]) -> Floats:
    """(columns,) the weight of the block that each of `_values_of` belongs to."""
    names = [name for name, part in parts.items() if sparse.issparse(part)]
    widths = [parts[name].shape[1] for name in names]
    own = np.repeat(np.array([weights[name] for name in names], dtype=np.float32), widths)
    return np.concatenate([own, own])


def people_blocks(names: Collection[str]) -> list[str]:
    """The blocks that compare people, without those of their words in the items' spaces."""
    return [name for name in names if not name.startswith(QUERY)]


def comparable(part: Matrix, weight: float = 1.0) -> Matrix:
    """Rows of people in a block, of its weight's length, as `people_alike` takes them."""
    units = unit_rows(part)
    if weight != 1.0:
        units = scale_rows(units, np.full(part.shape[0], weight, dtype=np.float32))
    return units if sparse.issparse(units) else on_grid(to_dense(units))


def _values_of(parts: Mapping[str, Matrix]) -> sparse.csr_array:
    """(n, 2d) positive parts of all sparse blocks, then the negative ones, below the usual."""
    blocks = [unit_rows(part) for part in parts.values() if sparse.issparse(part)]
    n = next(iter(parts.values())).shape[0]
    if not blocks:
        return sparse.csr_array((n, 0), dtype=np.float32)
    joined = sparse.csr_array(sparse.hstack(blocks, format="csr"))
    both = sparse.hstack([joined.maximum(0), (-joined).maximum(0)], format="csr")
    return sparse.csr_array(both, dtype=np.float32)


def _most_shared(values: sparse.csr_array, n_items: int) -> NDArray[np.int32]:
    people = np.bincount(values.indices[values.data > 0], minlength=values.shape[1])
    most = min(MOST_VALUES, MOST_CELLS // max(n_items, 1))
    order = np.argsort(-people, kind="stable")[:most]
    return np.sort(order[people[order] >= FEWEST]).astype(np.int32)


def _log_odds(values: sparse.csr_array, chosen: sparse.csr_array) -> Floats:
    """(values, items): 0 where those with the value choose an item as often as everybody does."""
    together = to_dense(sparse.csr_array(values.T @ chosen)).astype(np.float64)
    counts = np.bincount(chosen.indices, chosen.data, minlength=chosen.shape[1])
    often = counts / max(counts.sum(), 1e-9)
    expected = together.sum(axis=1, keepdims=True) * often
    odds: Floats = np.log((together + PRIOR) / (expected + PRIOR)).astype(np.float32)
    return odds


def profile_signals(
    histories: Histories, statistics: Mapping[str, Any], catalogue: Catalogue
) -> Iterator[tuple[str, Matrix, Floats]]:
    """(name, (n, n_items) scores, (n, 1) weights in the sum that proposes) from the people's side.

    Events say more than a profile: it counts as much as one of them, so that it fades.
    """
    fading = (1 / (1 + histories.lengths[:, None])).astype(np.float32)
    near, odds, words = (fading * np.float32(w) for w in (NEAR_WEIGHT, ODDS_WEIGHT, SAID_WEIGHT))
    if _CHOSEN in statistics:
        nearest = _near_people(histories, statistics)
        yield NEAR, sparse.csr_array(nearest @ statistics[_CHOSEN]), near
        values = _values_of(histories.users)[:, statistics[_VALUES]]
        yield ODDS, np.asarray(values @ statistics[_LOG_ODDS], dtype=np.float32), odds
    for name, vectors in catalogue.dense_blocks.items():
        if (said := histories.users.get(f"{QUERY}{name}")) is not None:
            own = unit_rows(to_dense(said))
            yield f"{name}{SAID}", inner_products(own, vectors), words
    for name in catalogue.sparse_blocks:
        if (said := histories.users.get(f"{QUERY}{name}")) is not None:
            rows = sparse.csr_array(unit_rows(said))
            yield f"{name}{SAID}", product(rows, catalogue.transposed[name]), words


def profile_popularity(
    features: Mapping[str, Floats], statistics: Mapping[str, Any], columns: NDArray[np.int64]
) -> dict[str, Floats]:
    """(n, k) popularity of each window, raised where the candidate suits who asks; logs.

    What a stranger is served by: what is popular lately, times how much more often people alike
    choose it, times how close it is to their words. Of whom nothing is known, popularity alone.
    """
    if NEAR not in features:
        return {}
    near, usual = features[NEAR], _usual(statistics)[columns]
    alike = np.log((near + SHRUNK) / (usual + SHRUNK)) * (near.max(axis=1, keepdims=True) > 0)
    said = [values for name, values in features.items() if name.endswith(f"{SAID} (z)")]
    words = WORDS_LIFT * sum(said) / len(said) if said else 0.0
    lift = 0.5 * (alike + features[ODDS]) + words
    found = {profile_window(None): np.log1p(statistics["popularity"])[columns] + lift}
    for place, days in enumerate(WINDOWS if "windows" in statistics else ()):
        lately = np.log1p(statistics["windows"][:, place])[columns]
        found[profile_window(days)] = lately + lift
    return {name: values.astype(np.float32) for name, values in found.items()}


def profile_window(days: float | None) -> str:
    """What popularity of so many days, or of all time, with the profile is called."""
    return "profile popularity" if days is None else f"profile popularity ({days:g} days)"


def _usual(statistics: Mapping[str, Any]) -> Floats:
    chosen = statistics[_CHOSEN]
    counts = np.bincount(chosen.indices, chosen.data, minlength=chosen.shape[1])
    return np.asarray(counts / max(chosen.shape[0], 1), dtype=np.float32)


def _near_people(histories: Histories, statistics: Mapping[str, Any]) -> sparse.csr_array:
    """(n, people) cosines, summed over the blocks, to the nearest people: rows that sum to 1."""
    pool = statistics[_CHOSEN].shape[0]
    nearest = [sparse.csr_array((0, pool), dtype=np.float32)]
    blocks = profiles_in(statistics)
    for chunk in even_chunks(np.full(len(histories), float(pool)), NEAR_PAIRS):
        asking = histories.take(chunk)
        alike = people_alike(asking.users, blocks, (len(asking), pool))
        nearest.append(keep_largest(sparse.csr_array(alike), NEAR_PEOPLE))
    found = sparse.csr_array(sparse.vstack(nearest, format="csr"))
    sums = np.asarray(found.sum(axis=1)).ravel()
    found.data /= np.repeat(np.maximum(sums, 1e-9), np.diff(found.indptr)).astype(np.float32)
    return found


def profiles_in(statistics: Mapping[str, Any]) -> dict[str, Matrix]:
    """Block of people → the rows that whoever asks is compared with."""
    return {
        name.removeprefix(_BLOCK): part
        for name, part in statistics.items()
        if name.startswith(_BLOCK)
    }


def people_alike(
    users: Mapping[str, Matrix], people: Mapping[str, Matrix], shape: tuple[int, int]
) -> Floats:
    """(requests, people) cosines summed over the blocks that both have, 0 for less than nothing.

    `people` are `comparable` rows; the bits of a request do not depend on who else asks.
    """
    alike: Floats = np.zeros(shape, dtype=np.float32)
    for name, part in users.items():
        if (others := people.get(name)) is None:
            continue
        own = unit_rows(part)
        if sparse.issparse(others):
            alike += to_dense(sparse.csr_array(sparse.csr_array(own) @ others.T))
        else:
            alike += inner_products(to_dense(own), others)
    alike[alike < 0] = 0
    return alike


def with_known_users(
    histories: Histories,
    blocks: Collection[str],
    statistics: Mapping[str, Any],
    catalogue: Catalogue,
) -> Histories:
    """The same requests with the blocks of people that were there at the fit, and no others.

    Zeros where a request does not bring one.
    """
    if not blocks:
        return replace(histories, users={}) if histories.users else histories
    items = {**catalogue.dense_blocks, **catalogue.sparse_blocks}
    found: dict[str, Matrix] = {}
    for name in blocks:
        like = items.get(name.removeprefix(QUERY)) if name.startswith(QUERY) else None
        like = statistics.get(f"{_BLOCK}{name}") if like is None else like
        given = histories.users.get(name)
        if given is None and like is not None:
            shape = (len(histories), like.shape[1])
            empty = sparse.csr_array(shape, dtype=np.float32)
            given = empty if sparse.issparse(like) else np.zeros(shape, dtype=np.float32)
        if given is not None:
            found[name] = given
    return replace(histories, users=found)


def profile_blocks(statistics: Mapping[str, Any], blocks: Collection[str]) -> dict[str, Matrix]:
    """Those blocks that signals are made of, with any rows: of people in the statistics, words."""
    blank = np.zeros((1, 1), dtype=np.float32)
    compared = {name: statistics.get(f"{_BLOCK}{name}") for name in people_blocks(blocks)}
    words = {name: blank for name in blocks if name.startswith(QUERY)}
    return {name: part for name, part in compared.items() if part is not None} | words


def grown_profiles(statistics: Mapping[str, Any], n_items: int) -> dict[str, Any]:
    """The statistics of people for a catalogue that has grown: nobody chose the new items yet."""
    grown = {name: value for name, value in statistics.items() if is_profile(name)}
    if _CHOSEN in grown:
        chosen = grown[_CHOSEN].copy()
        chosen.resize((chosen.shape[0], n_items))
        missing = n_items - grown[_LOG_ODDS].shape[1]
        grown[_CHOSEN] = chosen
        grown[_LOG_ODDS] = np.pad(grown[_LOG_ODDS], [(0, 0), (0, missing)])
    return grown


def is_profile(name: str) -> bool:
    """Whether statistics of this name are about people's features."""
    return name.startswith(_PREFIX)


def check_profiles(statistics: Mapping[str, Any], blocks: Collection[str], n_items: int) -> None:
    """Raises `ValueError` for what `profile_statistics` does not make of such blocks."""
    own = {name: value for name, value in statistics.items() if is_profile(name)}
    names = people_blocks(blocks)
    if not own:
        return
    wanted = {_CHOSEN, _VALUES, _LOG_ODDS, *(f"{_BLOCK}{name}" for name in names)}
    agree(own.keys() == wanted, f"statistics of people of other names: {sorted(own)}")
    chosen, values, odds = own[_CHOSEN], own[_VALUES], own[_LOG_ODDS]
    agree(isinstance(chosen, sparse.csr_array), f"{_CHOSEN} is not sparse")
    agree(chosen.dtype == np.float32 and chosen.shape[1] == n_items, f"{_CHOSEN} of other items")
    check_finite(chosen.data, _CHOSEN)
    width = 0
    for name in names:
        part = own[f"{_BLOCK}{name}"]
        kind = isinstance(part, sparse.csr_array | np.ndarray) and part.dtype == np.float32
        agree(kind and part.ndim == 2, f"{_BLOCK}{name} is no array of float32")
        agree(part.shape[0] == chosen.shape[0], f"{_BLOCK}{name} is of other people")
        check_finite(part.data if sparse.issparse(part) else part, f"{_BLOCK}{name}")
        width += 2 * part.shape[1] if sparse.issparse(part) else 0
    agree(isinstance(values, np.ndarray) and values.dtype == np.int32, f"{_VALUES} are no rows")
    agree(values.ndim == 1, f"{_VALUES} have {values.ndim} dimensions")
    check_rows(values, width, _VALUES)
    agree(isinstance(odds, np.ndarray) and odds.dtype == np.float32, f"{_LOG_ODDS} is no array")
    agree(odds.shape == (len(values), n_items), f"{_LOG_ODDS} has shape {odds.shape}")
    check_finite(odds, _LOG_ODDS)
