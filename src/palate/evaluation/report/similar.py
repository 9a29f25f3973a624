"""The report's items that are alike: what stands nearest to three of the catalogue, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from palate.core.columns import ITEM, RANK, REASONS, SIMILAR
from palate.core.dataset import Dataset
from palate.core.errors import DataError
from palate.core.topk import tie_order
from palate.evaluation.report.html import Words, count, named, say

if TYPE_CHECKING:
    from palate.pipeline.pipeline import Pipeline

NEAREST: Final = 5
_LONGEST_REASON: Final = 320


def similar_section(model: Pipeline, titles: Sequence[str], words: Words) -> str:
    """A card for each sampled item; empty where the model has nothing to compare items by."""
    counts = model.data_.item_counts
    rows = sample_items(model.data_)
    ids = model.item_ids.series
    try:
        found = model.similar([ids[row] for row in rows.values()], NEAREST, reasons=True).table
    except DataError:  # neither content nor events
        return ""
    title_of = dict(zip(ids, titles, strict=True))
    near: Mapping[Any, Any] = found.sort(RANK).partition_by(ITEM, as_dict=True)
    cards = "".join(
        _card(
            titles[row],
            say(words, f"similar_{kind}", count=count(int(counts[row]))),
            [
                (title_of[line[SIMILAR]], line[REASONS])
                for line in near[(ids[row],)].iter_rows(named=True)
            ],
        )
        for kind, row in rows.items()
        if (ids[row],) in near
    )
    return f'<div class="people">{cards}</div>' if cards else ""


def sample_items(data: Dataset) -> dict[str, int]:
    """Catalogue rows: the item chosen most, one in the middle, one that nobody has chosen yet.

    Ties go by the hash of the ids, as everywhere, so that the order of the catalogue says nothing;
    kinds that a catalogue does not have are left out.
    """
    counts = data.item_counts
    tie = np.argsort(tie_order(data.item_ids), kind="stable")
    order = tie[np.argsort(-counts[tie], kind="stable")]
    warm: NDArray[Any] = order[counts[order] > 0]
    new: NDArray[Any] = order[data.event_counts[order] == 0]
    found: dict[str, int] = {}
    if len(warm):
        found["most"] = int(warm[0])
    if len(warm) > 2:
        found["middle"] = int(warm[len(warm) // 2])
    if len(new):
        found["new"] = int(new[0])
    return found


def _card(title: str, about: str, near: Sequence[tuple[str, str | None]]) -> str:
    lines = "".join(
        f'<li><span class="title">{named(other)}</span>'
        f'<span class="why">{named(reason or "", _LONGEST_REASON)}</span></li>'
        for other, reason in near
    )
    return (
        f'<article class="card person"><header><h3>{named(title)}</h3>'
        f'<small>{about}</small></header><ol class="next">{lines}</ol></article>'
    )
