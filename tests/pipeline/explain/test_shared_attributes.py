import numpy as np
import polars as pl
import pytest

from palate.core.dataset import Dataset
from palate.features.encoders.attributes import Attributes
from palate.features.encoders.tfidf import Tfidf
from palate.pipeline.explain import shared_attributes
from palate.pipeline.explain.shared_attributes import CommonGround

FILMS = pl.DataFrame(
    {
        "item_id": list("abcdefghij"),
        "title": [
            *("Star Trek", "Star Trek: Generations", "Star Dust", "Lonely Star", "Star Kid"),
            *("Rope", "Vertigo", "Psycho", "The Birds", "Marnie"),
        ],
        "genres": [
            *(["Sci-Fi", "Drama"], ["Drama", "Sci-Fi"], ["Drama"], ["Western", "Drama"]),
            *(["Comedy"], ["Crime", "Drama"], ["Crime"], ["Drama", "Crime"], ["Horror"], []),
        ],
        "year": [1979, 1994, 1979, 1996, None, 1948, 1958, 1960, 1963, 1964],
        "studio": ["Paramount"] * 3 + ["1"] * 2 + ["Universal"] * 5,
    }
)
NOTHING = Dataset(
    pl.DataFrame(schema={"user_id": pl.String, "item_id": pl.String}),
    FILMS,
)


def ground_of(*encoders):
    return CommonGround.of([encoder.fit(NOTHING) for encoder in encoders], FILMS)


def names(ground, *pairs):
    ones, others = np.array([[FILMS["item_id"].index_of(x) for x in pair] for pair in pairs]).T
    return ground.names(FILMS, ones.astype(np.int32), others.astype(np.int32))


def test_shared_categories_and_words_the_rarest_first():
    """Half of the films are dramas or have a star; the crimes are three, of science fiction two."""
    ground = ground_of(Tfidf(template="{title}. {genres}"))
    assert ground.words == ["title"]
    assert names(ground, "ab", "fh", "ci", "cd") == [
        ["Sci-Fi", "trek", "star"],
        ["Crime"],
        [],
        ["star"],
    ]


def test_what_more_than_half_have_is_not_worth_naming():
    ground = ground_of(Attributes(columns=["genres"]))
    assert ground.shares["drama"] == 0.6
    assert names(ground, "ac", "ab") == [[], ["Sci-Fi"]]


def test_only_what_encoders_read_is_common():
    assert names(ground_of(Attributes(columns=["genres"])), "ab") == [["Sci-Fi"]]
    assert names(ground_of(Tfidf(template="{title}")), "ab") == [["trek", "star"]]
    assert names(CommonGround.of([object()], FILMS), "ab") == [[]]


def test_numbers_in_place_of_names_are_not_named():
    ground = ground_of(Attributes(columns=["studio"]))
    assert names(ground, "de", "ab") == [[], ["Paramount"]]


def test_a_word_that_is_a_category_is_named_once_as_the_category():
    films = FILMS.with_columns(title=pl.Series(["crime wave", *FILMS["title"][1:]]))
    data = Dataset(NOTHING.interactions, films)
    encoders = [Tfidf(template="{title}. {genres}").fit(data)]
    ground = CommonGround.of(encoders, films)
    assert ground.names(films, np.int32([6]), np.int32([7])) == [["Crime"]]
    assert ground.names(films, np.int32([0]), np.int32([6])) == [[]]


def test_hashed_categories_share_a_feature_and_still_nothing():
    """Beyond the most frequent two, all genres fall into one bucket."""
    encoder = Attributes(columns=["genres"], max_categories=2, hashed=1)
    ground = ground_of(encoder)
    assert ground.plans[0]["categories"] == ["Drama", "Crime"]
    assert names(ground, "di", "gh") == [[], ["Crime"]]


def test_no_pairs_have_no_names():
    ground = ground_of(Tfidf())
    assert ground.names(FILMS, np.int32([]), np.int32([])) == []


