"""Why an item is recommended, in a sentence that a person understands; English and Chinese."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from palate.columns import ITEM, RANK, REASONS, TITLE, USER
from palate.histories import Histories
from palate.recommenders._evidence import Evidence, evidence_from_features
from palate.types import Recommendations

if TYPE_CHECKING:
    from palate.pipeline import Pipeline

SENTENCES: dict[str, dict[str, str]] = {
    "en": {
        "together": "people who chose {anchor} went on to choose it",
        "alike": "like {anchor} in what it says",
        "words": "matches your words",
        "popular": "popular: {count} people chose it",
        "new": "new here, and like {anchor} in what it says",
        "untried": "new here: nobody has chosen it yet",
    },
    "zh": {
        "together": "选过{anchor}的人接着选了它",
        "alike": "内容与{anchor}相近",
        "words": "符合你说的话",
        "popular": "热门：{count} 人选过",
        "new": "新上架，内容与{anchor}相近",
        "untried": "新上架，还没有人选过",
    },
}
_CJK = r"[\u4e00-\u9fff]"


def explain(
    pipeline: Pipeline, histories: Histories, recommendations: Recommendations
) -> Recommendations:
    """The same recommendations with a sentence each in the column `reasons`."""
    table = recommendations.table
    requests = _requests_of(histories, table)
    items = pipeline.item_ids.rows(table[ITEM])
    asking = histories.take(requests)
    recommender: Any = pipeline.recommender
    if hasattr(recommender, "evidence"):
        evidence = recommender.evidence(asking, items)
    else:
        evidence = evidence_from_features(pipeline.features, asking, items)
    titles = titles_of(pipeline.data_.items)
    language = language_of(titles)
    counts = pipeline.data_.item_counts
    sentences = [
        _sentence(language, found, titles, int(counts[item]))
        for found, item in zip(evidence, items, strict=True)
    ]
    return Recommendations(table.with_columns(pl.Series(REASONS, sentences, dtype=pl.String)))


def _requests_of(histories: Histories, table: pl.DataFrame) -> NDArray[np.int64]:
    """The request of each line: lists stand in the order of the requests, ranks rise in a list."""
    row, rank, rows = -1, 0, []
    names = histories.user_ids.to_list()
    for name, place in table.select(USER, RANK).iter_rows():
        if row < 0 or name != names[row] or place <= rank:
            row = names.index(name, row + 1)
        rank = place
        rows.append(row)
    return np.array(rows, dtype=np.int64)


def _sentence(language: str, found: Evidence, titles: Sequence[str], count: int) -> str:
    kind: str = found.kind
    if count == 0 and kind == "alike":
        kind = "new"
    if found.anchor < 0 and kind in ("together", "alike", "new"):
        kind = "popular"
    if count == 0 and kind == "popular":
        kind = "untried"
    quotes = "《{}》" if language == "zh" else "“{}”"
    anchor = quotes.format(titles[found.anchor]) if found.anchor >= 0 else ""
    return SENTENCES[language][kind].format(anchor=anchor, count=count)


def titles_of(items: pl.DataFrame) -> list[str]:
    """What to call each item: its title, else its name, else its id."""
    for column in (TITLE, "name"):
        if column in items.columns:
            shown = items[column].cast(pl.String).fill_null("").str.strip_chars()
            ids = items[ITEM]
            return [title or name for title, name in zip(shown, ids, strict=True)]
    return list(items[ITEM])


def language_of(titles: Sequence[str]) -> str:
    """'zh' where most titles hold Chinese characters, else 'en'."""
    sample = pl.Series(titles[:1000], dtype=pl.String)
    share = sample.str.contains(_CJK).mean()
    return "zh" if isinstance(share, float) and share > 0.5 else "en"
