"""A pipeline that came out of a folder: whether features find their way through its transforms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np
import polars as pl
from scipy import sparse

from palate.core import registry
from palate.core.columns import ITEM
from palate.core.features import Features
from palate.core.ids import Ids
from palate.core.learnt import WIDEST, agree
from palate.core.types import Encoder, Transform

WIDTH = "width"
"""What `learnt` calls the columns of a block, as it comes to a transform, in shapes of arrays."""


def check_way(
    encoders: Mapping[str, Encoder],
    transforms: Sequence[Transform],
    features: Features,
    *,
    besides: Sequence[str] = (),
) -> None:
    """Raises `ValueError` unless what the encoders make becomes blocks like those of `features`.

    One made-up row goes the way that new items and people will: a block that a transform has not
    met, other widths, and shares beyond all numbers show now, and not at somebody's request.
    Nothing is encoded. `besides` are blocks that are made in another way. Components outside palate
    may do as they like: where there is one, nothing is asked.
    """
    if any(":" in registry.name_of(part) for part in (*encoders.values(), *transforms)):
        return
    wanted = {name: part.shape[1] for name, part in features.parts.items() if name not in besides}
    row = Features(Ids(pl.Series(ITEM, ["made up"])), {})
    for name, width in _encoded(encoders, transforms, wanted):
        agree(0 <= width <= WIDEST, f"the encoder {name!r} makes {width} columns")
        row = row.beside(Features(row.ids, {name: np.ones((1, width), dtype=np.float32)}))
    with np.errstate(all="ignore"):
        for transform in transforms:
            row = transform.transform(row)
    for name in sorted(wanted.keys() ^ row.parts.keys()):
        made = "make a block" if name in row.parts else "make no block"
        agree(False, f"encoders and transforms {made} {name!r}")
    for name, part in row.parts.items():
        width = part.shape[1]
        agree(width == wanted[name], f"{width} columns are made of {wanted[name]} in {name!r}")
        numbers: Any = part.data if sparse.issparse(part) else part
        agree(bool(np.isfinite(numbers).all()), f"NaN or infinity is made in {name!r}")


def _encoded(
    encoders: Mapping[str, Encoder], transforms: Sequence[Transform], wanted: Mapping[str, int]
) -> Iterator[tuple[str, int]]:
    """(block, width) as the encoders make them.

    A model of language says how wide its vectors are when it is loaded: until then the transforms
    say it, or the features, which they have left as wide where none has learnt of the block.
    """
    for name, encoder in encoders.items():
        texts = [f"{name}.{block}" for block in getattr(encoder, "text_blocks", ())]
        for block in texts if len(texts) > 1 else [name]:
            width = getattr(encoder, "block_width", None)
            if width is None:
                said = (_known_width(transform, block) for transform in transforms)
                width = next((one for one in said if one is not None), wanted.get(block, 1))
            yield block, int(width)


def _known_width(transform: Any, block: str) -> int | None:
    """How wide a block was when this was fitted; None where it has learnt nothing about it."""
    for entry in fields(transform):
        value = getattr(transform, entry.name)
        shape = entry.metadata.get("shape", ())
        if not isinstance(value, Mapping) or block not in value:
            continue
        if WIDTH in shape:
            return int(value[block].shape[shape.index(WIDTH)])
        if entry.name == f"{WIDTH}s_":
            return int(value[block])
    return None
