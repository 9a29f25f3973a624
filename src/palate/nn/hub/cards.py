"""Which pretrained models there are to choose from, and which of them are on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from palate.core import registry
from palate.core.errors import ConfigError, did_you_mean
from palate.core.optional import Requirement, is_installed, requirements_of
from palate.core.paths import is_path
from palate.core.settings import marked, types_of
from palate.nn.hub.find import find_model

_PACKAGED = """
muse                | muse        | text: 16 languages, Chinese too     | 512  | 33 MB | Apache-2.0
wordllama           | static      | text: English                       | 256  | 16 MB | MIT
minilm              | transformer | text: English                       | 384  | 91 MB | Apache-2.0
e5                  | transformer | text: some 100 languages            | 384  | 72 MB | MIT
gemma               | causal      | text: over 140 languages           | 640  | 253 MB | Gemma terms
efficientnet-lite0  | image       | photos                              | 1280 | 19 MB | Apache-2.0
musicnn             | audio       | music                               | 200  | 37 MB | ISC
musicnn-mtt         | audio       | music                               | 200  | 37 MB | ISC
"""

_ON_THE_HUB = """
minishlab/potion-base-8M               | static | text: English       | 256 | 7.6M | MIT
minishlab/potion-multilingual-128M     | static | text: 101 languages | 256 | 128M | MIT
intfloat/multilingual-e5-small  | transformer | text: some 100 languages   | 384  | 118M | MIT
intfloat/multilingual-e5-base   | transformer | text: some 100 languages   | 768  | 278M | MIT
intfloat/multilingual-e5-large  | transformer | text: some 100 languages   | 1024 | 560M | MIT
BAAI/bge-m3                     | transformer | text: over 100 languages   | 1024 | 567M | MIT
Qwen/Qwen3-Embedding-0.6B       | transformer | text: over 100 languages | 1024 | 596M | Apache-2.0
sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2 | transformer | text: 50 languages \
| 384 | 118M | Apache-2.0
BAAI/bge-small-zh-v1.5          | transformer | text: Chinese              | 512  | 24M  | MIT
BAAI/bge-small-en-v1.5          | transformer | text: English              | 384  | 33M  | MIT
thenlper/gte-small              | transformer | text: English              | 384  | 33M  | MIT
sentence-transformers/all-mpnet-base-v2 | transformer | text: English | 768 | 109M | Apache-2.0
laion/CLIP-ViT-B-32-laion2B-s34B-b79K   | image | photos | 512 | 151M | MIT
google/siglip-base-patch16-224          | image | photos | 768 | 203M | Apache-2.0
laion/clap-htsat-unfused                | audio | sounds | 512 |      | Apache-2.0
"""

NAME_WIDTH = 37


@dataclass(frozen=True)
class ModelCard:
    """A model as its makers describe it.

    `encoder` is the type of its encoder and `name` what that one's `model` takes. `size` is the
    weight of the files of a packaged model, else the number of parameters. `packaged` models need
    no hub. `install` is the line that brings what `here` lacks; `here` says whether the weights lie
    on this machine.
    """

    name: str
    encoder: str
    reads: str
    dim: int
    size: str
    licence: str
    packaged: bool

    @property
    def here(self) -> bool:
        if self.packaged:
            return self._readable
        return find_model(self.name) is not None

    @property
    def install(self) -> str:
        return " && ".join(dict.fromkeys(needed.install for needed in self._requires))

    @property
    def state(self) -> str:
        """Whether it is here, and else what to do."""
        if self.here:
            return "installed"
        if self.packaged:
            return self.install
        if self._readable:
            return "from the hub"
        return f"{self.install}, then from the hub"

    @property
    def _readable(self) -> bool:
        return all(is_installed(*needed.modules) for needed in self._requires)

    @property
    def _requires(self) -> tuple[Requirement, ...]:
        """What its encoder says that it needs for it."""
        encoder = registry.find("encoders", self.encoder)
        named = {"model": self.name} if "model" in registry.defaults_of(encoder) else {}
        return requirements_of(encoder(**named))


@dataclass(frozen=True)
class NamesModel:
    """Marks a setting as a packaged model, a folder or a name on the hub."""


def models() -> list[ModelCard]:
    """All that palate knows of, packaged ones first; any other name on the hub works as well."""
    cards = []
    for table, packaged in ((_PACKAGED, True), (_ON_THE_HUB, False)):
        for line in table.strip().splitlines():
            name, encoder, reads, dim, size, licence = map(str.strip, line.split("|"))
            cards.append(ModelCard(name, encoder, reads, int(dim), size, licence, packaged))
    return cards


def encoder_of(name: str) -> str | None:
    """Which encoder reads a model; None for what cannot be the name of one."""
    of_known = {card.name: card.encoder for card in models()}
    owner, slash, rest = name.partition("/")
    named = owner and slash and rest and not set(name) & {":", " "}
    return of_known.get(name, "transformer" if named else None)


def as_model(name: str) -> str | None:
    """What to write for a model that is named where an encoder is meant; None for other names."""
    encoder = encoder_of(name)
    return encoder and f' It is a model: write type = "{encoder}", model = "{name}"'


def check_reader(name: str, fallback: str) -> None:
    """Raises `ConfigError` for a packaged model that another encoder than that of `fallback` reads.

    So nobody asks the hub for it.
    """
    encoder_of = {card.name: card.encoder for card in models() if card.packaged}
    wanted, given = encoder_of.get(name), encoder_of.get(fallback)
    if wanted and given and not _is_kind_of(wanted, given):
        model = "" if wanted == name else f', model = "{name}"'
        raise ConfigError(f'the model {name!r} has another encoder: type = "{wanted}"{model}')


def _is_kind_of(encoder: str, other: str) -> bool:
    """Whether an encoder is another with settings of its own, as `causal` is `transformer`."""
    return issubclass(registry.find("encoders", encoder), registry.find("encoders", other))


def about_model(encoder: Any) -> Iterator[str]:
    """What to know of an encoder's model before it is loaded: that it is on the hub, or nowhere.

    Raises `ConfigError` where the hub cannot have it, or another encoder reads it.
    """
    packaged = [card.name for card in models() if card.packaged]
    cls: Any = type(encoder)
    for setting, hint in types_of(cls).items():
        for name in marked(hint, getattr(encoder, setting), NamesModel):
            check_reader(name, str(registry.defaults_of(cls)[setting]))
            if name in packaged or find_model(name) is not None:
                continue
            if is_path(name):
                raise ConfigError(f"there is no folder {name!r} with a model")
            guess = did_you_mean(name, packaged)
            yield f"{name} is not on this machine: `palate fit` asks the hub for it.{guess}"
