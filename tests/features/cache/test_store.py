import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from palate.core import files
from palate.core.errors import ConfigError, DataError
from palate.core.files import cache_folder
from palate.features.cache import store
from palate.features.cache.shards import write_shard
from palate.features.cache.store import VectorCache, keys_of, without_cache
from palate.features.template_encoder import encode_cached, in_batches

WRITER = """
import os, sys
import numpy as np
from palate.features.template_encoder import encode_cached, in_batches
from palate.features.cache import store as _cache, encode_once as _once

def encode(texts):
    if die and "text 90" in texts:
        os._exit(9)
    return np.array([[int(text.split()[1]), 1.0] for text in texts], dtype=np.float32)

first, last, die = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "die"
_once.SAVE_EVERY_SECONDS = -1.0
_cache.MERGED_FROM = 4
for start in range(first, last, 50):
    texts = [f"text {number}" for number in range(start, min(start + 50, last))]
    encode_cached(texts, fingerprint="f", batches=in_batches(encode, 10))
"""

KILLED_WHILE_WRITING = """
import signal
synced, asked = os.fsync, []

def killed_at_the_fifth(descriptor):
    asked.append(descriptor)
    if len(asked) == 5:  # the third file: each is synced, then its folder
        os.kill(os.getpid(), signal.SIGKILL)
    synced(descriptor)

os.fsync = killed_at_the_fifth
"""


def write(first, last, mode="live"):
    arguments = [sys.executable, "-c", WRITER, str(first), str(last), mode]
    return subprocess.run(arguments, env=dict(os.environ), check=False, capture_output=True)


def found(texts, fingerprint="f", dim=2):
    cache = VectorCache(fingerprint)
    out = np.zeros((len(texts), dim), dtype=np.float32)
    return cache.find(keys_of(texts), out), out


def test_a_killed_process_leaves_what_it_had_saved():
    assert write(0, 100, "die").returncode == 9
    known, vectors = found([f"text {number}" for number in range(100)])
    assert known[:90].all()
    assert not known[90:].any()
    np.testing.assert_array_equal(vectors[:90, 0], np.arange(90))
    assert write(0, 100).returncode == 0
    assert found([f"text {number}" for number in range(100)])[0].all()


def test_two_processes_write_and_merge_at_once(cache):
    with ThreadPoolExecutor(2) as both:
        done = list(both.map(write, (0, 300), (600, 900)))
    assert [run.returncode for run in done] == [0, 0], done
    assert not any(run.stderr for run in done)
    known, vectors = found([f"text {number}" for number in range(900)])
    assert known.all()
    np.testing.assert_array_equal(vectors[:, 0], np.arange(900))
    assert len(list(cache.rglob("*.safetensors"))) < 20


def test_a_half_written_file_is_ignored_and_in_time_swept(cache):
    vectors = VectorCache("f")
    vectors.add(keys_of(["a"]), np.ones((1, 2), dtype=np.float32))
    whole = next(vectors.folder.glob("*.safetensors"))
    fresh = vectors.folder / ".1-fresh.tmp"
    stray = vectors.folder / ".1-stray.tmp"
    for path in (fresh, stray):
        path.write_bytes(whole.read_bytes()[:40])
    hours_ago = time.time() - 2 * files.STRAY_AFTER_SECONDS
    os.utime(stray, (hours_ago, hours_ago))
    assert found(["a", "b"])[0].tolist() == [True, False]
    assert fresh.exists()
    assert not stray.exists()


def test_a_damaged_shard_is_set_aside_with_one_warning():
    cache = VectorCache("f")
    cache.add(keys_of(["a"]), np.ones((1, 2), dtype=np.float32))
    cache.add(keys_of(["b"]), np.ones((1, 2), dtype=np.float32))
    first, _ = sorted(cache.folder.glob("*.safetensors"))
    first.write_bytes(first.read_bytes()[:-3])
    with pytest.warns(RuntimeWarning, match="damaged") as seen:
        known, _ = found(["a", "b"])
    assert len(seen) == 1
    assert str(first) in str(seen[0].message)
    assert known.tolist() == [False, True]
    assert found(["a", "b"])[0].tolist() == [False, True]
    assert sorted(path.suffix for path in cache.folder.iterdir()) == [".damaged", ".safetensors"]


def test_vectors_that_changed_on_the_disk_are_encoded_again():
    cache = VectorCache("f")
    cache.add(keys_of(["a", "b"]), np.ones((2, 2), dtype=np.float32))
    path = next(cache.folder.glob("*.safetensors"))
    content = path.read_bytes()
    one = np.float32(1).tobytes()
    place = content.index(one * 4)
    path.write_bytes(content[:place] + np.float32(2).tobytes() + content[place + 4 :])
    with pytest.warns(RuntimeWarning, match="1 vectors are not as written"):
        known, out = found(["a", "b"])
    assert known.sum() == 1
    assert (out[known] == 1).all()


