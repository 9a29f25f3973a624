import sys

import numpy as np
import pytest

from palate.core.errors import MissingExtraError
from palate.text import sentiment
from palate.text.sentiment import is_chinese, lexicon_sentiment


def test_the_language_is_that_of_most_letters():
    texts = [
        "味道很好",
        "the iPhone 手机壳 case",
        "iPhone手机壳很好用",
        "",
        "12345!",
        "とても良い",
        "好 👍",
    ]
    assert is_chinese(texts).tolist() == [True, False, True, False, False, False, True]
    assert is_chinese([]).tolist() == []


def test_each_language_has_its_judge():
    pytest.importorskip("vaderSentiment")
    pytest.importorskip("snownlp")
    texts = [
        "Absolutely great, I love it.",
        "很快，好吃，味道足，量大",
        "A terrible waste of money.",
        "没有送水，太差了，退款",
        " ",
        "It has four strings.",
    ]
    polarity, negative = lexicon_sentiment(texts)
    assert polarity.dtype == negative.dtype == np.float32
    assert (polarity[:2] > 0.5).all()
    assert (polarity[2:4] < -0.2).all()
    assert (polarity[4:] == 0).all()
    assert negative[[0, 2, 4, 5]].tolist() == [0, 1, 0, 0]
    assert negative[1] < 0.2 < 0.6 < negative[3]


def test_the_end_of_a_very_long_text_is_not_read(monkeypatch):
    """Both judges take time by the square of a text's length: a megabyte would take hours."""
    seen = []
    for judge in ("vader", "snownlp"):
        monkeypatch.setattr(
            sentiment, f"_{judge}", lambda: lambda text: float(seen.append(len(text)) or 0)
        )
    lexicon_sentiment(["good " * 200_000, "很好" * 500_000, "short"])
    assert seen == [5000, 1500, 5]


@pytest.mark.parametrize(("text", "package"), [("good", "vaderSentiment"), ("很好", "snownlp")])
def test_a_missing_package_is_named(text, package, monkeypatch):
    for judge in (sentiment._vader, sentiment._snownlp):
        judge.cache_clear()
    for name in [name for name in sys.modules if name.split(".")[0] == package] + [package]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtraError, match=r"pip install 'palate\[sentiment\]'"):
        lexicon_sentiment([text])
