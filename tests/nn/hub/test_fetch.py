import json
import logging
import shutil
import sys

import pytest

from palate.core.errors import ConfigError, MissingExtraError
from palate.nn.hub import fetch
from palate.nn.hub.fetch import load_checked, model_folder, quiet, settings_of_model

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
safetensors = pytest.importorskip("safetensors.torch")


@pytest.fixture
def vit(tiny_vit, tmp_path):
    """A copy that a test may damage."""
    return shutil.copytree(tiny_vit, tmp_path / "vit")


def change(folder, edit):
    path = folder / "model.safetensors"
    weights = safetensors.load_file(path)
    edit(weights)
    safetensors.save_file(weights, path, metadata={"format": "pt"})


def first(weights, part):
    return next(name for name in sorted(weights) if part in name)


def test_a_whole_model_is_loaded(vit):
    model, missing = load_checked("vit", vit)
    assert missing == []
    kept = safetensors.load_file(vit / "model.safetensors")
    name = first(kept, "cls_token")
    assert torch.equal(model.state_dict()[name], kept[name])


def test_missing_weights_are_refused_by_name(vit):
    change(vit, lambda weights: weights.pop(first(weights, "layernorm_before.weight")))
    with pytest.raises(ConfigError, match=r"'mine' in .*vit lacks weights: '.*layernorm_before"):
        load_checked("mine", vit)


def test_spare_weights_may_be_missing_and_are_named(vit):
    change(vit, lambda weights: weights.pop("pooler.dense.bias"))
    _, missing = load_checked("vit", vit, spare=("pooler.",))
    assert missing == ["pooler.dense.bias"]
    with pytest.raises(ConfigError, match=r"lacks weights: 'pooler\.dense\.bias'"):
        load_checked("vit", vit)


def test_weights_of_a_wrong_shape_are_refused_by_name(vit):
    def cut(weights):
        name = first(weights, "cls_token")
        weights[name] = weights[name][..., :5].contiguous()

    change(vit, cut)
    with pytest.raises(ConfigError, match=r"a wrong shape: '.*cls_token'\. Its config\.json"):
        load_checked("vit", vit, spare=("cls_token",))


def test_the_weights_of_another_model_are_refused(vit):
    settings = json.loads((vit / "config.json").read_text())
    (vit / "config.json").write_text(json.dumps(settings | {"num_hidden_layers": 5}))
    with pytest.raises(ConfigError, match=r"lacks weights: .* and \d+ more"):
        load_checked("vit", vit)


@pytest.mark.parametrize("damage", ["no weights", "half", "empty", "no config", "bad config"])
def test_damaged_folders_are_refused(vit, damage):
    weights, config = vit / "model.safetensors", vit / "config.json"
    if damage == "no weights":
        weights.unlink()
    elif damage == "half":
        weights.write_bytes(weights.read_bytes()[: weights.stat().st_size // 2])
    elif damage == "empty":
        weights.write_bytes(b"")
    elif damage == "no config":
        config.unlink()
    else:
        config.write_text('{"model_type": "nobody knows"}')
    with pytest.raises(ConfigError, match=r"'vit' in .*vit cannot be loaded: \w"):
        load_checked("vit", vit)


def test_masked_autoencoders_hide_nothing(tmp_path):
    from transformers import ViTMAEConfig, ViTMAEModel

    config = ViTMAEConfig(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        image_size=32,
        patch_size=8,
    )
    ViTMAEModel(config).save_pretrained(tmp_path)
    model, _ = load_checked("mae", tmp_path)
    assert model.config.mask_ratio == 0


def test_loading_says_nothing(vit, capfd, caplog):
    change(vit, lambda weights: weights.pop("pooler.dense.bias"))
    load_checked("vit", vit, spare=("pooler.",))
    assert capfd.readouterr() == ("", "")
    assert not caplog.records


def test_quiet_leaves_everything_as_it_was():
    from transformers.utils import logging as said

    def state():
        return said.get_verbosity(), said.is_progress_bar_enabled()

    def fail():
        with quiet():
            assert state() == (logging.CRITICAL, False)
            raise KeyError

    before = state()
    with pytest.raises(KeyError):
        fail()
    assert state() == before


def test_folders_are_taken_as_they_are(vit, monkeypatch):
    assert model_folder(str(vit), "x") == vit
    monkeypatch.setenv("HOME", str(vit.parent))
    assert model_folder("~/vit", "x") == vit
    with pytest.raises(ConfigError, match=r"no folder '\./nothing' with a model"):
        model_folder("./nothing", "x")


NORMALISE = {"type": "sentence_transformers.models.Normalize", "path": "1_Normalize"}


@pytest.mark.parametrize("after", [[], [NORMALISE]])
@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("sentence_transformers.models.CLIPModel", "0_CLIPModel"),
        ("sentence_transformers.base.modules.transformer.Transformer", ""),
    ],
)
def test_of_sentence_transformers_the_part_that_sees_is_found(tmp_path, kind, path, after):
    (tmp_path / "modules.json").write_text(json.dumps([{"type": kind, "path": path}, *after]))
    assert model_folder(str(tmp_path), "x") == tmp_path / path


