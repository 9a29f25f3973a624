import pytest

from palate.pipeline.explain.shared_attributes import (
    MOST_CHARACTERS,
    Said,
    is_worth_naming,
    shared_words,
)


def shared(one, other, **settings):
    return shared_words(Said.of(one, **settings), Said.of(other, **settings))


@pytest.mark.parametrize(
    ("one", "other", "wanted"),
    [
        ("Green tea pot", "A pot of green tea", ["green", "tea", "pot"]),
        ("pot, pot, tea", "tea pot", ["pot", "tea"]),
        ("Tea for two", "Coffee for two", []),
        ("Alien 3", "Alien 3: the 3rd", ["alien"]),
        ("8.5 oz of 16oz", "8.5 oz, 16oz", []),
        ("Caf\u00e9 \uff34ea", "tea cafe\u0301", ["café", "tea"]),
        ("L&#39;Or&eacute;al &amp; more", "Loréal & L'Oréal", ["oréal"]),
        ("", "tea", []),
    ],
)
def test_words_that_both_hold(one, other, wanted):
    assert shared(one, other) == wanted


@pytest.mark.parametrize(
    ("one", "other", "wanted"),
    [
        ("飞向太空旅行的人", "他去太空旅行了", ["太空旅行"]),
        ("太空里的旅行", "太空旅行", ["太空", "旅行"]),
        ("太空旅行", "太空，空旅，旅行", ["太空", "旅行"]),
        ("大太空旅行", "大太，太空旅行", ["太空旅行"]),
        ("很喜欢的手机壳", "喜欢新的手机，壳", ["喜欢", "手机"]),
        ("我们最好的防摔手机壳", "我们最好的防摔手机壳", ["最好", "防摔手机壳"]),
        ("青の海岸線", "白の海岸線", ["海岸線"]),
        ("太空站，空调房", "空调和太空", ["太空", "空调"]),
        ("我们的宇宙", "我们去宇宙", ["宇宙"]),
        ("海的女儿", "山的女儿", ["女儿"]),
        ("山上的海", "山上的云", ["山上"]),
        ("Tea 绿茶", "绿茶 tea", ["tea", "绿茶"]),
        ("ラーメン屋", "町のラーメン", ["ラーメン"]),
    ],
)
def test_pairs_of_characters_that_overlap_in_both_are_one_word(one, other, wanted):
    assert shared(one, other) == wanted


@pytest.mark.parametrize(
    ("one", "other", "wanted"),
    [
        ("太空旅行的故事", "太空旅行和故事", ["太空旅行", "故事"]),
        ("很喜欢的防摔手机壳", "防摔手机壳，喜欢", ["喜欢", "防摔手机壳"]),
        ("这款手机壳", "一款手机壳", ["手机壳"]),
        ("头戴式耳机", "无线耳机", ["耳机"]),
        ("天空中的客机", "天空，中的，客机场", ["天空"]),
        ("这本小说讲述历史故事", "小说讲述历史故事", ["小说讲述历史故事"]),
        ("这本小说讲述人物故事", "她说小说讲述人物故事吧", ["小说讲述人物故事"]),
        ("小说讲述历史人物故事", "小说讲述历史人物故事", ["小说", "讲述", "历史", "人物", "故事"]),
    ],
)
def test_words_that_a_segmenter_finds_stay_whole(one, other, wanted):
    """Neighbours in both texts are one phrase, unless it is as long as a sentence."""
    pytest.importorskip("rjieba")
    assert shared(one, other, segment=True) == wanted


def test_only_the_beginning_of_a_long_text_counts():
    assert shared("tea " * (MOST_CHARACTERS // 4) + "pot", "tea pot") == ["tea"]


@pytest.mark.parametrize("word", ["the", "of", "3d", "1984", "tv", "的", "我们", "茶", ""])
def test_words_that_say_nothing(word):
    assert not is_worth_naming(word)


@pytest.mark.parametrize("word", ["tea", "绿茶", "été"])
def test_words_that_say_something(word):
    assert is_worth_naming(word)
