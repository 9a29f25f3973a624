import numpy as np
import pytest

from palate.core.errors import DataError
from palate.features.encoders import graph as models

pytest.importorskip("torch")


def kinship(rng):
    """40 people in 5 clans: `clan`, the symmetric `sibling`, the antisymmetric `elder`, `chief`."""
    clan = np.sort(rng.choice(5, size=40, p=[0.35, 0.25, 0.2, 0.1, 0.1]))
    lines = []
    for user in range(40):
        lines.append((user, 0, 40 + clan[user]))
        for other in np.flatnonzero(clan == clan[user]).tolist():
            if other != user:
                lines.append((user, 1, other))
            if other < user:
                lines.append((other, 2, user))
    lines += [(40 + number, 3, int(np.argmax(clan == number))) for number in range(5)]
    return np.array(lines)


def ranks(found, held, known):
    """The filtered rank of each held-out tail: other true answers do not count as mistakes."""
    scores = found.scores(held[:, 0], held[:, 1])
    ranks = []
    for row, (head, relation, tail) in enumerate(held.tolist()):
        answers = known[(known[:, 0] == head) & (known[:, 1] == relation), 2]
        rivals = np.setdiff1d(np.arange(scores.shape[1]), answers)
        ranks.append(1 + int((scores[row, rivals] > scores[row, tail]).sum()))
    return np.array(ranks)


@pytest.fixture(scope="module")
def split():
    triples = kinship(np.random.default_rng(8))
    held = np.zeros(len(triples), dtype=bool)
    held[np.random.default_rng(9).choice(np.flatnonzero(triples[:, 1] <= 1), 25)] = True
    return triples[~held], triples[held], triples


@pytest.mark.parametrize("model", ["complex", "transe"])
def test_held_out_triples_are_found_far_better_than_by_chance(split, model):
    train, held, every = split
    found = models.embed(train, 45, 4, model=model, dim=32, epochs=60)
    chance = np.mean(1 / np.arange(1, 40))
    reciprocal = np.mean(1 / ranks(found, held, every))
    assert reciprocal > 4 * chance
    assert reciprocal > 0.5


@pytest.mark.parametrize(("model", "share"), [("complex", 0.95), ("transe", 0.0)])
def test_complex_knows_which_relations_have_a_direction(split, model, share):
    """`elder` runs one way, `sibling` both: a model of dot products alone cannot tell."""
    _, _, every = split
    found = models.embed(every, 45, 4, model=model, dim=32, epochs=60)
    elder = every[every[:, 1] == 2]
    there = found.scores(elder[:, 0], elder[:, 1])[np.arange(len(elder)), elder[:, 2]]
    back = found.scores(elder[:, 2], elder[:, 1])[np.arange(len(elder)), elder[:, 0]]
    assert np.mean(there > back) >= share
    if model == "complex":
        sibling = every[every[:, 1] == 1]
        one = found.scores(sibling[:, 0], sibling[:, 1])[np.arange(len(sibling)), sibling[:, 2]]
        other = found.scores(sibling[:, 2], sibling[:, 1])[np.arange(len(sibling)), sibling[:, 0]]
        assert np.abs(one - other).mean() < 0.5 * np.abs(there - back).mean()


def test_inverse_relations_ask_for_the_heads(split):
    _, _, every = split
    found = models.embed(every, 45, 4, dim=32, epochs=60)
    members = found.scores(np.array([40, 43]), np.array([4, 4]))
    for row, clan in enumerate((40, 43)):
        own = every[(every[:, 1] == 0) & (every[:, 2] == clan), 0]
        best = np.argsort(-members[row])[: len(own)]
        assert len(np.intersect1d(best, own)) >= 0.9 * len(own)


@pytest.mark.parametrize("model", ["complex", "transe"])
def test_sampled_rivals_do_nearly_as_well_as_all(split, model, monkeypatch):
    train, held, every = split
    monkeypatch.setattr(models, "ALL", 0)
    monkeypatch.setattr(models, "NEGATIVES", 12)
    found = models.embed(train, 45, 4, model=model, dim=32, epochs=60)
    assert np.mean(1 / ranks(found, held, every)) > 0.45


def test_threads_are_as_before(split):
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        models.embed(split[0], 45, 4, dim=8, epochs=1)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("model", ["complex", "transe"])
def test_a_model_that_runs_off_to_infinity_is_refused(split, model, monkeypatch):
    monkeypatch.setattr(models, "LEARNING_RATE", 1e38)
    with pytest.raises(DataError, match="ran off to infinity: take a smaller dim, or transe"):
        models.embed(split[0], 45, 4, model=model, dim=8, epochs=2)
