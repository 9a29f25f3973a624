"""Texts as a whole and clause by clause: a long review says more than one vector holds."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np

from palate.types import Floats

MOST_CLAUSES = 24
_END = re.compile(r"[。！？!?；;…\n]+|\.+(?=\s|$)|(?<=[\u4e00-\u9fff])[,，.]")

__all__ = ["clauses", "whole_and_clauses"]


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
