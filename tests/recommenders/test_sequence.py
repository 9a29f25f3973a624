from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from scipy import sparse

import palate
from palate.core import registry
from palate.core.dataset import Dataset
from palate.core.errors import ArtefactError, ConfigError, DataError
from palate.core.features import Features
from palate.core.histories import histories_of, history_of_items
from palate.core.ids import Ids
from palate.core.types import FitContext
from palate.nn.checkpoints import checkpoints
from palate.nn.tracking import track
from palate.recommenders.content import Content
from palate.recommenders.covisit import Covisit
from palate.recommenders.popular import Popular
from palate.recommenders.sequence import Sequential

BODIES = ["transformer", "gru", "lstm", "cnn", "linear_recurrence"]
QUICK = {"dim": 32, "epochs": 15, "dropout": 0.1, "batch_size": 256, "learning_rate": 5e-3}
QUICK |= {"threads": 1}
SHOPS = "pqrst"


def events_of(sequences, items, users=None):
    rows = [(user, item) for user, history in sequences.items() for item in history]
    table = pl.DataFrame(rows, schema=["user_id", "item_id"], orient="row")
    return Dataset(interactions=table, items=pl.DataFrame({"item_id": items}), users=users)


@pytest.fixture(scope="module")
def either_or():
    """In each shop: a0 or a1, then b0 or b1; who chose both of one number gets c, others d."""
    rng = np.random.default_rng(0)
    sequences = {}
    for number in range(600):
        shop = SHOPS[rng.choice(5, p=[0.4, 0.25, 0.15, 0.1, 0.1])]
        first, second = int(rng.random() < 0.6), int(rng.random() < 0.45)
        last = "c" if first == second else "d"
        sequences[f"u{number}"] = [f"{shop}a{first}", f"{shop}b{second}", f"{shop}{last}"]
    return events_of(sequences, sorted({item for one in sequences.values() for item in one}))


def right_of_two(model, data):
    """How often what the two choices imply stands above what they rule out."""
    right = []
    for shop in SHOPS:
        for first in (0, 1):
            for second in (0, 1):
                asked = history_of_items(data.item_ids, [[f"{shop}a{first}", f"{shop}b{second}"]])
                c, d = model.score(asked)[0, data.item_ids.rows([f"{shop}c", f"{shop}d"])]
                right.append((c > d) == (first == second))
    return np.mean(right)


@pytest.mark.parametrize("body", BODIES)
def test_what_only_two_choices_together_imply_is_foreseen(either_or, body):
    model = Sequential(body=body, **QUICK | {"epochs": 40, "patience": 40}).fit(either_or)
    assert right_of_two(model, either_or) >= 0.9
    assert right_of_two(Covisit().fit(either_or), either_or) <= 0.7


@pytest.fixture(scope="module")
def round_trip():
    """Topics follow each other in a ring; the features say which topic an item has."""
    rng = np.random.default_rng(1)
    sizes = [12, 9, 7, 5]
    items = [f"t{topic}-{n}" for topic, size in enumerate(sizes) for n in range(size)]
    by_topic = [[one for one in items if one.startswith(f"t{topic}-")] for topic in range(4)]
    sequences = {}
    for number in range(300):
        start = rng.integers(4)
        sequences[f"u{number}"] = [
            str(rng.choice(by_topic[(start + step) % 4])) for step in range(rng.integers(3, 7))
        ]
    data = events_of(sequences, items)
    return data, features_of(items, rng)


def features_of(items, rng):
    topic = np.array([int(one[1]) for one in items])
    marks = np.eye(4)[topic] + 0.1 * rng.standard_normal((len(items), 4))
    return Features(Ids(items), {"text": marks.astype(np.float32)})


def test_new_items_stand_where_their_features_say_what_comes_next(round_trip):
    data, features = round_trip
    new = features_of([f"t{topic}-new" for topic in range(4)], np.random.default_rng(2))
    asked = [["t0-1"], ["t3-2", "t0-3", "t1-4"], ["t2-2"]]
    wanted = [1, 2, 3]

    def best_of_new(model):
        model.fit(data, FitContext(items=features)).add_items(new)
        catalogue = Ids(pl.concat([data.item_ids.series, new.ids.series]))
        scores = model.score(history_of_items(catalogue, asked))
        return scores[:, len(data.item_ids) :].argmax(axis=1).tolist(), scores

    found, scores = best_of_new(Sequential(**QUICK))
    assert found == wanted
    assert (scores[:, len(data.item_ids) :].max(axis=1) > np.median(scores, axis=1)).all()
    assert best_of_new(Content())[0] != wanted
    assert best_of_new(Sequential(ids=False, **QUICK))[0] == wanted


@pytest.fixture(scope="module")
def two_kinds():
    """Whoever is young begins with a, whoever is old with b; then all go the same way."""
    rng = np.random.default_rng(3)
    sequences, kinds = {}, []
    for number in range(240):
        kind = int(rng.random() < 0.35)
        kinds.append(kind)
        sequences[f"u{number}"] = ["ab"[kind], "c", str(rng.choice(["d", "e"]))]
    sequences["somebody"] = ["a"]  # of one event, which teaches what a profile begins with
    kinds.append(0)
    data = events_of(sequences, list("abcde"))
    marks = np.eye(2, dtype=np.float32)[kinds]
    return data, Features(data.user_ids, {"kind": marks})


