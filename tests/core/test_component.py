import json
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import pytest
from pydantic import Field

import palate
from palate.core import registry
from palate.core.component import check_types
from palate.core.errors import ConfigError
from palate.recommenders.item_knn import ItemKNN
from palate.recommenders.ranker import Ranker


@pytest.mark.parametrize(
    ("name", "setting", "value", "reason"),
    [
        ("Ranker", "n_estimators", "30", "whole number, 1 or more. Write 30, without quotes"),
        ("Ranker", "n_estimators", 2.5, "whole number"),
        ("Ranker", "n_estimators", True, "whole number"),
        ("Ranker", "n_estimators", None, "whole number"),
        ("Ranker", "behaviour", "no", "behaviour=True"),
        ("Ranker", "learning_rate", float("nan"), "finite"),
        ("Ranker", "new_share", "null", "number"),
        ("Tfidf", "template", 3, "text"),
        ("Tfidf", "ngrams", "1", "list of whole numbers"),
        ("Attributes", "columns", "genre", "list"),
        ("Blend", "parts", "ease", "list"),
        ("Transformer", "dtype", "float8", "float32"),
    ],
)
def test_a_value_of_another_type_is_refused(name, setting, value, reason):
    with pytest.raises(ConfigError) as caught:
        getattr(palate, name)(**{setting: value})
    message = str(caught.value)
    where = {"[1, '2']": "ngrams.1 = '2'", "{'text': 'much'}": "weights.text = 'much'"}
    said = where.get(repr(value), f"{setting} = {value!r}")
    assert message.startswith(f"{name}.{said} cannot be used: ")
    assert reason in message
    assert ("without quotes" in message) == ("without quotes" in reason)


def test_numbers_of_numpy_and_tuples_become_plain():
    ranker = palate.Ranker(
        n_estimators=np.int64(7), l2=np.float32(0.5), learning_rate=1, behaviour=np.bool_(False)
    )
    tfidf = palate.Tfidf(ngrams=(np.int32(1), 3))
    concat = palate.Concat(weights={"text": np.float64(2.0)})
    settings = [registry.settings_of(component) for component in (ranker, tfidf, concat)]
    assert json.loads(json.dumps(settings)) == settings
    assert (ranker.n_estimators, ranker.l2, ranker.behaviour) == (7, 0.5, False)
    assert type(ranker.n_estimators) is int
    assert type(ranker.learning_rate) is float
    assert tfidf.ngrams == [1, 3]


def test_a_value_that_makes_no_sense_is_refused_after_its_type():
    with pytest.raises(
        ConfigError, match=r"^Ranker.n_estimators = 0 cannot be used: give 1 or more$"
    ):
        palate.Ranker(n_estimators=np.int16(0))


@pytest.mark.parametrize(
    ("name", "setting", "value", "told"),
    [
        ("Ranker", "candidates", 0, "candidates = 0 cannot be used: give 1 or more"),
        ("Ranker", "num_leaves", 1, "num_leaves = 1 cannot be used: give 2 or more"),
        ("Ranker", "seed", -1, "seed = -1 cannot be used: give 0 or more"),
        ("Ranker", "learning_rate", 0, "learning_rate = 0 cannot be used: give more than 0"),
        ("Ranker", "new_share", 1, "new_share = 1 cannot be used: give 0 ≤ new_share < 1, or le"),
        ("Content", "decay", np.float32(1.5), "decay = 1.5 cannot be used: give 0 < decay ≤ 1"),
        ("Content", "blocks", [], "blocks = [] cannot be used: name 1 or more, or leave it out"),
        ("Attributes", "columns", {}, "columns = {} cannot be used: name 1 or more, or leave"),
        ("Transformer", "pooling", [], "pooling = [] cannot be used: name 1 or more"),
        ("Blend", "parts", (), "parts = [] cannot be used: name 1 or more"),
        ("Concat", "weights", {"a": 1, "b": -1}, "weights.b = -1 cannot be used: give 0 or more"),
        ("Weighted", "weights", {"a": -0.5}, "weights.a = -0.5 cannot be used: give 0 or more"),
    ],
)
def test_a_value_beyond_its_limits_says_what_is_allowed(name, setting, value, told):
    with pytest.raises(ConfigError) as caught:
        getattr(palate, name)(**{setting: value})
    assert str(caught.value).startswith(f"{name}.{told}")


@pytest.mark.parametrize(
    ("name", "setting", "told"),
    [
        ("Ranker", "rounds", "Known: against, behaviour, candidates, l2"),
        ("Ranker", "learning_rates", "Did you mean 'learning_rate'?"),
        ("Image", "batch", "Known: batch_size, column,"),
        ("Pipeline", "recomender", "Did you mean 'recommender'?"),
        ("Pipeline", "data_", "Known: encoders, fusion, recommender"),
    ],
)
def test_a_setting_that_does_not_exist_is_refused_by_name(name, setting, told):
    with pytest.raises(ConfigError) as caught:
        getattr(palate, name)(**{setting: 1})
    assert str(caught.value).startswith(f"{name} has no setting {setting!r}.")
    assert told in str(caught.value)


@dataclass(kw_only=True)
class Outside:
    """Somebody else's component."""

    share: Annotated[float, Field(gt=0, lt=1)] = 0.5
    depths: dict[str, list[Annotated[int, Field(ge=3)]]] | None = None
    most: Annotated[int, Field(le=9)] = 3
    levels: Annotated[list[Annotated[int, Field(gt=0)]], Field(min_length=2)] | None = None

    def __post_init__(self):
        check_types(self)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"share": 1.0}, "share = 1.0 cannot be used: give 0 < share < 1"),
        ({"depths": {"a": [3, 4], "b": [5, 2]}}, "depths.b.1 = 2 cannot be used: give 3 or more"),
        ({"levels": [4]}, "levels = [4] cannot be used: name 2 or more, or leave it out"),
        ({"levels": [4, 0]}, "levels.1 = 0 cannot be used: give 1 or more, or leave it out"),
        ({"most": 10}, "most = 10 cannot be used: give 9 or less"),
    ],
)
def test_a_component_of_somebody_else_may_have_limits(settings, told):
    with pytest.raises(ConfigError) as caught:
        Outside(**settings)
    assert str(caught.value).startswith(f"Outside.{told}")


def test_lists_and_tables_stay_what_they_were():
    columns, weights = ["genre"], {"text": 2}
    assert palate.Attributes(columns=columns).columns is columns
    assert palate.Concat(weights=weights).weights is weights


def test_a_setting_of_an_earlier_version_says_what_it_is_called_now():
    with pytest.raises(ConfigError, match=r"no setting 'rounds'\. It is called 'n_estimators' now"):
        Ranker(rounds=3)
    with pytest.raises(ConfigError, match=r"no setting 'leaves'\. It is called 'num_leaves' now"):
        Ranker(leaves=3)


def test_numbers_beyond_what_can_be_counted_are_refused():
    for number in (10**30, -(10**30), 2**63):
        with pytest.raises(ConfigError, match=r"neighbours = -?\d+.* cannot be used"):
            ItemKNN(neighbours=number)
