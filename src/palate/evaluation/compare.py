"""Recommenders on one split in one table: ranked in chunks, told apart by people."""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, is_dataclass
from functools import partial
from typing import Any, Final, Protocol, TypeAlias, TypeVar, runtime_checkable

import numpy as np
from rich.table import Table

from palate.core.arrays import Floats, Rows
from palate.core.component import check_fitted
from palate.core.dataset import Dataset
from palate.core.doors import door
from palate.core.errors import AlignmentError, ConfigError, DataError, PalateError, did_you_mean
from palate.core.features import Features
from palate.core.histories import Histories
from palate.core.progress import task
from palate.core.split import Split
from palate.core.topk import CHUNK_CELLS, Scorer, rank_rows
from palate.evaluation.leaks import check_unseen
from palate.evaluation.measure import Measurement
from palate.evaluation.metrics.beyond import beyond_accuracy
from palate.evaluation.metrics.rating import HeldValues, in_catalogue_of
from palate.evaluation.results import Measured, Refused, Results
from palate.evaluation.table import as_html, as_table, as_text

SHOWN_METRICS: Final = ("ndcg", "recall", "mrr")
BASELINE: Final = "baseline"
_Made = TypeVar("_Made")


@runtime_checkable
class Lister(Protocol):
    """Anything that ranks by itself, as a pipeline does with its rerankers."""

    def rank_histories(
        self, histories: Histories, k: int, *, exclude_seen: bool, progress: Callable[[int], object]
    ) -> tuple[Rows, Floats]: ...


