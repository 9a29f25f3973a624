"""People as features: what they did, pooled over their items, beside what they say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

import numpy as np

from palate.errors import AlignmentError, ConfigError, did_you_mean
from palate.histories import Histories
from palate.representation._rows import scale_rows
from palate.types import Features, Ids, Matrix

Pooling: TypeAlias = Literal["decayed", "mean", "weighted"]
POOLINGS = ("decayed", "mean", "weighted")
DID, SAID = "did", "said"

__all__ = ["people_features", "pool"]


def pool(
    histories: Histories,
    features: Features,
    *,
    how: Pooling = "decayed",
    decay: float = 0.9,
    length: int | None = None,
) -> dict[str, Matrix]:
    """(n, d) for each block: the mean of the features of the `length` newest items of each history.

    "mean" counts each item once, "weighted" by its event's weight, "decayed" by that times
    `decay`^k for the k-th newest event. An empty history gives zeros; sparse blocks stay sparse.
    """
    if how not in POOLINGS:
        raise ConfigError(f"how = {how!r} cannot be used.{did_you_mean(str(how), POOLINGS)}")
    asking = histories.in_catalogue(features.ids)
    weights = asking.matrix(
        decay=decay if how == "decayed" else 1.0, length=length, weighted=how != "mean"
    )
    sums = np.asarray(weights.sum(axis=1)).ravel()
    shares = np.divide(1.0, sums, out=np.zeros_like(sums), where=sums > 0)
    averaging = scale_rows(weights, shares.astype(np.float32))
    return {name: averaging @ part for name, part in features.parts.items()}


def people_features(
    histories: Histories,
    items: Features,
    words: Mapping[str, Matrix] | None = None,
    *,
    how: Pooling = "decayed",
    decay: float = 0.9,
    length: int | None = None,
) -> Features:
    """One row a person, [h; v]: the blocks "did.NAME" of `pool`, then "said.NAME" of their words.

    `words` holds (n, d) vectors by block name; left out, the histories' own `queries`. User ids
    must be unique; the blocks of what people did are behavioural.
    """
    did = {
        f"{DID}.{name}": part
        for name, part in pool(histories, items, how=how, decay=decay, length=length).items()
    }
    said: dict[str, Matrix] = {}
    for name, vectors in (histories.queries if words is None else words).items():
        if vectors.shape[0] != len(histories):
            raise AlignmentError(
                f"words[{name!r}] has {vectors.shape[0]} rows for {len(histories)} histories"
            )
        said[f"{SAID}.{name}"] = vectors
    return Features(Ids(histories.user_ids), {**did, **said}, behavioural=did)
