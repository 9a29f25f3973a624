"""From a sound file's bytes to windows of samples at the rate that a model was trained at."""

from __future__ import annotations

import io
import re
from typing import Any, NamedTuple

import numpy as np

from palate.core.arrays import Floats
from palate.core.optional import Requirement
from palate.features.encoders.media.sources import UnreadableError

NEEDED = Requirement(("soundfile", "soxr"), "reading sounds")
FORMATS = ("WAV", "FLAC", "OGG", "MP3", "AIFF", "CAF", "AU")
SHORTEST_SECONDS = 0.05
SILENT_BELOW = 1e-4  # 80 dB under full scale
RATES = range(1_000, 768_001)
MOST_CHANNELS = 32
_VARIANTS = {"WAVEX": "WAV", "RF64": "WAV", "W64": "WAV"}
_BLOCK = 2**16
_NO_LENGTH_BYTES = 2**31 - 2**24  # from here on a header means that nobody knew
_SHORTER = re.compile(r": (\d+) \(should be (\d+)\)")  # libsndfile's note on a header's sizes
_OGG_PAGE, _OGG_FLAGS, _OGG_LAST = b"OggS", 5, 4


class Heard(NamedTuple):
    """Windows of a sound, (n, samples); `lost` says what of it is not there, "" if all is."""

    windows: Floats
    lost: str = ""


class Content(io.BytesIO):
    """A file's bytes, for a reader that a damaged header may send to before their start."""

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self.tell()}.get(whence)
        start = self.getbuffer().nbytes if start is None else start
        return super().seek(max(0, start + offset))


def windows_of(content: bytes, *, rate: int, seconds: float, at_most: int) -> Heard:
    """(n, samples) mono float32 at `rate`, within ±1: windows spread evenly over a sound.

    As many as it takes to hear everything, and never more than `at_most`; neighbours overlap where
    the sound is no multiple of `seconds`. A sound shorter than a window is one shorter row. Only
    the windows are decoded, so the length of a file costs nothing. What a damaged file lost is left
    out, and said. Raises `UnreadableError`: no sound, another format, too short, silent, samples
    that are no numbers, a header that cannot be.
    """
    soundfile, soxr = NEEDED.load("soundfile"), NEEDED.load("soxr")
    pieces = []
    try:
        with soundfile.SoundFile(Content(content)) as sound:
            _check_header(sound)
            length = round(seconds * sound.samplerate)
            count = min(at_most, -(-sound.frames // length))
            for start in np.linspace(0, max(0, sound.frames - length), count).astype(int):
                pieces.append(_mono(soundfile, sound, int(start), length))
            own_rate, lost = sound.samplerate, _lost(sound, content)
            whole_length = min(length, sound.frames)
            if not lost and min(map(len, pieces)) < whole_length:
                lost = f"parts of its {sound.frames / own_rate:.1f} seconds cannot be decoded"
    except soundfile.SoundFileError as error:
        raise UnreadableError(f"it is no sound that can be decoded: {_reason(error)}") from None
    longest = max(map(len, pieces))
    if longest < SHORTEST_SECONDS * own_rate:
        raise UnreadableError(f"{longest / own_rate:.4f} seconds of it can be heard: too short")
    whole = np.stack([piece for piece in pieces if len(piece) == longest])
    if not np.isfinite(whole).all():
        raise UnreadableError("it holds samples that are no numbers")
    if np.abs(whole).max() < SILENT_BELOW:
        raise UnreadableError("it is silent")
    wanted = round(longest / own_rate * rate)
    windows = [_resampled(soxr, piece, own_rate, rate, wanted) for piece in whole]
    return Heard(np.stack(windows), lost)


def _lost(sound: Any, content: bytes) -> str:
    """What the file itself says that it should hold, where it holds less."""
    seconds = sound.frames / sound.samplerate
    sizes = ((int(said), int(there)) for said, there in _SHORTER.findall(sound.extra_info))
    longer = [said / there for said, there in sizes if 0 < there < said < _NO_LENGTH_BYTES]
    whole = seconds * max(longer, default=1.0)
    if whole - seconds > SHORTEST_SECONDS:
        return f"it breaks off after {seconds:.1f} of {whole:.1f} seconds"
    if sound.format == "OGG":
        last = content.rfind(_OGG_PAGE)
        flags = content[last + _OGG_FLAGS : last + _OGG_FLAGS + 1]
        if last >= 0 and not (flags and flags[0] & _OGG_LAST):
            return f"it breaks off after {seconds:.1f} seconds"
    return ""


def filled(windows: Floats, samples: int) -> Floats:
    """Windows of at least `samples`: silence follows a shorter sound, as when it is played."""
    return np.pad(windows, ((0, 0), (0, max(0, samples - windows.shape[1]))))


def _check_header(sound: Any) -> None:
    kind = _VARIANTS.get(sound.format, sound.format)
    if kind not in FORMATS:
        raise UnreadableError(f"it is {sound.format_info}, not one of {', '.join(FORMATS)}")
    if sound.samplerate not in RATES:
        raise UnreadableError(f"its header says {sound.samplerate} samples a second")
    if sound.channels > MOST_CHANNELS:
        raise UnreadableError(f"its header says {sound.channels} channels")
    if sound.frames < 1:
        raise UnreadableError("it holds no samples")


def _mono(soundfile: Any, sound: Any, start: int, length: int) -> Floats:
    """Up to `length` samples, the mean of the channels; fewer where a file breaks off."""
    blocks = [np.zeros(0, dtype=np.float32)]
    try:
        sound.seek(start)
        while length > 0:
            block = sound.read(min(length, _BLOCK), dtype="float32", always_2d=True)
            if not len(block):
                break
            blocks.append(block.mean(axis=1, dtype=np.float32))
            length -= len(block)
    except soundfile.SoundFileError:
        pass
    return np.concatenate(blocks)


def _resampled(soxr: Any, samples: Floats, own_rate: int, rate: int, wanted: int) -> Floats:
    moved = samples if own_rate == rate else soxr.resample(samples, own_rate, rate)
    exact = np.zeros(wanted, dtype=np.float32)
    exact[: len(moved)] = moved[:wanted]
    return np.clip(exact, -1.0, 1.0)


def _reason(error: Exception) -> str:
    return str(error).rpartition(": ")[2].strip().rstrip(".") or "unknown format"
