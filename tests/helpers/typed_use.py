"""A program as people write it: mypy, which `make check` runs on it, has nothing against it."""

from __future__ import annotations

import polars as pl

import palate
from palate.data.samples import synthetic


def encoders_of(template: str) -> dict[str, palate.Tfidf]:
    """Names and encoders of one kind: what `encoders` has to take."""
    return {"words": palate.Tfidf(template=template)}


def main() -> list[str]:
    split: palate.Split = palate.split_by_time(synthetic(40, 30), test=0.2)
    whitening = [palate.Whiten()]
    model: palate.Pipeline = palate.Pipeline(
        encoders=encoders_of("{title}"),
        representation=whitening,
        selection=[palate.Variance()],
        recommender=palate.Content(),
        rerankers=[palate.Diversity(weight=0.2)],
    ).fit(split.train)
    features: palate.Features = model.features
    frame: pl.DataFrame = features.select(["words"]).to_polars()
    found: palate.Recommendations = model.recommend(history=[model.item_ids[0]], k=3)
    ids: list[str] = found.table["item_id"].to_list()
    evaluation = palate.evaluate(model, split, metrics=["precision", "recall", "f1"], beyond=False)
    precision: float = evaluation["precision@10"]
    settings: dict[str, object] = model.get_params()
    assert frame.width == features.dim + 1
    assert 0 <= precision <= 1
    assert "encoders__words__min_df" in settings
    return ids
