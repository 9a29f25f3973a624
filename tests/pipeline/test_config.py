from pathlib import Path

import polars as pl
import pytest

from palate.core.errors import ConfigError, DataError
from palate.data.split import split_by_time, split_cold_items, split_leave_last_out
from palate.features.encoders.behaviour import Behaviour
from palate.features.encoders.muse import TextEncoder
from palate.features.fusion.concat import Concat
from palate.features.representation.reduce import Reduce
from palate.features.representation.whiten import Whiten
from palate.features.selection.variance import Variance
from palate.pipeline.config import check_comparable, config_of, read_config
from palate.pipeline.pipeline import Pipeline
from palate.recommenders.covisit import Covisit
from palate.recommenders.ranker import Ranker
from palate.recommenders.rerankers.diversity import Diversity

SMALL = '[data]\ninteractions = "log.csv"\n'


@pytest.fixture
def pipeline_file(write):
    """`pipeline_file(text)` makes one that is called films."""
    return lambda text, name="films.toml": write(name, text)


def fails(path, *parts):
    with pytest.raises(ConfigError) as caught:
        read_config(path)
    for part in (Path(path).name, *parts):
        assert part in str(caught.value), str(caught.value)


def test_a_file_says_what_the_code_would(pipeline_file, manual):
    config = read_config(pipeline_file(manual))
    assert config.name == "films"
    assert config.split == {"type": "time", "test": 0.2}
    assert config.pipeline() == Pipeline(
        encoders={"text": TextEncoder(template="{title}. {genres}"), "clicks": Behaviour()},
        representation=[Whiten()],
        fusion=Concat(),
        recommender=Ranker(),
    )
    assert config.pipeline().recommender is not config.pipeline().recommender


def test_what_is_left_out_has_the_default(pipeline_file):
    assert read_config(pipeline_file(SMALL)).pipeline() == Pipeline()
    config = read_config(pipeline_file(SMALL + '[recommender]\ntype = "covisit"\nwindow = 3\n'))
    assert config.pipeline() == Pipeline(recommender=Covisit(window=3))
    assert read_config(pipeline_file(SMALL + "[encoders]\n")).pipeline().encoders == {}


def test_lists_of_components_keep_their_order(pipeline_file):
    text = """
        [[representation]]
        type = "whiten"
        keep = 20
        [[representation]]
        type = "reduce"
        dim = 8
        [[selection]]
        type = "variance"
        [[rerankers]]
        type = "diversity"
        weight = 0.5
    """
    pipeline = read_config(pipeline_file(SMALL + text)).pipeline()
    assert pipeline.representation == [Whiten(keep=20), Reduce(dim=8)]
    assert pipeline.selection == [Variance()]
    assert pipeline.rerankers == [Diversity(weight=0.5)]


def test_paths_start_where_the_file_is(write, pipeline_file, tmp_path, monkeypatch):
    path = pipeline_file(
        '[data]\ninteractions = "../data/log.csv"\nitems = "items.csv"\n', "deep/a.toml"
    )
    write("data/log.csv", "user,item\n1,a\n2,b\n1,b\n")
    write("deep/items.csv", "item,title\na,Apple\nb,Bread\n")
    monkeypatch.chdir(tmp_path)
    data, notes = read_config("deep/a.toml").read()
    assert data.items["title"].to_list() == ["Apple", "Bread"]
    assert str(tmp_path / "data" / "log.csv") in str(notes)
    whole = pipeline_file(
        f"[data]\ninteractions = {str(tmp_path / 'data/log.csv')!r}\n", "far/b.toml"
    )
    assert read_config(whole).data.interactions == read_config(path).data.interactions


def test_paths_of_encoders_start_where_the_file_is_too(pipeline_file, tmp_path, monkeypatch):
    text = """
        [encoders.graph]
        type = "graph"
        triples = "kg.tsv"
        links = "../kg.link"
        [encoders.photo]
        type = "image"
        [encoders.sound]
        type = "audio"
        folder = "sounds"
        [encoders.mine]
        type = "precomputed"
        path = "vectors"
        [encoders.said]
        type = "sentiment"
        labels = "ratings"
        encoder = {type = "static", model = "student"}
        [encoders.read]
        type = "sentiment"
        labels = "labels.csv"
        [encoders.words]
        type = "transformer"
        model = "minilm"
    """
    path = pipeline_file(SMALL + text, "deep/a.toml")
    deep = tmp_path / "deep"
    for name in ("student", "minilm"):
        (deep / name).mkdir()
    monkeypatch.chdir(deep)
    config = read_config("a.toml")
    monkeypatch.chdir(tmp_path)
    made = config.pipeline().encoders
    assert made == read_config(path).pipeline().encoders
    assert (made["graph"].triples, made["graph"].links) == (
        str(deep / "kg.tsv"),
        str(tmp_path / "kg.link"),
    )
    assert (made["photo"].folder, made["sound"].folder) == (str(deep), str(deep / "sounds"))
    assert made["mine"].path == str(deep / "vectors")
    assert (made["said"].labels, made["said"].encoder["model"]) == ("ratings", f"{deep}/student")
    assert made["read"].labels == str(deep / "labels.csv")
    assert made["words"].model == "minilm"


