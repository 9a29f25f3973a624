"""Somebody else's words reach a person as words: on the terminal, in the log, in errors."""

import itertools
import json
import logging
import re

import polars as pl
import pytest
from rich.cells import cell_len

import palate
from palate.core.errors import ArtefactError, ConfigError, DataError, MissingExtraError
from palate.core.visible import bounded, counted, json_visible, one_line, quoted, shorten, visible

ACTS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
HOSTILE = (
    "\x1b[2Jx",
    "red\x1b[31m tea\x1b]0;x\x07",
    "\x9b31mtea\x9d0;x\x9c",
    "tea\x7f\x08\x08",
    "tea\rpot",
    "tea\u202eexe.gpj",
    "\u2067tea",
    "tea\nerror: pot",
    "[red]tea[/bold]",
    "tea " * 2000,
    "茶" * 2000,
)
CONFIG = """
[data]
interactions = "log.jsonl"
items = "items.jsonl"
{columns}
[encoders.words]
type = "tfidf"
[recommender]
type = "covisit"
"""


@pytest.mark.parametrize("text", HOSTILE, ids=itertools.count())
def test_nothing_acts_and_visible_twice_is_visible_once(text):
    said = visible(text)
    assert not ACTS.search(said)
    assert visible(said) == said
    assert said.count("\n") == text.count("\n")
    assert "\n" not in one_line(text)
    assert "\n" not in shorten(text)
    assert cell_len(shorten(text)) <= 160


@pytest.mark.parametrize(
    "text",
    ["三体 · 刘慈欣", "👩‍👩‍👧 😀", "שלום\u200f", "می\u200cخواهم", "a\tb\nc", "naïve e\u0301"],
)
def test_what_people_write_stays(text):
    assert visible(text) == text


@pytest.mark.parametrize(
    ("text", "cells", "short"),
    [
        (" a\n b\t ", 9, "a b"),
        ("x" * 10, 10, "x" * 10),
        ("x" * 11, 10, "x" * 9 + "…"),
        ("茶" * 5, 10, "茶" * 5),
        ("茶" * 6, 10, "茶" * 4 + "…"),
        ("one two three", 9, "one two…"),
        ("e\u0301" * 10, 10, "e\u0301" * 10),
    ],
)
def test_shorten_counts_cells(text, cells, short):
    assert shorten(text, cells) == short


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("a'b", '"a\'b"'),
        (12, "12"),
        (["x"], "['x']"),
        ("x" * 999, repr("x" * 80 + "…") + " (999 letters)"),
    ],
)
def test_values_in_errors_are_quoted_and_short(value, shown):
    assert quoted(value) == shown


def test_a_message_keeps_its_beginning_and_its_end():
    said = bounded("no such item: " + "x" * 10**6 + "; fix it")
    assert said.startswith("no such item: xxx")
    assert said.endswith("x; fix it")
    assert "characters left out" in said
    assert len(said) < 4100
    assert bounded("short") == "short"


@pytest.mark.parametrize("kind", [DataError, ConfigError, ArtefactError, MissingExtraError])
@pytest.mark.parametrize("text", HOSTILE, ids=itertools.count())
def test_messages_of_errors_do_not_act_and_end(kind, text):
    said = str(kind(f"the file {text} is damaged: " + text * 1000))
    assert not ACTS.search(said)
    assert said.startswith("the file ")
    assert len(said) < 4200


@pytest.mark.parametrize("text", HOSTILE, ids=itertools.count())
def test_lines_of_the_log_do_not_act(caplog, text):
    items = pl.DataFrame({"item_id": ["a", "b"], "title": ["tea", "pot"], text: [None, None]})
    events = pl.DataFrame({"user_id": ["u", "v"], "item_id": ["a", "b"]})
    with caplog.at_level(logging.INFO, logger="palate"):
        palate.read(events, items=items)
    assert caplog.messages
    assert not any(map(ACTS.search, caplog.messages))
    assert not any("\n" in line for line in caplog.messages)
    assert max(map(len, caplog.messages)) < 4200


