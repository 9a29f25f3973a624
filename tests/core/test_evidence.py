from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from palate.core import evidence
from palate.core.errors import NotFittedError
from palate.core.evidence import (
    Evidence,
    by_request,
    cosines,
    cosines_of,
    from_content,
    from_links,
    links_in,
    nearest_in_history,
    scores_at,
    stronger,
)
from palate.core.features import Features
from palate.core.histories import history_of_items
from palate.core.ids import Ids
from palate.recommenders.content import Content
from palate.recommenders.covisit import Covisit
from palate.recommenders.ease import Ease
from palate.recommenders.item_knn import ItemKNN
from palate.recommenders.user_knn import UserKNN

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


def nearest(matrix, histories, items):
    anchors, strengths = nearest_in_history(links_in(matrix), histories, items)
    return anchors.tolist(), strengths.tolist()


@pytest.mark.parametrize("matrix", [sparse.csr_array(LINKS), LINKS], ids=["sparse", "dense"])
def test_the_strongest_link_from_the_history(matrix):
    assert nearest(matrix, asking("abc", "dba"), rows(B, A)) == ([C, D], [5, 7])


def test_among_equal_links_the_newest_item_speaks():
    assert nearest(LINKS, asking("bc", "cb"), rows(E, E)) == ([C, B], [2, 2])


def test_an_item_is_no_reason_for_itself():
    assert nearest(LINKS, asking("abb", "aa"), rows(B, A)) == ([A, -1], [4, 0])


def test_no_history_or_no_link_is_no_anchor():
    asked = asking("", "eea", "d")
    assert nearest(LINKS, asked, rows(A, D, C)) == ([-1, -1, -1], [0, 0, 0])


def test_what_was_long_ago_is_no_reason():
    recent = ["e"] * 19
    anchors, _ = nearest(LINKS, asking(["d", *recent], ["d", "e", *recent]), rows(A, A))
    assert anchors == [D, -1]


def test_links_are_looked_up_a_part_at_a_time(monkeypatch):
    monkeypatch.setattr(evidence, "_CHUNK_PAIRS", 2)
    assert nearest(LINKS, asking("abc", "dba", "bc"), rows(B, A, E)) == ([C, D, C], [5, 7, 2])


def test_what_arrived_later_has_no_links():
    assert nearest(LINKS[:4, :4], asking("ae", "ba"), rows(B, E)) == ([A, -1], [4, 0])


def test_the_cosines_of_all_blocks_are_added():
    links = cosines_of(Features(IDS, {"text": TEXT, "tags": TAGS}))
    anchors, strengths = nearest_in_history(links, asking("abc", "bc", "d"), rows(D, A, C))
    assert anchors.tolist() == [C, B, D]
    np.testing.assert_allclose(strengths, [1, 0.5**0.5, 1], rtol=1e-6)


def test_cosines_of_large_numbers_and_of_nothing():
    large = np.float32([[3e12, 4e12], [3e12, 4e12], [0, 0]])
    small = np.float32([[4e12, 3e12], [3e-7, 4e-7], [1, 2]])
    for form in (np.asarray, sparse.csr_array):
        np.testing.assert_allclose(cosines(form(large), form(small)), [0.96, 1, 0], rtol=1e-5)


@pytest.mark.parametrize("kind", [Content, Covisit, Ease, ItemKNN, UserKNN])
def test_who_is_not_fitted_has_none(kind):
    with pytest.raises(NotFittedError, match=kind.__name__):
        kind().evidence(asking("ab"), rows(C))


def test_links_are_what_people_chose_together():
    found = from_links(links_in(LINKS), asking("abc", "d", ""), rows(E, C, A))
    assert found == [Evidence("together", C), Evidence("popular"), Evidence("popular")]


