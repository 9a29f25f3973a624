"""A model folder: whole or not at all, and nothing in it runs."""

import copy
import errno
import json
import os
import stat
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import pytest
from model_folders import reseal
from scipy import sparse

from palate.core import registry
from palate.core.component import learnt
from palate.core.dataset import Dataset
from palate.core.errors import ArtefactError, ConfigError, DataError, NotFittedError
from palate.features.encoders.precomputed import Precomputed
from palate.features.encoders.tfidf import Tfidf
from palate.pipeline.artefact import FORMAT, MANIFEST, check_place, read_origin, save_pipeline
from palate.pipeline.pipeline import Pipeline, load
from palate.recommenders.covisit import Covisit
from palate.recommenders.popular import Popular

OUTSIDE = '''
from dataclasses import dataclass
from palate.recommenders.popular import Popular

@dataclass(kw_only=True)
class Mine(Popular):
    """Somebody else's."""

@dataclass(kw_only=True)
class Renamed(Popular):
    """Somebody else's, whose setting has another name now."""

    days: int | None = None
'''


@pytest.fixture(scope="module")
def model(tiny):
    return Pipeline(encoders={"text": Tfidf()}, recommender=Covisit()).fit(tiny)


@pytest.fixture(scope="module")
def other(tiny):
    """Another pipeline on other tables."""
    events = tiny.interactions.filter(pl.int_range(pl.len()) % 7 != 0)
    data = Dataset(events, tiny.items.drop("price"))
    return Pipeline(encoders={}, recommender=Popular(last_days=20)).fit(data)


@pytest.fixture
def saved(model, tmp_path):
    return model.save(tmp_path / "model")


def answers(model):
    return model.recommend(["person-3", "person-8"], k=8).table


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def fails(folder, *parts, **options):
    with pytest.raises(ArtefactError) as caught:
        load(folder, **options)
    for part in (str(folder), *parts):
        assert part in str(caught.value), str(caught.value)


def test_what_was_saved_comes_back(model, saved, tiny):
    again = load(str(saved))
    assert answers(again).equals(answers(model))
    assert again.data_.items.equals(tiny.items)
    assert again.recommender == model.recommender
    assert again.encoders == model.encoders
    assert np.array_equal(again.features.values, model.features.values)
    scores = again.score(again.known_users.histories)
    assert np.array_equal(scores, model.score(model.known_users.histories))


def test_the_folder_holds_palates_own_files_and_no_more(saved, model, other):
    def names_in_manifest():
        manifest = json.loads((saved / MANIFEST).read_text())
        return {MANIFEST, manifest["arrays"], *manifest["tables"].values()}

    assert set(contents(saved)) == names_in_manifest()
    before = set(contents(saved))
    other.save(saved)
    assert set(contents(saved)) == names_in_manifest()
    assert before - set(contents(saved)), "files of the old model are gone"
    assert answers(load(saved)).equals(answers(other))


def test_saving_twice_writes_the_same_bytes(model, saved, tmp_path):
    assert contents(model.save(tmp_path / "again")) == contents(saved)
    assert contents(load(saved).save(tmp_path / "loaded")) == contents(saved)


def test_where_it_came_from(model, other, tmp_path):
    folder = save_pipeline(model, tmp_path / "model", origin={"config": "a.toml", "all": False})
    assert read_origin(folder) == {"config": "a.toml", "all": False}
    other.save(folder)
    assert read_origin(folder) == {}


def test_not_fitted(tmp_path):
    with pytest.raises(NotFittedError, match="fit"):
        Pipeline().save(tmp_path / "model")
    assert not (tmp_path / "model").exists()


# ---- folders that cannot be used


def test_no_model(tmp_path):
    fails(tmp_path, "holds no palate model", MANIFEST)
    fails(tmp_path / "nowhere", "there is no folder", "palate fit CONFIG --out")
    file = tmp_path / "file"
    file.write_text("x")
    fails(file, "file is a file", "name the folder")


def test_every_file_that_is_missing_or_changed_is_noticed(saved):
    for name, content in contents(saved).items():
        path = saved / name
        path.unlink()
        fails(saved, name)
        middle = len(content) // 2
        for broken in (b"", content[:middle], content[:middle] + b"~" + content[middle + 1 :]):
            path.write_bytes(broken)
            fails(saved, name, "damaged", "fit the pipeline again")
        path.write_bytes(content)
    load(saved)


