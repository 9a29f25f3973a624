"""Data to try things on: MovieLens-100K, synthetic data with a known answer, a large catalogue."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from palate.core.arrays import Rows
from palate.core.columns import EVENT, ITEM, TIME, TITLE, USER, VALUE, WEIGHT
from palate.core.dataset import Dataset
from palate.core.errors import ConfigError, DataError
from palate.data.positive import Positive
from palate.data.read import read

__all__ = ["Truth", "catalogue", "movielens", "synthetic", "synthetic_truth"]

Language = Literal["en", "zh"]

_ARTICLES = r"The|An|A|Das|Der|Die|Det|Il|Les|Le|La|Los|Las|El"
_LARGE_TOPICS = 48
_YEARS = 2 * 365 * 86400.0

SHARES = (0.28, 0.22, 0.18, 0.14, 0.11, 0.07)
"""Shares of the topics: uneven, so that no reordering of the rows looks like another."""

FOLLOWS, STAYS, NEW_SHARE = 0.7, 0.8, 0.05
LENGTHS = (6, 18)
START, SPAN, STEP = 1_700_000_000.0, 60 * 86400.0, 86400.0

TOPICS: Final = {
    "en": (
        "soil seed spade greenhouse pruning compost orchard fern tulip watering hedge bulb",
        "whisk oven dough saucepan roasting spice butter recipe skillet baking broth kitchen",
        "summit tent trail rope glacier hiking campfire compass boulder backpack ridge lantern",
        "wave surfboard reef snorkel sailing anchor tide harbour kayak fin dolphin lagoon",
        "guitar chord drummer melody violin concert vinyl rhythm piano chorus trumpet studio",
        "galaxy telescope rocket orbit comet astronaut nebula lunar satellite eclipse mars probe",
    ),
    "zh": (
        "土壤 种子 铁锹 温室 修剪 堆肥 果园 蕨类 郁金香 浇水 树篱 球茎",
        "打蛋器 烤箱 面团 汤锅 烘烤 香料 黄油 食谱 煎锅 烘焙 高汤 厨房",
        "山顶 帐篷 步道 绳索 冰川 徒步 篝火 指南针 岩石 背包 山脊 营灯",
        "海浪 冲浪板 珊瑚礁 浮潜 帆船 船锚 潮汐 港口 皮划艇 脚蹼 海豚 泻湖",
        "吉他 和弦 鼓手 旋律 小提琴 音乐会 黑胶 节奏 钢琴 合唱 小号 录音室",
        "星系 望远镜 火箭 轨道 彗星 宇航员 星云 月球 卫星 日食 火星 探测器",
    ),
}
COMMON: Final = {
    "en": "new classic practical popular small everyday complete favourite",
    "zh": "全新 经典 实用 热门 小巧 日常 完整 喜爱",
}
CATEGORIES: Final = {
    "en": ("home", "home", "outdoors", "outdoors", "culture", "science"),
    "zh": ("家居", "家居", "户外", "户外", "文化", "科学"),
}


def movielens(folder: str | Path | None = None, *, positive: Positive | None = None) -> Dataset:
    """MovieLens-100K: 943 people, 1,682 films, 100,000 ratings from 1997 and 1998.

    Films have `title` ("The Net", not "Net, The"), `year` and `genres` (a list); people have `age`,
    `gender`, `occupation`, `zip_code`; `value` is the rating, 1 to 5. The files are those of the
    installed `recbole` distribution, which is not imported, or of `folder`, which holds
    ml-100k.inter, .item and .user. Low ratings are no choices, unless `positive` says otherwise
    (both as in `palate.read`). Raises `DataError` where the files are missing.
    Source: Harper and Konstan, The MovieLens Datasets, ACM TiiS 5(4), 2015.
    """
    place = Path(folder) if folder is not None else _installed()
    stem = place / "ml-100k"
    if not stem.with_suffix(".inter").is_file():
        raise DataError(f"{place} holds no MovieLens-100K: ml-100k.inter is missing")
    files = (stem.with_suffix(suffix) for suffix in (".inter", ".item", ".user"))
    data = read(*files, positive=positive)
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


def synthetic(
    n_users: int = 200, n_items: int = 120, seed: int = 0, *, language: Language = "en"
) -> Dataset:
    """Made-up data with a known answer, which `synthetic_truth` tells for the same arguments.

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
    truth = synthetic_truth(n_users, n_items, seed)
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


