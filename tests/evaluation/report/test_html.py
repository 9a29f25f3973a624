import json
import math

import pytest

from palate.core.visible import shorten
from palate.evaluation.report.html import (
    NOTHING,
    count,
    decimal,
    escape,
    json_text,
    named,
    percent,
    say,
    signed,
    small,
)


def test_text_is_escaped_for_elements_and_attributes():
    assert escape("<a href='x'>\"&\"</a>") == (
        "&lt;a href=&#x27;x&#x27;&gt;&quot;&amp;&quot;&lt;/a&gt;"
    )
    assert named("<b>") == "<bdi>&lt;b&gt;</bdi>"


def test_shorten_cuts_before_escaping_and_keeps_one_line():
    assert shorten(" a\n b\t ") == "a b"
    assert shorten("x" * 161) == "x" * 159 + "…"
    assert shorten("x" * 160) == "x" * 160
    assert named("&" * 10, 4) == "<bdi>&amp;&amp;&amp;…</bdi>"


@pytest.mark.parametrize(
    ("shown", "wanted"),
    [
        (decimal(0.0705), "0.070"),
        (decimal(math.nan), NOTHING),
        (decimal(None), NOTHING),
        (signed(0.0124), "+0.012"),
        (signed(-0.5), "−0.500"),
        (small(0.002), "0.002"),
        (small(0.00031), "0.00031"),
        (small(0.0), "0.000"),
        (percent(0.1234), "12.3%"),
        (percent(math.nan), NOTHING),
        (count(1234567), "1,234,567"),
    ],
)
def test_numbers(shown, wanted):
    assert shown == wanted


def test_json_cannot_leave_its_element_and_reads_back():
    value = {"title": "</script><!-- & \u2028 三体"}
    text = json_text(value)
    assert not set("<>&\u2028") & set(text)
    assert "三体" in text
    assert json.loads(text) == value
    with pytest.raises(ValueError, match="Out of range"):
        json_text(math.nan)


def test_a_sentence_that_is_not_there_is_named():
    with pytest.raises(KeyError, match="Did you mean 'history'"):
        say({"history": ""}, "histroy")
