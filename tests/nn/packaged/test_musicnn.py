import ast
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from palate.core.errors import ArtefactError, MissingExtraError
from palate.nn.packaged.musicnn import Musicnn, load_musicnn, log_mel, packaged_musicnn

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
packaged = pytest.mark.skipif(find_spec("musicnn") is None, reason="needs the package musicnn")

RATE = 16_000
SPANS = (128, 64, 32)


def slaney_bands():
    """Slaney's mel scale by its definition: linear up to 1000 Hz, then 27 steps for 6.4 times."""

    def to_mel(hertz):
        return hertz * 3 / 200 if hertz < 1000 else 15 + 27 * np.log(hertz / 1000) / np.log(6.4)

    def to_hertz(mel):
        return mel * 200 / 3 if mel < 15 else 1000 * 6.4 ** ((mel - 15) / 27)

    edges = [to_hertz(mel) for mel in np.linspace(to_mel(0), to_mel(RATE / 2), 98)]
    bands = np.zeros((96, 257))
    for band, (low, middle, high) in enumerate(zip(edges, edges[1:], edges[2:], strict=False)):
        for place in range(257):
            hertz = place * RATE / 512
            rise, fall = (hertz - low) / (middle - low), (high - hertz) / (high - middle)
            bands[band, place] = max(0.0, min(rise, fall)) * 2 / (high - low)
    return bands


def test_the_spectrogram_is_that_of_the_formula():
    rng = np.random.default_rng(2)
    time = np.arange(2000) / RATE
    samples = 0.7 * np.sin(2 * np.pi * 900 * time**1.2) + 0.1 * rng.normal(size=2000)
    samples = samples.astype(np.float32)
    padded = np.concatenate([samples[256:0:-1], samples, samples[-2:-258:-1]]).astype(np.float64)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(512) / 512)
    waves = np.exp(-2j * np.pi * np.outer(np.arange(257), np.arange(512)) / 512)
    frames = [padded[start : start + 512] * hann for start in range(0, 2001, 256)]
    power = np.abs(waves @ np.array(frames).T) ** 2
    expected = np.log10(1 + 10_000 * slaney_bands() @ power).T
    found = log_mel(torch.from_numpy(samples[None]))[0].numpy()
    assert found.shape == expected.shape == (8, 96)
    np.testing.assert_allclose(found, expected, atol=2e-4)


def test_loud_tones_do_not_overflow():
    loud = np.sin(np.arange(4000) * 0.05).astype(np.float32)
    found = log_mel(torch.from_numpy(loud[None]))
    assert torch.isfinite(found).all()
    assert 10 ** float(found.max()) / 10_000 > 6.6, "half precision ends at 6.55"


def random_weights():
    """Of the shapes of the original, small enough to compute by hand; half of the scales < 0."""
    rng = np.random.default_rng(4)
    kernels = {
        "conv2d": (7, 38, 1, 6),
        "conv2d_1": (7, 67, 1, 5),
        **{
            f"conv2d_{place}": (span, 1, 1, 4) for place, span in zip((2, 3, 4), SPANS, strict=True)
        },
        "conv2d_5": (7, 23, 1, 8),
        "conv2d_6": (7, 8, 1, 8),
        "conv2d_7": (7, 8, 1, 8),
        "dense": (2 * (23 + 3 * 8), 10),
        "dense_1": (10, 3),
    }
    weights = {}
    for name, shape in kernels.items():
        weights[f"{name}/kernel"] = rng.normal(size=shape) / np.sqrt(np.prod(shape[:-1]))
        weights[f"{name}/bias"] = rng.normal(size=shape[-1])
    for place, width in enumerate((1, 6, 5, 4, 4, 4, 8, 8, 8, 94, 10)):
        name = f"batch_normalization_{place}" if place else "batch_normalization"
        weights[f"{name}/gamma"] = rng.normal(size=width)
        weights[f"{name}/beta"] = rng.normal(size=width)
        weights[f"{name}/moving_mean"] = rng.normal(size=width)
        weights[f"{name}/moving_variance"] = rng.uniform(0.001, 2, width)
    return {name: weight.astype(np.float32) for name, weight in weights.items()}


