import numpy as np
import pytest

from palate.core.errors import DataError
from palate.text import sentiment_head as heads


def synthetic(rng, count, shares=(0.2, 0.5, 0.3)):
    """Vectors whose class is drawn from known probabilities; the third number says most."""
    vectors = rng.normal(size=(count, 6)).astype(np.float32) * np.array([1, 5, 1, 1, 0.1, 1])
    vectors[:, 4] += 7.0
    logits = np.outer(vectors[:, 2], [-2.0, 0.3, 1.7]) + np.log(shares)
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    drawn = (chances.cumsum(axis=1) < rng.random((count, 1))).sum(axis=1)
    return vectors.astype(np.float32), np.array([-1.0, 0.0, 1.0])[drawn], chances


def test_probabilities_are_those_that_the_classes_were_drawn_from():
    rng = np.random.default_rng(3)
    vectors, values, _ = synthetic(rng, 3000)
    head = heads.fit_head(vectors, values)
    test, _, chances = synthetic(rng, 500)
    found = heads.probabilities(head, test)
    assert np.abs(found - chances).mean() < 0.03
    polarity, negative = heads.judge(head, test)
    assert np.abs(negative - chances[:, 0]).mean() < 0.03
    assert np.abs(polarity - (chances[:, 2] - chances[:, 0])).mean() < 0.04


def test_two_classes_are_told_apart_and_keep_their_side():
    rng = np.random.default_rng(5)
    values = np.where(rng.random(400) < 0.3, -1.0, 1.0)
    vectors = rng.normal(size=(400, 3)).astype(np.float32)
    vectors[:, 1] += 3 * values
    polarity, negative = heads.judge(heads.fit_head(vectors, values), vectors)
    assert np.mean(np.sign(polarity) == values) > 0.97
    assert np.allclose(negative, (1 - polarity) / 2, atol=1e-6)


def test_vectors_that_say_nothing_give_the_shares_of_the_classes():
    rng = np.random.default_rng(7)
    values = np.where(np.arange(600) % 5 == 0, -1.0, 1.0)
    head = heads.fit_head(rng.normal(size=(600, 40)).astype(np.float32), values)
    _, negative = heads.judge(head, rng.normal(size=(300, 40)).astype(np.float32))
    assert negative.mean() == pytest.approx(0.2, abs=0.03)
    assert negative.max() < 0.5


def test_rare_classes_are_not_forgotten():
    rng = np.random.default_rng(11)

    def reviews(count):
        values = np.where(rng.random(count) < 0.06, -1.0, 1.0)
        vectors = rng.normal(size=(count, 4))
        vectors[:, 2] += 0.8 * values
        return vectors.astype(np.float32), values

    head = heads.fit_head(*reviews(2000))
    vectors, values = reviews(2000)
    decided, likely = heads.decide(head, vectors), heads.probabilities(head, vectors).argmax(axis=1)
    assert np.mean(decided[values < 0] < 0) > np.mean(likely[values < 0] == 0) + 0.1
    assert np.mean(decided[values > 0] > 0) > 0.8


def test_a_head_is_arrays_and_is_learnt_alike_again():
    vectors, values, _ = synthetic(np.random.default_rng(3), 200)
    one, two = heads.fit_head(vectors, values), heads.fit_head(vectors, values)
    assert {"mean", "scale", "weights", "bias", "temperature", "values"} < set(one)
    for name, part in one.items():
        assert isinstance(part, np.ndarray | float)
        assert np.array_equal(part, two[name])


def test_constant_numbers_do_no_harm():
    vectors, values, _ = synthetic(np.random.default_rng(3), 200)
    vectors[:, 0] = 3.0
    assert np.isfinite(heads.probabilities(heads.fit_head(vectors, values), vectors)).all()


@pytest.mark.parametrize("values", [[1.0] * 6, [1.0] * 5 + [-1.0]])
def test_too_few_labels_are_refused(values):
    with pytest.raises(DataError, match=r"two classes of texts or more, two texts each; there are"):
        heads.fit_head(np.eye(6, dtype=np.float32), np.array(values))
