from dataclasses import replace

import numpy as np
import pytest

from palate.core import progress
from palate.core.arrays import to_dense
from palate.core.histories import histories_of, history_of_items
from palate.recommenders.two_stage import labels as labels_module
from palate.recommenders.two_stage.catalogue import Catalogue
from palate.recommenders.two_stage.labels import (
    FOLDS,
    LabelPlan,
    labelled_rows,
    share_of_repeats,
    without_items,
)
from palate.recommenders.two_stage.statistics import fit_statistics

PLAN = LabelPlan(
    n_train_queries=100_000, candidates=20, repeats=False, behaviour=True, content=True, seed=0
)
COLD = 3


@pytest.fixture(scope="module")
def histories(rings):
    return histories_of(rings)


@pytest.fixture(scope="module")
def catalogue(said):
    return Catalogue.of(said, len(said))


@pytest.fixture(scope="module")
def turns(histories):
    return list(labels_module._turns(histories, PLAN))


def events(histories):
    """Who touched what: in synthetic data nobody touches an item twice, so it names an event."""
    return {
        (user, item)
        for row, user in enumerate(histories.user_ids)
        for item in histories.row(row).tolist()
    }


def answered(turn):
    return list(zip(turn.asking.user_ids, turn.answers.tolist(), strict=True))


@pytest.fixture
def marked(monkeypatch):
    """The last feature of each labelled row is its item, the one before it the request's newest."""
    candidates = labels_module.candidates

    def with_marks(asking, *args, **settings):
        found = candidates(asking, *args, **settings)
        newest = np.broadcast_to(asking.newest()[found.requests, None], found.items.shape)
        marks = np.stack([newest, found.items], axis=2).astype(np.float32)
        features = np.concatenate([found.features, marks], axis=2)
        return replace(found, features=features, names=[*found.names, "newest", "item"])

    monkeypatch.setattr(labels_module, "candidates", with_marks)
    monkeypatch.setattr(labels_module, "NEGATIVES", 1.0, raising=False)


def cases_of(rows):
    """(newest item of the history, proposed items, which of them were the answer) of each case."""
    splits = np.cumsum(rows.groups)[:-1]
    marks = np.split(rows.features[:, -2:].astype(int), splits)
    labels = np.split(rows.labels, splits)
    return [(part[0, 0], part[:, 1], said == 1) for part, said in zip(marks, labels, strict=True)]


def test_no_answer_is_known(turns):
    assert len(turns) == FOLDS + 1
    for turn in turns:
        assert len(turn.answers) > 20
        assert not events(turn.known) & set(answered(turn))


def test_a_request_holds_nothing_of_its_answer_or_later(turns, histories):
    order = {
        (user, item): place
        for row, user in enumerate(histories.user_ids)
        for place, item in enumerate(histories.row(row).tolist())
    }
    for turn in turns:
        for row, (user, answer) in enumerate(answered(turn)):
            mine = turn.asking.row(row).tolist()
            places = [order[user, item] for item in mine]
            assert mine
            assert places == sorted(places)
            assert max(places) < order[user, answer]