@pytest.mark.parametrize(
    "content",
    [
        *(b"{}", b"[1]", b"7", b'{"format": "x"}', b"\xff", b"null", b"", b"[" * 100_000),
        *(b'{"format": %b, "palate": "1"}' % odd for odd in (b"1e999", b"NaN", b"true", b"2.0")),
        b'{"format": %d, "palate": "1", "seal": "x", "more": NaN}' % FORMAT,
        b'{"format": %d, "palate": "1", "seal": "x", "more": "\\ud800"}' % FORMAT,
        b'{"format": %d, "seal": "x", "more": ' % FORMAT + b"[" * 900 + b"]" * 900 + b"}",
        b'{"format": ' + b"9" * 5000 + b"}",
    ],
)
def test_manifests_that_are_none(saved, content):
    (saved / MANIFEST).write_bytes(content)
    fails(saved, "damaged")


def test_a_small_change_of_the_manifest_is_noticed(saved):
    text = (saved / MANIFEST).read_text()
    assert '"window": 20' in text
    (saved / MANIFEST).write_text(text.replace('"window": 20', '"window": 21'))
    fails(saved, "damaged", MANIFEST, "has changed")


def test_a_newer_format(saved):
    reseal(saved, lambda manifest: manifest.update(format=99, palate="9.0.0", arrays=[1]))
    fails(saved, "palate 9.0.0", "format 99", "pip install --upgrade palate")
    with pytest.raises(ArtefactError, match=r"9\.0\.0"):
        read_origin(saved)


def test_an_older_format(saved):
    def older(manifest):
        manifest.update(format=1, palate="0.0.9")
        for name in ("recommender_", "rerankers_"):
            del manifest["tree"]["learnt"][name]

    reseal(saved, older)
    fails(saved, "palate 0.0.9", "format 1", "fit the pipeline again")
    with pytest.raises(ArtefactError, match=r"0\.0\.9"):
        read_origin(saved)


def test_a_component_that_this_version_does_not_have(saved):
    def newer(manifest):
        manifest["palate"] = "9.0.0"
        manifest["tree"]["settings"]["recommender"]["type"] = "telepathy"

    reseal(saved, newer)
    fails(saved, "palate 9.0.0", "'telepathy'", "fit the pipeline again")


@pytest.mark.parametrize(
    "change",
    [
        {"type": "covisitt"},
        {"stage": "encoders"},
        {"stage": ""},
        {"settings": {"window": 0}},
        {"settings": {"widow": 3}},
        {"learnt": {"fit": 3}},
        {"learnt": {"popularity_": 3}},
        {"learnt": {"__class__": 3}},
        {"$": "value"},
        {"$": "_component"},
        {"$": 3},
    ],
)
def test_trees_that_palate_did_not_write(saved, change):
    reseal(saved, lambda manifest: manifest["tree"]["settings"]["recommender"].update(change))
    fails(saved, "cannot be loaded")


@pytest.mark.parametrize("name", ["../secret.parquet", "/etc/passwd", "x.parquet", 3, None])
def test_files_outside_the_folder_are_not_read(saved, name):
    reseal(saved, lambda manifest: manifest.update(arrays=name))
    fails(saved, "cannot be loaded")


def test_trees_that_are_too_deep(saved):
    def deep(manifest):
        value = "end"
        for _ in range(400):
            value = {"$": "dict", "items": {"a": value}}
        manifest["tree"]["settings"]["recommender"] = value

    reseal(saved, deep)
    fails(saved, "cannot be loaded")


@pytest.mark.parametrize("origin", [3, None, [], "films.toml", [["config", "x"]]])
def test_origins_that_are_none(saved, origin):
    reseal(saved, lambda manifest: manifest.update(origin=origin))
    with pytest.raises(ArtefactError, match="its origin is"):
        read_origin(saved)


def test_what_may_be_imported_is_a_list(saved):
    with pytest.raises(ConfigError, match=r"allow must be a list of names, as \['a:B'\]"):
        load(saved, allow="a:B")


# ---- code of somebody else


@pytest.fixture
def outside(tmp_path, monkeypatch):
    name = "somebodys_recommender"
    (tmp_path / f"{name}.py").write_text(OUTSIDE)
    monkeypatch.syspath_prepend(tmp_path)
    yield f"{name}:Mine"
    sys.modules.pop(name, None)


def test_code_outside_palate_runs_only_where_it_is_allowed(outside, tiny, tmp_path):
    from palate.core import registry

    component = registry.find("recommenders", outside)(last_days=9)
    model = Pipeline(encoders={}, recommender=component).fit(tiny)
    folder = model.save(tmp_path / "model")
    sys.modules.pop("somebodys_recommender")
    fails(folder, repr(outside), "allow=")
    fails(folder, "allow=", allow=["somebodys_recommender:Other"])
    assert "somebodys_recommender" not in sys.modules, "it was not even imported"
    again = load(folder, allow=[outside])
    assert again.recommender.last_days == 9
    assert answers(again).equals(answers(model))


