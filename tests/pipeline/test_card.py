"""The card of a saved model: what it says, that it is sealed, and what a folder does not hold."""

import json
import stat
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
import pytest
from model_folders import reseal, unsealed

from palate import __version__
from palate.core.component import learnt
from palate.core.dataset import Dataset
from palate.core.errors import ArtefactError, ConfigError
from palate.data.samples import synthetic
from palate.data.split import split_by_time
from palate.evaluation.compare import compare, evaluate
from palate.features.encoders.sentiment import Sentiment
from palate.features.encoders.tfidf import Tfidf
from palate.pipeline.artefact import CARD, MANIFEST, save_pipeline
from palate.pipeline.card import Card, DataCard, digest_of_events
from palate.pipeline.pipeline import Pipeline, load
from palate.pipeline.saved import attach_figures, read_card
from palate.recommenders.covisit import Covisit
from palate.recommenders.popular import Popular


@pytest.fixture(scope="module")
def split(tiny):
    return split_by_time(tiny, test=0.2)


@pytest.fixture(scope="module")
def model(split):
    return Pipeline(encoders={"text": Tfidf()}, recommender=Covisit(window=7)).fit(split.train)


@pytest.fixture(scope="module")
def measured(model, split):
    return evaluate(model, split, name="mine", resamples=50)


def test_it_says_when_with_what_and_of_what(model, split, tmp_path):
    card = read_card(model.save(tmp_path / "model"))
    assert (card.version, card.before, card.palate) == (1, None, __version__)
    assert card.saved.endswith("Z")
    assert card.libraries["polars"] == pl.__version__
    assert card.libraries["numpy"] == np.__version__
    data = card.data
    assert data.events == len(split.train.interactions)
    assert (data.items, data.users) == (30, len(split.train.user_ids))
    assert data.warm_items == len(split.train.warm_items) < 30
    assert (data.first, data.last) == ("2020-09-14", "2020-10-28")
    assert "recommender: covisit (window = 7)" in card.settings
    assert "encoder text: tfidf" in card.settings
    assert card.blocks == {"text": model.features.parts["text"].shape[1]}
    files = [path for path in (tmp_path / "model").iterdir() if path.suffix in (".parquet", "")]
    assert card.size > sum(path.stat().st_size for path in files)


def test_a_page_says_the_same(model, measured, tmp_path):
    folder = model.save(tmp_path / "model", figures=measured)
    page = (folder / CARD).read_text()
    for line in read_card(folder).lines():
        assert line in page
    for said in ("covisit (window = 7)", "2020-09-14 to 2020-10-28", f"palate {__version__}"):
        assert said in page
    assert f"{measured['ndcg@10']:.4f}" in page


def test_figures_are_those_that_were_measured(model, split, measured, tmp_path):
    [figures] = read_card(model.save(tmp_path / "model", figures=measured)).figures
    assert (figures.name, figures.split) == ("mine", "time")
    assert figures.requests == len(split.histories)
    cell = measured.cell("mine", "ndcg@10").interval
    assert figures.metrics["ndcg@10"].mean == cell.mean
    assert figures.metrics["ndcg@10"].low == cell.low
    assert figures.slices["long_tail"]["ndcg@10"] == pytest.approx(
        measured.cell("mine", "ndcg@10", "long_tail").interval.mean, nan_ok=True
    )


def test_figures_come_later_and_take_the_place_of_older_ones(model, split, measured, tmp_path):
    folder = model.save(tmp_path / "model")
    before = unsealed(folder)
    popular = Pipeline(encoders={}, recommender=Popular()).fit(split.train)
    both = compare({"mine": model, "popular": popular}, split, resamples=20)
    attach_figures(folder, measured)
    card = attach_figures(folder, both)
    assert card == read_card(folder)
    assert card.version == 1
    assert [each.name for each in card.figures] == ["mine", "popular"]
    after = unsealed(folder)
    del before["card"], after["card"]
    assert before == after, "the model is as it was"
    assert "popular" in (folder / CARD).read_text()
    model.save(folder)
    assert [each.name for each in read_card(folder).figures] == ["mine", "popular"], "the same"


@pytest.mark.parametrize("figures", [0.3, "ndcg", {"ndcg@10": 0.3}, [3]])
def test_figures_that_are_none(model, figures, tmp_path):
    with pytest.raises(ConfigError, match=r"give what palate\.evaluate"):
        model.save(tmp_path / "model", figures=figures)


