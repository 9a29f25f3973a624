"""Headline, table, bars and long tail say what the comparison says."""

import math
import re
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from palate.core.dataset import Dataset
from palate.core.errors import DataError
from palate.core.histories import Histories
from palate.core.ids import Ids
from palate.core.split import Answers, Split
from palate.evaluation.compare import Ranked, compare
from palate.evaluation.report.headline import (
    Verdict,
    best_row,
    headline,
    headline_metric,
    metric_title,
)
from palate.evaluation.report.html import words_in
from palate.evaluation.report.long_tail import tail_lead, tail_section
from palate.evaluation.report.table import result_bars, results_table
from palate.evaluation.results import Refused

WORDS = words_in("en")
N_USERS, ITEMS, DEPTH = 40, 30, 10
NEW = 29


def split_of(n_users: int = N_USERS) -> Split:
    """Everybody asks once and chooses item 7 next, the last three a new item."""
    ids = Ids([f"i{row}" for row in range(ITEMS)])
    users = pl.Series([f"p{row}" for row in range(n_users)])
    counts = np.arange(ITEMS, 1, -1)
    events = np.repeat(np.arange(ITEMS - 1), counts)
    train = pl.DataFrame({"user_id": users[events % n_users], "item_id": ids.series[events]})
    histories = Histories(
        item_ids=ids,
        user_ids=users,
        starts=np.arange(n_users),
        stops=np.arange(n_users) + np.arange(n_users) % 2,
        items=np.full(n_users + 1, 3, dtype=np.int32),
        weights=np.ones(n_users + 1, dtype=np.float32),
    )
    answers = np.full(n_users, 7, dtype=np.int32)
    answers[-3:] = NEW
    sealed = Answers(np.arange(n_users), np.arange(n_users) + 1, answers)
    return Split("time", Dataset(train, pl.DataFrame({"item_id": ids.series})), histories, sealed)


def ranked(place: int, n_users: int = N_USERS, *, except_every: int = 0) -> Ranked:
    """Lists with item 7 at `place` (0: nowhere), and no new item."""
    rows = np.tile(np.arange(10, 10 + DEPTH, dtype=np.int32), (n_users, 1))
    if place:
        rows[:, place - 1] = 7
    if except_every:
        rows[::except_every] = np.arange(10, 10 + DEPTH)
    return Ranked(rows)


def compared(split: Split | None = None, *, reference: str | None = "second", **places):
    split = split or split_of()
    n_users = len(split.histories)
    rows = places or {"first": 1, "second": 2, "never": 0}
    models = {name: ranked(place, n_users) for name, place in rows.items()}
    return compare(models, split, reference=reference, resamples=300)


def text(html: str) -> str:
    return " ".join(re.sub("<[^>]+>", "", html).split())


