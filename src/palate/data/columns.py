"""Which of their columns is which of ours: told by argument or found by convention."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence

from palate.core.columns import EVENT, ITEM, TEXT, TIME, TITLE, USER, VALUE, WEIGHT
from palate.core.errors import ConfigError, DataError, Message, Setting, did_you_mean

_CONVENTIONS = {
    USER: "user uid reviewer customer visitor member person account client buyer listener reader"
    " 用户 用戶 账号 帐号 账户 会员 會員 顾客 顧客 客户 客戶 买家 读者 使用者",
    ITEM: "item iid movie film asin parentasin product sku book isbn track song artist video news"
    " article game goods content document recipe course business anime"
    " 商品 物品 产品 產品 项目 項目 电影 電影 影片 图书 书籍 文章 新闻 视频 歌曲 课程 游戏",
    TIME: "timestamp ts time date datetime unixreviewtime unixtime unixtimestamp timestampms"
    " eventtime createdat ratedat reviewdate purchasedate"
    " 时间 時間 时间戳 時間戳 日期 日期时间 交互时间 行为时间 事件时间 点击时间 浏览时间 购买时间"
    " 下单时间 评分时间 评论时间 收藏时间",
    EVENT: "event eventtype eventname action actiontype behavior behaviour behaviortype"
    " behaviourtype interactiontype 事件 事件类型 行为 行為 行为类型 动作 操作 操作类型 交互类型",
    VALUE: "value rating ratings overall score stars amount dwell dwelltime dwellseconds clicks"
    " count plays playcount listens watchtime watchratio bookrating userrating"
    " 评分 評分 打分 星级 分数 得分 金额 次数 点击次数 播放次数 停留时长 观看时长 播放时长",
    TEXT: "text review reviewtext reviewbody comment 评论 評論 评论内容 评价内容 点评",
    WEIGHT: "weight 权重 權重",
    TITLE: "title name movietitle filmtitle itemtitle itemname producttitle productname booktitle"
    " newstitle videotitle articletitle trackname artistname headline"
    " 标题 標題 名称 名稱 名字 商品标题 商品標題 商品名称 商品名稱 商品名 物品名称 产品名称 片名"
    " 电影名 电影名称 书名 图书名称 歌名 歌曲名 歌曲名称 新闻标题 文章标题 视频标题 课程名称"
    " 游戏名称",
}
_LESS_KNOWN = {
    ITEM: "appid adgroupid venueid poiid placeid restaurantid hotelid beerid showid episodeid"
    " podcastid jokeid artistmbid musicbrainztrackid",
    TIME: "dateadded",
    VALUE: "hours hoursplayed playtime playtimeforever",
}
"""Names in public data sets that mean this only where none of the others is there."""

_KNOWN, _OTHERS_KNOWN = (
    {role: frozenset(names.split()) for role, names in table.items()}
    for table in (_CONVENTIONS, _LESS_KNOWN)
)
_ENDS_OF_IDS = ("id", "编号", "編號", "标识", "号")
_RATINGS = frozenset(
    [
        *("rating", "ratings", "overall", "score", "stars", "bookrating", "userrating"),
        *("评分", "評分", "打分", "星级", "分数", "得分"),
    ]
)
_FLAGS = frozenset(
    [
        *("label", "click", "isclick", "clicked", "isclicked", "ispositive"),
        *("recommended", "isrecommended", "是否点击", "点击标签"),
    ]
)
_IMPRESSIONS = frozenset(["click", "isclick", "clicked", "isclicked", "是否点击", "点击标签"])
_BEFORE, _AFTER = (
    "(avg|average|mean|bayesaverage|num|n|no|total)",
    "(number|count|avg|average|mean|rank|total|score|volume|rate)",
)
_COUNTED = "rating|review|vote|sale|play|download|purchase|click|view|like|comment|install"
_COUNTED_TOO = (  # which alone may mean something else
    "score|order|watch|fav|favorite|favourite|bookmark|share|follower|subscriber|listener|sold|rated"
)
_STATISTIC = re.compile(
    f"{_BEFORE}?({_COUNTED})s?{_AFTER}?|{_BEFORE}(user|unit)?({_COUNTED_TOO})s?"
    f"|(user|unit)?({_COUNTED_TOO})s?{_AFTER}|(user|unit)s(rated|sold)"
    "|(月|年|总|累计)?(评分|评价|评论|点评|点赞|收藏|播放|浏览|点击|下载|转发|分享|弹幕|购买|想看|看过|阅读|观看|关注|销|销售)"
    "(人|次)?(数|量|率)"
)
_STATISTICS = frozenset(
    [
        *("stars", "score", "popularity", "salesrank", "bestsellersrank", "averageuserrating"),
        *("helpfulvotes", "评分", "平均评分", "评论数", "评价数", "销量", "热度"),
        *("均分", "平均分", "豆瓣评分", "用户评分", "综合评分", "人气", "好评率", "点赞", "排名"),
        *(
            "播放次数",
            "bestsellerrank",
            "ranking",
            "trending",
            "ctr",
            "conversionrate",
            "likability",
        ),
    ]
)

_DID = (
    "order|visit|session|transaction|basket|item|event|return|refund|spend|spending|spent|revenue"
)
_OF_PEOPLE = re.compile(
    f"{_BEFORE}({_DID})s?(value|amount|{_AFTER})?|({_DID})s?{_AFTER}|orders|visits|sessions|spend"
    f"|spending|(days|months)since(the)?(last|first|previous)({_DID}|{_COUNTED}|event)s?|recency"
    "|(customer)?(lifetime)value|cltv|clv|ltv|churn(ed|score|risk)?"
    "|(总|累计)?(订单|消费|下单|登录|访问|退货)(次|金|笔)?(数|量|额|率)?"
)

ROLES: Mapping[str, tuple[str, ...]] = {
    "interactions": (USER, ITEM, TIME, EVENT, VALUE, TEXT, WEIGHT),
    "items": (ITEM, TITLE),
    "users": (USER,),
}
NEEDED: Mapping[str, tuple[str, ...]] = {
    "interactions": (USER, ITEM),
    "items": (ITEM,),
    "users": (USER,),
}


_COLUMNS = Setting("columns", section="data")


def check_given(given: Mapping[str, str], tables: Mapping[str, tuple[str, Sequence[str]]]) -> None:
    """`given` names columns that some table has, and roles that exist; else `DataError`.

    `tables` maps a kind of table to its name in messages and its columns.
    """
    roles = {role for kind in ROLES for role in ROLES[kind]}
    for theirs, ours in given.items():
        if not (isinstance(theirs, str) and isinstance(ours, str)):
            raise ConfigError(f"columns={{{theirs!r}: {ours!r}}}: both must be names, as text")
        if ours not in roles:
            said = Setting("columns", {theirs: ours}, "data")
            if theirs in roles and any(ours in columns for _, columns in tables.values()):
                raise DataError(
                    said,
                    " is the wrong way round: write ",
                    Setting("columns", {ours: theirs}, "data"),
                )
            raise DataError(
                said,
                f": {ours!r} is no column of palate.{did_you_mean(ours, roles)}",
            )
        if not any(theirs in columns for kind, (_, columns) in tables.items()):
            known = {column for _, columns in tables.values() for column in columns}
            names = ", ".join(name for name, _ in tables.values())
            raise DataError(
                f"{names}: no column {theirs!r}, which ",
                _COLUMNS,
                f" takes for {ours}.{did_you_mean(theirs, known)}",
            )


def plain_name(column: str) -> str:
    """A column's name as it is compared: its letters and digits, of any script, in lower case."""
    folded = unicodedata.normalize("NFKC", column).casefold()
    return "".join(letter for letter in folded if unicodedata.category(letter)[0] in "LMN")