def test_what_is_rare_is_learnt_from_a_sample(monkeypatch):
    monkeypatch.setattr(shared_attributes, "COUNTED_ITEMS", 3)
    ground = ground_of(Tfidf(template="{title}"))
    assert {word: 3 * share for word, share in ground.shares.items()} == {
        "star": 2,
        "trek": 1,
        "kid": 1,
        "the": 1,
        "birds": 1,
    }


BOOKS = ["太空旅行", "太空旅行", "太空", "太空人", "旅行", "茶", "壶", "杯", "盘", "碗"]


def books_and_ground():
    books = pl.DataFrame({"item_id": list("abcdefghij"), "title": BOOKS})
    encoders = [Tfidf(template="{title}").fit(Dataset(NOTHING.interactions, books))]
    return books, CommonGround.of(encoders, books)


def test_a_run_of_characters_is_as_rare_as_its_rarest_pair(monkeypatch):
    """Where no segmenter is installed; where one is, as its rarest word."""
    books, ground = books_and_ground()
    if ground.segment:
        assert ground._share_of("太空旅行") == 0.3
    monkeypatch.setattr(shared_attributes, "is_installed", lambda *modules: False)
    books, ground = books_and_ground()
    assert not ground.segment
    assert ground._share_of("太空旅行") == 0.2
    assert ground.names(books, np.int32([0, 2]), np.int32([1, 3])) == [["太空旅行"], ["太空"]]


@pytest.mark.parametrize("installed", [True, False])
def test_a_text_names_whole_words_with_and_without_a_segmenter(monkeypatch, installed):
    if installed:
        pytest.importorskip("rjieba")
    monkeypatch.setattr(shared_attributes, "is_installed", lambda *modules: installed)
    books, ground = books_and_ground()
    found = ground.names_in_words("想看太空旅行的书", books[[0, 2, 5]])
    assert found == [["太空旅行"], ["太空"], []]


def test_what_is_part_of_a_longer_name_is_not_named_beside_it():
    films = FILMS.with_columns(
        title=pl.Series(["over-ear sci fun", "sci fun fair", *FILMS["title"][2:]])
    )
    data = Dataset(NOTHING.interactions, films)
    ground = CommonGround.of([Tfidf(template="{title}. {genres}").fit(data)], films)
    assert ground.names(films, np.int32([0]), np.int32([1])) == [["Sci-Fi", "fun"]]


@pytest.mark.parametrize(
    ("one", "other", "wanted"),
    [(0, 2, ["year"]), (0, 1, []), (6, 7, ["year"]), (4, 4, []), (4, 0, [])],
)
def test_numbers_that_are_near(one, other, wanted):
    """Of e nobody knows the year."""
    ground = ground_of(Attributes(columns=["year", "genres"]))
    assert ground.near_numbers(FILMS, one, other) == wanted


def test_columns_of_numbers_are_called_as_people_would():
    films = FILMS.rename({"year": "release_year"})
    encoder = Attributes(columns=["release_year"]).fit(Dataset(NOTHING.interactions, films))
    assert CommonGround.of([encoder], films).near_numbers(films, 0, 2) == ["release year"]


def test_words_of_sentences_that_come_again_and_again_are_not_named():
    """Every third of 60 items is "sturdy"; categories as common are named nevertheless."""
    kinds = ["kettle", "shoes", "novel"]
    items = pl.DataFrame(
        {
            "item_id": [f"i{row:02}" for row in range(60)],
            "title": [f"{kinds[row % 3]} number{row // 6}" for row in range(60)],
            "kind": [kinds[row % 3] for row in range(60)],
            "description": ["sturdy a" * (row % 3 == 0) + f" w{row} ok" for row in range(60)],
        }
    )
    data = Dataset(NOTHING.interactions, items)
    encoders = [Tfidf(template="{title} {description}").fit(data)]
    assert CommonGround.of(encoders, items).names(items, np.int32([0]), np.int32([3])) == [
        ["number0"]
    ]
    encoders.append(Attributes(columns=["kind"]).fit(data))
    assert CommonGround.of(encoders, items).names(items, np.int32([0]), np.int32([6])) == [
        ["kettle"]
    ]
