import json
import shutil

import numpy as np
import pytest

from palate.core.errors import ConfigError
from palate.features.encoders.transformer import Transformer
from palate.nn.language import folder as folder_module
from palate.nn.language.folder import folder_of, read_dense, with_parts

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
hub = pytest.importorskip("huggingface_hub")
safetensors = pytest.importorskip("safetensors.torch")

COMMIT = "5c38ec7c405ec4b44b94cc5a9bb96e735b38267a"
MODULES = [
    {"path": "", "type": "sentence_transformers.models.Transformer"},
    {"path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
    {"path": "2_Dense", "type": "sentence_transformers.models.Dense"},
]
SMALL = {
    "modules.json": json.dumps(MODULES),
    "1_Pooling/config.json": '{"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": false}',
    "2_Dense/config.json": '{"in_features": 16, "out_features": 3, "bias": true}',
    "sentence_bert_config.json": '{"max_seq_length": 7}',
}


def layer():
    generator = torch.Generator().manual_seed(4)
    return {
        "linear.weight": torch.randn(3, 16, generator=generator),
        "linear.bias": torch.randn(3, generator=generator),
    }


class NotThereError(hub.errors.EntryNotFoundError, OSError):
    """As the hub's 404, which is both."""


class OutOfReachError(Exception):
    """As the client for HTTP raises it: of its own kind."""


class Hub:
    """A repository whose files come one by one into the hub's cache, as the real hub's do."""

    def __init__(self, snapshot, files, monkeypatch):
        self.snapshot, self.files, self.online = snapshot, files, True
        self.asked: list[str] = []
        monkeypatch.setattr(hub, "hf_hub_download", self.give)
        monkeypatch.setattr(hub, "get_hf_file_metadata", self.answer)
        monkeypatch.setattr(folder_module, "_asked", set())

    def answer(self, url, *, timeout):
        if not self.online:
            self.asked.append(url)
            raise OutOfReachError
        if not url.endswith(tuple(self.files)):
            raise NotThereError

    def give(self, repository, name, *, revision, cache_dir, etag_timeout):
        self.asked.append(name)
        assert (repository, revision) == ("somebody/tiny", COMMIT)
        assert self.online, "a download tries for half a minute"
        store = cache_dir / "models--somebody--tiny"
        if name not in self.files:
            lacking = store / ".no_exist" / COMMIT / name
            lacking.parent.mkdir(parents=True, exist_ok=True)
            lacking.touch()
            raise NotThereError
        path = store / "snapshots" / COMMIT / name
        path.parent.mkdir(exist_ok=True)
        content = self.files[name]
        if isinstance(content, str):
            path.write_text(content)
        else:
            content(path)
        return str(path)

    def next_process(self, monkeypatch):
        self.asked.clear()
        monkeypatch.setattr(folder_module, "_asked", set())


@pytest.fixture
def snapshot(folders, tmp_path):
    """What transformers alone leaves in the hub's cache."""
    place = tmp_path / "hub" / "models--somebody--tiny" / "snapshots" / COMMIT
    return shutil.copytree(folders("bert")[0], place)


@pytest.fixture
def whole(snapshot, monkeypatch):
    bin_alone = {"2_Dense/pytorch_model.bin": lambda path: torch.save(layer(), path)}
    return Hub(snapshot, SMALL | bin_alone, monkeypatch)


def encoder(folder, **settings):
    return Transformer(model=str(folder), dtype="float32", backend="torch", **settings)


def test_what_transformers_left_out_is_fetched_for_the_version_that_is_here(whole, snapshot):
    found = encoder(snapshot)
    vectors = found.encode_texts(["tea bike", "old jazz tea"])
    states = encoder(snapshot, pooling="cls")
    assert found._language.most_tokens == 7
    inner = np.stack(
        [states.encode_tokens([text]).vectors[0] for text in ("tea bike", "old jazz tea")]
    )
    wanted = inner @ layer()["linear.weight"].numpy().T + layer()["linear.bias"].numpy()
    wanted /= np.linalg.norm(wanted, axis=1, keepdims=True)
    np.testing.assert_allclose(vectors, wanted, atol=1e-5)


def test_the_hub_is_asked_once_and_never_for_what_it_lacks(whole, snapshot, monkeypatch):
    assert folder_of(str(snapshot)) == snapshot
    assert "config_sentence_transformers.json" in whole.asked
    whole.next_process(monkeypatch)
    folder_of(str(snapshot))
    assert whole.asked == []


def test_a_model_of_transformers_alone_is_asked_about_once(snapshot, monkeypatch):
    plain = Hub(snapshot, {}, monkeypatch)
    with pytest.warns(RuntimeWarning, match=r"does not say how it pools .*the mean over tokens"):
        encoder(snapshot).encode_texts(["tea"])
    assert len(plain.asked) == 3
    plain.next_process(monkeypatch)
    with_parts(snapshot)
    assert plain.asked == []


def test_out_of_reach_the_guess_is_said_and_the_next_process_asks_again(
    whole, snapshot, monkeypatch
):
    whole.online = False
    with pytest.warns(RuntimeWarning, match='Choose what its makers say: pooling = "mean", "cls"'):
        guessed = encoder(snapshot).encode_texts(["tea"])
    assert len(whole.asked) == 1
    assert guessed.shape == (1, 16)
    whole.next_process(monkeypatch)
    whole.online = True
    assert encoder(snapshot).encode_texts(["tea"]).shape == (1, 3)


def test_what_a_kill_left_out_is_fetched_later(whole, snapshot, monkeypatch):
    (snapshot / "modules.json").write_text(SMALL["modules.json"])
    assert encoder(snapshot).encode_texts(["tea"]).shape == (1, 3)
    assert set(whole.asked) >= {"1_Pooling/config.json", "2_Dense/config.json"}


def test_folders_of_one_s_own_are_taken_as_they_are(folders, monkeypatch):
    asked = Hub(None, {}, monkeypatch).asked
    folder, _ = folders("bert")
    assert with_parts(folder) == folder
    assert not asked


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("name", "kinds"), [("bge-tiny-zh", ("cls",)), ("multilingual-e5-tiny", ("mean",))]
)
def test_families_that_pool_alike_are_known_by_name(name, kinds, folders, tmp_path):
    folder = shutil.copytree(folders("bert")[0], tmp_path / name)
    found = encoder(folder)
    assert tuple(found._language.pooling.kinds) == kinds
    decoder = shutil.copytree(folders("qwen3")[0], tmp_path / "more" / name)
    with pytest.warns(RuntimeWarning, match="the last token's state is taken"):
        assert encoder(decoder)._language.pooling.kinds == ("last",)


