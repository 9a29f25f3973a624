import struct
from itertools import takewhile

import numpy as np
import pytest

from palate.nn.packaged.musicnn import read_tensors

MAGIC = bytes.fromhex("57fb808b247547db")


def varint(number):
    content = bytearray()
    while number > 127:
        content.append(number & 127 | 128)
        number >>= 7
    return bytes([*content, number])


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def entry(shape, offset, size, dtype=1):
    dims = b"".join(field(2, field(1, length)) for length in shape)
    checksum = varint(6 << 3 | 5) + b"\1\2\3\4"
    return field(1, dtype) + field(2, dims) + field(4, offset) + field(5, size) + checksum


def block(entries):
    """Keys leave out what they share with the one before."""
    content, last = b"", b""
    for key, value in entries:
        alike = takewhile(lambda pair: pair[0] == pair[1], zip(key, last, strict=False))
        shared = len(list(alike))
        content += varint(shared) + varint(len(key) - shared) + varint(len(value))
        content += key[shared:] + value
        last = key
    return content + struct.pack("<II", 0, 1)


def table(*blocks):
    content, handles = b"", []
    for entries in blocks:
        one = block(entries)
        handles.append((entries[-1][0], varint(len(content)) + varint(len(one))))
        content += one + b"\0crc!"
    index = block(handles)
    footer = varint(0) + varint(0) + varint(len(content)) + varint(len(index))
    return content + index + b"\0crc!" + footer.ljust(40, b"\0") + MAGIC


@pytest.fixture
def checkpoint():
    kernel = np.arange(600, dtype="<f4").reshape(3, 200) / 7
    scalar = np.array(-2.5, dtype="<f4")
    data = b"\0" * 8 + kernel.tobytes() + scalar.tobytes()
    blocks = [
        [(b"", field(1, 1)), (b"dense/bias", entry([], 8 + 2400, 4))],
        [
            (b"dense/kernel", entry([3, 200], 8, 2400)),
            (b"dense/kernel/step", entry([1], 0, 8, dtype=9)),
            (b"dense/kernel_2", entry([2, 1], 8, 8)),
        ],
    ]
    return table(*blocks), data, kernel


def test_tensors_have_their_names_shapes_and_numbers(checkpoint):
    index, data, kernel = checkpoint
    tensors = read_tensors(index, data)
    assert list(tensors) == ["dense/bias", "dense/kernel", "dense/kernel_2"], (
        "whole numbers are left out"
    )
    np.testing.assert_array_equal(tensors["dense/kernel"], kernel)
    assert tensors["dense/kernel"].dtype == np.float32
    np.testing.assert_array_equal(tensors["dense/kernel_2"], kernel[:1, :2].T)
    assert tensors["dense/bias"].shape == ()
    assert tensors["dense/bias"] == -2.5


def test_what_is_no_checkpoint_is_refused(checkpoint):
    index, data, _ = checkpoint
    with pytest.raises(ValueError, match="not a table"):
        read_tensors(b"", data)
    with pytest.raises(ValueError, match="not a table"):
        read_tensors(index[:-1], data)
    with pytest.raises(ValueError, match="the data end before byte 2412"):
        read_tensors(index, data[:-1])
    with pytest.raises(ValueError, match=r"cut off|ends within|compressed"):
        read_tensors(index[-60:], data)
    with pytest.raises(ValueError, match="compressed"):
        read_tensors(index.replace(b"\0crc!", b"\1crc!"), data)
