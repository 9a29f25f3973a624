"""Features as files for others: Parquet, numpy, an index of faiss, a table of PostgreSQL."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, get_args

import numpy as np
import polars as pl
from scipy import sparse

from palate.core.arrays import Matrix, to_dense
from palate.core.columns import ITEM
from palate.core.doors import door
from palate.core.errors import ConfigError, DataError, Setting, did_you_mean, first_offenders
from palate.core.features import Features
from palate.core.files import write_whole
from palate.core.frames import Form
from palate.core.optional import Requirement
from palate.core.paths import check_writable, path_of
from palate.core.visible import counted

__all__ = ["write_features"]

Target: TypeAlias = Literal["parquet", "npz", "faiss", "pgvector"]

_SUFFIXES: Final[Mapping[str, Target]] = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".npz": "npz",
    ".faiss": "faiss",
    ".sql": "pgvector",
}
_FAISS = Requirement(("faiss",), "an index of faiss")
_LONGEST_NAME = 63  # bytes of a name in PostgreSQL, which cuts longer ones off
_WIDEST = {"vector": 16_000, "sparsevec": 1_000_000_000}  # dimensions that pgvector stores
_MOST_NONZERO = 16_000


@dataclass(frozen=True)
class Written:
    """What was written where: `rows` of `blocks`; `left_out` are sparse blocks nobody named."""

    path: Path
    to: Target
    rows: int
    blocks: dict[str, int]
    left_out: dict[str, int]

    def to_json(self) -> dict[str, Any]:
        """The same as JSON types."""
        return {**vars(self), "path": str(self.path)}

    def render(self) -> str:
        """The same in a few lines."""
        blocks = ", ".join(f"{name} ({dim:,})" for name, dim in self.blocks.items())
        lines = [f"{counted(self.rows, 'row')} of {blocks} → {self.path}"]
        if self.left_out:
            others = ", ".join(f"{name} ({dim:,})" for name, dim in self.left_out.items())
            lines.append(f"left out, for they are sparse and were not named: {others}")
        return "\n".join(lines)


@door("path")
def write_features(
    features: Features,
    path: str | Path,
    *,
    to: Target | None = None,
    blocks: Sequence[str] | None = None,
    form: Form = "lists",
    table: str = "",
) -> Written:
    """Writes the dense blocks, or those that `blocks` name, as a file that others read.

    `to` is found by the name of the file:

    - "parquet" (.parquet): ids, then what `Features.to_polars(form=form)` has.
    - "npz" (.npz): arrays by the name of their block, and the ids; of a sparse block its parts
      `NAME.data`, `.indices`, `.indptr` and `.shape`. `numpy.load` reads it, without pickle.
    - "faiss" (.faiss): an exact index (IndexFlatIP) of the blocks beside each other, by inner
      product; row i has the i-th id of the JSON list beside it (`FILE.ids.json`). Needs the extra
      "faiss".
    - "pgvector" (.sql): a file for `psql -f` that makes and fills `table` (by default "items" or
      "users"), with a column `vector` a block, `sparsevec` for a sparse one.

    The file takes the place of an old one in one step. Raises `ConfigError` for a block or a kind
    that is not known, `DataError` where a format cannot hold what is there.
    """
    place = path_of(path, "a file of vectors")
    kind = _kind(place, to)
    chosen, left_out = _chosen(features, blocks)
    if place.is_dir():
        raise DataError(f"{place} is a folder: name a file, such as {place / f'items.{kind}'}")
    check_writable(place, DataError)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        if kind == "parquet":
            _write_parquet(chosen, place, form)
        else:
            _WRITERS[kind](chosen, place, table)
    except OSError as error:
        raise DataError(f"{place} could not be written: {error.strerror or error}") from error
    return Written(place, kind, len(chosen), _widths(chosen.parts), left_out)


def _kind(path: Path, to: str | None) -> Target:
    known = get_args(Target)
    if to is not None:
        if to not in known:
            raise ConfigError(Setting("to", to), f" is not known.{did_you_mean(to, known)}")
        return next(kind for kind in known if kind == to)
    if path.suffix not in _SUFFIXES:
        raise ConfigError(
            f"{path.name} does not say what to write: name a file that ends in "
            f"{', '.join(_SUFFIXES)}, or give ",
            Setting("to", "parquet"),
        )
    return _SUFFIXES[path.suffix]


def _chosen(features: Features, blocks: Sequence[str] | None) -> tuple[Features, dict[str, int]]:
    """The features to write, and the widths of sparse blocks that nobody named."""
    if not features.parts:
        raise DataError("there are no features to write: the pipeline has no encoder")
    if blocks is None:
        others = {name: part for name, part in features.parts.items() if sparse.issparse(part)}
        blocks = [name for name in features.parts if name not in others]
        if not blocks:
            raise ConfigError(
                f"all blocks are sparse ({', '.join(features.parts)}): name those to write by ",
                Setting("blocks"),
            )
        return features.select(blocks), _widths(others)
    for name in blocks:
        if name not in features.parts:
            raise ConfigError(f"no block is called {name!r}.{did_you_mean(name, features.parts)}")
    return features.select(blocks), {}


def _widths(parts: Mapping[str, Matrix]) -> dict[str, int]:
    return {name: int(part.shape[1]) for name, part in parts.items()}


def _write_parquet(features: Features, path: Path, form: Form) -> None:
    content = io.BytesIO()
    features.to_polars(form=form).write_parquet(content)
    write_whole(path, content.getvalue())


def _write_npz(features: Features, path: Path, _: str) -> None:
    arrays: dict[str, Any] = {_id_name(features): np.array(features.ids.tolist(), dtype=np.str_)}
    for name, part in features.parts.items():
        if sparse.issparse(part):
            matrix = sparse.csr_array(part)
            parts = {"data": matrix.data, "indices": matrix.indices, "indptr": matrix.indptr}
            arrays |= {f"{name}.{key}": value for key, value in parts.items()}
            arrays[f"{name}.shape"] = np.array(matrix.shape)
        else:
            arrays[name] = part
        if name in features.names:
            arrays[f"{name}.names"] = np.array(features.names[name], dtype=np.str_)
    content = io.BytesIO()
    np.savez(content, **arrays)
    write_whole(path, content.getvalue())


def _write_faiss(features: Features, path: Path, _: str) -> None:
    faiss = _FAISS.load()
    index = faiss.IndexFlatIP(features.dim)
    index.add(np.ascontiguousarray(features.values))
    ids = json.dumps(features.ids.tolist(), ensure_ascii=False)
    write_whole(path.with_name(f"{path.name}.ids.json"), ids.encode())
    write_whole(path, faiss.serialize_index(index).tobytes())


def _write_pgvector(features: Features, path: Path, table: str) -> None:
    write_whole(path, "".join(_sql(features, table or _default_table(features))).encode())


def _default_table(features: Features) -> str:
    return "items" if _id_name(features) == ITEM else "users"


def _id_name(features: Features) -> str:
    return str(features.ids.series.name)


def _sql(features: Features, table: str) -> Iterator[str]:
    """The lines for `psql`: the extension, the table, and its rows as COPY reads them."""
    kinds = {
        name: "sparsevec" if sparse.issparse(part) else "vector"
        for name, part in features.parts.items()
    }
    for name, kind in kinds.items():
        _check_fits(features, name, kind)
    columns = [_quoted(name) for name in (_id_name(features), *kinds)]
    widths = _widths(features.parts)
    types = [f"{_quoted(name)} {kind}({widths[name]})" for name, kind in kinds.items()]
    whole, named = _quoted(table), ", ".join(columns)
    yield "CREATE EXTENSION IF NOT EXISTS vector;\n"
    yield f"CREATE TABLE {whole} ({columns[0]} text PRIMARY KEY, {', '.join(types)});\n"
    yield f"COPY {whole} ({named}) FROM stdin WITH (ENCODING 'UTF8');\n"
    cells = [
        _sparse_cells(part) if sparse.issparse(part) else _dense_cells(part)
        for part in features.parts.values()
    ]
    for name, *vectors in zip(_copied(features.ids.series), *cells, strict=True):
        yield "\t".join([name, *vectors]) + "\n"
    yield "\\.\n"


def _check_fits(features: Features, name: str, kind: str) -> None:
    part: Any = features.parts[name]
    if part.shape[1] > _WIDEST[kind] or not part.shape[1]:
        raise DataError(
            f"block {name!r} has {part.shape[1]:,} columns, but a {kind} of pgvector has 1 to "
            f"{_WIDEST[kind]:,}: reduce it first, or write another format"
        )
    if kind == "sparsevec" and np.diff(part.indptr).max(initial=0) > _MOST_NONZERO:
        raise DataError(
            f"block {name!r} has rows of more than {_MOST_NONZERO:,} numbers, which pgvector cannot"
            " hold: write another format"
        )


def _quoted(name: str) -> str:
    """A name as SQL takes it, whatever it holds."""
    if "\0" in name or not name or len(name.encode()) > _LONGEST_NAME:
        raise DataError(
            f"{name!r} is no name for PostgreSQL, which takes 1 to {_LONGEST_NAME} bytes: "
            "call the block, or the table, otherwise"
        )
    return '"' + name.replace('"', '""') + '"'


def _copied(ids: pl.Series) -> list[str]:
    r"""Ids as COPY reads them: a backslash before what would end a cell or a row."""
    if (holding := ids.str.contains("\0", literal=True)).any():
        odd = ids.filter(holding)
        raise DataError(
            f"PostgreSQL holds no NUL byte, which is in the ids {first_offenders(odd, len(odd))}"
        )
    for sign, written in (("\\", "\\\\"), ("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t")):
        ids = ids.str.replace_all(sign, written, literal=True)
    return ids.to_list()


def _dense_cells(part: Any) -> Iterator[str]:
    for row in to_dense(part):
        yield f"[{','.join(map(repr, row.tolist()))}]"


def _sparse_cells(part: Any) -> Iterator[str]:
    matrix = sparse.csr_array(part)
    matrix.sort_indices()
    for start, stop in zip(matrix.indptr[:-1], matrix.indptr[1:], strict=True):
        pairs = zip(matrix.indices[start:stop], matrix.data[start:stop].tolist(), strict=True)
        yield f"{{{','.join(f'{at + 1}:{value!r}' for at, value in pairs)}}}/{matrix.shape[1]}"


_WRITERS: Final[Mapping[str, Callable[[Features, Path, str], None]]] = {
    "npz": _write_npz,
    "faiss": _write_faiss,
    "pgvector": _write_pgvector,
}
