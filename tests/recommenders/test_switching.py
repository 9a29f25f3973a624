import numpy as np
import polars as pl
import pytest
from two_ways import content_of_two_ways, ndcg, two_ways

from palate.core.dataset import Dataset
from palate.core.errors import ConfigError
from palate.core.histories import history_of_items
from palate.core.types import FitContext
from palate.pipeline.pipeline import Pipeline, load
from palate.recommenders.content import Content
from palate.recommenders.covisit import Covisit
from palate.recommenders.popular import Popular
from palate.recommenders.switching import Switching
from palate.testing import check_committee

PARTS = [{"type": "content", "length": 1}, {"type": "covisit"}]


def surely(differences):
    return differences.mean() / (differences.std(ddof=1) / np.sqrt(len(differences)))


@pytest.fixture(scope="module", params=[True, False], ids=["times", "order alone"])
def fitted(request):
    data = two_ways(times=request.param)
    context = FitContext(items=content_of_two_ways(data))
    return Switching(parts=PARTS).fit(data, context), data, context


def test_content_answers_at_first_and_what_others_chose_later(fitted, ways_later):
    """Each alone is surely worse, as is whoever knows nothing of how much is known."""
    model, data, context = fitted
    found = ndcg(model, ways_later)
    for part in (Content(length=1), Covisit(), Popular()):
        alone = ndcg(part.fit(data, context), ways_later)
        assert surely(found - alone) > 5


def test_it_says_what_it_chose(fitted):
    model, *_ = fitted
    said = model.chosen_
    assert any("content answers (NDCG@10 content " in line for line in said)
    assert any("covisit answers" in line for line in said)
    assert all("held out)" in line for line in said)


def test_each_list_is_that_of_the_part_that_answers(fitted):
    model, data, context = fitted
    content, covisit = Content(length=1).fit(data, context), Covisit().fit(data)
    short = history_of_items(data.item_ids, [["n7"]])
    long = history_of_items(data.item_ids, [["n7", "n307", "h3", "h9", "h1"]])
    for asking, part in ((short, content), (long, covisit)):
        ranks = [np.argsort(-one.score(asking)[0], kind="stable")[:3] for one in (model, part)]
        assert ranks[0].tolist() == ranks[1].tolist()
        best = ranks[0][:1].astype(np.int32)
        assert model.evidence(asking, best) == part.evidence(asking, best)


def test_where_one_part_does_best_for_all_it_always_answers(ways):
    """Without anything that items say, the first part has nothing to say but what is popular."""
    model = Switching(parts=[{"type": "popular"}, {"type": "covisit"}]).fit(ways)
    assert set(model.switch_["part"]) == {1}
    assert model.chosen_[0].startswith("all requests: covisit answers")


def test_too_few_events_teach_nothing(known):
    model = Switching(parts=[Covisit(), Popular()]).fit(known)
    assert model.chosen_[0].startswith("covisit answers all: ")
    asking = history_of_items(known.item_ids, [["a"]])
    assert model.score(asking)[0].argmax() == Covisit().fit(known).score(asking)[0].argmax()


def test_it_learns_from_what_came_before_alone():
    """What happens in the held-out fifth decides when to switch, but no part has seen it."""
    data = two_ways(300)
    seen = []

    def remake(part):
        seen.append(float(part.interactions["timestamp"].max()))
        return FitContext(items=items, remake=remake)

    said = content_of_two_ways(data)
    items = type(said)(said.ids, dict(said.parts), behavioural=["text"])
    Switching(parts=PARTS).fit(data, FitContext(items=items, remake=remake))
    start = float(np.quantile(data.interactions["timestamp"].to_numpy(), 0.8))
    assert seen
    assert max(seen) <= start


def test_the_order_of_the_rows_does_not_matter(ways):
    order = np.random.default_rng(0).permutation(len(ways.items))
    turned = Dataset(
        ways.interactions.sort("timestamp", "user_id", descending=[False, True]), ways.items[order]
    )
    one, other = (
        Switching(parts=PARTS).fit(data, FitContext(items=content_of_two_ways(data)))
        for data in (ways, turned)
    )
    assert one.switch_.drop("ndcg").equals(other.switch_.drop("ndcg"))


def test_words_are_for_a_part_that_hears_them(fitted):
    model, data, context = fitted
    words = context.items.parts["text"][data.item_ids.rows(["h5", "h8"])]
    asking = history_of_items(
        data.item_ids, [[], ["n7", "n307", "h3", "h9", "h1"]], queries={"text": words}
    )
    scores = model.score(asking)
    assert data.item_ids[int(scores[0].argmax())] == "h5"
    found = model.evidence(asking, data.item_ids.rows(["h5", "h8"]))
    assert [one.kind for one in found] == ["words", "words"]
    best = np.argsort(-scores[1])[:4]
    assert data.item_ids.rows(["h8"])[0] in best


