from dataclasses import replace

import numpy as np
import polars as pl
import pytest

import palate
from palate.core.dataset import Dataset
from palate.core.features import Features
from palate.core.histories import history_of_items
from palate.core.ids import Ids
from palate.core.types import FitContext
from palate.recommenders.covisit import Covisit
from palate.recommenders.graph import GraphRecommender
from palate.recommenders.item_knn import ItemKNN

pytest.importorskip("torch")

CHAINS = 10
# nothing is learnt: what is near is near by what passes over the graph
UNTAUGHT = {"epochs": 1, "learning_rate": 1e-7}
OF_CHAINS = {**UNTAUGHT, "ids": False, "dim": 5 * CHAINS}


@pytest.fixture(scope="module")
def chains() -> Dataset:
    """x and z go together, z and y do, and nobody chose x and y."""
    events = []
    for chain in range(CHAINS):
        for person, items in {"A": "x", "B": "xz", "C": "zy", "D": "pq"}.items():
            events += [(f"{person}{chain}", f"{item}{chain}") for item in items]
    table = pl.DataFrame(events, schema=["user_id", "item_id"], orient="row")
    return Dataset(interactions=table, items=table.select("item_id").unique().sort("item_id"))


def at_the_ends(model, data):
    """(chains,) scores of each chain's y for who chose x, and the highest of other chains' items.

    Every item has a feature of its own, so that nothing but the graph makes them alike.
    """
    alone = np.eye(len(data.item_ids), dtype=np.float32)
    model.fit(data, FitContext(items=Features(data.item_ids, {"alone": alone})))
    scores = model.score(history_of_items(data.item_ids, [[f"x{c}"] for c in range(CHAINS)]))
    names = data.item_ids.tolist()
    ends = np.array([row[names.index(f"y{chain}")] for chain, row in enumerate(scores)])
    others = [
        max(score for score, name in zip(row, names, strict=True) if name[1:] != str(chain))
        for chain, row in enumerate(scores)
    ]
    return ends, np.array(others)


@pytest.mark.parametrize("simpler", [ItemKNN(), Covisit()])
def test_counting_misses_the_end_of_a_chain(chains, simpler):
    ends, others = at_the_ends(simpler, chains)
    assert (ends <= others).all()


@pytest.mark.parametrize("hops", [0, 1])
def test_without_passing_on_the_end_of_a_chain_is_as_far_as_anything(chains, hops):
    ends, others = at_the_ends(GraphRecommender(hops=hops, **OF_CHAINS), chains)
    np.testing.assert_allclose(ends, 0, atol=1e-3)
    np.testing.assert_allclose(others, 0, atol=1e-3)


@pytest.mark.parametrize("hops", [3, 5])
def test_hops_find_the_end_of_a_chain(chains, hops):
    ends, others = at_the_ends(GraphRecommender(hops=hops, **OF_CHAINS), chains)
    np.testing.assert_allclose(others, 0, atol=1e-3)
    assert (ends > 0.03).all()
    if hops == 3:
        x, y = np.array([1 + 3 / 4, 1 / 4]), np.array([1 + 1 / 2, 8**-0.5])  # own, and of z
        cosine = x[1] * y[1] / np.linalg.norm(x) / np.linalg.norm(y)
        np.testing.assert_allclose(ends, cosine, atol=1e-3)


def test_odd_numbers_of_hops_are_layers_of_lightgcn(known):
    """Its matrix form: the mean over all layers, with people who begin as nothing."""
    first = GraphRecommender(hops=0, dim=64, **UNTAUGHT).fit(known)
    model = GraphRecommender(hops=3, dim=64, **UNTAUGHT).fit(known)
    choices = np.float64([[1, 1, 1, 0, 0], [1, 1, 1, 0, 0], [0, 0, 1, 1, 0]])
    whole = np.zeros((8, 8))
    whole[:3, 3:], whole[3:, :3] = choices, choices.T
    roots = np.maximum(whole.sum(axis=1), 1) ** -0.5
    whole = roots[:, None] * whole * roots
    layers = [np.vstack([np.zeros((3, 64)), first.id_vectors_])]
    for _ in range(3):
        layers.append(whole @ layers[-1])
    people, items = np.split(sum(layers), [3])
    items[4] = 0  # whom nobody touched
    people, items = (
        part / np.maximum(np.linalg.norm(part, axis=1), 1e-9)[:, None] for part in (people, items)
    )
    asking = history_of_items(known.item_ids, [list("abc"), list("bcab"), list("dc")])
    np.testing.assert_allclose(model.score(asking)[:, :4], (people @ items.T)[:, :4], atol=2e-3)