@pytest.mark.parametrize("inside", [{"type": "MINE"}, [{"to": {"type": "MINE"}}]])
def test_code_that_a_setting_asks_for_is_outside_too(outside, saved, inside):
    setting = json.loads(json.dumps(inside).replace("MINE", outside))

    def tree(value):
        if isinstance(value, dict):
            return {"$": "dict", "items": {name: tree(part) for name, part in value.items()}}
        return [tree(part) for part in value] if isinstance(value, list) else value

    settings = {"encoder": tree(setting)}
    reader = {"$": "component", "stage": "encoders", "type": "reviews", "learnt": {}}
    reader["settings"] = settings
    reseal(saved, lambda manifest: manifest["tree"]["settings"].update(recommender=reader))
    fails(saved, repr(outside), "allow=")
    assert "somebodys_recommender" not in sys.modules, "it was not even imported"


def test_code_of_the_standard_library_is_outside_too(saved):
    recommender = {"$": "component", "stage": "", "type": "os:system", "settings": {}, "learnt": {}}
    reseal(saved, lambda manifest: manifest["tree"]["settings"].update(recommender=recommender))
    fails(saved, "'os:system'", "allow=")
    fails(saved, "no component", allow=["os:system"])


@pytest.mark.parametrize(
    "name",
    [
        "palate.recommenders.covisit:Covisit",
        "palate.pipeline.pipeline:Pipeline",
        "palate.pipeline.artefact:Writer",
        "palate.nn.hub.fetch:fetched",
    ],
)
@pytest.mark.parametrize("allowed", [False, True])
def test_palates_own_parts_have_names_and_no_other_way_in(saved, name, allowed):
    part = {"$": "component", "stage": "recommenders", "type": name, "settings": {}, "learnt": {}}
    reseal(saved, lambda manifest: manifest["tree"]["settings"].update(recommender=part))
    fails(saved, allow=[name] if allowed else ())


# ---- places that cannot be written


def test_folders_of_somebody_else_are_left_alone(model, tmp_path):
    folder = tmp_path / "thesis"
    folder.mkdir()
    for name in ("notes.txt", MANIFEST):
        (folder / name).write_text('{"name": "a web page"}')
        before = contents(folder)
        with pytest.raises(ArtefactError, match="holds other files") as caught:
            model.save(folder)
        assert name in str(caught.value)
        assert contents(folder) == before
        (folder / name).unlink()
    model.save(folder)


@pytest.mark.parametrize("content", [b"{half of somebody's", b"\xff", b"", b"null", b"[" * 10**5])
def test_a_manifest_of_somebody_else_that_is_no_json_is_left_alone(model, tmp_path, content):
    folder = tmp_path / "extension"
    folder.mkdir()
    (folder / MANIFEST).write_bytes(content)
    for save in (model.save, check_place):
        with pytest.raises(ArtefactError, match=r"holds other files \('manifest\.json'\)"):
            save(folder)
    assert contents(folder) == {MANIFEST: content}


@pytest.mark.parametrize("kind", ["directory", "pipe"])
def test_a_manifest_that_is_no_file_is_left_alone(model, tmp_path, kind):
    folder = tmp_path / "extension"
    folder.mkdir()
    (os.mkdir if kind == "directory" else os.mkfifo)(folder / MANIFEST)
    with pytest.raises(ArtefactError, match="holds other files"):
        model.save(folder)
    assert not (folder / MANIFEST).is_file()


@pytest.mark.parametrize("whose", ["manifest", "model", "array", "lock", "nothing"])
def test_nothing_is_written_through_a_link(model, other, tmp_path, whose):
    folder, theirs = tmp_path / "model", tmp_path / "theirs"
    saved = other.save(theirs / "model")
    before = contents(saved)
    folder.mkdir()
    (theirs / "notes.json").write_text("{")
    array = next(path.name for path in model.save(tmp_path / "own").glob("*.safetensors"))
    links = {
        "manifest": (MANIFEST, theirs / "notes.json"),
        "model": (MANIFEST, saved / MANIFEST),
        "array": (array, theirs / "notes.json"),
        "lock": (".palate.lock", theirs / "notes.json"),
        "nothing": (MANIFEST, theirs / "new.json"),
    }
    name, target = links[whose]
    (folder / name).symlink_to(target)
    with pytest.raises(ArtefactError, match="holds links in place of files"):
        model.save(folder)
    assert contents(saved) == before
    assert (theirs / "notes.json").read_text() == "{"
    assert not (theirs / "new.json").exists()