def test_new_items_are_listed_by_what_they_say(ways):
    features = content_of_two_ways(ways)
    twin = features.take(ways.item_ids.rows(["n7"]))
    new = type(features)(type(features.ids)(["n7 again"]), dict(twin.parts))
    model = Switching(parts=PARTS).fit(ways, FitContext(items=features)).add_items(new)
    asking = history_of_items(ways.item_ids, [["n7"]])
    scores = model.score(asking)
    assert scores.shape == (1, len(ways.items) + 1)
    assert scores[0, -1] >= np.sort(scores[0])[-4]  # itself and what is like it
    assert "switch" in model.keeps_fit


FILE = """
[data]
interactions = "events.csv"
items = "items.csv"
[encoders.text]
type = "tfidf"
[recommender]
type = "switching"
parts = [{type = "content", length = 1}, {type = "covisit"}]
"""


def test_a_pipeline_file_names_the_parts_and_the_model_says_who_answers(command, write, ways):
    """From the file to the folder, its card, and lists with reasons."""
    write("events.csv", ways.interactions.write_csv())
    kinds = [f"kind{int(name[1:]) % 300}" if name[0] == "n" else name for name in ways.item_ids]
    write("items.csv", ways.items.with_columns(title=pl.Series(kinds)).write_csv())
    path = write("pipeline.toml", FILE)
    folder = path.parent / "model"
    done = command("fit", path, "--out", folder, "--all")
    assert done.code == 0, done.err
    assert "content answers" in done.out
    said = load(folder).recommender_.chosen_
    assert len(said) == 2
    assert said[0].startswith("fewer than 2 choices: content answers")
    assert "fewer than 2 choices: content answers" in (folder / "CARD.md").read_text()
    done = command("recommend", folder, "--history", "n8", "-k", 2)
    assert done.code == 0, done.err
    assert "n308" in done.out
    assert "n608" in done.out


def test_what_is_loaded_gives_the_same_lists(ways, tmp_path):
    parts = Switching(parts=[{"type": "item_knn"}, {"type": "covisit"}])
    model = Pipeline(encoders={}, recommender=parts).fit(ways)
    model.save(tmp_path / "model")
    again = load(tmp_path / "model")
    assert again.recommender_.chosen_ == model.recommender_.chosen_
    asked = {"history": ["n7", "n307", "h3"], "k": 5, "reasons": True}
    assert again.recommend(**asked).table.equals(model.recommend(**asked).table)


def test_events_that_come_later_are_counted_and_the_switch_stays(ways):
    half = Dataset(ways.interactions.head(3000), ways.items)
    parts = [{"type": "item_knn"}, {"type": "covisit"}]
    model = Switching(parts=parts).fit(half)
    switch = model.switch_.clone()
    asking = history_of_items(ways.item_ids, [["n7"], ["n7", "n307", "h3", "h9"]])
    before = model.score(asking)
    assert model.refresh(ways) is model
    assert model.switch_.equals(switch)
    assert model.keeps_fit == ("switch",)
    assert not np.array_equal(model.score(asking), before)


def test_a_switch_between_other_parts_is_refused(ways):
    model = Switching(parts=[{"type": "item_knn"}, {"type": "covisit"}]).fit(ways)
    model.check_learnt()
    good = model.switch_
    for wrong in (
        good.with_columns(part=pl.lit(2, dtype=pl.Int64)),
        good.with_columns(part=pl.lit(None, dtype=pl.Int64)),
        good.with_columns(ndcg=pl.lit([0.5], dtype=pl.List(pl.Float64))),
        good.drop("length_from"),
        good.clear(),
    ):
        model.switch_ = wrong
        with pytest.raises(ValueError, match=r"part|switch_"):
            model.check_learnt()


def test_the_parts_get_the_context(tiny, tiny_features, ways):
    check_committee(lambda part: Switching(parts=[part, Popular()]), tiny, tiny_features)
    check_committee(
        lambda part: Switching(parts=[part, Popular()]), ways, content_of_two_ways(ways)
    )


def test_settings_that_cannot_work_raise():
    with pytest.raises(ConfigError, match="name 2 or more"):
        Switching(parts=[{"type": "covisit"}])
    with pytest.raises(ConfigError, match=r"switching.parts\[1\].window = 0 cannot be used"):
        Switching(parts=[{"type": "covisit"}, {"type": "covisit", "window": 0}])
