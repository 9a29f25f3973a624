from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from palate.evaluation.published.parts import TEST, TRAIN, VALID, Case, in_order, rebuild, stitch


def cases_of(line: Sequence[str], parts: Sequence[str], cut: int) -> list[Case]:
    """The rows that a published file would hold of one person's events."""
    return [
        Case(parts[at], list(line[max(0, at - cut) : at]), line[at]) for at in range(1, len(line))
    ]


def test_a_person_is_put_together_from_growing_histories() -> None:
    cases = [
        Case(VALID, ["4", "1"], "3"),
        Case(VALID, ["4", "1", "3"], "0"),
        Case(TEST, ["0"], "2"),
    ]
    assert stitch(cases) == (["4", "1", "3", "0", "2"], [TRAIN, TRAIN, VALID, VALID, TEST])


def test_a_cut_history_adds_nothing_that_is_known() -> None:
    cases = [Case(TRAIN, ["6"], "4"), Case(TRAIN, ["6", "4"], "1"), Case(VALID, ["4", "1"], "3")]
    assert stitch(cases) == (["6", "4", "1", "3"], [TRAIN, TRAIN, TRAIN, VALID])


def test_a_gap_is_filled_from_the_history_and_belongs_to_the_part_reached() -> None:
    cases = [Case(TRAIN, ["a"], "b"), Case(TRAIN, ["b", "c"], "d"), Case(VALID, ["d"], "e")]
    assert stitch(cases) == (list("abcde"), [TRAIN] * 4 + [VALID])
    later = [*cases, Case(TEST, ["e", "f"], "g")]
    assert stitch(later) == (list("abcdefg"), [TRAIN] * 4 + [VALID, VALID, TEST])


def test_a_row_given_twice_counts_once() -> None:
    cases = [Case(TRAIN, ["a"], "b"), Case(TRAIN, ["a"], "b"), Case(TEST, ["a", "b"], "c")]
    assert stitch(cases) == (list("abc"), [TRAIN, TRAIN, TEST])


def test_buying_again_counts_again() -> None:
    cases = [Case(TRAIN, ["a"], "a"), Case(TRAIN, ["a", "a"], "a"), Case(TEST, ["a"] * 3, "b")]
    assert stitch(cases) == (list("aaab"), [TRAIN, TRAIN, TRAIN, TEST])


def test_backward_rows_with_repeats_are_not_taken_for_forward_ones() -> None:
    backward = [Case(TRAIN, ["x", "y"], "x"), Case(TRAIN, ["x"], "y")]
    assert stitch(in_order(backward))[0] == ["x", "y", "x"]
    same = [Case(TRAIN, ["x", "x"], "x"), Case(TRAIN, ["x"], "x")]
    assert stitch(in_order(same))[0] == ["x", "x", "x"]


def test_rows_in_no_order_are_sorted_by_length() -> None:
    cases = cases_of("abcde", [TRAIN] * 5, cut=9)
    mixed = [cases[2], cases[0], cases[3], cases[1]]
    assert stitch(in_order(mixed))[0] == list("abcde")


def test_people_stand_in_the_order_of_their_first_row() -> None:
    rows = [
        ("zoe", Case(VALID, ["3"], "1")),
        ("adam", Case(TEST, ["2", "0"], "3")),
        ("zoe", Case(TEST, ["3", "1"], "2")),
    ]
    assert rebuild(rows).rows() == [
        ("zoe", "3", TRAIN),
        ("zoe", "1", VALID),
        ("zoe", "2", TEST),
        ("adam", "2", TRAIN),
        ("adam", "0", TRAIN),
        ("adam", "3", TEST),
    ]


@st.composite
def users(draw: st.DrawFn) -> tuple[list[str], list[str], int]:
    """A person's different items, their parts in order of time, and where histories are cut."""
    line = [f"i{number}" for number in draw(st.permutations(range(draw(st.integers(2, 12)))))]
    first_test = draw(st.integers(1, len(line)))
    first_valid = draw(st.integers(1, first_test))
    parts = [
        TRAIN if at < first_valid else VALID if at < first_test else TEST for at in range(len(line))
    ]
    return line, parts, draw(st.integers(1, 12))


@given(users(), st.booleans())
def test_rebuilding_undoes_the_rows(user: tuple[list[str], list[str], int], back: bool) -> None:
    line, parts, cut = user
    cases = cases_of(line, parts, cut)
    rows = [("u", case) for case in (cases[::-1] if back else cases)]
    events = rebuild(rows)
    assert events["item_id"].to_list() == line
    assert events["part"].to_list() == parts


@pytest.mark.parametrize("cut", [1, 2, 5])
def test_rebuilding_undoes_rows_with_repeats(cut: int) -> None:
    line = list("abacabba")
    parts = [TRAIN] * 5 + [VALID, TEST, TEST]
    events = rebuild(("u", case) for case in cases_of(line, parts, cut))
    assert events["item_id"].to_list() == line
    assert events["part"].to_list() == parts