def test_events_that_speak_against_an_item_were_learnt_from_too():
    split = split_of()
    log = split.train.interactions
    train = split.train.with_interactions(log[5:], against=log[:5])
    html = headline(compared(), replace(split, train=train), WORDS)
    facts = dict(re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", html))
    assert facts["training events"] == f"{len(log)}"


def test_the_headline_names_the_best_row_and_the_difference():
    comparison, split = compared(), split_of()
    assert best_row(comparison) == "first"
    html = headline(comparison, split, WORDS)
    said = text(html)
    assert said.startswith("first finds best what people chose next: NDCG@10 0.925 (95% interval")
    expected = 0.925 * (1 - 1 / math.log2(3))
    assert f"58.5% above the reference “second” (0.584): a difference of +{expected:.3f}" in said
    assert "which is significant (paired bootstrap over people, p = 0.00" in said
    facts = dict(re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", html))
    events = f"{len(split.train.interactions)}"
    assert facts["people"] == facts["requests asked"] == "40"
    assert (facts["items"], facts["training events"], facts["split"]) == ("30", events, "by time")
    assert facts["NDCG@10 by chance"] == f"{comparison.chance['all']['ndcg@10']:.3f}"
    assert "3 recommenders were compared on the split “by time”" in said


@pytest.mark.parametrize(
    ("reference", "places", "n_users", "sentence"),
    [
        (None, {}, N_USERS, "No row was named as the reference"),
        ("first", {}, N_USERS, "It is the reference itself"),
        ("second", {}, 5, "too few people were asked"),
        ("never", {}, N_USERS, "That is above the reference “never” (0.000): a difference of +0.9"),
        (
            "b",
            {"a": 4, "b": 4},
            N_USERS,
            "That is level with the reference “b” (0.398): a difference of +0.000",
        ),
    ],
)
def test_the_headline_is_honest_about_the_difference(reference, places, n_users, sentence):
    split = split_of(n_users)
    said = text(headline(compared(split, reference=reference, **places), split, WORDS))
    assert sentence in said
    assert "which is significant" not in said or reference in ("never", "first")
    if "which is not significant" in said:
        assert "not sure which of the two is better" in said


def test_the_reference_itself_is_held_against_the_next():
    surely, hardly = (
        compared(reference="a", **places) for places in ({"a": 1, "b": 2}, {"b": 3, "a": 3})
    )
    said = text(headline(surely, split_of(), WORDS))
    assert "It is the reference itself" in said
    assert "58.5% above the next, “b” (0.584): a difference of +0.341 (" in said
    assert "which is significant" in said
    assert str(Verdict.of(surely)).startswith(
        "a is best: NDCG@10 0.9250. b has 0.5836, surely less"
    )
    assert "and it is not sure which is better: the 95% interval" in str(Verdict.of(hardly))
    alone = compared(reference="a", a=1)
    assert str(Verdict.of(alone)) == "a is best: NDCG@10 0.9250."
    few = compared(split_of(5), reference="a", a=1, b=2)
    assert "too few people were asked to be sure" in str(Verdict.of(few))


def test_what_another_row_lacks_is_the_best_ones_gain():
    found = Verdict.of(compared(reference="a", a=1, b=2))
    other = Verdict.of(compared(reference="b", a=1, b=2))
    assert (found.best, found.other) == (other.best, other.other) == ("a", "b")
    assert found.apart.mean == pytest.approx(other.apart.mean)
    assert found.apart.low <= found.apart.mean <= found.apart.high
    assert found.apart.low > 0


def test_what_is_printed_as_zero_is_nobodys_best():
    split = split_of(4_000)
    rows = {"a": ranked(0, 4_000), "b": ranked(0, 4_000)}
    rows["a"].rows[0, 0] = 7
    html = results_table(compare(rows, split, resamples=20), WORDS)
    assert cells(html, 1)[0] == cells(html, 2)[0] == '0.000<span class="no-mark"></span>'


def test_a_slice_that_repeats_all_requests_has_no_column():
    comparison = compared()
    assert comparison.repeats("short_history")
    assert not comparison.repeats("cold_items")
    assert not comparison.repeats("all")
    assert "People with ≤ 5 events" not in text(results_table(comparison, WORDS))
    assert "short" not in str(comparison).split("requests of")[0]


def test_the_metric_falls_back_to_what_was_measured():
    split = split_of()
    models = {"only": ranked(1)}
    comparison = compare(models, split, metrics=("hit_rate", "mrr"), ks=(5,), resamples=50)
    assert headline_metric(comparison) == "hit_rate@5"
    assert metric_title("hit_rate@5") == "Hit rate@5"
    assert metric_title("ndcg@10") == "NDCG@10"
    said = text(headline(comparison, split, WORDS))
    assert "One recommender was measured" in said
    assert "Hit rate@5" in text(results_table(comparison, WORDS))


def cells(html: str, row: int) -> list[str]:
    body = html[html.index("<tbody>") :].split("<tr>")[row]
    return re.findall(r"<td[^>]*>(.*?)</td>", body)


def test_the_table_marks_the_best_and_what_is_certain():
    html = results_table(compared(), WORDS)
    first, second, never = (cells(html, row) for row in (1, 2, 3))
    assert len(first) == 6
    assert first[0].startswith("<b>0.925</b>")
    assert "▲" in first[0]
    assert "significantly above the reference" in first[0]
    assert second[0].startswith("0.584")
    assert "▲" not in second[0] + second[1]
    assert second[1].startswith("<b>0.925</b>")
    assert first[1].startswith("<b>0.925</b>")
    assert "▼" in never[0]
    assert [cell[:5] for cell in never[2:4]] == ["0.000", "0.000"]
    assert "<b>" not in "".join(row[2] for row in (first, second, never))
    assert html.count('<span class="tag">reference</span>') == 1
    assert "3 requests" in html


def test_without_a_reference_nothing_is_marked_or_explained():
    html = results_table(compared(reference=None), WORDS)
    assert "▲" not in html
    assert "▼" not in html
    assert "tag" not in html


def test_a_slice_that_nobody_asked_is_a_dash_and_no_panel():
    split = split_of()
    split.sealed.items[-3:] = 7
    comparison = compared(split)
    html = results_table(comparison, WORDS)
    assert [cell[0] for cell in cells(html, 1)[2:4]] == ["–", "–"]
    assert "nothing was asked" in html
    panels = result_bars(comparison, WORDS)
    assert "New items" not in panels
    assert "All requests" in panels


def test_there_is_a_panel_for_each_slice_and_row():
    html = result_bars(compared(), WORDS)
    titles = re.findall(r"<h3>(.*?)<small>", html)
    assert titles[:3] == ["All requests", "New items", "Long tail"]
    assert titles[-2:] == ["No events before", "1 to 5 events before"]
    assert html.count('class="bar best"') == len(titles)
    assert html.count('class="bar reference"') == len(titles)
    assert html.index("<details>") > html.index("Popular head")


def test_the_tail_has_a_line_for_each_row_and_the_border_of_the_head():
    split = split_of()
    html = tail_section(compared(split), split, WORDS)
    assert html.count("<polyline") == 4
    head = int(re.search(r"the (\d+) items with 80%", tail_lead(split, WORDS)).group(1))
    counts = np.sort(split.train.item_counts)[::-1]
    assert counts[:head].sum() >= 0.8 * counts.sum() > counts[: head - 1].sum()
    assert f'class="border" x1="{100 * head / ITEMS:.2f}%"' in html
    assert text(html).count("training events") == 1
    assert "Coverage" in html


def test_rows_without_beyond_accuracy_have_no_table():
    split = split_of()
    comparison = compare({"a": ranked(1)}, split, beyond=False, resamples=50)
    assert "<table>" not in tail_section(comparison, split, WORDS)


def test_a_row_that_was_not_measured_is_told_below_the_table():
    rows = {"one": ranked(1), "<b>bad": Refused(DataError("too many <items> \x1b[2J"))}
    shown = results_table(compare(rows, split_of(), resamples=50), WORDS)
    assert "was not measured" in shown
    assert "too many &lt;items&gt; \\x1b[2J" in shown
    assert "&lt;b&gt;bad" in shown
    assert "<b>bad" not in shown
