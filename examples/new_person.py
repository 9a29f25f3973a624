"""Somebody who arrived a second ago: by the items they name, by their words, or by both.

Nothing is fitted again: recommenders score histories, not user numbers.
"""

import palate
from palate.data.samples import synthetic


def show(heading: str, found: palate.Recommendations, titles: dict[str, str]) -> None:
    print(heading)
    for line in found.table.iter_rows(named=True):
        print(f"  {line['rank']}. {titles[line['item_id']]}: {line['reasons']}")


def main() -> None:
    data = synthetic()
    titles = dict(zip(data.items["item_id"], data.items["title"], strict=True))
    model = palate.Pipeline(
        encoders={"text": palate.TextEncoder(template="{title}. {description}")},
        representation=[palate.Whiten(shrinkage=0.03)],  # 120 items are few: even out less
        recommender=palate.Ranker(n_estimators=20, n_train_queries=500),
    ).fit(data)

    named = ["i018"]
    found = model.recommend(history=named, k=3, reasons=True)
    show(f"After “{titles[named[0]]}”:", found, titles)

    found = model.recommend(text="something about the moon", k=3, reasons=True)
    show("For the words “something about the moon”:", found, titles)

    found = model.recommend(history=named, text="something about the moon", k=3, reasons=True)
    show("After both:", found, titles)


if __name__ == "__main__":
    main()