def is_rating(column: str) -> bool:
    """Whether values under this name say how much somebody liked something."""
    return plain_name(column) in _RATINGS


def is_flag(column: str) -> bool:
    """Whether 1 and 0 under this name say which events are choices."""
    return plain_name(column) in _FLAGS


def is_impression(column: str) -> bool:
    """Whether 0 under this name says that something was shown and left: no choice, no dislike."""
    return plain_name(column) in _IMPRESSIONS


def is_statistic(column: str) -> bool:
    """Whether an item's numbers under this name are counted over what people did with it."""
    plain = plain_name(column)
    return plain in _STATISTICS or bool(_STATISTIC.fullmatch(plain))


def is_statistic_of_people(column: str) -> bool:
    """Whether a person's numbers under this name are counted over what that person did."""
    return is_statistic(column) or bool(_OF_PEOPLE.fullmatch(plain_name(column)))


def called_now(name: str, columns: Iterable[str]) -> str:
    """A hint at the end of a message that a table has no column `name`: what it is called, perhaps.

    "标题" and "movie_title" were read as "title", where the table has that.
    """
    known = list(columns)
    for role, kind in ((ITEM, "items"), (TITLE, "items"), (USER, "users")):
        if role in known and _matches(name, role, kind):
            return f" It was read as {role!r}: write that."
    return did_you_mean(name, known)


