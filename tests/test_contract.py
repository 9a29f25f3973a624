"""Every component of every stage keeps its promises; a new file is found by itself."""

import io
from typing import get_args, get_origin, get_type_hints

import numpy as np
import polars as pl
import pytest
from scipy.io import wavfile

from palate import testing
from palate.core import registry
from palate.core.component import _limits, allowed
from palate.core.dataset import Dataset
from palate.core.errors import ConfigError, MissingExtraError


def components(*stages):
    return [
        pytest.param(stage, name, id=f"{stage}.{name}")
        for stage in stages
        for name in registry.names(stage)
    ]


QUICK = {"ranker": {"n_estimators": 20}}
# sums that differ in their last bit may put a value on the other side of a tree's split
TOLERANCE = {"ranker": 0.05}
SEEN = {"image"}  # encoders of what items look like
SOUNDING = {"audio"}  # encoders of what items sound like
REVIEWED = {"reviews", "sentiment"}  # encoders of what people wrote
LINKED = {"graph"}  # encoders of knowledge graphs
STORED = {"precomputed"}  # encoders of vectors that lie in files
WRITING = {"causal"}  # encoders whose models are on the hub alone


def built(stage, name):
    try:
        return registry.build(stage, {"type": name, **QUICK.get(name, {})}, where=name)
    except MissingExtraError as missing:
        pytest.skip(str(missing))


@pytest.mark.parametrize(("stage", "name"), components(*registry.STAGES))
def test_every_component_is_named_by_its_module(stage, name):
    component = built(stage, name)
    assert registry.name_of(component) == name
    testing.check_settings(component)


@pytest.mark.parametrize(("stage", "name"), components(*registry.STAGES))
def test_every_setting_refuses_a_value_of_another_type(stage, name):
    component = registry.find(stage, name)
    for setting in registry.defaults_of(component):
        with pytest.raises(ConfigError, match=rf"{component.__name__}\.{setting} = .*cannot be"):
            component(**{setting: object()})


@pytest.mark.parametrize(("stage", "name"), components(*registry.STAGES))
def test_a_setting_that_does_not_exist_says_which_one_does(stage, name):
    component = registry.find(stage, name)
    known = next(iter(registry.defaults_of(component)))
    with pytest.raises(ConfigError, match=rf"^{component.__name__} has no setting") as caught:
        component(**{f"{known}s_": 1})
    assert f"Did you mean {known!r}?" in str(caught.value)


UNLIMITED = {  # numbers of which every one makes sense
    ("covisit", "popularity"),  # the power, either way
    ("transformer", "layer"),  # from the end, or from the start
    ("causal", "layer"),
}


def number_settings():
    for stage in registry.STAGES:
        for name in registry.names(stage):
            cls = registry.find(stage, name)
            hints = get_type_hints(cls, include_extras=True)
            for setting in registry.defaults_of(cls):
                plain = get_type_hints(cls)[setting]
                kinds = {plain} if get_origin(plain) is list else {plain, *get_args(plain)}
                if {int, float} & kinds and (name, setting) not in UNLIMITED:
                    yield pytest.param(stage, name, setting, hints[setting], id=f"{name}.{setting}")


@pytest.mark.parametrize(("stage", "name", "setting", "hint"), list(number_settings()))
def test_a_number_beyond_the_limits_of_a_setting_is_refused(stage, name, setting, hint):
    """Whoever gives it, in Python or in a pipeline file, is told what is allowed."""
    component = registry.find(stage, name)
    for key, limit in _limits(hint):
        beyond = {"ge": limit - 1, "gt": limit, "le": limit + 1, "lt": limit}[key]
        told = f".{setting} = {beyond!r} cannot be used: give "
        with pytest.raises(ConfigError) as caught:
            component(**{setting: beyond})
        assert str(caught.value).startswith(component.__name__ + told)
        assert allowed(hint, setting) in str(caught.value)
        with pytest.raises(ConfigError) as caught:
            registry.build(stage, {"type": name, setting: beyond}, where="here")
        assert str(caught.value).startswith("here" + told)
    assert list(_limits(hint)), "a number without limits: give it some, or name it above"


def with_reviews(data):
    """The same events, each with a few words about the item."""
    words = pl.col("item_id").str.replace("-", " is a fine thing, say ")
    return data.with_interactions(data.interactions.with_columns(text=words))