# ---- digests


def test_a_digest_is_that_of_the_data_in_any_order(tiny):
    shuffled = replace(
        tiny,
        interactions=tiny.interactions.sample(fraction=1, shuffle=True, seed=3),
        items=tiny.items.reverse().select(sorted(tiny.items.columns)),
    )
    card, other = DataCard.of(tiny), DataCard.of(shuffled)
    assert card == other


def changes():
    number = pl.int_range(pl.len())
    yield "an item", "digest", pl.when(number == 3).then(pl.lit("jazz-1")), "item_id"
    yield "a value", "digest", pl.when(number == 3).then(9.0), "value"
    yield "a time", "digest", pl.when(number == 3).then(pl.col("timestamp") + 1), "timestamp"
    yield "a title", "digest_items", pl.when(number == 3).then(pl.lit("Other")), "title"
    yield "a tag", "digest_items", pl.when(number == 3).then(["x"]), "tags"
    yield "no price", "digest_items", pl.when(number == 3).then(None), "price"


@pytest.mark.parametrize(("what", "digest", "then", "column"), list(changes()))
def test_a_digest_sees_every_change(tiny, what, digest, then, column):
    changed = then.otherwise(pl.col(column)).alias(column)
    name = "items" if digest == "digest_items" else "interactions"
    other = DataCard.of(replace(tiny, **{name: getattr(tiny, name).with_columns(changed)}))
    before, after = DataCard.of(tiny).model_dump(), other.model_dump()
    different = {key for key in ("digest", "digest_items") if before[key] != after[key]}
    assert different == {digest}, what


def test_without_times_the_order_of_ones_events_counts(tiny):
    events = tiny.interactions.drop("timestamp")
    assert digest_of_events(events) != digest_of_events(events.reverse())
    by_user = events.sort("user_id", maintain_order=True)
    assert digest_of_events(events) == digest_of_events(by_user)


def test_columns_of_every_kind_have_a_digest():
    items = pl.DataFrame(
        {
            "item_id": ["a", "b"],
            "photo": [b"\x00\xff", None],
            "when": pl.Series(["2024-01-01", None]).str.to_date(),
            "made": [{"by": "x", "n": 1}, None],
            "nothing": [None, None],
            "hash": pl.Series([2**64 - 1, 3], dtype=pl.UInt64),
            "odd": [float("nan"), -0.0],
            "kind": pl.Series(["x", "y"], dtype=pl.Categorical),
        }
    )
    events = pl.DataFrame({"user_id": ["u"], "item_id": ["a"]})
    one, other = (DataCard.of(Dataset(events, table)) for table in (items, items.reverse()))
    assert one == other
    assert one != DataCard.of(Dataset(events, items.with_columns(photo=pl.lit(b"\x00"))))


# ---- what components found out


@dataclass(kw_only=True)
class Chooser(Popular):
    """A recommender that says what it chose."""

    chosen_: dict[str, float] = learnt()

    def fit(self, data, context=None):
        super().fit(data, context)
        self.chosen_ = {"covisit": 0.7, "popular": 0.3}
        return self

    def describe(self, data):
        yield f"of {len(data.items)} items"


def test_what_a_component_found_out_is_said(tiny, tmp_path):
    model = Pipeline(encoders={}, recommender=Chooser()).fit(tiny)
    chosen = read_card(model.save(tmp_path / "model")).chosen
    assert [line.partition(": ")[2] for line in chosen] == [
        "covisit = 0.7",
        "popular = 0.3",
        "of 30 items",
    ]


# ---- cards that somebody else made


@pytest.mark.parametrize(
    "card",
    [
        *(3, None, [], "", {}, {"palate": 3}, {"palate": "1", "version": -1}),
        {"palate": "1", "version": True},
        {"palate": "1", "version": 10**30},
        {"palate": "1", "settings": "x"},
        {"palate": "1", "figures": [{"name": "x"}]},
        {"palate": "1", "data": {"events": "many"}},
        {"palate": "1", "blocks": {"text": 2.5}},
    ],
)
def test_a_card_that_palate_does_not_write(model, card, tmp_path, command):
    folder = model.save(tmp_path / "model")
    reseal(folder, lambda manifest: manifest.update(card=card))
    for read in (load, read_card):
        with pytest.raises(ArtefactError, match="fit"):
            read(folder)
    for words in (("show", folder), ("show", folder, "--versions"), ("rollback", folder)):
        done = command(*words)
        assert (done.code, "Traceback" in done.err) == (1, False)
    model.save(folder)
    assert read_card(folder).figures == []


