"""Palate's encoders in other people's pipelines."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from lightgbm import LGBMClassifier
from scipy import sparse
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import estimator_checks_generator

import palate
from palate.core.errors import ConfigError, DataError
from palate.data.samples import synthetic

FILMS = pl.DataFrame(
    {
        "title": ["Alien", "Heat", "Solaris", "Casino"] * 6,
        "genre": ["space", "crime", "space", "crime"] * 6,
        "year": [1979, 1995, 1972, None] * 6,
    }
)
IN_SPACE = (FILMS["genre"] == "space").to_numpy()


def encoder():
    return palate.TableEncoder(
        {"words": palate.Tfidf(template="{title}"), "facts": palate.Attributes(columns=["year"])}
    )


def test_a_table_becomes_a_row_a_row():
    found = encoder().fit_transform(FILMS)
    assert sparse.issparse(found)
    assert found.shape == (24, 6)
    np.testing.assert_array_equal(found[[0]].toarray(), found[[4]].toarray())


def test_columns_have_names():
    names = encoder().fit(FILMS).get_feature_names_out().tolist()
    assert names == [
        *(f"words.{word}" for word in ("alien", "casino", "heat", "solaris")),
        "facts.year",
        "facts.year_is_missing",
    ]


def test_dense_blocks_alone_are_an_array():
    numbers = palate.TableEncoder({"w": palate.Tfidf()}, transforms=[palate.Quantize()])
    assert sparse.issparse(numbers.fit_transform(FILMS))
    both = palate.TableEncoder({"text": palate.TextEncoder(template="{title}")})
    found = both.fit_transform(FILMS)
    assert isinstance(found, np.ndarray)
    assert found.shape == (24, 512)


@pytest.mark.parametrize("given", [FILMS, FILMS.to_pandas()])
def test_frames_come_out_where_they_are_asked_for(given):
    made = encoder().set_output(transform="pandas").fit(given)
    frame = made.transform(given)
    assert isinstance(frame, pd.DataFrame)
    assert frame.columns.tolist() == made.get_feature_names_out().tolist()
    assert isinstance(frame.dtypes.iloc[0], pd.SparseDtype)
    other = clone(made).set_output(transform="polars").fit_transform(given)
    assert isinstance(other, pl.DataFrame)
    np.testing.assert_array_equal(other.to_numpy(), frame.to_numpy())
    assert isinstance(clone(made).fit_transform(given), pd.DataFrame)
    assert sparse.issparse(made.set_output(transform="default").transform(given))


def test_the_index_of_a_frame_stays():
    table = FILMS.to_pandas().set_index(pd.Index(range(100, 124), name="row"))
    frame = encoder().set_output(transform="pandas").fit_transform(table)
    assert frame.index.equals(table.index)


def test_the_setting_of_scikit_learn_counts_too():
    with sklearn.config_context(transform_output="polars"):
        assert isinstance(encoder().fit_transform(FILMS), pl.DataFrame)


def test_another_container_is_refused():
    with pytest.raises(ConfigError, match="Did you mean 'pandas'"):
        encoder().set_output(transform="panda")


@pytest.mark.parametrize(
    "model", [LogisticRegression(), LGBMClassifier(n_estimators=5, verbose=-1)]
)
def test_it_stands_in_a_pipeline_of_scikit_learn(model):
    flow = make_pipeline(encoder(), model).set_output(transform="pandas")
    assert cross_val_score(flow, FILMS.to_pandas(), IN_SPACE, cv=3).min() > 0.4
    flow.fit(FILMS, IN_SPACE)
    assert flow[:-1].get_feature_names_out()[0] == "words.alien"


def test_a_grid_search_reaches_the_settings_of_an_encoder():
    flow = make_pipeline(encoder(), LogisticRegression())
    grid = {"tableencoder__encoders__words__min_df": [1, 20]}
    found = GridSearchCV(flow, grid, cv=3).fit(FILMS, IN_SPACE)
    assert found.best_params_ == {"tableencoder__encoders__words__min_df": 1}
    assert flow.named_steps["tableencoder"].encoders["words"].min_df == 2


def test_settings_by_name():
    one = encoder().set_params(encoders__facts__max_categories=3)
    assert one.get_params()["encoders__facts"].max_categories == 3
    with pytest.raises(ConfigError, match="TableEncoder has no setting 'encoder'"):
        one.set_params(encoder=1)


def test_ids_are_no_features_and_rows_may_repeat():
    table = FILMS.with_columns(item_id=pl.lit("same"), user_id=pl.lit("same"))
    found = encoder().fit(FILMS).transform(table)
    np.testing.assert_array_equal(found.toarray(), encoder().fit_transform(FILMS).toarray())


def test_without_encoders_it_finds_what_suits():
    names = palate.TableEncoder().fit(synthetic(40, 30).items).get_feature_names_out()
    assert {name.partition(".")[0] for name in names} >= {"words", "attributes"}


def test_what_says_nothing_is_refused():
    with pytest.raises(DataError, match="says nothing"):
        encoder().fit(FILMS.select(item_id="title"))
    with pytest.raises(DataError, match="says nothing"):
        encoder().fit(FILMS.head(0))
    with pytest.raises(ConfigError, match="no encoder"):
        palate.TableEncoder({}).fit(FILMS)
    with pytest.raises(DataError, match="no column 'year'"):
        encoder().fit(FILMS).transform(FILMS.drop("year"))
    with pytest.raises(DataError, match="no interactions"):
        palate.TableEncoder({"clicks": palate.Behaviour()}).fit(FILMS)


DO_NOT_APPLY = {
    "check_fit2d_1sample",  # one row is refused: none of its columns varies, and that is said
    "check_array_api_input",  # arrays of other libraries are not claimed
}


def own_checks():
    """scikit-learn's own checks of an estimator, those that apply."""
    for made in (
        palate.TableEncoder(),
        palate.TableEncoder({"facts": palate.Attributes()}, transforms=[palate.Reduce(dim=1)]),
    ):
        for estimator, check in estimator_checks_generator(made):
            name = check.func.__name__
            if name not in DO_NOT_APPLY:
                yield pytest.param(estimator, check, id=f"{name}-{len(made.transforms)}")


@pytest.mark.parametrize(("estimator", "check"), list(own_checks()))
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)


def test_rows_without_names_go_where_columns_have_numbers():
    rows = np.array([["a", 1.0], ["b", 2.0], ["a", 4.0], ["b", None]], dtype=object)
    made = palate.TableEncoder({"facts": palate.Attributes()}).fit(rows)
    assert [name.partition("=")[0] for name in made.get_feature_names_out()][-2:] == [
        "facts.x1",
        "facts.x1_is_missing",
    ]
    assert not hasattr(made, "feature_names_in_")
    frame = pl.DataFrame({"x0": ["a", "b", "a", "b"], "x1": [1.0, 2.0, 4.0, None]})
    named = palate.TableEncoder({"facts": palate.Attributes()}).fit(frame)
    for given in (rows, rows.tolist()):
        np.testing.assert_array_equal(_dense(made.transform(given)), _dense(named.transform(frame)))
    assert named.feature_names_in_.tolist() == ["x0", "x1"]
    np.testing.assert_array_equal(_dense(named.transform(rows)), _dense(named.transform(frame)))
    with pytest.raises(DataError, match="X has 1 features, but TableEncoder is expecting 2"):
        made.transform(rows[:, :1])
    with pytest.raises(DataError, match="sparse input is not supported"):
        made.fit(sparse.csr_array(np.eye(3)))


def _dense(found):
    return found.toarray() if sparse.issparse(found) else found
