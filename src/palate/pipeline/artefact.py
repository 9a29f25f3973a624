"""A fitted pipeline as one folder: manifest.json, safetensors, parquet; no pickle.

Files are named by their content and the manifest is replaced last, in one step, so a save that is
killed or runs out of disk leaves the folder as it was. One process saves at a time; readers wait
for nobody, and read again where a newer model took the place of the one that they were reading.
Manifests of older versions stay beside it under their numbers, and so do the files that they name.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import polars as pl
from safetensors.numpy import load_file, save

from palate import __version__
from palate.core.dataset import Dataset
from palate.core.errors import (
    ArtefactError,
    ConfigError,
    NotFittedError,
    PalateError,
    first_offenders,
)
from palate.core.files import LOCK, alone_in, write_whole
from palate.core.forks import check_process
from palate.core.learnt import agree, check_type
from palate.core.paths import check_readable, path_of
from palate.data.formats.unpacked import check_unpacked
from palate.pipeline.card import LAST_VERSION, MARK, Card, card_in, holds_ids
from palate.pipeline.received import check_received
from palate.pipeline.stages import Stages
from palate.pipeline.tree import Reader, Writer

FORMAT = 4
Whole = TypeVar("Whole", bound=Stages)
MANIFEST = "manifest.json"
CARD = "CARD.md"
KEPT_VERSIONS = 3
_PLENTY = 2**22  # rows that a table may have, however small its file
_ROWS_A_BYTE = 64  # where it has more: a table of one value is far smaller, and nobody's events
_PLENTY_OF_CELLS = 2**26
_CELLS_A_BYTE = 256  # where rows of many columns have more: beside columns without values stand ids
_CONTENT = re.compile(r"[0-9a-f]{32}\.(safetensors|parquet)")
_VERSION = re.compile(r"manifest\.(\d{1,9})\.json")
_WRITTEN = rf"{re.escape(MANIFEST)}|{_VERSION.pattern}|{re.escape(CARD)}|{_CONTENT.pattern}"
_TEMPORARY = re.compile(rf"\.({_WRITTEN})\.[0-9a-f]{{8}}\.tmp")


def save_pipeline(
    pipeline: Stages,
    folder: str | Path,
    *,
    origin: Mapping[str, Any] | None = None,
    figures: Any = None,
    keep: int = 0,
    over: tuple[int, int] | None = None,
) -> Path:
    """Writes a fitted pipeline into `folder` (made if absent); the old content stays until the end.

    `origin` (JSON) says where it came from; `read_origin` gives it back. `figures` go into
    its card. The last `keep` models that were saved there stay beside it. `over` is the state that
    it takes the place of, else nothing is written. Only who owns the folder
    may read it, unless that was changed. Raises `ArtefactError` where the disk is full, where the
    folder cannot be written, and for a folder with files of somebody else.
    """
    root = path_of(folder, "the folder to save a model in", ArtefactError)
    check_kept(keep)
    writer = Writer(root, type(pipeline))
    tree = writer.tree(pipeline, "pipeline")
    with writing_in(root, keep=keep):
        if over is not None and saved_at(root) != over:
            raise SavedMeanwhile
        check_older(root, pipeline.data_, keep)
        mode = _rights(root)
        new = {
            "format": FORMAT,
            "palate": __version__,
            "origin": dict(origin or {}),
            "arrays": _write(root, save(writer.arrays), "safetensors", mode),
            "tables": {
                name: _write(root, _parquet(table), "parquet", mode)
                for name, table in writer.tables.items()
            },
            "tree": tree,
        }
        size = sum((root / name).stat().st_size for name in _content_of(new))
        card = _numbered(Card.of(pipeline, size=size, figures=figures), new, root)
        if keep:
            archive(root)
        put_in_place(root, new, card)
    return root


class SavedMeanwhile(Exception):
    """Somebody else's model took the place of the one that was to be changed."""


def check_kept(keep: object) -> None:
    """Raises `ConfigError` for what is no number of versions."""
    if not isinstance(keep, int) or isinstance(keep, bool) or keep < 0:
        raise ConfigError(f"keep = {keep!r}: say how many older versions stay, 0 or more")


@contextlib.contextmanager
def writing_in(root: Path, *, keep: int | None = None) -> Iterator[None]:
    """Alone in a folder of a model, which is made if absent; what is left over goes at the end.

    All but the last `keep` versions are left over; None keeps those there are. Raises
    `ArtefactError` as `save_pipeline` does.
    """
    try:
        check_place(root)
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        with alone_in(root) as alone:
            kept = None  # of the versions, where it comes to no end
            try:
                yield
                kept = keep
            finally:
                if alone:
                    _sweep(root, kept)
    except OSError as error:
        if isinstance(error, PalateError):
            raise
        raise ArtefactError(
            f"{root} could not be written ({error.strerror or error}); what it held is untouched"
        ) from error


