"""A dataset small enough to know: 40 people, 30 items, four topics of uneven sizes."""

import os
import sys
from dataclasses import dataclass

import numpy as np
import polars as pl
import pytest
from hypothesis import settings

from palate.core.dataset import Dataset
from palate.core.features import Features
from palate.features.template_encoder import TemplateEncoder

pytest_plugins = ["clubs", "small_worlds", "tiny_models", "two_ways"]

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # torch and LightGBM bring an OpenMP each

settings.register_profile("untimed", deadline=None)  # a busy machine is no failure
settings.load_profile("untimed")

TOPIC_SIZES = {"tea": 12, "bikes": 9, "jazz": 6, "chess": 3}
WORDS = {
    "tea": ("green leaf", "steamed oolong", "pot of black leaf", "cup of white leaf"),
    "bikes": ("steel frame", "racing wheel", "mountain saddle"),
    "jazz": ("late trumpet", "slow saxophone", "live piano"),
    "chess": ("wooden board", "opening moves"),
}
USERS = 40
FIRST_SECOND = 1_600_000_000.0
DAY = 86_400.0


def item_table() -> pl.DataFrame:
    rng = np.random.default_rng(5)
    rows = []
    for topic, size in TOPIC_SIZES.items():
        for number in range(size):
            words = WORDS[topic][number % len(WORDS[topic])]
            rows.append(
                {
                    "item_id": f"{topic}-{number}",
                    "title": f"{words.capitalize()} {number + 1}",
                    "description": f"A {words} for people who love {topic}.",
                    "category": topic,
                    "price": round(float(rng.gamma(3.0, 4.0)), 2),
                    "tags": [topic, words.split()[0]],
                }
            )
    order = rng.permutation(len(rows))
    return pl.DataFrame([rows[row] for row in order])


def event_table(items: pl.DataFrame) -> pl.DataFrame:
    """People mostly stay in their topic; nobody touched the last tea and the last bike."""
    rng = np.random.default_rng(11)
    cold = {f"tea-{TOPIC_SIZES['tea'] - 1}", f"bikes-{TOPIC_SIZES['bikes'] - 1}"}
    ids = [name for name in items["item_id"] if name not in cold]
    topic = np.array([name.split("-")[0] for name in ids])
    topics = list(TOPIC_SIZES)
    rows = []
    for user in range(USERS):
        own = topics[rng.choice(4, p=[0.4, 0.3, 0.2, 0.1])]
        liking = np.where(topic == own, 4.0 / (topic == own).sum(), 1.0 / (topic != own).sum())
        chosen = rng.choice(len(ids), size=1 + user % 7, replace=False, p=liking / liking.sum())
        start = FIRST_SECOND + float(rng.integers(0, 60)) * DAY
        for step, row in enumerate(chosen):
            rows.append(
                (f"person-{user}", ids[row], start + 600.0 * (step - step % 3), 3 + row % 3)
            )
    names = ["user_id", "item_id", "timestamp", "value"]
    table = pl.DataFrame(rows, schema=names, orient="row")
    return table.sort("timestamp", maintain_order=True).with_columns(pl.col("value").cast(float))


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory):
    """No test reads or writes the cache of whoever runs it; models are unpacked once a run."""
    run = tmp_path_factory.getbasetemp()
    run = run.parent if "PYTEST_XDIST_WORKER" in os.environ else run
    models, cache = run / "unpacked-models", tmp_path_factory.mktemp("cache")
    models.mkdir(exist_ok=True)
    (cache / "models").symlink_to(models, target_is_directory=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PALATE_CACHE", str(cache))
        yield cache


@pytest.fixture(scope="session")
def tiny() -> Dataset:
    items = item_table()
    return Dataset(interactions=event_table(items), items=items)


@pytest.fixture(scope="session")
def tiny_features(tiny: Dataset) -> Features:
    """Three blocks with the topics in them: two dense of different widths, one sparse."""
    return topic_features(tiny)


def topic_features(data: Dataset) -> Features:
    from scipy import sparse

    topics = list(TOPIC_SIZES)
    topic = np.array([topics.index(name) for name in data.items["category"]])
    price = data.items["price"].to_numpy()
    noise = np.stack([np.sin(price * place) for place in range(1, 7)], axis=1)
    marks = np.eye(4)[topic]
    text = np.hstack([marks + 0.2 * noise[:, :4], 0.3 * noise[:, 4:], 1.0 + 0.1 * noise[:, :1]])
    image = np.hstack([0.7 * marks[:, :3] - 0.1, 0.4 * noise[:, 2:5] ** 2])[:, :5]
    tags = sparse.csr_array(np.hstack([marks, (price > 12)[:, None]]).astype(np.float32))
    return Features(data.item_ids, {"text": text, "image": image, "tags": tags})


@pytest.fixture
def write(tmp_path):
    """`write("deep/log.csv", content)` makes a file of text or bytes, and gives its path."""

    def write(name, content):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


@dataclass(frozen=True)
class Done:
    """How a command ended and what it said."""

    code: int
    out: str
    err: str


@pytest.fixture
def command(monkeypatch, capsys):
    """`command("fit", path, "--out", folder)` runs the command line in this process."""
    from palate.cli.main import main

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["palate", *map(str, words)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return Done(int(ended.value.code or 0), said.out, said.err)

    return run


ALPHABET = "abcdefghijklmnopqrstuvwxyz"


@dataclass(kw_only=True)
class Letters(TemplateEncoder):
    """A dense text encoder: how often each letter occurs."""

    def encode_texts(self, texts):
        counts = [[text.lower().count(letter) for letter in ALPHABET] for text in texts]
        return np.array(counts, dtype=np.float32).reshape(len(texts), len(ALPHABET))


@pytest.fixture(scope="session")
def letters() -> type[TemplateEncoder]:
    """A text encoder that needs no model."""
    return Letters


@pytest.fixture(scope="session")
def manual() -> str:
    """The pipeline file that the manual shows."""
    return """
[data]
interactions = "ratings.parquet"
items = "movies.parquet"
[split]
type = "time"
test = 0.2
[encoders.text]
type = "muse"
template = "{title}. {genres}"
[encoders.clicks]
type = "behaviour"
[[representation]]
type = "whiten"
[fusion]
type = "concat"
[recommender]
type = "ranker"
"""
