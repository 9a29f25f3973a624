import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import pytest

from palate.core import progress
from palate.core.checks import as_texts, check_unicode
from palate.core.dataset import Dataset
from palate.core.errors import DataError, NotFittedError
from palate.features import template_encoder
from palate.features.cache import encode_once
from palate.features.template_encoder import TemplateEncoder, encode_cached, in_batches

pytestmark = pytest.mark.usefixtures("cache")


class Fake:
    """Vectors of lengths and of first letters; remembers what it was asked."""

    def __init__(self, fail_at=None):
        self.batches: list[list[str]] = []
        self.fail_at = fail_at

    def __call__(self, texts):
        if self.fail_at in texts:
            raise KeyboardInterrupt
        self.batches.append(list(texts))
        return np.array([[len(text), ord(text[0])] for text in texts], dtype=np.float32)

    @property
    def texts(self):
        return [text for batch in self.batches for text in batch]


def test_unique_texts_are_encoded_once_in_order_of_length():
    fake = Fake()
    texts = ["bb", "a", "ccc", "a", "", "bb", " \n"]
    vectors = encode_cached(texts, fingerprint="f", batches=in_batches(fake, 2), dim=2)
    assert fake.batches == [["a", "bb"], ["ccc"]]
    assert vectors.tolist() == [
        [2, 98],
        [1, 97],
        [3, 99],
        [1, 97],
        [0, 0],
        [2, 98],
        [0, 0],
    ]
    assert vectors.dtype == np.float32


def test_a_catalogue_that_is_cached_costs_no_encoding():
    texts = [f"text {number % 70}" for number in range(200)]
    first = encode_cached(texts, fingerprint="f", batches=in_batches(Fake()), dim=2)
    fake = Fake()
    again = encode_cached(texts, fingerprint="f", batches=in_batches(fake))
    assert fake.batches == []
    np.testing.assert_array_equal(first, again)


def test_one_changed_item_costs_one_encoding():
    texts = [f"text {number}" for number in range(200)]
    before = encode_cached(texts, fingerprint="f", batches=in_batches(Fake()))
    fake = Fake()
    texts[57] = "another text"
    after = encode_cached(texts, fingerprint="f", batches=in_batches(fake))
    assert fake.batches == [["another text"]]
    assert np.flatnonzero((before != after).any(axis=1)).tolist() == [57]


def test_another_encoder_has_another_cache():
    encode_cached(["a"], fingerprint="f", batches=in_batches(Fake()))
    fake = Fake()
    encode_cached(["a"], fingerprint="g", batches=in_batches(fake))
    assert fake.texts == ["a"]


def test_an_interrupted_job_goes_on_where_it_was():
    texts = ["a" * length for length in range(1, 31)]
    with pytest.raises(KeyboardInterrupt):
        encode_cached(texts, fingerprint="f", batches=in_batches(Fake(fail_at="a" * 21), 5), dim=2)
    fake = Fake()
    encode_cached(texts, fingerprint="f", batches=in_batches(fake, 5), dim=2)
    assert fake.texts == texts[20:]


def test_work_is_saved_every_few_seconds(monkeypatch):
    clock = iter(np.arange(0.0, 1000.0, 2.0))
    saved = []
    monkeypatch.setattr(encode_once.time, "monotonic", lambda: float(next(clock)))
    monkeypatch.setattr(
        encode_once.VectorCache, "add", lambda self, keys, _: saved.append(len(keys))
    )
    texts = ["a" * length for length in range(1, 13)]
    encode_cached(texts, fingerprint="f", batches=in_batches(Fake(), 1), dim=2)
    assert saved == [3, 3, 3, 3]


def test_progress_counts_texts_that_say_something_once():
    seen: list[Any] = []

    class Watcher:
        def start(self, label, total, unit):
            seen.append((label, total, unit))
            return seen.append

        def stop(self, label, *, finished):
            seen.append("stop")

    encode_cached(["a", "b"], fingerprint="f", batches=in_batches(Fake()), dim=2)
    texts = ["a", "b", "ccc", "dd", "", "dd"]
    with progress.watch(Watcher()):
        for _ in range(2):
            encode_cached(texts, fingerprint="f", batches=in_batches(Fake(), 1), dim=2)
    assert seen == [("encode texts", 4, "texts"), 2, 1, 1, "stop"]


def test_only_blank_texts_need_the_width_alone():
    fake = Fake()
    assert encode_cached(["", " "], fingerprint="f", batches=in_batches(fake), dim=2).shape == (
        2,
        2,
    )
    assert fake.batches == []
    assert encode_cached([""], fingerprint="f", batches=in_batches(fake)).shape == (1, 2)
    assert encode_cached([], fingerprint="f", batches=in_batches(fake)).shape == (0, 2)


