from dataclasses import dataclass, field, fields, is_dataclass, replace

import numpy as np
import polars as pl
import pytest

from palate.core import progress
from palate.core.errors import AlignmentError, ConfigError, DataError, NotFittedError
from palate.core.features import Features
from palate.core.split import Split
from palate.data.samples import synthetic
from palate.data.split import split_by_time
from palate.evaluation.compare import Ranked, compare, evaluate, unless_refused
from palate.evaluation.metrics.chance import chance
from palate.evaluation.metrics.ranking import ranking_metrics
from palate.evaluation.significance import paired_bootstrap
from palate.features.encoders.tfidf import Tfidf
from palate.pipeline.pipeline import Pipeline
from palate.recommenders.content import Content
from palate.recommenders.rerankers.diversity import Diversity

USERS, N_ITEMS = 12, 40


@dataclass
class Noise:
    """Random scores, the same for the same history, lifted for some items."""

    seed: int
    lifted: tuple[int, ...] = ()

    def score(self, histories):
        rows = []
        for row in range(len(histories)):
            seed = [self.seed, *histories.row(row).tolist()]
            rows.append(np.random.default_rng(seed).random(len(histories.item_ids)))
        scores = np.array(rows, dtype=np.float32).reshape(len(histories), -1)
        scores[:, list(self.lifted)] += 2
        return scores


@dataclass
class Knowing:
    """Has read the answers: a synthetic best recommender."""

    split: Split
    share: float = 1.0

    def score(self, histories):
        answer_of = {}
        sealed, asked = self.split.sealed, self.split.histories
        for row in range(len(asked)):
            answer_of[tuple(asked.row(row).tolist())] = sealed.items[sealed.starts[row]]
        scores = Noise(1).score(histories)
        for row in range(len(histories)):
            if scores[row, 0] < self.share:
                scores[row, answer_of[tuple(histories.row(row).tolist())]] = 5
        return scores


@dataclass
class Peeking:
    """Looks behind the end of each history in the shared arrays."""

    def score(self, histories):
        scores = np.zeros((len(histories), len(histories.item_ids)), dtype=np.float32)
        inside = histories.stops < len(histories.items)
        behind = histories.items[histories.stops[inside]]
        scores[np.flatnonzero(inside), behind] = 1
        return scores


@dataclass
class Watching(Noise):
    """Keeps what it is given."""

    given: list = field(default_factory=list)

    def score(self, histories):
        self.given.append(histories)
        return super().score(histories)


def arrays_in(thing):
    """Every array that can be reached from an object."""
    if isinstance(thing, np.ndarray):
        return [thing, *arrays_in(thing.base)]
    if is_dataclass(thing):
        return [found for entry in fields(thing) for found in arrays_in(getattr(thing, entry.name))]
    if isinstance(thing, dict):
        return [found for value in thing.values() for found in arrays_in(value)]
    return []


def test_a_model_cannot_reach_the_answers(rolling, monkeypatch):
    monkeypatch.setattr("palate.evaluation.compare.CHUNK_CELLS", 7 * N_ITEMS)
    model = Watching(0)
    compare({"model": model}, rolling)
    assert sum(map(len, model.given)) == len(rolling.histories)
    for histories in model.given:
        assert len(histories) <= 7
        assert len(histories.items) == histories.lengths.sum()
        assert len(histories.times) == len(histories.weights) == len(histories.items)
        for array in arrays_in(histories):
            assert not np.shares_memory(array, rolling.sealed.items)
            assert not np.shares_memory(array, rolling.histories.times)


def test_looking_behind_a_history_finds_nothing(rolling):
    shared = np.arange(len(rolling.histories.items))
    assert np.isin(rolling.histories.stops, shared).all()  # the answers are there to be read
    assert evaluate(Peeking(), rolling)["recall@10"] < 0.5


def test_the_past_is_handed_over_unchanged(rolling):
    model = Watching(0)
    compare({"model": model}, rolling)
    (given,) = model.given
    for row in range(len(given)):
        assert given.row(row).tolist() == rolling.histories.row(row).tolist()
    assert given.user_ids.to_list() == rolling.histories.user_ids.to_list()


def test_means_are_those_of_the_ranked_lists(rolling):
    found = compare({"noise": Noise(3)}, rolling, ks=(5, 10), metrics=("ndcg", "mrr"))
    ranked = Ranked.of(Noise(3), rolling, 10)
    wanted = ranking_metrics(ranked.rows, rolling.sealed, (5, 10), ("ndcg", "mrr"))
    assert found.metrics == ("ndcg@5", "ndcg@10", "mrr@5", "mrr@10")
    for name, values in wanted.items():
        assert found.cell("noise", name).interval.mean == pytest.approx(values.mean())
        np.testing.assert_array_equal(found.rows["noise"].values["all"][name], values)
    np.testing.assert_array_equal(found.rows["noise"].rows, ranked.rows)


