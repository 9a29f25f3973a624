import numpy as np
import pytest
from scipy import sparse

from palate.histories import history_of_items
from palate.recommenders._evidence import Evidence, evidence_from_features, nearest_in_history
from palate.types import Features, Ids

IDS = Ids(list("abcde"))
A, B, C, D, E = range(5)
LINKS = np.float32(
    [
        [9, 4, 0, 0, 0],
        [1, 9, 3, 0, 2],
        [0, 5, 9, 0, 2],
        [7, 0, -1, 9, 0],
        [0, 0, 0, 0, 0],
    ]
)
TEXT = np.float32([[1, 0], [2, 2], [0, 3], [-4, 0], [0, 0]])
TAGS = sparse.csr_array(np.float32([[0, 1], [0, 0], [1, 0], [2, 0], [0, 3]]))


def asking(*histories, **queries):
    return history_of_items(IDS, [list(history) for history in histories], queries=queries)


def rows(*items):
    return np.array(items, dtype=np.int32)


@pytest.mark.parametrize("matrix", [sparse.csr_array(LINKS), LINKS], ids=["sparse", "dense"])
def test_the_strongest_link_from_the_history(matrix):
    anchors, strengths = nearest_in_history(matrix, asking("abc", "dba"), rows(B, A))
    assert anchors.tolist() == [C, D]
    assert strengths.tolist() == [5, 7]


def test_among_equal_links_the_newest_item_speaks():
    anchors, strengths = nearest_in_history(sparse.csr_array(LINKS), asking("bc", "cb"), rows(E, E))
    assert anchors.tolist() == [C, B]
    assert strengths.tolist() == [2, 2]


def test_an_item_is_no_reason_for_itself():
    anchors, strengths = nearest_in_history(LINKS, asking("abb", "aa"), rows(B, A))
    assert anchors.tolist() == [A, -1]
    assert strengths.tolist() == [4, 0]


def test_no_history_or_no_link_is_no_anchor():
    anchors, strengths = nearest_in_history(LINKS, asking("", "eea", "d"), rows(A, D, C))
    assert anchors.tolist() == [-1, -1, -1]
    assert strengths.tolist() == [0, 0, 0]


def test_what_was_long_ago_is_no_reason():
    recent = ["e"] * 19
    anchors, _ = nearest_in_history(LINKS, asking(["d", *recent], ["d", "e", *recent]), rows(A, A))
    assert anchors.tolist() == [D, -1]


def test_the_cosines_of_all_blocks_are_added():
    features = Features(IDS, {"text": TEXT, "tags": TAGS})
    anchors, strengths = nearest_in_history(features, asking("abc", "bc", "d"), rows(D, A, C))
    assert anchors.tolist() == [C, B, D]
    np.testing.assert_allclose(strengths, [1, 0.5**0.5, 1], rtol=1e-6)


def test_items_that_say_nothing_or_the_opposite_are_no_reason():
    features = Features(IDS, {"text": TEXT})
    anchors, strengths = nearest_in_history(features, asking("a", "e", "ab"), rows(D, A, E))
    assert anchors.tolist() == [-1, -1, -1]
    assert strengths.tolist() == [0, 0, 0]


def test_content_alone_gives_what_is_alike():
    features = Features(IDS, {"text": TEXT})
    found = evidence_from_features(features, asking("abc", "a"), rows(C, D))
    assert found == [Evidence("alike", B), Evidence("popular")]


def test_blocks_learnt_from_behaviour_are_no_content():
    features = Features(IDS, {"text": TEXT, "tags": TAGS}, behavioural=["text"])
    found = evidence_from_features(features, asking("abc", "abcd"), rows(B, C))
    assert found == [Evidence("popular"), Evidence("alike", D)]


def test_words_speak_where_the_history_does_not():
    features = Features(IDS, {"text": TEXT})
    wish = asking("", "a", text=np.float32([[0, 1], [0, 1]]))
    found = evidence_from_features(features, wish, rows(C, B))
    assert found == [Evidence("words"), Evidence("alike", A)]


@pytest.mark.parametrize("features", [None, Features(IDS, {})])
def test_without_content_all_that_is_known_is_what_is_popular(features):
    found = evidence_from_features(features, asking("ab", ""), rows(C, D))
    assert found == [Evidence("popular", -1)] * 2