def _rights(root: Path) -> int:
    """Of the files: those of the folder, which is its owner's alone until somebody opens it.

    One that was a palate model's before models had cards is closed like a new one.
    """
    if "card" not in (_manifest_at(root) or ()):
        with contextlib.suppress(OSError):  # somebody else's, who lets us write in it
            root.chmod(0o700)
    return root.stat().st_mode & 0o666


def _numbered(card: Card, new: Mapping[str, Any], root: Path) -> Card:
    """With its number in the folder; the same model once more stays the same version."""
    now = current(root)
    if now is None:
        return card.model_copy(update={"version": 1 + max(numbers(root), default=0)})
    before = card_in(now)
    if all(now.get(name) == part for name, part in new.items()):
        same = {name: getattr(before, name) for name in ("version", "before", "figures")}
        return card.model_copy(update=same).with_figures(card.figures)
    latest = max(before.version, *numbers(root), 0)
    new_number = latest + 1 if latest < LAST_VERSION else 1
    return card.model_copy(update={"version": new_number, "before": before.version})


def current(root: Path) -> dict[str, Any] | None:
    """The manifest of a folder, where it is whole and of this format."""
    try:
        manifest = read_manifest(root)
        card_in(manifest)
    except (ArtefactError, ValueError):
        return None
    return manifest


def numbers(root: Path) -> list[int]:
    """The versions that lie beside the manifest, the newest first."""
    found = (_VERSION.fullmatch(path.name) for path in root.iterdir())
    of_palate = (int(match[1]) for match in found if match and _is_ours(root, match[0]))
    return sorted(of_palate, reverse=True)


def _is_ours(root: Path, name: str) -> bool:
    """Whether palate wrote a manifest; there are others of that name."""
    manifest = _manifest_at(root, name)
    return isinstance(manifest, dict) and {"format", "palate"} <= manifest.keys()


def archive(root: Path) -> None:
    """A copy of the manifest under its number, where there is one that can be loaded."""
    manifest = current(root)
    if manifest is not None:
        path = root / version_name(card_in(manifest).version)
        write_whole(path, _sealed(manifest), mode=_rights(root))


def check_older(root: Path, data: Dataset, keep: int) -> None:
    """Raises `ArtefactError` where a model with pseudonyms would lie beside people's own ids."""
    if not keep or data.pseudonyms is None or not root.is_dir():
        return
    held = [_manifest_at(root), *(_manifest_at(root, version_name(n)) for n in numbers(root))]
    if any(isinstance(manifest, dict) and holds_ids(manifest) for manifest in held):
        raise ArtefactError(
            f"{root} holds older models with ids of people in the clear: name another folder, or"
            " save with keep=0 (--keep 0), which deletes them"
        )


def version_name(number: int) -> str:
    """The manifest of a version."""
    return f"manifest.{number}.json"


def put_in_place(root: Path, manifest: Mapping[str, Any], card: Card) -> None:
    """The manifest with a card becomes the folder's, in one step; then the card's page."""
    mode = _rights(root)
    write_whole(
        root / MANIFEST, _sealed({**manifest, "card": card.model_dump(mode="json")}), mode=mode
    )
    if not (root / CARD).exists() or _is_page(root):
        with contextlib.suppress(OSError):  # better none than an old one
            (root / CARD).unlink(missing_ok=True)
            write_whole(root / CARD, card.page(), mode=mode)


def _is_page(root: Path) -> bool:
    """Whether palate wrote the page, which people may have, too."""
    try:
        with (root / CARD).open("rb") as file:
            return file.read(len(MARK.encode())) == MARK.encode()
    except OSError:
        return False


def check_place(folder: str | Path) -> None:
    """Raises `ArtefactError` for a folder that a model cannot be saved in; makes nothing.

    It may not exist yet, hold a model of palate's, or be empty.
    """
    root = path_of(folder, "the folder to save a model in", ArtefactError)
    try:
        if root.is_symlink() and not root.exists():
            raise ArtefactError(f"{root} is a link to nothing: name a folder to save the model in")
        above = (root.absolute(), *root.absolute().parents)
        there = next(place for place in above if place.exists())
        if not there.is_dir():
            raise ArtefactError(f"{there} is a file: name a folder to save the model in")
        if not os.access(there, os.W_OK | os.X_OK):
            raise ArtefactError(f"{there} is not yours to write in: name a folder of your own")
        if root.is_dir():
            _check_owner(root)
    except OSError as error:
        if isinstance(error, PalateError):
            raise
        why = f"{root} cannot be used ({error.strerror or error}): name another folder"
        raise ArtefactError(why) from error


