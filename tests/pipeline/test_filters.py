"""What may be recommended, and who asks: filters, unknown ids, many requests in one call."""

import warnings
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from palate.core import progress
from palate.core.errors import ConfigError, DataError, UnknownIdError
from palate.core.histories import histories_of, history_of_items
from palate.core.topk import rank_rows
from palate.core.types import FitContext
from palate.data.samples import synthetic
from palate.features.encoders.tfidf import Tfidf
from palate.pipeline import lists
from palate.pipeline.pipeline import Pipeline, load
from palate.recommenders.blend import Blend
from palate.recommenders.content import Content
from palate.recommenders.covisit import Covisit
from palate.recommenders.popular import Popular
from palate.recommenders.ranker import Ranker


@pytest.fixture(scope="module")
def shop():
    """30 items of years 1980 to 2009, every third in stock."""
    made = synthetic(40, 30)
    items = made.items.with_columns(
        year=pl.int_range(1980, 2010), in_stock=pl.int_range(30) % 3 == 0
    )
    return replace(made, items=items)


@pytest.fixture(scope="module")
def model(shop):
    """Only read by the tests that take it."""
    ranker = Ranker(n_estimators=5, n_train_queries=200, candidates=20, min_rows_per_leaf=5)
    return Pipeline(encoders={"text": Tfidf()}, recommender=ranker).fit(shop)


def years_of(model, table):
    items = model.data_.items
    return items["year"].gather(model.item_ids.rows(table["item_id"])).to_list()


# ---- which items


@pytest.mark.parametrize("where", [pl.col("year") > 2000, "year > 2000"])
def test_a_condition_on_the_items(model, where):
    found = model.recommend(["u07", "u03"], k=30, where=where, exclude_seen=False).table
    assert sorted(years_of(model, found)) == sorted([*range(2001, 2010)] * 2)


def test_what_is_excluded_is_never_recommended(model):
    best = model.recommend(["u07"], k=3).table["item_id"]
    left = model.recommend(["u07"], k=30, exclude=best).table["item_id"]
    assert not set(best) & set(left)
    assert len(left)


def test_all_filters_hold_at_once(model, shop):
    ids = shop.item_ids.tolist()
    found = model.recommend(
        ["u07"],
        k=30,
        candidates=ids[20:],
        exclude=ids[21:24],
        where="in_stock and year < 2009",
        exclude_seen=False,
    ).table
    assert sorted(found["item_id"]) == ["i24", "i27"]
    rows = model.recommend_histories(
        model.histories(["u07"]),
        k=30,
        candidates=np.arange(20, 30),
        exclude=np.arange(21, 24),
        where="in_stock and year < 2009",
        exclude_seen=False,
    ).table
    assert rows.equals(found)
    ranked, _ = model.rank_histories(
        model.histories(["u07"]), 5, where="in_stock", exclude=[0, 3], exclude_seen=False
    )
    assert set(ranked[0].tolist()) <= set(range(6, 30, 3))


@pytest.mark.parametrize(
    ("filters", "words"),
    [
        ({"where": "year > 3000"}, r"no item of 30 is left.*where \(fits 0 items\)"),
        ({"candidates": []}, r"no item of 30 is left.*candidates \(0 items\)"),
        (
            {"candidates": ["i01", "i02"], "where": "year > 2000"},
            r"candidates \(2 items\), where \(fits 9 items\)",
        ),
        ({"candidates": ["i01"], "exclude": ["i01"]}, r"candidates \(1 item\), exclude"),
        ({"where": pl.col("yaer") > 3}, "no column is called 'yaer'. Did you mean 'year'"),
        ({"where": "yaer > 3"}, r'^where="yaer > 3": no column is called .yaer.'),
        ({"where": pl.col("year") + 3}, "not true or false"),
        ({"exclude": "i01"}, r"exclude must be a list of ids: write \['i01'\]"),
        ({"exclude": ["i99"]}, "unknown item ids in exclude: 'i99'"),
    ],
)
def test_filters_that_cannot_be_used(model, filters, words):
    with pytest.raises(DataError, match=words):
        model.recommend(["u07"], **filters)


@pytest.mark.parametrize("recommender", [Popular(), Covisit(), Content(), Blend()])
def test_inside_a_filter_the_order_is_that_of_the_whole_list(shop, recommender):
    model = Pipeline(encoders={"text": Tfidf()}, recommender=recommender).fit(shop)
    for who in ("u07", "u11"):
        whole = model.recommend([who], k=30).table["item_id"]
        inside = model.recommend([who], k=30, where="in_stock").table["item_id"]
        stocked = set(shop.items.filter("in_stock")["item_id"])
        assert inside.to_list() == [name for name in whole if name in stocked]


