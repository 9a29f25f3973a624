"""`palate export`: a saved model's vectors for other programs."""

import json

import faiss
import numpy as np
import polars as pl
import pytest

import palate
from palate.data.samples import synthetic


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    encoders = {"words": palate.Tfidf(template="{title}"), "clicks": palate.Behaviour(dim=4)}
    model = palate.Pipeline(encoders=encoders, recommender=palate.Content())
    model.fit(synthetic(40, 30)).save(folder / "model")
    return folder / "model"


def test_vectors_of_items(command, saved, tmp_path):
    out = tmp_path / "items.parquet"
    done = command("export", saved, "--out", out, "--json", tmp_path / "said.json")
    assert done.code == 0, done.err
    assert "30 rows of clicks (4)" in done.out
    assert "left out, for they are sparse and were not named: words" in done.out
    features = palate.load(saved).features
    table = pl.read_parquet(out)
    assert table["item_id"].to_list() == features.ids.tolist()
    np.testing.assert_array_equal(table["clicks"].to_numpy(), features.parts["clicks"])
    assert json.loads((tmp_path / "said.json").read_text())["blocks"] == {"clicks": 4}


def test_vectors_of_people_find_items(command, saved, tmp_path):
    out = tmp_path / "people.npz"
    done = command("export", saved, "--users", "--block", "history.clicks", "--out", out)
    assert done.code == 0, done.err
    done = command("export", saved, "--block", "clicks", "--out", tmp_path / "items.faiss")
    assert done.code == 0, done.err
    model = palate.load(saved)
    with np.load(out) as content:
        assert content["user_id"].tolist() == model.users.histories.user_ids.to_list()
        people = content["history.clicks"]
    _, rows = faiss.read_index(str(tmp_path / "items.faiss")).search(people[:3], 5)
    expected = np.argsort(-(people[:3] @ model.features.parts["clicks"].T), axis=1)[:, :5]
    np.testing.assert_array_equal(np.sort(rows), np.sort(expected))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--out", "items"), "does not say what to write"),
        (("--out", "items.npz", "--block", "click"), "Did you mean 'clicks'?"),
    ],
)
def test_what_cannot_be_written_is_told(command, saved, words, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = command("export", saved, *words)
    assert done.code == 1
    assert said in done.err
    assert not list(tmp_path.iterdir())


def test_a_model_without_encoders_has_nothing_to_write(command, tmp_path):
    model = palate.Pipeline(encoders={}, recommender=palate.Popular()).fit(synthetic(40, 30))
    model.save(tmp_path / "model")
    done = command("export", tmp_path / "model", "--out", tmp_path / "x.parquet")
    assert done.code == 1
    assert "no features" in done.err
