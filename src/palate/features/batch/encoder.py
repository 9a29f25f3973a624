"""Encoders by what a person types, "transformer:model=minilm,max_tokens=64", and their fit."""

from __future__ import annotations

import hashlib
import json
import re
import reprlib
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from palate.core import registry
from palate.core.columns import ITEM, TIME, USER
from palate.core.dataset import Dataset
from palate.core.errors import ConfigError
from palate.core.settings import types_of
from palate.core.takes import checked
from palate.features.batch.text_rows import RowReader
from palate.features.batch.work import Job
from palate.features.encoders._media import MediaEncoder
from palate.nn.hub.cards import models
from palate.nn.hub.digest import folder_digest

OF_THE_JOB = ("column", "folder", "on_error")  # settings of an encoder of files
TEMPLATE = "template"
_SPEC = re.compile(r"(?P<name>[\w.]+(?::[A-Za-z_]\w*(?!\w*=))?)(?::(?P<settings>.*))?", re.DOTALL)
_SETTING = re.compile(r"(?P<key>\w+)=(?P<value>.*)", re.DOTALL)


def encoder_of(given: Any) -> Any:
    """The encoder that `given` is, or that it names: "NAME" or "NAME:key=value,key=value".

    A value is what the setting's type makes of it: text as it is, else JSON. Raises `ConfigError`.
    """
    encoder = _of_text(given) if isinstance(given, str) else given
    if isinstance(encoder, MediaEncoder):
        return encoder
    if isinstance(encoder, type) or not hasattr(encoder, "encode_texts"):
        plain = not is_dataclass(encoder) or isinstance(encoder, type)
        name = reprlib.repr(encoder) if plain else registry.name_of(encoder)
        raise ConfigError(f"{name} is no encoder of texts, photos or sounds: {_readers()}")
    if getattr(encoder, "text_blocks", None):
        raise ConfigError(
            f"the encoder makes a block of each of {', '.join(encoder.text_blocks)}: run a job for"
            " each, or put them in one template"
        )
    return encoder


def _readers() -> str:
    known = [name for name in registry.names("encoders") if _reads(registry.find("encoders", name))]
    return f"of palate's own {', '.join(known)} are"


def _reads(cls: type[Any]) -> bool:
    return issubclass(cls, MediaEncoder) or callable(getattr(cls, "encode_texts", None))


def _of_text(text: str) -> Any:
    found = _SPEC.fullmatch(text)
    if found is None:
        raise ConfigError(f"{text!r} names no encoder: write NAME or NAME:key=value,key=value")
    name = found["name"]
    if name.partition(":")[0] in registry.names("encoders") and ":" in name:
        raise ConfigError(f"{text!r}: settings are written key=value, as in muse:max_chars=200")
    if name not in registry.names("encoders"):
        _check_no_model(name)
    cls: Any = registry.find("encoders", name)
    hints = types_of(cls)
    settings = {}
    for part in re.split(r",(?=\w+=)", found["settings"] or ""):
        if not part:
            continue
        setting = _SETTING.fullmatch(part)
        if setting is None:
            raise ConfigError(f"{part!r} in {text!r} is no setting: write key=value")
        settings[setting["key"]] = _value(hints.get(setting["key"], str), setting["value"])
    return registry.build("encoders", {"type": name, **settings}, where=f"encoder {text!r}")


def _check_no_model(name: str) -> None:
    for card in models():
        if card.name == name:
            raise ConfigError(f"{name!r} is a model: write {card.encoder}:model={name}")


def _value(hint: Any, text: str) -> Any:
    try:
        return checked(hint, text, where="")
    except ConfigError:
        pass
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def settings_of(encoder: Any) -> dict[str, Any]:
    """The settings that another machine needs to make this encoder; what it reads stands apart."""
    settings = registry.settings_of(encoder)
    for name in OF_THE_JOB if isinstance(encoder, MediaEncoder) else (TEMPLATE,):
        settings.pop(name, None)
    try:
        json.dumps(settings)
    except TypeError as error:
        name = type(encoder).__name__
        raise ConfigError(f"{name}: its settings cannot be told in JSON: {error}") from error
    return settings


def ready(job: Job) -> Any:
    """The encoder that a job's settings make; what it learns it learns from the first rows."""
    cls = registry.find("encoders", job.encoder)
    takes = {entry.name for entry in fields(cls) if entry.init}
    with_template = {TEMPLATE: job.template} if TEMPLATE in takes else {}
    table = {"type": job.encoder, **job.settings, **with_template}
    encoder = registry.build("encoders", table, where=job.encoder)
    if not _learns(encoder):
        return encoder
    sample = RowReader(job.source, job.id, job.columns, job.lists).sample
    ids = pl.int_range(len(sample), eager=True).cast(pl.String).alias(ITEM)
    events = pl.DataFrame(schema={USER: pl.String, ITEM: pl.String, TIME: pl.Float64})
    return encoder.fit(Dataset(interactions=events, items=sample.with_columns(ids)))


def fingerprint_of(encoder: Any) -> str:
    """Names the vectors of a ready encoder: its weights, its settings and what it learnt."""
    named = getattr(encoder, "fingerprint", None)
    if named is None:
        settings = settings_of(encoder)
        model = str(settings.get("model") or "")
        weights = folder_digest(Path(model)) if model and Path(model).is_dir() else ""
        named = _digest([registry.name_of(encoder), settings, weights])
    learnt = {name: getattr(encoder, name) for name in _learns(encoder)}
    return f"{named}-{_digest(learnt)}" if learnt else str(named)


def _learns(encoder: Any) -> list[str]:
    """What it learns from data, if its vectors depend on that."""
    if isinstance(encoder, MediaEncoder):
        return []
    names = [entry.name for entry in fields(encoder) if not entry.init]
    return [name for name in names if name != f"{TEMPLATE}_"]


def _digest(content: Any) -> str:
    text = json.dumps(content, sort_keys=True, default=_in_json)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _in_json(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return [str(value.dtype), value.shape, hashlib.sha256(value.tobytes()).hexdigest()]
    raise ConfigError(f"what it learns holds {type(value).__name__}: fit it in a pipeline")
