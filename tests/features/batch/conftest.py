"""An encoder that other processes can import, and tables of uneven rows."""

import importlib
import sys

import polars as pl
import pytest

MODULE = "palate_test_letters"
SOURCE = '''
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from palate.features.encoders._media import MediaEncoder
from palate.features.encoders.media.sources import UnreadableError
from palate.features.template_encoder import TemplateEncoder
from palate.core.errors import ConfigError, DataError

ASKED = []
DECODED = []


@dataclass(kw_only=True)
class Letters(TemplateEncoder):
    """How often a, b, c and d occur, and the length; some words do harm."""

    marks: str = ""
    harmless: bool = False
    dim: int = 5

    @property
    def fingerprint(self):
        return f"letters-{self.dim}"

    def encode_texts(self, texts):
        ASKED.append(list(texts))
        for text in texts:
            self._harm(text)
        counts = [[*(text.count(letter) for letter in "abcd"), len(text)] for text in texts]
        vectors = np.array(counts, dtype=np.float32).reshape(len(texts), 5)[:, : self.dim]
        vectors[[row for row, text in enumerate(texts) if "nan" in text]] = np.nan
        return vectors

    def _harm(self, text):
        if self.harmless:
            return
        mark = Path(self.marks) / "died"
        if "die always" in text:
            os._exit(9)
        if "die once" in text and not mark.exists():
            mark.touch()
            os._exit(9)
        if "unreadable" in text:
            raise DataError(f"cannot read {text!r}")
        if "unwanted" in text:
            raise ConfigError("no such model here")


@dataclass(kw_only=True)
class Lines(MediaEncoder):
    """Reads "3 4" as a vector of two numbers."""

    marks: str = ""

    kind = "line"
    default_columns = ("line",)
    fingerprint = "lines-1"

    def _example(self):
        return [0.0, 0.0]

    def _decode(self, content):
        DECODED.append(content)
        mark = Path(self.marks) / "died"
        if b"die once" in content and not mark.exists():
            mark.touch()
            os._exit(9)
        try:
            return [float(word) for word in content.split()[:2]]
        except ValueError:
            raise UnreadableError("it is no line of numbers") from None

    def _embed(self, batch):
        return np.array(batch, dtype=np.float32)
'''


@pytest.fixture(scope="session")
def modules(tmp_path_factory):
    """A folder to import the encoder from."""
    folder = tmp_path_factory.mktemp("modules")
    (folder / f"{MODULE}.py").write_text(SOURCE)
    return folder


@pytest.fixture
def letters(modules, monkeypatch):
    """The encoder's module, fresh."""
    monkeypatch.syspath_prepend(modules)
    monkeypatch.delitem(sys.modules, MODULE, raising=False)
    yield importlib.import_module(MODULE)
    sys.modules.pop(MODULE, None)


@pytest.fixture
def spec(letters):
    return f"{MODULE}:Letters"


@pytest.fixture
def media_spec(letters):
    return f"{MODULE}:Lines"


def items(count=23, **changed):
    """Row n says n % 7 times "a" and its own number; rows of `changed` say something else."""
    titles = [f"{'a' * (row % 7)}bee {row}" for row in range(count)]
    for row, title in changed.items():
        titles[int(row.removeprefix("row"))] = title
    ids = [f"item {row * 3}" for row in range(count)]
    return pl.DataFrame({"item_id": ids, "title": titles, "price": [1.5] * count})


@pytest.fixture
def table(tmp_path):
    """`table(23, row3="…")` writes items as Parquet, and gives the path."""

    def table(count=23, name="items.parquet", **changed):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        items(count, **changed).write_parquet(path)
        return path

    return table
