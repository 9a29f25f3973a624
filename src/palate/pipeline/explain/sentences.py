"""Why an item is recommended, in a sentence that a person understands; English and Chinese."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from weakref import WeakKeyDictionary

import numpy as np
import polars as pl
from numpy.typing import NDArray

from palate.core.arrays import Rows
from palate.core.columns import ITEM, RANK, REASONS, TITLE, USER
from palate.core.dataset import Dataset
from palate.core.evidence import Evidence
from palate.core.histories import Histories
from palate.core.types import Recommendations
from palate.core.visible import shorten
from palate.pipeline.explain.shared_attributes import CommonGround
from palate.pipeline.explain.similarity import Similarity, matched_words, similarities
from palate.pipeline.search.search import evidence_of, similarity_to_words
from palate.pipeline.stages import Stages
from palate.text.normalise import is_unspaced

SENTENCES: dict[str, dict[str, str]] = {
    "en": {
        "together": "{count} people who chose {anchor} went on to choose it",
        "together_one": "1 person who chose {anchor} went on to choose it",
        "both": "{count} people who chose {anchor} also chose it",
        "both_one": "1 person who chose {anchor} also chose it",
        "peers": "people with a history like yours chose it",
        "profile": "people with a similar profile chose it",
        "about": "comes close to what your profile says",
        "alike_whole": "like {anchor}",
        "alike_named": "like {anchor}: {names}",
        "alike_text": "like {anchor} in what it says",
        "alike_numbers": "like {anchor} in {names}",
        "words_text": "comes close to your words",
        "words_named": "matches your words: {names}",
        "words_title": "is called what you typed",
        "words_near_title": "is called nearly what you typed",
        "words_sentences": "comes close to your words in its description",
        "popular": "popular: {count} people chose it",
        "popular_one": "popular: 1 person chose it",
        "few": "{count} people chose it",
        "few_one": "1 person chose it",
        "same_title": "another {anchor}",
        "untried": "nobody has chosen it yet",
        "it_alike": "it is {sentence}",
        "it_words": "it {sentence}",
        "it_about": "it {sentence}",
        "untried_but": "nobody has chosen it yet, but {sentence}",
        "unliked": "most people who met it turned it down",
        "unliked_but": "most people who met it turned it down, but {sentence}",
        "refused_but": "you turned it down, but {sentence}",
        "refused_and": "you turned it down, and {sentence}",
        "unmatched_but": "matches nothing that you said, but {sentence}",
        "unmatched_and": "matches nothing that you said, and {sentence}",
    },
    "zh": {
        "together": "有 {count} 人选了{anchor}之后又选了它",
        "together_one": "有 1 人选了{anchor}之后又选了它",
        "both": "有 {count} 人既选过{anchor}也选过它",
        "both_one": "有 1 人既选过{anchor}也选过它",
        "peers": "与你选择相近的人选过它",
        "profile": "与你资料相近的人选过它",
        "about": "与你的资料所说的相近",
        "alike_whole": "与{anchor}相近",
        "alike_named": "与{anchor}相近：{names}",
        "alike_text": "内容与{anchor}相近",
        "alike_numbers": "与{anchor}的{names}相近",
        "words_text": "与你说的话相近",
        "words_named": "符合你说的话：{names}",
        "words_title": "名称与你说的一样",
        "words_near_title": "名称与你说的相近",
        "words_sentences": "介绍与你说的话相近",
        "popular": "热门：{count} 人选过",
        "popular_one": "热门：1 人选过",
        "few": "{count} 人选过",
        "few_one": "1 人选过",
        "same_title": "同名的{anchor}",
        "untried": "还没有人选过",
        "it_alike": "{sentence}",
        "it_words": "{sentence}",
        "it_about": "{sentence}",
        "untried_but": "还没有人选过，但{sentence}",
        "unliked": "见过它的人大多不喜欢",
        "unliked_but": "见过它的人大多不喜欢，但{sentence}",
        "refused_but": "你曾表示不喜欢它，但{sentence}",
        "refused_and": "你曾表示不喜欢它，{sentence}",
        "unmatched_but": "与你说的话不符，但{sentence}",
        "unmatched_and": "与你说的话不符，{sentence}",
    },
}
_QUOTES = {"en": "“{}”", "zh": "《{}》"}
_COMMA = {"en": ", ", "zh": "、"}
_AND = {"en": " and ", "zh": "和"}
_COLUMNS_ZH = {
    "price": "价格",
    "year": "年份",
    "release year": "年份",
    "rating": "评分",
    "length": "长度",
    "size": "尺寸",
    "weight": "重量",
    "duration": "时长",
    "pages": "页数",
}
_LONGEST_NAME = 60  # of a category, a tag or a word that is shared
_CJK = r"[\u4e00-\u9fff]"
_grounds: WeakKeyDictionary[Dataset, tuple[object, CommonGround]] = WeakKeyDictionary()


def explain(
    pipeline: Stages, histories: Histories, recommendations: Recommendations
) -> Recommendations:
    """The same recommendations with a sentence each in the column `reasons`."""
    table = recommendations.table
    items = pipeline.data_.item_ids.rows(table[ITEM])
    asking = histories.take(_requests_of(histories, table))
    evidence = evidence_of(pipeline, asking, items)
    sentences = sentences_of(pipeline, asking, evidence, items)
    return Recommendations(table.with_columns(pl.Series(REASONS, sentences, dtype=pl.String)))


def sentences_of(
    pipeline: Stages, asking: Histories, evidence: Sequence[Evidence], items: Rows
) -> list[str]:
    """What speaks for item i at request i, in words."""
    titles = titles_of(pipeline.data_.items)
    wording = _Wording(
        language=language_of(titles),
        titles=titles,
        data=pipeline.data_,
        support=_support_of(pipeline.data_, evidence, items),
    )
    alike = _similarities_of(pipeline, asking, evidence, items)
    spoken_against = _against(pipeline.data_, asking, evidence, items)
    lines = zip(evidence, items.tolist(), alike, spoken_against, strict=True)
    return [wording.sentence(*line) for line in lines]


def _against(
    data: Dataset, asking: Histories, evidence: Sequence[Evidence], items: Rows
) -> list[str]:
    """What speaks against item i at request i, the strongest of it; "" where nothing does.

    "refused": who asks turned it down, and never chose it; "unliked": most people did; "unmatched":
    nobody asks but by words, and the item has none of them.
    """
    unliked, known = frozenset(data.turned_down.tolist()), (asking.lengths > 0) | asking.has_profile
    found = []
    for row, (item, one) in enumerate(zip(items.tolist(), evidence, strict=True)):
        refused = asking.against is not None and item in asking.against.row(row)
        refused = refused and item not in asking.row(row)
        text = None if asking.texts is None else asking.texts[row]
        lost = bool(text) and not known[row] and one.kind != "words"
        found.append(
            "refused" if refused else "unliked" if item in unliked else "unmatched" if lost else ""
        )
    return found


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


def _ground_of(pipeline: Stages) -> CommonGround:
    """What the encoders read: found once for a fitted catalogue."""
    known = _grounds.get(pipeline.data_)
    if known is None or known[0] is not pipeline.encoders_:
        ground = CommonGround.of(pipeline.encoders_.values(), pipeline.data_.items)
        known = _grounds[pipeline.data_] = (pipeline.encoders_, ground)
    return known[1]


def _support_of(data: Dataset, evidence: Sequence[Evidence], items: Rows) -> Support:
    """The people behind all that a sentence may count."""
    counted = [
        row
        for found, item in zip(evidence, items.tolist(), strict=True)
        if found.kind != "words"
        for row in (item, found.anchor, found.other)
        if row >= 0
    ]
    return Support.of(data, counted)


def _similarities_of(
    pipeline: Stages, asking: Histories, evidence: Sequence[Evidence], items: Rows
) -> list[Similarity]:
    """For each line how the item is like what speaks for it: an item of the history, or words."""
    found = [Similarity("none")] * len(evidence)
    kinds = np.array([one.kind for one in evidence], dtype=object)
    encoders, features = pipeline.encoders_, pipeline.features_
    alike = np.flatnonzero(kinds == "alike")
    anchors = np.array([one.anchor for one in evidence if one.kind == "alike"], dtype=np.int32)
    ground, pairs = _ground_of(pipeline), (items[alike], anchors)
    shared = similarities(ground, encoders, features, pipeline.data_.items, pairs)
    for line, similarity in zip(alike.tolist(), shared, strict=True):
        found[line] = similarity
    words = np.flatnonzero(kinds == "words")
    said = asking.take(words)
    matched = matched_words(encoders, features, said, items[words])
    searched = similarity_to_words(pipeline, said, items[words])
    for line, names, near in zip(words.tolist(), matched, searched, strict=True):
        found[line] = near or Similarity("named" if names else "text", names)
    close = [line for line in words.tolist() if found[line].kind in ("text", "sentences")]
    _name_unspaced(pipeline, asking.texts, items, close, found)
    return found


def _name_unspaced(
    pipeline: Stages,
    texts: pl.Series | None,
    items: Rows,
    close: Sequence[int],
    found: list[Similarity],
) -> None:
    """Names what texts without spaces share with items that are merely said to come close."""
    own: dict[str, list[int]] = {}
    for line in close:
        text = None if texts is None else texts[line]
        if text and any(map(is_unspaced, text)):
            own.setdefault(text, []).append(line)
    for text, lines in own.items():
        shared = _ground_of(pipeline).names_in_words(text, pipeline.data_.items[items[lines]])
        for line, names in zip(lines, shared, strict=True):
            if names:
                found[line] = Similarity("named", names)


@dataclass(frozen=True)
class _Wording:
    """Puts evidence into words; counts distinct people in the data behind the pipeline."""

    language: str
    titles: Sequence[str]
    data: Dataset
    support: Support

    def sentence(self, found: Evidence, item: int, similarity: Similarity, against: str) -> str:
        """`against` is what speaks against it, as `_against` has it."""
        untried = self.data.item_counts[item] == 0
        said, of_content = self._in_favour(found, item, similarity, plain=bool(against))
        if of_content and untried and not against:
            against = "untried"
        if not against:
            return said
        if of_content:
            return self._say(
                f"{against}_but", sentence=self._say(f"it_{found.kind}", sentence=said)
            )
        if untried:  # neither speaks for it
            return (
                self._say("unliked")
                if against == "unliked"
                else self._say(f"{against}_and", sentence=said)
            )
        return self._say(f"{against}_but", sentence=said)

    def _in_favour(
        self, found: Evidence, item: int, similarity: Similarity, *, plain: bool
    ) -> tuple[str, bool]:
        """What speaks for it, and whether that is what it says, whoever has chosen it.

        Where something speaks against it, popularity is told `plain`: as a part of a sentence.
        """
        if found.kind == "about":
            return self._say("about"), True
        if found.kind == "peers" or (found.kind == "profile" and self.data.item_counts[item]):
            return self._say(found.kind), False
        if found.kind == "together" and found.anchor >= 0:
            return self._together(found, item) or self._popular(item, plain), False
        if found.kind == "words" or (found.kind == "alike" and similarity.kind != "none"):
            called, names = self._called(found.anchor, item), similarity.names
            if similarity.kind == "numbers" and self.language == "zh":
                names = [_COLUMNS_ZH.get(name.lower(), name) for name in names]
            return self._say(f"{found.kind}_{similarity.kind}", anchor=called, names=names), True
        return self._popular(item, plain), False

    def _together(self, found: Evidence, item: int) -> str:
        """Empty where nobody in the data chose both, or all three."""
        both, later = self.support.both(found.anchor, item, found.other)
        if not both:
            return ""
        anchors = [self._called(row, item) for row in (found.anchor, found.other) if row >= 0]
        called = _AND[self.language].join(anchors)
        return self._say("together" if later else "both", count=later or both, anchor=called)

    def _popular(self, item: int, plain: bool) -> str:
        users = self.support.chose(item)
        if not users:
            return self._say("untried")
        often = self.data.item_counts[item] >= self.typical and not plain
        return self._say("popular" if often else "few", count=users)

    @cached_property
    def typical(self) -> float:
        """Mean events of the items that have any."""
        counts = self.data.item_counts
        return float(counts.sum() / max(int((counts > 0).sum()), 1))

    def _called(self, anchor: int, item: int) -> str:
        """The title in quotes; two items may have the same."""
        if anchor < 0:
            return ""
        title = _QUOTES[self.language].format(shorten(self.titles[anchor]))
        alone = self.titles[anchor] != self.titles[item]
        return title if alone else self._say("same_title", anchor=title)

    def _say(
        self,
        kind: str,
        *,
        count: int = 0,
        anchor: str = "",
        names: Sequence[str] = (),
        sentence: str = "",
    ) -> str:
        template = SENTENCES[self.language][f"{kind}_one" if count == 1 else kind]
        return template.format(
            count=f"{count:,}",
            anchor=anchor,
            names=_COMMA[self.language].join(shorten(name, _LONGEST_NAME) for name in names),
            sentence=sentence,
        )


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


@dataclass(frozen=True)
class Support:
    """Who chose each of some items, sorted by item and person: first and last time of each.

    Where the data hold no times, an event's place in their order is its time.
    """

    items: Rows
    users: NDArray[np.uint32]
    first: NDArray[np.float64]
    last: NDArray[np.float64]

    @classmethod
    def of(cls, data: Dataset, items: Rows | Sequence[int]) -> Support:
        """The people behind `items` (catalogue rows) in the interactions of `data`."""
        wanted = np.zeros(len(data.item_ids), dtype=bool)
        wanted[np.asarray(items, dtype=np.int64)] = True
        events = np.flatnonzero(wanted[data.item_rows])
        when = events.astype(np.float64) if data.times is None else data.times[events]
        table = pl.DataFrame(
            {
                "item": data.item_rows[events],
                "user": data.interactions[USER].gather(events),
                "when": when,
            }
        )
        spans = table.group_by("item", "user").agg(
            pl.col("when").min().alias("first"), pl.col("when").max().alias("last")
        )
        spans = spans.with_columns(pl.col("user").rank("dense")).sort("item", "user")
        return cls(*(spans[name].to_numpy() for name in ("item", "user", "first", "last")))

    def chose(self, item: int) -> int:
        """Distinct people who chose an item."""
        part = self._part(item)
        return int(part.stop - part.start)

    def both(self, one: int, other: int, third: int = -1) -> tuple[int, int]:
        """Distinct people who chose both, and of these, who chose `other` later than `one`.

        With `third` those who chose it too, and `other` later than it as well. Choices at the same
        time have no order.
        """
        left, right = self._part(one), self._part(other)
        users, before, after = np.intersect1d(
            self.users[left], self.users[right], assume_unique=True, return_indices=True
        )
        last = self.last[right][after]
        later = last > self.first[left][before]
        if third >= 0:
            more = self._part(third)
            _, kept, place = np.intersect1d(
                users, self.users[more], assume_unique=True, return_indices=True
            )
            later = later[kept] & (last[kept] > self.first[more][place])
        return len(later), int(later.sum())

    def _part(self, item: int) -> slice:
        return slice(*np.searchsorted(self.items, [item, item + 1]).tolist())