@dataclass(frozen=True, eq=False)
class Ranked:
    """Lists that were ranked already: (n, K) catalogue rows, best first, -1 where a list ends."""

    rows: Rows

    @classmethod
    def of(cls, model: Scorer, split: Split, k: int, label: str = "model") -> Ranked:
        """Ranks the whole catalogue for every request, a chunk at a time; keeps the best `k`.

        A pipeline ranks by itself, rerankers included: its lists are those that it would show. Of
        a model with items added since the split, the split's items alone are ranked. The model
        is handed each chunk's past and nothing else: a copy, since the histories of a split may
        share their arrays with what those people did later. Raises `DataError` for a pipeline that
        was fitted on answers of the split.
        """
        check_unseen(model, split, label)
        rank: Any
        rank = model.rank_histories if isinstance(model, Lister) else partial(rank_rows, model)
        asking = in_catalogue_of(model, split.histories)
        if asking is not split.histories:
            rank = partial(
                rank, candidates=np.arange(len(split.histories.item_ids), dtype=np.int32)
            )
        rows = np.empty((len(asking), k), dtype=np.int32)
        step = max(1, CHUNK_CELLS // max(len(asking.item_ids), 1))
        with task(f"ranking by {label}", len(asking), "requests") as done:
            for start in range(0, len(asking), step):
                part = slice(start, start + step)
                chunk = asking.take(part).compact()
                rows[part], _ = rank(chunk, k, exclude_seen=split.exclude_seen, progress=done)
        return cls(rows)


class Comparison(Results):
    """Several recommenders on one split; `str()` is the table as plain text."""

    def __str__(self) -> str:
        return as_text(self)

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return as_html(self)

    def render(self) -> Table:
        """The table for a terminal: NDCG and recall on all, new items, long tail, short histories.

        The best of each column is bold; a mark shows a significant difference to the reference.
        """
        return as_table(self)


class Evaluation(Comparison):
    """One recommender on one split, and its baseline where one was given."""

    @property
    def name(self) -> str:
        """The row of the recommender that was evaluated."""
        return next(iter(self.rows))

    def __getitem__(self, metric: str) -> float:
        """The mean over all requests, `evaluation["ndcg@10"]`; `"rmse"`, `"mae"` of values."""
        row = self.errors.get(self.name)
        if row is not None and metric in row.cells:
            return row.cells[metric].interval.mean
        return self.cell(self.name, metric).interval.mean


Candidate: TypeAlias = "Scorer | Ranked | Refused"


def unless_refused(made: Callable[[], _Made]) -> _Made | Refused:
    """What `made` gives, or what it refuses with: then the other rows of a table still stand."""
    try:
        return made()
    except (PalateError, MemoryError) as error:
        return Refused(error)


@door("model", "split", "ks", "metrics")
def evaluate(
    model: Candidate,
    split: Split,
    *,
    ks: Sequence[int] = (10,),
    metrics: Sequence[str] = SHOWN_METRICS,
    baseline: Candidate | None = None,
    items: Features | None = None,
    beyond: bool = True,
    name: str | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> Evaluation:
    """One recommender on a split, against `baseline` (a row of that name) where one is given.

    The other arguments are those of `compare`; `name` is the row's, else that of the class.
    """
    title = name or type(getattr(model, "recommender", model)).__name__
    if title == BASELINE:
        raise ConfigError(f"the row cannot be called {BASELINE!r}: that is the other one's name")
    models = {title: model} if baseline is None else {title: model, BASELINE: baseline}
    compared = compare(
        models,
        split,
        reference=None if baseline is None else BASELINE,
        ks=ks,
        metrics=metrics,
        items=items,
        beyond=beyond,
        resamples=resamples,
        seed=seed,
    )
    for refused in compared.refused.values():
        raise refused.error
    return Evaluation(**vars(compared))


@door("models", "split", "ks", "metrics")
def compare(
    models: Mapping[str, Candidate],
    split: Split,
    *,
    reference: str | None = None,
    ks: Sequence[int] = (10,),
    metrics: Sequence[str] = SHOWN_METRICS,
    items: Features | None = None,
    beyond: bool = True,
    resamples: int = 1000,
    seed: int = 0,
) -> Comparison:
    """Several recommenders on one split: full ranking, every slice, intervals and differences.

    A model is fitted and has `score(histories)`, or is `Ranked` already; one that raises one of
    palate's errors while it ranks, or is `Refused`, is told apart in `refused`, and raises it only
    where no other is measured. Of a pipeline, the lists
    that it shows are measured, rerankers included. Who predicts values is measured on all that were
    held out, low ones too: RMSE and MAE, in their unit. `reference` names the row that others are
    tested against, by the paired bootstrap over people; p values are not corrected for the number
    of rows. Diversity is measured on `items`, features of the whole catalogue, or else on those of
    the first model that has `features`: the same for all rows.
    Raises `ConfigError` for unknown names and for what is no model, `DataError` for what is no
    split, for one that asks nothing, and for a pipeline that was fitted on answers of the split.
    """
    _check_kinds(models, split, ks, metrics)
    _check(models, split, reference)
    measured = Measurement.of(split, ks, metrics)
    for title, model in models.items():
        if isinstance(model, Ranked):
            _check_depth(model.rows, max(ks), title, split)
    content = items if items is not None else _content_of(models.values())
    rows, refused, predicted = {}, {}, {}
    held = HeldValues.of(split) if any(map(_predicts, models.values())) else None
    for title, model in models.items():
        ranked = _ranked(model, split, max(ks), title)
        if held is not None and not isinstance(ranked, Refused) and _predicts(model):
            said = unless_refused(partial(held.predicted, model, title))
            if isinstance(said, Refused):
                ranked = said
            else:
                predicted[title] = said
        if isinstance(ranked, Refused):
            refused[title] = ranked
            continue
        shown = ranked.rows[:, : measured.headline]
        extras = beyond_accuracy(shown, split.train, content) if beyond else {}
        rows[title] = Measured(ranked.rows, measured.values(ranked.rows), extras)
    if not rows:
        raise next(iter(refused.values())).error
    reference = None if reference in refused else reference
    drawn = {"resamples": resamples, "seed": seed}
    return Comparison(
        **measured.facts(),
        reference=reference,
        rows=rows,
        cells=measured.cells(rows, reference, **drawn),
        refused=refused,
        errors={} if held is None else held.errors(predicted, reference, **drawn),
    )


def _predicts(model: object) -> bool:
    """Whether a model says what people give items, as it was fitted."""
    return bool(getattr(model, "predicts", False)) and callable(getattr(model, "predict", None))


def _ranked(model: Candidate, split: Split, depth: int, title: str) -> Ranked | Refused:
    if isinstance(model, Ranked | Refused):
        return model
    return unless_refused(partial(Ranked.of, model, split, depth, title))


def _content_of(models: Iterable[Candidate]) -> Features | None:
    found = (getattr(model, "features", None) for model in models)
    return next(
        (features for features in found if isinstance(features, Features) and features.parts), None
    )


def _check_kinds(models: Any, split: Any, ks: Any, metrics: Any) -> None:
    """What stands where, before anything long begins."""
    if isinstance(split, Dataset):
        raise DataError(
            "a Dataset asks nothing: cut it first, as in split = palate.split_by_time(data), and "
            "fit the model on split.train"
        )
    if not isinstance(split, Split):
        raise DataError(f"the split must be one, as split_by_time makes, not {_shown(split)}")
    if not isinstance(models, Mapping):
        raise ConfigError(f"models must have names, as {{'mine': model}}, not {_shown(models)}")
    for title, model in models.items():
        _check_model(title, model)
    for name, value in (("ks", ks), ("metrics", metrics)):
        if isinstance(value, str) or not isinstance(value, Iterable):
            raise ConfigError(f"{name} = {_shown(value)} must be a list: write [{value!r}]")


def _check_model(title: str, model: Any) -> None:
    if isinstance(model, type):
        raise ConfigError(f"{title!r} is a class: fit a {model.__name__}() and compare that")
    if isinstance(model, Ranked | Refused):
        return
    if not callable(getattr(model, "score", None)):
        raise ConfigError(
            f"{title!r} is no fitted recommender: {_shown(model)} has no score(histories)"
        )
    if is_dataclass(model):
        check_fitted(model)


def _shown(value: object) -> str:
    return reprlib.repr(value)


def _check(models: Mapping[str, Candidate], split: Split, reference: str | None) -> None:
    if not models:
        raise ConfigError("no recommender to compare: name at least one")
    if reference is not None and reference not in models:
        raise ConfigError(f"no row is called {reference!r}.{did_you_mean(reference, models)}")
    if len(split.sealed) != len(split.histories):
        raise AlignmentError(f"{len(split.histories)} requests, but {len(split.sealed)} answers")
    if not (split.sealed.stops > split.sealed.starts).any():
        raise DataError(
            f"the split {split.name!r} holds no answers to measure on: "
            "hold back a larger share, or more people"
        )


def _check_depth(rows: Rows, depth: int, title: str, split: Split) -> None:
    if len(rows) != len(split.histories):
        raise AlignmentError(
            f"{title!r} ranked {len(rows)} requests, but the split asks {len(split.histories)}"
        )
    if rows.shape[1] < depth:
        raise ConfigError(f"{title!r} is ranked to {rows.shape[1]} places, but ks asks for {depth}")
