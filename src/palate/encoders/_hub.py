"""Models that transformers reads, from a folder or the hub: found, loaded whole, or refused."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, TypeAlias

from palate._paths import Located
from palate.component import Confusable
from palate.encoders._catalogue_of_models import NamesModel, as_model, check_reader, models
from palate.encoders._weights import find_model, is_path
from palate.errors import ConfigError, first_offenders
from palate.optional import optional

_WITHOUT_WEIGHTS = ["*.json", "*.txt", "*.model"]
_WEIGHTS = ("*.safetensors", "*.bin")
_VOCABULARIES = (
    *("tokenizer.json", "vocab.json", "vocab.txt"),
    *("spiece.model", "tokenizer.model", "sentencepiece.bpe.model"),
)


def _packaged() -> Collection[str]:
    return [card.name for card in models() if card.packaged]


ModelName: TypeAlias = Annotated[
    str, Located(words=_packaged, or_name=True), NamesModel(), Confusable(as_model)
]
"""The type of a setting that is a packaged model, a folder or a name on the hub."""


def model_folder(name: str, fallback: str) -> Path:
    """Where transformers finds a model; what the hub has is fetched into its cache.

    Of a folder by sentence-transformers it is the part that sees, hears or reads. `fallback` is the
    model that needs no hub, for the error: `ConfigError` where there is no such model.
    """
    check_reader(name, fallback)
    folder = find_model(name)
    if folder is None:
        if is_path(name):
            raise ConfigError(f"there is no folder {name!r} with a model")
        folder = fetched(name, fallback)
    return _part_that_encodes(folder)


def check_vocabulary(name: str, folder: Path) -> None:
    """Raises `ConfigError` for a folder without a tokenizer: transformers may make one up."""
    if not any((folder / file).is_file() for file in _VOCABULARIES):
        raise ConfigError(
            f"the model {name!r} in {folder} has no tokenizer, so it cannot read words: "
            "get the whole model again"
        )


def load_checked(
    name: str,
    folder: Path,
    *,
    spare: Sequence[str] = (),
    dtype: str = "float32",
    reader: str = "AutoModel",
) -> tuple[Any, list[str]]:
    """The model, and which weights the folder lacks among those that names in `spare` cover.

    transformers makes up what a folder lacks, with a note at most. Here that is a `ConfigError`, as
    are weights of another shape; so vectors never come from random numbers. `reader` is the class
    of transformers that loads it; a folder's own code is never run.
    """
    import transformers

    try:
        with quiet():
            config = transformers.AutoConfig.from_pretrained(
                str(folder), local_files_only=True, trust_remote_code=False
            )
            if hasattr(config, "mask_ratio"):
                config.mask_ratio = 0.0  # masked autoencoders hide most of what they see
            model, report = getattr(transformers, reader).from_pretrained(
                str(folder),
                config=config,
                dtype=dtype,
                local_files_only=True,
                trust_remote_code=False,
                output_loading_info=True,
                ignore_mismatched_sizes=True,
            )
    except Exception as error:  # whatever a damaged folder makes transformers raise
        raise ConfigError(
            f"the model {name!r} in {folder} cannot be loaded: {_first_line(error)}"
        ) from error
    wrong = sorted(key if isinstance(key, str) else key[0] for key in report["mismatched_keys"])
    if wrong:
        raise ConfigError(
            f"the model {name!r} in {folder} has weights of a wrong shape: "
            f"{first_offenders(wrong, len(wrong))}. Its config.json belongs to another model"
        )
    missing = sorted(report["missing_keys"])
    lacking = [key for key in missing if not any(part in key for part in spare)]
    if lacking:
        raise ConfigError(
            f"the model {name!r} in {folder} lacks weights: "
            f"{first_offenders(lacking, len(lacking))}. Get the whole model again"
        )
    return model, missing


def settings_of_model(folder: Path) -> dict[str, Any]:
    """What config.json says; nothing where it cannot be read."""
    try:
        found = json.loads((folder / "config.json").read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


@contextmanager
def quiet() -> Iterator[None]:
    """No bars, notes or reports of transformers' own."""
    from transformers.utils import logging

    bars, level = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity(logging.CRITICAL)
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def fetched(name: str, fallback: str) -> Path:
    """The folder in the hub's cache, filled if it has to be; `ConfigError` says why it cannot."""
    from palate.encoders._hub_refusals import refusal

    check_reader(name, fallback)
    huggingface_hub = optional("huggingface_hub", needed_for=f"the model {name!r}")
    reasons: list[Exception] = []
    for repository in [name] if "/" in name else [name, f"sentence-transformers/{name}"]:
        for offline in (True, False):
            try:
                for weights in _WEIGHTS:
                    patterns = [*_WITHOUT_WEIGHTS, weights]
                    folder = Path(
                        huggingface_hub.snapshot_download(
                            repository, allow_patterns=patterns, local_files_only=offline
                        )
                    )
                    if next(folder.rglob(weights), None):
                        return folder
            except Exception as error:  # whatever the hub's client and its connection raise
                if not offline:
                    reasons.append(error)
    raise refusal(name, reasons, fallback) from (reasons[0] if reasons else None)


def _part_that_encodes(folder: Path) -> Path:
    listing = folder / "modules.json"
    if not listing.is_file():
        return folder
    try:
        modules = [(str(one["type"]), str(one["path"])) for one in json.loads(listing.read_text())]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ConfigError(f"{listing} cannot be read: {error}") from error
    kinds = [kind.rpartition(".")[2] for kind, _ in modules]
    parts = [path for kind, (_, path) in zip(kinds, modules, strict=True) if kind != "Normalize"]
    if len(parts) != 1 or kinds[0] not in ("CLIPModel", "Transformer"):
        raise ConfigError(
            f"the model in {folder} is made of {', '.join(kinds)}: only one that is a CLIPModel or "
            "a Transformer alone can be used here"
        )
    return folder / parts[0]


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
