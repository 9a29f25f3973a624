"""What texts say for or against: as labels and ratings tell, clause by clause, and by lexicons."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache

import numpy as np
import polars as pl
from numpy.typing import NDArray

from palate.core.arrays import Floats, Mask
from palate.core.columns import TEXT, VALUE
from palate.core.dataset import Dataset
from palate.core.errors import DataError, Setting, did_you_mean, first_offenders
from palate.core.optional import Requirement
from palate.data.formats.open import open_table

__all__ = [
    "clauses",
    "events_with_text",
    "is_chinese",
    "labelled_texts",
    "lexicon_classes",
    "lexicon_sentiment",
    "said_with_ratings",
    "whole_and_clauses",
]

LABEL = "label"
MOST_CLASSES = 10
EDGE = 0.25  # ratings in the lowest quarter of the scale are negative, in the highest positive
_TEXTS = (TEXT, "review", "sentence", "comment", "评论")
_LABELS = (LABEL, "sentiment", "polarity", "rating", "标签")
_MEANINGS = {
    **dict.fromkeys(("negative", "neg", "bad", "负面", "消极", "差评"), -1.0),
    **dict.fromkeys(("neutral", "neu", "mixed", "中性", "中评"), 0.0),
    **dict.fromkeys(("positive", "pos", "good", "正面", "积极", "好评"), 1.0),
}

MOST_CLAUSES = 24
_END = re.compile(r"[。！？!?；;…\n]+|\.+(?=\s|$)|(?<=[\u4e00-\u9fff])[,，.]")

NEEDED = Requirement(("vaderSentiment", "snownlp"), "sentiment without labels")
CHINESE_SHARE = 0.3
VADER_NEUTRAL = 0.05  # its authors' own threshold
MOST_CHARS = {"vader": 5000, "snownlp": 1500}  # both take time by the square of a text's length


def labelled_texts(path: str) -> tuple[list[str], NDArray[np.float64]]:
    """The texts of a table, and what their labels stand for, from -1 (negative) to 1.

    Any table that `palate.read` takes, with a column `text` (or `review`, `sentence`, `comment`)
    and one `label` (or `sentiment`, `polarity`, `rating`): words such as "negative", or up to 10
    different numbers, the lowest of which means negative. Rows without text are left out.
    Raises `DataError` for a missing column, and for labels that are missing or not understood.
    """
    table = open_table(path, what="labelled texts", key=TEXT, encoding="utf-8")
    names = list(table.schema)
    chosen = {TEXT: _one_of(_TEXTS, names, path), LABEL: _one_of(_LABELS, names, path)}
    columns = [pl.col(name).cast(pl.String).alias(to) for to, name in chosen.items()]
    rows = table.collect(columns).filter(pl.col(TEXT).fill_null("").str.strip_chars() != "")
    labels = rows[LABEL].str.strip_chars().str.to_lowercase()
    missing = rows.filter(labels.fill_null("") == "")
    if len(missing):
        raise DataError(
            f"{path}: {chosen[LABEL]!r} is missing for the texts "
            f"{first_offenders(missing[TEXT].str.head(40), len(missing))}. Label them, or leave "
            "them out"
        )
    return rows[TEXT].to_list(), _values(labels, path)


_BY_RATINGS = Setting("labels", "ratings")
_IN_READ = "read(..., {})"


def events_with_text(data: Dataset) -> pl.DataFrame:
    """The events in which somebody wrote something, with the rows of their item and person."""
    table = data.events
    if TEXT not in table.columns:
        table = table.with_columns(pl.lit(None, pl.String).alias(TEXT))
    rows = {"item_row": pl.Series(data.event_items), "user_row": pl.Series(data.event_users)}
    wrote = pl.col(TEXT).fill_null("").str.strip_chars() != ""
    return table.with_columns(**rows).filter(wrote)


def check_anything_said(data: Dataset, *, who: str) -> None:
    """Raises `DataError` where no event has a text."""
    if not len(events_with_text(data)):
        raise DataError(
            f"nobody wrote anything for the encoder {who} to read: no event has a text. Name their "
            "column, as in ",
            Setting("columns", {"review": TEXT}, "data", python=_IN_READ),
            ", or leave it out",
        )


def about_texts(data: Dataset, *, who: str) -> Iterator[str]:
    """How many texts the encoder `who` would read; raises `DataError` where there are none."""
    check_anything_said(data, who=who)
    yield f"reads {len(events_with_text(data)):,} texts of events"


def said_with_ratings(events: pl.DataFrame) -> tuple[list[str], NDArray[np.float64]]:
    """Texts whose rating is clear: -1 in the lowest quarter of the scale, 1 in the highest."""
    if VALUE not in events.columns:
        raise DataError(
            _BY_RATINGS,
            " needs events with a value: name their column, as in ",
            Setting("columns", {"stars": VALUE}, "data", python=_IN_READ),
            ", or give a file of labelled texts",
        )
    rated = events.filter(pl.col(VALUE).is_finite())
    values = rated[VALUE].to_numpy().astype(np.float64)
    span = float(np.ptp(values)) if len(values) else 0.0
    if not span:
        raise DataError(
            _BY_RATINGS,
            " needs ratings that differ; all that come with a text are the same. Give a file of"
            " labelled texts",
        )
    place = (values - values.min()) / span
    clear = (place <= EDGE) | (place >= 1 - EDGE)
    return rated[TEXT].filter(pl.Series(clear)).to_list(), np.where(place[clear] <= EDGE, -1.0, 1.0)


def _one_of(wanted: Sequence[str], names: Sequence[str], path: str) -> str:
    for want in wanted:
        for name in names:
            if name.lower() == want:
                return name
    raise DataError(f"{path} has no column {wanted[0]!r}.{did_you_mean(wanted[0], names)}")


def _values(labels: pl.Series, path: str) -> NDArray[np.float64]:
    numbers = labels.cast(pl.Float64, strict=False)
    if not len(labels) or numbers.null_count() or not numbers.is_finite().all():
        unknown = labels.filter(~labels.is_in([*_MEANINGS])).unique(maintain_order=True)
        if len(unknown):
            raise DataError(
                f"{path}: labels must be numbers, or words such as negative, neutral and positive, "
                f"not {first_offenders(unknown, len(unknown))}"
            )
        return labels.replace_strict(_MEANINGS, return_dtype=pl.Float64).to_numpy()
    if numbers.n_unique() > MOST_CLASSES:
        raise DataError(
            f"{path}: the labels are {numbers.n_unique()} different numbers, but at most "
            f"{MOST_CLASSES} classes can be told apart: round them"
        )
    values = numbers.to_numpy()
    span = max(float(np.ptp(values)), 1e-12)
    return np.asarray(2 * (values - values.min()) / span - 1)


def clauses(text: str) -> list[str]:
    """The first 24 sentences of a text; in Chinese, which joins them by commas, its clauses."""
    parts = (part.strip() for part in _END.split(text))
    return [part for part in parts if any(map(str.isalnum, part))][:MOST_CLAUSES]


def whole_and_clauses(texts: Sequence[str], encode: Callable[[Sequence[str]], Floats]) -> Floats:
    """(n, 2 d): the vector of each text, then the mean of those of its clauses (zeros for none)."""
    whole = encode(texts)
    parts = [clauses(text) for text in texts]
    flat = [part for said in parts for part in said]
    means = np.zeros_like(whole)
    if flat:
        counts = np.array([len(said) for said in parts])
        starts = (np.cumsum(counts) - counts)[counts > 0]
        sums = np.add.reduceat(encode(flat), starts, axis=0)
        means[counts > 0] = sums / counts[counts > 0, None]
    return np.hstack([whole, means])


def lexicon_sentiment(texts: Sequence[str]) -> tuple[Floats, Floats]:
    """(n,) polarity from -1 to 1, and how surely each text is negative, from 0 to 1.

    Chinese texts go to SnowNLP (naive Bayes over words, trained on shopping reviews), all others
    to VADER (Hutto and Gilbert 2014), which knows English and emoji. Of longer texts SnowNLP reads
    the first 1,500 characters, VADER 5,000. Blank texts give 0 and 0.
    Raises `MissingExtraError` without the extra "sentiment".
    """
    polarity = np.zeros(len(texts), dtype=np.float32)
    negative = np.zeros(len(texts), dtype=np.float32)
    chinese = is_chinese(texts)
    for row, text in enumerate(texts):
        if not text.strip():
            continue
        if chinese[row]:
            polarity[row] = 2 * _snownlp()(text[: MOST_CHARS["snownlp"]]) - 1
            negative[row] = (1 - polarity[row]) / 2
        else:
            polarity[row] = _vader()(text[: MOST_CHARS["vader"]])
            negative[row] = polarity[row] <= -VADER_NEUTRAL
    return polarity, negative


def lexicon_classes(texts: Sequence[str]) -> Floats:
    """(n,) -1, 0 or 1: VADER's classes by its authors' thresholds, and the sides of SnowNLP."""
    polarity, _ = lexicon_sentiment(texts)
    neutral = (np.abs(polarity) < VADER_NEUTRAL) & ~is_chinese(texts)
    return np.asarray(np.where(neutral, 0.0, np.sign(polarity)), dtype=np.float32)


def is_chinese(texts: Sequence[str]) -> Mask:
    """Which texts are Chinese: at least 3 in 10 of their letters are Han characters."""
    table = pl.DataFrame({"text": pl.Series(list(texts), dtype=pl.String)})
    han = pl.col("text").str.count_matches(r"\p{Han}")
    letters = pl.col("text").str.count_matches(r"\p{L}")
    found: Mask = table.select((han > 0) & (han >= CHINESE_SHARE * letters)).to_series().to_numpy()
    return found


@cache
def _vader() -> Callable[[str], float]:
    analyser = NEEDED.load("vaderSentiment.vaderSentiment").SentimentIntensityAnalyzer()
    return lambda text: float(analyser.polarity_scores(text)["compound"])


@cache
def _snownlp() -> Callable[[str], float]:
    judge = NEEDED.load("snownlp").SnowNLP
    return lambda text: float(judge(text).sentiments)
