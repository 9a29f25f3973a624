"""A pipeline's parts, checked before anything is fitted: what they are, which blocks they name."""

from __future__ import annotations

import reprlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, is_dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from palate import registry
from palate.errors import ConfigError, did_you_mean
from palate.fusion.weighted import FUSED, Weighted
from palate.recommenders._names import check_block_names

if TYPE_CHECKING:
    from palate.pipeline import Pipeline
    from palate.types import Encoder

_METHODS: Final = {
    "encoder": ("fit", "encode"),
    "transform": ("fit", "transform"),
    "recommender": ("fit", "score", "add_items"),
    "reranker": ("rerank",),
}
_LISTS: Final = {"representation": "transform", "selection": "transform", "rerankers": "reranker"}
_SINGLE: Final = {"fusion": "transform", "recommender": "recommender"}
_STAGES: Final = {"recommender": "recommenders"}  # settings that their stage is not named as
NAMING: Final = {  # the settings of palate's own components that name blocks
    "whiten": "numbers",
    "concat": "weights",
    "weighted": "weights",
    "content": "blocks",
    "diversity": "block",
}


def check_parts(pipeline: Pipeline) -> None:
    """Raises `ConfigError` for a part that is no component, or stands in the wrong place."""
    if pipeline.encoders is not None:
        _check_encoders(pipeline.encoders)
    for setting, kind in _LISTS.items():
        parts = getattr(pipeline, setting)
        if not isinstance(parts, list | tuple):
            single = is_dataclass(parts) and not isinstance(parts, type)
            shown = f"write [{type(parts).__name__}(...)]" if single else "write [] for none"
            raise ConfigError(f"{setting} must be a list, not {reprlib.repr(parts)}: {shown}")
        for place, part in enumerate(parts):
            _check_part(part, kind, setting, f"{setting}[{place}]")
    for setting, kind in _SINGLE.items():
        _check_part(getattr(pipeline, setting), kind, _STAGES.get(setting, setting), setting)


def _check_encoders(encoders: Any) -> None:
    if not isinstance(encoders, Mapping):
        raise ConfigError(
            f"encoders must have names, as {{'words': Tfidf()}}, not {reprlib.repr(encoders)}"
        )
    for name, encoder in encoders.items():
        if not isinstance(name, str) or not name:
            raise ConfigError(
                f"encoders: {name!r} is no name; blocks are called by it: give a word"
            )
        _check_part(encoder, "encoder", "encoders", f"encoders[{name!r}]")


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

    `settled` while each of `names` is that of a block for sure.
    """

    names: tuple[str, ...]
    several: tuple[str, ...]
    settled: bool

    @classmethod
    def of(cls, encoders: Mapping[str, Encoder]) -> _Blocks:
        others = tuple(name for name, encoder in encoders.items() if not _is_own(encoder))
        return cls(tuple(encoders), others, settled=not others)

    def __contains__(self, name: str) -> bool:
        return name in self.names or any(name.startswith(f"{other}.") for other in self.several)


def _is_own(component: object) -> bool:
    return ":" not in registry.name_of(component)


def check_blocks(pipeline: Pipeline, encoders: Mapping[str, Encoder]) -> None:
    """Raises `ConfigError` for a setting that names a block which none of `encoders` gives.

    What components outside palate name, and what comes after a transform of theirs, is left to the
    fit, and so is all where there is no encoder.
    """
    blocks = _Blocks.of(encoders)
    for where, transform in _transforms(pipeline):
        _check_named(transform, where, blocks)
        if not _is_own(transform):
            return
        if isinstance(transform, Weighted):
            blocks = replace(blocks, names=(FUSED, *blocks.names), settled=False)
    _check_named(pipeline.recommender, registry.name_of(pipeline.recommender), blocks)
    for reranker in pipeline.rerankers:
        _check_named(reranker, registry.name_of(reranker), blocks)
    if blocks.settled and "ranker" in _uses(_as_table(pipeline.recommender)):
        check_block_names(blocks.names)


def _transforms(pipeline: Pipeline) -> Iterator[tuple[str, Any]]:
    for place, transform in enumerate(pipeline.representation):
        yield f"representation[{place}]", transform
    yield "fusion", pipeline.fusion
    for place, transform in enumerate(pipeline.selection):
        yield f"selection[{place}]", transform


def _check_named(component: Any, where: str, blocks: _Blocks) -> None:
    for setting, name in _named(_as_table(component), where):
        if blocks.names and name not in blocks:
            known = did_you_mean(name, blocks.names)
            raise ConfigError(f"{setting}: no block is called {name!r}.{known}")


def _as_table(component: Any) -> Mapping[str, Any]:
    """As a pipeline file holds it; of components outside palate the name alone."""
    use = {"use": registry.name_of(component)}
    return {**use, **registry.settings_of(component)} if _is_own(component) else use


def _named(table: Mapping[str, Any], where: str) -> Iterator[tuple[str, str]]:
    """(setting, block) for every block that a component or a part of it names."""
    setting = NAMING.get(table["use"], "")
    named = table.get(setting) or ()
    for name in [named] if isinstance(named, str) else named:
        yield f"{where}.{setting}", name
    for place, part in enumerate(_parts(table)):
        yield from _named(part, f"{where}.parts[{place}]")


def _parts(table: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return table.get("parts", []) if table["use"] == "blend" else []


def _uses(table: Mapping[str, Any]) -> set[str]:
    return {table["use"]}.union(*map(_uses, _parts(table)))
