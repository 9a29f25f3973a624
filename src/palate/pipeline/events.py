"""Events and people that come, or go, after the fit: what follows them at once, what stays."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from palate.core import registry
from palate.core.arrays import Rows
from palate.core.columns import USER
from palate.core.dataset import Dataset
from palate.core.errors import ConfigError, UnknownIdError, first_offenders
from palate.core.ids import Ids
from palate.core.types import FitContext
from palate.core.visible import counted
from palate.data.catalogue import read_catalogue
from palate.data.columns import check_given, find_columns
from palate.data.formats.open import Source, Table, open_table
from palate.data.later import with_later_events
from palate.data.notes import LOGGER, ReadNotes, TableNotes, log_notes
from palate.data.positive import Positive
from palate.data.pseudonyms import later_pseudonyms, unknown_hint
from palate.data.times import check_time_format
from palate.pipeline.arrivals import fitting
from palate.pipeline.learning import fit_rerankers
from palate.pipeline.search.search import follow
from palate.pipeline.stages import SinceFit, Stages
from palate.pipeline.user_features import users_changed

MUCH: Final = 0.1
"""Of the events that a model was fitted on: so many later, and it is to be fitted again."""


@dataclass(frozen=True)
class Changed:
    """What becomes other in a fitted pipeline, by the names of its learnt fields, and what is said.

    `warnings` are said where nobody listens, too.
    """

    stages: dict[str, Any]
    notes: ReadNotes
    warnings: tuple[str, ...] = ()

    def tell(self, listener: Callable[[ReadNotes], object]) -> None:
        """All of it to who listens; where nobody says who, the warnings are the logger's."""
        if listener is not log_notes:
            listener(replace(self.notes, messages=self.warnings))
            return
        listener(self.notes)
        for line in self.warnings:
            LOGGER.warning("%s", line)


def with_new_events(
    stages: Stages,
    events: Source,
    *,
    users: Source | None = None,
    columns: Mapping[str, str] | None = None,
    encoding: str = "utf-8",
    time_format: str | None = None,
    positive: Positive | None = None,
    pseudonyms: str | bytes | None = None,
) -> Changed:
    """A fitted pipeline with events, and rows of people, that came since: made aside."""
    check_time_format(time_format)
    before, given = stages.data_, columns or {}
    tables = {"interactions": open_table(events, what="new events", key=USER, encoding=encoding)}
    if users is not None:
        tables["users"] = open_table(users, what="new users", key=USER, encoding=encoding)
    names = {kind: list(table.schema) for kind, table in tables.items()}
    check_given(given, {kind: (tables[kind].name, listed) for kind, listed in names.items()})
    later = with_later_events(
        tables["interactions"],
        before,
        columns={theirs: ours for theirs, ours in given.items() if theirs in names["interactions"]},
        time_format=time_format,
        positive=positive,
        pseudonyms=pseudonyms,
    )
    data, notes, changed = later.data, [later.notes], pl.Series(USER, [], dtype=pl.String)
    if "users" in tables:
        own = {theirs: ours for theirs, ours in given.items() if theirs in names["users"]}
        people, about = _rows_of_people(tables["users"], before, own, pseudonyms)
        notes.append(about)
        data = replace(data, users=_joined(before.users, people))
        changed = people[USER]
    since = stages.since_fit_
    now: SinceFit = {**since, "added": since["added"] + later.added}
    said = [later.unknown] if later.unknown else []
    if is_much(now) and not is_much(since):
        said.append(f"{words_of(now)}: that is much, fit again")
    followed = {
        **_following(stages, data, changed),
        "since_fit_": now,
        "later_events_": _later_events(stages, data, later.users),
    }
    return Changed(followed, ReadNotes(tuple(notes)), tuple(said))


def _later_events(stages: Stages, data: Dataset, users: pl.Series) -> NDArray[np.int64]:
    """Of everybody in `data` how many of their events came since the fit, with these of `users`."""
    before, found = stages.later_events_, np.zeros(len(data.user_ids), dtype=np.int64)
    if len(before):
        place = data.user_ids.find(stages.data_.user_ids.series)
        found[place[place >= 0]] = before[place >= 0]
    return found + np.bincount(data.user_ids.rows(users), minlength=len(found))


def is_much(since: SinceFit) -> bool:
    """Whether so much came since the fit that what was learnt is hardly of these events."""
    return since["added"] > MUCH * since["events"]


def words_of(since: SinceFit) -> str:
    """How much came since the fit."""
    share = since["added"] / max(since["events"], 1)
    return (
        f"{counted(since['added'], 'event')} since the fit of {since['fitted']}, {share:.1%} of the"
        f" {since['events']:,} that it was fitted on"
    )


def since_lines(stages: Stages) -> list[str]:
    """What came and went since the fit, and what knows nothing of it; nothing where nothing did."""
    since = stages.since_fit_
    if not (since["added"] or since["users_removed"]):
        return []
    gone = since["users_removed"]
    said = [f"{counted(gone, 'person')} removed since the fit of {since['fitted']}"] if gone else []
    if since["added"]:
        hint = ": that is much, fit again" if is_much(since) else ""
        said.append(f"{words_of(since)}{hint}")
    stale = list(_of_the_fit(stages))
    kept = f"as fitted are {', '.join(stale)}" if stale else "nothing else was learnt"
    return [*said, f"histories and counts know of it; {kept}"]


def _of_the_fit(stages: Stages) -> Iterator[str]:
    yield from registry.kept_of_fit(stages.recommender_)
    for whose, features in (("items", stages.features_), ("people", stages.user_features_)):
        if features is not None and features.parts:
            blocks = ", ".join(sorted(features.behavioural))
            learnt = f" (blocks learnt from events: {blocks})" if blocks else ""
            yield f"encoders of {whose}{learnt}"