def test_a_person_slice_is_a_part_of_the_requests(rolling):
    found = compare({"noise": Noise(3)}, rolling)
    values = found.rows["noise"].values
    short = rolling.histories.lengths <= 5
    np.testing.assert_array_equal(
        values["short_history"]["ndcg@10"], values["all"]["ndcg@10"][short]
    )
    assert found.slices["short_history"].requests == short.sum()
    assert found.slices["short_history"].users == USERS


def test_an_item_slice_counts_its_answers_in_the_whole_ranking(made_split):
    # cyd is to touch f (new) and a; c stands first, f second
    rows = np.array([[0], [4], [0], [2]], dtype=np.int32)
    rows = np.hstack([rows, [[2], [5], [1], [5]]]).astype(np.int32)
    found = compare({"ranked": Ranked(rows)}, made_split, ks=(2,), metrics=("ndcg", "recall"))
    new = found.rows["ranked"].values["cold_items"]
    np.testing.assert_allclose(new["recall@2"], [1, 1])  # bob → e, cyd → f
    np.testing.assert_allclose(new["ndcg@2"], [1, 1 / np.log2(3)])
    everything = found.rows["ranked"].values["all"]["recall@2"]
    np.testing.assert_allclose(everything, [1 / 2, 1, 1, 1 / 2])
    assert found.masked_answers == 1


def test_ranked_lists_and_their_model_say_the_same(rolling):
    found = compare({"model": Noise(3), "ranked": Ranked.of(Noise(3), rolling, 10)}, rolling)
    first, second = found.table.drop("recommender").rows()
    assert first == second


def test_the_split_says_whether_the_seen_is_masked(rolling):
    masked, free = (
        Ranked.of(Noise(3), replace(rolling, exclude_seen=seen), 40).rows for seen in (True, False)
    )
    for row in range(len(rolling.histories)):
        assert not np.isin(rolling.histories.row(row), masked[row]).any()
    assert (masked == -1).any()
    assert not (free == -1).any()


def test_a_planted_best_recommender_is_found(rolling):
    models = {"noise": Noise(3), "same": Noise(3), "knowing": Knowing(rolling, share=0.7)}
    found = compare(models, rolling, reference="noise")
    same, knowing = (found.cell(name, "ndcg@10").difference for name in ("same", "knowing"))
    assert (same.mean, same.low, same.high, same.significant) == (0.0, 0.0, 0.0, False)
    assert knowing.significant
    assert found.cell("noise", "ndcg@10").difference is None
    values = [found.rows[name].values["all"]["ndcg@10"] for name in ("knowing", "noise")]
    alone = paired_bootstrap(*values, rolling.histories.user_ids)
    assert (knowing.low, knowing.high, knowing.p) == pytest.approx((alone.low, alone.high, alone.p))


def test_chance_is_given_for_every_slice(rolling):
    found = compare({"noise": Noise(3)}, rolling, ks=(5, 10))
    for name, size in found.slices.items():
        if size.requests:
            assert found.chance[name]["ndcg@10"] == chance(rolling, 10, within=name)["ndcg@10"]
    assert set(found.chance["all"]) == {"ndcg@5", "recall@5", "ndcg@10", "recall@10"}


def test_the_same_input_gives_the_same_table(rolling):
    tables = [
        compare({"a": Noise(3), "b": Noise(4)}, rolling, reference="a", seed=seed).table
        for seed in (0, 0, 1)
    ]
    assert tables[0].equals(tables[1])
    assert not tables[0].equals(tables[2])


def test_diversity_is_measured_on_the_features_of_the_first_model_that_has_any(rolling):
    alike = Features(rolling.train.item_ids, {"x": np.ones((N_ITEMS, 2))})
    unlike = Features(rolling.train.item_ids, {"x": np.eye(N_ITEMS)})
    model = Noise(4)
    model.features = alike
    models = {"plain": Noise(3), "content": model}
    assert compare(models, rolling).table["diversity"].to_list() == pytest.approx([0, 0], abs=1e-6)
    found = compare(models, rolling, items=unlike)
    assert found.table["diversity"].to_list() == pytest.approx([1, 1])
    assert "gini" not in compare(models, rolling, beyond=False).table.columns


def test_evaluate_names_the_row_and_tests_against_the_baseline(rolling):
    alone = evaluate(Noise(3), rolling)
    assert alone.name == "Noise"
    assert alone["ndcg@10"] == alone.table["ndcg@10"][0]
    against = evaluate(Knowing(rolling), rolling, baseline=Noise(3), name="mine")
    assert against.table["recommender"].to_list() == ["mine", "baseline"]
    assert against.cell("mine", "ndcg@10").difference.significant
    with pytest.raises(ConfigError, match="other one's name"):
        evaluate(Noise(3), rolling, name="baseline")