class Original:
    """The graph of musicnn/models.py in numpy: channels last, as TensorFlow computes it."""

    def __init__(self, weights):
        self.weights = weights

    def normalised(self, x, place):
        name = f"batch_normalization_{place}" if place else "batch_normalization"
        gamma, beta, mean, variance = (
            self.weights[f"{name}/{part}"]
            for part in ("gamma", "beta", "moving_mean", "moving_variance")
        )
        return gamma * (x - mean) / np.sqrt(variance + 0.001) + beta

    def convolved(self, x, place):
        """(time, frequency, 1) → (time, frequency, filters): valid convolution, relu, norm."""
        name = f"conv2d_{place}" if place else "conv2d"
        kernel = self.weights[f"{name}/kernel"][:, :, 0]
        spans = np.lib.stride_tricks.sliding_window_view(x[..., 0], kernel.shape[:2])
        found = np.einsum("tfij,ijc->tfc", spans, kernel) + self.weights[f"{name}/bias"]
        return self.normalised(np.maximum(found, 0), place + 1)

    def __call__(self, spectrogram):
        x = self.normalised(spectrogram[..., None], 0)
        around = ((3, 3), (0, 0), (0, 0))
        maps = [self.convolved(np.pad(x, around), place).max(axis=1) for place in (0, 1)]
        for place, span in zip((2, 3, 4), SPANS, strict=True):
            before = (span - 1) // 2
            same = np.pad(x, ((before, span - 1 - before), (0, 0), (0, 0)))
            maps.append(self.convolved(same, place).max(axis=1))
        front = np.concatenate(maps, axis=1)
        one = self.convolved(np.pad(front[..., None], around), 5).transpose(0, 2, 1)
        two = self.convolved(np.pad(one, around), 6).transpose(0, 2, 1) + one
        three = self.convolved(np.pad(two, around), 7).transpose(0, 2, 1) + two
        middle = np.concatenate([front[..., None], one, two, three], axis=1)
        pooled = np.concatenate([middle.max(axis=0), middle.mean(axis=0)], axis=1)
        flat = self.normalised(pooled.reshape(-1), 9)
        dense = flat @ self.weights["dense/kernel"] + self.weights["dense/bias"]
        hidden = self.normalised(np.maximum(dense, 0), 10)
        scores = hidden @ self.weights["dense_1/kernel"] + self.weights["dense_1/bias"]
        return hidden, 1 / (1 + np.exp(-scores))


def test_the_network_is_that_of_the_original():
    weights = random_weights()
    rng = np.random.default_rng(9)
    samples = rng.uniform(-0.5, 0.5, (3, 256 * 20)).astype(np.float32)
    network = Musicnn({name: torch.from_numpy(weight) for name, weight in weights.items()})
    hidden, tags = network.heard(samples)
    spectrograms = log_mel(torch.from_numpy(samples))[:, :20].numpy()
    for row, spectrogram in enumerate(spectrograms):
        expected_hidden, expected_tags = Original(weights)(spectrogram)
        np.testing.assert_allclose(hidden[row], expected_hidden, atol=2e-4, rtol=1e-4)
        np.testing.assert_allclose(tags[row], expected_tags, atol=1e-4)


