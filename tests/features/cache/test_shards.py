import json
import subprocess
import sys

import numpy as np
import pytest

from palate.features.cache.shards import DamagedError, born, checksums, read_shard, write_shard
from palate.features.cache.store import keys_of


def vectors_of(count, dim=3):
    return np.random.default_rng(count).normal(size=(count, dim)).astype(np.float32)


@pytest.fixture
def shard(tmp_path):
    texts = [f"text {number}" for number in range(50)]
    return read_shard(write_shard(tmp_path, keys_of(texts), vectors_of(50)))


def test_what_was_written_is_found(shard):
    texts = ["text 7", "never", "text 49", "text 0"]
    rows = shard.find(keys_of(texts))
    assert rows[1] == -1
    found, intact = shard.take(rows[rows >= 0])
    assert intact.all()
    np.testing.assert_array_equal(found, vectors_of(50)[[7, 49, 0]])


def test_half_a_key_is_no_key(shard):
    keys = keys_of(["text 7"]).copy()
    keys[0, 1] ^= np.uint64(1)
    assert shard.find(keys).tolist() == [-1]


def test_an_empty_shard(tmp_path):
    path = write_shard(tmp_path, keys_of([]), np.empty((0, 4), dtype=np.float32))
    assert read_shard(path).find(keys_of(["a"])).tolist() == [-1]


def test_only_the_whole_file_gets_the_name(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_shard(tmp_path, keys_of(["a"]), vectors_of(1))
    assert list(tmp_path.iterdir()) == []


def test_the_older_name_sorts_first(tmp_path):
    later = write_shard(tmp_path, keys_of(["a"]), vectors_of(1))
    earlier = write_shard(tmp_path, keys_of(["a"]), vectors_of(1), born=5)
    assert born(earlier) == 5
    assert sorted([later, earlier]) == [earlier, later]


@pytest.mark.parametrize("kept", [0, 5, 8, 100, 700])
def test_a_file_cut_short_is_damaged(shard, kept):
    content = shard.path.read_bytes()
    shard.path.write_bytes(content[:kept])
    with pytest.raises(DamagedError):
        read_shard(shard.path)


def test_other_json_is_damaged(tmp_path):
    path = tmp_path / "1-x.safetensors"
    for header in ([], {}, {"keys": 3}, {"keys": {"dtype": "U64", "shape": [1]}}):
        text = json.dumps(header).encode()
        path.write_bytes(len(text).to_bytes(8, "little") + text)
        with pytest.raises(DamagedError):
            read_shard(path)


def test_a_flipped_bit_is_seen_in_its_row_alone(shard):
    content = bytearray(shard.path.read_bytes())
    content[-1] ^= 1  # vectors are the last or the first array: find which rows that hits
    shard.path.write_bytes(bytes(content))
    again = read_shard(shard.path)
    changed = [
        row
        for row in range(50)
        if not np.array_equal(np.asarray(again.vectors[row]), np.asarray(shard.vectors[row]))
        or again.sums[row] != checksums(np.asarray(again.vectors[[row]]))[0]
    ]
    _, intact = again.take(np.arange(50))
    assert np.flatnonzero(~intact).tolist() == changed
    assert len(changed) <= 1


def test_every_changed_word_changes_the_sum():
    vectors = vectors_of(1, 40)
    before = checksums(vectors)[0]
    for column in range(40):
        changed = vectors.copy()
        changed[0, column] = np.nextafter(changed[0, column], np.float32(9))
        assert checksums(changed)[0] != before
    assert checksums(vectors[:, ::-1])[0] != before


@pytest.mark.parametrize("dim", [1, 384, 1025, 5000])
def test_sums_are_exact_for_any_words(dim):
    words = np.random.default_rng(dim).integers(0, 2**32, (3, dim), dtype=np.uint32)
    words[1] = 2**32 - 1
    odd = range(1, 2 * dim, 2)
    wanted = [
        (dim + 0x9E3779B97F4A7C15 * sum(map(int.__mul__, row, odd))) % 2**64
        for row in words.tolist()
    ]
    assert checksums(words.view(np.float32)).tolist() == wanted


def test_of_damaged_rows_nothing_is_copied(shard, monkeypatch):
    monkeypatch.setattr(
        "palate.features.cache.shards._CHUNK_BYTES", 4 * 3 * 7
    )  # seven rows at a time
    content = bytearray(shard.path.read_bytes())
    place = content.index(np.asarray(shard.vectors[10]).tobytes())
    content[place] ^= 1
    shard.path.write_bytes(bytes(content))
    again = read_shard(shard.path)
    out = np.full((60, 3), 5, dtype=np.float32)
    rows, places = np.arange(8, 40), np.arange(59, 27, -1)
    intact = again.copy(rows, out, places)
    assert rows[~intact].tolist() == [10]
    np.testing.assert_array_equal(out[places[intact]], shard.vectors[rows[intact]])
    assert (out[57] == 5).all()
    assert (out[:28] == 5).all()


CUT = """
import os, sys
from pathlib import Path
import numpy as np
from palate.features.cache.store import VectorCache, keys_of

keys = keys_of([f"text {number}" for number in range(60)])
vectors = np.ones((60, 4000), dtype=np.float32)
VectorCache("a", Path(sys.argv[1])).add(keys, vectors)
cache = VectorCache("a", Path(sys.argv[1]))
(shard,) = cache.shards
if sys.argv[2] == "whole":
    rows = shard.find(keys)
os.truncate(shard.path, 100)
if sys.argv[2] == "whole":
    print(shard.take(rows)[1].sum())
else:
    print(cache.find(keys, np.zeros((60, 4000), dtype=np.float32)).sum())
"""


@pytest.mark.parametrize("found", ["whole", "cut"])
def test_a_file_that_is_cut_off_while_it_is_open_ends_no_process(found, tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CUT, str(tmp_path), found],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout.strip()) == (0, "0"), done.stderr
    suffixes = {path.suffix for path in tmp_path.rglob("*.*") if path.is_file()}
    assert suffixes == ({".safetensors"} if found == "whole" else {".damaged"})