# ---- pipelines


@pytest.fixture(scope="module")
def shop_split():
    """Rolling histories: some people are asked about several of their events."""
    split = split_by_time(synthetic(40, 30), test=0.3)
    assert split.histories.user_ids.n_unique() < len(split.histories)
    return split


def pipeline(**settings):
    return Pipeline(
        encoders={"text": Tfidf(template="{title}. {description}")},
        recommender=Content(),
        **settings,
    )


@pytest.mark.parametrize("exclude_seen", [True, False])
def test_what_is_measured_is_what_a_pipeline_shows(shop_split, exclude_seen):
    split = replace(shop_split, exclude_seen=exclude_seen)
    mixed = pipeline(rerankers=[Diversity(weight=0.8)]).fit(split.train)
    plain = pipeline().fit(split.train)
    rows = compare({"mixed": mixed, "plain": plain}, split, beyond=False).rows
    assert not np.array_equal(rows["mixed"].rows, rows["plain"].rows)
    for name, model in (("mixed", mixed), ("plain", plain)):
        for row in range(len(split.histories)):
            alone = split.histories.take(slice(row, row + 1))
            shown = model.recommend_histories(alone, k=10, exclude_seen=exclude_seen)
            wanted = model.item_ids.rows(shown.table["item_id"]).tolist()
            assert rows[name].rows[row].tolist() == [*wanted, *[-1] * (10 - len(wanted))]


def test_short_lists_are_measured_as_the_beginning_of_long_ones(shop_split):
    model = pipeline(rerankers=[Diversity(weight=0.8)]).fit(shop_split.train)
    found = compare({"model": model}, shop_split, ks=(3, 10))
    alone = compare({"model": model}, shop_split, ks=(3,))
    for metric in ("ndcg@3", "recall@3"):
        assert found.cell("model", metric).interval == alone.cell("model", metric).interval


def test_without_rerankers_nothing_more_is_done(shop_split, monkeypatch):
    model = pipeline().fit(shop_split.train)
    asked = []
    monkeypatch.setattr(
        "palate.pipeline.pipeline.recommendations_of", lambda *_: asked.append(1), raising=True
    )
    assert Ranked.of(model, shop_split, 10).rows.shape == (len(shop_split.histories), 10)
    assert not asked


def test_a_model_of_another_catalogue_is_refused(shop_split):
    train = shop_split.train
    turned = replace(train, items=train.items.reverse())
    with pytest.raises(AlignmentError, match="another catalogue"):
        evaluate(pipeline().fit(turned), shop_split)
    longer = replace(train, items=pl.concat([copies(train), train.items]))
    with pytest.raises(AlignmentError, match="another catalogue"):
        evaluate(pipeline().fit(longer), shop_split)


def copies(data):
    """All items once more, under other ids."""
    return data.items.with_columns(item_id="x" + pl.col("item_id"))


@pytest.mark.parametrize("rerankers", [[], [Diversity(weight=0.5)]])
def test_items_added_since_the_split_take_no_place(shop_split, rerankers):
    model = pipeline(rerankers=rerankers).fit(shop_split.train)
    before = evaluate(model, shop_split)
    model.add_items(copies(shop_split.train))
    shown = model.recommend_histories(shop_split.histories).table["item_id"]
    assert shown.str.starts_with("x").any()
    after = evaluate(model, shop_split)
    assert np.array_equal(after.rows[after.name].rows, before.rows[before.name].rows)
    assert str(after) == str(before)
    both = compare({"pipeline": model, "alone": model.recommender_}, shop_split)
    if not rerankers:
        assert np.array_equal(both.rows["alone"].rows, both.rows["pipeline"].rows)


def test_what_stands_in_the_wrong_place_is_named(shop_split):
    model = pipeline().fit(shop_split.train)
    with pytest.raises(DataError, match=r"a Dataset asks nothing.*split_by_time.*split\.train"):
        evaluate(model, shop_split.train)
    with pytest.raises(DataError, match="the split must be one"):
        evaluate(model, shop_split.histories)
    with pytest.raises(ConfigError, match=r"models must have names.*\{'mine': model\}"):
        compare([model], shop_split)
    with pytest.raises(ConfigError, match="'mine' is no fitted recommender: 3 has no score"):
        compare({"mine": 3}, shop_split)
    with pytest.raises(ConfigError, match=r"'mine' is a class: fit a Noise\(\)"):
        compare({"mine": Noise}, shop_split)
    with pytest.raises(ConfigError, match=r"ks = 10 must be a list: write \[10\]"):
        evaluate(model, shop_split, ks=10)
    with pytest.raises(ConfigError, match=r"metrics = 'ndcg' must be a list: write \['ndcg'\]"):
        evaluate(model, shop_split, metrics="ndcg")
    with pytest.raises(NotFittedError, match="Pipeline is not fitted"):
        evaluate(pipeline(), shop_split)


