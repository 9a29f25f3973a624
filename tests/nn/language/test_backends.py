import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from palate.core.errors import ConfigError
from palate.features.cache.store import without_cache
from palate.features.encoders.transformer import Transformer
from palate.nn.language import backends as backends_module
from palate.nn.language.pooling import Pooling, pooled_network

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")


@pytest.mark.parametrize("backend", ["openvino", "onnx"])
def test_windows_of_attention_outlive_the_tracing(backend, tmp_path, folders):
    pytest.importorskip({"onnx": "onnxruntime"}.get(backend, backend))
    import shutil

    folder = shutil.copytree(folders("bert")[0], tmp_path / "windows")
    (folder / "model.safetensors").unlink()
    torch.manual_seed(5)
    config = transformers.ModernBertConfig(
        vocab_size=12,
        hidden_size=16,
        num_hidden_layers=3,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
        local_attention=16,
        global_attn_every_n_layers=3,
        initializer_range=0.5,
        pad_token_id=0,
        cls_token_id=2,
        sep_token_id=3,
    )
    transformers.ModernBertModel(config).save_pretrained(folder)
    texts = ["tea", "tea bike jazz old green " * 8]
    with without_cache():
        plain, found = (
            Transformer(model=str(folder), dtype="float32", backend=one).encode_texts(texts)
            for one in ("torch", backend)
        )
    np.testing.assert_allclose(found, plain, atol=2e-4)


def test_late_words_keep_their_places_in_bfloat16():
    pytest.importorskip("openvino")
    torch.manual_seed(5)
    config = transformers.LlamaConfig(
        vocab_size=500,
        hidden_size=64,
        num_hidden_layers=3,
        num_attention_heads=2,
        num_key_value_heads=1,
        intermediate_size=64,
        max_position_embeddings=1024,
        initializer_range=0.2,
        use_cache=False,
    )
    module = pooled_network(transformers.LlamaModel(config).eval(), Pooling(kinds=("mean",)))
    ids = torch.randint(4, 500, (1, 900), generator=torch.Generator().manual_seed(1)).numpy()
    ((_, plain),) = backends_module.torch_backend(module, "cpu")([(np.arange(1), ids)])
    ((_, found),) = backends_module.openvino_backend(module, "bfloat16")([(np.arange(1), ids)])
    assert found.shape == plain.shape
    assert float((plain * found).sum()) > 0.9995


def test_torch_keeps_its_threads_for_what_comes_after():
    before = torch.get_num_threads()
    run = backends_module.torch_backend(torch.nn.Embedding(4, 3), "cpu")
    try:
        torch.set_num_threads(2)
        assert len(list(run([(np.arange(1), np.ones((1, 2), np.int64))]))) == 1
        with ThreadPoolExecutor(1) as later:
            assert later.submit(torch.get_num_threads).result() == 2
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("there", ["onnxruntime", ""])
def test_int8_finds_the_backend_that_computes_it(there, monkeypatch):
    names = {"onnxruntime", "onnx"} if there else set()
    monkeypatch.setattr("palate.core.optional.find_spec", lambda name: name in names)
    if there:
        assert backends_module.choose_backend("auto", "cpu", "int8") == "onnx"
        return
    with pytest.raises(ConfigError, match=r"int8 is computed by OpenVINO.*palate\[speed\]"):
        backends_module.choose_backend("auto", "cpu", "int8")


def test_int8_that_was_refused_is_refused_again(folders, monkeypatch):
    pytest.importorskip("openvino")
    from palate.nn.language import inference

    monkeypatch.setattr(inference, "MOST_LOST", 0.0)
    rough = Transformer(model=str(folders("bert")[0]), dtype="int8", backend="openvino")
    for _ in range(2):
        with pytest.raises(ConfigError, match="int8 keeps only"):
            rough.encode_texts(["tea", "jazz old bike"])


def test_backends_do_not_share_what_each_rounds_to_int8_its_own_way(folders):
    pytest.importorskip("openvino")
    pytest.importorskip("onnxruntime")
    one, other = (
        Transformer(model=str(folders("bert")[0]), dtype="int8", backend=backend).fingerprint
        for backend in ("openvino", "onnx")
    )
    assert one != other


def test_engines_are_dropped_in_the_middle_of_work_and_nothing_hangs():
    backends = ["torch"]
    backends += ["openvino", "int8"] if find_spec("openvino") else []
    backends += ["onnx"] if find_spec("onnxruntime") else []
    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        done = subprocess.run(
            [
                sys.executable,
                str(Path(__file__).parents[2] / "helpers" / "drop_engines.py"),
                ",".join(backends),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        busy.kill()
        busy.wait()
    assert done.stdout.strip() == "200 engines were dropped", done.stderr[-4000:]
