import numpy as np
import polars as pl
import pytest

from palate.core.arrays import places_of
from palate.core.errors import AlignmentError, ConfigError, NotFittedError
from palate.core.evidence import Evidence
from palate.core.histories import dataset_of, histories_of, history_of_items
from palate.core.order import settled, with_users_settled
from palate.core.topk import rank_rows
from palate.core.types import FitContext
from palate.data.split import split_cold_items, split_leave_last_out
from palate.evaluation.compare import evaluate
from palate.recommenders.content import Content
from palate.recommenders.popular import Popular
from palate.recommenders.ranker import MIN_CASES, Ranker
from palate.recommenders.two_stage import labels
from palate.recommenders.two_stage.labels import LabelPlan
from palate.recommenders.two_stage.time_folds import time_folds


@pytest.fixture(scope="module")
def last_out(rings):
    return split_leave_last_out(rings)


def quality(model, split):
    return evaluate(model, split, ks=(10,), metrics=("ndcg",), beyond=False, resamples=20)[
        "ndcg@10"
    ]


def test_who_follows_the_chain_is_understood(small, last_out, said):
    ours = quality(small().fit(last_out.train, FitContext(items=said)), last_out)
    ids_only = quality(small().fit(last_out.train), last_out)
    assert ours > 0.8
    assert ids_only > 0.8
    assert quality(Popular().fit(last_out.train), last_out) < ours / 3
    assert quality(Content().fit(last_out.train, FitContext(items=said)), last_out) < ours - 0.15


def test_content_alone_is_no_worse_than_the_content_recommender(small, last_out, said):
    said_only = small(behaviour=False).fit(last_out.train, FitContext(items=said))
    assert (
        quality(said_only, last_out)
        > quality(Content().fit(last_out.train, FitContext(items=said)), last_out) - 0.1
    )


def test_the_topic_of_new_items_is_found(small, rings, said, truth):
    split = split_cold_items(rings, share=0.2)
    model = small().fit(split.train, FitContext(items=said))
    rows, _ = rank_rows(model, split.histories, 1, candidates=split.cold_items)
    newest = split.histories.newest()
    asking = newest >= 0
    right = truth.topic[rows[asking, 0]] == truth.topic[newest[asking]]
    assert right.mean() > 0.8
    assert right.mean() > 2 * np.bincount(truth.topic).max() / len(truth.topic)


class TestBehaviouralBlocks:
    """Features learnt from interactions have seen the answers: they are made anew, or left out."""

    def gain_of_clicks(self, model):
        return model.importances_.filter(pl.col("family") == "clicks")["gain"].sum()

    def test_they_are_made_without_the_held_out_events(self, small, rings, said, clicks):
        handed = []

        def remake(part):
            handed.append(part)
            return FitContext(items=said.beside(clicks))

        model = small().fit(rings, FitContext(items=said.beside(clicks), remake=remake))
        plan = LabelPlan(
            n_train_queries=400, candidates=30, repeats=False, behaviour=True, content=True, seed=0
        )
        ordered, _ = settled(rings)
        histories = with_users_settled(histories_of(ordered))
        folds = time_folds(histories, plan)
        turns = [*labels._turns(folds.late.known, plan), folds.early, folds.late]
        known = [dataset_of(turn.known, ordered) for turn in turns]
        assert len(handed) == len(known)
        for part, wanted in zip(handed, known, strict=True):
            assert part.item_ids == ordered.item_ids
            assert part.interactions.equals(wanted.interactions)
            assert len(part.interactions) < len(rings.interactions)
        assert model.features_.behavioural == {"clicks"}

    def test_the_rows_hold_what_was_made_anew(self, small, rings, clicks):
        zeros = clicks.with_parts({"clicks": np.zeros((60, 30), dtype=np.float32)})
        blind = small(behaviour=False).fit(
            rings, FitContext(items=clicks, remake=lambda _part: FitContext(items=zeros))
        )
        seeing = small(behaviour=False).fit(
            rings, FitContext(items=clicks, remake=lambda _part: FitContext(items=clicks))
        )
        assert self.gain_of_clicks(blind) == 0
        assert self.gain_of_clicks(seeing) > 0.5

    def test_without_a_way_to_make_them_they_are_left_out(self, small, rings, said, clicks):
        model = small().fit(rings, FitContext(items=said.beside(clicks)))
        assert model.features_.parts.keys() == {"text", "words"}
        assert not any("clicks" in name for name in model.names_)
        plain = small().fit(rings, FitContext(items=said))
        histories = histories_of(rings)
        np.testing.assert_array_equal(model.score(histories), plain.score(histories))

    def test_content_is_not_made_again(self, small, rings, said):
        small().fit(
            rings,
            FitContext(items=said, remake=lambda _part: pytest.fail("content knows no events")),
        )