# ---- the ranker chooses its candidates inside


@pytest.fixture(scope="module")
def narrow(rings, said):
    """One that orders five items a request."""
    settings = {"n_estimators": 10, "n_train_queries": 400, "candidates": 5}
    return Ranker(**settings).fit(rings, FitContext(items=said))


def test_candidates_are_chosen_among_what_is_allowed(narrow, rings):
    allowed = np.arange(1, 60, 4, dtype=np.int32)
    asking = replace(histories_of(rings), allowed=allowed)
    found = narrow._candidates(asking)
    assert found.narrow.mean() > 0.5
    left = np.where(np.isin(found.items, allowed), found.items, -1)
    assert (left[found.narrow] == found.items[found.narrow]).all()
    unseen = [len(set(allowed.tolist()) - set(asking.row(row))) for row in range(len(asking))]
    counts = (left >= 0).sum(axis=1)
    assert (counts[found.narrow] >= np.minimum(5, unseen)[found.narrow]).all()
    assert (counts >= np.minimum(3, unseen)).all()


def test_what_comes_next_is_found_in_a_filter_that_is_far_down_the_whole_list(rings, truth, said):
    """The ten items that are chosen least: their predecessors' people get them at the top."""
    rare = np.argsort(rings.item_counts, kind="stable")[3:13].astype(np.int32)
    successor = truth.successor
    before = [row for row in range(60) if successor[row] in rare]
    ranker = Ranker(n_estimators=10, n_train_queries=400, candidates=5).fit(
        rings, FitContext(items=said)
    )
    asking = history_of_items(rings.item_ids, [[rings.item_ids[row]] for row in before])
    rows, _ = rank_rows(ranker, asking, 3, candidates=rare)
    hits = (rows == successor[before][:, None]).any(axis=1).mean()
    covisit = Covisit().fit(rings)
    expected, _ = rank_rows(covisit, asking, 3, candidates=rare)
    assert hits >= (expected == successor[before][:, None]).any(axis=1).mean()


@pytest.mark.parametrize("settings", [{"candidates": 60}, {"candidates": 20}])
def test_a_wide_filter_keeps_the_order_of_the_whole_list(rings, said, settings):
    """So does any filter where every item was scored in full."""
    ranker = Ranker(n_estimators=10, n_train_queries=400, **settings).fit(
        rings, FitContext(items=said)
    )
    asking = histories_of(rings)
    whole, _ = rank_rows(ranker, asking, 60)
    step = 7 if settings["candidates"] == 60 else 1
    allowed = np.setdiff1d(np.arange(0, 60, step), [14, 49]).astype(np.int32)
    inside, _ = rank_rows(ranker, asking, 60, candidates=allowed)
    for row in range(len(asking)):
        wanted = [item for item in whole[row].tolist() if item in allowed]
        assert [item for item in inside[row].tolist() if item >= 0] == wanted


def test_requests_do_not_change_each_other_inside_a_filter(narrow, rings):
    asking, allowed = histories_of(rings), np.arange(0, 60, 3, dtype=np.int32)
    together, scores = rank_rows(narrow, asking, 8, candidates=allowed)
    for row in range(0, len(asking), 10):
        alone = rank_rows(narrow, asking.take(np.array([row])), 8, candidates=allowed)
        np.testing.assert_array_equal(alone[0][0], together[row])
        np.testing.assert_array_equal(alone[1][0], scores[row])


# ---- ids that nobody knows


def test_unknown_people_are_skipped_and_counted(model):
    with pytest.warns(RuntimeWarning, match="unknown ids were skipped: 'x', 'y'"):
        found = model.recommend(["x", "u07", "y"], k=3, unknown="skip")
    assert found.table.equals(model.recommend(["u07"], k=3).table)
    assert found.skipped == ("x", "y")


def test_unknown_items_are_skipped_and_counted(model):
    with pytest.warns(RuntimeWarning, match=r"'i77', 'i99', 'i88'"):
        found = model.recommend(
            history=["i00", "i77", "i04"],
            candidates=["i20", "i99", "i02"],
            exclude=["i88"],
            unknown="skip",
        )
    wanted = model.recommend(history=["i00", "i04"], candidates=["i20", "i02"])
    assert found.table.equals(wanted.table)
    assert found.skipped == ("i77", "i99", "i88")


