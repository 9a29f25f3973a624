import os
import threading
from itertools import islice
from pathlib import Path

import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from palate.core import parallel
from palate.core.parallel import cores, give_back_memory, in_chunks

PATIENCE = 30.0


@pytest.fixture
def two_cores(monkeypatch):
    monkeypatch.setattr(parallel, "cores", lambda: 2)


def blas_threads():
    """Of numpy's and SciPy's libraries; that of faiss counts for each thread by itself."""
    libraries = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    return {pool["num_threads"] for pool in libraries if "faiss" not in pool["filepath"]}


@pytest.mark.parametrize(("length", "step"), [(10, 3), (9, 3), (1, 5), (50, 1)])
def test_every_row_once_and_in_order(length, step):
    found = list(in_chunks(lambda chunk: list(range(length))[chunk], length, step))
    assert [row for _, rows in found for row in rows] == list(range(length))
    assert [chunk.start for chunk, _ in found] == list(range(0, length, step))
    assert all(list(range(length))[chunk] == rows for chunk, rows in found)


def test_a_single_chunk_waits_for_no_other_thread():
    ((_, thread),) = in_chunks(lambda _chunk: threading.get_ident(), 3, 5)
    assert thread == threading.get_ident()


def test_a_slow_chunk_keeps_its_place(two_cores):
    later = threading.Event()

    def work(chunk):
        if chunk.start == 0:
            return later.wait(PATIENCE)
        later.set()
        return chunk.start

    assert [result for _, result in in_chunks(work, 3, 1)] == [True, 1, 2]


def test_nothing_to_do_is_nothing_done():
    assert list(in_chunks(lambda chunk: pytest.fail("nobody asked"), 0, 5)) == []


def test_an_error_comes_out_where_its_chunk_would(two_cores):
    def work(chunk):
        if chunk.start == 6:
            raise KeyError("the third chunk")
        return chunk.start

    chunks = in_chunks(work, 30, 3)
    assert [result for _, result in islice(chunks, 2)] == [0, 3]
    with pytest.raises(KeyError, match="the third chunk"):
        next(chunks)


def test_few_results_wait_for_whoever_takes_them(two_cores):
    lock, started = threading.Lock(), []

    def work(chunk):
        with lock:
            started.append(chunk.start)

    for taken, _ in enumerate(in_chunks(work, 100, 1), start=1):
        with lock:
            assert len(started) <= taken - 1 + 2 * 2
    assert sorted(started) == list(range(100))


def test_who_stops_early_waits_for_nothing_new(two_cores):
    started = []
    chunks = in_chunks(lambda chunk: started.append(chunk.start), 100, 1)
    assert len(list(islice(chunks, 2))) == 2
    chunks.close()
    assert len(started) < 10


def test_each_chunk_has_one_blas_thread_and_the_caller_gets_his_back():
    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        inside = [threads for _, threads in in_chunks(lambda _chunk: blas_threads(), 4, 1)]
        assert all(threads <= {1} for threads in inside)
        assert blas_threads() == before


def test_callers_side_by_side_get_their_blas_threads_back():
    """One comes while the other is at work in another thread, and goes last."""
    first = in_chunks(lambda _chunk: blas_threads(), 2, 1)
    came, gone, found = threading.Event(), threading.Event(), []

    def second():
        for number, (_, threads) in enumerate(in_chunks(lambda _chunk: blas_threads(), 2, 1)):
            if not number:
                came.set()
                assert gone.wait(PATIENCE)
            found.append(threads)

    thread = threading.Thread(target=second)
    given = threadpool_limits(2, user_api="blas")
    try:
        assert blas_threads() == {2}
        found.append(next(first)[1])
        thread.start()
        assert came.wait(PATIENCE)
        found.extend(threads for _, threads in first)
        gone.set()
        thread.join()
        assert found == [{1}] * 4
        assert blas_threads() == {2}
        assert [threads for _, threads in in_chunks(lambda _chunk: blas_threads(), 2, 1)] == [
            {1}
        ] * 2
    finally:
        given.restore_original_limits()


def test_cores_are_those_that_this_process_may_use(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: {3, 5, 6}, raising=False)
    assert cores() == 3
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 5)
    assert cores() == 5
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert cores() == 1


def resident_bytes():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_what_was_freed_between_what_is_in_use_goes_back_to_the_system():
    if parallel._malloc_trim() is None:  # a system that does so by itself, or cannot be told
        give_back_memory()
        return
    blocks = [b"x" * 100_000 for _ in range(2_000)]
    kept = blocks[::50]
    del blocks
    before = resident_bytes()
    give_back_memory()
    assert before - resident_bytes() > 100_000_000
    assert len(kept) == 40
