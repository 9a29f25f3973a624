"""What noise in a catalogue costs: typing errors, missing words, columns that are empty."""

from __future__ import annotations

import hashlib
import math
import string
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray
from rich import box
from rich.table import Table
from rich.text import Text
from scipy import sparse

from palate.core.arrays import Matrix, Rows, row_norms
from palate.core.columns import ITEM
from palate.core.component import check_fitted
from palate.core.doors import door
from palate.core.errors import ConfigError
from palate.core.features import Features
from palate.core.html import page_table
from palate.core.progress import task
from palate.core.split import Split
from palate.core.visible import shorten
from palate.evaluation.compare import Comparison, compare, unless_refused
from palate.evaluation.significance import Interval
from palate.evaluation.table import metric_label, plain_text, shown_metrics
from palate.pipeline.features import encode_items
from palate.pipeline.pipeline import Pipeline

CLEAN: Final = "as it is"
TYPOS: Final = "typing errors"
WORDS: Final = "missing words"

_CHUNK: Final = 512
_Damage = Callable[[str, np.random.Generator], str]


@dataclass(frozen=True, eq=False)
class Robustness:
    """A model beside the same one fitted on damaged catalogues, on one split.

    `comparison` has the row "as it is", to which the others are compared, and one for each damage.
    `neighbours` is the share of items whose nearest item in content stays the same, by damage;
    empty where a model has no content.
    """

    comparison: Comparison
    neighbours: Mapping[str, float]

    def to_json(self) -> dict[str, Any]:
        """All numbers, as JSON types."""
        return {**self.comparison.to_json(), "same_nearest_neighbour": dict(self.neighbours)}

    def render(self) -> Table:
        """The table for a terminal: one row a damage; a difference that is significant is bold."""
        head, *rows = self._lines()
        table = Table(box=box.SIMPLE_HEAD)
        for name in head:
            table.add_column(name, justify="left" if name == head[0] else "right")
        for name, figure, apart, share in rows:
            gap = self._difference(name) if name in self.comparison.rows else None
            style = "bold" if gap is not None and gap.significant else ""
            table.add_row(Text(shorten(name)), Text(shorten(figure)), Text(apart, style), share)
        return table

    def __str__(self) -> str:
        return plain_text(self.render())

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        head, *rows = self._lines()
        return page_table("On damaged catalogues", head, rows)

    def _difference(self, name: str) -> Interval | None:
        return self.comparison.cell(name, shown_metrics(self.comparison)[0]).difference

    def _lines(self) -> Iterator[tuple[str, str, str, str]]:
        """The head of the table, and a line a damage."""
        metric = shown_metrics(self.comparison)[0]
        yield "catalogue", metric_label(metric), "difference", "same nearest item"
        for name in self.comparison.rows:
            apart, share = self._difference(name), self.neighbours.get(name, math.nan)
            said = (
                "" if apart is None else f"{apart.mean:+.4f} ({apart.low:+.4f} {apart.high:+.4f})"
            )
            figure = f"{self.comparison.cell(name, metric).interval.mean:.4f}"
            yield name, figure, said, "" if math.isnan(share) else f"{share:.0%}"
        for name, refused in self.comparison.refused.items():
            yield name, "–", refused.reason, ""


@door()
def robustness(
    model: Pipeline,
    split: Split,
    *,
    letters: float = 1 / 15,
    words: float = 1 / 5,
    seed: int = 0,
    resamples: int = 1000,
) -> Robustness:
    """What damage to the items' words costs a model that was fitted on `split.train`.

    `letters` is the share of letters that become another one, `words` that of words that are
    missing; then each column by itself is empty. The same pipeline is fitted on each damaged
    catalogue and asked what the clean one is asked; nearest items are those of the model's own
    encoders. Damage is drawn by the item's id, the column and the seed, so it is the same whatever
    the order of rows. Raises `ConfigError` for shares that are none.
    """
    for name, share in (("letters", letters), ("words", words)):
        if not 0 <= share <= 1:
            raise ConfigError(f"{name} = {share!r} must be a share, from 0 to 1")
    check_fitted(model)
    catalogues = dict(_damaged(split.train.items, letters, words, seed))
    models: dict[str, Any] = {CLEAN: model}
    neighbours: dict[str, float] = {}
    nearest = _nearest(model.features_)
    with task("damaging", len(catalogues), "catalogues") as done:
        for name, items in catalogues.items():
            data = replace(split.train, items=items)
            models[name] = unless_refused(partial(_fresh(model).fit, data))
            encode = partial(encode_items, model.encoders_, model.transforms_, data)
            features = unless_refused(encode)
            if nearest is not None and isinstance(features, Features):
                neighbours[name] = float(np.mean(_nearest(features) == nearest))
            done(1)
    comparison = compare(models, split, reference=CLEAN, beyond=False, resamples=resamples)
    return Robustness(comparison, neighbours)