def test_a_folder_may_be_a_link_itself(model, other, tmp_path):
    other.save(tmp_path / "version-1")
    (tmp_path / "current").symlink_to(tmp_path / "version-1")
    model.save(tmp_path / "current")
    assert answers(load(tmp_path / "version-1")).equals(answers(model))


def test_what_people_lay_beside_a_model_stays(model, other, saved):
    (saved / "README.md").write_text("ours")
    (saved / "0123.parquet").write_text("ours")
    other.save(saved)
    assert (saved / "README.md").read_text() == (saved / "0123.parquet").read_text() == "ours"
    assert answers(load(saved)).equals(answers(other))


def test_a_place_is_checked_before_the_work(tmp_path, saved):
    check_place(tmp_path / "new" / "deep")
    check_place(saved)
    assert not (tmp_path / "new").exists()
    file = tmp_path / "file"
    file.write_text("x")
    with pytest.raises(ArtefactError, match="is a file"):
        check_place(file)
    with pytest.raises(ArtefactError, match="is a file"):
        check_place(file / "model")


def test_a_place_that_is_not_ones_own(tmp_path, monkeypatch):
    tmp_path.chmod(0o500)
    if os.access(tmp_path, os.W_OK):  # everything is root's to write in
        monkeypatch.setattr(os, "access", lambda place, _mode: str(place) != str(tmp_path))
    with pytest.raises(ArtefactError, match="not yours"):
        check_place(tmp_path / "model")


# ---- a save that does not come to its end


def test_a_disk_that_is_full_at_any_moment(model, other, tmp_path, monkeypatch):
    folder = other.save(tmp_path / "model")
    before, wanted = contents(folder), answers(other)
    hit = [
        room
        for room in range(20)
        if not _saved_with(room, model, folder, monkeypatch, before, wanted)
    ]
    assert hit == list(range(4)), "arrays, two tables and the manifest"
    assert answers(load(folder)).equals(answers(model))


@pytest.mark.parametrize("manifest", [b"half a mani", b'{"format": 99, "palate": "9.0.0"}'])
def test_a_full_disk_takes_nothing_from_a_folder_that_cannot_be_read(
    model, other, tmp_path, monkeypatch, manifest
):
    folder = other.save(tmp_path / "model")
    (folder / MANIFEST).write_bytes(manifest)
    before = contents(folder)
    monkeypatch.setattr(os, "fsync", _full_after(1))
    with pytest.raises(ArtefactError, match="No space left"):
        model.save(folder)
    assert before.items() <= contents(folder).items()


def _saved_with(room, model, folder, monkeypatch, before, wanted):
    """Whether a model is saved with room for so many files; if not, all must be as before."""
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", _full_after(room))
        try:
            model.save(folder)
        except ArtefactError as caught:
            error = caught
        else:
            return True
    assert "No space left" in str(error)
    assert "untouched" in str(error)
    assert contents(folder) == before
    assert answers(load(folder)).equals(wanted)
    return False


def _full_after(room):
    written = iter(range(room))

    def fsync(descriptor):
        if stat.S_ISREG(os.fstat(descriptor).st_mode) and next(written, None) is None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    return fsync


def test_fitting_again_mends_a_damaged_folder(model, saved):
    path = next(path for path in saved.iterdir() if path.suffix == ".safetensors")
    path.write_bytes(path.read_bytes()[:-8] + b"\0" * 8)
    fails(saved, "has changed")
    model.save(saved)
    assert answers(load(saved)).equals(answers(model))
    (saved / MANIFEST).write_bytes(b"half a mani")
    model.save(saved)
    assert answers(load(saved)).equals(answers(model))


# ---- what can be saved


@dataclass(kw_only=True)
class Holder:
    """Something with a learnt value."""

    value_: Any = learnt()

    def rerank(self, recommendations, histories):
        return recommendations


@pytest.fixture
def held(model, tmp_path, importable):
    """What a learnt value is after a pipeline with it was saved and loaded."""

    def held(value):
        holder = Holder()
        holder.value_ = value
        pipeline = copy.copy(model)
        pipeline.rerankers_ = [holder]
        folder = pipeline.save(tmp_path / "model")
        return load(folder, allow=[registry.name_of(holder)]).rerankers_[0].value_

    return held


@pytest.fixture
def importable(monkeypatch):
    """This module under the name that its classes have."""
    monkeypatch.setitem(sys.modules, Holder.__module__, sys.modules[__name__])


