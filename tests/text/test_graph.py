import polars as pl
import pytest

from palate.core.dataset import Dataset
from palate.core.errors import ConfigError, DataError
from palate.text.graph import with_graph_text

LINES = [
    *("m.1\tfilm.film.genre\tcomedy", "m.2\tfilm.film.genre\tcomedy"),
    *("m.3\tfilm.film.genre\tcomedy", "m.1\tfilm.film.genre\tcrime", "m.2\tfilm.film.genre\tcrime"),
    *("m.1\tfilm.film.directed_by\tp.1", "m.3\tfilm.film.directed_by\tp.1"),
    *("p.1\tfilm.director.film\tm.1", "p.9\tfilm.editor.film\tm.1"),
    "m.1\tfilm.film.genre\talone",
]


@pytest.fixture
def graph(write):
    return write("graph.tsv", "\n".join(LINES))


@pytest.fixture
def films():
    items = pl.DataFrame({"item_id": ["m.3", "x", "m.1"], "title": ["C", "X", "A"]})
    return Dataset(pl.DataFrame({"user_id": ["ann"], "item_id": ["x"]}), items)


def texts(data, *arguments, **settings):
    found = with_graph_text(data, *arguments, **settings)
    assert found.items.drop("graph_text").equals(data.items)
    assert found.interactions is data.interactions
    return dict(found.items.select("item_id", "graph_text").rows())


def test_what_others_share_comes_first_and_the_rarest_of_it(films, graph):
    found = texts(films, graph)
    assert found["m.1"] == "directed by p.1; film p.9; genre crime, comedy, alone"
    assert found["m.3"] == "directed by p.1; genre comedy"


def test_items_outside_the_graph_have_no_text(films, graph):
    assert texts(films, graph)["x"] is None


def test_names_and_phrases_say_it_in_words(films, graph):
    found = texts(
        films,
        graph,
        names={"p.1": "Agnès Varda", "p.9": "Janine Verneau"},
        phrases={"film.editor.film": "edited by"},
    )
    expected = "directed by Agnès Varda; edited by Janine Verneau; genre crime, comedy, alone"
    assert found["m.1"] == expected


def test_whole_facts_are_kept_and_relations_take_turns(films, graph):
    assert texts(films, graph, each=1)["m.1"] == "directed by p.1; film p.9; genre crime"
    assert texts(films, graph, max_chars=38)["m.1"] == "directed by p.1; film p.9; genre crime"
    assert texts(films, graph, max_chars=37)["m.1"] == "directed by p.1; film p.9"
    found = texts(films, graph, max_chars=46)["m.1"]
    assert found == "directed by p.1; film p.9; genre crime, comedy"
    assert texts(films, graph, max_chars=3)["m.1"] is None


def test_links_say_which_entity_an_item_is(graph, write):
    data = Dataset(
        pl.DataFrame({"user_id": ["ann"], "item_id": ["7"]}), pl.DataFrame({"item_id": ["8", "7"]})
    )
    links = write("a.link", "item_id\tentity_id\n7\tm.3\n99\tm.1\n")
    found = texts(data, graph, links)
    assert found == {"8": None, "7": "directed by p.1; genre comedy"}


def test_what_cannot_be_used_is_refused(films, graph, write):
    with pytest.raises(DataError, match=r"knows no item.*'m.3', 'x', 'm.1'.*the graph has '7'"):
        with_graph_text(films, graph, write("a.link", "7\tm.3\n"))
    with pytest.raises(DataError, match="a column 'title' already"):
        with_graph_text(films, graph, column="title")
    with pytest.raises(ConfigError, match="at least 1, not 0 and 400"):
        with_graph_text(films, graph, each=0)
