import io
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import polars as pl
import pytest
from scipy.io import wavfile

import palate
from palate import testing
from palate.core.dataset import Dataset
from palate.core.errors import ConfigError, DataError, MissingExtraError
from palate.features.encoders.audio import Audio

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytest.importorskip("soundfile")
pytest.importorskip("soxr")
packaged = pytest.mark.skipif(find_spec("musicnn") is None, reason="needs the package musicnn")


@pytest.fixture(scope="session")
def tiny_ears(tmp_path_factory):
    """A Hugging Face folder: a random wav2vec2 of 16 dimensions."""
    torch.manual_seed(5)
    folder = tmp_path_factory.mktemp("tiny-ears")
    config = transformers.Wav2Vec2Config(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        initializer_range=0.4,
        conv_dim=(8, 8),
        conv_kernel=(10, 3),
        conv_stride=(5, 2),
        num_feat_extract_layers=2,
        num_conv_pos_embeddings=8,
        num_conv_pos_embedding_groups=2,
    )
    transformers.Wav2Vec2Model(config).save_pretrained(folder)
    transformers.Wav2Vec2FeatureExtractor().save_pretrained(folder)
    return folder


@pytest.fixture
def ears(tiny_ears, tmp_path):
    """`ears(window=0.5)`: an encoder with that model, and the test's own folder of files."""

    def make(**settings):
        given = {"model": str(tiny_ears), "folder": str(tmp_path), "dtype": "float32"} | settings
        return Audio(**given)

    return make


def wav(samples, rate=16_000):
    content = io.BytesIO()
    wavfile.write(content, rate, np.asarray(samples, dtype=np.float32))
    return content.getvalue()


def sound(pitch, seconds=0.3, rate=16_000):
    time = np.arange(round(seconds * rate)) / rate
    return 0.4 * np.sin(2 * np.pi * pitch * time) * np.exp(-2 * time)


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def test_it_keeps_the_promises_of_an_encoder(ears, tiny):
    contents = [wav(sound(200 + 17 * len(title))) for title in tiny.items["title"]]
    contents[3] = None
    data = Dataset(
        interactions=tiny.interactions,
        items=tiny.items.with_columns(pl.Series("audio", contents, dtype=pl.Binary)),
    )
    testing.check_encoder(ears(), data)


def test_vectors_are_of_unit_length_whoever_else_is_encoded(ears):
    files = [wav(sound(pitch, seconds)) for pitch, seconds in ((200, 0.3), (300, 0.2), (500, 0.3))]
    together, present = ears().encode_files(files)
    assert present.all()
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-6)
    alone = np.concatenate([ears(max_seconds=29.0).encode_files([file])[0] for file in files])
    np.testing.assert_allclose(together, alone, atol=1e-6)


def test_of_a_long_sound_the_mean_of_its_windows_counts(ears):
    parts = [sound(200, 0.5), sound(300, 0.5), sound(700, 0.5)]
    encoder = ears(window=0.5)
    whole, _ = encoder.encode_files([wav(np.concatenate(parts))])
    heard = encoder._listener.listen(np.stack(parts).astype(np.float32))
    np.testing.assert_allclose(whole[0], unit(heard.mean(axis=0)), atol=1e-5)
    ends, _ = ears(window=0.5, max_seconds=1.0).encode_files([wav(np.concatenate(parts))])
    np.testing.assert_allclose(ends[0], unit(heard[[0, 2]].mean(axis=0)), atol=1e-5)
    start, _ = ears(max_seconds=0.5).encode_files([wav(np.concatenate(parts))])
    np.testing.assert_allclose(start[0], unit(heard[0]), atol=1e-5)


def test_the_rate_of_a_file_is_not_heard(ears):
    files = [wav(sound(200, rate=rate), rate) for rate in (16_000, 48_000, 22_050)]
    other = wav(sound(900))
    vectors, _ = ears().encode_files([*files, other])
    cosines = vectors @ vectors.T
    assert cosines[0, 1:3].min() > 0.999
    assert cosines[0, 3] < 0.99


BAD = {
    "empty.wav": b"",
    "silent.wav": wav(np.zeros(8000)),
    "sample.wav": wav([0.5]),
    "note.mp3": b"a note about a sound",
}


def items_with(paths):
    return pl.DataFrame({"item_id": [f"i{row}" for row in range(len(paths))], "sound": paths})


