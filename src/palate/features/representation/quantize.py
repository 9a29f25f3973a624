"""Features as eight bits or one bit a number, and what that costs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Self

from palate.core.arrays import Floats, Matrix, to_dense
from palate.core.component import check_fitted, check_types, component, learnt
from palate.core.dataset import Dataset
from palate.core.features import Features
from palate.core.learnt import agree
from palate.features.blocks import check_width, dense_parts, transform_parts
from palate.features.quantized_index import BitCode, Int8Code

__all__ = ["Quantize"]


@component
class Quantize:
    """Each dense block as it comes back from `bits` bits a number: 8, or 1 for the sign.

    What comes out is float32 again, so that a pipeline can be measured with what a small index
    would know. Eight bits are a whole number between the least and the largest of each dimension,
    one bit says whether it is above its mean. Fitted on items with events; sparse blocks are left
    alone, rows of zeros stay zeros. The index is `palate.representation._search.QuantizedIndex`.
    """

    bits: Literal[1, 8] = 8

    centres_: dict[str, Floats] = learnt("width")
    steps_: dict[str, Floats] = learnt("width")

    def __post_init__(self) -> None:
        check_types(self)

    def fit(self, features: Features, data: Dataset) -> Self:
        self.centres_, self.steps_ = {}, {}
        for name, part in dense_parts(features).items():
            code: Int8Code | BitCode
            if self.bits == 8:
                code = Int8Code.of(part, data.warm_items)
                self.steps_[name] = code.scale
            else:
                code = BitCode.of(part, data.warm_items)
                self.steps_[name] = code.spread
            self.centres_[name] = code.centre
        return self

    def check_learnt(self) -> None:
        """Raises `ValueError` for blocks of which only a part was learnt."""
        agree(self.centres_.keys() == self.steps_.keys(), "centres_ and steps_ of different blocks")

    def transform(self, features: Features) -> Features:
        return transform_parts(self, features)

    def names_after(self, name: str, names: Sequence[str]) -> Sequence[str]:
        """What the columns of a block mean afterwards: the same, a little coarser."""
        return names

    def transform_block(self, name: str, values: Matrix) -> Matrix:
        """Any rows in a block's space: of items, or of people's words."""
        check_fitted(self)
        if name not in self.centres_:
            return values
        dense = to_dense(values)
        centre, steps = self.centres_[name], self.steps_[name]
        check_width(dense, len(centre), name, "quantize")
        if self.bits == 8:
            whole = Int8Code(centre, steps)
            found = whole.decode(whole.encode(dense))
        else:
            signs = BitCode(centre, steps)
            found = signs.decode(signs.encode(dense))
        found[~dense.any(axis=1)] = 0.0
        return found
