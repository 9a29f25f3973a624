"""The card of a saved model: when, of what, with what, how good, as JSON and as a page to read."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from typing import Annotated, Any, Final, TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from palate import __version__
from palate.core import registry
from palate.core.columns import EVENT, ITEM, TIME, USER
from palate.core.component import is_fitted
from palate.core.dataset import Dataset
from palate.core.errors import ConfigError
from palate.core.optional import requirements_of
from palate.core.visible import counted, one_line, shorten
from palate.data.notes import DAY, date_of
from palate.pipeline.dialect import component_line, toml
from palate.pipeline.events import since_lines
from palate.pipeline.stages import Stages

MARK: Final = "<!-- palate's card of this model: `palate show` reads what is sealed -->"
"""The first line of a page that palate wrote, and may write again."""

_LIBRARIES: Final = ("numpy", "scipy", "polars", "scikit-learn", "lightgbm", "safetensors")
_LONGEST: Final = 400
_MOST_LINES: Final = 60
_IN_ALL: Final = "all"

_WHOLE: Final = (
    *(pl.Boolean, pl.UInt8, pl.UInt16, pl.UInt32),
    *(pl.Int8, pl.Int16, pl.Int32, pl.Int64),
)

LAST_VERSION: Final = 999_999_999
Count: TypeAlias = Annotated[int, Field(ge=0)]
Version: TypeAlias = Annotated[int, Field(ge=0, le=LAST_VERSION)]


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="ignore", allow_inf_nan=False)


class DataCard(_Part):
    """What a model learnt from: sizes, time, and a digest of each table, whatever its rows' order.

    `against` of the `events` count against their item, `warm_items` of the `items` were chosen,
    `active_users` of the `users` chose. `first` and `last` are days, or places in an order. With
    `pseudonyms` ids of people are keyed hashes.
    """

    events: Count
    against: Count = 0
    users: Count
    active_users: Count | None = None
    items: Count
    warm_items: Count
    first: str | None = None
    last: str | None = None
    digest: str
    digest_items: str
    digest_users: str | None = None
    pseudonyms: bool = False

    @classmethod
    def of(cls, data: Dataset) -> DataCard:
        """The card of the data that a fitted pipeline holds."""
        first, last = _span(data)
        users = data.users
        return cls(
            events=len(data.events),
            against=len(data.events) - len(data.interactions),
            users=len(data.user_ids),
            active_users=len(np.unique(data.user_rows)),
            items=len(data.items),
            warm_items=int(np.count_nonzero(data.item_counts)),
            first=first,
            last=last,
            digest=digest_of_events(data.interactions),
            digest_items=_digest(data.items, by=[ITEM]),
            digest_users=None if users is None else _digest(users, by=[USER]),
            pseudonyms=data.pseudonyms is not None,
        )


class Figure(_Part):
    """One metric over all requests of a split, with its interval of 95 %."""

    mean: float | None
    low: float | None = None
    high: float | None = None


class Figures(_Part):
    """What was measured of one row of a comparison, over all requests and on slices of them."""

    name: str
    split: str
    measured: str
    requests: Count
    metrics: dict[str, Figure]
    slices: dict[str, dict[str, float | None]] = Field(default_factory=dict)


class Card(_Part):
    """What is known about a saved model; one that an early palate saved says hardly anything.

    `version` counts what was saved in one folder, `before` is the one that it took the place of.
    `saved` is UTC. `since` says what came and went since the fit, and what knows nothing of it.
    `settings` are lines, as a pipeline file has them; `chosen` is what its parts
    say that they found out; `blocks` are the features' dimensions, `size` the bytes of its files.
    """

    version: Version = 0
    before: Version | None = None
    saved: str = ""
    palate: str
    python: str = ""
    libraries: dict[str, str] = Field(default_factory=dict)
    data: DataCard | None = None
    since: list[str] = Field(default_factory=list)
    settings: list[str] = Field(default_factory=list)
    chosen: list[str] = Field(default_factory=list)
    blocks: dict[str, Count] = Field(default_factory=dict)
    size: Count = 0
    figures: list[Figures] = Field(default_factory=list)

    @classmethod
    def of(cls, pipeline: Stages, *, size: int, figures: Any = None) -> Card:
        """The card of a fitted pipeline, whose files are `size` bytes."""
        features = pipeline.features_
        parts = {} if features is None else features.parts
        return cls(
            saved=now(),
            palate=__version__,
            python=platform.python_version(),
            libraries=_libraries(pipeline),
            data=DataCard.of(pipeline.data_),
            since=since_lines(pipeline),
            settings=list(_settings(pipeline)),
            chosen=list(_chosen(pipeline)),
            blocks={name: part.shape[1] for name, part in parts.items()},
            size=size,
            figures=figures_of(figures),
        )

    def with_figures(self, new: Sequence[Figures]) -> Card:
        """The same, with figures in the place of those of the same row and split."""
        kept = {(each.name, each.split): each for each in (*self.figures, *new)}
        return self.model_copy(update={"figures": list(kept.values())})

    def lines(self) -> list[str]:
        """The card in lines of Markdown."""
        said = [f"# Model card, version {self.version}", "", *_bullets(self._facts())]
        for title, lines in (("Settings", self.settings), ("What it found out", self.chosen)):
            if lines:
                said += ["", f"## {title}", "", *_bullets(lines)]
        if self.figures:
            said += ["", "## Figures", "", *_tables(self.figures)]
        return said

    def page(self) -> bytes:
        """CARD.md."""
        return "\n".join([MARK, "", *self.lines(), ""]).encode(errors="replace")

    def _facts(self) -> Iterator[str]:
        yield f"saved: {self.saved or 'unknown, for that version of palate kept no card'}"
        with_what = {"palate": self.palate, "Python": self.python, **self.libraries}
        yield ", ".join(f"{name} {version}".strip() for name, version in with_what.items())
        if self.data is not None:
            yield from _facts_of_data(self.data, "knows" if self.since else "learnt from")
        yield from self.since
        if self.blocks:
            widths = ", ".join(f"{name} ({width:,})" for name, width in self.blocks.items())
            yield f"blocks and their dimensions: {widths}"
        if self.size:
            yield f"size: {max(self.size / 1e6, 0.1):,.1f} MB"


def _facts_of_data(data: DataCard, how: str) -> Iterator[str]:
    people, items = counted(data.users, "person"), counted(data.items, "item")
    if data.active_users is not None and data.active_users != data.users:
        people = f"{data.active_users:,} of {people}"
    low = f"; {data.against:,} of them count against their item" if data.against else ""
    events = counted(data.events, "event")
    yield f"{how} {events} of {people} with {data.warm_items:,} of {items}{low}"
    if data.first is not None:
        yield f"time: {data.first} to {data.last}"
    if data.pseudonyms:
        yield "people are known by pseudonyms: keyed hashes of their ids, whose key is not here"
    digests = {"events": data.digest, "items": data.digest_items, "people": data.digest_users}
    said = ", ".join(f"{name} {digest}" for name, digest in digests.items() if digest)
    yield f"digests of the data: {said}"


def now() -> str:
    """The moment, UTC, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def card_in(manifest: Mapping[str, Any]) -> Card:
    """The card that a manifest holds; `ValueError` for one that palate does not write."""
    if "card" not in manifest:
        return Card(palate=str(manifest.get("palate", "")))
    return Card.model_validate(manifest["card"])


