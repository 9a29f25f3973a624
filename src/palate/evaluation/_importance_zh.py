"""What the ranker's features are called in a Chinese report, beside their English words."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import polars as pl

FAMILIES_ZH: Mapping[str, str] = MappingProxyType(
    {
        "behaviour": "行为",
        "behaviour lent by content": "由内容借来的行为",
        "sum of retrievers": "各召回器之和",
        "popularity": "热度",
        "the person's own past": "本人的过去",
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
        "length of the history": "历史长度",
        "how long ago the person chose it": "此人多久前选过它",
        "how often the person chose it lately": "此人近来选过它几次",
        "like the recent items": "像近期物品",
        "like the newest item": "像最新物品",
        "like the long history": "像长期历史",
        "like what tends to follow": "像通常接下来的物品",
        "like the nearest recent item": "像最相近的近期物品",
        "like the second nearest recent item": "像次相近的近期物品",
        "age of the nearest recent item": "最相近的近期物品有多久",
        "like the newest three items": "像最新的三件物品",
        "who chose what": "谁选了什么",
    }
)

SCALES_ZH: Mapping[str, str] = MappingProxyType(
    {", against others": "，与全目录相比", ", rank": "，名次"}
)


def in_chinese(table: pl.DataFrame) -> pl.DataFrame:
    """Importances with their families, and their meanings where these are known, in Chinese."""
    spoken = [pl.col("family").replace(dict(FAMILIES_ZH))]
    if "meaning" in table.columns:
        spoken.append(pl.col("meaning").map_elements(meaning_zh, return_dtype=pl.String))
    return table.with_columns(spoken)


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