def _rows_of_people(
    table: Table, data: Dataset, given: Mapping[str, str], pseudonyms: str | bytes | None
) -> tuple[pl.DataFrame, TableNotes]:
    """Rows like those of the table of users; what a known person's row lacks stays as it was.

    Raises `ConfigError` where the model was fitted without such a table.
    """
    users = data.users
    if users is None:
        raise ConfigError(
            "this model was fitted without a table of users, so it can take no rows of people: give"
            " palate.read(..., users=...) one, or [data] users in a pipeline file, and fit again"
        )
    names = list(table.schema)
    kept = [name for name in users.columns if name in names and name != USER]
    found = find_columns("users", table.name, names, given, kept)
    arrived, notes = read_catalogue(table, found, key=USER, lists={}, like=users.schema)
    rows = pl.DataFrame([fitting(one, table.name, users.schema[one.name]) for one in arrived.frame])
    rows = pl.concat([users.clear(), rows], how="diagonal_relaxed")
    rows = later_pseudonyms(data, pseudonyms)(rows, table.name)
    missing = [name for name in users.columns if name not in arrived.frame.columns]
    notes.rows = len(rows)
    notes.taken = {theirs: ours for ours, theirs in found.items()} | {n: n for n in kept}
    notes.ignored = [name for name in names if name not in notes.taken]
    if missing:
        stored = users.select(USER, *missing)
        rows = rows.drop(missing).join(stored, on=USER, how="left", maintain_order="left")
    return rows.select(users.columns), notes


def _joined(users: pl.DataFrame | None, rows: pl.DataFrame) -> pl.DataFrame:
    """The table of users with rows in the place of those of the same people, new ones below."""
    assert users is not None  # else there are no rows
    both = pl.concat([users, rows], how="vertical_relaxed")
    place = np.arange(len(users))
    at = Ids(users[USER]).find(rows[USER])
    place[at[at >= 0]] = len(users) + np.flatnonzero(at >= 0)
    return both[np.concatenate([place, len(users) + np.flatnonzero(at < 0)])]


def _following(stages: Stages, data: Dataset, changed: pl.Series) -> dict[str, Any]:
    """Recommender and rerankers after other events; what they cannot count keeps its fit."""
    follow(stages.data_, data, np.arange(len(data.items)))
    users = users_changed(stages, data, changed)
    recommender: Any = registry.apart(stages.recommender_)
    context = FitContext(items=stages.features_, users=users)
    if hasattr(recommender, "refresh"):
        recommender.refresh(data, context)
    rerankers = list(map(registry.apart, stages.rerankers_))
    fit_rerankers(rerankers, data, FitContext(items=stages.features_))
    return {
        "data_": data,
        "user_features_": users,
        "recommender_": recommender,
        "rerankers_": rerankers,
    }


# ---- people who go


def without_users(stages: Stages, names: Sequence[str]) -> dict[str, Any]:
    """A fitted pipeline without some people: their rows, events, features. Made aside.

    Raises `UnknownIdError` for unknown ids, `ConfigError` where nobody would be left.
    """
    data, gone = stages.data_, pl.Series(USER, list(names), dtype=pl.String).unique()
    unknown = gone.filter(pl.Series(data.user_ids.find(gone) < 0))
    if len(unknown):
        known_by = unknown_hint(data)
        raise UnknownIdError(f"unknown people: {first_offenders(unknown, len(unknown))}{known_by}")
    stays = (~data.events[USER].is_in(gone.implode())).to_numpy()
    if not (stays & data.chosen).any():
        raise ConfigError("nobody who chose anything would be left: delete the model instead")
    users = data.users
    if users is not None:
        users = users.filter(~pl.col(USER).is_in(gone.implode()))
    left = replace(data.part(stays), users=users)
    if left.against is not None and not len(left.against):
        left = replace(left, against=None, choices_before=None)
    since = stages.since_fit_
    nobody = pl.Series(USER, [], dtype=pl.String)
    later = _later_events(stages, left, nobody) if len(stages.later_events_) else np.empty(0, int)
    now: SinceFit = {
        **since,
        "added": int(later.sum()),
        "users_removed": since["users_removed"] + len(gone),
    }
    forgotten = {name: _forgetting(one, gone) for name, one in stages.user_encoders_.items()}
    view = copy.copy(stages)
    view.user_encoders_ = forgotten
    return {
        **_following(view, left, nobody),
        "user_encoders_": forgotten,
        "since_fit_": now,
        "later_events_": later,
    }


def _forgetting(encoder: Any, gone: pl.Series) -> Any:
    """A copy of a fitted encoder of people without the rows that it learnt of some."""
    if not is_dataclass(encoder):
        return encoder
    made = copy.copy(encoder)
    for entry in fields(encoder):
        ids = getattr(encoder, entry.name, None)
        if entry.init or not isinstance(ids, Ids) or not (held := ids.find(gone) >= 0).any():
            continue
        stays = np.flatnonzero(~ids.series.is_in(gone.filter(pl.Series(held)).implode()).to_numpy())
        setattr(made, entry.name, Ids(ids.series[stays]))
        for other in fields(encoder):
            shape = other.metadata.get("shape", ())
            if entry.name in shape:
                value = getattr(encoder, other.name)
                setattr(made, other.name, _taken(value, shape.index(entry.name), stays))
    return made


def _taken(value: Any, axis: int, rows: Rows | Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _taken(part, axis, rows) for name, part in value.items()}
    if sparse.issparse(value):
        return sparse.csr_array(value[rows] if axis == 0 else value[:, rows])
    return None if value is None else np.take(value, rows, axis=axis)
