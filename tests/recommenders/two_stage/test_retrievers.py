import gc

import numpy as np
import pytest
from scipy import sparse

from palate.core.arrays import to_dense
from palate.core.features import Features
from palate.core.histories import histories_of, history_of_items
from palate.recommenders import _cooccurrence
from palate.recommenders.two_stage import retrievers
from palate.recommenders.two_stage.catalogue import Catalogue
from palate.recommenders.two_stage.retrievers import (
    Profiles,
    Signal,
    content_profile,
    near_users,
    retrieve,
)
from palate.recommenders.two_stage.statistics import DECAY, LENGTH, fit_statistics

GRID = 5e-4  # dense products are those of vectors on a grid, so that they are exact

TEXT = np.float32([[1, 0], [0.6, 0.8], [0, 1], [-1, 0], [0, 0]])
TAGS = sparse.csr_array(np.float32([[1, 0, 0], [0, 2, 0], [0, 1, 1], [0, 0, 3], [0, 0, 0]]))


def signals(data, histories, features=None, *, behaviour=True):
    catalogue = Catalogue.of(features, len(data.items))
    statistics = fit_statistics(histories_of(data), catalogue, behaviour=behaviour, seed=0)
    found = retrieve(histories, Profiles.of(histories), statistics, catalogue)
    return {signal.name: signal for signal in found}, statistics


def content(data):
    return Features(data.item_ids, {"text": TEXT, "tags": TAGS})


SCORES = np.float32(
    [[0, 0, 0, 0, 0], [3, 0, -1, 0, 2], [0, 0, 0, 0, 0], [1, 2, 3, 4, 6], [0, 0, 0, 0, -5], [0] * 5]
)


@pytest.mark.parametrize("rows", [slice(None), slice(0, 1), slice(1, 4), slice(0, 0)])
def test_moments_agree_for_sparse_and_dense(rows):
    scores = SCORES[rows]
    dense = Signal("x", scores).moments()
    thin = Signal("x", sparse.csr_array(scores)).moments()
    for found in (dense, thin):
        assert [part.shape for part in found] == [(len(scores), 1)] * 2
        assert [part.dtype for part in found] == [np.float32] * 2
        np.testing.assert_allclose(found[0][:, 0], scores.mean(axis=1), atol=1e-6)
        np.testing.assert_allclose(found[1][:, 0], scores.std(axis=1), atol=1e-6)


@pytest.mark.parametrize("n_items", [60, 1000])
def test_a_signal_that_says_the_same_of_all_items_has_no_say(n_items):
    noise = np.random.default_rng(0).integers(-1, 2, (4, n_items)) * 6e-8
    scores = (0.7 + noise).astype(np.float32)
    mean, deviation = Signal("x", scores).moments()
    assert np.ptp((scores - mean) / deviation, axis=1).max() < 0.01


def test_each_kind_of_catalogue_has_its_retrievers(known):
    asking = history_of_items(known.item_ids, [["a"], []])
    behaviour, _ = signals(known, asking)
    assert {"directed", "together", "space", "similar users"} <= behaviour.keys()
    assert not {"smoothed", "text", "tags"} & behaviour.keys()
    both, _ = signals(known, asking, content(known))
    assert both.keys() >= behaviour.keys() | {"smoothed", "text", "tags"}
    said, _ = signals(known, asking, content(known), behaviour=False)
    assert {"text", "tags"} <= said.keys()
    assert not said.keys() & (behaviour.keys() | {"smoothed"})
    nothing, _ = signals(known, asking, behaviour=False)
    assert nothing == {}
    for signal in both.values():
        assert signal.scores.shape == (2, 5), signal.name
        assert np.isfinite(signal.dense).all(), signal.name
        assert not signal.dense[1].any(), signal.name


def test_directed_covisits_fade_with_the_place_in_the_history(known):
    asking = history_of_items(known.item_ids, [list("dac"), ["c"], ["a"]])
    found, statistics = signals(known, asking)
    links = statistics["directed"].toarray()
    wanted = links[2] + DECAY * links[0] + DECAY**2 * links[3]
    np.testing.assert_allclose(found["directed"].dense[0], wanted, rtol=1e-5)
    np.testing.assert_allclose(found["directed:newest"].dense[0], links[2], rtol=1e-6)
    np.testing.assert_allclose(found["directed:second"].dense[0], links[0], rtol=1e-6)
    assert not found["directed:second"].dense[1:].any()


def test_only_lately_counts(known):
    recent = ["c"] * LENGTH
    asking = history_of_items(known.item_ids, [["d", *recent], ["a", *recent]])
    found, _ = signals(known, asking)
    scores = found["directed"].dense
    np.testing.assert_array_equal(scores[0], scores[1])
    lasting = found["together"].dense
    assert np.abs(lasting[0] - lasting[1]).max() > 0


def test_content_is_the_cosine_to_what_the_history_says(known):
    asking = history_of_items(known.item_ids, [["a"], ["c", "a"], []])
    found, _ = signals(known, asking, content(known))
    text = found["text"].dense
    np.testing.assert_allclose(text[0], [1, 0.6, 0, -1, 0], atol=GRID)
    profile = np.array([1, DECAY]) / np.hypot(1, DECAY)
    np.testing.assert_allclose(text[1], TEXT @ profile, atol=GRID)
    tags = found["tags"].dense
    np.testing.assert_allclose(tags[1], (TAGS @ TAGS.T).toarray()[[0, 2]].T @ [1, DECAY], rtol=1e-5)
    np.testing.assert_allclose(found["tags:newest"].dense[1], [1, 0, 0, 0, 0])