def staples(build):
    """60 people who buy their own two things in turn, and now and then something else."""
    rng = np.random.default_rng(4)
    users = {}
    for user in range(60):
        first, second = rng.choice(list("abcdefgh"), 2, replace=False)
        other = rng.choice(list("ijklm"), 3)
        users[f"u{user}"] = [first, second, first, other[0], second, first, second, other[1]]
        users[f"u{user}"] = users[f"u{user}"][: 5 + user % 4]
    return build(users, items="mlkjihgfedcba")


def test_where_people_buy_again_what_they_had_is_recommended_again(build, small):
    data = staples(build)
    model = small(min_rows_per_leaf=20).fit(data)
    assert model.repeats_
    histories = histories_of(data)
    rows, scores = rank_rows(model, histories, 3, exclude_seen=False)
    seen = histories.seen().toarray() > 0
    best_is_seen = np.take_along_axis(seen, rows, axis=1)
    assert best_is_seen[:, 0].mean() > 0.7
    assert (scores[:, 0] > 0).all()
    masked, _ = rank_rows(model, histories, 3, exclude_seen=True)
    assert not np.take_along_axis(seen, masked, axis=1).any()


def test_where_nobody_does_what_was_seen_stands_below_all_else(ranker, rings):
    assert not ranker.repeats_
    histories = histories_of(rings)
    scores = ranker.score(histories)
    seen = histories.seen().toarray() > 0
    proposed = ranker._candidates(histories).items
    worst = [row[items[items >= 0]].min() for row, items in zip(scores, proposed, strict=True)]
    assert (np.where(seen, scores, -np.inf).max(axis=1) < worst).all()
    rows, _ = rank_rows(ranker, histories, 10, exclude_seen=False)
    assert not np.take_along_axis(seen, rows, axis=1).any()


def test_what_features_are_worth_adds_up(ranker, said):
    found = ranker.importances_
    assert found["feature"].to_list() == ranker.names_
    assert found["gain"].sum() == pytest.approx(1)
    assert found["contribution"].sum() == pytest.approx(1)
    assert found.select(pl.col("gain", "contribution").min()).min_horizontal().item() >= 0
    assert set(found["family"]) == {
        *said.parts,
        "behaviour",
        "behaviour lent by content",
        "sum of retrievers",
        "popularity",
        "the person's own past",
    }
    worth = dict(found.group_by("family").agg(pl.col("gain").sum()).iter_rows())
    assert worth["behaviour"] > 0.5


def test_too_few_cases_leave_the_plain_sum(small, rings, said):
    model = small(n_train_queries=MIN_CASES - 1).fit(rings, FitContext(items=said))
    assert model.trees_ == ""
    assert model.importances_["gain"].sum() == model.importances_["contribution"].sum() == 0
    histories = histories_of(rings).take(slice(0, 20))
    found = model._candidates(histories)
    scores = model.score(histories)
    for row, items in enumerate(found.items):
        warm = items[(items >= 0) & (rings.item_counts[items] > 0)]
        assert (np.diff(found.mix[row, warm]) <= 0).all()
        assert (np.diff(scores[row, warm]) <= 0).all()


