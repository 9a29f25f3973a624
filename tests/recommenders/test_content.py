import numpy as np
import polars as pl
import pytest
from scipy import sparse

from palate.core.dataset import Dataset
from palate.core.errors import AlignmentError, ConfigError
from palate.core.evidence import Evidence
from palate.core.features import Features
from palate.core.histories import history_of_items
from palate.core.ids import Ids
from palate.core.types import FitContext
from palate.features.fusion.concat import Concat
from palate.recommenders.content import Content

TEXT = [[2, 0], [0, 3], [1, 1], [-4, 0], [0, 0]]
TAGS = [[1, 0, 0], [0, 1, 0], [0, 0, 5], [0, 3, 4], [0, 0, 0]]
HALF = 0.5**0.5


@pytest.fixture
def features(known):
    return Features(
        known.item_ids, {"text": np.array(TEXT), "tags": sparse.csr_array(np.float32(TAGS))}
    )


def test_one_item_is_the_cosine_averaged_over_blocks(known, features):
    scores = (
        Content()
        .fit(known, FitContext(items=features))
        .score(history_of_items(known.item_ids, [["a"], ["d"]]))
    )
    np.testing.assert_allclose(scores[0], [1, 0, HALF / 2, -0.5, 0], atol=1e-6)
    np.testing.assert_allclose(scores[1], [-0.5, 0.3, (0.8 - HALF) / 2, 1, 0], atol=1e-6)


def test_the_history_fades(known, features):
    model = Content(decay=0.5, blocks=["text"]).fit(known, FitContext(items=features))
    scores = model.score(history_of_items(known.item_ids, [["b", "a"]]))
    profile = np.array([1, 0.5]) / np.hypot(1, 0.5)
    wanted = [profile[0], profile[1], profile.sum() * HALF, -profile[0], 0]
    np.testing.assert_allclose(scores[0], wanted, atol=1e-6)


def test_words_count_as_much_as_the_history(known, features):
    model = Content(blocks=["text"]).fit(known, FitContext(items=features))
    queries = {"text": np.float32([[0, 9], [0, 9], [0, 0]])}
    histories = [["a"], [], ["a"]]
    scores = model.score(history_of_items(known.item_ids, histories, queries=queries))
    by_history, by_words = [1, 3, 2, 5, 3], [3, 1, 2, 3, 3]  # places of a to e; equal ones share
    fused = [1 / (10 + a) + 1 / (10 + b) for a, b in zip(by_history, by_words, strict=True)]
    np.testing.assert_allclose(scores[0], fused, rtol=1e-6)
    np.testing.assert_allclose(scores[1], [0, 1, HALF, 0, 0], atol=1e-6)
    np.testing.assert_allclose(scores[2], [1, 0, HALF, -1, 0], atol=1e-6)


def test_words_reach_sparse_blocks_too(known, features):
    model = Content(blocks=["tags"]).fit(known, FitContext(items=features))
    words = np.float32([[0, 0, 2]])
    for said in (words, sparse.csr_array(words)):
        scores = model.score(history_of_items(known.item_ids, [[]], queries={"tags": said}))
        np.testing.assert_allclose(scores[0], [0, 0, 1, 0.8, 0], atol=1e-6)


def test_words_of_another_size_raise(known, features):
    model = Content().fit(known, FitContext(items=features))
    asking = history_of_items(known.item_ids, [[]], queries={"text": np.float32([[1, 2, 3]])})
    with pytest.raises(AlignmentError, match="text"):
        model.score(asking)


def test_new_items_score_like_any_other(known, features):
    model = Content().fit(known, FitContext(items=features))
    twin = Features(Ids(["f"]), {name: part[[3]] for name, part in features.parts.items()})
    model.add_items(twin)
    scores = model.score(history_of_items(model.item_ids_, [["a"], ["f"]]))
    np.testing.assert_array_equal(scores[:, 5], scores[:, 3])
    assert scores[1, 3] == pytest.approx(1)


def test_who_says_and_does_nothing_gets_what_is_popular(known, features):
    scores = (
        Content()
        .fit(known, FitContext(items=features))
        .score(history_of_items(known.item_ids, [[]]))
    )
    np.testing.assert_allclose(scores, [[2 / 3, 1, 1, 1 / 3, 0]])


def test_features_are_needed_and_must_be_of_these_items(known, features):
    with pytest.raises(ConfigError, match="features"):
        Content().fit(known)
    with pytest.raises(AlignmentError, match="other items"):
        Content().fit(known, FitContext(items=features.take(np.array([1, 0, 2, 3, 4]))))


def test_a_misspelt_block_raises(known, features):
    with pytest.raises(ConfigError, match="Did you mean 'tags'"):
        Content(blocks=["tagz"]).fit(known, FitContext(items=features))


