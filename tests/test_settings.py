import json

import numpy as np
import pytest

import palate
from palate import registry
from palate.errors import ConfigError


@pytest.mark.parametrize(
    ("name", "setting", "value", "reason"),
    [
        ("Ranker", "rounds", "30", "integer. Write 30, without quotes"),
        ("Ranker", "rounds", 2.5, "integer"),
        ("Ranker", "rounds", True, "integer"),
        ("Ranker", "rounds", None, "integer"),
        ("Ranker", "behaviour", "no", "boolean"),
        ("Ranker", "learning_rate", float("nan"), "finite"),
        ("Ranker", "new_share", "null", "number"),
        ("Tfidf", "template", 3, "string"),
        ("Tfidf", "ngrams", [1, "2"], "integer"),
        ("Attributes", "columns", "genre", "list"),
        ("Concat", "weights", {"text": "much"}, "number"),
        ("Blend", "parts", "ease", "list"),
        ("Transformer", "dtype", "float8", "float32"),
    ],
)
def test_a_value_of_another_type_is_refused(name, setting, value, reason):
    with pytest.raises(ConfigError) as caught:
        getattr(palate, name)(**{setting: value})
    message = str(caught.value)
    assert message.startswith(f"{name}.{setting} = {value!r} cannot be used: ")
    assert reason in message
    assert ("without quotes" in message) == ("without quotes" in reason)


def test_numbers_of_numpy_and_tuples_become_plain():
    ranker = palate.Ranker(
        rounds=np.int64(7), l2=np.float32(0.5), learning_rate=1, behaviour=np.bool_(False)
    )
    tfidf = palate.Tfidf(ngrams=(np.int32(1), 3))
    concat = palate.Concat(weights={"text": np.float64(2.0)})
    settings = [registry.settings_of(component) for component in (ranker, tfidf, concat)]
    assert json.loads(json.dumps(settings)) == settings
    assert (ranker.rounds, ranker.l2, ranker.behaviour) == (7, 0.5, False)
    assert type(ranker.rounds) is int
    assert type(ranker.learning_rate) is float
    assert tfidf.ngrams == [1, 3]


def test_a_value_that_makes_no_sense_is_refused_after_its_type():
    with pytest.raises(ConfigError, match=r"^rounds = 0 cannot be used"):
        palate.Ranker(rounds=np.int16(0))


def test_lists_and_tables_stay_what_they_were():
    columns, weights = ["genre"], {"text": 2}
    assert palate.Attributes(columns=columns).columns is columns
    assert palate.Concat(weights=weights).weights is weights
