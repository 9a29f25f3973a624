"""People's side: the users table through encoders and representation, as the items go."""

from __future__ import annotations

import copy
import reprlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, is_dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import polars as pl

from palate.core import registry
from palate.core.arrays import Floats, Mask, Matrix, row_norms, scale_rows
from palate.core.columns import ITEM, USER
from palate.core.dataset import Dataset
from palate.core.errors import (
    AlignmentError,
    ConfigError,
    DataError,
    PalateError,
    did_you_mean,
)
from palate.core.features import Features
from palate.core.histories import Histories
from palate.core.ids import Ids
from palate.core.settings import blocks_named
from palate.core.types import Encoder, FitContext, Transform
from palate.features.default_encoders import default_user_encoders
from palate.features.template_encoder import TemplateEncoder
from palate.pipeline.checks import check_user_blocks
from palate.pipeline.features import encode_blocks, encode_words, fit_features, learns
from palate.pipeline.profile_notes import respelt, tell
from palate.pipeline.profile_row import overlaid, profile_row
from palate.pipeline.stages import Stages
from palate.recommenders.two_stage.profiles import QUERY
from palate.text.template import render

Words = Callable[[Sequence[str]], Mapping[str, Matrix]]
"""Texts → the items' blocks in whose space they were read, each (n, d)."""


@dataclass(frozen=True)
class UserStages:
    """What makes features of people: encoders, and what is done to their blocks."""

    encoders: Mapping[str, Encoder]
    transforms: Sequence[Transform]

    @classmethod
    def blank(cls, pipeline: Stages, data: Dataset) -> UserStages:
        """Those of a pipeline, unfitted; raises `ConfigError` for blocks that people lack."""
        encoders = user_encoders(pipeline, data)
        check_user_blocks(pipeline, encoders)
        return cls(*copy.deepcopy((dict(encoders), user_transforms(pipeline))))

    def fit(self, data: Dataset, words: Words | None) -> Features | None:
        """Features of everybody in `data.user_ids`; None where there is no encoder of people.

        Learns from people with events alone, where there are any. `words` reads what people say as
        the items' texts are read.
        """
        if not self.encoders or not len(data.user_ids):
            return None
        people = users_as_items(data)
        with errors_about_users():
            encoded = fit_features(self.encoders, self.transforms, people, _encode_people)
        assert encoded is not None  # there are encoders
        return self._with_words(encoded, people, words)

    def encode(self, data: Dataset, words: Words | None) -> Features | None:
        """The same by stages that are fitted already."""
        if not self.encoders:
            return None
        people = users_as_items(data)
        with errors_about_users():
            encoded = _encode_people(self.encoders, people)
            for transform in self.transforms:
                encoded = transform.transform(encoded)
        return self._with_words(encoded, people, words)

    def _with_words(self, encoded: Features, people: Dataset, words: Words | None) -> Features:
        said = self._texts(people.items)
        if words is None or said is None:
            return encoded
        parts = {f"{QUERY}{name}": vectors for name, vectors in words(said).items()}
        return encoded.beside(Features(encoded.ids, parts))

    def _texts(self, people: pl.DataFrame) -> list[str] | None:
        """What each person says, as the first encoder of texts reads it; None without one."""
        templates = (getattr(encoder, "template_", None) for encoder in self.encoders.values())
        template = next((one for one in templates if isinstance(one, str)), None)
        return None if template is None else render(people, template)


def _encode_people(encoders: Mapping[str, Encoder], people: Dataset) -> Features:
    """Zeros for people of whom nothing is known, whatever an encoder makes of gaps."""
    encoded = encode_blocks(encoders, people)
    known = about_whom(people).astype(np.float32)
    parts = {
        name: part if name in encoded.behavioural else scale_rows(part, known)
        for name, part in encoded.parts.items()
    }
    return encoded.with_parts(parts)