@pytest.mark.parametrize(
    "value",
    [
        None,
        "café 汉字",
        {"a": [1, 2.5, {"b": None}], "": True},
        0.1 + 0.2,
        float("-inf"),
        10**20,
        [],
    ],
)
def test_plain_values_come_back(value, held):
    assert held(value) == value


def test_numbers_of_numpy_come_back_as_numbers(held):
    value = held([np.float32(0.1), np.int64(3), np.bool_(True)])
    assert value == [float(np.float32(0.1)), 3, True]
    assert np.isnan(held(float("nan")))


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype=np.int32).reshape(2, 3).T,
        np.array(3.5, dtype=np.float32),
        np.empty((0, 4), dtype=np.float32),
        np.array([True, False]),
        np.array([-0.0, np.nan, np.inf]),
        np.arange(3, dtype=np.uint8),
    ],
)
def test_arrays_come_back_to_the_bit(array, held):
    again = held(array)
    assert again.dtype == array.dtype
    assert again.shape == array.shape
    assert again.tobytes() == np.ascontiguousarray(array).tobytes()


def test_tables_and_sparse_arrays_come_back(held):
    table = pl.DataFrame({"a": [1, None], "b": [["x"], []], "c": ["", "ü"]})
    matrix = sparse.csr_array(np.array([[0, 1.5, 0], [2, 0, 0]], dtype=np.float32))
    value = held({"table": table, "matrix": matrix})
    assert value["table"].equals(table)
    assert value["table"].schema == table.schema
    assert value["matrix"].dtype == np.float32
    assert (value["matrix"] != matrix).nnz == 0


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (object(), "object"),
        ({"deep": [print]}, "value_.deep.0"),
        (np.array([object()]), "array of object"),
        (np.array(["text"]), "array of <U4"),
        ({3: "x"}, "key 3"),
        (Holder, "type"),
    ],
)
def test_what_cannot_be_saved_is_named(value, words, tmp_path):
    holder = Holder()
    holder.value_ = value
    with pytest.raises(ArtefactError, match=r"pipeline\.value_") as caught:
        save_pipeline(holder, tmp_path / "model")  # type: ignore[arg-type]
    assert words in str(caught.value)
    assert not (tmp_path / "model").exists()


# ---- settings that are paths


@pytest.fixture
def with_paths(tiny, tmp_path, monkeypatch):
    """A pipeline made in `tmp_path/shop`, where its vectors and labels are."""
    shop = tmp_path / "shop"
    shop.mkdir()
    ids = tiny.items["item_id"]
    vectors = [[float(row), 1.0, row % 3] for row in range(len(ids))]
    pl.DataFrame({"item_id": ids, "vector": vectors}).write_parquet(shop / "vectors.parquet")
    monkeypatch.chdir(shop)
    encoders = {"mine": Precomputed(path="vectors.parquet")}
    return Pipeline(encoders=encoders, recommender=Popular()).fit(tiny)


def arrival(tiny):
    return tiny.items.head(1).with_columns(item_id=pl.lit("new"))


def test_a_saved_path_is_whole_and_the_setting_as_it_was(with_paths, tiny, tmp_path, monkeypatch):
    saved = with_paths.save("model").absolute()
    assert with_paths.encoders_["mine"].path == "vectors.parquet"
    monkeypatch.chdir(tmp_path)
    loaded = load(saved)
    assert loaded.encoders_["mine"].path == str(tmp_path / "shop" / "vectors.parquet")
    loaded.add_items(arrival(tiny))


def test_a_model_that_moved_with_its_files_finds_them(with_paths, tiny, tmp_path, monkeypatch):
    with_paths.save("model")
    monkeypatch.chdir(tmp_path)
    moved = (tmp_path / "shop").rename(tmp_path / "moved")
    loaded = load(moved / "model")
    assert loaded.encoders_["mine"].path == str(moved / "vectors.parquet")
    loaded.add_items(arrival(tiny))


def test_a_model_without_its_files_recommends_and_says_what_lacks(with_paths, tiny, tmp_path):
    answer = with_paths.recommend(["person-3"]).table
    with_paths.save(tmp_path / "model")
    (tmp_path / "shop" / "vectors.parquet").unlink()
    loaded = load(tmp_path / "model")
    assert loaded.recommend(["person-3"]).table.equals(answer)
    with pytest.raises(DataError, match=r"shop/vectors\.parquet: no such file") as caught:
        loaded.add_items(arrival(tiny))
    assert caught.value.encoder == "mine"
