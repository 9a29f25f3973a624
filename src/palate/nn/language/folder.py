"""A language model's folder, read whole: network, tokenizer, how it pools, what it is prompted."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from palate.core.arrays import Floats
from palate.core.errors import ConfigError
from palate.nn.hardware import import_torch
from palate.nn.hub import fetch
from palate.nn.language.pooling import Dense, Pooling, PoolingName, is_decoder

_MODES: dict[str, PoolingName] = {  # in the order in which their vectors stand
    "cls_token": "cls",
    "max_tokens": "max",
    "mean_tokens": "mean",
    "weightedmean_tokens": "position",
    "lasttoken": "last",
}
_FAMILIES: dict[str, PoolingName] = {"e5": "mean", "bge": "cls"}  # by a word of their names
_NEW_NAMES: dict[str, PoolingName] = {"lasttoken": "last", "weightedmean": "position"}
_HALVES = ("t5", "mt5", "umt5")  # folders may hold their encoder alone
_COUNT_FROM_PADDING = (
    *("roberta", "xlm-roberta", "xlm-roberta-xl", "roberta-prelayernorm", "xmod", "ibert"),
    *("camembert", "mpnet", "longformer", "data2vec-text"),
)
_KNOWN = ("Transformer", "Pooling", "Dense", "Normalize")
_SPARE = ("pooler", "lm_head", "cls.predictions", "classifier", "position_ids")
_FALLBACK = "minilm"

MODULES = "modules.json"
LAYER_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
_SETTINGS = ("sentence_bert_config.json", "config_sentence_transformers.json")
_asked: set[Path] = set()


@dataclass(frozen=True)
class LanguageModel:
    """What a folder holds. `prompts` are the model's own words before texts, by purpose.

    `said` is how it pools, as its files or its family's name say, and `name` what errors call it.
    """

    name: str
    network: Any
    tokenizer: Any
    said: Pooling | None
    most_tokens: int
    lower: bool = False
    prompts: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def pooling(self) -> Pooling:
        """As the model says; else the mean over tokens, a decoder's last token, and a warning."""
        if self.said is not None:
            return self.said
        kind: PoolingName = "last" if is_decoder(self.network) else "mean"
        taken = {"last": "the last token's state", "mean": "the mean over tokens"}[kind]
        warnings.warn(
            f"the model {self.name!r} does not say how it pools (there is no {MODULES} beside it, "
            f"nor could it be had from the hub): {taken} is taken, and may be the wrong choice. "
            f'Choose what its makers say: pooling = "mean", "cls" or "last"',
            RuntimeWarning,
            stacklevel=2,
        )
        return Pooling(kinds=(kind,))


@dataclass(frozen=True)
class Recipe:
    """What sentence-transformers' files say beside the network itself."""

    part: str = ""
    pooling: Pooling | None = None
    most_tokens: int | None = None
    lower: bool = False
    prompts: Mapping[str, str] = field(default_factory=dict)
    pools_prompts: bool = True


def folder_of(name: str) -> Path:
    """Where a model lies; what the hub has is fetched. Raises `ConfigError` where there is none."""
    return with_parts(fetch.fetched(name, _FALLBACK))


def read_recipe(folder: Path) -> Recipe:
    """How sentence-transformers would use the model; nothing for a folder by transformers alone.

    Raises `ConfigError` for a model with parts that cannot be used here.
    """
    if not (folder / MODULES).is_file():
        return Recipe(prompts=_prompts(folder))
    modules = _json(folder / MODULES)
    try:
        kinds = [(str(one["type"]).rpartition(".")[2], str(one["path"])) for one in modules]
    except (TypeError, KeyError) as error:
        raise ConfigError(f"{folder / 'modules.json'} lists no modules: {error}") from error
    strange = [kind for kind, _ in kinds if kind not in _KNOWN]
    if strange or not kinds or kinds[0][0] != "Transformer":
        other = ' A model of token vectors alone is read by the encoder "static".'
        raise ConfigError(
            f"the model in {folder} is made of {', '.join(kind for kind, _ in kinds)}: only "
            f"Transformer, Pooling, Dense and Normalize can be used here."
            f"{other if 'StaticEmbedding' in strange else ''}"
        )
    part = kinds[0][1]
    said = _optional_json(folder / part / "sentence_bert_config.json")
    pooling, pools_prompts = Pooling(), True
    for kind, path in kinds[1:]:
        settings = {} if kind == "Normalize" else _settings(folder / path / "config.json")
        if kind == "Pooling":
            pools_prompts = bool(settings.get("include_prompt", True))
            pooling = replace(pooling, kinds=_kinds_of(settings, folder))
        if kind == "Dense":
            pooling = replace(pooling, dense=(*pooling.dense, read_dense(folder / path, settings)))
    most = said.get("max_seq_length")
    if not isinstance(most, int | None):
        raise ConfigError(f"the model in {folder}: max_seq_length is {most!r}, not a number")
    return Recipe(
        part=part,
        pooling=pooling,
        most_tokens=most,
        lower=bool(said.get("do_lower_case", False)),
        prompts=_prompts(folder),
        pools_prompts=pools_prompts,
    )


