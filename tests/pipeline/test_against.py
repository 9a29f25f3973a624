"""A rating is evidence for or against, all the way to the lists."""

import numpy as np
import polars as pl
import pytest

import palate
from palate.core import registry
from palate.core.histories import history_of_items

QUICK = {"ranker": {"n_estimators": 10, "n_train_queries": 300}}
HATED = "dud"


def rated(seed=0, *, people=40, items=14):
    """Two tastes; everybody meets the dud early and gives it 1 star, whatever else they like."""
    rng = np.random.default_rng(seed)
    rows = []
    for user in range(people):
        own = [item for item in range(items) if item % 2 == user % 2]
        met = [HATED, *(f"i{item}" for item in rng.permutation(own)[:6])]
        for place, item in enumerate(met):
            stars = 1 if item == HATED else int(rng.integers(3, 6))
            rows.append((f"u{user}", item, stars, user + 100.0 * place))
    return pl.DataFrame(rows, schema=["user", "item", "rating", "ts"], orient="row")


def catalogue(items=14):
    """The dud says what everything else says."""
    titles = [f"{'tea leaf' if item % 2 else 'racing bike'} number {item}" for item in range(items)]
    ids = [f"i{item}" for item in range(items)]
    return pl.DataFrame(
        {"item": [*ids, HATED], "title": [*titles, "tea leaf racing bike number 1 3 5"]}
    )


def recommender(name):
    return registry.build("recommenders", {"type": name, **QUICK.get(name, {})}, where=name)


def fitted(name, data):
    encoders = {"words": palate.Tfidf(min_df=1)}
    return palate.Pipeline(encoders=encoders, recommender=recommender(name)).fit(data)


def strangers(data):
    """Somebody without a history, and somebody for each item who chose that alone."""
    liked = [[], *([name] for name in data.items["item_id"] if name != HATED)]
    return history_of_items(data.item_ids, liked)


@pytest.mark.parametrize("name", registry.names("recommenders"))
def test_what_everybody_hated_is_never_first_and_nobody_chose_it(name):
    """Not for strangers, not for those who rated it, not where what was seen may come again."""
    data = palate.read(rated(), catalogue())
    model = fitted(name, data)
    size = len(data.items)
    for found in (
        model.recommend_histories(strangers(data), k=size, reasons=True),
        model.recommend(data.user_ids.tolist(), k=size, exclude_seen=False, reasons=True),
    ):
        table = found.table
        assert HATED not in table.filter(pl.col("rank") <= 5)["item_id"].to_list()
        said = table.filter(pl.col("item_id") == HATED)["reasons"]
        assert not said.str.contains(r"\d+ (people|person)|people with").any(), said
    own = model.recommend(data.user_ids.tolist(), k=size)
    assert HATED not in own.table["item_id"].to_list(), "whoever turned it down is not shown it"


def test_what_was_turned_down_is_no_new_item():
    """An item that one person turned down has no place of those that are kept for arrivals."""
    once = {"user": ["u1"], "item": ["odd"], "rating": [1], "ts": [2.0]}
    log = pl.concat([rated(), pl.DataFrame(once, schema=rated().schema)])
    more = pl.DataFrame({"item": ["odd", "fresh"], "title": ["tea leaf 1", "tea leaf 2"]})
    data = palate.read(log, pl.concat([catalogue(), more]))
    model = fitted("ranker", data)
    counts = model.recommender_.statistics_["counts"]
    never = model.item_ids.series.gather(model.recommender_.order_[counts == 0])
    assert never.to_list() == ["fresh"]
    split = palate.split_by_time(data, test=0.2)
    assert "odd" not in [data.item_ids[row] for row in split.cold_items]


@pytest.mark.parametrize("name", [n for n in registry.names("recommenders") if n != "content"])
def test_the_ratings_matter(name):
    """The same events with the ratings dealt out anew give other lists."""
    log = rated()
    dealt = log.with_columns(pl.col("rating").shuffle(seed=3))
    one, other = (
        fitted(name, palate.read(table, catalogue())).recommend_histories(
            strangers(palate.read(table, catalogue())), k=5
        )
        for table in (log, dealt)
    )
    assert not one.table.drop("score").equals(other.table.drop("score"))


def cuts():
    return {
        "time": lambda data: palate.split_by_time(data, test=0.3),
        "last": lambda data: palate.split_leave_last_out(data, min_events=2),
        "last two": lambda data: palate.split_leave_last_out(data, validation=True),
        "cold": lambda data: palate.split_cold_items(data, share=0.3),
        "given": lambda data: palate.split_given(
            *(data.part(side) for side in (early(data), ~early(data)))
        ),
    }