class TestEvidence:
    def ask(self, model, histories, items):
        return model.evidence(histories, np.array(items, dtype=np.int32))

    def test_ids_speak_of_what_was_chosen_together(self, small, rings, truth):
        model = small().fit(rings)
        chained = np.flatnonzero(truth.successor >= 0)[:5]
        asking = history_of_items(rings.item_ids, [[rings.item_ids[row]] for row in chained])
        found = self.ask(model, asking, truth.successor[chained])
        assert [evidence.kind for evidence in found] == ["together"] * 5
        assert [evidence.anchor for evidence in found] == chained.tolist()

    def test_content_speaks_of_what_is_alike(self, small, rings, said):
        model = small(behaviour=False).fit(rings, FitContext(items=said))
        histories = histories_of(rings).take(slice(0, 20))
        rows, _ = rank_rows(model, histories, 1)
        for row, evidence in enumerate(self.ask(model, histories, rows[:, 0])):
            assert evidence.kind == "alike"
            assert evidence.anchor in histories.row(row)

    def test_where_both_speak_the_trees_decide(self, ranker, rings, truth):
        """The next link of the chain is a matter of behaviour, a thing far from it of content."""
        histories = histories_of(rings)
        places = places_of(ranker.order_)
        links = ranker.statistics_["directed"].toarray()[np.ix_(places, places)]
        newest = histories.newest()
        following = truth.successor[newest]
        asked = np.flatnonzero((links[newest, following] > 0) & (following >= 0))
        found = self.ask(ranker, histories.take(asked), following[asked])
        assert np.mean([evidence.kind == "together" for evidence in found]) > 0.9
        rows, _ = rank_rows(ranker, histories, 10)
        linked = [
            (request, item)
            for request, items in enumerate(rows[:, 4:])
            for item in items
            if links[histories.row(request), item].any()
        ]
        requests, items = np.array(linked).T
        kinds = {evidence.kind for evidence in self.ask(ranker, histories.take(requests), items)}
        assert kinds == {"together", "alike"}

    def test_what_nobody_touched_can_only_be_alike(self, ranker, rings, truth):
        histories = histories_of(rings).take(slice(0, 3))
        for evidence in self.ask(ranker, histories, truth.cold_items):
            assert evidence.kind == "alike"

    def test_words_alone_are_the_reason(self, ranker, rings, said):
        queries = {"text": said.parts["text"][[7]]}
        asking = history_of_items(rings.item_ids, [[]], queries=queries)
        (evidence,) = self.ask(ranker, asking, [7])
        assert (evidence.kind, evidence.anchor) == ("words", -1)

    def test_words_are_nobody_elses_reason(self, ranker, rings, said):
        """The second is silent, the third wants the opposite."""
        words = said.parts["text"][[7, 7, 7]] * np.float32([[1], [0], [-1]])
        asking = history_of_items(rings.item_ids, [[], [], []], queries={"text": words})
        found = self.ask(ranker, asking, [7, 7, 7])
        assert [evidence.kind for evidence in found] == ["words", "popular", "popular"]
        elsewhere = history_of_items(rings.item_ids, [[]], queries={"pictures": words[:1]})
        assert self.ask(ranker, elsewhere, [7])[0].kind == "popular"

    def test_who_reads_no_words_does_not_claim_to(self, small, rings, said):
        queries = {"text": said.parts["text"][[7]]}
        asking = history_of_items(rings.item_ids, [[]], queries=queries)
        assert self.ask(small().fit(rings), asking, [7])[0].kind == "popular"

    def test_of_words_and_history_the_nearer_speaks(self, small, rings, said):
        """Somebody has touched item 3 and wants something like item 7."""
        model = small(behaviour=False).fit(rings, FitContext(items=said))
        text = said.parts["text"]
        asking = history_of_items(
            rings.item_ids, [[rings.item_ids[3]]], queries={"text": text[[7]]}
        )
        to_history, to_words = text @ text[3], text @ text[7]
        items = np.argsort(to_words - to_history)[[-2, 1]]
        assert (to_words[items] > 0.2).tolist() == [True, False]
        found = self.ask(model, asking.take(np.zeros(2, dtype=int)), items)
        assert found == [Evidence("words"), Evidence("alike", 3)]

    def test_the_trees_are_asked_about_the_rows_that_they_ordered(self, ranker, rings):
        """Places and gaps are those among the candidates; what was none, no tree has seen."""
        histories = histories_of(rings).take(np.arange(20))
        found = ranker._candidates(histories)
        families = ranker.importances_["family"].to_numpy()
        place = 7
        shares = ranker._booster.predict(found.features[:, place], pred_contrib=True)[:, :-1]
        content = shares[:, np.isin(families, ["text", "words"])].sum(axis=1)
        wanted = content > shares[:, families == "behaviour"].sum(axis=1)
        assert wanted.any()
        assert not wanted.all()
        shares = ranker._shares(histories, found.items[:, place])
        prefers = shares.content > shares.behaviour
        np.testing.assert_array_equal(prefers, wanted)
        seen = histories.newest()
        assert not (found.items == seen[:, None]).any()
        unproposed = ranker._shares(histories, seen)
        assert not (unproposed.content > unproposed.behaviour).any()

    def test_blocks_learnt_from_behaviour_speak_for_behaviour(self, small, rings, said, clicks):
        items = said.select(["words"]).beside(clicks)
        model = small().fit(
            rings, FitContext(items=items, remake=lambda _part: FitContext(items=items))
        )
        families = model.importances_["family"].to_numpy()
        histories = histories_of(rings)
        found = model._candidates(histories)
        shares = model._booster.predict(found.features[:, 3], pred_contrib=True)[:, :-1]
        words, links, clicked = (
            shares[:, families == family].sum(axis=1) for family in ("words", "behaviour", "clicks")
        )
        shares = model._shares(histories, found.items[:, 3])
        prefers = shares.content > shares.behaviour
        np.testing.assert_array_equal(prefers, words > links + clicked)
        assert (prefers != (words > links)).any()

    def test_nobody_hears_what_is_popular(self, ranker, small, rings):
        asking = history_of_items(rings.item_ids, [[], []])
        for model in (ranker, small().fit(rings), small(behaviour=False).fit(rings)):
            found = self.ask(model, asking, [0, 5])
            assert [(evidence.kind, evidence.anchor) for evidence in found] == [("popular", -1)] * 2

    def test_no_request_needs_no_reason(self, ranker, rings):
        assert self.ask(ranker, history_of_items(rings.item_ids, []), []) == []


def test_features_of_other_items_raise(small, rings, said):
    with pytest.raises(AlignmentError, match="other items"):
        small().fit(rings, FitContext(items=said.take(np.arange(60)[::-1])))


def test_an_unfitted_ranker_says_so(rings, said):
    asking = histories_of(rings)
    for ask in (
        lambda: Ranker().score(asking),
        lambda: Ranker().add_items(said),
        lambda: Ranker().evidence(asking, np.zeros(len(asking), dtype=np.int32)),
    ):
        with pytest.raises(NotFittedError, match="Ranker"):
            ask()


@pytest.mark.parametrize(
    "setting",
    [
        {"candidates": 0},
        {"n_train_queries": 0},
        {"n_estimators": -1},
        {"num_leaves": 1},
        {"min_rows_per_leaf": 0},
        {"learning_rate": 0.0},
    ],
)
def test_settings_that_cannot_work_raise(setting):
    with pytest.raises(ConfigError, match=next(iter(setting))):
        Ranker(**setting)