def find_columns(
    kind: str,
    name: str,
    columns: Sequence[str],
    given: Mapping[str, str],
    kept: Sequence[str],
    beside: Sequence[str] = (),
    *,
    fix: Setting | None = None,
) -> dict[str, str]:
    """Our column → theirs, for a table of `kind` ("interactions", "items", "users").

    What `given` says comes first, then a column with exactly our name, then the one column whose
    name is known by convention (case, spaces and underscores don't matter). Of two ids that match,
    the one that is among `beside`, the columns of the other tables, links them. Two that match
    otherwise, or none where one is needed, raise `DataError`, with the `fix` of who has another
    setting than `columns`. Columns in `kept` are left as they are.
    """
    found: dict[str, str] = {}
    for theirs, ours in given.items():
        if theirs in columns and ours in ROLES[kind]:
            if ours in found:
                raise DataError(
                    f"{name}: ",
                    _COLUMNS,
                    f" takes both {found[ours]!r} and {theirs!r} for {ours}; name one of them",
                )
            found[ours] = theirs
    free = [column for column in columns if column not in kept and column not in found.values()]
    for role in ROLES[kind]:
        if role not in found and (match := _by_convention(role, kind, name, free, beside, fix)):
            found[role] = match
    for role in NEEDED[kind]:
        if role not in found:
            raise DataError(
                f"{name}: no column for {role}.{did_you_mean(role, columns)} Say which it is: ",
                fix or Setting("columns", {"THEIR NAME": role}, "data"),
                "" if fix else _no_header(columns),
            )
    return found


def further_values(
    columns: Sequence[str], found: Mapping[str, str], kept: Sequence[str]
) -> list[str]:
    """Columns of the events with numbers, as dwell beside clicks, that are not the one `value`."""
    free = [column for column in columns if column not in kept and column not in found.values()]
    known = [column for column in free if plain_name(column) in _KNOWN[VALUE]]
    if known or VALUE in found:
        return known
    return [column for column in free if plain_name(column) in _OTHERS_KNOWN[VALUE]]


def _no_header(columns: Sequence[str]) -> Message:
    """A hint where a row stands in the place of the names: names are no numbers."""
    numbers = [column for column in columns if re.fullmatch(r"-?\d+(\.\d+)?", column)]
    if not numbers:
        return Message(())
    return Message.of(
        f". {numbers[0]!r} is no name: if the first line is a row, put one with names above it, or"
        " name the columns of a text by their places: ",
        Setting("columns", {"column_1": USER, "column_2": ITEM}, "data"),
    )


def _by_convention(
    role: str,
    kind: str,
    name: str,
    columns: Sequence[str],
    beside: Sequence[str],
    fix: Setting | None,
) -> str | None:
    if role in columns:
        return role
    matches = [column for column in columns if _matches(column, role, kind)]
    if not matches:
        others = _OTHERS_KNOWN.get(role, ())
        matches = [column for column in columns if plain_name(column) in others]
    if len(matches) > 1 and role == VALUE:
        matches = [column for column in matches if is_rating(column)]
    if len(matches) > 1 and role in (USER, ITEM):
        links = [column for column in matches if column in beside]
        matches = links if len(links) == 1 else matches
    if len(matches) > 1:
        both = " and ".join(repr(column) for column in matches)
        raise DataError(
            f"{name}: the columns {both} could all be {role}. Say which it is: ",
            fix or Setting("columns", {matches[0]: role}, "data"),
        )
    return matches[0] if matches else None


def _matches(column: str, role: str, kind: str) -> bool:
    plain = plain_name(column)
    if role not in (USER, ITEM):
        return plain in _KNOWN[role]
    if plain in ("id", "编号", "編號"):
        return kind == ("items" if role == ITEM else "users")
    return any(plain.removesuffix(end) in _KNOWN[role] for end in ("", *_ENDS_OF_IDS))
