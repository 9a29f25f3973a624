"""Pipeline files: TOML ↔ what the code would say; only `type` names a component."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from pydantic import BaseModel, ConfigDict, Field

from palate.core import registry
from palate.core.dataset import Dataset, Repeats
from palate.core.errors import ConfigError, did_you_mean
from palate.core.paths import check_readable, path_of, whole_path
from palate.core.registry import located_table
from palate.core.split import Split
from palate.core.takes import checked
from palate.core.visible import quoted, shorten
from palate.data.notes import ReadNotes
from palate.data.pseudonyms import read_key
from palate.data.read import read
from palate.data.split import GIVEN, SPLITS, TIME_SPLIT
from palate.pipeline.checks import STAGES
from palate.pipeline.dialect import settings_of, speaking_toml
from palate.pipeline.pipeline import Pipeline
from palate.pipeline.toml_slips import slip_in

SECTIONS = (
    "data",
    "split",
    "encoders",
    "users",
    "representation",
    "fusion",
    "selection",
    "user_representation",
    "user_fusion",
    "user_selection",
    "recommender",
    "rerankers",
    "evaluation",
)
Section = TypeVar("Section", bound=BaseModel)
LISTS = ("representation", "selection", "user_representation", "user_selection", "rerankers")
SINGLE = ("fusion", "user_fusion", "recommender")
ENCODERS = ("encoders", "users")


class DataSection(BaseModel):
    """[data]: the tables, by paths that start where the pipeline file is; settings of `read`.

    `pseudonyms` is the path of a file with the key.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    interactions: str
    items: str | None = None
    users: str | None = None
    columns: dict[str, str] = Field(default_factory=dict)
    events: dict[str, float] | None = None
    keep: list[str] = Field(default_factory=list)
    drop: list[str] = Field(default_factory=list)
    lists: dict[str, str] = Field(default_factory=dict)
    encoding: str | dict[str, str] = "utf-8"
    time_format: str | None = None
    positive: str | None = None
    repeats: Repeats | None = None
    weight: str | None = None
    drop_unknown: bool = False
    drop_missing: bool = False
    pseudonyms: str | None = None

    def below(self, folder: Path) -> DataSection:
        """The same tables by whole paths."""
        files = ("interactions", "items", "users", "pseudonyms")
        named = {name: getattr(self, name) for name in files}
        paths = {name: str(whole_path(path, folder)) for name, path in named.items() if path}
        return self.model_copy(update=paths)


class EvaluationSection(BaseModel):
    """[evaluation]: what `palate evaluate` and `palate compare` measure, and to which places."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    metrics: list[str] | None = None
    ks: list[int] | None = None

    def settings(self) -> dict[str, Any]:
        """What is said here, as `palate.compare` takes it."""
        return self.model_dump(exclude_none=True)


@dataclass(frozen=True)
class Config:
    """A pipeline file, checked: where the data are, how they are cut, what is fitted.

    `split` holds `type` and the settings of that split; `tables` the file with whole paths;
    `evaluation` which metrics are wanted.
    """

    name: str
    data: DataSection
    split: Mapping[str, Any]
    tables: Mapping[str, Any] = field(repr=False)
    evaluation: EvaluationSection = field(default_factory=EvaluationSection)

    def read(self, *, drop_unknown: bool = False) -> tuple[Dataset, ReadNotes]:
        """The data set that [data] names, and how it was read."""
        given = self.data.model_dump()
        given["drop_unknown"] |= drop_unknown
        notes: list[ReadNotes] = []
        if self.data.pseudonyms is not None:
            given["pseudonyms"] = read_key(self.data.pseudonyms)
        with speaking_toml():
            data = read(**given, tell=notes.append)
        return data, notes[0]

    def with_key(self, path: Path | None) -> Config:
        """The same, with people's pseudonyms by the key in a file; None leaves it as it is."""
        if path is None:
            return self
        named = self.data.model_copy(update={"pseudonyms": str(path)})
        return replace(self, data=named)

    def cut(self, data: Dataset) -> Split:
        """The split that [split] names."""
        settings = dict(self.split)
        with speaking_toml():
            return SPLITS[settings.pop("type")](data, **settings)

    @speaking_toml()
    def pipeline(self) -> Pipeline:
        """A fresh pipeline, not fitted; what the file leaves out has the default."""
        given: dict[str, Any] = {}
        tables = self.tables
        for section in ENCODERS:
            if section in tables:
                given[section] = {
                    name: registry.build("encoders", table, where=f"[{section}.{name}]")
                    for name, table in tables[section].items()
                }
        for section in LISTS:
            if section in tables:
                given[section] = [
                    registry.build(STAGES.get(section, section), table, where=where)
                    for number, table in enumerate(tables[section], start=1)
                    for where in [f"[[{section}]] {number}"]
                ]
        for section in SINGLE:
            if section in tables:
                stage = STAGES.get(section, section)
                given[section] = registry.build(stage, tables[section], where=f"[{section}]")
        return Pipeline(**given)

    @contextmanager
    def spoken(self) -> Iterator[None]:
        """Errors raised inside speak as the file does, and name the table of their encoder."""
        users = [f"users.{name}" for name in self.tables.get("users", ())]
        with speaking_toml([*self.tables.get("encoders", ()), *users]):
            yield


