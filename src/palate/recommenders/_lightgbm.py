"""LightGBM; where the machine lacks what it needs, a sentence on how to get it."""

import os
import sys

from palate.core.errors import PalateError

__all__ = ["lgb"]


# a thread that waits for another must not keep its core from it; too late if OpenMP is loaded
os.environ.setdefault("OMP_WAIT_POLICY", "passive")


try:
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
except AttributeError as error:
    if sys.flags.optimize < 2:
        raise
    raise PalateError(
        "LightGBM cannot be loaded by a Python that drops docstrings: run it without -OO, and with "
        "PYTHONOPTIMIZE=1 or unset"
    ) from error