def test_where_all_is_known_nothing_is_said(model):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = model.recommend(["u07"], unknown="skip")
    assert found.skipped == ()


def test_by_default_unknown_ids_are_an_error(model):
    with pytest.raises(UnknownIdError, match="'x'"):
        model.recommend(["x", "u07"])
    with pytest.raises(ConfigError, match=r"unknown = 'skipp'.*Did you mean 'skip'"):
        model.recommend(["u07"], unknown="skipp")


# ---- many requests at once


def test_several_histories_are_as_many_lists(model):
    both = model.recommend(history=[["i00", "i04"], ["i09"]], k=3).table
    assert both["user_id"].to_list() == ["request 0"] * 3 + ["request 1"] * 3
    for number, history in enumerate((["i00", "i04"], ["i09"])):
        alone = model.recommend(history=history, k=3).table
        part = both.filter(user_id=f"request {number}")
        assert part.drop("user_id").equals(alone.drop("user_id"))


def test_several_texts_are_as_many_lists(model, shop):
    texts = [shop.items["title"][row][:-4] for row in (0, 9)]
    both = model.recommend(text=texts, k=3).table
    for number, text in enumerate(texts):
        alone = model.recommend(text=text, k=3).table
        part = both.filter(user_id=f"request {number}")
        assert part.drop("user_id").equals(alone.drop("user_id"))


def test_known_people_may_say_something(model, shop):
    wish = shop.items["title"][0][:-4]
    found = model.recommend(["u07", "u03"], text=wish, k=3).table
    assert found["user_id"].to_list() == ["u07"] * 3 + ["u03"] * 3
    assert not found.equals(model.recommend(["u07", "u03"], k=3).table)
    other = shop.items["title"][9][:-4]
    each = model.recommend(["u07", "u03"], text=[wish, other], k=3).table
    assert each.filter(user_id="u07").equals(found.filter(user_id="u07"))
    with pytest.warns(RuntimeWarning, match="'x'"):
        skipped = model.recommend(["x", "u03"], text=[wish, other], k=3, unknown="skip").table
    assert skipped.equals(each.filter(user_id="u03"))


def test_one_history_with_several_texts(model, shop):
    texts = [shop.items["title"][row][:-4] for row in (0, 9)]
    both = model.recommend(history=["i04"], text=texts, k=3).table
    alone = model.recommend(history=["i04"], text=texts[1], k=3).table
    assert both.filter(user_id="request 1").drop("user_id").equals(alone.drop("user_id"))


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ({"history": [["i00"], ["i04"]], "text": ["a", "b", "c"]}, "3 texts for 2 requests"),
        ({"user_ids": ["u07"], "text": ["a", "b"]}, "2 texts for 1 request"),
        ({"history": ["i00", ["i04"]]}, "both ids and lists"),
        ({"text": ["tea", ""]}, "says nothing"),
        ({"text": []}, "0 texts for 1 requests"),
        ({"history": [["i00"], [3]]}, "history must be texts"),
    ],
)
def test_lists_that_do_not_fit(model, request_, words):
    with pytest.raises(DataError, match=words):
        model.recommend(**request_)


def test_a_loaded_model_filters_alike(model, tmp_path):
    loaded = load(model.save(tmp_path / "model"))
    asked = {"where": "year > 1990", "exclude": ["i20"], "k": 5}
    found = loaded.recommend(["u07", "u03"], **asked).table
    assert found.equals(model.recommend(["u07", "u03"], **asked).table)


# ---- everybody's lists in a file


@pytest.mark.parametrize("suffix", ["parquet", "csv", "jsonl", "ndjson"])
def test_everybodys_lists_as_they_come(model, shop, tmp_path, monkeypatch, suffix):
    wanted = model.recommend(shop.user_ids.series, k=3, where="in_stock").table
    monkeypatch.setattr(lists, "_WRITTEN_LINES", 3 * 7)  # seven people at a time
    told, done = [], []
    asked = Pipeline.recommend_histories
    monkeypatch.setattr(
        Pipeline,
        "recommend_histories",
        lambda self, part, **others: told.append(len(part)) or asked(self, part, **others),
    )

    class Watched:
        def start(self, label, total, unit):
            done.append((label, total, unit))
            return done.append

        def stop(self, label, *, finished):
            assert finished

    with progress.watch(Watched()):
        written = model.write_recommendations(tmp_path / f"a.{suffix}", k=3, where="in_stock")
    assert told == [7] * 5 + [5]
    assert done[0] == ("recommending", 40, "people")
    assert sum(done[1:]) == 40
    assert (written.users, written.lines) == (40, len(wanted))
    read = {"parquet": pl.read_parquet, "csv": pl.read_csv}.get(suffix, pl.read_ndjson)
    found = read(written.path)
    assert found.columns == wanted.columns
    assert found.drop("score").cast({"rank": pl.Int32}).equals(wanted.drop("score"))
    np.testing.assert_allclose(found["score"], wanted["score"], rtol=1e-6)