@speaking_toml()
def read_config(path: str | Path, *, components: bool = True) -> Config:
    """A pipeline file, read and checked whole; raises `ConfigError` for what cannot be used.

    Without `components` only [data] and [split] are, and nothing that `type` names is imported.
    """
    path = path_of(path, "a pipeline file")
    check_readable(path, ConfigError)
    if path.is_dir():
        inside = did_you_mean("", [other.name for other in path.glob("*.toml")])
        raise ConfigError(f"{path} is a folder: name a pipeline file.{inside}")
    text = ""
    try:
        text = path.read_text("utf-8-sig")
        tables = tomllib.loads(text)
    except FileNotFoundError as error:
        beside = [other.name for other in path.parent.glob("*.toml")]
        hint = did_you_mean(path.name, beside)
        raise ConfigError(f"there is no pipeline file {path}.{hint}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not in UTF-8: save it in that encoding ({error})") from error
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    except (ValueError, RecursionError) as error:  # of dates and numbers too, in no other words
        raise ConfigError(f"{path} is not TOML: {slip_in(text, error)}") from error
    try:
        return config_of(tables, folder=path.parent, name=path.stem, components=components)
    except ConfigError as error:
        raise ConfigError(f"{path}: ", error) from error
    except RecursionError as error:
        raise ConfigError(f"{path}: tables lie too deep in each other") from error


def check_comparable(configs: Sequence[Config]) -> None:
    """Raises `ConfigError` unless all have the same data and split, and names of their own."""
    first = configs[0]
    for other in configs:
        if (other.data, other.split) != (first.data, first.split):
            raise ConfigError(
                f"{other.name} names other [data] or [split] than {first.name}: figures can only "
                f"be compared on one split"
            )
        if other.evaluation.settings() and other.evaluation != first.evaluation:
            raise ConfigError(
                f"{other.name} has another [evaluation] than {first.name}, whose holds for all: "
                "say the same in both, or leave it out"
            )
    names = [config.name for config in configs]
    if len(set(names)) < len(names):
        raise ConfigError(
            f"pipeline files need different names, for these name the rows; got "
            f"{', '.join(names)}: rename one file"
        )


@speaking_toml()
def config_of(
    tables: Mapping[str, Any], *, folder: Path, name: str = "pipeline", components: bool = True
) -> Config:
    """As `read_config`, from tables that are already parsed."""
    for section, table in tables.items():
        if section not in SECTIONS:
            raise ConfigError(
                f"no section is called [{shorten(section)}].{did_you_mean(section, SECTIONS)}"
            )
        if not isinstance(table, list if section in LISTS else dict):
            brackets = f"[[{section}]]" if section in LISTS else f"[{section}]"
            raise ConfigError(f"{section} must be written as {brackets}")
    if "data" not in tables:
        raise ConfigError('[data] is missing; it needs at least interactions = "FILE"')
    for section in ENCODERS:
        _check_encoders(section, tables.get(section, {}))
    config = Config(
        name=name,
        data=_data_section(tables["data"]).below(folder),
        split=_split_section(tables.get("split", {})),
        tables=_with_whole_paths(tables, folder) if components else tables,
        evaluation=_section(EvaluationSection, "evaluation", tables.get("evaluation", {})),
    )
    if components:
        config.pipeline()
    return config


def _with_whole_paths(tables: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The file with its components' paths, which start where it is, as whole ones."""
    found = dict(tables)
    for section in set(tables) - {"data", "split", "evaluation"}:
        stage = STAGES.get(section, section)
        if section in ENCODERS:
            found[section] = {
                name: located_table("encoders", table, folder)
                for name, table in tables[section].items()
            }
        elif section in LISTS:
            found[section] = [
                located_table(stage, table, folder) if isinstance(table, dict) else table
                for table in tables[section]
            ]
        else:
            found[section] = located_table(stage, tables[section], folder)
    return found


def _check_encoders(section: str, tables: Mapping[str, Any]) -> None:
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise ConfigError(
                f"[{section}] holds {shorten(name)} = {quoted(table)}: give each encoder a name "
                f'and a table of its own, as [{section}.text] with type = "tfidf"'
            )


def _data_section(table: Mapping[str, Any]) -> DataSection:
    _check_names("[data]", table, list(DataSection.model_fields))
    if "interactions" not in table:
        raise ConfigError('[data] needs interactions = "FILE"')
    return _section(DataSection, "data", table)


def _section(model: type[Section], name: str, table: Mapping[str, Any]) -> Section:
    """A table of plain settings, each of which has its type."""
    _check_names(f"[{name}]", table, list(model.model_fields))
    hints = get_type_hints(model)
    for key, value in table.items():
        checked(hints[key], value, where=f"[{name}].{key}")
    return model.model_validate(dict(table))


def _split_section(table: Mapping[str, Any]) -> dict[str, Any]:
    """`type` and what the function of that split takes."""
    registry.check_type_is_called_so(table, where="[split]")
    name = table.get("type", TIME_SPLIT)
    known = [other for other in SPLITS if other != GIVEN]
    if name not in known:
        raise ConfigError(
            f"[split]: no split is called {quoted(name)}.{did_you_mean(str(name), known)}"
        )
    function = SPLITS[name]
    hints = get_type_hints(function)
    names = settings_of(function)
    given = {key: value for key, value in table.items() if key != "type"}
    _check_names(f'[split] type = "{name}"', given, names)
    settings = {
        key: checked(hints[key], value, where=f"[split].{key}") for key, value in given.items()
    }
    return {"type": name, **settings}


def _check_names(where: str, table: Mapping[str, Any], known: list[str]) -> None:
    for key in table:
        if key not in known:
            raise ConfigError(f"{where} has no setting {quoted(key)}.{did_you_mean(key, known)}")
