"""What a pipeline is made of and asked for, checked before any work: parts, data, requests."""

from __future__ import annotations

import reprlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, is_dataclass, replace
from functools import cached_property
from numbers import Integral
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

import numpy as np

from palate.core import registry
from palate.core.arrays import Mask, Rows
from palate.core.dataset import Dataset
from palate.core.errors import (
    AlignmentError,
    ConfigError,
    DataError,
    Setting,
    UnknownIdError,
    did_you_mean,
    first_offenders,
)
from palate.core.features import Features
from palate.core.histories import Histories, histories_of
from palate.core.ids import Ids, id_list
from palate.core.settings import blocks_named
from palate.core.split import Split
from palate.data.pseudonyms import unknown_hint
from palate.pipeline.stages import Stages
from palate.recommenders.two_stage.importance import check_block_names
from palate.recommenders.two_stage.profiles import QUERY

if TYPE_CHECKING:
    from palate.core.types import Encoder


_METHODS: Final = {
    "encoder": ("fit", "encode"),
    "transform": ("fit", "transform"),
    "recommender": ("fit", "score", "add_items"),
    "reranker": ("rerank",),
}
_LISTS: Final = {
    **dict.fromkeys(("representation", "selection"), "transform"),
    **dict.fromkeys(("user_representation", "user_selection"), "transform"),
    "rerankers": "reranker",
}
_SINGLE: Final = {"fusion": "transform", "user_fusion": "transform", "recommender": "recommender"}
_OPTIONAL: Final = ("user_representation", "user_fusion")  # None: as the items, or nothing
STAGES: Final = {
    "recommender": "recommenders",
    "users": "encoders",
    **{f"user_{stage}": stage for stage in ("representation", "fusion", "selection")},
}
"""The stages of settings that are not called like theirs."""

_users: WeakKeyDictionary[Dataset, Users] = WeakKeyDictionary()


def check_parts(pipeline: Stages) -> None:
    """Raises `ConfigError` for a part that is no component, or stands in the wrong place."""
    if pipeline.encoders is not None:
        _check_encoders(pipeline.encoders, "encoders")
    if pipeline.users is not None:
        _check_encoders(pipeline.users, "users")
    for setting, kind in _LISTS.items():
        parts = getattr(pipeline, setting)
        if parts is None and setting in _OPTIONAL:
            continue
        if not isinstance(parts, list | tuple):
            single = is_dataclass(parts) and not isinstance(parts, type)
            shown = f"write [{type(parts).__name__}(...)]" if single else "write [] for none"
            raise ConfigError(f"{setting} must be a list, not {reprlib.repr(parts)}: {shown}")
        for place, part in enumerate(parts):
            _check_part(part, kind, STAGES.get(setting, setting), f"{setting}[{place}]")
    for setting, kind in _SINGLE.items():
        part = getattr(pipeline, setting)
        if part is not None or setting not in _OPTIONAL:
            _check_part(part, kind, STAGES.get(setting, setting), setting)


def _check_encoders(encoders: Any, setting: str) -> None:
    if not isinstance(encoders, Mapping):
        example = "{'words': Tfidf()}" if setting == "encoders" else "{'profile': Attributes()}"
        raise ConfigError(f"{setting} must have names, as {example}, not {reprlib.repr(encoders)}")
    for name, encoder in encoders.items():
        if not isinstance(name, str) or not name:
            raise ConfigError(
                f"{setting}: {name!r} is no name; blocks are called by it: give a word"
            )
        if setting == "users" and name.startswith(QUERY):
            raise ConfigError(
                f"users: a block cannot be called {name!r}: names that begin with {QUERY!r} are "
                "those of people's words; call its encoder something else"
            )
        _check_part(encoder, "encoder", "encoders", f"{setting}[{name!r}]")


def _check_part(part: Any, kind: str, stage: str, where: str) -> None:
    if isinstance(part, str):
        cls = registry.find(stage, part)
        raise ConfigError(
            f"{where} = {part!r} is a name, as pipeline files have it: write {cls.__name__}()"
        )
    if isinstance(part, type):
        raise ConfigError(f"{where} is the class {part.__name__}: write {part.__name__}()")
    methods = _METHODS[kind]
    if missing := [name for name in methods if not callable(getattr(part, name, None))]:
        article = "an" if kind == "encoder" else "a"
        raise ConfigError(
            f"{where} = {reprlib.repr(part)} is no {kind}: {article} {kind} has "
            f"{' and '.join(methods)}, this has no {' and no '.join(missing)}"
        )


