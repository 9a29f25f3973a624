"""A model that can be handed on: who the people are stands nowhere in its folder."""

import re

import numpy as np
import polars as pl
import pytest

import palate
from palate.core.errors import ArtefactError, ConfigError, DataError, UnknownIdError
from palate.data.pseudonyms import pseudonym

KEY = "a key of our own, kept at home"
OTHER = "the key of somebody else, elsewhere"
PEOPLE = 40


def name(number):
    return f"ann-{number:04d}@example.org"


def shop(seed=3):
    """Events, films and people; who referred whom is said by ids, and so is who sells a film."""
    rng = np.random.default_rng(seed)
    rows = []
    for place, one in enumerate(rng.permutation(np.repeat(np.arange(PEOPLE), 6))):
        film = int(rng.integers(0, 8)) + 8 * int(one % 2)
        said = f"a {'wet' if film < 8 else 'cold'} one"
        rows.append((name(one), f"film-{film}", 1.6e9 + 7000 * place, said, 1 + film % 5))
    names = ["user_id", "item_id", "timestamp", "text", "rating"]
    items = pl.DataFrame(
        {
            "item_id": [f"film-{film}" for film in range(16)],
            "title": [f"{'sea' if film < 8 else 'snow'} story {film}" for film in range(16)],
            "seller": [name(film % 5) for film in range(16)],
        }
    )
    users = pl.DataFrame(
        {
            "user_id": [name(one) for one in range(PEOPLE)],
            "age": [20 + one for one in range(PEOPLE)],
            "login": [name(one) for one in range(PEOPLE)],
            "friends": [[name((one + step) % PEOPLE) for step in (1, 2)] for one in range(PEOPLE)],
        }
    )
    return pl.DataFrame(rows, schema=names, orient="row"), items, users


def fitted(key=KEY, recommender=None):
    events, items, users = shop()
    data = palate.read(events, items, users, pseudonyms=key, positive="all")
    return palate.Pipeline(
        encoders={"words": palate.Tfidf(min_df=1)},
        users={"who": palate.Attributes(), "did": palate.Aggregates()},
        recommender=recommender or palate.UserKNN(),
    ).fit(data)


def content_of(folder):
    """All bytes of a folder, its tables unpacked, too."""
    for path in folder.rglob("*"):
        if path.is_file():
            yield path.read_bytes()
        if path.suffix == ".parquet":
            yield pl.read_parquet(path).write_json().encode()


@pytest.mark.parametrize("recommender", [palate.UserKNN(), palate.Ranker(n_estimators=5)])
def test_no_id_of_a_person_is_in_any_byte_of_the_folder(tmp_path, recommender):
    folder = fitted(recommender=recommender).save(tmp_path / "model")
    held = b"\n".join(content_of(folder))
    assert b"film-3" in held
    assert pseudonym(name(3), KEY).encode() in held
    assert not re.findall(rb"ann-\d{4}|example\.org", held)
    assert KEY.encode() not in held


def test_people_are_asked_for_by_their_pseudonyms(tmp_path):
    fitted().save(tmp_path / "model")
    model = palate.load(tmp_path / "model")
    asked = palate.pseudonym(name(3), KEY)
    found = model.recommend([asked], k=3).table
    assert found["user_id"].unique().to_list() == [asked]
    with pytest.raises(UnknownIdError, match=r"unknown people: 'ann-0003.*by pseudonyms"):
        model.recommend([name(3)])
    with pytest.raises(UnknownIdError, match="another key gives others"):
        model.recommend([palate.pseudonym(name(3), OTHER)])
    with pytest.raises(UnknownIdError, match="by pseudonyms"):
        model.remove_users([name(3)])


def test_lists_are_those_of_the_people_behind_the_pseudonyms():
    """Here the order of people decides nothing."""
    clear, hidden = (fitted(key, palate.ItemKNN()) for key in (None, KEY))
    for one in range(PEOPLE):
        known = clear.recommend([name(one)], k=5).table
        found = hidden.recommend([pseudonym(name(one), KEY)], k=5).table
        assert found.drop("user_id").equals(known.drop("user_id"))


def test_the_order_of_rows_tells_nobody_who_is_who():
    events, items, users = shop()
    for table in (events, events.drop("timestamp").sort("user_id", maintain_order=True)):
        data = palate.read(table, items, users, pseudonyms=KEY, positive="all")
        assert data.users["user_id"].is_sorted()
        own = data.interactions.filter(pl.col("user_id") == pseudonym(name(7), KEY))
        theirs = table.filter(pl.col("user_id") == name(7))
        assert own["item_id"].to_list() == theirs["item_id"].to_list()
    assert data.interactions["user_id"].is_sorted()  # without times, person by person


def test_low_ratings_stay_with_their_person():
    events, items, _ = shop()
    for table in (events, events.drop("timestamp")):
        clear = palate.read(table, items, positive="rating >= 3")
        hidden = palate.read(table, items, positive="rating >= 3", pseudonyms=KEY)
        for one in range(PEOPLE):
            mine = pl.col("user_id") == name(one)
            hers = pl.col("user_id") == pseudonym(name(one), KEY)
            for part in ("interactions", "against", "events"):
                known, found = getattr(clear, part).filter(mine), getattr(hidden, part).filter(hers)
                assert found.drop("user_id").equals(known.drop("user_id"))


