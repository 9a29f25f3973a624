from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pytest

from palate.core.errors import ArtefactError
from palate.core.files import write_whole
from palate.core.paths import (
    FilePath,
    Located,
    WholePath,
    beside,
    found_again,
    located,
    path_of,
    whole_path,
)
from palate.core.registry import located_table
from palate.core.settings import AnyEncoder


@dataclass(kw_only=True)
class Reader:
    """A component of somebody's."""

    table: FilePath | None = None
    folder: FilePath = "."
    labels: Annotated[str, Located(words=lambda: ["ratings"])] | None = None
    model: Annotated[str, Located(words=lambda: ["small"], or_name=True)] = "small"
    name: str = "photos"


@pytest.fixture
def shop(tmp_path):
    for name in ("photos", "small", "owner/bert"):
        (tmp_path / "shop" / name).mkdir(parents=True)
    return tmp_path / "shop"


@pytest.mark.parametrize(
    ("setting", "given", "wanted"),
    [
        ("table", "kg.tsv", "kg.tsv"),
        ("table", "../kg.tsv", "../kg.tsv"),
        ("labels", "ratings.csv", "ratings.csv"),
        ("model", "owner/bert", "owner/bert"),
        ("model", "./bert", "bert"),
        ("model", "some/deep/bert", "some/deep/bert"),
        ("folder", "", "."),
    ],
)
def test_a_path_starts_in_the_folder(shop, setting, given, wanted):
    found = located(Reader, {setting: given}, shop)
    assert found[setting] == str((shop / wanted).resolve())


@pytest.mark.parametrize(
    ("setting", "given"),
    [
        *(("labels", "ratings"), ("labels", None), ("name", "photos"), ("table", 3)),
        *(("model", "small"), ("model", "owner/other"), ("model", "bert"), ("model", "")),
        *(("table", "a\0b"), ("table", ["kg.tsv"]), ("model", "m" * 5000)),
    ],
)
def test_what_is_no_path_stays(shop, setting, given):
    assert located(Reader, {setting: given}, shop)[setting] == given


def test_whole_paths_stay_and_a_home_is_found(shop, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    whole = str(tmp_path / "kg.tsv")
    assert whole_path(whole, shop) == whole
    assert whole_path("~/kg.tsv", shop) == whole


def test_a_default_starts_there_too(shop):
    assert located(Reader, {}, shop) == {"folder": str(shop)}
    assert isinstance(located(Reader, {}, shop)["folder"], WholePath)


def test_a_component_inside_a_component(shop):
    inner = {"type": "static", "model": "owner/bert"}
    table = {"type": "sentiment", "labels": "ratings", "encoder": inner}
    found = located_table("encoders", table, shop)
    assert found["encoder"]["model"] == str(shop / "owner/bert")
    assert found["labels"] == "ratings"
    assert inner["model"] == "owner/bert"
    parts = [inner, {"type": "nothing of ours", "model": "owner/bert"}]
    found = located_table("encoders", {"type": f"{__name__}:Reader", "name": parts}, shop)
    assert found["name"][0]["model"] == str(shop / "owner/bert")
    assert found["name"][1] == parts[1]


@dataclass(kw_only=True)
class Outer:
    """A recommender of somebody's, with files of its own and encoders inside."""

    lists: list[FilePath] | None = None
    named: dict[str, FilePath] | None = None
    reader: AnyEncoder = None
    readers: dict[str, AnyEncoder] | None = None


def test_files_in_lists_and_tables_and_of_components_of_another_stage(shop):
    inner = {"type": f"{__name__}:Reader", "table": "kg.tsv"}
    table = {
        "type": f"{__name__}:Outer",
        "lists": ["a.txt", "b.txt"],
        "named": {"left": "a.txt"},
        "reader": {"type": "sentiment", "labels": "said.csv", "encoder": inner},
        "readers": {"one": inner, "two": {"type": "static", "model": "owner/bert"}},
    }
    found = located_table("recommenders", table, shop)
    assert found["lists"] == [str(shop / "a.txt"), str(shop / "b.txt")]
    assert found["named"] == {"left": str(shop / "a.txt")}
    assert found["reader"]["labels"] == str(shop / "said.csv")
    assert found["reader"]["encoder"]["table"] == str(shop / "kg.tsv")
    assert found["readers"]["one"] == {**inner, "table": str(shop / "kg.tsv"), "folder": str(shop)}
    assert found["readers"]["two"]["model"] == str(shop / "owner/bert")
    assert found["type"] == table["type"]


def test_what_moved_together_is_found_again(shop, tmp_path):
    near = beside(str(shop / "photos"), shop / "model")
    assert found_again(str(shop / "photos"), near, Path("/nowhere")) == str(shop / "photos")
    moved = shop.rename(tmp_path / "moved")
    (moved / "model").mkdir()
    assert found_again(str(shop / "photos"), near, moved / "model") == str(moved / "photos")
    for other in (None, "../gone"):
        assert found_again(str(shop / "photos"), other, moved / "model") == str(shop / "photos")


def test_what_no_file_can_be_called_is_refused_with_the_reason(tmp_path):
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    for path, reason in (("m" * 5000, "too long"), (loop, "symbolic links")):
        with pytest.raises(ArtefactError, match=f"the folder of a model cannot be .*{reason}"):
            path_of(path, "the folder of a model", ArtefactError)
        with pytest.raises(OSError, match=reason):
            write_whole(Path(path), b"x")
