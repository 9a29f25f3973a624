"""Vectors of items that a network learns, of ids and of features. Torch is needed here."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from palate.core.arrays import Floats
from palate.recommenders.neural.inputs import first_map

SHARPEST = 50.0  # of the softmax over cosines
AGAIN_PACE = 20.0


class ItemVectors(nn.Module):  # type: ignore[misc]
    """The vector of an item: that of its id and a linear map of its columns, added up.

    `ids` (n_items, dim) are where those of ids start, None for none; `columns` (n_items, width) are
    what is mapped, first onto the principal axes of the `warm` ones. While it learns, an item with
    columns goes without its id at the rate of `id_dropout`.
    """

    def __init__(
        self, ids: Floats | None, columns: Floats, warm: Any, dim: int, id_dropout: float
    ) -> None:
        super().__init__()
        self.dim = dim
        self.own = None
        if ids is not None:
            self.own = nn.Embedding.from_pretrained(torch.from_numpy(ids), freeze=False)
        self.register_buffer("columns", torch.from_numpy(columns), persistent=False)
        self.content = None
        if columns.shape[1]:
            self.content = nn.Linear(columns.shape[1], dim, bias=False)
            begin = first_map(columns[warm], dim)
            with torch.no_grad():
                self.content.weight.copy_(torch.from_numpy(begin.T))
        self.id_dropout = id_dropout if columns.shape[1] else 0.0

    def forward(self, items: Any) -> Any:
        """(…, dim) of items by their rows."""
        content = None if self.content is None else self.content(self.columns[items])
        if self.own is None:
            return content
        own = self.own(items)
        if self.training and self.id_dropout:
            own = own * (torch.rand(*items.shape, 1) >= self.id_dropout)
        return own if content is None else own + content

    def learnt(self) -> tuple[Floats, Floats, Floats]:
        """Of all items, (ids, content), and the map from their columns to `content`."""
        count, width = self.columns.shape
        own = np.zeros((count, self.dim), dtype=np.float32)
        content_map = np.zeros((width, self.dim), dtype=np.float32)
        if self.own is not None:
            own = self.own.weight.detach().numpy().copy()
        if self.content is not None:
            content_map = self.content.weight.detach().numpy().T.copy()
        return own, self.columns.numpy() @ content_map, content_map


class Sharpness(nn.Module):  # type: ignore[misc]
    """What cosines are multiplied with before a softmax: learnt, up to 50."""

    def __init__(self, first: float) -> None:
        super().__init__()
        self.logarithm = nn.Parameter(torch.tensor(first).log())

    def forward(self, cosines: Any) -> Any:
        return cosines * self.logarithm.exp().clamp(max=SHARPEST)


class Network(nn.Module):  # type: ignore[misc]
    """What reads requests, and the vectors of items that it is to point at."""

    def __init__(self, reader: Any, items: ItemVectors, sharpness: float) -> None:
        super().__init__()
        self.reader, self.items, self.sharpness = reader, items, Sharpness(sharpness)
        self.slow_again = nn.Parameter(torch.zeros(()))

    @property
    def again(self) -> Any:
        """What having been read adds to the logit of an item; one number has far to go."""
        return AGAIN_PACE * self.slow_again
