"""What is printed in a shell and shown in a notebook: short, escaped, nothing acts."""

from dataclasses import replace
from html import unescape
from html.parser import HTMLParser

import numpy as np
import polars as pl
import pytest

import palate
from palate.core import progress
from palate.data.samples import synthetic

HOSTILE = "<script>alert('x')</script>\x1b[31m\u202e"


class Page(HTMLParser):
    """The tags of a page, and the texts between them."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.cells, self.open = set(), [], []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.open.append(tag)
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in ("td", "th"):
            self.cells[-1] += data


def page_of(shown):
    page = shown._repr_html_()
    found = Page(page)
    assert found.tags <= {*("div", "p", "strong", "table", "thead", "tbody", "tr", "th", "td")}
    assert "\x1b" not in page
    assert "\u202e" not in page
    return found


@pytest.fixture(scope="module")
def data():
    found = synthetic(40, 30)
    titles = pl.Series("title", [HOSTILE, *found.items["title"][1:]])
    items = found.items.with_columns(titles).rename({"description": HOSTILE})
    return replace(found, items=items)


@pytest.fixture(scope="module")
def split(data):
    return palate.split_by_time(data, test=0.2)


@pytest.fixture(scope="module")
def model(split):
    return palate.Pipeline(
        encoders={HOSTILE: palate.Tfidf(template="{title}")}, recommender=palate.Content()
    ).fit(split.train)


def test_a_split_is_printed_in_a_few_lines(split):
    lines = repr(split).splitlines()
    assert lines[0] == "Split('time'"
    assert lines[1].startswith("  train: Dataset(170 events of ")
    assert lines[2].startswith("  requests: 43 of ")
    assert lines[3] == "  answers: 43, sealed; items seen before are left out)"
    assert len(lines) == 4
    assert str(split) == repr(split)


def test_a_split_does_not_show_its_answers(split):
    assert "holds" in page_of(split).cells
    empty = replace(split, histories=split.histories.take(slice(0, 0)))
    assert "0 of 0 people, nothing" in repr(empty)


def test_held_back_items_are_counted(data):
    assert "; 6 items are new" in repr(palate.split_cold_items(data, share=0.2))


def test_a_data_set_is_one_line(data):
    said = repr(data)
    assert said.startswith("Dataset(213 events of 40 people with 30 items, 2")
    assert " to 2" in said
    untimed = data.with_interactions(data.interactions.drop("timestamp"))
    assert repr(untimed) == "Dataset(213 events of 40 people with 30 items)"
    assert "items" in page_of(data).cells


def test_a_data_set_says_how_many_of_its_events_are_choices(data):
    stars = [1, 5, 4] * (len(data.interactions) // 3)
    log = data.interactions.select("user_id", "item_id", "timestamp", rating=pl.Series(stars))
    rated = palate.read(log, items=data.items)
    chosen, turned = len(rated.interactions), len(rated.against)
    assert chosen + turned == 213
    assert turned > 50
    assert repr(rated).startswith(f"Dataset(213 events ({chosen} of them choices) of 40 people")
    assert "against" in page_of(rated).cells
    assert "against" not in page_of(data).cells


def test_times_that_are_no_days_are_left_out(data):
    odd = data.interactions.with_columns(timestamp=pl.lit(1e300))
    assert repr(data.with_interactions(odd)).endswith("30 items)")


def test_features_show_their_blocks(model):
    found = page_of(model.features)
    assert "sparse" in found.cells
    assert any(cell.startswith("<script>") for cell in found.cells)


def test_a_pipeline_shows_its_stages(model, data):
    found = page_of(model)
    assert [found.cells[place + 1] for place in range(0, len(found.cells), 2)][1:] == [
        'tfidf (template = "{title}")',
        *("whiten", "concat", "content"),
    ]
    assert repr(model.data_) in unescape(model._repr_html_())
    plain = palate.Pipeline(users={}, user_fusion=palate.Concat(), rerankers=[palate.Diversity()])
    cells = page_of(plain).cells
    assert cells[:4] == ["stage", "what stands there", "encoder", "what suits the table"]
    assert cells[-2:] == ["rerankers", "diversity"]
    assert "users: fusion" in cells
    assert "not fitted yet" in plain._repr_html_()


def test_recommendations_show_their_first_rows(model, data):
    found = model.recommend(data.user_ids.tolist()[:5], k=6, reasons=True)
    page = page_of(found)
    assert page.cells[:4] == ["user_id", "item_id", "score", "rank"]
    assert page.cells.count("1") == 4
    assert "… and 10 more" in found._repr_html_()
    assert "30 recommendations for 5 people" in found._repr_html_()


def test_items_like_an_item_are_a_table(model):
    found = model.similar(model.item_ids.tolist()[:2], k=3)
    assert page_of(found).cells[:2] == ["item_id", "similar_id"]
    assert "6 recommendations for 2 items" in found._repr_html_()


def test_ids_and_histories_are_a_line(model, data):
    first = ", ".join(map(repr, model.item_ids.tolist()[:3]))
    assert repr(model.item_ids) == f"Ids(item_id: {first} and 27 more (30 in all))"
    assert repr(palate.Ids([])) == "Ids(none of item_id)"
    asked = model.histories(data.user_ids.tolist()[:2], text=["tea", "telescope"])
    assert repr(asked).startswith("Histories(2 requests of 2 people; 2 with words")
    assert "\x1b" not in repr(palate.Ids([HOSTILE]))


def test_what_blocks_and_noise_are_worth_are_tables(split, model):
    encoders = {"words": palate.Tfidf(), "facts": palate.Attributes()}
    given = palate.Pipeline(encoders=encoders, recommender=palate.Content())
    worth = palate.ablate(given, split)
    page = page_of(worth)
    assert page.cells[0] == "worth of"
    assert "words" in page.cells
    assert repr(worth) == str(worth)
    assert "What is lost without it" in str(worth)
    noise = palate.robustness(given.fit(split.train), split)
    page = page_of(noise)
    assert page.cells[:2] == ["catalogue", "NDCG@10"]
    assert "typing errors" in page.cells
    assert "typing errors" in repr(noise)
    assert "Robustness(" not in repr(noise)


def test_features_of_people_carry_their_ids(data, tmp_path):
    model = palate.Pipeline(
        encoders={}, users={"facts": palate.Attributes()}, recommender=palate.UserKNN()
    ).fit(data)
    for known in (model, palate.load(model.save(tmp_path / "model"))):
        assert known.user_features.to_polars().columns[0] == "user_id"
        assert "Features of 40 people" in known.user_features._repr_html_()
    assert model.user_features.ids == data.user_ids


def test_a_comparison_is_a_table(split, model):
    popular = palate.Popular().fit(split.train)
    found = palate.compare({HOSTILE: model, "popular": popular}, split, reference="popular")
    cells = page_of(found).cells
    assert cells[:3] == ["", "NDCG @10", "Recall @10"]
    mean = found.cell("popular", "ndcg@10").interval.mean
    assert cells[cells.index("popular") + 1] == f"{mean:.4f}"
    assert "chance" in cells
    assert "43 requests of" in found._repr_html_()
    assert "NDCG @10" in page_of(palate.evaluate(model, split)).cells
    assert repr(found) == str(found)


def test_progress_can_be_watched_while_people_are_ranked(model):
    steps = []

    class Watch:
        def start(self, label, total, unit):
            steps.append((label, total, unit))
            return steps.append

        def stop(self, label, *, finished):
            assert finished

    with progress.watch(Watch()):
        found = model.top_users(model.item_ids[3], k=3)
    assert steps[0] == ("ranking for everybody", len(model.known_users.histories), "people")
    assert sum(steps[1:]) == len(model.known_users.histories)
    assert len(found) == 3


def test_progress_is_shown_by_one_name(model, capsys):
    with palate.shown_progress():
        model.top_users(model.item_ids[3])
    assert "ranking for everybody" in capsys.readouterr().err
    assert np.isfinite(model.features.values).all()
