"""What a column of the items' table holds: words, categories, numbers, or nothing to learn from."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

import polars as pl

from palate.core.errors import DataError

Kind: TypeAlias = Literal[
    "text", "categories", "number", "code", "date", "id", "address", "constant", "other"
]

SAMPLE_ROWS = 10_000
MISSING_WORDS = (
    *("None", "nan", "NaN", "null", "NULL", "<NA>", "N/A", "n/a", "UNKNOWN"),
    *("[]", "{}", "-", "--", "(no genres listed)", "无", "暂无", "未知", "不详"),
)

_TITLE_NAME = re.compile(r"(?:^|_)(?:title|name|headline|subject)$|标题|名称|名字|片名|书名")
_NO_TITLE_NAME = re.compile(
    "categor|genre|brand|author|artist|director|maker|manufactur|seller|user|level|tag|类|品牌|作者"
)
_ID_NAME = re.compile(
    r"(?:^|[_\s]|[^\x00-\x7f])(?:ids?|asins?|isbns?|sku|upc|ean|gtin|uuid|guid|hash|index)$|编号$|編號$"
)
_LINKS_NAME = re.compile(r"^(?:also|related|similar|bought|viewed|recommended)(?:_|$)")
_ADDRESS_NAME = re.compile(
    r"(?:^|[_\s])(?:ur[il]s?|links?|hrefs?|images?|img|pictures?|photos?|posters?|thumbnails?"
    r"|paths?|files?|filename)(?:$|[_\s])"
)
_ADDRESS = r"^\s*(?:[a-zA-Z][a-zA-Z0-9+.-]*://|www\.|[./~]*/\w|[A-Za-z]:\\)|\.(?:jpe?g|png|gif|webp|mp[34]|wav|pdf)$"
_CODE_NAME = re.compile(
    r"(?:^|[_\s])(?:zips?|zip_?codes?|post(?:al)?_?codes?|plz|pin_?codes?|phone|fips|naics)$"
    r"|邮编|郵編|邮政编码|区号"
)
_DIGITS = r"^\d+$"
_LEADING_ZERO = r"^0\d{2,}$"
_CODE_OF_SIGNS = r"^[A-Za-z\d][A-Za-z\d -]{0,11}$"
_OTHER_CODE = r"^(?:[A-Z]*\d[A-Z\d]{3,}|[A-Z]+\d[A-Z\d]{2,})$"
_NUMBER = r"^\s*[-+$€£¥]?[\d.,]+(?:[eE][-+]?\d+)?\s*%?\s*$"
_DATE = r"^\s*\d{1,4}[-/.]\w{1,3}[-/.]\d{1,4}(?:[T\s].*)?$"
_LONG_CODE = r"^[A-Z0-9]{8,}$|^[0-9a-f-]{12,}$"
_CODE = r"^[^\s\p{Han}]*\d[^\s\p{Han}]*$"


@dataclass(frozen=True)
class Column:
    """One column's kind, judged by its name and by a spread sample of its values."""

    name: str
    kind: Kind
    words: float = 0.0
    """Mean number of words (Chinese characters count as half a word each)."""
    repetition: float = 0.0
    """Values for each distinct value: 1 where every value is its own."""


def is_title_name(name: str) -> bool:
    """Whether a column of this name says what the item is called."""
    name = name.lower()
    return bool(_TITLE_NAME.search(name)) and not _NO_TITLE_NAME.search(name)


