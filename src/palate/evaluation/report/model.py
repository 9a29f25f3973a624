"""The report's map of the catalogue and its account of what the ranker looks at."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import polars as pl

from palate.core.visible import shorten
from palate.evaluation.report.charts import Pair, paired_bars
from palate.evaluation.report.html import Words, count, escape, named, say
from palate.evaluation.report.map import CatalogueMap, Categories
from palate.recommenders.two_stage.arrivals import LENT
from palate.recommenders.two_stage.recency import WINDOWS

TOP_FEATURES: Final = 15
_IMPORTANCE_COLUMNS: Final = ("feature", "family", "gain", "contribution")

FAMILIES_ZH: Mapping[str, str] = MappingProxyType(
    {
        "behaviour": "行为",
        "behaviour lent by content": "由内容借来的行为",
        "sum of retrievers": "各召回器之和",
        "popularity": "热度",
        "the person's own past": "本人的过去",
        "the person's profile": "本人的资料",
        "what was turned down": "被拒绝过的",
        "context": "情境",
    }
)

WORDS_ZH: Mapping[str, str] = MappingProxyType(
    {
        "followed the recent items": "接在近期物品之后",
        "followed the newest item": "接在最新物品之后",
        "followed the second newest item": "接在次新物品之后",
        "came right after the recent items": "紧接在近期物品之后",
        "how often it follows the recent items": "近期物品之后多常接着它",
        "followed what followed the recent items": "接在近期物品的后续之后",
        "chosen by the same people as the long history": "与长期历史为同一批人所选",
        "who chose what: like the long history": "谁选了什么：像长期历史",
        "chosen by people with a similar history": "历史相似的人所选",
        "followed items like the recent ones": "接在与近期物品相像的物品之后",
        "all retrievers together": "全部召回器合计",
        "all retrievers together, behind the best": "全部召回器合计，落后最佳多少",
        "all retrievers together, of the best": "全部召回器合计，最佳者的",
        "popularity": "热度",
        "popularity of the newest item": "最新物品的热度",
        "popularity, against that of the newest item": "热度，与最新物品相比",
        "how often it is what people chose last": "多常是人们最近的选择",
        "how long ago it was first chosen": "多久前首次被选",
        "how long ago it was last chosen": "多久前最近被选",
        "what the whole history points to": "整个历史所指向的",
        **{f"popularity of the last {days:g} days": f"最近{days:g}天的热度" for days in WINDOWS},
        "chosen by people with a similar profile": "资料相似的人所选",
        "chosen more by people with such a profile than by others": "此类资料的人比他人更常选",
        "popularity with people of such a profile": "在此类资料的人中的热度",
        **{
            f"popularity of the last {days:g} days with such a profile": (
                f"最近{days:g}天在此类资料的人中的热度"
            )
            for days in WINDOWS
        },
        "like the words of the person's profile": "像本人资料中的文字",
        "length of the history": "历史长度",
        "how long ago the person chose it": "此人多久前选过它",
        "how often the person chose it lately": "此人近来选过它几次",
        "how often people turned it down": "人们多常拒绝它",
        "turned down by the people who turned down what this person did": (
            "拒绝过相同物品的人也拒绝它"
        ),
        "like what the person turned down": "像此人拒绝过的",
        "like the recent items": "像近期物品",
        "like the newest item": "像最新物品",
        "like the long history": "像长期历史",
        "like what tends to follow": "像通常接下来的物品",
        "like the nearest recent item": "像最相近的近期物品",
        "like the second nearest recent item": "像次相近的近期物品",
        "age of the nearest recent item": "最相近的近期物品有多久",
        "like the newest three items": "像最新的三件物品",
        "who chose what": "谁选了什么",
        LENT: "相似物品最近30天的热度",
    }
)

SCALES_ZH: Mapping[str, str] = MappingProxyType(
    {", against others": "，与全目录相比", ", rank": "，名次"}
)


_CHOSEN: Final = re.compile(
    r"(?P<who>[^:]+): (?P<how>.+) \((?:without a trial: nobody was there to ask"
    r"|NDCG@10 (?P<ndcg>[\d.]+) in (?P<requests>[\d,]+) trial requests"
    r"(?:, (?P<otherwise>.+) (?P<other>[\d.]+))?)\)"
)
_LIFTED: Final = re.compile(r"lifted by ([\d.e+-]+) deviations")
_BOTH: Final = re.compile(r"trees and ([\d.e+-]+) times (.+)")
_RAISED: Final = ", raised by what a profile says"
_WHO_ZH: Mapping[str, str] = MappingProxyType(
    {
        "no history": "没有历史的人",
        "1 to 5 events": "有 1 至 5 个事件的人",
        "6 to 20 events": "有 6 至 20 个事件的人",
        "over 20 events": "有 20 个以上事件的人",
        "new items": "新物品",
        "long tail": "长尾",
        "new items among themselves": "新物品之间的次序",
    }
)
_TAUGHT_ZH: Mapping[str, str] = MappingProxyType(
    {"profiles": "个人资料", "dislikes": "拒绝过的物品"}
)
_HOW_ZH: Mapping[str, str] = MappingProxyType(
    {
        "": "",
        "trees": "树模型",
        "trees alone": "只用树模型",
        "the plain sum": "各信号之和",
        "popularity of all time": "全部时间的热度",
        "not lifted": "不提高",
        "counted": "计入",
        "left out": "不计",
    }
)


def map_lead(drawn: CatalogueMap, colours: Categories | None, total: int, words: Words) -> str:
    """How to read the map."""
    parts = {"block": named(drawn.block), "method": escape(drawn.method)}
    if colours is None:
        lead = say(words, "map_text_plain", **parts)
    else:
        lead = say(words, "map_text", column=named(colours.column), **parts)
        lead += " " + say(words, "map_rarest") if colours.several else ""
    if len(drawn.rows) < total:
        lead += " " + say(words, "map_sampled", shown=count(len(drawn.rows)), total=count(total))
    return lead


def map_section(drawn: CatalogueMap, colours: Categories | None, words: Words) -> str:
    """The canvas, its tools and its legend; the points travel in the page's JSON."""
    label = say(words, "map_label", count=count(len(drawn.rows)))
    search = say(words, "map_search")
    buttons = "".join(
        f'<button type="button" id="map-{name}" aria-label="{say(words, f"map_{name}")}" '
        f'title="{say(words, f"map_{name}")}">{sign}</button>'
        for name, sign in (("in", "+"), ("out", "\N{MINUS SIGN}"), ("reset", "⤢"))
    )
    return (
        f"<noscript><p>{say(words, 'map_noscript')}</p></noscript>"
        f'<div class="map-tools"><input type="search" id="map-search" aria-label="{search}" '
        f'placeholder="{search}" autocomplete="off"><output id="map-found" for="map-search">'
        f'</output><span class="zooms">{buttons}</span></div>'
        f'<p id="map-person" hidden><span></span><button type="button">'
        f"{say(words, 'map_clear')}</button></p>"
        f'<div class="map-frame"><canvas id="map-canvas" tabindex="0" role="application" '
        f'aria-label="{label}" aria-describedby="map-status"></canvas>'
        f'<div id="map-tip" hidden aria-hidden="true"><bdi></bdi><span></span></div>'
        f'<p id="map-status" aria-live="polite">{say(words, "map_hint")}</p></div>'
        f"{_map_legend(drawn, colours, words)}"
    )