def test_vectors_that_are_no_numbers_are_refused():
    def broken(texts):
        return np.array([[np.nan if text == "b" else 1.0] for text in texts], dtype=np.float32)

    with pytest.raises(DataError, match="NaN or infinity for 'b'"):
        encode_cached(["a", "b"], fingerprint="f", batches=in_batches(broken), dim=1)


def test_vectors_of_another_shape_are_refused():
    with pytest.raises(DataError, match=r"shape \(1, 2\), not \(1, 3\)"):
        encode_cached(["a"], fingerprint="f", batches=in_batches(Fake()), dim=3)


def test_vectors_of_texts_that_repeat_do_not_hang_together():
    texts = ["bb", "bb", ""]
    vectors = encode_cached(texts, fingerprint="f", batches=in_batches(Fake()), dim=2)
    vectors[0] = 9
    assert vectors.tolist() == [[9, 9], [2, 98], [0, 0]]


def test_texts_are_any_row_of_texts_and_none_says_nothing():
    assert as_texts(("a", "", None)) == ["a", "", ""]
    assert as_texts(pl.Series(["a", None])) == ["a", ""]
    assert as_texts(np.array(["a", "b"])) == ["a", "b"]
    assert as_texts([]) == []
    vectors = encode_cached(["a", None], fingerprint="f", batches=in_batches(Fake()), dim=2)
    assert vectors.tolist() == [[1, 97], [0, 0]]


def test_what_is_no_text_is_named():
    with pytest.raises(DataError, match=r"a list of texts, not one: \['tea'\]"):
        encode_cached("tea", fingerprint="f", batches=in_batches(Fake()), dim=2)
    with pytest.raises(
        DataError, match=r"str or None .nothing said., not '3', 'nan', .* and 1 more"
    ):
        as_texts(["a", 3, float("nan"), b"b", []])
    with pytest.raises(DataError, match=r"'b\\ud800' is not valid Unicode .character 2"):
        check_unicode(["a", "b\ud800"])


@dataclass(kw_only=True)
class Lengths(TemplateEncoder):
    def encode_texts(self, texts):
        return np.array([[len(text)] for text in texts], dtype=np.float32)


@pytest.fixture
def data():
    items = pl.DataFrame(
        {"item_id": ["x", "y", "z"], "title": ["One", "Two b", None], "kind": ["k", "l", "l"]}
    )
    return Dataset(pl.DataFrame({"user_id": ["u"], "item_id": ["y"]}), items)


def test_items_are_read_through_the_template(data):
    features = Lengths(template="{title} ({kind})").fit(data).encode(data)
    assert features.ids == data.item_ids
    assert features.values.ravel().tolist() == [len("One (k)"), len("Two b (l)"), len("(l)")]


def test_the_default_template_is_learnt_and_stays(data):
    encoder = Lengths().fit(data)
    assert encoder.template is None
    assert encoder.template_ == "{title}. {kind}"
    blank = pl.DataFrame({"item_id": ["n"], "title": [None], "kind": [None], "price": [3.0]})
    later = Dataset(data.interactions.clear(), blank)
    assert encoder.encode(later).values.tolist() == [[0.0]]


def test_before_fit_nothing_is_encoded(data):
    with pytest.raises(NotFittedError):
        Lengths().encode(data)


def test_items_that_say_nothing_are_refused(data):
    blank = Dataset(data.interactions, data.items.with_columns(title=pl.lit(None, pl.String)))
    with pytest.raises(DataError, match="no item says anything in the columns of the template"):
        Lengths(template="{title}").fit(blank)


def test_a_text_far_down_the_catalogue_is_a_text():
    rows = template_encoder._PROBE + 5
    items = pl.DataFrame(
        {"item_id": [str(row) for row in range(rows)], "title": [""] * (rows - 1) + ["last"]}
    )
    data = Dataset(pl.DataFrame({"user_id": ["u"], "item_id": ["0"]}), items)
    assert Lengths(template="{title}").fit(data).encode(data).values.sum() == 4


def test_a_misspelt_template_is_refused_when_fitting(data):
    with pytest.raises(DataError, match="Did you mean 'title'"):
        Lengths(template="{titel}").fit(data)


def test_copies_leave_the_model_behind(data):
    encoder = Lengths().fit(data)
    encoder.__dict__["_model"] = open  # cannot be copied usefully, and need not be
    twin = copy.deepcopy(encoder)
    assert "_model" not in vars(twin)
    assert twin.template_ == encoder.template_
    assert twin == encoder
