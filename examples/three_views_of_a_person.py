"""A person in three views: what they did as numbers, what they did in words, what they wrote.

One call makes them, of the first three events of everybody; a classifier guesses the age group
from each view, and from all of them. What people did later is never looked at.
"""

import numpy as np
import polars as pl
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.preprocessing import StandardScaler

import palate
from palate.core.histories import histories_of
from palate.data.samples import synthetic

YOUNG = ("so cool, totally my thing", "ordered it on my way to class", "fun with my flatmates")
OLD = ("sturdy, as in the old days", "my grandchildren like it too", "something for my pension")
ANYBODY = ("as described", "arrived quickly", "good value")


def with_reviews(data: palate.Dataset) -> palate.Dataset:
    """A text at every other event; one in three of them tells how old its writer is."""
    rng = np.random.default_rng(5)
    ages = dict(data.users.select("user_id", "age").iter_rows())
    texts = []
    for name in data.interactions["user_id"]:
        own = YOUNG if ages[name] <= 36 else OLD
        said = rng.choice(own if rng.random() < 0.33 else ANYBODY)
        texts.append(str(said) if rng.random() < 0.5 else None)
    return data.with_interactions(data.interactions.with_columns(text=pl.Series(texts)))


def main() -> None:
    data = with_reviews(synthetic(n_users=300))
    early = histories_of(data)
    early = early.without_last(3).last(3)

    reader = palate.TextEncoder(template="{title}. {description}")
    items = reader.fit(data).encode(data)
    numbers = palate.Features(data.user_ids, {"numbers": early.lengths[:, None].astype(np.float32)})
    users = palate.user_views(data, items, reader, histories=early, beside=numbers)
    print(users)

    older = data.users["age"].to_numpy() > 36
    for views in (["history.muse"], ["history_text"], ["reviews"], list(users.parts)):
        table = StandardScaler().fit_transform(np.asarray(users.select(views)))
        accuracy = cross_val_score(LogisticRegression(C=0.001), table, older, cv=5).mean()
        print(f"{' + '.join(views)}: {accuracy:.0%} right")
    print(f"the more frequent answer: {max(older.mean(), 1 - older.mean()):.0%} right")


if __name__ == "__main__":
    main()