def test_what_has_more_parts_is_refused(tmp_path):
    names = ["Transformer", "Pooling", "Dense"]
    modules = [{"type": f"sentence_transformers.models.{name}", "path": name} for name in names]
    (tmp_path / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(ConfigError, match="is made of Transformer, Pooling, Dense: only one"):
        model_folder(str(tmp_path), "x")
    (tmp_path / "modules.json").write_text('[{"type": 3}]')
    with pytest.raises(ConfigError, match=r"modules\.json cannot be read"):
        model_folder(str(tmp_path), "x")


class Hub:
    """A hub that has some repositories, each with the files in a folder."""

    def __init__(self, monkeypatch, repositories, *, online=True):
        import huggingface_hub

        self.repositories, self.online = repositories, online
        self.cached: set[str] = set()
        self.asked: list[tuple[str, bool]] = []
        monkeypatch.setattr(huggingface_hub, "snapshot_download", self.give)
        monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", lambda *_, **__: None)
        monkeypatch.setattr(fetch, "find_model", lambda _: None)

    def give(self, repository, *, allow_patterns, local_files_only):
        self.asked.append((repository, local_files_only))
        if local_files_only and repository not in self.cached:
            raise FileNotFoundError("it is not in the cache")
        if not local_files_only and (not self.online or repository not in self.repositories):
            raise OSError("the hub cannot be reached\nfor some reason")
        self.cached.add(repository)
        return str(self.repositories[repository])


def test_the_hub_is_asked_once(vit, monkeypatch):
    hub = Hub(monkeypatch, {"somebody/vit": vit})
    assert model_folder("somebody/vit", "x") == vit
    hub.online = False
    assert model_folder("somebody/vit", "x") == vit


def test_a_name_without_an_owner_may_be_of_sentence_transformers(vit, monkeypatch):
    hub = Hub(monkeypatch, {"sentence-transformers/clip": vit})
    assert model_folder("clip", "x") == vit
    assert ("clip", False) in hub.asked


def test_weights_in_the_older_format_are_fetched_too(vit, monkeypatch):
    Hub(monkeypatch, {"somebody/vit": vit})
    (vit / "model.safetensors").rename(vit / "pytorch_model.bin")
    assert model_folder("somebody/vit", "x") == vit


def test_what_the_hub_does_not_give_is_named(vit, monkeypatch):
    Hub(monkeypatch, {})
    with pytest.raises(ConfigError, match=r"'a/b' is not on.*cannot be reached\)\. .*\"small\""):
        model_folder("a/b", "small")
    (vit / "model.safetensors").unlink()
    Hub(monkeypatch, {"a/b": vit})
    with pytest.raises(ConfigError, match=r"'a/b' .* the hub has no weights of it"):
        model_folder("a/b", "small")


def test_without_the_package_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(fetch, "find_model", lambda _: None)
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingExtraError, match=r"palate\[torch\]"):
        model_folder("a/b", "x")


def test_settings_are_read_where_they_can_be(tmp_path):
    assert settings_of_model(tmp_path) == {}
    for content, wanted in (("[]", {}), ("{", {}), ('{"a": 1}', {"a": 1})):
        (tmp_path / "config.json").write_text(content)
        assert settings_of_model(tmp_path) == wanted
