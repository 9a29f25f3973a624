"""LightGBM; where the machine lacks what it needs, a sentence on how to get it."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType, ModuleType
from typing import Any

from palate.core.errors import PalateError

__all__ = ["lgb"]


class _WithDocstrings(SourceFileLoader):
    """Compiles a module with its docstrings, whatever Python was told; nothing is cached."""

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        kept: CodeType = self.source_to_code(self.get_data(path), path, _optimize=0)
        return kept


class _Finder:
    """Finds LightGBM's own modules, and says that they keep their docstrings."""

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path) if name.partition(".")[0] == "lightgbm" else None
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _WithDocstrings(spec.loader.name, spec.loader.path)
        return spec


@contextmanager
def _docstrings_kept() -> Iterator[None]:
    """LightGBM makes docstrings of others as it is imported, which `python -OO` has dropped."""
    finder: Any = _Finder()
    if sys.flags.optimize >= 2:
        sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        if finder in sys.meta_path:
            sys.meta_path.remove(finder)


# a thread that waits for another must not keep its core from it; too late if OpenMP is loaded
os.environ.setdefault("OMP_WAIT_POLICY", "passive")


try:
    with _docstrings_kept():
        import lightgbm as lgb
except OSError as error:
    fix = "pip install --force-reinstall lightgbm"
    if "omp" in str(error).lower():
        fix = (
            "LightGBM needs the OpenMP runtime: apt-get install libgomp1 (Debian, Ubuntu), "
            "dnf install libgomp (Fedora, Red Hat), apk add libgomp (Alpine), "
            "brew install libomp (macOS)"
        )
    raise PalateError(f"LightGBM cannot be loaded ({error}). {fix}") from error