@pytest.mark.parametrize("more", [{}, {"loss": "bpr"}, {"contrast": 0.2}, {"negatives": 10}])
def test_what_is_learnt_finds_held_out_choices(rings, more):
    """Of the newest event of each person, far more in ten places than popularity finds."""
    split = palate.split_leave_last_out(rings)
    settings = {"dim": 32, "epochs": 10, "learning_rate": 0.01, **more}
    models = {"graph": GraphRecommender(**settings), "popular": palate.Popular()}
    found = {}
    for name, model in models.items():
        pipeline = palate.Pipeline(encoders={}, recommender=model).fit(split.train)
        found[name] = palate.evaluate(pipeline, split)["ndcg@10"]
    assert found["graph"] > 1.5 * found["popular"]


def test_a_second_loss_changes_what_is_learnt(rings):
    settings = {"dim": 16, "epochs": 2}
    plain = GraphRecommender(**settings).fit(rings)
    for more in ({"contrast": 0.5}, {"loss": "bpr"}, {"edge_dropout": 0.0}):
        other = GraphRecommender(**settings, **more).fit(rings)
        assert not np.allclose(plain.id_vectors_, other.id_vectors_, atol=1e-5)


def test_new_items_stand_where_their_features_put_them(rings, said):
    model = GraphRecommender(dim=32, epochs=5).fit(rings, FitContext(items=said))
    parts = {name: part[:20] for name, part in said.parts.items()}
    model.add_items(Features(Ids([f"new {row}" for row in range(20)]), parts))
    asking = history_of_items(model.item_ids_, [[rings.item_ids[row]] for row in range(20)])
    scores = model.score(asking)[:, 60:]
    assert np.mean(np.argsort(np.argsort(-scores, axis=1), axis=1).diagonal()) < 4


def test_new_items_speak_for_who_chose_them(rings, said):
    model = GraphRecommender(dim=32, epochs=5, ids=False).fit(rings, FitContext(items=said))
    parts = {name: part[:1] for name, part in said.parts.items()}
    model.add_items(Features(Ids(["new"]), parts))
    one, twin = model.score(history_of_items(model.item_ids_, [["new"], [rings.item_ids[0]]]))
    assert np.corrcoef(one, twin)[0, 1] > 0.5


def test_what_is_known_of_people_serves_somebody_without_a_history(chains):
    """Half of the people choose among even chains, and it is said of them."""
    people = chains.user_ids.tolist()
    even = np.float32([[int(name[1:]) % 2 == 0, int(name[1:]) % 2] for name in people])
    users = Features(Ids(people), {"half": even})
    model = GraphRecommender(dim=32, epochs=20, learning_rate=0.02, warm_start=False)
    model.fit(chains, FitContext(users=users))
    empty = history_of_items(chains.item_ids, [[], []])
    asking = replace(empty, users={"half": np.eye(2, dtype=np.float32)})
    scores = model.score(asking)
    of_even = np.array([int(name[1:]) % 2 == 0 for name in chains.item_ids])
    assert scores[0, of_even].mean() > scores[0, ~of_even].mean() + 0.1
    assert scores[1, ~of_even].mean() > scores[1, of_even].mean() + 0.1


def test_a_saved_pipeline_recommends_the_same(rings, tmp_path):
    words = {"words": palate.Tfidf()}
    model = palate.Pipeline(encoders=words, recommender=GraphRecommender(dim=16, epochs=2))
    model.fit(rings).save(tmp_path / "model")
    again = palate.load(tmp_path / "model")
    people = rings.user_ids.tolist()[:20]
    assert again.recommend(people, k=5).table.equals(model.recommend(people, k=5).table)


def test_people_with_one_choice_each_teach_nothing_and_break_nothing(build):
    data = build({"u": "a", "v": "b", "w": "b"})
    scores = GraphRecommender(dim=8).fit(data).score(history_of_items(data.item_ids, [["a"]]))
    assert np.isfinite(scores).all()