@dataclass
class Refusing:
    """Raises while it ranks."""

    error: Exception

    def score(self, histories):
        raise self.error


TOO_MANY = DataError("20,033 items are too many [red]")


@pytest.mark.parametrize("error", [TOO_MANY, MemoryError("no room for [red]")])
@pytest.mark.parametrize("place", range(3))
def test_a_row_that_refuses_leaves_the_others(rolling, error, place):
    kept = {"one": Noise(1), "two": Noise(2)}
    rows = list(kept.items())
    rows.insert(place, ("bad", Refusing(error)))
    found = compare(dict(rows), rolling, reference="one", resamples=50)
    alone = compare(kept, rolling, reference="one", resamples=50)
    assert found.details.equals(alone.details)
    assert found.refused["bad"].reason == str(error)
    figures = found.to_json()
    assert figures["refused"] == {"bad": str(error)}
    assert figures["rows"] == alone.to_json()["rows"]
    said = str(found)
    assert f"bad was not measured: {error}" in said
    (cells,) = [line.split()[1:] for line in said.splitlines() if line.split()[:1] == ["bad"]]
    assert set(cells) == {"–"}
    with pytest.raises(ConfigError, match="'bad' was not measured: "):
        found.cell("bad", "ndcg@10")


def test_a_row_that_could_not_be_fitted(rolling):
    refused = unless_refused(lambda: Ranked.of(Refusing(TOO_MANY), rolling, 10))
    found = compare({"bad": refused, "one": Noise(1)}, rolling, reference="bad", resamples=50)
    assert found.reference is None
    assert list(found.rows) == ["one"]


def test_rows_that_all_refuse_raise_what_the_first_raised(rolling):
    with pytest.raises(DataError, match="20,033"):
        compare({"a": Refusing(TOO_MANY), "b": Refusing(ConfigError("b"))}, rolling)
    for models in ((Refusing(TOO_MANY), Noise(1)), (Noise(1), Refusing(TOO_MANY))):
        with pytest.raises(DataError, match="20,033"):
            evaluate(models[0], rolling, baseline=models[1])


def test_faults_that_are_not_palate_s_are_raised(rolling):
    with pytest.raises(ZeroDivisionError):
        compare({"one": Noise(1), "bad": Refusing(ZeroDivisionError())}, rolling)


def test_what_can_be_checked_is_checked_before_anything_is_ranked(rolling, shop_split):
    unasked = Refusing(AssertionError("asked"))
    for wrong, error in (
        (Ranked(np.zeros((2, 10), dtype=np.int32)), AlignmentError),
        (pipeline(), NotFittedError),
        (Noise, ConfigError),
    ):
        with pytest.raises(error):
            compare({"first": unasked, "wrong": wrong}, rolling)


def test_progress_is_reported(rolling):
    class Watcher:
        def __init__(self):
            self.done = {}

        def start(self, label, total, unit):
            self.done[label] = [0, total, unit]

            def advance(steps):
                self.done[label][0] += steps

            return advance

        def stop(self, label, *, finished):
            assert finished

    watcher = Watcher()
    with progress.watch(watcher):
        found = compare({"noise": Noise(3)}, rolling)
    assert watcher.done["ranking by noise"] == [36, 36, "requests"]
    assert watcher.done["resampling people"][:2] == [len(found.slices)] * 2


def test_bad_input_is_named(rolling, ragged):
    with pytest.raises(ConfigError, match="no recommender"):
        compare({}, rolling)
    with pytest.raises(ConfigError, match="Did you mean 'noise'"):
        compare({"noise": Noise(3)}, rolling, reference="noize")
    with pytest.raises(ConfigError, match="Did you mean 'ndcg'"):
        compare({"noise": Noise(3)}, rolling, metrics=("ndgc",))
    with pytest.raises(ConfigError, match="ranked to 5 places, but ks asks for 10"):
        compare({"short": Ranked.of(Noise(3), rolling, 5)}, rolling)
    with pytest.raises(AlignmentError, match="'few' ranked 2 requests, but the split asks 36"):
        compare({"few": Ranked(np.zeros((2, 10), dtype=np.int32))}, rolling)
    with pytest.raises(AlignmentError, match="36 requests, but 1 answers"):
        compare({"noise": Noise(3)}, replace(rolling, sealed=ragged([[1]])))
    with pytest.raises(DataError, match="'rolling' holds no answers"):
        compare({"noise": Noise(3)}, replace(rolling, sealed=ragged([[]] * 36)))
    with pytest.raises(ConfigError, match=r"Did you mean 'ndcg@10'"):
        compare({"noise": Noise(3)}, rolling).cell("noise", "ndcg@1O")
