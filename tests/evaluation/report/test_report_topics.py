"""The report's topics: names, sizes, examples, in the language of the page."""

import re

import pytest

import palate
from palate.data.samples import synthetic
from palate.evaluation.report.report import write_report


def page(tmp_path, *, language="en", **encoders):
    data = synthetic(80, 40, language=language)
    split = palate.split_by_time(data, test=0.2)
    model = palate.Pipeline(encoders=encoders, recommender=palate.Content()).fit(split.train)
    compared = palate.compare({"model": model}, split, resamples=20)
    path = write_report(tmp_path / "r.html", model=model, comparison=compared, split=split, users=1)
    return model, path.read_text(encoding="utf-8")


def section(html):
    return re.search(r'<section id="topics".*?</section>', html, re.S)[0]


WORDS = {"type": "tfidf", "template": "{title}. {description}"}


def test_topics_stand_in_the_report(tmp_path):
    model, html = page(tmp_path, about=palate.Topics(n_topics=4, encoder=WORDS))
    part = section(html)
    table = model.encoders_["about"].table(model.data_)
    names = re.findall(r'<th scope="row" class="name"><bdi>(.*?)</bdi>', part)
    assert names == table["topic"].to_list()
    for size in table["items"].to_list():
        assert f"<td>{size} <small>" in part
    titles = dict(zip(model.data_.items["item_id"], model.data_.items["title"], strict=True))
    for item in table["examples"].explode().to_list():
        assert f"<bdi>{titles[item]}</bdi>" in part
    assert 'href="#topics">Topics' in html


def test_chinese_pages_have_chinese_topics(tmp_path):
    pytest.importorskip("rjieba")
    model, html = page(tmp_path, language="zh", about=palate.Topics(n_topics=3, encoder=WORDS))
    part = section(html)
    assert "目录讲的是什么" in part
    names = re.findall(r'<th scope="row" class="name"><bdi>(.*?)</bdi>', part)
    assert [name.replace("、", ", ") for name in names] == model.encoders_["about"].names
    assert all(re.search("[\u4e00-\u9fff]", name) for name in names)


def test_a_model_without_topics_has_no_such_section(tmp_path):
    _, html = page(tmp_path, words=palate.Tfidf(template="{title}"))
    assert 'id="topics"' not in html
