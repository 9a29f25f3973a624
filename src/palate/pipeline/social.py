"""Where people are what is recommended, as friends are: nobody is recommended to themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from palate.core.arrays import Floats
from palate.core.columns import ITEM, USER
from palate.core.dataset import Dataset
from palate.core.histories import Histories
from palate.core.ids import Ids
from palate.core.topk import Scorer
from palate.data.social import LEAST_SHARE, people_as_items, themselves


class NotThemselves:
    """A model that gives nobody themselves: scores of -inf."""

    def __init__(self, model: Scorer, item_ids: Ids) -> None:
        self.model = model
        self.item_ids = item_ids

    def score(self, histories: Histories) -> Floats:
        """As the model's, where the row that a person is cannot be recommended."""
        scores = np.array(self.model.score(histories), dtype=np.float32)
        own = self.item_ids.find(histories.user_ids)
        known = np.flatnonzero((own >= 0) & (own < scores.shape[1]))
        scores[known, own[known]] = -np.inf
        return scores


def to_others(model: Any) -> Any:
    """A fitted pipeline as it ranks: where people are items, nobody gets themselves."""
    data: Dataset = model.data_
    return NotThemselves(model, data.item_ids) if people_as_items(data) else model


def social_lines(data: Dataset) -> Iterator[str]:
    """What `check` says about people who are items, too, or may be."""
    users = data.interactions[USER].unique()
    both = int(users.is_in(data.items[ITEM].implode()).sum())
    if people_as_items(data):
        yield f"people are items, too, {both:,} of {len(users):,}: nobody is offered themselves"
    elif both >= LEAST_SHARE * max(len(users), 1) and not themselves(data.interactions):
        yield (
            f"{both:,} of {len(users):,} people have the number of an item; if items are people,"
            " write ids with a letter (u17) in both columns, and nobody is offered themselves"
        )
