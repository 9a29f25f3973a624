from pathlib import Path

import polars as pl
import pytest

from palate.config import check_comparable, config_of, read_config
from palate.data.split import split_by_time, split_leave_last_out, split_new_items
from palate.encoders.behaviour import Behaviour
from palate.encoders.use import TextEncoder
from palate.errors import ConfigError, DataError
from palate.fusion.concat import Concat
from palate.pipeline import Pipeline
from palate.recommenders.covisit import Covisit
from palate.recommenders.ranker import Ranker
from palate.representation.reduce import Reduce
from palate.representation.whiten import Whiten
from palate.rerankers.diversity import Diversity
from palate.selection.variance import Variance

ISSUE = """
[data]
interactions = "ratings.parquet"
items = "movies.parquet"
[split]
use = "time"
test = 0.2
[encoders.text]
use = "use"
template = "{title}. {genres}"
[encoders.clicks]
use = "behaviour"
[[representation]]
use = "whiten"
[fusion]
use = "concat"
[recommender]
use = "ranker"
"""
SMALL = '[data]\ninteractions = "log.csv"\n'


@pytest.fixture
def write(tmp_path):
    def write(text, name="films.toml"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    return write


def fails(path, *parts):
    with pytest.raises(ConfigError) as caught:
        read_config(path)
    for part in (Path(path).name, *parts):
        assert part in str(caught.value), str(caught.value)


def test_a_file_says_what_the_code_would(write):
    config = read_config(write(ISSUE))
    assert config.name == "films"
    assert config.split == {"use": "time", "test": 0.2}
    assert config.pipeline() == Pipeline(
        encoders={"text": TextEncoder(template="{title}. {genres}"), "clicks": Behaviour()},
        representation=[Whiten()],
        fusion=Concat(),
        recommender=Ranker(),
    )
    assert config.pipeline().recommender is not config.pipeline().recommender


def test_what_is_left_out_has_the_default(write):
    assert read_config(write(SMALL)).pipeline() == Pipeline()
    config = read_config(write(SMALL + '[recommender]\nuse = "covisit"\nwindow = 3\n'))
    assert config.pipeline() == Pipeline(recommender=Covisit(window=3))
    assert read_config(write(SMALL + "[encoders]\n")).pipeline().encoders == {}


def test_lists_of_components_keep_their_order(write):
    text = """
        [[representation]]
        use = "whiten"
        keep = 20
        [[representation]]
        use = "reduce"
        dim = 8
        [[selection]]
        use = "variance"
        [[rerankers]]
        use = "diversity"
        weight = 0.5
    """
    pipeline = read_config(write(SMALL + text)).pipeline()
    assert pipeline.representation == [Whiten(keep=20), Reduce(dim=8)]
    assert pipeline.selection == [Variance()]
    assert pipeline.rerankers == [Diversity(weight=0.5)]


def test_paths_start_where_the_file_is(write, tmp_path, monkeypatch):
    path = write('[data]\ninteractions = "../data/log.csv"\nitems = "items.csv"\n', "deep/a.toml")
    write("user,item\n1,a\n2,b\n1,b\n", "data/log.csv")
    write("item,title\na,Apple\nb,Bread\n", "deep/items.csv")
    monkeypatch.chdir(tmp_path)
    data, notes = read_config("deep/a.toml").read()
    assert data.items["title"].to_list() == ["Apple", "Bread"]
    assert str(tmp_path / "data" / "log.csv") in str(notes)
    whole = write(f"[data]\ninteractions = {str(tmp_path / 'data/log.csv')!r}\n", "far/b.toml")
    assert read_config(whole).data.interactions == read_config(path).data.interactions


def test_the_data_section_has_what_read_takes(write):
    write("wer,was,how,dwell\n1,a,view,3\n2,b,buy,4\n1,b,view,5\n2,z,view,6\n", "log.csv")
    write("item;words;tones\na;Ä;x/y\nb;B;z\n".encode("latin-1"), "items.csv")
    text = """
        [data]
        interactions = "log.csv"
        items = "items.csv"
        columns = {wer = "user_id", was = "item_id", how = "event"}
        events = {view = 1, buy = 5}
        keep = ["dwell"]
        lists = {tones = "/"}
        encoding = "latin-1"
        drop_unknown = true
    """
    data, notes = read_config(write(text)).read()
    assert data.weights.tolist() == [1.0, 5.0, 1.0]
    assert data.items["tones"].to_list() == [["x", "y"], ["z"]]
    assert data.items["words"][0] == "Ä"
    assert "dwell" in data.interactions.columns
    assert "dropped 1 events" in str(notes)


def test_unknown_items_are_dropped_when_asked(write):
    write("user,item\n1,a\n2,b\n1,z\n", "log.csv")
    write("item,title\na,Apple\nb,Bread\n", "items.csv")
    config = read_config(write('[data]\ninteractions = "log.csv"\nitems = "items.csv"\n'))
    with pytest.raises(DataError, match="--drop-unknown"):
        config.read()
    data, notes = config.read(drop_unknown=True)
    assert len(data.interactions) == 2
    assert "dropped 1 events of 1 items" in str(notes)


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ("", lambda data: split_by_time(data)),
        ("test = 0.4", lambda data: split_by_time(data, test=0.4)),
        ('at = "2020-10-01"', lambda data: split_by_time(data, at="2020-10-01")),
        ('use = "leave_last_out"', lambda data: split_leave_last_out(data)),
        (
            'use = "leave_last_out"\nmin_events = 5\nexclude_seen = false',
            lambda data: split_leave_last_out(data, min_events=5, exclude_seen=False),
        ),
        (
            'use = "new_items"\nshare = 0.3\nseed = 4',
            lambda data: split_new_items(data, share=0.3, seed=4),
        ),
    ],
)
def test_the_split_section_is_the_call(write, tiny, section, expected):
    split = read_config(write(f"{SMALL}[split]\n{section}\n")).cut(tiny)
    wanted = expected(tiny)
    assert split.name == wanted.name
    assert split.exclude_seen == wanted.exclude_seen
    assert split.train.interactions.equals(wanted.train.interactions)
    assert split.histories.items.tolist() == wanted.histories.items.tolist()
    assert split.new_items.tolist() == wanted.new_items.tolist()


