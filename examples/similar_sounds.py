"""Similar sounds: who is among a sound's nearest, by a pretrained model and by a plain baseline.

Strings, drums and tones are made up here. Where PALATE_DATA names a folder with recorded digits
(`audio/digit_speaker_take.wav`) these are compared as well: what was said, and who said it.
"""

import io
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dct
from scipy.io import wavfile
from scipy.signal import stft
from transformers.audio_utils import mel_filter_bank

import palate

RATE = 16_000


def strings(pitch: float, rng: np.random.Generator) -> NDArray:
    """Four plucked strings, after Karplus and Strong."""
    notes = []
    for step in (0, 4, 7, 12):
        string = rng.uniform(-1, 1, int(RATE / (pitch * 2 ** (step / 12))))
        rounds = []
        for _ in range(RATE // 2 // len(string)):
            rounds.append(string)
            string = 0.498 * (string + np.roll(string, -1))
        notes.append(np.concatenate(rounds))
    return np.concatenate(notes)


def drums(pitch: float, rng: np.random.Generator) -> NDArray:
    """A kick on every beat and a hat between them."""
    time = np.arange(RATE // 4) / RATE
    kick = np.sin(2 * np.pi * (pitch / 4 * time + 3 * (1 - np.exp(-30 * time)))) * np.exp(-9 * time)
    hat = 0.4 * rng.normal(size=len(time)) * np.exp(-80 * time)
    pause = np.zeros(rng.integers(0, 1500))
    return np.tile(np.concatenate([kick, pause, hat, pause]), 4)


def tone(pitch: float, rng: np.random.Generator) -> NDArray:
    """A chord that swells and fades, with a breath of noise."""
    time = np.arange(2 * RATE) / RATE
    chord = sum(np.sin(2 * np.pi * pitch * ratio * time) for ratio in (1, 1.25, 1.5))
    return chord * np.sin(np.pi * time / 2) + 0.02 * rng.normal(size=len(time))


def made_up() -> tuple[list[bytes], dict[str, list[str]]]:
    """Thirty sounds of three kinds, at the same pitches and of any loudness."""
    rng = np.random.default_rng(0)
    sounds, kinds = [], []
    for make in (strings, drums, tone):
        for pitch in rng.uniform(110, 440, 10):
            samples = make(pitch, rng)
            loudness = rng.uniform(0.05, 0.9) / np.abs(samples).max()
            content = io.BytesIO()
            wavfile.write(content, RATE, (loudness * samples).astype(np.float32))
            sounds.append(content.getvalue())
            kinds.append(make.__name__)
    return sounds, {"kind": kinds}


def recorded(folder: Path) -> tuple[list[bytes], dict[str, list[str]]]:
    """Spoken digits: their files say what was said and by whom."""
    paths = sorted(folder.glob("*_*_*.wav"))
    said = {
        name: [path.stem.split("_")[place] for path in paths]
        for place, name in enumerate(("digit", "speaker"))
    }
    return [path.read_bytes() for path in paths], said


def mean_mfcc(content: bytes) -> NDArray:
    """The baseline: the mean of 20 mel-frequency cepstral coefficients, but for the loudness."""
    rate, samples = wavfile.read(io.BytesIO(content))
    width = rate // 32
    power = np.abs(stft(samples.astype(float), rate, nperseg=width)[2]) ** 2
    bands = mel_filter_bank(len(power), 40, 0, rate / 2, rate, norm="slaney", mel_scale="slaney")
    energy = np.log(bands.T @ power / power.max() + 1e-8)
    return dct(energy, axis=0, norm="ortho")[1:21].mean(axis=1)


def even(vectors: NDArray) -> NDArray:
    """Every number with mean 0 and spread 1."""
    return (vectors - vectors.mean(axis=0)) / (vectors.std(axis=0) + 1e-9)


def share(vectors: NDArray, labels: list[str], nearest: int) -> float:
    """The share of the same label among the nearest others by cosine."""
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    similarity = unit @ unit.T
    np.fill_diagonal(similarity, -np.inf)
    found = np.argsort(-similarity, axis=1, kind="stable")[:, :nearest]
    label = np.array(labels)
    return float((label[found] == label[:, None]).mean())


def chance(labels: list[str]) -> float:
    """The same share among all others."""
    label = np.array(labels)
    return float(((label[:, None] == label).sum() - len(label)) / (len(label) ** 2 - len(label)))


def compare(sounds: list[bytes], said: dict[str, list[str]], nearest: int) -> None:
    pretrained, _ = palate.Audio().encode_files(sounds)
    baseline = even(np.stack([mean_mfcc(sound) for sound in sounds]))
    for name, labels in said.items():
        print(
            f"same {name} among the {nearest} nearest of {len(sounds)}: "
            f"musicnn {share(pretrained, labels, nearest):.0%}, "
            f"mean MFCC {share(baseline, labels, nearest):.0%}, chance {chance(labels):.0%}"
        )


def main() -> None:
    compare(*made_up(), nearest=5)
    folder = Path(os.environ.get("PALATE_DATA", "")) / "audio"
    if "PALATE_DATA" in os.environ and folder.is_dir():
        compare(*recorded(folder), nearest=10)


if __name__ == "__main__":
    main()
