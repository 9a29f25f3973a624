"""Every component of every stage keeps its promises; a new file is found by itself."""

import io
import re
from typing import get_args, get_origin, get_type_hints

import numpy as np
import polars as pl
import pytest
from scipy.io import wavfile

from palate import testing
from palate.core import registry
from palate.core.dataset import Dataset
from palate.core.errors import ConfigError, MissingExtraError
from palate.core.takes import allowed


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
WORDED = {"word_vectors"}  # encoders of words whose vectors lie in files
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


CLASSES = [registry.find(*each.values) for each in components(*registry.STAGES)]


def refusal(make, *given, **named):
    """The words of palate's refusal, or "" for none."""
    try:
        make(*given, **named)
    except ConfigError as error:
        return str(error)
    return ""


def test_every_setting_refuses_a_value_of_another_type():
    told = {
        f"{component.__name__}.{setting}": refusal(component, **{setting: object()})
        for component in CLASSES
        for setting in registry.defaults_of(component)
    }
    assert len(told) > 100
    assert not {
        setting: words
        for setting, words in told.items()
        if not re.match(rf"{setting} (= .*cannot be|must be a component)", words)
    }


def test_a_setting_that_does_not_exist_says_which_one_does():
    known = {component: next(iter(registry.defaults_of(component))) for component in CLASSES}
    told = {
        component.__name__: (name, refusal(component, **{f"{name}s_": 1}))
        for component, name in known.items()
    }
    assert not {
        component: words
        for component, (name, words) in told.items()
        if not words.startswith(f"{component} has no setting")
        or f"Did you mean {name!r}?" not in words
    }


UNLIMITED = {  # numbers of which every one makes sense
    ("covisit", "popularity"),  # the power, either way
    ("transformer", "layer"),  # from the end, or from the start
    ("causal", "layer"),
}


def number_settings():
    """(stage, name, setting, its type) of every number that has limits."""
    for stage, name in (each.values for each in components(*registry.STAGES)):
        component = registry.find(stage, name)
        plain, hints = get_type_hints(component), get_type_hints(component, include_extras=True)
        for setting in registry.defaults_of(component):
            kind = plain[setting]
            kinds = {kind} if get_origin(kind) is list else {kind, *get_args(kind)}
            if {int, float} & kinds and (name, setting) not in UNLIMITED:
                yield stage, name, setting, hints[setting]


def test_a_number_beyond_the_limits_of_a_setting_is_refused():
    """Whoever gives it, in Python or in a pipeline file, is told what is allowed."""
    settings = list(number_settings())
    assert len(settings) > 50
    unlimited = [
        f"{name}.{setting}"
        for stage, name, setting, hint in settings
        if not any(refused(stage, name, setting, hint, value) for value in (-(10**15), 10**15))
    ]
    assert not unlimited, "give these numbers limits, or name them above"


def refused(stage, name, setting, hint, value):
    component = registry.find(stage, name)
    limit = allowed(hint, setting)
    told = f".{setting} = {value!r} cannot be used: {limit}"
    python = refusal(component, **{setting: value})
    file = refusal(registry.build, stage, {"type": name, setting: value}, where="here")
    said = python.startswith(component.__name__ + told) and file.startswith("here" + told)
    return said and limit != ""


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


def words_of(data, path):
    """A file with vectors of all words that titles hold."""
    words = sorted({word.lower() for title in data.items["title"] for word in title.split()})
    numbers = np.random.default_rng(3).normal(size=(len(words), 4)).round(3)
    lines = (f"{word} {' '.join(map(str, row))}" for word, row in zip(words, numbers, strict=True))
    path.write_text("\n".join(lines))
    return str(path)


@pytest.mark.parametrize(("stage", "name"), components("encoders"))
def test_encoders(stage, name, tiny, stored, linked, decoder, tmp_path):
    data = with_reviews(tiny) if name in REVIEWED else tiny
    data = with_sounds(data) if name in SOUNDING else data
    data = with_photos(data) if name in SEEN else data
    try:
        encoder = built(stage, name)
        if name in STORED:
            encoder.path = stored
        if name in WORDED:
            encoder.path = words_of(data, tmp_path / "words.txt")
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


@pytest.mark.parametrize("name", ["bias", "bilinear", "item_knn", "mf", "user_knn"])
def test_recommenders_that_predict(name, tiny, tiny_features):
    explicit = {"bias": {}, "mf": {"method": "svd"}, "bilinear": {"loss": "squared"}}
    settings = explicit.get(name, {"feedback": "explicit"})
    predictor = registry.build("recommenders", {"type": name, **settings}, where=name)
    testing.check_recommender(predictor, tiny, tiny_features)
    assert predictor.fit(tiny).predicts


@pytest.mark.parametrize(("stage", "name"), components("rerankers"))
def test_rerankers(stage, name, tiny, tiny_features):
    testing.check_reranker(built(stage, name), tiny, tiny_features)
