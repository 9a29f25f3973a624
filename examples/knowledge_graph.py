"""A knowledge graph as features: films that nobody has seen are known by who made them.

Titles say nothing here; directors, casts and countries do. A fifth of the films is held back. The
graph encoder places them by their triples, and the same triples as text serve encoders of words.
"""

import tempfile
from pathlib import Path

import numpy as np
import polars as pl

import palate

DIRECTORS = ("Varda", "Kiarostami", "Yang", "Akerman", "Sembène", "Kaurismäki", "Martel", "Hui")
COUNTRIES = ("France", "Iran", "Taiwan", "Belgium", "Senegal", "Finland", "Argentina", "Hong Kong")
FILMS, USERS = 120, 200


def made_up(rng: np.random.Generator) -> tuple[palate.Dataset, list[str]]:
    """Films, who watched them, and triples about them: people follow directors and their actors."""
    maker = rng.choice(len(DIRECTORS), FILMS, p=np.arange(8, 0, -1) / 36)
    triples = []
    for film, director in enumerate(maker):
        name = DIRECTORS[director]
        triples += [f"f{film}\tdirected_by\t{name}", f"f{film}\tcountry\t{COUNTRIES[director]}"]
        cast = rng.choice(5, 2, replace=False)
        triples += [f"f{film}\tfilm.film.actor\tactor {actor} of {name}" for actor in cast]
    events = []
    for user in range(USERS):
        liked = rng.choice(len(DIRECTORS), 2, replace=False)
        chance = np.where(np.isin(maker, liked), 1.0, 0.05)
        seen = rng.choice(FILMS, 8, replace=False, p=chance / chance.sum())
        events += [(f"u{user}", f"f{film}", 60.0 * step) for step, film in enumerate(seen)]
    interactions = pl.DataFrame(events, schema=["user_id", "item_id", "timestamp"], orient="row")
    items = pl.DataFrame(
        {
            "item_id": [f"f{film}" for film in range(FILMS)],
            "title": [f"Film number {film}" for film in range(FILMS)],
        }
    )
    return palate.Dataset(interactions, items), triples


def main() -> None:
    data, triples = made_up(np.random.default_rng(3))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "films.tsv"
        path.write_text("\n".join(triples), "utf-8")

        told = palate.with_graph_text(data, path)
        print(f"{told.items['title'][0]}: {told.items['graph_text'][0]}")

        split = palate.split_cold_items(told, share=0.2, seed=1)
        models = {
            name: palate.Pipeline(encoders=encoders, recommender=palate.Content()).fit(split.train)
            for name, encoders in {
                "titles": {"words": palate.Tfidf(template="{title}")},
                "graph": {"graph": palate.Graph(triples=str(path), dim=32, epochs=30)},
                "graph as text": {"words": palate.Tfidf(template="{graph_text}")},
            }.items()
        }
    compared = palate.compare(models, split, reference="titles", metrics=("ndcg",))
    for name in models:
        found = compared.cell(name, "ndcg@10").interval
        print(f"films that nobody has seen, {name}: NDCG@10 {found.mean:.3f}")
    print(f"chance: {compared.chance['all']['ndcg@10']:.3f}")


if __name__ == "__main__":
    main()