def test_where_people_are_items_both_have_pseudonyms():
    pairs = [(f"ann{a}", f"ann{(a + step) % 30}") for a in range(30) for step in (1, 2, 5, 29)]
    links = pl.DataFrame(pairs, schema=["user_id", "item_id"], orient="row")
    hidden = palate.read(links, links.select("item_id").unique(), pseudonyms=KEY)
    model = palate.Pipeline(encoders={}, recommender=palate.Popular()).fit(hidden)
    asked = pseudonym("ann1", KEY)
    found = model.recommend([asked], k=20, exclude_seen=False).table["item_id"]
    assert found.str.contains(r"^p[0-9a-f]{32}$").all()
    assert asked not in found
    with pytest.raises(DataError, match=r"'zoe'.*by pseudonyms"):
        model.add_items(pl.DataFrame({"item_id": ["zoe"]}))
    model.add_items(pl.DataFrame({"item_id": [pseudonym("zoe", KEY)]}))
    new = pl.DataFrame({"user_id": ["ann2"], "item_id": ["zoe"]})
    model.add_events(new, pseudonyms=KEY)
    assert pseudonym("zoe", KEY) in model.data_.interactions["item_id"]


def test_a_key_is_long_and_never_shown():
    events, items, _ = shop()
    for key in ("short secret", b"short secret", 1234567890123456789, ["a secret of many parts"]):
        with pytest.raises(ConfigError, match="at least 16") as raised:
            palate.read(events, items, pseudonyms=key)
        assert not re.search("secret|12345", str(raised.value))
        with pytest.raises(ConfigError, match="at least 16"):
            palate.pseudonym("ann", key)
    model = fitted()
    assert KEY not in repr(model) + repr(model.data_) + str(vars(model.data_))


def test_a_pseudonym_depends_on_id_and_key_alone():
    assert pseudonym("ann", KEY) == pseudonym("ann", f" {KEY}\n".encode())
    assert len({pseudonym(name, key) for name in ("ann", "bob") for key in (KEY, OTHER)}) == 4
    # HMAC-SHA-256, of RFC 2104, by another program: printf ann | openssl dgst -sha256 -hmac "$KEY"
    assert pseudonym("ann", KEY) == "pf6b1f2c77311c6332d02212fb6c9c23d"


def test_a_file_with_the_key_is_not_the_key(tmp_path):
    path = tmp_path / "the-key-of-the-shop.txt"
    path.write_text(KEY)
    with pytest.raises(ConfigError, match="names a file"):
        palate.pseudonym("ann", str(path))


def test_columns_that_repeat_the_id_as_a_number_are_refused():
    events, items, _ = shop()
    numbers = events.with_columns(pl.col("user_id").str.slice(4, 4).cast(int))
    users = numbers.select("user_id").unique().with_columns(customer=pl.col("user_id"))
    with pytest.raises(DataError, match=r"'customer' of users .* drop=\['customer'\]"):
        palate.read(numbers, items, users, pseudonyms=KEY)
    palate.read(numbers, items, users, pseudonyms=KEY, drop=["customer"])


def test_some_ids_in_a_column_of_words_are_pointed_at():
    events, items, _ = shop()
    told = []
    items = items.with_columns(note=pl.Series(["fine"] * 14 + [name(1), name(2)]))
    palate.read(events, items, pseudonyms=KEY, tell=told.append)
    said = str(told[0])
    assert "column 'note' of items holds 2 ids of people in the clear" in said
    assert "people are known by pseudonyms" in said
    assert KEY not in said


def test_new_events_need_the_same_key():
    model, last = fitted(), 1.7e9
    new = pl.DataFrame(
        {
            "user_id": [name(3), "nora@example.org"],
            "item_id": ["film-1", "film-2"],
            "timestamp": [last, last],
            "rating": [5, 5],
        }
    )
    people = pl.DataFrame({"user_id": ["nora@example.org"], "login": ["nora@example.org"]})
    with pytest.raises(DataError, match="by pseudonyms"):
        model.add_events(new)
    with pytest.raises(DataError, match="by pseudonyms"):
        model.add_events(new.clear(), users=people)
    with pytest.raises(ConfigError, match="another key"):
        model.add_events(new, pseudonyms=OTHER)
    before = len(model.data_.user_ids)
    model.add_events(new, users=people, pseudonyms=KEY)
    nora = pseudonym("nora@example.org", KEY)
    assert len(model.data_.user_ids) == before + 1
    assert model.recommend([nora], k=2).table["user_id"].unique().to_list() == [nora]
    assert model.data_.users.filter(pl.col("user_id") == nora)["login"].to_list() == [nora]
    again = new.with_columns(user_id=pl.lit(nora), item_id=pl.lit("film-3"))[:1]
    model.add_events(again)  # pseudonyms as they are
    clear = fitted(None)
    with pytest.raises(ConfigError, match="knows people by their own ids"):
        clear.add_events(new, pseudonyms=KEY)


def test_the_card_says_so(tmp_path):
    fitted().save(tmp_path / "hidden")
    fitted(None).save(tmp_path / "clear")
    said = [palate.read_card(tmp_path / one).lines() for one in ("hidden", "clear")]
    assert ["people are known by pseudonyms" in "\n".join(lines) for lines in said] == [True, False]


def test_older_versions_with_ids_in_the_clear_do_not_stay_beside(tmp_path):
    folder = tmp_path / "model"
    fitted(None).save(folder)
    with pytest.raises(ArtefactError, match=r"ids of people in the clear.*keep=0"):
        fitted().save(folder)
    assert palate.load(folder).recommend([name(3)], k=1).table.height == 1
    fitted().save(folder, keep=0)
    assert not re.findall(rb"ann-\d{4}|example\.org", b"\n".join(content_of(folder)))
    fitted().save(folder)
