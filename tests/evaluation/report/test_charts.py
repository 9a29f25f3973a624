import math
import re

import numpy as np
import pytest

from palate.evaluation.report.charts import Bar, Curve, Pair, curve_plot, nice_top, paired_bars
from palate.evaluation.report.charts import whisker_bars as bars


@pytest.mark.parametrize(
    ("value", "top"),
    [(0.107, 0.15), (0.0031, 0.004), (1.0, 1.0), (9.1, 10.0), (0.0, 1.0), (math.nan, 1.0)],
)
def test_the_scale_ends_at_a_round_number(value, top):
    assert nice_top(value) == pytest.approx(top)


def test_bars_and_whiskers_stand_where_the_numbers_say():
    html = bars([Bar("a", 0.2, 0.1, 0.4), Bar("b", 0.05, 0.02, 0.06, "best")], level=0.3)
    assert re.findall(r'class="fill" width="([\d.]+)%"', html) == ["50.00", "12.50"]
    flat = r'class="whisker" x1="([\d.]+)%" x2="([\d.]+)%" y1="50%"'
    assert re.findall(flat, html) == [("25.00", "100.00"), ("5.00", "15.00")]
    assert re.findall(r'class="level" x1="([\d.]+)%"', html) == ["75.00", "75.00"]
    assert "0.200<" in html
    assert "0.100–0.400" in html
    assert '<li class="bar best">' in html
    assert "<span>0.4</span>" in html


def test_no_interval_no_whisker_and_no_value_no_bar():
    html = bars([Bar("few", 0.5), Bar("none", math.nan)])
    assert "whisker" not in html
    assert "level" not in html
    assert re.findall(r'class="fill" width="([\d.]+)%"', html) == ["100.00", "0.00"]
    assert bars([]).startswith('<ol class="bars"></ol>')


def test_pairs_share_one_scale():
    html = paired_bars([Pair("a", 0.5, 0.125), Pair("b", 0.25, 0.375)], strong="S", weak="W")
    assert re.findall(r'width="([\d.]+)%" height="55%"', html) == ["100.00", "50.00"]
    assert re.findall(r'width="([\d.]+)%" height="35%"', html) == ["25.00", "75.00"]
    assert "50.0%" in html


def test_curves_are_drawn_upwards_with_the_border_between_head_and_tail():
    x = np.array([0.0, 0.25, 1.0], dtype=np.float32)
    lines = [Curve("events", x, x, dashed=True), Curve("model", x, np.sqrt(x))]
    html = curve_plot(lines, border=0.2, left="H", right="T", label="L", x="X", y="Y")
    assert 'points="0.00,100.00 25.00,75.00 100.00,0.00"' in html
    assert '<polyline class="curve c0" points="0.00,100.00 25.00,50.00 100.00,0.00"' in html
    assert 'class="border" x1="20.00%"' in html
    assert re.findall(r'class="side"[^>]*text-anchor="(\w+)">(\w)', html) == [
        ("start", "T"),
        ("end", "H"),
    ]
    slim = curve_plot(lines, border=0.05, left="H", right="T", label="L", x="X", y="Y")
    assert ">H<" not in slim


def test_curves_beyond_the_colours_are_dashed():
    x = np.array([0.0, 1.0], dtype=np.float32)
    lines = [Curve("events", x, x, dashed=True), *(Curve(f"m{nth}", x, x) for nth in range(10))]
    html = curve_plot(lines, border=0.2, left="H", right="T", label="L", x="X", y="Y")
    classes = re.findall(r'<polyline class="([^"]+)"', html)
    assert len(set(classes)) == 11
    assert classes[-1] == "curve c1 again"
