"""Language models that write, asked for one word about a text."""

from __future__ import annotations

from typing import Literal

from palate.core.component import component
from palate.features.encoders.transformer import Transformer
from palate.nn.hub.fetch import ModelName
from palate.nn.language.pooling import PoolingName

__all__ = ["Causal"]


@component
class Causal(Transformer):
    """Item texts as the state in which a decoder would write the next word.

    The text stands between `prefix` and `suffix`, which ask for it in one word, and the last
    token's state is taken: so a model that was never trained for vectors still gathers what the
    text means in one place. Asked for what makes two items alike ("Product: ", and "Category:" on
    the next line) small models do far better than with the general words that stand here. `model`
    is a name on the hub, a folder (GPT-2, Llama, Qwen, Gemma) or the packaged "gemma". For models
    that were trained for vectors (Qwen3-Embedding) `transformer` is the encoder. Method: Jiang et
    al. 2023, Scaling Sentence Embeddings with Large Language Models (PromptEOL).
    """

    model: ModelName = "Qwen/Qwen3-0.6B"
    prefix: str | None = 'This sentence: "'
    query_prefix: str | None = 'This sentence: "'
    suffix: str = '" means in one word: "'
    pooling: PoolingName | Literal["auto"] | list[PoolingName] = "last"
