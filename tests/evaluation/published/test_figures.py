import math

import pytest

from palate.evaluation.published.figures import (
    SOURCES,
    contradictions,
    published_rows,
    published_split,
)


@pytest.mark.parametrize(
    ("format", "name", "first", "best", "metric", "figure"),
    [
        ("sequence", "Beauty", "SASRec", "BSARec", "recall@10", 0.1008),
        ("minionerec", "office", "GRU4Rec", "D3", "recall@3", 0.1204),
        ("unisrec", "Scientific", "VQ-Rec", "MISSRec", "ndcg@50", 0.0983),
    ],
)
def test_known_figures(
    format: str, name: str, first: str, best: str, metric: str, figure: float
) -> None:
    rows = published_rows(format, name)
    assert rows[0].name == first
    assert {row.name: row.metrics for row in rows}[best][metric] == figure


@pytest.mark.parametrize(
    ("format", "name"), [("sequence", "office"), ("unisrec", "beauty"), ("sequence", "books")]
)
def test_other_data_have_no_figures(format: str, name: str) -> None:
    assert published_rows(format, name) == []


def test_a_split_is_known_by_its_size_not_its_name() -> None:
    beauty = published_split("sequence", items=12_101, requests=22_363)
    assert beauty is not None
    assert beauty.names[0] == "beauty"
    assert published_split("sequence", items=12_101, requests=22_362) is None
    assert published_split("unisrec", items=12_101, requests=22_363) is None


KNOWN = [
    ("sequence", "beauty"),
    ("sequence", "toys"),
    ("sequence", "sports"),
    ("sequence", "yelp"),
    ("minionerec", "office"),
    ("minionerec", "industrial"),
    ("unisrec", "scientific"),
]


@pytest.mark.parametrize(("format", "name"), KNOWN)
def test_figures_are_those_that_one_relevant_item_allows(format: str, name: str) -> None:
    rows = published_rows(format, name)
    assert rows
    for row in rows:
        at = {0: {"recall": 0.0, "ndcg": 0.0}}
        for metric, figure in row.metrics.items():
            kind, _, k = metric.partition("@")
            assert 0 < figure < 1
            at.setdefault(int(k), {})[kind] = figure
        whole = sorted(k for k, both in at.items() if len(both) == 2)
        for place, k in enumerate(whole):
            for j in whole[:place]:
                more = at[k]["recall"] - at[j]["recall"]
                most = at[j]["ndcg"] + more / math.log2(j + 2)
                assert at[k]["ndcg"] <= most + 1.5e-4, (row.name, j, k)
                assert at[k]["ndcg"] >= at[j]["ndcg"] + more / math.log2(k + 1) - 1.5e-4
                assert more >= 0


def test_figures_that_contradict_themselves_are_told_and_not_printed() -> None:
    wrong = {row.name: row for row in published_rows("minionerec", "office") if row.contradicted}
    assert {name: list(row.contradicted) for name, row in wrong.items()} == {
        "TIGER": ["ndcg@5"],
        "S-DPO": ["ndcg@10"],
    }
    for row in wrong.values():
        assert not row.contradicted.keys() & row.metrics.keys()
    office = published_split("minionerec", items=3_459, requests=4_866)
    assert office is not None
    said = "S-DPO's published NDCG@10, 0.1255, contradicts its other figures (at most 0.1192)"
    assert f"{said}: not printed." in office.remarks


@pytest.mark.parametrize(
    ("figures", "wrong"),
    [
        ({"recall@10": 0.2, "ndcg@10": 0.1}, []),
        ({"recall@10": 0.2, "ndcg@10": 0.21}, ["ndcg@10"]),
        ({"recall@10": 0.2, "ndcg@10": 0.05}, ["ndcg@10"]),
        ({"recall@5": 0.1, "ndcg@5": 0.08, "recall@10": 0.2, "ndcg@10": 0.1158}, ["ndcg@10"]),
        ({"recall@5": 0.1, "ndcg@5": 0.08, "recall@10": 0.2, "ndcg@10": 0.1156}, []),
        ({"recall@10": 0.2, "ndcg@10": 0.12, "recall@5": 0.1, "ndcg@5": 0.08}, ["ndcg@10"]),
        ({"ndcg@10": 0.1, "recall@5": 0.1}, []),
    ],
)
def test_what_contradicts_itself(figures: dict[str, float], wrong: list[str]) -> None:
    assert list(contradictions(figures)) == wrong


@pytest.mark.parametrize(("format", "name"), KNOWN)
def test_every_row_says_how_it_became_known_and_is_told_apart(format: str, name: str) -> None:
    rows = published_rows(format, name)
    assert all(row.source in SOURCES for row in rows)
    assert len({row.title for row in rows}) == len(rows)


@pytest.mark.parametrize(
    ("format", "name", "title", "source", "figures"),
    [
        ("sequence", "beauty", "TASTE (history not masked)", "P", (0.1030, 0.0517)),
        ("sequence", "beauty", "WEARec", "R", (0.1016, 0.0599)),
        ("sequence", "toys", "LLM cross-encoder (Qwen3-0.6B)", "X", (0.1223, 0.0682)),
        ("sequence", "sports", "BSARec (RecBoard)", "P", (0.0596, 0.0342)),
        ("sequence", "yelp", "SASRec with an LLM in the loop (second-hand)", "X", (0.0626, 0.0332)),
        ("minionerec", "office", "MiniOneRec (its checkpoints)", "R", (0.1589, 0.1247)),
        ("minionerec", "office", "V-STAR", "S", (None, 0.1340)),
        ("minionerec", "industrial", "MiniOneRec (run again)", "R", (0.1573, 0.1170)),
    ],
)
def test_rows_with_their_source(
    format: str, name: str, title: str, source: str, figures: tuple[float | None, float]
) -> None:
    (row,) = [row for row in published_rows(format, name) if row.title == title]
    assert row.source == source
    assert (row.metrics.get("recall@10"), row.metrics["ndcg@10"]) == figures
