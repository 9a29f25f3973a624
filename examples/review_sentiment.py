"""Reviews as features: which items people like, on which they disagree, and who complains.

Reviews in English and Chinese, with stars. Without labels the packaged lexicons judge; with
labels="ratings" a head on language-model features learns what positive means from clear stars.
"""

import numpy as np
import polars as pl

import palate

SAID = {
    "en": {
        True: ("Lovely sound, easy to play.", "Solid build, I would buy it again.", "Great gift!"),
        False: (
            "Broke after a week.",
            "It will not stay in tune.",
            "Arrived scratched, no answer.",
        ),
    },
    "zh": {
        True: ("音色很好，手感舒服。", "质量不错，物流也快。", "孩子很喜欢，推荐购买。"),
        False: ("用了一周就坏了。", "音不准，客服也不理人。", "包装破损，太失望了。"),
    },
}
LIKED = {"guitar": 0.95, "violin": 0.5, "flute": 0.1}
USERS = 60


def made_up(rng: np.random.Generator) -> palate.Dataset:
    """Sixty people write about three items, half of them in Chinese; about a fourth nobody does."""
    rows = []
    for user in range(USERS):
        language = "zh" if user % 2 else "en"
        grumbles = user < 6
        for item, share in LIKED.items():
            liked = bool(rng.random() < share) and not grumbles
            text = " ".join(rng.choice(SAID[language][liked], 2, replace=False))
            rows.append((f"p{user}", item, text, float(rng.choice([4, 5] if liked else [1, 2]))))
    schema = ["user_id", "item_id", "text", "value"]
    interactions = pl.DataFrame(rows, schema=schema, orient="row")
    return palate.Dataset(interactions, pl.DataFrame({"item_id": [*LIKED, "piano"]}))


def main() -> None:
    data = made_up(np.random.default_rng(4))
    for name, labels in (("lexicons", None), ("head", "ratings")):
        fitted = palate.Sentiment(labels=labels).fit(data)
        print(name)
        for row in fitted.table(data).iter_rows(named=True):
            print(
                f"  {row['item_id']}: mean {row['mean']:+.2f}, spread {row['spread']:.2f}, "
                f"{row['negative']:.0%} negative, {row['reviews']} reviews"
            )

    unseen = ["It fell apart at once.", "Wonderful tone!", "声音很棒", "收到就是坏的"]
    for text, polarity in zip(unseen, fitted.judge_texts(unseen)[0], strict=True):
        print(f"{text} {polarity:+.2f}")

    users = fitted.user_sentiment(data)
    print(users)
    print(f"who complains most: {users.ids[int(users.values[:, 0].argmin())]}")


if __name__ == "__main__":
    main()
