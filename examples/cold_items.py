"""Items that arrive after the fit: recommended at once, from what they say.

First how well that works, on items whose every event is held back; then as one does it live.
"""

import polars as pl

import palate
from palate.data.samples import synthetic

DATA = synthetic(n_users=150, n_items=120)
ENCODERS = {"words": palate.Tfidf(template="{title}. {description}. {tags}")}
QUICK = {
    "n_estimators": 20,
    "n_train_queries": 300,
}  # enough for synthetic data; leave it out for a real catalogue


def measure() -> None:
    """A fifth of the items is new: nothing that is fitted has seen an event of theirs."""
    split = palate.split_cold_items(DATA, share=0.2)
    models = {
        "with words": palate.Pipeline(encoders=ENCODERS, recommender=palate.Ranker(**QUICK)),
        "ids only": palate.Pipeline(encoders={}, recommender=palate.Ranker(**QUICK)),
    }
    for model in models.values():
        model.fit(split.train)
    compared = palate.compare(models, split, reference="ids only")
    for name in models:
        found = compared.cell(name, "ndcg@10", within="cold_items").interval
        print(f"{name}: NDCG@10 {found.mean:.3f} ({found.low:.3f} to {found.high:.3f})")
    print(f"chance: {compared.chance['cold_items']['ndcg@10']:.3f}")


def go_live() -> None:
    """Two items arrive; who would get them, and what does a person see who likes such things?"""
    model = palate.Pipeline(encoders=ENCODERS, recommender=palate.Ranker(**QUICK)).fit(DATA)
    arrived = pl.DataFrame(
        {
            "item_id": ["new-telescope", "new-guitar"],
            "title": ["Telescope for comets", "Guitar for a concert"],
            "description": ["orbit, eclipse, lunar, nebula", "melody, rhythm, chord, chorus"],
            "tags": [["galaxy", "probe"], ["guitar", "vinyl"]],
        }
    )
    model.add_items(arrived)
    for name in arrived["item_id"]:
        top_users = model.top_users(name, k=3).table
        print(f"{name} would go to {', '.join(top_users['user_id'])}")
    user = model.top_users("new-telescope", k=1).table["user_id"][0]
    found = model.recommend([user], k=10, candidates=arrived["item_id"].to_list(), reasons=True)
    for line in found.table.iter_rows(named=True):
        print(f"{user}, new items only: {line['rank']}. {line['item_id']}: {line['reasons']}")


if __name__ == "__main__":
    measure()
    go_live()
