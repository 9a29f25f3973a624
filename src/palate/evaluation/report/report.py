"""A fitted pipeline and a comparison as one HTML file that needs no network."""

from __future__ import annotations

import base64
import hashlib
import reprlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

import numpy as np

from palate import __version__
from palate.core.arrays import Matrix, Rows
from palate.core.component import check_fitted
from palate.core.dataset import Dataset
from palate.core.doors import door
from palate.core.errors import ConfigError, DataError
from palate.core.files import write_whole
from palate.core.paths import path_of
from palate.core.progress import task
from palate.core.split import Split
from palate.core.visible import shorten
from palate.evaluation.compare import Comparison
from palate.evaluation.report.headline import headline, headline_metric, metric_title
from palate.evaluation.report.html import Words, asset, count, escape, json_text, say, words_in
from palate.evaluation.report.long_tail import tail_lead, tail_section
from palate.evaluation.report.map import CatalogueMap, Categories, categories_of, draw_map
from palate.evaluation.report.model import (
    chosen_section,
    importance_section,
    importances_of,
    map_data,
    map_lead,
    map_section,
)
from palate.evaluation.report.similar import similar_section
from palate.evaluation.report.table import more_tables, result_bars, results_table
from palate.evaluation.report.topics import topics_section
from palate.evaluation.report.users import (
    User,
    call,
    meet_users,
    sample_requests,
    users_section,
)
from palate.pipeline.explain.sentences import language_of, titles_of

if TYPE_CHECKING:
    from palate.pipeline.pipeline import Pipeline


__all__ = ["write_report"]


@door()
def write_report(
    path: str | Path,
    *,
    model: Pipeline,
    comparison: Comparison,
    split: Split,
    title: str = "palate report",
    users: int = 10,
    more: Mapping[str, Comparison] | None = None,
    seed: int = 0,
) -> Path:
    """Writes what `comparison` found, and what `model` does, as one page; answers with its path.

    The page loads nothing, speaks the catalogue's language (English or Chinese), and holds a map
    of the items, what the model chose and looks at, similar items and `users` sampled people where
    there are any. `more` are comparisons on other splits, by what they are called: a table and a
    sentence each. It is
    written whole or not at all: a file that is there stays until the new one is complete. Raises
    `ConfigError` for a negative number of people, `DataError` where the folder cannot be written.
    """
    if users < 0:
        raise ConfigError(f"users = {users} cannot be used: ask for 0 or more")
    more = {} if more is None else more
    _check_kinds(model, comparison, split)
    check_fitted(model)
    place = path_of(path, "the page of a report", DataError)
    with task("report", 3, "parts") as done:
        page = _page(
            model, comparison, split, title=title, users=users, more=more, seed=seed, done=done
        )
    return _write_whole(place, page)


def _check_kinds(model: object, comparison: object, split: object) -> None:
    """What stands where, before anything long begins."""
    from palate.pipeline.pipeline import Pipeline  # which takes long to load

    for name, value, kind in (
        ("model", model, Pipeline),
        ("comparison", comparison, Comparison),
        ("split", split, Split),
    ):
        if not isinstance(value, kind):
            raise DataError(f"{name} must be a {kind.__name__}, not {reprlib.repr(value)}")


@dataclass(frozen=True)
class _Section:
    """A part of the page: its anchor (also `nav_<anchor>` in the words), heading, lead and body."""

    anchor: str
    heading: str
    lead: str
    body: str

    def html(self) -> str:
        lead = f'<p class="lead">{self.lead}</p>' if self.lead else ""
        return (
            f'<section id="{self.anchor}" aria-labelledby="{self.anchor}-heading">'
            f'<h2 id="{self.anchor}-heading">{self.heading}</h2>{lead}{self.body}</section>'
        )


def _page(
    model: Pipeline,
    comparison: Comparison,
    split: Split,
    *,
    title: str,
    users: int,
    more: Mapping[str, Comparison],
    seed: int,
    done: Callable[[int], None],
) -> str:
    titles = titles_of(model.data_.items)
    words = words_in(language_of(titles))
    met = meet_users(model, split, sample_requests(split, users, seed=seed))
    done(1)
    encode = partial(_encoded, model)
    drawn = draw_map(model.features, wanted=_rows_of(met), seed=seed, encode=encode)
    colours = None if drawn is None else categories_of(model.data_.items)
    done(1)
    sections = _result_sections(comparison, split, more, words) + _chosen_sections(model, words)
    data: dict[str, Any] = {"map": None}
    if drawn is not None:
        lead = map_lead(drawn, colours, len(titles), words)
        body = map_section(drawn, colours, words)
        sections.append(_Section("map", say(words, "map_title"), lead, body))
        data = _script_data(drawn, colours, met, titles, words)
    sections += _topics_sections(model, titles, words)
    sections += _importance_sections(model, words)
    sections.append(_tail_section(comparison, split, words))
    sections += _similar_sections(model, titles, words)
    sections += _users_sections(met, titles, words, on_map=drawn is not None)
    page = _fill(title, sections, data, words)
    done(1)
    return page


