"""Behaviour as text: "bought A (5 stars) on 2014-03-02, then viewed B", newest kept."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import ArrayLike

from palate.core.columns import EVENT, VALUE
from palate.core.dataset import Dataset
from palate.core.errors import AlignmentError, ConfigError
from palate.core.histories import Histories, histories_of, ragged_positions
from palate.text.normalise import Language, check_language

_DAY = 86_400.0
_VERBS = {
    "en": {
        "view": "viewed",
        "click": "clicked on",
        "cart": "added to the cart",
        "purchase": "bought",
        "like": "liked",
        "dislike": "disliked",
        "save": "saved",
        "rating": "rated",
        "review": "reviewed",
        "play": "played",
        "watch": "watched",
        "listen": "listened to",
        "read": "read",
        "share": "shared",
        "download": "downloaded",
        "search": "searched for",
        "skip": "skipped",
        "return": "returned",
        "": "chose",
    },
    "zh": {
        "view": "看了",
        "click": "点击了",
        "cart": "加入购物车：",
        "purchase": "买了",
        "like": "喜欢了",
        "dislike": "不喜欢",
        "save": "收藏了",
        "rating": "评价了",
        "review": "评论了",
        "play": "播放了",
        "watch": "观看了",
        "listen": "听了",
        "read": "读了",
        "share": "分享了",
        "download": "下载了",
        "search": "搜索了",
        "skip": "跳过了",
        "return": "退了",
        "": "选了",
    },
}
_SAME_EVENT = {
    "view": ("pv", "page_view", "pageview", "views", "viewed", "detail", "impression"),
    "click": ("clicks", "clicked", "clk"),
    "cart": ("add_to_cart", "addtocart", "add_cart", "basket", "add"),
    "purchase": ("buy", "bought", "transaction", "order", "purchased", "sale", "checkout"),
    "like": ("likes", "liked", "upvote", "thumbs_up"),
    "dislike": ("downvote", "thumbs_down"),
    "save": ("fav", "favorite", "favourite", "bookmark", "wishlist", "collect"),
    "rating": ("rate", "rated", "ratings", "stars"),
    "review": ("comment", "reviewed", "comments"),
    "play": ("played", "stream"),
    "watch": ("watched",),
    "listen": ("listened", "scrobble"),
    "return": ("refund", "returned"),
}
_CANONICAL = {alias: event for event, aliases in _SAME_EVENT.items() for alias in aliases}


@dataclass(frozen=True)
class _Grammar:
    """How clauses are built: `verb title value date`, with `joiner` between them."""

    joiner: str
    verb_gap: str
    quotes: tuple[str, str]
    stars: str
    one_star: str
    value: str
    date: str
    date_first: bool


_GRAMMARS = {
    "en": _Grammar(", then ", " ", ("", ""), " ({} stars)", " ({} star)", " ({})", " on {}", False),
    "zh": _Grammar("，然后", "", ("“", "”"), "（{}星）", "（{}星）", "（{}）", "{}", True),
}


def verbalise(
    histories: Histories,
    texts: Sequence[str],
    *,
    language: Language = "en",
    events: Sequence[str | None] | pl.Series | None = None,
    values: ArrayLike | None = None,
    times: ArrayLike | None = None,
    verbs: Mapping[str, str] | None = None,
    max_items: int = 20,
    max_chars: int = 1000,
) -> list[str]:
    """One text a request: what that person did, oldest first, "" for an empty history.

    `texts` says what each item of the catalogue is called; events of an item without a text are
    left out. `events`, `values` and `times` (seconds; the histories' own by default) hold one
    entry for each entry of `histories.items`. Values that all lie on half steps from 0 to 5 are
    called stars. `verbs` adds to or replaces the words for events; an event that has none is
    named as it is. The newest events are kept: at most `max_items`, and `max_chars` characters.
    A verb, and a date, is said when it changes.
    """
    check_language(language)
    _check_bounds(max_items, max_chars)
    if len(texts) != len(histories.item_ids):
        raise AlignmentError(
            f"{len(texts)} texts for a catalogue of {len(histories.item_ids)} items"
        )
    flat = _flat_columns(histories, events, values, times)
    recent = histories.last(max_items)
    row, position = ragged_positions(recent.starts, recent.stops)
    table = flat[position].with_columns(
        row=pl.Series(row),
        title=pl.Series(texts, dtype=pl.String).str.strip_chars()[histories.items[position]],
    )
    table = table.filter(pl.col("title").fill_null("") != "")
    grammar = _GRAMMARS[language]
    own = {_canonical(event): verb for event, verb in (verbs or {}).items()}
    table = _in_words(table, grammar, {**_VERBS[language], **own})
    sentences = _sentences(_newest_within(table, max_chars, grammar), grammar)
    said = dict(sentences.iter_rows())
    return [_clipped(said.get(number, ""), max_chars) for number in range(len(histories))]


def describe_users(
    data: Dataset,
    texts: Sequence[str],
    *,
    language: Language = "en",
    verbs: Mapping[str, str] | None = None,
    max_items: int = 20,
    max_chars: int = 1000,
) -> tuple[list[str], list[str]]:
    """The people of `data.user_ids` and a text on what each did, with events, values and dates.

    Settings as in `verbalise`; `texts` says what each item of `data.items` is called.
    """
    data = data.every()
    order = np.argsort(data.user_rows, kind="stable")
    table = data.interactions
    sentences = verbalise(
        histories_of(data),
        texts,
        language=language,
        events=table[EVENT][order] if EVENT in table.columns else None,
        values=table[VALUE].to_numpy()[order] if VALUE in table.columns else None,
        verbs=verbs,
        max_items=max_items,
        max_chars=max_chars,
    )
    return data.user_ids.tolist(), sentences


def _canonical(event: str) -> str:
    name = re.sub(r"[\s-]+", "_", event.strip().lower())
    return _CANONICAL.get(name, name)


def _check_bounds(max_items: int, max_chars: int) -> None:
    if max_items < 1 or max_chars < 1:
        raise ConfigError(
            f"max_items and max_chars must be at least 1, not {max_items} and {max_chars}"
        )


def _flat_columns(
    histories: Histories,
    events: Sequence[str | None] | pl.Series | None,
    values: ArrayLike | None,
    times: ArrayLike | None,
) -> pl.DataFrame:
    """`event`, `value` and `day` for every entry of `histories.items`, null where unknown."""
    length = len(histories.items)
    times = histories.times if times is None else times
    columns = {
        "event": pl.Series(events, dtype=pl.String) if events is not None else None,
        "value": pl.Series(np.asarray(values, dtype=np.float64)) if values is not None else None,
        "day": pl.Series(np.asarray(times, dtype=np.float64)) if times is not None else None,
    }
    for name, column in columns.items():
        if column is not None and len(column) != length:
            raise AlignmentError(f"{len(column)} {name}s for {length} events in the histories")
    empty = {"event": pl.String, "value": pl.Float64, "day": pl.Float64}
    frame = pl.DataFrame(
        {
            name: pl.repeat(None, length, dtype=empty[name], eager=True)
            if column is None
            else column
            for name, column in columns.items()
        }
    )
    finite = [
        pl.when(pl.col(name).is_finite()).then(pl.col(name)).alias(name)
        for name in ("value", "day")
    ]
    return frame.with_columns(finite).with_columns((pl.col("day") / _DAY).floor().cast(pl.Int32))


def _in_words(table: pl.DataFrame, grammar: _Grammar, verbs: Mapping[str, str]) -> pl.DataFrame:
    """Adds `verb`, `thing` (title and value) and `date` as they are said."""
    names = table["event"].fill_null("")
    known = {name: _canonical(name) for name in names.unique()}
    verb_of = {name: verbs.get(event, event.replace("_", " ")) for name, event in known.items()}
    left, right = grammar.quotes
    thing = pl.lit(left) + pl.col("title") + pl.lit(right)
    return table.with_columns(
        verb=names.replace_strict(verb_of, return_dtype=pl.String),
        thing=thing + _said_value(table["value"], grammar).fill_null(""),
        date=pl.col("day").cast(pl.Date).dt.to_string("%Y-%m-%d"),
    )


def _said_value(values: pl.Series, grammar: _Grammar) -> pl.Expr:
    known = values.drop_nulls()
    are_stars = len(known) > 0 and bool(
        (known.is_between(0, 5) & (known * 2 == (known * 2).round())).all()
    )
    number = pl.col("value").round(2).cast(pl.String).str.strip_suffix(".0")
    if not are_stars:
        return pl.format(grammar.value, number)
    one = pl.format(grammar.one_star, number)
    return pl.when(pl.col("value") == 1).then(one).otherwise(pl.format(grammar.stars, number))


def _newest_within(table: pl.DataFrame, max_chars: int, grammar: _Grammar) -> pl.DataFrame:
    """The newest events whose words fit; the newest one always stays."""
    date = pl.format(grammar.date, pl.col("date")).fill_null("")
    gaps = len(grammar.joiner) + len(grammar.verb_gap)
    length = pl.sum_horizontal(pl.col("verb", "thing").str.len_chars(), date.str.len_chars()) + gaps
    used = length.cum_sum(reverse=True).over("row")
    age = pl.int_range(pl.len(), 0, -1).over("row")
    return table.filter((used <= max_chars) | (age == 1))


def _sentences(table: pl.DataFrame, grammar: _Grammar) -> pl.DataFrame:
    """(row, text): clauses joined, each verb and date only where it changes."""
    verb = pl.when(_changes("verb")).then(pl.col("verb") + pl.lit(grammar.verb_gap))
    date = pl.when(_changes("date")).then(pl.format(grammar.date, pl.col("date")))
    said_verb, said_date = verb.fill_null(""), date.fill_null("")
    words = (
        [said_date, said_verb, pl.col("thing")]
        if grammar.date_first
        else [said_verb, pl.col("thing"), said_date]
    )
    clauses = table.select("row", clause=pl.concat_str(words))
    return clauses.group_by("row", maintain_order=True).agg(
        pl.col("clause").str.join(grammar.joiner)
    )


def _changes(name: str) -> pl.Expr:
    return pl.col(name).ne_missing(pl.col(name).shift(1).over("row"))


def _clipped(text: str, max_chars: int) -> str:
    return text if len(text) <= max_chars else text[: max_chars - 1].rstrip() + "…"
