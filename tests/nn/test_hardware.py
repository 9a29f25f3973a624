import sys

import pytest

from palate.core.errors import MissingExtraError
from palate.nn import hardware
from palate.nn.hardware import import_torch, settle


@pytest.fixture
def plain(monkeypatch):
    monkeypatch.setattr(hardware.sys, "platform", "linux")
    monkeypatch.setattr(hardware, "_ACCELERATORS", ())


@pytest.mark.parametrize(
    ("flags", "dtype"),
    [
        ("fpu avx2 avx512f", "float32"),
        ("fpu avx512_bf16", "bfloat16"),
        ("amx_bf16 amx_tile", "bfloat16"),
    ],
)
def test_the_processor_decides_without_torch(plain, monkeypatch, flags, dtype):
    monkeypatch.setattr(hardware, "_processor_flags", lambda: set(flags.split()))
    monkeypatch.setattr(hardware, "import_torch", lambda: pytest.fail("imported"))
    assert settle("auto", "auto") == ("cpu", dtype)


def test_what_is_chosen_stays(plain):
    assert settle("cpu", "float16") == ("cpu", "float16")
    assert settle("cuda:1", "float32") == ("cuda:1", "float32")
    assert settle("mps", "auto") == ("mps", "float32")


def test_where_an_accelerator_may_be_torch_is_asked(plain, monkeypatch, tmp_path):
    class Torch:
        class cuda:
            is_available = staticmethod(lambda: True)
            is_bf16_supported = staticmethod(lambda: True)

    monkeypatch.setattr(hardware, "_ACCELERATORS", (str(tmp_path),))
    monkeypatch.setattr(hardware, "import_torch", lambda: Torch)
    assert settle("auto", "auto") == ("cuda", "bfloat16")


def test_flags_of_this_machine_are_words():
    assert all(" " not in flag for flag in hardware._processor_flags())


def test_without_torch_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError, match=r"palate\[torch\]"):
        import_torch()