def test_the_data_section_has_what_read_takes(write, pipeline_file):
    write("log.csv", "wer,was,how,dwell\n1,a,view,3\n2,b,buy,4\n1,b,view,5\n2,z,view,6\n")
    write("items.csv", "item;words;tones\na;Ä;x/y\nb;B;z\n".encode("latin-1"))
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
    data, notes = read_config(pipeline_file(text)).read()
    assert data.weights.tolist() == [1.0, 5.0, 1.0]
    assert data.items["tones"].to_list() == [["x", "y"], ["z"]]
    assert data.items["words"][0] == "Ä"
    assert "dwell" in data.interactions.columns
    assert "dropped 1 event" in str(notes)


def test_each_table_may_have_its_own_encoding(write, pipeline_file):
    write("log.csv", "user,item\n张三,a\n李四,b\n")
    write("items.csv", "item,title\na,Thé\nb,Café\n".encode("latin-1"))
    text = '[data]\ninteractions = "log.csv"\nitems = "items.csv"\nencoding = {encoding}\n'
    data, _ = read_config(pipeline_file(text.replace("{encoding}", '{items = "latin-1"}'))).read()
    assert data.user_ids.tolist() == ["张三", "李四"]
    assert data.items["title"].to_list() == ["Thé", "Café"]
    both = read_config(pipeline_file(text.replace("{encoding}", '"latin-1"')))
    fix = r'\[data\] encoding = \{interactions = "utf-8", items = "latin-1"\}'
    with pytest.raises(DataError, match=fix):
        both.read()
    fails(pipeline_file(text.replace("{encoding}", "3")), "[data].encoding = 3")


def test_rows_that_lack_something_are_left_out_when_asked(write, pipeline_file):
    write("log.csv", "user,item,ts\n1,a,1\n,a,2\n2,b,3\n2,a,\n")
    text = '[data]\ninteractions = "log.csv"\n'
    with pytest.raises(DataError, match=r"\[data\] drop_missing = true"):
        read_config(pipeline_file(text)).read()
    data, notes = read_config(pipeline_file(text + "drop_missing = true\n")).read()
    assert data.interactions["user_id"].to_list() == ["1", "2"]
    assert "left out 1 row without 'user': line 3" in str(notes)


def test_columns_without_names_go_by_their_places(write, pipeline_file):
    write("log.csv", "u1,g1\nu2,g2\n")
    text = '[data]\ninteractions = "log.csv"\n[data.columns]\n'
    places = 'column_1 = "user_id"\ncolumn_2 = "item_id"\n'
    data, _ = read_config(pipeline_file(text + places)).read()
    assert data.user_ids.tolist() == ["u1", "u2"]


def test_unknown_items_are_dropped_when_asked(write, pipeline_file):
    write("log.csv", "user,item\n1,a\n2,b\n1,z\n")
    write("items.csv", "item,title\na,Apple\nb,Bread\n")
    config = read_config(pipeline_file('[data]\ninteractions = "log.csv"\nitems = "items.csv"\n'))
    with pytest.raises(DataError, match="--drop-unknown"):
        config.read()
    data, notes = config.read(drop_unknown=True)
    assert len(data.interactions) == 2
    assert "dropped 1 event of 1 item" in str(notes)


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ("", lambda data: split_by_time(data)),
        ("test = 0.4", lambda data: split_by_time(data, test=0.4)),
        ('at = "2020-10-01"', lambda data: split_by_time(data, at="2020-10-01")),
        ('type = "leave_last_out"', lambda data: split_leave_last_out(data)),
        (
            'type = "leave_last_out"\nmin_events = 5\nexclude_seen = false',
            lambda data: split_leave_last_out(data, min_events=5, exclude_seen=False),
        ),
        (
            'type = "cold_items"\nshare = 0.3\nseed = 4',
            lambda data: split_cold_items(data, share=0.3, seed=4),
        ),
    ],
)
def test_the_split_section_is_the_call(pipeline_file, tiny, section, expected):
    split = read_config(pipeline_file(f"{SMALL}[split]\n{section}\n")).cut(tiny)
    wanted = expected(tiny)
    assert split.name == wanted.name
    assert split.exclude_seen == wanted.exclude_seen
    assert split.train.interactions.equals(wanted.train.interactions)
    assert split.histories.items.tolist() == wanted.histories.items.tolist()
    assert split.cold_items.tolist() == wanted.cold_items.tolist()


