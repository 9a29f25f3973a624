import sys

import pytest

from palate.core.errors import ConfigError, MissingExtraError
from palate.text import normalise as module
from palate.text.normalise import character_pairs, check_steps, normalise, segmenter, tokenise

STEPS = ("html", "lowercase", "stop_words", "punctuation", "digits", "segment")


def test_only_unicode_is_tidied_by_default():
    texts = ["The <b>BEST</b>  of 3 & more!", "ｉＰｈｏｎｅ①", None]
    assert normalise(texts) == ["The <b>BEST</b>  of 3 & more!", "iPhone1", ""]


def test_unicode_can_be_left_alone():
    assert normalise(["ｉＰｈｏｎｅ"], unicode=False) == ["ｉＰｈｏｎｅ"]


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("<p>Salt &amp; pepper</p>", "Salt & pepper"),
        ("a<br/>b", "a b"),
        ("x<script>if (a<b) {}</script >y", "x y"),
        ("one<!-- <b> -->two", "one two"),
        ("2 < 3 and 5 > 4", "2 < 3 and 5 > 4"),
        ("&lt;b&gt; is bold", "<b> is bold"),
    ],
)
def test_html(text, clean):
    assert normalise([text], html=True) == [clean]


def test_english_stop_words_go_whatever_stands_beside_them():
    text = "The cat, and (the) dog's toy. Andes!"
    assert normalise([text, "the The THE", ""], stop_words=True) == [
        "cat, dog's toy. Andes!",
        "",
        "",
    ]


def test_punctuation_and_digits():
    assert normalise(["Don't! 3-in-1, £5"], punctuation=True) == ["Dont 3 in 1 5"]
    assert normalise(["Room 101, 4K ４Ｋ"], digits=True) == ["Room , K K"]


def test_lowercase():
    assert normalise(["ÀB Straße"], lowercase=True) == ["àb straße"]


def test_english_words_are_parted_from_signs():
    assert normalise(["well-made, it's (new)"], segment=True) == ["well-made , it's ( new )"]


def test_chinese_segments_and_stop_words():
    text = "我来到了北京的清华大学，买了iPhone 15。"
    assert normalise([text], language="zh", segment=True) == [
        "我 来到 了 北京 的 清华大学 , 买 了 iPhone 15 。"
    ]
    assert normalise([text], language="zh", stop_words=True) == ["来到北京清华大学,买iPhone 15。"]
    assert normalise([text], language="zh", stop_words=True, segment=True, punctuation=True) == [
        "来到 北京 清华大学 买 iPhone 15"
    ]


@pytest.mark.parametrize("step", STEPS)
def test_every_step_keeps_the_number_of_texts(step):
    texts = ["", "A <i>b</i> the 1.", None, "  "]
    assert len(normalise(texts, **{step: True})) == 4
    assert normalise([], **{step: True}) == []


def test_a_language_without_words_is_refused():
    with pytest.raises(ConfigError, match="'zn' is not known"):
        normalise(["a"], language="zn")


def test_without_rjieba_the_extra_is_named(monkeypatch):
    segmenter.cache_clear()
    monkeypatch.setitem(sys.modules, "rjieba", None)
    with pytest.raises(MissingExtraError, match=r"palate\[zh\]"):
        normalise(["我们"], language="zh", segment=True)
    with pytest.raises(MissingExtraError, match=r"palate\[zh\]"):
        tokenise("我们", segment=True)
    assert tokenise("我们") == ["我们"]


def test_tokens_of_mixed_scripts():
    assert tokenise("Amélie's 花露水 3D") == ["amélie", "s", "花露", "露水", "3d"]
    assert tokenise("東京タワー") == ["東京", "京タ", "タワ", "ワー"]
    assert tokenise("花 & Ｘ") == ["花", "x"]
    assert tokenise("Glow-in-the-Dark") == ["glow", "in", "the", "dark"]
    assert tokenise("... !") == []


def test_tokens_by_words():
    assert tokenise("我来到北京清华大学 ok", segment=True) == [
        "我",
        "来到",
        "北京",
        "清华大学",
        "ok",
    ]


def test_character_pairs():
    assert character_pairs("花露水") == ["花露", "露水"]
    assert character_pairs("水") == ["水"]


def test_stop_words_are_words():
    assert all(word == word.strip() and word for word in module.STOP_WORDS_ZH)
    assert "的" in module.STOP_WORDS_ZH
    assert "清华" not in module.STOP_WORDS_ZH


def test_keeping_nothing_is_refused():
    with pytest.raises(ConfigError, match=r'keep = \[\] names nothing that stays.*keep = \["noun"'):
        check_steps({"keep": []})
    assert check_steps({"keep": ["noun"]}) == {"keep": ["noun"]}
