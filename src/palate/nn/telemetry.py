"""Libraries that would tell their makers of each use, kept silent before they are imported."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_OPT_OUTS = {
    "HF_HUB_DISABLE_TELEMETRY": "1",  # transformers asks it too
    "ORT_DISABLE_TELEMETRY": "1",  # ONNX Runtime, which also keeps a file in the user's cache
    "RAY_USAGE_STATS_ENABLED": "0",
}
_OF_OPENVINO = "openvino_telemetry"
_CONVERTER = "openvino.tools.ovc"


def opt_out() -> None:
    """What libraries read from the environment; a person's own choice stands."""
    for name, value in _OPT_OUTS.items():
        os.environ.setdefault(name, value)


def import_openvino() -> Any:
    """OpenVINO, which takes its own silent stub, as where its telemetry is not installed.

    It reads no setting that would turn telemetry off but a file in the user's home.
    """
    with _absent(_OF_OPENVINO):
        import openvino
        from openvino.tools.ovc import telemetry_stub
    loaded: list[tuple[str, Any]] = list(sys.modules.items())
    for name, module in loaded:  # whoever imported it before palate did had it speak
        if name.startswith(_CONVERTER) and hasattr(module, "tm"):
            module.tm = telemetry_stub
    return openvino


def import_onnxruntime() -> Any:
    """ONNX Runtime, silent even where it was imported before palate was."""
    import onnxruntime

    onnxruntime.disable_telemetry_events()
    return onnxruntime


@contextmanager
def _absent(name: str) -> Iterator[None]:
    """Inside of this block a module cannot be imported, as if it were not installed."""
    before = sys.modules.get(name)
    sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[name]
        if before is not None:
            sys.modules[name] = before
