"""Why the hub did not give a model, in a sentence, and what to do about it."""

from __future__ import annotations

import difflib
import errno
from collections.abc import Iterator, Sequence

from palate.encoders._catalogue_of_models import models
from palate.errors import ConfigError

_LONGEST = 120
_PACKAGED = {  # by the encoder's own packaged model
    "minilm": '"minilm" (English) or "e5" (Chinese too), or the encoder "use" (Chinese too)',
    "wordllama": '"wordllama" (English), or the encoder "use" (Chinese too)',
}
_NOT_ALLOWED, _FORBIDDEN, _TOO_OFTEN, _THEIR_FAULT = 401, 403, 429, 500


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


_UNKNOWN = ("the hub has none of that name", "If it is private, set HF_TOKEN. ")
_OFFLINE = ("the hub cannot be reached (no network?)", "")


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
