"""Models that transformers reads, from a folder or the hub: found, loaded whole, or refused."""

from __future__ import annotations

import difflib
import errno
import json
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, TypeAlias

from palate.core.errors import ConfigError, first_offenders
from palate.core.optional import optional
from palate.core.paths import Located, is_path
from palate.core.settings import Confusable
from palate.nn.hub.cards import NamesModel, as_model, check_reader, models
from palate.nn.hub.find import find_model

_WITHOUT_WEIGHTS = ["*.json", "*.txt", "*.model"]
_WEIGHTS = ("*.safetensors", "*.bin")
_VOCABULARIES = (
    *("tokenizer.json", "vocab.json", "vocab.txt"),
    *("spiece.model", "tokenizer.model", "sentencepiece.bpe.model"),
)

_LONGEST = 120
_PACKAGED = {  # by the encoder's own packaged model
    "minilm": '"minilm" (English) or "e5" (Chinese too), or the encoder "muse" (Chinese too)',
    "wordllama": '"wordllama" (English), or the encoder "muse" (Chinese too)',
}
_NOT_ALLOWED, _FORBIDDEN, _TOO_OFTEN, _THEIR_FAULT = 401, 403, 429, 500

_UNKNOWN = ("the hub has none of that name", "If it is private, set HF_TOKEN. ")
_OFFLINE = ("the hub cannot be reached (no network?)", "")


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
    pass

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


def refusal(name: str, reasons: Sequence[Exception], fallback: str) -> ConfigError:
    """The error for a model that the hub did not give for these `reasons`, one a repository.

    `fallback` is the packaged model that the encoder has.
    """
    told = [_told(reason) for reason in reasons] or [("the hub has no weights of it", "")]
    why, fix = next((one for one in told if one != _UNKNOWN), told[0])
    packaged = _PACKAGED.get(fallback, f'"{fallback}"')
    return ConfigError(
        f"the model {name!r} is not on this machine, and {why}.{_guess(name)} {fix}Give a folder, "
        f"a name of `palate list models`, or a packaged model: {packaged}"
    )


def _told(reason: Exception) -> tuple[str, str]:
    """(why, what to do about just that)."""
    from huggingface_hub import errors

    chain = list(_causes(reason))
    for kind, told in (
        (errors.OfflineModeIsEnabled, ("HF_HUB_OFFLINE forbids to ask the hub", "Unset it. ")),
        (
            errors.GatedRepoError,
            (
                "the hub gives it to those alone who accepted its terms",
                "Accept them on its page on huggingface.co, and set HF_TOKEN. ",
            ),
        ),
        (errors.RepositoryNotFoundError, _UNKNOWN),
        (errors.HFValidationError, ("the hub can have none of that name", "")),
    ):
        if any(isinstance(cause, kind) for cause in chain):
            return told
    for cause in chain:
        status = getattr(getattr(cause, "response", None), "status_code", None)
        if isinstance(status, int):
            return _told_by(status)
        if isinstance(cause, OSError) and cause.errno == errno.ENOSPC:
            return "there is no room on the disk for it", "Make room, or set HF_HOME. "
    if any(isinstance(cause, errors.LocalEntryNotFoundError | ConnectionError) for cause in chain):
        return _OFFLINE
    if any(type(cause).__name__.endswith(("ConnectError", "Timeout")) for cause in chain):
        return _OFFLINE
    said = (str(reason).strip() or type(reason).__name__).splitlines()[0]
    return f"the hub did not give it ({said[:_LONGEST]})", ""


def _told_by(status: int) -> tuple[str, str]:
    if status in (_NOT_ALLOWED, _FORBIDDEN):
        return "the hub refuses the token", "Set HF_TOKEN to one that may read it, or unset it. "
    if status == _TOO_OFTEN:
        return "the hub was asked too often", "Wait some minutes, or set HF_TOKEN. "
    if status >= _THEIR_FAULT:
        return f"the hub has a fault of its own (HTTP {status})", "Try again later. "
    return f"the hub did not give it (HTTP {status})", ""


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _guess(name: str) -> str:
    known = {card.name.lower(): card.name for card in models()}
    if name.lower() in known:
        name = "" if known[name.lower()] == name else known[name.lower()]
        return f" Did you mean {name!r}?" if name else ""
    close = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.6)
    return f" Did you mean {known[close[0]]!r}?" if close else ""
