import polars as pl
import pytest

from palate.core.errors import DataError
from palate.data.columns import check_given, find_columns
from palate.data.read import read


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


@pytest.mark.parametrize(
    ("columns", "found"),
    [
        (
            ["用户ID", "商品ID", "评分", "时间戳", "评论"],
            {
                "user_id": "用户ID",
                "item_id": "商品ID",
                "value": "评分",
                "timestamp": "时间戳",
                "text": "评论",
            },
        ),
        (
            ["用户编号", "物品编号", "行为类型", "行为时间", "注册时间"],
            {
                "user_id": "用户编号",
                "item_id": "物品编号",
                "event": "行为类型",
                "timestamp": "行为时间",
            },
        ),
        (
            ["會員編號", "商品編號", "日期"],
            {"user_id": "會員編號", "item_id": "商品編號", "timestamp": "日期"},
        ),
        (
            ["用户", "电影ID", "打分", "时间", "权重"],
            {
                "user_id": "用户",
                "item_id": "电影ID",
                "value": "打分",
                "timestamp": "时间",
                "weight": "权重",
            },
        ),
        (
            ["user_id", "item_id", "注册time", "时间", "店铺name"],
            {"user_id": "user_id", "item_id": "item_id", "timestamp": "时间"},
        ),
        (["ＵＳＥＲ＿ＩＤ", "商品 ID"], {"user_id": "ＵＳＥＲ＿ＩＤ", "item_id": "商品 ID"}),
        (
            ["\ufeffuser_id", "item\u00a0id"],
            {"user_id": "\ufeffuser_id", "item_id": "item\u00a0id"},
        ),
    ],
)
def test_names_in_chinese(columns, found):
    assert find(columns) == found


@pytest.mark.parametrize(
    ("columns", "found"),
    [
        (["商品编号", "商品标题", "类目ID"], {"item_id": "商品编号", "title": "商品标题"}),
        (["item_id", "店铺name", "商品标题"], {"item_id": "item_id", "title": "商品标题"}),
        (["物品ID", "名称", "类目", "描述"], {"item_id": "物品ID", "title": "名称"}),
        (["item_id", "店铺name", "品牌title"], {"item_id": "item_id"}),
        (["编号", "标题"], {"item_id": "编号", "title": "标题"}),
    ],
)
def test_names_of_items_in_chinese(columns, found):
    assert find(columns, kind="items") == found


@pytest.mark.parametrize(
    ("columns", "missing"),
    [
        (["类目ID", "商品标题"], "item_id"),
        (["идuser", "item"], "user_id"),
        (["useré", "item"], "user_id"),
        (["店铺id", "item"], "user_id"),
    ],
)
def test_a_name_with_other_letters_is_not_the_bare_word(columns, missing):
    kind = "interactions" if missing == "user_id" else "items"
    with pytest.raises(DataError, match=f"no column for {missing}"):
        find(columns, kind=kind)


def test_names_in_chinese_that_mean_the_same_are_asked_about():
    with pytest.raises(DataError, match="'商品ID' and '物品ID' could all be item_id"):
        find(["用户ID", "商品ID", "物品ID"])
    with pytest.raises(DataError, match="'时间' and '日期' could all be timestamp"):
        find(["用户ID", "商品ID", "时间", "日期"])


@pytest.mark.parametrize(
    ("kind", "columns", "found"),
    [
        (
            "interactions",
            "User-ID ISBN Book-Rating",
            {"user_id": "User-ID", "item_id": "ISBN", "value": "Book-Rating"},
        ),
        (
            "items",
            "ISBN Book-Title Book-Author Year-Of-Publication Publisher Image-URL-S",
            {"item_id": "ISBN", "title": "Book-Title"},
        ),
        ("users", "User-ID Location Age", {"user_id": "User-ID"}),
        (
            "interactions",
            "userId movieId rating timestamp",
            {
                "user_id": "userId",
                "item_id": "movieId",
                "value": "rating",
                "timestamp": "timestamp",
            },
        ),
        (
            "interactions",
            "user_id book_id review_id rating review_text date_added date_updated read_at n_votes",
            {
                "user_id": "user_id",
                "item_id": "book_id",
                "value": "rating",
                "text": "review_text",
                "timestamp": "date_added",
            },
        ),
        (
            "interactions",
            "review_id user_id business_id stars useful funny cool text date",
            {
                "user_id": "user_id",
                "item_id": "business_id",
                "value": "stars",
                "text": "text",
                "timestamp": "date",
            },
        ),
        (
            "interactions",
            "app_id helpful funny date is_recommended hours user_id review_id",
            {"user_id": "user_id", "item_id": "app_id", "timestamp": "date", "value": "hours"},
        ),
        (
            "interactions",
            "userID artistID weight",
            {"user_id": "userID", "item_id": "artistID", "weight": "weight"},
        ),
        (
            "interactions",
            "userid timestamp musicbrainz-artist-id artist-name musicbrainz-track-id track-name",
            {"user_id": "userid", "timestamp": "timestamp", "item_id": "musicbrainz-track-id"},
        ),
        (
            "interactions",
            "user_id video_id play_duration video_duration time date timestamp watch_ratio",
            {
                "user_id": "user_id",
                "item_id": "video_id",
                "timestamp": "timestamp",
                "value": "watch_ratio",
            },
        ),
        (
            "interactions",
            "user_id item_id behavior_type user_geohash item_category time",
            {
                "user_id": "user_id",
                "item_id": "item_id",
                "event": "behavior_type",
                "timestamp": "time",
            },
        ),
        (
            "items",
            "news_id category subcategory title abstract url title_entities",
            {"item_id": "news_id", "title": "title"},
        ),
        (
            "interactions",
            "user_id venue_id place_name date",
            {"user_id": "user_id", "item_id": "venue_id", "timestamp": "date"},
        ),
    ],
)
def test_names_of_public_data_sets(kind, columns, found):
    assert find(columns.split(), kind=kind) == found


def test_less_known_names_are_taken_where_none_of_the_others_is_there():
    assert find(["user", "product_id", "app_id", "date", "date_added"]) == {
        "user_id": "user",
        "item_id": "product_id",
        "timestamp": "date",
    }


def test_of_two_ids_the_one_that_both_tables_have_links_them():
    log = pl.DataFrame({"user_id": ["u"], "book_id": ["1"]})
    books = pl.DataFrame({"book_id": ["1"], "isbn": ["439785960"], "title": ["A"]})
    assert read(log, books).items["item_id"].to_list() == ["1"]
    reviews = pl.DataFrame({"user_id": ["u"], "asin": ["a1"], "parent_asin": ["a"]})
    meta = pl.DataFrame({"parent_asin": ["a"], "title": ["A"]})
    assert read(reviews, meta).interactions["item_id"].to_list() == ["a"]
    with pytest.raises(DataError, match="'asin' and 'parent_asin' could all be item_id"):
        read(reviews, meta.with_columns(asin=pl.lit("a1")))
