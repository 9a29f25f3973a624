import json
import shutil
import subprocess
import sys

import numpy as np
import polars as pl
import pytest

from palate import testing
from palate.core.dataset import Dataset
from palate.core.errors import ConfigError, DataError, MissingExtraError
from palate.features.encoders.image import Image

pytest.importorskip("PIL")
pytest.importorskip("transformers")


@pytest.fixture
def vit(tiny_vit):
    return {"model": str(tiny_vit), "dtype": "float32"}


@pytest.fixture
def clip(tiny_clip):
    return {"model": str(tiny_clip), "dtype": "float32"}


@pytest.fixture
def photographed(tiny, draw):
    """The tiny catalogue; every ninth item has no photo."""
    files = [None if row % 9 == 4 else draw.file(row) for row in range(len(tiny.items))]
    return Dataset(
        tiny.interactions, tiny.items.with_columns(photo=pl.Series(files, dtype=pl.Binary))
    )


def test_it_keeps_the_promises_of_an_encoder(vit, photographed):
    testing.check_encoder(Image(**vit), photographed)


def test_clip_keeps_them_for_words_too(clip, photographed):
    testing.check_encoder(Image(**clip), photographed)


def test_photos_become_one_block_of_unit_vectors(vit, photographed):
    features = Image(**vit).fit(photographed).encode(photographed)
    assert list(features.parts) == ["image"]
    vectors, missing = features.values[:, :-1], features.values[:, -1] > 0
    assert vectors.shape[1] == 16
    np.testing.assert_array_equal(missing, photographed.items["photo"].is_null().to_numpy())
    np.testing.assert_allclose(np.linalg.norm(vectors[~missing], axis=1), 1, atol=1e-5)
    touched = np.isin(np.arange(len(missing)), photographed.warm_items) & ~missing
    np.testing.assert_allclose(vectors[missing][0], vectors[touched].mean(axis=0), atol=1e-6)


def test_paths_and_bytes_give_the_same(vit, draw, write):
    files = [draw.file(seed, form) for seed, form in ((1, "PNG"), (2, "JPEG"), (3, "WEBP"))]
    paths = [write(f"photos/{row}.jpg", file) for row, file in enumerate(files)]
    given = Image(**vit).encode_files(files)[0]
    found, present = Image(folder=str(paths[0].parent), **vit).encode_files(
        ["0.jpg", "1.jpg", "2.jpg"]
    )
    assert present.all()
    np.testing.assert_array_equal(found, given)
    assert not np.allclose(given[0], given[1], atol=1e-3)