@dataclass(frozen=True)
class _Blocks:
    """The names that blocks may have: `names`, and "ENCODER.anything" for encoders in `several`.

    `settled` while each of `names` is that of a block for sure; `sparse` are surely sparse.
    """

    names: tuple[str, ...]
    several: tuple[str, ...]
    settled: bool
    sparse: frozenset[str] = frozenset()

    @classmethod
    def of(cls, encoders: Mapping[str, Encoder]) -> _Blocks:
        others = tuple(name for name, encoder in encoders.items() if not _is_own(encoder))
        sparse = (name for name, one in encoders.items() if getattr(one, "makes_sparse", False))
        return cls(tuple(encoders), others, settled=not others, sparse=frozenset(sparse))

    def __contains__(self, name: str) -> bool:
        return name in self.names or any(name.startswith(f"{other}.") for other in self.several)


def _is_own(component: object) -> bool:
    return ":" not in registry.name_of(component)


def check_blocks(pipeline: Stages, encoders: Mapping[str, Encoder]) -> None:
    """Raises `ConfigError` for a setting that names a block which none of `encoders` gives.

    What comes after a transform outside palate that does not say which blocks it makes (`makes`) is
    left to the fit, and so is all where there is no encoder.
    """
    blocks = _blocks_after(_transforms(pipeline), _Blocks.of(encoders))
    if blocks is None:
        return
    recommender = pipeline.recommender
    _check_named("recommenders", recommender, registry.name_of(recommender), blocks)
    for reranker in pipeline.rerankers:
        _check_named("rerankers", reranker, registry.name_of(reranker), blocks)
    if blocks.settled and "ranker" in _uses(registry.Opened.of("recommenders", recommender)):
        check_block_names(blocks.names)


def check_user_blocks(pipeline: Stages, encoders: Mapping[str, Encoder]) -> None:
    """As `check_blocks`, of what is done to blocks of people: `encoders` are theirs."""
    _blocks_after(_transforms(pipeline, "user_"), _Blocks.of(encoders))


def _blocks_after(transforms: Iterable[tuple[str, str, Any]], blocks: _Blocks) -> _Blocks | None:
    """The blocks there are after all; None where one of somebody's does not say what it makes."""
    for stage, where, transform in transforms:
        _check_named(stage, transform, where, blocks)
        if getattr(transform, "needs_dense", False):
            _check_dense(stage, transform, where, blocks)
        if not (_is_own(transform) or hasattr(transform, "makes")):
            return None
        if made := getattr(transform, "makes", ()):
            blocks = replace(blocks, names=(*made, *blocks.names), settled=False)
        if getattr(transform, "makes_sparse", False):
            blocks = replace(blocks, sparse=frozenset(blocks.names))
    return blocks


def _check_dense(stage: str, transform: Any, where: str, blocks: _Blocks) -> None:
    """Raises `ConfigError` where one that fuses dense blocks has none, or names a sparse one."""
    kind = registry.name_of(transform)
    if blocks.names and blocks.sparse.issuperset(blocks.names):
        raise ConfigError(
            f"{where}: {kind} needs a dense block, but all of {list(blocks.names)} are sparse: use "
            "concat"
        )
    for setting, name in _named(registry.Opened.of(stage, transform), where):
        if name in blocks.sparse:
            dense = [other for other in blocks.names if other not in blocks.sparse]
            raise ConfigError(
                f"{setting}: the block {name!r} is sparse, and {kind} fuses dense ones "
                f"({', '.join(dense)}): leave it out, or use concat"
            )


def _transforms(pipeline: Stages, whose: str = "") -> Iterator[tuple[str, str, Any]]:
    """(stage, where it stands, transform) from left to right; `whose` is "user_" for people's."""
    for stage in ("representation", "fusion", "selection"):
        setting = f"{whose}{stage}"
        parts = getattr(pipeline, setting)
        if stage == "fusion":
            parts = [] if parts is None else [parts]
        for place, transform in enumerate(parts or ()):
            yield stage, setting if stage == "fusion" else f"{setting}[{place}]", transform


def _check_named(stage: str, component: Any, where: str, blocks: _Blocks) -> None:
    for setting, name in _named(registry.Opened.of(stage, component), where):
        if blocks.names and name not in blocks:
            known = did_you_mean(name, blocks.names)
            raise ConfigError(f"{setting}: no block is called {name!r}.{known}")


def _named(part: registry.Opened, where: str) -> Iterator[tuple[str, str]]:
    """(setting, block) for every block that a component or a part of it names."""
    for setting, name in blocks_named(part.cls, part.settings):
        yield f"{where}.{setting}", name
    for setting, inner in part.parts():
        yield from _named(inner, f"{where}.{setting}")


def _uses(part: registry.Opened) -> set[str]:
    """The names of a component and of all inside it."""
    return {registry.type_of(part.cls)}.union(*(_uses(inner) for _, inner in part.parts()))


def check_data(data: object) -> None:
    """Raises `DataError` for what is no `Dataset`, or has no items; says what a split's is."""
    if isinstance(data, Split):
        raise DataError("a pipeline learns from the training part of a split: fit(split.train)")
    if not isinstance(data, Dataset):
        raise DataError(
            f"a pipeline learns from a Dataset, not {reprlib.repr(data)}: palate.read makes one"
        )
    if not len(data.items):
        raise DataError("the catalogue is empty: there is no item to recommend")


