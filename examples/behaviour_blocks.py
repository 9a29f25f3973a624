"""What people did, as numbers: aggregates, neighbours in histories, and learnt categories.

On synthetic data: what happened to an item, which items stand near it in histories, which
categories the same people choose, and a person in numbers. Categories pay where an item is new:
with them, an item that nobody has touched is put before people by who touched others of its kind.
"""

import numpy as np
import polars as pl

import palate
from palate.core.histories import histories_of
from palate.data.samples import synthetic


def nearest(vectors: np.ndarray, row: int) -> int:
    cosines = vectors @ vectors[row]
    cosines[row] = -np.inf
    return int(cosines.argmax())


def main() -> None:
    data = synthetic(n_users=300)
    titles = data.items["title"].to_list()

    aggregates = palate.Aggregates().fit(data)
    table = dict(zip(aggregates.names, aggregates.encode(data).values.T, strict=True))
    print(f"aggregates: {', '.join(table)}")
    busiest = int(table["events"].argmax())
    print(f"most events: “{titles[busiest]}”, {table['events'][busiest]:+.1f} deviations")
    print(f"untouched: {int(table['no events'].sum())} of {len(titles)} items")

    near = palate.Item2Vec(dim=32).fit(data).encode(data).values
    print(f"near it in histories: “{titles[nearest(near, busiest)]}”")

    categories = palate.Categories(columns=["tags"], dim=8).fit(data)
    units = categories.vectors_ / np.linalg.norm(categories.vectors_, axis=1, keepdims=True).clip(
        1e-9
    )
    for tag in ("galaxy", "guitar"):
        row = categories.names.index(f"tags = {tag}")
        print(f"{categories.names[row]} is near {categories.names[nearest(units, row)]}")

    arrived = pl.DataFrame({"item_id": ["new"], "tags": [["galaxy", "comet"]]})
    vector = categories.encode(palate.Dataset(data.interactions.clear(), arrived)).values[0]
    likely = int((categories.encode(data).values @ vector).argmax())
    print(f"a new item of galaxies is near “{titles[likely]}”")

    early = histories_of(data).without_last(3)
    users = palate.user_aggregates(early)
    print(users)
    keenest = int(users.values[:, 0].argmax())
    print(f"{users.ids[keenest]} has done most before the last three events")


if __name__ == "__main__":
    main()
