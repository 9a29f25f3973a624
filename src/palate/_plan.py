"""A pipeline's parts, checked before anything is fitted: what they are, which blocks they name."""

from __future__ import annotations

import reprlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, is_dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from palate import registry
from palate.component import blocks_named
from palate.errors import ConfigError, did_you_mean
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

    What comes after a transform outside palate that does not say which blocks it makes (`makes`) is
    left to the fit, and so is all where there is no encoder.
    """
    blocks = _Blocks.of(encoders)
    for stage, where, transform in _transforms(pipeline):
        _check_named(stage, transform, where, blocks)
        if not (_is_own(transform) or hasattr(transform, "makes")):
            return
        if made := getattr(transform, "makes", ()):
            blocks = replace(blocks, names=(*made, *blocks.names), settled=False)
    recommender = pipeline.recommender
    _check_named("recommenders", recommender, registry.name_of(recommender), blocks)
    for reranker in pipeline.rerankers:
        _check_named("rerankers", reranker, registry.name_of(reranker), blocks)
    if blocks.settled and "ranker" in _uses(registry.Opened.of("recommenders", recommender)):
        check_block_names(blocks.names)


def _transforms(pipeline: Pipeline) -> Iterator[tuple[str, str, Any]]:
    """(stage, where it stands, transform) from left to right."""
    for place, transform in enumerate(pipeline.representation):
        yield "representation", f"representation[{place}]", transform
    yield "fusion", "fusion", pipeline.fusion
    for place, transform in enumerate(pipeline.selection):
        yield "selection", f"selection[{place}]", transform


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
    return {registry.use_of(part.cls)}.union(*(_uses(inner) for _, inner in part.parts()))
