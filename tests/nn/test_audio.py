import json
import shutil

import numpy as np
import pytest

from palate.core.errors import ConfigError
from palate.nn.audio import load_listener

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

LAYERS = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "initializer_range": 0.4,
}
CONVOLUTIONS = {
    "conv_dim": (8, 8),
    "conv_kernel": (10, 3),
    "conv_stride": (5, 2),
    "num_feat_extract_layers": 2,
    "num_conv_pos_embeddings": 8,
    "num_conv_pos_embedding_groups": 2,
}


def wav2vec2():
    config = transformers.Wav2Vec2Config(**LAYERS, **CONVOLUTIONS)
    return transformers.Wav2Vec2Model(config), transformers.Wav2Vec2FeatureExtractor()


def hubert():
    config = transformers.HubertConfig(**LAYERS, **CONVOLUTIONS)
    extractor = transformers.Wav2Vec2FeatureExtractor(return_attention_mask=True)
    return transformers.HubertModel(config), extractor


def ast():
    config = transformers.ASTConfig(**LAYERS, max_length=64, num_mel_bins=32)
    return transformers.ASTModel(config), transformers.ASTFeatureExtractor(
        num_mel_bins=32, max_length=64
    )


def whisper():
    halves = {"layers": 1, "attention_heads": 2, "ffn_dim": 32}
    config = transformers.WhisperConfig(
        d_model=16,
        **{f"{half}_{name}": n for half in ("encoder", "decoder") for name, n in halves.items()},
        max_source_positions=50,
        max_target_positions=10,
        vocab_size=20,
        num_mel_bins=20,
        init_std=0.4,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=1,
        suppress_tokens=None,
        begin_suppress_tokens=None,
    )
    extractor = transformers.WhisperFeatureExtractor(feature_size=20, chunk_length=1)
    return transformers.WhisperModel(config), extractor


def clap(fusion=False):
    config = transformers.ClapConfig(
        text_config={
            **{name: LAYERS[name] for name in LAYERS if name != "initializer_range"},
            "vocab_size": 30,
            "max_position_embeddings": 20,
        },
        audio_config={
            "window_size": 2,
            "num_mel_bins": 16,
            "spec_size": 32,
            "patch_size": 4,
            "patch_stride": [4, 4],
            "patch_embeds_hidden_size": 8,
            "hidden_size": 16,
            "depths": [1, 1],
            "num_attention_heads": [2, 2],
            "num_hidden_layers": 2,
            "enable_fusion": fusion,
        },
        projection_dim=12,
    )
    extractor = transformers.ClapFeatureExtractor(
        feature_size=16,
        sampling_rate=8000,
        hop_length=500,
        max_length_s=2,
        fft_window_size=512,
        frequency_max=4000,
        truncation="fusion" if fusion else "rand_trunc",
    )
    return transformers.ClapModel(config), extractor


KINDS = {kind.__name__: kind for kind in (wav2vec2, hubert, ast, whisper, clap)}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """`saved("ast")`: a folder with a small model of random weights."""
    folders = {}

    def save(name, make=None):
        if name not in folders:
            torch.manual_seed(5)
            folders[name] = tmp_path_factory.mktemp(name)
            for part in (make or KINDS[name])():
                part.save_pretrained(folders[name])
        return folders[name]

    return save


def sound(seconds, rate, seed=0):
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * rate)) / rate
    wave = 0.4 * np.sin(2 * np.pi * (200 + 90 * seed) * time) * np.exp(-2 * time)
    return (wave + 0.05 * rng.normal(size=len(time))).astype(np.float32)


def load(folder, dtype="float32"):
    return load_listener(str(folder), folder, "cpu", dtype)


@pytest.mark.parametrize(
    ("name", "rate", "seconds", "longest", "dim"),
    [
        ("wav2vec2", 16_000, 10.0, None, 16),
        ("hubert", 16_000, 10.0, None, 16),
        ("ast", 16_000, 0.64, 0.64, 16),
        ("whisper", 16_000, 1.0, 1.0, 16),
        ("clap", 8_000, 2.0, 2.0, 12),
    ],
)
def test_every_kind_says_how_it_listens(saved, name, rate, seconds, longest, dim):
    listener = load(saved(name))
    assert (listener.rate, listener.seconds, listener.longest) == (rate, seconds, longest)
    windows = np.stack([sound(0.5, rate, seed) for seed in range(6)])
    vectors = listener.listen(windows)
    assert vectors.shape == (6, dim)
    assert vectors.dtype == np.float32
    alone = np.concatenate([listener.listen(window[None]) for window in windows])
    np.testing.assert_allclose(vectors, alone, atol=1e-5)
    assert np.ptp(vectors, axis=0).max() > 0.01, "different sounds, different vectors"