def of_strangers(model, data):
    nobody = history_of_items(data.item_ids, [[], []])
    told = replace(nobody, users={"kind": np.eye(2, dtype=np.float32)})
    return model.score(told), model.score(nobody)


def test_a_profile_says_what_a_stranger_begins_with(two_kinds):
    data, people = two_kinds
    context = FitContext(users=people)
    told, untold = of_strangers(Sequential(**QUICK).fit(data, context), data)
    assert told.argmax(axis=1).tolist() == [0, 1]
    popular = of_strangers(Popular().fit(data), data)[1]
    np.testing.assert_array_equal(untold.argsort(axis=1), popular.argsort(axis=1))
    shuffled = np.random.default_rng(4).permutation(len(people))
    other = people.with_parts({"kind": people.parts["kind"][shuffled]})
    mixed, _ = of_strangers(Sequential(**QUICK).fit(data, FitContext(users=other)), data)
    assert abs(mixed[0] - mixed[1])[:2].max() < abs(told[0] - told[1])[:2].max() / 2


def test_what_is_learnt_from_events_is_no_feature(round_trip):
    data, features = round_trip
    known = Features(
        features.ids, {**features.parts, "did": features.parts["text"]}, behavioural={"did"}
    )
    model = Sequential(**QUICK | {"epochs": 1}).fit(data, FitContext(items=known))
    assert list(model.axes_) == ["text"]


def test_pauses_count_where_there_are_times():
    """After a long pause comes d, after a short one c; nothing else tells."""
    rng = np.random.default_rng(5)
    rows = []
    for number in range(300):
        slow = rng.random() < 0.4
        second = 1e6 if slow else 1e3
        for item, time in (("a", 0.0), ("b", second), ("d" if slow else "c", second + 10)):
            rows.append((f"u{number}", item, 1e9 + 1e7 * number + time))
    table = pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp"], orient="row")
    data = Dataset(interactions=table, items=pl.DataFrame({"item_id": list("abcd")}))
    asked = history_of_items(data.item_ids, [["a", "b"], ["a", "b"]])
    asked = replace(asked, times=np.array([0, 1e3, 0, 1e6]))
    with_pauses = Sequential(time_gaps=True, **QUICK).fit(data).score(asked)[:, 2:]
    assert with_pauses.argmax(axis=1).tolist() == [0, 1]
    without = Sequential(**QUICK).fit(data).score(asked)[:, 2:]
    np.testing.assert_array_equal(without[0], without[1])


def test_a_stopped_training_goes_on_to_the_same_lists(either_or, tmp_path):
    settings = QUICK | {"epochs": 4}
    whole = Sequential(**settings).fit(either_or).score(histories_of(either_or))

    class Stopped(Exception):
        pass

    class StopsAfterTwo:
        def start(self, label, settings):
            def note(epoch, figures):
                if epoch == 3:
                    raise Stopped

            return note

        def stop(self, label):
            pass

    with pytest.raises(Stopped), checkpoints(tmp_path), track(StopsAfterTwo()):
        Sequential(**settings).fit(either_or)
    seen = []

    class Notes:
        def start(self, label, settings):
            return lambda epoch, figures: seen.append(epoch)

        def stop(self, label):
            pass

    with checkpoints(tmp_path), track(Notes()):
        again = Sequential(**settings).fit(either_or).score(histories_of(either_or))
    assert seen == [3, 4]
    np.testing.assert_array_equal(again, whole)
    with (
        pytest.raises(ArtefactError, match="other data or with other settings"),
        checkpoints(tmp_path),
    ):
        Sequential(**settings | {"dim": 16}).fit(either_or)


def test_a_pipeline_of_words_and_profiles_is_saved_whole(tmp_path):
    data = palate.data.samples.synthetic(80, 40)
    model = palate.Pipeline(recommender=Sequential(**QUICK | {"epochs": 2})).fit(data)
    found = model.recommend(data.user_ids.series.head(3).to_list(), k=5, reasons=True)
    again = palate.load(model.save(tmp_path / "model"))
    assert again.recommend(data.user_ids.series.head(3).to_list(), k=5, reasons=True).table.equals(
        found.table
    )
    title = data.items["title"][3]
    assert len(model.recommend(text=title, k=5)) == 5


@pytest.mark.parametrize(
    ("settings", "told"), [({"dim": 33, "heads": 2}, "heads"), ({"length": 0}, "length")]
)
def test_settings_that_cannot_work_raise(settings, told):
    with pytest.raises(ConfigError, match=told):
        Sequential(**settings)


def test_without_ids_and_features_there_is_nothing_to_learn_from(either_or):
    with pytest.raises(ConfigError, match="needs item features"):
        Sequential(ids=False).fit(either_or)


@pytest.mark.parametrize("name", ["bilinear", "graph", "mf", "sequence", "two_tower"])
def test_features_that_are_no_numbers_are_named(round_trip, name):
    data, features = round_trip
    holed = features.parts["text"].copy()
    holed[[2, 5], 1] = [np.nan, np.inf]
    for part in (holed, sparse.csr_array(holed)):
        context = FitContext(items=Features(features.ids, {"text": part}))
        model = registry.build("recommenders", {"type": name}, where=name)
        with pytest.raises(DataError, match="'text' holds NaN or infinity for 't0-2', 't0-5'"):
            model.fit(data, context)
