"""Items that lack a block are scored on the scale of those that lack none."""

import numpy as np
import pytest
from scipy import sparse

from palate.core.features import Features
from palate.core.ids import Ids
from palate.recommenders._score_equating import Gaps, equate

LACKING = slice(300, 400)


@pytest.fixture
def blocks():
    """400 items; the last 100 lack the second block, whose cosines are larger than the first's."""
    rng = np.random.default_rng(3)
    text = rng.normal(size=(400, 40)).astype(np.float32)
    clicks = np.hstack([text[:, :2], 0.5 * rng.normal(size=(400, 1))]).astype(np.float32)
    clicks[LACKING] = 0
    parts = {"text": text, "clicks": clicks}
    units = {
        name: np.divide(
            part,
            np.linalg.norm(part, axis=1, keepdims=True),
            out=np.zeros_like(part),
            where=part.any(axis=1, keepdims=True),
        )
        for name, part in parts.items()
    }
    return Features(Ids([f"i{row}" for row in range(400)]), units)


def sums(features, profiles):
    parts = features.parts.values()
    return sum(profile @ part.T for profile, part in zip(profiles, parts, strict=True))


def test_the_scale_of_those_who_lack_nothing(blocks):
    profiles = [part[[7, 20]] for part in blocks.parts.values()]
    before = sums(blocks, profiles)
    scores = before.copy()
    equate(scores, profiles, blocks, Gaps.of(blocks))
    np.testing.assert_array_equal(scores[:, :300], before[:, :300])
    alone = profiles[0] @ blocks.parts["text"][:300].T
    for row in range(2):
        line = np.polyfit(before[row, LACKING], scores[row, LACKING], 1)
        assert line[0] == pytest.approx(before[row, :300].std() / alone[row].std(), rel=1e-4)
        wanted = before[row, :300].mean() - line[0] * alone[row].mean()
        assert line[1] == pytest.approx(wanted, abs=1e-5)


def test_a_request_that_lacks_the_block_moves_nothing(blocks):
    text = blocks.parts["text"][[7]]
    profiles = [text, np.zeros((1, 3), dtype=np.float32)]
    before = sums(blocks, profiles)
    scores = before.copy()
    equate(scores, profiles, blocks, Gaps.of(blocks))
    np.testing.assert_array_equal(scores, before)


def test_who_knows_nothing_that_the_request_knows_stays_at_zero(blocks):
    profiles = [np.zeros((1, 40), dtype=np.float32), blocks.parts["clicks"][[7]]]
    before = sums(blocks, profiles)
    scores = before.copy()
    equate(scores, profiles, blocks, Gaps.of(blocks))
    np.testing.assert_array_equal(scores, before)
    assert not scores[:, LACKING].any()


def test_without_gaps_nothing_is_done(blocks):
    whole = blocks.take(np.arange(300))
    gaps = Gaps.of(whole)
    assert not len(gaps.columns)
    nothing = whole.with_parts({name: part * 0 for name, part in whole.parts.items()})
    assert not len(Gaps.of(nothing).columns), "of those that know no block nothing can be said"


def test_where_no_item_has_every_block(blocks):
    """Two halves that share the first block only; sparse blocks do as well."""
    text, clicks = blocks.parts["text"], blocks.parts["clicks"].copy()
    photos = np.roll(text[:, :4], 1, axis=0)
    photos[:200], clicks[200:] = 0, 0
    features = Features(
        blocks.ids, {"text": text, "clicks": sparse.csr_array(clicks), "photos": photos}
    )
    gaps = Gaps.of(features)
    assert gaps.patterns.tolist() == [[True, False, True], [True, True, False]]
    profiles = [text[[3]], sparse.csr_array(clicks[[3]]), photos[[250]]]
    scores = np.asarray(sums(features, profiles))
    before = scores.copy()
    equate(scores, profiles, features, gaps)
    assert np.isfinite(scores).all()
    spread = [scores[0, :200].std(), scores[0, 200:].std()]
    assert spread[0] == pytest.approx(spread[1], rel=0.2)
    for half in (slice(0, 200), slice(200, 400)):
        assert (np.argsort(scores[0, half]) == np.argsort(before[0, half])).all()