def holds_ids(manifest: Mapping[str, Any]) -> bool:
    """Whether a model may hold people's own ids, and no pseudonyms."""
    try:
        data = card_in(manifest).data
    except ValueError:
        return True
    return data is None or not data.pseudonyms


def figures_of(measured: Any) -> list[Figures]:
    """Figures as a card holds them: of `evaluate`, `compare` or several of these; none for None.

    Raises `ConfigError` for what is no such result.
    """
    if measured is None:
        return []
    if isinstance(measured, Sequence) and not isinstance(measured, str):
        return [each for part in measured for each in figures_of(part)]
    told = measured.to_json() if hasattr(measured, "to_json") else measured
    try:
        if not isinstance(told, Mapping):
            raise TypeError
        return [_row(told, row) for row in told["rows"]]
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ConfigError(
            f"figures = {shorten(repr(measured))}: give what palate.evaluate or palate.compare"
            " returned"
        ) from error


def _row(told: Mapping[str, Any], row: Mapping[str, Any]) -> Figures:
    whole = row["slices"][_IN_ALL]
    return Figures(
        name=row["name"],
        split=told["split"],
        measured=now(),
        requests=told["slices"][_IN_ALL]["requests"],
        metrics={
            name: Figure.model_validate(cell)
            for name, cell in (*whole.items(), *row.get("errors", {}).items())
            if isinstance(cell, Mapping)
        },
        slices={
            name: {metric: cell["mean"] for metric, cell in cells.items()}
            for name, cells in row["slices"].items()
            if name != _IN_ALL
        },
    )