def test_the_vector_is_the_mean_over_time(saved):
    window = sound(0.3, 16_000)
    model = transformers.Wav2Vec2Model.from_pretrained(saved("wav2vec2")).eval()
    even = (window - window.mean()) / np.sqrt(window.var() + 1e-7)
    with torch.no_grad():
        states = model(torch.from_numpy(even[None])).last_hidden_state
    assert states.shape == (1, 479, 16)
    (found,) = load(saved("wav2vec2")).listen(window[None])
    np.testing.assert_allclose(found, states[0].mean(dim=0).numpy(), atol=1e-5)


def test_of_whisper_the_encoder_is_asked_about_the_sound_not_the_silence_after_it(saved):
    window = sound(0.25, 16_000)
    model = transformers.WhisperModel.from_pretrained(saved("whisper")).eval()
    extractor = transformers.WhisperFeatureExtractor.from_pretrained(saved("whisper"))
    given = extractor(window, sampling_rate=16_000, return_tensors="pt").input_features
    with torch.no_grad():
        states = model.encoder(given).last_hidden_state
    assert states.shape == (1, 50, 16)
    (found,) = load(saved("whisper")).listen(window[None])
    np.testing.assert_allclose(found, states[0, :13].mean(dim=0).numpy(), atol=1e-5)


def test_clap_always_answers_alike(saved):
    """Its extractor marks one sound of a batch, at random, as longer than it is."""
    windows = np.stack([sound(1.1, 8_000, seed) for seed in range(3)])
    fused = load(saved("fused", lambda: clap(fusion=True)))
    found = [fused.listen(windows) for _ in range(8)]
    assert found[0].shape == (3, 12)
    np.testing.assert_array_equal(found, [found[0]] * 8)


def test_bfloat16_is_near_to_float32(saved):
    for name in KINDS:
        windows = sound(0.5, 8_000 if name == "clap" else 16_000)[None]
        one, other = load(saved(name)), load(saved(name), "bfloat16")
        (exact,), (rough,) = one.listen(windows), other.listen(windows)
        cosine = exact @ rough / np.linalg.norm(exact) / np.linalg.norm(rough)
        assert cosine > 0.99, name


def test_a_model_with_another_head_is_its_body(saved, tmp_path):
    torch.manual_seed(6)
    config = transformers.Wav2Vec2Config(**LAYERS, **CONVOLUTIONS, vocab_size=7)
    speech = transformers.Wav2Vec2ForCTC(config)
    speech.save_pretrained(tmp_path)
    transformers.Wav2Vec2FeatureExtractor().save_pretrained(tmp_path)
    speech.wav2vec2.save_pretrained(tmp_path / "body")
    transformers.Wav2Vec2FeatureExtractor().save_pretrained(tmp_path / "body")
    window = sound(0.2, 16_000)[None]
    found, expected = load(tmp_path).listen(window), load(tmp_path / "body").listen(window)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def without(folder, names, change):
    from safetensors.numpy import load_file, save_file

    path = folder / "model.safetensors"
    weights = load_file(path)
    for name in names:
        changed = change(weights.pop(name))
        if changed is not None:
            weights[name] = changed
    save_file(weights, path, metadata={"format": "pt"})


def test_missing_weights_are_named(saved, tmp_path):
    folder = shutil.copytree(saved("ast"), tmp_path / "ast")
    without(folder, ["layernorm.weight", "layernorm.bias"], lambda weight: None)
    with pytest.raises(ConfigError, match=r"lacks weights: 'layernorm\.bias', 'layernorm\.weight'"):
        load(folder)


def test_weights_of_another_shape_are_named(saved, tmp_path):
    folder = shutil.copytree(saved("wav2vec2"), tmp_path / "wav2vec2")
    without(folder, ["feature_projection.projection.bias"], lambda weight: weight[:-1].copy())
    with pytest.raises(ConfigError, match=r"wrong shape: 'feature_projection\.projection\.bias'"):
        load(folder)


def test_what_only_training_and_writing_need_may_be_missing(saved, tmp_path):
    folder = shutil.copytree(saved("whisper"), tmp_path / "whisper")
    without(folder, ["decoder.layer_norm.weight"], lambda weight: None)
    window = sound(0.5, 16_000)[None]
    expected = load(saved("whisper")).listen(window)
    np.testing.assert_array_equal(load(folder).listen(window), expected)


def test_a_model_that_does_not_listen_is_refused(tiny_bert, tmp_path):
    with pytest.raises(ConfigError, match="reads no sounds"):
        load(tiny_bert)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "wav2vec2"}))
    with pytest.raises(ConfigError, match="reads no sounds"):
        load(tmp_path)
    transformers.Wav2Vec2FeatureExtractor().save_pretrained(tmp_path)
    with pytest.raises(ConfigError, match="cannot be loaded"):
        load(tmp_path)


def test_an_image_model_does_not_listen(tmp_path):
    pytest.importorskip("PIL")
    config = transformers.ViTConfig(**LAYERS, image_size=8, patch_size=4)
    transformers.ViTModel(config).save_pretrained(tmp_path)
    settings = {"image_processor_type": "ViTImageProcessor", "feature_extractor_type": "ViT"}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(settings))
    with pytest.raises(ConfigError, match="reads no sounds"):
        load(tmp_path)
