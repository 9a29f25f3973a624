"""Palate's encoders inside a scikit-learn pipeline: a table goes in, features come out."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self, TypeAlias, get_args

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse
from sklearn import get_config
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from palate.core.arrays import Floats
from palate.core.columns import ITEM, USER
from palate.core.dataset import Dataset
from palate.core.doors import called_rightly_in
from palate.core.errors import ConfigError, DataError, did_you_mean
from palate.core.features import Features
from palate.core.parameters import changed_inside, params_inside
from palate.core.types import Encoder, Transform
from palate.data.formats.open import Source, open_table
from palate.features.default_encoders import default_encoders
from palate.pipeline.features import encode_items, fit_features

Container: TypeAlias = Literal["default", "pandas", "polars"]

_EMPTY = pl.DataFrame(schema={USER: pl.String, ITEM: pl.String})


@called_rightly_in
class TableEncoder(  # type: ignore[call-arg]
    TransformerMixin,  # type: ignore[misc]
    BaseEstimator,  # type: ignore[misc]
    auto_wrap_output_keys=None,
):
    """A scikit-learn transformer of tables, of items, of people or of anything with columns.

    `encoders` name the blocks, as in `Pipeline` (None: what suits the columns); `transforms` come
    after them, such as `Reduce`. `fit` and `transform` take a pandas or polars frame and give one
    row a row: a `csr_array` where a block is sparse, else a float32 array, or frames after
    `set_output`. Ids are no features, and encoders that learn from events have nothing to learn
    from here. `encoders__NAME__SETTING` is a setting of an encoder, for a grid search.
    """

    def __init__(
        self,
        encoders: Mapping[str, Encoder] | None = None,
        *,
        transforms: Sequence[Transform] = (),
    ) -> None:
        self.encoders = encoders
        self.transforms = transforms

    def fit(self, X: Source, y: object = None) -> Self:
        """Learns from a table; `y` is not looked at. Raises `DataError` where nothing is said."""
        data = _data_of(X)
        chosen = default_encoders(data) if self.encoders is None else self.encoders
        encoders, transforms = copy.deepcopy((dict(chosen), list(self.transforms)))
        if not encoders:
            raise ConfigError("no encoder: name one, as in TableEncoder({'words': Tfidf()})")
        features = fit_features(encoders, transforms, data)
        self.encoders_, self.transforms_ = encoders, transforms
        self.feature_names_in_ = np.array(data.items.columns[1:], dtype=object)
        self.n_features_in_ = len(self.feature_names_in_)
        self._names = _none(features).get_feature_names_out()
        return self

    def transform(self, X: Source) -> Any:
        """(rows, features) of a table with the same columns: a sparse array, an array or a frame.

        Raises `DataError` for a column that is missing.
        """
        found = self.encode(X)
        container = self._container()
        if container == "pandas":
            frame = found.to_pandas()
            frame.index = getattr(X, "index", range(len(frame)))
            return frame
        if container == "polars":
            return found.to_polars().drop(found.ids.series.name)
        if any(sparse.issparse(part) for part in found.parts.values()):
            return found.to_scipy()
        values: Floats = found.values
        return values

    def encode(self, X: Source) -> Features:
        """As `transform`, as features whose ids are the numbers of the rows."""
        check_is_fitted(self)
        return _none(encode_items(self.encoders_, self.transforms_, _data_of(X)))

    def get_feature_names_out(self, input_features: object = None) -> NDArray[np.object_]:
        """The name of each column, as `Features.get_feature_names_out` makes it."""
        check_is_fitted(self)
        return self._names

    def set_output(self, *, transform: Container | None = None) -> Self:
        """What `transform` gives from now on: "pandas", "polars" or "default"; None: as it is."""
        if transform is None:
            return self
        known = get_args(Container)
        if transform not in known:
            hint = did_you_mean(str(transform), known)
            raise ConfigError(f"transform = {transform!r} cannot be used.{hint}")
        self._sklearn_output_config = {"transform": transform}
        return self

    def _container(self) -> str:
        own = getattr(self, "_sklearn_output_config", {})
        return str(own.get("transform") or get_config()["transform_output"])

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Setting → value; with `deep`, those of the encoders and the transforms too."""
        found = {"encoders": self.encoders, "transforms": self.transforms}
        return params_inside(found) if deep else found

    def set_params(self, **params: Any) -> Self:
        """Sets settings by the names of `get_params`; `ConfigError` for one that is none."""
        found = changed_inside(self.get_params(deep=False), params, type(self).__name__)
        for name, value in found.items():
            setattr(self, name, value)
        return self


def _none(features: Features | None) -> Features:
    assert features is not None  # there is an encoder
    return features


def _data_of(table: Source) -> Dataset:
    """The table as a catalogue whose ids are row numbers; nobody did anything."""
    frame = open_table(table, what="features", key=ITEM).frame.collect()
    columns = [name for name in frame.columns if name not in (ITEM, USER)]
    if not len(frame) or not columns:
        raise DataError(
            f"a table of {len(frame)} rows and the columns {columns} says nothing: features are "
            "made of columns beside the ids"
        )
    rows = pl.Series(ITEM, [str(row) for row in range(len(frame))])
    return Dataset(interactions=_EMPTY, items=pl.DataFrame([rows, *frame[columns]]))
