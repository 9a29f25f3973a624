"""A saved model's folder: how it came about, its card, its versions, and the way back."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from palate.core.doors import called_rightly
from palate.core.errors import ArtefactError, ConfigError
from palate.core.learnt import agree, check_type
from palate.core.paths import found_again, path_of
from palate.pipeline.artefact import (
    SavedMeanwhile,
    Whole,
    archive,
    check_place,
    check_whole,
    load_pipeline,
    numbers,
    put_in_place,
    read_manifest,
    read_origin,
    save_pipeline,
    saved_at,
    version_name,
    writing_in,
)
from palate.pipeline.card import Card, card_in, figures_of

_MOST_BYTES: Final = 2**24  # of a pipeline file


@called_rightly
def read_card(folder: str | Path) -> Card:
    """What is known about a saved model: when, of what data, with what settings, how good.

    It is sealed with the model. Raises `ArtefactError` for a folder that is damaged or holds none.
    """
    root = _root(folder)
    return _card(root, read_manifest(root))


def saved_versions(folder: str | Path) -> list[Card]:
    """The cards of all versions in a folder: first that which `palate.load` loads, then by number.

    Versions that are damaged or from another palate are left out. Raises `ArtefactError`.
    """
    root = _root(folder)
    now = read_card(root)
    found = [now]
    for number in numbers(root):
        try:
            card = _card(root, read_manifest(root, version_name(number)))
        except ArtefactError:
            continue
        if number != now.version and card.version == number:
            found.append(card)
    return found


@called_rightly
def rollback(folder: str | Path, *, to: int | None = None) -> Card:
    """The version that a folder's current one took the place of becomes the current one again.

    `to` names another one by its number. The current one stays beside it, so that the way leads
    forward, too. What is loaded changes in one step, after all files of that version were found
    whole; who has a model loaded keeps it. Gives the card of the version; raises `ArtefactError`
    where there is none, and `ConfigError` for a number that no version has.
    """
    root = _root(folder)
    read_card(root)
    with writing_in(root):
        known = {card.version: card for card in saved_versions(root)}
        card = known[_wanted(root, known, to)]
        manifest = read_manifest(root, version_name(card.version))
        check_whole(root, manifest)
        archive(root)
        put_in_place(root, manifest, card)
    return card


def _wanted(root: Path, known: dict[int, Card], to: int | None) -> int:
    """The number to go back to; `known` starts with the current version."""
    now, *others = known
    listed = ", ".join(map(str, sorted(others))) or "none"
    if to is not None:
        if to == now:
            raise ConfigError(f"version {to} is the one that {root} loads; others: {listed}")
        if to not in others:
            raise ConfigError(f"{root} holds no version {to!r:.40}; others than this: {listed}")
        return to
    before = known[now].before
    earlier = [number for number in others if number < now]
    if not earlier:
        raise ArtefactError(
            f"{root} holds nothing older than version {now}; other versions: {listed}"
        )
    return before if before in others else max(earlier)


def attach_figures(folder: str | Path, figures: Any) -> Card:
    """Figures that `evaluate` or `compare` measured go into the card of a saved model.

    They take the place of those of the same row and split. Raises `ArtefactError` where the folder
    cannot be written.
    """
    root, new = _root(folder), figures_of(figures)
    read_card(root)
    with writing_in(root):
        manifest = read_manifest(root)
        card = _card(root, manifest).with_figures(new)
        put_in_place(root, manifest, card)
    return card


def change_saved(
    folder: str | Path,
    whole: type[Whole],
    change: Callable[[Whole], object],
    *,
    allow: Collection[str],
    keep: int,
) -> Whole:
    """Loads a model, changes it and saves it in its place, in one step for whoever looks.

    Where somebody else saved meanwhile, theirs is changed: what two add at a time is both there.
    """
    root = _root(folder)
    if saved_at(root) is not None:  # else loading says what is missing
        check_place(root)
    while True:
        now = saved_at(root)
        model = load_pipeline(root, whole, allow=allow)
        origin = read_origin(root)
        change(model)
        with contextlib.suppress(SavedMeanwhile):
            save_pipeline(model, root, origin=origin, keep=keep, over=now)
            return model


def _root(folder: str | Path) -> Path:
    return path_of(folder, "the folder of a model", ArtefactError)


def _card(root: Path, manifest: dict[str, Any]) -> Card:
    try:
        return card_in(manifest)
    except ValueError as error:
        raise ArtefactError(
            f"{root} holds a card that palate does not write ({error}): fit it again"
        ) from error


@dataclass(frozen=True)
class Fit:
    """How `palate fit` made a model: of which pipeline file, with what options."""

    config: str
    everything: bool
    drop_unknown: bool


def read_fit(folder: Path) -> Fit | None:
    """How a model was made; None for one that `palate fit` did not make.

    Raises `ArtefactError` for what that command does not write. A pipeline file that lies in the
    model's folder is not yours: whoever made the folder would say what is read here.
    """
    origin = read_origin(folder)
    if "config" not in origin:
        return None
    kinds = {"config": str, "beside": str | None, "all": bool, "drop_unknown": bool}
    try:
        for name, kind in kinds.items():
            check_type(origin.get(name), kind, f"origin[{name!r}]")
        near = origin.get("beside")
        agree("\0" not in origin["config"] + (near or ""), "a path with a zero character")
        agree(not Path(near or "").is_absolute(), f"{near!r} is beside nothing")
        config = Path(os.path.realpath(found_again(origin["config"], near, folder)))
        agree(not config.is_relative_to(os.path.realpath(folder)), "a file of the folder's own")
        plain = not config.exists() or (config.is_file() and config.stat().st_size < _MOST_BYTES)
        agree(plain, f"{config} is no file, or too large")
    except (ValueError, OSError) as error:
        raise ArtefactError(
            f"{folder} names a pipeline file as `palate fit` does not ({error}): fit it again"
        ) from error
    return Fit(str(config), origin["all"], origin["drop_unknown"])