# ---- what a pipeline is


def _components(pipeline: Stages) -> Iterator[tuple[str, Any]]:
    """(what it is, a fitted component), from left to right."""
    yield from ((f"encoder {name}", one) for name, one in pipeline.encoders_.items())
    yield from (("transform", one) for one in pipeline.transforms_)
    yield from ((f"users {name}", one) for name, one in pipeline.user_encoders_.items())
    yield from (("users transform", one) for one in pipeline.user_transforms_)
    yield "recommender", pipeline.recommender_
    yield from (("reranker", one) for one in pipeline.rerankers_)


def _settings(pipeline: Stages) -> Iterator[str]:
    for what, component in _components(pipeline):
        yield f"{what}: {component_line(component)}"


def _chosen(pipeline: Stages) -> Iterator[str]:
    """What the parts say that they found out while they were fitted."""
    encoders = [*pipeline.encoders_.values(), *pipeline.user_encoders_.values()]
    for what, component in _components(pipeline):
        lines = _as_lines(getattr(component, "chosen_", None)) if is_fitted(component) else []
        if not any(component is encoder for encoder in encoders):  # these say what they would read
            lines += _described(component, pipeline.data_)
        for line in lines:
            yield f"{what} {registry.name_of(component)}: {line}"


def _described(component: Any, data: Dataset) -> list[str]:
    """What a fitted component says about itself; one of somebody else's may fail at that."""
    try:
        return [str(line) for line in component.describe(data)]
    except Exception:  # a card is no reason not to save a model
        return []


def _as_lines(found: Any) -> list[str]:
    if found is None:
        return []
    if isinstance(found, str):
        return [found]
    if isinstance(found, Mapping):
        return [f"{name} = {_value(part)}" for name, part in found.items()]
    return [_value(part) for part in found] if isinstance(found, list | tuple) else [_value(found)]


def _value(value: Any) -> str:
    return value if isinstance(value, str) else toml(value)


def _libraries(pipeline: Stages) -> dict[str, str]:
    """The versions of what it was made with: palate's own, and what its parts ask for."""
    distributions = metadata.packages_distributions()
    asked = [
        distributions.get(module.partition(".")[0], [module])[0]
        for _, component in _components(pipeline)
        for requirement in requirements_of(component)
        for module in requirement.modules
    ]
    found = {}
    for name in (*_LIBRARIES, *sorted(set(asked) - set(_LIBRARIES))):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:  # a module that lies somewhere by itself
            continue
    return found


# ---- what it learnt from


def scoring_events(events: pl.DataFrame) -> pl.DataFrame:
    """The columns of events that a fitted model is asked with.

    What people wrote has been read when a model is fitted: neither their texts nor other words of
    theirs are needed to recommend or to explain.
    """
    kept = (USER, ITEM, EVENT)
    return events.select(
        name
        for name, kind in events.schema.items()
        if name in kept or kind.is_numeric() or kind.is_temporal() or kind == pl.Boolean
    )


def digest_of_events(events: pl.DataFrame) -> str:
    """A digest of who did what when: the same for the same events, however their table was sorted.

    Without times the order of one person's events counts. Texts do not.
    """
    table = scoring_events(events)
    if TIME not in table.columns:
        table = table.with_columns(pl.int_range(pl.len()).over(USER).alias("order"))
    return _digest(table, by=sorted(table.columns))


