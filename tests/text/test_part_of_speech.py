"""Which words stay, by their part of speech."""

import sys

import polars as pl
import pytest

import palate
from palate.core.errors import ConfigError, MissingExtraError
from palate.text import part_of_speech as module
from palate.text.normalise import normalise


@pytest.fixture
def english():
    pytest.importorskip("textblob")


@pytest.fixture
def chinese():
    pytest.importorskip("rjieba")


@pytest.mark.usefixtures("english")
@pytest.mark.parametrize(
    ("text", "keep", "words"),
    [
        ("the quick brown fox jumped over lazy dogs!", ["noun"], "fox dogs"),
        ("the quick brown fox jumped over lazy dogs", ["adjective"], "quick brown lazy"),
        ("the quick brown fox jumped over lazy dogs", ["verb"], "jumped"),
        ("they sang very softly", ["adverb"], "very softly"),
        ("the 3 dogs, and 17 others", ["number"], "3 17"),
        ("The Quick Brown Fox", ["noun"], "Fox"),
        ("Alien, a film by Ridley Scott", ["noun"], "Alien film Ridley Scott"),
        ("a zxqwv", ["noun"], "zxqwv"),
        ("Don’t look now", ["noun"], ""),
        ("", ["noun"], ""),
        ("?!", ["noun", "verb"], ""),
    ],
)
def test_english(text, keep, words):
    assert normalise([text], keep=keep) == [words]


@pytest.mark.usefixtures("english")
def test_signs_that_taggers_use_themselves_do_no_harm():
    text = "tea/coffee and milk | sugar \\ &slash; 5$ \n salt\u00a0mill _ //"
    found = normalise([text], keep=["noun", "verb", "adjective"])[0].split()
    assert {"tea", "coffee", "milk", "sugar", "salt", "mill"} <= set(found)
    assert set(found) <= set(text.replace("/", " ").replace(";", " ").replace("&", " ").split())


@pytest.mark.usefixtures("chinese")
@pytest.mark.parametrize(
    ("text", "keep", "words"),
    [
        ("一个拳击手为大赛刻苦训练。", ["noun"], "拳击手 大赛 训练"),
        ("我爱北京天安门", ["noun"], "北京 天安门"),
        ("我爱北京天安门", ["verb"], "爱"),
        ("好看的红色连衣裙", ["adjective", "noun"], "红色 连衣裙"),
        ("iPhone 15 蓝牙耳机", ["noun"], "iPhone 蓝牙 耳机"),
        ("iPhone 15 蓝牙耳机", ["number"], "15"),
    ],
)
def test_chinese(text, keep, words):
    assert normalise([text], keep=keep, language="zh") == [words]


@pytest.mark.usefixtures("english")
def test_it_comes_before_small_letters_and_joins_other_steps():
    text = "<b>The</b> famous dogs of Paris, 2000"
    found = normalise([text], keep=["noun", "number"], html=True, lowercase=True, digits=True)
    assert found == ["dogs paris"]


@pytest.mark.usefixtures("english")
def test_a_model_reads_only_what_stays(tmp_path):
    titles = ["The slow train to Paris", "A quick fox", "It was a very big dog"]
    events = pl.DataFrame({"user_id": ["u"] * 3, "item_id": ["a", "b", "c"]})
    data = palate.read(events, items=pl.DataFrame({"item_id": ["a", "b", "c"], "title": titles}))
    words = palate.Tfidf(template="{title}", min_df=1, ngrams=[1, 1], normalise={"keep": ["noun"]})
    said = list(words.describe(data))
    assert "normalises every text: nothing stays but noun" in said
    model = palate.Pipeline(encoders={"words": words}, recommender=palate.Content()).fit(data)
    loaded = palate.load(model.save(tmp_path / "model"))
    assert loaded.encoders_["words"].vocabulary_ == ["dog", "fox", "paris", "train"]
    loaded.add_items(pl.DataFrame({"item_id": ["new"], "title": ["two very slow dog houses"]}))
    row = loaded.features.parts["words"].toarray()[-1]
    assert row.nonzero()[0].tolist() == [0]


@pytest.mark.parametrize(
    ("keep", "said"),
    [
        (["nuon"], "keep: no part of speech is called 'nuon'. Did you mean 'noun'"),
        ("noun", r"keep = 'noun' is no list: give one, as in keep = \[\"noun\"\]"),
        (True, "keep = True is no list"),
    ],
)
def test_what_is_no_part_of_speech_is_told(keep, said):
    with pytest.raises(ConfigError, match=said):
        palate.Tfidf(normalise={"keep": keep})
    with pytest.raises(ConfigError, match=said):
        normalise(["a"], keep=keep)


@pytest.mark.parametrize(
    ("language", "package", "extra"), [("en", "textblob", "en"), ("zh", "rjieba", "zh")]
)
def test_without_a_tagger_its_extra_is_named(language, package, extra, monkeypatch):
    for name in (package, "textblob.en"):
        monkeypatch.setitem(sys.modules, name, None)
    module._tagger.cache_clear()
    with pytest.raises(MissingExtraError, match=rf"pip install 'palate\[{extra}\]'"):
        normalise(["a dog"], keep=["noun"], language=language)
    module._tagger.cache_clear()