def synthetic_truth(n_users: int = 200, n_items: int = 120, seed: int = 0) -> Truth:
    """The answers to `synthetic` with the same arguments; `ConfigError` for too small ones."""
    if n_users < 1 or n_items < 2 * len(TOPICS["en"]):
        raise ConfigError(f"synthetic data need a person and {2 * len(TOPICS['en'])} items")
    return plan(n_users, n_items, seed)


def _planted_items(truth: Truth, rng: np.random.Generator, language: Language) -> pl.DataFrame:
    if language not in TOPICS:
        raise ConfigError(f"language={language!r}: synthetic data speak {', '.join(TOPICS)}")
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


@dataclass(frozen=True, eq=False)
class Truth:
    """What the synthetic data know: arrays by catalogue row, or by row of the users' table.

    `topic` and `successor` are (n_items,), the latter -1 where an item has none; `taste` and
    `second_taste` are (n_users,) topics; `cold_items` are the rows that nobody touched.
    """

    topic: Rows
    successor: Rows
    taste: Rows
    second_taste: Rows
    cold_items: Rows


@dataclass(frozen=True, eq=False)
class Events:
    """One row an event: user row, item row, seconds; in order of time."""

    users: Rows
    items: Rows
    times: NDArray[np.float64]


def plan(n_users: int, n_items: int, seed: int) -> Truth:
    """Topics, rings and tastes; every topic has an item at least."""
    rng = np.random.default_rng([seed, 1])
    topic = rng.choice(len(SHARES), size=n_items, p=SHARES).astype(np.int32)
    topic[: len(SHARES)] = np.arange(len(SHARES))[: len(topic)]
    topic = rng.permutation(topic)
    cold_items = np.sort(rng.permutation(n_items)[: round(NEW_SHARE * n_items)]).astype(np.int32)
    warm = np.setdiff1d(np.arange(n_items), cold_items)
    successor = np.full(n_items, -1, dtype=np.int32)
    for name in range(len(SHARES)):
        ring = rng.permutation(warm[topic[warm] == name])
        if len(ring) > 1:
            successor[ring] = np.roll(ring, -1)
    held = np.unique(topic[warm])
    share = np.array(SHARES)[held]
    taste = rng.choice(held, size=n_users, p=share / share.sum())
    second = rng.choice(held, size=n_users, p=share / share.sum())
    return Truth(topic, successor, taste.astype(np.int32), second.astype(np.int32), cold_items)


def act(truth: Truth, seed: int) -> Events:
    """What the people do: follow the chain, or pick something they like; nothing twice."""
    rng = np.random.default_rng([seed, 2])
    warm = np.setdiff1d(np.arange(len(truth.topic)), truth.cold_items)
    shelves = [rng.permutation(warm[truth.topic[warm] == name]) for name in range(len(SHARES))]
    users, items, times = [], [], []
    for user, (first, second) in enumerate(zip(truth.taste, truth.second_taste, strict=True)):
        sequence = _sequence(rng, truth, shelves[first], shelves[second])
        moments = START + rng.uniform(0, SPAN) + np.cumsum(rng.exponential(STEP, len(sequence)))
        users += [user] * len(sequence)
        items += sequence
        times += np.round(moments).tolist()
    order = np.argsort(times, kind="stable")
    return Events(
        np.array(users, dtype=np.int32)[order],
        np.array(items, dtype=np.int32)[order],
        np.array(times)[order],
    )


def _sequence(
    rng: np.random.Generator, truth: Truth, liked: NDArray[np.int64], other: NDArray[np.int64]
) -> list[int]:
    seen: list[int] = []
    for _ in range(int(rng.integers(*LENGTHS))):
        follows = seen and rng.random() < FOLLOWS
        shelf = liked if rng.random() < STAYS else other
        item = int(truth.successor[seen[-1]]) if follows else _popular(rng, shelf)
        for _ in range(len(truth.topic)):
            if item not in seen or item < 0:
                break
            item = int(truth.successor[item])
        if item < 0 or item in seen:
            break
        seen.append(item)
    return seen


def _popular(rng: np.random.Generator, shelf: NDArray[np.int64]) -> int:
    """An item of the shelf; the earlier it stands, the likelier it is."""
    weight = 1.0 / np.arange(1, len(shelf) + 1)
    return int(rng.choice(shelf, p=weight / weight.sum()))
