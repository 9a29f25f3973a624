"""What a folder says was learnt, held to what the component declares: types, shapes, numbers."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from functools import cache
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints, is_typeddict

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from palate.core.ids import Ids

WIDEST = 2**24
"""Cells that an array may be long where it holds fewer: more than any vocabulary has words."""

_ROUNDED = 1e-6  # that shares of 1 may be off by

Lengths = dict[tuple[str, str], int]


def check_declared(component: Any) -> None:
    """Raises `ValueError` unless every learnt field has its type and shape and finite numbers.

    Then the component's own `check_learnt()` is asked, where it has one, for what holds between
    fields.
    """
    cls: Any = type(component)
    hints, lengths = _hints(cls), Lengths()
    for entry in fields(component):
        if entry.init:
            continue
        value, where = getattr(component, entry.name), f"{cls.__name__}.{entry.name}"
        shape = entry.metadata.get("shape", ())
        check_type(value, hints[entry.name], where)
        named = value.items() if isinstance(value, Mapping) else [("", value)]
        for name, part in named:
            if shape and part is not None:
                _check_shape(component, part.shape, shape, (name, where), lengths)
    own: Callable[[], None] | None = getattr(component, "check_learnt", None)
    if own is not None:
        own()


def agree(holds: bool, what: str) -> None:
    """Raises `ValueError`, which says what does not hold, unless it does."""
    if not holds:
        raise ValueError(what)


def check_sparse(
    data: NDArray[Any], indices: NDArray[Any], indptr: NDArray[Any], shape: Sequence[int]
) -> None:
    """Raises `ValueError` for parts of a `csr_array` that are none.

    Compiled code reads and writes where they say, wherever that is; SciPy checks a few of them.
    """
    agree(len(shape) == 2 and min(shape) >= 0, f"a sparse array of shape {shape}")
    rows, columns = shape
    for name, part in (("data", data), ("indices", indices), ("indptr", indptr)):
        agree(part.ndim == 1, f"{name} of a sparse array has {part.ndim} dimensions")
    agree(indices.dtype.kind == indptr.dtype.kind == "i", "indices that are no whole numbers")
    agree(data.dtype in (np.float32, np.float64), f"a sparse array of {data.dtype}")
    agree(len(indptr) == rows + 1, f"a sparse array of {rows} rows, {len(indptr)} limits of rows")
    agree(columns <= max(WIDEST, rows, len(data)), f"a sparse array of {columns} columns")
    agree(len(data) == len(indices), f"{len(data)} numbers at {len(indices)} places")
    rising = indptr[0] == 0 and indptr[-1] == len(data) and bool((np.diff(indptr) >= 0).all())
    agree(rising, f"limits of rows that do not rise from 0 to {len(data)}")
    inside = not len(indices) or (indices.min() >= 0 and indices.max() < columns)
    agree(inside, f"places outside of the {columns} columns of a sparse array")


def check_finite(numbers: NDArray[Any], where: str) -> None:
    """Raises `ValueError` for NaN and infinity, and for an empty array that claims to be long."""
    agree(max(numbers.shape, default=0) <= max(WIDEST, numbers.size), f"{where}: {numbers.shape}")
    if numbers.dtype.kind == "f":
        agree(bool(np.isfinite(numbers).all()), f"{where} holds NaN or infinity")


def check_shares(shares: Mapping[str, float], where: str) -> None:
    """Raises `ValueError` unless these are shares of 1: none below 0, not all of them 0."""
    agree(all(0 <= share <= 1 + _ROUNDED for share in shares.values()), f"{where} beyond 0 to 1")
    total = sum(shares.values())
    agree(0 < total <= 1 + _ROUNDED * len(shares), f"{where} that sum to {total:g}")


def check_rows(rows: NDArray[Any], length: int, where: str) -> None:
    """Raises `ValueError` unless these are different rows of so many, in order."""
    inside = not len(rows) or (rows[0] >= 0 and rows[-1] < length)
    rising = bool((rows[1:] > rows[:-1]).all())
    agree(inside and rising, f"{where} holds no rising rows of {length}")


@cache
def _hints(cls: Any) -> dict[str, Any]:
    return get_type_hints(cls)


def check_type(value: Any, hint: Any, where: str) -> None:
    """Raises `ValueError` unless a value out of a folder is of that type, all through."""
    kind, parts = get_origin(hint), get_args(hint)
    if hint is Any:
        return
    if is_typeddict(hint):
        _check_keys(value, hint, where)
    elif kind is Literal:
        agree(isinstance(value, str | None) and value in parts, f"{where} is {value!r:.40}")
    elif kind in (Union, UnionType):
        _check_one_of(value, parts, where)
    elif kind is np.ndarray:
        _check_array(value, get_args(parts[1])[0], where)
    elif kind in (dict, Mapping):
        agree(type(value) is dict, _is(value, "a dict", where))
        for name, part in value.items():
            check_type(part, parts[1], f"{where}[{name!r}]")
    elif kind is list:
        agree(type(value) is list, _is(value, "a list", where))
        for place, part in enumerate(value):
            check_type(part, parts[0], f"{where}[{place}]")
    else:
        _check_class(value, hint, where)


def _check_keys(value: Any, hint: Any, where: str) -> None:
    """A dict of a known shape; what else it holds is left alone."""
    agree(type(value) is dict, _is(value, "a dict", where))
    missing = sorted(hint.__required_keys__ - value.keys())
    agree(not missing, f"{where} has no {', '.join(missing)}")
    for name, wanted in _hints(hint).items():
        if name in value:
            check_type(value[name], wanted, f"{where}[{name!r}]")


def _check_one_of(value: Any, hints: tuple[Any, ...], where: str) -> None:
    if value is None and type(None) in hints:
        return
    others = [hint for hint in hints if hint is not type(None)]
    for hint in others[:-1]:
        with contextlib.suppress(ValueError):
            check_type(value, hint, where)
            return
    check_type(value, others[-1], where)


def _check_array(value: Any, number: Any, where: str) -> None:
    agree(isinstance(value, np.ndarray), _is(value, "an array", where))
    agree(np.issubdtype(value.dtype, number), f"{where} is an array of {value.dtype}")
    check_finite(value, where)


def _check_class(value: Any, cls: Any, where: str) -> None:
    if cls in (bool, int, float, str):  # True is no number
        agree(type(value) is cls, _is(value, cls.__name__, where))
        agree(cls is not float or bool(np.isfinite(value)), f"{where} is {value!r}")
    else:
        agree(isinstance(value, cls), _is(value, cls.__name__, where))
        agree(cls is not Ids or len(value) > 0, f"{where} holds no id")
        if isinstance(value, sparse.csr_array):
            check_finite(value.data, where)


def _is(value: Any, wanted: str, where: str) -> str:
    return f"{where} is of type {type(value).__name__}, not {wanted}"


def _check_shape(
    component: Any,
    lengths: tuple[int, ...],
    words: tuple[str | int, ...],
    named: tuple[str, str],
    known: Lengths,
) -> None:
    """Words without a length yet get that of this array; those of a dict's parts are their own."""
    name, where = named
    agree(len(lengths) == len(words), f"{where} has {len(lengths)} dimensions, not {len(words)}")
    for word, length in zip(words, lengths, strict=True):
        wanted = word if isinstance(word, int) else _length(component, word)
        if wanted is None:
            wanted = known.setdefault((name, str(word)), length)
        agree(length == wanted, f"{where} has shape {lengths}, where {word} is {wanted}")


def _length(component: Any, word: str) -> int | None:
    """What another learnt field says, which its name that ends in `_` asks for."""
    if not word.endswith("_"):
        return None
    other = getattr(component, word)
    return other if isinstance(other, int) else len(other)
