import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from palate.core.errors import ConfigError, DataError
from palate.core.types import FitContext
from palate.evaluation.published import run
from palate.evaluation.published.figures import PublishedRow
from palate.evaluation.published.formats import load_benchmark
from palate.evaluation.published.run import DEFAULT, ROWS, BenchResult, run_bench
from palate.features.template_encoder import TemplateEncoder
from palate.pipeline.pipeline import Pipeline
from palate.recommenders.popular import Popular
from palate.recommenders.ranker import Ranker

USERS, ITEMS = 40, 24
WORDS = ("green tea leaf", "steel bike frame", "slow jazz trumpet")
METRICS = {f"{metric}@{k}" for metric in ("recall", "ndcg") for k in (5, 10, 20)}
Folder = Callable[..., Path]


@dataclass(kw_only=True)
class Letters(TemplateEncoder):
    """How often each letter occurs: cheap, and it tells the three kinds of words apart."""

    def encode_texts(self, texts: Sequence[str]) -> Any:
        counts = [
            [text.lower().count(letter) for letter in "abcdefghijklmnorstuwz"] for text in texts
        ]
        return np.array(counts, dtype=np.float32)


@pytest.fixture(autouse=True)
def asked_for(monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """No language model is loaded; which one was asked for, and quick rankers."""
    asked: list[str | None] = []

    def best(name: str | None = None) -> tuple[TemplateEncoder, str]:
        asked.append(name)
        return Letters(), "letters"

    monkeypatch.setattr(run, "best_text_encoder", best)
    quick = {"n_estimators": 5, "n_train_queries": 60, "candidates": 10}
    monkeypatch.setattr(run, "Ranker", lambda: Ranker(**quick))
    return asked


@pytest.fixture
def shop(folder: Folder) -> Path:
    rng = np.random.default_rng(3)
    lines, items = [], []
    for user in range(USERS):
        start, length = int(rng.integers(0, ITEMS)), 4 + user % 4
        walk = [(start + 5 * step + int(rng.integers(0, 2))) % ITEMS for step in range(length)]
        lines.append(" ".join([f"u{user}", *map(str, dict.fromkeys(walk))]))
    for row in range(ITEMS):
        items.append({"item_id": row, "title": f"{WORDS[row % 7 % 3]} {row}", "categories": []})
    return folder({"sequential_data.txt": lines, "items.jsonl": items})


@pytest.fixture
def spied(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many events the row `popular` was fitted on."""
    sizes: list[int] = []

    class Spy(Popular):
        def fit(self, data: Any, context: Any) -> Any:
            sizes.append(len(data.interactions))
            return super().fit(data, context)

    maker = (ROWS["popular"][0], lambda _encoders: Pipeline(encoders={}, recommender=Spy()))
    monkeypatch.setitem(ROWS, "popular", maker)
    return sizes


def test_the_json_is_what_the_readers_of_figures_expect(shop: Path) -> None:
    result = run_bench("sequence", shop, recommenders=[DEFAULT, "popular"])
    found = json.loads(json.dumps(result.to_json(), allow_nan=False))
    assert found["default"] == DEFAULT
    assert {row["name"] for row in found["rows"]} == {DEFAULT, "popular"}
    for row in found["rows"]:
        assert row.keys() == {"name", "ours", "metrics"}
        assert row["ours"] is True
        assert row["metrics"].keys() == METRICS
        assert all(0 <= value <= 1 for value in row["metrics"].values())
    assert found["seconds"].keys() == {"encode", "fit", "score"}
    assert all(seconds > 0 for seconds in found["seconds"].values())
    assert found["peak_mib"] > 10


def test_every_row_runs(shop: Path) -> None:
    result = run_bench("sequence", shop)
    assert set(result.comparison.rows) == set(ROWS)
    assert result.default == DEFAULT
    assert result.encoder == "letters"


def test_the_figures_are_those_of_the_test_split(shop: Path) -> None:
    result = run_bench("sequence", shop, recommenders=["popular"])
    split = load_benchmark("sequence", shop).test
    model = Pipeline(encoders={}, recommender=Popular()).fit(split.train)
    scores = model.score(split.histories)
    seen = split.histories.seen().toarray() > 0
    scores[seen] = -np.inf
    own = scores[np.arange(len(scores)), split.sealed.items]
    surely = (scores >= own[:, None]).sum(axis=1) <= 10
    perhaps = (scores > own[:, None]).sum(axis=1) < 10
    (row,) = result.rows()
    assert surely.mean() <= row["metrics"]["recall@10"] <= perhaps.mean()
    assert row["metrics"]["recall@10"] > 0


def test_rows_are_limited_and_each_runs_once(shop: Path, spied: list[int]) -> None:
    result = run_bench("sequence", shop, recommenders=["popular", "covisit", "popular"])
    assert list(result.comparison.rows) == ["popular", "covisit"]
    assert len(spied) == 1
    assert result.default is None
    assert result.seconds["fit"] == 0


def test_one_row_alone_is_the_one_that_is_timed(shop: Path) -> None:
    assert run_bench("sequence", shop, recommenders=["popular"]).seconds["fit"] > 0


def test_the_default_is_the_mean_of_its_seeds(shop: Path, monkeypatch: Any) -> None:
    able = partial(Ranker, n_estimators=5, candidates=10, min_rows_per_leaf=2)
    monkeypatch.setattr(run, "Ranker", able)
    each = run_bench("sequence", shop, recommenders=["ranker", "popular"], seeds=3)
    alone = run_bench("sequence", shop, recommenders=["ranker", "popular"])
    assert each.by_seed[0] == alone.by_seed[0]
    assert len({one["ndcg@10"] for one in each.by_seed}) > 1
    rows = {row["name"]: row["metrics"] for row in each.to_json()["rows"] if row["ours"]}
    for metric in METRICS:
        means = np.mean([one[metric] for one in each.by_seed])
        assert rows["ranker"][metric] == pytest.approx(means)
    assert rows["popular"] == next(
        row["metrics"] for row in alone.rows() if row["name"] == "popular"
    )
    assert "mean of 3 seeds" in shown(each)
    assert "seeds" not in shown(alone)


@pytest.mark.parametrize(("name", "meant"), [("rankr", "ranker"), ("covist", "covisit")])
def test_a_misspelt_row_raises_before_anything_is_read(
    tmp_path: Path, name: str, meant: str
) -> None:
    with pytest.raises(ConfigError, match=f"no row is called '{name}'.*Did you mean '{meant}'"):
        run_bench("sequence", tmp_path / "nowhere", recommenders=["popular", name])


def test_a_misspelt_format_raises(shop: Path) -> None:
    with pytest.raises(ConfigError, match="Did you mean 'sequence'"):
        run_bench("sequenc", shop)


def test_a_folder_that_is_not_there_raises(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        run_bench("sequence", tmp_path / "nowhere")


def test_strict_learns_from_training_events_and_refit_from_validation_too(
    shop: Path, spied: list[int]
) -> None:
    strict = run_bench("sequence", shop, recommenders=["popular"])
    again = run_bench("sequence", shop, refit=True, recommenders=["popular"])
    lines = (shop / "sequential_data.txt").read_text().splitlines()
    events = sum(len(line.split()) - 1 for line in lines)
    assert spied == [events - 2 * USERS, events - USERS]
    assert strict.to_json()["protocol"] == "strict"
    assert again.to_json()["protocol"] == "refit"
    assert again.rows() != strict.rows()


@pytest.mark.parametrize("mask", [None, True, False])
def test_the_mask_is_that_of_the_format_unless_it_is_given(shop: Path, mask: bool | None) -> None:
    result = run_bench("sequence", shop, mask=mask, recommenders=["popular"])
    assert result.to_json()["masked"] is (mask is not False)


def test_the_encoder_that_was_asked_for(shop: Path, asked_for: list[str | None]) -> None:
    run_bench("sequence", shop, recommenders=["popular"])
    run_bench("sequence", shop, encoder="some/model", recommenders=["popular"])
    assert asked_for == [None, "some/model"]


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        PublishedRow("Theirs, good", {"recall@10": 1.0, "ndcg@10": 1.0}),
        PublishedRow("Theirs, without NDCG", {"recall@10": 0.5}),
        PublishedRow("Theirs, bad", {"recall@10": 1e-6, "ndcg@10": 1e-6}),
    ]
    load = run.load_benchmark
    monkeypatch.setattr(
        run,
        "load_benchmark",
        lambda *args, **named: replace(load(*args, **named), published=rows, notes=["A footnote."]),
    )


def shown(result: BenchResult) -> str:
    stream = StringIO()
    Console(file=stream, width=160).print(result.render())
    return stream.getvalue()


def test_published_rows_stand_beside_ours_best_last(shop: Path, published: None) -> None:
    result = run_bench("sequence", shop, recommenders=["popular"])
    assert [(row["name"], row["ours"]) for row in result.rows()] == [
        ("Theirs, without NDCG", False),
        ("Theirs, bad", False),
        ("popular", True),
        ("Theirs, good", False),
    ]
    text = shown(result)
    assert [text.index(row["name"]) for row in result.rows()] == sorted(
        text.index(row["name"]) for row in result.rows()
    )
    for said in ("strict", "history masked", "letters", "A footnote.", "1.0000", "–", "MiB"):
        assert said in text
    assert "refit on training + validation" in shown(replace(result, refit=True))


@pytest.mark.parametrize("names", [[DEFAULT], ["ranker-text", "ranker-ids", "popular"]])
def test_items_known_by_id_only(folder: Folder, shop: Path, names: list[str]) -> None:
    lines = (shop / "sequential_data.txt").read_text().splitlines()
    result = run_bench(
        "sequence", folder({"sequential_data.txt": lines}, "bare"), recommenders=names
    )
    assert set(result.comparison.rows) == set(names)
    assert "no text" in result.encoder


def test_items_known_by_id_only_with_all_rows(folder: Folder, shop: Path) -> None:
    lines = (shop / "sequential_data.txt").read_text().splitlines()
    result = run_bench("sequence", folder({"sequential_data.txt": lines}, "bare"))
    assert {DEFAULT, "covisit", "popular"} <= set(result.comparison.rows)


def test_published_rows_say_how_they_became_known(shop: Path, monkeypatch: Any) -> None:
    rows = [
        PublishedRow("Theirs", {"recall@10": 0.9, "ndcg@10": 0.9}, "history not masked", "P"),
        PublishedRow("Others", {"ndcg@10": 0.8}, source="S"),
        PublishedRow("Old", {"ndcg@10": 0.7}),
    ]
    load = run.load_benchmark
    monkeypatch.setattr(
        run, "load_benchmark", lambda *args, **named: replace(load(*args, **named), published=rows)
    )
    result = run_bench("sequence", shop, recommenders=["popular"])
    known = {row["name"]: row["source"] for row in result.rows() if not row["ours"]}
    assert known == {"Theirs (history not masked)": "own log", "Others": "summary", "Old": ""}
    lines = shown(result).splitlines()
    for name, source in (("Theirs (history not masked)", "own log"), ("Others", "summary")):
        (line,) = [line for line in lines if name in line]
        assert source in line
    assert any("source" in line for line in lines)


class Refusing(Popular):
    """Raises what it is told to raise, when it is fitted or when it ranks."""

    def __init__(self, error: Exception, *, late: bool = False) -> None:
        super().__init__()
        self.error, self.late = error, late

    def fit(self, data: Any, context: FitContext = FitContext()) -> Any:
        if not self.late:
            raise self.error
        return super().fit(data, context)

    def score(self, histories: Any) -> Any:
        raise self.error


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize(
    ("error", "reason"),
    [(ConfigError("20,033 items are too many [red]"), "too many"), (MemoryError(), "memory")],
)
@pytest.mark.parametrize("place", ["ease", "covisit"])
def test_a_row_that_refuses_leaves_the_others(
    shop: Path, monkeypatch: Any, late: bool, error: Exception, reason: str, place: str
) -> None:
    whole = run_bench("sequence", shop, recommenders=["covisit", "popular", "ease"])
    broken = Pipeline(encoders={}, recommender=Popular())
    monkeypatch.setattr(broken, "fit", lambda data: Refusing(error, late=late).fit(data))
    monkeypatch.setitem(ROWS, place, (f"palate {place}", lambda _encoders: broken))
    result = run_bench("sequence", shop, recommenders=["covisit", "popular", "ease"])
    rows = {row["name"]: row for row in json.loads(json.dumps(result.to_json()))["rows"]}
    assert rows.keys() == {"covisit", "popular", "ease"}
    assert rows[place]["metrics"] == {}
    assert reason in rows[place]["refused"]
    kept = {name: row for name, row in rows.items() if name != place}
    assert kept == {row["name"]: row for row in whole.rows() if row["name"] != place}
    text = " ".join(shown(result).split())
    assert f"palate {place} was not measured: " in text
    assert reason in text


def test_a_row_that_refuses_alone_is_an_error(shop: Path, monkeypatch: Any) -> None:
    broken = Pipeline(encoders={}, recommender=Refusing(ConfigError("too many")))
    monkeypatch.setitem(ROWS, "ease", ("palate ease", lambda _encoders: broken))
    monkeypatch.setattr(broken, "fit", lambda data: Refusing(ConfigError("too many")).fit(data))
    with pytest.raises(ConfigError, match="too many"):
        run_bench("sequence", shop, recommenders=["ease"])


@pytest.mark.parametrize("name", ["a [red] shop", "[b]", "\x1b[2Jshop"])
def test_names_of_folders_are_shown_as_they_are(shop: Path, tmp_path: Path, name: str) -> None:
    shop.rename(tmp_path / name)
    text = shown(run_bench("sequence", tmp_path / name, recommenders=["popular"]))
    assert name.replace("\x1b", r"\x1b") in text
