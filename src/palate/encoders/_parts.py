"""What sentence-transformers adds to a model: fetched where transformers alone was, and read."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from palate.encoders._embedder import Dense
from palate.encoders._hardware import import_torch
from palate.errors import ConfigError
from palate.types import Floats

MODULES = "modules.json"
LAYER_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
_SETTINGS = ("sentence_bert_config.json", "config_sentence_transformers.json")
_PATIENCE_SECONDS = 5.0
_asked: set[Path] = set()


def with_parts(folder: Path) -> Path:
    """A folder of the hub's cache, once it has all that says how its states become vectors.

    transformers fetches none of that, and one layer's weights may lie in another format than the
    network's. What the hub cannot give now stays away; it is asked once a process, for the very
    version that lies there. Other folders are taken as they are.
    """
    store = folder.parent.parent
    if folder.parent.name == "snapshots" and store.name.startswith("models--"):
        repository = store.name.removeprefix("models--").replace("--", "/")
        if not (folder / MODULES).is_file():
            _fetch(folder, repository, [*_SETTINGS, MODULES])  # in this order: a kill is mended
        for path in _parts(folder):
            if not (folder / path / "config.json").is_file():
                _fetch(folder, repository, [f"{path}/config.json"])
            if path.endswith("Dense") and not _weights_in(folder / path):
                for name in LAYER_WEIGHTS:
                    if not _weights_in(folder / path):
                        _fetch(folder, repository, [f"{path}/{name}"])
    return folder


def _parts(folder: Path) -> Iterator[str]:
    """Where the settings of pooling and of layers lie."""
    try:
        modules = json.loads((folder / MODULES).read_text())
        kinds = [(str(one["type"]).rpartition(".")[2], str(one["path"])) for one in modules]
    except (OSError, ValueError, TypeError, KeyError):
        return  # whoever reads it says what is wrong
    yield from (path for kind, path in kinds if kind in ("Pooling", "Dense"))


def _fetch(folder: Path, repository: str, names: list[str]) -> None:
    """Puts what the hub has of these into its cache: nothing, where it cannot be reached."""
    import huggingface_hub
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    for name in names:
        place = folder / name
        if _asked & {folder, place} or _is_known_to_lack(folder, repository, name):
            continue
        _asked.add(place)
        try:
            _reach(repository, name, folder.name)
            huggingface_hub.hf_hub_download(
                repository,
                name,
                revision=folder.name,
                cache_dir=folder.parents[2],
                etag_timeout=_PATIENCE_SECONDS,
            )
        except Exception as error:  # whatever the hub's client for HTTP raises
            lacks = isinstance(error, EntryNotFoundError)
            if isinstance(error, LocalEntryNotFoundError) or not lacks:
                _asked.add(folder)  # the hub is out of reach


def _reach(repository: str, name: str, version: str) -> None:
    """Raises where the hub cannot be reached: a download would try again for half a minute."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_url
    from huggingface_hub.errors import EntryNotFoundError

    with contextlib.suppress(EntryNotFoundError):  # which a download will note down
        url = hf_hub_url(repository, name, revision=version)
        get_hf_file_metadata(url, timeout=_PATIENCE_SECONDS)


def _is_known_to_lack(folder: Path, repository: str, name: str) -> bool:
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(
        repository, name, cache_dir=folder.parents[2], revision=folder.name
    )
    return found is not None


def _weights_in(folder: Path) -> Path | None:
    return next((folder / name for name in LAYER_WEIGHTS if (folder / name).is_file()), None)


def read_dense(folder: Path, settings: Mapping[str, Any]) -> Dense:
    """A layer of sentence-transformers; `ConfigError` for one that cannot be used."""
    if settings.get("use_residual"):
        raise ConfigError(f"the layer in {folder} adds what it is given, which cannot be done here")
    path = _weights_in(folder)
    if path is None:
        raise ConfigError(f"{folder / LAYER_WEIGHTS[0]} is missing: get the whole model again")
    found = _tensors(path)
    weight, bias = found.get("linear.weight"), found.get("linear.bias")
    if weight is None or weight.ndim != 2:
        raise ConfigError(f"{path} holds no layer (linear.weight): get the whole model again")
    return Dense(
        weight=weight,
        bias=bias,
        activation=str(settings.get("activation_function", "Identity")),
    )


def _tensors(path: Path) -> dict[str, Floats]:
    """float32 by name. Of a .bin only tensors are read: whatever else a pickle does is refused."""
    from safetensors.torch import load_file

    torch = import_torch()
    try:
        if path.suffix == ".bin":
            found = torch.load(path, map_location="cpu", weights_only=True)
        else:
            found = load_file(path)
        return {name: np.asarray(tensor.float().numpy()) for name, tensor in found.items()}
    except Exception as error:  # whatever a damaged file makes torch raise
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ConfigError(f"{path} cannot be read: {reason}. Get the whole model again") from error
