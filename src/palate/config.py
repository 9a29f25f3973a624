"""Pipeline files: TOML ↔ what the code would say; only `use` names a component."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from palate import registry
from palate.data.split import (
    split_by_time,
    split_leave_last_out,
    split_new_items,
)
from palate.data.tables import read
from palate.errors import ConfigError, did_you_mean
from palate.histories import Split
from palate.pipeline import Pipeline
from palate.types import Dataset

SECTIONS = (
    "data",
    "split",
    "encoders",
    "representation",
    "fusion",
    "selection",
    "recommender",
    "rerankers",
)


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DataSection(_Section):
    """[data]: the tables, by paths that start where the pipeline file is."""

    interactions: str
    items: str | None = None
    users: str | None = None
    columns: dict[str, str] = Field(default_factory=dict)
    events: dict[str, float] | None = None
    encoding: str = "utf-8"
    drop_unknown: bool = False


class SplitSection(_Section):
    """[split]: how the evaluation cuts."""

    use: Literal["time", "leave_last_out", "new_items"] = "time"
    test: float = Field(default=0.2, gt=0, lt=1)
    seed: int = 0
    exclude_seen: bool = True


@dataclass(frozen=True)
class Config:
    """A pipeline file, checked: where the data are, how they are cut, what is fitted."""

    name: str
    folder: Path
    data: DataSection
    split: SplitSection
    tables: Mapping[str, Any] = field(repr=False)

    def read(self, *, drop_unknown: bool = False) -> Dataset:
        """The data set that [data] names."""
        section = self.data
        return read(
            self.folder / section.interactions,
            items=None if section.items is None else self.folder / section.items,
            users=None if section.users is None else self.folder / section.users,
            columns=section.columns or None,
            events=section.events,
            encoding=section.encoding,
            drop_unknown=drop_unknown or section.drop_unknown,
        )

    def cut(self, data: Dataset) -> Split:
        """The split that [split] names."""
        section = self.split
        if section.use == "time":
            return split_by_time(data, test=section.test, exclude_seen=section.exclude_seen)
        if section.use == "leave_last_out":
            return split_leave_last_out(data, exclude_seen=section.exclude_seen)
        return split_new_items(
            data, share=section.test, seed=section.seed, exclude_seen=section.exclude_seen
        )

    def pipeline(self) -> Pipeline:
        """A fresh pipeline, not fitted; what the file leaves out has the default."""
        given: dict[str, Any] = {}
        tables = self.tables
        if "encoders" in tables:
            given["encoders"] = {
                name: registry.build("encoders", table, where=f"[encoders.{name}]")
                for name, table in tables["encoders"].items()
            }
        for section in ("representation", "selection", "rerankers"):
            if section in tables:
                given[section] = [
                    registry.build(section, table, where=f"[[{section}]] {number}")
                    for number, table in enumerate(tables[section], start=1)
                ]
        if "fusion" in tables:
            given["fusion"] = registry.build("fusion", tables["fusion"], where="[fusion]")
        if "recommender" in tables:
            table = tables["recommender"]
            given["recommender"] = registry.build("recommenders", table, where="[recommender]")
        return Pipeline(**given)


def read_config(path: str | Path) -> Config:
    """A pipeline file, read and checked whole; raises `ConfigError` for what cannot be used."""
    path = Path(path)
    try:
        tables = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(f"there is no pipeline file {path}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not TOML: {error}") from error
    try:
        return config_of(tables, folder=path.parent, name=path.stem)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def config_of(tables: Mapping[str, Any], *, folder: Path, name: str = "pipeline") -> Config:
    """As `read_config`, from tables that are already parsed."""
    for section, table in tables.items():
        if section not in SECTIONS:
            raise ConfigError(f"no section is called [{section}].{did_you_mean(section, SECTIONS)}")
        if not isinstance(table, list if section in LISTS else dict):
            brackets = f"[[{section}]]" if section in LISTS else f"[{section}]"
            raise ConfigError(f"{section} must be written as {brackets}")
    if "data" not in tables:
        raise ConfigError('[data] is missing; it needs at least interactions = "FILE"')
    config = Config(
        name=name,
        folder=folder,
        data=_section(DataSection, tables["data"], "data"),
        split=_section(SplitSection, tables.get("split", {}), "split"),
        tables=tables,
    )
    config.pipeline()
    return config


LISTS = ("representation", "selection", "rerankers")


def _section(model: type[Any], table: Mapping[str, Any], name: str) -> Any:
    for key in table:
        if key not in model.model_fields:
            hint = did_you_mean(key, model.model_fields)
            raise ConfigError(f"[{name}] has no setting {key!r}.{hint}")
    try:
        return model.model_validate(table)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise ConfigError(
            f"[{name}] {key} = {first.get('input')!r} cannot be used: {first['msg']}"
        ) from error
