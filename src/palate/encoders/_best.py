"""The best text encoder that is installed."""

from __future__ import annotations

import difflib

from palate.encoders._text import TemplateEncoder
from palate.encoders._weights import E5, GEMMA, MINILM, PACKAGE, find_model
from palate.encoders.transformer import Transformer
from palate.encoders.use import TextEncoder
from palate.errors import ConfigError, did_you_mean
from palate.optional import is_installed

USE = "use"


def best_text_encoder(
    name: str | None = None, template: str | None = None
) -> tuple[TemplateEncoder, str]:
    """An encoder and what to call it: MiniLM where torch and its weights are, else the light one.

    `name` decides instead: "use", "minilm", or any model that `Transformer` takes. Raises
    `ConfigError` for a name that is nearly a packaged one's, and of no model on this machine.
    """
    if name is None:
        name = MINILM if is_installed(*PACKAGE.modules) else USE
    if name == USE:
        return TextEncoder(template=template), "Universal Sentence Encoder, multilingual (use)"
    _check_spelling(name)
    said = "all-MiniLM-L6-v2 (minilm)" if name == MINILM else name
    return Transformer(model=name, template=template), said


def _check_spelling(name: str) -> None:
    known = (USE, MINILM, E5, GEMMA)
    if name in known or not difflib.get_close_matches(name.lower(), known):
        return
    if find_model(name) is None:
        raise ConfigError(f"no text encoder is called {name!r}.{did_you_mean(name.lower(), known)}")