def _digest(table: pl.DataFrame, *, by: Sequence[str]) -> str:
    """Of all columns by their names, of rows in the order of some of them."""
    hasher = hashlib.blake2b(digest_size=16)
    columns = {name: _numbers(table[name]) for name in sorted(table.columns)}
    keys = [part for name in by for part in columns[name][:2]]
    order = np.lexsort(keys[::-1]) if len(table) else np.zeros(0, dtype=np.int64)
    for name, (numbers, missing, words) in columns.items():
        hasher.update(json.dumps([name, numbers.dtype.kind, len(words)]).encode())
        for word in words:
            content = word.encode()
            hasher.update(len(content).to_bytes(8, "little") + content)
        hasher.update(np.ascontiguousarray(numbers[order]).tobytes())
        hasher.update(np.ascontiguousarray(missing[order]).tobytes())
    return hasher.hexdigest()


def _numbers(series: pl.Series) -> tuple[NDArray[Any], NDArray[np.bool_], list[str]]:
    """A column as numbers, which of them are missing, and the sorted words that they count."""
    missing = series.is_null().to_numpy()
    kind = series.dtype
    if kind in _WHOLE:
        return series.cast(pl.Int64).fill_null(0).to_numpy(), missing, []
    if kind.is_float():
        return series.cast(pl.Float64).fill_null(0.0).fill_nan(0.0).to_numpy() + 0.0, missing, []
    if kind != pl.String:
        series = pl.Series(series.name, _spelt(series), dtype=pl.String)
    words = series.drop_nulls().unique().sort()
    if not len(words):
        return np.full(len(series), -1, dtype=np.int64), missing, []
    codes = series.replace_strict(
        words, pl.Series(np.arange(len(words), dtype=np.int64)), default=None
    )
    return codes.cast(pl.Int64).fill_null(-1).to_numpy(), missing, words.to_list()


def _spelt(series: pl.Series) -> Iterable[str | None]:
    """Lists, records, dates and bytes as text; bytes by their digest."""
    for value in series.to_list():
        yield None if value is None else json.dumps(value, default=_plain, sort_keys=True)


def _plain(value: Any) -> str:
    if isinstance(value, bytes):
        return hashlib.blake2b(value, digest_size=16).hexdigest()
    return str(value)


def _span(data: Dataset) -> tuple[str | None, str | None]:
    if data.times is None or not len(data.times):
        return None, None
    first, last = float(data.times.min()), float(data.times.max())
    if abs(last) < DAY * 365:  # an order, no dates
        return f"{first:g}", f"{last:g}"
    return date_of(first), date_of(last)


# ---- how it reads


def _bullets(lines: Iterable[str]) -> list[str]:
    found = [f"- {shorten(one_line(line), _LONGEST)}" for line in lines]
    more = len(found) - _MOST_LINES
    return found if more <= 0 else [*found[:_MOST_LINES], f"- and {more:,} more"]


def _tables(figures: Sequence[Figures]) -> list[str]:
    """One row a model and split, one column a metric; then its slices by the first metric."""
    metrics = list(dict.fromkeys(name for each in figures for name in each.metrics))[:12]
    said = [_cells("model", "split", "requests", "measured", *metrics)]
    said.append("|" + "---|" * (4 + len(metrics)))
    for each in figures[:_MOST_LINES]:
        numbers = [_number(each.metrics.get(name)) for name in metrics]
        requests = f"{each.requests:,}"
        said.append(_cells(each.name, each.split, requests, each.measured[:10], *numbers))
    first = metrics[0] if metrics else ""
    for each in figures[:_MOST_LINES]:
        parts = {name: values.get(first) for name, values in each.slices.items()}
        known = [f"{name} {mean:.4f}" for name, mean in parts.items() if mean is not None]
        if known:
            said += ["", shorten(one_line(f"{first} of {each.name}: {', '.join(known)}"), _LONGEST)]
    return said


def _cells(*cells: str) -> str:
    return "| " + " | ".join(shorten(one_line(c)).replace("|", "/") for c in cells) + " |"


def _number(figure: Figure | None) -> str:
    if figure is None or figure.mean is None:
        return ""
    if figure.low is None or figure.high is None:
        return f"{figure.mean:.4f}"
    return f"{figure.mean:.4f} ({figure.low:.4f} to {figure.high:.4f})"
