"""One damage at a time to what every fusion, every selection and people's profiles have learnt.

Each is refused as the folder is loaded, or what is loaded gives finite lists, of new items too.
"""

import numpy as np
import polars as pl
import pytest
from damage import HUGE, damages, write
from model_folders import unsealed
from safetensors.numpy import load_file

import palate
from palate.core.errors import ArtefactError
from palate.data.samples import synthetic
from palate.pipeline.rehearsal import check_way

ONE_OF = 7  # damages that are tried; all of them were, and take minutes
STAGES = {
    "concat": {
        "fusion": palate.Concat(weights="learn"),
        "selection": [palate.L1(penalty=0.1)],
    },
    "weighted": {
        "fusion": palate.Weighted(weights="learn"),
        "selection": [palate.Importance(keep=0.5)],
    },
    "correlation": {
        "representation": [palate.Reduce(dim=4)],
        "fusion": palate.Correlation(),
        "selection": [palate.Variance()],
    },
    "gated": {
        "representation": [palate.Quantize()],
        "fusion": palate.Gated(landmarks=8),
        "selection": [palate.Redundancy()],
    },
    "attention": {"fusion": palate.Attention(keys=3)},
    "linear": {"fusion": palate.Linear(dim=5)},
    "linear alone": {"fusion": palate.Linear(dim=5, keep=False)},
    "sparse coding": {"representation": [palate.SparseCoding(atoms=6)]},
    "profiles": {
        "users": {"facts": palate.Attributes(), "numbers": palate.Aggregates()},
        "recommender": palate.UserKNN(),
    },
    "ranker": {
        "users": {"facts": palate.Attributes(), "numbers": palate.Aggregates()},
        "recommender": palate.Ranker(n_train_queries=300, n_estimators=6, min_rows_per_leaf=3),
    },
}


@pytest.fixture(scope="module")
def data():
    return synthetic(n_users=100, n_items=40, seed=1)


@pytest.fixture(scope="module")
def folder_of(data, tmp_path_factory):
    """`folder_of(name)` is the folder of a fitted pipeline, which nobody may change."""
    place = tmp_path_factory.mktemp("models")

    def folder_of(name):
        if not (place / name).exists():
            encoders = {"words": palate.Tfidf(), "clicks": palate.Behaviour(dim=6)}
            encoders |= {"kinds": palate.Categories(dim=5)}
            settings = {"encoders": encoders, "recommender": palate.Content()} | STAGES[name]
            palate.Pipeline(**settings).fit(data).save(place / name)
        return place / name

    return folder_of


def places_of(folder, name):
    """Paths to what is damaged: transforms, and the recommender where that is what is tried."""
    learnt = unsealed(folder)["tree"]["learnt"]
    if "recommender" in STAGES[name]:
        people = range(len(learnt["user_transforms_"]))
        return ["recommender_", *(f"user_transforms_/{place}" for place in people)]
    return [f"transforms_/{place}" for place in range(len(learnt["transforms_"]))]


def asked(model):
    """Lists of all kinds; raises where one of them, or a feature, is not finite."""
    users = model.data_.user_ids.tolist()[:6]
    found = [model.recommend(users, k=5, reasons=True), model.recommend(text="compost", k=5)]
    if model.user_features_ is not None:
        found.append(model.recommend(profile={"age": 31}, k=5))
    model.add_items(model.data_.items.head(1).with_columns(item_id=pl.lit("a new one")))
    found.append(model.recommend(users, k=5))
    assert all(lists.table["score"].is_finite().all() for lists in found)
    for part in model.features_.parts.values():
        assert np.isfinite(part.data if hasattr(part, "indptr") else part).all()


@pytest.mark.parametrize("name", STAGES)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_what_a_damaged_folder_does_is_refused_or_does_not_show(name, folder_of, tmp_path):
    folder = folder_of(name)
    refused = served = 0
    for place, (said, manifest, arrays) in enumerate(damages(folder, places_of(folder, name))):
        if place % ONE_OF:
            continue
        damaged = write(folder, tmp_path / str(place), manifest, arrays)
        try:
            model = palate.load(damaged)
        except ArtefactError:
            refused += 1
            continue
        try:
            asked(model)
        except Exception as error:
            raise AssertionError(f"{said}: loaded, then {type(error).__name__}") from error
        served += 1
    assert refused > served


def changed(folder, into, change, transform=1):
    """A folder whose fusion has learnt what `change` leaves of it."""
    manifest = unsealed(folder)
    change(manifest["tree"]["learnt"]["transforms_"][transform]["learnt"])
    return write(folder, into, manifest, load_file(folder / manifest["arrays"]))


def refused(folder, what):
    with pytest.raises(ArtefactError, match=what) as caught:
        palate.load(folder)
    assert "cannot be loaded" in str(caught.value)


@pytest.mark.parametrize("field", ["maps_", "means_", "shares_"])
def test_a_map_without_a_block(folder_of, tmp_path, field):
    folder = folder_of("linear")
    damaged = changed(folder, tmp_path / "m", lambda learnt: learnt[field]["items"].pop("words"))
    refused(damaged, "_ ")


def test_maps_of_each_others_blocks(folder_of, tmp_path):
    """Words' map under the name of a block of other width, everywhere."""

    def swap(learnt):
        for field in ("maps_", "means_"):
            learnt[field]["items"]["kinds"] = learnt[field]["items"].pop("words")

    refused(changed(folder_of("linear"), tmp_path / "m", swap), "columns of block 'kinds'")


@pytest.mark.parametrize(
    ("name", "field", "block"),
    [
        ("linear", "shares_", "linear"),
        ("linear", "shares_", "clicks"),
        ("weighted", "shares_", "clicks"),
        ("concat", "factors_", "words"),
        ("correlation", "factors_", "words"),
        ("gated", "usual_", "clicks"),
        ("attention", "usual_", "clicks"),
    ],
)
def test_a_share_beyond_all_numbers(folder_of, tmp_path, name, field, block):
    def grow(learnt):
        learnt[field]["items"][block] = {"$": "float", "hex": HUGE}

    refused(changed(folder_of(name), tmp_path / "m", grow), field)


@pytest.mark.parametrize("name", ["concat", "weighted", "correlation"])
def test_a_selection_without_a_block(folder_of, tmp_path, name):
    def lose(learnt):
        learnt["kept_"]["items"].pop("words")

    refused(changed(folder_of(name), tmp_path / "m", lose, transform=2), "without a block 'words'")


def test_the_width_of_a_model_of_language_is_told_by_what_comes_after(data, monkeypatch):
    """Its vectors' length only the transforms and the features know before it is loaded."""
    encoders = {"words": palate.Tfidf(), "clicks": palate.Behaviour(dim=6)}
    model = palate.Pipeline(encoders=encoders, recommender=palate.Content()).fit(data)
    monkeypatch.setattr(palate.Behaviour, "block_width", None)
    check_way(model.encoders_, model.transforms_, model.features)
    only = {"clicks": model.encoders_["clicks"]}
    with pytest.raises(ValueError, match="make no block 'words'"):
        check_way(only, model.transforms_, model.features)


@pytest.mark.parametrize(
    "encoder",
    [
        palate.Tfidf(),
        palate.Behaviour(dim=6),
        palate.Item2Vec(dim=4),
        palate.Categories(dim=5),
        palate.Attributes(),
        palate.Aggregates(),
    ],
    ids=lambda encoder: type(encoder).__name__,
)
def test_encoders_say_how_wide_their_block_is(encoder, data):
    (part,) = encoder.fit(data).encode(data).parts.values()
    assert encoder.block_width == part.shape[1]
