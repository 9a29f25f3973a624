"""LightGBM; where the machine lacks what it needs, a sentence on how to get it."""

from palate.errors import PalateError

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

__all__ = ["lgb"]
