import numpy as np
import polars as pl
import pytest

from palate import testing
from palate.core.dataset import Dataset
from palate.core.errors import ConfigError, DataError
from palate.features.encoders.categories import Categories

TASTES = {"dark": ("Horror", "Thriller", "Crime"), "light": ("Romance", "Musical")}
UNSEEN = "Western"


@pytest.fixture
def films():
    """Lovers of the dark watch Horror or Thriller or Crime, one genre a film."""
    rng = np.random.default_rng(8)
    genres = [genre for taste in TASTES.values() for genre in taste]
    table = pl.DataFrame(
        {
            "item_id": [f"f{row}" for row in range(52)],
            "title": [f"Film number {row} of many" for row in range(52)],
            "genre": [genres[row % 5] for row in range(50)] + [UNSEEN, UNSEEN],
        }
    )
    events = []
    for user in range(90):
        liked = TASTES["dark" if user % 3 else "light"]
        own = [row for row in range(50) if genres[row % 5] in liked]
        events += [(f"p{user}", f"f{row}") for row in rng.choice(own, 6, replace=False)]
    log = pl.DataFrame(events, schema=["user_id", "item_id"], orient="row")
    return Dataset(log, table)


def vectors(encoder):
    return {
        name.split(" = ")[1]: vector
        for name, vector in zip(encoder.names, encoder.vectors_, strict=True)
    }


@pytest.mark.parametrize(
    "encoder",
    [Categories(), Categories(dim=2, columns=["category", "tags"]), Categories(shrink=0.0)],
)
def test_it_keeps_the_promises_of_an_encoder(encoder, tiny):
    testing.check_encoder(encoder, tiny)


def test_categories_of_the_same_people_are_close(films):
    found = vectors(Categories(dim=2).fit(films))
    unit = {name: vector / np.linalg.norm(vector) for name, vector in found.items()}
    assert unit["Horror"] @ unit["Thriller"] > 0.9
    assert unit["Horror"] @ unit["Crime"] > 0.9
    assert unit["Romance"] @ unit["Musical"] > 0.9
    assert abs(unit["Horror"] @ unit["Romance"]) < 0.2


def test_the_fewer_people_the_shorter_the_vector(films):
    found = vectors(Categories(dim=3, shrink=20.0).fit(films))
    users = (
        films.interactions.join(films.items, on="item_id")
        .group_by("genre")
        .agg(pl.col("user_id").n_unique())
    )
    for genre, count in users.iter_rows():
        assert np.linalg.norm(found[genre]) == pytest.approx(count / (count + 20), abs=1e-5)


def test_what_nobody_touched_is_not_learnt(films):
    encoder = Categories().fit(films)
    assert UNSEEN not in vectors(encoder)
    assert not encoder.encode(films).values[50:].any()


def test_a_category_that_only_worthless_events_touched_is_zero(films):
    worth = films.interactions.join(films.items, on="item_id", maintain_order="left")["genre"]
    log = films.interactions.with_columns(weight=(worth != "Crime").cast(pl.Float32))
    found = vectors(Categories(dim=2).fit(films.with_interactions(log)))
    assert not found["Crime"].any()
    assert found["Horror"].any()


def test_an_item_is_the_mean_of_its_known_categories(films):
    encoder = Categories(dim=2).fit(films)
    found = vectors(encoder)
    items = films.items.with_columns(genre=pl.concat_list("genre", pl.lit("Musical")))
    both = Categories(dim=2).fit(Dataset(films.interactions, items))
    own = vectors(both)
    np.testing.assert_allclose(
        both.encode(Dataset(films.interactions, items)).values[0],
        (own["Horror"] + own["Musical"]) / 2,
        atol=1e-6,
    )
    np.testing.assert_allclose(encoder.encode(films).values[1], found["Thriller"], atol=1e-6)


def test_a_new_item_of_a_known_category_has_a_vector_at_once(films):
    encoder = Categories(dim=2).fit(films)
    later = pl.DataFrame(
        {"item_id": ["n0", "n1", "n2"], "genre": ["Crime", "Never met", None], "title": None}
    )
    features = encoder.encode(Dataset(films.interactions.clear(), later))
    assert features.behavioural == {"categories"}
    np.testing.assert_allclose(features.values[0], vectors(encoder)["Crime"], atol=1e-6)
    assert not features.values[1:].any()


def test_nothing_to_learn_from_is_refused(films):
    with pytest.raises(DataError, match="no interactions"):
        Categories().fit(films.with_interactions(films.interactions.clear()))
    with pytest.raises(DataError, match=r"holds categories that vary \(columns: item_id, title\)"):
        Categories().fit(Dataset(films.interactions, films.items.drop("genre")))
    with pytest.raises(DataError, match=r"no column 'genres'.*Did you mean 'genre'"):
        Categories(columns=["genres"]).fit(films)
    fitted = Categories().fit(films)
    with pytest.raises(DataError, match="no column 'genre'"):
        fitted.encode(Dataset(films.interactions, films.items.drop("genre")))


@pytest.mark.parametrize("setting", [{"columns": []}, {"dim": 0}, {"shrink": -1.0}])
def test_settings_are_checked(setting):
    with pytest.raises(ConfigError, match=next(iter(setting))):
        Categories(**setting)
