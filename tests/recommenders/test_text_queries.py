from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import rankdata

from palate.core.evidence import Evidence
from palate.core.histories import history_of_items
from palate.core.ids import Ids
from palate.core.topk import rank_rows
from palate.core.types import FitContext
from palate.recommenders._text_queries import evidence_of_parts, fused_with_queries, has_query
from palate.recommenders.blend import Blend
from palate.recommenders.content import Content

IDS = Ids(["a", "b", "c", "d"])
WORDS = np.float32([[0, 0], [1, 0], [0, 2], [0, 0]])


def score(asking):
    """Who did something likes the first items, who says something the last, both at once fails."""
    found = np.zeros((len(asking), 4), dtype=np.float32)
    heard = has_query(asking)
    assert not (heard & (asking.lengths > 0)).any()
    found[asking.lengths > 0] = [4, 3, 2, 1]
    found[heard] = [1, 1, 3, 4]
    return found


def asking(histories):
    return history_of_items(IDS, histories, queries={"text": WORDS})


def test_a_history_and_words_are_asked_alone_and_fused():
    scores = fused_with_queries(score, asking([["a"], ["b"], [], []]))
    np.testing.assert_array_equal(scores[[0, 2, 3]], [[4, 3, 2, 1], [1, 1, 3, 4], [0, 0, 0, 0]])
    places = zip([1, 2, 3, 4], [3, 3, 2, 1], strict=True)
    wanted = [1 / (10 + history) + 1 / (10 + query) for history, query in places]
    np.testing.assert_allclose(scores[1], wanted, rtol=1e-6)


def test_without_both_at_once_nothing_is_fused():
    silent = replace(asking([["a"], ["b"], [], []]), queries={})
    np.testing.assert_array_equal(fused_with_queries(score, silent), score(silent))
    np.testing.assert_array_equal(has_query(asking([[], [], [], []])), [False, True, True, False])


def evidence(asking, items):
    """Words know no reason for item 2, a history none for item 3."""
    heard = has_query(asking)
    assert not (heard & (asking.lengths > 0)).any()
    known = (heard & (items != 2)) | ((asking.lengths > 0) & (items != 3))
    kinds = np.where(known, np.where(heard, "words", "together"), "popular")
    return [Evidence(kind, int(item)) for kind, item in zip(kinds, items, strict=True)]


def test_the_list_that_places_an_item_higher_says_why():
    lines = asking([["a"], ["b"], [], []]).take(np.array([1, 0, 1, 2, 1, 1, 3]))
    items = np.array([0, 3, 3, 2, 2, 1, 0])
    found = evidence_of_parts(evidence, score, lines, items)
    kinds = ["together", "popular", "words", "popular", "together", "together", "popular"]
    assert found == [Evidence(kind, item) for kind, item in zip(kinds, items.tolist(), strict=True)]
    silent = replace(lines, queries={})
    assert evidence_of_parts(evidence, score, silent, items) == evidence(silent, items)


def test_the_ranker_says_why_by_the_list_that_placed_the_item(ranker, rings, said, truth):
    touched = np.setdiff1d(np.arange(60), truth.cold_items)
    largest, other = np.argsort(-np.bincount(truth.topic[touched]))[:2]
    mine = touched[truth.topic[touched] == largest][:3]
    query = touched[truth.topic[touched] == other][:1]
    request = history_of_items(rings.item_ids, [[rings.item_ids[row] for row in mine]])
    both = replace(request, queries={name: part[query] for name, part in said.parts.items()})
    alone = replace(both, stops=both.starts)
    items = np.arange(60, dtype=np.int32)
    ranks = [rankdata(-ranker.score(part)[0], method="min") for part in (request, alone)]
    line = np.zeros(60, dtype=int)
    of_history, of_words = (ranker.evidence(part.take(line), items) for part in (request, alone))
    found = ranker.evidence(both.take(line), items)
    apart = [row for row in items if "popular" not in (of_history[row].kind, of_words[row].kind)]
    by_query = [row for row in apart if ranks[1][row] <= ranks[0][row]]
    assert 0 < len(by_query) < len(apart)
    for row in apart:
        assert found[row] == (of_words if row in by_query else of_history)[row]
    assert len({of_history[row].kind for row in apart}) == 2


@pytest.mark.parametrize("name", ["ranker", "content", "blend"])
def test_a_list_for_both_holds_what_either_would_get(name, ranker, rings, said, truth):
    model = {"ranker": ranker, "content": Content(), "blend": Blend()}[name]
    model = model if name == "ranker" else model.fit(rings, FitContext(items=said))
    touched = np.setdiff1d(np.arange(60), truth.cold_items)
    largest, other = np.argsort(-np.bincount(truth.topic[touched]))[:2]
    mine = touched[truth.topic[touched] == largest][:3]
    query = touched[truth.topic[touched] == other][:1]
    queries = {block: part[query] for block, part in said.parts.items()}
    request = history_of_items(rings.item_ids, [[rings.item_ids[row] for row in mine]])
    both = replace(request, queries=queries)
    alone = replace(both, stops=both.starts)
    shown, history_only, words_only = (
        set(rank_rows(model, histories, 10)[0][0].tolist()) for histories in (both, request, alone)
    )
    assert len(shown & history_only) >= 2
    assert len(shown & words_only) >= 2
    assert shown not in (history_only, words_only)