def test_misspelt_names_are_guessed(write):
    fails(write(SMALL + "[recomender]\n"), "[recomender]", "Did you mean 'recommender'?")
    fails(write(SMALL + 'itms = "x"'), "[data]", "'itms'", "Did you mean 'items'?")
    fails(write(SMALL + "[split]\ntset = 0.2"), "[split]", "'tset'", "Did you mean 'test'?")
    fails(write(SMALL + '[split]\nuse = "tiem"'), "[split]", "'tiem'", "Did you mean 'time'?")
    fails(
        write(SMALL + '[encoders.text]\nuse = "tfidf"\ntemplat = "x"'),
        "[encoders.text]",
        "'templat'",
        "Did you mean 'template'?",
    )
    fails(
        write(SMALL + '[[selection]]\nuse = "variance"\n[[selection]]\nuse = "varance"'),
        "[[selection]] 2",
        "Did you mean 'variance'?",
    )


def test_settings_of_another_split(write):
    fails(
        write(SMALL + '[split]\nuse = "leave_last_out"\ntest = 0.3'),
        '[split] use = "leave_last_out"',
        "'test'",
        "min_events",
    )


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", ["[data] is missing", 'interactions = "FILE"']),
        ("[data]", ["[data] needs interactions"]),
        ("data = 3", ["data must be written as [data]"]),
        ("[data]\ninteractions = 3", ["[data].interactions = 3", "string"]),
        (SMALL + "drop_unknown = 1", ["[data].drop_unknown = 1", "boolean"]),
        (SMALL + 'events = {view = "much"}', ["[data].events", "number"]),
        (SMALL + "events = {view = nan}", ["[data].events", "finite"]),
        (SMALL + '[split]\ntest = "0.2"', ["[split].test = '0.2'"]),
        (SMALL + "[representation]\nuse = 'whiten'", ["written as [[representation]]"]),
        (SMALL + "[[fusion]]\nuse = 'concat'", ["written as [fusion]"]),
        ("representation = ['whiten']\n" + SMALL, ["[[representation]] 1", "must be a table"]),
        (
            SMALL + "[encoders]\nuse = 'tfidf'",
            ["[encoders] holds use = 'tfidf'", "[encoders.text]"],
        ),
        (SMALL + "[recommender]\nrounds = 3", ["[recommender] needs use"]),
        ("[data\n", ["is not TOML", "line 1"]),
        (b'[data]\ninteractions = "caf\xe9.csv"', ["cannot be read", "utf-8"]),
    ],
)
def test_what_cannot_be_used_is_named(write, text, parts):
    fails(write(text), *parts)


def test_no_such_file_guesses(write):
    path = write(SMALL)
    fails(path.with_name("film.toml"), "there is no pipeline file", "Did you mean 'films.toml'?")
    fails(path.parent / "nowhere" / "a.toml", "there is no pipeline file")
    fails(path.parent, "cannot be read")


def test_a_byte_order_mark_is_no_fault(write):
    assert read_config(write(SMALL.encode("utf-8-sig"))).name == "films"


def test_figures_are_compared_on_one_split(write):
    first = read_config(write(SMALL, "a.toml"))
    same = read_config(write(SMALL + '[recommender]\nuse = "ease"', "b.toml"))
    check_comparable([first, same])
    elsewhere = read_config(write(SMALL, "other/c.toml"))
    with pytest.raises(ConfigError, match="c names other"):
        check_comparable([first, same, elsewhere])
    other = read_config(write(SMALL + "[split]\ntest = 0.3", "d.toml"))
    with pytest.raises(ConfigError, match="d names other"):
        check_comparable([first, other])
    twin = read_config(write('[data]\ninteractions = "../log.csv"\n', "other/a.toml"))
    with pytest.raises(ConfigError, match="different names"):
        check_comparable([first, twin])


def test_tables_that_are_parsed_already(tmp_path, tiny):
    tiny.interactions.write_parquet(tmp_path / "log.parquet")
    config = config_of({"data": {"interactions": "log.parquet"}}, folder=tmp_path, name="mine")
    assert config.name == "mine"
    data, _ = config.read()
    assert data.interactions.select("item_id").equals(tiny.interactions.select("item_id"))
    assert isinstance(data.items, pl.DataFrame)
