import importlib.util
from itertools import pairwise

import numpy as np
import polars as pl
import pytest

from palate.core.errors import ConfigError, DataError
from palate.data.samples import catalogue, movielens, synthetic, synthetic_truth


def write_movielens(folder):
    (folder / "ml-100k.inter").write_text(
        "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
        "1\t1\t3\t881250949\n2\t2\t4\t881250940\n1\t267\t5\t881250950\n",
        encoding="utf-8",
    )
    (folder / "ml-100k.item").write_text(
        "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n"
        "1\tToy Story\t1995\tAnimation Children's Comedy\n"
        "2\tBlue Angel, The (Blaue Engel, Der)\t1930\tDrama\n"
        "3\tStar Maker, The (Uomo delle stelle, L')\t1995\tDrama\n"
        "4\tParis, Texas\t1984\tDrama\n"
        "5\tLand Before Time III (1995)\tV\tAnimation\n"
        "267\tunkonwn\tunkonwn\tunknown\n",
        encoding="utf-8",
    )
    (folder / "ml-100k.user").write_text(
        "user_id:token\tage:token\tgender:token\toccupation:token\tzip_code:token\n"
        "1\t24\tM\ttechnician\t85711\n2\t53\tF\tother\t00501\n",
        encoding="utf-8",
    )


def test_movielens_from_a_folder(tmp_path):
    write_movielens(tmp_path)
    data = movielens(tmp_path)
    assert data.items.rows() == [
        ("1", "Toy Story", 1995, ["Animation", "Children's", "Comedy"]),
        ("2", "The Blue Angel (Der Blaue Engel)", 1930, ["Drama"]),
        ("3", "The Star Maker (L'Uomo delle stelle)", 1995, ["Drama"]),
        ("4", "Paris, Texas", 1984, ["Drama"]),
        ("5", "Land Before Time III", 1995, ["Animation"]),
        ("267", None, None, None),
    ]
    assert data.items.columns == ["item_id", "title", "year", "genres"]
    assert data.events["value"].to_list() == [4.0, 3.0, 5.0]
    assert data.users.row(1) == ("2", 53, "F", "other", "00501")


def test_movielens_that_is_not_there(tmp_path, monkeypatch):
    with pytest.raises(DataError, match=r"ml-100k\.inter is missing"):
        movielens(tmp_path)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(DataError, match=r"pip install --no-deps recbole==1\.2\.1"):
        movielens()


@pytest.mark.skipif(
    importlib.util.find_spec("recbole") is None, reason="recbole's files are not installed"
)
def test_movielens_as_installed():
    data = movielens()
    assert (len(data.events), len(data.items), len(data.users)) == (100_000, 1_682, 943)
    assert len(data.interactions) == 79_899
    assert len(movielens(positive="all").interactions) == 100_000
    assert data.items.filter(pl.col("title") == "The Net").row(0, named=True)["genres"] == [
        "Sci-Fi",
        "Thriller",
    ]
    assert data.interactions["timestamp"].is_sorted()
    assert data.items["year"].null_count() == 1
    titled = data.items["title"].drop_nulls()
    assert not titled.str.contains(r", The( \(|$)").any()


def test_synthetic_data_hold_what_their_truth_says():
    data, truth = synthetic(seed=3), synthetic_truth(seed=3)
    items, users = data.item_rows, data.user_rows
    assert len(truth.cold_items) == 6
    assert data.item_counts[truth.cold_items].sum() == 0
    names = data.user_ids.tolist()
    assert names == data.users["user_id"].to_list()
    liked, second = (
        truth.topic[items] == taste[users] for taste in (truth.taste, truth.second_taste)
    )
    assert (liked | second).all()
    assert liked.mean() > 0.7
    follows, backwards, steps = 0, 0, 0
    for user in range(len(names)):
        sequence = items[users == user]
        assert len(set(sequence)) == len(sequence)
        for before, after in pairwise(sequence):
            follows += truth.successor[before] == after
            backwards += truth.successor[after] == before
            steps += 1
    assert follows / steps > 0.55
    assert backwards / steps < 0.05


def test_planted_rings_are_directed_and_stay_in_their_topic():
    truth = synthetic_truth(n_items=300, seed=1)
    has = np.flatnonzero(truth.successor >= 0)
    assert np.array_equal(truth.topic[truth.successor[has]], truth.topic[has])
    assert len(set(truth.successor[has])) == len(has)
    assert (truth.successor[truth.cold_items] == -1).all()
    sizes = np.bincount(truth.topic, minlength=6)
    assert sizes[0] > 2 * sizes[5] > 0
    assert not np.array_equal(truth.topic, truth.topic[::-1])


def test_planted_words_tell_the_topic_in_both_languages():
    truth = synthetic_truth(seed=2)
    english, chinese = synthetic(seed=2), synthetic(seed=2, language="zh")
    assert english.interactions.equals(chinese.interactions)
    for data in (english, chinese):
        first = data.items["tags"].list.to_array(3).to_numpy()
        for topic in range(6):
            own = set(first[truth.topic == topic].ravel())
            others = set(first[truth.topic != topic].ravel())
            assert not own & others
        assert data.items["title"].n_unique() == len(data.items)
    assert chinese.items["title"].str.contains(r"\p{Han}").all()
    assert set(english.items.columns) == {
        "item_id",
        "title",
        "description",
        "category",
        "price",
        "tags",
    }


def test_planted_depends_on_its_seed_alone():
    one, two, other = synthetic(seed=5), synthetic(seed=5), synthetic(seed=6)
    assert one.interactions.equals(two.interactions)
    assert one.items.equals(two.items)
    assert not one.interactions.equals(other.interactions)
    assert one.interactions["timestamp"].is_sorted()


def test_planted_settings_that_cannot_work():
    with pytest.raises(ConfigError, match="12 items"):
        synthetic(n_items=5)
    with pytest.raises(ConfigError, match="en, zh"):
        synthetic(language="fr")


def test_catalogue_is_skewed_and_in_order():
    data = catalogue(n_items=2_000, n_events=40_000, seed=1)
    assert (len(data.items), len(data.interactions)) == (2_000, 40_000)
    assert len(data.user_ids) <= 2_000
    counts = np.sort(data.item_counts)[::-1]
    assert counts[:20].sum() > 5 * counts[1000:1020].sum()
    assert data.interactions["timestamp"].is_sorted()
    assert data.items["title"].n_unique() == 2_000
    rows = np.arange(2_000)
    assert abs(np.corrcoef(rows, data.item_counts)[0, 1]) < 0.1
    again = catalogue(n_items=2_000, n_events=40_000, seed=1)
    assert data.interactions.equals(again.interactions)


def test_a_tiny_catalogue():
    data = catalogue(n_items=1, n_events=3, n_users=1)
    assert data.interactions["item_id"].to_list() == ["i0"] * 3
    with pytest.raises(ConfigError):
        catalogue(n_items=0)