class TestContent:
    FEATURES = Features(IDS, {"text": TEXT})

    def test_items_that_say_nothing_or_the_opposite_are_no_reason(self):
        found = from_content(self.FEATURES, asking("a", "e", "ab"), rows(D, A, E))
        assert found == [Evidence("popular")] * 3

    def test_what_is_alike(self):
        found = from_content(self.FEATURES, asking("abc", "a"), rows(C, D))
        assert found == [Evidence("alike", B), Evidence("popular")]

    def test_blocks_learnt_from_behaviour_are_none(self):
        features = Features(IDS, {"text": TEXT, "tags": TAGS}, behavioural=["text"])
        found = from_content(features, asking("abc", "abcd"), rows(B, C))
        assert found == [Evidence("popular"), Evidence("alike", D)]

    @pytest.mark.parametrize("features", [None, Features(IDS, {})])
    def test_without_it_all_that_is_known_is_what_is_popular(self, features):
        said = np.ones((2, 2), dtype=np.float32)
        found = from_content(features, asking("ab", "", text=said), rows(C, D))
        assert found == [Evidence("popular")] * 2

    @pytest.mark.parametrize("form", [np.asarray, sparse.csr_array], ids=["dense", "sparse"])
    def test_words_speak_for_who_said_them_where_they_are_near(self, form):
        """c lies up, d to the left; the second person is silent, the third wants the opposite."""
        said = form(np.float32([[0, 1], [0, 0], [0, -1], [-1, 1]]))
        found = from_content(self.FEATURES, asking("", "", "", "", text=said), rows(C, C, C, D))
        assert [one.kind for one in found] == ["words", "popular", "popular", "words"]
        assert {one.anchor for one in found} == {-1}

    def test_of_words_and_history_the_nearer_speaks(self):
        """b lies between a and c: nearer to b than a is what leans up, farther what leans off."""
        said = np.float32([[0.5, 1], [-0.5, 1], [0, 0]])
        found = from_content(self.FEATURES, asking("a", "a", "a", text=said), rows(B, B, B))
        assert found == [Evidence("words"), Evidence("alike", A), Evidence("alike", A)]

    def test_they_are_compared_where_words_were_said(self):
        """By its tags d is just like c; in the text, where words were said, it is not."""
        features = Features(IDS, {"text": TEXT, "tags": TAGS})
        said = np.float32([[-1, 3]])
        assert from_content(features, asking("c", text=said), rows(D)) == [Evidence("words")]
        half = asking("c", text=said, tags=np.float32([[0, 0]]))
        assert from_content(features, half, rows(D)) == [Evidence("words")]
        elsewhere = asking("c", pictures=np.float32([[1]]))
        assert from_content(features, elsewhere, rows(D)) == [Evidence("alike", C)]


def test_of_two_kinds_the_preferred_speaks_where_it_can():
    together = [Evidence("together", A), Evidence("together", A), Evidence("popular")] * 2
    content = [Evidence("alike", B)] * 3 + [Evidence("popular")] * 3
    prefers = np.array([True, False, False] * 2)
    assert stronger(together, content, prefers) == [
        *(Evidence("alike", B), Evidence("together", A), Evidence("alike", B)),
        *(Evidence("together", A), Evidence("together", A), Evidence("popular")),
    ]


class TestByRequest:
    """Ten lines of one list are one request."""

    def parts(self, histories):
        return [
            (lines.tolist(), [requests.row(row).tolist() for row in range(len(requests))], place)
            for lines, requests, place in (
                (lines, requests, place.tolist())
                for lines, requests, place in by_request(histories)
            )
        ]

    def test_lines_of_one_request_stand_together(self):
        histories = asking("ab", "ab", "c").take(np.array([0, 0, 0, 1, 2, 2]))
        assert self.parts(histories) == [
            ([0, 1, 2, 3, 4, 5], [[A, B], [A, B], [C]], [0, 0, 0, 1, 2, 2])
        ]

    def test_rolling_histories_of_one_person_are_many_requests(self):
        whole = asking("abc", "abc")
        rolling = replace(whole, starts=whole.starts * 0, stops=np.array([2, 3]))
        assert self.parts(rolling) == [([0, 1], [[A, B], [A, B, C]], [0, 1])]

    @pytest.mark.parametrize("form", [np.asarray, sparse.csr_array], ids=["dense", "sparse"])
    def test_other_words_are_another_request(self, form):
        said = form(np.float32([[1, 0], [0, 1], [0, 1]]))
        histories = asking("", "", "", text=said).take(np.array([0, 0, 1, 2]))
        assert self.parts(histories) == [([0, 1, 2, 3], [[], []], [0, 0, 1, 1])]

    def test_no_more_than_fits_at_once(self, monkeypatch):
        monkeypatch.setattr(evidence, "_CHUNK_CELLS", 10)
        histories = asking("ab", "c", "d").take(np.array([0, 1, 1, 2]))
        assert self.parts(histories) == [
            ([0, 1, 2], [[A, B], [C]], [0, 1, 1]),
            ([3], [[D]], [0]),
        ]

    def test_nobody_asks_nothing(self):
        assert self.parts(asking()) == []

    def test_scores_of_the_lines(self):
        def score(histories):
            return histories.lengths[:, None] * 10 + np.arange(5, dtype=np.float32)

        histories = asking("ab", "c").take(np.array([0, 0, 1]))
        assert scores_at(score, histories, rows(E, B, C)).tolist() == [24, 21, 12]


def test_the_shared_arrays_may_hold_more_than_the_requests():
    histories = asking("cab")
    later = replace(histories, starts=histories.starts + 1)
    assert nearest(LINKS, later, rows(B)) == ([A], [4])