def _map_legend(drawn: CatalogueMap, colours: Categories | None, words: Words) -> str:
    if colours is None:
        return ""
    codes = colours.codes[drawn.rows]
    entries = [
        _toggle(place, named(name), int((codes == place).sum()), f"c{place}")
        for place, name in enumerate(colours.names)
    ]
    if (codes < 0).any():
        other = say(words, "map_other")
        entries.append(_toggle(len(colours.names), other, int((codes < 0).sum()), ""))
    everything = (
        f'<li><button type="button" id="map-all" aria-pressed="true">{say(words, "map_all")}'
        "</button></li>"
    )
    label = say(words, "categories")
    return f'<ul class="toggles" aria-label="{label}">{everything}{"".join(entries)}</ul>'


def _toggle(code: int, label: str, size: int, colour: str) -> str:
    return (
        f'<li><button type="button" data-category="{code}" aria-pressed="true">'
        f'<span class="dot {colour}"></span>{label} <small>{count(size)}</small></button></li>'
    )


def map_data(
    drawn: CatalogueMap, colours: Categories | None, titles: Sequence[str]
) -> dict[str, Any]:
    """What the page's script draws: coordinates, a code for the colour and a title for each."""
    category = None
    if colours is not None:
        codes = colours.codes[drawn.rows]
        category = np.where(codes < 0, len(colours.names), codes).tolist()
    return {
        "x": drawn.points[:, 0].tolist(),
        "y": drawn.points[:, 1].tolist(),
        "category": category,
        "names": [] if colours is None else [shorten(name) for name in colours.names],
        "titles": [shorten(titles[row]) for row in drawn.rows],
    }


def chosen_section(recommender: object, words: Words) -> str:
    """What the recommender says that it chose for these data; empty where it chose nothing."""
    said = getattr(recommender, "chosen_", None)
    lines = [line for line in said if isinstance(line, str)] if isinstance(said, list) else []
    if not lines:
        return ""
    entries = "".join(_chosen_entry(line, words) for line in lines)
    return f'<ul class="chosen">{entries}</ul>'


