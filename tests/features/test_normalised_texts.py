"""Normalising as a setting: items, new items and people's words go the same way."""

import sys
from dataclasses import replace
from functools import partial

import numpy as np
import polars as pl
import pytest

import palate
from palate.core.arrays import to_dense
from palate.core.errors import ConfigError, DataError, MissingExtraError
from palate.data.samples import synthetic

STEPS = {"html": True, "stop_words": True, "punctuation": True, "digits": True}


@pytest.fixture(scope="module")
def data():
    found = synthetic(40, 30)
    titles = ["<b>Salt</b> &amp; pepper 2000!", "the pepper", *found.items["title"][2:]]
    return replace(found, items=found.items.with_columns(title=pl.Series(titles)))


def model(**settings):
    words = palate.Tfidf(template="{title}", min_df=1, ngrams=[1, 1], **settings)
    return palate.Pipeline(encoders={"words": words}, recommender=palate.Content())


def test_steps_decide_which_words_there_are(data):
    plain = model().fit(data).encoders_["words"].vocabulary_
    tidy = model(normalise=STEPS).fit(data).encoders_["words"].vocabulary_
    assert {"b", "amp", "the", "2000"} <= set(plain)
    assert {"salt", "pepper"} <= set(tidy)
    assert not {"b", "amp", "the", "2000"} & set(tidy)


def test_people_and_new_items_go_the_same_way(data, tmp_path):
    fitted = model(normalise=STEPS).fit(data)
    loaded = palate.load(fitted.save(tmp_path / "model"))
    assert loaded.encoders_["words"].normalise == STEPS
    new = data.items.head(1).with_columns(
        item_id=pl.lit("new"), title=pl.lit("<i>Salt</i>, pepper (3)")
    )
    loaded.add_items(new)
    rows = to_dense(loaded.features.parts["words"])
    np.testing.assert_array_equal(rows[-1], rows[0])
    first, second = (
        to_dense(loaded.queries([text])["words"])
        for text in ("<p>SALT &amp; 7 pepper</p>", "salt pepper")
    )
    np.testing.assert_array_equal(first, second)
    assert first.any()


@pytest.mark.parametrize(
    "encoder",
    [palate.TextEncoder, partial(palate.Static, weighting="none"), palate.Transformer],
)
def test_language_models_read_tidied_texts(encoder, data):
    found = encoder(template="{title}", normalise={"html": True, "punctuation": True}).fit(data)
    plain = encoder(template="{title}").fit(data)
    np.testing.assert_allclose(
        found.encode_texts(["<b>Salt</b>, pepper!"]), plain.encode_texts(["Salt pepper"]), atol=1e-6
    )
    np.testing.assert_allclose(
        found.encode(data).values[0], plain.encode_texts(["Salt pepper 2000"])[0], atol=1e-6
    )


def test_nothing_is_normalised_by_default(data):
    assert palate.TextEncoder().normalise is None
    encoder = palate.Tfidf(template="{title}", normalise={}).fit(data)
    assert encoder.tidied(["ｉＰｈｏｎｅ"]) == ["iPhone"]


def test_check_says_what_is_done(data):
    said = list(palate.Tfidf(template="{title}", normalise=STEPS).describe(data))
    assert "normalises every text: html, stop_words, punctuation, digits" in said
    assert "for example: Salt pepper" in said


def test_items_of_which_nothing_is_left_are_told(data):
    items = data.items.with_columns(title=pl.lit("2000"))
    encoder = palate.TextEncoder(template="{title}", normalise={"digits": True})
    with pytest.raises(DataError, match="no item says anything"):
        encoder.fit(replace(data, items=items))


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ({"htm": True}, "no step is called 'htm'. Did you mean 'html'"),
        ({"html": "yes"}, "html = 'yes' is neither true nor false"),
        ({"language": "english"}, "language 'english' is not known.*Known: en, zh"),
        ("html", "normalise = 'html' cannot be used"),
    ],
)
def test_what_is_no_step_is_told_at_once(steps, said):
    with pytest.raises(ConfigError, match=said):
        palate.Tfidf(normalise=steps)


def test_chinese_words_need_their_extra(data, monkeypatch):
    from palate.text import normalise as module

    encoder = palate.Tfidf(normalise={"language": "zh", "segment": True})
    assert encoder.tidied(["我喜欢花露水"])[0].count(" ") >= 1
    monkeypatch.setitem(sys.modules, "rjieba", None)
    module.segmenter.cache_clear()
    with pytest.raises(MissingExtraError, match="zh"):
        encoder.fit(data)
    module.segmenter.cache_clear()


CONFIG = """
[data]
interactions = "ratings.parquet"
items = "movies.parquet"
[encoders.words]
type = "tfidf"
template = "{title}"
normalise = { html = true, digits = true }
[recommender]
type = "content"
"""


def test_a_pipeline_file_says_it(command, data, tmp_path):
    data.interactions.drop("weight").write_parquet(tmp_path / "ratings.parquet")
    data.items.write_parquet(tmp_path / "movies.parquet")
    path = tmp_path / "films.toml"
    path.write_text(CONFIG)
    done = command("check", path)
    assert done.code == 0, done.err
    assert "normalises every text: html, digits" in done.out
    done = command("fit", path, "--out", tmp_path / "model")
    assert done.code == 0, done.err
    words = palate.load(tmp_path / "model").encoders_["words"].vocabulary_
    assert "2000" not in words
    path.write_text(CONFIG.replace("html =", "htm ="))
    done = command("check", path)
    assert done.code == 1
    assert "Did you mean 'html'" in done.err
