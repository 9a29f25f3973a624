"""Features as frames: ids beside columns that have names; what is sparse stays so."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import polars as pl
from scipy import sparse

from palate.core.arrays import Matrix, to_dense
from palate.core.errors import DataError, did_you_mean
from palate.core.html import page_table
from palate.core.ids import Ids
from palate.core.optional import optional
from palate.core.visible import shorten, visible

Form: TypeAlias = Literal["wide", "long", "lists"]
Parts: TypeAlias = Mapping[str, Matrix]
Names: TypeAlias = Mapping[str, Sequence[str]]

# blanks, and what LightGBM (JSON's signs) and XGBoost (brackets, "<") refuse in names of features
_REFUSED = re.compile(r'[\s",:\[\]{}<>]+')
_SHOWN_NAMES = 3


def column_names(parts: Parts, names: Names) -> list[str]:
    """A name for each column of all blocks, each once: "block.name", or "block.0"."""
    found = [
        f"{_plain(block)}.{_plain(column)}"
        for block, part in parts.items()
        for column in names.get(block) or map(str, range(part.shape[1]))
    ]
    return found if len(set(found)) == len(found) else _apart(found)


def _plain(name: str) -> str:
    """A name that every library takes: "genres = Comedy" → "genres=Comedy"."""
    text = visible(name).replace(" = ", "=")
    return _REFUSED.sub("_", text).strip("_") or "_"


def _apart(names: list[str]) -> list[str]:
    """The same, with "_2", "_3" behind what occurs again."""
    taken, again = set(names), Counter[str]()
    found = []
    for name in names:
        again[name] += 1
        own = name
        while again[name] > 1 and own in taken:
            own = f"{name}_{again[name]}"
            again[name] += own in taken
        taken.add(own)
        found.append(own)
    return found


def to_scipy(parts: Parts, rows: int) -> sparse.csr_array:
    """(rows, all columns) float32."""
    if not parts:
        return sparse.csr_array((rows, 0), dtype=np.float32)
    blocks = [sparse.csr_array(part) for part in parts.values()]
    return sparse.csr_array(sparse.hstack(blocks, format="csr"), dtype=np.float32)


def to_polars(ids: Ids, parts: Parts, names: Names, form: Form) -> pl.DataFrame:
    """See `Features.to_polars`."""
    forms = get_args(Form)
    if form not in forms:
        raise DataError(f"form = {form!r} cannot be used.{did_you_mean(str(form), forms)}")
    if form == "long":
        whole = to_scipy(parts, len(ids)).tocoo()
        called = pl.Series("feature", column_names(parts, names), dtype=pl.String)
        number = pl.Series("value", whole.data, dtype=pl.Float32)
        return pl.DataFrame([ids.series[whole.row], called[whole.col], number])
    if form == "lists":
        arrays = [
            pl.Series(block, to_dense(part), dtype=pl.Array(pl.Float32, part.shape[1]))
            for block, part in parts.items()
        ]
        return pl.DataFrame([ids.series, *arrays])
    called_so = iter(column_names(parts, names))
    frames = [ids.series.to_frame()]
    for part in parts.values():
        own = [next(called_so) for _ in range(part.shape[1])]
        frames.append(pl.DataFrame(to_dense(part), schema=own, orient="row"))
    return pl.concat(frames, how="horizontal")


def to_pandas(ids: Ids, parts: Parts, names: Names) -> Any:
    """See `Features.to_pandas`."""
    pandas = optional("pandas", needed_for="to_pandas", command="pip install pandas")
    index = pandas.Index(ids.tolist(), name=ids.series.name)
    called, start, frames = column_names(parts, names), 0, []
    for part in parts.values():
        own = called[start : start + part.shape[1]]
        start += part.shape[1]
        if sparse.issparse(part):
            frames.append(pandas.DataFrame.sparse.from_spmatrix(part, index=index, columns=own))
        else:
            frames.append(pandas.DataFrame(part, index=index, columns=own))
    return pandas.concat(frames, axis=1) if frames else pandas.DataFrame(index=index)


def as_html(ids: Ids, parts: Parts, names: Names, behavioural: Collection[str]) -> str:
    """What a notebook shows: a row a block."""
    kind = "people" if ids.series.name.startswith("user") else "items"
    rows = [
        (
            block,
            f"{part.shape[1]:,}",
            "sparse" if sparse.issparse(part) else "dense",
            "events" if block in behavioural else "content",
            _beginning(names.get(block, ())),
        )
        for block, part in parts.items()
    ]
    head = ("block", "columns", "kind", "learnt from", "such as")
    return page_table(f"Features of {len(ids):,} {kind}", head, rows)


def _beginning(names: Sequence[str]) -> str:
    more = ", …" if len(names) > _SHOWN_NAMES else ""
    return ", ".join(shorten(name, 40) for name in names[:_SHOWN_NAMES]) + more
