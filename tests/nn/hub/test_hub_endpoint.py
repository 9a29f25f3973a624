"""The hub's own client against a hub on this machine, in a process of its own."""

import hashlib
import json
import os
import re
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

pytest.importorskip("huggingface_hub")

COMMIT = "5c38ec7c405ec4b44b94cc5a9bb96e735b38267a"
NAME = "somebody/tiny"
MODULES = [{"type": "models.Transformer", "path": ""}, {"type": "models.Pooling", "path": "1_Pool"}]
FILES = {
    "config.json": b"{}",
    "model.safetensors": b"weights",
    "pytorch_model.bin": b"the same weights",
    "tokenizer.json": b"{}",
    "README.md": b"read me",
    "modules.json": json.dumps(MODULES).encode(),
    "1_Pool/config.json": b"{}",
}
FETCH = """
import sys
from palate.nn.hub import fetch
fetch.PATIENCE_SECONDS = float(sys.argv[2])
print(fetch.fetched(sys.argv[1], "minilm"))
"""
COMPLETE = """
import sys
from pathlib import Path
from palate.nn.language.folder import with_parts
print(with_parts(Path(sys.argv[1])))
"""


class Hub(ThreadingHTTPServer):
    """Has one repository; `asked` are the paths that it was asked for."""

    def __init__(self):
        self.asked = []
        super().__init__(("127.0.0.1", 0), Answer)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"


class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        path = self.path.partition("?")[0]
        self.server.asked.append(path)
        file = re.fullmatch(rf"/{NAME}/resolve/\w+/(.+)", path)
        if file:
            self.give(FILES.get(file[1]), "EntryNotFound")
        elif path.startswith(f"/api/models/{NAME}/tree/"):
            sizes = [(name, len(content)) for name, content in FILES.items()]
            listed = [
                {"type": "file", "path": name, "size": size, "oid": hashlib.sha1(b"").hexdigest()}
                for name, size in sizes
            ]
            self.give(json.dumps(listed).encode(), "")
        elif path.startswith(f"/api/models/{NAME}"):
            siblings = [{"rfilename": name} for name in FILES]
            about = {"id": NAME, "sha": COMMIT, "siblings": siblings}
            self.give(json.dumps(about).encode(), "")
        else:
            self.give(None, "RepoNotFound")

    do_HEAD = do_GET

    def give(self, content, otherwise):
        self.send_response(404 if content is None else 200)
        content = content or b""
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", f'"{hashlib.sha1(content).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("X-Error-Code", otherwise)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def log_message(self, *_):
        """Says nothing."""


@pytest.fixture
def hub():
    with Hub() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def run(tmp_path):
    def ask(url, code, *words):
        """What it prints, or the last line of what it raises."""
        given = {"HF_ENDPOINT": url, "HF_HOME": str(tmp_path), "HF_HUB_DISABLE_XET": "1"}
        found = subprocess.run(
            [sys.executable, "-c", code, *words],
            env=os.environ | given,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        return (found.stdout or found.stderr).strip().splitlines()[-1]

    return ask


def test_a_model_is_fetched_and_is_there_when_the_hub_is_not(hub, run, tmp_path):
    folder = tmp_path / "hub" / "models--somebody--tiny" / "snapshots" / COMMIT
    assert run(hub.url, FETCH, NAME, "5") == str(folder)
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert found == FILES.keys() - {"README.md", "pytorch_model.bin"}
    assert run("http://127.0.0.1:9", FETCH, NAME, "5") == str(folder)


def test_a_hub_that_never_answers_is_not_waited_for(run):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        said = run(f"http://127.0.0.1:{silent.getsockname()[1]}", FETCH, NAME, "0.2")
    assert "'somebody/tiny' is not on this machine, and the hub cannot be reached" in said


@pytest.mark.parametrize("name", ["nobody/nothing", "nothing"])
def test_a_name_that_the_hub_does_not_know(hub, run, name):
    assert "the hub has none of that name" in run(hub.url, FETCH, name, "5")


def test_parts_that_transformers_left_out_are_asked_for_once(hub, run, tmp_path):
    folder = tmp_path / "models--somebody--tiny" / "snapshots" / COMMIT
    folder.mkdir(parents=True)
    for name in ("config.json", "model.safetensors"):
        (folder / name).write_bytes(FILES[name])
    assert run(hub.url, COMPLETE, str(folder)) == str(folder)
    assert (folder / "modules.json").read_bytes() == FILES["modules.json"]
    assert (folder / "1_Pool" / "config.json").is_file()
    assert not (folder / "tokenizer.json").exists()
    hub.asked.clear()
    run(hub.url, COMPLETE, str(folder))
    assert hub.asked == []
