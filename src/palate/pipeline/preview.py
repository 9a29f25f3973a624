"""What a pipeline file would do to its data, in lines, before anything is fitted."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Final

from palate.core.dataset import Dataset
from palate.core.optional import check_installed, requirements_of
from palate.core.registry import name_of
from palate.core.split import Split
from palate.core.types import Encoder
from palate.core.visible import counted
from palate.data.notes import describe
from palate.features.default_encoders import default_encoders
from palate.pipeline.checks import check_blocks, check_user_blocks
from palate.pipeline.config import Config
from palate.pipeline.dialect import component_line, in_toml
from palate.pipeline.features import errors_name
from palate.pipeline.pipeline import Pipeline
from palate.pipeline.social import social_lines
from palate.pipeline.user_features import (
    errors_about_users,
    reads_users,
    user_encoders,
    user_transforms,
    users_as_items,
)

_READERS: Final = (
    "'ranker', 'user_knn' and, of words, 'content' do: [recommender] type = \"ranker\""
)


def preview(config: Config, *, drop_unknown: bool = False) -> list[str]:
    """What is read and taken for what, how it is cut, what each encoder would read.

    Raises what `fit` would raise for tables, columns, templates and names of blocks that cannot be
    used.
    """
    with config.spoken():
        return _lines(config, drop_unknown)


def check_fit(config: Config, train: Dataset) -> None:
    """Raises what `preview` would raise for a pipeline on these data; reads and says nothing."""
    with config.spoken(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # fitting says it, too
        pipeline = config.pipeline()
        encoders = _checked_encoders(pipeline, train)
        for _ in _encoder_lines(encoders, train, chosen=True):
            pass
        for _ in _user_lines(pipeline, train):
            pass


def _checked_encoders(pipeline: Pipeline, train: Dataset) -> Mapping[str, Encoder]:
    """Those that fitting would take, once their names and packages are known to be there."""
    encoders = pipeline.encoders
    if encoders is None:
        encoders = default_encoders(train)
    check_blocks(pipeline, encoders)
    for name, encoder in encoders.items():
        with errors_name(name):
            check_installed(requirements_of(encoder))
    for component in chain.from_iterable(_stages(pipeline).values()):
        check_installed(requirements_of(component))
    return encoders


def _lines(config: Config, drop_unknown: bool) -> list[str]:
    data, notes = config.read(drop_unknown=drop_unknown)
    split = config.cut(data)
    pipeline = config.pipeline()
    encoders = _checked_encoders(pipeline, split.train)
    return [
        *notes.lines(in_toml),
        "",
        *describe(data).splitlines(),
        *social_lines(data),
        _split_line(split),
        "",
        *_encoder_lines(encoders, split.train, chosen=pipeline.encoders is not None),
        *_user_lines(pipeline, split.train),
        *_stage_lines(pipeline, split.train),
    ]


def _split_line(split: Split) -> str:
    users = split.histories.user_ids.n_unique()
    return (
        f"split {split.name}: {counted(len(split.train.events), 'event')} to learn from, "
        f"{counted(len(split.histories), 'request')} of {counted(users, 'person')} to evaluate, "
        f"{counted(len(split.cold_items), 'item')} that training never touched"
    )


def _encoder_lines(
    encoders: Mapping[str, Encoder], train: Dataset, *, chosen: bool
) -> Iterator[str]:
    if not encoders:
        yield "encoders: none, so items are ids and no more"
    for name, encoder in encoders.items():
        yield f"encoder {name}: {component_line(encoder)}{'' if chosen else ' (by default)'}"
        with errors_name(name):
            yield from _described(encoder, train)


def _user_lines(pipeline: Pipeline, train: Dataset) -> Iterator[str]:
    """What each encoder of people would read; nothing where there is none, and no table."""
    encoders = user_encoders(pipeline, train)
    if train.users is not None and not encoders:
        yield _why_users_are_not_read(pipeline)
    elif encoders and not reads_users(pipeline.recommender):
        yield f"users: {_unread(pipeline)}, so encoders of users change no list; {_READERS}"
    people = users_as_items(train)
    for name, encoder in encoders.items():
        check_installed(requirements_of(encoder))
        chosen = "" if pipeline.users is not None else " (by default)"
        yield f"users {name}: {component_line(encoder)}{chosen}"
        with errors_about_users(), errors_name(name):
            yield from (line.replace("items", "users") for line in _described(encoder, people))
    if encoders:
        check_user_blocks(pipeline, encoders)
        if steps := user_transforms(pipeline):
            yield f"users, then: {', then '.join(map(component_line, steps))}"
    for step in user_transforms(pipeline):
        check_installed(requirements_of(step))


def _why_users_are_not_read(pipeline: Pipeline) -> str:
    if pipeline.users is not None:
        return "users: what they did counts, and no more: no encoder of users is wanted"
    if reads_users(pipeline.recommender):
        return "users: what they did counts, and no more: no column of their table says anything"
    return (
        f"users: {_unread(pipeline)}, so it changes no list: what they did counts, and no more; "
        f"{_READERS}, or leave the table out ([data] users)"
    )


def _unread(pipeline: Pipeline) -> str:
    return f"the recommender {name_of(pipeline.recommender)!r} does not read the table of users"


def _described(component: object, train: Dataset) -> list[str]:
    """What a component says that it would do, on a copy, so that nothing is learnt."""
    describe = getattr(copy.deepcopy(component), "describe", None)
    return [] if describe is None else [f"  {line}" for line in describe(train)]


def _stages(pipeline: Pipeline) -> Mapping[str, Sequence[object]]:
    return {
        "representation": pipeline.representation,
        "fusion": [pipeline.fusion],
        "selection": pipeline.selection,
        "recommender": [pipeline.recommender],
        "rerankers": pipeline.rerankers,
    }


def _stage_lines(pipeline: Pipeline, train: Dataset) -> Iterator[str]:
    for stage, components in _stages(pipeline).items():
        if components:
            yield f"{stage}: {', then '.join(map(component_line, components))}"
        for component in components:
            yield from _described(component, train)
