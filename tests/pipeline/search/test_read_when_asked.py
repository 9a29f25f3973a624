"""What is read for searching is read once, and not before somebody searches."""

import numpy as np
import polars as pl
import pytest

from palate.core.component import component
from palate.core.dataset import Dataset
from palate.features.template_encoder import TemplateEncoder
from palate.pipeline.pipeline import Pipeline, load
from palate.pipeline.search.search import index_of
from palate.pipeline.search.words import TitleIndex, WordIndex
from palate.recommenders.popular import Popular

ITEMS = {
    "item_id": ["a", "b", "c", "d"],
    "title": ["Raging Bull", "Calm Waters", "The Heir", "Two Spoons"],
    "plot": [
        "A fighter loses himself between the ropes",
        "Some sailor is lost for many weeks at sea",
        "Two brothers both want the throne for themselves",
        "Somebody learns to prepare meals for strangers",
    ],
}
NEW = {"item_id": ["e", "f"], "title": ["Crowned", "Storm"]}
PLOTS = ["A king sits upon the throne all day long", "A ship is lost at sea in a storm"]
CHANGED = {"item_id": ["b"], "plot": ["A diver looks for pearls below the waves"]}
ASKED = ("throne", "lost at sea", "storm", "raging bul", "pearls and waves")

read: list[str] = []


@component
class Counting(TemplateEncoder):
    """Vectors of letters, and a list of all that was read."""

    def encode_texts(self, texts):
        read.extend(texts)
        vectors = np.zeros((len(texts), 26), dtype=np.float32)
        for row, text in enumerate(texts):
            for letter in text.lower():
                if "a" <= letter <= "z":
                    vectors[row, ord(letter) - ord("a")] += 1
        return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)


def fitted():
    items = pl.DataFrame(ITEMS)
    events = pl.DataFrame({"user_id": ["u", "u", "v"], "item_id": ["a", "b", "a"]})
    model = Pipeline(encoders={"text": Counting()}, recommender=Popular())
    return model.fit(Dataset(events, items))


def grown(model):
    model.add_items(pl.DataFrame(NEW).with_columns(plot=pl.Series(PLOTS)))
    model.update_items(pl.DataFrame(CHANGED))
    last = {"item_id": ["g"], "title": ["Pearl"], "plot": ["A pearl"]}
    return model.add_items(pl.DataFrame(last))


def scores(model):
    return model.score(model.histories(text=ASKED))


def columns_read(texts):
    """Those that are read for searching alone: a title or a plot by itself."""
    return [text for text in texts if text in {*ITEMS["title"], *ITEMS["plot"], *NEW["title"]}]


def test_items_that_come_are_read_for_searching_when_somebody_searches():
    searched, silent = fitted(), fitted()
    scores(searched)
    grown(searched)
    read.clear()
    grown(silent)
    assert columns_read(read) == []
    read.clear()
    assert scores(silent).tobytes() == scores(searched).tobytes()
    once = [*ITEMS["title"], *ITEMS["plot"], *NEW["title"]]
    assert sorted(columns_read(read)) == sorted([*once, "Calm Waters"])  # whose row changed
    read.clear()
    scores(silent)
    assert columns_read(read) == []


def test_what_was_never_asked_is_saved_with_items_that_came(tmp_path):
    model = grown(fitted())
    again = load(model.save(tmp_path / "model"), allow=[f"{Counting.__module__}:Counting"])
    asked = scores(model)
    assert scores(again).tobytes() == asked.tobytes()
    searched = fitted()
    scores(searched)
    assert scores(grown(searched)).tobytes() == asked.tobytes()


@pytest.fixture
def built(monkeypatch):
    """The names of the indices that were built or changed, as they are."""
    names: list[str] = []
    for index in (WordIndex, TitleIndex):
        for name in ("of", "changed"):
            own = getattr(index, name)

            def counting(*given, own=own, name=f"{index.__name__}.{name}"):
                names.append(name)
                return own(*given)

            monkeypatch.setattr(index, name, counting)
    return names


def test_events_that_come_leave_what_is_searched_as_it_is(built):
    model = fitted()
    before, index = scores(model), index_of(model)
    assert built == ["WordIndex.of", "TitleIndex.of"]
    built.clear()
    read.clear()
    model.add_events(pl.DataFrame({"user_id": ["w"], "item_id": ["c"]}))
    model.remove_users(["v"])
    assert scores(model).tobytes() == before.tobytes()
    assert index_of(model).words is index.words
    assert index_of(model).vectors is index.vectors
    assert (built, columns_read(read)) == ([], [])


def test_events_between_new_items_and_the_next_search_lose_neither(built):
    model = fitted()
    scores(model)
    built.clear()
    model.add_events(pl.DataFrame({"user_id": ["w"], "item_id": ["c"]}))
    grown(model)
    model.add_events(pl.DataFrame({"user_id": ["x"], "item_id": ["f"]}))
    found = scores(model)
    assert built == ["WordIndex.changed", "TitleIndex.changed"]
    assert found.tobytes() == scores(grown(fitted())).tobytes()


def test_what_is_asked_is_read_no_more_often_for_its_reasons():
    model = fitted()
    scores(model)
    read.clear()
    bare = model.recommend(text="lost at sea", k=3).table
    once = list(read)
    read.clear()
    told = model.recommend(text="lost by the sea", k=3, reasons=True).table
    assert len(read) == len(once)
    read.clear()
    again = model.recommend(text="lost at sea", k=3, reasons=True).table
    assert again.drop("reasons").equals(bare)
    assert not told.equals(again)
    model.add_items(pl.DataFrame({"item_id": ["h"], "title": ["Lost at Sea"], "plot": ["Waves"]}))
    assert model.recommend(text="lost at sea", k=1).table["item_id"].to_list() == ["h"]