@pytest.fixture
def catalogue(write):
    """Seven items: two sounds, four that cannot be heard, one that has none."""
    for name, content in BAD.items():
        write(name, content)
    write("low.wav", wav(sound(200)))
    write("high.wav", wav(sound(900)))
    paths = ["low.wav", *BAD, None, "high.wav"]
    log = pl.DataFrame({"user_id": ["a", "a", "b"], "item_id": ["i0", "i6", "i0"]})
    return palate.read(log, items=items_with(paths))


def test_the_first_that_cannot_be_heard_stops_everything(ears, catalogue):
    with pytest.raises(DataError) as raised:
        ears().fit(catalogue).encode(catalogue)
    said = str(raised.value)
    assert "4 of 6 sounds cannot be used: empty.wav of item 'i1': it is empty" in said
    assert "silent.wav of item 'i2': it is silent" in said
    assert "sample.wav of item 'i3': 0.0001 seconds of it can be heard: too short" in said
    assert "and 1 more" in said


def test_what_cannot_be_heard_counts_as_missing_and_is_counted(ears, catalogue):
    encoder = ears(on_error="skip")
    with pytest.warns(RuntimeWarning, match="4 of 6 sounds cannot be used.* count as missing"):
        encoder.fit(catalogue)
    with pytest.warns(RuntimeWarning, match="4 of 6 sounds cannot be used.* count as missing"):
        block = encoder.encode(catalogue).parts["audio"]
    (low, high), _ = ears().encode_files(["low.wav", "high.wav"])
    np.testing.assert_allclose(block[[0, 6]], [low, high], atol=1e-6)
    np.testing.assert_allclose(block[1:6], np.tile((low + high) / 2, (5, 1)), atol=1e-6)
    assert block.shape == (7, 16), "no item that people touched lacks its sound"


def test_sounds_that_break_off_are_counted_and_count_as_far_as_they_go(ears, write):
    parts = wav(np.concatenate([sound(200), sound(900)]))
    write("low.wav", wav(sound(200)))
    write("off.wav", parts[: len(wav(sound(200)))])
    log = pl.DataFrame({"user_id": ["a", "a"], "item_id": ["i0", "i1"]})
    data = palate.read(log, items=items_with(["low.wav", "off.wav"]))
    for on_error in ("raise", "skip"):
        encoder = ears(on_error=on_error, max_seconds=4.0 if on_error == "skip" else 5.0)
        with pytest.warns(
            RuntimeWarning, match="1 of 2 sounds are not whole: off.wav of item 'i1'"
        ):
            encoder.fit(data)
        block = encoder.encode(data).parts["audio"]
        np.testing.assert_allclose(block[1], block[0], atol=1e-4)


def test_once_a_touched_item_lacks_its_sound_a_column_says_so(ears, write):
    write("low.wav", wav(sound(200)))
    log = pl.DataFrame({"user_id": ["a", "a"], "item_id": ["i0", "i1"]})
    data = palate.read(log, items=items_with(["low.wav", None]))
    block = ears().fit(data).encode(data).parts["audio"]
    assert block[:, 16].tolist() == [0.0, 1.0]
    np.testing.assert_array_equal(block[0, :16], block[1, :16])


def test_a_path_that_leads_out_of_the_folder_is_refused(ears):
    with pytest.raises(DataError, match="leads out of the folder"):
        ears().encode_files(["../secret.wav"])


def test_the_model_is_loaded_only_for_sounds_that_are_not_cached(ears, monkeypatch):
    files = [wav(sound(200)), wav(sound(300))]
    first, _ = ears().encode_files(files)
    monkeypatch.setattr(Audio, "_listener", property(lambda _: pytest.fail("loaded")))
    again, _ = ears(batch_size=1).encode_files(files[::-1])
    np.testing.assert_array_equal(again[::-1], first)


