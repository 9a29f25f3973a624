"""A model that many ask at once: while items arrive, and in processes that were forked."""

import copy
import os
import subprocess
import sys
import threading

import polars as pl
import pytest

from palate.features.encoders.tfidf import Tfidf
from palate.pipeline.pipeline import Pipeline
from palate.recommenders.blend import Blend
from palate.recommenders.content import Content
from palate.recommenders.ranker import Ranker
from palate.recommenders.rerankers.diversity import Diversity

ARRIVALS = 12
RECOMMENDERS = {
    "ranker": Ranker(n_train_queries=200, n_estimators=5),
    "content": Content(),
    "blend": Blend(parts=[{"type": "covisit"}, {"type": "content"}]),
}


def arriving(number):
    return pl.DataFrame({"item_id": [f"new {number}"], "title": [f"Green leaf, steel {number}"]})


def asked(model):
    """One list of everything that a person, a history and words are told."""
    tables = [
        model.recommend(["person-3", "person-8"], k=50, reasons=True).table,
        model.recommend(history=["tea-1", "jazz-2"], k=50).table,
        model.recommend(text="a green leaf", k=50).table,
        model.top_users("tea-1", k=5).table,
    ]
    return [table.drop("user_id").rows() for table in tables]


@pytest.fixture
def quick_switches():
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


@pytest.mark.parametrize("rerankers", [[], [Diversity()]], ids=["plain", "mixed"])
@pytest.mark.parametrize("name", RECOMMENDERS)
def test_who_asks_while_items_arrive_sees_the_old_or_the_new(name, rerankers, tiny, quick_switches):
    recommender = RECOMMENDERS[name]
    model = Pipeline(encoders={"text": Tfidf()}, recommender=recommender, rerankers=rerankers)
    model.fit(tiny)
    alone = copy.deepcopy(model)
    right = [asked(alone)] + [asked(alone.add_items(arriving(n))) for n in range(ARRIVALS)]
    seen, faults, done = [], [], threading.Event()

    def ask():
        try:
            while not done.is_set():
                seen.append(asked(model))
        except Exception as error:
            faults.append(error)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(ARRIVALS):
        model.add_items(arriving(number))
    done.set()
    for thread in threads:
        thread.join(60)
    assert not faults
    assert len(seen) >= len(threads)
    for answers in seen:
        for place, answer in enumerate(answers):
            assert answer in [state[place] for state in right]
    assert asked(model) == right[-1]


def test_items_that_arrive_in_several_threads_all_stay(tiny, quick_switches):
    model = Pipeline(encoders={"text": Tfidf()}, recommender=Content()).fit(tiny)
    threads = [threading.Thread(target=model.add_items, args=(arriving(n),)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(model.item_ids.tolist()[30:]) == [f"new {n}" for n in range(6)]
    assert model.recommender_.item_ids_ == model.item_ids == model.features.ids


def test_items_that_cannot_be_added_leave_the_model_as_it_was(tiny, monkeypatch):
    model = Pipeline(encoders={"text": Tfidf()}, recommender=Content(), rerankers=[Diversity()])
    model.fit(tiny)
    before = asked(model)

    def broken(self, data, items=None):
        raise RuntimeError("no")

    monkeypatch.setattr(Diversity, "fit", broken)
    with pytest.raises(RuntimeError, match="no"):
        model.add_items(arriving(0))
    assert asked(model) == before


# ---- forked processes

FORK = """
import os, signal, sys
import polars as pl
import palate, palate.pipeline.artefact
from palate.core.errors import PalateError
folder, table, start, *children = sys.argv[1:]
items = pl.DataFrame({"item_id": ["new"]})
model = palate.load(folder) if start == "loaded" else None
if start == "polars":
    pl.DataFrame({"a": [2, 1]}).lazy().sort("a").group_by("a").len().collect()
asks = {
    "recommend": lambda: model.recommend(["person-3"], reasons=True),
    "score": lambda: model.score(model.known_users.histories),
    "add": lambda: model.add_items(items),
    "save": lambda: model.save(folder + "-again"),
    "load": lambda: palate.load(folder).recommend(["person-3"], reasons=True),
    "read": lambda: palate.read(table),
}
for child in children:
    if os.fork() == 0:
        signal.alarm(60)
        try:
            asks[child]()
        except PalateError as error:
            assert "forked" in str(error) and '"spawn"' in str(error), error
            os._exit(3)
        os._exit(0)
    print(child, os.waitstatus_to_exitcode(os.wait()[1]), flush=True)
"""


@pytest.fixture(scope="module")
def folder(tiny, tmp_path_factory):
    place = tmp_path_factory.mktemp("fork")
    tiny.interactions.write_parquet(place / "events.parquet")
    model = Pipeline(
        encoders={"text": Tfidf()}, recommender=Ranker(n_train_queries=200, n_estimators=5)
    )
    model.fit(tiny).save(place / "model")
    return place


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.parametrize(
    ("start", "children", "code"),
    [
        ("loaded", ["recommend", "score", "add", "save", "load", "read"], 3),
        ("polars", ["load", "read"], 3),
        ("imported", ["load", "read"], 0),
    ],
)
def test_a_forked_process_works_or_says_why_not(folder, start, children, code):
    words = [folder / "model", folder / "events.parquet", start, *children]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORK, *map(str, words)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.stdout.splitlines() == [f"{child} {code}" for child in children], done.stderr