def test_vectors_of_another_length_are_left_out():
    VectorCache("f").add(keys_of(["a"]), np.ones((1, 5), dtype=np.float32))
    with pytest.warns(RuntimeWarning, match="vectors of 5, not 2"):
        assert not found(["a"])[0].any()


def test_the_oldest_vector_of_a_text_is_read():
    cache = VectorCache("f")
    for value, born in ((2.0, 20), (1.0, 10), (3.0, 30)):
        vectors = np.full((1, 2), value, dtype=np.float32)
        write_shard(cache.folder, keys_of(["a"]), vectors, born=born)
    assert found(["a"])[1].tolist() == [[1.0, 1.0]]


def test_many_small_shards_become_one(monkeypatch):
    monkeypatch.setattr(store, "MERGED_FROM", 4)
    cache = VectorCache("f")
    for number in range(5):
        texts = [f"{number}", "shared"]
        cache.add(keys_of(texts), np.full((2, 2), number, dtype=np.float32))
    before = found(["0", "1", "2", "3", "4", "shared"])
    reader = VectorCache("f")
    cache.merge()
    assert len(list(cache.folder.glob("*.safetensors"))) == 1
    after = found(["0", "1", "2", "3", "4", "shared"])
    assert before[0].all()
    np.testing.assert_array_equal(after[0], before[0])
    np.testing.assert_array_equal(after[1], before[1])
    out = np.zeros((1, 2), dtype=np.float32)
    assert reader.find(keys_of(["3"]), out).all(), "a reader keeps what it had open"


def test_large_shards_stay_as_they_are(monkeypatch):
    monkeypatch.setattr(store, "MERGED_FROM", 2)
    monkeypatch.setattr(store, "SMALL_BYTES", 100)
    cache = VectorCache("f")
    for size in (40, 3, 2):
        texts = [f"{size} {number}" for number in range(size)]
        cache.add(keys_of(texts), np.full((size, 2), size, dtype=np.float32))
    cache.merge()
    assert sorted(len(shard.keys) for shard in cache.shards) == [5, 40]


def test_a_merged_shard_is_as_old_as_its_oldest(monkeypatch):
    monkeypatch.setattr(store, "MERGED_FROM", 2)
    monkeypatch.setattr(store, "SMALL_BYTES", 20)
    cache = VectorCache("f")
    for born, texts in ((10, ["a"]), (20, ["a", "b", "c"]), (30, ["d"])):
        vectors = np.full((len(texts), 2), born, dtype=np.float32)
        write_shard(cache.folder, keys_of(texts), vectors, born=born)
    cache.merge()
    assert len(cache.shards) == 2
    assert found(["a", "b", "d"])[1][:, 0].tolist() == [10, 20, 30]


def test_a_merged_shard_does_not_grow_beyond_its_bound(monkeypatch):
    monkeypatch.setattr(store, "MERGED_FROM", 2)
    monkeypatch.setattr(store, "MERGED_BYTES", 4 * 8)
    cache = VectorCache("f")
    for number in range(10):
        cache.add(keys_of([str(number)]), np.ones((1, 2), dtype=np.float32))
    cache.merge()
    assert sorted(len(shard.keys) for shard in cache.shards) == [1] * 6 + [4]


def test_a_shard_that_another_process_merged_away(monkeypatch):
    cache = VectorCache("f")
    cache.add(keys_of(["a"]), np.ones((1, 2), dtype=np.float32))
    paths = VectorCache._paths
    ghosts = [cache.folder / "00000000000000000001-gone.safetensors"]
    monkeypatch.setattr(
        VectorCache, "_paths", lambda self: [ghosts.pop()] if ghosts else paths(self)
    )
    assert found(["a"])[0].all()


def test_one_file_that_cannot_be_read_never_loses_the_others():
    cache = VectorCache("f")
    cache.add(keys_of(["a"]), np.ones((1, 2), dtype=np.float32))
    (cache.folder / "00000000000000000001-folder.safetensors").mkdir()
    with pytest.warns(RuntimeWarning, match="left out, because .*00001-folder"):
        assert found(["a"])[0].all()
    cache.add(keys_of(["b"]), np.ones((1, 2), dtype=np.float32))
    assert found(["a", "b"])[0].all(), "and it can still be added to"


def test_a_link_to_nowhere_never_loses_the_others():
    cache = VectorCache("f")
    cache.add(keys_of(["a"]), np.ones((1, 2), dtype=np.float32))
    (cache.folder / "00000000000000000001-link.safetensors").symlink_to(cache.folder / "lost")
    assert found(["a"])[0].all()


def test_a_folder_that_may_only_be_read_is_read(monkeypatch):
    def read_only(*_, **__):
        raise OSError(30, "Read-only file system")

    VectorCache("f").add(keys_of(["a"]), np.ones((1, 2), dtype=np.float32))
    monkeypatch.setattr("palate.features.cache.shards.write_whole", read_only)
    texts = ["a", "b"]
    with pytest.warns(RuntimeWarning, match="Read-only") as seen:
        vectors = encode_cached(
            texts, fingerprint="f", batches=in_batches(lambda batch: np.full((len(batch), 2), 7.0))
        )
    assert len(seen) == 1
    assert vectors.tolist() == [[1, 1], [7, 7]]


