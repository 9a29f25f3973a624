"""Every public function and method, with each argument in turn something silly."""

import copy
import datetime
import inspect
import warnings
from dataclasses import fields

import numpy as np
import polars as pl
import pytest

import palate
from palate.core.errors import PalateError

HOSTILE = "\x1b[2J\u202eevil\x9b"
SILLY = {
    "none": None,
    "truth": True,
    "negative": -1,
    "huge": 10**30,
    "huge below": -(10**30),
    "nan": float("nan"),
    "infinity": float("inf"),
    "empty": "",
    "hostile": HOSTILE,
    "zero": "a\0b",
    "half a letter": "\ud800",
    "bytes": b"x",
    "nothing": [],
    "nested": [[[]]],
    "list of none": [None],
    "list of nan": [float("nan")],
    "list of hostile": [HOSTILE],
    "table of none": {"a": None},
    "table of numbers": {1: 2},
    "hostile table": {HOSTILE: HOSTILE},
    "object": object(),
    "array": np.zeros((2, 2)),
    "one number": np.array(3),
    "frame": pl.DataFrame({"a": [1]}),
    "series": pl.Series([1, 2]),
    "set": {1},
    "complex": 1j,
    "date": datetime.date(2024, 5, 6),
}
VERBS = ("fit", "encode", "transform", "score", "add_items", "rerank")
HISTORIES = ("take", "last", "without_last", "row", "newest", "matrix", "in_catalogue")
PIPELINE = (
    *("fit", "score", "rank_histories", "recommend", "recommend_histories", "histories"),
    *("queries", "add_items", "add_events", "with_events", "remove_users", "top_users", "save"),
)
COMPONENTS = {
    palate.Graph: {"triples": "triples.tsv", "links": "links.tsv"},
    palate.Precomputed: {"path": "vectors.parquet"},
    palate.WordVectors: {"path": "words.txt"},
    palate.Topics: {"n_topics": 3, "encoder": {"type": "tfidf"}},
    palate.Weighted: {"weights": {"vectors": 1.0}},
    palate.Reduce: {"dim": 2},
    palate.Ranker: {"n_estimators": 2},
}
UNFITTED = ("Transformer", "Static", "Causal", "Image", "Audio", "Sentiment", "Reviews")
"""Encoders that want a model, an extra or texts of people; their verbs are made as the others'."""


@pytest.fixture(scope="module")
def world(tiny, tmp_path_factory):
    """Right arguments by the name of the parameter, and models that may be asked."""
    place = tmp_path_factory.mktemp("doors")
    (place / "triples.tsv").write_text("tea-1\tsold by\tshop\nshop\tin\ttown\n")
    (place / "links.tsv").write_text("tea-1\ttea-1\n")
    (place / "words.txt").write_text("tea 1 2\njazz 2 -1\n")
    ids = tiny.item_ids
    numbers = np.random.default_rng(0).normal(size=(len(ids), 4)).astype(np.float32)
    table = pl.DataFrame({"item_id": ids.tolist(), "vectors": numbers.tolist()})
    table.write_parquet(place / "vectors.parquet")
    split = palate.split_by_time(tiny)
    blank = palate.Pipeline(encoders={"text": palate.Tfidf()}, recommender=palate.Covisit())
    model, trained = copy.deepcopy(blank).fit(tiny), copy.deepcopy(blank).fit(split.train)
    asking = model.histories(["person-3", "person-4"])
    features = palate.Features(ids, {"vectors": numbers})
    right = {
        **{"data": tiny, "train": tiny, "test": tiny, "source": tiny, "split": split},
        **{"interactions": tiny.interactions, "model": trained, "models": {"mine": trained}},
        **{"pipeline": palate.Pipeline(encoders={"a": palate.Tfidf()}), "texts": ["tea"]},
        **{"histories": asking, "items": features, "features": features, "other": features},
        **{"item_id": "tea-1", "k": 3, "resamples": 5},
        **{"triples": place / "triples.tsv", "links": place / "links.tsv"},
        **{"path": place / "vectors.parquet", "folder": place / "model", "out": place / "made"},
        **{"ids": ids, "values": ["a"], "parts": dict(features.parts), "rows": np.array([0])},
        **{"row": 0, "length": 2, "item_ids": ids, "names": ["vectors"], "comparison": None},
        **{"context": palate.FitContext(items=features), "queries": numbers[:2]},
        **{"recommendations": model.recommend_histories(asking)},
        **{"table": tiny.items, "X": tiny.items, "y": None, "encoder": palate.Tfidf()},
    }
    return place, right, model, features


def _arrived(features):
    parts = {name: part[:1] for name, part in features.parts.items()}
    return palate.Features(palate.Ids(["new"]), parts)


def _settings(one):
    return {entry.name: getattr(one, entry.name) for entry in fields(one)}


def _functions(world):
    """(name, function, right arguments other than those of `world`)."""
    _, right, model, features = world
    catalogue = {"items": right["data"].items}
    index = palate.QuantizedIndex.of(features.values)
    yield "QuantizedIndex.of", palate.QuantizedIndex.of, {"values": features.values, "rows": None}
    yield "QuantizedIndex.search", index.search, {}
    own = {
        "Histories": _settings(right["histories"]),
        "Split": _settings(right["split"]),
        "Recommendations": {"table": right["recommendations"].table},
        "user_views": {"queries": None},
        "user_features": {"queries": None},
        **{name: catalogue for name in ("Dataset", "read", "split_given")},
    }
    for name in palate.__all__:
        thing = getattr(palate, name)
        if callable(thing) and name not in ("distill", "PalateError", "QuantizedIndex"):
            yield name, thing, own.get(name) or COMPONENTS.get(thing, {})
    for name in HISTORIES:
        yield f"Histories.{name}", getattr(right["histories"], name), {}
    for name in ("take", "select", "with_parts", "beside", "below"):
        yield f"Features.{name}", getattr(features, name), {}
    for name in PIPELINE:
        given = {"items": pl.DataFrame({"item_id": ["new"], "title": ["red tea"]})}
        given |= {"user_ids": ["person-3"], "history": None, "text": None, "candidates": None}
        given |= {"events": right["data"].interactions[:3]}
        yield f"Pipeline.{name}", _anew(model, name), given


