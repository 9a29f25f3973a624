import io
import warnings

import polars as pl
import pytest
from rich.cells import cell_len
from rich.console import Console

from palate import console, progress
from palate.console import components_table, recommendations_table, records, shown_progress, toml
from palate.types import Recommendations

TITLES = {"1": "Alien [1979]", "2": "外星人", "3": ":x: " + "long title " * 12}


def found(**columns):
    table = pl.DataFrame(
        {"user_id": ["u"] * 3, "item_id": ["2", "3", "1"], "score": [0.5, 0.25, -1.0]}
    )
    return Recommendations(table.with_columns(rank=pl.int_range(1, 4), **columns))


def shown(thing, width=80):
    stream = io.StringIO()
    Console(file=stream, width=width, emoji=False).print(thing)
    return stream.getvalue()


@pytest.mark.parametrize("width", [60, 80, 120])
def test_recommendations_show_titles_ids_and_scores(width):
    text = shown(recommendations_table(found(), TITLES, caption="for [u]"), width)
    assert "for [u]" in text
    assert "Alien [1979]" in text
    assert "外星人" in text
    assert ":x:" in text
    assert text.count("long") == 12
    assert "0.250" in text
    assert "-1.000" in text
    assert max(map(len, text.splitlines())) <= width


@pytest.mark.parametrize("width", [40, 80])
def test_reasons_stand_beside_the_scores(width):
    table = recommendations_table(found(reasons=pl.Series(["because [b]", "so", None])), TITLES)
    text = shown(table, width)
    for part in ("#", "item", "score", "why", "[b]", "0.500", "0.250", "-1.000"):
        assert part in text
    assert "None" not in text
    assert max(map(cell_len, text.splitlines())) <= width


def test_items_without_a_title_show_their_id():
    assert shown(recommendations_table(found(), {})).count("1") > 1


def test_records_are_plain():
    lines = records(found(), TITLES)
    assert lines[0] == {"user_id": "u", "item_id": "2", "score": 0.5, "rank": 1, "title": "外星人"}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (0.05, "0.05"),
        ("a", '"a"'),
        ('"é', '"\\"é"'),
        ([1, 2], "[1, 2]"),
        ([{"use": "x", "on": False}], '[{use = "x", on = false}]'),
    ],
)
def test_settings_are_shown_as_a_file_holds_them(value, text):
    import tomllib

    assert toml(value) == text
    assert tomllib.loads(f"x = {text}")["x"] == value


def test_components_show_their_settings_line_by_line():
    text = shown(components_table("recommenders"), 80)
    assert "rounds = " in text
    assert "weights (not set)" in text
    assert "behaviour = true" in text


def test_the_width_of_a_pipe_and_of_columns(monkeypatch):
    class Stream(io.StringIO):
        def isatty(self):
            return self.terminal

    stream = Stream()
    monkeypatch.delenv("COLUMNS", raising=False)
    stream.terminal = False
    assert console._width(stream) == console.PIPE_WIDTH
    stream.terminal = True
    assert console._width(stream) is None, "the terminal says"
    stream.terminal = False
    monkeypatch.setenv("COLUMNS", "77")
    assert console._width(stream) is None, "COLUMNS says"


def test_progress_shows_steps_rate_and_what_is_left(capsys):
    with shown_progress(), progress.task("read", 40, "rows") as advance:
        advance(10)
        advance(30)
    said = capsys.readouterr()
    assert not said.out
    assert "✓ read" in said.err
    assert "40/40" in said.err
    assert "left" in said.err


def test_work_that_ends_early_is_shown_as_done(capsys):
    with shown_progress():
        with progress.task("cases", 200, "cases") as advance:
            advance(60)
        with progress.task("cases", 30, "cases") as advance:
            advance(30)
    said = capsys.readouterr().err
    assert "60/60" in said
    assert "30/30" in said
    assert said.count("✓ cases") >= 2


def test_work_inside_other_work_leaves_no_line_behind(capsys):
    with shown_progress(), progress.task("fits", 2) as advance:
        for name in ("one", "two"):
            with progress.task(f"rank {name}", 5) as step:
                step(5)
            advance(1)
    last = capsys.readouterr().err.splitlines()
    assert [line for line in last if "2/2" in line]
    assert not [line for line in last if "rank" in line]


def test_work_that_is_stopped_is_not_shown_as_done(capsys):
    def stopped():
        with progress.task("cases", 200) as advance:
            advance(60)
            raise KeyboardInterrupt

    with shown_progress(), pytest.raises(KeyboardInterrupt):
        stopped()
    said = capsys.readouterr().err
    assert "60/200" in said
    assert "✓" not in said


def test_warnings_are_one_line_each(capsys):
    with console.shown_warnings():
        warnings.simplefilter("always")
        warnings.warn("vectors of [bold] are not cached", RuntimeWarning, stacklevel=1)
    assert capsys.readouterr().err == "warning: vectors of [bold] are not cached\n"