def test_only_who_asks_is_held_out_and_everybody_once(turns, histories):
    held = []
    for turn in turns[:FOLDS]:
        short = turn.known.lengths < histories.lengths
        assert set(turn.asking.user_ids) <= set(histories.user_ids.filter(short.tolist()))
        teaching = np.clip(histories.lengths // 2, 2, 4)
        assert set(teaching) == {2, 3, 4}
        np.testing.assert_array_equal(
            (histories.lengths - turn.known.lengths)[short], teaching[short]
        )
        held += histories.user_ids.filter(short.tolist()).to_list()
        assert len(turn.answers) == teaching[short].sum()
    assert sorted(held) == sorted(histories.user_ids)


def test_statistics_are_blind_to_the_held_out_events(histories, catalogue):
    """Other last events of a person change nothing where that person asks, and much elsewhere."""
    row, other = 11, 7
    last = histories.stops[row] - 1
    assert other not in histories.row(row)
    items = histories.items.copy()
    items[last] = other
    changed = replace(histories, items=items)
    same = []
    for turn, after in zip(
        labels_module._turns(histories, PLAN), labels_module._turns(changed, PLAN), strict=True
    ):
        found, others = (
            fit_statistics(known, catalogue, behaviour=True, seed=0)
            for known in (turn.known, after.known)
        )
        same.append(
            all(np.array_equal(to_dense(found[name]), to_dense(others[name])) for name in found)
        )
        assert same[-1] == (turn.known.lengths[row] < histories.lengths[row]) or len(same) > FOLDS
    assert sum(same[:FOLDS]) == 1


def test_hidden_items_have_no_event_at_all(turns):
    *_, last = turns
    hidden = last.teaching
    assert 0 < hidden.sum() < len(hidden) / 2
    assert hidden[last.answers].all()
    for part in (last.known, last.asking):
        assert not {item for _, item in events(part)} & set(np.flatnonzero(hidden).tolist())


def test_only_touched_items_are_hidden(turns, rings):
    *_, last = turns
    assert (rings.item_counts[last.teaching] > 0).all()


def test_without_content_no_item_is_hidden(histories):
    turns = list(labels_module._turns(histories, replace(PLAN, content=False)))
    assert len(turns) == FOLDS
    warm = {item for _, item in events(histories)}
    for turn in turns:
        assert {item for _, item in events(turn.known)} >= warm - set(turn.answers.tolist())


def test_rows_are_those_that_a_turn_teaches_with_the_answer_marked(
    histories, catalogue, turns, marked
):
    rows = labelled_rows(histories, lambda _known: catalogue, PLAN)
    assert len(rows.features) == len(rows.labels) == rows.groups.sum()
    assert rows.names[-2:] == ["newest", "item"]
    expected = [
        (int(turn.asking.newest()[row]), int(answer), turn.teaching)
        for turn in turns
        for row, answer in enumerate(turn.answers)
    ]
    cases = cases_of(rows)
    assert 0.5 * len(expected) < len(cases) < len(expected)
    remaining = iter(expected)
    for newest, items, answer in cases:
        (right,) = items[answer]
        teaching = next(teach for *case, teach in remaining if case == [newest, right])
        assert teaching[items].all()
        assert len(set(items)) == len(items)


def test_items_without_any_event_are_never_the_answer(histories, catalogue, rings, marked):
    rows = labelled_rows(histories, lambda _known: catalogue, PLAN)
    cold = rings.item_counts == 0
    assert cold.sum() == COLD
    assert not rows.labels[cold[rows.features[:, -1].astype(int)]].any()


def test_cases_whose_answer_nobody_proposed_are_dropped(histories, catalogue, marked):
    few = replace(PLAN, candidates=1, content=False)
    rows = labelled_rows(histories, lambda _known: catalogue, few)
    asked = sum(len(turn.answers) for turn in labels_module._turns(histories, few))
    assert 0 < len(rows.groups) < asked
    assert rows.labels.sum() == len(rows.groups)


def test_statistics_are_those_of_the_known_part_alone(histories, catalogue, monkeypatch):
    fitted = []
    fit = labels_module.fit_statistics

    def spy(known, *args, **settings):
        fitted.append(events(known))
        return fit(known, *args, **settings)

    monkeypatch.setattr(labels_module, "fit_statistics", spy)
    plan = replace(PLAN, n_train_queries=60)
    labelled_rows(histories, lambda _known: catalogue, plan)
    assert fitted == [events(turn.known) for turn in labels_module._turns(histories, plan)]


def test_features_are_those_of_the_known_part_alone(histories, catalogue):
    """Whoever makes the features of a turn is handed what is known in it, and no more."""
    handed = []

    def catalogue_of(known):
        handed.append(events(known))
        return catalogue

    labelled_rows(histories, catalogue_of, replace(PLAN, n_train_queries=60))
    wanted = [
        events(turn.known)
        for turn in labels_module._turns(histories, replace(PLAN, n_train_queries=60))
    ]
    assert handed == wanted


@pytest.mark.parametrize("content", [True, False])
def test_no_more_cases_than_planned(histories, content):
    plan = replace(PLAN, n_train_queries=90, content=content)
    turns = list(labels_module._turns(histories, plan))
    sizes = [len(turn.answers) for turn in turns]
    assert 60 < sum(sizes) <= 90
    assert max(sizes[:FOLDS]) == min(sizes[:FOLDS])


@pytest.mark.parametrize("cases", [1, 2, 5])
def test_hardly_any_case_still_names_the_features(histories, catalogue, cases):
    plan = replace(PLAN, n_train_queries=cases)
    rows = labelled_rows(histories, lambda _known: catalogue, plan)
    many = labelled_rows(histories, lambda _known: catalogue, PLAN)
    assert rows.names == many.names
    assert rows.features.shape[1] == len(rows.names)
    assert len(rows.groups) <= cases


def test_where_hiding_items_leaves_nobody_to_ask_no_items_are_hidden(build):
    """Features learnt from events could not be made anew either: no event would be left."""
    histories = histories_of(build({f"u{row}": "a" for row in range(9)}, items="a"))
    plan = replace(PLAN, repeats=True)
    turns = list(labels_module._turns(histories, plan))
    assert len(turns) == FOLDS
    assert all(turn.known.lengths.any() for turn in turns)


def test_the_seed_draws_who_is_held_out(histories, turns):
    again = list(labels_module._turns(histories, PLAN))
    assert [answered(turn) for turn in again] == [answered(turn) for turn in turns]
    other = list(labels_module._turns(histories, replace(PLAN, seed=1)))
    assert answered(other[0]) != answered(turns[0])


def test_repeated_answers_are_asked_only_where_people_repeat(build):
    data = build({f"u{row}": "abcabc"[: 5 + row % 2] for row in range(12)}, items="abc")
    histories = histories_of(data)
    plan = replace(PLAN, content=False)
    assert sum(len(turn.answers) for turn in labels_module._turns(histories, plan)) == 0
    again = labels_module._turns(histories, replace(plan, repeats=True))
    assert sum(len(turn.answers) for turn in again) == sum([2, 3] * 6)


def test_everybody_keeps_an_event(build):
    data = build({"u": "a", "v": "bc", "w": "cab", "x": "dabc"}, items="abcd")
    histories = histories_of(data)
    known, asking, answers = labels_module._held_out(histories, np.array([2, 2, 2, 3]))
    assert known.lengths.tolist() == [1, 1, 1, 1]
    assert asking.user_ids.to_list() == ["v", "w", "w", "x", "x", "x"]
    assert [asking.row(row).tolist() for row in range(3)] == [[1], [2], [2, 0]]
    assert answers.tolist() == [2, 0, 1, 0, 1, 2]


def test_nothing_held_out_is_nothing_asked(histories):
    known, asking, answers = labels_module._held_out(histories, np.zeros(len(histories), dtype=int))
    assert events(known) == events(histories)
    assert len(asking) == len(answers) == 0


def test_events_of_hidden_items_go_with_their_weights_and_times(build):
    data = build(
        {"u": "abc", "v": "b", "w": "cab"},
        times=[1, 2, 3, 4, 5, 6, 7],
        weights=[1, 2, 3, 4, 5, 6, 7],
    )
    found = without_items(
        histories_of(data).take(np.array([2, 0, 1])), np.array([0, 1, 0, 0, 0]) > 0
    )
    assert [found.row(row).tolist() for row in range(3)] == [[2, 0], [0, 2], []]
    assert found.weights.tolist() == [5, 6, 1, 3]
    assert found.times.tolist() == [5, 6, 1, 3]
    assert found.user_ids.to_list() == ["w", "u", "v"]


def test_the_share_of_repeats_by_hand(build):
    assert share_of_repeats(histories_of(build({"u": "abab", "v": "ba", "w": "ccc"}))) == 4 / 9
    assert share_of_repeats(histories_of(build({"u": "abc", "v": "ab"}))) == 0
    assert share_of_repeats(history_of_items(build({}).item_ids, [[]])) == 0


def test_progress_promises_the_cases_that_there_are(histories, catalogue):
    told = []

    class Watcher:
        def start(self, label, total, unit):
            told.append(total)
            return told.append

        def stop(self, label, *, finished):
            told.append(finished)

    with progress.watch(Watcher()):
        labelled_rows(histories, lambda _known: catalogue, PLAN)
    promised, *steps, finished = told
    assert finished
    assert promised == sum(steps) < PLAN.n_train_queries
