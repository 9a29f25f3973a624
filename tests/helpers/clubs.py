"""People whose profile tells what they choose: occupations with a topic of their own, uneven."""

import numpy as np
import polars as pl
import pytest

from palate.core.dataset import Dataset

CLUBS = {"student": (0.5, 18, 21, 7), "nurse": (0.3, 13, 38, 9), "pilot": (0.2, 9, 55, 6)}
"""Occupation → share of the people, items of its topic, mean age and its deviation."""

TOPICS = {
    "student": "hard science fiction about rockets planets robots and distant stars",
    "nurse": "gentle gardening of roses herbs orchards and winter vegetables",
    "pilot": "slow jazz with trumpet piano saxophone and brushed drums",
}
NEWS = 8
"""Items that everybody chooses: the most popular ones."""

DAY = 86_400.0


def club_items() -> pl.DataFrame:
    rng = np.random.default_rng(3)
    rows = [
        {
            "item_id": f"{club}-{number}",
            "title": f"{club.title()} volume {number}",
            "description": " ".join(rng.permutation(TOPICS[club].split())[:5]),
        }
        for club, (_, size, _, _) in CLUBS.items()
        for number in range(size)
    ]
    rows += [
        {"item_id": f"news-{number}", "title": f"Daily {number}", "description": "papers of today"}
        for number in range(NEWS)
    ]
    return pl.DataFrame([rows[row] for row in rng.permutation(len(rows))])


def club_users(n_users: int, seed: int = 4) -> pl.DataFrame:
    """`age` and `occupation` of everybody, and `about`, in the words of the topic, of most."""
    rng = np.random.default_rng(seed)
    clubs = rng.choice(list(CLUBS), n_users, p=[share for share, *_ in CLUBS.values()])
    said = [
        f"reads {' '.join(rng.permutation(TOPICS[club].split())[:4])}"
        if rng.random() < 0.7
        else None
        for club in clubs
    ]
    return pl.DataFrame(
        {
            "user_id": [f"person-{row}" for row in range(n_users)],
            "age": [int(rng.normal(CLUBS[club][2], CLUBS[club][3])) for club in clubs],
            "occupation": clubs,
            "about": pl.Series(said, dtype=pl.String),
        }
    )


def club_events(users: pl.DataFrame, items: pl.DataFrame, seed: int = 5) -> pl.DataFrame:
    """Everybody arrives at a time of their own and chooses 5 to 9 items, half of them news."""
    rng = np.random.default_rng(seed)
    rows = []
    for name, club in users.select("user_id", "occupation").iter_rows():
        own = [item for item in items["item_id"] if item.startswith(club)]
        news = [item for item in items["item_id"] if item.startswith("news")]
        chosen = [*rng.permutation(own)[: rng.integers(5, 8)], *rng.permutation(news)[:2]]
        start = float(rng.integers(0, 200)) * DAY
        rows += [
            (name, str(item), start + 600.0 * step)
            for step, item in enumerate(rng.permutation(chosen))
        ]
    table = pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp"], orient="row")
    return table.sort("timestamp", maintain_order=True)


@pytest.fixture(scope="session")
def clubs() -> Dataset:
    """260 people of three occupations; what they choose follows from these."""
    items, users = club_items(), club_users(260)
    return Dataset(interactions=club_events(users, items), items=items, users=users)