def test_some_people_and_nobody(model, tmp_path):
    with pytest.warns(RuntimeWarning, match="'x'"):
        written = model.write_recommendations(
            tmp_path / "a.parquet", ["u03", "x"], k=2, reasons=True, unknown="skip"
        )
    wanted = model.recommend(["u03"], k=2, reasons=True).table
    assert pl.read_parquet(written.path).equals(wanted)
    nobody = model.write_recommendations(tmp_path / "b.parquet", [])
    assert nobody.lines == 0
    assert pl.read_parquet(nobody.path).columns == ["user_id", "item_id", "score", "rank"]


def test_files_that_cannot_be_written(model, tmp_path):
    for path, words in (
        ("a.xlsx", "suffix says no format"),
        ("a", "suffix"),
        (3, "must be a path"),
    ):
        with pytest.raises(ConfigError, match=words):
            model.write_recommendations(path if path == 3 else tmp_path / path)
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(DataError, match="is a folder"):
        model.write_recommendations(tmp_path / "folder.csv")
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="could not be written"):
        model.write_recommendations(tmp_path / "file" / "a.csv")


def test_what_fails_leaves_the_file_and_nothing_beside_it(model, tmp_path, monkeypatch):
    for suffix in ("csv", "parquet"):
        (tmp_path / f"a.{suffix}").write_text("before")
    monkeypatch.setattr(lists, "_WRITTEN_LINES", 10)
    asked = Pipeline.recommend_histories

    def once(self, part, **others):
        if "u20" in part.user_ids:
            raise KeyboardInterrupt
        return asked(self, part, **others)

    monkeypatch.setattr(Pipeline, "recommend_histories", once)
    for suffix in ("csv", "parquet"):
        with pytest.raises(KeyboardInterrupt):
            model.write_recommendations(tmp_path / f"a.{suffix}")
        assert (tmp_path / f"a.{suffix}").read_text() == "before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "a.parquet"]


# ---- items that are withdrawn


def test_withdrawn_items_are_in_no_list_and_speak_for_others(shop, tmp_path):
    model = Pipeline(encoders={"text": Tfidf()}, recommender=Covisit()).fit(shop)
    before = model.recommend(["u07"], k=30).table
    best = before["item_id"][0]
    model.remove_items([best, "i29"])
    wanted = before.filter(~pl.col("item_id").is_in([best, "i29"]))
    for one in (model, load(model.save(tmp_path / "model"))):
        found = one.recommend(["u07"], k=30).table
        assert found.select("item_id", "score").equals(wanted.select("item_id", "score"))
        everything = one.recommend(history=[best], k=30, exclude_seen=False).table["item_id"]
        assert len(everything) == 28
        ranked, _ = one.rank_histories(one.histories(["u07"]), 30, exclude_seen=False)
        assert best not in one.item_ids.series.gather(ranked[ranked >= 0])
        assert best not in one.similar("i00", k=30).table["similar_id"]
        assert len(one.similar(best).table)
        assert not len(one.top_users(best).table)
        written = one.write_recommendations(tmp_path / "lists.parquet", k=30)
        assert best not in pl.read_parquet(written.path)["item_id"]
    model.restore_items([best])
    model.restore_items(["i29"])
    assert model.recommend(["u07"], k=30).table.equals(before)


def test_withdrawn_items_stay_so_when_others_arrive(shop):
    model = Pipeline(encoders={"text": Tfidf()}, recommender=Covisit()).fit(shop)
    model.remove_items(["i03"])
    model.add_items(pl.DataFrame({"item_id": ["new"], "title": ["new"]}))
    found = model.recommend(history=["i00"], k=99).table["item_id"]
    assert "new" in found
    assert "i03" not in found
    with pytest.raises(UnknownIdError, match="'i99'"):
        model.remove_items(["i99"])
    with pytest.raises(DataError, match=r"no item of 31 is left.*remove_items \(31 items\)"):
        model.remove_items(model.item_ids.tolist()).recommend(["u07"])
