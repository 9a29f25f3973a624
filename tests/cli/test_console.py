import io
import re
import sys
import warnings

import polars as pl
import pytest
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from palate.cli import console
from palate.cli.console import components_table, recommendations_table, records, shown_progress
from palate.core import progress
from palate.core.types import Recommendations
from palate.pipeline.dialect import toml

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
        ([{"type": "x", "on": False}], '[{type = "x", on = false}]'),
    ],
)
def test_settings_are_shown_as_a_file_holds_them(value, text):
    import tomllib

    assert toml(value) == text
    assert tomllib.loads(f"x = {text}")["x"] == value


def test_components_show_their_settings_line_by_line():
    text = shown(components_table("recommenders"), 80)
    assert "n_estimators = " in text
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


# ---- somebody else's words

HOSTILE = {
    "\x1b[2Jx": r"\x1b[2Jx",
    "red\x1b[31m tea\x1b]0;x\x07": r"red\x1b[31m tea\x1b]0;x",  # rich itself drops the bell
    "\x9b31mtea\x9d0;x\x9c": r"\x9b31mtea\x9d0;x\x9c",
    "tea\x7f\x00": r"tea\x7f\x00",
    "tea\u202eexe.gpj": r"tea\u202eexe.gpj",
    "\u2066tea\u2069": r"\u2066tea\u2069",
    "tea\rpot": None,
}
ACTS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def printed(thing, width=80, **options):
    stream = io.StringIO()
    console.SafeConsole(file=stream, width=width, emoji=False, **options).print(thing)
    return stream.getvalue()


@pytest.mark.parametrize(("text", "seen"), HOSTILE.items())
def test_no_text_acts_on_a_terminal(text, seen):
    said = printed(Text(text))
    assert not ACTS.search(said)
    assert seen is None or seen in said


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("width", [60, 120])
def test_titles_ids_and_reasons_in_a_table_do_not_act(text, width):
    lists = found(
        item_id=pl.Series([f"{text}{number}" for number in range(3)]),
        reasons=pl.Series([f"like “{text}”"] * 3),
    )
    titles = {name: f"title {name}\nsecond line" for name in lists.table["item_id"]}
    lines = printed(recommendations_table(lists, titles, caption=f"for {text}"), width).splitlines()
    assert not any(map(ACTS.search, lines))
    body = [line for line in lines if line.startswith(("┏", "┃", "┡", "│", "└"))]
    assert len({cell_len(line) for line in body}) == 1, "the edges are in line"


@pytest.mark.parametrize("word", ["word ", "字", "😀", "x"])
def test_titles_ids_and_reasons_that_go_on_are_shortened(word):
    endless = word * 2000
    lists = found(item_id=pl.Series([endless, "b", "c"]), reasons=pl.Series([endless] * 3))
    said = printed(recommendations_table(lists, {endless: endless, "b": endless}), 80)
    assert said.count("…") == 6
    assert len(said.splitlines()) < 100
    assert max(map(cell_len, said.splitlines())) <= 80


def test_colours_of_the_console_itself_stay():
    said = printed(Text("tea\x1b[0m", style="red"), force_terminal=True, color_system="standard")
    assert said.startswith("\x1b[31m")
    assert r"tea\x1b[0m" in said


@pytest.mark.parametrize("name", ["a [red] film", "[/b]", "\x1b[2Jx", "long " * 300])
def test_names_of_work_are_shown_as_they_are(capsys, name):
    with shown_progress(), progress.task(f"ranking by {name}", 4) as advance:
        advance(4)
    said = capsys.readouterr().err
    assert not ACTS.search(said)
    assert "4/4" in said
    assert name[:6].replace("\x1b", r"\x1b") in said


def test_warnings_do_not_act_and_end(capsys):
    with console.shown_warnings():
        warnings.simplefilter("always")
        warnings.warn("the file \x1b[31m.png" + "x" * 10**5, RuntimeWarning, stacklevel=1)
    said = capsys.readouterr().err
    assert said.startswith(r"warning: the file \x1b[31m.png")
    assert len(said) < 5000


def test_a_notebook_without_widgets_gets_a_line_a_task(monkeypatch, capsys):
    stream = console.SafeConsole(stderr=True, width=80)
    monkeypatch.setattr(console, "errors", stream)
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    stream.is_jupyter = True
    bars = console.ConsoleProgress()
    stream.is_jupyter = False  # where it is true lines go to the notebook itself
    with bars, progress.watch(bars), progress.task("outer", 3, "things") as done:
        with progress.task("inner", 1) as step:
            step(1)
        done(3)
    assert capsys.readouterr().err.splitlines() == ["✓ outer 3"]
