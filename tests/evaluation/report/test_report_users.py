"""Who is shown, and what a card says about them."""

import re
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

import palate
from palate.core.dataset import Dataset
from palate.core.histories import Histories
from palate.core.ids import Ids
from palate.core.split import Answers, Split
from palate.core.types import Recommendations
from palate.evaluation.report.html import words_in
from palate.evaluation.report.users import (
    User,
    known_of_users,
    meet_users,
    sample_requests,
    users_section,
)

WORDS = words_in("en")
TITLES = [f"film {row}" for row in range(60)]


def split_of(lengths, users, answers) -> Split:
    """Requests with histories of these lengths; request i's answers are the rows in answers[i]."""
    ids = Ids([f"i{row}" for row in range(60)])
    stops = np.cumsum(lengths)
    items = np.array([row for length in lengths for row in range(length)], dtype=np.int32)
    histories = Histories(
        item_ids=ids,
        user_ids=pl.Series(users),
        starts=stops - lengths,
        stops=stops,
        items=items,
        weights=np.ones(len(items), dtype=np.float32),
    )
    ends = np.cumsum([len(rows) for rows in answers])
    flat = np.array([row for rows in answers for row in rows], dtype=np.int32)
    starts = ends - [len(rows) for rows in answers]
    nothing = pl.DataFrame(schema={"user_id": pl.String, "item_id": pl.String})
    train = Dataset(nothing, pl.DataFrame({"item_id": ids.series}))
    return Split("made up", train, histories, Answers(starts, ends, flat))


def many() -> Split:
    rng = np.random.default_rng(2)
    lengths = np.concatenate([[0, 2, 4], rng.integers(6, 50, 97)])
    users = [f"p{row // 2}" for row in range(100)]
    return split_of(lengths, users, [[55]] * 100)


def test_people_differ_and_come_from_short_histories_to_long_ones():
    split = many()
    rows = sample_requests(split, 10, seed=4)
    assert split.histories.user_ids[rows].n_unique() == 10
    lengths = split.histories.lengths[rows]
    assert (np.diff(lengths) >= 0).all()
    assert lengths[-1] > 30
    assert (sample_requests(split, 10, seed=4) == rows).all()
    assert (sample_requests(split, 10, seed=5) != rows).any()


@pytest.mark.parametrize("seed", range(5))
def test_somebody_has_a_short_history_but_not_none(seed):
    split = split_of(np.array([0, 40, 3, 30, 20, 25, 35, 12]), list("abcdefgh"), [[55]] * 8)
    assert split.histories.lengths[sample_requests(split, 2, seed=seed)][0] == 3


def test_no_more_people_than_there_are():
    split = split_of(np.array([3, 1, 2]), ["a", "a", "b"], [[9]] * 3)
    assert len(sample_requests(split, 10)) == 2
    assert len(sample_requests(split, 0)) == 0
    empty = split_of(np.array([], dtype=np.int64), pl.Series([], dtype=pl.String), [])
    assert len(sample_requests(empty, 10)) == 0


def test_people_whose_next_choice_is_known_come_first():
    answers = [[9], [], [], [9, 8], []]
    split = split_of(np.array([1, 2, 3, 4, 5]), list("abcde"), answers)
    assert sample_requests(split, 2).tolist() == [0, 3]
    assert len(sample_requests(split, 4)) == 4


def test_the_model_is_asked_and_its_answers_are_laid_beside_the_truth():
    split = split_of(np.array([2, 3, 1]), ["a", "b", "c"], [[7, 9], [5], [4]])
    asked = {}

    def recommend_histories(histories, **settings):
        asked.update(settings, users=histories.user_ids.to_list())
        table = pl.DataFrame(
            {
                "user_id": ["b", "b", "c"],
                "item_id": ["i9", "i7", "i1"],
                "rank": [2, 1, 1],
                "reasons": ["two", "one", None],
            }
        )
        return Recommendations(table)

    model = SimpleNamespace(
        item_ids=split.histories.item_ids,
        recommend_histories=recommend_histories,
        data_=split.train,
        user_encoders_={},
    )
    met = meet_users(model, split, np.array([1, 0]))
    assert asked == {"k": 5, "exclude_seen": True, "reasons": True, "users": ["b", "a"]}
    assert met[0].past.tolist() == [2, 1, 0]
    assert met[0].recommended.tolist() == [7, 9]
    assert met[0].reasons == ["one", "two"]
    assert met[0].answers.tolist() == [5]
    assert met[1].recommended.tolist() == []
    assert met[1].answers.tolist() == [7, 9]


