import errno

import pytest

from palate.core.errors import ConfigError
from palate.nn.hub.cards import check_reader
from palate.nn.hub.fetch import refusal

hub = pytest.importorskip("huggingface_hub.errors")
ENDS = 'Give a folder, a name of `palate list models`, or a packaged model: "efficientnet-lite0"'


class Response:
    def __init__(self, status):
        self.headers, self.request, self.status_code = {}, None, status


def answered(status, kind="HfHubHTTPError"):
    return getattr(hub, kind)("a long story\nin many lines", response=Response(status))


def after(error):
    """What the hub's client makes of an error where nothing is cached."""
    outer = hub.LocalEntryNotFoundError("An error happened while trying to locate the files")
    outer.__cause__ = error
    return outer


REASONS = {
    "offline": (after(OSError("[Errno -3] name resolution")), "cannot be reached (no network?)."),
    "forbidden to ask": (after(hub.OfflineModeIsEnabled("no")), "HF_HUB_OFFLINE forbids"),
    "cut off": (ConnectionError("reset"), "cannot be reached (no network?)."),
    "slow": (type("ReadTimeout", (Exception,), {})("slow"), "cannot be reached (no network?)."),
    "not there": (answered(404, "RepositoryNotFoundError"), "none of that name. If it is private"),
    "private": (answered(401, "RepositoryNotFoundError"), "If it is private, set HF_TOKEN."),
    "gated": (answered(403, "GatedRepoError"), "accepted its terms. Accept them on its page"),
    "bad token": (answered(401), "refuses the token. Set HF_TOKEN"),
    "too often": (after(answered(429)), "asked too often. Wait some minutes"),
    "down": (after(answered(503)), "a fault of its own (HTTP 503). Try again later"),
    "no name": (hub.HFValidationError("Repo id must be …"), "can have none of that name."),
    "full": (OSError(errno.ENOSPC, "No space left"), "no room on the disk for it. Make room"),
    "other": (RuntimeError("first line\nsecond"), "the hub did not give it (first line)."),
}


@pytest.mark.parametrize("name", REASONS)
def test_why_and_what_to_do(name):
    reason, said = REASONS[name]
    told = str(refusal("some/model", [reason], "efficientnet-lite0"))
    assert told.startswith("the model 'some/model' is not on this machine, and ")
    assert said in told
    assert told.endswith(ENDS)
    assert "\n" not in told
    assert "story" not in told


def test_of_several_repositories_the_one_that_is_there_is_told():
    missing, gated = answered(404, "RepositoryNotFoundError"), answered(403, "GatedRepoError")
    for reasons in ([missing, gated], [gated, missing]):
        assert "accepted its terms" in str(refusal("bert", reasons, "minilm"))
    assert "the hub has no weights of it" in str(refusal("bert", [], "minilm"))


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("bge-m3", "BAAI/bge-m3"),
        ("MiniLM", "minilm"),
        ("Intfloat/Multilingual-e5-smal", "intfloat/m"),
    ],
)
def test_a_name_that_is_nearly_one(name, meant):
    told = str(refusal(name, [answered(404, "RepositoryNotFoundError")], "minilm"))
    assert f"Did you mean '{meant}" in told
    assert 'packaged model: "minilm" (English) or "e5" (Chinese too), or the encoder "muse"' in told


@pytest.mark.parametrize("name", ["BAAI/bge-m3", "zzz/qqq"])
def test_a_name_that_is_right_or_like_nothing(name):
    assert "Did you mean" not in str(refusal(name, [ConnectionError()], "minilm"))


def test_a_model_of_another_encoder():
    with pytest.raises(ConfigError, match='another encoder: type = "static", model = "wordllama"'):
        check_reader("wordllama", "minilm")
    with pytest.raises(ConfigError, match=r'another encoder: type = "muse"$'):
        check_reader("muse", "minilm")
    with pytest.raises(ConfigError, match='another encoder: type = "transformer"'):
        check_reader("minilm", "gemma")
    fine = {"gemma": "minilm", "e5": "minilm", "BAAI/bge-m3": "minilm", "minilm": "mine"}
    for name, fallback in fine.items():
        check_reader(name, fallback)