def profile(series: pl.Series) -> Column:
    """The kind of a column; only a sample of up to 10,000 rows is read."""
    step = max(1, len(series) // SAMPLE_ROWS)
    sample = series.gather_every(step).drop_nulls()
    if _ID_NAME.search(series.name.lower()):
        return Column(series.name, "id")
    if sample.dtype.is_numeric() or sample.dtype == pl.Boolean:
        if sample.n_unique() < 2:
            return Column(series.name, "constant")
        return Column(series.name, "code" if _are_codes_by_name(sample) else "number")
    if isinstance(sample.dtype, (pl.List, pl.Array)):
        return _profile_lists(sample)
    if sample.dtype in (pl.String, pl.Categorical, pl.Enum):
        return _profile_strings(sample.cast(pl.String))
    return Column(series.name, "other")


def _profile_lists(sample: pl.Series) -> Column:
    if flat_list_type(sample.dtype) not in (pl.String, pl.Categorical, pl.Enum):
        return Column(sample.name, "id" if _LINKS_NAME.search(sample.name.lower()) else "other")
    values = flat_lists(sample).explode().drop_nulls()
    name, distinct = sample.name, max(values.n_unique(), 1)
    if _ADDRESS_NAME.search(name.lower()) or _share(values, _ADDRESS) > 0.5:
        return Column(name, "address")
    repetition = len(values) / distinct
    if _share(values, _CODE) > 0.8 and (
        repetition < 2 or _LINKS_NAME.search(name.lower()) or _share(values, _LONG_CODE) > 0.8
    ):
        return Column(name, "id")
    if distinct < 2:
        return Column(name, "constant")
    return Column(name, "categories", mean_words(values), repetition)


def _profile_strings(sample: pl.Series) -> Column:
    name = sample.name
    values = present(sample).drop_nulls()
    if _ADDRESS_NAME.search(name.lower()) or _share(values, _ADDRESS) > 0.5:
        return Column(name, "address")
    distinct = max(values.n_unique(), 1)
    if _is_constant(values, distinct):
        return Column(name, "constant")
    if _hold_codes(values):
        return Column(name, "code")
    if _share(values, _NUMBER) > 0.8:
        return Column(name, "number")
    if _share(values, _DATE) > 0.8:
        return Column(name, "date")
    repetition = len(values) / distinct
    if repetition < 2 and _share(values, _CODE) > 0.8 and not is_title_name(name):
        return Column(name, "id")
    return Column(name, "text", mean_words(values), repetition)


def _are_codes_by_name(numbers: pl.Series) -> bool:
    """Whether whole numbers stand under a name of codes, such as "zip"."""
    if numbers.dtype == pl.Boolean or not _CODE_NAME.search(numbers.name.lower()):
        return False
    return bool(((numbers >= 0) & (numbers == numbers.floor())).all())


def _hold_codes(values: pl.Series) -> bool:
    """Whether texts are codes, made of digits or not: no amount begins with 0, or is "T8H1N"."""
    if _CODE_NAME.search(values.name.lower()):
        return _share(values, _CODE_OF_SIGNS) > 0.8 and _share(values, r"\d") > 0.5
    digits = _share(values, _DIGITS)
    if digits <= 0.8:
        return False
    others = values.filter(~values.str.contains(_DIGITS))
    mixed = len(others) > 0 and _share(others, _OTHER_CODE) > 0.8
    return mixed or _share(values, _LEADING_ZERO) > 0.01


def _is_constant(values: pl.Series, distinct: int) -> bool:
    if distinct < 2 and not (is_title_name(values.name) and len(values) == 1):
        return True
    most = values.rename("value").value_counts(sort=True)["count"][0]
    return bool(distinct > 1 and len(values) > 50 and most / len(values) > 0.98)


def _share(values: pl.Series, pattern: str) -> float:
    return float(values.str.contains(pattern).mean() or 0.0) if len(values) else 0.0  # type: ignore[arg-type]


def mean_words(values: pl.Series) -> float:
    """Mean number of words; a Chinese character counts as half a word."""
    if not len(values):
        return 0.0
    spaces = values.str.count_matches(r"\S+").mean()
    characters = values.str.count_matches(r"\p{Han}").mean()
    return float(spaces or 0.0) + float(characters or 0.0) / 2  # type: ignore[arg-type]


def present(series: pl.Series) -> pl.Series:
    """Stripped strings; blank ones and words for "missing" (None, NaN, N/A) become null."""
    stripped = series.str.strip_chars()
    kept = pl.when(~pl.col("x").is_in(["", *MISSING_WORDS])).then(pl.col("x"))
    return stripped.to_frame("x").select(kept.alias(series.name)).to_series()


def without_quoted_lists(series: pl.Series) -> pl.Series:
    """A list that was written to the file as code ("['a', 'b']") as words ("a, b")."""
    x = pl.col("x")
    words = (
        x.str.replace_all(r"""^\[['"]|['"]\]$""", "")
        .str.replace_all(r"""['"],\s*['"]""", ", ")
        .str.strip_chars(" ,")
    )
    quoted = pl.when(x.str.contains(r"""(?s)^\[['"].*['"]\]$""")).then(words).otherwise(x)
    return series.to_frame("x").select(quoted.alias(series.name)).to_series()


def flat_list_type(dtype: pl.DataType) -> pl.DataType:
    """What the innermost elements of (nested) lists are."""
    while isinstance(dtype, (pl.List, pl.Array)):
        dtype = dtype.inner  # type: ignore[assignment]
    return dtype


def flat_lists(series: pl.Series) -> pl.Series:
    """Lists of stripped, present, distinct strings, in order; nested lists are flattened."""
    if isinstance(series.dtype, pl.Array):
        series = series.arr.to_list()
    while isinstance(series.dtype, pl.List) and isinstance(series.dtype.inner, (pl.List, pl.Array)):
        series = series.list.eval(pl.element().explode())
    strings = series.cast(pl.List(pl.String))
    cleaned = pl.element().str.strip_chars()
    kept = strings.list.eval(cleaned.filter(~cleaned.is_in(["", *MISSING_WORDS])))
    return kept.list.unique(maintain_order=True)


def as_text(series: pl.Series) -> pl.Series:
    """A column as strings, null where it says nothing. Structs and binary raise `DataError`."""
    dtype = series.dtype
    if isinstance(dtype, (pl.List, pl.Array)):
        if not _is_plain(flat_list_type(dtype)):
            raise _no_text(series)
        return present(flat_lists(series).list.join(", "))
    if not _is_plain(dtype):
        raise _no_text(series)
    if dtype.is_float():
        frame = series.to_frame("x")
        whole = pl.when(pl.col("x").is_finite()).then(pl.col("x").cast(pl.String))
        series = frame.select(whole.str.strip_suffix(".0")).to_series().alias(series.name)
    return present(without_quoted_lists(series.cast(pl.String)))


def _is_plain(dtype: pl.DataType) -> bool:
    strings = (pl.String, pl.Categorical, pl.Enum, pl.Null, pl.Boolean)
    return dtype in strings or dtype.is_numeric() or dtype.is_temporal()


def _no_text(series: pl.Series) -> DataError:
    return DataError(
        f"the column {series.name!r} holds {series.dtype}, which has no text form; "
        "unnest it, or leave it out of the template"
    )
