import numpy as np
import polars as pl
import pytest
from two_ways import content_of_two_ways, ndcg, requests_of, two_ways

from palate.core.dataset import Dataset
from palate.core.errors import ConfigError
from palate.core.histories import history_of_items
from palate.core.types import FitContext
from palate.data.samples import synthetic
from palate.features.encoders.attributes import Attributes
from palate.features.encoders.tfidf import Tfidf
from palate.pipeline.pipeline import Pipeline, load
from palate.recommenders._base import zscores
from palate.recommenders.blend import Blend
from palate.recommenders.covisit import Covisit
from palate.recommenders.ease import Ease
from palate.recommenders.ensemble import Ensemble
from palate.recommenders.item_knn import ItemKNN
from palate.recommenders.popular import Popular
from palate.recommenders.switching import Switching
from palate.testing import check_committee

WAYS = [{"type": "content", "length": 1}, {"type": "covisit"}, {"type": "popular"}]
RINGS = [
    {"type": "content"},
    {"type": "covisit", "length": 1},
    {"type": "popular"},
    {"type": "popular", "last_days": 3},
]


def surely(differences):
    return differences.mean() / (differences.std(ddof=1) / np.sqrt(len(differences)))


def halves(n_users, *, times=True):
    """Two thirds of the people of a made-up world, the other third, and what items say."""
    whole = synthetic(n_users, 120, seed=0)
    events = whole.interactions if times else whole.interactions.drop("timestamp")
    third = events["user_id"].str.slice(1).cast(pl.Int64) % 3 == 0
    own, others = (whole.with_interactions(events.filter(part)) for part in (~third, third))
    return own, others, FitContext(items=Tfidf().fit(own).encode(own))


@pytest.fixture(scope="module", params=[True, False], ids=["times", "order alone"])
def world(request):
    return halves(700, times=request.param)


class TestLearntWeights:
    """Content says the topic, covisits the next item, popularity little, its last days less."""

    @pytest.mark.parametrize("how", ["blend", "stacking"])
    def test_they_beat_equal_weights_and_every_part(self, world, how):
        own, others, context = world
        model = Ensemble(parts=RINGS, how=how).fit(own, context)
        found = ndcg(model, others)
        equal = Blend(parts=RINGS).fit(own, context)
        assert surely(found - ndcg(equal, others)) > 5
        apart = [surely(found - ndcg(part, others)) for part in equal.parts_]
        assert min(apart) > (1 if own.times is not None else 2)

    def test_they_and_the_trial_are_told(self, world):
        own, _, context = world
        model = Ensemble(parts=RINGS).fit(own, context)
        trial, weights = model.chosen_
        assert trial.startswith("learnt weights (NDCG@10 of ")
        assert "equal weights 0.7" in trial
        assert weights.startswith("weights: content 0.4")
        assert (model.weights_ >= 0).all()


def test_a_stack_hears_content_at_first_and_others_later(ways, ways_later):
    """No weights that are the same for everybody can: the stack is surely better than any."""
    context = FitContext(items=content_of_two_ways(ways))
    stack = ndcg(Ensemble(parts=WAYS, how="stacking").fit(ways, context), ways_later)
    for other in (Ensemble(parts=WAYS), Blend(parts=WAYS), Covisit()):
        assert surely(stack - ndcg(other.fit(ways, context), ways_later)) > 5


def test_where_one_part_is_right_it_is_not_worse(ways, ways_later):
    """Noise beside it: two parts that tell what is popular, and one that is right."""
    parts = [{"type": "covisit"}, {"type": "popular"}, {"type": "popular", "last_days": 1}]
    alone = ndcg(Covisit().fit(ways), ways_later)
    for how in ("blend", "stacking"):
        found = ndcg(Ensemble(parts=parts, how=how).fit(ways), ways_later)
        assert surely(found - alone + 1e-9 * np.arange(len(found))) > -2


def spread(pair, data):
    """The mean squared difference of two models' z-scores, over all requests and items."""
    asking, _ = requests_of(data, longest=5)
    apart = [np.subtract(*(zscores(model.score(part)) for model in pair)) for part in asking]
    return float((np.concatenate(apart) ** 2).mean())


