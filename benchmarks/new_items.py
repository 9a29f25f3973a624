"""MovieLens-100K, a fifth of the films held back: who finds films that nobody has rated?

Full ranking among all films, six draws of the held-back films, intervals over people.
usage: python benchmarks/new_items.py
"""

from __future__ import annotations

from _record import record

import palate
from palate.data.samples import movielens

DRAWS = range(6)
ASKED = 0.2


def main() -> None:
    data = movielens(positive="all")
    rows = []
    for draw in DRAWS:
        split = palate.split_cold_items(data, share=0.2, seed=draw)
        asked = palate.Pipeline(recommender=palate.Ranker(new_share=ASKED))
        models = {
            "ranker": palate.Pipeline().fit(split.train),
            f"ranker, new_share={ASKED}": asked.fit(split.train),
            "ranker-ids": palate.Pipeline(encoders={}).fit(split.train),
            "content": palate.Pipeline(recommender=palate.Content()).fit(split.train),
        }
        compared = palate.compare(models, split, reference="ranker-ids", metrics=("ndcg", "recall"))
        chance = compared.chance["all"]["ndcg@10"]
        for name in models:
            found = compared.cell(name, "ndcg@10").interval
            rows.append(
                {
                    "draw": draw,
                    "name": name,
                    "ndcg@10": found.mean,
                    "low": found.low,
                    "high": found.high,
                    "recall@10": compared.cell(name, "recall@10").interval.mean,
                    "times_chance": found.mean / chance,
                }
            )
            print(rows[-1])
    print(record("movielens-new-items", {"rows": rows}))


if __name__ == "__main__":
    main()