def _fresh(model: Pipeline) -> Pipeline:
    """The same pipeline, not fitted."""
    return type(model)(**{e.name: getattr(model, e.name) for e in fields(model) if e.init})


def _damaged(
    items: pl.DataFrame, letters: float, words: float, seed: int
) -> Iterator[tuple[str, pl.DataFrame]]:
    yield TYPOS, _with_damage(items, partial(_mistyped, share=letters), seed)
    yield WORDS, _with_damage(items, partial(_shortened, share=words), seed)
    for name, kind in items.schema.items():
        if name != ITEM:
            yield f"without {name}", items.with_columns(pl.lit(None, kind).alias(name))


def _with_damage(items: pl.DataFrame, damage: _Damage, seed: int) -> pl.DataFrame:
    """All texts, and texts in lists, with damage."""
    ids = items[ITEM].to_list()
    columns = []
    for column in items:
        in_lists = column.dtype == pl.List(pl.String)
        if column.name == ITEM or not (in_lists or column.dtype == pl.String):
            continue
        found: list[Any] = []
        for name, value in zip(ids, column.to_list(), strict=True):
            rng = np.random.default_rng(_seed(seed, column.name, name))
            if isinstance(value, list):
                found.append([None if part is None else damage(part, rng) for part in value])
            else:
                found.append(None if value is None else damage(value, rng))
        columns.append(pl.Series(column.name, found, dtype=column.dtype))
    return items.with_columns(columns)


def _seed(seed: int, column: str, name: str) -> int:
    content = "\0".join((str(seed), column, name)).encode()
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "little")


def _mistyped(text: str, rng: np.random.Generator, *, share: float) -> str:
    """Letters, of any script, that become others: of the text's own where it is not Latin."""
    latin = all(letter.isascii() for letter in text if letter.isalpha())
    others = string.ascii_lowercase if latin else "".join(filter(str.isalpha, text))
    hit = rng.random(len(text)) < share
    drawn = rng.integers(0, max(len(others), 1), len(text))
    return "".join(
        others[place] if wrong and letter.isalpha() else letter
        for letter, wrong, place in zip(text, hit, drawn, strict=True)
    )


def _shortened(text: str, rng: np.random.Generator, *, share: float) -> str:
    """Words that are missing; of a text without blanks, letters."""
    words, by = (text.split(), " ") if " " in text.strip() else (list(text), "")
    if len(words) < 2:
        return text
    kept = rng.random(len(words)) >= share
    return by.join(word for word, stays in zip(words, kept, strict=True) if stays)


def _nearest(features: Features | None) -> Rows | None:
    """(n,) the item nearest to each in content, by the cosines summed over blocks; None without."""
    parts = {} if features is None else features.parts
    behavioural = frozenset() if features is None else features.behavioural
    content = [_unit(part) for name, part in parts.items() if name not in behavioural]
    if not content:
        return None
    rows = content[0].shape[0]
    found = np.empty(rows, dtype=np.int32)
    for start in range(0, rows, _CHUNK):
        chunk = slice(start, min(start + _CHUNK, rows))
        total: NDArray[Any] = np.zeros((chunk.stop - start, rows), dtype=np.float32)
        for part in content:
            cosines: Any = part[chunk] @ part.T
            total += cosines.toarray() if sparse.issparse(cosines) else cosines
        total[np.arange(len(total)), np.arange(start, chunk.stop)] = -np.inf
        found[chunk] = total.argmax(axis=1)
    return found


def _unit(part: Matrix) -> Any:
    """Rows of unit length; rows of zeros stay."""
    lengths = np.maximum(row_norms(part), 1e-9)
    if sparse.issparse(part):
        return sparse.csr_array(sparse.diags_array(1 / lengths) @ part)
    return part / lengths[:, None]