def early(data):
    times = data.events["timestamp"].to_numpy()
    return times < np.quantile(times, 0.6)


def mixed(seed=1, *, people=30, items=12, times=True):
    rng = np.random.default_rng(seed)
    count = people * 10
    table = pl.DataFrame(
        {
            "user": [f"u{user}" for user in rng.integers(0, people, count)],
            "item": [f"i{item}" for item in rng.integers(0, items, count)],
            "rating": rng.integers(1, 6, count),
        }
    )
    return table.with_columns(ts=pl.int_range(pl.len())) if times else table


@pytest.mark.parametrize("cut", cuts())
def test_the_answers_of_a_split_are_choices(cut):
    data = palate.read(mixed())
    split = cuts()[cut](data)
    assert split.sealed.values is not None
    assert split.sealed.values.min() >= 3
    everything = cuts()[cut](palate.read(mixed(), positive="all"))
    assert everything.sealed.values is not None
    assert everything.sealed.values.min() == 1, "figures with every event as an answer remain"


@pytest.mark.parametrize("rolling", [True, False])
@pytest.mark.parametrize("times", [True, False])
@pytest.mark.parametrize("cut", cuts())
def test_each_request_knows_what_was_turned_down_before_it_and_no_more(cut, times, rolling):
    if not times and cut in ("time", "given"):
        return
    data = palate.read(mixed(times=times))
    split = cuts()[cut](data)
    if cut == "given":
        parts = (data.part(side) for side in (early(data), ~early(data)))
        split = palate.split_given(*parts, rolling=rolling)
    before = expected(data, split, cut=cut, rolling=rolling)
    turned = split.histories.against
    assert turned is not None
    found = [
        [str(turned.item_ids[row]) for row in turned.row(request)] for request in range(len(turned))
    ]
    assert found == before
    assert any(found)


def expected(data, split, *, cut, rolling):
    """A plain account: of each asked choice, that person's low ratings before it, in order."""
    events, choices = data.events.to_dicts(), data.chosen.tolist()
    train = set(split.train.events.iter_rows())
    cold = {data.item_ids[row] for row in split.cold_items} if cut == "cold" else set()
    held = {}
    for place, event in enumerate(events):
        chosen = choices[place]
        later = tuple(event.values()) not in train
        held.setdefault(event["user_id"], []).append((place, event["item_id"], chosen, later))
    asked = []
    for user, own in held.items():
        choices = [place for place, _, chosen, _ in own if chosen]
        for place, item, chosen, later in own:
            if not chosen:
                continue
            if cut in ("last", "last two"):
                least = 2 if cut == "last" else 3
                if len(choices) < least or place != choices[-1]:
                    continue
            elif (cut == "cold" and item not in cold) or (cut != "cold" and not later):
                continue
            low = [
                other
                for at, other, liked, after in own
                if not liked
                and at < place
                and other not in cold
                and (rolling or cut != "given" or not after)
            ]
            asked.append((place, user, low))
    asked.sort()
    if cut == "given" and not rolling:
        once = {}
        for _, user, low in asked:
            once.setdefault(user, low)
        order = list(dict.fromkeys(split.histories.user_ids.to_list()))
        return [once[user] for user in order]
    return [low for _, _, low in asked]


def test_nothing_that_is_turned_down_later_is_in_the_training_part():
    data = palate.read(mixed())
    split = palate.split_by_time(data, test=0.3)
    assert split.train.against is not None
    cut = split.train.events["timestamp"].max()
    rest = data.events.filter(pl.col("timestamp") > cut)
    assert len(split.train.events) + len(rest) == len(data.events)


def test_what_somebody_turned_down_is_not_shown_to_them_again():
    log = pl.concat(
        [
            rated(),
            pl.DataFrame(
                {"user": ["u0"], "item": ["i1"], "rating": [1], "ts": [9e9]}, schema=rated().schema
            ),
        ]
    )
    data = palate.read(log, catalogue())
    model = fitted("popular", data)
    shown = model.recommend(["u0"], k=20).table["item_id"].to_list()
    assert "i1" not in shown
    again = model.recommend(["u0"], k=20, exclude_seen=False).table["item_id"].to_list()
    assert "i1" in again
    history = model.histories(["u0"])
    assert "i1" not in [data.item_ids[row] for row in history.row(0)], "it is not liked"


def test_whoever_turned_everything_down_is_known():
    only = pl.DataFrame(
        {"user": ["grump"] * 2, "item": [HATED, "i3"], "rating": [1, 2], "ts": [5.0, 6.0]},
        schema=rated().schema,
    )
    data = palate.read(pl.concat([rated(), only]), catalogue())
    model = fitted("covisit", data)
    shown = model.recommend(["grump"], k=20).table["item_id"].to_list()
    assert shown
    assert not {HATED, "i3"} & set(shown)