def _check_owner(root: Path) -> None:
    names = sorted(path.name for path in root.iterdir())
    ours = [name for name in names if _is_own(name) or name == CARD]
    links = [name for name in ours if (root / name).is_symlink()]
    if links:  # what is written would land where they lead, in somebody else's place
        raise ArtefactError(
            f"{root} holds links in place of files ({first_offenders(links, len(links))}): name "
            "the folder that they lead to, or a new one"
        )
    others = [name for name in names if not _is_own(name)]
    others += [name for name in names if _VERSION.fullmatch(name) and not _is_ours(root, name)]
    if CARD in others and _is_page(root):
        others.remove(CARD)
    if MANIFEST in names:
        if _is_ours(root, MANIFEST):
            return
        # a damaged one is ours beside files that palate alone calls so; there are other manifests
        if _manifest_at(root) is not None or not any(_CONTENT.fullmatch(name) for name in names):
            others.append(MANIFEST)
    if others:
        raise ArtefactError(
            f"{root} holds other files ({first_offenders(others, len(others))}) and no palate "
            f"model: name a new or an empty folder"
        )


def _is_own(name: str) -> bool:
    patterns = (_CONTENT, _TEMPORARY, _VERSION)
    return name in (MANIFEST, LOCK) or any(pattern.fullmatch(name) for pattern in patterns)


def _manifest_at(root: Path, name: str = MANIFEST) -> Any:
    """The JSON of a manifest, or None where there is none to be read."""
    path = root / name
    try:
        return json.loads(path.read_bytes()) if path.is_file() else None
    except (OSError, ValueError, RecursionError):
        return None