def test_bagging_steadies_what_other_people_would_change():
    """Which neighbour is an item's one is chance: two thirds of the people find others."""
    whole = synthetic(500, 120, seed=0)
    number = whole.interactions["user_id"].str.slice(1).cast(pl.Int64)
    parts = [whole.with_interactions(whole.interactions.filter(number % 3 == n)) for n in range(3)]
    bagging = {"how": "bagging", "n_estimators": 20}
    single = [ItemKNN(neighbours=1).fit(part) for part in parts[:2]]
    bagged = [
        Ensemble(parts=[{"type": "item_knn", "neighbours": 1}], **bagging).fit(part)
        for part in parts[:2]
    ]
    assert spread(bagged, parts[2]) < 0.7 * spread(single, parts[2])
    for many, one in zip(bagged, single, strict=True):
        assert surely(ndcg(many, parts[2], longest=5) - ndcg(one, parts[2], longest=5)) > 3


def test_copies_differ_and_the_seed_says_how(ways):
    models = [
        Ensemble(parts=[Covisit()], how="bagging", n_estimators=3, seed=seed).fit(ways)
        for seed in (0, 0, 9)
    ]
    asking = history_of_items(ways.item_ids, [["h3", "h9"]])
    one, same, other = (model.score(asking) for model in models)
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)
    copies = [part.score(asking) for part in models[0].parts_]
    assert not np.array_equal(copies[0], copies[1])
    assert models[0].chosen_ == ["3 copies of covisit, each of people drawn with replacement"]


def test_people_who_are_drawn_twice_weigh_twice(ways):
    """On average everybody weighs as much as before: a third of them nothing."""
    model = Ensemble(parts=[Popular()], how="bagging", n_estimators=2).fit(ways)
    counts = ways.item_counts.sum()
    for part in model.parts_:
        assert part.popularity_.sum() == pytest.approx(counts, rel=0.1)
        assert not np.array_equal(part.popularity_, ways.item_counts)


@pytest.mark.parametrize("how", ["blend", "bagging"])
def test_events_that_come_later_are_counted_as_by_a_fit(ways, how):
    half = Dataset(ways.interactions.head(3000), ways.items)
    model = Ensemble(parts=[Covisit(), ItemKNN()], how=how, n_estimators=2).fit(half)
    weights = model.weights_.copy()
    assert model.refresh(ways) is model
    again = Ensemble(parts=[Covisit(), ItemKNN()], how=how, n_estimators=2).fit(ways)
    asking = history_of_items(ways.item_ids, [["n7"], ["n7", "n307", "h3", "h9"]])
    for one, other in zip(model.parts_, again.parts_, strict=True):
        assert np.array_equal(one.score(asking), other.score(asking))
    assert np.array_equal(model.weights_, weights)
    assert model.keeps_fit == (("weights",) if how == "blend" else ())
    kept = Ensemble(parts=[Ease()], how=how, n_estimators=2).fit(half).keeps_fit
    assert kept == ((*model.keeps_fit, "ease"))


def test_too_few_events_teach_nothing(known):
    model = Ensemble(parts=[Covisit(), Popular()], how="stacking").fit(known)
    assert model.chosen_[0].startswith("equal weights: ")
    asking = history_of_items(known.item_ids, [["d"], []])
    equal = Blend(parts=[Covisit(), Popular()]).fit(known)
    np.testing.assert_allclose(model.score(asking), equal.score(asking) / 2, rtol=1e-5)


def test_ranks_in_place_of_scores(known):
    model = Ensemble(parts=[Covisit()], how="bagging", n_estimators=2, combine="rank").fit(known)
    scores = model.score(history_of_items(known.item_ids, [["b"]]))
    assert np.isfinite(scores).all()
    assert scores[0].argmax() in (0, 2)


def test_words_reach_a_part_whose_weight_is_nothing(ways):
    context = FitContext(items=content_of_two_ways(ways))
    model = Ensemble(parts=WAYS).fit(ways, context)
    assert model.weights_[0, 0] < 0.1 * model.weights_[0, 1]
    words = context.items.parts["text"][ways.item_ids.rows(["h5"])]
    asking = history_of_items(ways.item_ids, [[]], queries={"text": words})
    assert ways.item_ids[int(model.score(asking)[0].argmax())] == "h5"
    (said,) = model.evidence(asking, ways.item_ids.rows(["h5"]))
    assert said.kind == "words"


def test_the_part_that_adds_most_speaks(ways):
    context = FitContext(items=content_of_two_ways(ways))
    model = Ensemble(parts=WAYS[:2], how="stacking").fit(ways, context)
    asking = history_of_items(ways.item_ids, [["n8"], ["n8", "n308", "h3", "h9"]])
    best = model.score(asking).argmax(axis=1).astype(np.int32)
    kinds = [one.kind for one in model.evidence(asking, best)]
    assert kinds == ["alike", "together"]


