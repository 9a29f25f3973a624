"""The format of model folders, written once more: wrong content under right checksums."""

import hashlib
import io
import json

MANIFEST = "manifest.json"


def digest_of(content):
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def parquet(table):
    buffer = io.BytesIO()
    table.write_parquet(buffer)
    return buffer.getvalue()


def put(folder, content, suffix):
    """Writes a file under the name that its content has."""
    path = folder / f"{digest_of(content)}.{suffix}"
    path.write_bytes(content)
    return path.name


def unsealed(folder):
    """The manifest of a folder, without its seal."""
    manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
    del manifest["seal"]
    return manifest


def seal(folder, manifest):
    """Writes a manifest as if palate had."""
    sealed = {**manifest, "seal": digest_of(_json(manifest))}
    (folder / MANIFEST).write_bytes(_json(sealed))


def reseal(folder, change):
    """The manifest with a change that is sealed as if palate had written it."""
    manifest = unsealed(folder)
    change(manifest)
    seal(folder, manifest)


def _json(content):
    return json.dumps(content, ensure_ascii=False, allow_nan=False).encode()