@pytest.mark.filterwarnings("error")
def test_a_pooling_that_was_chosen_is_not_doubted(folders):
    assert encoder(folders("bert")[0], pooling="cls").encode_texts(["tea"]).any()


@pytest.mark.parametrize("kind", ["model.safetensors", "pytorch_model.bin"])
def test_layers_are_read_in_both_formats(kind, tmp_path):
    save = safetensors.save_file if kind.endswith("safetensors") else torch.save
    save({name: tensor.half() for name, tensor in layer().items()}, tmp_path / kind)
    found = read_dense(tmp_path, {"activation_function": "torch.nn.modules.activation.Tanh"})
    np.testing.assert_allclose(found.weight, layer()["linear.weight"], atol=1e-2)
    np.testing.assert_allclose(found.bias, layer()["linear.bias"], atol=1e-2)
    assert found.weight.dtype == np.float32
    assert found.activation.endswith("Tanh")


class Trap:
    def __reduce__(self):
        return (pytest.fail, ("code in a .bin was run",))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("pytorch_model.bin", {"linear.weight": Trap()}),
        ("pytorch_model.bin", b"half a fi"),
        ("pytorch_model.bin", b""),
        ("model.safetensors", b"half a fi"),
        ("pytorch_model.bin", ["no names"]),
    ],
)
def test_what_is_no_layer_is_refused(name, content, tmp_path):
    if isinstance(content, bytes):
        (tmp_path / name).write_bytes(content)
    else:
        torch.save(content, tmp_path / name)
    with pytest.raises(ConfigError, match=rf"{name} cannot be read: .*Get the whole model again"):
        read_dense(tmp_path, {})


def test_a_layer_without_its_weights_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"model\.safetensors is missing: get the whole"):
        read_dense(tmp_path, {})
    torch.save({"other": torch.ones(2)}, tmp_path / "pytorch_model.bin")
    with pytest.raises(ConfigError, match=r"holds no layer \(linear\.weight\)"):
        read_dense(tmp_path, {})
