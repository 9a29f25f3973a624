"""The music tagger that the package `musicnn` carries, computed in torch instead of TensorFlow.

Method: Pons and Serra 2019, musicnn: pre-trained convolutional neural networks for music audio
tagging.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from palate.core.arrays import Floats
from palate.core.errors import ArtefactError
from palate.core.optional import Requirement
from palate.nn.hardware import import_torch
from palate.nn.hub.digest import file_digest

RATE = 16_000
SECONDS = 3.0  # what it was trained on

_FFT, _HOP, _BANDS = 512, 256, 96
_STATISTICS = ("moving_mean", "moving_variance", "gamma", "beta")
_PARTS = {"kernel", "bias", *_STATISTICS}
_BATCH_NORM_EPSILON = 1e-3  # TensorFlow's default
_AT_ONCE = 2  # windows: the maps of one take 25 MB
_DATA = ".data-00000-of-00001"
_SHA256 = {
    "MSD_musicnn/.index": "87f3e0f3550c8d3bafc840374003e5c8af5eeb5ecf6add61af09a7822d3282c8",
    f"MSD_musicnn/{_DATA}": "8579734ee6388f799ed0def4bbd0d1fdcbeaf213ef2a9dc860917bd76a303de6",
    "MTT_musicnn/.index": "da2d7bb670b2b31e9bc441bb1bd75eca31b5b061f963cc1f9630c1aff3238f57",
    f"MTT_musicnn/{_DATA}": "041f3935e981a65cea739842d30c188d3a7d2adf4410955c8668eb3de4a5acab",
}
PACKAGE = Requirement(
    ("musicnn",),
    "the packaged music tagger",
    command="pip install --no-deps musicnn==0.1.0",  # what it asks for is of years ago, and unused
)

_FOOTER = 48
_MAGIC = bytes.fromhex("57fb808b247547db")
_FLOAT32 = 1  # DT_FLOAT
_DTYPE, _SHAPE, _OFFSET, _SIZE = 1, 2, 4, 5  # the fields of a BundleEntryProto
_DIM = 2  # of a TensorShapeProto, whose own field 1 is the size
_VARINT, _EIGHT_BYTES, _CHUNK, _FOUR_BYTES = 0, 1, 2, 5


def packaged_musicnn(training: str) -> Path:
    """The checked folder of the model trained on "MSD" or "MTT".

    The package itself is never imported: it would want TensorFlow. Raises `MissingExtraError`
    without it and `ArtefactError` where its files are not as published.
    """
    package = PACKAGE.folder()
    folder = package / f"{training}_musicnn"
    for name, digest in _SHA256.items():
        path = package / name
        if path.parent == folder and not (path.is_file() and file_digest(path) == digest):
            raise ArtefactError(
                f"{path} is missing or damaged; {PACKAGE.install} --force-reinstall"
            )
    return folder


@dataclass(frozen=True)
class Musicnn:
    """The network: windows of sound → 200 numbers each, and how likely each of 50 tags is.

    `weights` are tensors by the names that the checkpoint gives them, all on one device and of one
    format.
    """

    weights: dict[str, Any]

    rate: ClassVar[int] = RATE
    seconds: ClassVar[float] = SECONDS
    at_least: ClassVar[float] = SECONDS

    def listen(self, windows: Floats) -> Floats:
        """(n, 200) of (n, samples) within ±1: what the last hidden layer says."""
        return self.heard(windows)[0]

    def heard(self, windows: Floats) -> tuple[Floats, Floats]:
        """The last hidden layer (n, 200), and the tags' probabilities (n, 50)."""
        torch = import_torch()
        kernel = self.weights["dense/kernel"]
        at_once = _AT_ONCE if kernel.device.type == "cpu" else 32 * _AT_ONCE
        hidden, tags = [], []
        with torch.inference_mode():
            for start in range(0, len(windows), at_once):
                batch = torch.from_numpy(windows[start : start + at_once]).to(kernel.device)
                # the original leaves out the frame that is centred on the end
                layer, probabilities = self._network(log_mel(batch)[:, :-1].to(kernel.dtype))
                hidden.append(layer.float().cpu().numpy())
                tags.append(probabilities.float().cpu().numpy())
        return np.concatenate(hidden), np.concatenate(tags)

    def _network(self, spectrograms: Any) -> tuple[Any, Any]:
        """(n, frames, bands) → the last hidden layer and the tags.

        Along time: convolutions over frequency (timbre) and over time (rhythm), each at its
        strongest frequency; three layers over all of these, each added to the one before; then
        the maximum and the mean over time.
        """
        torch = import_torch()
        pad = torch.nn.functional.pad
        x = self._normalised(spectrograms[:, None], 0)
        timbre = pad(x, (0, 0, 3, 3))
        maps = [self._convolved(timbre, 0), self._convolved(timbre, 1)]
        for place, span in ((2, 128), (3, 64), (4, 32)):
            rhythm = pad(x, (0, 0, (span - 1) // 2, span // 2))  # TensorFlow's "same"
            maps.append(self._convolved(rhythm, place))
        front = torch.cat([found.amax(3) for found in maps], 1)
        layers = [front]
        for place in (5, 6, 7):
            columns = pad(layers[-1].transpose(1, 2)[:, None], (0, 0, 3, 3))
            found = self._convolved(columns, place)[..., 0]
            layers.append(found if place == 5 else found + layers[-1])
        joined = torch.cat(layers, 1)
        pooled = torch.stack([joined.amax(2), joined.mean(2)], 2).flatten(1)
        dense = self._dense(self._normalised(pooled, 9), "dense").relu()
        hidden = self._normalised(dense, 10)
        return hidden, self._dense(hidden, "dense_1").sigmoid()

    def _convolved(self, x: Any, place: int) -> Any:
        name = f"conv2d_{place}" if place else "conv2d"
        kernel = self.weights[f"{name}/kernel"].permute(3, 2, 0, 1)
        functional = import_torch().nn.functional
        found = functional.conv2d(x, kernel, self.weights[f"{name}/bias"])
        return self._normalised(found.relu_(), place + 1)

    def _normalised(self, x: Any, place: int) -> Any:
        name = f"batch_normalization_{place}" if place else "batch_normalization"
        statistics = (self.weights[f"{name}/{part}"] for part in _STATISTICS)
        functional = import_torch().nn.functional
        return functional.batch_norm(x, *statistics, eps=_BATCH_NORM_EPSILON)

    def _dense(self, x: Any, name: str) -> Any:
        return x @ self.weights[f"{name}/kernel"] + self.weights[f"{name}/bias"]


def load_musicnn(folder: Path, device: str = "cpu", dtype: str = "float32") -> Musicnn:
    """The network with the weights of a folder that `packaged_musicnn` gave."""
    torch = import_torch()
    tensors = read_tensors((folder / ".index").read_bytes(), (folder / _DATA).read_bytes())
    weights = {
        name: torch.from_numpy(tensor).to(device, getattr(torch, dtype))
        for name, tensor in tensors.items()
        if name.rpartition("/")[2] in _PARTS  # the rest is the optimiser's
    }
    return Musicnn(weights)


def log_mel(samples: Any) -> Any:
    """(n, frames, 96) log10(1 + 10,000 power) of (n, samples) at 16 kHz, as musicnn was trained.

    Power in Hann windows of 512 samples, 256 apart, in Slaney's mel bands of unit area. The
    original rounds the power to half precision, which loud tones overflow; here it stays float32.
    """
    torch = import_torch()
    from transformers.audio_utils import mel_filter_bank

    bands = mel_filter_bank(
        _FFT // 2 + 1, _BANDS, 0.0, RATE / 2, RATE, norm="slaney", mel_scale="slaney"
    )
    spectra = torch.stft(
        samples,
        _FFT,
        _HOP,
        window=torch.hann_window(_FFT, device=samples.device),
        pad_mode="reflect",
        return_complex=True,
    )
    weights = torch.from_numpy(bands.astype(np.float32)).to(samples.device)
    power = spectra.abs().square().transpose(1, 2) @ weights
    return torch.log10(1.0 + 10_000.0 * power)


def read_tensors(index: bytes, data: bytes) -> dict[str, Floats]:
    """The float32 tensors by name; `ValueError` for files that are no whole checkpoint."""
    if len(index) < _FOOTER or index[-len(_MAGIC) :] != _MAGIC:
        raise ValueError("the index is not a table of a TensorFlow checkpoint")
    footer = index[-_FOOTER:]
    _, _, at = _handle(footer, 0)
    start, size, _ = _handle(footer, at)
    tensors = {}
    for _, pointer in _block(index, start, size):
        start, size, _ = _handle(pointer, 0)
        for name, message in _block(index, start, size):
            if name:  # the empty name is the header of the checkpoint
                tensor = _tensor(dict(_fields(message)), data)
                if tensor is not None:
                    tensors[name.decode()] = tensor
    return tensors


def _tensor(entry: dict[int, int | bytes], data: bytes) -> Floats | None:
    shape = [
        int(dict(_fields(bytes(dim))).get(1, 0))
        for field, dim in _fields(bytes(entry.get(_SHAPE, b"")))
        if field == _DIM
    ]
    if entry.get(_DTYPE) != _FLOAT32:
        return None
    offset, size = int(entry.get(_OFFSET, 0)), int(entry.get(_SIZE, 0))
    content = data[offset : offset + size]
    if len(content) != size:
        raise ValueError(f"the data end before byte {offset + size}")
    return np.frombuffer(content, dtype="<f4").astype(np.float32).reshape(shape)


def _block(table: bytes, start: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    """(key, value) of a block; a key leaves out what it shares with the one before it."""
    content, kind = table[start : start + size], table[start + size : start + size + 1]
    if len(content) != size or kind != b"\0":
        raise ValueError("the index is cut off, or compressed")
    restarts = int.from_bytes(content[-4:], "little")
    end = size - 4 * (restarts + 1)
    at, key = 0, b""
    while at < end:
        shared, at = _varint(content, at)
        own, at = _varint(content, at)
        length, at = _varint(content, at)
        key = key[:shared] + content[at : at + own]
        at += own
        yield key, content[at : at + length]
        at += length


def _handle(content: bytes, at: int) -> tuple[int, int, int]:
    """Where a block starts, its size, and where the handle ends."""
    start, at = _varint(content, at)
    size, at = _varint(content, at)
    return start, size, at


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """(number, value) of a protocol buffer's fields."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        number, wire = tag >> 3, tag & 7
        if wire == _VARINT:
            value, at = _varint(message, at)
            yield number, value
            continue
        length = {_FOUR_BYTES: 4, _EIGHT_BYTES: 8}.get(wire, 0)
        if wire == _CHUNK:
            length, at = _varint(message, at)
        yield number, message[at : at + length]
        at += length


def _varint(content: bytes, at: int) -> tuple[int, int]:
    """A number of seven bits a byte, and where it ends."""
    value = shift = 0
    while True:
        if at >= len(content):
            raise ValueError("the index ends within a number")
        byte = content[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