def lines_of(rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


@pytest.fixture
def shop(tmp_path):
    """A shop whose titles, ids, people and columns are called `text`."""

    def write(text, columns=""):
        names = [f"{text}{number}" for number in range(6)]
        events = [
            {
                "user_id": f"{text}u{user}",
                "item_id": names[(user + step) % 6],
                "timestamp": step,
            }
            for user in range(8)
            for step in range(4)
        ]
        items = [
            {"item_id": name, "title": f"{text} green tea {number}", f"column {text}": number}
            for number, name in enumerate(names)
        ]
        (tmp_path / "log.jsonl").write_text(lines_of(events))
        (tmp_path / "items.jsonl").write_text(lines_of(items))
        (tmp_path / "shop.toml").write_text(CONFIG.format(columns=columns))
        return names

    return write


@pytest.mark.parametrize("text", HOSTILE, ids=itertools.count())
def test_no_command_lets_words_act(command, shop, tmp_path, text):
    names = shop(text)
    config, model, figures = tmp_path / "shop.toml", tmp_path / "model", tmp_path / "a.json"
    history = json.dumps(names[:2])
    done = [
        command("check", config),
        command("fit", config, "--out", model),
        command("evaluate", model),
        command("recommend", model, "--history", history, "-k", "3", "--json", figures),
        command("recommend", model, "--user", f"{text}u1"),
    ]
    for said in done:
        assert said.code == 0, said.err
    done += [
        command("recommend", model, "--user", text),
        command("recommend", model, "--history", json.dumps([text])),
    ]
    for said in done:
        assert not ACTS.search(said.out + said.err)
        assert len(said.err) < 10**4
    assert len(done[3].out.splitlines()) < 60
    found = json.loads(figures.read_text())
    assert {line["item_id"] for line in found} <= set(names), "figures hold ids as they are"
    body = [line for line in done[3].out.splitlines() if line.startswith(("┃", "│", "└"))]
    assert len({cell_len(line) for line in body}) == 1, "the edges are in line"


@pytest.mark.parametrize("name", ["\x1b[31mshop", "sh\x9bop", "[red]shop", "sh\u202eop"])
def test_names_of_files_do_not_act(command, shop, tmp_path, name):
    shop("tea")
    other = tmp_path / f"{name}.toml"
    (tmp_path / "shop.toml").rename(other)
    for said in (
        command("check", other),
        command("fit", other, "--out", tmp_path / name),
        command("evaluate", tmp_path / name),
        command("compare", other, "--json", tmp_path / f"{name}.json"),
    ):
        assert said.code == 0, said.err
        assert not ACTS.search(said.out + said.err)
        assert visible(name) in (said.out + said.err).replace("\n", "")
    gone = command("check", tmp_path / f"{name}.tom")
    assert gone.code == 1
    assert not ACTS.search(gone.out + gone.err)


@pytest.mark.parametrize(
    "config",
    [
        '[data]\ninteractions = "{}"',
        '[data]\ninteractions = "log.jsonl"\n"{}" = 1',
        '[data]\ninteractions = "log.jsonl"\n["{}"]',
        '[data]\ninteractions = "log.jsonl"\n[split]\ntype = "{}"',
        '[data]\ninteractions = "log.jsonl"\n[split]\ntest = "{}"',
        '[data]\ninteractions = "log.jsonl"\n[recommender]\ntype = "{}"',
        '[data]\ninteractions = "log.jsonl"\n[encoders]\n"{}" = 1',
        '[data]\ninteractions = "log.jsonl"\n[encoders.x]\ntype = "tfidf"\nmin_df = "{}"',
        '[data]\ninteractions = "log.jsonl"\n[encoders.x]\ntype = "tfidf"\ntemplate = "{}{{"',
        '[data]\ninteractions = "log.jsonl"\n[encoders.x]\ntype = "tfidf"\ntemplate = "{{{}}}"',
    ],
)
@pytest.mark.parametrize(
    "text", ["\\u001B[31m", "\\u009B", "x" * 10**5], ids=["C0", "C1", "endless"]
)
def test_errors_about_a_pipeline_file_do_not_act_and_end(command, shop, tmp_path, config, text):
    shop("tea")
    path = tmp_path / "bad.toml"
    path.write_text(config.format(text))
    said = command("check", path)
    assert said.code == 1
    assert not ACTS.search(said.err)
    assert len(said.err) < 4500


@pytest.mark.parametrize(
    "words",
    [
        ("recommend", "model", "--allow", "{}"),
        ("recommend", "model", "--history", '["{}", true]'),
        ("list", "{}"),
        ("encode", "items.jsonl", "--encoder", "{}", "--out", "v"),
        ("encode", "items.jsonl", "--encoder", "tfidf", "--out", "v", "--list", "{}"),
        ("bench", "sequence", "{}"),
        ("bench", "sequence", ".", "--recommender", "{}"),
        ("{}",),
        ("recommend", "model", "-k", "{}"),
    ],
)
@pytest.mark.parametrize(
    "text", ["\x1b[31mx", "\x9bx", "\u202ex", "x" * 10**5], ids=itertools.count()
)
def test_errors_about_options_do_not_act_and_end(command, tmp_path, monkeypatch, words, text):
    monkeypatch.chdir(tmp_path)
    said = command(*(word.replace("{}", text) for word in words))
    assert said.code in (1, 2)
    assert not ACTS.search(said.err)
    if said.code == 1:
        assert len(said.err) < 4500


# ---- histories


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        (["a0,a1"], ["a0", "a1"]),
        (["a0 , a1,"], ["a0", "a1"]),
        (["a0", "a1"], ["a0", "a1"]),
        (['["a0", "a1"]'], ["a0", "a1"]),
        (['["b,c", " d", "[e]"]'], ["b,c", " d", "[e]"]),
        (["b,c", " d"], ["b,c", " d"]),
        (["[e]", "b,c"], ["[e]", "b,c"]),
        (["[e]"], ["[e]"]),
        ([" [7, 8.0] "], ["7", "8.0"]),
        (["a0", '["b,c"]'], ["a0", "b,c"]),
    ],
)
def test_histories(command, tmp_path, words, asked):
    names = ["a0", "a1", "b,c", " d", "[e]", "7", "8.0", "z"]
    users = [[names[(start + step) % 8] for step in range(5)] for start in range(8)]
    events = [
        {"user_id": f"u{user}", "item_id": name, "timestamp": step}
        for user, line in enumerate(users)
        for step, name in enumerate(line)
    ]
    (tmp_path / "log.jsonl").write_text(lines_of(events))
    (tmp_path / "items.jsonl").write_text(
        lines_of({"item_id": name, "title": f"tea {row}"} for row, name in enumerate(names))
    )
    (tmp_path / "shop.toml").write_text(CONFIG.format(columns=""))
    model = tmp_path / "model"
    assert command("fit", tmp_path / "shop.toml", "--out", model).code == 0
    figures = tmp_path / "a.json"
    options = [part for word in words for part in ("--history", word)]
    done = command("recommend", model, *options, "-k", "8", "--json", figures)
    assert done.code == 0, done.err
    found = {line["item_id"] for line in json.loads(figures.read_text())}
    assert found == set(names) - set(asked)


def test_json_keeps_its_value_and_shows_no_control_characters():
    value = {"title\u202e": "red\x9b2J tea\x1b\x7f\u2066", "tabs": "a\tb\n", "表": "茶 é"}
    text = json_visible(json.dumps(value, ensure_ascii=False, indent=1))
    assert json.loads(text) == value
    assert text == visible(text)
    assert "茶 é" in text
    assert json_visible('"\ud800"').encode() == b'"\\ud800"'


def test_counts_go_with_their_nouns():
    assert [counted(n, "row") for n in (0, 1, 2, 1234)] == [
        "0 rows",
        "1 row",
        "2 rows",
        "1,234 rows",
    ]
    assert [counted(n, "person") for n in (1, 2)] == ["1 person", "2 people"]
    assert [counted(n, "row is", "rows are") for n in (1, 2)] == ["1 row is", "2 rows are"]
