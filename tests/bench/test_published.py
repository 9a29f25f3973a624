import pytest

from palate.bench.published import published_rows, published_split


@pytest.mark.parametrize(
    ("format", "name", "first", "best", "metric", "figure"),
    [
        ("sequence", "Beauty", "SASRec", "BSARec-CE", "recall@10", 0.1004),
        ("minionerec", "office", "GRU4Rec", "MiniOneRec", "recall@3", 0.1217),
        ("unisrec", "Scientific", "VQ-Rec", "MISSRec", "ndcg@50", 0.0983),
    ],
)
def test_known_figures(
    format: str, name: str, first: str, best: str, metric: str, figure: float
) -> None:
    rows = published_rows(format, name)
    assert rows[0].name == first
    assert {row.name: row.metrics for row in rows}[best][metric] == figure


@pytest.mark.parametrize(("format", "name"), [("sequence", "toys"), ("unisrec", "beauty")])
def test_other_data_have_no_figures(format: str, name: str) -> None:
    assert published_rows(format, name) == []


def test_a_split_is_known_by_its_size_not_its_name() -> None:
    beauty = published_split("sequence", items=12_101, requests=22_363)
    assert beauty is not None
    assert beauty.names[0] == "beauty"
    assert published_split("sequence", items=12_101, requests=22_362) is None
    assert published_split("unisrec", items=12_101, requests=22_363) is None


@pytest.mark.parametrize(
    ("format", "name"),
    [("sequence", "beauty"), ("minionerec", "office"), ("unisrec", "scientific")],
)
def test_figures_are_shares_and_ndcg_is_below_recall(format: str, name: str) -> None:
    for row in published_rows(format, name):
        for metric, figure in row.metrics.items():
            kind, _, k = metric.partition("@")
            assert 0 < figure < row.metrics[f"recall@{k}"] + (kind == "recall")
