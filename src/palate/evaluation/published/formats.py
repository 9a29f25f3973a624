"""A folder in a published format → the splits that its figures are measured on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from palate.core.columns import ITEM, USER
from palate.core.dataset import Dataset
from palate.core.errors import ConfigError, DataError, did_you_mean
from palate.core.histories import history_of_items
from palate.core.split import Answers, Split
from palate.evaluation.published.figures import PublishedRow, published_split
from palate.evaluation.published.minionerec import read_minionerec
from palate.evaluation.published.parts import PART, TEST, TRAIN, Parts, Requests
from palate.evaluation.published.sequence import read_sequence
from palate.evaluation.published.unisrec import read_unisrec


@dataclass(frozen=True)
class Format:
    """How a format is read, the cutoffs of its published tables, and whether they mask."""

    read: Callable[[Path], Parts]
    ks: tuple[int, ...]
    masked: bool


FORMATS = {
    "sequence": Format(read_sequence, ks=(5, 10, 20), masked=True),
    "minionerec": Format(read_minionerec, ks=(3, 5, 10), masked=False),
    "unisrec": Format(read_unisrec, ks=(10, 50), masked=False),
}


@dataclass(frozen=True)
class Benchmark:
    """A published split, ready to fit and to evaluate on.

    `test` and `validation` train on training events only; `refit` asks what `test` asks, but
    trains on the validation events too. Histories are those of the published protocol. `ks` are
    the published cutoffs, `notes` what a reader of the figures must know, and `published` the
    known figures, where the data have the size of a split that figures were published on.
    """

    name: str
    format: str
    test: Split
    validation: Split
    refit: Split
    ks: tuple[int, ...]
    notes: list[str]
    published: list[PublishedRow]


def load_benchmark(format: str, folder: Path, *, mask: bool | None = None) -> Benchmark:
    """The splits of a folder; `mask` says whether what was seen is masked, None as published.

    `sequence`: masked; `minionerec` and `unisrec`: not masked. Where a folder holds several data
    sets, give `folder/PREFIX`. Raises `ConfigError` for an unknown format and `DataError` for a
    folder that is not in the format.
    """
    if format not in FORMATS:
        raise ConfigError(f"no format is called {format!r}.{did_you_mean(format, FORMATS)}")
    kind = FORMATS[format]
    parts = kind.read(Path(folder))
    masked = kind.masked if mask is None else mask
    name = Path(folder).resolve().name
    strict = Dataset(_events(parts, pl.col(PART) == TRAIN), parts.items)
    if not len(strict.interactions):
        raise DataError(f"{folder}: no training events, so nothing can be learnt from it")
    refitted = strict.with_interactions(_events(parts, pl.col(PART) != TEST))
    test = _split(f"{name}, strict", strict, parts.test, masked)
    known = published_split(format, items=len(parts.items), requests=len(parts.test))
    return Benchmark(
        name=name,
        format=format,
        test=test,
        validation=_split(f"{name}, validation", strict, parts.validation, masked),
        refit=Split(f"{name}, refit", refitted, test.histories, test.sealed, exclude_seen=masked),
        ks=kind.ks,
        notes=[
            *parts.notes,
            *_protocol(parts.test, masked, kind.masked),
            *(known.remarks if known else ()),
        ],
        published=list(known.rows) if known else [],
    )


def _events(parts: Parts, chosen: pl.Expr) -> pl.DataFrame:
    return parts.events.filter(chosen).select(USER, ITEM)


def _split(name: str, train: Dataset, requests: Requests, masked: bool) -> Split:
    ids = train.item_ids
    count = np.arange(len(requests), dtype=np.int64)
    return Split(
        name=name,
        train=train,
        histories=history_of_items(ids, requests.histories, user_ids=requests.users),
        sealed=Answers(starts=count, stops=count + 1, items=ids.rows(requests.answers)),
        exclude_seen=masked,
    )


def _protocol(test: Requests, masked: bool, published: bool) -> list[str]:
    """What the mask does to the figures."""
    notes = ["What a person already has is masked." if masked else "The history is not masked."]
    if masked != published:
        notes.append("Published figures on this format are the other way round: do not compare.")
    again = sum(map(list.__contains__, test.histories, test.answers))
    if masked and again:
        notes.append(f"{again} of {len(test)} answers are masked: nobody can find them.")
    return notes
