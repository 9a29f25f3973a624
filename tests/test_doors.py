"""What is no path, no model, no split: every public function says so in palate's own errors."""

from functools import partial

import pytest

import palate
from palate.core.errors import PalateError
from palate.features.encoders.tfidf import Tfidf
from palate.pipeline.config import read_config
from palate.pipeline.pipeline import Pipeline
from palate.recommenders.covisit import Covisit

SILLY = {
    "none": None,
    "zero": "\0",
    "number": 3,
    "bytes": b"x",
    "nothing": b"",
    "list": [],
    "half a letter": "\ud800",
    "halves": ["\ud800"],
    "nobody": [None],
    "object": object(),
    "class": dict,
    "number of numbers": float("nan"),
}
PATHS = {"a folder": "folder", "a file": "file.bin", "nowhere": "no/where"}


@pytest.fixture(scope="module")
def model(tiny):
    return Pipeline(encoders={"text": Tfidf()}, recommender=Covisit()).fit(tiny)


@pytest.fixture(scope="module")
def split(tiny):
    return palate.split_by_time(tiny)


@pytest.fixture
def given(tmp_path, monkeypatch):
    """`given(name)` is a silly argument, or the path of something of another kind."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "file.bin").write_bytes(b"\x00\xff[[[")

    def given(name):
        return SILLY[name] if name in SILLY else tmp_path / PATHS[name]

    return given


def _evaluated(model, split):
    return palate.evaluate(model, split, resamples=10)


DOORS = {
    "read": lambda it, **_: palate.read(it),
    "read items": lambda it, tiny, **_: palate.read(tiny.interactions, it or 7),
    "load": lambda it, **_: palate.load(it),
    "read_config": lambda it, **_: read_config(it),
    "read_features": lambda it, **_: palate.read_features(it),
    "encode_table": lambda it, **_: palate.encode_table(it, Tfidf(), "vectors"),
    "encode_table out": lambda it, **_: palate.encode_table("file.bin", Tfidf(), it or 7),
    "encode_table encoder": lambda it, **_: palate.encode_table("file.bin", it, "vectors"),
    "distill": lambda it, **_: palate.distill(it, model="minilm", out="student"),
    "distill model": lambda it, **_: palate.distill(["a"], model=it, out="student"),
    "evaluate model": lambda it, split, **_: _evaluated(it, split),
    "evaluate split": lambda it, model, **_: _evaluated(model, it),
    "compare": lambda it, split, **_: palate.compare(it, split),
    "compare one": lambda it, split, **_: palate.compare({"a": it}, split),
    "split_by_time": lambda it, **_: palate.split_by_time(it),
    "split_leave_last_out": lambda it, **_: palate.split_leave_last_out(it),
    "split_cold_items": lambda it, **_: palate.split_cold_items(it),
    "split_given": lambda it, tiny, **_: palate.split_given(it, tiny),
    "split_given test": lambda it, tiny, **_: palate.split_given(tiny, it),
    "fit": lambda it, **_: Pipeline().fit(it),
    "score": lambda it, model, **_: model.score(it),
    "rank_histories": lambda it, model, **_: model.rank_histories(it, 5),
    "rank_histories k": lambda it, model, **_: model.rank_histories(
        _asking(model), it if it != 3 else -3
    ),
    "recommend": lambda it, model, **_: model.recommend(it),
    "recommend history": lambda it, model, **_: model.recommend(history=it or [None]),
    "recommend text": lambda it, model, **_: model.recommend(text=it),
    "recommend k": lambda it, model, **_: model.recommend(["person-3"], k=it if it != 3 else -3),
    "recommend candidates": lambda it, model, **_: model.recommend(
        ["person-3"], candidates=it or [None]
    ),
    "recommend exclude": lambda it, model, **_: model.recommend(["person-3"], exclude=it or [None]),
    "recommend where": lambda it, model, **_: model.recommend(["person-3"], where=it or 7),
    "recommend unknown": lambda it, model, **_: model.recommend(["person-3"], unknown=it),
    "recommend_histories": lambda it, model, **_: model.recommend_histories(it),
    "histories": lambda it, model, **_: model.histories(it),
    "queries": lambda it, model, **_: model.queries(it or [None]),
    "top_users": lambda it, model, **_: model.top_users(it),
    "top_users k": lambda it, model, **_: model.top_users("tea-1", k=it if it != 3 else -3),
    "add_items": lambda it, model, **_: model.add_items(it),
    "save": lambda it, model, **_: model.save(it if it != 3 else 4),
    "write_report model": lambda it, split, **_: palate.write_report(
        "r.html", model=it, comparison=None, split=split
    ),
    "write_report split": lambda it, model, **_: palate.write_report(
        "r.html", model=model, comparison=None, split=it
    ),
}
GOOD = {  # what is right here, or nothing that is asked for
    *(("recommend", name) for name in ("list",)),
    *(("histories", name) for name in ("list",)),
    ("recommend text", "zero"),
    *((door, name) for door in ("save",) for name in ("a folder", "nowhere")),
}


def _asking(model):
    return model.histories(["person-3"])


def _answer(enter, it):
    """What was raised, or "accepted"; of any kind, since each shall be listed."""
    try:
        enter(it)
    except Exception as error:
        return error
    return "accepted"


@pytest.mark.filterwarnings("ignore:nothing in this catalogue understands")
@pytest.mark.parametrize("door", DOORS)
def test_what_is_silly_is_refused_in_palates_own_words(door, given, model, split, tiny):
    right = {name: "accepted" for other, name in GOOD if other == door}
    enter = partial(DOORS[door], model=model, split=split, tiny=tiny)
    answers = {name: _answer(enter, given(name)) for name in [*SILLY, *PATHS]}
    refused = {name for name, answer in answers.items() if isinstance(answer, PalateError)}
    assert {name: answers[name] for name in answers if name not in refused} == right


def test_ids_that_nobody_can_write_down(model):
    with pytest.raises(PalateError, match="Unicode"):
        model.recommend(history=["tea-1", "\ud800"])
    with pytest.raises(PalateError, match="Unicode"):
        model.recommend(["person-3"], candidates=["tea-1", "a\udfff"])
    with pytest.raises(PalateError, match="Unicode"):
        model.top_users("\ud800")
