"""Which metrics are measured is said by name: in Python, in a pipeline file, as an option."""

import json

import pytest

import palate
from palate.core.errors import ConfigError
from palate.data.samples import synthetic

CONFIG = """
[data]
interactions = "ratings.parquet"
items = "movies.parquet"
[encoders]
[recommender]
type = "popular"
"""


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shop")
    data = synthetic(40, 30)
    data.interactions.drop("weight").write_parquet(folder / "ratings.parquet")
    data.items.write_parquet(folder / "movies.parquet")
    (folder / "plain.toml").write_text(CONFIG)
    said = '[evaluation]\nmetrics = ["precision", "f1"]\nks = [5]\n'
    (folder / "said.toml").write_text(CONFIG + said)
    return folder


@pytest.fixture(scope="module")
def split():
    return palate.split_by_time(synthetic(40, 30), test=0.2)


def test_what_is_asked_for_in_python_is_shown(split):
    model = palate.Popular().fit(split.train)
    found = palate.evaluate(model, split, metrics=["precision", "recall", "f1"])
    assert 0 < found["precision@10"] < found["recall@10"]
    text = str(found)
    for name in ("Precision", "Recall", "F1"):
        assert name in text
    assert "NDCG" not in text


def test_the_usual_table_stays_as_it_is(split):
    text = str(palate.evaluate(palate.Popular().fit(split.train), split))
    assert "NDCG" in text
    assert "Recall" in text
    assert "MRR" not in text
    assert "long tail" in text


def test_eight_metrics_leave_room_for_all_requests_alone(split):
    names = ["precision", "recall", "hit_rate", "f1", "map", "mrr", "ndcg"]
    text = str(palate.evaluate(palate.Popular().fit(split.train), split, metrics=names))
    assert "Requests on" not in text
    assert all(len(line) <= 120 for line in text.splitlines()[:6])


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("NDCG@10", r"called 'NDCG@10'. Did you mean 'ndcg' with ks=\[10\]\? Known: precision"),
        ("Precision", r"Did you mean 'precision'\?"),
        ("hit rate", r"Did you mean 'hit_rate'\?"),
        ("HR@5", r"Did you mean 'hit_rate' with ks=\[5\]\?"),
        ("precison", r"Did you mean 'precision'\? Known"),
        ("x", r"no metric is called 'x'. Known: "),
        (3, r"no metric is called 3"),
    ],
)
def test_another_spelling_is_understood_and_told(split, name, said):
    with pytest.raises(ConfigError, match=said):
        palate.evaluate(palate.Popular().fit(split.train), split, metrics=[name])


def test_a_file_says_them(command, shop):
    done = command("fit", shop / "said.toml", "--out", shop / "model")
    assert done.code == 0, done.err
    done = command("evaluate", shop / "model", "--json", shop / "figures.json")
    assert done.code == 0, done.err
    figures = json.loads((shop / "figures.json").read_text())
    assert figures["rows"][0]["metrics"].keys() == {"precision@5", "f1@5"}
    assert "Precision" in done.out


def test_options_go_before_the_file(command, shop):
    path = shop / "compared.json"
    words = ("compare", shop / "said.toml", "--metrics", "map, mrr", "--ks", "3,10", "--json", path)
    done = command(*words)
    assert done.code == 0, done.err
    found = json.loads(path.read_text())["rows"][0]["metrics"]
    assert list(found) == ["map@3", "map@10", "mrr@3", "mrr@10"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--metrics", "NDCG@10"), "Did you mean 'ndcg' with ks = [10]?"),
        (("--metrics", ","), "need one metric"),
        (("--ks", "ten"), "--ks 'ten' are no numbers: write --ks 5,10"),
        (("--ks", "0"), "places >= 1"),
    ],
)
def test_a_wrong_option_is_told_before_anything_is_fitted(command, shop, words, said):
    done = command("compare", shop / "plain.toml", *words)
    assert done.code == 1
    assert said in done.err
    assert "requests" not in done.err


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ('metrics = ["NDCG@10"]', "Did you mean 'ndcg' with ks = [10]?"),
        ('metric = ["ndcg"]', "[evaluation] has no setting 'metric'. Did you mean 'metrics'?"),
        ('metrics = "ndcg"', "[evaluation].metrics"),
    ],
)
def test_check_reads_the_section(command, shop, lines, said):
    path = shop / "wrong.toml"
    path.write_text(f"{CONFIG}[evaluation]\n{lines}\n")
    done = command("check", path)
    assert done.code == 1
    assert said in done.err


def test_files_that_want_different_figures_are_not_compared(command, shop):
    (shop / "other.toml").write_text(CONFIG + '[evaluation]\nmetrics = ["map"]\n')
    done = command("compare", shop / "said.toml", shop / "other.toml")
    assert done.code == 1
    assert "other has another [evaluation] than said" in done.err
    done = command("compare", shop / "said.toml", shop / "plain.toml")
    assert done.code == 0, done.err