def test_misspelt_names_are_guessed(pipeline_file):
    fails(pipeline_file(SMALL + "[recomender]\n"), "[recomender]", "Did you mean 'recommender'?")
    fails(pipeline_file(SMALL + 'itms = "x"'), "[data]", "'itms'", "Did you mean 'items'?")
    fails(pipeline_file(SMALL + "[split]\ntset = 0.2"), "[split]", "'tset'", "Did you mean 'test'?")
    fails(
        pipeline_file(SMALL + '[split]\ntype = "tiem"'), "[split]", "'tiem'", "Did you mean 'time'?"
    )
    fails(
        pipeline_file(SMALL + '[encoders.text]\ntype = "tfidf"\ntemplat = "x"'),
        "[encoders.text]",
        "'templat'",
        "Did you mean 'template'?",
    )
    fails(
        pipeline_file(SMALL + '[[selection]]\ntype = "variance"\n[[selection]]\ntype = "varance"'),
        "[[selection]] 2",
        "Did you mean 'variance'?",
    )


def test_misspelt_blocks_are_guessed(pipeline_file):
    head = SMALL + '[encoders.text]\ntype = "tfidf"\n[encoders.clicks]\ntype = "behaviour"\n'
    for tail, setting in (
        ('[fusion]\ntype = "concat"\nweights = {txt = 2.0}', "fusion.weights"),
        ('[recommender]\ntype = "content"\nblocks = ["txt"]', "content.blocks"),
        ('[[rerankers]]\ntype = "diversity"\nblock = "txt"', "diversity.block"),
        (
            '[recommender]\ntype = "blend"\nparts = [{type = "content", blocks = ["txt"]}]',
            "blend.parts[0].blocks",
        ),
    ):
        fails(
            pipeline_file(head + tail),
            f"{setting}: no block is called 'txt'",
            "Did you mean 'text'?",
        )
        read_config(pipeline_file(head + tail.replace("txt", "text")))
        read_config(pipeline_file(SMALL + tail))  # the default encoders are known from the data
    fails(
        pipeline_file(SMALL + '[encoders."similar users"]\ntype = "tfidf"'),
        "'similar users'",
        "beside the ranker",
    )


def test_messages_show_settings_as_the_file_has_them(write, pipeline_file):
    write("log.csv", "wer,was,ts\n1,a,1\n2,b,2\n1,b,3\n")
    with pytest.raises(DataError) as caught:
        read_config(pipeline_file(SMALL)).read()
    assert '[data] columns = {"THEIR NAME" = "user_id"}' in str(caught.value)
    config = read_config(
        pipeline_file(SMALL + 'columns = {wer = "user_id", was = "item_id", ts = "text"}')
    )
    data, _ = config.read()
    with pytest.raises(DataError) as caught:
        config.cut(data)
    assert '[data] columns = {"THEIR NAME" = "timestamp"}' in str(caught.value)


def test_settings_of_another_split(pipeline_file):
    fails(
        pipeline_file(SMALL + '[split]\ntype = "leave_last_out"\ntest = 0.3'),
        '[split] type = "leave_last_out"',
        "'test'",
        "min_events",
    )


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", ["[data] is missing", 'interactions = "FILE"']),
        ("[data]", ["[data] needs interactions"]),
        ("data = 3", ["data must be written as [data]"]),
        ("[data]\ninteractions = 3", ["[data].interactions = 3", "text"]),
        (SMALL + "drop_unknown = 1", ["[data].drop_unknown = 1", "drop_unknown = true"]),
        (SMALL + 'events = {view = "much"}', ["[data].events", "number"]),
        (SMALL + "events = {view = nan}", ["[data].events", "finite"]),
        (SMALL + '[split]\ntest = "0.2"', ["[split].test = '0.2'"]),
        (SMALL + "[representation]\ntype = 'whiten'", ["written as [[representation]]"]),
        (SMALL + "[[fusion]]\ntype = 'concat'", ["written as [fusion]"]),
        ("representation = ['whiten']\n" + SMALL, ["[[representation]] 1", "must be a table"]),
        (
            SMALL + "[encoders]\ntype = 'tfidf'",
            ["[encoders] holds type = 'tfidf'", "[encoders.text]"],
        ),
        (SMALL + "[recommender]\nn_estimators = 3", ["[recommender] needs type"]),
        ("[data\n", ["is not TOML", "line 1"]),
        (b'[data]\ninteractions = "caf\xe9.csv"', ["is not in UTF-8", "utf-8"]),
    ],
)
def test_what_cannot_be_used_is_named(pipeline_file, text, parts):
    fails(pipeline_file(text), *parts)


