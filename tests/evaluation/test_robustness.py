"""What noise costs: the same from the same seed, and who reads words pays for it."""

import pytest

from palate.core.errors import ConfigError
from palate.data.samples import synthetic
from palate.data.split import split_by_time
from palate.evaluation.robustness import CLEAN, TYPOS, WORDS, robustness
from palate.features.encoders.tfidf import Tfidf
from palate.pipeline.pipeline import Pipeline
from palate.recommenders.content import Content
from palate.recommenders.popular import Popular


@pytest.fixture(scope="module")
def split():
    return split_by_time(synthetic(80, 60), test=0.3)


@pytest.fixture(scope="module")
def reader(split):
    encoders = {"words": Tfidf(template="{title}", min_df=1)}
    return Pipeline(encoders=encoders, recommender=Content()).fit(split.train)


def means(found):
    return {
        name: found.comparison.cell(name, "ndcg@10").interval.mean for name in found.comparison.rows
    }


def test_who_reads_words_pays_for_damaged_ones(reader, split):
    before = reader.recommend(split.train.user_ids.tolist()[:5]).table
    found = robustness(reader, split, letters=0.5, words=0.5, resamples=20)
    ndcg = means(found)
    assert ndcg[TYPOS] < ndcg[CLEAN] > ndcg[WORDS]
    assert found.neighbours[TYPOS] < 0.8
    assert ndcg["without price"] == ndcg[CLEAN], "which it does not read"
    assert found.neighbours["without price"] == 1.0
    assert "without title" in found.comparison.refused, "then there is nothing to read"
    assert reader.recommend(split.train.user_ids.tolist()[:5]).table.equals(before)


def test_no_damage_costs_nothing(reader, split):
    found = robustness(reader, split, letters=0, words=0, resamples=20)
    ndcg = means(found)
    assert ndcg[TYPOS] == ndcg[WORDS] == ndcg[CLEAN]
    assert found.neighbours[TYPOS] == found.neighbours[WORDS] == 1.0


def test_damage_is_that_of_its_seed(reader, split):
    one, same, other = (
        robustness(reader, split, seed=seed, letters=0.3, resamples=20) for seed in (1, 1, 2)
    )
    assert one.to_json() == same.to_json()
    assert one.neighbours != other.neighbours


def test_who_reads_nothing_pays_nothing(split):
    model = Pipeline(encoders={}, recommender=Popular()).fit(split.train)
    found = robustness(model, split, letters=1, words=1, resamples=20)
    assert len(set(means(found).values())) == 1
    assert not found.neighbours


@pytest.mark.parametrize("shares", [{"letters": 1.2}, {"words": -0.1}])
def test_shares_that_are_none(reader, split, shares):
    with pytest.raises(ConfigError, match="must be a share"):
        robustness(reader, split, **shares)
