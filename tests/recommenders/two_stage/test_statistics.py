from dataclasses import replace

import numpy as np
import pytest

from palate.core.arrays import to_dense, unit_rows
from palate.core.features import Features
from palate.core.histories import histories_of, history_of_items
from palate.core.ids import Ids
from palate.recommenders._cooccurrence import covisit_counts
from palate.recommenders.two_stage import statistics
from palate.recommenders.two_stage.catalogue import Catalogue
from palate.recommenders.two_stage.statistics import (
    BEHAVIOUR_DIM,
    extended,
    fit_statistics,
    next_item_map,
    prefix_cases,
)

ANYBODY = {"popularity", "counts", "newest"}


def bare(n_items):
    return Catalogue.of(None, n_items)


def fitted(histories, catalogue=None, **settings):
    blank = bare(len(histories.item_ids))
    return fit_statistics(
        histories, catalogue or blank, **{"behaviour": True, "seed": 0} | settings
    )


def test_counts_by_hand(build):
    data = build({"u": "abc", "v": "bcab", "w": "dc"}, weights=[1, 1, 2, 1, 1, 1, 3, 1, 1])
    found = fitted(histories_of(data), behaviour=False)
    assert set(found) == ANYBODY
    np.testing.assert_array_equal(found["counts"], [2, 3, 3, 1, 0])
    np.testing.assert_array_equal(found["popularity"], [2, 5, 4, 1, 0])
    np.testing.assert_array_equal(found["newest"], [0, 1, 2, 0, 0])


def test_conditional_covisits_are_shares_of_what_follows_and_trust_few_pairs_less(build):
    data = build({"u": "abc", "v": "bcab", "w": "dc"})
    histories = histories_of(data)
    counts = covisit_counts(histories, window=statistics.WINDOW).toarray()
    found = fitted(histories)["conditional"].toarray()
    warm = counts.sum(axis=1) > 0
    shares = counts[warm] / counts[warm].sum(axis=1, keepdims=True)
    sums = found.sum(axis=1)
    np.testing.assert_allclose(found[warm] / sums[warm, None], shares, rtol=1e-5)
    assert (sums < 1).all()
    assert np.argmin(sums[warm]) == np.argmin(counts.sum(axis=1)[warm])
    assert found[3, 2] > 0
    assert not found[4].any()


def test_nothing_but_the_histories_own_events_enters(rings, said, past_only):
    catalogue = Catalogue.of(said, len(rings.items))
    known = histories_of(rings).without_last(2)
    found = fitted(known, catalogue)
    others = fitted(past_only(known, instead=4), catalogue)
    assert found.keys() == others.keys()
    for name, value in found.items():
        np.testing.assert_array_equal(to_dense(value), to_dense(others[name]), err_msg=name)


def test_what_was_held_out_would_have_changed_every_statistic(rings, said):
    catalogue = Catalogue.of(said, len(rings.items))
    histories = histories_of(rings)
    found, others = fitted(histories.without_last(2), catalogue), fitted(histories, catalogue)
    for name, value in found.items():
        assert not np.array_equal(to_dense(value), to_dense(others[name])), name


