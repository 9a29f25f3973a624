"""Slips in a pipeline file: which line, what is wrong, and how it is written."""

import re

import pytest

from palate.core.errors import ConfigError
from palate.pipeline.config import read_config

DATA = '[data]\ninteractions = "log.csv"\n'


def said(tmp_path, text):
    path = tmp_path / "films.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        read_config(path)
    assert str(caught.value).startswith(str(path))
    return str(caught.value).removeprefix(str(path))


@pytest.mark.parametrize(
    ("line", "fix"),
    [
        ("type = “time”", 'write type = "time"'),
        ("type = ‘time’", "write type = 'time'"),
        ("type = 「time」", 'write type = "time"'),
        ('type＝"time"', 'write type="time"'),
        ('ks = [1，2]  # "，"', "write ks = [1,2]"),
        ('type\u3000= "time"', 'a wide blank is read by no TOML: write type = "time"'),
        ("type = time", 'texts stand in quotes: write type = "time"'),
        ("folder = ./photos", 'write folder = "./photos"'),
        ("positive = rating >= 4", 'write positive = "rating >= 4"'),
        ("exclude_seen = True", "write exclude_seen = true"),
        ("exclude_seen = no", "write exclude_seen = false"),
        ("at = None", "leave the line out"),
        ("at = null", "leave the line out"),
        ("at =", "a value is missing"),
        ("test = .2", "write test = 0.2"),
        ("test = 0,2", "write test = 0.2"),
        ("test = 20%", "write a share: test = 0.2"),
        ('type: "time"', 'a setting is written with =: type = "time"'),
        ("evaluation:", "a section stands in brackets: [evaluation]"),
        ("[evaluation", "a bracket is missing: [evaluation]"),
        ("[[rerankers]", "a bracket is missing: [[rerankers]]"),
        ('type = "time";', 'lines end without ;: type = "time"'),
        ('type = "time', 'a quote " is missing'),
        ("ks = [5 10]", "a comma is missing between the parts of the list: 5, 10"),
        ('metrics = ["a b" "c"]', 'a comma is missing between the parts of the list: "a b", "c"'),
        ("ks = [5, 10", "] is missing"),
        ('parts = [{type = "covisit",', "put all of it on one line"),
        (r'at = "C:\Users\me"', 'write at = "C:/Users/me"'),
    ],
)
def test_the_line_and_how_it_is_written(tmp_path, line, fix):
    found = said(tmp_path, f"{DATA}[split]\n{line}\n")
    assert "is not TOML: line 4, " in found
    assert fix in found


def test_what_stands_there_twice_is_found_in_both_places(tmp_path):
    assert "line 5, 'test = 0.3': test stands there twice, first in line 4: keep one" in said(
        tmp_path, f"{DATA}[split]\ntest = 0.2\ntest = 0.3\n"
    )
    again = said(tmp_path, f"{DATA}[split]\ntest = 0.2\n[split]\n")
    assert "[split] stands there twice, first in line 3" in again


def test_json_is_recognised(tmp_path):
    assert "looks like JSON" in said(tmp_path, '{"data": {"interactions": "log.csv"}}')


def test_any_other_slip_shows_its_line(tmp_path):
    found = said(tmp_path, f"{DATA}[split]\n= 3\n")
    assert re.search(r"line 4, '= 3': ", found)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (
            '[fusion]\ntype = "concat"\nweights = "learned"',
            ["give 'learn' or", "Did you mean 'learn'?"],
        ),
        ('[fusion]\ntype = "concat"\nweights = {text = "2"}', ["weights.text = '2'", "a number"]),
        ('[evaluation]\nmetrics = "ndcg"', ["[evaluation].metrics", "give a list of texts"]),
        (
            '[split]\ntest = "0.2"',
            ["[split].test", "or leave it out. Write 0.2, without quotes"],
        ),
        ('[recommender]\ntype = "ranker"\nn_estimators = 2.5', ["give a whole number, 1 or more"]),
    ],
)
def test_another_kind_of_value_is_said_in_plain_words(tmp_path, text, wanted):
    found = said(tmp_path, f"{DATA}{text}\n")
    for part in wanted:
        assert part in found
    assert "Input should" not in found
