import pytest

from palate.data._columns import check_given, find_columns
from palate.errors import DataError


def find(columns, given=None, kept=(), kind="interactions"):
    return find_columns(kind, "log.csv", columns, given or {}, kept)


@pytest.mark.parametrize(
    ("columns", "found"),
    [
        (
            ["userId", "movieId", "rating", "timestamp"],
            {
                "user_id": "userId",
                "item_id": "movieId",
                "value": "rating",
                "timestamp": "timestamp",
            },
        ),
        (
            ["reviewerID", "asin", "overall", "unixReviewTime", "reviewText", "reviewTime"],
            {
                "user_id": "reviewerID",
                "item_id": "asin",
                "value": "overall",
                "timestamp": "unixReviewTime",
                "text": "reviewText",
            },
        ),
        (
            ["Customer ID", "Product ID", "event_type", "ts", "dwell"],
            {
                "user_id": "Customer ID",
                "item_id": "Product ID",
                "event": "event_type",
                "timestamp": "ts",
                "value": "dwell",
            },
        ),
        (
            ["uid", "parent_asin", "action", "date", "clicks", "review"],
            {
                "user_id": "uid",
                "item_id": "parent_asin",
                "event": "action",
                "timestamp": "date",
                "value": "clicks",
                "text": "review",
            },
        ),
        (
            ["user", "item", "time", "amount"],
            {"user_id": "user", "item_id": "item", "timestamp": "time", "value": "amount"},
        ),
    ],
)
def test_conventions(columns, found):
    assert find(columns) == found


def test_our_own_name_wins_over_conventions():
    found = find(["user_id", "uid", "item_id", "asin", "rating", "value"])
    assert found == {"user_id": "user_id", "item_id": "item_id", "value": "value"}


def test_an_argument_wins_over_both():
    found = find(["user_id", "household", "asin"], {"household": "user_id"})
    assert found["user_id"] == "household"


def test_two_that_match_name_both_and_the_fix():
    with pytest.raises(DataError) as caught:
        find(["user", "asin", "parent_asin"])
    assert "'asin' and 'parent_asin'" in str(caught.value)
    assert "columns={'asin': 'item_id'}" in str(caught.value)
    assert (
        find(["user", "asin", "parent_asin"], {"parent_asin": "item_id"})["item_id"]
        == "parent_asin"
    )


def test_kept_columns_are_not_taken():
    assert "value" not in find(["user", "item", "rating"], kept=["rating"])


def test_a_missing_column_gets_a_guess():
    with pytest.raises(DataError) as caught:
        find(["usr_id", "item", "when"])
    message = str(caught.value)
    assert "log.csv: no column for user_id" in message
    assert "Did you mean 'usr_id'?" in message
    assert "columns={'THEIR NAME': 'user_id'}" in message


def test_ids_of_items_and_users_tables():
    assert find(["id", "name"], kind="items") == {"item_id": "id", "title": "name"}
    assert find(["id", "age"], kind="users") == {"user_id": "id"}
    with pytest.raises(DataError, match="no column for user_id"):
        find(["id", "item"])


def test_given_names_must_exist():
    tables = {"interactions": ("log.csv", ["person", "item"])}
    with pytest.raises(DataError, match=r"no column 'persn'.*Did you mean 'person'"):
        check_given({"persn": "user_id"}, tables)
    with pytest.raises(DataError, match=r"'user' is no column of palate.*Did you mean 'user_id'"):
        check_given({"person": "user"}, tables)


def test_two_given_for_one_role():
    with pytest.raises(DataError, match="both 'a' and 'b'"):
        find(["a", "b", "item"], {"a": "user_id", "b": "user_id"})