def test_a_disk_that_is_full_for_real_costs_the_cache_alone(cache):
    """The system refuses to write more than 2,000 bytes into one file."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    VectorCache("f").add(keys_of(["a"]), np.ones((1, 2), dtype=np.float32))
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, before[1]))
    try:
        texts = ["a", *(f"text {number}" for number in range(300))]
        with pytest.warns(RuntimeWarning, match="File too large.*make room"):
            vectors = encode_cached(
                texts,
                fingerprint="f",
                batches=in_batches(lambda batch: np.full((len(batch), 2), 7.0)),
            )
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert vectors[:2].tolist() == [[1, 1], [7, 7]]
    assert found(["a", "text 1"])[0].tolist() == [True, False]
    assert [path.suffix for path in VectorCache("f").folder.iterdir()] == [".safetensors"]


def test_a_process_that_is_killed_while_it_writes_loses_that_file_alone():
    code = WRITER.replace("first, last", KILLED_WHILE_WRITING + "first, last", 1)
    arguments = [sys.executable, "-c", code, "0", "100", "live"]
    done = subprocess.run(arguments, env=dict(os.environ), check=False, capture_output=True)
    assert done.returncode == -signal.SIGKILL
    folder = VectorCache("f").folder
    assert sum(path.suffix == ".tmp" for path in folder.iterdir()) == 1
    texts = [f"text {number}" for number in range(100)]
    assert found(texts)[0].sum() == 20
    assert write(0, 100).returncode == 0
    assert found(texts)[0].all()


def test_a_folder_that_cannot_be_written_is_no_cache_with_one_warning(tmp_path, monkeypatch):
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    monkeypatch.setenv(files.ENVIRONMENT_VARIABLE, str(blocked))
    with pytest.warns(RuntimeWarning, match="vectors are not cached"):
        cache = VectorCache("f")
    cache.add(keys_of(["a"]), np.ones((1, 2), dtype=np.float32))
    cache.merge()
    assert not VectorCache("f").writable
    assert cache.dim is None


def test_a_full_disk_is_no_cache_with_one_warning(monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    cache = VectorCache("f")
    monkeypatch.setattr(store, "write_shard", full)
    with pytest.warns(RuntimeWarning, match="No space left"):
        cache.add(keys_of(["a"]), np.ones((1, 2), dtype=np.float32))
    cache.add(keys_of(["b"]), np.ones((1, 2), dtype=np.float32))


def test_the_folder_of_the_cache(monkeypatch, tmp_path):
    monkeypatch.setenv(files.ENVIRONMENT_VARIABLE, str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv(files.ENVIRONMENT_VARIABLE)
    assert cache_folder().name in ("palate", "Cache")


@pytest.mark.parametrize(("given", "inside"), [("~/pc", "pc"), ("~", "."), ("~/a/~b", "a/~b")])
def test_the_home_folder_in_the_name_of_the_cache(monkeypatch, tmp_path, given, inside):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PALATE_CACHE", given)
    assert cache_folder() == tmp_path / inside


def test_the_home_of_nobody_is_no_cache(monkeypatch):
    monkeypatch.setenv("PALATE_CACHE", "~nobody-of-this-name/pc")
    with pytest.raises(ConfigError, match=r"PALATE_CACHE = '~nobody-of-this-name/pc'.*whole path"):
        cache_folder()


def test_keys_are_by_content():
    keys = keys_of(["a", "b", "a", "花"])
    assert keys.shape == (4, 2)
    assert len(np.unique(keys, axis=0)) == 3
    assert keys_of([]).shape == (0, 2)


def test_text_that_is_not_unicode_is_named():
    with pytest.raises(DataError, match=r"'bad \\udcff' is not valid Unicode .character 5"):
        keys_of(["good", "bad \udcff"])


def test_without_the_cache_nothing_is_read_or_written(cache):
    texts = [f"text {number}" for number in range(5)]
    asked = []

    def encode(batch):
        asked.append(len(batch))
        return np.array([[int(text.split()[1]), 1.0] for text in batch], dtype=np.float32)

    def encoded():
        return encode_cached(texts, fingerprint="f", batches=in_batches(encode, 3))

    with without_cache():
        first = encoded()
        again = encoded()
    assert asked == [3, 2, 3, 2]
    assert not cache.exists()
    kept = encoded()
    assert cache.exists()
    with without_cache():
        encoded()
    assert encoded().shape == (5, 2)
    assert asked == [3, 2] * 4, "the last call read the cache"
    for vectors in (again, kept):
        np.testing.assert_array_equal(vectors, first)
    with pytest.raises(KeyboardInterrupt), without_cache():
        raise KeyboardInterrupt
    encoded()
    assert asked == [3, 2] * 4, "the cache is back after an error"
