"""A static encoder out of any language model, over one's own catalogue, and what that costs."""

from __future__ import annotations

import reprlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from math import isnan
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from rich.table import Table
from rich.text import Text
from scipy import sparse

from palate.core.arrays import to_dense
from palate.core.columns import ITEM
from palate.core.dataset import Dataset
from palate.core.doors import door
from palate.core.errors import ConfigError, DataError, Setting
from palate.core.paths import path_of
from palate.core.visible import visible
from palate.data.formats.open import open_table
from palate.features.default_encoders import best_text_encoder
from palate.features.encoders.static import Static
from palate.features.template_encoder import TemplateEncoder
from palate.pipeline.config import read_config
from palate.text.template import default_template, render
from palate.tuning.student import Lesson, counted, tokenizer_over, vocabulary_of, write_student
from palate.tuning.student_check import STUDENT, TEACHER, Loss, Pair

__all__ = ["DistillReport", "catalogue_of", "distill"]

_DIM = 256
_HELD_OUT = 0.1
_MOST_ASKED = 500
_WIDTH = 80
_FILES = {"model.safetensors", "tokenizer.json", "config.json", "modules.json"}


@dataclass(frozen=True)
class DistillReport:
    """What came out of `distill`, and what it lost.

    `agreement` is the share of an item's ten nearest neighbours that teacher and student have in
    common, for items whose texts the student was not fitted to; NaN where there is one item alone.
    `rate` is texts a second.
    """

    folder: str
    model: str
    tokens: int
    dim: int
    teacher_dim: int
    megabytes: float
    rate: float
    agreement: float
    loss: Loss | None

    def render(self) -> Table:
        """Teacher and student in two rows, for a terminal."""
        size = (
            f"{self.megabytes:.1f} MB" if self.megabytes >= 1 else f"{self.megabytes * 1e3:.0f} kB"
        )
        said = visible(f"{self.model} → {self.folder}: {self.tokens:,} tokens, {size}")
        title = Text(said, style="table.title")
        table = Table(title=title, title_justify="left", min_width=min(len(said), _WIDTH))
        scored = [] if self.loss is None else ["content NDCG@10"]
        for name in ("", "dimensions", "texts/s", "same 10 nearest", *scored):
            table.add_column(name, justify="left" if not name else "right")
        ndcg = ((), ()) if self.loss is None else _shown(self.loss)
        table.add_row(TEACHER, str(self.teacher_dim), "", "1.00", *ndcg[0])
        rate = f"{self.rate:,.0f}"
        agreement = "?" if isnan(self.agreement) else f"{self.agreement:.2f}"
        table.add_row(STUDENT, str(self.dim), rate, agreement, *ndcg[1])
        if self.loss is not None:
            apart = self.loss.difference
            said = f"student − teacher {apart.mean:+.4f}"
            if np.isfinite(apart.low):
                said += f" [{apart.low:+.4f}, {apart.high:+.4f}]"
            table.caption = f"{said}, {self.loss.requests:,} requests held back"
        return table

    def to_json(self) -> dict[str, Any]:
        """The same figures for a file; what cannot be told is null."""
        figures = asdict(self)
        if isnan(self.agreement):
            figures["agreement"] = None
        for row in (figures["loss"] or {}).values():
            if isinstance(row, dict):
                row.update({key: None for key, value in row.items() if not np.isfinite(value)})
        return figures


def _shown(loss: Loss) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return (f"{loss.teacher.mean:.4f}",), (f"{loss.student.mean:.4f}",)


def catalogue_of(source: str | Path, *, encoding: str | None = None) -> Dataset | pl.DataFrame:
    """The training part of a pipeline file's data, or a table of items (CSV, Parquet, …).

    `encoding` is that of a table of text, by default UTF-8; a pipeline file says its own.
    """
    if str(source).endswith(".toml") and encoding is not None:
        own = f"{source} says encoding = … in its [data]: leave "
        raise ConfigError(own, Setting("encoding"), " out here")
    if str(source).endswith(".toml"):
        settings = read_config(source)
        return settings.cut(settings.read()[0]).train
    table = open_table(source, what="items", key=ITEM, encoding=encoding or "utf-8")
    return table.collect([pl.all()])


