"""Sentiment without labels: VADER for English, SnowNLP for Chinese."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
import polars as pl

from palate.optional import Requirement
from palate.types import Floats, Mask

NEEDED = Requirement(("vaderSentiment", "snownlp"), "sentiment without labels")
CHINESE_SHARE = 0.3
VADER_NEUTRAL = 0.05  # its authors' own threshold
MOST_CHARS = {"vader": 5000, "snownlp": 1500}  # both take time by the square of a text's length

__all__ = ["is_chinese", "lexicon_classes", "lexicon_sentiment"]


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