def test_no_such_file_guesses(pipeline_file):
    path = pipeline_file(SMALL)
    fails(path.with_name("film.toml"), "there is no pipeline file", "Did you mean 'films.toml'?")
    fails(path.parent / "nowhere" / "a.toml", "there is no pipeline file")
    fails(path.parent, "is a folder: name a pipeline file", "films.toml")


def test_a_byte_order_mark_is_no_fault(pipeline_file):
    assert read_config(pipeline_file(SMALL.encode("utf-8-sig"))).name == "films"


def test_figures_are_compared_on_one_split(pipeline_file):
    first = read_config(pipeline_file(SMALL, "a.toml"))
    same = read_config(pipeline_file(SMALL + '[recommender]\ntype = "ease"', "b.toml"))
    check_comparable([first, same])
    elsewhere = read_config(pipeline_file(SMALL, "other/c.toml"))
    with pytest.raises(ConfigError, match="c names other"):
        check_comparable([first, same, elsewhere])
    other = read_config(pipeline_file(SMALL + "[split]\ntest = 0.3", "d.toml"))
    with pytest.raises(ConfigError, match="d names other"):
        check_comparable([first, other])
    twin = read_config(pipeline_file('[data]\ninteractions = "../log.csv"\n', "other/a.toml"))
    with pytest.raises(ConfigError, match=r"different names.*a, a: rename one file"):
        check_comparable([first, twin])


def test_tables_that_are_parsed_already(tmp_path, tiny):
    tiny.interactions.write_parquet(tmp_path / "log.parquet")
    config = config_of({"data": {"interactions": "log.parquet"}}, folder=tmp_path, name="mine")
    assert config.name == "mine"
    data, _ = config.read()
    assert data.interactions.select("item_id").equals(tiny.interactions.select("item_id"))
    assert isinstance(data.items, pl.DataFrame)


@pytest.mark.parametrize(
    "content",
    [
        "a = " + "[" * 100_000,
        "a = " + "[" * 900 + "]" * 900,
        "[data]\n" + ".".join("a" * 3000) + " = 1",
        "a = " + "9" * 5000,
        "a = 2020-99-99",
        "[data]\ninteractions = " + "{a = " * 2000,
        "\ufeff[[[",
    ],
)
def test_files_that_no_parser_can_read(pipeline_file, content):
    fails(pipeline_file(content))


def test_without_components_nothing_is_imported(pipeline_file):
    path = pipeline_file(SMALL + '[recommender]\ntype = "no_such_module_here:Mine"\n')
    fails(path, "no_such_module_here")
    settings = read_config(path, components=False)
    assert settings.data.interactions == str(path.parent / "log.csv")
    assert settings.split["type"] == "time"


@pytest.mark.parametrize(
    "name", ["palate.recommenders.ease:Ease", "palate:Ease", "palate.core.errors:X"]
)
def test_palates_own_components_have_names_alone(pipeline_file, name):
    fails(pipeline_file(SMALL + f'[recommender]\ntype = "{name}"\n'), "own components have names")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            '[encoders.x]\nuse = "tfidf"',
            '[encoders.x]: use is called type now: write type = "tfidf"',
        ),
        (
            '[recommender]\nuse = "ease"',
            '[recommender]: use is called type now: write type = "ease"',
        ),
        ('[split]\nuse = "time"', '[split]: use is called type now: write type = "time"'),
        (
            '[[rerankers]]\nuse = "a b"',
            '[[rerankers]] 1: use is called type now: write type = "a b"',
        ),
        ('[encoders.x]\ntype = "use"', "called 'use'. It is called 'muse' now."),
        ('[split]\ntype = "new_items"', "called 'new_items'. It is called 'cold_items' now."),
        ('[recommender]\ntype = "ranker"\nrounds = 3', "It is called 'n_estimators' now."),
        ('[recommender]\ntype = "ease"\nuse = "x"', "[recommender] has no setting 'use'."),
    ],
)
def test_names_of_an_earlier_version(pipeline_file, text, said):
    fails(pipeline_file(SMALL + text), said)