@door()
def distill(
    catalogue: Dataset | pl.DataFrame | Sequence[str],
    *,
    model: str | TemplateEncoder,
    out: str | Path,
    dim: int | None = None,
    template: str | None = None,
    vocabulary: int = 50_000,
    texts: int = 20_000,
    sif: float = 1e-3,
    pull: float = 0.01,
    seed: int = 0,
) -> DistillReport:
    """Writes a static encoder that speaks of this catalogue as `model` does; says what that costs.

    `catalogue` is a data set, a table of items or the texts themselves; `model` "muse", "minilm", a
    folder, a name on the hub, or an encoder. The student knows the `vocabulary` most frequent words
    of the catalogue and the model's pieces of them, each as `dim` numbers (None: 256, or all that
    the model gives if these are fewer): the model's output for it, fitted so that their mean comes
    near the model's output for `texts` of the texts (0: not fitted); `pull` holds them back, `sif`
    says how quickly frequent words count less. All texts are learnt from, events never.
    `Static(model=out)`, model2vec and sentence-transformers read it.
    Raises `ConfigError` for settings or a folder that cannot be used, `DataError` for a catalogue
    without words, `MissingExtraError` without the extra "static".
    """
    _check(dim, vocabulary, texts, sif, pull)
    folder = _place(path_of(out, "the folder of an encoder"))
    every = _texts_of(catalogue, template)
    said = np.array([row for row, text in enumerate(every) if text.strip()], dtype=np.int64)
    if not len(said):
        raise DataError("no item of the catalogue says anything: choose other columns")
    teacher, name = _teacher(model)
    dim = _width(dim, every[said[0]], teacher, name)
    held, fitted = _parts(len(said), texts, seed)
    lesson, tokenizer = _lesson([every[row] for row in said], teacher, fitted, vocabulary)
    student = lesson.learn(dim=dim, sif=sif, pull=pull)
    about = {"tokenizer_name": name, "apply_pca": dim, "sif_coefficient": sif}
    write_student(folder, tokenizer, student, about)
    pair = Pair(every, said[held], teacher, Static(model=str(folder)))
    return DistillReport(
        folder=str(folder),
        model=name,
        tokens=len(student),
        dim=student.shape[1],
        teacher_dim=lesson.tokens.shape[1],
        megabytes=(folder / "model.safetensors").stat().st_size / 1e6,
        rate=pair.rate,
        agreement=pair.agreement(),
        loss=pair.loss(catalogue, seed) if isinstance(catalogue, Dataset) else None,
    )


def _lesson(
    words: Sequence[str], teacher: TemplateEncoder, fitted: NDArray[np.int64], vocabulary: int
) -> tuple[Lesson, Any]:
    """What the teacher says of the tokens and of some texts, and the tokeniser that finds them."""
    tokens, frequency = vocabulary_of(words, teacher, vocabulary)
    tokenizer = tokenizer_over(tokens, frequency)
    counts = counted(tokenizer, words, len(tokens))
    totals = np.asarray(counts.sum(axis=0), dtype=np.float64)
    lesson = Lesson(
        tokens=to_dense(teacher.encode_texts(tokens)),
        texts=to_dense(teacher.encode_texts([words[row] for row in fitted])),
        counts=sparse.csr_array(counts[fitted]),
        shares=totals / max(totals.sum(), 1.0),
    )
    return lesson, tokenizer


def _width(dim: int | None, text: str, teacher: TemplateEncoder, name: str) -> int:
    """How many numbers the student gives: never more than its teacher."""
    most = int(teacher.encode_texts([text]).shape[1])
    if dim is not None and dim > most:
        raise ConfigError(
            f"dim = {dim}: the model {name} gives {most} numbers, and a student of it cannot "
            f"give more: choose {most} or fewer"
        )
    return dim or min(_DIM, most)


def _check(dim: int | None, vocabulary: int, texts: int, sif: float, pull: float) -> None:
    if (dim is not None and dim < 1) or vocabulary < 1 or texts < 0 or pull < 0 or not 0 < sif < 1:
        raise ConfigError(
            f"dim = {dim}, vocabulary = {vocabulary}, texts = {texts}, sif = {sif}, pull = {pull}: "
            "give 1 or more dimensions and words, 0 or more texts and pull, 0 < sif < 1"
        )


def _place(folder: Path) -> Path:
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder} is a file: name a folder to write the model in")
    others = {path.name for path in folder.iterdir()} - _FILES if folder.is_dir() else set()
    if others:
        raise ConfigError(f"{folder} holds other files ({min(others)}): name another folder")
    return folder


def _texts_of(catalogue: Dataset | pl.DataFrame | Sequence[str], template: str | None) -> list[str]:
    if isinstance(catalogue, Dataset):
        catalogue = catalogue.items
    if isinstance(catalogue, pl.DataFrame):
        return render(catalogue, template or default_template(catalogue))
    texts = isinstance(catalogue, Iterable) and not isinstance(catalogue, str | type)
    if not texts or not all(isinstance(text, str) for text in catalogue):
        raise DataError("a catalogue is a data set, a table of items, or a list of texts")
    return list(catalogue)


def _teacher(model: str | TemplateEncoder) -> tuple[TemplateEncoder, str]:
    if isinstance(model, TemplateEncoder):
        return model, str(getattr(model, "model", type(model).__name__))
    if not isinstance(model, str):
        raise ConfigError(f"a teacher is an encoder of texts or a name, not {reprlib.repr(model)}")
    return best_text_encoder(model)


def _parts(count: int, texts: int, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Which texts the student is asked about, and which it is fitted to: others, if it can be."""
    order = np.random.default_rng(seed).permutation(count)
    held = min(_MOST_ASKED, int(count * _HELD_OUT))
    return np.sort(order[: held or count]), np.sort(order[held : held + texts])
