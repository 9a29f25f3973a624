"""Audio models of Hugging Face: windows of sound → one vector each."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from palate.core.arrays import Floats
from palate.core.errors import ConfigError
from palate.nn.hardware import import_torch
from palate.nn.hub.fetch import load_checked, quiet

_ANY_LENGTH_SECONDS = 10.0  # a window of models that hear sounds of any length
_AST_FRAMES_A_SECOND = 100
_UNUSED = ("masked_spec_embed", "decoder.")  # of training, and of the half that writes


class Listener(Protocol):
    """A model that listens at `rate`, to windows of `seconds` unless told otherwise.

    Shorter sounds are followed by silence until they last `at_least` seconds.
    """

    @property
    def rate(self) -> int: ...
    @property
    def seconds(self) -> float: ...
    @property
    def at_least(self) -> float: ...
    def listen(self, windows: Floats) -> Floats: ...


@dataclass(frozen=True)
class HubListener:
    """A Hugging Face model with its feature extractor; the mean over time is the vector."""

    model: Any
    extractor: Any

    at_least = 0.0  # extractors of models with a fixed window fill it as these were trained

    @property
    def rate(self) -> int:
        return int(self.extractor.sampling_rate)

    @property
    def seconds(self) -> float:
        return self.longest or _ANY_LENGTH_SECONDS

    @property
    def longest(self) -> float | None:
        """The seconds that the model hears at once; None where there is no limit."""
        for name in ("n_samples", "nb_max_samples"):  # Whisper's, CLAP's
            if samples := getattr(self.extractor, name, None):
                return float(samples / self.rate)
        if hasattr(self.extractor, "num_mel_bins") and hasattr(self.extractor, "max_length"):  # AST
            return float(self.extractor.max_length / _AST_FRAMES_A_SECOND)
        return None

    def listen(self, windows: Floats) -> Floats:
        """(n, d) of (n, samples) within ±1."""
        torch = import_torch()
        parameter = next(self.model.parameters())
        at_once = 4 if parameter.device.type == "cpu" else 32
        vectors = []
        with torch.inference_mode():
            for start in range(0, len(windows), at_once):
                batch = windows[start : start + at_once]
                features = self.extractor(list(batch), sampling_rate=self.rate, return_tensors="pt")
                given = {name: _moved(value, parameter) for name, value in features.items()}
                pooled = self._pooled(given, batch.shape[1])
                vectors.append(pooled.float().cpu().numpy())
        return np.concatenate(vectors)

    def _pooled(self, given: dict[str, Any], samples: int) -> Any:
        if hasattr(self.model, "get_audio_features"):  # CLAP: the space that it shares with texts
            if "is_longer" in given:  # of which the extractor picks one at random
                given["is_longer"] = given["is_longer"] & False
            found = self.model.get_audio_features(**given)
            return getattr(found, "pooler_output", found)
        found = self.model(**given)
        states = getattr(found, "last_hidden_state", None)
        if states is None:
            raise ConfigError(f"a {type(self.model).__name__} gives no states to make vectors of")
        if states.ndim > 3:  # maps over frequency and time
            return found.pooler_output
        if window := getattr(self.extractor, "n_samples", None):  # the rest is Whisper's silence
            states = states[:, : ceil(states.shape[1] * samples / window)]
        return states.mean(dim=1)


def load_listener(name: str, folder: Path, device: str, dtype: str) -> HubListener:
    """The model in a folder; `ConfigError` for one that is broken, or does not listen."""
    from transformers import AutoFeatureExtractor, SequenceFeatureExtractor

    try:
        with quiet():
            extractor = AutoFeatureExtractor.from_pretrained(str(folder), local_files_only=True)
    except Exception as error:  # whatever a damaged folder makes transformers raise
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ConfigError(f"the model {name!r} in {folder} reads no sounds: {reason}") from error
    if not isinstance(extractor, SequenceFeatureExtractor):
        raise ConfigError(f"the model {name!r} in {folder} reads no sounds")
    model, _ = load_checked(name, folder, spare=_UNUSED)
    if model.config.is_encoder_decoder:
        model = model.get_encoder()
    return HubListener(model.eval().to(device, getattr(import_torch(), dtype)), extractor)


def _moved(value: Any, like: Any) -> Any:
    """On the model's device; floating numbers in its format."""
    return value.to(like.device, like.dtype if value.is_floating_point() else value.dtype)
