"""A history pooled by weights that are learnt from what people chose next."""

import warnings

import numpy as np
import polars as pl
import pytest
from scipy import sparse

import palate
from palate.core.dataset import Dataset
from palate.core.errors import ConfigError
from palate.core.features import Features
from palate.core.histories import histories_of
from palate.features.history_attention import _cases_of, _Learner, attention_of

TOPICS, TELLING, IDLE = 6, 10, 40


def world(seed=1, *, taste=True, sparse_block=False):
    """Telling items point to a person's topic; idle ones, marked by the last column, are chance."""
    rng = np.random.default_rng(seed)
    names = [f"t{topic}-{number}" for topic in range(TOPICS) for number in range(TELLING)]
    names += [f"idle-{number}" for number in range(IDLE)]
    rows = np.zeros((len(names), TOPICS + 1), dtype=np.float32)
    for place in range(TOPICS * TELLING):
        rows[place, place // TELLING] = 1
    rows[: TOPICS * TELLING, :TOPICS] += rng.normal(0, 0.1, (TOPICS * TELLING, TOPICS))
    rows[TOPICS * TELLING :, :TOPICS] = rng.normal(0, 0.6, (IDLE, TOPICS))
    rows[TOPICS * TELLING :, TOPICS] = 0.5
    events = []
    for person in range(300):
        topic = int(rng.integers(TOPICS))
        for step, number in enumerate(rng.permutation(TELLING)[:6]):
            own = topic if taste else int(rng.integers(TOPICS))
            events.append((f"u{person}", f"t{own}-{number}", 10.0 * step))
            for more in range(1 + step % 2):
                idle = f"idle-{rng.integers(IDLE)}"
                events.append((f"u{person}", idle, 10.0 * step + 1 + more))
    table = pl.DataFrame(events, schema=["user_id", "item_id", "timestamp"], orient="row")
    data = Dataset(interactions=table, items=pl.DataFrame({"item_id": names}))
    block = sparse.csr_array(rows) if sparse_block else rows
    return data, Features(data.item_ids, {"words": block})


def next_ranks(data, features, how):
    """Mean reciprocal rank of a person's last telling item, by the cosine to what came before."""
    past = histories_of(data)
    asking, answers = past.without_last(3), past.newest(3)
    users = palate.user_features(asking, features, how=how, fitted_on=asking)
    part = users.parts["history.words"]
    own = part.toarray() if sparse.issparse(part) else part
    items = features.values
    items = items / np.maximum(np.linalg.norm(items, axis=1, keepdims=True), 1e-9)
    alike = (own / np.linalg.norm(own, axis=1, keepdims=True)) @ items.T
    return (1 / (alike > alike[np.arange(len(own)), answers][:, None]).sum(axis=1).clip(1)).mean()


@pytest.mark.parametrize("sparse_block", [False, True])
def test_attention_finds_the_items_that_tell(sparse_block):
    data, features = world(sparse_block=sparse_block)
    scores = attention_of(histories_of(data), features.parts["words"], "words", 0.9)
    telling = scores[: TOPICS * TELLING]
    assert telling.mean() > scores[TOPICS * TELLING :].mean() + 0.5
    assert next_ranks(data, features, "attention") > 1.1 * next_ranks(data, features, "decayed")


def test_where_nothing_tells_it_is_the_decayed_mean():
    data, features = world(taste=False)
    with pytest.warns(RuntimeWarning, match="no weights that surely help for the block 'words'"):
        learnt = palate.user_features(histories_of(data), features, how="attention")
    plain = palate.user_features(histories_of(data), features)
    np.testing.assert_allclose(learnt.values, plain.values, rtol=1e-6)
    assert learnt.behavioural == {"history.words"}


def test_few_events_teach_nothing(tiny, recwarn):
    features = palate.Tfidf(min_df=1).fit(tiny).encode(tiny)
    few = histories_of(tiny).take(slice(0, 1))
    found = palate.user_features(few, features, how="attention")
    assert any("surely help" in str(one.message) for one in recwarn)
    assert (found.to_scipy() != palate.user_features(few, features).to_scipy()).nnz == 0


def test_the_gradient_is_that_of_the_loss():
    data, features = world()
    rows = features.parts["words"] / np.linalg.norm(features.parts["words"], axis=1)[:, None]
    learner = _Learner(_cases_of(histories_of(data), rows, 0.9), rows.astype(np.float64))
    at = np.random.default_rng(5).normal(0, 0.3, rows.shape[1] + 1)
    _, gradient = learner.loss(at)
    for column in range(len(at)):
        step = np.zeros(len(at))
        step[column] = 1e-3
        slope = (learner.loss(at + step)[0] - learner.loss(at - step)[0]) / 2e-3
        assert gradient[column] == pytest.approx(slope, abs=2e-4)


def test_it_learns_from_the_named_part_alone():
    data, features = world()
    early = data.with_interactions(data.interactions.filter(pl.col("timestamp") < 30))
    asking = histories_of(early)
    named, whole = (
        palate.user_features(asking, features, how="attention", fitted_on=part)
        for part in (early, data)
    )
    by_itself = palate.user_features(asking, features, how="attention")
    assert (named.values == by_itself.values).all()
    assert (named.values != whole.values).any()


def test_other_ways_are_told():
    data, features = world()
    with pytest.raises(ConfigError, match="attention"):
        palate.user_features(histories_of(data), features, how="atention")


def test_views_pool_so_too():
    data, features = world()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        views = palate.user_views(data, features, how="attention", fitted_on=data)
        alone = palate.user_features(histories_of(data), features, how="attention", fitted_on=data)
    assert (views.values == alone.values).all()