def test_the_name_of_a_file_says_nothing(vit, draw, write):
    jpeg = draw.file(2, "JPEG")
    folder = write("photos/really-jpeg.heic", jpeg).parent
    write("photos/really-heic.jpg", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    encoder = Image(folder=str(folder), on_error="skip", **vit)
    with pytest.warns(RuntimeWarning, match=r"1 of 2 photos .*really-heic.jpg: it is a HEIC"):
        vectors, present = encoder.encode_files(["really-jpeg.heic", "really-heic.jpg"])
    assert present.tolist() == [True, False]
    np.testing.assert_array_equal(vectors[:1], Image(**vit).encode_files([jpeg])[0])


def test_a_photo_that_is_gone_after_the_fit_is_named_or_counts_as_missing(
    vit, draw, write, photographed
):
    names = [f"{row}.png" for row in range(len(photographed.items))]
    for row, name in enumerate(names):
        path = write(f"photos/{name}", draw.file(row))
    items = photographed.items.with_columns(photo=pl.Series(names))
    data = Dataset(photographed.interactions, items)
    careful = Image(folder=str(path.parent), **vit).fit(data)
    easy = Image(folder=str(path.parent), on_error="skip", **vit).fit(data)
    before = easy.encode(data).values
    path.unlink()
    gone = rf"1 of {len(names)} photos .*{path.name} of item .*no such file"
    with pytest.raises(DataError, match=gone):
        careful.encode(data)
    with pytest.warns(RuntimeWarning, match=gone):
        after = easy.encode(data).values
    np.testing.assert_array_equal(after[:-1], before[:-1])
    np.testing.assert_allclose(after[-1], easy.typical_, atol=1e-6)


def test_one_bad_photo_never_loses_the_others(vit, draw):
    good = draw.file(1), draw.file(2)
    bad = good[0][:60], b"", b"<svg/>"
    with pytest.raises(DataError, match=r"3 of 5 photos cannot be used: .*decoded.*; .*empty.*SVG"):
        Image(**vit).encode_files([*good, *bad])
    with pytest.warns(RuntimeWarning, match="3 of 5 photos"):
        vectors, present = Image(on_error="skip", **vit).encode_files([*good, *bad])
    assert present.tolist() == [True, True, False, False, False]
    np.testing.assert_array_equal(vectors[:2], Image(**vit).encode_files(good)[0])


def test_one_pixel_is_seen(vit, clip, draw):
    from PIL import Image as pil

    strip = draw.save(pil.new("RGB", (3, 1), (200, 100, 50)))
    dot = draw.save(pil.new("RGB", (1, 1), (200, 100, 50)))
    tall = draw.save(pil.new("RGB", (1, 4000), (200, 100, 50)))
    for settings in (vit, clip):
        vectors, present = Image(**settings).encode_files([dot, strip, tall])
        assert present.all()
        np.testing.assert_allclose(vectors @ vectors[0], 1, atol=1e-3)


def test_photos_are_decoded_no_larger_than_the_model_needs(vit, draw, monkeypatch):
    from palate.features.encoders import image

    sizes = []

    def read(content, side):
        picture = image_read(content, side)
        sizes.append(picture.size)
        return picture

    image_read = image.read_picture
    monkeypatch.setattr(image, "read_picture", read)
    Image(**vit).encode_files([draw.save(draw(1, (512, 384)), "JPEG")])
    assert sizes == [(128, 96)]


def test_a_model_that_gives_nan_is_named(vit, draw, monkeypatch):
    from palate.nn.vision import HubVision

    embed = HubVision.embed

    def broken(self, batch):
        vectors = embed(self, batch)
        vectors[1, 3] = np.nan
        return vectors

    monkeypatch.setattr(HubVision, "embed", broken)
    files = [draw.file(seed) for seed in range(3)]
    with pytest.warns(RuntimeWarning, match="1 of 3 photos .* makes NaN"):
        vectors, present = Image(on_error="skip", **vit).encode_files(files)
    assert present.tolist() == [True, False, True]
    assert np.isfinite(vectors).all()


def test_a_photo_that_the_processor_refuses_is_one_bad_photo(vit, draw, monkeypatch):
    from palate.nn.vision import HubVision

    prepare = HubVision.prepare

    def picky(self, picture):
        if picture.width > 50:
            raise ValueError("too wide")
        return prepare(self, picture)

    monkeypatch.setattr(HubVision, "prepare", picky)
    files = [draw.save(draw(1, (size, 40))) for size in (40, 60)]
    with pytest.raises(DataError, match=r"1 of 2 photos .*the model cannot be given it: too wide"):
        Image(**vit).encode_files(files)


def test_words_and_photos_of_clip_meet(clip, draw):
    encoder = Image(**clip)
    words = encoder.encode_texts(["red hat", "", "shoe"])
    assert words.shape == (3, 12)
    assert not words[1].any()
    np.testing.assert_allclose(np.linalg.norm(words[[0, 2]], axis=1), 1, atol=1e-5)
    photos, _ = encoder.encode_files([draw.file(1)])
    assert photos.shape[1] == words.shape[1]


def test_words_have_the_mark_of_the_items(clip, photographed):
    encoder = Image(**clip).fit(photographed)
    words = encoder.encode_texts(["red hat"])
    assert words.shape[1] == encoder.encode(photographed).dim == 13
    assert words[0, -1] == 0


def test_words_ask_a_pipeline_for_photos(clip, photographed):
    from palate.pipeline.pipeline import Pipeline
    from palate.recommenders.content import Content

    model = Pipeline(encoders={"photo": Image(**clip)}, recommender=Content()).fit(photographed)
    assert len(model.recommend(text="a red hat", k=3)) == 3


def test_a_saved_pipeline_sees_new_photos(vit, photographed, draw, tmp_path):
    from palate.pipeline.pipeline import Pipeline, load
    from palate.recommenders.content import Content

    model = Pipeline(encoders={"look": Image(**vit)}, recommender=Content()).fit(photographed)
    model.save(tmp_path / "model")
    again = load(tmp_path / "model")
    users = list(photographed.user_ids)[:5]
    assert again.recommend(users, k=4).table.equals(model.recommend(users, k=4).table)
    liked = photographed.items["item_id"][0]
    arrived = pl.DataFrame({"item_id": ["twin", "other"], "photo": [draw.file(0), draw.file(99)]})
    again.add_items(arrived)
    found = again.recommend(history=[liked], k=2, candidates=["twin", "other"]).table
    assert found["item_id"].to_list() == ["twin", "other"]


def test_a_model_that_sees_only_reads_no_words(vit):
    for encoder in (Image(**vit), Image()):
        assert not hasattr(encoder, "encode_texts")
        with pytest.raises(ConfigError, match="sees only, it reads no words: choose a CLIP"):
            _ = encoder.encode_texts


@pytest.mark.parametrize("layout", ["old", "new"])
def test_a_folder_of_sentence_transformers_gives_the_same_vectors(clip, draw, tmp_path, layout):
    sentence_transformers = pytest.importorskip("sentence_transformers")
    if layout == "old":
        shutil.copytree(clip["model"], tmp_path / "0_CLIPModel")
        module = {"idx": 0, "name": "0", "path": "0_CLIPModel"}
        modules = [module | {"type": "sentence_transformers.models.CLIPModel"}]
        (tmp_path / "modules.json").write_text(json.dumps(modules))
    else:
        sentence_transformers.SentenceTransformer(clip["model"], device="cpu").save(str(tmp_path))
    peer = sentence_transformers.SentenceTransformer(str(tmp_path), device="cpu")
    encoder = Image(model=str(tmp_path), dtype="float32")
    pictures = [draw(seed, (40, 30 + seed)) for seed in range(3)]
    files = [draw.save(picture) for picture in pictures]
    for found, wanted in (
        (encoder.encode_files(files)[0], peer.encode(pictures)),
        (encoder.encode_texts(["hat", "shoes"]), peer.encode(["hat", "shoes"])),
    ):
        wanted = wanted / np.linalg.norm(wanted, axis=1, keepdims=True)
        np.testing.assert_allclose(found, wanted, atol=1e-4)


def test_what_changes_a_vector_changes_the_fingerprint(vit, clip, tiny_vit, tmp_path):
    moved = shutil.copytree(tiny_vit, tmp_path / "moved")
    first = Image(**vit).fingerprint
    assert Image(model=str(moved), dtype="float32", batch_size=5).fingerprint == first
    rough = Image(model=vit["model"], dtype="bfloat16").fingerprint
    (moved / "preprocessor_config.json").write_text('{"size": {"height": 64, "width": 64}}')
    other = Image(model=str(moved), dtype="float32").fingerprint
    assert len({first, rough, other, Image(**clip).fingerprint}) == 4


CACHED = """
import sys
from palate.features.encoders.image import Image
vectors, present = Image(**{settings!r}).encode_files([open({path!r}, "rb").read()])
print(present.all(), vectors.shape[1], *[name for name in ("torch", "PIL") if name in sys.modules])
"""


@pytest.mark.parametrize("model", ["vit", "efficientnet-lite0"])
def test_what_is_cached_needs_neither_torch_nor_pillow(vit, draw, write, model):
    settings = vit if model == "vit" else {"dtype": "float32", "device": "cpu"}
    if model != "vit":
        pytest.importorskip("efficientnet_lite_pytorch")
    path = write("a.png", draw.file(1))
    width = Image(**settings).encode_files([path.read_bytes()])[0].shape[1]
    code = CACHED.format(settings={**settings, "device": "cpu"}, path=str(path))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", str(width)]


def test_a_model_with_missing_weights_is_refused(tiny_vit, draw, tmp_path):
    safetensors = pytest.importorskip("safetensors.torch")
    folder = shutil.copytree(tiny_vit, tmp_path / "vit")
    weights = safetensors.load_file(folder / "model.safetensors")
    weights.pop(next(name for name in sorted(weights) if "layernorm_before" in name))
    safetensors.save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ConfigError, match=r"lacks weights: .*layernorm_before"):
        Image(model=str(folder), on_error="skip").encode_files([draw.file(1)])