def test_the_behaviour_space_puts_what_the_same_people_touched_together(build):
    tea, bikes = ["abcd", "acbd", "bdca", "dbac", "cabd"] * 3, ["efg", "gfe", "feg"] * 3
    data = build(dict(enumerate_users(tea + bikes)), items="aebfcgdh")
    groups = np.array([0, 1, 0, 1, 0, 1, 0, 2])
    found = fitted(histories_of(data))
    space = found["space_unit"]
    assert space.shape == (8, 8 // 3)
    cosines = space @ space.T
    together = groups[:, None] == groups
    np.fill_diagonal(together, val=False)
    apart = (groups[:, None] != groups) & (groups[:, None] < 2) & (groups < 2)
    assert cosines[together].min() > cosines[apart].max() + 0.5
    asked = history_of_items(data.item_ids, [["a"], ["g", "f"]]).matrix(weighted=False)
    scores = (asked @ found["space_in"]) @ found["space_out"].T
    assert scores[0, groups == 0].min() > scores[0, groups != 0].max()
    assert scores[1, groups == 1].min() > scores[1, groups != 1].max()


def enumerate_users(sequences):
    return ((f"person {row}", sequence) for row, sequence in enumerate(sequences))


def test_the_space_scores_what_was_done_by_what_people_do(build):
    """With all dimensions but one left out, the scores are those of the exact decomposition."""
    data = build(
        dict(enumerate_users(["abcf", "abd", "ce", "ade", "bcde", "ae", "fa"] * 2)), items="abcdef"
    )
    found = fitted(histories_of(data))
    seen = histories_of(data).seen().toarray()
    users, items = seen.sum(axis=1), seen.sum(axis=0)
    _, _, right = np.linalg.svd(seen / np.sqrt(users[:, None] * items))
    top = right[: found["space_in"].shape[1]]
    assert len(top) == 2
    wanted = (top.T @ top) * np.sqrt(items) / np.sqrt(items)[:, None]
    np.testing.assert_allclose(found["space_in"] @ found["space_out"].T, wanted, atol=1e-4)


def test_the_behaviour_space_is_narrow_or_empty(build, rings):
    for sequences in ({"u": "ab", "v": "ba"}, {}):
        found = fitted(histories_of(build(sequences)))
        assert found["space_in"].shape == found["space_unit"].shape == (5, 0)
    assert 0 < fitted(histories_of(rings))["space_in"].shape[1] <= min(BEHAVIOUR_DIM, 60 // 3)


def rotation(dim):
    turned, _ = np.linalg.qr(np.random.default_rng(3).normal(size=(dim, dim)))
    assert np.abs(turned - turned.T).max() > 0.3
    return turned.astype(np.float32)


@pytest.fixture
def turned():
    """Items 0 to 39 at random, 40 to 79 the same turned: who did i does i + 40 next."""
    dim = 6
    first = unit_rows(np.random.default_rng(2).normal(size=(40, dim)).astype(np.float32))
    vectors = np.vstack([first, first @ rotation(dim)])
    names = [f"i{row:02}" for row in range(80)]
    pairs = [[names[row], names[row + 40]] for row in range(40) for _ in range(1 + row % 3)]
    return vectors, history_of_items(Ids(names), pairs), rotation(dim)


def test_the_map_finds_the_next_item(turned):
    vectors, histories, wanted = turned
    counts = np.bincount(histories.items, minlength=80)
    found = next_item_map(histories, vectors, counts, seed=0)
    best = np.argmax(vectors[:40] @ found @ vectors.T, axis=1)
    assert (best == np.arange(40) + 40).mean() > 0.9
    scale = float((found * wanted).sum() / np.square(wanted).sum())
    assert 0.3 < scale < 1
    np.testing.assert_allclose(found / scale, wanted, atol=0.2)


@pytest.mark.parametrize("pairs", [10_000, 30])
def test_without_a_ridge_the_map_is_the_true_one(turned, pairs, monkeypatch):
    vectors, histories, wanted = turned
    monkeypatch.setattr(statistics, "MAP_RIDGE", 1e-6)
    monkeypatch.setattr(statistics, "MAP_PAIRS", pairs)
    found = next_item_map(histories, vectors, np.arange(80) + 1, seed=0)
    np.testing.assert_allclose(found, wanted, atol=1e-3)


def test_a_popular_next_item_does_not_drown_the_rest(build):
    data = build({"u": "ab", **{f"v{row}": "ac" for row in range(16)}}, items="abc")
    vectors = np.eye(3, dtype=np.float32)
    found = next_item_map(histories_of(data), vectors, data.item_counts, seed=0)
    assert found[0, 2] / found[0, 1] == pytest.approx(16 / 16**0.5, rel=1e-4)


def test_a_map_of_nothing_is_nothing(known):
    nobody = history_of_items(known.item_ids, [[], ["a"]])
    vectors = np.eye(5, dtype=np.float32)
    np.testing.assert_array_equal(
        next_item_map(nobody, vectors, np.zeros(5, int), 0), np.zeros((5, 5))
    )


def test_every_event_but_the_first_with_what_came_before(known):
    histories = history_of_items(known.item_ids, [list("bcab"), [], ["d"], list("dc")])
    asking, answers = prefix_cases(histories)
    assert [asking.row(row).tolist() for row in range(len(asking))] == [[1], [1, 2], [1, 2, 0], [3]]
    assert answers.tolist() == [2, 0, 1, 2]
    assert asking.user_ids.to_list() == ["request 0"] * 3 + ["request 3"]


def test_what_was_known_stays_when_the_catalogue_grows(rings, said):
    before = fitted(histories_of(rings), Catalogue.of(said, 60))
    twins = Features(Ids(["new 0", "new 1"]), {k: part[[3, 8]] for k, part in said.parts.items()})
    after = extended(before, Catalogue.of(said.below(twins), 62))
    assert after.keys() == before.keys()
    for name, value in before.items():
        old, grown = to_dense(value), to_dense(after[name])
        assert [have - had for have, had in zip(grown.shape, old.shape, strict=True)] == [
            2 if size == 60 else 0 for size in old.shape
        ], name
        np.testing.assert_array_equal(grown[tuple(map(slice, old.shape))], old, err_msg=name)
        assert np.count_nonzero(grown) == np.count_nonzero(old), name


def test_growing_leaves_the_old_statistics_alone(known):
    before = fitted(histories_of(known))
    copies = {name: to_dense(value).copy() for name, value in before.items()}
    extended(before, bare(9))
    for name, value in before.items():
        np.testing.assert_array_equal(to_dense(value), copies[name], err_msg=name)


def test_the_same_seed_gives_the_same_bits(rings, said):
    histories, catalogue = histories_of(rings), Catalogue.of(said, 60)
    first, again = (fitted(histories, catalogue, seed=5) for _ in range(2))
    for name, value in first.items():
        np.testing.assert_array_equal(to_dense(value), to_dense(again[name]), err_msg=name)


def test_the_file_does_not_decide_what_comes_first(build):
    """Equal times: the same covisits whatever the order of the rows."""
    one = build({"u": "abc", "v": "ba"}, times=[1, 5, 5, 2, 3])
    other = replace(one, interactions=one.interactions[[0, 2, 1, 3, 4]])
    found, others = (fitted(histories_of(data)) for data in (one, other))
    for name in ("directed", "conditional", "together", "users", "counts"):
        np.testing.assert_array_equal(to_dense(found[name]), to_dense(others[name]), err_msg=name)


def test_what_nobody_touched_is_nowhere_in_the_behaviour_space(rings, truth):
    found = fitted(histories_of(rings))
    assert found["space_unit"].any()
    for name in ("space_in", "space_out", "space_unit"):
        assert not found[name][truth.cold_items].any()
