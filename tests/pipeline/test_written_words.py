"""What people wrote at their events is known of them, and no held-out event's text helps."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

import palate
from palate.core.columns import TEXT
from palate.core.dataset import Dataset
from palate.core.histories import dataset_of, histories_of
from palate.features.default_encoders import default_user_encoders
from palate.pipeline.config import read_config
from palate.pipeline.user_features import UserStages, context_of_both, fit_both, users_as_items
from palate.recommenders.ranker import Ranker

TOPICS = ("rockets robots planets", "roses herbs orchards")


def shop(seed=2):
    """Everybody first chooses papers, of which nothing follows; what they write there tells all."""
    rng = np.random.default_rng(seed)
    rows = []
    for person in range(160):
        topic = int(rng.random() < 0.4)
        words = TOPICS[topic].split()
        for step, number in enumerate(rng.permutation(40)[:3]):
            said = f"I wanted {' and '.join(rng.permutation(words)[:2])}"
            rows.append((f"u{person}", f"paper-{number}", 100.0 * person + step, said))
        if person < 120:  # others have not come to it yet
            rows += [
                (f"u{person}", f"topic{topic}-{number}", 100.0 * person + 50 + step, None)
                for step, number in enumerate(rng.permutation(7)[:4])
            ]
    names = ["user_id", "item_id", "timestamp", "text"]
    events = pl.DataFrame(rows, schema=names, orient="row", infer_schema_length=None)
    items = pl.DataFrame({"item_id": events["item_id"].unique().sort()})
    return Dataset(interactions=events.sort("timestamp"), items=items)


@pytest.fixture(scope="module")
def model():
    return palate.Pipeline(encoders={}, recommender=palate.UserKNN()).fit(shop())


def of_topic(model, person, topic, k=6):
    found = model.recommend([person], k=k).table["item_id"]
    return float(found.str.starts_with(f"topic{topic}").mean())


def written(data, person):
    return data.interactions.filter(pl.col("user_id") == person)["text"].drop_nulls()


def test_what_somebody_wrote_changes_their_list(model):
    data = model.data_
    assert list(default_user_encoders(users_as_items(data))) == ["reviews"]
    assert model.user_features.behavioural == {"reviews"}
    right = []
    for person in (f"u{row}" for row in range(120, 160)):
        topic = int(any(word in written(data, person)[0] for word in TOPICS[1].split()))
        right.append(of_topic(model, person, topic) - of_topic(model, person, 1 - topic))
    assert np.mean(right) > 0.4
    blind = palate.Pipeline(encoders={}, users={}, recommender=palate.UserKNN()).fit(data)
    assert not blind.recommend(["u150"]).table.equals(model.recommend(["u150"]).table)


def test_other_words_another_list(model):
    data = model.data_
    other = pl.when(pl.col("user_id") == "u150").then(pl.lit(f"I wanted {TOPICS[0]}"))
    first = data.interactions.with_columns(text=other.otherwise("text"))
    other = pl.when(pl.col("user_id") == "u150").then(pl.lit(f"I wanted {TOPICS[1]}"))
    second = data.interactions.with_columns(text=other.otherwise("text"))
    shares = []
    for events in (first, second):
        again = palate.Pipeline(encoders={}, recommender=palate.UserKNN())
        shares.append(of_topic(again.fit(data.with_interactions(events)), "u150", 1))
    assert shares[1] > shares[0] + 0.3


def test_saved_and_from_a_file(model, tmp_path):
    again = palate.load(model.save(tmp_path / "model"))
    people = ["u1", "u150", "u155"]
    assert again.recommend(people).table.equals(model.recommend(people).table)
    model.data_.interactions.write_parquet(tmp_path / "events.parquet")
    (tmp_path / "shop.toml").write_text(
        '[data]\ninteractions = "events.parquet"\npositive = "all"\n[encoders]\n[users.wrote]\n'
        'type = "reviews"\n[recommender]\ntype = "user_knn"\n'
    )
    config = read_config(tmp_path / "shop.toml")
    data, _ = config.read()
    fitted = config.pipeline().fit(data)
    assert list(fitted.user_features.parts) == ["wrote"]


def test_who_reads_no_people_and_where_few_write_there_is_no_block():
    data = shop()
    bare = palate.Pipeline(encoders={}, recommender=palate.ItemKNN()).fit(data)
    assert not bare.user_features.parts
    few = pl.when(pl.col("user_id").is_in([f"u{row}" for row in range(49)])).then("text")
    quiet = data.with_interactions(data.interactions.with_columns(text=few))
    assert default_user_encoders(users_as_items(quiet)) == {}


def test_a_part_is_made_of_its_own_texts_alone():
    data = shop()
    pipeline = palate.Pipeline(encoders={}, users={"reviews": palate.Reviews()})
    stages = UserStages.blank(pipeline, data)
    features = fit_both({}, [], UserStages.blank(replace(pipeline, representation=[]), data), data)
    context = context_of_both(*features, {}, [], stages)
    assert context.knows_events
    early = histories_of(data).first(np.full(len(data.user_ids), 2))
    one = context.on_part(dataset_of(early, data)).users
    changed = data.interactions.with_columns(
        text=pl.when(pl.int_range(pl.len()).over("user_id") >= 2)
        .then(pl.lit("nothing of this"))
        .otherwise(TEXT)
    )
    other = data.with_interactions(changed)
    same = context.on_part(dataset_of(early, other)).users
    assert (one.values == same.values).all()
    whole = context.on_part(other).users
    assert (whole.values != one.values).any()


def giving_away(seed=3):
    """Choices are chance, and each event's text says what was chosen: all that could be learnt."""
    rng = np.random.default_rng(seed)
    signs = [f"{'abcdefghij'[one]}{'klmnopqrst'[two]}x" * 3 for one in range(4) for two in range(6)]
    rows = [
        (f"u{person}", f"item-{item}", float(rng.integers(0, 10_000)), f"about {signs[item]}")
        for person in range(200)
        for item in rng.permutation(24)[:6]
    ]
    names = ["user_id", "item_id", "timestamp", "text"]
    events = pl.DataFrame(rows, schema=names, orient="row").sort("timestamp")
    return Dataset(events, pl.DataFrame({"item_id": [f"item-{item}" for item in range(24)]}))


def people_gain(data, users):
    model = palate.Pipeline(
        encoders={},
        users=users,
        recommender=Ranker(
            n_estimators=20, n_train_queries=600, candidates=24, min_rows_per_leaf=20
        ),
    ).fit(data)
    found = model.recommender_.importances_
    return float(found.filter(pl.col("family") == "the person's profile")["contribution"].sum())


def test_the_text_of_a_held_out_event_does_not_help_to_predict_it():
    """Were labels' own texts in the features, the trees would look at little else."""
    data = giving_away()
    honest = people_gain(data, {"reviews": palate.Reviews()})
    vectors = palate.Reviews().fit(users_as_items(data)).encode(users_as_items(data))
    table = pl.DataFrame({"user_id": vectors.ids.series}).with_columns(
        pl.Series(f"v{column}", vectors.values[:, column]) for column in range(64)
    )
    leaking = people_gain(replace(data, users=table), {"reviews": palate.Attributes()})
    assert leaking > 3 * honest