def test_settings_are_checked():
    with pytest.raises(ConfigError, match="model must be"):
        Image(model="")
    with pytest.raises(ConfigError, match="no folder"):
        _ = Image(model="./not/here").fingerprint


def test_without_the_package_the_extra_is_named(monkeypatch, draw):

    monkeypatch.setattr("palate.core.optional.find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"palate\[image\]"):
        Image().encode_files([draw.file(1)])


def test_the_default_tells_drawn_shapes_apart(draw):
    """Discs and crosses in any colour: the nearest of each is mostly of its own kind."""
    pytest.importorskip("efficientnet_lite_pytorch")
    from PIL import Image as pil
    from PIL import ImageDraw

    rng = np.random.default_rng(3)
    files, kinds = [], []
    for row in range(16):
        colours = [tuple(rng.integers(0, 256, 3).tolist()) for _ in range(2)]
        picture = pil.new("RGB", (240, 240), colours[0])
        left, top = rng.integers(40, 90, 2).tolist()
        pen = ImageDraw.Draw(picture)
        if row % 3 == 0:
            pen.ellipse((left, top, left + 100, top + 100), fill=colours[1])
        else:
            pen.line((left, top, left + 100, top + 100), colours[1], 24)
            pen.line((left + 100, top, left, top + 100), colours[1], 24)
        files.append(draw.save(picture))
        kinds.append(row % 3 == 0)
    vectors, _ = Image().encode_files(files)
    cosines = vectors @ vectors.T - 2 * np.eye(16)
    nearest = np.array(kinds)[cosines.argmax(axis=1)]
    assert (nearest == kinds).mean() > 0.85
