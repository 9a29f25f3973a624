"""Hours and bytes, worked out by hand."""

import re
from pathlib import Path

import pytest

from palate.core.errors import ConfigError
from palate.features.batch.estimate import estimate, estimates


def test_hours_and_bytes():
    found = estimate(7_200_000, rate=500, dim=384, workers=2)
    assert found.hours == pytest.approx(2.0)
    assert found.worker_hours == pytest.approx(4.0)
    assert found.gigabytes == pytest.approx(7.2e6 * (384 * 4 + 16) / 1e9)
    half = estimate(7_200_000, rate=500, dim=384, workers=2, efficiency=0.5, precision="int8")
    assert half.hours == pytest.approx(4.0)
    assert half.gigabytes == pytest.approx(7.2e6 * (384 + 20) / 1e9)


def test_a_table_of_them():
    table = estimates(100_000_000, rate=1000, dim=256, workers=(1, 50))
    assert table["workers"].to_list() == [1, 50]
    assert table["hours"].to_list() == pytest.approx([27.78, 0.5556], rel=1e-3)
    assert table["GB as float32"].to_list() == pytest.approx([104.0, 104.0])
    assert table.columns == ["workers", "hours", "GB as float32", "GB as float16", "GB as int8"]


@pytest.mark.parametrize(
    "wrong", [{"items": 0}, {"rate": 0}, {"workers": 0}, {"dim": -1}, {"efficiency": 1.1}]
)
def test_what_cannot_be(wrong):
    given = {"items": 10, "rate": 1.0, "dim": 3} | wrong
    with pytest.raises(ConfigError, match="above 0"):
        estimate(given.pop("items"), **given)
    with pytest.raises(ConfigError, match="Did you mean 'int8'"):
        estimate(10, rate=1.0, dim=3, precision="int9")


def test_the_table_in_the_documents_is_that_of_its_rate():
    text = (Path(__file__).parents[3] / "docs" / "large-catalogues.md").read_text("utf-8")
    (rate,) = re.findall(r"^rate = ([\d_]+)", text, re.MULTILINE)
    (call,) = re.findall(r"estimates\(([\d_]+), rate=rate, dim=(\d+), workers=\(([\d, ]+)\)", text)
    workers = [int(count) for count in call[2].split(",")]
    table = estimates(int(call[0]), rate=float(rate), dim=int(call[1]), workers=workers)
    shown = text.partition("| workers | hours")[2].partition("\n\n")[0].splitlines()[2:]
    wanted = [
        f"| {count} | " + " | ".join(f"{number:.1f}" for number in others) + " |"
        for count, *others in table.rows()
    ]
    assert shown == wanted