def test_cached_sounds_need_neither_torch_nor_a_decoder(ears, write, cache):
    encoder = ears()
    write("low.wav", wav(sound(200)))
    first, _ = encoder.encode_files(["low.wav"])
    program = f"""
import sys
sys.modules.update(dict.fromkeys(["torch", "transformers", "soundfile", "soxr"]))
from palate.features.encoders.audio import Audio
encoder = Audio(model={encoder.model!r}, folder={encoder.folder!r}, dtype="float32", device="cpu")
vectors, present = encoder.encode_files(["low.wav"])
print(vectors[0, :3].tolist() == {first[0, :3].tolist()!r}, present.all())
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.stdout == "True True\n", done.stderr


def test_what_changes_a_vector_changes_the_fingerprint(ears):
    settings = ({}, {"window": 1.0}, {"max_seconds": 9.0}, {"dtype": "bfloat16"})
    assert len({ears(**one).fingerprint for one in settings}) == 4
    same = ({}, {"batch_size": 3}, {"on_error": "skip"}, {"column": "sound"}, {"folder": "/"})
    assert len({ears(**one).fingerprint for one in same}) == 1


@packaged
def test_the_packaged_tagger_has_its_own_fingerprints():
    models = ("musicnn", "musicnn-mtt")
    assert len({Audio(model=model, dtype="float32").fingerprint for model in models}) == 2


@packaged
def test_the_packaged_tagger_hears_who_is_alike():
    rng = np.random.default_rng(3)
    hum = [sound(pitch, 1.0) for pitch in (220, 233)]
    hiss = [0.3 * rng.normal(size=16_000) * np.exp(-np.arange(16_000) / 4000) for _ in range(2)]
    vectors, _ = Audio(dtype="float32").encode_files([wav(samples) for samples in (*hum, *hiss)])
    assert vectors.shape == (4, 200)
    cosines = vectors @ vectors.T
    assert min(cosines[0, 1], cosines[2, 3]) > cosines[:2, 2:].max() + 0.1


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"model": ""}, "model must be a name"),
        ({"window": 0.01}, r"window = 0\.01 cannot be used: give 0\.05 or more"),
        ({"max_seconds": 0.0}, r"max_seconds = 0\.0 cannot be used: give 0\.05 or more"),
        ({"batch_size": 0}, "batch_size = 0 cannot be used: give 1 or more"),
        ({"on_error": "ignore"}, "on_error"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings, said):
    with pytest.raises(ConfigError, match=said):
        Audio(**settings)


def test_a_window_longer_than_the_model_hears_is_refused(tmp_path):
    config = transformers.ASTConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
        max_length=64, num_mel_bins=32,
    )  # fmt: skip
    transformers.ASTModel(config).save_pretrained(tmp_path)
    extractor = transformers.ASTFeatureExtractor(num_mel_bins=32, max_length=64)
    extractor.save_pretrained(tmp_path)
    with pytest.raises(ConfigError, match=r"window = 2\.0: .* hears 0\.64 seconds at once"):
        Audio(model=str(tmp_path), window=2.0).encode_files([wav(sound(200))])
    vectors, _ = Audio(model=str(tmp_path)).encode_files([wav(sound(200, 2.0))])
    assert vectors.shape == (1, 16)


def test_a_folder_that_is_not_there_is_named(ears):
    with pytest.raises(ConfigError, match="there is no folder"):
        ears(model="./nowhere").encode_files([wav(sound(200))])


def test_a_missing_package_answers_with_the_extra(ears, monkeypatch):
    monkeypatch.setattr("palate.core.optional.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"palate\[audio\]"):
        ears().encode_files([wav(sound(200))])
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(MissingExtraError, match=r"reading sounds needs .*palate\[audio\]"):
        ears().encode_files([wav(sound(200))])


def test_a_pipeline_with_sounds_is_fitted_saved_and_loaded(ears, write, tmp_path):
    rng = np.random.default_rng(1)
    for place in range(12):
        write(f"{place}.wav", wav(sound((200, 900)[place % 3 == 0] + place)))
    items = pl.DataFrame(
        {"item_id": [f"i{place}" for place in range(12)], "audio": [f"{p}.wav" for p in range(12)]}
    )
    log = pl.DataFrame(
        {
            "user_id": [f"u{row % 9}" for row in range(60)],
            "item_id": [f"i{place}" for place in rng.integers(0, 11, 60)],
        }
    )
    data = palate.read(log, items=items)
    model = palate.Pipeline(
        encoders={"sound": ears()}, recommender=palate.Content(), representation=[]
    ).fit(data)
    found = model.recommend(history=["i0"], k=3).table
    assert found["item_id"].to_list() == ["i3", "i6", "i9"]
    model.save(tmp_path / "model")
    again = palate.load(tmp_path / "model").recommend(history=["i0"], k=3).table
    assert again.equals(found)