def _chosen_entry(line: str, words: Words) -> str:
    """In the page's language, where it is one of the ranker's sentences; else as it is."""
    translated = chosen_zh(line) if words["lang"].startswith("zh") else None
    if translated is not None:
        return f"<li>{named(translated, 400)}</li>"
    return f'<li lang="en">{named(line, 400)}</li>'


def chosen_zh(line: str) -> str | None:
    """A sentence of the ranker about what it chose, in Chinese; None for any other."""
    found = _CHOSEN.fullmatch(line)
    who = None if found is None else _who_zh(found["who"])
    if found is None or who is None:
        return None
    how, otherwise = _how_zh(found["how"]), _how_zh(found["otherwise"] or "")
    if how is None or otherwise is None:
        return None
    worth = "未经试验：没有这样的请求"
    if found["requests"]:
        worth = f"{found['requests']} 个试验请求中 NDCG@10 为 {found['ndcg']}"
    if found["otherwise"]:
        worth += f"；{otherwise}则为 {found['other']}"
    return f"{who}：{how}（{worth}）"


def _who_zh(who: str) -> str | None:
    if who in _WHO_ZH:
        return _WHO_ZH[who]
    family, comma, asked = who.partition(", ")
    known = comma and family in _TAUGHT_ZH and asked in _WHO_ZH
    return f"{_TAUGHT_ZH[family]}，{_WHO_ZH[asked]}" if known else None


def _how_zh(how: str) -> str | None:
    if how in _HOW_ZH:
        return _HOW_ZH[how]
    if lifted := _LIFTED.fullmatch(how):
        return f"得分提高 {lifted[1]} 个标准差"
    if both := _BOTH.fullmatch(how):
        signal = _how_zh(both[2])
        return None if signal is None else f"树模型，加 {both[1]} 倍的“{signal}”"
    plain, raised = how.removesuffix(_RAISED), how.endswith(_RAISED)
    signal = _HOW_ZH.get(plain) or (known if (known := meaning_zh(plain)) != plain else None)
    return signal if signal is None or not raised else f"{signal}，并按其资料所说加以提高"


def importances_of(recommender: object) -> pl.DataFrame | None:
    """The recommender's `importances_`, strongest first; None where it has nothing to say."""
    table = getattr(recommender, "importances_", None)
    if not isinstance(table, pl.DataFrame) or table.is_empty():
        return None
    if any(name not in table.columns for name in _IMPORTANCE_COLUMNS):
        return None
    if not table.select("contribution", "gain").to_numpy().sum() > 0:
        return None
    order = ["contribution", "gain", "feature"]
    return table.sort(order, descending=[True, True, False])


def importance_section(table: pl.DataFrame, words: Words) -> str:
    """Two panels of bars: families of features, and the strongest features."""
    if words["lang"].startswith("zh"):
        table = in_chinese(table)
    shares = [pl.col("contribution").sum(), pl.col("gain").sum()]
    families = table.group_by("family", maintain_order=True).agg(shares)
    families = families.sort("contribution", "family", descending=[True, False])
    top = table.head(TOP_FEATURES)
    panels = (
        (say(words, "families"), families, "family"),
        (
            say(words, "features_top", count=count(len(top))),
            top,
            "meaning" if "meaning" in top.columns else "feature",
        ),
    )
    cards = "".join(
        f'<div class="card panel"><h3>{title}</h3>{_shares(part, column, words)}</div>'
        for title, part, column in panels
    )
    return f'<div class="panels">{cards}</div>'


def _shares(table: pl.DataFrame, column: str, words: Words) -> str:
    lines = table.select(column, "contribution", "gain").iter_rows()
    pairs = [Pair(named(str(name)), strong, weak) for name, strong, weak in lines]
    return paired_bars(pairs, strong=say(words, "contribution"), weak=say(words, "gain"))


def in_chinese(table: pl.DataFrame) -> pl.DataFrame:
    """Importances with their families, and their meanings where these are known, in Chinese."""
    translated = [pl.col("family").replace(dict(FAMILIES_ZH))]
    if "meaning" in table.columns:
        translated.append(pl.col("meaning").map_elements(meaning_zh, return_dtype=pl.String))
    return table.with_columns(translated)


def meaning_zh(meaning: str) -> str:
    """A feature's meaning in Chinese; the names of blocks, and what is not known, stay."""
    for scale, words in SCALES_ZH.items():
        if meaning.endswith(scale):
            return meaning_zh(meaning.removesuffix(scale)) + words
    if meaning in WORDS_ZH:
        return WORDS_ZH[meaning]
    block, colon, compared = meaning.rpartition(": ")
    if not colon:
        return meaning
    return f"{WORDS_ZH.get(block, block)}：{WORDS_ZH.get(compared, compared)}"
