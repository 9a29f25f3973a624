"""Where vectors of ids start: by chance that belongs to the id, or where co-visits put them."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.utils.extmath import randomized_svd

from palate.core.arrays import Floats
from palate.core.histories import Histories
from palate.core.ids import Ids
from palate.core.parallel import one_blas_thread
from palate.core.sparse import unit_length
from palate.recommenders._cooccurrence import covisit_counts

_WINDOW = 5
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def by_chance(ids: Ids, dim: int, seed: int) -> Floats:
    """(n, dim) normal draws of mean length 1 that an id and a seed decide, wherever its row is."""
    digests = b"".join(
        hashlib.blake2b(name.encode(), digest_size=8, salt=str(seed).encode()[:16]).digest()
        for name in ids.series
    )
    keys = np.frombuffer(digests, dtype=np.uint64)[:, None]
    columns = np.arange(2 * dim, dtype=np.uint64)
    with np.errstate(over="ignore"):
        bits = _mixed(keys + (columns + np.uint64(1)) * _GOLDEN)
    uniform = ((bits >> np.uint64(11)).astype(np.float64) + 0.5) / 2.0**53
    one, other = uniform[:, :dim], uniform[:, dim:]
    normal = np.sqrt(-2 * np.log(one)) * np.cos(2 * np.pi * other)
    return np.asarray(normal / dim**0.5, dtype=np.float32)


def _mixed(bits: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Splitmix64 (Steele, Lea and Flood 2014)."""
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))


def by_covisits(histories: Histories, dim: int, seed: int) -> Floats:
    """(n_items, dim) rows of length 1: the leading factors of decayed co-visits, 0 for none.

    Counts are divided by the roots of both items' sums, as a graph's adjacency is.
    """
    counts = covisit_counts(histories, window=_WINDOW, backward=1.0)
    sums = np.asarray(counts.sum(axis=1)).ravel() + 1
    scale = sparse.diags_array(sums**-0.5)
    matrix = sparse.csr_array(scale @ counts @ scale)
    found = np.zeros((matrix.shape[0], dim), dtype=np.float32)
    width = min(dim, matrix.shape[0])
    if not matrix.nnz:
        return found
    with one_blas_thread:
        left, values, _ = randomized_svd(matrix, width, n_iter=4, random_state=seed)
    found[:, :width] = unit_length(left * np.sqrt(values))
    return found
