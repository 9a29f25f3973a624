import gzip
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

collect_ignore = [] if os.environ.get("PALATE_DATA") else ["test_real_data.py"]

Folder = Callable[..., Path]


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    if isinstance(content, Mapping):
        return json.dumps(content)
    return "".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in content)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """Writes {name: text, lines or objects} into a folder; names that end in .gz are packed."""

    def write(files: Mapping[str, Any], name: str = "shop") -> Path:
        home = tmp_path / name
        home.mkdir(exist_ok=True)
        for relative, content in files.items():
            path = home / relative
            path.parent.mkdir(parents=True, exist_ok=True)
            raw = _text(content).encode()
            path.write_bytes(gzip.compress(raw) if relative.endswith(".gz") else raw)
        return home

    return write