def _encoded(model: Pipeline, block: str, rows: Rows) -> Matrix | None:
    """A content block of some items before any transform; None where no encoder makes it."""
    name, _, part = block.partition(".")
    encoder = model.encoders_.get(name)
    if encoder is None or block in model.features.behavioural:
        return None
    data = Dataset(model.data_.interactions.clear(), model.data_.items[rows])
    parts = encoder.encode(data).parts
    return next(iter(parts.values())) if len(parts) == 1 else parts.get(part)


def _result_sections(
    comparison: Comparison, split: Split, more: Mapping[str, Comparison], words: Words
) -> list[_Section]:
    metric = metric_title(headline_metric(comparison))
    table, bars = results_table(comparison, words), result_bars(comparison, words)
    others = _Section(
        "more", say(words, "more_title"), say(words, "more_text"), more_tables(more, words)
    )
    return [
        _Section("answer", say(words, "answer"), "", headline(comparison, split, words)),
        _Section("table", say(words, "table_title"), say(words, "table_text"), table),
        *([others] if more else []),
        _Section("bars", say(words, "bars_title"), say(words, "bars_text", metric=metric), bars),
    ]


def _chosen_sections(model: Pipeline, words: Words) -> list[_Section]:
    said = chosen_section(model.recommender_, words)
    if not said:
        return []
    return [_Section("chosen", say(words, "chosen_title"), say(words, "chosen_text"), said)]


def _similar_sections(model: Pipeline, titles: Sequence[str], words: Words) -> list[_Section]:
    body = similar_section(model, titles, words)
    if not body:
        return []
    return [_Section("similar", say(words, "similar_title"), say(words, "similar_text"), body)]


def _topics_sections(model: Pipeline, titles: Sequence[str], words: Words) -> list[_Section]:
    body = topics_section(model, titles, words)
    if not body:
        return []
    return [_Section("topics", say(words, "topics_title"), say(words, "topics_text"), body)]


def _importance_sections(model: Pipeline, words: Words) -> list[_Section]:
    table = importances_of(model.recommender_)
    if table is None:
        return []
    heading, lead = say(words, "importance_title"), say(words, "importance_text")
    return [_Section("importance", heading, lead, importance_section(table, words))]


def _tail_section(comparison: Comparison, split: Split, words: Words) -> _Section:
    body = tail_section(comparison, split, words)
    return _Section("tail", say(words, "tail_title"), tail_lead(split, words), body)


def _users_sections(
    users: Sequence[User], titles: Sequence[str], words: Words, *, on_map: bool
) -> list[_Section]:
    if not users:
        return []
    key = "people_title" if len(users) > 1 else "people_title_one"
    heading = say(words, key, count=count(len(users)))
    lead = say(words, "people_text")
    body = users_section(users, titles, words, on_map=on_map)
    return [_Section("people", heading, lead, body)]


def _rows_of(users: Sequence[User]) -> Rows:
    """The catalogue rows that the map must show."""
    rows = [part for user in users for part in (user.past, user.recommended)]
    return np.unique(np.concatenate([np.empty(0, dtype=np.int32), *rows])).astype(np.int32)


def _script_data(
    drawn: CatalogueMap,
    colours: Categories | None,
    users: Sequence[User],
    titles: Sequence[str],
    words: Words,
) -> dict[str, Any]:
    place = {int(row): point for point, row in enumerate(drawn.rows)}

    def points(rows: Rows) -> list[int]:
        return [place[int(row)] for row in dict.fromkeys(rows.tolist()) if int(row) in place]

    return {
        "map": map_data(drawn, colours, titles),
        "people": [
            {
                "name": shorten(call(user.name, words)),
                "history": points(user.past),
                "recommended": points(user.recommended),
            }
            for user in users
        ],
        "words": {
            "other": words["map_other"],
            "hint": words["map_hint"],
            "found": words["map_found"],
            "person": words["map_person"],
        },
    }


def _fill(title: str, sections: Sequence[_Section], data: dict[str, Any], words: Words) -> str:
    style, script = asset("report.css"), asset("report.js")
    links = "".join(
        f'<li><a href="#{part.anchor}">{say(words, f"nav_{part.anchor}")}</a></li>'
        for part in sections
    )
    nav = f'<nav aria-label="{say(words, "contents")}"><ul>{links}</ul></nav>'
    return Template(asset("report.html")).substitute(
        lang=words["lang"],
        title=escape(shorten(title)),
        version=__version__,
        style_hash=_digest(style),
        script_hash=_digest(script),
        style=style,
        script=script,
        skip=say(words, "skip"),
        nav=nav,
        sections="\n".join(part.html() for part in sections),
        footer=say(words, "footer", version=__version__),
        data=json_text(data),
    )


def _digest(source: str) -> str:
    """What a content security policy calls the one script, or style, that may run."""
    return "sha256-" + base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()


def _write_whole(path: Path, page: str) -> Path:
    """Nobody ever sees half a report."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return write_whole(path, page.encode())
    except OSError as error:
        reason = error.strerror or error
        raise DataError(f"the report cannot be written to {path}: {reason}") from error