@pytest.mark.parametrize("setting", [{"decay": 0}, {"length": 0}, {"blocks": []}])
def test_settings_that_cannot_work_raise(setting):
    with pytest.raises(ConfigError, match=next(iter(setting))):
        Content(**setting)


def test_what_is_near_speaks_an_item_or_words(known, features):
    model = Content(length=2).fit(known, FitContext(items=features))
    said = {"text": np.float32([[0, 0], [0, 0], [0, 2], [0, 0]])}
    names = [["d", "b"], ["a", "b", "b"], ["a"], []]
    asking = history_of_items(known.item_ids, names, queries=said)
    found = model.evidence(asking, np.int32([2, 0, 1, 1]))
    assert found == [
        Evidence("alike", 1),
        Evidence("popular"),
        Evidence("words"),
        Evidence("popular"),
    ]


def test_blocks_that_are_not_used_do_not_speak(known, features):
    asking = history_of_items(known.item_ids, [["b"]])
    for blocks, wanted in ((["tags"], Evidence("alike", 1)), (["text"], Evidence("popular"))):
        model = Content(blocks=blocks).fit(known, FitContext(items=features))
        assert model.evidence(asking, np.int32([3])) == [wanted]


def with_gaps(rng, n_items=300, lacking=60):
    text = rng.normal(size=(n_items, 12)).astype(np.float32)
    clicks = rng.normal(size=(n_items, 3)).astype(np.float32)
    clicks[-lacking:] = 0
    ids = [f"i{row}" for row in range(n_items)]
    events = pl.DataFrame({"user_id": ["u"] * 40, "item_id": ids[:40]})
    data = Dataset(events, pl.DataFrame({"item_id": ids}))
    return data, Features(data.item_ids, {"text": text, "clicks": clicks})


def test_to_lack_a_block_does_not_count_against_an_item():
    """A fifth of the items have no clicks: they get about a fifth of the places, not none."""
    data, features = with_gaps(np.random.default_rng(8))
    model = Content(length=2).fit(data, FitContext(items=features))
    asking = history_of_items(data.item_ids, [[f"i{row}", f"i{row + 1}"] for row in range(100)])
    scores = model.score(asking)
    scores[np.arange(100), np.arange(100)] = -1
    scores[np.arange(100), np.arange(1, 101)] = -1
    best = np.argsort(-scores, axis=1)[:, :10]
    assert 0.12 < (best >= 240).mean() < 0.28


def test_what_lacks_nothing_keeps_its_score():
    data, features = with_gaps(np.random.default_rng(9))
    asking = history_of_items(data.item_ids, [["i3", "i7"], ["i250", "i1", "i2"]])
    scores = Content().fit(data, FitContext(items=features)).score(asking)
    whole = features.with_parts({**features.parts, "clicks": features.parts["clicks"].copy()})
    whole.parts["clicks"][-60:] = features.parts["clicks"][:60]
    rows = np.arange(240)
    full = (
        Content()
        .fit(data, FitContext(items=whole))
        .score(history_of_items(data.item_ids, [["i3", "i7"]]))
    )
    np.testing.assert_allclose(scores[:1, rows], full[:, rows], rtol=1e-6, atol=1e-7)


def test_a_history_without_a_block_is_the_mean_of_the_others():
    data, features = with_gaps(np.random.default_rng(10))
    asking = history_of_items(data.item_ids, [["i250"]])
    alone = Content(blocks=["text"]).fit(data, FitContext(items=features)).score(asking)
    np.testing.assert_allclose(
        Content().fit(data, FitContext(items=features)).score(asking), alone, atol=1e-6
    )


def test_blocks_weigh_as_the_fusion_says():
    data, features = with_gaps(np.random.default_rng(11), lacking=1)
    asking = history_of_items(data.item_ids, [["i3", "i7"]])
    fused = Concat(weights={"text": 3.0}).fit(features, data).transform(features)
    text, clicks = (
        Content(blocks=[name]).fit(data, FitContext(items=features)).score(asking)[:, :-1]
        for name in ("text", "clicks")
    )
    model = Content().fit(data, FitContext(items=fused))
    np.testing.assert_allclose(model.score(asking)[:, :-1], (3 * text + clicks) / 4, atol=1e-6)
    twin = Features(Ids(["twin"]), {name: part[[5]] for name, part in fused.parts.items()})
    grown = model.add_items(twin).score(history_of_items(model.item_ids_, [["i3", "i7"]]))
    assert grown[0, -1] == pytest.approx(grown[0, 5], abs=1e-6)
    equal = Concat().fit(features, data).transform(features)
    np.testing.assert_allclose(
        Content().fit(data, FitContext(items=equal)).score(asking),
        Content().fit(data, FitContext(items=features)).score(asking),
        atol=1e-6,
    )
