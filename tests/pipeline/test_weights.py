"""What people dwell on weighs more, and repeats count as is said: all the way to the lists."""

import numpy as np
import polars as pl
import pytest

import palate
from palate.core import registry
from palate.core.histories import histories_of, history_of_items

QUICK = {"ranker": {"n_estimators": 20, "n_train_queries": 600, "min_rows_per_leaf": 20}}
TASTE = 12
LONG, SHORT = 200.0, 2.0


def world(seed=0, *, people=160):
    """Two tastes. Everybody looks at four items of each, in any order, and dwells on those of one.

    Three of four then chose four more, of the taste that they had dwelt on.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for person in range(people):
        own = (person // 4) % 2
        items = [rng.permutation(TASTE) + TASTE * taste for taste in (0, 1)]
        looked = rng.permutation([*items[own][:4], *items[1 - own][:4]])
        later = items[own][4:8] if person % 4 else []
        for place, item in enumerate([*looked, *later]):
            dwell = LONG if item in items[own] else SHORT
            dwell *= float(rng.uniform(0.7, 1.3))
            rows.append((f"u{person}", f"i{item}", dwell, 1e9 + 100.0 * place + person))
    return pl.DataFrame(rows, schema=["user", "item", "dwell", "ts"], orient="row")


def catalogue():
    words = ("racing bike", "tea leaf")
    ids = [f"i{item}" for item in range(2 * TASTE)]
    titles = [f"{words[item // TASTE]} number {item}" for item in range(2 * TASTE)]
    return pl.DataFrame({"item": ids, "title": titles})


def fitted(name, data):
    recommender = registry.build("recommenders", {"type": name, **QUICK.get(name, {})}, where=name)
    return palate.Pipeline(encoders={"words": palate.Tfidf(min_df=1)}, recommender=recommender).fit(
        data
    )


def own_taste(name, log, **options):
    """The share of the first four places that hold what the person dwelt on."""
    data = palate.read(log, catalogue(), **options)
    people = [f"u{person}" for person in range(0, 160, 4)]
    table = fitted(name, data).recommend(people, k=4).table
    taste = table["item_id"].str.strip_prefix("i").cast(pl.Int64) // TASTE
    own = (table["user_id"].str.strip_prefix("u").cast(pl.Int64) // 4) % 2
    return float((taste == own).mean())


# rules count people, however long these look
IMPERSONAL = {"popular", "bias", "association_rules"}
PERSONAL = [name for name in registry.names("recommenders") if name not in IMPERSONAL]


@pytest.mark.parametrize("name", PERSONAL)
def test_what_people_dwell_on_is_what_they_are_shown(name):
    log = world()
    dealt = log.with_columns(pl.col("dwell").shuffle(seed=5))
    weighed = own_taste(name, log, weight="log(dwell)")
    plain, by_chance = own_taste(name, log), own_taste(name, dealt, weight="log(dwell)")
    assert weighed > 0.8, (weighed, plain, by_chance)
    assert weighed > max(plain, by_chance) + 0.2, (weighed, plain, by_chance)


def test_what_is_dwelt_on_is_popular():
    log = pl.DataFrame({"user": list("abcde"), "item": list("xxxyy"), "dwell": [1, 2, 1, 60, 80]})
    asked = {"history": []}
    plain = palate.Pipeline(encoders={}, recommender=palate.Popular())
    assert plain.fit(palate.read(log)).recommend(**asked).table["item_id"][0] == "x"
    weighed = plain.fit(palate.read(log, weight="dwell"))
    assert weighed.recommend(**asked).table["item_id"][0] == "y"


BOUGHT = pl.DataFrame(
    {
        "user": [*"aaaaa", *"bb", *"cc", *"dd"],
        "item": ["milk", "milk", "milk", "milk", "tea", "milk", "pot", "tea", "cup", "tea", "cup"],
        "ts": [1e9 + day * 86_400 for day in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)],
    }
)


def first_shown(name, repeats, history):
    data = palate.read(BOUGHT, repeats=repeats)
    model = palate.Pipeline(
        encoders={}, recommender=registry.build("recommenders", {"type": name}, where=name)
    ).fit(data)
    found = model.recommend(history=history, k=4, exclude_seen=False)
    return dict(zip(found.table["item_id"], found.table["score"], strict=True))


def test_repeats_count_once_or_each_time():
    """Milk is bought five times by two people, tea once each by three."""
    once, each = (first_shown("popular", how, []) for how in ("once", "each"))
    assert (once["milk"], once["tea"]) == (2.0, 3.0)
    assert (each["milk"], each["tea"]) == (5.0, 3.0)
    assert first_shown("popular", None, []) == each, "by default each time, in what is popular"


@pytest.mark.parametrize("name", ["item_knn", "user_knn", "ease", "covisit"])
def test_every_recommender_counts_repeats_as_it_is_told(name):
    """A history that holds milk three times is more about milk, where repeats count each time."""
    again, plain = ["cup", "milk", "milk", "milk"], ["cup", "milk"]

    def leaning(how, history):
        """How far pot, bought with milk, stands from tea, bought with cup; the best is 1."""
        found = first_shown(name, how, history)
        return (found["pot"] - found["tea"]) / max(map(abs, found.values()))

    assert leaning("each", again) > leaning("each", plain) + 1e-3
    if name != "covisit":  # whose newest items are the newest events, whatever they are
        assert leaning("once", again) == pytest.approx(leaning("once", plain), abs=1e-6)


def test_the_ranker_counts_them_too():
    from palate.recommenders.two_stage.catalogue import Catalogue
    from palate.recommenders.two_stage.statistics import fit_statistics

    def statistics(how):
        data = palate.read(BOUGHT, repeats=how)
        histories = histories_of(data)
        return data, fit_statistics(
            histories, Catalogue.of(None, len(data.items)), behaviour=True, seed=0
        )

    (data, once), (_, each) = statistics("once"), statistics("each")
    milk, tea = (data.item_ids.find([name])[0] for name in ("milk", "tea"))
    assert (once["popularity"][milk], each["popularity"][milk]) == (2, 5)
    for name in ("together", "ease", "users"):
        assert once[name][0 if name == "users" else milk].sum() != pytest.approx(
            each[name][0 if name == "users" else milk].sum()
        )
    assert once["popularity"][tea] == each["popularity"][tea] == 3


def test_answers_are_first_choices_where_repeats_count_once():
    moment = 1e9 + 3.5 * 86_400
    once, each = (
        palate.split_by_time(palate.read(BOUGHT, repeats=how), at=moment)
        for how in ("once", "each")
    )
    assert len(once.sealed) == len(BOUGHT) - 4
    assert len(each.sealed) == len(BOUGHT) - 3
    later = BOUGHT.filter(pl.col("ts") >= moment)
    known = palate.read(BOUGHT.filter(pl.col("ts") < moment), repeats="once")
    given = palate.split_given(known, palate.read(later, repeats="once"))
    assert len(given.sealed) == len(once.sealed)


def test_once_keeps_the_first_and_nothing_later_decides():
    log = BOUGHT.with_columns(price=pl.int_range(pl.len()).cast(pl.Float64))
    whole = palate.read(log, repeats="once", keep=["price"]).interactions
    for count in range(1, len(log) + 1):
        part = palate.read(log.head(count), repeats="once", keep=["price"]).interactions
        assert part["price"].to_list() == [p for p in whole["price"].to_list() if p < count]


def test_a_saved_model_goes_on_counting_so(tmp_path):
    data = palate.read(BOUGHT, repeats="each")
    model = palate.Pipeline(encoders={}, recommender=palate.ItemKNN()).fit(data)
    again = palate.load(model.save(tmp_path / "model"))
    assert again.data_.repeats == "each"
    asked = {"history": ["cup", "milk", "milk"], "exclude_seen": False}
    one, other = (known.recommend(**asked).table for known in (model, again))
    assert one.equals(other)
    assert again.recommend(["a"], exclude_seen=False).table.equals(
        model.recommend(["a"], exclude_seen=False).table
    )


def test_a_pipeline_file_says_both(tmp_path):
    log = BOUGHT.with_columns(amount=pl.Series([1.0] * 10 + [90.0]))
    log.write_csv(tmp_path / "log.csv")
    (tmp_path / "shop.toml").write_text(
        '[data]\ninteractions = "log.csv"\nrepeats = "once"\nweight = "log(amount) per person"\n'
        '[recommender]\ntype = "popular"\n'
    )
    from palate.pipeline.config import read_config

    data, notes = read_config(tmp_path / "shop.toml").read()
    assert (data.repeats, data.weight) == ("once", "log(amount) per person")
    said = "\n".join(notes.lines())
    assert "repeat what their person did, and are left out" in said
    assert "nine in ten events weigh" in said


def test_ones_are_what_was_there_before():
    """Without weights and repeats, how strongly somebody chose is whether they did."""
    histories = histories_of(palate.read(BOUGHT))
    assert (histories.strengths() != histories.chosen()).nnz == 0
    asked = history_of_items(histories.item_ids, [["milk", "milk"], []])
    assert asked.strengths().toarray().tolist() == asked.chosen().toarray().tolist()
