"""Sounds as vectors: the packaged music tagger, or any audio model of Hugging Face."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field, PositiveInt

from palate.core.arrays import Floats, unit_rows
from palate.core.component import component
from palate.core.errors import ConfigError
from palate.core.optional import Requirement, check_installed
from palate.features.encoders._media import MediaEncoder
from palate.features.encoders.media.sounds import NEEDED, SHORTEST_SECONDS, filled, windows_of
from palate.features.encoders.media.sources import Partly
from palate.nn.audio import Listener, load_listener
from palate.nn.hardware import DType, settle
from palate.nn.hub.digest import folder_digest
from palate.nn.hub.fetch import ModelName, model_folder
from palate.nn.packaged.musicnn import PACKAGE, load_musicnn, packaged_musicnn

__all__ = ["Audio"]
MUSICNN = {"musicnn": "MSD", "musicnn-mtt": "MTT"}
_LIBRARIES = Requirement(("torch", "transformers"), "Audio", "audio")
_RECIPE = 1  # of decoding: another number where the same file gives other windows


@component
class Audio(MediaEncoder):
    """Sounds as vectors of unit length from a pretrained model: music, speech, noises.

    `model` is "musicnn" (a music tagger trained on 200,000 songs of the Million Song Dataset, 200
    numbers), "musicnn-mtt" (the same trained on 19,000 of MagnaTagATune), or any audio model of
    Hugging Face by name or folder: wav2vec2, HuBERT, Whisper's encoder, AST, CLAP. WAV, FLAC, OGG,
    MP3 and AIFF of any rate become mono at the model's own. `max_seconds` of each sound are
    heard, in windows of `window` seconds spread over it, by default of the length that the model
    was trained on; the vector is the mean over windows and time. What cannot be heard (silence,
    under a twentieth of a second, no sound) is treated as `on_error` says; a file that breaks off
    counts as far as it goes, and a warning counts such files. `dtype` "auto" is float32 for the
    packaged models, and for others bfloat16 where the hardware computes in it.
    """

    model: ModelName = "musicnn"
    window: Annotated[float, Field(ge=SHORTEST_SECONDS)] | None = None
    max_seconds: Annotated[float, Field(ge=SHORTEST_SECONDS)] = 30.0
    batch_size: PositiveInt = 16
    device: str = "auto"
    dtype: DType = "auto"

    kind: ClassVar[str] = "sound"
    default_columns: ClassVar[Sequence[str]] = (
        *("audio", "sound", "audio_path", "sound_path", "audio_file", "recording", "preview"),
        *("音频", "声音", "试听"),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.model:
            raise ConfigError('model must be a name, a folder or "musicnn"')

    @property
    def requires(self) -> tuple[Requirement, ...]:
        """What reads sounds and models, and the weights of a packaged one."""
        return (_LIBRARIES, NEEDED, *((PACKAGE,) if self.model in MUSICNN else ()))

    @cached_property
    def fingerprint(self) -> str:
        """Names the vectors in the cache: weights by content, and all that changes a vector."""
        identity = {
            "weights": self._weights(),
            "window": self.window,
            "max_seconds": self.max_seconds,
            "dtype": self._hardware[1],
            "recipe": _RECIPE,
        }
        digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
        return f"audio-{digest[:32]}"

    def _weights(self) -> str:
        if training := MUSICNN.get(self.model):
            return f"musicnn {training}"  # whose files are checked
        return folder_digest(self._folder)

    @cached_property
    def _folder(self) -> Path:
        if training := MUSICNN.get(self.model):
            return packaged_musicnn(training)
        return model_folder(self.model, "musicnn")

    @cached_property
    def _hardware(self) -> tuple[str, str]:
        if self.dtype == "auto" and self.model in MUSICNN:  # bfloat16 would save little
            return settle(self.device, "float32")
        return settle(self.device, self.dtype)

    @cached_property
    def _listener(self) -> Listener:
        check_installed([_LIBRARIES])
        if self.model in MUSICNN:
            return load_musicnn(self._folder, *self._hardware)
        listener = load_listener(self.model, self._folder, *self._hardware)
        if self.window and listener.longest and self.window > listener.longest:
            raise ConfigError(
                f"window = {self.window}: the model {self.model!r} hears {listener.longest:g} "
                "seconds at once, and no more"
            )
        return listener

    def _load(self) -> None:
        _ = self._listener

    def _example(self) -> Floats:
        listener = self._listener
        samples = round(max(self.window or listener.seconds, listener.at_least) * listener.rate)
        return np.sin(np.arange(samples, dtype=np.float32))[None]

    def _decode(self, content: bytes) -> Floats | Partly:
        listener = self._listener
        seconds = self.window or listener.seconds
        at_most = max(1, int(self.max_seconds / seconds + 1e-9))
        heard = windows_of(
            content, rate=listener.rate, seconds=min(seconds, self.max_seconds), at_most=at_most
        )
        windows = filled(heard.windows, round(listener.at_least * listener.rate))
        return Partly(windows, heard.lost) if heard.lost else windows

    def _embed(self, batch: list[Floats]) -> Floats:
        """Windows of one length go through the model together, so that none is padded."""
        places = defaultdict(list)
        for place, windows in enumerate(batch):
            places[windows.shape[1]].append(place)
        means: dict[int, Floats] = {}
        for same in places.values():
            heard = self._listener.listen(np.concatenate([batch[place] for place in same]))
            ends = np.cumsum([len(batch[place]) for place in same])
            for place, part in zip(same, np.split(heard, ends[:-1]), strict=True):
                means[place] = part.mean(axis=0)
        vectors = np.stack([means[place] for place in range(len(batch))])
        return unit_rows(vectors)
