"""`palate demo`: MovieLens-100K from tables to recommendations, with a report to look at."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.markup import escape

from palate.cli.console import recommendations_table, shown_progress
from palate.cli.demo_tables import DEFAULT, Shown, new_films, new_people, rows_of_the_table
from palate.core.errors import DataError
from palate.core.split import Split
from palate.data.samples import movielens
from palate.data.split import split_by_time
from palate.evaluation.compare import Comparison, compare
from palate.evaluation.report.headline import Verdict
from palate.evaluation.report.report import write_report
from palate.pipeline.artefact import check_place
from palate.pipeline.explain.sentences import titles_of
from palate.pipeline.pipeline import Pipeline

TOP_USERS = 5
LIKED = ("Star Wars", "Blade Runner", "Alien")


@dataclass(frozen=True)
class Demo:
    """What the demo made: the split, the fitted default, the comparisons and the files."""

    split: Split
    model: Pipeline
    comparison: Comparison
    others: tuple[Shown, ...]
    folder: Path


def run_demo(out: Path, console: Console) -> Demo:
    """Runs the whole flow, prints the table and the recommendations, writes `out`."""
    check_place(out / "model")
    data = movielens()
    users, items = len(data.user_ids), len(data.items)
    console.print(
        f"MovieLens-100K: {users:,} people, {items:,} films, {len(data.events):,} ratings"
    )
    if data.against is not None:
        console.print(
            f"{len(data.against):,} of them are low: they count against their film, not as choices"
        )
    split = split_by_time(data, test=0.2)
    console.print(
        f"Split by time: {len(split.train.interactions):,} ratings to learn from, "
        f"{len(split.histories):,} later ones to foresee, each from all its person did before\n"
    )
    models = rows_of_the_table()
    with shown_progress():
        for model in models.values():
            model.fit(split.train)
        comparison = compare(models, split, reference=DEFAULT)
    _show_table(comparison, console)
    with shown_progress():
        others = (new_films(data, models), new_people(split, models))
    for other in others:
        console.print(f"\n[bold]{other.title}[/bold]: {other.asks}\n")
        _show_table(other.comparison, console)
    model = models[DEFAULT]
    _show_recommendations(model, split, console)
    model.save(out / "model")
    report = write_report(
        out / "report.html",
        model=model,
        comparison=comparison,
        split=split,
        more={f"{other.title}: {other.asks}": other.comparison for other in others},
        title="MovieLens-100K",
    )
    console.print(
        f"\nmodel   {out / 'model'}\nreport  {report}  (open it in a browser)", markup=False
    )
    return Demo(split, model, comparison, others, out)


def _show_table(comparison: Comparison, console: Console) -> None:
    console.print(comparison.render())
    console.print(str(Verdict.of(comparison)), markup=False)


def _show_recommendations(model: Pipeline, split: Split, console: Console) -> None:
    titles = titles_of(split.train.items)
    names = dict(zip(split.train.items["item_id"], titles, strict=True))
    user = _somebody(model)
    found = model.recommend([user], k=5, reasons=True)
    console.print(recommendations_table(found, names, caption=f"\nFor person {user}, who is known"))
    liked = [_named(title, titles, split) for title in LIKED]
    found = model.recommend(history=liked, k=5, reasons=True)
    listed = ", ".join(names[title] for title in liked)
    console.print(
        recommendations_table(
            found, names, caption=f"\nFor somebody never seen, who names {listed}"
        )
    )
    cold_item = _best_cold_item(model, split)
    top_users = model.top_users(cold_item, k=TOP_USERS)
    lines = [
        f"person {line['user_id']} (place {line['rank']})" for line in top_users.table.to_dicts()
    ]
    console.print(
        f"\nAmong the {len(split.cold_items):,} films that nobody had rated before, "
        f"[bold]{escape(names[cold_item])}[/bold] stands highest; it would go to: "
        f"{', '.join(lines)}"
    )


def _somebody(model: Pipeline) -> str:
    """A person with a middling history: the median length."""
    histories = model.known_users.histories
    order = np.argsort(histories.lengths, kind="stable")
    return str(histories.user_ids[int(order[len(order) // 2])])


def _named(title: str, titles: list[str], split: Split) -> str:
    for other, name in zip(titles, split.train.items["item_id"], strict=True):
        if other == title:
            return str(name)
    raise DataError(f"the sample holds no film called {title!r}")


def _best_cold_item(model: Pipeline, split: Split) -> str:
    """The film without a training rating whose best places, as many as are shown, are the best."""
    if not len(split.cold_items):
        raise DataError("every film of the sample has a training rating")
    users, count = model.known_users.histories, len(model.item_ids)
    rows, _ = model.rank_histories(users, count)
    places = np.full((len(rows), count + 1), count)  # the last column takes the ends of lists, -1
    np.put_along_axis(places, rows, np.arange(count)[None, :], axis=1)
    best = np.sort(places[:, split.cold_items], axis=0)[:TOP_USERS].sum(axis=0)
    return str(model.item_ids.series[int(split.cold_items[best.argmin()])])
