"""One of several recommenders answers: which one depends on how much is known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field

from palate.core.arrays import Floats, Rows
from palate.core.component import check_fitted, component, learnt
from palate.core.dataset import Dataset
from palate.core.evidence import Evidence
from palate.core.features import Features
from palate.core.histories import Histories, ragged_positions
from palate.core.learnt import agree
from palate.core.settings import AnyRecommender
from palate.core.types import FitContext, check_context
from palate.core.visible import counted
from palate.recommenders._base import zscores
from palate.recommenders._committee import Committee, called, evidence_of, hearing
from palate.recommenders._hold_out import FEWEST, HeldOut, hold_out, ndcg_of_parts, sureness
from palate.recommenders._text_queries import evidence_of_parts, fused_with_queries, has_query

__all__ = ["Switching"]

KNOWN = ("length", "popularity", "profile")
LENGTHS = (1, 2, 3, 4, 6, 11, 21, 51, 101)
DEPTH = 3  # questions in a row: eight kinds of requests
LEAST = 50  # requests on either side of a question
SURE = 2.5  # standard errors by which a question must pay
_LIMITS = [f"{name}_{side}" for name in KNOWN for side in ("from", "below")]
_SCHEMA = pl.Schema(
    {"part": pl.Int64, "requests": pl.Int64, **dict.fromkeys(_LIMITS, pl.Float64)}
    | {"ndcg": pl.List(pl.Float64)}
)


def _default_parts() -> list[dict[str, Any]]:
    return [{"type": "content"}, {"type": "covisit"}]


@component
class Switching(Committee):
    """A switching hybrid: which of the `parts` answers is learnt from how much is known (Burke
    2002).

    Known of a request are the length of its history, how often others chose what is in it, and
    whether it has a profile. The newest fifth of the training events is held out (without times, a
    third of the people), the parts are fitted on the rest, and a short tree asks one question
    after another of the requests as long as another part then does better for one side, in NDCG@10
    by 2.5 standard errors over people. Then the parts are fitted again, on everything. With fewer
    than 200 such requests nothing is learnt, and the first part answers. Words are for the part
    that answers, if it hears them, else for the first that does.

    `chosen_` says when which part answers. Costs two fits of each part, and a request one score.
    """

    parts: Annotated[list[AnyRecommender], Field(min_length=2)] = field(
        default_factory=_default_parts
    )
    seed: Annotated[int, Field(ge=0)] = 0

    popularity_: Floats = learnt("items")
    switch_: pl.DataFrame = learnt()

    def fit(self, data: Dataset, context: FitContext = FitContext()) -> Self:
        check_context(context)
        held = hold_out(data, context, seed=self.seed)
        if held.enough:
            parts = held.fitted(self._build())
            known = _known_of(held.asking, _counts(held.known))
            self.switch_ = _learn(known, ndcg_of_parts(parts, held), held)
        else:
            self.switch_ = _table([_Leaf({}, 0, len(held), [])])
        self.popularity_ = _counts(data)
        self.parts_ = [part.fit(data, context) for part in self._build()]
        return self

    def add_items(self, items: Features) -> Self:
        """Items that arrived later, for every part; nobody has chosen them yet."""
        super().add_items(items)
        self.popularity_ = np.append(self.popularity_, np.zeros(len(items), dtype=np.float32))
        return self

    def refresh(self, data: Dataset, context: FitContext = FitContext()) -> Self:
        """Other events than those of the fit: what parts count follows, the switch stays."""
        super().refresh(data, context)
        self.popularity_ = _counts(data)
        return self

    @property
    def keeps_fit(self) -> tuple[str, ...]:
        """The switch, and what of its parts stays as it was fitted, when events come."""
        return ("switch", *super().keeps_fit)

    def check_learnt(self) -> None:
        """Raises `ValueError` for another table than that of a switch between these parts."""
        super().check_learnt()
        agree(self.switch_.schema == _SCHEMA, "switch_ is no table of a switch")
        part = self.switch_["part"].to_list()
        agree(bool(part), "switch_ says nothing")
        agree(all(one is not None and 0 <= one < len(self.parts) for one in part), "no such part")
        agree(not sum(self.switch_.select("part", "requests", "ndcg").null_count().row(0)), "gaps")
        results = self.switch_["ndcg"].list.len().to_list()
        agree(set(results) in ({0}, {len(self.parts)}), "results of other parts")
        agree(bool((self.popularity_ >= 0).all()), "popularity_ below 0")
        known = {len(part.item_ids_) for part in self.parts_ if hasattr(part, "item_ids_")}
        agree(known <= {len(self.popularity_)}, "popularity_ of other items than the parts know")

    @property
    def chosen_(self) -> list[str]:
        """When which part answers, and how each did for such requests among those held out."""
        check_fitted(self)
        names = called(self.parts)
        rows = self.switch_.to_dicts()
        if not rows[0]["ndcg"]:
            asked = counted(rows[0]["requests"], "request")
            return [f"{names[0]} answers all: {asked} could be held out, {FEWEST} are needed"]
        return [
            f"{_said(row)}: {names[row['part']]} answers (NDCG@10 "
            + ", ".join(f"{name} {gain:.4f}" for name, gain in zip(names, row["ndcg"], strict=True))
            + f"; {counted(row['requests'], 'request')} held out)"
            for row in rows
        ]

    def score(self, histories: Histories) -> Floats:
        """(n, n_items) z-scores of the part that answers; with words, reciprocal ranks of both."""
        check_fitted(self)
        return fused_with_queries(self._switched, histories)

    def evidence(self, histories: Histories, items: Rows) -> list[Evidence]:
        """For request i and item i: what the part says that answers."""
        check_fitted(self)
        return evidence_of_parts(self._evidence, self._switched, histories, items)

    def _switched(self, asking: Histories) -> Floats:
        scores = np.zeros((len(asking), len(self.popularity_)), dtype=np.float32)
        for place, rows in self._answering(asking):
            scores[rows] = zscores(self.parts_[place].score(asking.take(rows)))
        return scores

    def _evidence(self, asking: Histories, items: Rows) -> list[Evidence]:
        found = [Evidence("popular")] * len(items)
        for place, rows in self._answering(asking):
            said = evidence_of(self.parts_[place], asking.take(rows), items[rows])
            for row, one in zip(rows.tolist(), said, strict=True):
                found[row] = one
        return found

    def _answering(self, asking: Histories) -> Iterator[tuple[int, NDArray[np.int64]]]:
        """(part, the requests that it answers) of those that answer any."""
        answers = np.full(len(asking), int(self.switch_["part"][0]))
        known = _known_of(asking, self.popularity_)
        for row in self.switch_.to_dicts():
            inside = np.ones(len(asking), dtype=np.bool_)
            for name in KNOWN:
                low, high = row[f"{name}_from"], row[f"{name}_below"]
                inside &= (low is None) | (known[name] >= (low or 0.0))
                inside &= (high is None) | (known[name] < (high or 0.0))
            answers[inside] = row["part"]
        spoken = np.flatnonzero(has_query(asking))
        if len(spoken):
            answers[spoken] = self._hearing(asking.take(spoken), answers[spoken])
        for place in np.unique(answers).tolist():
            yield place, np.flatnonzero(answers == place)

    def _hearing(self, asking: Histories, answers: NDArray[np.int64]) -> NDArray[np.int64]:
        """The part that answers words: the one that would without, if they change what it says."""
        hears = hearing(self.parts_, asking)
        own = hears[answers, np.arange(len(answers))] | ~hears.any(axis=0)
        return np.where(own, answers, hears.argmax(axis=0))


@dataclass(frozen=True)
class _Leaf:
    """A kind of request: within which limits it lies, who answers it, and how each part did."""

    limits: dict[str, float]
    part: int
    requests: int
    ndcg: list[float]


def _table(leaves: list[_Leaf]) -> pl.DataFrame:
    rows = [
        {"part": leaf.part, "requests": leaf.requests, "ndcg": leaf.ndcg}
        | {limit: leaf.limits.get(limit) for limit in _LIMITS}
        for leaf in leaves
    ]
    return pl.DataFrame(rows, schema=_SCHEMA)


def _counts(data: Dataset) -> Floats:
    return data.item_counts.astype(np.float32)


def _known_of(asking: Histories, counts: Floats) -> dict[str, NDArray[np.float64]]:
    """(n,) each: events, how often the history's items are chosen, profile or none.

    How often: the geometric mean over the items, where the mean item of those that anybody chose
    has 1, so that it means the same for a part of the events as for all; 0 without a history.
    """
    row, position = ragged_positions(asking.starts, asking.stops)
    chosen = counts[counts > 0]
    level = float(chosen.mean(dtype=np.float64)) if len(chosen) else 0.0
    relative = np.log((counts[asking.items[position]].astype(np.float64) + 1.0) / (level + 1.0))
    lengths = asking.lengths.astype(np.float64)
    mean = np.bincount(row, relative, minlength=len(asking)) / np.maximum(lengths, 1.0)
    return {
        "length": lengths,
        "popularity": np.where(lengths > 0, np.exp(mean), 0.0),
        "profile": asking.has_profile.astype(np.float64),
    }


def _learn(
    known: dict[str, NDArray[np.float64]], gains: NDArray[np.float64], held: HeldOut
) -> pl.DataFrame:
    """The kinds of requests that a tree finds, each with the part that does best there."""
    people = held.people
    leaves: list[_Leaf] = []

    def grow(rows: NDArray[np.int64], limits: dict[str, float], part: int, depth: int) -> None:
        found = _best_question(known, gains, people, rows, part) if depth else None
        if found is None:
            ndcg = gains[rows].mean(axis=0).tolist()
            leaves.append(_Leaf(limits, part, len(rows), ndcg))
            return
        name, limit, low_part, high_part = found
        low = known[name][rows] < limit
        grow(rows[low], limits | {f"{name}_below": limit}, low_part, depth - 1)
        grow(rows[~low], limits | {f"{name}_from": limit}, high_part, depth - 1)

    everybody = np.arange(len(gains))
    grow(everybody, {}, int(np.argmax(gains.sum(axis=0))), DEPTH)
    return _table(leaves)


def _best_question(
    known: dict[str, NDArray[np.float64]],
    gains: NDArray[np.float64],
    people: NDArray[np.int64],
    rows: NDArray[np.int64],
    part: int,
) -> tuple[str, float, int, int] | None:
    """(what to ask, the limit, the part below, the part from there) that gains most, and surely.

    `part` answers all of the rows now. Another one on a side has to do better there by `SURE`.
    """
    best, found = 0.0, None
    for name, values in known.items():
        for limit in _limits_of(name, values[rows]):
            low = values[rows] < limit
            if min(low.sum(), (~low).sum()) < LEAST:
                continue
            sides = [rows[low], rows[~low]]
            parts = [int(np.argmax(gains[side].sum(axis=0))) for side in sides]
            more = [gains[s, p] - gains[s, part] for s, p in zip(sides, parts, strict=True)]
            gain = float(sum(one.sum() for one in more))
            sure = all(
                p == part or sureness(one, people[side]) >= SURE
                for p, one, side in zip(parts, more, sides, strict=True)
            )
            if sure and gain > best and parts[0] != parts[1]:
                best, found = gain, (name, limit, parts[0], parts[1])
    return found


def _limits_of(name: str, values: NDArray[np.float64]) -> list[float]:
    """Where a question may divide requests."""
    if name == "length":
        return [float(length) for length in LENGTHS]
    if name == "profile":
        return [0.5]
    tenths = np.quantile(values, np.linspace(0.1, 0.9, 9))
    return sorted({float(f"{limit:.2g}") for limit in tenths.tolist()})


def _said(row: dict[str, Any]) -> str:
    """For which requests a part answers, in words."""
    found = []
    low, high = row["length_from"], row["length_below"]
    if low is not None and high is not None:
        last = int(high) - 1
        found.append(f"{low:.0f} to {last} choices" if last > low else counted(last, "choice"))
    elif high is not None:
        found.append("no choice yet" if high == 1 else f"fewer than {high:.0f} choices")
    elif low is not None:
        found.append(f"{low:.0f} choices or more" if low > 1 else "any choice")
    low, high = row["popularity_from"], row["popularity_below"]
    often = "chosen {} times as often as the mean item"
    if low is not None and high is not None:
        found.append(often.format(f"{low:g} to {high:g}"))
    elif high is not None:
        found.append(often.format(f"less than {high:g}"))
    elif low is not None:
        found.append(often.format(f"{low:g} or more"))
    if row["profile_below"] is not None:
        found.append("no profile")
    elif row["profile_from"] is not None:
        found.append("a profile")
    return ", ".join(found) or "all requests"
