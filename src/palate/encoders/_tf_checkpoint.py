"""The tensors of a TensorFlow checkpoint, read without TensorFlow.

A checkpoint is two files: `.index` is a table in the format of LevelDB from names to
`BundleEntryProto` messages, and these say where in the data file a tensor lies.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from palate.types import Floats

_FOOTER = 48
_MAGIC = bytes.fromhex("57fb808b247547db")
_FLOAT32 = 1  # DT_FLOAT
_DTYPE, _SHAPE, _OFFSET, _SIZE = 1, 2, 4, 5  # the fields of a BundleEntryProto
_DIM = 2  # of a TensorShapeProto, whose own field 1 is the size
_VARINT, _EIGHT_BYTES, _CHUNK, _FOUR_BYTES = 0, 1, 2, 5


def read_tensors(index: bytes, data: bytes) -> dict[str, Floats]:
    """The float32 tensors by name; `ValueError` for files that are no whole checkpoint."""
    if len(index) < _FOOTER or index[-len(_MAGIC) :] != _MAGIC:
        raise ValueError("the index is not a table of a TensorFlow checkpoint")
    footer = index[-_FOOTER:]
    _, _, at = _handle(footer, 0)
    start, size, _ = _handle(footer, at)
    tensors = {}
    for _, pointer in _block(index, start, size):
        start, size, _ = _handle(pointer, 0)
        for name, message in _block(index, start, size):
            if name:  # the empty name is the header of the checkpoint
                tensor = _tensor(dict(_fields(message)), data)
                if tensor is not None:
                    tensors[name.decode()] = tensor
    return tensors


def _tensor(entry: dict[int, int | bytes], data: bytes) -> Floats | None:
    shape = [
        int(dict(_fields(bytes(dim))).get(1, 0))
        for field, dim in _fields(bytes(entry.get(_SHAPE, b"")))
        if field == _DIM
    ]
    if entry.get(_DTYPE) != _FLOAT32:
        return None
    offset, size = int(entry.get(_OFFSET, 0)), int(entry.get(_SIZE, 0))
    content = data[offset : offset + size]
    if len(content) != size:
        raise ValueError(f"the data end before byte {offset + size}")
    return np.frombuffer(content, dtype="<f4").astype(np.float32).reshape(shape)


def _block(table: bytes, start: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    """(key, value) of a block; a key leaves out what it shares with the one before it."""
    content, kind = table[start : start + size], table[start + size : start + size + 1]
    if len(content) != size or kind != b"\0":
        raise ValueError("the index is cut off, or compressed")
    restarts = int.from_bytes(content[-4:], "little")
    end = size - 4 * (restarts + 1)
    at, key = 0, b""
    while at < end:
        shared, at = _varint(content, at)
        own, at = _varint(content, at)
        length, at = _varint(content, at)
        key = key[:shared] + content[at : at + own]
        at += own
        yield key, content[at : at + length]
        at += length


def _handle(content: bytes, at: int) -> tuple[int, int, int]:
    """Where a block starts, its size, and where the handle ends."""
    start, at = _varint(content, at)
    size, at = _varint(content, at)
    return start, size, at


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """(number, value) of a protocol buffer's fields."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        number, wire = tag >> 3, tag & 7
        if wire == _VARINT:
            value, at = _varint(message, at)
            yield number, value
            continue
        length = {_FOUR_BYTES: 4, _EIGHT_BYTES: 8}.get(wire, 0)
        if wire == _CHUNK:
            length, at = _varint(message, at)
        yield number, message[at : at + length]
        at += length


def _varint(content: bytes, at: int) -> tuple[int, int]:
    """A number of seven bits a byte, and where it ends."""
    value = shift = 0
    while True:
        if at >= len(content):
            raise ValueError("the index ends within a number")
        byte = content[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