def user_transforms(pipeline: Stages) -> list[Transform]:
    """What is done to blocks of people, from left to right.

    Where nothing else is said, they go through the items' representation; a part of it that names
    blocks of the items is theirs alone.
    """
    first = pipeline.user_representation
    if first is None:
        first = [
            part
            for part in pipeline.representation
            if not is_dataclass(part)
            or not any(blocks_named(type(part), registry.settings_of(part)))
        ]
    fusion = [] if pipeline.user_fusion is None else [pipeline.user_fusion]
    return [*first, *fusion, *pipeline.user_selection]


def reading(encoders: Mapping[str, Encoder], transforms: Sequence[Transform]) -> Words | None:
    """How the items' texts are read; None where no encoder reads any."""
    if not any(hasattr(encoder, "encode_texts") for encoder in encoders.values()):
        return None
    return partial(encode_words, encoders, transforms)


def fit_both(
    encoders: Mapping[str, Encoder],
    transforms: Sequence[Transform],
    people: UserStages,
    data: Dataset,
) -> tuple[Features | None, Features | None]:
    """Features of the items and of the people of `data`, all stages fitted on it."""
    items = fit_features(encoders, transforms, data)
    return items, people.fit(data, reading(encoders, transforms))


def context_of_both(
    items: Features | None,
    users: Features | None,
    encoders: Mapping[str, Encoder],
    transforms: Sequence[Transform],
    people: UserStages,
) -> FitContext:
    """What a recommender may use: features, and the unfitted stages that make them again."""

    def remake(part: Dataset) -> FitContext:
        fresh = copy.deepcopy((dict(encoders), list(transforms), people))
        return context_of_both(*fit_both(*fresh, part), encoders, transforms, people)

    learnt = learns([*transforms, *people.transforms])
    return FitContext(items=items, users=users, remake=remake, learnt=learnt)


def reads_users(recommender: object) -> bool:
    """Whether it says that it uses features of people; those outside palate may."""
    said = getattr(recommender, "reads_users", None)
    return ":" in registry.name_of(recommender) if said is None else bool(said)


def user_encoders(pipeline: Stages, data: Dataset) -> Mapping[str, Encoder]:
    """Those that are given; else what suits users and what they wrote, if the recommender reads."""
    if pipeline.users is not None:
        return _for_users(pipeline.users)
    if not reads_users(pipeline.recommender):
        return {}
    found = default_user_encoders(users_as_items(data))
    if _reads_words_alone(pipeline.recommender):  # of one that reads texts the items' words follow
        found = {name: one for name, one in found.items() if isinstance(one, TemplateEncoder)}
        found = dict(list(found.items())[-1:])
    return _for_users(found)


def _for_users(encoders: Mapping[str, Encoder]) -> dict[str, Encoder]:
    """Encoders that read people otherwise than items, as those of people."""
    return {
        name: one.for_users() if hasattr(one, "for_users") else one
        for name, one in encoders.items()
    }


def _reads_words_alone(recommender: object) -> bool:
    return getattr(recommender, "reads_users", None) == "words"


def users_as_items(data: Dataset) -> Dataset:
    """People in the place of items, so that every encoder of items reads them.

    Rows are those of `data.user_ids`; who has none in the users table has empty cells. An event is
    that of the person with the item.
    """
    people = pl.DataFrame({ITEM: data.user_ids.series})
    if data.users is not None:
        table = data.users.rename({ITEM: f"original_{ITEM}"} if ITEM in data.users.columns else {})
        people = people.join(table.rename({USER: ITEM}), on=ITEM, how="left", maintain_order="left")
    events = data.interactions.rename({USER: ITEM, ITEM: USER})
    return Dataset(interactions=events, items=people)


def of_users(features: Features) -> Features:
    """Features of people in the place of items, by the name of people's ids."""
    ids = Ids(features.ids.series, of=USER)
    return Features(ids, features.parts, behavioural=features.behavioural, names=features.names)


