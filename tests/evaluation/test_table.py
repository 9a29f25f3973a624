import io
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from palate.core.histories import history_of_items
from palate.evaluation.compare import Ranked, compare
from palate.evaluation.table import legend, metric_label


@pytest.fixture
def asked(made_split, ragged):
    """20 people, one answer each: item b, but the first two get e, which is new."""
    histories = history_of_items(
        made_split.train.item_ids, [["a"]] * 20, user_ids=[f"p{row}" for row in range(20)]
    )
    return replace(made_split, histories=histories, sealed=ragged([[4]] * 2 + [[1]] * 18))


def lists(first, second):
    return Ranked(np.tile(np.array([[first, second]], dtype=np.int32), (20, 1)))


def drawn(comparison, width=120, color=None):
    stream = io.StringIO()
    Console(file=stream, width=width, color_system=color, force_terminal=color is not None).print(
        comparison.render()
    )
    return stream.getvalue()


def row_of(text, name):
    return next(line for line in text.splitlines() if line.strip().startswith(name)).split()


def test_values_marks_and_chance(asked):
    models = {"twin": lists(2, 1), "good": lists(1, 2), "bad": lists(3, 5)}
    text = str(compare(models, asked, ks=(2,), reference="twin"))
    # NDCG and recall on: all, new items, long tail; short histories are all there are
    assert row_of(text, "good")[1:] == [
        "0.9000▲", "0.9000", "0.0000", "0.0000", "0.0000", "0.0000"
    ]  # fmt: skip
    assert row_of(text, "twin")[1] == f"{0.9 / np.log2(3):.4f}"
    assert row_of(text, "bad")[1:3] == ["0.0000▼", "0.0000▼"]
    assert row_of(text, "chance")[1:3] == [f"{(1 + 1 / np.log2(3)) / 5:.4f}", "0.4000"]
    assert "20 requests of 20 people, ranked among all 6 items" in text
    assert "new items 2 (2 people)" in text
    assert "▲ better, ▼ worse than twin" in text


def test_an_empty_slice_shows_a_dash(asked, ragged):
    split = replace(asked, sealed=ragged([[1]] * 20))
    text = str(compare({"good": lists(1, 2)}, split, ks=(2,)))
    assert row_of(text, "good")[3:7] == ["–"] * 4
    assert "nan" not in text


def test_the_best_of_a_column_is_bold(asked):
    models = {"twin": lists(2, 1), "good": lists(1, 2), "bad": lists(3, 5)}
    text = drawn(compare(models, asked, ks=(2,), reference="twin"), color="standard")
    assert text.count("\x1b[1m0.9000") == 1 + 2  # NDCG of one row, recall of two
    assert "\x1b[1m0.0000" not in text


def test_one_row_says_its_interval_and_compares_nothing(asked):
    found = compare({"good": lists(1, 2)}, asked, ks=(2,))
    text = str(found)
    assert "NDCG@2: 95% interval 0." in text
    assert "better" not in text
    assert "\x1b[1m0.9" not in drawn(found, color="standard")


def test_answers_that_nobody_can_hit_are_confessed(asked, ragged):
    split = replace(asked, sealed=ragged([[0]] * 3 + [[1]] * 17))
    assert "3 answers were seen before" in legend(compare({"a": lists(1, 2)}, split, ks=(2,)))
    free = replace(split, exclude_seen=False)
    text = legend(compare({"a": lists(1, 2)}, free, ks=(2,)))
    assert "were seen before, so" not in text
    assert "items seen before are kept" in text


def test_other_metrics_and_cutoffs_get_their_columns(asked):
    found = compare({"good": lists(1, 2)}, asked, ks=(1, 2), metrics=("hit_rate", "map", "mrr"))
    heading = drawn(found).split("good")[0]
    assert "Hit rate" in heading
    assert "MAP" in heading
    assert "@1" in heading
    assert "@2" not in heading
    assert metric_label("graded_ndcg@5") == "Graded NDCG@5"


@pytest.mark.parametrize("width", [80, 120])
def test_no_number_is_cut_short(asked, width):
    models = {"ranker (default)": lists(1, 2), "ranker, ids only": lists(2, 1)}
    text = drawn(compare(models, asked, ks=(2,), reference="ranker, ids only"), width=width)
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= width


def test_a_name_with_markup_is_shown_as_it_is(asked):
    assert "[bold]x" in drawn(compare({"[bold]x": lists(1, 2)}, asked, ks=(2,)))
