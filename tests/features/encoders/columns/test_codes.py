"""Postcodes and the like are no amounts: their beginnings are categories."""

import numpy as np
import polars as pl
import pytest

import palate
from palate.core.dataset import Dataset
from palate.core.errors import ConfigError
from palate.features.default_encoders import default_user_encoders
from palate.features.encoders.attributes import Attributes
from palate.pipeline.user_features import users_as_items
from palate.text.profile import profile
from palate.text.template import text_columns

ZIPS = [f"{first}{rest:04d}" for first in "0019" for rest in range(137, 1137, 100)]


def of_items(**columns):
    names = [f"i{row}" for row in range(len(next(iter(columns.values()))))]
    items = pl.DataFrame({"item_id": names, **columns})
    events = pl.DataFrame({"user_id": ["u"] * len(names), "item_id": names})
    return Dataset(interactions=events, items=items)


def encoded(columns=None, **given):
    data = of_items(**given)
    encoder = Attributes(columns=columns).fit(data)
    block = encoder.encode(data).parts["attributes"].toarray()
    return dict(zip(encoder.names, block.T, strict=True))


@pytest.mark.parametrize(
    ("name", "values", "kind"),
    [
        ("home", ["01234", "90210", "02139"], "code"),  # no amount begins with 0
        ("home", ["85711", "94043", "12345", "55105", "60614", "T8H1N"], "code"),
        ("zip", ["85711", "94043", "12345"], "code"),
        ("zip_code", [1234, 90210, 2139], "code"),
        ("zip", [1234.0, None, 2139.0], "code"),
        ("Postcode", ["SW1A 1AA", "E1 6AN", "N1 9GU"], "code"),
        ("邮编", ["100080", "200030", "310000"], "code"),
        ("price", ["0.99", "1.50", "0.10"], "number"),
        ("count", ["0", "10", "7"], "number"),
        ("year", ["1995", "2001", "1987"], "number"),
        ("income", ["85711", "94043", "N/A", "12345", "55105"], "number"),
        ("zip", [0.5, 0.25, 0.1], "number"),
        ("zip_rate", [85711, 94043, 3], "number"),
    ],
)
def test_what_is_a_code(name, values, kind):
    assert profile(pl.Series(name, values)).kind == kind


def test_rare_codes_are_read_by_the_beginnings_that_rows_share():
    found = encoded(zip=ZIPS)
    assert all(name.endswith("…") for name in found)
    begun = np.array([code[:2] for code in ZIPS])
    assert {name[6:8] for name in found} == set(begun)
    for name, column in found.items():
        np.testing.assert_array_equal(column, begun == name[6:8])


def test_codes_that_many_share_are_read_whole():
    found = encoded(zip=["01234"] * 6 + ["90210"] * 7)
    assert list(found) == ["zip = 90210", "zip = 01234"]
    assert found["zip = 01234"].tolist() == [1] * 6 + [0] * 7


def test_numbers_get_their_lost_zeros_back():
    as_texts, as_numbers = encoded(zip=ZIPS), encoded(zip=[int(code) for code in ZIPS])
    assert list(as_texts) == list(as_numbers)
    for name, column in as_texts.items():
        np.testing.assert_array_equal(column, as_numbers[name])
    gaps = encoded(zip=[None, *(float(code) for code in ZIPS)])
    for name, column in as_texts.items():
        np.testing.assert_array_equal(np.append(0, column), gaps[name])


def test_how_a_code_is_read_can_be_said():
    assert list(encoded({"zip": {"as": "code", "prefix": 1}}, zip=ZIPS)) == [
        "zip = 0…",
        "zip = 1…",
        "zip = 9…",
    ]
    assert list(encoded({"zip": "standard"}, zip=ZIPS)) == ["zip"]
    assert len(encoded({"zip": "categories"}, zip=ZIPS)) == len(set(ZIPS))
    with pytest.raises(ConfigError, match="prefix must be at least 1"):
        Attributes(columns={"zip": {"as": "code", "prefix": 0}})


def test_later_codes_that_begin_like_known_ones_are_known():
    encoder = Attributes().fit(of_items(zip=ZIPS))
    block = encoder.encode(of_items(zip=["00999", "77777", None])).values
    assert block.sum(axis=1).tolist() == [1, 0, 0]
    assert block[0, encoder.names.index("zip = 00…")] == 1


def test_codes_are_no_words():
    table = pl.DataFrame({"item_id": ["a", "b", "c"], "postcode": ["SW1A 1AA", "E1 6AN", "N1 9GU"]})
    assert text_columns(table) == []


def people_of_two_towns():
    """A town's beginning decides what is chosen; as a number, its middle lies in the other's."""
    rng = np.random.default_rng(7)
    towns = rng.choice(["1", "5", "9"], 150)
    zips = [f"{town}{rng.integers(0, 10_000):04d}" for town in towns]
    users = pl.DataFrame({"user_id": [f"u{row}" for row in range(150)], "zip": zips})
    rows = []
    for row, town in enumerate(towns):
        kind = "river" if town == "5" else "coast"
        rows += [(f"u{row}", f"{kind}-{item}", float(row)) for item in rng.permutation(8)[:5]]
    events = pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp"], orient="row")
    return palate.read(events, users=users)


def test_a_postcode_changes_the_list(tmp_path):
    data = people_of_two_towns()
    assert list(default_user_encoders(users_as_items(data))) == ["attributes"]
    model = palate.Pipeline(encoders={}, recommender=palate.UserKNN()).fit(data)
    again = palate.load(model.save(tmp_path / "model"))
    for code, kind in (("51234", "river"), ("15999", "coast"), (90_001, "coast")):
        found = model.recommend(profile={"zip": code}, k=5).table
        assert found["item_id"].str.starts_with(kind).all()
        assert again.recommend(profile={"zip": code}, k=5).table.equals(found)


def test_check_says_so(tmp_path, command):
    data = people_of_two_towns()
    data.interactions.write_csv(tmp_path / "events.csv")
    data.users.write_csv(tmp_path / "users.csv")
    (tmp_path / "shop.toml").write_text(
        '[data]\ninteractions = "events.csv"\nusers = "users.csv"\n'
        '[recommender]\ntype = "user_knn"\n'
    )
    done = command("check", tmp_path / "shop.toml")
    assert done.code == 0
    told = " ".join(done.out.split())
    assert "zip holds codes, read as categories by their first sign" in told