class Users:
    """Known people and what they did."""

    def __init__(self, histories: Histories, hint: str = "") -> None:
        self.histories = histories
        self._hint = hint

    @cached_property
    def _row_of(self) -> dict[str, int]:
        return {name: row for row, name in enumerate(self.histories.user_ids)}

    def known(self, names: Sequence[str]) -> Mask:
        """(n,) which of these ids are those of known people."""
        return np.array([name in self._row_of for name in names], dtype=np.bool_)

    def find(self, user_ids: Sequence[str]) -> Histories:
        """Their histories, in this order; `UnknownIdError` for people who are not known."""
        names = id_list(user_ids, "user_ids")
        rows = np.array([self._row_of.get(name, -1) for name in names], dtype=np.int32)
        if (rows < 0).any():
            unknown = [name for name, row in zip(names, rows, strict=True) if row < 0]
            raise UnknownIdError(
                f"unknown people: {first_offenders(unknown, len(unknown))}{self._hint}; for "
                "somebody new give a history of item ids, a text or a profile, in place of ",
                Setting("user_ids"),
            )
        return self.histories.take(rows)


def users_of(data: Dataset) -> Users:
    """The people of a data set, found once."""
    found = _users.get(data)
    if found is None:
        found = _users[data] = Users(histories_of(data), unknown_hint(data))
    return found


def check_request(user_ids: object, history: object, text: object, profile: object) -> None:
    """Raises `DataError` unless known people ask, or somebody by a history, words or a profile.

    Words and a profile may go with either.
    """
    if user_ids is not None and history is not None:
        raise DataError(
            "ask for known people, or for somebody by a history, not for both: what known people "
            "did is known; a text and a profile may go with either"
        )
    if user_ids is None and history is None and text is None and profile is None:
        raise DataError("nobody asks: give user_ids, a history, a text or a profile")


def check_words(text: object) -> None:
    """Raises `DataError` for what is no text, or an empty one."""
    if not isinstance(text, str):
        raise DataError(f"a text is what somebody says, not {reprlib.repr(text)}")
    if not text.strip():
        raise DataError("the text says nothing: leave it out, or say what is wished for")


def sentences(texts: object) -> list[str]:
    """Texts as a list; `DataError` for a single one and for what is none."""
    if isinstance(texts, str) or not isinstance(texts, Iterable) or not getattr(texts, "ndim", 1):
        raise DataError(f"texts must be a list of texts, not {reprlib.repr(texts)}")
    said = list(texts)
    for text in said:
        if not isinstance(text, str):
            raise DataError(f"a text is what somebody says, not {reprlib.repr(text)}")
    return said


def wanted_places(k: object) -> int:
    """`k` as a whole number of 1 or more; else `DataError`."""
    if not isinstance(k, Integral) or isinstance(k, bool):
        raise DataError(f"k = {reprlib.repr(k)}: ask for a whole number of recommendations")
    if k < 1:
        raise DataError(f"k = {k}: ask for at least one recommendation")
    return int(k)


def candidate_rows(candidates: object, item_ids: Ids, *, setting: str = "candidates") -> Rows:
    """Catalogue rows, checked; `DataError` for what are none."""
    rows = np.asarray(candidates)
    if rows.ndim != 1 or (rows.size and rows.dtype.kind not in "iu"):
        raise DataError(
            f"{setting} = {reprlib.repr(candidates)}: give catalogue rows here, as those that "
            "model.item_ids.rows([...]) finds for ids"
        )
    wrong = rows[(rows < 0) | (rows >= len(item_ids))]
    if wrong.size:
        raise DataError(
            f"{setting} holds rows that a catalogue of {len(item_ids)} items lacks: "
            f"{first_offenders(wrong.tolist(), wrong.size)}"
        )
    return rows.astype(np.int32)


def check_histories(histories: object) -> None:
    """Raises `DataError` for what are no `Histories`."""
    if not isinstance(histories, Histories):
        raise DataError(
            f"requests must be Histories, not {reprlib.repr(histories)}: model.histories(...) "
            "makes them of people, of item ids and of words"
        )


def check_queries(histories: Histories, features: Features | None) -> None:
    """Raises `AlignmentError` for words in the space of no block, or of other dimensions."""
    parts = {} if features is None else features.parts
    for name, vectors in histories.queries.items():
        if name not in parts:
            raise AlignmentError(
                f"queries: no block is called {name!r}.{did_you_mean(name, parts)}"
            )
        wanted = (len(histories), parts[name].shape[1])
        if np.shape(vectors) != wanted:
            raise AlignmentError(
                f"queries[{name!r}] has shape {np.shape(vectors)}, but these histories and block "
                f"{name!r} need {wanted}: model.queries(texts) makes such vectors"
            )
