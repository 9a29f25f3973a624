"""What two items have in common, in the columns that encoders read and in words for people."""

from __future__ import annotations

import html as entities
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from palate.core.arrays import Rows
from palate.core.optional import is_installed
from palate.core.types import Encoder
from palate.features.encoders.attributes import Attributes
from palate.features.encoders.columns.plans import Plan, encode_column, is_attribute, make_plan
from palate.features.template_encoder import TemplateEncoder
from palate.text.normalise import SEGMENTER, is_stop_word, is_unspaced, tokenise
from palate.text.profile import SAMPLE_ROWS, as_text
from palate.text.template import parse

MOST_NAMES = 3
COUNTED_ITEMS = 1000  # whose words and categories tell what is rare
NEAR = 0.25  # standard deviations between numbers that count as alike
_SHARED = ("categories", "number")  # plans by which two items can be seen to be alike
_MOST_CATEGORIES = 500
_LONGEST_NAME = 40
_HALF = 0.5
_COMMON, _MANY_ITEMS = 0.2, 50  # share of words worth naming, of so many items and more

MOST_CHARACTERS = 2000
_SHORTEST = 3  # letters of a word worth naming; Chinese and Japanese need two
_PARTICLES_BEFORE, _PARTICLES_AFTER = "的了着", "的了着之"
_PARTICLES = frozenset("的了着の")
_MEASURE = re.compile("[一这那每几]?[款个位件种本只]")
_LONGEST_PHRASE = 8  # characters of words that stand together; more are named one by one
MOST_JOINED = 40
_NO_LETTERS = re.compile(r"[\W_]+")


