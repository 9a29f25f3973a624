"""Data to try things on: MovieLens-100K, planted data with a known answer, a large catalogue."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from palate.columns import EVENT, ITEM, TIME, TITLE, USER, VALUE, WEIGHT
from palate.data._planted import Truth, act, plan
from palate.data._words import CATEGORIES, COMMON, TOPICS
from palate.data.tables import read
from palate.errors import ConfigError, DataError
from palate.types import Dataset

Language = Literal["en", "zh"]

_ARTICLES = r"The|An|A|Das|Der|Die|Det|Il|Les|Le|La|Los|Las|El"
_LARGE_TOPICS = 48
_YEARS = 2 * 365 * 86400.0


def movielens(folder: str | Path | None = None) -> Dataset:
    """MovieLens-100K: 943 people, 1,682 films, 100,000 ratings from 1997 and 1998.

    Films have `title` ("The Net", not "Net, The"), `year` and `genres` (a list); people have `age`,
    `gender`, `occupation`, `zip_code`; `value` is the rating, 1 to 5. The files are those of the
    installed `recbole` distribution, which is not imported, or of `folder`, which holds
    ml-100k.inter, .item and .user. Raises `DataError` where they are missing.
    Source: Harper and Konstan, The MovieLens Datasets, ACM TiiS 5(4), 2015.
    """
    place = Path(folder) if folder is not None else _installed()
    stem = place / "ml-100k"
    if not stem.with_suffix(".inter").is_file():
        raise DataError(f"{place} holds no MovieLens-100K: ml-100k.inter is missing")
    data = read(*(stem.with_suffix(suffix) for suffix in (".inter", ".item", ".user")))
    known = data.items.with_columns(pl.col(TITLE).replace("unkonwn", None))
    year = pl.col("release_year").cast(pl.Int64, strict=False)
    in_title = r" \((\d{4})\)$"
    items = known.select(
        ITEM,
        _article_first(pl.col(TITLE).str.replace(in_title, "")),
        year.fill_null(pl.col(TITLE).str.extract(in_title).cast(pl.Int64)).alias("year"),
        pl.col("class").alias("genres"),
    )
    return replace(data, items=items)


def _installed() -> Path:
    spec = importlib.util.find_spec("recbole")
    for location in (spec.submodule_search_locations or ()) if spec is not None else ():
        folder = Path(location) / "dataset_example" / "ml-100k"
        if folder.is_dir():
            return folder
    raise DataError(
        "MovieLens-100K is not installed: pip install --no-deps recbole==1.2.1"
        " (only its data files are used), or name a folder with ml-100k.inter, .item and .user"
    )


def _article_first(title: pl.Expr) -> pl.Expr:
    """'Blue Angel, The (Blaue Engel, Der)' → 'The Blue Angel (Der Blaue Engel)'."""
    return (
        title.str.replace(rf"^(.+?), ({_ARTICLES})(?P<rest> \(|$)", "$2 $1$rest")
        .str.replace(rf"\(([^()]+?), ({_ARTICLES})\)", "($2 $1)")
        .str.replace(r"\(([^()]+?), L'\)", "(L'$1)")
        .str.strip_chars()
    )


def planted(
    n_users: int = 200, n_items: int = 120, seed: int = 0, *, language: Language = "en"
) -> Dataset:
    """Made-up data with a known answer, which `planted_truth` tells for the same arguments.

    Items: six topics of uneven size; `title`, `description` and `tags` (a list) hold words of the
    topic, `category` is coarser than the topic, `price` depends on it. Nobody touched 5 % of them.
    Within a topic the other items form one directed ring: each has one true successor.
    People: a favourite topic and a second one; `age` and `region` lean on the favourite. The next
    event is the successor of the last with chance 0.7, else a popular item of the favourite (0.8)
    or second topic; nobody touches an item twice. `value` (1 to 5) is high in the favourite topic;
    `event` is "view" (`weight` 1) or "purchase" (3).
    So: content knows topics only, popularity knows neither, and the last item tells the next one.
    `language` "zh" has the same events with Chinese words.
    """
    truth = planted_truth(n_users, n_items, seed)
    events = act(truth, seed)
    rng = np.random.default_rng([seed, 3])
    liked = truth.topic[events.items] == truth.taste[events.users]
    bought = rng.random(len(liked)) < np.where(liked, 0.4, 0.1)
    interactions = pl.DataFrame(
        {
            USER: _names("u", n_users).gather(events.users),
            ITEM: _names("i", n_items).gather(events.items),
            TIME: events.times,
            EVENT: np.where(bought, "purchase", "view"),
            VALUE: np.clip(rng.integers(2, 5, len(liked)) + np.where(liked, 1, -1), 1, 5) * 1.0,
            WEIGHT: np.where(bought, 3.0, 1.0).astype(np.float32),
        }
    )
    users = pl.DataFrame(
        {
            USER: _names("u", n_users),
            "age": 20 + 8 * truth.taste + rng.integers(0, 12, n_users),
            "region": rng.choice(["north", "south", "east"], n_users),
        }
    )
    return Dataset(interactions, _planted_items(truth, rng, language), users)


def planted_truth(n_users: int = 200, n_items: int = 120, seed: int = 0) -> Truth:
    """The answers to `planted` with the same arguments; raises `ConfigError` for too small ones."""
    if n_users < 1 or n_items < 2 * len(TOPICS["en"]):
        raise ConfigError(f"planted data need a person and {2 * len(TOPICS['en'])} items")
    return plan(n_users, n_items, seed)


def _planted_items(truth: Truth, rng: np.random.Generator, language: Language) -> pl.DataFrame:
    if language not in TOPICS:
        raise ConfigError(f"language={language!r}: planted data speak {', '.join(TOPICS)}")
    n_items = len(truth.topic)
    words = [names.split() for names in TOPICS[language]]
    common = COMMON[language].split()
    gap = " " if language == "en" else ""
    rows = []
    for row, code in enumerate(rng.permutation(n_items) + 100):
        own = rng.permutation(words[truth.topic[row]])
        stray = rng.choice(words[(truth.topic[row] + 1) % len(words)])
        said = [*own[3:9], *rng.permutation(common)[:2], stray]
        rows.append(
            {
                TITLE: f"{own[0]}{gap}{own[1]} {code}",
                "description": (", " if language == "en" else "，").join(said),
                "category": CATEGORIES[language][truth.topic[row]],
                "price": round(float(rng.lognormal(2.0 + 0.4 * truth.topic[row], 0.3)), 2),
                "tags": [str(word) for word in own[1:4]],
            }
        )
    return pl.DataFrame(rows).insert_column(0, _names("i", n_items).alias(ITEM))


def _names(letter: str, count: int) -> pl.Series:
    width = len(str(count - 1))
    return pl.select(
        pl.lit(letter) + pl.int_range(count).cast(pl.String).str.zfill(width)
    ).to_series()


def catalogue(
    n_items: int = 100_000, n_events: int = 2_000_000, seed: int = 0, *, n_users: int | None = None
) -> Dataset:
    """A large made-up catalogue for tests of scale: Zipf popularity, short titles, two years.

    People (`n_users`, by default one for 20 events) mostly stay in one of 48 topics; an item's
    `title` holds two words of its topic and a number. Drawn at once, without loops: seconds for the
    default size.
    """
    n_users = max(1, n_events // 20) if n_users is None else n_users
    if min(n_items, n_events, n_users) < 1:
        raise ConfigError("a catalogue needs an item, an event and a person")
    rng = np.random.default_rng(seed)
    topic = rng.integers(0, _LARGE_TOPICS, n_items)
    users = rng.integers(0, n_users, n_events)
    likes = rng.integers(0, _LARGE_TOPICS, n_users)
    popular = rng.permutation(n_items)
    items = popular[_zipf(rng, n_items, n_events)]
    own = popular[np.argsort(topic[popular], kind="stable")]
    bounds = np.searchsorted(topic[own], np.arange(_LARGE_TOPICS + 1))
    size = np.diff(bounds)[likes[users]]
    place = bounds[:-1][likes[users]] + (size * rng.random(n_events) ** 3).astype(np.int64)
    stays = (rng.random(n_events) < 0.7) & (size > 0)
    items = np.where(stays, own[np.minimum(place, n_items - 1)], items)
    interactions = pl.DataFrame(
        {
            USER: _names("u", n_users).gather(users),
            ITEM: _names("i", n_items).gather(items),
            TIME: np.sort(1.6e9 + rng.uniform(0, _YEARS, n_events)),
        }
    )
    return Dataset(interactions, _short_titles(topic, rng))


def _zipf(rng: np.random.Generator, n_items: int, size: int) -> NDArray[np.int64]:
    """Ranks from 0, drawn with weight 1 / (rank + 10)."""
    cumulated = np.cumsum(1.0 / (np.arange(n_items) + 10.0))
    ranks: NDArray[np.int64] = np.searchsorted(cumulated, rng.random(size) * cumulated[-1])
    return ranks


def _short_titles(topic: NDArray[np.int64], rng: np.random.Generator) -> pl.DataFrame:
    words = np.array([word for names in TOPICS["en"] for word in names.split()])
    parts = {
        "first": words[topic % len(words)],
        "second": words[(topic + 7) % len(words)],
        "number": rng.permutation(len(topic)),
    }
    titles = pl.DataFrame(parts).select(pl.format("{} {} {}", *parts).alias(TITLE)).to_series()
    return pl.DataFrame({ITEM: _names("i", len(topic)), TITLE: titles})


__all__ = ["Truth", "catalogue", "movielens", "planted", "planted_truth"]
