"""People's and items' features in anybody's model: LightGBM tells choices from other items.

Features come from the first four fifths of the events. A table of what people chose afterwards,
with as many items that they did not choose, gets the features of both joined by id: half of the
people teach the trees, the others measure them. Then palate's encoders stand in a scikit-learn
pipeline by themselves.
"""

import polars as pl
from lightgbm import LGBMClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline

import palate
from palate.core.dataset import Dataset
from palate.core.histories import histories_of
from palate.data.samples import synthetic


def choices(data: Dataset, train: Dataset) -> pl.DataFrame:
    """user_id, item_id, chosen: what known people chose after training, and what they did not."""
    after = data.interactions.filter(pl.col("timestamp") > train.interactions["timestamp"].max())
    chosen = after.select("user_id", "item_id", chosen=pl.lit(True))
    others = chosen.with_columns(
        data.items["item_id"].sample(len(chosen), with_replacement=True, seed=0),
        chosen=pl.lit(False),
    )
    both = pl.concat(
        [chosen, others.join(data.interactions, on=["user_id", "item_id"], how="anti")]
    )
    return both.join(train.interactions, on="user_id", how="semi")


def main() -> None:
    data = synthetic(n_users=600)
    split = palate.split_by_time(data, test=0.2)
    model = palate.Pipeline(
        encoders={
            "facts": palate.Attributes(columns=["category"]),
            "numbers": palate.Aggregates(),
        },
        representation=[],
        recommender=palate.Content(),
    ).fit(split.train)

    items = model.features.to_polars()
    likes = palate.user_features(histories_of(split.train), model.features.select(["facts"]))
    users = likes.beside(palate.user_aggregates(split.train)).to_polars()
    print("of items:", ", ".join(items.columns[:3]), "…")
    print("of people:", ", ".join(users.columns[:3]), "…")

    pairs = choices(data, split.train)
    table = pairs.join(users, on="user_id", maintain_order="left")
    table = table.join(items, on="item_id", maintain_order="left")
    teaches = pl.col("user_id").hash(seed=0) % 2 == 0
    known, asked = table.filter(teaches).to_pandas(), table.filter(~teaches).to_pandas()
    names = [*users.columns[1:], *items.columns[1:]]

    trees = LGBMClassifier(n_estimators=100, learning_rate=0.05, verbose=-1, random_state=0)
    trees.fit(known[names], known["chosen"])
    rank = roc_auc_score(asked["chosen"], trees.predict_proba(asked[names])[:, 1])
    popular = roc_auc_score(asked["chosen"], asked["numbers.events"])
    print(f"AUC of the trees {rank:.2f}, of popularity alone {popular:.2f}")
    print("sparse stays sparse:", likes.to_pandas().dtypes.iloc[0])

    encoder = palate.TableEncoder({"words": palate.Tfidf(template="{title} {description}")})
    flow = make_pipeline(encoder, RandomForestClassifier(random_state=0))
    right = cross_val_score(flow, data.items, data.items["category"].to_numpy(), cv=3).mean()
    print(f"the category from words: {right:.0%} right")


if __name__ == "__main__":
    main()