def with_sounds(data):
    """The same items, each with the tone of its topic; one of them with none."""
    tones = {}
    for pitch, topic in zip((110, 293, 600, 1240), ("tea", "bikes", "jazz", "chess"), strict=True):
        file = io.BytesIO()
        samples = 0.3 * np.sin(np.arange(4000) * 2 * np.pi * pitch / 8000)
        wavfile.write(file, 8000, samples.astype(np.float32))
        tones[topic] = file.getvalue()
    column = [None if name == "tea-3" else tones[name.split("-")[0]] for name in data.item_ids]
    items = data.items.with_columns(pl.Series("audio", column, dtype=pl.Binary))
    return Dataset(interactions=data.interactions, items=items, users=data.users)


@pytest.fixture
def stored(tiny, tmp_path):
    """A file with three numbers for every item but one."""
    numbers = [[float(row), float(row * row), -1.0] for row in range(len(tiny.items))]
    frame = pl.DataFrame({"item_id": tiny.item_ids.tolist(), "vector": numbers})
    frame.filter(pl.col("item_id") != "tea-3").write_parquet(tmp_path / "vectors.parquet")
    return str(tmp_path / "vectors.parquet")


@pytest.fixture
def linked(tiny, tmp_path):
    """A file of triples about every item but one."""
    path = tmp_path / "graph.tsv"
    about = tiny.items.filter(pl.col("item_id") != "tea-3").select("item_id", "category", "tags")
    lines = [f"{item}\tkind\t{kind}\n" for item, kind, _ in about.rows()]
    lines += [f"{item}\ttag\ttag {tags[1]}\n" for item, _, tags in about.rows()]
    path.write_text("".join(lines))
    return str(path)


def with_photos(data):
    """The same items, each with a photo (PPM, a format without compression); one with none."""
    rng = np.random.default_rng(2)
    files = [b"P6 24 16 255\n" + rng.bytes(24 * 16 * 3) for _ in range(len(data.items) - 1)]
    items = data.items.with_columns(pl.Series("photo", [*files, None], dtype=pl.Binary))
    return Dataset(interactions=data.interactions, items=items, users=data.users)


@pytest.fixture(scope="session")
def decoder(tmp_path_factory):
    """A folder with a random GPT-2 of 16 dimensions that reads letters."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers

    folder = tmp_path_factory.mktemp("tiny-decoder")
    letters = ["?", *map(chr, range(32, 63)), *map(chr, range(64, 127))]
    vocabulary = {letter: place for place, letter in enumerate(letters)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="?"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="?")
    fast.save_pretrained(folder)
    torch.manual_seed(2)
    sizes = {"n_embd": 16, "n_layer": 1, "n_head": 2, "n_positions": 200}
    config = transformers.GPT2Config(vocab_size=len(letters), initializer_range=0.4, **sizes)
    transformers.GPT2LMHeadModel(config).save_pretrained(folder)
    return str(folder)


@pytest.mark.parametrize(("stage", "name"), components("encoders"))
def test_encoders(stage, name, tiny, stored, linked, decoder):
    data = with_reviews(tiny) if name in REVIEWED else tiny
    data = with_sounds(data) if name in SOUNDING else data
    data = with_photos(data) if name in SEEN else data
    try:
        encoder = built(stage, name)
        if name in STORED:
            encoder.path = stored
        if name in WRITING:
            encoder.model = decoder
        if name in LINKED:
            encoder.triples = linked
        testing.check_encoder(encoder, data)
    except MissingExtraError as missing:
        pytest.skip(str(missing))


@pytest.mark.parametrize(("stage", "name"), components("representation", "fusion", "selection"))
def test_transforms(stage, name, tiny, tiny_features):
    testing.check_transform(built(stage, name), tiny_features, tiny)


@pytest.mark.parametrize(("stage", "name"), components("recommenders"))
def test_recommenders(stage, name, tiny, tiny_features):
    tolerance = TOLERANCE.get(name, 1e-4)
    testing.check_recommender(built(stage, name), tiny, tiny_features, tolerance=tolerance)


@pytest.mark.parametrize(("stage", "name"), components("rerankers"))
def test_rerankers(stage, name, tiny, tiny_features):
    testing.check_reranker(built(stage, name), tiny, tiny_features)
