import sys

import numpy as np
import polars as pl
import pytest

import palate
from palate import testing
from palate.core.dataset import Dataset
from palate.core.errors import ConfigError, DataError, NotFittedError
from palate.features.encoders.graph import Graph

pytest.importorskip("torch")

DIRECTORS = {"a": 9, "b": 6, "c": 4, "d": 3}


def films(names, touched=None):
    touched = names if touched is None else touched
    interactions = pl.DataFrame({"user_id": ["ann"] * len(touched), "item_id": list(touched)})
    return Dataset(interactions, pl.DataFrame({"item_id": list(names)}))


@pytest.fixture(scope="module")
def graph(tmp_path_factory):
    """Films of four directors, who each have actors and a country of their own."""
    rng = np.random.default_rng(4)
    folder = tmp_path_factory.mktemp("graph")
    lines, links = [], []
    for director, count in DIRECTORS.items():
        for number in range(count):
            film = f"m.{director}{number}"
            links.append(f"{director}-{number}\t{film}")
            lines.append(f"{film}\tdirected_by\tp.{director}")
            lines.append(f"{film}\tcountry\tc.{director}")
            cast = rng.choice(5, size=2, replace=False)
            lines += [f"{film}\tactor\tp.{director}{actor}" for actor in cast]
    (folder / "films.tsv").write_text("\n".join(lines) + "\n")
    (folder / "films.link").write_text("item_id:token\tentity_id:token\n" + "\n".join(links))
    return folder


@pytest.fixture(scope="module")
def names():
    return [f"{director}-{number}" for director, n in DIRECTORS.items() for number in range(n)]


def encoder(folder, **settings):
    paths = {"triples": str(folder / "films.tsv"), "links": str(folder / "films.link")}
    return Graph(**({**paths, "dim": 8, "epochs": 40} | settings))


def share_of_neighbours(vectors, names):
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    near = unit @ unit.T
    np.fill_diagonal(near, -2)
    nearest = near.argmax(axis=1)
    return np.mean([names[row][0] == names[other][0] for row, other in enumerate(nearest)])


@pytest.mark.parametrize("model", ["complex", "transe"])
def test_items_that_share_people_and_places_are_close(graph, names, model):
    features = encoder(graph, model=model).fit(films(names)).encode(films(names))
    assert features.parts["graph"].shape == (22, 8)
    assert not features.behavioural
    assert share_of_neighbours(features.values, names) > 0.9


def test_rows_follow_the_catalogue(graph, names):
    turned = names[::-1]
    fitted = encoder(graph).fit(films(names))
    there, back = fitted.encode(films(names)).values, fitted.encode(films(turned)).values
    assert np.array_equal(there[::-1], back)
    assert not np.array_equal(there, back)


def test_new_items_that_the_links_name_have_their_own_vector(graph, names):
    old = [name for name in names if name not in ("a-3", "c-1")]
    fitted = encoder(graph).fit(films(old))
    features = fitted.encode(films([*old, "a-3", "c-1"])).values
    assert share_of_neighbours(features, [*old, "a-3", "c-1"]) > 0.9


def test_items_without_an_entity_get_the_mean_of_touched_items_and_a_mark(graph, names):
    data = films([*names, "stranger"], touched=["a-0", "b-1", "stranger"])
    fitted = encoder(graph).fit(data)
    values = fitted.encode(data).values
    assert values.shape == (23, 9)
    assert values[:, -1].tolist() == [0.0] * 22 + [1.0]
    rows = [names.index("a-0"), names.index("b-1")]
    assert values[-1, :-1] == pytest.approx(values[rows, :-1].mean(axis=0), abs=1e-6)
    assert fitted.covers(data) == pytest.approx(22 / 23)


def test_where_no_touched_item_is_known_the_others_say_what_is_typical(graph, names):
    data = films([*names, "stranger"], touched=["stranger"])
    values = encoder(graph).fit(data).encode(data).values
    assert values[-1, :-1] == pytest.approx(values[:-1, :-1].mean(axis=0), abs=1e-5)


def test_items_are_entities_by_their_own_id_without_links(graph):
    data = films([f"m.a{number}" for number in range(9)])
    assert encoder(graph, links=None).fit(data).encode(data).values.shape == (9, 8)


def test_the_seed_decides(graph, names):
    one, same, other = (
        encoder(graph, seed=seed).fit(films(names)).encode(films(names)).values
        for seed in (0, 0, 1)
    )
    assert np.array_equal(one, same)
    assert not np.allclose(one, other)


def test_an_encoder_of_files_keeps_the_promises_of_all(graph, names):
    testing.check_encoder(encoder(graph), films(names, touched=names[:15]))


def test_a_saved_pipeline_needs_neither_files_nor_torch(graph, names, tmp_path, monkeypatch):
    rng = np.random.default_rng(2)
    users = [f"p{number}" for number in range(12)]
    events = [
        (user, f"{'abcd'[row % 3]}-{number}")
        for row, user in enumerate(users)
        for number in rng.choice(3, 3, replace=False)
    ]
    interactions = pl.DataFrame(events, schema=["user_id", "item_id"], orient="row")
    data = Dataset(interactions, pl.DataFrame({"item_id": names}))
    model = palate.Pipeline(encoders={"graph": encoder(graph)}, recommender=palate.Content())
    model.fit(data).save(tmp_path / "model")
    monkeypatch.setitem(sys.modules, "torch", None)
    gone = graph.rename(graph.with_name("elsewhere"))
    try:
        loaded = palate.load(tmp_path / "model")
        found = loaded.recommend(history=["a-0", "a-1"], k=4).table["item_id"]
    finally:
        gone.rename(graph)
    assert [name[0] for name in found] == ["a"] * 4


def test_catalogues_that_the_graph_does_not_know_are_refused(graph):
    with pytest.raises(
        DataError, match=r"films\.link links no item.*'x', 'y'.*'a-0', 'a-1', 'a-2'"
    ):
        encoder(graph).fit(films(["x", "y"]))
    with pytest.raises(DataError, match=r"no item is an entity.*links = "):
        encoder(graph, links=None).fit(films(["x", "y"]))


def test_strange_names_are_names_and_what_is_no_text_is_refused(graph, names, write):
    told = (graph / "films.tsv").read_text()
    strange = f"m.a0\t😀\tשלום\nm.a1\tsays\t{'x' * 1_000_000}\n"
    more = write("more.tsv", told + strange)
    found = encoder(graph, triples=str(more), epochs=1).fit(films(names)).encode(films(names))
    assert np.isfinite(found.values).all()
    broken = write("broken.tsv", told.encode() + b"m.a0\tsays\t\xed\xa0\x80\n")
    line = told.count("\n") + 1
    with pytest.raises(DataError, match=rf"broken.tsv, line {line}: byte 0xed"):
        encoder(graph, triples=str(broken)).fit(films(names))


def test_what_cannot_be_used_is_refused(graph, names):
    with pytest.raises(DataError, match=r'triples = "graph.tsv"'):
        Graph().fit(films(names))
    with pytest.raises(ConfigError, match="even number"):
        Graph(dim=5)
    assert Graph(dim=5, model="transe").dim == 5
    for setting in ("dim", "epochs"):
        with pytest.raises(ConfigError, match=f"{setting} = 0 cannot be used: give 1 or more"):
            Graph(**{setting: 0})
    with pytest.raises(NotFittedError):
        encoder(graph).encode(films(names))
    with pytest.raises(NotFittedError):
        encoder(graph).covers(films(names))