def about_whom(people: Dataset) -> Mask:
    """(n,) of whom the table says anything at all."""
    columns = people.items.drop(ITEM)
    if not columns.width:
        return np.zeros(len(people.items), dtype=np.bool_)
    return columns.select(pl.any_horizontal(pl.all().is_not_null())).to_series().to_numpy()


@contextmanager
def errors_about_users() -> Iterator[None]:
    """Errors of encoders inside speak of users where they would speak of items."""
    try:
        yield
    except PalateError as error:
        for ours, theirs in ((ITEM, USER), ("no item ", "no user "), ("items", "users")):
            error.message = error.message.about(theirs, instead_of=ours)
        if error.encoder is not None and not error.encoder.startswith("users."):
            error.encoder = f"users.{error.encoder}"
        raise


def check_reads_profile(
    recommender: object, features: Features | None, users: pl.DataFrame | None
) -> None:
    """Raises `ConfigError` for a model that knows nothing of people but what they did."""
    if not reads_users(recommender):
        raise ConfigError(
            f"the recommender {registry.name_of(recommender)!r} does not read profiles: "
            f"{_readers()} and, of words, 'content' do"
        )
    if users is None:
        raise ConfigError(
            "this model was fitted without a table of users, so it cannot read a profile: give "
            "palate.read(..., users=...) one, or [data] users in a pipeline file, and fit again"
        )
    if features is None:
        raise ConfigError(
            "this model has no encoder of users, so it cannot read a profile: give the pipeline "
            "users={'profile': Attributes()}, or [users.profile] in a pipeline file, and fit again"
        )


def _readers() -> str:
    """The recommenders that read all of a profile, by the names that `type` takes."""
    classes = {name: registry.find("recommenders", name) for name in registry.names("recommenders")}
    reading = [f"{name!r}" for name, one in classes.items() if _reads_all(one)]
    return ", ".join(reading)


def _reads_all(recommender: Any) -> bool:
    return getattr(recommender, "reads_users", False) is True


def _check_says_words(recommender: object, profile: object, parts: Mapping[str, Matrix]) -> None:
    """Raises `DataError` for a profile of which nothing reaches who reads words alone."""
    said = (part for name, part in parts.items() if name.startswith(QUERY))
    if _reads_words_alone(recommender) and not any(abs(part).sum() for part in said):
        raise DataError(
            f"the profile {reprlib.repr(profile)} holds no words that an encoder of the items' "
            f"texts understands, and {registry.name_of(recommender)!r} reads no more of it: "
            f"{_readers()} read numbers and categories"
        )


def check_users(histories: Histories, features: Features | None) -> None:
    """Raises `AlignmentError` for blocks of people that the model lacks, or of other widths."""
    parts = {} if features is None else features.parts
    for name, vectors in histories.users.items():
        if name not in parts:
            raise AlignmentError(f"users: no block is called {name!r}.{did_you_mean(name, parts)}")
        wanted = (len(histories), parts[name].shape[1])
        if vectors.shape != wanted:
            raise AlignmentError(
                f"users[{name!r}] has shape {vectors.shape}, but these histories and block "
                f"{name!r} need {wanted}: model.histories(profile=...) makes such rows"
            )


def with_users_of(histories: Histories, features: Features | None) -> Histories:
    """The same requests with what is known of who asks, unless they bring that themselves."""
    if features is None or histories.users:
        return histories
    return histories.with_users(features)


def strangers(features: Features, count: int) -> dict[str, Matrix]:
    """Rows of people of whom nothing is known."""
    zeros: Floats = np.zeros(count, dtype=np.float32)
    rows = np.zeros(count, dtype=np.int32)
    return {name: scale_rows(part[rows], zeros) for name, part in features.parts.items()}