def _anew(component, verb):
    """The method of a copy, so that nothing done by one call is there for the next."""
    own = inspect.signature(getattr(component, verb))

    def call(*given, **arguments):
        return getattr(copy.copy(component), verb)(*given, **arguments)

    call.__signature__ = own
    return call


def _verbs(world):
    _, right, _, features = world
    for name in palate.__all__:
        cls = getattr(palate, name)
        if not inspect.isclass(cls) or not hasattr(cls, "fit") or name in (*UNFITTED, "Pipeline"):
            continue
        component = cls(**COMPONENTS.get(cls, {}))
        wanted = inspect.signature(component.fit).parameters
        component.fit(**{key: right[key] for key in wanted})
        for verb in VERBS:
            if hasattr(component, verb):
                given = {"items": _arrived(features)} if verb == "add_items" else {}
                yield f"{name}.{verb}", _anew(component, verb), given


def _raw(function, right, arguments):
    """What else than palate's own errors leaves a function, by argument and what it was given."""
    wanted = inspect.signature(function).parameters.values()
    known = {**right, **arguments}
    base = {entry.name: known[entry.name] for entry in wanted if entry.name in known}
    for entry in wanted:
        if entry.kind is entry.VAR_KEYWORD:
            continue
        for silly, value in SILLY.items():
            try:
                repr(function(**base | {entry.name: value}))
            except PalateError as error:
                if any(sign in str(error) for sign in ("\x1b", "\u202e", "\x9b", "\0")):
                    yield entry.name, silly, "control characters"
            except Exception as error:
                yield entry.name, silly, repr(error)[:100]


@pytest.mark.parametrize("doors", [_functions, _verbs])
def test_nothing_but_palates_own_errors_leaves_a_public_door(doors, world, monkeypatch):
    monkeypatch.chdir(world[0])
    warnings.simplefilter("ignore")
    found = {name: list(_raw(door, world[1], given)) for name, door, given in doors(world)}
    assert len(found) > 40
    assert [f"{name}: {raw}" for name, raw in found.items() if raw] == []


def test_what_is_refused_says_what_belongs_there(tiny):
    with pytest.raises(palate.PalateError, match=r"data must be a Dataset, not 3: palate\.read"):
        palate.Tfidf().fit(3)
    with pytest.raises(palate.PalateError, match=r"fit\(split\.train\)"):
        palate.Popular().fit(palate.split_by_time(tiny))
    with pytest.raises(palate.PalateError, match=r"tell=None: it must be a function"):
        palate.read(tiny.interactions, tell=None)
    with pytest.raises(palate.PalateError, match=r"exclude_seen=\[1\]: it must be True or False"):
        palate.split_by_time(tiny, exclude_seen=[1])


@pytest.mark.parametrize("doors", [_functions, _verbs])
def test_every_public_door_knows_what_it_may_be_given(doors, world, monkeypatch):
    monkeypatch.chdir(world[0])
    odd = {}
    for name, door, given in doors(world):
        known = {**world[1], **given}
        wanted = inspect.signature(door).parameters.values()
        base = {entry.name: known[entry.name] for entry in wanted if entry.name in known}
        if any(entry.kind is entry.VAR_KEYWORD for entry in wanted):
            continue
        for unnamed, named in (((), base | {"nonsense": 1}), (range(40), {})):
            try:
                door(*unnamed, **named)
            except PalateError as error:
                if "nonsense" not in str(error) and "name" not in str(error):
                    odd[name] = str(error)
            except Exception as error:
                odd[name] = repr(error)
    assert odd == {}


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        *(("among", "candidates"), ("where_", "where"), ("top", "k"), ("n", "k"), ("top_k", "k")),
        *(("filter", "where"), ("items", "candidates"), ("users", "user_ids"), ("wish", "text")),
        *(("exclude_sen", "exclude_seen"), ("explain", "reasons"), ("session", "history")),
    ],
)
def test_an_argument_by_another_name_is_answered_with_the_right_one(wrong, right, world):
    model = world[2]
    for ask in (model.recommend, palate.Pipeline.recommend):
        with pytest.raises(
            PalateError, match=rf"recommend has no argument '{wrong}'\. .*'{right}'"
        ):
            ask(**{wrong: 1})


def test_arguments_that_lack_or_are_too_many_are_said(world):
    model, tiny = world[2], world[1]["data"]
    with pytest.raises(
        PalateError, match=r"recommend takes only user_ids without a name.*history="
    ):
        model.recommend(["person-3"], 5)
    with pytest.raises(PalateError, match=r"read needs interactions: give interactions="):
        palate.read()
    with pytest.raises(PalateError, match=r"split_by_time was given data twice"):
        palate.split_by_time(tiny, data=tiny)
    with pytest.raises(PalateError, match=r"Tfidf takes settings by their names alone: write"):
        palate.Tfidf("{title}")
