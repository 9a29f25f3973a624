"""Counts of the published splits; collected only where `PALATE_DATA` names their folder."""

import os
from pathlib import Path

import pytest

from palate.evaluation.published.formats import load_benchmark

DATA = Path(os.environ.get("PALATE_DATA", ""))


@pytest.mark.parametrize(
    ("format", "name", "items", "users", "strict", "refit", "valid", "test"),
    [
        ("sequence", "beauty", 12_101, 22_363, 153_776, 176_139, 22_363, 22_363),
        ("minionerec", "office", 3_459, 3_231, 12_715, 17_581, 4_866, 4_866),
        ("unisrec", "scientific", 4_385, 8_442, 42_543, 50_985, 8_442, 8_442),
    ],
)
def test_counts(
    format: str, name: str, items: int, users: int, strict: int, refit: int, valid: int, test: int
) -> None:
    found = load_benchmark(format, DATA / name)
    assert len(found.test.train.items) == items
    assert found.test.train.interactions["user_id"].n_unique() == users
    assert len(found.test.train.interactions) == strict
    assert len(found.refit.train.interactions) == refit
    assert len(found.validation.histories) == valid
    assert len(found.test.histories) == test
    assert found.published
