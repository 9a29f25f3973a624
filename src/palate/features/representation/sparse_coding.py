"""Each row as a few atoms of a dictionary that is learnt from the items."""

from __future__ import annotations

import warnings
from typing import Any, ClassVar, Self

import numpy as np
from pydantic import NonNegativeInt, PositiveFloat, PositiveInt
from scipy import sparse

from palate.core.arrays import Floats, Matrix, Rows, unit_rows
from palate.core.component import check_fitted, check_types, component, learnt
from palate.core.dataset import Dataset
from palate.core.features import Features
from palate.core.learnt import agree
from palate.features.blocks import check_width, dense_parts, transform_parts

__all__ = ["SparseCoding"]

_BATCHES = 120
"""What the dictionary is learnt from, whatever the number of rows: it bounds the time."""

_BATCH = 256
_CHUNK = 4096


@component
class SparseCoding:
    """Each dense block as a sparse one: its unit rows as sums of at most `nonzeros` atoms each.

    The `atoms` are learnt from at most `sample` items with events (there are no more atoms than
    such items), with the l1 penalty `alpha`; `seed` draws the items and the start.
    Sparse blocks are left alone; rows of zeros stay zeros. Online dictionary learning (Mairal et
    al. 2009), then orthogonal matching pursuit, both by scikit-learn.
    """

    atoms: PositiveInt = 128
    nonzeros: PositiveInt = 8
    alpha: PositiveFloat = 0.1
    sample: PositiveInt = 10_000
    seed: NonNegativeInt = 0

    atoms_: dict[str, Floats] = learnt("atoms", "width")

    makes_sparse: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_types(self)

    def fit(self, features: Features, data: Dataset) -> Self:
        self.atoms_ = {}
        for name, part in dense_parts(features).items():
            rows = self._sampled(part, data.warm_items)
            if len(rows):
                self.atoms_[name] = self._dictionary(unit_rows(part[rows]))
        return self

    def check_learnt(self) -> None:
        """Raises `ValueError` for a dictionary without an atom."""
        agree(all(map(len, self.atoms_.values())), "atoms_ without an atom")

    def transform(self, features: Features) -> Features:
        return transform_parts(self, features)

    def transform_block(self, name: str, values: Matrix) -> Matrix:
        """(n, atoms) csr_array for rows in a dense block's space: of items, or of words."""
        check_fitted(self)
        if name not in self.atoms_:
            return values
        atoms = self.atoms_[name]
        check_width(values, atoms.shape[1], name, "sparse_coding")
        dense: Any = values.toarray() if sparse.issparse(values) else values  # type: ignore[union-attr]
        units = unit_rows(dense)
        codes = [self._codes(units[at : at + _CHUNK], atoms) for at in range(0, len(units), _CHUNK)]
        if not codes:
            return sparse.csr_array((0, len(atoms)), dtype=np.float32)
        return sparse.csr_array(sparse.vstack(codes, format="csr"))

    def _sampled(self, part: Floats, trained: Rows) -> Rows:
        """Trained rows that are not all zeros, some of them where there are many."""
        filled: Rows = trained[part[trained].any(axis=1)]
        if len(filled) <= self.sample:
            return filled
        chosen = np.random.default_rng(self.seed).choice(len(filled), self.sample, replace=False)
        return filled[np.sort(chosen)]

    def _dictionary(self, units: Floats) -> Floats:
        from sklearn.decomposition import MiniBatchDictionaryLearning
        from sklearn.exceptions import ConvergenceWarning

        learner = MiniBatchDictionaryLearning(
            n_components=min(self.atoms, len(units)),
            alpha=self.alpha,
            batch_size=_BATCH,
            max_iter=max(1, _BATCHES * _BATCH // max(_BATCH, len(units))),  # times through the rows
            max_no_improvement=None,
            tol=0.0,
            fit_algorithm="cd",
            transform_max_iter=50,
            random_state=self.seed,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            found = learner.fit(units.astype(np.float64)).components_
        atoms: Floats = found.astype(np.float32)
        return unit_rows(atoms)

    def _codes(self, units: Floats, atoms: Floats) -> sparse.csr_array:
        from sklearn.decomposition import sparse_encode

        codes = np.zeros((len(units), len(atoms)), dtype=np.float32)
        filled = units.any(axis=1)
        if filled.any():
            with warnings.catch_warnings():
                # a row may need fewer atoms than it may have: that is no fault
                warnings.simplefilter("ignore", RuntimeWarning)
                codes[filled] = sparse_encode(
                    units[filled].astype(np.float64),
                    atoms.astype(np.float64),
                    algorithm="omp",
                    n_nonzero_coefs=min(self.nonzeros, *atoms.shape),
                )
        return sparse.csr_array(codes)