@pytest.mark.parametrize(
    "committee",
    [
        lambda parts: Ensemble(parts=parts, how="stacking"),
        lambda parts: Ensemble(parts=parts, how="bagging", n_estimators=3),
        lambda parts: Switching(parts=parts),
    ],
    ids=["stacking", "bagging", "switching"],
)
def test_a_profile_reaches_the_parts(committee, tmp_path):
    """Young people of the made-up world lean on one topic, old ones on another."""
    data = synthetic(300, 60, seed=2)
    parts = [{"type": "user_knn"}, {"type": "popular"}]
    model = Pipeline(
        encoders={}, users={"profile": Attributes()}, recommender=committee(parts)
    ).fit(data)
    model.save(tmp_path / "model")
    for one in (model, load(tmp_path / "model")):
        lists = [
            one.recommend(profile={"age": age}, k=5).table["item_id"].to_list() for age in (22, 60)
        ]
        assert lists[0] != lists[1]


FILE = """
[data]
interactions = "events.csv"
[recommender]
type = "ensemble"
how = "stacking"
parts = [{type = "item_knn"}, {type = "covisit"}]
"""


def test_a_pipeline_file_names_the_parts_and_the_model_says_what_it_found(command, write, ways):
    write("events.csv", ways.interactions.write_csv())
    path = write("pipeline.toml", FILE)
    folder = path.parent / "model"
    done = command("fit", path, "--out", folder, "--all")
    assert done.code == 0, done.err
    assert "choices held out" in done.out
    said = load(folder).recommender_.chosen_
    assert "item_knn alone 0." in said[0]
    assert said[1] in (folder / "CARD.md").read_text()
    done = command("recommend", folder, "--history", "h3", "-k", 2)
    assert done.code == 0, done.err


@pytest.mark.parametrize("how", ["blend", "stacking", "bagging"])
def test_what_is_loaded_gives_the_same_lists(ways, tmp_path, how):
    parts = Ensemble(parts=[{"type": "item_knn"}, Covisit()], how=how, n_estimators=2)
    model = Pipeline(encoders={}, recommender=parts).fit(ways)
    model.save(tmp_path / "model")
    again = load(tmp_path / "model")
    assert again.recommender_.chosen_ == model.recommender_.chosen_
    asked = {"history": ["n7", "n307", "h3"], "k": 5, "reasons": True}
    assert again.recommend(**asked).table.equals(model.recommend(**asked).table)


@pytest.mark.parametrize("how", ["blend", "stacking", "bagging"])
def test_the_parts_get_the_context(tiny, tiny_features, how):
    def committee(part):
        return Ensemble(parts=[part, Popular()], how=how, n_estimators=2)

    check_committee(committee, tiny, tiny_features)
    if how != "bagging":
        world = two_ways(200)
        check_committee(committee, world, content_of_two_ways(world))


@pytest.mark.parametrize("how", ["blend", "bagging"])
def test_new_items_reach_every_part(known, arrivals, how):
    model = Ensemble(parts=[Popular(), ItemKNN()], how=how, n_estimators=2).fit(known)
    scores = model.add_items(arrivals).score(history_of_items(known.item_ids, [["a"]]))
    assert scores.shape == (1, 7)
    assert (scores[0, 5:] == scores.min()).all()


def test_the_order_of_the_rows_does_not_matter(ways):
    order = np.random.default_rng(0).permutation(len(ways.items))
    turned = Dataset(
        ways.interactions.sort("timestamp", "user_id", descending=[False, True]), ways.items[order]
    )
    asking = [history_of_items(data.item_ids, [["n7"], ["h3", "h9"]]) for data in (ways, turned)]
    for how in ("blend", "stacking", "bagging"):
        one, other = (
            Ensemble(parts=WAYS, how=how, n_estimators=2)
            .fit(data, FitContext(items=content_of_two_ways(data)))
            .score(asked)
            for data, asked in zip((ways, turned), asking, strict=True)
        )
        np.testing.assert_allclose(other, one[:, order], atol=1e-3 * np.ptp(one))


def test_settings_that_cannot_work_raise():
    for setting in ({"parts": []}, {"how": "voting"}, {"n_estimators": 1}, {"l2": -1.0}):
        with pytest.raises(ConfigError, match=next(iter(setting))):
            Ensemble(**setting)
