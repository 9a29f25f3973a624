"""What all text encoders share: a template, unique texts encoded once, the cache."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import AfterValidator

from palate.core import registry
from palate.core.arrays import Batches, Floats, Matrix, to_dense
from palate.core.checks import as_texts, check_unicode
from palate.core.component import LoadsItself, check_fitted, learnt
from palate.core.dataset import Dataset
from palate.core.errors import ConfigError, DataError, NotFittedError, Setting
from palate.core.features import Features
from palate.core.visible import quoted, shorten
from palate.features.cache.encode_once import encode_once
from palate.features.cache.store import keys_of
from palate.nn.hub.cards import about_model
from palate.text.normalise import Steps, check_steps, normalise
from palate.text.template import default_template, parse, render

_PROBE = 1000
_EXAMPLE_LENGTH = 100


def encode_cached(
    texts: Sequence[str],
    *,
    fingerprint: str,
    batches: Callable[[Sequence[str]], Batches],
    dim: int | None = None,
    doing: Callable[[], str] = str,
    folder: Path | None = None,
) -> Floats:
    """(n, dim) vectors: blank texts are zeros, every other text is encoded once, ever.

    Texts that the cache lacks go to `batches`, which answers with their positions and vectors, in
    any order. `doing` says what progress adds to that. See `encode_once`.
    """
    texts = as_texts(texts)
    unique = dict.fromkeys(texts)
    said = [text for text in unique if text and not text.isspace()]

    def of_rows(missing: NDArray[np.int64]) -> Batches:
        for rows, vectors in batches([said[row] for row in missing]):
            yield missing[rows], vectors

    vectors, _ = encode_once(
        keys_of(said),
        of_rows,
        fingerprint=fingerprint,
        named=said.__getitem__,
        unit="texts",
        doing=doing,
        dim=dim,
        folder=folder,
    )
    if not said:
        width = vectors.shape[1] or next(iter(batches(["a"])))[1].shape[1]
        return np.zeros((len(texts), width), dtype=np.float32)
    if len(said) == len(texts):
        return vectors
    row_of = {text: row for row, text in enumerate(said)}
    rows = np.fromiter((row_of.get(text, -1) for text in texts), np.int64, len(texts))
    spread = vectors[rows]
    spread[rows < 0] = 0
    return spread


def in_batches(
    encode_batch: Callable[[Sequence[str]], Floats], batch_size: int = 64
) -> Callable[[Sequence[str]], Batches]:
    """`batch_size` texts at a time, in order of length."""

    def batches(texts: Sequence[str]) -> Batches:
        lengths = np.fromiter(map(len, texts), dtype=np.int64, count=len(texts))
        order = np.argsort(lengths, kind="stable")
        for start in range(0, len(texts), batch_size):
            rows = order[start : start + batch_size]
            yield rows, encode_batch([texts[row] for row in rows])

    return batches


@dataclass(kw_only=True)
class TemplateEncoder(LoadsItself, ABC):
    """An encoder of item texts: subclasses say how texts become vectors.

    `template` says which columns are read ("{title}. {genres}"); by default the text-like ones.
    `normalise` names steps that every text goes through first, of items and of people alike:
    `{"html": True, "lowercase": True}`; they are those of `palate.text.normalise`.
    """

    template: str | None = None
    normalise: Annotated[Steps, AfterValidator(check_steps)] | None = None
    template_: str = learnt()

    def fit(self, data: Dataset) -> Self:
        """Settles the template; the words of items that arrive later are put together alike.

        Raises `DataError` where no item has a text.
        """
        self.template_ = self._template_for(data.items)
        if not any(self.texts_of(data.items.head(_PROBE))):
            self._check_said(self.texts_of(data.items), self.template_)
        return self

    def describe(self, data: Dataset) -> Iterator[str]:
        """Which template is read, what that makes of an item, and whether the model is here.

        Raises as `fit` does, and for a model that is not there.
        """
        template = self._template_for(data.items)
        texts = self.tidied(render(data.items, template))
        self._check_said(texts, template)
        yield f'reads "{template}"' + ("" if self.template else ", made from the columns")
        if self.normalise is not None:
            steps = [name for name, value in self.normalise.items() if value is True]
            if kept := self.normalise.get("keep"):
                steps.append(f"nothing stays but {', '.join(map(str, kept))}")  # type: ignore[arg-type]
            yield f"normalises every text: {', '.join(steps) or 'unicode'}"
        yield f"for example: {shorten(next(filter(None, texts)), _EXAMPLE_LENGTH)}"
        if silent := sum(not text for text in texts):
            yield f"{silent:,} of {len(texts):,} items say nothing in it"
        yield from about_model(self)

    def _check_said(self, texts: Sequence[str], template: str) -> None:
        if not any(texts):
            raise DataError(
                f"no item says anything in the columns of the template {quoted(template)}: "
                "choose other columns, or leave this encoder out"
            )

    def texts_of(self, items: pl.DataFrame) -> list[str]:
        """What each item says in the template, normalised where that is wanted."""
        return self.tidied(render(items, self.template_))

    def tidied(self, texts: Sequence[str]) -> list[str]:
        """Texts after the steps of `normalise`: what `encode_texts` has to read.

        Raises `DataError` for what are no texts, `MissingExtraError` for Chinese words without the
        extra "zh".
        """
        said = list(as_texts(texts))
        if self.normalise is None:
            return said
        check_unicode(said)
        steps: dict[str, Any] = self.normalise
        return normalise(said, **steps)

    def check_learnt(self) -> None:
        """Raises `ConfigError` for a template that is none."""
        parse(self.template_)

    def _template_for(self, items: pl.DataFrame) -> str:
        return self.template or default_template(items)

    @property
    def columns_read(self) -> list[str]:
        """The columns of the template, each once."""
        check_fitted(self)
        return parse(self.template_).names()

    @property
    def text_blocks(self) -> list[str]:
        """The blocks of `encode`, where every column of texts has one of its own; else none."""
        return []

    def encode(self, data: Dataset) -> Features:
        """One block: (n_items, d), a row of zeros for an item without any text."""
        check_fitted(self)
        vectors = self._encode_items(render(data.items, self.template_))
        block = type(self).__module__.rpartition(".")[2]
        names = getattr(self, "names", None)
        return Features(data.item_ids, {block: vectors}, names=names and {block: names})

    def _encode_items(self, texts: Sequence[str]) -> Matrix:
        return self.encode_texts(texts)

    @abstractmethod
    def encode_texts(self, texts: Sequence[str]) -> Matrix:
        """(n, d) float32 vectors of any texts, such as what a person asks for in words.

        What it reads is `self.tidied(texts)`, so that items and people go the same way.
        """


def _reading(who: str) -> Setting:
    """The encoder inside another one."""
    return Setting("encoder", python=f"{who}.encoder")


def reader_of(table: Mapping[str, Any], *, who: str) -> Any:
    """The encoder of a table; `ConfigError` for one that reads no texts."""
    reader = registry.build("encoders", table, where=_reading(who))
    if not hasattr(reader, "encode_texts"):
        raise ConfigError(_reading(who), f": {table['type']!r} reads no texts")
    return reader


def read_texts(reader: Any, texts: Sequence[str], *, who: str) -> Floats:
    """(n, d) dense vectors; `ConfigError` for an encoder that has to be fitted first."""
    try:
        return to_dense(reader.encode_texts(texts))
    except NotFittedError as error:
        raise ConfigError(
            _reading(who),
            f" must be pretrained; {registry.name_of(reader)!r} learns its words from the"
            " catalogue: take ",
            Setting("encoder", {"type": "muse"}),
            " or ",
            Setting("encoder", {"type": "transformer"}),
        ) from error
