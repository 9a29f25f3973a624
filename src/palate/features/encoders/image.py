"""Photos as vectors: the packaged EfficientNet-lite0, or any vision model or CLIP."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from palate.core.arrays import Floats
from palate.core.component import component
from palate.core.errors import ConfigError
from palate.core.optional import Requirement
from palate.features.encoders._media import MediaEncoder
from palate.features.encoders.media.images import NEEDED, import_pillow, read_picture
from palate.features.encoders.media.sources import UnreadableError
from palate.features.template_encoder import encode_cached, in_batches
from palate.nn.hardware import DType, settle
from palate.nn.hub.digest import folder_digest
from palate.nn.hub.fetch import ModelName, model_folder, settings_of_model
from palate.nn.vision import (
    PACKAGE,
    PACKAGED,
    EfficientNetLite0,
    HubVision,
    Vision,
    packaged_weights,
)

__all__ = ["Image"]

_LIBRARIES = Requirement(("torch", "transformers"), "Image", "image")
_RECIPE = 1  # of decoding: another number where the same file gives other pixels


class _NoWordsError(ConfigError, AttributeError):
    """A model that sees only: `hasattr(encoder, "encode_texts")` is false."""


@component
class Image(MediaEncoder):
    """Photos of items as vectors of unit length.

    `model` is "efficientnet-lite0" (1280 numbers, packaged by the extra "image"), or a vision
    model, CLIP or SigLIP of Hugging Face or sentence-transformers, by name or folder; the latter
    two put words into the space of the photos (`encode_texts`). Photos are turned upright, laid on
    white, and scaled as the model wants them. `dtype` "auto" is bfloat16 where the hardware
    computes in it. A model is loaded only for photos that are not cached yet. Methods: Tan and Le
    2019, EfficientNet; Radford et al. 2021, CLIP.
    """

    model: ModelName = PACKAGED
    device: str = "auto"
    dtype: DType = "auto"

    kind: ClassVar[str] = "photo"
    default_columns: ClassVar[Sequence[str]] = (
        *(
            f"{name}{ending}"
            for name in ("image", "photo", "picture", "img", "thumbnail", "cover", "poster")
            for ending in ("", "_path", "_file", "_filename")
        ),
        *("图片", "图像", "照片", "封面"),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.model:
            raise ConfigError(f'model must be a name, a folder or "{PACKAGED}"')

    @property
    def requires(self) -> tuple[Requirement, ...]:
        """The packaged weights, or what reads others."""
        return (PACKAGE,) if self.model == PACKAGED else (NEEDED, _LIBRARIES)

    @property
    def encode_texts(self) -> Callable[[Sequence[str]], Floats]:
        """Called with texts: (n, d) vectors in the space of the photos, zeros for blank texts.

        Only models with a tower for words have it, such as CLIP and SigLIP. Once fitted on items
        of which some lack a photo, the vectors end in a 0: not missing.
        """
        if self.model == PACKAGED or "text_config" not in settings_of_model(self._folder):
            raise _NoWordsError(
                f"the model {self.model!r} sees only, it reads no words: choose a CLIP or SigLIP"
            )
        return self._encode_words

    @cached_property
    def fingerprint(self) -> str:
        """Names the vectors in the cache: weights by content, and all that changes a vector."""
        weights = packaged_weights().name if self.model == PACKAGED else folder_digest(self._folder)
        identity = {"weights": weights, "dtype": self._hardware[1], "recipe": _RECIPE}
        digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
        return f"image-{digest[:32]}"

    def _encode_words(self, texts: Sequence[str]) -> Floats:
        vectors = encode_cached(
            texts,
            fingerprint=f"{self.fingerprint}-words",
            batches=in_batches(lambda batch: self._vision.encode_words(batch), self.batch_size),
        )
        if getattr(self, "gaps_", False):
            vectors = np.pad(vectors, ((0, 0), (0, 1)))
        return vectors

    @cached_property
    def _folder(self) -> Any:
        return model_folder(self.model, PACKAGED)

    @cached_property
    def _hardware(self) -> tuple[str, str]:
        return settle(self.device, self.dtype)

    @cached_property
    def _vision(self) -> Any:
        import_pillow()
        if self.model == PACKAGED:
            return EfficientNetLite0(*self._hardware)
        return HubVision(self.model, self._folder, *self._hardware)

    def _load(self) -> None:
        _ = self._vision

    def _example(self) -> Any:
        return self._vision.prepare(import_pillow().new("RGB", (64, 64)))

    def _decode(self, content: bytes) -> Any:
        vision: Vision = self._vision
        picture = read_picture(content, vision.side)
        try:
            return vision.prepare(picture)
        except Exception as error:  # a model's own code for scaling raises anything
            raise UnreadableError(f"the model cannot be given it: {error}") from error

    def _embed(self, batch: list[Any]) -> Floats:
        vectors: Floats = self._vision.embed(batch)
        return vectors
