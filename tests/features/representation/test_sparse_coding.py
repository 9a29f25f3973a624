import numpy as np
import polars as pl
import pytest
from scipy import sparse

import palate
from palate import testing
from palate.core.dataset import Dataset
from palate.core.errors import AlignmentError, ConfigError
from palate.core.features import Features
from palate.core.ids import Ids
from palate.features.representation.sparse_coding import SparseCoding


def mixtures(count=160, atoms=7, dim=12):
    """Rows that are sums of two of seven directions, of which some occur more often."""
    rng = np.random.default_rng(3)
    directions = rng.standard_normal((atoms, dim))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    share = np.arange(1, atoms + 1) / np.arange(1, atoms + 1).sum()
    rows = np.stack(
        [directions[rng.choice(atoms, 2, False, share)].sum(axis=0) for _ in range(count)]
    )
    names = [f"i{row}" for row in range(count)]
    log = pl.DataFrame({"user_id": ["u"] * count, "item_id": names})
    data = Dataset(log, pl.DataFrame({"item_id": names}))
    return Features(Ids(names), {"text": rows.astype(np.float32)}), data


@pytest.mark.parametrize("transform", [SparseCoding(), SparseCoding(atoms=4, nonzeros=2, sample=9)])
def test_it_keeps_the_promises_of_a_transform(transform, tiny, tiny_features):
    testing.check_transform(transform, tiny_features, tiny)


def test_codes_are_few_atoms_that_rebuild_the_row():
    features, data = mixtures()
    coder = SparseCoding(atoms=7, nonzeros=2, alpha=0.02).fit(features, data)
    codes = coder.transform(features).parts["text"]
    assert isinstance(codes, sparse.csr_array)
    assert codes.shape == (160, 7)
    assert np.diff(codes.indptr).max() == 2
    np.testing.assert_allclose(np.linalg.norm(coder.atoms_["text"], axis=1), 1, atol=1e-5)
    rows = features.values / np.linalg.norm(features.values, axis=1, keepdims=True)
    missed = np.square(rows - codes.toarray() @ coder.atoms_["text"]).sum(axis=1).mean()
    one = SparseCoding(atoms=7, nonzeros=1, alpha=0.02).fit(features, data)
    missed_by_one = (
        np.square(rows - one.transform(features).parts["text"].toarray() @ one.atoms_["text"])
        .sum(axis=1)
        .mean()
    )
    assert missed < 0.2
    assert missed < 0.6 * missed_by_one, (missed, missed_by_one)


def test_the_length_of_a_row_does_not_matter():
    features, data = mixtures()
    coder = SparseCoding(atoms=7, nonzeros=3).fit(features, data)
    one, other = (coder.transform_block("text", factor * features.values) for factor in (1, 8))
    np.testing.assert_allclose(one.toarray(), other.toarray(), atol=1e-5)


def test_rows_of_zeros_stay_zeros_and_sparse_blocks_are_left_alone(tiny, tiny_features):
    coder = SparseCoding(atoms=5).fit(tiny_features, tiny)
    found = coder.transform(tiny_features)
    assert found.parts["tags"] is tiny_features.parts["tags"]
    assert set(coder.atoms_) == {"text", "image"}
    blank = coder.transform_block("text", np.zeros((3, 7), dtype=np.float32))
    assert blank.shape == (3, 5)
    assert blank.nnz == 0
    assert coder.transform_block("text", np.zeros((0, 7), dtype=np.float32)).shape == (0, 5)


def test_there_are_no_more_atoms_than_rows_to_learn_from():
    features, data = mixtures(count=5)
    coder = SparseCoding(atoms=50).fit(features, data)
    assert coder.atoms_["text"].shape == (5, 12)


def test_a_block_that_says_nothing_is_left_alone():
    features, data = mixtures(count=9)
    blank = features.with_parts({"text": features.values * 0})
    coder = SparseCoding().fit(blank, data)
    assert coder.atoms_ == {}
    assert coder.transform(blank).parts["text"] is blank.parts["text"]


def test_the_seed_draws_the_sample():
    features, data = mixtures()
    one, again, other = (
        SparseCoding(atoms=5, sample=20, seed=seed).fit(features, data).atoms_["text"]
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, again)
    assert not np.allclose(one, other)


def test_another_width_is_refused():
    features, data = mixtures()
    coder = SparseCoding(atoms=5).fit(features, data)
    with pytest.raises(AlignmentError, match="12 columns of block 'text', but got 3"):
        coder.transform_block("text", np.ones((2, 3), dtype=np.float32))


def test_it_works_in_a_pipeline_and_from_disk(tmp_path, tiny):
    model = palate.Pipeline(
        encoders={"words": palate.Behaviour(dim=6)},
        representation=[SparseCoding(atoms=8, nonzeros=3)],
        recommender=palate.Content(),
    ).fit(tiny)
    assert sparse.issparse(model.features.parts["words"])
    model.save(tmp_path / "model")
    scores = [
        made.recommend(history=["tea-0"], k=3).table
        for made in (model, palate.load(tmp_path / "model"))
    ]
    assert scores[0].equals(scores[1])


@pytest.mark.parametrize("setting", [{"atoms": 0}, {"nonzeros": 0}, {"alpha": 0.0}, {"sample": 0}])
def test_settings_are_checked(setting):
    with pytest.raises(ConfigError, match=next(iter(setting))):
        SparseCoding(**setting)