@pytest.mark.parametrize("make", [np.asarray, sparse.csr_array])
def test_words_count_beside_the_history_and_alone(known, make):
    queries = {"text": np.float32([[0, 5], [0, 5]]), "tags": make(np.float32([[0, 0, 2]] * 2))}
    asking = history_of_items(known.item_ids, [[], ["a"]], queries=queries)
    found, _ = signals(known, asking, content(known))
    text, tags = found["text"].dense, found["tags"].dense
    np.testing.assert_allclose(text[0], TEXT[:, 1], atol=GRID)
    np.testing.assert_allclose(text[1], TEXT @ [0.5**0.5, 0.5**0.5], atol=GRID)
    np.testing.assert_allclose(tags[0], [0, 0, 2, 6, 0])
    np.testing.assert_allclose(tags[1], [1, 0, 2, 6, 0])


def test_covisits_are_lent_to_what_says_the_same(build):
    data = build({f"u{row}": "ab" for row in range(4)} | {"v": "ba"}, items="abcd")
    text = np.float32([[1, 0, 0], [0, 1, 0], [0, 0.9, 0.3], [0, -0.3, 1]])
    asking = history_of_items(data.item_ids, [["a"]])
    found, _ = signals(data, asking, Features(data.item_ids, {"text": text}))
    assert not found["directed"].dense[0, 2:].any()
    lent = found["smoothed"].dense[0]
    assert lent[2] > 0
    assert lent[3] == 0


def test_people_who_share_rare_things_are_nearer(build, monkeypatch):
    many = {f"x{row}": "ac" for row in range(9)}
    data = build({"u": "ab", "v": "ad", "w": "bc", **many}, items="abcde")
    asking = history_of_items(data.item_ids, [["b", "a"], ["d"], ["e"], []])
    _, statistics = signals(data, asking)
    near = near_users(asking, statistics).toarray()
    u, v, w, x = range(4)
    assert near[0, u] > near[0, w] > near[0, x] == near[0, v] > 0
    assert np.flatnonzero(near[1]).tolist() == [v]
    assert not near[2:].any()
    monkeypatch.setattr(retrievers, "NEAR_USERS", 2)
    assert np.flatnonzero(near_users(asking, statistics).toarray()[0]).tolist() == [u, w]


@pytest.mark.parametrize("n_users", [1_500, 6_000])
def test_what_everybody_shares_costs_people_and_not_people_times_people(
    n_users, build, monkeypatch
):
    everybody = {f"u{row:05}": "ab" if row % 3 else "b" for row in range(n_users)}
    data = build(everybody | {"x": "cb", "y": "c"}, items="abc")
    users = histories_of(data)
    compared = []

    def keep_largest(pairs, *rest):
        compared.append(pairs.nnz)
        return _cooccurrence.keep_largest(pairs, *rest)

    monkeypatch.setattr(retrievers, "keep_largest", keep_largest)
    near = near_users(users, {"users": users.seen(), "counts": np.float32([n_users, n_users, 2])})
    assert sum(compared) <= 2 * retrievers.MOST_USERS * len(users)
    assert max(compared) <= retrievers.NEAR_PAIRS + 2 * retrievers.MOST_USERS
    assert np.diff(near.indptr).max() <= retrievers.NEAR_USERS
    x, y = n_users, n_users + 1
    assert near[[x]].indices[np.argmax(near[[x]].data)] == y  # who shares what is rare is nearest
    assert sorted(near[[y]].indices) == [x, y]


def test_what_is_the_same_for_all_chunks_of_requests_is_made_once(build, monkeypatch):
    data = build({"u": "ab", "v": "ad", "w": "bc"}, items="abcd")
    asking = histories_of(data)
    _, statistics = signals(data, asking)
    made = []
    monkeypatch.setattr(
        retrievers, "first_of_each_row", lambda matrix, most: made.append(most) or matrix
    )
    statistics["users"] = statistics["users"].copy()
    gc.collect()  # what other tests left
    kept = len(retrievers._by_item_of)
    first = near_users(asking, statistics).toarray()
    np.testing.assert_array_equal(near_users(asking, statistics).toarray(), first)
    assert len(made) == 1
    assert len(retrievers._by_item_of) == kept + 1
    statistics["users"] = statistics["users"].copy()
    gc.collect()
    assert len(retrievers._by_item_of) == kept  # what belonged to those before is gone with them
    np.testing.assert_array_equal(near_users(asking, statistics).toarray(), first)
    assert len(made) == 2


def test_a_profile_has_length_one_or_nothing_to_say():
    weights = sparse.csr_array(np.float32([[2, 1, 0, 0, 0], [0, 0, 0, 0, 0]]))
    found = content_profile(weights, TEXT, None)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), [1, 0], rtol=1e-6)
    np.testing.assert_allclose(found[0, 1] / found[0, 0], 0.8 / 2.6, rtol=1e-5)
    silent = content_profile(weights, TEXT, np.zeros((2, 2), dtype=np.float32))
    np.testing.assert_allclose(silent, found, rtol=1e-6)


def test_each_request_speaks_for_itself(rings, said):
    histories = histories_of(rings).take(slice(0, 9))
    together, _ = signals(rings, histories, said)
    for row in (0, 4, 8):
        alone, _ = signals(rings, histories.take(np.array([row])), said)
        for name, signal in together.items():
            found = to_dense(alone[name].scores)[0]
            np.testing.assert_allclose(found, signal.dense[row], atol=1e-5, err_msg=name)