def prompts_of(recipe: Recipe, name: str) -> tuple[str, str]:
    """What a model was trained to see before items' texts, and before people's words."""
    prompts = recipe.prompts
    words = _words_of(name)
    if not prompts and "e5" in words and "instruct" not in words:
        prompts = {"passage": "passage: ", "query": "query: "}
    purposes = (("document", "passage", "corpus", ""), ("query", ""))
    before, asking = (
        next((prompts[key] for key in keys if key in prompts), "") for keys in purposes
    )
    return before, asking


def load_language_model(name: str, folder: Path, *, dtype: str = "float32") -> LanguageModel:
    """Everything that a folder says about turning texts into vectors, its weights in `dtype`.

    Raises `ConfigError` for what cannot be loaded, or lacks weights.
    """
    recipe = read_recipe(folder)
    place = folder / recipe.part
    kind = fetch.settings_of_model(place).get("model_type")
    reader = "AutoModelForTextEncoding" if kind in _HALVES else "AutoModel"
    network, _ = fetch.load_checked(name, place, spare=_SPARE, dtype=dtype, reader=reader)
    if getattr(network.config, "is_encoder_decoder", False):
        network = network.get_encoder()
    config = network.config
    if hasattr(config, "use_cache"):
        config.use_cache = False  # keys and values are for writing, not for reading
    tokenizer = _tokenizer(name, place)
    limits = [recipe.most_tokens, _positions(config), int(tokenizer.model_max_length)]
    return LanguageModel(
        name=name,
        network=network.eval(),
        tokenizer=tokenizer,
        said=recipe.pooling or _of_family(name, network),
        most_tokens=min(limit for limit in limits if limit),
        lower=recipe.lower,
        prompts=recipe.prompts,
    )


def _of_family(name: str, network: Any) -> Pooling | None:
    """How encoders of the same name pool, whoever made them; decoders follow no such rule."""
    kinds = [_FAMILIES[word] for word in _words_of(name) if word in _FAMILIES]
    return Pooling(kinds=kinds[:1]) if kinds and not is_decoder(network) else None


def _words_of(name: str) -> list[str]:
    return Path(name).name.lower().split("-")


def _tokenizer(name: str, folder: Path) -> Any:
    import transformers

    fetch.check_vocabulary(name, folder)
    try:
        with fetch.quiet():
            found = transformers.AutoTokenizer.from_pretrained(
                str(folder), local_files_only=True, trust_remote_code=False
            )
    except Exception as error:  # whatever a damaged folder makes transformers raise
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ConfigError(
            f"the tokenizer of the model {name!r} in {folder} cannot be loaded: {reason}"
        ) from error
    if not found.is_fast:
        raise ConfigError(f"the model {name!r} in {folder} has no fast tokenizer (tokenizer.json)")
    found.truncation_side = "right"  # what stands before a text is never cut off
    return found


def _positions(config: Any) -> int | None:
    """The longest text a network has positions for; None where any length will do."""
    most = getattr(config, "max_position_embeddings", None) or getattr(config, "n_positions", None)
    if not isinstance(most, int) or config.model_type in ("t5", "mt5", "umt5"):
        return None
    offset = getattr(config, "pad_token_id", None)
    return most - (offset or 0) - 1 if config.model_type in _COUNT_FROM_PADDING else most


def _kinds_of(settings: Mapping[str, Any], folder: Path) -> tuple[PoolingName, ...]:
    named = settings.get("pooling_mode")
    if named:
        listed = named.split("+") if isinstance(named, str) else [str(one) for one in named]
        kinds = [_NEW_NAMES.get(one, one) for one in listed]
    else:
        prefix = "pooling_mode_"
        chosen = [key.removeprefix(prefix) for key, value in settings.items() if value is True]
        said = [_MODES.get(one, one) for one in chosen if f"{prefix}{one}" in settings]
        kinds = sorted(said, key=[*_MODES.values(), *said].index)
    known: dict[str, PoolingName] = {one: one for one in _MODES.values()}
    strange = [one for one in kinds if one not in known]
    if strange:
        raise ConfigError(
            f"the model in {folder} pools by {strange[0]!r}, which cannot be done here: "
            "choose another pooling"
        )
    return tuple(known[one] for one in kinds) or ("mean",)


def _prompts(folder: Path) -> dict[str, str]:
    """By purpose; "" is what stands before texts of a purpose that has no words of its own."""
    said = _optional_json(folder / "config_sentence_transformers.json")
    prompts = said.get("prompts") or {}
    if not isinstance(prompts, dict):
        raise ConfigError(f"the model in {folder}: its prompts are {prompts!r}, not named ones")
    found = {str(key): str(value or "") for key, value in prompts.items()}
    spare = found.get(str(said.get("default_prompt_name")), "")
    return {**found, "": spare} if any(found.values()) else {}


def _optional_json(path: Path) -> dict[str, Any]:
    return _settings(path) if path.is_file() else {}


def _settings(path: Path) -> dict[str, Any]:
    found = _json(path)
    if not isinstance(found, dict):
        raise ConfigError(f"{path} holds no settings by name: get the whole model again")
    return found


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error


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
            fetch.reach(repository, name, folder.name)
            huggingface_hub.hf_hub_download(
                repository,
                name,
                revision=folder.name,
                cache_dir=folder.parents[2],
                etag_timeout=fetch.PATIENCE_SECONDS,
            )
        except Exception as error:  # whatever the hub's client for HTTP raises
            lacks = isinstance(error, EntryNotFoundError)
            if isinstance(error, LocalEntryNotFoundError) or not lacks:
                _asked.add(folder)  # the hub is out of reach


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