def _parquet(table: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    table.write_parquet(buffer, compression="zstd")
    return buffer.getvalue()


def _write(root: Path, content: bytes, suffix: str, mode: int) -> str:
    digest = hashlib.blake2b(content, digest_size=16).hexdigest()
    path = root / f"{digest}.{suffix}"
    if not path.exists() or _digest(path) != digest:
        write_whole(path, content, mode=mode)
    return path.name


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def _sweep(root: Path, kept: int | None) -> None:
    """Deletes what no manifest names, older versions, files and halves; others' files stay."""
    stay = {MANIFEST, LOCK}
    if (root / MANIFEST).exists():
        manifests = {MANIFEST: _manifest_at(root)}
        now = _number_of(manifests[MANIFEST])
        older = [number for number in numbers(root) if number != now][:kept]
        manifests |= {version_name(n): _manifest_at(root, version_name(n)) for n in older}
        try:
            if any(manifest["format"] != FORMAT for manifest in manifests.values()):
                return
            stay |= manifests.keys()
            stay |= {name for manifest in manifests.values() for name in _content_of(manifest)}
        except (AttributeError, KeyError, TypeError):
            return
    for path in root.iterdir():
        theirs = _VERSION.fullmatch(path.name) and not _is_ours(root, path.name)
        if path.name not in stay and _is_own(path.name) and not theirs:
            with contextlib.suppress(OSError):
                path.unlink()


def _number_of(manifest: Any) -> int | None:
    with contextlib.suppress(AttributeError, TypeError, ValueError):
        return card_in(manifest).version
    return None


def _content_of(manifest: Mapping[str, Any]) -> set[str]:
    """The files that a manifest names."""
    return {manifest["arrays"], *manifest["tables"].values()}


def load_pipeline(folder: str | Path, whole: type[Whole], *, allow: Collection[str]) -> Whole:
    """A `whole` that `save_pipeline` wrote; raises `ArtefactError` for a folder that is no such."""
    check_process()
    root = path_of(folder, "the folder of a model", ArtefactError)
    if isinstance(allow, str) or not all(isinstance(name, str) for name in allow):
        raise ConfigError(f"allow must be a list of names, as [{str(allow)!r}]")
    while True:
        saved = saved_at(root)
        try:
            return _load_once(root, whole, allow)
        except ArtefactError:
            if saved == saved_at(root):
                raise


def saved_at(root: Path) -> tuple[int, int] | None:
    """Another value after every save."""
    try:
        status = (root / MANIFEST).stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns


def _load_once(root: Path, whole: type[Whole], allow: Collection[str]) -> Whole:
    manifest = read_manifest(root)
    try:
        card_in(manifest)
        arrays = load_file(_checked(root, manifest["arrays"]))
        tables = {name: _read_table(root, file) for name, file in manifest["tables"].items()}
        reader = Reader(arrays, tables, whole=whole, allow=allow, source=str(root))
        pipeline: Whole = reader.value(manifest["tree"])
        agree(isinstance(pipeline, whole), "the folder of something else than a pipeline")
        check_received(pipeline)
    except Exception as error:  # whatever a folder that somebody made can lead to
        of_the_folder = isinstance(error, ValueError | NotFittedError)
        if isinstance(error, PalateError) and not of_the_folder:
            raise  # an extra that is not installed, code that is not allowed
        raise _unusable(root, manifest, error) from error
    return pipeline


def _read_table(root: Path, name: str) -> pl.DataFrame:
    """A table; `ValueError` for more rows, cells or bytes than a file of its size may hold."""
    path = _checked(root, name)
    try:
        check_unpacked(path)
        table, size = pl.scan_parquet(path, glob=False), path.stat().st_size
        rows, columns = table.select(pl.len()).collect().item(), len(table.collect_schema())
        agree(rows <= max(_PLENTY, _ROWS_A_BYTE * size), f"{name} has {rows} rows")
        cells = rows * columns
        agree(cells <= max(_PLENTY_OF_CELLS, _CELLS_A_BYTE * size), f"{name} has {cells} cells")
        return pl.read_parquet(path, memory_map=False, glob=False)
    except pl.exceptions.PanicException as error:
        raise ValueError(f"{name} is no table: {error}") from error


def _unusable(root: Path, manifest: Mapping[str, Any], error: Exception) -> ArtefactError:
    reason = f"{type(error).__name__}: {error}"
    written = manifest.get("palate")
    if written != __version__:
        return ArtefactError(
            f"{root} was written by palate {written}, and this is {__version__}, which cannot use "
            f"it ({reason}): install that version, or fit the pipeline again"
        )
    return ArtefactError(f"{root} cannot be loaded ({reason}); fit the pipeline again")


def read_origin(folder: str | Path) -> dict[str, Any]:
    """What `save_pipeline` was told about where the model came from."""
    root = path_of(folder, "the folder of a model", ArtefactError)
    origin = read_manifest(root).get("origin", {})
    if not isinstance(origin, dict):
        raise ArtefactError(f"{root} is damaged: its origin is {origin!r:.40}; fit it again")
    return origin


def check_whole(root: Path, manifest: Mapping[str, Any]) -> None:
    """Raises `ArtefactError` unless all files that a manifest names are as they were written."""
    try:
        for name in _content_of(manifest):
            _checked(root, name)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        if isinstance(error, PalateError):
            raise
        raise _unusable(root, manifest, error) from error


def read_manifest(root: Path, name: str = MANIFEST) -> dict[str, Any]:
    """What a sealed manifest holds; `ArtefactError` where it cannot be used."""
    path = root / name
    check_readable(path, ArtefactError)
    if not root.exists():
        raise ArtefactError(
            f"there is no folder {root}: `palate fit CONFIG --out {root}` makes one, "
            f"and so does Pipeline.save"
        )
    if not root.is_dir():
        raise ArtefactError(f"{root} is a file: name the folder that `palate fit` wrote")
    if not path.is_file():
        raise ArtefactError(f"{root} holds no palate model: there is no {name} in it")
    try:
        manifest = json.loads(path.read_text("utf-8"))
        check_type(version := manifest["format"], int, "format")
    except (ValueError, KeyError, TypeError, OSError, RecursionError) as error:
        raise ArtefactError(
            f"{path} is damaged ({type(error).__name__}: {error}); fit the pipeline again"
        ) from error
    if version != FORMAT:
        newer = version > FORMAT
        raise ArtefactError(
            f"{root} was written by palate {manifest.get('palate')} (format {version}); this is "
            f"{__version__} (format {FORMAT}): "
            + ("pip install --upgrade palate" if newer else "fit the pipeline again")
        )
    if not _is_sealed(manifest):
        raise ArtefactError(f"{root} is damaged: {name} has changed; fit the pipeline again")
    return dict(manifest)


def _sealed(manifest: Mapping[str, Any]) -> bytes:
    return _json({**manifest, "seal": _seal(manifest)})


def _is_sealed(manifest: dict[str, Any]) -> bool:
    """Whether a manifest is as it was written; its seal is taken off."""
    seal = manifest.pop("seal", None)
    try:
        return bool(seal == _seal(manifest))
    except (ValueError, RecursionError):  # NaN, half a letter, too many brackets
        return False


def _seal(manifest: Mapping[str, Any]) -> str:
    return hashlib.blake2b(_json(manifest), digest_size=16).hexdigest()


def _json(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, ensure_ascii=False, allow_nan=False).encode()


def _checked(root: Path, name: str) -> Path:
    """The file, once its content is known to be what was written."""
    if not _CONTENT.fullmatch(name):
        raise ValueError(f"{name!r} is no file name of a model folder")
    path = root / name
    check_readable(path, ArtefactError)
    if not path.is_file():
        raise ArtefactError(f"{root} is damaged: {name} is missing; fit the pipeline again")
    if _digest(path) != name.partition(".")[0]:
        raise ArtefactError(f"{root} is damaged: {name} has changed; fit the pipeline again")
    return path