def with_profile(stages: Stages, asking: Histories, profile: object, *, known: bool) -> Histories:
    """The same requests with what is known of who asks: of a known person the row that is stored.

    A profile goes before it, column by column; of a stranger nothing else is known. Blocks that
    were learnt from what people did stay those of known people.
    """
    features = stages.user_features_
    if profile is None and known:
        return with_users_of(asking, features)
    if profile is None:
        return replace(asking, users={} if features is None else strangers(features, len(asking)))
    table = stages.data_.users
    check_reads_profile(stages.recommender_, features, table)
    said = profile_row(profile, table)
    assert features is not None  # else these were errors
    assert table is not None
    said = respelt(said, table, stages.user_encoders_)
    assert isinstance(profile, Mapping)
    names = asking.user_ids.unique(maintain_order=True) if known else said[USER]
    people = UserStages(stages.user_encoders_, stages.user_transforms_)
    words = reading(stages.encoders_, stages.transforms_)
    rows = overlaid(said, table, profile, names) if known else said
    parts = _of_rows(people, rows, words)
    _check_says_words(stages.recommender_, profile, parts)
    alone = not known and not asking.lengths.any()
    silent = tell(said, table, stages.user_encoders_, alone=alone)
    wishes = [part for name, part in parts.items() if name.startswith(QUERY)]
    if silent and not known and not any(row_norms(part).any() for part in wishes):
        return replace(asking, users=strangers(features, len(asking)))
    place = Ids(names, of=USER).find(asking.user_ids) if known else np.zeros(len(asking), np.int32)
    users = {name: part[place] for name, part in parts.items()}
    # what transforms make of a profile and of behaviour is made anew, of what is said now
    made = {name for one in people.transforms for name in getattr(one, "makes", ())}
    stored = with_users_of(replace(asking, users={}), features).users if known else {}
    own = {name: part for name, part in stored.items() if name in features.behavioural - made}
    return replace(asking, users=users | own)


def _of_rows(stages: UserStages, rows: pl.DataFrame, words: Words | None) -> dict[str, Matrix]:
    """What a fitted model makes of rows of the table of users, one row each."""
    encoded = _encoded_rows(stages, rows, words)
    return {} if encoded is None else dict(encoded.parts)


def _encoded_rows(stages: UserStages, rows: pl.DataFrame, words: Words | None) -> Features | None:
    nobody = pl.DataFrame(schema={USER: pl.String, ITEM: pl.String})
    data = Dataset(interactions=nobody, items=pl.DataFrame({ITEM: ["none"]}), users=rows)
    encoded = stages.encode(data, words)
    return None if encoded is None else encoded.take(encoded.ids.rows(rows[USER]))


def users_changed(stages: Stages, data: Dataset, changed: pl.Series) -> Features | None:
    """Features of everybody in `data` by a fitted model: of new people and of `changed` rows anew.

    Blocks that were learnt from what people did are those of the fit: nothing, for new people.
    """
    before = stages.user_features_
    if before is None:
        return None
    names = data.user_ids.series
    anew = names.filter(pl.Series(before.ids.find(names) < 0) | names.is_in(changed.implode()))
    if len(anew):
        rows = pl.DataFrame({USER: anew})
        if data.users is not None:
            rows = rows.join(data.users, on=USER, how="left", maintain_order="left")
        people = UserStages(stages.user_encoders_, stages.user_transforms_)
        encoded = _encoded_rows(people, rows, reading(stages.encoders_, stages.transforms_))
        assert encoded is not None  # else there were no features before
        known = before.ids.find(anew) >= 0
        if known.any():
            made = {name for one in people.transforms for name in getattr(one, "makes", ())}
            own = encoded.take(np.flatnonzero(known))
            own = Features(own.ids, own.parts, behavioural=own.behavioural - made)
            before = before.replaced(own)
        if not known.all():
            before = before.below(encoded.take(np.flatnonzero(~known)))
    return before.take(before.ids.rows(names))


def take_users(features: Features | None, ids: Ids) -> Features | None:
    """The same rows in the order of `ids`."""
    if features is None or features.ids == ids:
        return features
    return features.take(features.ids.rows(ids.series))
