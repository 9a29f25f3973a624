import json
import string
import warnings
from io import BytesIO

import numpy as np
import pytest

from palate.core import files
from palate.features.cache import store


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache of its own for every test, and warnings that were not given yet."""
    folder = tmp_path / "cache"
    monkeypatch.setenv(files.ENVIRONMENT_VARIABLE, str(folder))
    monkeypatch.setattr(store, "_warned", set())
    warnings.filterwarnings("ignore", message="the model .* does not say how it pools")
    return folder


@pytest.fixture
def unpacked_models(cache, own_cache):
    """Models that somebody in this run has unpacked are unpacked here."""
    cache.mkdir()
    (cache / "models").symlink_to(own_cache / "models", target_is_directory=True)


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory):
    """A Hugging Face folder: a random BERT of 16 dimensions that reads letters."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("tiny-bert")
    letters = [*string.ascii_lowercase, *string.digits, *(f"##{c}" for c in string.ascii_lowercase)]
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, "tea", "bike", "jazz"]
    (folder / "vocab.txt").write_text("\n".join(vocabulary))
    torch.manual_seed(3)
    config = transformers.BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
        initializer_range=0.4,
    )
    transformers.BertModel(config).save_pretrained(folder)
    settings = {"tokenizer_class": "BertTokenizer", "do_lower_case": True, "model_max_length": 64}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return folder


def photo(seed, size=(48, 36)):
    """A picture with something in it: a bright slope and a dark bar, in two colours."""
    from PIL import Image

    rng = np.random.default_rng(seed)
    width, height = size
    ground, bar = rng.integers(0, 256, (2, 3))
    slope = (
        np.linspace(0.3, 1.0, width)[None, :, None] * np.linspace(1.0, 0.6, height)[:, None, None]
    )
    pixels = (slope * ground).astype(np.uint8)
    pixels[height // 3 : height // 2, : width // 2] = bar
    return Image.fromarray(pixels)


def as_bytes(picture, form="PNG", **settings):
    """The content of a file that holds a picture."""
    file = BytesIO()
    picture.save(file, form, **settings)
    return file.getvalue()


@pytest.fixture(scope="session")
def draw():
    """`draw(seed, size)` makes a picture, `draw.file(seed, "JPEG")` the content of its file."""
    pytest.importorskip("PIL")

    def drawn(seed, size=(48, 36)):
        return photo(seed, size)

    drawn.file = lambda seed, form="PNG", **settings: as_bytes(photo(seed), form, **settings)
    drawn.save = as_bytes
    return drawn


TINY_TOWER = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "initializer_range": 0.4,
}
TINY_EYE = {**TINY_TOWER, "image_size": 32, "patch_size": 8}


@pytest.fixture(scope="session")
def tiny_vit(tmp_path_factory):
    """A Hugging Face folder: a random ViT of 16 dimensions that sees 32 x 32 pixels."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("tiny-vit")
    torch.manual_seed(3)
    transformers.ViTModel(transformers.ViTConfig(**TINY_EYE)).save_pretrained(folder)
    settings = {"image_processor_type": "ViTImageProcessor", "size": {"height": 32, "width": 32}}
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    return folder


@pytest.fixture(scope="session")
def tiny_clip(tmp_path_factory):
    """A Hugging Face folder: a random CLIP of 12 dimensions, which reads letters."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("tiny-clip")
    letters = [*string.ascii_lowercase, *(f"{letter}</w>" for letter in string.ascii_lowercase)]
    vocabulary = ["<|startoftext|>", "<|endoftext|>", *letters]
    (folder / "vocab.json").write_text(json.dumps({word: i for i, word in enumerate(vocabulary)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    torch.manual_seed(3)
    special = {"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1}
    reader = {**TINY_TOWER, **special, "vocab_size": len(vocabulary)}
    config = transformers.CLIPConfig(
        text_config={**reader, "max_position_embeddings": 20},
        vision_config=TINY_EYE,
        projection_dim=12,
    )
    transformers.CLIPModel(config).save_pretrained(folder)
    settings = {
        "image_processor_type": "CLIPImageProcessor",
        "size": {"shortest_edge": 32},
        "crop_size": {"height": 32, "width": 32},
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    return folder


@pytest.fixture(scope="session")
def folders(tmp_path_factory):
    """kind → (folder, the network that gives states), each made once."""
    from tiny_language_models import make, save_tokenizer

    made = {}

    def folder_of(kind):
        if kind not in made:
            folder = tmp_path_factory.mktemp(kind)
            model, framed = make(kind)
            model.eval().save_pretrained(folder)
            save_tokenizer(folder, framed=framed)
            made[kind] = (folder, model.get_encoder() if kind == "t5" else model.base_model)
        return made[kind]

    return folder_of
