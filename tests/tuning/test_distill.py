import io
import json

import numpy as np
import polars as pl
import pytest
from rich.console import Console

from palate.core.errors import ConfigError, DataError
from palate.data.samples import synthetic
from palate.features.encoders.static import Static
from palate.tuning import student_check
from palate.tuning.distill import catalogue_of, distill

pytest.importorskip("tokenizers")


@pytest.fixture(scope="module")
def data():
    return synthetic(seed=2)


@pytest.fixture(scope="module")
def done(data, letters, tmp_path_factory):
    out = tmp_path_factory.mktemp("students") / "student"
    return distill(data, model=letters(), out=out, dim=16)


def test_the_student_comes_near_the_teacher(done, data):
    assert done.agreement > 0.7
    assert done.dim == 16
    assert done.teacher_dim == 26
    assert done.tokens > 100
    found = Static(model=done.folder).fit(data).encode(data).values
    assert found.shape == (len(data.items), 16)


def test_the_fit_is_worth_it(done, data, letters, tmp_path):
    bare = distill(data, model=letters(), out=tmp_path / "bare", dim=16, texts=0)
    assert done.agreement > bare.agreement + 0.02


def test_the_loss_is_measured_on_events_held_back(done):
    loss = done.loss
    assert loss.requests > 50
    assert 0 < loss.student.mean < 1
    assert loss.difference.mean == pytest.approx(loss.student.mean - loss.teacher.mean, abs=1e-9)
    assert loss.difference.low <= loss.difference.mean <= loss.difference.high


def test_the_report_shows_both(done):
    console = Console(width=120, file=io.StringIO())
    console.print(done.render())
    shown = console.file.getvalue()
    assert "teacher" in shown
    assert f"{done.loss.student.mean:.4f}" in shown
    assert "requests held back" in shown
    assert json.loads(json.dumps(done.to_json(), allow_nan=False))["dim"] == 16


def test_the_same_input_gives_the_same_folder(done, data, letters, tmp_path):
    again = distill(data, model=letters(), out=tmp_path / "again", dim=16)
    one, other = (Static(model=each.folder)._loaded.vectors for each in (done, again))
    np.testing.assert_array_equal(one, other)


def test_a_table_and_a_list_have_neighbours_only(data, letters, tmp_path):
    table = distill(data.items, model=letters(), out=tmp_path / "table", dim=8, template="{title}")
    assert table.loss is None
    assert "content NDCG@10" not in [column.header for column in table.render().columns]
    texts = distill(data.items["title"].to_list(), model=letters(), out=tmp_path / "list", dim=8)
    assert texts.agreement == table.agreement


def test_a_folder_is_written_again_but_none_of_others(data, letters, tmp_path):
    texts = data.items["title"].to_list()
    for dim in (4, 6):
        distill(texts, model=letters(), out=tmp_path / "here", dim=dim)
    assert Static(model=str(tmp_path / "here")).encode_texts(["a"]).shape == (1, 6)
    (tmp_path / "here" / "thesis.tex").write_text("")
    with pytest.raises(ConfigError, match=r"other files \(thesis\.tex\)"):
        distill(texts, model=letters(), out=tmp_path / "here")
    with pytest.raises(ConfigError, match="is a file"):
        distill(texts, model=letters(), out=tmp_path / "here" / "thesis.tex")


def test_blank_items_are_no_lesson(letters, tmp_path):
    texts = ["green tea", "", "steel bike", " ", "tea leaf", "jazz trumpet", "black tea"]
    found = distill(texts, model=letters(), out=tmp_path / "few", dim=3)
    assert 0 <= found.agreement <= 1
    with pytest.raises(DataError, match="says anything"):
        distill(["", " "], model=letters(), out=tmp_path / "none")


TEXTS = ["green tea", "steel bike", "late jazz trumpet", "绿茶 tea leaf"]


def test_a_student_cannot_give_more_numbers_than_its_teacher(letters, tmp_path):
    with pytest.raises(ConfigError, match=r"dim = 27: .* gives 26 numbers.*choose 26 or fewer"):
        distill(TEXTS, model=letters(), out=tmp_path / "more", dim=27)
    assert not (tmp_path / "more").exists()
    assert distill(TEXTS, model=letters(), out=tmp_path / "all").dim == 26
    assert distill(TEXTS, model=letters(), out=tmp_path / "few", dim=26).dim == 26


def test_one_item_has_no_neighbours_to_agree_on(letters, tmp_path):
    found = distill(["green tea"], model=letters(), out=tmp_path / "one")
    assert np.isnan(found.agreement)
    assert json.loads(json.dumps(found.to_json(), allow_nan=False))["agreement"] is None
    console = Console(width=120, file=io.StringIO())
    console.print(found.render())
    assert "nan" not in console.file.getvalue()


@pytest.mark.parametrize(
    "setting", [{"dim": 0}, {"vocabulary": 0}, {"texts": -1}, {"sif": 1.0}, {"pull": -0.1}]
)
def test_settings_are_checked(letters, tmp_path, setting):
    with pytest.raises(ConfigError, match=f"{next(iter(setting))} = "):
        distill(["a tea"], model=letters(), out=tmp_path / "x", **setting)


def test_what_is_no_catalogue(letters, tmp_path):
    with pytest.raises(DataError, match="a list, each part of it a text"):
        distill("a text", model=letters(), out=tmp_path / "x")


def test_a_catalogue_from_a_pipeline_file_or_a_table(data, tmp_path):
    data.interactions.write_parquet(tmp_path / "events.parquet")
    data.items.write_parquet(tmp_path / "items.parquet")
    sections = '[data]\ninteractions = "events.parquet"\nitems = "items.parquet"\n'
    (tmp_path / "shop.toml").write_text(sections + '[split]\ntype = "time"\ntest = 0.25\n')
    found = catalogue_of(tmp_path / "shop.toml")
    assert len(found.items) == len(data.items)
    assert len(found.interactions) < 0.8 * len(data.interactions)
    table = catalogue_of(tmp_path / "items.parquet")
    assert isinstance(table, pl.DataFrame)
    assert table["title"].to_list() == data.items["title"].to_list()


def test_a_catalogue_in_another_encoding(tmp_path):
    path = tmp_path / "items.csv"
    path.write_bytes("item_id,title\n1,青花瓷茶壶\n".encode("gb18030"))
    assert catalogue_of(path, encoding="gb18030")["title"].to_list() == ["青花瓷茶壶"]
    with pytest.raises(DataError, match='encoding="gb18030"'):
        catalogue_of(path)
    with pytest.raises(ConfigError, match=r"in its \[data\]"):
        catalogue_of(tmp_path / "shop.toml", encoding="gb18030")


def test_a_catalogue_a_little_above_the_most_is_taken_whole(letters, monkeypatch):
    monkeypatch.setattr(student_check, "_MOST_ITEMS", 9)
    texts = [f"item {chr(97 + row)}" for row in range(10)]
    pair = student_check.Pair(texts, np.array([2, 7]), letters(), letters())
    assert len(pair.rows) == 10
    assert pair.agreement() == 1.0
