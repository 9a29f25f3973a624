"""A pipeline without some of its encoders: settings that name their blocks no longer do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, is_dataclass, replace
from typing import Any

from palate import registry
from palate.component import without_blocks
from palate.errors import ConfigError
from palate.pipeline import Pipeline
from palate.types import Dataset, Features


@dataclass(frozen=True)
class Drop:
    """What is left out: encoders by name, and what recommenders learn from events by themselves."""

    name: str
    encoders: Sequence[str]
    behaviour: bool = False


def drops_of(fitted: Pipeline) -> list[Drop]:
    """Each encoder, then families of several: all that read text, all that learn from events."""
    blocks = _blocks_of(fitted)
    drops = [Drop(name, (name,)) for name in blocks]
    behavioural = [name for name, learnt in blocks.items() if learnt]
    texts = [
        name
        for name in blocks
        if name not in behavioural and hasattr(fitted.encoders_[name], "encode_texts")
    ]
    if len(texts) > 1:
        drops.append(Drop("all text", tuple(texts)))
    ranks = bool(_blind(fitted.recommender))
    says = len(behavioural) < len(blocks)
    if says and (ranks or len(behavioural) > 1):
        drops.append(Drop("all behaviour", tuple(behavioural), behaviour=ranks))
    return drops


def _blocks_of(fitted: Pipeline) -> dict[str, bool]:
    """Encoder → whether all that it makes is learnt from events, seen from one item."""
    data = fitted.data_
    single = Dataset(data.interactions.clear(), data.items.head(1), data.users)
    found = {}
    for name, encoder in fitted.encoders_.items():
        made: Features = encoder.encode(single)
        found[name] = made.behavioural == made.parts.keys()
    return found


def without(pipeline: Pipeline, drop: Drop) -> Pipeline:
    """A pipeline like this one without some encoders, not fitted."""
    encoders = pipeline.encoders or {}
    kept = {name: encoder for name, encoder in encoders.items() if name not in drop.encoders}

    def pruned(component: Any, stage: str = "") -> Any:
        return _pruned(component, stage, drop.encoders)

    recommender = pruned(pipeline.recommender, "recommenders")
    if drop.behaviour:
        recommender = replace(recommender, **_blind(recommender))
    return replace(
        pipeline,
        encoders=kept,
        representation=[pruned(part) for part in pipeline.representation],
        fusion=pruned(pipeline.fusion),
        selection=[pruned(part) for part in pipeline.selection],
        recommender=recommender,
        rerankers=[pruned(part) for part in pipeline.rerankers],
    )


def _pruned(component: Any, stage: str, dropped: Sequence[str]) -> Any:
    """A component, or its table, whose settings name none of the blocks that are gone."""
    try:
        opened = registry.Opened.of(stage, component)
    except ConfigError:  # a table that says `use` and is no component's
        return component
    kept = opened.with_parts(lambda _, own, part: _pruned(part, own, dropped))
    kept |= without_blocks(opened.cls, kept, lambda block: _is_of(block, dropped))
    changed = {name: value for name, value in kept.items() if value != opened.settings[name]}
    if isinstance(component, Mapping):
        left = {**component, **changed}
        return {name: value for name, value in left.items() if value is not None}
    return replace(component, **changed) if changed else component


def _blind(recommender: Any) -> dict[str, Any]:
    """The settings with which it, and its parts, learn nothing from events by themselves.

    None where it has no setting `behaviour` that is on, and no part that has one.
    """
    settings = registry.settings_of(recommender) if is_dataclass(recommender) else {}
    changed: dict[str, Any] = {"behaviour": False} if settings.get("behaviour") is True else {}
    if registry.name_of(recommender) == "blend":
        parts = settings["parts"]
        blind = [_blind(registry.build("recommenders", part, where="parts")) for part in parts]
        if any(blind):
            changed["parts"] = [{**part, **off} for part, off in zip(parts, blind, strict=True)]
    return changed


def _is_of(block: str, encoders: Sequence[str]) -> bool:
    """Whether a block is an encoder's: called like it, or NAME.PART where it makes several."""
    return block in encoders or any(block.startswith(f"{name}.") for name in encoders)
