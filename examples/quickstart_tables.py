"""From two CSV files to recommendations: read, split, fit, evaluate, recommend, save, load.

The files are made up and written to a temporary folder. Put your own in their place.
"""

import logging
import tempfile
from pathlib import Path

import numpy as np

import palate

GENRES = {
    "Space": ("rocket", "orbit", "comet", "nebula", "lunar", "astronaut"),
    "Heist": ("vault", "alibi", "getaway", "diamond", "safe", "detective"),
    "Garden": ("tulip", "greenhouse", "orchard", "hedge", "compost", "fern"),
}


def write_tables(folder: Path) -> tuple[Path, Path]:
    """Sixty films in three genres, and eighty people who mostly stay with one of them."""
    rng = np.random.default_rng(7)
    films, ratings = ["movieId,title,genres"], ["userId,movieId,rating,timestamp"]
    genre_of = rng.choice(list(GENRES), size=60, p=[0.5, 0.3, 0.2])
    for film, genre in enumerate(genre_of):
        first, second = rng.choice(GENRES[genre], size=2, replace=False)
        films.append(f"m{film},The {first} and the {second} {film},{genre}|Feature")
    for user in range(80):
        own = rng.choice(list(GENRES), p=[0.5, 0.3, 0.2])
        liking = np.where(genre_of == own, 8.0, 1.0)
        seen = rng.choice(60, size=rng.integers(4, 12), replace=False, p=liking / liking.sum())
        start = 1_700_000_000 + int(rng.integers(0, 60)) * 86_400
        for step, film in enumerate(seen):
            stars = 5 if genre_of[film] == own else 2
            ratings.append(f"u{user},m{film},{stars},{start + 200_000 * step}")
    for name, lines in (("films.csv", films), ("ratings.csv", ratings)):
        (folder / name).write_text("\n".join(lines) + "\n")
    return folder / "ratings.csv", folder / "films.csv"


def main(folder: Path) -> None:
    ratings, films = write_tables(folder)

    logging.basicConfig(format="%(message)s", level=logging.INFO)  # read() says what it took
    data = palate.read(ratings, items=films)
    split = palate.split_by_time(data, test=0.2)

    # so few events need few trees: leave the settings out for a real catalogue
    recommender = palate.Ranker(n_estimators=20, n_train_queries=500)
    model = palate.Pipeline(recommender=recommender).fit(split.train)
    popular = palate.Pipeline(encoders={}, recommender=palate.Popular()).fit(split.train)
    print(palate.evaluate(model, split, baseline=popular))

    found = model.recommend(["u3"], k=3, reasons=True)
    for line in found.table.iter_rows(named=True):
        print(f"{line['rank']}. {line['item_id']}: {line['reasons']}")

    model.save(folder / "model")
    again = palate.load(folder / "model").recommend(["u3"], k=3, reasons=True)
    print("the loaded model says the same:", again.table.equals(found.table))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        main(Path(temporary))