def plucked(pitches, rng):
    """Karplus and Strong's strings, half a second each."""
    notes = []
    for pitch in pitches:
        string = rng.uniform(-1, 1, int(RATE / pitch))
        note = np.empty(RATE // 2)
        for start in range(0, len(note), len(string)):
            part = note[start : start + len(string)]
            part[:] = string[: len(part)]
            string = 0.996 * 0.5 * (string + np.append(string[1:], 0.498 * (string[0] + string[1])))
        notes.append(note)
    return 0.5 * np.concatenate(notes)


def four_on_the_floor(beats, rng):
    """A kick on every beat, a hat between, and a square bass; three seconds."""
    loop, step = np.zeros(3 * RATE), int(60 / beats * RATE)
    time = np.arange(RATE // 4) / RATE
    kick = np.sin(2 * np.pi * (50 * time + 3 * (1 - np.exp(-30 * time)))) * np.exp(-9 * time)
    hat = 0.4 * rng.normal(size=RATE // 20) * np.exp(-80 * np.arange(RATE // 20) / RATE)
    for start in range(0, len(loop) - step, step):
        loop[start : start + len(kick)] += kick
        loop[start + step // 2 : start + step // 2 + len(hat)] += hat
    time = np.arange(len(loop)) / RATE
    bass = np.sign(np.sin(2 * np.pi * 110 * time)) * (np.sin(2 * np.pi * beats / 30 * time) > 0)
    return 0.6 * loop + 0.1 * bass


@pytest.fixture(scope="module")
def clips():
    rng = np.random.default_rng(0)
    made = [
        plucked((196, 247, 294, 392, 330, 294), rng),
        plucked((220, 262, 330, 440, 330, 262), rng),
        four_on_the_floor(130, rng),
        four_on_the_floor(138, rng),
    ]
    return np.stack(made).astype(np.float32)


def tags_of(training):
    """The names of the tags, read from the package without running it."""
    folder = Path(find_spec("musicnn").submodule_search_locations[0])
    for statement in ast.parse((folder / "configuration.py").read_text()).body:
        if isinstance(statement, ast.Assign) and statement.targets[0].id == f"{training}_LABELS":
            return np.array(ast.literal_eval(statement.value))
    raise AssertionError("the package names no tags")


@packaged
@pytest.mark.parametrize(
    ("training", "strings", "loop"),
    [
        ("MTT", {"guitar"}, {"techno"}),
        ("MSD", {"electronic", "acoustic", "experimental"}, {"electronic"}),
    ],
)
def test_strings_and_techno_are_heard_as_such(training, strings, loop, clips):
    network = load_musicnn(packaged_musicnn(training))
    vectors, tags = network.heard(clips)
    first = tags_of(training)[tags.argmax(axis=1)]
    assert set(first[:2]) <= strings
    assert set(first[2:]) <= loop
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = unit @ unit.T
    assert min(cosines[0, 1], cosines[2, 3]) > 0.9
    assert cosines[:2, 2:].max() < 0.7
    rough = load_musicnn(packaged_musicnn(training), dtype="bfloat16").listen(clips)
    rough /= np.linalg.norm(rough, axis=1, keepdims=True)
    assert (rough * unit).sum(axis=1).min() > 0.999
    assert not {"musicnn", "tensorflow"} & set(sys.modules), "the package is never imported"


@packaged
def test_the_weights_are_of_the_shapes_that_are_computed_with():
    weights = load_musicnn(packaged_musicnn("MSD")).weights
    shapes = {name: tuple(weight.shape) for name, weight in weights.items()}
    assert shapes["conv2d_1/kernel"] == (7, 67, 1, 204)
    assert shapes["conv2d_5/kernel"] == (7, 561, 1, 64)
    assert shapes["dense/kernel"] == (1506, 200)
    assert sum(weight.numel() for weight in weights.values()) == 792_079
    mean = float(weights["batch_normalization/moving_mean"])
    assert mean == pytest.approx(2.2, abs=0.1), "that of log10(1 + 10,000 power) of songs"


@packaged
def test_damaged_weights_are_refused(tmp_path, monkeypatch):
    folder = Path(find_spec("musicnn").submodule_search_locations[0])
    fake = tmp_path / "musicnn" / "MSD_musicnn"
    fake.mkdir(parents=True)
    (tmp_path / "musicnn" / "__init__.py").write_text("raise RuntimeError('it was imported')")
    for path in (folder / "MSD_musicnn").glob(".*"):
        (fake / path.name).write_bytes(path.read_bytes())
    monkeypatch.syspath_prepend(tmp_path)
    assert packaged_musicnn("MSD") == fake
    data = fake / ".data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:-1] + b"\x7f")
    with pytest.raises(ArtefactError, match=r"00001 is missing or damaged; pip install --no-deps"):
        packaged_musicnn("MSD")
    (fake / ".index").unlink()
    with pytest.raises(ArtefactError, match=r"\.index is missing or damaged"):
        packaged_musicnn("MSD")


def test_without_the_package_the_line_that_installs_it_is_said(monkeypatch):
    monkeypatch.setattr("palate.core.optional.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"pip install --no-deps musicnn==0\.1\.0$"):
        packaged_musicnn("MSD")