def test_a_changed_card_is_noticed(model, tmp_path):
    folder = model.save(tmp_path / "model")
    text = (folder / MANIFEST).read_text()
    (folder / MANIFEST).write_text(text.replace('"events": ', '"events": 1'))
    with pytest.raises(ArtefactError, match="has changed"):
        read_card(folder)


def test_words_of_a_card_do_not_act(model, tmp_path, command):
    folder = model.save(tmp_path / "model")

    def evil(manifest):
        manifest["card"]["settings"] = ["\x1b[2J\nboo", "x" * 10_000, *["y"] * 1000]
        manifest["card"]["saved"] = "\x1b]0;title\x07"
        manifest["card"]["palate"] = "[bold]1[/bold] | x"

    reseal(folder, evil)
    for words in ((), ("--versions",)):
        said = command("show", folder, *words)
        assert said.code == 0
        assert "\x1b" not in said.out
        assert "\x07" not in said.out
        assert "[bold]1" in said.out
        assert len(said.out) < 8000


def test_a_model_of_an_earlier_palate(model, tmp_path, command):
    folder = model.save(tmp_path / "model")
    reseal(folder, lambda manifest: manifest.pop("card"))
    load(folder)
    assert read_card(folder) == Card(palate=__version__)
    assert "kept no card" in command("show", folder).out


# ---- what a folder does not hold


def rights(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_a_folder_is_its_owners_alone(model, tmp_path):
    (tmp_path / "made").mkdir(mode=0o755)
    for name in ("new", "made"):
        folder = model.save(tmp_path / name)
        assert rights(folder) == 0o700
        assert {rights(path) for path in folder.iterdir()} == {0o600}


def test_who_opens_a_folder_has_it_open(model, split, measured, tmp_path):
    folder = model.save(tmp_path / "model")
    folder.chmod(0o750)
    Pipeline(encoders={}, recommender=Popular()).fit(split.train).save(folder, keep=0)
    assert rights(folder) == 0o750
    assert {rights(path) for path in folder.iterdir() if path.is_file()} <= {0o640, 0o600}
    assert rights(folder / MANIFEST) == 0o640
    attach_figures(folder, measured)
    assert rights(folder / MANIFEST) == 0o640


def test_what_people_wrote_is_not_in_a_folder(tiny, tmp_path):
    events = tiny.interactions.with_columns(
        text=pl.concat_str([pl.lit("my private words on "), pl.col("item_id")]),
        note=pl.lit("a secret note"),
        seconds=pl.int_range(pl.len()),
    )
    model = Pipeline(encoders={"said": Sentiment()}, recommender=Covisit())
    model.fit(Dataset(events, tiny.items))
    folder = model.save(tmp_path / "model")
    again = load(folder)
    assert again.data_.interactions.columns == [*tiny.interactions.columns, "seconds"]
    assert "text" in model.data_.interactions.columns, "the fitted one has what it had"
    for path in folder.glob("*.parquet"):
        frame = pl.read_parquet(path)
        words = json.dumps(frame.select(pl.col(pl.String)).to_dict(as_series=False))
        assert "private words" not in words
        assert "secret" not in words
    asked = {"history": ["jazz-1", "tea-2"], "reasons": True}
    assert again.recommend(**asked).table.equals(model.recommend(**asked).table)


def test_a_folder_says_what_was_saved_without_a_pipeline_of_palates(tmp_path):
    with pytest.raises(ConfigError, match="keep = -1"):
        save_pipeline(Pipeline(), tmp_path / "model", keep=-1)


def test_people_without_events_are_counted_apart():
    data = synthetic(40, 30)
    late = data.users.head(2).with_columns(user_id=pl.Series(["late", "later"]))
    more = replace(data, users=pl.concat([data.users, late]))
    pipeline = Pipeline(encoders={}, recommender=Popular())
    cards = [Card.of(pipeline.fit(one), size=1).lines() for one in (data, more)]
    told = [next(line for line in card if "learnt from" in line) for card in cards]
    assert f"{len(data.interactions):,} events of 40 people with" in told[0]
    assert f"{len(data.interactions):,} events of 40 of 42 people with" in told[1]