@dataclass(frozen=True)
class CommonGround:
    """The columns in which two items may be alike, and how rare each word and category is.

    `plans` hold categories and numbers, `words` the columns of free text; `shares` the share of a
    sample of the catalogue that holds a word or category. Chinese is read in words where a
    segmenter is installed, else in phrases. A word of more than the share `common` says nothing:
    descriptions are often made of the same sentences.
    """

    plans: list[Plan]
    words: list[str]
    segment: bool
    shares: dict[str, float] = field(default_factory=dict)
    common: float = 0.5

    @classmethod
    def of(cls, encoders: Iterable[Encoder], items: pl.DataFrame) -> CommonGround:
        """What fitted encoders read in the catalogue; other encoders say nothing of columns."""
        every = list(encoders)
        readers = [encoder for encoder in every if isinstance(encoder, TemplateEncoder)]
        plans: dict[str, Plan] = {}
        for encoder in every:
            if isinstance(encoder, Attributes):
                plans |= {plan["column"]: plan for plan in encoder.plan_ if plan["kind"] in _SHARED}
        words = []
        for name in dict.fromkeys(name for reader in readers for name in _columns_of(reader)):
            if name in plans:
                continue
            plan = _plan_of_categories(items[name])
            if plan is None:
                words.append(name)
            else:
                plans[name] = plan
        ground = cls(
            plans=list(plans.values()),
            words=words,
            segment=is_installed(*SEGMENTER.modules),
        )
        sample = items.gather_every(max(1, -(-len(items) // COUNTED_ITEMS)))
        common = _COMMON if len(sample) >= _MANY_ITEMS else _HALF
        return replace(ground, shares=ground._shares(sample), common=common)

    def names(self, items: pl.DataFrame, ones: Rows, others: Rows) -> list[list[str]]:
        """Up to 3 words and categories that each pair of items shares, the rarest first.

        What half of the catalogue has is not worth naming.
        """
        found: list[dict[str, str]] = [{} for _ in ones]
        if not found:
            return []
        rows, place = np.unique(np.concatenate([ones, others]), return_inverse=True)
        one, other = place[: len(ones)], place[len(ones) :]
        table = items[rows]
        for line, name in self._shared_categories(table, one, other):
            found[line].setdefault(name.casefold(), name)
        said = self._said(table)
        for line, (left, right) in enumerate(zip(one.tolist(), other.tolist(), strict=True)):
            for word in shared_words(said[left], said[right]):
                found[line].setdefault(word, word)
        return [self._rarest(names) for names in found]

    def names_in_words(self, text: str, items: pl.DataFrame) -> list[list[str]]:
        """Up to 3 words that a text shares with each of some items, the rarest first."""
        query = Said.of(text, segment=self.segment)
        return [
            self._rarest({word: word for word in shared_words(query, said)})
            for said in self._said(items, all_columns=True)
        ]

    def near_numbers(self, items: pl.DataFrame, one: int, other: int) -> list[str]:
        """The columns in which two items have nearly the same number."""
        table = items[[one, other]]
        return [
            plan["column"].replace("_", " ")
            for plan in self.plans
            if plan["kind"] == "number" and _is_near(table[plan["column"]], plan)
        ][:MOST_NAMES]

    @cached_property
    def _categories(self) -> frozenset[str]:
        plans = [plan for plan in self.plans if plan["kind"] == "categories"]
        return frozenset(name.casefold() for plan in plans for name in plan["categories"])

    def _rarest(self, names: dict[str, str]) -> list[str]:
        shares = {key: self._share_of(key) for key in names}
        most = {key: _HALF if key in self._categories else self.common for key in names}
        kept: list[str] = []
        for key in sorted(names, key=lambda key: (shares[key], -len(key))):
            if shares[key] <= most[key] and not any(_is_part(key, longer) for longer in kept):
                kept.append(key)
        return [names[key] for key in kept[:MOST_NAMES]]

    def _share_of(self, key: str) -> float:
        """A run of characters is as rare as the rarest pair, or word, in it."""
        if key in self.shares:
            return self.shares[key]
        tokens = tokenise(key, segment=self.segment)
        return min((self.shares.get(token, 0.0) for token in tokens), default=0.0)

    def _shared_categories(self, table: pl.DataFrame, one: Any, other: Any) -> Iterator[Any]:
        """(line, category) of what both have; feature by feature, so hashed ones never count."""
        for plan in self.plans:
            if plan["kind"] != "categories":
                continue
            block = encode_column(table[plan["column"]], plan)
            both = block[one].multiply(block[other]).tocoo()
            for line, column in zip(both.row.tolist(), both.col.tolist(), strict=True):
                if column < len(plan["categories"]) and _is_name(plan["categories"][column]):
                    yield line, plan["categories"][column]

    def _said(self, table: pl.DataFrame, *, all_columns: bool = False) -> list[Said]:
        """What items say in free text; in their categories, too, where words ask for `all`."""
        categories = [plan["column"] for plan in self.plans if plan["kind"] == "categories"]
        names = dict.fromkeys([*self.words, *(categories if all_columns else [])])
        columns = [as_text(table[name]).fill_null("") for name in names]
        texts: Sequence[str] = [""] * len(table)
        if columns:
            texts = pl.select(pl.concat_str(columns, separator="\n")).to_series().to_list()
        return [Said.of(text, segment=self.segment) for text in texts]

    def _shares(self, sample: pl.DataFrame) -> dict[str, float]:
        counts: Counter[str] = Counter()
        for said in self._said(sample):
            counts.update(set(said.tokens))
        for plan in self.plans:
            if plan["kind"] == "categories":
                held = encode_column(sample[plan["column"]], plan) > 0
                totals = np.asarray(held.sum(axis=0)).ravel()[: len(plan["categories"])]
                for name, total in zip(plan["categories"], totals.tolist(), strict=True):
                    counts[name.casefold()] = max(counts[name.casefold()], int(total))
        return {name: count / max(len(sample), 1) for name, count in counts.items()}


def _is_part(word: str, whole: str) -> bool:
    """Whether a name says nothing beside a longer one, as "game" beside "board game"."""
    if is_unspaced(word):
        return word in whole
    return f" {word} " in f" {_NO_LETTERS.sub(' ', whole)} "


def _columns_of(reader: TemplateEncoder) -> list[str]:
    return list(parse(reader.template_).names())


def _plan_of_categories(column: pl.Series) -> Plan | None:
    """How to read a column of categories; None for one of words, or of numbers."""
    sample = column.gather_every(max(1, -(-len(column) // SAMPLE_ROWS)))
    plan = make_plan(column, _MOST_CATEGORIES, None) if is_attribute(sample) else None
    return plan if plan is not None and plan["kind"] == "categories" else None


def _is_name(category: str) -> bool:
    return len(category) <= _LONGEST_NAME and not category.isdigit()


def _is_near(pair: pl.Series, plan: Plan) -> bool:
    if as_text(pair).null_count():
        return False
    one, other = encode_column(pair, plan).toarray()[:, 0]
    return bool(abs(one - other) <= NEAR)


@dataclass(frozen=True)
class Said:
    """A text, in lower case and without markup's entities, and its words in order."""

    text: str
    tokens: tuple[str, ...]
    segment: bool = False

    @classmethod
    def of(cls, text: str, *, segment: bool = False) -> Said:
        """The first 2,000 characters; `segment` as in `tokenise`."""
        plain = entities.unescape(text[:MOST_CHARACTERS])
        plain = unicodedata.normalize("NFKC", plain).lower()
        return cls(plain, tuple(tokenise(plain, segment=segment)), segment)


def shared_words(one: Said, other: Said) -> list[str]:
    """Words worth naming that both texts hold, in the order of the first.

    Where words have no spaces between them, what stands together in both texts is one: 太空, 空旅
    and 旅行 are 太空旅行. Of what overlaps the longest counts, and no piece of it.
    """
    taken: list[tuple[int, int, list[str]]] = []
    for begin, end, parts in sorted(_runs(one, other), key=lambda run: (run[0] - run[1], run[0])):
        if all(end <= start or stop <= begin for start, stop, _ in taken):
            taken.append((begin, end, parts))
    runs = [word for _, _, parts in sorted(taken) for word in parts]
    words = dict.fromkeys(_without_particles(run) if is_unspaced(run) else run for run in runs)
    found = [word for word in words if is_worth_naming(word)]
    if found or not one.segment:
        return found
    return shared_words(Said.of(one.text), Said.of(other.text))  # 耳机 inside a longer word


def _runs(one: Said, other: Said) -> Iterator[tuple[int, int, list[str]]]:
    """(first character, end, words) of the longest run that begins at each token of the first."""
    common, places = set(other.tokens), list(_places(one))
    for first, token in enumerate(one.tokens):
        if token not in common or _parts_words(token, one.segment):
            continue
        run, parts = token, [token]
        for later in one.tokens[first + 1 :] if is_unspaced(token) else ():
            grown = run + (later if one.segment else later[1:])
            joins = is_unspaced(later) and (one.segment or run[-1] == later[0])
            if not joins or _parts_words(later, one.segment) or len(grown) > MOST_JOINED:
                break
            if grown not in other.text or not one.text.startswith(grown, places[first]):
                break
            run, parts = grown, [*parts, later]
        whole = not one.segment or len(run) <= _LONGEST_PHRASE
        yield places[first], places[first] + len(run), [run] if whole else parts


def _places(said: Said) -> Iterator[int]:
    """Where each token begins in the text."""
    place = -1
    for token in said.tokens:
        place = said.text.find(token, place + 1)
        yield place


def _parts_words(token: str, segment: bool) -> bool:
    """Whether it stands between words: a pair of characters with a particle; a word like "这"."""
    if not is_unspaced(token):
        return False
    if segment:
        return is_stop_word(token) or bool(_MEASURE.fullmatch(token))
    return bool(set(token) & _PARTICLES)


def _without_particles(run: str) -> str:
    """Without what says nothing at its ends."""
    run = run.lstrip(_PARTICLES_BEFORE).rstrip(_PARTICLES_AFTER)
    while len(run) > _SHORTEST and is_stop_word(run[:2]):
        run = run[2:]
    return run


def is_worth_naming(word: str) -> bool:
    """Whether a word says something: no stop word, no number, no mere letters."""
    shortest = 2 if is_unspaced(word) else _SHORTEST
    return len(word) >= shortest and not word[0].isdigit() and not is_stop_word(word)
