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
from sklearn.utils import Tags, check_array
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
    after them, such as `Reduce`. `fit` and `transform` take a pandas or polars frame, or rows of an
    array, whose columns are called x0, x1 and so on, and give one row a row: a `csr_array` where a
    block is sparse, else a float32 array, or frames after `set_output`. Ids are no features, and
    encoders that learn from events have nothing to learn from here. `encoders__NAME__SETTING` is a
    setting of an encoder, for a grid search.
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
        data = _data_of(X, known=None)
        chosen = default_encoders(data) if self.encoders is None else self.encoders
        encoders, transforms = copy.deepcopy((dict(chosen), list(self.transforms)))
        if not encoders:
            raise ConfigError("no encoder: name one, as in TableEncoder({'words': Tfidf()})")
        features = fit_features(encoders, transforms, data)
        self.encoders_, self.transforms_ = encoders, transforms
        self._columns = data.items.columns[1:]
        self.n_features_in_ = len(self._columns)
        if not _is_array(X):
            self.feature_names_in_ = np.array(self._columns, dtype=object)
        elif hasattr(self, "feature_names_in_"):  # as scikit-learn has it: no names leave none
            del self.feature_names_in_
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
        return _none(
            encode_items(self.encoders_, self.transforms_, _data_of(X, known=self._columns))
        )

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

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags

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


def _is_array(table: object) -> bool:
    """Whether its columns have numbers and no names: an array, or rows in a list."""
    if isinstance(table, list):
        return bool(table) and all(isinstance(row, list | tuple) for row in table)
    return hasattr(table, "__array__") and not hasattr(table, "columns")


def _named(table: Any, known: Sequence[str] | None) -> pl.DataFrame:
    """An array as a frame, under the names of the fit; refused as scikit-learn refuses one."""
    try:
        values = check_array(
            table,
            dtype=None,
            ensure_all_finite="allow-nan",
            input_name="X",
            estimator="TableEncoder",
        )
    except (TypeError, ValueError) as error:
        raise DataError(f"features: {error}") from error
    width = values.shape[1]
    if known is not None and width != len(known):
        raise DataError(
            f"X has {width} features, but TableEncoder is expecting {len(known)} features as input"
        )
    names = [f"x{place}" for place in range(width)] if known is None else known
    return pl.DataFrame(
        [pl.Series(name, values[:, place].tolist()) for place, name in enumerate(names)]
    )


def _data_of(table: Any, *, known: Sequence[str] | None) -> Dataset:
    """The table as a catalogue whose ids are row numbers; nobody did anything."""
    if sparse.issparse(table):
        raise DataError(
            "features: sparse input is not supported: give a table with a column for each thing"
        )
    if _is_array(table):
        table = _named(table, known)
    frame = open_table(table, what="features", key=ITEM).frame.collect()
    columns = [name for name in frame.columns if name not in (ITEM, USER)]
    if not len(frame) or not columns:
        raise DataError(
            f"a table of {len(frame)} rows and the columns {columns} says nothing: features are "
            "made of columns beside the ids"
        )
    rows = pl.Series(ITEM, [str(row) for row in range(len(frame))])
    return Dataset(interactions=_EMPTY, items=pl.DataFrame([rows, *frame[columns]]))