@pytest.mark.parametrize("times", [True, False])
def test_a_saved_model_knows_it_too(tmp_path, times):
    log = rated() if times else rated().drop("ts")
    data = palate.read(log, catalogue(), positive="rating > 2")
    model = fitted("popular", data)
    again = palate.load(model.save(tmp_path / "model"))
    assert again.data_.against is not None
    assert again.data_.against.equals(data.against)
    assert again.data_.events.equals(data.events)
    assert again.data_.positive == "rating > 2"
    people = data.user_ids.tolist()
    one, other = (known.recommend(people, k=15).table for known in (model, again))
    assert one.equals(other)
    assert HATED not in other["item_id"].to_list()


def test_words_do_not_bring_back_what_somebody_turned_down():
    """Whoever typed the title of what they turned down gets it last, if at all, and is told."""
    once = {"user": ["u0"], "item": ["i1"], "rating": [1], "ts": [9e9]}
    log = pl.concat([rated(), pl.DataFrame(once, schema=rated().schema)])
    model = fitted("popular", palate.read(log, catalogue()))
    text, size = "tea leaf number 1", len(model.item_ids)
    assert "i1" not in model.recommend(["u0"], text=text, k=size).table["item_id"].to_list()
    seen = model.recommend(["u0", "u2"], text=text, k=size, exclude_seen=False, reasons=True)
    own, other = (seen.table.filter(pl.col("user_id") == user) for user in ("u0", "u2"))
    assert set(own["item_id"][-2:]) == {"i1", HATED}
    assert own["reasons"][-2:].str.contains("turned it down").all()
    assert "i1" not in other["item_id"][-2:]
    said = dict(other.select("item_id", "reasons").rows())
    assert said["i1"] == "is called what you typed"
    assert said[HATED].startswith("you turned it down, but it ")
    stranger = model.recommend(text="tea leaf racing bike number 1 3 5", k=1, reasons=True).table
    assert stranger["item_id"][0] == HATED, "words ask for it"
    said = "most people who met it turned it down, but it is called what you typed"
    assert stranger["reasons"][0] == said


def test_what_nobody_chose_and_many_turned_down_is_not_called_untried():
    model = fitted("popular", palate.read(rated(), catalogue()))
    shown = model.recommend(history=[], k=len(model.item_ids), reasons=True).table
    assert dict(shown.select("item_id", "reasons").rows())[HATED] == (
        "most people who met it turned it down"
    )


@pytest.mark.parametrize("name", ["popular", "covisit", "content", "user_knn"])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_reason_says_that_its_item_was_turned_down(name, language):
    """Whoever wants all items again is told of those that they turned down, in any kind of list."""
    once = {"user": ["u0"], "item": ["i2"], "rating": [1], "ts": [9e9]}
    log = rated().filter((pl.col("user") != "u0") | (pl.col("item") != "i2"))
    goods = catalogue()
    if language == "zh":
        goods = goods.with_columns(title="茶叶" + pl.col("title").str.slice(-2))
    data = palate.read(pl.concat([log, pl.DataFrame(once, schema=rated().schema)]), goods)
    model = fitted(name, data)
    asked = {"k": len(data.items), "exclude_seen": False, "reasons": True}
    found = model.recommend(["u0"], **asked).table
    said = dict(found.select("item_id", "reasons").rows())
    opening = {"en": "you turned it down, ", "zh": "你曾表示不喜欢它，"}[language]
    assert said["i2"].startswith(opening), said
    assert said[HATED].startswith(opening), said
    others = [why for item, why in said.items() if item not in ("i2", HATED)]
    assert not any(why.startswith(opening) for why in others)


def test_an_item_without_a_word_that_was_said_does_not_come_close_to_it():
    """Where no language model reads, what follows the items with the word is popular, no more."""
    model = fitted("popular", palate.read(rated(), catalogue()))
    found = model.recommend(text="racing", k=14, reasons=True).table
    said = dict(found.select("item_id", "reasons").rows())
    assert said["i2"] == "matches your words: racing"
    opening = "matches nothing that you said, but "
    assert said["i1"].startswith(opening)
    assert said["i1"].removeprefix(opening).endswith("people chose it")
    assert "popular:" not in said["i1"]
    with_history = model.recommend(history=["i3"], text="racing", k=14, reasons=True).table
    assert not with_history["reasons"].str.contains("matches nothing").any()
