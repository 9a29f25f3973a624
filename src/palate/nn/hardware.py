"""Which device and which number format a transformer runs in here."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeAlias

from palate.core.optional import optional

DType: TypeAlias = Literal["auto", "float32", "bfloat16", "float16"]

_ACCELERATORS = ("/proc/driver/nvidia/version", "/dev/kfd", "/dev/nvidiactl", "/dev/dxg")
_QUICK_FLAGS = {"avx512_bf16", "amx_bf16"}


def settle(device: str, dtype: DType) -> tuple[str, str]:
    """The device and the format that "auto" stands for.

    Where a plain Linux machine has no accelerator this is read from the processor's flags, so
    that vectors which are all cached cost no import of torch. bfloat16 is chosen where the
    processor or the card computes in it: MiniLM's vectors keep a cosine above 0.9998.
    """
    if device == "auto":
        device = "cpu" if _is_plain_linux() else _torch_device()
    if dtype == "auto":
        return device, "bfloat16" if _computes_in_bfloat16(device) else "float32"
    return device, dtype


def _is_plain_linux() -> bool:
    return sys.platform == "linux" and not any(Path(path).exists() for path in _ACCELERATORS)


def _torch_device() -> str:
    torch = import_torch()
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _computes_in_bfloat16(device: str) -> bool:
    if device.startswith("cuda"):
        return bool(import_torch().cuda.is_bf16_supported())
    if device != "cpu":
        return False
    if sys.platform == "linux":
        return bool(_processor_flags() & _QUICK_FLAGS)
    checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    cpu = import_torch().cpu
    return any(getattr(cpu, check, lambda: False)() for check in checks)


@cache
def _processor_flags() -> set[str]:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return set()
    return {flag for line in lines if line.startswith("flags") for flag in line.split()}


def import_torch() -> Any:
    """The torch module, or `MissingExtraError`."""
    return optional("torch", needed_for="a transformer encoder")