def test_what_somebody_chose_later_is_found_in_the_requests_that_follow():
    lengths, users = np.array([3, 1, 2, 0, 3, 4]), list("abaaca")
    split = split_of(lengths, users, [[1], [2], [3], [4], [5], [6, 7]])

    def nothing(histories, **settings):
        columns = ("user_id", "item_id", "rank", "reasons")
        return Recommendations(pl.DataFrame(schema=dict.fromkeys(columns, pl.String)))

    model = SimpleNamespace(
        item_ids=split.histories.item_ids,
        recommend_histories=nothing,
        data_=split.train,
        user_encoders_={},
    )
    met = meet_users(model, split, np.array([2, 0, 5, 1]))
    assert [user.later.tolist() for user in met] == [[6, 7], [6, 7], [], []]


def card(past=(), recommended=(), reasons=(), answers=(), later=(), name="42", words=WORDS) -> str:
    rows = (np.array(part, dtype=np.int32) for part in (past, recommended, answers, later))
    newest, shown, true, afterwards = rows
    user = User(name, newest, shown, list(reasons), true, afterwards)
    return users_section([user], TITLES, words, on_map=False)


def test_only_what_was_really_chosen_is_marked():
    html = card(recommended=[3, 14, 5], reasons=["a", None, "c"], answers=[14, 50])
    lines = re.findall(r"<li( class=hit)?><span class=\"title\"><bdi>(film \d+)", html)
    assert lines == [("", "film 3"), (" class=hit", "film 14"), ("", "film 5")]
    assert html.count("badge") == 1
    assert re.findall(r'why"><bdi>(\w)', html) == ["a", "c"]
    assert "Chosen next: <b><bdi>film 14</bdi></b>, <b><bdi>film 50</bdi></b></p>" in html


def test_what_was_chosen_next_or_later_is_marked_apart_and_in_words():
    lists = {"recommended": [3, 14, 5], "reasons": ["a", "b", "c"], "answers": [14]}
    html = card(**lists, later=[5, 14, 40])
    marks = re.findall(
        r'<span class="(badge[^"]*)"><span aria-hidden="true">✓</span> ([^<]+)', html
    )
    assert marks == [("badge", "chosen next"), ("badge later", "chosen later")]
    assert re.findall(r"<li class=hit>.*?(film \d+)", html) == ["film 14", "film 5"]
    assert "后来选了它" in card(**lists, later=[5], words=words_in("zh"))
    assert "badge" not in card(**(lists | {"answers": []}))


def test_long_histories_and_answers_are_cut_and_say_so():
    html = card(past=range(40, 20, -1), recommended=[1], reasons=["x"], answers=[5, 6, 7, 8])
    past = re.search(r'<ol class="past">(.*?)</ol>', html).group(1)
    assert re.findall(r"film (\d+)", past) == [str(row) for row in range(40, 28, -1)]
    assert "(12 of 20)" in html
    assert "and 1 more" in html
    assert "film 8" not in html


def test_a_stranger_has_no_history_and_perhaps_no_recommendation():
    html = card(name="<x>")
    assert "No history yet." in html
    assert "Nothing is left to recommend." in html
    assert "Chosen next" not in html
    assert "<h3><bdi>&lt;x&gt;</bdi></h3>" in html
    assert "<h3><bdi>Person 42</bdi></h3>" in card(name="42")


def test_a_card_says_what_the_model_reads_of_somebody(clubs):
    facts = {"facts": palate.Attributes(columns=["age"]), "about": palate.Tfidf(template="{about}")}
    model = palate.Pipeline(encoders={}, users=facts, recommender=palate.UserKNN()).fit(clubs)
    row = clubs.users.filter(pl.col("about").is_not_null()).row(0, named=True)
    (said, nothing) = known_of_users(model, pl.Series(["nobody", row["user_id"]]))[::-1]
    assert said == f"age {row['age']}, about {row['about']}"
    assert nothing == ""
    bare = palate.Pipeline(encoders={}, users={}, recommender=palate.UserKNN()).fit(clubs)
    assert known_of_users(bare, pl.Series([row["user_id"]])) == [""]
    nothing = np.empty(0, dtype=np.int32)
    user = User("42", nothing, nothing, [], nothing, nothing, "likes <b>")
    assert "likes &lt;b&gt;" in users_section([user], TITLES, WORDS, on_map=False)
